package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"parley/hub"
	"parley/outbox"
	"parley/uri"
)

func outboxTests() []test {
	return []test{
		{"the first item of an idle lane is its frozen batch", frozenFirst},
		{"advance freezes what waits, in order, within limits", advance},
		{"a single item larger than the limit goes alone", advanceLarge},
		{"due and next due", due},
		{"a saved lane keeps its tries and may shrink", saveLane},
		{"a parked lane is not due, and keeps collecting", parkedLane},
		{"drop takes one item out", dropOne},
		{"drop of the whole batch, then advance", dropAll},
		{"an aborted transaction leaves the lane as it was", outboxAtomic},
		{"lanes do not touch each other", laneIsolation},
	}
}

// send appends items with the given sequences to the room's log, in a transaction each.
func (f *fixture) send(room uri.Room, destinations []string, sequences ...uint64) {
	f.Helper()
	for _, n := range sequences {
		f.hub(func(tx hub.Tx) {
			check(tx.Append(room, hub.Item{Sequence: n, Timestamp: ms(at(int(n))), Handshake: n%2 == 0, Body: fmt.Appendf(nil, "body %04d", n),
				Destinations: destinations}))
		})
	}
}

// bodySize is the size of a body of send.
const bodySize = 9

func (f *fixture) backlog(destination string) outbox.Backlog {
	f.Helper()
	var found outbox.Backlog
	f.outbox(func(tx outbox.Tx) {
		for _, b := range get(tx.Backlogs()) {
			if b.Destination == destination {
				found = b
			}
		}
	})
	return found
}

// due lists what is due, far in the future so that all is.
func (f *fixture) due(now time.Time, busy ...string) []outbox.Lane {
	f.Helper()
	var lanes []outbox.Lane
	f.outbox(func(tx outbox.Tx) { lanes = get(tx.Due(now, busy, 100)) })
	return lanes
}

func (f *fixture) lane(destination string, room uri.Room) outbox.Lane {
	f.Helper()
	for _, l := range f.due(at(1 << 20)) {
		if l.Destination == destination && l.Room == room {
			return l
		}
	}
	f.Fatalf("no lane to %s", destination)
	return outbox.Lane{}
}

func (f *fixture) batch(l outbox.Lane) []outbox.Item {
	f.Helper()
	var items []outbox.Item
	f.outbox(func(tx outbox.Tx) { items = get(tx.Batch(l)) })
	return items
}

func (f *fixture) sequences(l outbox.Lane) []uint64 {
	f.Helper()
	var out []uint64
	for _, item := range f.batch(l) {
		out = append(out, item.Sequence)
	}
	return out
}

func (f *fixture) expectBatch(l outbox.Lane, want ...uint64) {
	f.Helper()
	if got := f.sequences(l); !slices.Equal(got, want) {
		f.Errorf("batch %v, want %v", got, want)
	}
	if len(want) > 0 && (l.First != want[0] || l.Last != want[len(want)-1]) {
		f.Errorf("lane says %d..%d, want %d..%d", l.First, l.Last, want[0], want[len(want)-1])
	}
}

func (f *fixture) advance(l outbox.Lane, maxBytes, maxItems int) {
	f.Helper()
	f.outbox(func(tx outbox.Tx) { check(tx.Advance(l, at(500), maxBytes, maxItems)) })
}

func frozenFirst(f *fixture) {
	room := f.room("a")
	f.send(room, []string{"b.example"}, 1)
	first := f.lane("b.example", room)
	f.send(room, []string{"b.example"}, 2, 3)
	l := f.lane("b.example", room)
	f.expectBatch(l, 1)
	if l.Tries != 0 || l.Refusals != 0 || l.Parked || !l.Since.Equal(at(1)) || !l.Next.Equal(first.Next) {
		f.Errorf("the new batch is %+v", l)
	}
	item := f.batch(l)[0]
	if string(item.Body) != "body 0001" || item.Handshake {
		f.Errorf("item is %+v", item)
	}
	if b := f.backlog("b.example"); b.Items != 3 || b.Lanes != 1 || b.Oldest.IsZero() || b.Parked != 0 {
		f.Errorf("backlog is %+v", b)
	}
}

func advance(f *fixture) {
	room := f.room("a")
	f.send(room, []string{"b.example"}, 1, 2, 3, 4, 5, 6, 7)
	f.advance(f.lane("b.example", room), 3*bodySize, 100) // by bytes
	l := f.lane("b.example", room)
	f.expectBatch(l, 2, 3, 4)
	if !l.Since.Equal(at(500)) || !l.Next.Equal(at(500)) || l.Tries != 0 {
		f.Errorf("the new batch is %+v", l)
	}
	if !f.batch(l)[0].Handshake {
		f.Error("item 2 lost its mark as a handshake")
	}
	f.advance(l, 1<<20, 2) // by count
	l = f.lane("b.example", room)
	f.expectBatch(l, 5, 6)
	f.advance(l, 1<<20, 2)
	l = f.lane("b.example", room)
	f.expectBatch(l, 7)
	f.advance(l, 1<<20, 2)
	if left := f.due(at(1 << 20)); len(left) != 0 {
		f.Errorf("lanes after the end: %+v", left)
	}
	if b := f.backlog("b.example"); b.Items != 0 {
		f.Errorf("backlog after the end: %+v", b)
	}
	f.send(room, []string{"b.example"}, 8)
	f.expectBatch(f.lane("b.example", room), 8)
}

func advanceLarge(f *fixture) {
	room := f.room("a")
	f.send(room, []string{"b.example"}, 1, 2, 3)
	f.advance(f.lane("b.example", room), 1, 100)
	f.expectBatch(f.lane("b.example", room), 2)
}

func due(f *fixture) {
	a, b, c := f.room("a"), f.room("b"), f.room("c")
	f.send(b, []string{"x.example"}, 1)
	f.send(a, []string{"x.example", "y.example"}, 1)
	f.send(c, []string{"x.example"}, 1)
	delay := func(destination string, room uri.Room, next time.Time) {
		l := f.lane(destination, room)
		l.Next = next
		f.outbox(func(tx outbox.Tx) { check(tx.Save(l)) })
	}
	delay("x.example", a, at(30))
	delay("x.example", b, at(30))
	delay("x.example", c, at(20))
	delay("y.example", a, at(40))
	names := func(lanes []outbox.Lane) []string {
		var out []string
		for _, l := range lanes {
			out = append(out, l.Destination+" "+l.Room.Name())
		}
		return out
	}
	tests := []struct {
		name string
		now  time.Time
		busy []string
		want []string
	}{
		{"before all", at(19), nil, nil},
		{"at the time itself", at(20), nil, []string{"x.example c"}},
		{"equal times by room", at(30), nil, []string{"x.example c", "x.example a", "x.example b"}},
		{"all", at(99), nil, []string{"x.example c", "x.example a", "x.example b", "y.example a"}},
		{"a busy destination is left out", at(99), []string{"x.example"}, []string{"y.example a"}},
		{"all are busy", at(99), []string{"x.example", "y.example"}, nil},
	}
	for _, tt := range tests {
		if got := names(f.due(tt.now, tt.busy...)); !slices.Equal(got, tt.want) {
			f.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	f.outbox(func(tx outbox.Tx) {
		sameList("limit", names(get(tx.Due(at(99), nil, 2))), []string{"x.example c", "x.example a"})
		same("next at 0", get(tx.NextDue(at(0))).Equal(at(20)), true)
		same("next at 20", get(tx.NextDue(at(20))).Equal(at(30)), true)
		same("next at 40", get(tx.NextDue(at(40))).IsZero(), true)
	})
}

func saveLane(f *fixture) {
	room := f.room("a")
	f.send(room, []string{"b.example"}, 1, 2, 3, 4)
	f.advance(f.lane("b.example", room), 1<<20, 100)
	l := f.lane("b.example", room)
	l.Tries, l.Refusals, l.Next, l.Last = 5, 2, at(700), 3
	f.outbox(func(tx outbox.Tx) { check(tx.Save(l)) })
	got := f.lane("b.example", room)
	if got.Tries != 5 || got.Refusals != 2 || !got.Next.Equal(at(700)) || !got.Since.Equal(at(500)) {
		f.Errorf("lane is %+v", got)
	}
	f.expectBatch(got, 2, 3)
	f.advance(got, 1<<20, 100)
	f.expectBatch(f.lane("b.example", room), 4)
}

func parkedLane(f *fixture) {
	room := f.room("a")
	f.send(room, []string{"b.example"}, 1)
	l := f.lane("b.example", room)
	l.Parked = true
	f.outbox(func(tx outbox.Tx) { check(tx.Save(l)) })
	f.send(room, []string{"b.example"}, 2)
	if lanes := f.due(at(1 << 20)); len(lanes) != 0 {
		f.Errorf("due: %+v", lanes)
	}
	f.outbox(func(tx outbox.Tx) { same("next due", get(tx.NextDue(at(0))).IsZero(), true) })
	if b := f.backlog("b.example"); b.Parked != 1 || b.Items != 2 {
		f.Errorf("backlog is %+v", b)
	}
	l.Parked = false
	f.outbox(func(tx outbox.Tx) { check(tx.Save(l)) })
	f.expectBatch(f.lane("b.example", room), 1)
}

func dropOne(f *fixture) {
	room := f.room("a")
	f.send(room, []string{"b.example"}, 1, 2, 3, 4)
	f.advance(f.lane("b.example", room), 1<<20, 100)
	l := f.lane("b.example", room)
	f.outbox(func(tx outbox.Tx) { check(tx.Drop(l, 3, "refused", at(600))) })
	if got := f.sequences(f.lane("b.example", room)); !slices.Equal(got, []uint64{2, 4}) {
		f.Errorf("batch %v, want 2 and 4", got)
	}
	f.send(room, []string{"b.example"}, 5)
	f.advance(f.lane("b.example", room), 1<<20, 100)
	f.expectBatch(f.lane("b.example", room), 5)
}

func dropAll(f *fixture) {
	room := f.room("a")
	f.send(room, []string{"b.example"}, 1, 2)
	l := f.lane("b.example", room)
	f.outbox(func(tx outbox.Tx) {
		check(tx.Drop(l, 1, "refused", at(600)))
		check(tx.Advance(l, at(600), 1<<20, 100))
	})
	f.expectBatch(f.lane("b.example", room), 2)
	l = f.lane("b.example", room)
	f.outbox(func(tx outbox.Tx) {
		check(tx.Drop(l, 2, "refused", at(600)))
		check(tx.Advance(l, at(600), 1<<20, 100))
	})
	if lanes := f.due(at(1 << 20)); len(lanes) != 0 {
		f.Errorf("due: %+v", lanes)
	}
	f.send(room, []string{"b.example"}, 3)
	f.expectBatch(f.lane("b.example", room), 3)
}

func outboxAtomic(f *fixture) {
	room := f.room("a")
	f.send(room, []string{"b.example"}, 1, 2)
	l := f.lane("b.example", room)
	changes := []func(tx outbox.Tx) error{
		func(tx outbox.Tx) error { return tx.Advance(l, at(9), 1<<20, 100) },
		func(tx outbox.Tx) error {
			return tx.Save(outbox.Lane{Destination: l.Destination, Room: room, Parked: true})
		},
		func(tx outbox.Tx) error { return tx.Drop(l, 1, "refused", at(9)) },
	}
	for i, change := range changes {
		err := f.Outbox.Update(f.Context(), func(tx outbox.Tx) error { return errors.Join(change(tx), errAbort) })
		if !errors.Is(err, errAbort) {
			f.Fatalf("change %d: %v", i, err)
		}
		f.expectBatch(f.lane("b.example", room), 1)
	}
}

func laneIsolation(f *fixture) {
	a, b := f.room("a"), f.room("b")
	f.send(a, []string{"x.example", "y.example"}, 1, 2)
	f.send(b, []string{"x.example"}, 1)
	f.advance(f.lane("x.example", a), 1<<20, 100)
	f.expectBatch(f.lane("x.example", a), 2)
	f.expectBatch(f.lane("y.example", a), 1)
	f.expectBatch(f.lane("x.example", b), 1)
	if x, y := f.backlog("x.example"), f.backlog("y.example"); x.Lanes != 2 || x.Items != 2 || y.Lanes != 1 || y.Items != 2 {
		f.Errorf("backlogs are %+v and %+v", x, y)
	}
}
