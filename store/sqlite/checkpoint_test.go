package sqlite

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"parley/hub"
	"parley/mls"
)

// Under writes without a pause the log is copied, begins anew, and stays small; nothing of it is lost.
func TestCheckpoints(t *testing.T) {
	path := filepath.Join(t.TempDir(), "parley.db")
	const page = 4096
	s, stop := running(t, path, Options{passive: 50, restart: 400})
	write := func(n int) {
		check1(t, s.Hub().Update(t.Context(), func(tx hub.Tx) error {
			return tx.PutRecords(room(t, n), mls.Delta{{Key: fmt.Sprint(n), Value: make([]byte, 10*page)}})
		}))
	}
	const writes = 400
	var largest int64
	for n := range writes {
		write(n)
		info, err := os.Stat(path + "-wal")
		check1(t, err)
		largest = max(largest, info.Size())
	}
	if total := int64(writes * 10 * page); largest > total/3 {
		t.Errorf("the log grew to %d octets while %d were written", largest, total)
	}
	stop()
	if _, err := os.Stat(path + "-wal"); err == nil {
		t.Error("a log is left after Close")
	}
	s, _ = running(t, path, Options{})
	if got := rows(t, s, "record"); got != writes {
		t.Errorf("%d records, want %d", got, writes)
	}
}
