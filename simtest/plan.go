package simtest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"parley/client"
	"parley/content"
	"parley/inbox"
	"parley/mls"
	"parley/outbox"
	"parley/policy"
	"parley/store/memory"
	"parley/uri"
)

// quiet is a disk that does not fail.
type quiet struct{ *disk }

func (q quiet) Commit(_ context.Context, changes mls.Delta) error {
	q.write(changes)
	return nil
}

func newStore() *memory.Store {
	s := memory.New()
	s.Single = true
	return s
}

// action is something that a person does on a device. It runs in the device's task.
type action struct {
	do func(ctx context.Context, d *device) error
}

// plan draws what people do and what breaks, and when.
func (w *World) plan() {
	w.planPeople()
	w.planFaults()
	w.after(stormy, w.heal)
}

func (w *World) planPeople() {
	rooms := 1 + w.rng.IntN(2)
	for i := range rooms {
		w.person(w.between(0, 3*time.Second), w.anyDevice, func(ctx context.Context, d *device) error {
			return w.create(ctx, d, fmt.Sprint("r", i+1), 0)
		})
	}
	for range 2 + w.rng.IntN(3) { // people come in early, or there is nobody to talk to
		w.person(w.between(2*time.Second, 8*time.Second), w.someone, w.add)
	}
	for range 1 + w.rng.IntN(4) {
		w.person(w.between(5*time.Second, stormy), w.someone, w.add)
	}
	for range 6 + w.rng.IntN(9) {
		w.person(w.between(3*time.Second, stormy), w.someone, w.write)
	}
	for range w.rng.IntN(3) {
		w.person(w.between(10*time.Second, stormy), w.someone, w.remove)
	}
	for range w.rng.IntN(3) {
		w.person(w.between(10*time.Second, stormy), w.someone, w.leave)
	}
	for range w.rng.IntN(3) {
		w.after(w.between(2*time.Second, stormy*3/4), w.secondDevice)
	}
	for range 1 + w.rng.IntN(3) {
		w.person(w.between(8*time.Second, stormy*3/4), w.someone, w.govern)
	}
	for range w.rng.IntN(3) {
		w.race(w.between(6*time.Second, stormy*2/3))
	}
}

// race lets everybody change rooms at the same moment. The network holds the updates back and hands them over all at once, to hubs
// whose transactions take long just then.
func (w *World) race(at time.Duration) {
	const bunched, slow = 4 * time.Second, 400 * time.Millisecond
	w.after(at, func() {
		w.say(nil, nil, "everybody at once")
		w.convoy = w.now + bunched
		for _, d := range w.devices {
			do := []func(context.Context, *device) error{w.add, w.add, w.remove, w.write}[w.rng.IntN(4)]
			w.person(0, func() *device { return d }, do)
		}
	})
	w.after(at+bunched, func() {
		usual := w.faults.slow
		w.faults.slow = slow
		w.after(time.Second, func() { w.faults.slow = usual })
	})
}

// person has somebody do something.
func (w *World) person(at time.Duration, who func() *device, do func(context.Context, *device) error) {
	w.after(at, func() {
		if d := who(); d != nil {
			d.todo = append(d.todo, action{do})
			w.ring(&d.bell)
		}
	})
}

func (w *World) anyDevice() *device { return w.devices[w.rng.IntN(len(w.devices))] }

// someone picks a device that is in a room, if there is one.
func (w *World) someone() *device {
	var in []*device
	for _, d := range w.devices {
		if d.client != nil && slices.ContainsFunc(d.client.Rooms(), (*client.Room).Active) {
			in = append(in, d)
		}
	}
	if len(in) == 0 {
		return w.anyDevice()
	}
	return in[w.rng.IntN(len(in))]
}

// create makes a room at the device's provider. While its fate is unknown the person tries with another name, as the room of that
// name may exist now.
func (w *World) create(ctx context.Context, d *device, name string, tries int) error {
	at, err := uri.NewRoom(d.home.uri, name)
	if err != nil {
		return err
	}
	err = d.client.Create(ctx, at, name)
	if err == nil {
		w.count("rooms created")
		w.say(&d.process, nil, "has room %s", name)
		return nil
	}
	if !errors.Is(err, client.ErrBroken) && tries < 8 {
		w.person(w.between(time.Second, 4*time.Second), func() *device { return d }, func(ctx context.Context, d *device) error {
			return w.create(ctx, d, fmt.Sprint(name, "x"), tries+1)
		})
	}
	return err
}

// aRoom picks a room in which the device can do something.
func (w *World) aRoom(d *device) *client.Room {
	var active []*client.Room
	for _, r := range d.client.Rooms() {
		if r.Active() {
			active = append(active, r)
		}
	}
	if len(active) == 0 {
		return nil
	}
	return active[w.rng.IntN(len(active))]
}

// write sends a text.
func (w *World) write(ctx context.Context, d *device) error {
	r := w.aRoom(d)
	if r == nil {
		return nil
	}
	return w.writeIn(ctx, d, r)
}

func (w *World) writeIn(ctx context.Context, d *device, r *client.Room) error {
	n := len(w.audit.written) + 1
	var salt [16]byte
	binary.BigEndian.PutUint64(salt[:], w.rng.Uint64())
	text := fmt.Sprintf("%s %d of %s", canary, n, d.name)
	encoded, err := content.NewText(salt, d.account.User, r.URI, text).Encode()
	if err != nil {
		return err
	}
	id := content.ID(d.account.User, r.URI, encoded, salt)
	w.audit.writes(d, r.URI, string(id[:]), text)
	intent, err := d.client.Send(ctx, r.URI, encoded, id[:])
	if err != nil {
		return err
	}
	w.audit.written[string(id[:])].wished = true
	w.say(&d.process, nil, "writes message %d in %s (intent %d)", n, w.short(r.URI), intent)
	w.count("messages written")
	return nil
}

// add asks for somebody who is not in the room.
func (w *World) add(ctx context.Context, d *device) error {
	r := w.aRoom(d)
	if r == nil {
		return nil
	}
	var strangers []uri.User
	list, err := r.People()
	if err != nil {
		return err
	}
	for _, other := range w.devices {
		user := other.account.User
		in := slices.ContainsFunc(list, func(p client.Person) bool { return p.User == user })
		if !in && !slices.Contains(strangers, user) {
			strangers = append(strangers, user)
		}
	}
	if len(strangers) == 0 {
		return w.remove(ctx, d)
	}
	user := strangers[w.rng.IntN(len(strangers))]
	w.say(&d.process, nil, "adds %s to %s", user.Name(), w.short(r.URI))
	w.count("adds wished")
	_, err = d.client.Add(ctx, r.URI, user)
	return err
}

// remove asks for somebody to be removed, mostly when the person's role allows it.
func (w *World) remove(ctx context.Context, d *device) error {
	r := w.aRoom(d)
	if r == nil {
		return nil
	}
	list, err := r.People()
	if err != nil {
		return err
	}
	role := uint32(0)
	var others []uri.User
	for _, p := range list {
		if p.User == d.account.User {
			role = p.Role
		} else {
			others = append(others, p.User)
		}
	}
	if len(others) == 0 || role < policy.RoleAdmin && !w.chance(0.15) {
		return nil
	}
	user := others[w.rng.IntN(len(others))]
	w.say(&d.process, nil, "removes %s from %s", user.Name(), w.short(r.URI))
	w.count("removes wished")
	_, err = d.client.Remove(ctx, r.URI, user)
	return err
}

// leave has the user leave a room, unless alone in it.
func (w *World) leave(ctx context.Context, d *device) error {
	r := w.aRoom(d)
	if r == nil {
		return nil
	}
	list, err := r.People()
	if err != nil || len(list) < 2 {
		return err
	}
	w.say(&d.process, nil, "leaves %s", w.short(r.URI))
	w.count("leaves wished")
	_, err = d.client.Leave(ctx, r.URI)
	return err
}

// secondDevice gives somebody a second device, which joins the user's rooms by itself.
func (w *World) secondDevice() {
	first := w.anyDevice()
	user := first.account.User
	if n := slices.IndexFunc(w.devices, func(d *device) bool { return d != first && d.account.User == user }); n >= 0 {
		return
	}
	w.enrol(user.Name(), 1)
	second := w.devices[len(w.devices)-1]
	for range 3 {
		w.person(w.between(0, 15*time.Second), func() *device { return second }, func(ctx context.Context, d *device) error {
			return w.join(ctx, first, d)
		})
	}
}

// join lets a second device into the rooms that the first one shows.
func (w *World) join(ctx context.Context, first, second *device) error {
	if first.client == nil {
		return nil
	}
	for _, r := range first.client.Rooms() {
		if own, known := second.client.Room(r.URI); !r.Active() || known && own.Active() {
			continue
		}
		if slices.ContainsFunc(second.client.Intents(), func(i client.Intent) bool {
			return i.Kind == client.JoinRoom && i.Room == r.URI.String() && i.Fate != client.Failed
		}) {
			continue
		}
		w.say(&second.process, nil, "joins %s", w.short(r.URI))
		w.count("joins wished")
		if _, err := second.client.Join(ctx, r.URI); err != nil {
			return err
		}
	}
	return nil
}

// planFaults draws the faults that come at a time.
func (w *World) planFaults() {
	for range w.faults.cuts {
		w.after(w.between(0, stormy), w.partition)
	}
	for range w.faults.restart {
		w.after(w.between(0, stormy), func() {
			w.providers[w.rng.IntN(len(w.providers))].crash("by itself")
		})
		w.after(w.between(0, stormy), func() {
			w.anyDevice().crash("by itself")
		})
	}
	for range w.faults.liars {
		w.after(w.between(5*time.Second, stormy), w.lieAgain)
	}
	if w.faults.leap {
		w.after(w.between(10*time.Second, stormy-5*time.Second), w.leap)
	}
	for range w.faults.jumps {
		w.after(w.between(0, stormy), w.jump)
	}
}

// partition lets nothing pass in one direction between two processes for a while.
func (w *World) partition() {
	a := w.providers[w.rng.IntN(len(w.providers))]
	from, to := &a.process, &w.providers[w.rng.IntN(len(w.providers))].process
	if w.chance(0.3) {
		d := w.anyDevice()
		from, to = &d.process, &d.home.process
	}
	if w.chance(0.5) {
		from, to = to, from
	}
	if from == to {
		return
	}
	until := w.now + w.between(time.Second, 15*time.Second)
	w.say(from, to, "cut off until %.1fs", until.Seconds())
	w.count("partitions")
	w.cuts[direction{from, to}] = until
}

// jump sets a clock to another error.
func (w *World) jump() {
	skew := w.between(-maxSkew, maxSkew)
	if n := w.rng.IntN(len(w.providers) + len(w.devices)); n < len(w.providers) {
		w.providers[n].skew = skew
		w.say(&w.providers[n].process, nil, "clock is off by %v", skew)
	} else {
		w.devices[n-len(w.providers)].skew = skew
		w.say(&w.devices[n-len(w.providers)].process, nil, "clock is off by %v", skew)
	}
	w.count("clock jumps")
}

// heal ends all faults. From here on everything has to come to rest.
func (w *World) heal() {
	w.faults = faults{}
	clear(w.cuts)
	w.calm = true
	w.say(nil, nil, "all is well again")
	w.after(checkEvery, w.inspect)
}

// checkEvery is how often a calm world is asked whether it has come to rest.
const checkEvery = 2 * time.Second

// inspect goes on when nothing is on its way any more: with a last message of every member in every room, then with the end.
func (w *World) inspect() {
	if w.unrest() != "" {
		w.after(checkEvery, w.inspect)
		return
	}
	if len(w.story) > 0 {
		next := w.story[0]
		w.story = w.story[1:]
		next()
		w.after(checkEvery, w.inspect)
		return
	}
	if !w.audit.lastWords {
		w.audit.lastWords = true
		w.lastWords()
		w.after(checkEvery, w.inspect)
		return
	}
	w.finish()
}

// lastWords shows that nobody is stuck: many members write, and all must read it.
func (w *World) lastWords() {
	for _, d := range w.devices {
		d.todo = append(d.todo, action{func(ctx context.Context, d *device) error {
			for _, r := range d.client.Rooms() {
				if !r.Active() || w.audit.leaving(r.URI, d) || w.chance(0.5) {
					continue
				}
				if err := w.writeIn(ctx, d, r); err != nil {
					return err
				}
			}
			return nil
		}})
		w.ring(&d.bell)
	}
}

// unrest says what is still on its way; "" for nothing.
func (w *World) unrest() string {
	ctx := context.Background()
	for _, d := range w.devices {
		if d.client == nil || len(d.todo) > 0 {
			return d.name + " is busy"
		}
		for _, i := range d.client.Intents() {
			if i.Fate == client.Waiting || i.Fate == client.Accepted {
				return fmt.Sprintf("%s has intent %d, %s of %s, %s: %s", d.name, i.ID, i.Kind, i.Room, i.Fate, i.Reason)
			}
		}
		n := 0
		err := d.home.store.Inbox().View(ctx, func(tx inbox.Tx) error {
			// What came and was not acknowledged waits for the next acknowledgement; that is no unrest.
			entries, err := tx.Read(d.account.Client, inbox.Cursor(d.client.Cursor()), 100, 1<<20)
			n = len(entries)
			return err
		})
		if err != nil || n > 0 {
			return fmt.Sprintf("%d entries wait for %s", n, d.name)
		}
	}
	for _, p := range w.providers {
		if !p.up {
			return p.name + " is down"
		}
		var waiting []outbox.Backlog
		err := p.store.Outbox().View(ctx, func(tx outbox.Tx) (err error) {
			waiting, err = tx.Backlogs()
			return err
		})
		if err != nil || len(waiting) > 0 {
			return fmt.Sprintf("%s has something for %s", p.name, waiting[0].Destination)
		}
		if len(p.tasks) > dispatchers {
			return p.name + " is busy"
		}
	}
	return ""
}
