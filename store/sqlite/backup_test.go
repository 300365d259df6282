package sqlite

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"parley/follower"
	"parley/inbox"
	"parley/uri"
)

// A client that has read beyond a backup gets what comes after the backup is restored: nothing of it is passed over, and nothing comes
// twice.
func TestRestoredBackup(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	options := Options{Now: func() time.Time { return now }}
	client, err := uri.ParseClient("mimi://b.example/d/bob/phone")
	check1(t, err)
	deliver := func(s *started, from, to int) {
		for n := from; n < to; n++ {
			check1(t, s.Follower().Update(t.Context(), func(tx follower.Tx) error {
				return tx.Deliver(follower.Item{Room: room(t, 1), Body: []byte{byte(n)}}, [32]byte{byte(n)}, []uri.Client{client})
			}))
		}
	}
	read := func(s *started, after inbox.Cursor) (out []inbox.Entry) {
		check1(t, s.Inbox().View(t.Context(), func(tx inbox.Tx) (err error) {
			out, err = tx.Read(client, after, 100, 1<<20)
			return err
		}))
		return out
	}
	s := start(t, filepath.Join(t.TempDir(), "parley.db"), options)
	deliver(s, 0, 3)
	backup := filepath.Join(t.TempDir(), "backup.db")
	check1(t, s.close(t))
	octets, err := os.ReadFile(s.path)
	check1(t, err)
	check1(t, os.WriteFile(backup, octets, 0o600))

	s = start(t, s.path, options)
	deliver(s, 3, 60)
	all := read(s, 0)
	cursor := all[len(all)-1].Cursor
	if len(all) != 60 || cursor >= 1<<53 {
		t.Fatalf("%d entries, cursor %d", len(all), cursor)
	}
	check1(t, s.close(t))

	now = now.Add(time.Minute)
	s = start(t, backup, options)
	if again := read(s, cursor); len(again) != 0 {
		t.Errorf("%d entries come twice", len(again))
	}
	deliver(s, 100, 102)
	fresh := read(s, cursor)
	if len(fresh) != 2 || fresh[0].Body[0] != 100 || fresh[1].Body[0] != 101 {
		t.Errorf("%d new entries, want 2", len(fresh))
	}
	check1(t, s.close(t))
}
