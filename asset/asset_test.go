package asset_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"parley/asset"
	"parley/mimi"
	"parley/ohttp"
	"parley/store/blob"
	"parley/store/memory"
	"parley/uri"
)

type world struct {
	*testing.T
	*asset.Assets
	disk *blob.Disk
	now  time.Time
}

func newWorld(t *testing.T, change func(*asset.Config)) *world {
	t.Helper()
	disk, err := blob.OpenDisk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, disk: disk, now: time.Unix(1_800_000_000, 0)}
	cfg := asset.Config{Store: memory.New().Assets(), Blobs: disk, Now: func() time.Time { return w.now }}
	if change != nil {
		change(&cfg)
	}
	w.Assets = asset.New(cfg)
	return w
}

func user(t *testing.T, name string) uri.User {
	t.Helper()
	u, err := uri.ParseUser("mimi://a.example/u/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func refused(t *testing.T, what string, err error, code mimi.Code) {
	t.Helper()
	var e *mimi.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("%s: %v", what, err)
	}
}

// put uploads everything and returns the asset's name.
func (w *world) put(owner uri.User, octets []byte) string {
	w.Helper()
	a, err := w.Begin(w.Context(), owner, uint64(len(octets)), 0)
	if err != nil {
		w.Fatal(err)
	}
	for at := 0; at < len(octets); at += asset.ChunkSize {
		if _, err := w.Append(w.Context(), owner, a.ID, uint64(at), bytes.NewReader(octets[at:])); err != nil {
			w.Fatal(err)
		}
	}
	return a.ID
}

func TestUpload(t *testing.T) {
	w := newWorld(t, nil)
	alice := user(t, "alice")
	octets := bytes.Repeat([]byte("0123456789abcdef"), (2*asset.ChunkSize+32)/16)
	a, err := w.Begin(t.Context(), alice, uint64(len(octets)), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Open(t.Context(), a.ID); err == nil {
		t.Error("read before it is there")
	}
	// A chunk that ends early is not counted, and comes again.
	if have, err := w.Append(t.Context(), alice, a.ID, 0, strings.NewReader("short")); err == nil || have != 0 {
		t.Errorf("%d, %v", have, err)
	}
	for _, at := range []uint64{0, 0, asset.ChunkSize, 0} {
		have, err := w.Append(t.Context(), alice, a.ID, at, bytes.NewReader(octets[at:]))
		if err != nil || have < at {
			t.Fatalf("%d, %v", have, err)
		}
	}
	for _, at := range []uint64{1, 3 * asset.ChunkSize, 1 << 62} {
		_, err := w.Append(t.Context(), alice, a.ID, at, bytes.NewReader(octets))
		refused(t, "no such place", err, mimi.BadRequest)
	}
	_, err = w.Append(t.Context(), user(t, "mallory"), a.ID, 2*asset.ChunkSize, bytes.NewReader(octets))
	refused(t, "another's", err, mimi.NotFound)
	if s, err := w.Status(t.Context(), alice, a.ID); err != nil || s.Have != 2*asset.ChunkSize || s.Complete() {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := w.Append(t.Context(), alice, a.ID, 2*asset.ChunkSize, bytes.NewReader(octets[2*asset.ChunkSize:])); err != nil {
		t.Fatal(err)
	}
	c, err := w.Open(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, octets) {
		t.Errorf("%d octets, %v", len(got), err)
	}
	const from = asset.ChunkSize - 3
	if _, err := c.Seek(from, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	part := make([]byte, 10)
	if _, err := io.ReadFull(c, part); err != nil || !bytes.Equal(part, octets[from:from+10]) {
		t.Errorf("%q, %v", part, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	for _, id := range []string{"", "x", strings.Repeat("0", 32), "../" + a.ID[3:], strings.ToUpper(a.ID)} {
		if _, err := w.Open(t.Context(), id); err == nil {
			t.Errorf("%q is there", id)
		}
	}
}

func TestQuota(t *testing.T) {
	w := newWorld(t, func(c *asset.Config) { c.MaxSize, c.MaxOctets, c.MaxCount = 100, 150, 3 })
	alice := user(t, "alice")
	_, err := w.Begin(t.Context(), alice, 101, 0)
	refused(t, "large", err, mimi.TooLarge)
	_, err = w.Begin(t.Context(), alice, 0, 0)
	refused(t, "empty", err, mimi.BadRequest)
	id := w.put(alice, make([]byte, 100))
	_, err = w.Begin(t.Context(), alice, 51, 0)
	refused(t, "quota", err, mimi.OutOfStorage)
	w.put(user(t, "bob"), make([]byte, 100))
	if err := w.Delete(t.Context(), alice, id); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		w.put(alice, make([]byte, 1))
	}
	_, err = w.Begin(t.Context(), alice, 1, 0)
	refused(t, "count", err, mimi.OutOfStorage)
}

func TestExpiry(t *testing.T) {
	w := newWorld(t, func(c *asset.Config) { c.Keep, c.Unfinished = 10*time.Hour, time.Hour })
	alice := user(t, "alice")
	kept := w.put(alice, []byte("kept"))
	deleted := w.put(alice, []byte("deleted"))
	cut, err := w.Begin(t.Context(), alice, 5, 0)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, "another deletes", w.Delete(t.Context(), user(t, "mallory"), deleted), mimi.NotFound)
	if err := w.Delete(t.Context(), alice, deleted); err != nil {
		t.Fatal(err)
	}
	if _, err := w.disk.Open(t.Context(), deleted[:2]+"/"+deleted+"-0", 0, 1); err == nil {
		t.Error("the octets are still there")
	}
	_, err = w.Open(t.Context(), deleted)
	refused(t, "deleted", err, mimi.NotFound)
	w.now = w.now.Add(2 * time.Hour)
	if n, err := w.Sweep(t.Context()); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
	_, err = w.Status(t.Context(), alice, cut.ID)
	refused(t, "unfinished", err, mimi.NotFound)
	if _, err := w.Open(t.Context(), kept); err != nil {
		t.Error(err)
	}
	w.now = w.now.Add(9 * time.Hour)
	_, err = w.Open(t.Context(), kept)
	refused(t, "expired", err, mimi.NotFound)
	if n, err := w.Sweep(t.Context()); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := w.disk.Open(t.Context(), kept[:2]+"/"+kept+"-0", 0, 1); err == nil {
		t.Error("the octets are still there")
	}
}

func TestKeys(t *testing.T) {
	t.Run("P-OH-11 a replaced key is taken through the overlap", func(t *testing.T) {
		w := newWorld(t, nil)
		keys, err := w.Keys(t.Context())
		if err != nil || len(keys) != 1 {
			t.Fatal(len(keys), err)
		}
		old, err := ohttp.ParseKeys(ohttp.Keys(keys...))
		if err != nil {
			t.Fatal(err)
		}
		message, _, err := old.Encapsulate([]byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		takes := func() bool {
			keys, err := w.Keys(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = ohttp.Decapsulate(message, keys...)
			return err == nil
		}
		w.now = w.now.Add(asset.RotateKeys - time.Second)
		if keys, err = w.Keys(t.Context()); err != nil || len(keys) != 1 || keys[0].ID != old.ID {
			t.Errorf("replaced too early: %v", err)
		}
		w.now = w.now.Add(time.Second)
		if keys, err = w.Keys(t.Context()); err != nil || len(keys) != 2 || keys[0].ID == old.ID {
			t.Errorf("not replaced: %d, %v", len(keys), err)
		}
		w.now = w.now.Add(24 * time.Hour)
		if !takes() {
			t.Error("refused after 24 hours")
		}
		w.now = w.now.Add(24 * time.Hour)
		if takes() {
			t.Error("taken for ever")
		}
	})
}
