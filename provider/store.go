package provider

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"parley/asset"
	"parley/contact"
	"parley/follower"
	"parley/hub"
	"parley/identity"
	"parley/inbox"
	"parley/keypkg"
	"parley/outbox"
	"parley/store/memory"
)

// Store is one store as the roles use it. The functions may be called concurrently.
type Store struct {
	Hub         hub.Store
	Outbox      outbox.Store
	Follower    follower.Store
	Inbox       inbox.Store
	KeyPackages keypkg.Store
	Contact     contact.Store
	Cases       hub.Cases
	Assets      asset.Store

	UpdateAccounts, ViewAccounts func(ctx context.Context, f func(identity.Tx) error) error
	UpdatePins, ViewPins         func(ctx context.Context, f func(identity.PinTx) error) error
	UpdatePeople, ViewPeople     func(ctx context.Context, f func(identity.PeopleTx) error) error

	// Run are the store's own goroutines: the writer, checkpoints. Each returns nil when its context ends, after what it has taken, or
	// the error that stopped the store for good.
	Run []func(context.Context) error
	// Err is why the store has stopped; nil while it works.
	Err func() error
	// Full reports that there is no space for writing, until Probe, which tries, has found some. nil: that does not happen.
	Full  func() bool
	Probe func(context.Context) error
	// Check reads the whole store, beside everything else, and stops it when it is damaged. nil: there is nothing to check.
	Check func(context.Context) error
	// Stats counts what was committed: requests, and the groups in which they were.
	Stats func() (requests, groups uint64)
	// Close is called after all of Run have returned.
	Close func() error
}

// MemoryStore is a store that forgets everything with the process: for tests and trials.
func MemoryStore(s *memory.Store) *Store {
	return &Store{
		Hub: s.Hub(), Outbox: s.Outbox(), Follower: s.Follower(), Inbox: s.Inbox(), KeyPackages: s.KeyPackages(),
		Contact: s.Contact(), Cases: s.Cases(), Assets: s.Assets(),
		UpdateAccounts: s.Accounts.Update, ViewAccounts: s.Accounts.View,
		UpdatePins: s.Accounts.UpdatePins, ViewPins: s.Accounts.ViewPins,
		UpdatePeople: s.Accounts.UpdatePeople, ViewPeople: s.Accounts.ViewPeople,
		Err:   func() error { return nil },
		Stats: func() (uint64, uint64) { return 0, 0 },
		Close: func() error { return nil },
	}
}

// Use runs the store's goroutines while f works with it, then closes it.
func (s *Store) Use(ctx context.Context, f func() error) error {
	g, group := errgroup.WithContext(ctx)
	run, stop := context.WithCancel(group)
	for _, r := range s.Run {
		g.Go(func() error { return r(run) })
	}
	g.Go(func() error {
		defer stop()
		return f()
	})
	return errors.Join(g.Wait(), s.Close())
}
