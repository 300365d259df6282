package memory

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"parley/consent"
	"parley/contact"
	"parley/uri"
)

type entryKey struct {
	owner uri.User
	side  contact.Side
	other string
	room  uri.Room
}

func compareEntries(a, b entryKey) int {
	return cmp.Or(byText(a.owner, b.owner), cmp.Compare(a.side, b.side), cmp.Compare(a.other, b.other), byText(a.room, b.room))
}

func keyOf(e *contact.Entry) entryKey { return entryKey{e.Owner, e.Side, e.Other, e.Room} }

// contacts is the part of state that knows who may contact whom.
type contacts struct {
	entries    map[entryKey]contact.Entry
	errands    map[uint64]contact.Errand
	lastErrand uint64
}

func newContacts() contacts {
	return contacts{entries: make(map[entryKey]contact.Entry), errands: make(map[uint64]contact.Errand)}
}

// Contact is contact's part.
func (s *Store) Contact() contact.Store {
	update, view := runner(s, func(t *tx) contact.Tx { return &contactTx{t, s} })
	return contact.Store{Update: update, View: view}
}

type contactTx struct {
	*tx
	store *Store
}

func (t *contactTx) Known(user uri.User) (known bool, err error) {
	err = t.store.Accounts.view(background, func(a *identityState) error {
		_, known, err = a.User(user)
		return err
	})
	return known, err
}

func (t *contactTx) pick(want func(k entryKey) bool) []contact.Entry {
	var out []contact.Entry
	for _, k := range sortedBy(t.contacts.entries, compareEntries) {
		if want(k) {
			e := t.contacts.entries[k]
			e.Packages = slices.Clone(e.Packages)
			out = append(out, e)
		}
	}
	return out
}

func (t *contactTx) Entries(owner uri.User, side contact.Side, other string) ([]contact.Entry, error) {
	return t.pick(func(k entryKey) bool { return k.owner == owner && k.side == side && k.other == other }), nil
}

func (t *contactTx) List(owner uri.User) ([]contact.Entry, error) {
	return t.pick(func(k entryKey) bool { return k.owner == owner }), nil
}

func (t *contactTx) Put(e contact.Entry) error {
	if e.Record.Standing == consent.None {
		return drop(t.tx, t.contacts.entries, keyOf(&e))
	}
	e.Packages = slices.Clone(e.Packages)
	return put(t.tx, t.contacts.entries, keyOf(&e), e)
}

func (t *contactTx) Waiting(requesters uri.Provider) (n int, err error) {
	prefix := requesters.String() + "/"
	for k, e := range t.contacts.entries {
		if strings.HasPrefix(k.other, prefix) && k.side == contact.Incoming && e.Record.Standing == consent.Asked {
			n++
		}
	}
	return n, nil
}

func (t *contactTx) Expire(before time.Time) (n int, err error) {
	for _, k := range sortedBy(t.contacts.entries, compareEntries) {
		if r := t.contacts.entries[k].Record; r.Standing == consent.Asked && r.At.Before(before) {
			if err := drop(t.tx, t.contacts.entries, k); err != nil {
				return n, err
			}
			n++
		}
	}
	return n, nil
}

func (t *contactTx) Errands(limit int) ([]contact.Errand, error) {
	var out []contact.Errand
	for _, id := range sortedBy(t.contacts.errands, cmp.Compare[uint64]) {
		if len(out) < limit {
			out = append(out, t.contacts.errands[id])
		}
	}
	return out, nil
}

func (t *contactTx) PutErrand(e contact.Errand) error {
	if e.ID == 0 {
		if !t.write {
			return errReadOnly
		}
		t.contacts.lastErrand++ // a number that is lost with an undone transaction is of no harm
		e.ID = t.contacts.lastErrand
	}
	if e.Due.IsZero() {
		return drop(t.tx, t.contacts.errands, e.ID)
	}
	e.Body = slices.Clone(e.Body)
	return put(t.tx, t.contacts.errands, e.ID, e)
}
