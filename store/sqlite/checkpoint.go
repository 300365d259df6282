package sqlite

import (
	"context"
	"errors"
)

// Sizes of the write-ahead log, in pages, at which the keeper acts.
const (
	walPassive = 1 << 10 // not yet copied: copy what no reader needs into the database; writers go on
	walRestart = 1 << 13 // in the log: also make the next writer start it anew, while the writer waits for the rest of the copy
)

// Checkpoints copies the write-ahead log into the database on a connection of its own, until ctx ends or the store stops.
func (s *Store) Checkpoints(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.failed:
			return nil
		case <-s.written:
		}
		if err := s.checkpoint(); err != nil && !errors.Is(err, ErrFull) { // with a full disk, the log waits
			s.fail(err)
			return err
		}
	}
}

func (s *Store) checkpoint() error {
	pages, done, err := s.copyLog("NOOP")
	if err != nil || pages-done <= s.options.passive && pages <= s.options.restart {
		return err
	}
	if pages, _, err = s.copyLog("PASSIVE"); err != nil || pages <= s.options.restart {
		return err
	}
	// The copy is nearly done; the writer waits for the rest of it here and not in SQLite, where it would sleep and ask again.
	s.turn.Lock()
	defer s.turn.Unlock()
	_, _, err = s.copyLog("RESTART")
	return err
}

// copyLog runs a checkpoint and returns the size of the log and how much of it is copied, in pages.
func (s *Store) copyLog(mode string) (pages, done int64, err error) {
	r, _, err := s.keeper.one("PRAGMA wal_checkpoint(" + mode + ")")
	if err != nil {
		return 0, 0, classify(err)
	}
	return r.int(1), r.int(2), nil
}
