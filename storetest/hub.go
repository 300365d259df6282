package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"parley/hub"
	"parley/mls"
)

func hubTests() []test {
	return []test{
		{"head is compared and swapped", headSwaps},
		{"a failed transaction leaves nothing", hubAtomic},
		{"a view does not write and sees what was committed", hubView},
		{"a log has no gaps", gapless},
		{"a head keeps what did not change", headChanges},
		{"records by prefix, ascending", records},
		{"answers until they expire", answers},
		{"a cancelled context does nothing", cancelled},
		{"a caller may overwrite its buffers", buffers},
		{"reopen keeps rooms, lanes and answers", hubReopen},
	}
}

func headSwaps(f *fixture) {
	room := f.room("a")
	first := hub.Head{Version: 1, GroupID: []byte("g"), Epoch: 3, EpochAt: 9, Sequence: 4, Timestamp: 11, Destinations: []string{"a", "b"}}
	f.hub(func(tx hub.Tx) {
		_, ok, err := tx.Head(room)
		check(err)
		same("room exists", ok, false)
		check(tx.SaveHead(room, 0, first))
		own, ok, err := tx.Head(room)
		check(err)
		same("own write is seen", ok && own.Version == 1, true)
	})
	f.hub(func(tx hub.Tx) {
		got, ok, err := tx.Head(room)
		check(err)
		same("room exists", ok, true)
		sameList("destinations", got.Destinations, first.Destinations)
		same("group", string(got.GroupID), "g")
		same("numbers", [4]uint64{got.Epoch, got.EpochAt, got.Sequence, got.Timestamp}, [4]uint64{3, 9, 4, 11})
	})
	conflicts := []struct {
		name string
		old  uint64
	}{{"made twice", 0}, {"version never seen", 7}}
	for _, c := range conflicts {
		err := f.Hub.Update(f.Context(), func(tx hub.Tx) error { return tx.SaveHead(room, c.old, hub.Head{Version: 9}) })
		if !errors.Is(err, hub.ErrConflict) {
			f.Errorf("%s: got %v, want ErrConflict", c.name, err)
		}
	}
	err := f.Hub.Update(f.Context(), func(tx hub.Tx) error { return tx.SaveHead(f.room("b"), 1, hub.Head{Version: 2}) })
	if !errors.Is(err, hub.ErrConflict) {
		f.Errorf("a room that is not there: got %v, want ErrConflict", err)
	}
	f.hub(func(tx hub.Tx) { check(tx.SaveHead(room, 1, hub.Head{Version: 2})) })
}

// fill writes something with every writing method of the hub.
func fill(f *fixture, tx hub.Tx, version uint64) error {
	room := f.room("a")
	item := hub.Item{Sequence: version, Timestamp: ms(at(0)), Body: []byte("body"), Destinations: []string{"b.example"}}
	return errors.Join(
		tx.SaveHead(room, version-1, hub.Head{Version: version, Sequence: version}),
		tx.PutRecords(room, mls.Delta{{Key: "k", Value: fmt.Append(nil, version)}, {Key: fmt.Sprint("v", version), Value: []byte("x")}}),
		tx.Append(room, item),
		tx.SaveAnswer([32]byte{byte(version)}, []byte("answer"), at(100)),
	)
}

func hubAtomic(f *fixture) {
	f.hub(func(tx hub.Tx) { check(fill(f, tx, 1)) })
	err := f.Hub.Update(f.Context(), func(tx hub.Tx) error {
		return errors.Join(fill(f, tx, 2), tx.PutRecords(f.room("a"), mls.Delta{{Key: "v1"}}), errAbort)
	})
	if !errors.Is(err, errAbort) {
		f.Fatalf("Update returned %v, want the function's error", err)
	}
	expectVersionOne(f)
}

func expectVersionOne(f *fixture) {
	f.Helper()
	f.hub(func(tx hub.Tx) {
		h, _, err := tx.Head(f.room("a"))
		check(err)
		same("version", h.Version, 1)
		sameList("keys", keys(get(tx.Records(f.room("a"), ""))), []string{"k", "v1"})
		same("value", string(get(tx.Records(f.room("a"), "k"))[0].Value), "1")
		_, kept, err := tx.Answer([32]byte{1})
		check(err)
		same("answer of the first", kept, true)
		_, kept, err = tx.Answer([32]byte{2})
		check(err)
		same("answer of the second", kept, false)
	})
	if got := f.backlog("b.example"); got.Items != 1 {
		f.Errorf("outbox holds %d items, want 1", got.Items)
	}
}

// gapless appends what does not follow: before anything, twice, with a gap, and after everything was delivered.
func gapless(f *fixture) {
	room := f.room("a")
	refused := func(name string, sequence uint64) {
		f.Helper()
		err := f.Hub.Update(f.Context(), func(tx hub.Tx) error {
			return tx.Append(room, hub.Item{Sequence: sequence, Timestamp: ms(at(0)), Body: []byte("x"), Destinations: []string{"b.example"}})
		})
		if !errors.Is(err, hub.ErrConflict) {
			f.Errorf("%s: got %v, want ErrConflict", name, err)
		}
	}
	refused("the second before the first", 2)
	f.send(room, []string{"b.example"}, 1, 2)
	refused("the first again", 1)
	refused("the last again", 2)
	refused("a gap", 4)
	f.advance(f.lane("b.example", room), 1<<20, 100)
	f.advance(f.lane("b.example", room), 1<<20, 100)
	refused("the last again, after its delivery", 2)
	f.hub(func(tx hub.Tx) {
		check(tx.Append(room, hub.Item{Sequence: 3, Timestamp: ms(at(3)), Body: []byte("for nobody")}))
		check(tx.Append(room, hub.Item{Sequence: 4, Timestamp: ms(at(4)), Body: []byte("x"), Destinations: []string{"b.example"}}))
	})
	f.expectBatch(f.lane("b.example", room), 4)
	f.hub(func(tx hub.Tx) { // the head is another table's: it may be behind its log
		check(tx.SaveHead(room, 0, hub.Head{Version: 1, Sequence: 4}))
		check(tx.Append(room, hub.Item{Sequence: 5, Timestamp: ms(at(5)), Body: []byte("x"), Destinations: []string{"b.example"}}))
	})
	refused("the last again, behind a head", 5)
}

// headChanges changes one field of a head at a time, with the version and without.
func headChanges(f *fixture) {
	room := f.room("a")
	h := hub.Head{Version: 1, GroupID: []byte("g"), Epoch: 3, EpochAt: 9, Sequence: 4, Timestamp: 11, Destinations: []string{"a", "b"}}
	f.hub(func(tx hub.Tx) { check(tx.SaveHead(room, 0, h)) })
	changes := []func(h *hub.Head){
		func(h *hub.Head) { h.Sequence++ }, func(h *hub.Head) { h.Timestamp++ }, func(h *hub.Head) { h.Epoch++ },
		func(h *hub.Head) { h.EpochAt++ }, func(h *hub.Head) { h.Destinations = []string{"a", "c"} },
		func(h *hub.Head) { h.Destinations = nil }, func(h *hub.Head) { h.GroupID = []byte("other") }, func(h *hub.Head) { h.Version++ },
	}
	for i, change := range changes {
		read := i%2 == 0 // with and without reading the head in the same transaction
		old := h.Version
		change(&h)
		err := f.Hub.Update(f.Context(), func(tx hub.Tx) error {
			if read {
				if _, _, err := tx.Head(room); err != nil {
					return err
				}
			}
			lost := h
			lost.GroupID = []byte("lost")
			return errors.Join(tx.SaveHead(room, old, lost), errAbort)
		})
		if !errors.Is(err, errAbort) {
			f.Fatalf("change %d: %v", i, err)
		}
		f.hub(func(tx hub.Tx) {
			if read {
				_, _, err := tx.Head(room)
				check(err)
			}
			check(tx.SaveHead(room, old, h))
			sameHead(fmt.Sprint("own write ", i), get2(tx.Head(room)), h)
		})
		f.ok(f.Hub.View(f.Context(), func(tx hub.Tx) error {
			got, _, err := tx.Head(room)
			if err == nil && !equalHeads(got, h) {
				err = fmt.Errorf("change %d: a View has %+v, want %+v", i, got, h)
			}
			return err
		}))
	}
}

func get2(h hub.Head, _ bool, err error) hub.Head {
	check(err)
	return h
}

func equalHeads(a, b hub.Head) bool {
	return a.Version == b.Version && bytes.Equal(a.GroupID, b.GroupID) && a.Epoch == b.Epoch && a.EpochAt == b.EpochAt &&
		a.Sequence == b.Sequence && a.Timestamp == b.Timestamp && slices.Equal(a.Destinations, b.Destinations)
}

func sameHead(what string, got, want hub.Head) {
	if !equalHeads(got, want) {
		panic(failure{fmt.Errorf("%s: got %+v, want %+v", what, got, want)})
	}
}

func keys(records []mls.Record) []string {
	var out []string
	for _, r := range records {
		out = append(out, r.Key)
	}
	return out
}

func hubView(f *fixture) {
	f.hub(func(tx hub.Tx) { check(fill(f, tx, 1)) })
	if f.Hub.View(f.Context(), func(tx hub.Tx) error { return fill(f, tx, 2) }) == nil {
		f.Error("a View wrote without an error")
	}
	f.ok(f.Hub.View(f.Context(), func(tx hub.Tx) error {
		h, ok, err := tx.Head(f.room("a"))
		if err == nil && (!ok || h.Version != 1) {
			return fmt.Errorf("version %d in a View, want 1", h.Version)
		}
		return err
	}))
	expectVersionOne(f)
}

func records(f *fixture) {
	a, b := f.room("a"), f.room("b")
	f.hub(func(tx hub.Tx) {
		check(tx.PutRecords(a, mls.Delta{{Key: "tree/2", Value: []byte("2")}, {Key: "tree/10", Value: []byte{}}, {Key: "tref", Value: []byte("x")},
			{Key: "tree%", Value: []byte("x")}, {Key: "tre", Value: []byte("x")}, {Key: "TREE/1", Value: []byte("x")}, {Key: "tree/\xff", Value: []byte("x")}}))
		check(tx.PutRecords(b, mls.Delta{{Key: "tree/1", Value: []byte("other room")}}))
	})
	f.hub(func(tx hub.Tx) {
		got := get(tx.Records(a, "tree/"))
		sameList("by prefix", keys(got), []string{"tree/10", "tree/2", "tree/\xff"})
		same("empty value is a value", got[0].Value != nil && len(got[0].Value) == 0, true)
		same("all", len(get(tx.Records(a, ""))), 7)
		same("none", len(get(tx.Records(a, "tree_"))), 0)
		check(tx.PutRecords(a, mls.Delta{{Key: "tree/2"}, {Key: "tref", Value: []byte("y")}, {Key: "never"}}))
	})
	f.hub(func(tx hub.Tx) {
		sameList("after deletion", keys(get(tx.Records(a, "tree/"))), []string{"tree/10", "tree/\xff"})
		same("replaced", string(get(tx.Records(a, "tref"))[0].Value), "y")
		same("other room", len(get(tx.Records(b, ""))), 1)
	})
}

func answers(f *fixture) {
	f.hub(func(tx hub.Tx) {
		check(tx.SaveAnswer([32]byte{1}, []byte("short"), at(10)))
		check(tx.SaveAnswer([32]byte{2}, []byte("long"), at(20)))
	})
	f.hub(func(tx hub.Tx) {
		octets, ok, err := tx.Answer([32]byte{1})
		check(err)
		same("found", ok, true)
		same("answer", string(octets), "short")
		_, ok, err = tx.Answer([32]byte{3})
		check(err)
		same("unknown", ok, false)
		same("expired", get(tx.Expire(at(15))), 1)
		_, ok, err = tx.Answer([32]byte{1})
		check(err)
		same("after expiry", ok, false)
		_, ok, err = tx.Answer([32]byte{2})
		check(err)
		same("not expired", ok, true)
	})
}

func cancelled(f *fixture) {
	ctx, cancel := context.WithCancel(f.Context())
	cancel()
	if err := f.Hub.Update(ctx, func(tx hub.Tx) error { return fill(f, tx, 1) }); !errors.Is(err, context.Canceled) {
		f.Errorf("got %v, want context.Canceled", err)
	}
	f.hub(func(tx hub.Tx) {
		_, ok, err := tx.Head(f.room("a"))
		check(err)
		same("room exists", ok, false)
	})
}

func buffers(f *fixture) {
	room := f.room("a")
	value, body := []byte("value"), []byte("body")
	f.hub(func(tx hub.Tx) {
		check(tx.PutRecords(room, mls.Delta{{Key: "k", Value: value}}))
		check(tx.Append(room, hub.Item{Sequence: 1, Timestamp: ms(at(0)), Body: body, Destinations: []string{"b.example"}}))
	})
	clear(value)
	clear(body)
	f.hub(func(tx hub.Tx) {
		same("value", string(get(tx.Records(room, "k"))[0].Value), "value")
	})
	if got := f.batch(f.lane("b.example", room)); !bytes.Equal(got[0].Body, []byte("body")) {
		f.Errorf("body became %q", got[0].Body)
	}
}

func hubReopen(f *fixture) {
	if f.Reopen == nil {
		f.Skip("the store forgets")
	}
	f.hub(func(tx hub.Tx) { check(fill(f, tx, 1)) })
	before := f.lane("b.example", f.room("a"))
	f.Stores = f.Reopen(f.T)
	expectVersionOne(f)
	after := f.lane("b.example", f.room("a"))
	if before.First != after.First || before.Last != after.Last || !before.Since.Equal(after.Since) {
		f.Errorf("lane changed: %+v, was %+v", after, before)
	}
	if !slices.Equal(f.sequences(after), []uint64{1}) {
		f.Error("the batch is not what it was")
	}
}

// hubAnswerIsOther checks that what packageExpiry saved is not an answer of the hub.
func hubAnswerIsOther(tx hub.Tx) {
	_, ok, err := tx.Answer([32]byte{2})
	check(err)
	same("a KeyPackage answer in the hub's table", ok, false)
}
