package memory_test

import (
	"context"
	"errors"
	"testing"

	"parley/hub"
	"parley/store/memory"
	"parley/uri"
)

func room(t *testing.T) uri.Room {
	t.Helper()
	r, err := uri.ParseRoom("mimi://hub.example/r/a")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func exists(t *testing.T, s *memory.Store) bool {
	t.Helper()
	var ok bool
	err := s.Hub().View(t.Context(), func(tx hub.Tx) error {
		var err error
		_, ok, err = tx.Head(room(t))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func TestFault(t *testing.T) {
	tests := []struct {
		name    string
		outcome memory.Outcome
		err     error
		stored  bool
	}{
		{"committed", memory.Committed, nil, true},
		{"lost", memory.Lost, memory.ErrCommit, false},
		{"failed but persisted", memory.LostAndKnown, memory.ErrCommit, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := memory.New()
			asked := 0
			s.Fault = func() memory.Outcome { asked++; return tt.outcome }
			err := s.Hub().Update(t.Context(), func(tx hub.Tx) error { return tx.SaveHead(room(t), 0, hub.Head{Version: 1}) })
			if !errors.Is(err, tt.err) {
				t.Errorf("Update: %v, want %v", err, tt.err)
			}
			if got := exists(t, s); got != tt.stored {
				t.Errorf("stored: %v, want %v", got, tt.stored)
			}
			if asked != 1 {
				t.Errorf("asked %d times, want once: reads do not commit", asked)
			}
		})
	}
}

func TestSinglePanicsOnReentry(t *testing.T) {
	s := memory.New()
	s.Single = true
	nothing := func(hub.Tx) error { return nil }
	inner := []struct {
		name string
		run  func(context.Context, func(hub.Tx) error) error
	}{{"Update", s.Hub().Update}, {"View", s.Hub().View}}
	for _, tt := range inner {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
				if exists(t, s) { // the store is free again, and the outer transaction undone
					t.Error("the outer transaction was kept")
				}
			}()
			err := s.Hub().Update(t.Context(), func(tx hub.Tx) error {
				return errors.Join(tx.SaveHead(room(t), 0, hub.Head{Version: 1}), tt.run(t.Context(), nothing))
			})
			t.Errorf("Update returned %v", err)
		})
	}
}
