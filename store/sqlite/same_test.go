package sqlite

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/follower"
	"parley/hub"
	"parley/inbox"
	"parley/keypkg"
	"parley/mls"
	"parley/mls/wire"
	"parley/outbox"
	"parley/store/memory"
	"parley/storetest"
	"parley/uri"
)

// TestSameAsMemory runs random transactions on this store and on the one in memory: both must answer the same. What differs by right,
// the numbers of cursors, is compared by what is behind them.
func TestSameAsMemory(t *testing.T) {
	seeds, steps := 4, 2500
	if race {
		seeds, steps = 1, 500
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			s, _ := running(t, filepath.Join(t.TempDir(), "parley.db"), Options{})
			if err := s.writer.script("PRAGMA synchronous=off"); err != nil { // before the first request
				t.Fatal(err)
			}
			m := memory.New()
			one := &world{T: t, stores: storetest.Stores{Hub: s.Hub(), Outbox: s.Outbox(), Follower: s.Follower(), Inbox: s.Inbox(), KeyPackages: s.KeyPackages()}}
			two := &world{T: t, stores: storetest.Stores{Hub: m.Hub(), Outbox: m.Outbox(), Follower: m.Follower(), Inbox: m.Inbox(), KeyPackages: m.KeyPackages()}}
			choice := rand.New(rand.NewPCG(seed, 1))
			kinds := make(map[string]int)
			for i := range steps {
				op := operations[choice.IntN(len(operations))]
				dice := choice.Uint64()
				got, want := one.do(op, dice), two.do(op, dice)
				if got != want {
					t.Fatalf("operation %d, %s with dice %d\ngot  %s\nwant %s", i, op.name, dice, got, want)
				}
				if got != "" {
					kinds[op.name]++
				}
			}
			for _, op := range operations {
				if !race && kinds[op.name] < 10 {
					t.Errorf("%s said something %d times: the test does not test it", op.name, kinds[op.name])
				}
			}
			one.drain()
			if got, want := rows(t, s, "body"), int64(m.Bodies()); got != want {
				t.Errorf("%d bodies, want %d", got, want)
			}
			for _, table := range []string{"lane", "lane_gap", "log"} {
				if n := rows(t, s, table); n != 0 {
					t.Errorf("%d rows in %s when everything was delivered", n, table)
				}
			}
		})
	}
}

func rows(t testing.TB, s *Store, table string) (n int64) {
	t.Helper()
	check1(t, s.view(t.Context(), func(c *conn) (err error) {
		n, err = c.number("SELECT count(*) AS rows FROM " + table)
		return err
	}))
	return n
}

// drain delivers everything.
func (w *world) drain() {
	check1(w, w.stores.Outbox.Update(w.Context(), func(tx outbox.Tx) error {
		for d := range 12 {
			for r := range 4 {
				room, err := uri.ParseRoom(fmt.Sprintf("mimi://hub.example/r/%d", r))
				if err != nil {
					return err
				}
				l := outbox.Lane{Destination: fmt.Sprintf("d%d.example", d), Room: room, Last: 1 << 30}
				if err := tx.Save(l); err != nil {
					return err
				}
			}
		}
		for {
			lanes, err := tx.Due(time.UnixMilli(1<<40), nil, 1)
			if err != nil || len(lanes) == 0 {
				return err
			}
			if err := tx.Advance(lanes[0], time.UnixMilli(1), 1000, 7); err != nil {
				return err
			}
		}
	}))
}

// world is one of the two stores, with dice that fall the same way for both.
type world struct {
	*testing.T
	stores storetest.Stores
	*rand.Rand
	out strings.Builder
}

type operation struct {
	name string
	run  func(w *world) error
}

var errUndo = errors.New("undo")

func (w *world) do(op operation, dice uint64) string {
	w.Rand = rand.New(rand.NewPCG(dice, 2))
	w.out.Reset()
	if err := op.run(w); err != nil {
		fmt.Fprintf(&w.out, "error %v", err)
	}
	return w.out.String()
}

func (w *world) say(format string, args ...any) { fmt.Fprintf(&w.out, format+"; ", args...) }

func (w *world) room() uri.Room {
	return pick(w, uri.ParseRoom, "mimi://hub.example/r/%d", 4)
}

func (w *world) client() uri.Client {
	return pick(w, uri.ParseClient, "mimi://b.example/d/u%d/x", 5)
}

func pick[T any](w *world, parse func(string) (T, error), format string, n int) T {
	v, err := parse(fmt.Sprintf(format, w.IntN(n)))
	return must(w, v, err)
}

func (w *world) time() time.Time { return time.UnixMilli(1_000_000 + int64(w.IntN(1000))) }

func (w *world) sum() (h [32]byte) {
	h[0], h[31] = byte(w.IntN(8)), byte(w.IntN(2)) // some share a prefix
	return h
}

// in runs f in a transaction that is undone now and then.
func in[T any](w *world, update func(context.Context, func(T) error) error, f func(T) error) error {
	undo := w.IntN(8) == 0
	err := update(w.Context(), func(tx T) error {
		if err := f(tx); err != nil {
			return err
		}
		if undo {
			return errUndo
		}
		return nil
	})
	if undo && errors.Is(err, errUndo) {
		return nil
	}
	return err
}

// lane picks one of those that are not parked.
func (w *world) lane(tx outbox.Tx) (outbox.Lane, bool, error) {
	lanes, err := tx.Due(time.UnixMilli(1<<40), nil, 1000)
	if err != nil || len(lanes) == 0 {
		return outbox.Lane{}, false, err
	}
	return lanes[w.IntN(len(lanes))], true, nil
}

func show(l outbox.Lane) string {
	return fmt.Sprint(l.Destination, l.Room, l.First, l.Last, l.Tries, l.Refusals, l.Next.UnixMilli(), l.Since.UnixMilli(), l.Parked)
}

func onLane(change func(w *world, tx outbox.Tx, l outbox.Lane, items []outbox.Item) error) func(w *world) error {
	return func(w *world) error {
		return in(w, w.stores.Outbox.Update, func(tx outbox.Tx) error {
			l, ok, err := w.lane(tx)
			if err != nil || !ok {
				return err
			}
			items, err := tx.Batch(l)
			if err != nil {
				return err
			}
			w.say("%s: %v", show(l), items)
			return change(w, tx, l, items)
		})
	}
}

var operations = []operation{
	{"append", func(w *world) error {
		return in(w, w.stores.Hub.Update, func(tx hub.Tx) error {
			for range 1 + w.IntN(3) {
				if err := w.append(tx); err != nil {
					return err
				}
			}
			return nil
		})
	}},
	{"records", func(w *world) error {
		return in(w, w.stores.Hub.Update, func(tx hub.Tx) error {
			room := w.room()
			var d mls.Delta
			for range w.IntN(4) {
				if key := fmt.Sprintf("%c/%d", 'a'+w.IntN(3), w.IntN(9)); w.IntN(3) == 0 {
					d.Delete(key)
				} else {
					d.Put(key, fmt.Append([]byte{}, w.IntN(100)))
				}
			}
			if err := tx.PutRecords(room, d); err != nil {
				return err
			}
			list, err := tx.Records(room, []string{"", "a", "b/", "c/1"}[w.IntN(4)])
			w.say("%v", list)
			return err
		})
	}},
	{"hub answers", func(w *world) error {
		return in(w, w.stores.Hub.Update, func(tx hub.Tx) error { return w.answers(tx) })
	}},
	{"claim answers", func(w *world) error {
		return in(w, w.stores.KeyPackages.Update, func(tx keypkg.Tx) error { return w.answers(tx) })
	}},
	{"due", func(w *world) error {
		return w.stores.Outbox.View(w.Context(), func(tx outbox.Tx) error {
			now := w.time()
			lanes, err := tx.Due(now, []string{"d3.example", "d7.example"}[:w.IntN(3)], 1+w.IntN(9))
			for _, l := range lanes {
				w.say("%s", show(l))
			}
			if err != nil {
				return err
			}
			next, err := tx.NextDue(now)
			w.say("next %v", next.UnixMilli())
			return err
		})
	}},
	{"backlogs", func(w *world) error {
		return w.stores.Outbox.View(w.Context(), func(tx outbox.Tx) error {
			list, err := tx.Backlogs()
			for _, b := range list {
				w.say("%s %d %d %d %d", b.Destination, b.Lanes, b.Items, b.Oldest.UnixMilli(), b.Parked)
			}
			return err
		})
	}},
	{"advance", onLane(func(w *world, tx outbox.Tx, l outbox.Lane, _ []outbox.Item) error {
		return tx.Advance(l, w.time(), 1+w.IntN(40), 1+w.IntN(6))
	})},
	{"save", onLane(func(w *world, tx outbox.Tx, l outbox.Lane, items []outbox.Item) error {
		l.Tries, l.Refusals, l.Next, l.Parked = w.IntN(9), w.IntN(9), w.time(), w.IntN(6) == 0
		l.Last = items[w.IntN(len(items))].Sequence
		return tx.Save(l)
	})},
	{"drop", onLane(func(w *world, tx outbox.Tx, l outbox.Lane, items []outbox.Item) error {
		item := items[w.IntN(len(items))]
		if err := tx.Drop(l, item.Sequence, "refused", w.time()); err != nil || len(items) > 1 {
			return err
		}
		return tx.Advance(l, w.time(), 1+w.IntN(40), 1+w.IntN(6))
	})},
	{"release", func(w *world) error { // what operators do with parked lanes
		return in(w, w.stores.Outbox.Update, func(tx outbox.Tx) error {
			l := outbox.Lane{Destination: w.destination(), Room: w.room(), Last: 1 << 30, Next: w.time()}
			err := tx.Save(l)
			items, err2 := tx.Batch(l)
			w.say("%v", items)
			return errors.Join(err, err2)
		})
	}},
	{"deliver", func(w *world) error {
		return in(w, w.stores.Follower.Update, func(tx follower.Tx) error { return w.deliver(tx) })
	}},
	{"members", func(w *world) error {
		return in(w, w.stores.Follower.Update, func(tx follower.Tx) error {
			room := w.room()
			err := tx.SetMember(room, w.client(), w.IntN(2) == 0)
			list, err2 := tx.Members(room)
			w.say("%v", list)
			return errors.Join(err, err2)
		})
	}},
	{"forget", func(w *world) error {
		return in(w, w.stores.Follower.Update, func(tx follower.Tx) error {
			n, err := tx.Expire(w.time().Add(-700 * time.Millisecond))
			w.say("%d", n)
			return err
		})
	}},
	{"read", func(w *world) error {
		return w.stores.Inbox.View(w.Context(), func(tx inbox.Tx) error {
			_, err := w.read(tx, w.client(), 1+w.IntN(20), 1+w.IntN(100))
			return err
		})
	}},
	{"ack", func(w *world) error {
		return in(w, w.stores.Inbox.Update, func(tx inbox.Tx) error {
			client := w.client()
			list, err := w.read(tx, client, 1000, 1<<20)
			if err != nil || len(list) == 0 {
				return err
			}
			i := w.IntN(len(list))
			if err := tx.Ack(client, list[i].Cursor); err != nil {
				return err
			}
			acked, err := tx.Acked(client)
			w.say("acked %v", acked == list[i].Cursor)
			return err
		})
	}},
	{"expire", func(w *world) error {
		return in(w, w.stores.Inbox.Update, func(tx inbox.Tx) error {
			n, err := tx.Expire(w.time().Add(-800 * time.Millisecond))
			w.say("%d", n)
			return err
		})
	}},
	{"publish", func(w *world) error {
		return in(w, w.stores.KeyPackages.Update, func(tx keypkg.Tx) error {
			var list []keypkg.Package
			for range w.IntN(4) {
				n := w.IntN(200)
				list = append(list, keypkg.Package{Ref: fmt.Append(nil, n), Suite: wire.CipherSuite(n % 3), NotBefore: w.time(), NotAfter: w.time(), Octets: []byte{byte(n)}})
			}
			w.say("%d", len(list))
			return tx.Publish(w.client(), list)
		})
	}},
	{"claim", func(w *world) error {
		return in(w, w.stores.KeyPackages.Update, func(tx keypkg.Tx) error { return w.claim(tx) })
	}},
	{"expire packages", func(w *world) error {
		return in(w, w.stores.KeyPackages.Update, func(tx keypkg.Tx) error {
			n, err := tx.Expire(w.time().Add(-800 * time.Millisecond))
			w.say("%d", n)
			return err
		})
	}},
}

func (w *world) destination() string { return fmt.Sprintf("d%d.example", w.IntN(12)) }

// append adds to a room's log and moves its head.
func (w *world) append(tx hub.Tx) error {
	room := w.room()
	h, _, err := tx.Head(room)
	if err != nil {
		return err
	}
	w.say("%+v", h)
	old := h.Version
	h.Sequence++
	h.Version += uint64(w.IntN(2))
	h.Version = max(h.Version, 1)
	if w.IntN(4) == 0 {
		h.Destinations = nil
		for i := range 12 {
			if w.IntN(3) > 0 {
				h.Destinations = append(h.Destinations, fmt.Sprintf("d%d.example", i))
			}
		}
	}
	item := hub.Item{Sequence: h.Sequence, Timestamp: uint64(w.time().UnixMilli()), Handshake: w.IntN(2) == 0,
		Body: make([]byte, w.IntN(20)), Destinations: h.Destinations}
	if err := tx.Append(room, item); err != nil {
		return err
	}
	return tx.SaveHead(room, old, h)
}

func (w *world) answers(tx interface {
	Answer(request [32]byte) ([]byte, bool, error)
	SaveAnswer(request [32]byte, answer []byte, expires time.Time) error
	Expire(now time.Time) (int, error)
}) error {
	if w.IntN(5) == 0 {
		n, err := tx.Expire(w.time().Add(-800 * time.Millisecond))
		w.say("%d", n)
		return err
	}
	key := w.sum()
	octets, ok, err := tx.Answer(key)
	if err != nil {
		return err
	}
	w.say("%v %v", ok, octets)
	if w.IntN(2) == 0 {
		key = w.sum()
	}
	if w.IntN(2) == 0 {
		return tx.SaveAnswer(key, []byte{byte(w.IntN(99))}, w.time())
	}
	return nil
}

func (w *world) deliver(tx follower.Tx) error {
	room, sum := w.room(), w.sum()
	if seen, err := tx.Seen(room, sum); err != nil || seen {
		w.say("seen")
		return err
	}
	members, err := tx.Members(room)
	if err != nil {
		return err
	}
	if w.IntN(9) == 0 { // stored again although it was seen
		room, sum = w.room(), w.sum()
	}
	w.say("%v", members)
	return tx.Deliver(follower.Item{Room: room, Timestamp: uint64(w.IntN(1e6)), Arrived: uint64(w.time().UnixMilli()), Body: fmt.Append(nil, w.IntN(1e6))}, sum, members)
}

func (w *world) read(tx inbox.Tx, client uri.Client, limit, maxBytes int) ([]inbox.Entry, error) {
	list, err := tx.Read(client, 0, limit, maxBytes)
	if err != nil {
		return nil, err
	}
	for i, e := range list {
		if i > 0 && e.Cursor <= list[i-1].Cursor {
			w.say("cursors do not grow")
		}
		w.say("%v %d %s", e.Room, e.Timestamp, e.Body)
	}
	depth, err := tx.Depth(client)
	w.say("depth %d", depth)
	return list, err
}

func (w *world) claim(tx keypkg.Tx) error {
	client, now := w.client(), w.time()
	list, err := tx.Available(client, wire.CipherSuite(w.IntN(3)), now, 1+w.IntN(5))
	if err != nil {
		return err
	}
	n, err := tx.Count(client, now)
	if err != nil {
		return err
	}
	w.say("%d", n)
	for _, p := range list {
		w.say("%s %d %d %d %x", p.Ref, p.Suite, p.NotBefore.UnixMilli(), p.NotAfter.UnixMilli(), p.Octets)
	}
	ref := fmt.Append(nil, w.IntN(200))
	if len(list) > 0 && w.IntN(2) == 0 {
		ref = list[0].Ref
	}
	taken, err := tx.Take(ref)
	w.say("taken %v", taken)
	return err
}
