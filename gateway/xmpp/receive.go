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

// handle works a stanza off. An error ends the stream.
func (c *XMPP) handle(ctx context.Context, e *element) error {
	switch {
	case e.name == "iq":
		return c.query(e)
	case e.name == "presence":
		return c.presence(ctx, e)
	case e.name == "message" && e.attr("type") == "error":
		return c.bounced(ctx, e)
	case e.name == "message" && e.attr("type") == "groupchat":
		return c.groupchat(ctx, e)
	case e.name == "message":
		return c.chat(ctx, e)
	case e.name == "error":
		return errEnded // of the stream
	}
	return nil
}

// query answers what others ask, and takes the answers to our pings.
func (c *XMPP) query(e *element) error {
	kind := e.attr("type")
	if kind == "result" || kind == "error" {
		c.mu.Lock()
		defer c.mu.Unlock()
		if w := c.waiting[e.attr("id")]; w != nil && bare(e.attr("to")) == c.self() {
			delete(c.waiting, e.attr("id"))
			w.done <- nil // an error says as well that what came before was worked off
		}
		return nil
	}
	answer := part{name: "iq", attrs: []string{"type", "result", "id", e.attr("id"), "from", e.attr("to"), "to", e.attr("from")}}
	switch {
	case kind == "get" && e.child(nsPing, "ping") != nil:
	case kind == "get" && e.child(nsInfo, "query") != nil:
		answer.inside = []part{info()}
	default:
		answer.attrs[1] = "error"
		answer.inside = []part{{name: "error", attrs: []string{"type", "cancel"}, inside: []part{{name: "service-unavailable", attrs: []string{"xmlns", nsStanzas}}}}}
	}
	return c.send(answer)
}

// info says what can be sent to an address of ours.
func info() part {
	p := part{name: "query", attrs: []string{"xmlns", nsInfo}, inside: []part{
		{name: "identity", attrs: []string{"category", "gateway", "type", "mimi", "name", "MIMI (not end-to-end: keys are held by the gateway)"}}}}
	for _, ns := range []string{nsInfo, nsPing, nsReceipts, nsMarkers, nsCorrect, nsRetract, nsReactions, nsReply, nsXHTMLIM} {
		p.inside = append(p.inside, part{name: "feature", attrs: []string{"var", ns}})
	}
	return p
}

// presence keeps who is in our rooms, and lets anybody follow a user of MIMI.
func (c *XMPP) presence(ctx context.Context, e *element) error {
	from := bare(e.attr("from"))
	c.mu.Lock()
	r := c.rooms[from]
	c.mu.Unlock()
	if r != nil {
		return c.occupant(ctx, r, e)
	}
	answer := func(kind string) part {
		return part{name: "presence", attrs: []string{"type", kind, "from", bare(e.attr("to")), "to", from}}
	}
	switch e.attr("type") {
	case "subscribe":
		return c.send(answer("subscribed"), answer(""))
	case "probe":
		return c.send(answer(""))
	}
	return nil
}

// occupant is somebody in a room; only what the owner sees counts, for it has the real addresses.
func (c *XMPP) occupant(ctx context.Context, r *room, e *element) error {
	_, _, nick := split(e.attr("from"))
	x := e.child(nsUser, "x")
	item := x.child(nsUser, "item")
	real := bare(item.attr("jid"))
	to := bare(e.attr("to"))
	c.mu.Lock()
	if e.attr("type") == "error" {
		defer c.mu.Unlock()
		return c.kept(r, e, to)
	}
	if to != c.self() || nick == "" {
		c.mu.Unlock()
		return nil
	}
	if e.attr("type") == "unavailable" {
		delete(r.real, nick)
		thrown := x.status("307") || x.status("301")
		c.mu.Unlock()
		if thrown && c.native(real) {
			return c.ingest(ctx, e, gateway.Event{Verb: gateway.Leave, From: gateway.Address(real), Group: r.group(), ID: random()})
		}
		return nil
	}
	before := r.real[nick]
	r.real[nick] = real
	var err error
	if x.status("110") {
		r.made = x.status("201")
		err = c.entered(r)
	}
	c.mu.Unlock()
	if err != nil || before == real || !c.native(real) {
		return err
	}
	return c.ingest(ctx, e, gateway.Event{Verb: gateway.Enter, From: gateway.Address(real), Group: r.group(), ID: random()})
}

func (r *room) group() string { local, _, _ := split(r.jid); return local }

// status reports whether a room's answer has a status code.
func (e *element) status(code string) bool {
	if e == nil {
		return false
	}
	for _, s := range e.children {
		if s.name == "status" && s.attr("code") == code {
			return true
		}
	}
	return false
}

// native reports whether an address is of somebody on the network, and not of ours.
func (c *XMPP) native(jid string) bool {
	local, domain, _ := split(jid)
	return local != "" && domain != c.cfg.Domain && domain != c.cfg.Rooms
}

// bounced is an error about something that we have sent: an answer to a delivery if it comes in time, else a report.
func (c *XMPP) bounced(ctx context.Context, e *element) error {
	id := e.attr("id")
	reason := "the XMPP server refused it"
	if failure := e.child("", "error"); failure != nil {
		for _, condition := range failure.children {
			if condition.space == nsStanzas && condition.name != "text" {
				reason = "XMPP: " + convert.Line(condition.name)
				break
			}
		}
	}
	c.mu.Lock()
	for _, w := range c.waiting {
		if w.id == id && id != "" {
			w.refused = reason
			c.mu.Unlock()
			return nil
		}
	}
	c.mu.Unlock()
	user, ok := c.ourUser(e.attr("to"))
	if !ok || !c.native(bare(e.attr("from"))) {
		return nil
	}
	return c.ingest(ctx, e, gateway.Event{Verb: gateway.Report, From: gateway.Address(bare(e.attr("from"))), To: user.String(), Target: id,
		Status: gateway.IsFailed, ID: "failed/" + id})
}

// ourUser is the user of MIMI who has an address.
func (c *XMPP) ourUser(jid string) (uri.User, bool) {
	local, domain, _ := split(strings.ToLower(jid))
	if domain != c.cfg.Domain {
		return uri.User{}, false
	}
	return userOf(local)
}

// groupchat is a message in a room of ours, as its owner got it.
func (c *XMPP) groupchat(ctx context.Context, e *element) error {
	if bare(e.attr("to")) != c.self() || e.child(nsDelay, "delay") != nil {
		return nil // another copy, or old
	}
	c.mu.Lock()
	r := c.rooms[bare(e.attr("from"))]
	_, _, nick := split(e.attr("from"))
	real := ""
	if r != nil {
		real = r.real[nick]
	}
	c.mu.Unlock()
	if r == nil || !c.native(real) {
		return nil // the room itself, or one of ours: loop guard
	}
	return c.events(ctx, e, gateway.Event{From: gateway.Address(real), Group: r.group()})
}

// mostFull is how many clients are remembered.
const mostFull = 10000

// chat is a message between two.
func (c *XMPP) chat(ctx context.Context, e *element) error {
	user, ok := c.ourUser(e.attr("to"))
	from := bare(e.attr("from"))
	if !ok || !c.native(from) {
		return nil
	}
	c.mu.Lock()
	if len(c.full) >= mostFull {
		clear(c.full)
	}
	c.full[from] = e.attr("from")
	c.mu.Unlock()
	return c.events(ctx, e, gateway.Event{From: gateway.Address(from), To: user.String()})
}

// events makes what a message says; one can say several things.
func (c *XMPP) events(ctx context.Context, e *element, base gateway.Event) error {
	// Ids are unique within a conversation and a sender only.
	id := e.attr("id")
	if id == "" {
		id = random()
	}
	scope := string(base.From) + "|" + base.Group + base.To + "|"
	event := base
	event.ID = scope + id
	event.Native = id
	if sid := e.child(nsStanzaID, "stanza-id"); sid != nil && base.Group != "" && sid.attr("by") == bare(e.attr("from")) && sid.attr("id") != "" {
		event.Native += gateway.AlsoKnown + sid.attr("id")
	}
	switch {
	case e.child(nsReceipts, "received") != nil:
		event.Verb, event.Status, event.Target = gateway.Report, gateway.IsDelivered, e.child(nsReceipts, "received").attr("id")
	case e.child(nsMarkers, "displayed") != nil:
		event.Verb, event.Status, event.Target = gateway.Report, gateway.IsRead, e.child(nsMarkers, "displayed").attr("id")
	case e.child(nsRetract, "retract") != nil:
		event.Verb, event.Target = gateway.Delete, e.child(nsRetract, "retract").attr("id")
	case e.child(nsReactions, "reactions") != nil:
		return c.reactions(ctx, e, event)
	case strings.TrimSpace(e.child("", "body").content()) == "":
		return nil // a state of typing, or what we do not know
	default:
		event.Verb = gateway.Say
		if replaced := e.child(nsCorrect, "replace"); replaced != nil {
			event.Verb, event.Target = gateway.Edit, replaced.attr("id")
		} else if reply := e.child(nsReply, "reply"); reply != nil {
			event.Target = reply.attr("id")
		}
		event.Text = c.said(e)
	}
	return c.ingest(ctx, e, event)
}

// reactions are all that somebody reacts with (XEP-0444). Those that were there before are known by their ids, and pass once.
func (c *XMPP) reactions(ctx context.Context, e *element, base gateway.Event) error {
	list := e.child(nsReactions, "reactions")
	for n, r := range list.children {
		if r.name != "reaction" || n >= 8 {
			continue
		}
		event := base
		event.Verb, event.Target, event.Emoji = gateway.React, list.attr("id"), convert.Line(strings.TrimSpace(r.text))
		event.ID = string(base.From) + "|" + base.Group + base.To + "|" + event.Target + "|react|" + event.Emoji
		event.Native = event.ID + "/" + strconv.Itoa(n)
		if err := c.ingest(ctx, e, event); err != nil {
			return err
		}
	}
	return nil
}

// said is what a message says: its formatted body if it has one, else its body without what stands there for older clients.
func (c *XMPP) said(e *element) gateway.Said {
	if formatted := e.child(nsXHTMLIM, "html").child(nsXHTML, "body"); formatted != nil && len(formatted.children) > 0 {
		var html strings.Builder
		formatted.html(&html)
		said, _ := convert.FromXHTML(html.String(), c.linked)
		if strings.TrimSpace(said.Text) != "" {
			return said
		}
	}
	body := e.child("", "body").content()
	for _, f := range e.children {
		if f.space == nsFallback && f.name == "fallback" && f.attr("for") == nsReply {
			body = without(body, f.child(nsFallback, "body"))
		}
	}
	said, _ := convert.FromPlain(body)
	return said
}

// linked is the user of MIMI to whose address a link leads.
func (c *XMPP) linked(target string) (uri.User, bool) {
	jid, ok := strings.CutPrefix(target, "xmpp:")
	if !ok {
		return uri.User{}, false
	}
	jid, _, _ = strings.Cut(jid, "?")
	return c.ourUser(strings.ReplaceAll(jid, "%5C", "\\"))
}

// without cuts a range of characters out (XEP-0428).
func without(body string, span *element) string {
	if span == nil {
		return body
	}
	runes := []rune(body)
	from, err := strconv.Atoi(span.attr("start"))
	to, err2 := strconv.Atoi(span.attr("end"))
	if err != nil || err2 != nil || from < 0 || to > len(runes) || from > to || !utf8.ValidString(body) {
		return body
	}
	return string(runes[:from]) + string(runes[to:])
}

// ingest hands an event over. That there was too much is told to whoever did it; that the gateway cannot store ends the process.
func (c *XMPP) ingest(ctx context.Context, e *element, event gateway.Event) error {
	err := c.host.Ingest(ctx, &event)
	if errors.Is(err, gateway.ErrFlood) || errors.Is(err, gateway.ErrEvent) {
		if e.name != "message" || e.attr("type") == "error" {
			return nil
		}
		return c.send(part{name: "message", attrs: []string{"type", "error", "id", e.attr("id"), "from", e.attr("to"), "to", e.attr("from")},
			inside: []part{failure("wait", "resource-constraint", "Not passed on: too much at once, or too long.")}})
	}
	if err != nil && ctx.Err() == nil {
		return &gateway.IngestError{Err: err}
	}
	return nil
}

func failure(kind, condition, text string) part {
	return part{name: "error", attrs: []string{"type", kind}, inside: []part{
		{name: condition, attrs: []string{"xmlns", nsStanzas}}, {name: "text", attrs: []string{"xmlns", nsStanzas}, text: text}}}
}
