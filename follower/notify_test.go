package follower_test

import (
	"errors"
	"slices"
	"testing"

	"parley/mimi"
	"parley/store/memory"
	"parley/syntax"
	"parley/uri"
)

func TestNotify(t *testing.T) {
	rows := []struct {
		name string
		run  func(w *world)
	}{
		{"P-NT-03 one, two and 500 items in a body, in order", func(w *world) {
			w.join(w.alice, w.bob)
			var all []mimi.FanoutMessage
			for _, n := range []int{1, 2, 500} {
				var batch []mimi.FanoutMessage
				for range n {
					batch = append(batch, text(len(all)+len(batch)))
				}
				w.accept(batch...)
				all = append(all, batch...)
			}
			w.expect(w.alice, all...)
			w.expect(w.bob, all...)
		}},
		{"P-NT-04 a malformed tail: nothing is processed", func(w *world) {
			w.join(w.alice)
			good, err := syntax.Marshal(&mimi.NotifyBody{Items: []mimi.FanoutMessage{text(1), text(2)}})
			if err != nil {
				w.Fatal(err)
			}
			for _, tail := range [][]byte{{0}, []byte("garbage"), good[:len(good)/2+1], good[:len(good)-1]} {
				if w.notifyOctets(w.a, slices.Concat(good, tail)) == nil {
					w.Errorf("accepted with a tail of %d octets", len(tail))
				}
			}
			w.expect(w.alice)
			if err := w.notifyOctets(w.a, good); err != nil {
				w.Errorf("the retry: %v", err)
			}
			w.expect(w.alice, text(1), text(2))
		}},
		{"one bad item among good ones: nothing is processed", func(w *world) {
			w.join(w.alice)
			body := &mimi.NotifyBody{Items: []mimi.FanoutMessage{text(1), {}, text(2)}}
			w.refusedWith(w.follower.Notify(w.Context(), w.a, w.room, body), mimi.BadRequest)
			w.expect(w.alice)
		}},
		{"an empty body is refused", func(w *world) {
			w.refusedWith(w.follower.Notify(w.Context(), w.a, w.room, &mimi.NotifyBody{}), mimi.BadRequest)
		}},
		{"P-NT-10 a repeat is accepted", func(w *world) {
			w.join(w.alice)
			w.accept(text(1), text(2))
			w.accept(text(1), text(2))
		}},
		{"P-NT-11 only the first of two equal requests is processed", func(w *world) {
			w.join(w.alice, w.bob)
			w.accept(text(1), text(2))
			w.accept(text(1), text(2))
			w.expect(w.alice, text(1), text(2))
			w.expect(w.bob, text(1), text(2))
			if len(w.woken) != 1 {
				w.Errorf("woken %d times, want once", len(w.woken))
			}
		}},
		{"P-NT-12 items are recognised in other batches, and within one", func(w *world) {
			w.join(w.alice)
			w.accept(text(1))
			w.accept(text(1), text(2))
			w.accept(text(3), text(3), text(2), text(4))
			w.expect(w.alice, text(1), text(2), text(3), text(4))
		}},
		{"P-NT-12 the message counts, not its timestamp", func(w *world) {
			w.join(w.alice)
			w.accept(text(1))
			again := text(1)
			again.Timestamp += 5
			w.accept(again)
			w.expect(w.alice, text(1))
		}},
		{"P-NT-13 the body of the hub from another domain is refused", func(w *world) {
			w.join(w.alice)
			w.refusedWith(w.notify(w.b, text(1)), mimi.Forbidden)
			w.expect(w.alice)
			w.accept(text(1)) // and the refused request did not mark it as seen
			w.expect(w.alice, text(1))
		}},
		{"P-NT-14 only the domain of the room notifies", func(w *world) {
			w.join(w.alice)
			for _, caller := range []uri.Provider{w.b, w.c, provider(w.T, "x.a.example"), {}} {
				w.refusedWith(w.notify(caller, text(1)), mimi.Forbidden)
			}
			w.expect(w.alice)
		}},
		{"P-NT-17 a Welcome goes to the client whose KeyPackage it names", func(w *world) {
			w.handOut("phone", w.alice)
			w.handOut("laptop", w.laptop)
			w.handOut("bob", w.bob)
			w.accept(welcome("of another provider", "laptop", "bob", "laptop"))
			w.expect(w.alice)
			w.expect(w.laptop, welcome("of another provider", "laptop", "bob", "laptop"))
			w.expect(w.bob, welcome("of another provider", "laptop", "bob", "laptop"))
			if w.dropped != 0 {
				w.Errorf("%d items counted as dropped", w.dropped)
			}
		}},
		{"a Welcome makes a member for what follows in the same body, not for what came before", func(w *world) {
			w.join(w.bob)
			w.handOut("phone", w.alice)
			w.accept(text(1), welcome("phone"), text(2))
			w.accept(text(3))
			w.expect(w.bob, text(1), text(2), text(3))
			w.expect(w.alice, welcome("phone"), text(2), text(3))
		}},
		{"P-NT-18 a Welcome for nobody here is accepted, dropped and counted", func(w *world) {
			w.join(w.bob)
			w.accept(welcome("nobody's"), welcome())
			w.accept(welcome("nobody's"))
			w.expect(w.bob)
			if w.dropped != 2 {
				w.Errorf("%d items counted as dropped, want 2", w.dropped)
			}
		}},
		{"items of a room without members are accepted and counted", func(w *world) {
			w.accept(text(1))
			w.join(w.alice)
			w.accept(text(1), text(2))
			w.expect(w.alice, text(2))
			if w.dropped != 1 {
				w.Errorf("%d items counted as dropped, want 1", w.dropped)
			}
		}},
		{"who left gets nothing more", func(w *world) {
			w.join(w.alice, w.bob)
			w.accept(text(1))
			if err := w.follower.Left(w.Context(), w.room, w.bob.Client); err != nil {
				w.Fatal(err)
			}
			w.accept(text(2))
			w.expect(w.alice, text(1), text(2))
			w.expect(w.bob, text(1))
		}},
		{"P-NT-29 what was acknowledged is stored; what is not stored is not acknowledged", func(w *world) {
			w.join(w.alice)
			outcome := memory.Lost
			w.store.Fault = func() memory.Outcome { return outcome }
			w.refusedWith(w.notify(w.a, text(1)), mimi.Internal)
			w.expect(w.alice)
			outcome = memory.LostAndKnown
			w.refusedWith(w.notify(w.a, text(1), text(2)), mimi.Internal)
			outcome = memory.Committed
			w.accept(text(1), text(2))
			w.expect(w.alice, text(1), text(2))
		}},
		{"clients are woken after the commit, in order, and only those that got something", func(w *world) {
			w.join(w.bob, w.alice)
			w.handOut("laptop", w.laptop)
			w.accept(text(1))
			w.accept(welcome("laptop"))
			want := [][]uri.Client{{w.alice.Client, w.bob.Client}, {w.laptop.Client}}
			if !slices.EqualFunc(w.woken, want, slices.Equal) {
				w.Errorf("woken: %v", w.woken)
			}
			w.store.Fault = func() memory.Outcome { return memory.Lost }
			if err := w.notify(w.a, text(2)); !errors.Is(err, memory.ErrCommit) {
				w.Errorf("got %v, want the store's error behind it", err)
			}
			if len(w.woken) != 2 {
				w.Error("woken without a commit")
			}
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) { row.run(newWorld(t)) })
	}
}
