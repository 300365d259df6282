package simtest

import (
	"bytes"
	"context"
	"crypto"
	"fmt"
	"slices"
	"time"

	"parley/client"
	"parley/mimi"
	"parley/mls"
	"parley/mls/wire"
	"parley/uri"
)

// finish holds the world at rest against every promise.
func (w *World) finish() {
	w.done = true
	w.audit.read()
	for _, d := range w.devices {
		w.look(d)
		w.finishKeys(d)
	}
	for _, at := range sortedRooms(w.audit.rooms) {
		if w.failed == nil {
			w.finishRoom(w.audit.rooms[at])
		}
	}
	if w.failed == nil {
		w.finishMessages()
	}
	for _, d := range w.devices {
		for _, i := range d.client.Intents() {
			w.count(fmt.Sprintf("refused %s: %s", i.Kind, i.Reason))
		}
	}
}

// finishRoom requires that every member has everything and is where the hub is.
func (w *World) finishRoom(l *ledger) {
	alive := false
	for _, d := range w.devices {
		r, known := d.client.Room(l.room)
		member := l.current(d.account.Client.String()) != nil
		switch {
		case !known && len(l.spans[d.account.Client.String()]) > 0:
			if !w.orphaned(l) {
				w.fail("delivery", "%s was let into %s and does not know", d.name, w.short(l.room))
			}
			continue
		case !known:
			continue
		case member != r.Active():
			w.fail("agreement", "%s is a member of %s: %v; it shows: %v", d.name, w.short(l.room), member, r.Active())
			return
		case member && r.Epoch() != l.group.Epoch():
			w.fail("agreement", "%s is in epoch %d of %s, the hub in %d", d.name, r.Epoch(), w.short(l.room), l.group.Epoch())
			return
		}
		alive = alive || member && !w.audit.leaving(l.room, d)
		if member {
			w.finishStored(d, l)
		}
		w.lookTimeline(d, l.room, l, d.views[l.room], true)
	}
	if alive {
		w.finishLeaves(l)
	}
	for _, t := range l.thefts {
		w.burgle(l, t)
	}
}

// finishStored requires that what a device has stored of a room is where the hub is: the same group, epoch, tree and authenticator.
func (w *World) finishStored(d *device, l *ledger) {
	for _, records := range d.disk.groups() {
		g, err := mls.LoadGroup(w.fixture.mls(), records, func([]byte) crypto.Signer { return d.account.Signer })
		if err != nil {
			w.fail("open", "%s cannot load a group: %v", d.name, err)
			return
		}
		public := g.Public()
		if !bytes.Equal(public.GroupID(), l.group.GroupID()) {
			continue
		}
		own, err := g.Save()
		if err != nil {
			w.fail("open", "%s cannot save a group: %v", d.name, err)
			return
		}
		w.finishRecords(d, l, records, own)
		truth := l.epochs[l.group.Epoch()]
		if public.Epoch() != l.group.Epoch() || !bytes.Equal(public.TreeHash(), truth.tree) || !bytes.Equal(g.EpochAuthenticator(), truth.authenticator) {
			w.fail("agreement", "%s has stored another state of %s than the hub accepted", d.name, w.short(l.room))
		}
		return
	}
	w.fail("agreement", "%s has not stored its group of %s", d.name, w.short(l.room))
}

// finishKeys requires that a device stores the keys of the rooms that it is in and no others.
func (w *World) finishKeys(d *device) {
	active := 0
	for _, r := range d.client.Rooms() {
		if r.Active() {
			active++
		}
	}
	if stored := len(d.disk.groups()); stored != active {
		w.fail("leftovers", "%s is in %d rooms and stores keys of %d", d.name, active, stored)
	}
}

// finishRecords requires that nothing is stored beside a group's own records: what is left over of an earlier group may hold keys, and
// damages the next one.
func (w *World) finishRecords(d *device, l *ledger, stored []mls.Record, own mls.Delta) {
	keys := make(map[string]bool, len(own))
	for _, r := range own {
		keys[r.Key] = true
	}
	for _, r := range stored {
		if !keys[r.Key] {
			w.fail("leftovers", "%s stores %s of %s, which is not of its group", d.name, r.Key, w.short(l.room))
		}
	}
}

// finishLeaves requires that a room in which somebody can commit has completed every leave.
func (w *World) finishLeaves(l *ledger) {
	if n := len(l.group.Pending()); n > 0 {
		w.fail("liveness", "%d proposals of %s wait for ever", n, w.short(l.room))
	}
	for _, user := range l.epochs[l.group.Epoch()].participants {
		if l.left[user] {
			w.fail("liveness", "a user has left %s and is a participant still", w.short(l.room))
		}
	}
}

// orphaned reports whether a room's creation had no end that its creator saw: then nobody is in it.
func (w *World) orphaned(l *ledger) bool { return len(l.items) == 0 }

// finishMessages requires that every message that somebody wrote was accepted once or is shown as refused.
func (w *World) finishMessages() {
	ids := make([]string, 0, len(w.audit.written))
	for id := range w.audit.written {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		n := w.audit.written[id]
		_, accepted := w.audit.rooms[n.room].ids[id]
		refused := slices.ContainsFunc(n.by.client.Intents(), func(i client.Intent) bool {
			return string(i.MessageID) == id && i.Fate == client.Failed
		})
		if !accepted && !refused && n.wished {
			w.fail("no silent loss", "%s wrote %q; it was not accepted, and nothing says so", n.by.name, n.text)
			return
		}
	}
}

// burgle opens the store of a removed device as it was when the removal was accepted, and gives it everything that came later: it
// must not read anything of a later epoch.
func (w *World) burgle(l *ledger, t theft) {
	if len(l.items) <= t.from+1 || w.failed != nil {
		return
	}
	ctx := context.Background()
	store := quiet{&disk{device: t.device, records: t.records}}
	thief, err := client.Open(ctx, client.Config{Store: store, Provider: nobody{}, MLS: w.fixture.mls(), Now: t.device.now})
	if err != nil {
		w.fail("open", "the store of %s cannot be opened: %v", t.device.name, err)
		return
	}
	_, known := thief.Room(l.room)
	if !known {
		return // it had not got its Welcome yet, and the Welcome is not among what it gets
	}
	thief.TakeNew()
	last := l.items[t.from].message.Public.Content.Epoch
	end := l.backAt(t)
	for _, withRemoval := range []bool{false, true} {
		for place := t.from; place < end; place++ {
			e := &l.items[place]
			if place == t.from && !withRemoval {
				continue
			}
			event := client.Event{Cursor: thief.Cursor() + 1, Room: l.room, Timestamp: e.time, Body: e.body}
			if err := thief.Handle(ctx, event); err != nil {
				w.fail("removal", "the thief's client fails: %v", err)
				return
			}
		}
	}
	for _, e := range thief.TakeNew()[l.room] {
		if e.Kind == client.EntryMessage && e.Epoch > last && !e.Own {
			w.fail("removal", "%s was removed in epoch %d of %s and reads a message of epoch %d", t.device.name, last, w.short(l.room), e.Epoch)
		}
	}
	w.count("burglaries")
}

// backAt is the entry that let the removed device in again: from there on it may read.
func (l *ledger) backAt(t theft) int {
	for _, s := range l.spans[t.device.account.Client.String()] {
		if s.from > t.from {
			return s.from
		}
	}
	return len(l.items)
}

// nobody is a provider that does not answer.
type nobody struct{}

var errNobody = failure(mimi.Unavailable, "nobody", 0) // constant

func (nobody) PublishKeyPackages(context.Context, []wire.KeyPackage) (int, error) {
	return 0, errNobody
}

func (nobody) CreateRoom(context.Context, uri.Room, *wire.GroupInfo, *wire.RatchetTree) error {
	return errNobody
}

func (nobody) KeyMaterial(context.Context, uri.User, *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error) {
	return nil, errNobody
}

func (nobody) Update(context.Context, uri.Room, *mimi.UpdateRequest) (*mimi.UpdateRoomResponse, error) {
	return nil, errNobody
}

func (nobody) SubmitMessages(context.Context, uri.Room, []*mimi.SubmitMessageRequest) ([]*mimi.SubmitMessageResponse, error) {
	return nil, errNobody
}

func (nobody) GroupInfo(context.Context, uri.Room, *mimi.GroupInfoRequest) (*mimi.GroupInfoResponse, error) {
	return nil, errNobody
}

func (nobody) Events(context.Context, client.Cursor, time.Duration) ([]client.Event, error) {
	return nil, errNobody
}

func (nobody) Ack(context.Context, client.Cursor) error { return errNobody }
