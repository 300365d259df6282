package gateway

import (
	"context"
	"encoding/hex"
	"errors"
	"strconv"
	"time"

	"parley/client"
	"parley/content"
	"parley/gateway/convert"
	"parley/mls"
	"parley/uri"
)

// keyMark, in a client's store, is up to where a room's timeline was given to the network.
const keyMark = "gw/out/"

const (
	pageOut    = 64
	retryLeast = time.Second
	retryMost  = time.Minute
)

// Outward gives a client's network what is new in its rooms, each room in its order; one that cannot go on holds up no other. It
// returns when to come back, the zero time when everything was given. The error is that of a store.
func (g *Gateway) Outward(ctx context.Context, u *Unit) (next time.Time, err error) {
	if err := g.failures(ctx, u); err != nil {
		return time.Time{}, err
	}
	var rooms []uri.Room
	err = u.Do(ctx, func(c *client.Client) error {
		for _, r := range c.Rooms() {
			rooms = append(rooms, r.URI)
		}
		return nil
	})
	if err != nil {
		return time.Time{}, err
	}
	for _, at := range rooms {
		again, err := g.roomOutward(ctx, u, at)
		if err != nil {
			return time.Time{}, err
		}
		if !again.IsZero() && (next.IsZero() || again.Before(next)) {
			next = again
		}
	}
	return next, nil
}

// page reads the next entries of a room, the room's people, and its name.
type page struct {
	mark    uint64
	entries []client.Entry
	people  []client.Person
	name    string
}

func (g *Gateway) read(ctx context.Context, u *Unit, at uri.Room) (p page, err error) {
	key := keyMark + short(at.String())
	err = u.Do(ctx, func(c *client.Client) error {
		saved, err := u.Store.Load(ctx, key)
		if err != nil {
			return err
		}
		if len(saved) > 0 {
			if p.mark, err = strconv.ParseUint(string(saved[0].Value), 10, 64); err != nil {
				return errDamaged
			}
		}
		if p.entries, err = c.Timeline(ctx, at, p.mark, pageOut); err != nil {
			return err
		}
		r, ok := c.Room(at)
		if !ok {
			return nil
		}
		p.name = r.Name()
		p.people, err = r.People()
		if errors.Is(err, client.ErrNoRoom) {
			err = nil // out of it
		}
		return err
	})
	return p, err
}

func (g *Gateway) roomOutward(ctx context.Context, u *Unit, at uri.Room) (time.Time, error) {
	lane := g.lane(u.Network, at.String())
	lane.Lock()
	defer lane.Unlock()
	for {
		p, err := g.read(ctx, u, at)
		if err != nil {
			return time.Time{}, err
		}
		l, err := g.place(ctx, u, at, &p)
		if err == nil {
			err = g.present(ctx, u, at, l, &p)
		}
		if err != nil || len(p.entries) == 0 {
			return time.Time{}, err
		}
		for _, e := range p.entries {
			after, err := g.give(ctx, u, at, l, &p, &e)
			if err != nil {
				return time.Time{}, err
			}
			if after > 0 {
				return g.cfg.Now().Add(after), nil
			}
			if err := g.moveMark(ctx, u, at, e.Seq+1); err != nil {
				return time.Time{}, err
			}
		}
	}
}

func (g *Gateway) moveMark(ctx context.Context, u *Unit, at uri.Room, to uint64) error {
	return u.Do(ctx, func(*client.Client) error {
		return u.Store.Commit(ctx, mls.Delta{{Key: keyMark + short(at.String()), Value: strconv.AppendUint(nil, to, 10)}})
	})
}

// place decides where on the network a room is: between two when it has two participants, else in a group, which it then stays.
func (g *Gateway) place(ctx context.Context, u *Unit, at uri.Room, p *page) (*link, error) {
	people := p.people
	l, err := g.cfg.Journal.linkOf(ctx, u.Network, at)
	if err != nil || l != nil && (l.Group != "" || len(people) <= 2) {
		return l, err
	}
	fresh := &link{Network: u.Network, Room: at.String()}
	switch {
	case len(people) > 2:
		fresh.Group = groupName(p.title(at), at)
	case len(people) == 2:
		fresh.With = u.Address
		for _, p := range people {
			if p.User != u.User {
				fresh.Peer = p.User.String()
			}
		}
	default:
		return l, nil // nobody else is there, or the room is left
	}
	return fresh, g.cfg.Journal.saveLink(ctx, fresh)
}

// title is what a room is called.
func (p *page) title(at uri.Room) string {
	if title := convert.Line(p.name); title != "" {
		return title
	}
	return at.Name()
}

// groupName is the name of a room's group: readable, and nobody else's.
func groupName(title string, at uri.Room) string {
	return slug(title, 24, func(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' }) + "-" + short(at.String())[:8]
}

// present tells the network, once after a start, who is there: connections to it know nothing of before.
func (g *Gateway) present(ctx context.Context, u *Unit, at uri.Room, l *link, p *page) error {
	if l == nil || len(p.people) == 0 {
		return nil
	}
	key := u.Network + "/" + at.String() + "/" + l.Group
	g.mu.Lock()
	shown := g.shown[key]
	g.shown[key] = true
	g.mu.Unlock()
	if shown {
		return nil
	}
	env := &Envelope{ID: short(key), Verb: Present, Place: l.place(), Title: p.title(at), From: u.User}
	var err error
	if env.Crowd, err = g.crowd(ctx, u.Network, p.people); err != nil {
		return err
	}
	g.natives[u.Network].Deliver(ctx, env)
	return nil
}

// give passes one entry on. after > 0: not now.
func (g *Gateway) give(ctx context.Context, u *Unit, at uri.Room, l *link, p *page, e *client.Entry) (after time.Duration, err error) {
	if l == nil {
		return 0, nil
	}
	env, k, err := g.envelope(ctx, u, at, p, e)
	if err != nil || env == nil {
		return 0, err
	}
	env.Place, env.Title = l.place(), p.title(at)
	if env.Crowd, err = g.crowd(ctx, u.Network, p.people); err != nil {
		return 0, err
	}
	done := keySent + u.Network + "/" + env.ID
	if k != nil {
		sent, err := g.cfg.Journal.byMessage(ctx, u.Network, k.Message)
		if err != nil || sent != nil {
			return 0, err // another user of the network had it first
		}
	} else {
		var before string
		if found, err := g.cfg.Journal.get(ctx, done, &before); err != nil || found {
			return 0, err
		}
	}
	return g.deliver(ctx, u, at, env, k, done)
}

// deliver asks the network and keeps what it says. What is tried is written down before.
func (g *Gateway) deliver(ctx context.Context, u *Unit, at uri.Room, env *Envelope, k *known, done string) (time.Duration, error) {
	tried := keyTried + u.Network + "/" + env.ID
	var before string
	again, err := g.cfg.Journal.get(ctx, tried, &before)
	if err != nil {
		return 0, err
	}
	env.Again = again
	if !again {
		mark, err := record(tried, "")
		if err != nil {
			return 0, err
		}
		if err := g.cfg.Journal.put(ctx, mark); err != nil {
			return 0, err
		}
	}
	out := g.natives[u.Network].Deliver(ctx, env)
	if ctx.Err() != nil && out.Fate != Accepted {
		return retryLeast, nil
	}
	for _, l := range env.Losses.With(out.Losses...) {
		g.count("loss: " + l.String())
	}
	switch out.Fate {
	case Unknown:
		return retryLeast, nil
	case Retry:
		return min(max(out.After, retryLeast), retryMost), g.cfg.Journal.put(ctx, mls.Record{Key: tried}) // the network has it not
	case Refused:
		g.count("refused")
	}
	if out.Level < Fallback && out.Fate == Accepted {
		g.count("dropped: " + string(env.Verb))
	}
	records := mls.Delta{{Key: tried}}
	if k != nil {
		k.Native = out.Native
		both, err := k.both(u.Network)
		if err != nil {
			return 0, err
		}
		records = append(records, both...)
	} else {
		mark, err := record(done, "")
		if err != nil {
			return 0, err
		}
		records = append(records, mark)
	}
	if out.Fate == Refused && k != nil && env.Verb != Report {
		if err := g.tellFailed(ctx, u, at, k); err != nil {
			return 0, err
		}
	}
	if err := g.tellMissed(ctx, u.Network, at, k, out.Missed); err != nil {
		return 0, err
	}
	return 0, g.cfg.Journal.put(ctx, records...)
}

// tellMissed reports to the sender whom of a group a message did not reach.
func (g *Gateway) tellMissed(ctx context.Context, network string, at uri.Room, k *known, missed []Address) error {
	if k == nil {
		return nil
	}
	for _, a := range missed {
		for _, other := range g.cfg.Working() {
			if other.Network != network || other.Address != a {
				continue
			}
			if err := g.tellFailed(ctx, other, at, k); err != nil {
				return err
			}
		}
	}
	return nil
}

// tellFailed reports to the sender that the network refused a message. The report comes before the mark: a crash repeats it, which
// changes nothing.
func (g *Gateway) tellFailed(ctx context.Context, u *Unit, at uri.Room, k *known) error {
	var id content.MessageID
	octets, err := hex.DecodeString(k.Message)
	if err != nil || len(octets) != len(id) {
		return errDamaged
	}
	copy(id[:], octets)
	m := content.NewStatus(g.salt(u.Network, "failed/"+u.User.String()+"/"+k.Message), u.User, at, content.StatusReport{{ID: id, Status: content.StatusError}})
	encoded, err := m.Encode()
	if err != nil {
		return err
	}
	own := content.ID(u.User, at, encoded, m.Salt)
	err = u.Do(ctx, func(c *client.Client) error { _, err := c.Send(ctx, at, encoded, own[:]); return err })
	if errors.Is(err, client.ErrNoRoom) {
		return nil
	}
	return err
}

// crowd are the participants with their addresses on the network.
func (g *Gateway) crowd(ctx context.Context, network string, people []client.Person) (out []Person, err error) {
	for _, p := range people {
		one := Person{User: p.User}
		if of, ok := NativeOf(g.cfg.Self, p.User, network); ok && of == network {
			_, one.Native, err = g.cfg.Journal.address(ctx, p.User.Name())
			if err != nil {
				return nil, err
			}
		}
		out = append(out, one)
	}
	return out, nil
}

// envelope makes what the network is told of an entry; nil: nothing. k is what will be known of a message.
func (g *Gateway) envelope(ctx context.Context, u *Unit, at uri.Room, p *page, e *client.Entry) (*Envelope, *known, error) {
	env := &Envelope{Time: time.UnixMilli(int64(e.Time))}
	switch e.Kind {
	case client.EntryJoined, client.EntryLeft:
		env.Verb = Enter
		if e.Kind == client.EntryLeft {
			env.Verb = Leave
		}
		return env, nil, g.ofUser(env, at, e)
	case client.EntryChanged:
		env.Verb, env.ID = Rename, short(at.String(), strconv.FormatUint(e.Time, 10), "rename")
		return env, nil, nil
	case client.EntryMessage:
	default:
		return nil, nil, nil
	}
	if e.Own || e.Unverified != "" {
		if e.Unverified != "" {
			g.count("unverified")
		}
		return nil, nil, nil
	}
	sender, err := uri.ParseUser(e.User)
	if err != nil {
		return nil, nil, nil
	}
	if of, ok := NativeOf(g.cfg.Self, sender, u.Network); ok && of == u.Network {
		return nil, nil, nil // it came from there
	}
	m, err := content.Decode(e.Content)
	if err != nil {
		return nil, nil, nil
	}
	env.From, env.ID = sender, hex.EncodeToString(e.MessageID)
	k := &known{Message: env.ID, Room: at.String(), From: e.User, Content: e.Content, Text: short60(e.Text)}
	return g.fill(ctx, u, env, k, &m)
}

func (g *Gateway) ofUser(env *Envelope, at uri.Room, e *client.Entry) error {
	user, err := uri.ParseUser(e.User)
	if err != nil {
		return nil
	}
	env.From, env.ID = user, short(at.String(), strconv.FormatUint(e.Epoch, 10), e.User, string(e.Kind))
	return nil
}

// fill says what a message does.
func (g *Gateway) fill(ctx context.Context, u *Unit, env *Envelope, k *known, m *content.Message) (*Envelope, *known, error) {
	if report, found, err := m.Status(); found || err != nil {
		return g.fillReport(ctx, u, env, report)
	}
	var about *content.MessageID
	switch {
	case m.Replaces != nil && m.Body.Body == nil:
		env.Verb, about = Delete, m.Replaces
	case m.Replaces != nil:
		env.Verb, about = Edit, m.Replaces
	case m.Body.Body == nil:
		return nil, nil, nil
	case m.InReplyTo != nil && m.Body.Disposition == content.DispositionReaction:
		env.Verb, about = React, m.InReplyTo
		if single, ok := m.Body.Body.(content.Single); ok {
			env.Emoji = convert.Line(string(single.Content))
		}
	default:
		env.Verb, about = Say, m.InReplyTo
	}
	if env.Verb == Say || env.Verb == Edit {
		env.Doc, env.Losses = convert.Doc(*m)
	}
	if about == nil {
		return env, k, nil
	}
	target, err := g.cfg.Journal.byMessage(ctx, u.Network, about.String())
	if err != nil {
		return nil, nil, err
	}
	if target != nil {
		env.Target = Reference{Native: target.Native, Text: target.Text}
		if env.Target.From, err = uri.ParseUser(target.From); err != nil {
			return nil, nil, errDamaged
		}
	}
	return env, k, nil
}

// fillReport passes on what a report says about messages that came from this user; others' are not this user's matter.
func (g *Gateway) fillReport(ctx context.Context, u *Unit, env *Envelope, report content.StatusReport) (*Envelope, *known, error) {
	env.Verb, env.ID = Report, short(env.ID, string(u.Address))
	for _, s := range report.Known() {
		k, err := g.cfg.Journal.byMessage(ctx, u.Network, s.ID.String())
		if err != nil {
			return nil, nil, err
		}
		if status := nativeStatus(s.Status); k != nil && k.From == u.User.String() && status != "" {
			env.Report = append(env.Report, Reported{Reference{Native: k.Native, From: u.User, Text: k.Text}, status})
		}
	}
	if len(env.Report) == 0 {
		return nil, nil, nil
	}
	return env, nil, nil
}

// nativeStatus is "" for what no network tells apart.
func nativeStatus(s content.Status) Status {
	switch s {
	case content.StatusDelivered:
		return IsDelivered
	case content.StatusRead:
		return IsRead
	case content.StatusError:
		return IsFailed
	}
	return ""
}

// failures tells a native user what came to nothing, and forgets it then.
func (g *Gateway) failures(ctx context.Context, u *Unit) error {
	var failed []client.Intent
	err := u.Do(ctx, func(c *client.Client) error {
		for _, i := range c.Intents() {
			if i.Fate == client.Failed {
				failed = append(failed, i)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, i := range failed {
		if err := g.failure(ctx, u, &i); err != nil {
			return err
		}
		if err := u.Do(ctx, func(c *client.Client) error { return c.Forget(ctx, i.ID) }); err != nil {
			return err
		}
	}
	return nil
}

func (g *Gateway) failure(ctx context.Context, u *Unit, i *client.Intent) error {
	at, err := uri.ParseRoom(i.Room)
	if err != nil {
		return nil
	}
	l, err := g.cfg.Journal.linkOf(ctx, u.Network, at)
	if err != nil || l == nil {
		return err
	}
	env := &Envelope{ID: short(u.User.String(), strconv.FormatUint(i.ID, 10), i.Room), Verb: Failure, Place: l.place(), Reason: convert.Line(i.Reason)}
	if l.Peer != "" {
		if env.From, err = uri.ParseUser(l.Peer); err != nil {
			return errDamaged
		}
	}
	switch i.Kind {
	case client.SendMessage:
		k, err := g.cfg.Journal.byMessage(ctx, u.Network, hex.EncodeToString(i.MessageID))
		if err != nil {
			return err
		}
		if k != nil {
			env.Target = Reference{Native: k.Native, From: u.User, Text: k.Text}
		}
	case client.AddUser:
		if l.Group == "" { // nobody is there: the next message makes another room
			if err := g.cfg.Journal.put(ctx, mls.Record{Key: keyPairs + u.Network + "/" + short(string(l.With), l.Peer)}); err != nil {
				return err
			}
		}
	default:
		return nil
	}
	env.Crowd = []Person{{User: u.User, Native: u.Address}}
	out := g.natives[u.Network].Deliver(ctx, env)
	if out.Fate == Refused {
		g.count("refused")
	}
	return nil
}
