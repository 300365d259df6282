package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"parley/outbox"
	"parley/uri"
)

func deskTests() []test {
	return []test{
		{"delayed lanes of one destination, by time", delayedLanes},
		{"parked lanes are listed, in pages, until they go on", stoppedLanes},
		{"items taken out are listed, in pages, until they are given up", parkedItems},
		{"what waits of a room, with the first item", waitingLanes},
		{"an item taken out is there after the log is trimmed, and after a restart", parkedItemKept},
	}
}

func (f *fixture) desk(do func(tx outbox.DeskTx)) { f.Helper(); f.ok(run(f, f.Outbox.Desk, do)) }

// save changes a lane.
func (f *fixture) save(l outbox.Lane, change func(*outbox.Lane)) {
	f.Helper()
	change(&l)
	f.outbox(func(tx outbox.Tx) { check(tx.Save(l)) })
}

func laneNames(lanes []outbox.Lane) []string {
	var out []string
	for _, l := range lanes {
		out = append(out, l.Destination+" "+l.Room.Name())
	}
	return out
}

func delayedLanes(f *fixture) {
	a, b, c := f.room("a"), f.room("b"), f.room("c")
	for _, room := range []uri.Room{a, b, c} {
		f.send(room, []string{"x.example", "y.example"}, 1)
	}
	for i, room := range []uri.Room{c, b, a} {
		f.save(f.lane("x.example", room), func(l *outbox.Lane) { l.Next, l.Tries = at(10+i), 3 })
	}
	f.save(f.lane("y.example", a), func(l *outbox.Lane) { l.Next = at(99) })
	f.outbox(func(tx outbox.Tx) {
		sameList("all", laneNames(get(tx.Delayed("x.example", at(9), 10))), []string{"x.example c", "x.example b", "x.example a"})
		sameList("after the first", laneNames(get(tx.Delayed("x.example", at(10), 10))), []string{"x.example b", "x.example a"})
		sameList("limit", laneNames(get(tx.Delayed("x.example", at(9), 1))), []string{"x.example c"})
		sameList("none", laneNames(get(tx.Delayed("x.example", at(12), 10))), nil)
		l := get(tx.Delayed("x.example", at(10), 1))[0]
		same("tries", l.Tries, 3)
		same("first", l.First, 1)
		same("next", l.Next.Equal(at(11)), true)
	})
	f.save(f.lane("x.example", a), func(l *outbox.Lane) { l.Parked = true })
	f.outbox(func(tx outbox.Tx) {
		sameList("without the parked one", laneNames(get(tx.Delayed("x.example", at(9), 10))), []string{"x.example c", "x.example b"})
	})
}

func stoppedLanes(f *fixture) {
	a, b := f.room("a"), f.room("b")
	f.send(a, []string{"x.example", "y.example"}, 1, 2)
	f.send(b, []string{"x.example"}, 1)
	f.desk(func(tx outbox.DeskTx) { sameList("at the start", laneNames(get(tx.Stopped("", uri.Room{}, 10))), nil) })
	for _, l := range []outbox.Lane{f.lane("x.example", a), f.lane("x.example", b), f.lane("y.example", a)} {
		f.save(l, func(l *outbox.Lane) { l.Parked, l.Refusals = true, 7 })
	}
	f.desk(func(tx outbox.DeskTx) {
		all := get(tx.Stopped("", uri.Room{}, 10))
		sameList("all", laneNames(all), []string{"x.example a", "x.example b", "y.example a"})
		same("first", all[0].First, 1)
		same("last", all[0].Last, 1)
		same("parked", all[0].Parked && all[0].Refusals == 7, true)
		sameList("a page", laneNames(get(tx.Stopped("", uri.Room{}, 2))), []string{"x.example a", "x.example b"})
		sameList("the next page", laneNames(get(tx.Stopped("x.example", b, 2))), []string{"y.example a"})
	})
	var l outbox.Lane
	f.desk(func(tx outbox.DeskTx) { l = get(tx.Stopped("x.example", a, 1))[0] })
	f.save(l, func(l *outbox.Lane) { l.Parked = false })
	f.desk(func(tx outbox.DeskTx) {
		sameList("one goes on", laneNames(get(tx.Stopped("", uri.Room{}, 10))), []string{"x.example a", "y.example a"})
	})
}

func (f *fixture) take(destination string, room uri.Room, sequence uint64) {
	f.Helper()
	l := f.lane(destination, room)
	f.outbox(func(tx outbox.Tx) {
		check(tx.Drop(l, sequence, "refused", at(600)))
		if l.First == l.Last {
			check(tx.Advance(l, at(600), 1<<20, 100))
		}
	})
}

func itemNames(items []outbox.Parked) []string {
	var out []string
	for _, p := range items {
		out = append(out, fmt.Sprintf("%s %s %d", p.Destination, p.Room.Name(), p.Sequence))
	}
	return out
}

func parkedItems(f *fixture) {
	// The rooms get their numbers in another order than that of their names.
	b, a := f.room("b"), f.room("a")
	f.send(b, []string{"x.example"}, 1)
	f.send(a, []string{"x.example", "y.example"}, 1, 2, 3)
	f.take("x.example", b, 1)
	f.take("y.example", a, 1)
	f.take("x.example", a, 1)
	f.take("x.example", a, 2)
	f.desk(func(tx outbox.DeskTx) {
		all := get(tx.Parked("", uri.Room{}, 0, 10))
		sameList("all", itemNames(all), []string{"x.example a 1", "x.example a 2", "x.example b 1", "y.example a 1"})
		same("body", string(all[1].Body), "body 0002")
		same("a handshake", all[1].Handshake && !all[0].Handshake, true)
		same("reason", all[1].Reason, "refused")
		same("time", all[1].At.Equal(at(600)), true)
		sameList("a page", itemNames(get(tx.Parked("", uri.Room{}, 0, 1))), []string{"x.example a 1"})
		sameList("behind an item", itemNames(get(tx.Parked("x.example", a, 1, 2))), []string{"x.example a 2", "x.example b 1"})
		sameList("behind a room", itemNames(get(tx.Parked("x.example", b, 1, 2))), []string{"y.example a 1"})
	})
	f.desk(func(tx outbox.DeskTx) {
		same("given up", get(tx.Unpark("x.example", a, 1)), true)
		same("again", get(tx.Unpark("x.example", a, 1)), false)
		same("another", get(tx.Unpark("z.example", a, 2)), false)
		same("another room", get(tx.Unpark("x.example", f.room("none"), 2)), false)
	})
	err := f.Outbox.Desk(f.Context(), func(tx outbox.DeskTx) error {
		_, err := tx.Unpark("x.example", b, 1)
		return errors.Join(err, errAbort)
	})
	if !errors.Is(err, errAbort) {
		f.Fatal(err)
	}
	f.ok(f.Outbox.ViewDesk(context.Background(), func(tx outbox.DeskTx) error {
		left, err := tx.Parked("", uri.Room{}, 0, 10)
		if want := []string{"x.example a 2", "x.example b 1", "y.example a 1"}; !slices.Equal(itemNames(left), want) {
			f.Errorf("left are %v", itemNames(left))
		}
		return err
	}))
}

func waitingLanes(f *fixture) {
	b, a := f.room("b"), f.room("a")
	names := func(room uri.Room) (out []string) {
		f.desk(func(tx outbox.DeskTx) {
			for _, w := range get(tx.Waiting(room)) {
				out = append(out, fmt.Sprintf("%s %s %d %s", w.Destination, w.Room.Name(), w.First, w.Body))
			}
		})
		return out
	}
	sameList("of a room that is not known", names(a), nil)
	f.send(b, []string{"x.example"}, 1)
	f.send(a, []string{"y.example", "x.example"}, 1, 2)
	sameList("by destination, with the first item", names(a), []string{"x.example a 1 body 0001", "y.example a 1 body 0001"})
	f.advance(f.lane("x.example", a), 1<<20, 100)
	sameList("one item was taken", names(a), []string{"x.example a 2 body 0002", "y.example a 1 body 0001"})
	f.advance(f.lane("x.example", a), 1<<20, 100)
	sameList("all was taken", names(a), []string{"y.example a 1 body 0001"})
}

func parkedItemKept(f *fixture) {
	room := f.room("a")
	f.send(room, []string{"x.example"}, 1, 2)
	f.take("x.example", room, 1)
	f.advance(f.lane("x.example", room), 1<<20, 100)
	if f.Reopen != nil {
		f.Stores = f.Stores.Reopen(f.T)
	}
	f.desk(func(tx outbox.DeskTx) {
		all := get(tx.Parked("", uri.Room{}, 0, 10))
		sameList("items", itemNames(all), []string{"x.example a 1"})
		same("body", string(all[0].Body), "body 0001")
	})
}
