package sqlite

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"parley/hub"
	"parley/mls"
)

func TestOpen(t *testing.T) {
	foreign := func(t *testing.T, path string, script string) {
		db, err := sql.Open("sqlite", path)
		check1(t, err)
		_, err = db.Exec(script)
		check1(t, errors.Join(err, db.Close()))
	}
	ours := func(t *testing.T, path string) {
		s := start(t, path, Options{})
		for n := range 200 {
			check1(t, put(t, s.Store, n))
		}
		check1(t, s.close(t))
	}
	tests := []struct {
		name string
		make func(t *testing.T, path string)
		want error
	}{
		{"another program's database", func(t *testing.T, path string) { foreign(t, path, "CREATE TABLE other(a)") }, ErrForeign},
		{"another program's number", func(t *testing.T, path string) {
			foreign(t, path, "CREATE TABLE other(a); PRAGMA application_id=7; PRAGMA user_version=1")
		}, ErrForeign},
		{"not a database", func(t *testing.T, path string) {
			check1(t, os.WriteFile(path, bytes.Repeat([]byte("no database "), 500), 0o600))
		}, ErrForeign},
		{"a newer schema", func(t *testing.T, path string) {
			ours(t, path)
			foreign(t, path, "PRAGMA user_version=99")
		}, ErrNewer},
		{"damaged pages", func(t *testing.T, path string) {
			ours(t, path)
			octets, err := os.ReadFile(path)
			check1(t, err)
			for i := 4096 * 2; i < len(octets); i += 4096 {
				copy(octets[i:], "damaged damaged damaged")
			}
			check1(t, os.WriteFile(path, octets, 0o600))
		}, ErrDamaged},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "parley.db")
			tt.make(t, path)
			before, err := os.ReadFile(path)
			check1(t, err)
			if s, err := Open(t.Context(), path, Options{}); !errors.Is(err, tt.want) {
				t.Errorf("Open: %v, want %v", err, tt.want)
				if err == nil {
					check1(t, s.Close())
				}
			}
			after, err := os.ReadFile(path)
			check1(t, err)
			if !bytes.Equal(before, after) {
				t.Error("Open changed a file that it refuses")
			}
			if _, err := os.Stat(path + "-wal"); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("Open left a log beside a file that it refuses: %v", err)
			}
		})
	}
}

func TestOpenTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deeper", "parley.db")
	first := start(t, path, Options{})
	if _, err := Open(t.Context(), path, Options{}); !errors.Is(err, ErrInUse) {
		t.Errorf("a second value in the same process: %v, want ErrInUse", err)
	}
	check1(t, put(t, first.Store, 1)) // the refused one has not taken the lock away
	if _, err := Open(t.Context(), path, Options{}); !errors.Is(err, ErrInUse) {
		t.Errorf("once more: %v, want ErrInUse", err)
	}
	check1(t, first.close(t))
	second := start(t, path, Options{})
	if !has(t, second.Store, 1) {
		t.Error("the room is gone")
	}
	check1(t, second.close(t))
}

// What the quick check at the opening does not see, the thorough one does: an index that differs from its table.
func TestCheck(t *testing.T) {
	path := filepath.Join(t.TempDir(), "parley.db")
	s := start(t, path, Options{})
	check1(t, s.Hub().Update(t.Context(), func(tx hub.Tx) error {
		return tx.PutRecords(room(t, 1), mls.Delta{{Key: "a key of a record", Value: []byte("value")}})
	}))
	check1(t, s.Check(t.Context()))
	var page int64
	check1(t, s.view(t.Context(), func(c *conn) (err error) {
		page, err = c.number("SELECT rootpage FROM sqlite_schema WHERE name = 'record_by_key'")
		return err
	}))
	check1(t, s.close(t))
	octets, err := os.ReadFile(path)
	check1(t, err)
	index := octets[(page-1)*4096 : page*4096]
	if copy(index, bytes.Replace(index, []byte("a key of a record"), []byte("a key of a recorD"), 1)); !bytes.Contains(index, []byte("recorD")) {
		t.Fatal("the key is not where it should be")
	}
	check1(t, os.WriteFile(path, octets, 0o600))
	s = start(t, path, Options{})
	if err := s.Check(t.Context()); !errors.Is(err, ErrDamaged) {
		t.Errorf("Check: %v, want ErrDamaged", err)
	}
	if err := <-s.done; !errors.Is(err, ErrDamaged) {
		t.Errorf("Run returned %v, want ErrDamaged", err)
	}
	check1(t, s.Close())
}
