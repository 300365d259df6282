package irc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley/gateway"
	"parley/gateway/convert"
	"parley/uri"
)

const (
	lineText  = 380 // octets of text in a line: the server puts nick, user, host and channel in front of it
	mostLines = 20  // of one message
)

// Deliver implements gateway.Native.
func (c *IRC) Deliver(ctx context.Context, e *gateway.Envelope) gateway.Outcome {
	if err := c.know(ctx, e); err != nil {
		return gateway.Outcome{Fate: gateway.Retry, Reason: "names cannot be given now"}
	}
	out := gateway.Outcome{Fate: gateway.Accepted, Level: gateway.Full}
	switch e.Verb {
	case gateway.Present:
		return out
	case gateway.Report:
		return c.report(e)
	}
	w, missed, err := c.hand(e, &out)
	switch {
	case errors.Is(err, gateway.ErrOffline):
		return gateway.Outcome{Fate: gateway.Retry, Reason: "the IRC server cannot be reached"}
	case errors.Is(err, errAway) && time.Since(e.Time) < c.cfg.Hold && e.Verb != gateway.Failure:
		return gateway.Outcome{Fate: gateway.Retry, After: awayRetry, Reason: errAway.Error()}
	case errors.Is(err, errAway):
		return gateway.Outcome{Fate: gateway.Refused, Reason: errAway.Error()}
	}
	if err == nil && w == nil {
		return out
	}
	if err == nil {
		err = w.wait(ctx)
	}
	out.Missed = missed
	switch {
	case err != nil:
		return gateway.Outcome{Fate: gateway.Unknown}
	case w.refused != "" && e.Place.Group == "":
		return gateway.Outcome{Fate: gateway.Refused, Reason: w.refused}
	case w.refused != "":
		for _, p := range e.Crowd {
			if p.Native != "" && !slices.Contains(out.Missed, p.Native) {
				out.Missed = append(out.Missed, p.Native)
			}
		}
	}
	return out
}

// hand writes what an envelope says. It makes and sends the lines under one lock: they rely on what was sent before. w is nil when
// there is nothing to say.
func (c *IRC) hand(e *gateway.Envelope, out *gateway.Outcome) (w *wait, missed []gateway.Address, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.linked && c.taken(e) {
		return nil, nil, nil
	}
	w, lines, missed, err := c.compose(e, out)
	if err != nil || len(lines) == 0 {
		return nil, missed, err
	}
	return w, missed, c.enqueue(w, append(lines, c.logged(e)))
}

var errAway = errors.New("nobody of that name is online")

// awayRetry is how often somebody who is not online is looked for.
const awayRetry = 2 * time.Second

// know keeps who is where, so that it can be told to the network now and after each connection.
func (c *IRC) know(ctx context.Context, e *gateway.Envelope) error {
	users := []uri.User{}
	for _, p := range e.Crowd {
		if p.Native == "" {
			users = append(users, p.User)
		}
	}
	if !e.From.IsZero() && !slices.ContainsFunc(e.Crowd, func(p gateway.Person) bool { return p.User == e.From }) && e.Verb != gateway.Leave {
		users = append(users, e.From)
	}
	for _, u := range users {
		if err := c.meet(ctx, u); err != nil {
			return err
		}
	}
	if e.Place.Group == "" {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	name := channelOf(e.Place.Group)
	r := c.rooms[name]
	if r == nil {
		r = &room{channel: name, invited: map[string]bool{}}
		c.rooms[name] = r
	}
	if e.Title != "" {
		r.title = e.Title
	}
	if len(e.Crowd) > 0 {
		r.ghosts = map[uri.User]bool{}
		for _, u := range users {
			r.ghosts[u] = true
		}
	}
	return nil
}

// meet gives a user of MIMI a nick.
func (c *IRC) meet(ctx context.Context, u uri.User) error {
	c.mu.Lock()
	_, known := c.ghosts[u]
	c.mu.Unlock()
	if known {
		return nil
	}
	nick, err := c.host.Alias(ctx, u, c.cfg.NickLen, nickOctet) // not under the lock: it writes to a store
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.ghosts[u]; !known {
		g := &ghost{user: u, nick: nick, in: map[string]bool{}}
		c.ghosts[u], c.byNick[fold(nick)] = g, g
	}
	return nil
}

// introduce is the lines that make a ghost known to the network. A nick that somebody there has is not taken.
func (c *IRC) introduce(g *ghost) []string {
	if g.here {
		return nil
	}
	delete(c.byNick, fold(g.nick))
	for tries := 0; c.native[fold(g.nick)] != nil && tries < 8; tries++ {
		g.nick += "^"
	}
	c.byNick[fold(g.nick)] = g
	g.here = true
	about := convert.Line(g.user.Name() + " at " + g.user.Domain())
	return []string{format(c.cfg.Name, "NICK", []string{g.nick, "1", "mimi", g.user.Domain(), "1", "+i"}, &about)}
}

// fill is the lines that make a channel hold its ghosts.
func (c *IRC) fill(r *room) (lines []string) {
	for u := range r.ghosts {
		g := c.ghosts[u]
		if g == nil || g.in[r.channel] {
			continue
		}
		lines = append(lines, c.introduce(g)...)
		lines = append(lines, format(c.cfg.Name, "NJOIN", []string{r.channel}, &g.nick))
		g.in[r.channel] = true
	}
	return lines
}

// compose makes the lines of an envelope, and what to wait for. Nobody is written to who is not there.
func (c *IRC) compose(e *gateway.Envelope, out *gateway.Outcome) (w *wait, lines []string, missed []gateway.Address, err error) {
	if !c.linked {
		return nil, nil, nil, gateway.ErrOffline
	}
	w = &wait{done: make(chan error, 1)}
	from := c.cfg.Name
	if g := c.ghosts[e.From]; g != nil {
		lines = append(lines, c.introduce(g)...)
		from = g.nick
	}
	if e.Place.Group == "" {
		to := c.native[string(e.Place.With)]
		if to == nil {
			return nil, nil, nil, errAway
		}
		w.ghost, w.target = fold(from), fold(to.nick)
		return w, append(lines, c.words(e, from, to.nick, "", out)...), nil, nil
	}
	r := c.rooms[channelOf(e.Place.Group)]
	w.ghost, w.target = fold(from), r.channel
	if e.Verb == gateway.Leave {
		if g := c.ghosts[e.From]; g != nil && g.in[r.channel] {
			delete(g.in, r.channel)
			delete(r.ghosts, e.From)
			lines = append(lines, format(from, "PART", []string{r.channel}, nil))
		}
		return w, lines, nil, nil
	}
	lines = append(lines, c.fill(r)...)
	lines = append(lines, c.words(e, from, r.channel, "", out)...)
	private, missed := c.absent(e, r, from, out)
	return w, append(lines, private...), missed, nil
}

// absent tells those who are not in the channel: they are invited, and told in private. Who is not online misses it.
func (c *IRC) absent(e *gateway.Envelope, r *room, from string, out *gateway.Outcome) (lines []string, missed []gateway.Address) {
	for _, p := range e.Crowd {
		if p.Native == "" {
			continue
		}
		who := c.native[string(p.Native)]
		if who == nil {
			missed = append(missed, p.Native)
			continue
		}
		if who.rooms[r.channel] {
			continue
		}
		if !r.invited[fold(who.nick)] && from != c.cfg.Name && c.byNick[fold(from)].in[r.channel] {
			r.invited[fold(who.nick)] = true
			lines = append(lines, format(from, "INVITE", []string{who.nick, r.channel}, nil))
		}
		lines = append(lines, c.words(e, from, who.nick, "["+r.channel+"] ", out)...)
	}
	return lines, missed
}

// words are the lines that tell what an envelope says.
func (c *IRC) words(e *gateway.Envelope, from, to, front string, out *gateway.Outcome) []string {
	say := func(text string) []string {
		text = front + text
		return []string{format(from, "PRIVMSG", []string{to}, &text)}
	}
	act := func(text string) []string {
		text = "\x01ACTION " + front + text + "\x01"
		return []string{format(from, "PRIVMSG", []string{to}, &text)}
	}
	switch e.Verb {
	case gateway.Say, gateway.Edit:
		return c.text(e, say, out)
	case gateway.Delete:
		out.Level = gateway.Fallback
		return act("has deleted a message" + about(e.Target))
	case gateway.React:
		out.Level = gateway.Fallback
		return act("reacted " + convert.Line(e.Emoji) + about(e.Target))
	case gateway.Rename:
		title := convert.Line(e.Title)
		if !isChannel(to) || title == "" {
			return nil
		}
		return []string{format(c.cfg.Name, "TOPIC", []string{to}, &title)}
	case gateway.Failure:
		text := "Not delivered: " + convert.Line(e.Reason) + about(e.Target)
		return []string{format(c.cfg.Name, "NOTICE", []string{to}, &text)}
	}
	return nil
}

// about quotes the message that is meant.
func about(r gateway.Reference) string {
	if text := convert.Line(r.Text); text != "" {
		return " (“" + strings.TrimRight(text, " ") + "”)"
	}
	return ""
}

func (c *IRC) text(e *gateway.Envelope, say func(string) []string, out *gateway.Outcome) (lines []string) {
	text, losses := convert.IRC(e.Doc, c.names(e.Crowd))
	switch {
	case e.Verb == gateway.Edit:
		out.Level = gateway.Fallback
		text = "[edited] " + text
	case e.Target.Text != "":
		out.Level = gateway.Fallback
		text = "[re" + about(e.Target) + "] " + text
	}
	pieces := convert.Split(text, lineText)
	if len(pieces) > 1 {
		losses = losses.With(convert.Loss{Form: convert.Length, Shown: true})
	}
	if len(pieces) > mostLines {
		pieces = append(pieces[:mostLines-1], fmt.Sprintf("[%d more lines are not shown here]", len(pieces)-mostLines+1))
	}
	out.Losses = losses
	for _, p := range pieces {
		lines = append(lines, say(p)...)
	}
	return lines
}

// names is how participants are called on the network: by their nicks.
func (c *IRC) names(crowd []gateway.Person) convert.Names {
	return func(u uri.User) (convert.Name, bool) {
		for _, p := range crowd {
			if p.User != u {
				continue
			}
			if m := c.native[string(p.Native)]; m != nil {
				return convert.Name{Text: m.nick}, true
			}
			if g := c.ghosts[u]; g != nil {
				return convert.Name{Text: g.nick}, true
			}
		}
		return convert.Name{}, false
	}
}

// report tells of failures only: IRC has no word for the others.
func (c *IRC) report(e *gateway.Envelope) gateway.Outcome {
	out := gateway.Outcome{Fate: gateway.Accepted, Level: gateway.Dropped}
	var lines []string
	c.mu.Lock()
	for _, r := range e.Report {
		g, to := c.ghosts[e.From], c.native[string(e.Place.With)]
		if e.Place.Group != "" {
			to = nil
		}
		if r.Status != gateway.IsFailed || g == nil || to == nil {
			continue
		}
		out.Level = gateway.Fallback
		text := "Not delivered to " + g.nick + about(r.Target)
		lines = append(lines, format(c.cfg.Name, "NOTICE", []string{to.nick}, &text))
	}
	c.mu.Unlock()
	if len(lines) > 0 && c.write(lines...) != nil {
		return gateway.Outcome{Fate: gateway.Retry}
	}
	return out
}

// confirm waits until the server has worked off what was sent.
func (c *IRC) confirm(ctx context.Context) error {
	w := &wait{done: make(chan error, 1)}
	c.mu.Lock()
	err := gateway.ErrOffline
	if c.linked {
		err = c.enqueue(w, nil)
	}
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return w.wait(ctx)
}

// enqueue sends lines and the PING behind them.
func (c *IRC) enqueue(w *wait, lines []string) error {
	c.tokens++
	token := "t" + strconv.FormatUint(c.tokens, 10)
	c.waiting[token] = w
	if c.put(append(lines, format("", "PING", nil, &token))...) != nil {
		return errEnded // nobody knows how much of it went out
	}
	return nil
}

// wait returns nil when the server has worked the delivery off.
func (w *wait) wait(ctx context.Context) error {
	timer := time.NewTimer(answerIn)
	defer timer.Stop()
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return errEnded
	}
}
