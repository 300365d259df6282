package provider_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"parley/client"
	"parley/provider"
)

// A provider whose disk is full, a real file system of 8 MB, refuses what is new with 503 and Retry-After, is not ready, says why, loses
// nothing, and goes on by itself when there is space.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "a.example", "b.example")
	a, b := w.nodes["a.example"], w.nodes["b.example"]
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("no file system can be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := errors.Join(b.end(), syscall.Unmount(disk, 0)); err != nil {
			t.Error(err)
		}
	})
	store, err := provider.OpenSQLite(t.Context(), filepath.Join(disk, "parley.db"))
	b.cfg.Store = must(t, store, err)
	w.startAll()
	alice, bob := a.enrol("alice", "phone"), b.enrol("bob", "phone")
	at := newRoom(t, a, "clubhouse")
	if err := alice.Create(t.Context(), at, "Clubhouse"); err != nil {
		t.Fatal(err)
	}
	if _, err := alice.Add(t.Context(), at, bob.Account().User); err != nil {
		t.Fatal(err)
	}
	alice.flush()
	bob.sees(at, client.EntryJoined, bob.Account().User)
	alice.sees(at, client.EntryJoined, bob.Account().User)
	alice.say(at, "before")
	alice.flush()
	bob.hears(at, "before")

	ballast := filepath.Join(disk, "ballast")
	f, err := os.Create(ballast)
	must(t, f, err)
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	// The log of the database has pages in which some writes still go.
	var retry *client.RetryError
	eventually(t, "a refusal", func() bool { return errors.As(bob.Stock(t.Context(), 100), &retry) })
	if retry.After != 5*time.Second {
		t.Errorf("come back after %v", retry.After)
	}
	if status, body := b.get("/readyz"); status != 503 || !strings.Contains(body, "disk is full") {
		t.Errorf("ready: %d %q", status, body)
	}
	if _, body := b.get("/metrics"); !strings.Contains(body, "\nparley_store_full 1\n") || !strings.Contains(body, "\nparley_store_up 1\n") {
		t.Error("metrics do not say that the disk is full")
	}
	b.logged("ALARM", "disk is full")
	alice.say(at, "meanwhile")
	alice.flush()
	eventually(t, "a notification that is refused with 503", func() bool {
		for _, l := range traced(t, b) {
			if l.Side == "server" && l.Endpoint == "notify" && l.Status == 503 {
				return true
			}
		}
		return false
	})

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	eventually(t, "readiness", func() bool { status, _ := b.get("/readyz"); return status == 200 })
	b.logged("there is space again")
	if err := a.operator().Retry(t.Context(), "b.example"); err != nil { // after the 5 s that b has asked for
		t.Fatal(err)
	}
	bob.hears(at, "meanwhile")
	bob.say(at, "after")
	bob.flush()
	alice.hears(at, "after")
}
