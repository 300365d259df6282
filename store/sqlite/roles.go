package sqlite

import (
	"context"

	"parley/follower"
	"parley/hub"
	"parley/inbox"
	"parley/keypkg"
	"parley/outbox"
)

// runner makes Update and View of a role from its view of a connection.
func runner[T any](s *Store, role func(*conn) T) (update, view func(ctx context.Context, f func(T) error) error) {
	update = func(ctx context.Context, f func(T) error) error {
		return s.update(ctx, func(c *conn) error { return f(role(c)) })
	}
	view = func(ctx context.Context, f func(T) error) error {
		return s.view(ctx, func(c *conn) error { return f(role(c)) })
	}
	return update, view
}

// Hub is the hub's part.
func (s *Store) Hub() hub.Store {
	_, view := runner(s, func(c *conn) hub.Tx { return newHubTx(c) })
	update := func(ctx context.Context, f func(hub.Tx) error) error {
		return s.update(ctx, func(c *conn) error {
			t := newHubTx(c)
			if err := f(t); err != nil {
				return err
			}
			return t.finish()
		})
	}
	return hub.Store{Update: update, View: view}
}

// Outbox is the outbox's part.
func (s *Store) Outbox() outbox.Store {
	update, view := runner(s, func(c *conn) outbox.Tx { return &outboxTx{c: c} })
	desk, viewDesk := runner(s, func(c *conn) outbox.DeskTx { return &deskTx{c} })
	return outbox.Store{Update: update, View: view, Desk: desk, ViewDesk: viewDesk}
}

// Follower is the follower's part.
func (s *Store) Follower() follower.Store {
	update, view := runner(s, func(c *conn) follower.Tx { return &followerTx{c: c} })
	return follower.Store{Update: update, View: view}
}

// Inbox is the inboxes' part.
func (s *Store) Inbox() inbox.Store {
	update, view := runner(s, func(c *conn) inbox.Tx { return &inboxTx{c} })
	return inbox.Store{Update: update, View: view}
}

// KeyPackages is the KeyPackages' part.
func (s *Store) KeyPackages() keypkg.Store {
	update, view := runner(s, func(c *conn) keypkg.Tx { return newPackagesTx(c) })
	return keypkg.Store{Update: update, View: view}
}
