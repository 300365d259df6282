package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"parley/follower"
	"parley/inbox"
	"parley/uri"
)

// TestFullFileSystem fills a real file system of 8 MB and makes room again. Nothing that was accepted is lost, nothing that was refused is
// there, the store goes on, and it goes on again after a new start.
func TestFullFileSystem(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("no file system can be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	ballast := filepath.Join(dir, "ballast")
	check1(t, os.WriteFile(ballast, make([]byte, 4<<20), 0o600))
	s := start(t, filepath.Join(dir, "parley.db"), Options{})
	defer func() { check1(t, s.close(t)) }()
	check1(t, put(t, s.Store, 1))
	client, err := uri.ParseClient("mimi://b.example/d/bob/phone")
	check1(t, err)
	deliver := func(n int) error {
		return s.Follower().Update(t.Context(), func(tx follower.Tx) error {
			return tx.Deliver(follower.Item{Room: room(t, 1), Timestamp: uint64(n), Body: make([]byte, 20_000)}, [32]byte{byte(n), byte(n >> 8)}, []uri.Client{client})
		})
	}
	depth := func() (n int) {
		check1(t, s.Inbox().View(t.Context(), func(tx inbox.Tx) (err error) { n, err = tx.Depth(client); return err }))
		return n
	}
	fill := func(from int) (taken int) {
		t.Helper()
		for taken = from; taken < from+1000; taken++ {
			if err = deliver(taken); err != nil {
				break
			}
		}
		if !errors.Is(err, ErrFull) || errors.Is(err, ErrStopped) || s.Err() != nil || !s.Full() {
			t.Fatalf("after %d bodies: %v, store %v, full %v", taken, err, s.Err(), s.Full())
		}
		if got := depth(); got != taken {
			t.Errorf("%d entries, want the %d that were acknowledged", got, taken)
		}
		if err := s.Probe(t.Context()); !errors.Is(err, ErrFull) || !s.Full() {
			t.Errorf("Probe of a full disk: %v", err)
		}
		return taken
	}
	taken := fill(0)
	check1(t, os.Remove(ballast)) // somebody made room
	check1(t, s.Probe(t.Context()))
	if s.Full() {
		t.Error("still full")
	}
	check1(t, deliver(taken))
	taken = fill(taken + 1)

	check1(t, s.close(t))
	s = start(t, s.path, Options{})
	if got := depth(); got != taken {
		t.Errorf("%d entries after a new start, want %d", got, taken)
	}
}
