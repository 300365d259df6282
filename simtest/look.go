package simtest

import (
	"bytes"
	"context"
	"slices"

	"parley/client"
	"parley/uri"
)

// view is what was seen of a room on a device.
type view struct {
	epoch   uint64
	entries int
}

// look holds what a device shows against what has happened. It runs after everything that the device does.
func (w *World) look(d *device) {
	w.audit.read()
	if w.failed != nil {
		return
	}
	news := d.client.TakeNew()
	for _, r := range d.client.Rooms() {
		v := d.views[r.URI]
		if v == nil {
			v = new(view)
			d.views[r.URI] = v
		}
		l := w.audit.rooms[r.URI]
		if l == nil {
			w.fail("rooms", "%s shows a room that does not exist", d.name)
			return
		}
		w.lookEpoch(d, r, l, v)
		if d.fresh || len(news[r.URI]) > 0 {
			w.lookTimeline(d, r.URI, l, v, false)
		}
	}
	d.fresh = false
	w.lookIntents(d)
}

// lookEpoch compares what members of an epoch must agree on; epochs only grow.
func (w *World) lookEpoch(d *device, r *client.Room, l *ledger, v *view) {
	if !r.Active() {
		return
	}
	now := r.Epoch()
	if now < v.epoch {
		w.fail("epochs grow", "%s went from epoch %d of %s to %d", d.name, v.epoch, w.short(r.URI), now)
	}
	if now == v.epoch && now > 0 && !d.fresh {
		return
	}
	v.epoch = now
	truth := l.epochs[now]
	if truth == nil {
		w.fail("agreement", "%s is in epoch %d of %s, which the hub has not accepted", d.name, now, w.short(r.URI))
		return
	}
	if !slices.Contains(truth.clients, d.account.Client.String()) {
		w.fail("agreement", "%s shows epoch %d of %s and is no member of it", d.name, now, w.short(r.URI))
	}
	if truth.authenticator == nil {
		truth.authenticator = r.Authenticator()
	}
	if !bytes.Equal(truth.authenticator, r.Authenticator()) {
		w.fail("agreement", "%s has another authenticator of epoch %d of %s", d.name, now, w.short(r.URI))
	}
	w.lookPeople(d, r, truth)
}

func (w *World) lookPeople(d *device, r *client.Room, truth *epoch) {
	people, err := r.People()
	if err != nil {
		w.fail("agreement", "%s cannot list people: %v", d.name, err)
		return
	}
	var users, clients []string
	for _, p := range people {
		users = append(users, p.User.String())
		for _, c := range p.Devices {
			clients = append(clients, c.String())
		}
	}
	slices.Sort(clients)
	if !slices.Equal(users, truth.participants) || !slices.Equal(clients, truth.clients) {
		w.fail("agreement", "%s shows other people in epoch %d of %s than the hub accepted", d.name, r.Epoch(), w.short(r.URI))
	}
}

// lookTimeline holds the messages of a timeline against the hub's log: the same ones, in the same order, none left out, none twice.
// At the end nothing may be missing.
func (w *World) lookTimeline(d *device, at uri.Room, l *ledger, v *view, complete bool) {
	entries, err := d.client.Timeline(context.Background(), at, 0, 1<<20)
	if err != nil {
		w.fail("timeline", "%s cannot read the timeline of %s: %v", d.name, w.short(at), err)
		return
	}
	if len(entries) < v.entries {
		w.fail("timeline", "the timeline of %s on %s became shorter", w.short(at), d.name)
	}
	v.entries = len(entries)
	want := l.expected(d.account.Client.String())
	for i, e := range entries {
		if e.Seq != uint64(i) {
			w.fail("timeline", "entry %d of %s on %s has number %d", i, w.short(at), d.name, e.Seq)
		}
		switch e.Kind {
		case client.EntryMessage:
			want = w.lookMessage(d, at, e, want)
		case client.EntryGap:
			want = w.lookGap(d, at, e, want)
		}
		if w.failed != nil {
			return
		}
	}
	if !complete {
		return
	}
	for _, x := range want {
		if !x.optional && !x.unreadable {
			w.fail("delivery", "message %q, which %s accepted, never came to %s", w.audit.written[x.id].text, w.short(at), d.name)
			return
		}
	}
}

func (w *World) lookMessage(d *device, at uri.Room, e client.Entry, want []expectation) []expectation {
	for len(want) > 0 && want[0].id != string(e.MessageID) && (want[0].optional || want[0].unreadable) {
		want = want[1:]
	}
	wrote := w.audit.written[string(e.MessageID)]
	switch {
	case wrote == nil:
		w.fail("timeline", "%s shows a message in %s that nobody wrote", d.name, w.short(at))
	case len(want) == 0:
		w.fail("order", "%s shows %q in %s once more, or too early", d.name, wrote.text, w.short(at))
	case want[0].id != string(e.MessageID):
		w.fail("order", "%s shows %q in %s, where %q comes next", d.name, wrote.text, w.short(at), w.audit.written[want[0].id].text)
	case e.Text != wrote.text || e.User != wrote.by.account.User.String() || e.Unverified != "":
		w.fail("timeline", "%s shows %q otherwise than it was written", d.name, wrote.text)
	default:
		return want[1:]
	}
	return nil
}

// lookGap allows a gap where a message was sealed before the device came in, and nowhere else.
func (w *World) lookGap(d *device, at uri.Room, e client.Entry, want []expectation) []expectation {
	for i, x := range want {
		if x.unreadable {
			return want[i+1:]
		}
		if !x.optional {
			break
		}
	}
	w.fail("gaps", "%s could not read something in %s: %s", d.name, w.short(at), e.Reason)
	return nil
}

// lookIntents holds what a person is told about what he wanted against the hub's log: what is shown as sent was accepted, what is
// shown as refused was not.
func (w *World) lookIntents(d *device) {
	for _, i := range d.client.Intents() {
		at, err := uri.ParseRoom(i.Room)
		if err != nil {
			w.fail("outbox", "an intent of %s is for no room", d.name)
			return
		}
		l := w.audit.rooms[at]
		if l == nil {
			continue
		}
		accepted := false
		if i.Kind == client.SendMessage {
			_, accepted = l.ids[string(i.MessageID)]
		} else if len(i.Sum) == 32 {
			_, accepted = l.sums[[32]byte(i.Sum)]
		}
		switch {
		case i.Fate == client.Accepted && !accepted:
			w.fail("no false success", "%s shows a %s as accepted that the hub of %s does not have", d.name, i.Kind, w.short(at))
		case i.Fate == client.Failed && i.Kind == client.SendMessage && w.mayTalk(d, l, i):
			w.fail("fair", "%s may talk in %s and is told no: %s", d.name, w.short(at), i.Reason)
		case i.Fate == client.Failed && accepted:
			w.fail("no false refusal", "%s shows a %s as refused (%s) that the hub of %s has accepted", d.name, i.Kind, i.Reason, w.short(at))
		}
	}
}

// mayTalk reports whether a device has been a member since before it noted the refused wish, with nobody having asked it to go.
func (w *World) mayTalk(d *device, l *ledger, i client.Intent) bool {
	s := l.current(d.account.Client.String())
	return s != nil && s.leaving == open && len(l.spans[d.account.Client.String()]) == 1
}
