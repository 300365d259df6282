package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"parley/client"
	"parley/clientapi/api"
	"parley/mimi"
	"parley/uri"
)

// Types of chatEvent about consent and reports.
const (
	eventConsent  = "consent"
	eventConsents = "consents"
	eventReported = "reported"
)

// chatConsent is what somebody has said about consent.
type chatConsent struct {
	Said     string `json:"said"`               // asked, withdrawn, granted or refused
	Incoming bool   `json:"incoming,omitempty"` // the consent is that of the user of this device
}

func saidWord(op mimi.ConsentOperation) string {
	words := [...]string{mimi.ConsentCancel: "withdrawn", mimi.ConsentRequest: "asked", mimi.ConsentGrant: "granted", mimi.ConsentRevoke: "refused"}
	if int(op) < len(words) {
		return words[op]
	}
	return ""
}

// parseConsent reads USER [here].
func parseConsent(c *chatLine, arg string, home uri.Provider) error {
	name, here, _ := strings.Cut(arg, " ")
	if c.text = strings.TrimSpace(here); c.text != "" && c.text != "here" {
		return errors.New("after the user there can only be the word here, for the current room")
	}
	return aboutUser(c, name, home)
}

// parseBlock reads a user, or the domain of a provider.
func parseBlock(c *chatLine, arg string, home uri.Provider) error {
	if p, err := uri.ProviderFromDomain(arg); err == nil && strings.Contains(arg, ".") && !strings.Contains(arg, "@") {
		c.text = p.String()
		return nil
	}
	err := aboutUser(c, arg, home)
	c.text = c.user.String()
	return err
}

// parseReport reads [anonymously] ID NOTE.
func parseReport(c *chatLine, arg string, _ uri.Provider) error {
	c.text = arg
	return needed(strings.TrimSpace(strings.TrimPrefix(arg+" ", anonymously)))
}

const anonymously = "anonymously "

// isConsent reports whether a command is one of consent.
func isConsent(verb string) bool {
	switch verb {
	case "ask", "unask", "allow", "deny", "block", "unblock", "requests", "report":
		return true
	}
	return false
}

// consent does what such a command says. It asks the provider, and nothing waits in the device for it.
func (s *chat) consent(ctx context.Context, line int, cmd *chatLine) error {
	switch cmd.verb {
	case "requests":
		list, err := s.way.Consents(ctx)
		if err != nil {
			return explainChat(err)
		}
		s.emit(chatEvent{Type: eventConsents, Line: line, Consents: list})
		return nil
	case "block", "unblock":
		if err := s.way.Block(ctx, cmd.text, cmd.verb == "block"); err != nil {
			return explainChat(err)
		}
		return s.block(ctx, cmd.text, cmd.verb == "block")
	case "report":
		return s.reportAbuse(ctx, line, cmd.text)
	}
	op := map[string]mimi.ConsentOperation{"ask": mimi.ConsentRequest, "unask": mimi.ConsentCancel, "allow": mimi.ConsentGrant,
		"deny": mimi.ConsentRevoke}[cmd.verb]
	e := &mimi.ConsentEntry{Operation: op, Requester: s.self.User.String(), Target: cmd.user.String()}
	if !e.Asks() {
		e.Requester, e.Target = e.Target, e.Requester
	}
	if cmd.text == "here" {
		at, err := s.here(ctx, nil)
		if err != nil {
			return err
		}
		room := at.String()
		e.Room = &room
	}
	err := s.way.Consent(ctx, e, false)
	var answered *api.Error
	if op == mimi.ConsentCancel && errors.As(err, &answered) && answered.Code == api.NotFound {
		return errors.New("you have not asked for that; /requests shows what there is")
	}
	return explainChat(err)
}

// here is the current room; do may look at the client.
func (s *chat) here(ctx context.Context, do func(c *client.Client, at uri.Room) error) (at uri.Room, err error) {
	failed := s.dev.Do(ctx, func(c *client.Client) error {
		if at = s.current; at.IsZero() {
			err = errors.New("no room is chosen; /room chooses one")
			return nil
		}
		if do != nil {
			err = do(c, at)
		}
		return nil
	})
	if failed != nil {
		return at, failed
	}
	return at, err
}

// reportAbuse reports a message of the current room to the room's hub.
func (s *chat) reportAbuse(ctx context.Context, line int, text string) error {
	text, anonymous := strings.CutPrefix(text, anonymously)
	id, note, _ := strings.Cut(strings.TrimSpace(text), " ")
	var report *mimi.AbuseReport
	at, err := s.here(ctx, func(c *client.Client, at uri.Room) error {
		e, err := messageBy(ctx, c, at, id)
		if err != nil {
			return err
		}
		report, err = c.NewReport(at, []client.Entry{e}, strings.TrimSpace(note), anonymous)
		return err
	})
	if errors.Is(err, client.ErrNotReportable) {
		return errors.New("only messages of others can be reported")
	}
	if err != nil {
		return err
	}
	if err := s.way.Report(ctx, at, report); err != nil {
		return explainChat(err)
	}
	s.emit(chatEvent{Type: eventReported, Line: line, Room: at.String(), Time: moment(s.now()), User: report.Abuser, Name: at.Provider().Domain()})
	return nil
}

// messageBy finds a message of a room by the beginning of its ID, or as ^N, the Nth last one.
func messageBy(ctx context.Context, c *client.Client, at uri.Room, id string) (client.Entry, error) {
	list, err := c.Timeline(ctx, at, 0, int(^uint(0)>>1))
	if err != nil {
		return client.Entry{}, err
	}
	last, byPlace := strings.CutPrefix(id, "^")
	n, err := strconv.Atoi(last)
	if byPlace && (err != nil || n < 1) {
		return client.Entry{}, errors.New("behind ^ stands a number from 1 on")
	}
	for i := len(list) - 1; i >= 0; i-- {
		e := list[i]
		if e.Kind != client.EntryMessage || byPlace && e.Act != client.ActSay {
			continue
		}
		if n--; byPlace && n == 0 || !byPlace && len(id) >= 4 && strings.HasPrefix(fmt.Sprintf("%x", e.MessageID), strings.ToLower(id)) {
			return e, nil
		}
	}
	return client.Entry{}, errors.New("there is no such message; ID begins a message's ID with at least 4 characters, or is ^N for the Nth last message")
}

// consentNews shows what others have said about consent. It runs in the device's goroutine.
func (s *chat) consentNews(c *client.Client) {
	for _, n := range c.TakeNews() {
		e := chatEvent{Type: eventConsent, Time: moment(time.UnixMilli(int64(n.Time))), User: n.Other.String(),
			Consent: &chatConsent{Said: saidWord(n.Operation), Incoming: n.Incoming}}
		if !n.Room.IsZero() {
			e.Room = n.Room.String()
		}
		s.emit(e)
	}
}

// consentText says it to people.
func (v *textView) consentText(e *chatEvent) string {
	who := shortUser(e.User)
	scope := "to rooms"
	here := ""
	if e.Room != "" {
		scope, here = "to the room "+v.label(e.Room), " here"
	}
	word := e.Consent.Said
	if e.Consent.Incoming {
		switch word {
		case "asked":
			return fmt.Sprintf("%s asks to add you %s: /allow %s%s lets them, /deny %s%s does not, and they are not told", who, scope, who, here, who, here)
		case "withdrawn":
			return fmt.Sprintf("%s no longer asks to add you %s", who, scope)
		case "granted":
			return fmt.Sprintf("you let %s add you %s", who, scope)
		}
		return fmt.Sprintf("you do not let %s add you %s", who, scope)
	}
	switch word {
	case "asked":
		return fmt.Sprintf("you ask %s to let you add them %s", who, scope)
	case "withdrawn":
		return fmt.Sprintf("your request to %s is over: it was withdrawn, or could not be delivered", who)
	case "granted":
		return fmt.Sprintf("%s lets you add them %s", who, scope)
	}
	return fmt.Sprintf("%s no longer lets you add them %s", who, scope)
}

// consentsText lists what there is.
func (v *textView) consentsText(list []api.ConsentEntry) string {
	if len(list) == 0 {
		return "nobody has asked for anything, and nobody is blocked"
	}
	var out []string
	for _, c := range list {
		who := shortUser(c.Other)
		if p, err := uri.ParseProvider(c.Other); err == nil {
			who = "everybody at " + p.Domain()
		}
		scope := ""
		if c.Room != "" {
			scope = " (room " + v.label(c.Room) + ")"
		}
		line := map[string]string{
			"incoming asked": who + " asks to add you", "incoming granted": who + " may add you", "incoming refused": who + " may not add you",
			"outgoing asked": "you have asked " + who, "outgoing granted": who + " lets you add them", "outgoing refused": who + " does not let you add them",
		}[c.Side+" "+c.Standing]
		if c.Side == api.ConsentBlocked {
			line = who + " is blocked"
		}
		out = append(out, cleanLine(line+scope))
	}
	return strings.Join(out, "\n")
}
