package simtest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"parley/client"
	"parley/clientapi/api"
	"parley/follower"
	"parley/inbox"
	"parley/mimi"
	"parley/mls"
	"parley/mls/wire"
	"parley/syntax"
	"parley/uri"
)

// device is one device of a user: a store that survives, and a real client that lives from one crash to the next.
type device struct {
	process
	world   *World
	account *client.Account
	home    *provider
	disk    *disk
	skew    time.Duration
	client  *client.Client // nil while the process is down
	bell    bell
	todo    []action           // what the person does as soon as the device runs
	fresh   bool               // opened just now: nothing of it was looked at
	views   map[uri.Room]*view // what was seen of it, over all lives
}

func (d *device) now() time.Time { return d.world.clock(d.skew) }

func (d *device) self() follower.Client {
	return follower.Client{User: d.account.User, Client: d.account.Client}
}

// start opens the client on its store.
func (d *device) start() {
	d.life++
	d.up = true
	d.bell = bell{}
	d.world.spawn(&d.process, d.run)
}

// How many KeyPackages a device keeps at its provider, and how few make it publish more. Few are cheap, and run out.
const (
	wantedStock = 2
	lowStock    = 2
	stockEvery  = 15 * time.Second
)

// pollEvery is how often a device asks its provider without being woken.
const pollEvery = 5 * time.Second

// run is the life of a client: it takes what came, works off what the person wants, and waits.
func (d *device) run() {
	w := d.world
	ctx := context.Background()
	c, err := client.Open(ctx, client.Config{Store: d.disk, Provider: &api1{d}, MLS: w.fixture.mls(), Now: d.now, Wanted: wantedStock})
	if err != nil {
		w.fail("open", "%s cannot open its store: %v", d.name, err)
		return
	}
	d.client, d.fresh = c, true
	var stock time.Duration // when to look at the stock of KeyPackages
	for {
		if stock <= w.now {
			err := c.Stock(ctx, lowStock)
			d.survive(err)
			if err == nil {
				stock = w.now + stockEvery
			}
		}
		_, err := c.Receive(ctx, 0)
		d.survive(err)
		w.look(d)
		for len(d.todo) > 0 {
			next := d.todo[0]
			d.todo = d.todo[1:]
			d.survive(next.do(ctx, d))
		}
		next, err := c.Flush(ctx)
		d.survive(err)
		w.look(d)
		wait := w.between(pollEvery/2, pollEvery)
		if !next.IsZero() {
			wait = min(wait, max(next.Sub(d.now()), time.Millisecond))
		}
		if stock <= w.now {
			wait = min(wait, time.Second)
		}
		w.wait(&d.bell, wait)
	}
}

// survive ends the process when its store failed; what a provider answered is for the next round.
func (d *device) survive(err error) {
	if errors.Is(err, client.ErrBroken) {
		d.crash("because its store failed")
	}
}

// crash ends the process; it is opened again a while later. In a task of the device it does not return.
func (d *device) crash(why string) {
	w := d.world
	if !d.up {
		return
	}
	w.say(&d.process, nil, "crashes %s", why)
	w.count("device crashes")
	d.client = nil
	w.after(w.between(50*time.Millisecond, 4*time.Second), func() {
		w.say(&d.process, nil, "starts again")
		d.start()
	})
	w.kill(&d.process)
}

// disk is a device's store. A change set is stored whole or not at all.
type disk struct {
	device  *device
	records map[string][]byte
	fatal   func(changes mls.Delta) bool // before which changes the device crashes, in a story
}

func (k *disk) Load(_ context.Context, prefix string) ([]mls.Record, error) {
	var out []mls.Record
	for key, value := range k.records {
		if strings.HasPrefix(key, prefix) {
			out = append(out, mls.Record{Key: key, Value: bytes.Clone(value)})
		}
	}
	slices.SortFunc(out, func(a, b mls.Record) int { return strings.Compare(a.Key, b.Key) })
	return out, nil
}

var errDisk = errors.New("simtest: the disk failed")

func (k *disk) Commit(_ context.Context, changes mls.Delta) error {
	w, d := k.device.world, k.device
	if w.chance(w.faults.device) || k.fatal != nil && k.fatal(changes) {
		d.crash("before a commit")
	}
	if w.chance(w.faults.disk) {
		w.count("disk failures")
		if w.chance(0.5) {
			k.write(changes)
		}
		return errDisk
	}
	k.write(changes)
	if w.chance(w.faults.device) {
		d.crash("after a commit")
	}
	return nil
}

func (k *disk) write(changes mls.Delta) {
	for _, c := range changes {
		if c.Value == nil {
			delete(k.records, c.Key)
		} else {
			k.records[c.Key] = bytes.Clone(c.Value)
		}
	}
}

// groups are the records of the MLS groups in a store, by the part of the key before the group's own.
func (k *disk) groups() map[string][]mls.Record {
	out := make(map[string][]mls.Record)
	for key, value := range k.records {
		if room, own, ok := strings.Cut(key, "/mls/"); ok {
			out[room] = append(out[room], mls.Record{Key: own, Value: value})
		}
	}
	return out
}

// copy is the store as a thief of the device finds it.
func (k *disk) copy() map[string][]byte {
	out := make(map[string][]byte, len(k.records))
	for key, value := range k.records {
		out[key] = value
	}
	return out
}

// api1 is the device's provider as the device reaches it. It implements client.Provider.
type api1 struct{ *device }

func (a *api1) message(what string) *message {
	return &message{from: &a.process, to: &a.home.process, what: what, timeout: clientTimeout, local: true}
}

// spoken is the error that a client learns: try again, or no.
func (a *api1) spoken(err error) error {
	var known *mimi.Error
	if errors.As(err, &known) && known.Temporary() {
		return &client.RetryError{After: known.RetryAfter, Waiting: a.home.uri.Domain(), Err: err}
	}
	return err
}

func spoken[A any](a *api1) func(A, error) (A, error) {
	return func(answer A, err error) (A, error) { return answer, a.spoken(err) }
}

// count carries a number.
type count struct{ n uint32 }

func (v *count) Syntax(c *syntax.Codec) { syntax.U32(c, &v.n) }

func (a *api1) PublishKeyPackages(ctx context.Context, list []wire.KeyPackage) (int, error) {
	request := &api.KeyPackages{KeyPackages: list}
	answer, err := exchange(a.world, a.message("publish"), request, func(r *api.KeyPackages) (*count, error) {
		n, err := a.home.publish(ctx, a.self(), r.KeyPackages)
		return &count{uint32(n)}, err
	})
	if err != nil {
		return 0, a.spoken(err)
	}
	return int(answer.n), nil
}

func (a *api1) CreateRoom(ctx context.Context, at uri.Room, info *wire.GroupInfo, tree *wire.RatchetTree) error {
	request := &api.CreateRoom{GroupInfo: *info, Tree: *tree}
	m := a.message("create " + a.world.short(at))
	_, err := exchange(a.world, m, request, func(r *api.CreateRoom) (*none, error) {
		return nil, a.home.createRoom(ctx, a.self(), at, &r.GroupInfo, &r.Tree)
	})
	return a.spoken(err)
}

func (a *api1) KeyMaterial(ctx context.Context, target uri.User, r *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error) {
	m := a.message("keyMaterial of " + target.Name())
	return spoken[*mimi.KeyMaterialResponse](a)(exchange(a.world, m, r, func(r *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error) {
		return a.home.follower.KeyMaterial(ctx, a.self(), target, r)
	}))
}

func (a *api1) Update(ctx context.Context, at uri.Room, r *mimi.UpdateRequest) (*mimi.UpdateRoomResponse, error) {
	m := a.message(about("update "+a.world.short(at), r))
	answer, err := exchange(a.world, m, r, func(r *mimi.UpdateRequest) (*mimi.UpdateRoomResponse, error) {
		return a.home.follower.Update(ctx, a.self(), at, r)
	})
	if err == nil && answer.Code == mimi.UpdateWrongEpoch {
		a.world.count("lost races")
	}
	return answer, a.spoken(err)
}

func (a *api1) SubmitMessages(ctx context.Context, at uri.Room, list []*mimi.SubmitMessageRequest) ([]*mimi.SubmitMessageResponse, error) {
	for _, r := range list {
		a.world.audit.sends(a.device, &r.Message)
	}
	if len(list) > 1 {
		a.world.count("messages sent together")
	}
	m := a.message("submit " + a.world.short(at))
	answers, err := submit(a.world, m, list, func(list []*mimi.SubmitMessageRequest) ([]*mimi.SubmitMessageResponse, error) {
		return a.home.follower.SubmitMessages(ctx, a.self(), at, list)
	})
	for _, answer := range answers {
		if answer.Code == mimi.SubmitEpochTooOld {
			a.world.count("re-encryptions")
		}
	}
	return answers, a.spoken(err)
}

func (a *api1) GroupInfo(ctx context.Context, at uri.Room, r *mimi.GroupInfoRequest) (*mimi.GroupInfoResponse, error) {
	m := a.message("groupInfo " + a.world.short(at))
	return spoken[*mimi.GroupInfoResponse](a)(exchange(a.world, m, r, func(r *mimi.GroupInfoRequest) (*mimi.GroupInfoResponse, error) {
		return a.home.follower.GroupInfo(ctx, a.self(), at, r)
	}))
}

// cursor carries a place in an inbox.
type cursor struct{ at uint64 }

func (v *cursor) Syntax(c *syntax.Codec) { syntax.U64(c, &v.at) }

func (a *api1) Events(ctx context.Context, after client.Cursor, _ time.Duration) ([]client.Event, error) {
	answer, err := exchange(a.world, a.message("events"), &cursor{uint64(after)}, func(r *cursor) (*api.Events, error) {
		list, err := a.home.events(ctx, a.self(), inbox.Cursor(r.at))
		out := new(api.Events)
		for _, e := range list {
			out.Events = append(out.Events, api.Event{
				Cursor: uint64(e.Cursor), Room: e.Room.String(), Kind: api.Fanout, Timestamp: e.Timestamp, Body: e.Body})
		}
		return out, err
	})
	if err != nil {
		return nil, a.spoken(err)
	}
	out := make([]client.Event, 0, len(answer.Events))
	for _, e := range answer.Events {
		at, err := uri.ParseRoom(e.Room)
		if err != nil {
			return nil, err
		}
		out = append(out, client.Event{Cursor: client.Cursor(e.Cursor), Room: at, Timestamp: e.Timestamp, Body: e.Body})
	}
	return out, nil
}

func (a *api1) Ack(ctx context.Context, at client.Cursor) error {
	_, err := exchange(a.world, a.message("ack"), &cursor{uint64(at)}, func(r *cursor) (*none, error) {
		return nil, a.home.inboxes.Ack(ctx, a.self().Client, inbox.Cursor(r.at))
	})
	return a.spoken(err)
}
