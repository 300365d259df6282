package storetest

import (
	"fmt"
	"slices"

	"parley/outbox"
)

func laneTests() []test {
	return []test{
		{"an item for others only is not in the lane", laneGap},
		{"many destinations", manyDestinations},
		{"a slow lane keeps what it needs, and nothing else is kept from others", slowLane},
		{"reopen keeps lanes and their gaps", lanesReopen},
	}
}

func laneGap(f *fixture) {
	room := f.room("a")
	both, other := []string{"x.example", "y.example"}, []string{"y.example"}
	f.send(room, both, 1)
	f.send(room, other, 2)
	f.send(room, both, 3)
	f.send(room, other, 4, 5)
	f.send(room, both, 6, 7)
	if x, y := f.backlog("x.example"), f.backlog("y.example"); x.Items != 4 || y.Items != 7 {
		f.Errorf("backlogs of %d and %d items, want 4 and 7", x.Items, y.Items)
	}
	f.advance(f.lane("x.example", room), 1<<20, 2)
	f.expectBatch(f.lane("x.example", room), 3, 6)
	f.advance(f.lane("y.example", room), 1<<20, 100)
	f.expectBatch(f.lane("y.example", room), 2, 3, 4, 5, 6, 7)
	f.advance(f.lane("y.example", room), 1<<20, 100)
	f.expectBatch(f.lane("x.example", room), 3, 6) // y has delivered all of its own
	l := f.lane("x.example", room)
	l.Last = 3
	f.outbox(func(tx outbox.Tx) { check(tx.Save(l)) })
	f.expectBatch(f.lane("x.example", room), 3)
	f.advance(f.lane("x.example", room), 1<<20, 100)
	f.expectBatch(f.lane("x.example", room), 6, 7)
	f.send(room, both, 8)
	f.advance(f.lane("x.example", room), 1<<20, 100)
	f.expectBatch(f.lane("x.example", room), 8)
}

func manyDestinations(f *fixture) {
	room := f.room("a")
	var all []string
	for n := range 21 {
		all = append(all, fmt.Sprintf("d%02d.example", n))
	}
	without := slices.Delete(slices.Clone(all), 9, 10)
	f.send(room, all, 1)
	f.send(room, without, 2)
	f.send(room, all, 3, 4)
	lanes := f.due(at(1 << 20))
	if len(lanes) != len(all) {
		f.Fatalf("%d lanes, want %d", len(lanes), len(all))
	}
	for i, l := range lanes {
		if l.Destination != all[i] {
			f.Errorf("lane %d goes to %s, want %s", i, l.Destination, all[i])
		}
		f.advance(l, 1<<20, 100)
		if want := []uint64{2, 3, 4}; i != 9 {
			f.expectBatch(f.lane(all[i], room), want...)
		}
	}
	f.expectBatch(f.lane(all[9], room), 3, 4)
}

func slowLane(f *fixture) {
	room := f.room("a")
	both := []string{"fast.example", "slow.example"}
	for n := range uint64(30) {
		f.send(room, both, n+1)
		f.advance(f.lane("fast.example", room), 1<<20, 100)
	}
	f.advance(f.lane("slow.example", room), 1<<20, 10)
	f.expectBatch(f.lane("slow.example", room), 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
	f.advance(f.lane("slow.example", room), 1<<20, 100)
	l := f.lane("slow.example", room)
	for i, item := range f.batch(l) {
		if want := fmt.Sprintf("body %04d", 12+i); string(item.Body) != want {
			f.Errorf("body %q, want %q", item.Body, want)
		}
	}
	if l.First != 12 || l.Last != 30 {
		f.Errorf("batch of %d to %d, want 12 to 30", l.First, l.Last)
	}
}

func lanesReopen(f *fixture) {
	if f.Reopen == nil {
		f.Skip("the store forgets")
	}
	c := f.room("c")
	f.send(c, []string{"x.example", "y.example"}, 1)
	f.send(c, []string{"y.example"}, 2)
	f.send(c, []string{"x.example", "y.example"}, 3)
	f.Stores = f.Stores.Reopen(f.T)
	f.advance(f.lane("x.example", c), 1<<20, 100)
	f.expectBatch(f.lane("x.example", c), 3)
	f.advance(f.lane("y.example", c), 1<<20, 100)
	f.expectBatch(f.lane("y.example", c), 2, 3)
	f.send(c, []string{"x.example"}, 4)
	f.advance(f.lane("x.example", c), 1<<20, 100)
	f.expectBatch(f.lane("x.example", c), 4)
}
