package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	codes "modernc.org/sqlite/lib"

	"parley/hub"
	"parley/mls"
)

// Under writes without a pause the log is copied while the writer goes on, begins anew when it is long, and nothing of it is lost.
func TestCheckpoints(t *testing.T) {
	const passive, restart, writes = 50, 400, 300
	s := start(t, filepath.Join(t.TempDir(), "parley.db"), Options{passive: passive, restart: restart})
	var copies, restarts int
	var before, largest int64
	for n := range writes {
		check1(t, s.Hub().Update(t.Context(), func(tx hub.Tx) error {
			return tx.PutRecords(room(t, n), mls.Delta{{Key: fmt.Sprint(n), Value: make([]byte, 10*4096)}})
		}))
		pages, done, err := s.copyLog("NOOP")
		check1(t, err)
		largest = max(largest, pages)
		if pages < before {
			restarts++
		}
		due := pages-done > passive
		check1(t, s.checkpoint())
		if before, done, err = s.copyLog("NOOP"); err != nil {
			t.Fatal(err)
		}
		if before-done > passive {
			t.Fatalf("%d of %d pages are not copied", before-done, before)
		}
		if due && done == before {
			copies++
		}
	}
	if largest > restart+40 {
		t.Errorf("the log grew to %d pages", largest)
	}
	if copies < 40 || restarts < 5 {
		t.Errorf("%d copies and %d new beginnings, want more", copies, restarts)
	}
	check1(t, s.close(t))
	if _, err := os.Stat(s.path + "-wal"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a log is left after Close: %v", err)
	}
	s = start(t, s.path, Options{})
	if got := rows(t, s.Store, "record"); got != writes {
		t.Errorf("%d records, want %d", got, writes)
	}
	check1(t, s.close(t))
}

func TestClassify(t *testing.T) {
	tests := []struct {
		code int32
		want error
	}{
		{codes.SQLITE_FULL, ErrFull},
		{codes.SQLITE_IOERR, ErrStopped},
		{codes.SQLITE_IOERR_READ, ErrStopped},
		{codes.SQLITE_IOERR_FSYNC, ErrStopped},
		{codes.SQLITE_CORRUPT, ErrStopped},
		{codes.SQLITE_CORRUPT_INDEX, ErrStopped},
		{codes.SQLITE_NOTADB, ErrStopped},
		{codes.SQLITE_CANTOPEN, ErrStopped},
		{codes.SQLITE_READONLY, ErrStopped},
		{codes.SQLITE_NOMEM, ErrStopped},
		{codes.SQLITE_CONSTRAINT, nil},
		{codes.SQLITE_BUSY, nil},
	}
	for _, tt := range tests {
		got := classify(fmt.Errorf("somewhere: %w", &failure{tt.code, "text"}))
		for _, known := range []error{ErrFull, ErrStopped} {
			if errors.Is(got, known) != (known == tt.want) {
				t.Errorf("code %d: %v, want %v", tt.code, got, tt.want)
			}
		}
	}
}
