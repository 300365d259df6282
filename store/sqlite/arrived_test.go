package sqlite

import (
	"path/filepath"
	"testing"
	"time"

	"parley/inbox"
)

// A store of before knows no arrivals: what it holds is kept from the hub's time on.
func TestArrivalOfOldBodies(t *testing.T) {
	whole := migrations
	t.Cleanup(func() { migrations = whole })
	migrations = whole[:3]
	s := start(t, filepath.Join(t.TempDir(), "parley.db"), Options{})
	check1(t, s.update(t.Context(), func(c *conn) error {
		return c.script(`INSERT INTO body VALUES(1, 1, 1, 1000, x'01'), (2, 1, 1, 9000, x'02');
			INSERT INTO entry VALUES(1, 1), (1, 2)`)
	}))
	check1(t, s.close(t))
	migrations = whole
	s = start(t, s.path, Options{})
	var n int
	check1(t, s.Inbox().Update(t.Context(), func(tx inbox.Tx) (err error) {
		n, err = tx.Expire(time.UnixMilli(5000))
		return err
	}))
	if n != 1 {
		t.Errorf("%d entries have expired, want 1", n)
	}
	check1(t, s.close(t))
}
