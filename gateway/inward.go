package gateway

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"parley/client"
	"parley/content"
	"parley/mls"
	"parley/uri"
)

// keyDone, in a client's store, says that an event was worked off.
const keyDone = "gw/done/"

// errLater means that an event has to wait, for the provider or for the room.
var errLater = errors.New("gateway: not yet")

// retryInward is how long a conversation waits whose event could not be worked off.
const retryInward = 2 * time.Second

// Inward works off what waits of a network. Of each conversation it keeps the order: one that cannot go on holds up no other. It
// returns when to come back, the zero time when nothing waits. The error is that of a store.
func (g *Gateway) Inward(ctx context.Context, network string) (next time.Time, err error) {
	queue, err := g.cfg.Journal.waiting(ctx, network)
	if err != nil {
		return time.Time{}, err
	}
	held := map[string]bool{}
	for _, q := range queue {
		lane := q.Event.Group + "\x00" + q.Event.To
		if q.Event.Group == "" {
			lane += "\x00" + string(q.Event.From)
		}
		if held[lane] {
			continue
		}
		switch err := g.act(ctx, network, &q); {
		case ctx.Err() != nil:
			return time.Time{}, ctx.Err()
		case errors.Is(err, errLater):
			held[lane] = true
			next = g.cfg.Now().Add(retryInward)
		case err != nil:
			return time.Time{}, err
		}
	}
	return next, nil
}

// later tells failures that pass from those of a store.
func later(err error) error {
	var retry *client.RetryError
	if errors.As(err, &retry) {
		return errLater
	}
	return err
}

// act works one event off and takes it out of the queue.
func (g *Gateway) act(ctx context.Context, network string, q *queued) error {
	unit, err := g.Admit(ctx, network, q.Event.From)
	if err != nil {
		return later(err)
	}
	l, err := g.linkFor(ctx, unit, &q.Event)
	if err != nil {
		return later(err)
	}
	if l == nil {
		g.count("unmapped")
		return g.cfg.Journal.put(ctx, mls.Record{Key: q.Key})
	}
	at, err := uri.ParseRoom(l.Room)
	if err != nil {
		return errDamaged
	}
	switch q.Event.Verb {
	case Enter:
		if err := g.bringIn(ctx, unit, at); err != nil {
			return err
		}
		return g.cfg.Journal.put(ctx, mls.Record{Key: q.Key})
	case Leave:
		err := unit.Do(ctx, func(c *client.Client) error { _, err := c.Leave(ctx, at); return err })
		if err != nil && !errors.Is(err, client.ErrNoRoom) {
			return err
		}
		return g.cfg.Journal.put(ctx, mls.Record{Key: q.Key})
	}
	if l.Group != "" {
		if err := g.bringIn(ctx, unit, at); err != nil {
			return err
		}
	}
	return g.send(ctx, unit, at, network, q)
}

// linkFor finds the room of a conversation. A room of two is made when there is none; a group that is no room is nobody's matter.
func (g *Gateway) linkFor(ctx context.Context, unit *Unit, e *Event) (*link, error) {
	if e.Group != "" {
		return g.cfg.Journal.linkOfGroup(ctx, unit.Network, e.Group)
	}
	l, err := g.cfg.Journal.linkOfPair(ctx, unit.Network, e.From, e.To)
	if err != nil || l != nil {
		return l, err
	}
	peer, err := uri.ParseUser(e.To)
	if err != nil || e.Verb != Say {
		return nil, nil
	}
	return g.newPair(ctx, unit, peer)
}

// newPair makes a room of two. A crash in the middle leaves a room with nobody else in it.
func (g *Gateway) newPair(ctx context.Context, unit *Unit, peer uri.User) (*link, error) {
	name := make([]byte, 10)
	if _, err := rand.Read(name); err != nil {
		return nil, err
	}
	at, err := uri.NewRoom(g.cfg.Self, "gw-"+hex.EncodeToString(name))
	if err != nil {
		return nil, err
	}
	l := &link{Network: unit.Network, Room: at.String(), With: unit.Address, Peer: peer.String()}
	var refused error
	err = unit.Do(ctx, func(c *client.Client) error {
		if err := c.Create(ctx, at, ""); err != nil {
			if errors.Is(err, client.ErrBroken) {
				return err
			}
			refused = err
			return nil
		}
		_, err := c.Add(ctx, at, peer)
		return err
	})
	if err != nil {
		return nil, err
	}
	if refused != nil {
		return nil, errLater
	}
	return l, g.cfg.Journal.saveLink(ctx, l)
}

// bringIn makes a native user a participant: another user of the gateway who is one adds it.
func (g *Gateway) bringIn(ctx context.Context, unit *Unit, at uri.Room) error {
	in := false
	err := unit.Do(ctx, func(c *client.Client) error {
		r, ok := c.Room(at)
		in = ok && r.Active()
		return nil
	})
	if err != nil || in {
		return err
	}
	for _, other := range g.cfg.Working() {
		if other.User == unit.User {
			continue
		}
		asked := false
		err := other.Do(ctx, func(c *client.Client) error {
			r, ok := c.Room(at)
			if !ok || !r.Active() {
				return nil
			}
			asked = slices.ContainsFunc(c.Intents(), func(i client.Intent) bool {
				return i.Kind == client.AddUser && i.User == unit.User.String() && i.Room == at.String() && i.Fate != client.Failed
			})
			if asked {
				return nil
			}
			_, err := c.Add(ctx, at, unit.User)
			if errors.Is(err, client.ErrParticipant) {
				err = nil
			}
			asked = err == nil
			return err
		})
		if err != nil {
			return err
		}
		if asked {
			return errLater
		}
	}
	return errLater
}

// send makes the message of an event and puts it into the client's outbox, in one write with the mark that it is done. What the
// network calls the message is known before, so that a report that is quick finds it.
func (g *Gateway) send(ctx context.Context, unit *Unit, at uri.Room, network string, q *queued) error {
	m, err := g.message(ctx, unit, at, network, &q.Event)
	if err != nil {
		return err
	}
	if m == nil {
		g.count("without target")
		return g.cfg.Journal.put(ctx, mls.Record{Key: q.Key})
	}
	encoded, err := m.Encode()
	if err != nil {
		g.count("not encodable")
		return g.cfg.Journal.put(ctx, mls.Record{Key: q.Key})
	}
	id := content.ID(unit.User, at, encoded, m.Salt)
	native := q.Event.Native
	if native == "" {
		native = q.Event.ID
	}
	k := &known{Native: native, Message: id.String(), Room: at.String(), From: unit.User.String(), Content: encoded, Text: short60(content.Text(*m))}
	both, err := k.both(network)
	if err != nil {
		return err
	}
	if q.Event.Verb == Report {
		both = nil // nothing refers to a report
	}
	if err := g.cfg.Journal.put(ctx, both...); err != nil {
		return err
	}
	mark := keyDone + short(network, q.Event.ID)
	err = unit.Do(ctx, func(c *client.Client) error {
		done, err := unit.Store.Load(ctx, mark)
		if err != nil || len(done) > 0 {
			return err
		}
		if r, ok := c.Room(at); !ok || !r.Active() {
			return errLater
		}
		unit.Store.With(mls.Record{Key: mark, Value: []byte{1}})
		defer unit.Store.Without()
		_, err = c.Send(ctx, at, encoded, id[:])
		return err
	})
	if err != nil {
		return err
	}
	return g.cfg.Journal.put(ctx, mls.Record{Key: q.Key})
}

// short60 is the beginning of a text, for quotes.
func short60(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	for n := range s {
		if n >= 60 {
			return s[:n] + "…"
		}
	}
	return s
}

// message makes the MIMI message of an event; nil when it is about a message that nobody knows.
func (g *Gateway) message(ctx context.Context, unit *Unit, at uri.Room, network string, e *Event) (*content.Message, error) {
	salt := g.salt(network, e.ID)
	target, err := g.cfg.Journal.byNative(ctx, network, at.String(), e.Target)
	if err != nil {
		return nil, err
	}
	var id content.MessageID
	var old content.Message
	if target != nil {
		octets, err := hex.DecodeString(target.Message)
		if err != nil || len(octets) != len(id) {
			return nil, errDamaged
		}
		copy(id[:], octets)
		if old, err = content.Decode(target.Content); err != nil {
			target = nil
		}
	}
	var m content.Message
	switch {
	case e.Verb == Say && target != nil:
		m = content.NewMessage(salt, unit.User, at, e.Text.Part())
		m.InReplyTo, m.Topic = &id, old.Topic
	case e.Verb == Say:
		m = content.NewMessage(salt, unit.User, at, e.Text.Part())
	case target == nil:
		return nil, nil
	case e.Verb == Edit && target.From == unit.User.String():
		m = content.NewEdit(salt, unit.User, at, id, old, e.Text.Part())
	case e.Verb == Delete && target.From == unit.User.String():
		m = content.NewDelete(salt, unit.User, at, id, old)
	case e.Verb == React:
		if m, err = content.NewReaction(salt, unit.User, at, id, e.Emoji); err != nil {
			return nil, nil
		}
	case e.Verb == Report && target.From != unit.User.String():
		m = content.NewStatus(salt, unit.User, at, content.StatusReport{{ID: id, Status: statusOf(e.Status)}})
	default:
		return nil, nil
	}
	return &m, nil
}

func statusOf(s Status) content.Status {
	switch s {
	case IsDelivered:
		return content.StatusDelivered
	case IsRead:
		return content.StatusRead
	}
	return content.StatusError
}
