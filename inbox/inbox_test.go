package inbox_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"parley/follower"
	"parley/inbox"
	"parley/store/memory"
	"parley/uri"
)

// shelf is the inboxes of a provider with two clients.
type shelf struct {
	*testing.T
	store        *memory.Store
	cfg          inbox.Config
	boxes        *inbox.Inboxes
	now          time.Time
	room         uri.Room
	alice, bob   uri.Client
	timestampFor func(n int) uint64
}

func newShelf(t *testing.T) *shelf {
	s := &shelf{T: t, store: memory.New(), now: time.UnixMilli(1_800_000_000_000)}
	s.cfg = inbox.Config{Store: s.store.Inbox(), Now: func() time.Time { return s.now }}
	s.boxes = inbox.New(s.cfg)
	s.room, s.alice, s.bob = parsed(t, uri.ParseRoom, "mimi://a.example/r/x"), parsed(t, uri.ParseClient, "mimi://b.example/d/alice/1"),
		parsed(t, uri.ParseClient, "mimi://b.example/d/bob/1")
	s.timestampFor = func(int) uint64 { return 1 } // a hub whose clock stands still
	return s
}

func parsed[T any](t *testing.T, parse func(string) (T, error), text string) T {
	t.Helper()
	v, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// deliver puts n items into the inboxes; size pads them.
func (s *shelf) deliver(from, n, size int, to ...uri.Client) {
	s.Helper()
	err := s.store.Follower().Update(s.Context(), func(tx follower.Tx) error {
		for i := from; i < from+n; i++ {
			body := append(fmt.Append(nil, i), make([]byte, size)...)
			item := follower.Item{Room: s.room, Timestamp: s.timestampFor(i), Arrived: uint64(s.now.UnixMilli()), Body: body}
			if err := tx.Deliver(item, [32]byte{byte(i), byte(i >> 8), byte(size)}, to); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.Fatal(err)
	}
}

func (s *shelf) read(who uri.Client, after *inbox.Cursor, limit int) ([]inbox.Entry, bool) {
	s.Helper()
	entries, more, err := s.boxes.Read(s.Context(), who, after, limit)
	if err != nil {
		s.Fatal(err)
	}
	return entries, more
}

func (s *shelf) ack(who uri.Client, c inbox.Cursor) {
	s.Helper()
	if err := s.boxes.Ack(s.Context(), who, c); err != nil {
		s.Fatal(err)
	}
}

func numbers(entries []inbox.Entry) (out []string) {
	for _, e := range entries {
		out = append(out, string(e.Body))
	}
	return out
}

func TestInboxes(t *testing.T) {
	tests := []struct {
		name string
		run  func(s *shelf)
	}{
		{"in the order of delivery, with growing cursors, again and again until they are acknowledged", func(s *shelf) {
			s.deliver(0, 5, 0, s.alice)
			for range 2 {
				entries, more := s.read(s.alice, nil, 10)
				if got := numbers(entries); more || !slices.Equal(got, []string{"0", "1", "2", "3", "4"}) {
					s.Errorf("%v, more %v", got, more)
				}
				for i := 1; i < len(entries); i++ {
					if entries[i].Cursor <= entries[i-1].Cursor {
						s.Error("cursors do not grow")
					}
				}
			}
		}},
		{"from the cursor on which the client stored last: each entry once", func(s *shelf) {
			s.deliver(0, 10, 0, s.alice)
			var got []string
			var at inbox.Cursor
			for more := true; more; {
				var entries []inbox.Entry
				entries, more = s.read(s.alice, &at, 3)
				got = append(got, numbers(entries)...)
				at = entries[len(entries)-1].Cursor
				s.boxes = inbox.New(s.cfg) // a new process
			}
			if len(got) != 10 || !slices.IsSorted(got) {
				s.Errorf("%v", got)
			}
		}},
		{"an acknowledgement deletes up to its cursor, for this client, and never goes back", func(s *shelf) {
			s.deliver(0, 5, 0, s.alice, s.bob)
			entries, _ := s.read(s.alice, nil, 5)
			s.ack(s.alice, entries[2].Cursor)
			s.ack(s.alice, entries[0].Cursor)
			zero := inbox.Cursor(0)
			left, _ := s.read(s.alice, &zero, 5)
			if got := numbers(left); !slices.Equal(got, []string{"3", "4"}) {
				s.Errorf("%v", got)
			}
			if all, _ := s.read(s.bob, nil, 5); len(all) != 5 {
				s.Errorf("Bob has %d", len(all))
			}
		}},
		{"one beyond the newest entry counts as that, so that nothing to come is lost", func(s *shelf) {
			s.deliver(0, 2, 0, s.alice)
			s.ack(s.alice, 1<<40)
			s.deliver(2, 1, 0, s.alice)
			entries, _ := s.read(s.alice, nil, 5)
			if got := numbers(entries); !slices.Equal(got, []string{"2"}) {
				s.Errorf("%v", got)
			}
		}},
		{"a body is kept once and for as long as somebody needs it", func(s *shelf) {
			s.deliver(0, 3, 0, s.alice, s.bob)
			if n := s.store.Bodies(); n != 3 {
				s.Errorf("%d bodies", n)
			}
			entries, _ := s.read(s.alice, nil, 5)
			s.ack(s.alice, entries[2].Cursor)
			if n := s.store.Bodies(); n != 3 {
				s.Errorf("%d bodies after the first", n)
			}
			s.ack(s.bob, entries[2].Cursor)
			if n := s.store.Bodies(); n != 0 {
				s.Errorf("%d bodies after the last", n)
			}
		}},
		{"a reading is bounded by entries and octets, and has at least one", func(s *shelf) {
			s.deliver(0, inbox.MaxRead+5, 0, s.alice)
			for _, limit := range []int{-1, 0, 1} {
				if entries, more := s.read(s.alice, nil, limit); len(entries) != 1 || !more {
					s.Errorf("limit %d: %d entries", limit, len(entries))
				}
			}
			if entries, more := s.read(s.alice, nil, 1<<30); len(entries) != inbox.MaxRead || !more {
				s.Errorf("%d entries, more %v", len(entries), more)
			}
			s.deliver(1000, 3, inbox.MaxReadBytes/2, s.bob)
			if entries, more := s.read(s.bob, nil, 100); len(entries) != 1 || !more {
				s.Errorf("%d large entries, more %v", len(entries), more)
			}
			s.ack(s.bob, 100)
			s.deliver(2000, 1, 2*inbox.MaxReadBytes, s.bob)
			if entries, more := s.read(s.bob, nil, 100); len(entries) != 1 || more {
				s.Errorf("%d huge entries, more %v", len(entries), more)
			}
		}},
		{"what nobody comes for goes after the retention", func(s *shelf) {
			s.deliver(0, 2, 0, s.alice)
			s.now = s.now.Add(inbox.DefaultRetention)
			s.deliver(2, 1, 0, s.alice)
			if n, err := s.boxes.Sweep(s.Context()); err != nil || n != 0 {
				s.Errorf("%d, %v", n, err)
			}
			s.now = s.now.Add(time.Second)
			if n, err := s.boxes.Sweep(s.Context()); err != nil || n != 2 {
				s.Errorf("%d, %v", n, err)
			}
			entries, _ := s.read(s.alice, nil, 5)
			if got := numbers(entries); !slices.Equal(got, []string{"2"}) || s.store.Bodies() != 1 {
				s.Errorf("%v, %d bodies", got, s.store.Bodies())
			}
			if n, err := s.boxes.Depth(s.Context(), s.alice); err != nil || n != 1 {
				s.Errorf("depth %d, %v", n, err)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.run(newShelf(t)) })
	}
}
