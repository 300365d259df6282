package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"parley/client"
	"parley/content"
	"parley/content/render"
	"parley/content/timeline"
	"parley/uri"
)

// talkVerbs are the commands about messages of the current room. ID is the beginning of a message's ID, or ^N: the Nth last message.
func talkVerbs() []chatVerb {
	about := func(c *chatLine, arg string, _ uri.Provider) error {
		c.id, c.text, _ = strings.Cut(arg, " ")
		c.text = strings.TrimSpace(c.text)
		return needed(c.id)
	}
	both := func(c *chatLine, arg string, home uri.Provider) error {
		return errors.Join(about(c, arg, home), needed(c.text))
	}
	text := func(c *chatLine, arg string, _ uri.Provider) error {
		c.text = arg
		return needed(arg)
	}
	return append([]chatVerb{
		{"reply", "ID TEXT", "answer a message; ID begins the message's ID, or is ^N for the Nth last one", first(both)},
		{"edit", "ID TEXT", "give an own message another text", first(both)},
		{"delete", "ID", "take a message back", first(about)},
		{"react", "ID EMOJI", "react to a message", first(both)},
		{"unreact", "ID [EMOJI]", "take your reactions to a message back", first(about)},
		{"md", "TEXT", "send Markdown; @bob@b.example mentions somebody", text},
		{"topic", "TOPIC TEXT", "say something in a topic", first(both)},
		{"expire", "SECONDS TEXT", "say something that vanishes so long after it was read", first(func(c *chatLine, arg string, home uri.Provider) error {
			if err := both(c, arg, home); err != nil {
				return err
			}
			n, err := strconv.ParseUint(c.id, 10, 32)
			if err != nil || n == 0 {
				return errors.New("that is no number of seconds above 0")
			}
			c.n = int(n)
			return nil
		})},
		{"show", "[N]", "show the last N messages as they look now (20)", count},
		{"delivery", "ID", "how far an own message has come, for each person", first(about)},
		{"read", "", "tell that everything here was read", bare},
		{"unread", "", "how much was not read, room by room", bare},
	}, keepVerbs()...)
}

// first drops all errors but the first line of them.
func first(parse func(*chatLine, string, uri.Provider) error) func(*chatLine, string, uri.Provider) error {
	return func(c *chatLine, arg string, home uri.Provider) error {
		if err := parse(c, arg, home); err != nil {
			line, _, _ := strings.Cut(err.Error(), "\n")
			return errors.New(line)
		}
		return nil
	}
}

func count(c *chatLine, arg string, _ uri.Provider) (err error) {
	c.n = 20
	if arg == "" {
		return nil
	}
	if c.n, err = strconv.Atoi(arg); err != nil || c.n < 1 {
		return errors.New("that is no number above 0")
	}
	return nil
}

var errNoID = errors.New("there is no message with that ID among the last ones here; /show lists them")

// messageID finds a message by the beginning of its ID, or by its place from the end.
func (s *chat) messageID(ctx context.Context, c *client.Client, at uri.Room, name string) (content.MessageID, error) {
	list, err := c.Messages(ctx, at, 1000)
	if err != nil {
		return content.MessageID{}, err
	}
	if n, err := strconv.Atoi(strings.TrimPrefix(name, "^")); err == nil && strings.HasPrefix(name, "^") && n >= 1 && n <= len(list) {
		return list[len(list)-n].ID, nil
	}
	if len(name) == 2*len(content.MessageID{}) {
		if raw, err := hex.DecodeString(name); err == nil {
			return content.MessageID(raw), nil
		}
	}
	var found []content.MessageID
	for _, m := range list {
		// The first octet of all IDs is the same.
		if len(name) >= 4 && (strings.HasPrefix(m.ID.String()[2:], name) || strings.HasPrefix(m.Root.String()[2:], name) || strings.HasPrefix(m.ID.String(), name)) {
			found = append(found, m.ID)
		}
	}
	switch len(found) {
	case 0:
		return content.MessageID{}, errNoID
	case 1:
		return found[0], nil
	}
	return content.MessageID{}, errors.New("several messages begin like that; write more of the ID")
}

// talk does what concerns messages of a room.
func (s *chat) talk(ctx context.Context, c *client.Client, at uri.Room, cmd *chatLine) (err error) {
	var id content.MessageID
	switch cmd.verb {
	case "reply", "edit", "delete", "react", "unreact", "delivery":
		if id, err = s.messageID(ctx, c, at, cmd.id); err != nil && cmd.verb == "delivery" {
			id, err = s.unsentID(c, at, cmd.id, err)
		}
		if err != nil {
			return err
		}
	}
	switch cmd.verb {
	case "reply":
		_, err = c.Reply(ctx, at, id, cmd.text)
	case "edit":
		_, err = c.Edit(ctx, at, id, cmd.text)
	case "delete":
		_, err = c.Delete(ctx, at, id)
	case "react":
		_, err = c.React(ctx, at, id, cmd.text)
	case "unreact":
		_, err = c.Unreact(ctx, at, id, cmd.text)
	case "md":
		_, err = c.Post(ctx, at, client.Outgoing{Text: markdown(cmd.text), Markdown: true})
	case "topic":
		_, err = c.Post(ctx, at, client.Outgoing{Text: cmd.text, Topic: []byte(cmd.id)})
	case "expire":
		_, err = c.Post(ctx, at, client.Outgoing{Text: cmd.text, Expires: &content.Expires{Relative: true, Time: uint32(cmd.n)}})
	case "show":
		return s.showMessages(ctx, c, at, cmd.n)
	case "delivery":
		return s.showDelivery(ctx, c, at, id)
	case "read":
		return c.MarkRead(ctx, at, 1<<62)
	case "unread":
		s.showUnread(c)
	case "search", "mute", "unmute", "accept":
		return s.keep(ctx, c, at, cmd)
	}
	return err
}

// unsentID finds a message that is in the outbox still.
func (s *chat) unsentID(c *client.Client, at uri.Room, name string, otherwise error) (content.MessageID, error) {
	for _, i := range c.Intents() {
		if i.Room == at.String() && len(i.MessageID) == len(content.MessageID{}) && strings.HasPrefix(hex.EncodeToString(i.MessageID)[2:], name) && len(name) >= 4 {
			return content.MessageID(i.MessageID), nil
		}
	}
	return content.MessageID{}, otherwise
}

// markdown makes mentions of @name@domain, and what is left harmless.
func markdown(text string) string {
	words := strings.Split(text, " ")
	for i, w := range words {
		name, ok := strings.CutPrefix(w, "@")
		if !ok || !strings.Contains(name, "@") {
			continue
		}
		if user, err := parsePerson(name, uri.Provider{}); err == nil {
			words[i] = content.Mention(user, user.Name())
		}
	}
	return render.Outgoing(strings.Join(words, " "))
}

// explainTalk says what to do about errors of writing.
func explainTalk(err error) error {
	switch {
	case errors.Is(err, client.ErrTooLong):
		return errors.New("the message is too long: at most about 65000 octets")
	case errors.Is(err, client.ErrNotAllowed):
		return errors.New("the room's rules do not allow that")
	case errors.Is(err, client.ErrNoMessage):
		return errors.New("there is no such message here, or it is not in the room yet")
	case errors.Is(err, timeline.ErrAuthor):
		return errors.New("only its author may do that")
	case errors.Is(err, timeline.ErrGone):
		return errors.New("that message was deleted or has expired")
	case errors.Is(err, content.ErrReaction):
		return errors.New("a reaction is one character or emoji")
	}
	return err
}

const (
	eventShow     = "show"
	eventDelivery = "delivery"
	eventUnread   = "unread"
)

// chatShown is a message as it looks now.
type chatShown struct {
	Reactions []chatReaction `json:"reactions,omitempty"`
	Edited    bool           `json:"edited,omitempty"`
	Deleted   string         `json:"deleted,omitempty"` // by whom
	Expires   string         `json:"expires,omitempty"`
	ReplyTo   string         `json:"reply_to,omitempty"`
	Quote     string         `json:"quote,omitempty"`
	Topic     string         `json:"topic,omitempty"`
	Delivery  []chatDelivery `json:"delivery,omitempty"` // of own ones
}

type chatReaction struct {
	Text  string   `json:"text"`
	Users []string `json:"users"`
}

// chatDelivery is how far a message has come to one person.
type chatDelivery struct {
	User   string `json:"user"`
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
	Since  string `json:"since,omitempty"`
	Next   string `json:"next,omitempty"`
}

func (s *chat) showMessages(ctx context.Context, c *client.Client, at uri.Room, n int) error {
	list, err := c.Messages(ctx, at, n)
	if err != nil {
		return err
	}
	gateways := gatewaysOf(c, at)
	for _, m := range list {
		e, err := s.shownEvent(ctx, c, at, &m, gateways, m.Sender == s.self.User)
		if err != nil {
			return err
		}
		s.emit(e)
	}
	return nil
}

// shownEvent is a message as it looks now, with how far it has come if that is wanted.
func (s *chat) shownEvent(ctx context.Context, c *client.Client, at uri.Room, m *timeline.Message, gateways map[string]string, ticks bool) (chatEvent, error) {
	e := chatEvent{Type: eventShow, Line: s.line, Room: at.String(), Time: moment(time.UnixMilli(int64(m.Place.Accepted))), User: m.Sender.String(),
		Client: m.Client.String(), MessageID: m.ID.String(), Text: &m.Text, Gateway: gateways[m.Sender.String()], Own: m.Client == s.self.Client}
	e.Shown = shownOf(m)
	if !ticks {
		return e, nil
	}
	var err error
	if e.Shown.Delivery, err = deliveryOf(ctx, c, at, m.ID); errors.Is(err, client.ErrNoRoom) {
		err = nil // out of the room: nobody tells any more
	}
	return e, err
}

func shownOf(m *timeline.Message) *chatShown {
	out := &chatShown{Edited: m.Edited, Topic: topicText(m.Topic)}
	if m.State == timeline.Deleted {
		out.Deleted = m.DeletedBy.String()
	}
	if !m.Expires.IsZero() {
		out.Expires = moment(m.Expires)
	}
	if m.Quote != nil {
		out.ReplyTo, out.Quote = m.Quote.ID.String(), quoteText(m.Quote)
	}
	for _, r := range m.Reactions {
		x := chatReaction{Text: r.Text}
		if x.Text == "" {
			x.Text = "[media]"
		}
		for _, by := range r.By {
			x.Users = append(x.Users, by.User.String())
		}
		out.Reactions = append(out.Reactions, x)
	}
	return out
}

// topicText is a topic as people can read it.
func topicText(topic []byte) string {
	if text := string(topic); strings.ToValidUTF8(text, "") == text && cleanLine(text) == text {
		return text
	}
	return hex.EncodeToString(topic)
}

func quoteText(q *timeline.Quote) string {
	switch q.State {
	case timeline.QuotePresent:
		return q.Text
	case timeline.QuoteDeleted:
		return "[deleted]"
	case timeline.QuoteExpired:
		return "[expired]"
	}
	return "[a message that is not here]"
}

func deliveryOf(ctx context.Context, c *client.Client, at uri.Room, id content.MessageID) ([]chatDelivery, error) {
	list, err := c.Delivery(ctx, at, id)
	if err != nil {
		return nil, err
	}
	var out []chatDelivery
	for _, d := range list {
		x := chatDelivery{User: d.User.String(), State: string(d.State), Reason: d.Reason}
		if d.State == client.DeliveryHeld {
			x.Reason = d.User.Domain()
		}
		if !d.Since.IsZero() {
			x.Since = moment(d.Since)
		}
		if !d.Next.IsZero() {
			x.Next = moment(d.Next)
		}
		out = append(out, x)
	}
	return out, nil
}

func (s *chat) showDelivery(ctx context.Context, c *client.Client, at uri.Room, id content.MessageID) error {
	list, err := deliveryOf(ctx, c, at, id)
	if err != nil {
		return err
	}
	s.emit(chatEvent{Type: eventDelivery, Line: s.line, Room: at.String(), MessageID: id.String(), Shown: &chatShown{Delivery: list}})
	return nil
}

func (s *chat) showUnread(c *client.Client) {
	s.meet(c)
	for _, at := range s.numbers {
		n, mentions := c.Unread(at)
		s.emit(chatEvent{Type: eventUnread, Line: s.line, Room: at.String(), Unread: &n, Mentions: mentions})
	}
}

// talkText shows the events of this file to people.
func (v *textView) talkText(e *chatEvent) (look, text string) {
	switch e.Type {
	case eventShow:
		return plain, v.shownText(e)
	case eventDelivery:
		lines := []string{"delivery of " + e.MessageID[2:10] + ":"}
		for _, d := range e.Shown.Delivery {
			lines = append(lines, "  "+v.deliveryText(d))
		}
		return plain, strings.Join(lines, "\n")
	case eventUnread:
		text := fmt.Sprintf("%s: %d unread", v.label(e.Room), *e.Unread)
		if e.Mentions > 0 {
			text += fmt.Sprintf(", %d of them mention you", e.Mentions)
		}
		return plain, text
	}
	return dim, ""
}

func (v *textView) shownText(e *chatEvent) string {
	m := e.Shown
	text := v.stamp(e)
	if !v.noIDs {
		text += "(" + e.MessageID[2:10] + ") "
	}
	text += v.who(e.User)
	if e.Gateway != "" {
		text += " [not end-to-end: gateway of " + e.Gateway + "]"
	}
	text += ": "
	if m.Deleted != "" {
		return text + "[deleted by " + v.who(m.Deleted) + "]"
	}
	if m.ReplyTo != "" {
		text += "[to: " + cut(cleanLine(m.Quote), 30) + "] "
	}
	text += cleanText(*e.Text)
	if m.Edited {
		text += " (edited)"
	}
	for _, r := range m.Reactions {
		text += fmt.Sprintf(" [%s %d]", cleanLine(r.Text), len(r.Users))
	}
	if m.Topic != "" {
		text += " #" + cleanLine(m.Topic)
	}
	if len(m.Delivery) > 0 {
		text += "  " + v.ticks(m.Delivery)
	}
	return text
}

func (v *textView) deliveryText(d chatDelivery) string {
	text := shortUser(d.User) + ": " + d.State
	switch client.DeliveryState(d.State) {
	case client.DeliveryHeld:
		text = shortUser(d.User) + ": " + v.held(d)
	case client.DeliveryWaiting:
		text = shortUser(d.User) + ": not sent yet"
		if d.Reason != "" {
			text += ", " + cleanLine(d.Reason)
		}
		if d.Next != "" {
			text += ", next try " + v.clock(d.Next)
		}
	case client.DeliveryFailed:
		text += ": " + cleanLine(d.Reason)
	}
	return text
}

// held tells for whom a message waits.
func (v *textView) held(d chatDelivery) string {
	text := "waiting for provider " + cleanLine(d.Reason)
	if d.Since != "" {
		text += " since " + v.clock(d.Since)
	}
	if d.Next != "" {
		text += ", next try " + v.clock(d.Next)
	}
	return text
}

func (v *textView) clock(text string) string {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return text
	}
	return t.In(v.now().Location()).Format("15:04:05")
}

// ticks sum a message's delivery up: as much as is true of everybody, and for whom it waits.
func (v *textView) ticks(list []chatDelivery) string {
	count := make(map[client.DeliveryState]int)
	var held string
	for _, d := range list {
		state := client.DeliveryState(d.State)
		switch state {
		case client.DeliveryFailed:
			return "✗ " + cleanLine(d.Reason)
		case client.DeliveryWaiting:
			return "… not sent yet"
		case client.DeliveryHeld:
			held = v.held(d)
		case client.DeliveryRead:
			count[client.DeliveryDelivered]++
			count[client.DeliveryProvider]++
		case client.DeliveryHub:
		case client.DeliveryProvider:
		default: // reported by a device of the person
			state = client.DeliveryDelivered
			count[client.DeliveryProvider]++
		}
		count[state]++
	}
	n := len(list)
	told := func(text string, k int) string {
		if k < n {
			text += fmt.Sprintf(" %d of %d", k, n)
		}
		return text
	}
	text := "✓ accepted"
	switch {
	case count[client.DeliveryRead] > 0:
		text = "✓✓ " + told("read", count[client.DeliveryRead])
	case count[client.DeliveryDelivered] > 0:
		text = "✓✓ " + told("delivered", count[client.DeliveryDelivered])
	case count[client.DeliveryProvider] == n && n > 0:
		text = "✓ at all providers"
	}
	if held != "" {
		text += "; " + held
	}
	return text
}
