package device

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"parley/mls"
)

func TestStore(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "alice", "device.db")
	s, err := Open(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(ctx, mls.Delta{{Key: "a/1", Value: []byte{1}}, {Key: "a/2", Value: []byte{}}, {Key: "b", Value: []byte{3}}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(ctx, mls.Delta{{Key: "a/1", Value: []byte{9}}, {Key: "b"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(ctx, path); !errors.Is(err, ErrInUse) {
		t.Fatalf("a second process: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(ctx, path); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := Open(ctx, path); !errors.Is(err, ErrInUse) {
		t.Fatalf("a second process while the first one has only opened the store: %v", err)
	}
	got, err := s.Load(ctx, "a/")
	if err != nil || len(got) != 2 || got[0].Key != "a/1" || got[0].Value[0] != 9 || got[1].Value == nil {
		t.Fatalf("%v %v", got, err)
	}
	if all, err := s.Load(ctx, ""); err != nil || len(all) != 2 {
		t.Fatalf("%v %v", all, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v %v", info.Mode(), err)
	}
}
