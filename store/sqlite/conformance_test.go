package sqlite

import (
	"context"
	"path/filepath"
	"testing"

	"parley/storetest"
)

// running opens a store and runs it until the test ends or stop is called.
func running(t testing.TB, path string, o Options) (s *Store, stop func()) {
	t.Helper()
	s, err := Open(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 2)
	go func() { done <- s.Run(ctx) }()
	go func() { done <- s.Checkpoints(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Errorf("the store stopped: %v", err)
			}
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	t.Cleanup(stop)
	return s, stop
}

func stores(t *testing.T, path string) storetest.Stores {
	s, stop := running(t, path, Options{})
	return storetest.Stores{
		Hub:         s.Hub(),
		Outbox:      s.Outbox(),
		Follower:    s.Follower(),
		Inbox:       s.Inbox(),
		KeyPackages: s.KeyPackages(),
		Accounts:    s.Accounts.Update,
		Pins:        s.Accounts.UpdatePins,
		Reopen: func(t *testing.T) storetest.Stores {
			stop()
			return stores(t, path)
		},
	}
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Stores { return stores(t, filepath.Join(t.TempDir(), "parley.db")) })
}
