package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"parley/hub"
	"parley/mimi"
	"parley/outbox"
	"parley/store/memory"
	"parley/syntax"
	"parley/uri"
)

// office is an outbox of own.example, its operators included, on a store in memory with a clock that the test moves.
type office struct {
	*testing.T
	*outbox.Outbox
	store  *memory.Store
	now    time.Time
	last   map[uri.Room]uint64
	alarms []outbox.Alarm
}

func newOffice(t *testing.T, change func(*outbox.Config)) *office {
	w := &office{T: t, store: memory.New(), now: time.UnixMilli(1_800_000_000_000), last: make(map[uri.Room]uint64)}
	cfg := outbox.Config{
		Store: w.store.Outbox(), Now: func() time.Time { return w.now }, Own: w.provider("own.example"),
		Alarm: func(a outbox.Alarm) { w.alarms = append(w.alarms, a) },
	}
	if change != nil {
		change(&cfg)
	}
	w.Outbox = outbox.New(cfg)
	return w
}

func (w *office) provider(domain string) uri.Provider {
	w.Helper()
	p, err := uri.ProviderFromDomain(domain)
	w.must(err)
	return p
}

func (w *office) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *office) room(name string) uri.Room {
	w.Helper()
	r, err := uri.NewRoom(w.provider("own.example"), name)
	w.must(err)
	return r
}

func (w *office) item(n uint64) []byte {
	w.Helper()
	octets, err := syntax.Marshal(item(n))
	w.must(err)
	return octets
}

func (w *office) append(room string, octets []byte, handshake bool, destinations ...string) {
	w.Helper()
	at := w.room(room)
	w.last[at]++
	w.must(w.store.Hub().Update(w.Context(), func(tx hub.Tx) error {
		return tx.Append(at, hub.Item{Sequence: w.last[at], Timestamp: uint64(w.now.UnixMilli()), Handshake: handshake, Body: octets,
			Destinations: destinations})
	}))
}

// send puts messages into a room.
func (w *office) send(room string, n int, destinations ...string) {
	w.Helper()
	for range n {
		w.append(room, w.item(w.last[w.room(room)]+1), false, destinations...)
	}
}

func name(s *outbox.Sending) string { return s.Destination.Domain() + " " + s.Room.Name() }

// taken is what Next gives until it gives no more, sorted.
func (w *office) taken() (list []*outbox.Sending) {
	w.Helper()
	for {
		s, _, err := w.Next(w.Context())
		w.must(err)
		if s == nil {
			slices.SortFunc(list, func(a, b *outbox.Sending) int { return slices.Compare([]byte(name(a)), []byte(name(b))) })
			return list
		}
		list = append(list, s)
	}
}

func (w *office) expect(list []*outbox.Sending, want ...string) {
	w.Helper()
	var got []string
	for _, s := range list {
		got = append(got, name(s))
	}
	if !slices.Equal(got, want) {
		w.Errorf("on their way: %q, want %q", got, want)
	}
}

// one is the next batch, of which there has to be one.
func (w *office) one(want string) *outbox.Sending {
	w.Helper()
	s, _, err := w.Next(w.Context())
	w.must(err)
	if s == nil || name(s) != want {
		w.Fatalf("next is %v, want %s", s, want)
	}
	return s
}

// none requires that nothing is due before a time.
func (w *office) none(until time.Duration) {
	w.Helper()
	s, next, err := w.Next(w.Context())
	w.must(err)
	if s != nil {
		w.Fatalf("next is %s", name(s))
	}
	if next.Sub(w.now) != until {
		w.Fatalf("next in %v, want %v", next.Sub(w.now), until)
	}
}

// nothing requires that nothing is due before something else happens.
func (w *office) nothing() {
	w.Helper()
	s, next, err := w.Next(w.Context())
	w.must(err)
	if s != nil || !next.IsZero() {
		w.Fatalf("next is %v, at %v", s, next)
	}
}

func (w *office) done(s *outbox.Sending, result error) {
	w.Helper()
	w.must(w.Done(w.Context(), s, result))
}

func (w *office) pass(d time.Duration) { w.now = w.now.Add(d) }

func unavailable(after time.Duration) error {
	return &mimi.Error{Code: mimi.Unavailable, Detail: "down", RetryAfter: after}
}

var refusal = &mimi.Error{Code: mimi.BadRequest, Detail: "no"}

// A destination that takes batches and never answers holds its share of what is on its way. The others, and the own provider, are
// served as if it were not there.
func TestADestinationThatHangs(t *testing.T) {
	w := newOffice(t, func(c *outbox.Config) { c.PerDestination, c.Together = 3, 4 })
	for i := range 9 {
		w.send(fmt.Sprint("h", i), 2, "hang.example")
	}
	w.expect(w.taken(), "hang.example h0", "hang.example h1", "hang.example h2")
	w.send("a", 1, "own.example", "well.example", "hang.example")
	for i := range 100 {
		list := w.taken()
		w.expect(list, "own.example a", "well.example a")
		for _, s := range list {
			w.done(s, nil)
		}
		if i < 99 {
			w.send("a", 1, "own.example", "well.example", "hang.example")
		}
	}
	t.Run("of many that hang each holds one at least", func(t *testing.T) {
		for i := range 50 {
			for room := range 3 {
				w.send(fmt.Sprint("x", i, "-", room), 1, fmt.Sprintf("h%02d.example", i))
			}
		}
		if n := len(w.taken()); n < 50 || n > 52 { // 3 are on their way already, 4 may be before each is held to one
			t.Errorf("%d on their way", n)
		}
		w.send("a", 1, "own.example", "well.example")
		w.send("b", 1, "own.example")
		w.send("c", 1, "own.example")
		w.expect(w.taken(), "own.example a", "own.example b", "own.example c", "well.example a")
	})
}

func TestADestinationThatFails(t *testing.T) {
	t.Run("P-NT-06 the rest that it asks for is kept, the longest counts", func(t *testing.T) {
		w := newOffice(t, nil)
		w.send("a", 1, "b.example")
		w.send("b", 1, "b.example")
		w.send("c", 1, "b.example")
		list := w.taken()
		w.expect(list, "b.example a", "b.example b", "b.example c")
		w.done(list[0], unavailable(time.Hour))
		w.done(list[1], unavailable(time.Minute))
		w.done(list[2], errors.New("no route"))
		w.none(500*time.Millisecond - 250*time.Millisecond) // the lane; the destination is not asked
		w.pass(time.Hour - time.Second)
		w.none(time.Second)
		w.Heard(w.provider("b.example"))
		w.none(time.Second)
		w.pass(time.Second)
		w.one("b.example c")
	})
	t.Run("one at a time until it answers, then at once what was put off", func(t *testing.T) {
		w := newOffice(t, nil)
		for _, room := range []string{"a", "b", "c", "d"} {
			w.send(room, 1, "b.example")
		}
		for _, s := range w.taken() {
			w.done(s, errors.New("no route"))
		}
		w.pass(10 * time.Minute)
		s := w.one("b.example a")
		w.nothing() // before that one is done
		w.done(s, errors.New("no route"))
		state := w.States()
		if len(state) != 1 || state[0].Destination != "b.example" || state[0].Failures != 5 || state[0].Reason != "no route" || !state[0].FailedAt.Equal(w.now) {
			t.Errorf("state %+v", state)
		}
		w.pass(time.Minute)
		w.done(w.one("b.example b"), nil)
		w.expect(w.taken(), "b.example a", "b.example c", "b.example d")
		if state := w.States(); len(state) != 1 || state[0].Sending != 3 || state[0].Failures != 0 || state[0].Reason != "" {
			t.Errorf("state %+v", state)
		}
	})
	t.Run("a call of it ends the rest", func(t *testing.T) {
		w := newOffice(t, nil)
		w.send("a", 1, "b.example")
		for range 12 {
			w.done(w.one("b.example a"), errors.New("no route"))
			w.pass(5 * time.Minute)
		}
		w.done(w.one("b.example a"), errors.New("no route"))
		if w.Heard(w.provider("c.example")) || !w.Heard(w.provider("b.example")) || w.Heard(w.provider("b.example")) {
			t.Error("what was heard is not what counts")
		}
		w.none(500 * time.Millisecond)
		w.pass(500 * time.Millisecond)
		s := w.one("b.example a")
		w.done(s, errors.New("no route"))
		w.none(150 * time.Second)
	})
	t.Run("an operator ends the rest, also one that it asked for", func(t *testing.T) {
		w := newOffice(t, nil)
		w.send("a", 1, "b.example")
		w.done(w.one("b.example a"), unavailable(time.Hour))
		w.none(time.Hour)
		w.must(w.Retry(t.Context(), w.provider("b.example")))
		w.one("b.example a")
	})
	t.Run("the own provider is asked again soon", func(t *testing.T) {
		w := newOffice(t, nil)
		w.send("a", 1, "own.example")
		for range 30 {
			w.done(w.one("own.example a"), &mimi.Error{Code: mimi.OutOfStorage, RetryAfter: time.Minute})
			w.pass(4 * time.Second)
		}
		w.one("own.example a")
	})
	t.Run("a store that fails does not make us send without end", func(t *testing.T) {
		broken := false
		w := newOffice(t, func(c *outbox.Config) {
			update := c.Store.Update
			c.Store.Update = func(ctx context.Context, f func(outbox.Tx) error) error {
				if broken {
					return errors.New("full")
				}
				return update(ctx, f)
			}
		})
		w.send("a", 1, "b.example")
		broken = true
		if err := w.Done(t.Context(), w.one("b.example a"), nil); err == nil {
			t.Fatal("no error")
		}
		w.none(time.Second)
		w.pass(time.Second)
		s := w.one("b.example a")
		broken = false
		w.done(s, nil)
		w.nothing()
	})
}

// What cannot be read back stops its own lane and no other.
func TestDamagedBatch(t *testing.T) {
	w := newOffice(t, nil)
	w.append("a", []byte{1, 2, 3}, false, "b.example")
	w.send("b", 1, "b.example")
	w.one("b.example b")
	if len(w.alarms) != 1 || !w.alarms[0].Whole || w.alarms[0].Room != w.room("a") {
		t.Errorf("alarms %+v", w.alarms)
	}
	lanes, err := w.Stopped(t.Context(), 10)
	if w.must(err); len(lanes) != 1 || lanes[0].Room != w.room("a") {
		t.Errorf("stopped %+v", lanes)
	}
}

// taker answers as the test says and keeps what it got.
type taker struct {
	mimi.Service
	result error
	got    []uint64
	before func()
}

func (p *taker) Notify(_ context.Context, _ uri.Room, body *mimi.NotifyBody) error {
	if p.before != nil {
		p.before()
	}
	for _, m := range body.Items {
		p.got = append(p.got, m.Timestamp)
	}
	return p.result
}

func (p *taker) of(uri.Provider) (mimi.Service, error) { return p, nil }

// poison offers what is due until nothing is left that is not parked.
func (w *office) poison(p *taker) {
	w.Helper()
	for range 1000 {
		sent, next, err := w.Step(w.Context(), p.of)
		w.must(err)
		if !sent && next.IsZero() {
			return
		}
		if !sent {
			w.now = next
		}
	}
	w.Fatal("it does not end")
}

func TestOperators(t *testing.T) {
	t.Run("a parked item is offered again", func(t *testing.T) {
		w, p := newOffice(t, nil), &taker{result: refusal}
		w.send("a", 2, "b.example")
		w.poison(p)
		items, err := w.Parked(t.Context(), 10)
		if w.must(err); len(items) != 2 || items[0].Sequence != 1 || items[1].Sequence != 2 || items[0].Handshake || items[0].Reason != refusal.Error() {
			t.Fatalf("parked %+v", items)
		}
		if page, err := w.Parked(t.Context(), 1); err != nil || len(page) != 1 {
			t.Errorf("a page %+v, %v", page, err)
		}
		p.got = nil
		if err := w.Resend(t.Context(), items[0], p.of); !errors.Is(err, refusal) {
			t.Errorf("got %v", err)
		}
		p.result = nil
		w.send("a", 1, "b.example")
		s := w.one("b.example a")
		if err := w.Resend(t.Context(), items[0], p.of); !errors.Is(err, outbox.ErrBusy) {
			t.Errorf("while the lane is served: %v", err)
		}
		w.done(s, nil)
		w.send("a", 1, "b.example")
		p.before = func() { // while the item is on its way, the lane is not served
			if s, _, err := w.Next(t.Context()); s != nil || err != nil {
				t.Errorf("next is %v, %v", s, err)
			}
		}
		w.must(w.Resend(t.Context(), items[0], p.of))
		if !slices.Equal(p.got, []uint64{1, 1}) {
			t.Errorf("sent %v", p.got)
		}
		w.one("b.example a")
		items, err = w.Parked(t.Context(), 10)
		if w.must(err); len(items) != 1 || items[0].Sequence != 2 {
			t.Errorf("parked %+v", items)
		}
		w.must(w.Discard(t.Context(), items[0]))
		if err := w.Discard(t.Context(), items[0]); !errors.Is(err, outbox.ErrNotParked) {
			t.Errorf("twice: %v", err)
		}
	})
	t.Run("a parked lane goes on, with what it stands at or behind that", func(t *testing.T) {
		w, p := newOffice(t, nil), &taker{result: refusal}
		w.append("a", w.item(1), true, "b.example")
		w.send("a", 2, "b.example")
		w.poison(p)
		if len(w.alarms) != 1 || !w.alarms[0].Whole {
			t.Fatalf("alarms %+v", w.alarms)
		}
		lanes, err := w.Stopped(t.Context(), 10)
		if w.must(err); len(lanes) != 1 || lanes[0].First != 1 || lanes[0].Last != 1 {
			t.Fatalf("stopped %+v", lanes)
		}
		p.got = nil
		w.must(w.Release(t.Context(), lanes[0]))
		w.poison(p)
		if len(p.got) != outbox.PoisonTries || len(w.alarms) != 2 {
			t.Errorf("offered %v, alarms %+v", p.got, w.alarms)
		}
		p.got, p.result = nil, nil
		lanes, err = w.Stopped(t.Context(), 10)
		w.must(err)
		w.must(w.Skip(t.Context(), lanes[0]))
		w.poison(p)
		if !slices.Equal(p.got, []uint64{2, 3}) {
			t.Errorf("sent %v", p.got)
		}
		if items, err := w.Parked(t.Context(), 10); err != nil || len(items) != 0 {
			t.Errorf("parked %+v, %v", items, err)
		}
	})
}
