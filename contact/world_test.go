package contact_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"parley/consent"
	"parley/contact"
	"parley/identity"
	"parley/mimi"
	"parley/mls/wire"
	"parley/store/memory"
	"parley/syntax"
	"parley/uri"
)

// world is some providers with one clock. Alice is at a, Bob and Bea at b.
type world struct {
	*testing.T
	now   time.Time
	sides map[string]*side
	// sent are the consent messages that went from one provider to another.
	sent []sent
	fail error // what calls to other providers fail with
}

type sent struct {
	from, to string
	endpoint mimi.Endpoint
	entry    mimi.ConsentEntry
}

// side is one provider.
type side struct {
	w       *world
	uri     uri.Provider
	store   *memory.Store
	config  contact.Config
	contact *contact.Contact
	counts  counts
	told    []mimi.ConsentEntry // to the devices of users
	stock   []wire.KeyPackage   // what Offer gives away
}

// counts counts the calls of the store.
type counts struct{ reads, writes int }

func newWorld(t *testing.T, change func(*contact.Config)) *world {
	t.Helper()
	w := &world{T: t, now: time.UnixMilli(1_800_000_000_000), sides: make(map[string]*side)}
	for _, domain := range []string{"a.example", "b.example", "c.example"} {
		p, err := uri.ProviderFromDomain(domain)
		w.must(err)
		s := &side{w: w, uri: p, store: memory.New()}
		s.config = contact.Config{
			Self: p, Store: s.counting(), Now: func() time.Time { return w.now }, Rule: consent.Ask, Peers: s.peer,
			Offer: func(context.Context, uri.User) ([]wire.KeyPackage, error) { return s.stock, nil },
			Announce: func(_ context.Context, _ uri.User, news []byte, _ [32]byte, _ time.Time) error {
				var e mimi.ConsentEntry
				if err := syntax.Unmarshal(news, &e); err != nil {
					return err
				}
				s.told = append(s.told, e)
				return nil
			},
		}
		if change != nil {
			change(&s.config)
		}
		s.contact = contact.New(s.config)
		w.sides[domain] = s
	}
	for _, name := range []string{"a.example alice", "a.example adam", "b.example bob", "b.example bea", "c.example cathy"} {
		u := w.user(name)
		w.must(w.sides[u.Domain()].store.Accounts.Update(t.Context(), func(tx identity.Tx) error {
			return tx.PutUser(identity.User{URI: u, Created: w.now})
		}))
	}
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// user is "domain name".
func (w *world) user(s string) uri.User {
	w.Helper()
	var domain, name string
	for i := range s {
		if s[i] == ' ' {
			domain, name = s[:i], s[i+1:]
		}
	}
	p, err := uri.ProviderFromDomain(domain)
	w.must(err)
	u, err := uri.NewUser(p, name)
	w.must(err)
	return u
}

func (w *world) room(domain, name string) uri.Room {
	w.Helper()
	r, err := uri.ParseRoom("mimi://" + domain + "/r/" + name)
	w.must(err)
	return r
}

func (s *side) counting() contact.Store {
	inner := s.store.Contact()
	return contact.Store{
		Update: func(ctx context.Context, f func(contact.Tx) error) error {
			return inner.Update(ctx, func(tx contact.Tx) error { return f(&counted{tx, &s.counts}) })
		},
		View: func(ctx context.Context, f func(contact.Tx) error) error {
			return inner.View(ctx, func(tx contact.Tx) error { return f(&counted{tx, &s.counts}) })
		},
	}
}

type counted struct {
	contact.Tx
	n *counts
}

func (c *counted) Known(u uri.User) (bool, error) { c.n.reads++; return c.Tx.Known(u) }
func (c *counted) Entries(o uri.User, s contact.Side, other string) ([]contact.Entry, error) {
	c.n.reads++
	return c.Tx.Entries(o, s, other)
}
func (c *counted) Waiting(p uri.Provider) (int, error)      { c.n.reads++; return c.Tx.Waiting(p) }
func (c *counted) List(o uri.User) ([]contact.Entry, error) { c.n.reads++; return c.Tx.List(o) }
func (c *counted) Errands(n int) ([]contact.Errand, error)  { c.n.reads++; return c.Tx.Errands(n) }
func (c *counted) Put(e contact.Entry) error                { c.n.writes++; return c.Tx.Put(e) }
func (c *counted) PutErrand(e contact.Errand) error         { c.n.writes++; return c.Tx.PutErrand(e) }

// peer is another provider as this one reaches it, through encoded messages.
func (s *side) peer(to uri.Provider) (mimi.Service, error) {
	other, ok := s.w.sides[to.Domain()]
	if !ok {
		return nil, mimi.Errorf(mimi.Forbidden, "no peer")
	}
	return &wireTo{from: s, to: other}, nil
}

type wireTo struct {
	mimi.Service
	from, to *side
}

func (l *wireTo) carry(e mimi.Endpoint, r *mimi.ConsentEntry, call func(*mimi.ConsentEntry) error) error {
	if l.from.w.fail != nil {
		return l.from.w.fail
	}
	octets, err := syntax.Marshal(r)
	if err != nil {
		return err
	}
	var arrived mimi.ConsentEntry
	if err := syntax.Unmarshal(octets, &arrived); err != nil {
		return err
	}
	l.from.w.sent = append(l.from.w.sent, sent{l.from.uri.Domain(), l.to.uri.Domain(), e, arrived})
	return call(&arrived)
}

func (l *wireTo) RequestConsent(ctx context.Context, r *mimi.ConsentEntry) error {
	return l.carry(mimi.RequestConsent, r, func(r *mimi.ConsentEntry) error { return l.to.contact.RequestConsent(ctx, l.from.uri, r) })
}

func (l *wireTo) UpdateConsent(ctx context.Context, r *mimi.ConsentEntry) error {
	return l.carry(mimi.UpdateConsent, r, func(r *mimi.ConsentEntry) error { return l.to.contact.UpdateConsent(ctx, l.from.uri, r) })
}

// settle runs all errands, as long as something is due.
func (w *world) settle() {
	w.Helper()
	for range 10 {
		for _, domain := range []string{"a.example", "b.example", "c.example"} {
			_, err := w.sides[domain].contact.Step(w.Context())
			w.must(err)
		}
	}
}

func entry(op mimi.ConsentOperation, requester, target uri.User, at uri.Room) *mimi.ConsentEntry {
	e := &mimi.ConsentEntry{Operation: op, Requester: requester.String(), Target: target.String()}
	if !at.IsZero() {
		text := at.String()
		e.Room = &text
	}
	return e
}

// say has a user say something at the own provider.
func (w *world) say(op mimi.ConsentOperation, by, requester, target uri.User, at uri.Room) {
	w.Helper()
	w.must(w.sides[by.Domain()].contact.Say(w.Context(), by, entry(op, requester, target, at), false))
	w.settle()
}

// check is what the target's provider says to a claim.
func (w *world) check(requester, target uri.User, room string) mimi.KeyMaterialUserCode {
	w.Helper()
	return w.sides[target.Domain()].contact.Check(w.Context(), requester, target, room)
}

func (w *world) code(err error) mimi.Code {
	w.Helper()
	var known *mimi.Error
	if !errors.As(err, &known) {
		w.Fatalf("%v is no mimi.Error", err)
	}
	return known.Code
}

// standing is how a matter stands at the owner's provider.
func (w *world) standing(owner uri.User, side contact.Side, other uri.User, at uri.Room) consent.Standing {
	w.Helper()
	list, err := w.sides[owner.Domain()].contact.List(w.Context(), owner)
	w.must(err)
	for _, e := range list {
		if e.Side == side && e.Other == other.String() && e.Room == at {
			return e.Record.Standing
		}
	}
	return consent.None
}
