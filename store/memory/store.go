package memory

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"parley/follower"
	"parley/hub"
	"parley/inbox"
	"parley/keypkg"
	"parley/outbox"
	"parley/uri"
)

// Outcome is what becomes of one commit.
type Outcome uint8

const (
	Committed    Outcome = iota
	Lost                 // the commit fails and nothing is stored
	LostAndKnown         // the commit fails for the caller, and everything is stored
)

// ErrCommit is what a transaction returns whose commit was made to fail.
var ErrCommit = errors.New("memory: the commit failed")

// errReadOnly is what a write in a View returns.
var errReadOnly = errors.New("memory: a view cannot write")

// Store is the state of one provider. It is safe for concurrent use.
type Store struct {
	// Fault is asked at every commit that wrote something; nil means that all succeed. It is set before the store is used.
	Fault func() Outcome
	// Single says that only one task runs at a time, as in the simulator: then a transaction that begins inside of another one is
	// a mistake of the caller and panics. Otherwise it waits for the other, or for ever when it is its own.
	Single bool
	// Accounts knows the users and their devices, for keypkg.Tx.Clients.
	Accounts Identity

	mu    sync.Mutex
	state state
}

// New makes an empty store.
func New() *Store {
	return &Store{state: state{
		heads:    make(map[uri.Room]hub.Head),
		records:  make(map[uri.Room]map[string][]byte),
		logs:     make(map[uri.Room][]hub.Item),
		answers:  make(map[answerKey]answer),
		lanes:    make(map[laneKey]lane),
		parked:   make(map[laneKey][]Parked),
		seen:     make(map[seenKey]uint64),
		members:  make(map[uri.Room]map[uri.Client]bool),
		bodies:   make(map[uint64]body),
		inboxes:  make(map[uri.Client]queue),
		packages: make(map[string]kept),
		stocks:   make(map[uri.Client][]string),
		contacts: newContacts(),
		cases:    newCases(),
		files:    newFiles(),
	}}
}

// state is every table. Values in the maps are never changed in place, except for the inner maps, whose writes are undone too.
type state struct {
	heads   map[uri.Room]hub.Head
	records map[uri.Room]map[string][]byte
	logs    map[uri.Room][]hub.Item
	answers map[answerKey]answer

	lanes  map[laneKey]lane
	parked map[laneKey][]Parked

	seen     map[seenKey]uint64 // arrival of the item, ms
	members  map[uri.Room]map[uri.Client]bool
	bodies   map[uint64]body
	lastBody uint64
	inboxes  map[uri.Client]queue

	packages map[string]kept         // by KeyPackageRef
	stocks   map[uri.Client][]string // references in the order of publishing

	contacts contacts
	cases    cases
	files    files
}

// tx is one transaction.
type tx struct {
	*state
	write bool
	undo  []func()
}

// put sets a value and notes the old one.
func put[K comparable, V any](t *tx, m map[K]V, k K, v V) error {
	if !t.write {
		return errReadOnly
	}
	old, had := m[k]
	t.undo = append(t.undo, func() {
		if had {
			m[k] = old
		} else {
			delete(m, k)
		}
	})
	m[k] = v
	return nil
}

func drop[K comparable, V any](t *tx, m map[K]V, k K) error {
	if !t.write {
		return errReadOnly
	}
	if old, had := m[k]; had {
		t.undo = append(t.undo, func() { m[k] = old })
		delete(m, k)
	}
	return nil
}

func (s *Store) enter() {
	if !s.Single {
		s.mu.Lock()
		return
	}
	if !s.mu.TryLock() {
		panic("memory: a transaction begins inside of another one")
	}
}

func (s *Store) run(ctx context.Context, write bool, f func(*tx) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.enter()
	defer s.mu.Unlock()
	t := &tx{state: &s.state, write: write}
	done := false
	defer func() {
		if !done {
			t.rollback() // also when f panics, as a task does that the simulator crashes
		}
	}()
	if err := f(t); err != nil {
		return err
	}
	switch s.outcome(t) {
	case Lost:
		return ErrCommit
	case LostAndKnown:
		done = true
		return ErrCommit
	}
	done = true
	return nil
}

func (s *Store) outcome(t *tx) Outcome {
	if s.Fault == nil || len(t.undo) == 0 {
		return Committed
	}
	return s.Fault()
}

func (t *tx) rollback() {
	for i := len(t.undo) - 1; i >= 0; i-- {
		t.undo[i]()
	}
}

// runner makes Update and View of a role from its view of a transaction.
func runner[T any](s *Store, role func(*tx) T) (update, view func(ctx context.Context, f func(T) error) error) {
	update = func(ctx context.Context, f func(T) error) error {
		return s.run(ctx, true, func(t *tx) error { return f(role(t)) })
	}
	view = func(ctx context.Context, f func(T) error) error {
		return s.run(ctx, false, func(t *tx) error { return f(role(t)) })
	}
	return update, view
}

// Hub is the hub's part.
func (s *Store) Hub() hub.Store {
	update, view := runner(s, func(t *tx) hub.Tx { return &hubTx{t} })
	return hub.Store{Update: update, View: view}
}

// Outbox is the outbox's part.
func (s *Store) Outbox() outbox.Store {
	update, view := runner(s, func(t *tx) outbox.Tx { return &outboxTx{t} })
	desk, viewDesk := runner(s, func(t *tx) outbox.DeskTx { return &deskTx{t} })
	return outbox.Store{Update: update, View: view, Desk: desk, ViewDesk: viewDesk}
}

// Follower is the follower's part.
func (s *Store) Follower() follower.Store {
	update, view := runner(s, func(t *tx) follower.Tx { return &followerTx{t} })
	return follower.Store{Update: update, View: view}
}

// Inbox is the inboxes' part.
func (s *Store) Inbox() inbox.Store {
	update, view := runner(s, func(t *tx) inbox.Tx { return &inboxTx{t} })
	return inbox.Store{Update: update, View: view}
}

// KeyPackages is the KeyPackages' part.
func (s *Store) KeyPackages() keypkg.Store {
	update, view := runner(s, func(t *tx) keypkg.Tx { return &packagesTx{t, s} })
	return keypkg.Store{Update: update, View: view}
}

// text is what identifiers are ordered by.
type text interface{ String() string }

func byText[T text](a, b T) int { return cmp.Compare(a.String(), b.String()) }

func sortedBy[K comparable, V any](m map[K]V, compare func(a, b K) int) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, compare)
	return keys
}
