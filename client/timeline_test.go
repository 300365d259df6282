package client

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"parley/mls"
	"parley/uri"
)

// records is a Store in memory that counts what is read.
type records struct {
	kept map[string][]byte
	read int
}

func (r *records) Load(_ context.Context, prefix string) ([]mls.Record, error) {
	var out []mls.Record
	for key, value := range r.kept {
		if strings.HasPrefix(key, prefix) {
			out = append(out, mls.Record{Key: key, Value: value})
		}
	}
	r.read += len(out)
	slices.SortFunc(out, func(a, b mls.Record) int { return strings.Compare(a.Key, b.Key) })
	return out, nil
}

func (r *records) Commit(_ context.Context, d mls.Delta) error {
	for _, c := range d {
		r.kept[c.Key] = c.Value
	}
	return nil
}

func TestTimeline(t *testing.T) {
	at, err := uri.ParseRoom("mimi://a.example/r/x")
	if err != nil {
		t.Fatal(err)
	}
	room := &Room{URI: at}
	store := &records{kept: make(map[string][]byte)}
	c := &Client{cfg: Config{Store: store}, rooms: map[uri.Room]*Room{at: room}}
	const entries = 3*logBlock + 5
	var d mls.Delta
	for range entries {
		if err := room.add(&d, Entry{Kind: EntryMessage}); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.commit(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	for _, q := range []struct {
		from         uint64
		limit        int
		first, count uint64
		read         int // at most
	}{
		{0, 1 << 30, 0, entries, entries},
		{0, 3, 0, 3, logBlock},
		{logBlock - 1, 2, logBlock - 1, 2, 2 * logBlock},
		{logBlock, 1, logBlock, 1, logBlock},
		{entries - 2, 10, entries - 2, 2, 5},
		{entries, 10, 0, 0, 5},
		{1 << 40, 10, 0, 0, 0},
		{0, 0, 0, 0, 0},
	} {
		store.read = 0
		got, err := c.Timeline(t.Context(), at, q.from, q.limit)
		if err != nil || uint64(len(got)) != q.count || store.read > q.read {
			t.Errorf("%+v: %d entries, %d read, %v", q, len(got), store.read, err)
			continue
		}
		for k, e := range got {
			if e.Seq != q.first+uint64(k) {
				t.Errorf("%+v: entry %d at %d", q, e.Seq, k)
			}
		}
	}
	if _, err := c.Timeline(t.Context(), uri.Room{}, 0, 1); !errors.Is(err, ErrNoRoom) {
		t.Errorf("a room that is not there: %v", err)
	}
}
