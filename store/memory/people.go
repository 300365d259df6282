package memory

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"parley/identity"
	"parley/mimi"
	"parley/uri"
)

// people is the part of identityState that knows addresses and profiles.
type people struct {
	persons map[uri.User]identity.Person
	pending map[pendingKey]identity.Pending
	changes []identity.Change
}

type pendingKey struct {
	user uri.User
	kind mimi.SearchType
	key  string
}

func newPeople() people {
	return people{persons: make(map[uri.User]identity.Person), pending: make(map[pendingKey]identity.Pending)}
}

func (t *people) copy() people {
	return people{maps.Clone(t.persons), maps.Clone(t.pending), slices.Clone(t.changes)}
}

// UpdatePeople runs f in a transaction.
func (s *Identity) UpdatePeople(ctx context.Context, f func(identity.PeopleTx) error) error {
	return s.update(ctx, func(t *identityState) error { return f(t) })
}

// ViewPeople runs f on the current state; f must not write.
func (s *Identity) ViewPeople(ctx context.Context, f func(identity.PeopleTx) error) error {
	return s.view(ctx, func(t *identityState) error { return f(t) })
}

func (t *people) Person(u uri.User) (identity.Person, bool, error) {
	p, ok := t.persons[u]
	p.Entries = slices.Clone(p.Entries)
	return p, ok, nil
}

func (t *people) PutPerson(p identity.Person) error {
	p.Entries = slices.Clone(p.Entries)
	t.persons[p.User] = p
	return nil
}

func (t *people) DeletePerson(u uri.User) error {
	delete(t.persons, u)
	return nil
}

func (t *people) Find(kind mimi.SearchType, name, key string, limit int) ([]identity.Found, error) {
	return t.found(limit, func(e *identity.Entry) bool { return e.Type == kind && e.Name == name && e.Key == key }), nil
}

func (t *people) Scan(part string, limit int) ([]identity.Found, error) {
	return t.found(limit, func(e *identity.Entry) bool { return strings.Contains(identity.Fold(e.Value), part) }), nil
}

func (t *people) found(limit int, match func(*identity.Entry) bool) []identity.Found {
	var out []identity.Found
	for u, p := range t.persons {
		for i := range p.Entries {
			if match(&p.Entries[i]) {
				out = append(out, identity.Found{User: u, Entry: p.Entries[i], Person: p.Reach})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b identity.Found) int { return cmp.Compare(a.User.String(), b.User.String()) })
	return out[:min(len(out), limit)]
}

func (t *identityState) Strangers(limit int) ([]uri.User, error) {
	var out []uri.User
	for u := range t.users {
		if _, known := t.persons[u]; !known {
			out = append(out, u)
		}
	}
	slices.SortFunc(out, func(a, b uri.User) int { return cmp.Compare(a.String(), b.String()) })
	return out[:min(len(out), limit)], nil
}

func (t *people) PutPending(p identity.Pending) error {
	t.pending[pendingKey{p.User, p.Type, p.Key}] = p
	return nil
}

func (t *people) Pending(u uri.User, kind mimi.SearchType, key string) (identity.Pending, bool, error) {
	p, ok := t.pending[pendingKey{u, kind, key}]
	return p, ok, nil
}

func (t *people) PendingOf(u uri.User) ([]identity.Pending, error) {
	var out []identity.Pending
	for k, p := range t.pending {
		if k.user == u {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b identity.Pending) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Key, b.Key))
	})
	return out, nil
}

func (t *people) DeletePending(u uri.User, kind mimi.SearchType, key string) error {
	delete(t.pending, pendingKey{u, kind, key})
	return nil
}

func (t *people) ExpirePending(now time.Time) (int, error) {
	n := len(t.pending)
	maps.DeleteFunc(t.pending, func(_ pendingKey, p identity.Pending) bool { return !now.Before(p.Expires) })
	return n - len(t.pending), nil
}

func (t *people) AddChange(c identity.Change) error {
	t.changes = append(t.changes, c)
	return nil
}

func (t *people) Changes(u uri.User, limit int) ([]identity.Change, error) {
	var out []identity.Change
	for _, c := range slices.Backward(t.changes) {
		if c.User == u && len(out) < limit {
			out = append(out, c)
		}
	}
	return out, nil
}

func (t *people) DeleteChanges(u uri.User) error {
	t.changes = slices.DeleteFunc(t.changes, func(c identity.Change) bool { return c.User == u })
	return nil
}

func (t *people) ExpireChanges(before time.Time) (int, error) {
	n := len(t.changes)
	t.changes = slices.DeleteFunc(t.changes, func(c identity.Change) bool { return c.At.Before(before) })
	return n - len(t.changes), nil
}
