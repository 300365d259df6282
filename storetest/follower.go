package storetest

import (
	"errors"
	"fmt"
	"slices"

	"parley/follower"
	"parley/inbox"
	"parley/uri"
)

func followerTests() []test {
	return []test{
		{"members of a room, ascending", members},
		{"a client is taken out of all rooms", forget},
		{"an item is seen once per room", seen},
		{"what was seen is forgotten by its arrival, whatever the hub's time", seenExpires},
		{"each inbox has its own order", inboxOrder},
		{"read keeps to its limits", readLimits},
		{"acknowledged entries are gone, the cursor never goes back", ack},
		{"a cursor is never given twice", cursorsGrow},
		{"entries expire by their arrival, whatever the hub's time", expire},
		{"an aborted transaction delivers nothing", deliverAtomic},
		{"reopen keeps inboxes, members and what was seen", followerReopen},
	}
}

func (f *fixture) deliver(n int, inboxes ...uri.Client) {
	f.Helper()
	f.follower(func(tx follower.Tx) {
		check(tx.Deliver(f.item("a", n), [32]byte{byte(n)}, inboxes))
	})
}

func (f *fixture) item(room string, n int) follower.Item {
	return follower.Item{Room: f.room(room), Timestamp: hubTime(n), Arrived: ms(at(n)), Body: fmt.Appendf(nil, "body %04d", n)}
}

// hubTime is what a hub says about an item: its clock runs the other way.
func hubTime(n int) uint64 { return ms(at(1_000_000 - n)) }

func (f *fixture) read(client uri.Client, after inbox.Cursor) []inbox.Entry {
	f.Helper()
	var entries []inbox.Entry
	f.inbox(func(tx inbox.Tx) { entries = get(tx.Read(client, after, 1000, 1<<20)) })
	return entries
}

func bodies(entries []inbox.Entry) []string {
	var out []string
	for _, e := range entries {
		out = append(out, string(e.Body))
	}
	return out
}

func (f *fixture) expectInbox(client uri.Client, want ...int) {
	f.Helper()
	var texts []string
	for _, n := range want {
		texts = append(texts, fmt.Sprintf("body %04d", n))
	}
	entries := f.read(client, 0)
	if got := bodies(entries); !slices.Equal(got, texts) {
		f.Errorf("inbox holds %q, want %q", got, texts)
	}
	if !slices.IsSortedFunc(entries, func(a, b inbox.Entry) int { return int(a.Cursor) - int(b.Cursor) }) {
		f.Error("cursors do not ascend")
	}
	f.inbox(func(tx inbox.Tx) { same("depth", get(tx.Depth(client)), len(want)) })
}

func members(f *fixture) {
	room, other := f.room("a"), f.room("b")
	one, two, three := f.client("alice", "1"), f.client("alice", "2"), f.client("bob", "1")
	f.follower(func(tx follower.Tx) {
		same("nobody", len(get(tx.Members(room))), 0)
		for _, c := range []uri.Client{three, one, two, one} {
			check(tx.SetMember(room, c, true))
		}
		check(tx.SetMember(other, three, true))
		sameList("own writes", get(tx.Members(room)), []uri.Client{one, two, three})
	})
	f.follower(func(tx follower.Tx) {
		check(tx.SetMember(room, two, false))
		check(tx.SetMember(room, two, false))
		check(tx.SetMember(f.room("c"), two, false))
	})
	f.follower(func(tx follower.Tx) {
		sameList("after leaving", get(tx.Members(room)), []uri.Client{one, three})
		sameList("other room", get(tx.Members(other)), []uri.Client{three})
	})
}

func forget(f *fixture) {
	a, b := f.client("alice", "phone"), f.client("bob", "phone")
	f.follower(func(tx follower.Tx) {
		for _, room := range []string{"x", "y"} {
			check(tx.SetMember(f.room(room), a, true))
			check(tx.SetMember(f.room(room), b, true))
		}
		check(tx.Forget(a))
		check(tx.Forget(f.client("nobody", "phone")))
	})
	f.follower(func(tx follower.Tx) {
		for _, room := range []string{"x", "y"} {
			sameList("members", get(tx.Members(f.room(room))), []uri.Client{b})
		}
	})
	err := f.Follower.Update(f.Context(), func(tx follower.Tx) error { return errors.Join(tx.Forget(b), errAbort) })
	if !errors.Is(err, errAbort) {
		f.Fatal(err)
	}
	f.follower(func(tx follower.Tx) { sameList("after an abort", get(tx.Members(f.room("x"))), []uri.Client{b}) })
}

func seen(f *fixture) {
	alice := f.client("alice", "1")
	f.deliver(1, alice)
	f.deliver(2) // nobody is here: still seen
	f.follower(func(tx follower.Tx) {
		same("delivered", get(tx.Seen(f.room("a"), [32]byte{1})), true)
		same("delivered to nobody", get(tx.Seen(f.room("a"), [32]byte{2})), true)
		same("never", get(tx.Seen(f.room("a"), [32]byte{3})), false)
		same("other room", get(tx.Seen(f.room("b"), [32]byte{1})), false)
	})
	f.inbox(func(tx inbox.Tx) { check(tx.Ack(alice, get(tx.Read(alice, 0, 1, 1))[0].Cursor)) })
	f.follower(func(tx follower.Tx) { same("after the ack", get(tx.Seen(f.room("a"), [32]byte{1})), true) })
}

func seenExpires(f *fixture) {
	alice := f.client("alice", "1")
	for n := 1; n <= 4; n++ {
		f.deliver(n, alice)
	}
	f.follower(func(tx follower.Tx) {
		same("forgotten", get(tx.Expire(at(3))), 2)
		same("forgotten again", get(tx.Expire(at(3))), 0)
		same("an old one", get(tx.Seen(f.room("a"), [32]byte{2})), false)
		same("one of that very time", get(tx.Seen(f.room("a"), [32]byte{3})), true)
	})
	f.expectInbox(alice, 1, 2, 3, 4) // the inbox has a retention of its own
}

func inboxOrder(f *fixture) {
	alice, bob := f.client("alice", "1"), f.client("bob", "1")
	f.deliver(5, alice)
	f.deliver(3, alice, bob)
	f.follower(func(tx follower.Tx) {
		check(tx.Deliver(f.item("b", 4), [32]byte{4}, []uri.Client{bob}))
		check(tx.Deliver(f.item("a", 1), [32]byte{1}, []uri.Client{bob, alice}))
	})
	f.expectInbox(alice, 5, 3, 1)
	f.expectInbox(bob, 3, 4, 1)
	f.expectInbox(f.client("alice", "2"))
	e := f.read(bob, 0)[1]
	if e.Room != f.room("b") || e.Timestamp != hubTime(4) {
		f.Errorf("entry is %+v", e)
	}
}

func readLimits(f *fixture) {
	alice := f.client("alice", "1")
	for n := 1; n <= 5; n++ {
		f.deliver(n, alice)
	}
	all := f.read(alice, 0)
	tests := []struct {
		name            string
		after           inbox.Cursor
		limit, maxBytes int
		want            []int
	}{
		{"all", 0, 100, 1 << 20, []int{1, 2, 3, 4, 5}},
		{"by count", 0, 2, 1 << 20, []int{1, 2}},
		{"by octets", 0, 100, 3 * bodySize, []int{1, 2, 3}},
		{"one octet less", 0, 100, 3*bodySize - 1, []int{1, 2}},
		{"at least one", 0, 100, 1, []int{1}},
		{"after a cursor", all[2].Cursor, 100, 1 << 20, []int{4, 5}},
		{"after the last", all[4].Cursor, 100, 1 << 20, nil},
	}
	for _, tt := range tests {
		f.inbox(func(tx inbox.Tx) {
			var want []string
			for _, n := range tt.want {
				want = append(want, fmt.Sprintf("body %04d", n))
			}
			entries := get(tx.Read(alice, tt.after, tt.limit, tt.maxBytes))
			sameList(tt.name, bodies(entries), want)
			for _, e := range entries {
				same(tt.name+", the last one is known", e.Last, e.Cursor == all[4].Cursor)
			}
		})
	}
}

func ack(f *fixture) {
	alice, bob := f.client("alice", "1"), f.client("bob", "1")
	for n := 1; n <= 4; n++ {
		f.deliver(n, alice, bob)
	}
	all := f.read(alice, 0)
	acked := func() (c inbox.Cursor) {
		f.inbox(func(tx inbox.Tx) { c = get(tx.Acked(alice)) })
		return c
	}
	if acked() != 0 {
		f.Error("something is acknowledged at the start")
	}
	f.inbox(func(tx inbox.Tx) { check(tx.Ack(alice, all[1].Cursor)) })
	f.expectInbox(alice, 3, 4)
	f.expectInbox(bob, 1, 2, 3, 4) // bob's pointers keep the bodies
	f.inbox(func(tx inbox.Tx) { check(tx.Ack(alice, all[0].Cursor)) })
	if acked() != all[1].Cursor {
		f.Error("an older cursor moved the acknowledgement back")
	}
	f.inbox(func(tx inbox.Tx) { check(tx.Ack(bob, f.lastOf(tx, bob))) })
	f.expectInbox(bob)
	f.expectInbox(alice, 3, 4)
	f.inbox(func(tx inbox.Tx) {
		check(tx.Ack(f.client("nobody", "1"), 7))
		check(tx.Ack(alice, all[3].Cursor+1000)) // stands for the newest
		same("acknowledged", get(tx.Acked(alice)), all[3].Cursor)
	})
	f.expectInbox(alice)
	f.deliver(9, alice)
	f.expectInbox(alice, 9)
}

func (f *fixture) lastOf(tx inbox.Tx, client uri.Client) inbox.Cursor {
	entries := get(tx.Read(client, 0, 1000, 1<<20))
	return entries[len(entries)-1].Cursor
}

func cursorsGrow(f *fixture) {
	alice := f.client("alice", "1")
	f.deliver(1, alice)
	first := f.read(alice, 0)[0].Cursor
	if first == 0 {
		f.Fatal("cursor 0 is before the first entry")
	}
	f.inbox(func(tx inbox.Tx) { check(tx.Ack(alice, first)) })
	f.deliver(2, alice)
	second := f.read(alice, first)
	if len(second) != 1 || second[0].Cursor <= first {
		f.Errorf("after an empty inbox: %+v, want one entry behind %d", second, first)
	}
	// An entry that expired unread does not give its cursor to the next one either: the client may have seen it.
	f.inbox(func(tx inbox.Tx) { same("expired", get(tx.Expire(at(100))), 1) })
	f.deliver(3, alice)
	if third := f.read(alice, second[0].Cursor); len(third) != 1 {
		f.Errorf("after an expired entry: %+v, want one entry behind %d", third, second[0].Cursor)
	}
}

func expire(f *fixture) {
	alice, bob := f.client("alice", "1"), f.client("bob", "1")
	for n := 1; n <= 4; n++ {
		f.deliver(n, alice)
	}
	f.deliver(2, bob)
	f.inbox(func(tx inbox.Tx) {
		same("expired", get(tx.Expire(at(3))), 3)
		same("expired again", get(tx.Expire(at(3))), 0)
	})
	f.expectInbox(alice, 3, 4)
	f.expectInbox(bob)
}

func deliverAtomic(f *fixture) {
	alice, bob := f.client("alice", "1"), f.client("bob", "1")
	f.deliver(1, alice)
	err := f.Follower.Update(f.Context(), func(tx follower.Tx) error {
		return errors.Join(
			tx.SetMember(f.room("a"), bob, true),
			tx.Deliver(f.item("a", 2), [32]byte{2}, []uri.Client{alice, bob}),
			errAbort)
	})
	if !errors.Is(err, errAbort) {
		f.Fatal(err)
	}
	f.expectInbox(alice, 1)
	f.expectInbox(bob)
	f.follower(func(tx follower.Tx) {
		same("seen", get(tx.Seen(f.room("a"), [32]byte{2})), false)
		same("members", len(get(tx.Members(f.room("a")))), 0)
	})
	err = f.Inbox.Update(f.Context(), func(tx inbox.Tx) error { return errors.Join(tx.Ack(alice, f.lastOf(tx, alice)), errAbort) })
	if !errors.Is(err, errAbort) {
		f.Fatal(err)
	}
	f.expectInbox(alice, 1)
	f.deliver(3, alice)
	f.expectInbox(alice, 1, 3)
}

func followerReopen(f *fixture) {
	if f.Reopen == nil {
		f.Skip("the store forgets")
	}
	alice := f.client("alice", "1")
	f.follower(func(tx follower.Tx) { check(tx.SetMember(f.room("a"), alice, true)) })
	for n := 1; n <= 3; n++ {
		f.deliver(n, alice)
	}
	last := f.read(alice, 0)[2].Cursor
	f.inbox(func(tx inbox.Tx) { check(tx.Ack(alice, f.read1(tx, alice))) })
	f.Stores = f.Reopen(f.T)
	f.expectInbox(alice, 2, 3)
	f.follower(func(tx follower.Tx) {
		same("seen", get(tx.Seen(f.room("a"), [32]byte{1})), true)
		sameList("members", get(tx.Members(f.room("a"))), []uri.Client{alice})
	})
	f.inbox(func(tx inbox.Tx) { check(tx.Ack(alice, last)) })
	f.Stores = f.Reopen(f.T)
	f.deliver(4, alice)
	if entries := f.read(alice, last); len(entries) != 1 {
		f.Errorf("after all was acknowledged and the store opened again: %+v, want one entry behind %d", entries, last)
	}
}

// read1 is the cursor of the first entry.
func (f *fixture) read1(tx inbox.Tx, client uri.Client) inbox.Cursor {
	return get(tx.Read(client, 0, 1, 1<<20))[0].Cursor
}
