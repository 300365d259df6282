package xmpp

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"

	"parley/gateway"
	"parley/gateway/convert"
	"parley/uri"
)

// Deliver implements gateway.Native.
func (c *XMPP) Deliver(ctx context.Context, e *gateway.Envelope) gateway.Outcome {
	out := gateway.Outcome{Fate: gateway.Accepted, Level: gateway.Full, Native: e.ID}
	if _, ok := c.address(e.From); !ok && !e.From.IsZero() && e.Verb == gateway.Say {
		return gateway.Outcome{Fate: gateway.Refused, Reason: "the sender's name cannot stand in an address of XMPP"}
	}
	if e.Place.Group != "" {
		if outcome, ready := c.ready(ctx, e); !ready {
			return outcome
		}
	}
	w := &wait{id: e.ID, done: make(chan error, 1)}
	c.mu.Lock()
	stanzas := c.compose(e, &out)
	if len(stanzas) == 0 {
		c.mu.Unlock()
		return out
	}
	err := c.enqueue(w, stanzas...)
	c.mu.Unlock()
	if err == nil {
		err = w.wait(ctx)
	}
	switch {
	case errors.Is(err, gateway.ErrOffline):
		return gateway.Outcome{Fate: gateway.Retry, Reason: "the XMPP server cannot be reached"}
	case err != nil:
		return gateway.Outcome{Fate: gateway.Unknown}
	case w.refused != "":
		return gateway.Outcome{Fate: gateway.Refused, Reason: w.refused}
	}
	return out
}

// ready keeps who is in a room, and makes sure that the component is.
func (c *XMPP) ready(ctx context.Context, e *gateway.Envelope) (gateway.Outcome, bool) {
	c.mu.Lock()
	jid := e.Place.Group + "@" + c.cfg.Rooms
	r := c.rooms[jid]
	if r == nil {
		r = &room{jid: jid, ghosts: map[uri.User]string{}, real: map[string]string{}, invited: map[string]bool{}}
		c.rooms[jid] = r
	}
	if e.Title != "" {
		r.title = e.Title
	}
	if len(e.Crowd) > 0 {
		r.crowd = e.Crowd
	}
	var err error
	if !r.joined && r.wait == nil {
		err = c.enter(r)
	}
	w, joined := r.wait, r.joined
	c.mu.Unlock()
	switch {
	case e.Verb == gateway.Present && err == nil:
		return gateway.Outcome{Fate: gateway.Accepted, Level: gateway.Full}, false // it goes on by itself
	case err != nil:
		return gateway.Outcome{Fate: gateway.Retry, Reason: "the XMPP server cannot be reached"}, false
	case joined:
		return gateway.Outcome{}, true
	}
	if err := w.wait(ctx); err != nil {
		return gateway.Outcome{Fate: gateway.Retry, Reason: "the group cannot be entered"}, false
	}
	w.done <- nil // for others who wait
	if w.refused != "" {
		return gateway.Outcome{Fate: gateway.Refused, Reason: w.refused}, false
	}
	return gateway.Outcome{}, true
}

// enter asks to be let into a room as its owner. The lock is held.
func (c *XMPP) enter(r *room) error {
	r.wait = &wait{done: make(chan error, 2)}
	return c.put(joining(c.self(), r.jid, selfNick))
}

func joining(from, room, nick string) part {
	return part{name: "presence", attrs: []string{"from", from, "to", room + "/" + nick}, inside: []part{
		{name: "x", attrs: []string{"xmlns", nsMUC}, inside: []part{{name: "history", attrs: []string{"maxstanzas", "0"}}}}}}
}

// entered configures a room that is new and brings in who belongs there. The lock is held.
func (c *XMPP) entered(r *room) error {
	var stanzas []part
	if r.made {
		stanzas = append(stanzas, c.configure(r))
	}
	r.joined = true
	stanzas = append(stanzas, c.fill(r)...)
	if err := c.put(stanzas...); err != nil {
		return err
	}
	if r.wait != nil {
		r.wait.done <- nil
		r.wait = nil
	}
	return nil
}

// configure makes the room last, and lets only members in: whoever enters it reads everything.
func (c *XMPP) configure(r *room) part {
	field := func(name, value string) part {
		return part{name: "field", attrs: []string{"var", name}, inside: []part{{name: "value", text: value}}}
	}
	form := part{name: "x", attrs: []string{"xmlns", nsForm, "type", "submit"}, inside: []part{
		field("FORM_TYPE", "http://jabber.org/protocol/muc#roomconfig"), field("muc#roomconfig_roomname", r.title),
		field("muc#roomconfig_persistentroom", "1"), field("muc#roomconfig_membersonly", "1"), field("muc#roomconfig_publicroom", "0"),
		field("muc#roomconfig_whois", "anyone"), field("muc#roomconfig_changesubject", "0"), field("muc#roomconfig_historylength", "0"),
	}}
	return part{name: "iq", attrs: []string{"type", "set", "id", "config-" + random(), "from", c.self(), "to", r.jid},
		inside: []part{{name: "query", attrs: []string{"xmlns", nsOwner}, inside: []part{form}}}}
}

// fill brings in who belongs into a room: users of MIMI enter, natives are invited. The lock is held.
func (c *XMPP) fill(r *room) (stanzas []part) {
	for _, p := range r.crowd {
		if p.Native != "" {
			stanzas = append(stanzas, c.invite(r, string(p.Native))...)
			continue
		}
		jid, ok := c.address(p.User)
		if _, in := r.ghosts[p.User]; in || !ok {
			continue
		}
		nick := p.User.Name() + "@" + p.User.Domain()
		r.ghosts[p.User] = nick
		stanzas = append(stanzas, c.member(r, jid), joining(jid, r.jid, nick))
	}
	return stanzas
}

func (c *XMPP) member(r *room, jid string) part {
	return part{name: "iq", attrs: []string{"type", "set", "id", "member-" + random(), "from", c.self(), "to", r.jid}, inside: []part{
		{name: "query", attrs: []string{"xmlns", nsAdmin}, inside: []part{{name: "item", attrs: []string{"affiliation", "member", "jid", jid}}}}}}
}

// invite asks somebody in, once for each connection.
func (c *XMPP) invite(r *room, jid string) []part {
	if r.invited[jid] || r.in(jid) {
		return nil
	}
	r.invited[jid] = true
	return []part{c.member(r, jid), {name: "message", attrs: []string{"from", c.self(), "to", r.jid}, inside: []part{
		{name: "x", attrs: []string{"xmlns", nsUser}, inside: []part{{name: "invite", attrs: []string{"to", jid}}}}}}}
}

// in reports whether somebody is in the room.
func (r *room) in(jid string) bool {
	for _, real := range r.real {
		if real == jid {
			return true
		}
	}
	return false
}

// kept is a room that does not let one of ours in. The lock is held.
func (c *XMPP) kept(r *room, e *element, to string) error {
	if to == c.self() && r.wait != nil {
		r.wait.refused = "the group cannot be entered"
		r.wait.done <- nil
		r.wait = nil
		return nil
	}
	for u, nick := range r.ghosts {
		jid, ok := c.address(u)
		if !ok || jid != to || e.child("", "error").child(nsStanzas, "conflict") == nil || len(nick) > 200 {
			continue
		}
		r.ghosts[u] = nick + "^"
		return c.put(joining(jid, r.jid, r.ghosts[u]))
	}
	return nil
}

// compose makes the stanzas of an envelope. The lock is held.
func (c *XMPP) compose(e *gateway.Envelope, out *gateway.Outcome) []part {
	from, _ := c.address(e.From)
	if e.Place.Group == "" {
		return c.say(e, from, string(e.Place.With), "chat", "", out)
	}
	r := c.rooms[e.Place.Group+"@"+c.cfg.Rooms]
	stanzas := c.fill(r)
	switch e.Verb {
	case gateway.Enter:
		return stanzas
	case gateway.Leave:
		return c.leave(r, e, stanzas)
	case gateway.Rename:
		return append(stanzas, part{name: "message", attrs: []string{"type", "groupchat", "from", c.self(), "to", r.jid}, inside: []part{
			{name: "subject", text: convert.Line(e.Title)}}})
	case gateway.Report:
		return nil // in a group it would be about everybody; out says nothing was carried
	}
	stanzas = append(stanzas, c.say(e, from, r.jid, "groupchat", "", out)...)
	if e.Verb == gateway.Failure {
		return nil
	}
	for _, p := range e.Crowd {
		if p.Native != "" && !r.in(string(p.Native)) {
			stanzas = append(stanzas, c.say(e, from, string(p.Native), "chat", "["+convert.Line(r.title)+"] ", out)...)
		}
	}
	return stanzas
}

func (c *XMPP) leave(r *room, e *gateway.Envelope, stanzas []part) []part {
	if nick, in := r.ghosts[e.From]; in {
		delete(r.ghosts, e.From)
		jid, _ := c.address(e.From)
		return append(stanzas, part{name: "presence", attrs: []string{"type", "unavailable", "from", jid, "to", r.jid + "/" + nick}})
	}
	return stanzas
}

// say makes one message. front stands before the text for those who get a message of a group in private.
func (c *XMPP) say(e *gateway.Envelope, from, to, kind, front string, out *gateway.Outcome) []part {
	m := part{name: "message", attrs: []string{"type", kind, "id", e.ID, "from", from, "to", to}}
	body := func(text string) part { return part{name: "body", text: front + text} }
	about := func(name, ns string) part {
		return part{name: name, attrs: []string{"xmlns", ns, "id", first(e.Target.Native)}}
	}
	switch e.Verb {
	case gateway.Say, gateway.Edit:
		m.inside = c.text(e, front, kind, out)
	case gateway.Delete:
		if e.Target.Native == "" {
			out.Level = gateway.Fallback
			m.inside = []part{body("/me has deleted a message")}
			break
		}
		m.inside = []part{about("retract", nsRetract), {name: "fallback", attrs: []string{"xmlns", nsFallback, "for", nsRetract}},
			body("/me has deleted a message, which your client does not support"), {name: "store", attrs: []string{"xmlns", nsHints}}}
	case gateway.React:
		emoji := convert.Line(e.Emoji)
		if e.Target.Native == "" || front != "" {
			out.Level = gateway.Fallback
			m.inside = []part{body("/me reacted " + emoji)}
			break
		}
		reactions := part{name: "reactions", attrs: []string{"xmlns", nsReactions, "id", last(e.Target.Native)}, inside: []part{{name: "reaction", text: emoji}}}
		m.inside = []part{reactions, {name: "store", attrs: []string{"xmlns", nsHints}}}
	case gateway.Report:
		return c.reports(e, from, to)
	case gateway.Failure:
		return []part{c.undelivered(e.ID, from, to, e.Target, convert.Line(e.Reason))}
	default:
		return nil
	}
	return []part{m}
}

// Of the ids of a message the first is the sender's, the last the room's.
func first(native string) string { id, _, _ := strings.Cut(native, gateway.AlsoKnown); return id }
func last(native string) string  { return native[strings.LastIndex(native, gateway.AlsoKnown)+1:] }

// reports are receipts and markers; failures are errors about the message.
func (c *XMPP) reports(e *gateway.Envelope, from, to string) (stanzas []part) {
	for n, r := range e.Report {
		id := first(r.Target.Native)
		if id == "" {
			continue
		}
		m := part{name: "message", attrs: []string{"type", "chat", "id", e.ID + "-" + strconv.Itoa(n), "from", from, "to", to}}
		switch r.Status {
		case gateway.IsDelivered:
			m.inside = []part{{name: "received", attrs: []string{"xmlns", nsReceipts, "id", id}}}
		case gateway.IsRead:
			m.inside = []part{{name: "displayed", attrs: []string{"xmlns", nsMarkers, "id", id}}}
		default:
			m = c.undelivered(m.attrs[3], from, to, r.Target, "the recipient could not be reached")
		}
		stanzas = append(stanzas, m)
	}
	return stanzas
}

// undelivered is an error about a message. To who has not written yet, and so has no client that we know of, it is a text.
func (c *XMPP) undelivered(id, from, to string, target gateway.Reference, reason string) part {
	client, known := c.full[to]
	if !known || target.Native == "" {
		text := "Not delivered: " + reason
		if target.Text != "" {
			text += " (“" + convert.Line(target.Text) + "”)"
		}
		return part{name: "message", attrs: []string{"type", "chat", "id", id, "from", from, "to", to}, inside: []part{{name: "body", text: text}}}
	}
	return part{name: "message", attrs: []string{"type", "error", "id", first(target.Native), "from", from, "to", client},
		inside: []part{failure("cancel", "undefined-condition", "Not delivered: "+reason)}}
}

// text is the body in both forms, with what it refers to.
func (c *XMPP) text(e *gateway.Envelope, front, kind string, out *gateway.Outcome) (inside []part) {
	names := c.names(e.Crowd)
	styled, losses := convert.Styled(e.Doc, names)
	text, quote := front+styled, ""
	switch {
	case e.Verb == gateway.Edit && (e.Target.Native == "" || front != ""):
		out.Level = gateway.Fallback
		text = front + "[edited] " + styled
	case e.Verb == gateway.Edit:
		inside = append(inside, part{name: "replace", attrs: []string{"xmlns", nsCorrect, "id", first(e.Target.Native)}})
	case e.Target.Native != "":
		quote = "> " + convert.Line(e.Target.Text) + "\n"
		inside = append(inside, part{name: "reply", attrs: []string{"xmlns", nsReply, "id", last(e.Target.Native)}},
			part{name: "fallback", attrs: []string{"xmlns", nsFallback, "for", nsReply}, inside: []part{
				{name: "body", attrs: []string{"start", "0", "end", strconv.Itoa(utf8.RuneCountInString(quote))}}}})
	case e.Target.Text != "":
		out.Level = gateway.Fallback
		text = "> " + convert.Line(e.Target.Text) + "\n" + text
	}
	inside = append(inside, part{name: "body", text: quote + text})
	if convert.HasForm(e.Doc) && front == "" {
		var xhtml string
		xhtml, losses = convert.XHTML(e.Doc, names) // what the formatted body carries is not lost
		inside = append(inside, part{name: "html", attrs: []string{"xmlns", nsXHTMLIM}, inside: []part{
			{name: "body", attrs: []string{"xmlns", nsXHTML}, markup: xhtml}}})
	} else if !convert.HasForm(e.Doc) {
		inside = append(inside, part{name: "unstyled", attrs: []string{"xmlns", "urn:xmpp:styling:0"}})
	}
	out.Losses = losses
	inside = append(inside, part{name: "origin-id", attrs: []string{"xmlns", nsStanzaID, "id", e.ID}},
		part{name: "markable", attrs: []string{"xmlns", nsMarkers}})
	if kind == "chat" {
		inside = append(inside, part{name: "request", attrs: []string{"xmlns", nsReceipts}})
	}
	return inside
}

// names is how participants are called: by their addresses.
func (c *XMPP) names(crowd []gateway.Person) convert.Names {
	return func(u uri.User) (convert.Name, bool) {
		for _, p := range crowd {
			if p.User != u {
				continue
			}
			if p.Native != "" {
				local, _, _ := split(string(p.Native))
				return convert.Name{Text: local, Link: "xmpp:" + string(p.Native)}, true
			}
			if jid, ok := c.address(u); ok {
				return convert.Name{Text: u.Name(), Link: "xmpp:" + strings.ReplaceAll(jid, "\\", "%5C")}, true
			}
		}
		return convert.Name{}, false
	}
}
