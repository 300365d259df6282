package irc

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"parley/gateway"
	"parley/gateway/convert"
	"parley/uri"
)

// handle works a line off. An error ends the connection.
func (c *IRC) handle(ctx context.Context, m *message) error {
	switch m.command {
	case "PING":
		text := m.last()
		return c.write(format(c.cfg.Name, "PONG", []string{c.cfg.Name}, &text))
	case "PONG":
		return c.answered(m.last())
	case "SERVER":
		return c.greeted(m)
	case "332":
		c.remember(m)
	case "ERROR":
		return errEnded
	case "NICK":
		return c.nick(ctx, m)
	case "QUIT":
		c.quit(m.from)
	case "KILL":
		c.killed(m.param(0))
	case "JOIN":
		return c.each(m.param(0), func(channel string) error { return c.joined(ctx, m.from, channel) })
	case "NJOIN":
		return c.each(m.last(), func(nick string) error { return c.joined(ctx, strings.TrimLeft(nick, "~&@%+"), m.param(0)) })
	case "PART":
		return c.each(m.param(0), func(channel string) error { return c.parted(ctx, m.from, channel) })
	case "KICK":
		return c.parted(ctx, m.param(1), m.param(0))
	case "PRIVMSG":
		return c.said(ctx, m)
	default:
		c.numeric(m)
	}
	return nil
}

// each does something for all of a list with commas.
func (c *IRC) each(list string, do func(string) error) error {
	for one := range strings.SplitSeq(list, ",") {
		// In a JOIN between servers modes stand behind a control character.
		one, _, _ = strings.Cut(one, "\x07")
		if one == "" {
			continue
		}
		if err := do(one); err != nil {
			return err
		}
	}
	return nil
}

// greeted is the other server's introduction: the log of the network is read before anything is delivered.
func (c *IRC) greeted(m *message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server != "" {
		return nil // a server behind it
	}
	c.server = m.param(0)
	return c.put(c.askLog()...)
}

// ready is the end of the log: the link is up, and what we know of is introduced to the network.
func (c *IRC) ready() error {
	c.linked = true
	var lines []string
	for _, g := range c.ghosts {
		lines = append(lines, c.introduce(g)...)
	}
	for _, r := range c.rooms {
		lines = append(lines, c.fill(r)...)
	}
	return c.put(lines...)
}

// nick is somebody who comes, with seven parameters, or changes the name. Who has another nick is somebody else: the network has no
// other identity.
func (c *IRC) nick(ctx context.Context, m *message) error {
	if len(m.params) >= 7 || m.from == "" {
		c.mu.Lock()
		c.native[fold(m.param(0))] = &member{nick: m.param(0), rooms: map[string]bool{}}
		c.mu.Unlock()
		return nil
	}
	c.mu.Lock()
	old, was := c.native[fold(m.from)]
	delete(c.native, fold(m.from))
	fresh := &member{nick: m.param(0), rooms: map[string]bool{}}
	c.native[fold(m.param(0))] = fresh
	var moved []string
	if was {
		for channel := range old.rooms {
			fresh.rooms[channel] = true
			if c.rooms[channel] != nil {
				moved = append(moved, channel)
			}
		}
	}
	c.mu.Unlock()
	if fold(m.from) == fold(m.param(0)) {
		return nil
	}
	for _, channel := range moved {
		if err := c.ingest(ctx, gateway.Event{Verb: gateway.Leave, From: address(m.from), Group: group(channel)}); err != nil {
			return err
		}
		if err := c.ingest(ctx, gateway.Event{Verb: gateway.Enter, From: address(m.param(0)), Group: group(channel)}); err != nil {
			return err
		}
	}
	return nil
}

func address(nick string) gateway.Address { return gateway.Address(fold(nick)) }

// A group's channel has its name behind a #.
func group(channel string) string       { return strings.TrimPrefix(fold(channel), "#") }
func channelOf(group string) string     { return "#" + fold(group) }
func isChannel(name string) bool        { return strings.IndexByte("#&+!", name[0]) >= 0 }
func (c *IRC) known(folded string) bool { return c.rooms[folded] != nil }

func (c *IRC) quit(nick string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.native, fold(nick))
}

// killed is a user of ours, or somebody else, whom the network has thrown out. Ours comes back under another nick when it is needed.
func (c *IRC) killed(nick string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if g := c.byNick[fold(nick)]; g != nil {
		delete(c.byNick, fold(nick))
		g.here, g.in, g.nick = false, map[string]bool{}, g.nick+"^"
		c.byNick[fold(g.nick)] = g
		return
	}
	delete(c.native, fold(nick))
}

func (c *IRC) joined(ctx context.Context, nick, channel string) error {
	c.mu.Lock()
	who, ours := c.native[fold(nick)], c.known(fold(channel))
	if who != nil {
		who.rooms[fold(channel)] = true
	}
	c.mu.Unlock()
	if who == nil || !ours {
		return nil
	}
	return c.ingest(ctx, gateway.Event{Verb: gateway.Enter, From: address(nick), Group: group(channel)})
}

// parted is somebody who has left a channel, or was thrown out of it.
func (c *IRC) parted(ctx context.Context, nick, channel string) error {
	c.mu.Lock()
	who, ours := c.native[fold(nick)], c.known(fold(channel))
	if who != nil {
		delete(who.rooms, fold(channel))
	}
	if g := c.byNick[fold(nick)]; g != nil {
		delete(g.in, fold(channel)) // it comes back with its next message
	}
	c.mu.Unlock()
	if who == nil || !ours {
		return nil
	}
	return c.ingest(ctx, gateway.Event{Verb: gateway.Leave, From: address(nick), Group: group(channel)})
}

// said is a message to a channel or to one of our users.
func (c *IRC) said(ctx context.Context, m *message) error {
	if m.param(0) == "" || len(m.params) < 2 {
		return nil
	}
	e := gateway.Event{Verb: gateway.Say, From: address(m.from)}
	c.mu.Lock()
	who := c.native[fold(m.from)]
	ghost, ours := c.byNick[fold(m.param(0))], c.known(fold(m.param(0)))
	if ghost != nil {
		e.To = ghost.user.String()
	}
	c.mu.Unlock()
	switch {
	case who == nil:
		return nil // a server, or one of ours: what we have written does not come back
	case ghost != nil:
	case isChannel(m.param(0)) && ours:
		e.Group = group(m.param(0))
	default:
		return nil
	}
	text, action, plain := untold(m.last())
	if !plain {
		return nil // a question of one program to another
	}
	e.Text, _ = convert.FromIRC(text, c.userOf)
	if action {
		e.Text.Text = "* " + who.nick + " " + e.Text.Text
		if e.Text.Type != "" && strings.HasPrefix(e.Text.Type, "text/markdown") {
			e.Text.Text = `\` + e.Text.Text
		}
	}
	if strings.TrimSpace(e.Text.Text) == "" {
		return nil
	}
	return c.ingest(ctx, e)
}

// untold takes CTCP off: an action is text, other requests are not for people.
func untold(text string) (inner string, action, plain bool) {
	if !strings.HasPrefix(text, "\x01") {
		return text, false, true
	}
	text = strings.Trim(text, "\x01")
	rest, action := strings.CutPrefix(text, "ACTION ")
	return rest, action, action
}

// userOf finds the user of MIMI, or of the network, who has a nick.
func (c *IRC) userOf(nick string) (uri.User, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.byNick[fold(nick)]
	if g == nil {
		return uri.User{}, false
	}
	return g.user, true
}

// ingest hands an event over. That there was too much is told to whoever did it; that the gateway cannot store ends the process.
func (c *IRC) ingest(ctx context.Context, e gateway.Event) error {
	c.mu.Lock()
	c.events++
	e.ID = c.session + "-" + strconv.FormatUint(c.events, 10)
	c.mu.Unlock()
	err := c.host.Ingest(ctx, &e)
	if errors.Is(err, gateway.ErrFlood) || errors.Is(err, gateway.ErrEvent) {
		text := "Not passed on: too much at once, or too long."
		return c.write(format(c.cfg.Name, "NOTICE", []string{string(e.From)}, &text))
	}
	if err != nil && ctx.Err() == nil {
		return &gateway.IngestError{Err: err}
	}
	return nil
}

// answered is the PONG of a delivery, or of the question for the log.
func (c *IRC) answered(token string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if token == logToken && !c.linked {
		return c.ready()
	}
	if w := c.waiting[token]; w != nil {
		delete(c.waiting, token)
		w.done <- nil
	}
	return nil
}

// numeric keeps an error for the deliveries that it may be about: it comes before their PONG.
func (c *IRC) numeric(m *message) {
	code, err := strconv.Atoi(m.command)
	if err != nil || code < 400 || code >= 600 || len(m.params) < 2 {
		return
	}
	reason := ""
	switch code {
	case 401, 403, 406:
		reason = "nobody of that name is online"
	case 404, 442, 471, 473, 474, 475, 477, 482:
		reason = "the channel does not take it"
	default:
		reason = "the IRC server refused it (" + strconv.Itoa(code) + ")"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.waiting {
		if w.ghost == fold(m.param(0)) && w.target == fold(m.param(1)) {
			w.refused = reason
		}
	}
}
