package provider

import (
	"context"
	"errors"

	"parley/store/sqlite"
)

// ErrStoreInUse means that another process has the store open.
var ErrStoreInUse = errors.New("provider: the store is in use by another process")

// OpenSQLite opens or creates the embedded store, a SQLite database at path.
func OpenSQLite(ctx context.Context, path string) (*Store, error) {
	s, err := sqlite.Open(ctx, path, sqlite.Options{})
	if errors.Is(err, sqlite.ErrInUse) {
		return nil, errors.Join(ErrStoreInUse, err)
	}
	if err != nil {
		return nil, err
	}
	out := &Store{
		Hub: s.Hub(), Outbox: s.Outbox(), Follower: s.Follower(), Inbox: s.Inbox(), KeyPackages: s.KeyPackages(),
		Contact: s.Contact(), Cases: s.Cases(), Assets: s.Assets(),
		UpdateAccounts: whenFull(s.Accounts.Update), ViewAccounts: s.Accounts.View,
		UpdatePins: whenFull(s.Accounts.UpdatePins), ViewPins: s.Accounts.ViewPins,
		UpdatePeople: whenFull(s.Accounts.UpdatePeople), ViewPeople: s.Accounts.ViewPeople,
		Run: []func(context.Context) error{s.Run, s.Checkpoints},
		Err: s.Err, Full: s.Full, Probe: s.Probe, Check: s.Check, Stats: s.Stats, Close: s.Close,
	}
	out.Hub.Update = whenFull(out.Hub.Update)
	out.Outbox.Update = whenFull(out.Outbox.Update)
	out.Follower.Update = whenFull(out.Follower.Update)
	out.Inbox.Update = whenFull(out.Inbox.Update)
	out.KeyPackages.Update = whenFull(out.KeyPackages.Update)
	out.Contact.Update = whenFull(out.Contact.Update)
	out.Cases.Update = whenFull(out.Cases.Update)
	out.Assets.Update = whenFull(out.Assets.Update)
	return out, nil
}
