package simtest

import (
	"context"
	"crypto"
	"errors"
	"time"

	"parley/credential"
	"parley/follower"
	"parley/hub"
	"parley/inbox"
	"parley/keypkg"
	"parley/mimi"
	"parley/mls"
	"parley/mls/wire"
	"parley/outbox"
	"parley/store/memory"
	"parley/uri"
)

// authority is what a provider has for good: its name and its keys.
type authority struct {
	uri    uri.Provider
	ca     *credential.CA
	signer crypto.Signer
	sender wire.ExternalSender
}

// provider is one provider: a store that survives, and roles that live from one crash to the next.
type provider struct {
	process
	*authority
	world *World
	store *memory.Store
	skew  time.Duration
	dirty bool // something was committed since the last audit

	hub      *hub.Hub
	follower *follower.Follower
	packages *keypkg.Packages
	outbox   *outbox.Outbox
	inboxes  *inbox.Inboxes
	work     bell // rings when the outbox got something
}

// dispatchers is how many tasks of a provider look for what is due.
const dispatchers = 2

func (p *provider) now() time.Time { return p.world.clock(p.skew) }

// start makes the roles anew on what the store holds.
func (p *provider) start() {
	w := p.world
	p.life++
	p.up = true
	p.work = bell{}
	config := w.fixture.mls()
	validate := w.fixture.validateRequest
	p.hub = hub.New(hub.Config{
		Self: p.uri, MLS: config, Keys: []hub.Key{{Signer: p.signer, Sender: p.sender}}, Now: p.now, Claim: p.claim, ValidateCredential: validate,
		Store: hub.Store{Update: fenced(p, p.store.Hub().Update), View: fenced(p, p.store.Hub().View)},
		Cases: hub.Cases{Update: fenced(p, p.store.Cases().Update), View: fenced(p, p.store.Cases().View)},
		Wake:  func() { w.ring(&p.work) },
	})
	p.follower = follower.New(follower.Config{
		Self: p.uri, Now: p.now, Peers: p.peer, Wake: w.wakeDevices,
		Store: follower.Store{Update: fenced(p, p.store.Follower().Update), View: fenced(p, p.store.Follower().View)},
	})
	p.packages = keypkg.New(keypkg.Config{
		Self: p.uri, Now: p.now, ValidateCredential: validate,
		Validate: func(kp *wire.KeyPackage, now time.Time) error { return mls.ValidateKeyPackage(config, kp, now) },
		Store:    keypkg.Store{Update: fenced(p, p.store.KeyPackages().Update), View: fenced(p, p.store.KeyPackages().View)},
	})
	p.outbox = outbox.New(outbox.Config{
		Now: p.now, Jitter: w.rng.Float64, Alarm: func(a outbox.Alarm) { w.fail("outbox", "parked for %s: %s", a.Destination, a.Reason) },
		Store: outbox.Store{Update: fenced(p, p.store.Outbox().Update), View: fenced(p, p.store.Outbox().View)},
	})
	p.inboxes = inbox.New(inbox.Config{
		Now:   p.now,
		Store: inbox.Store{Update: fenced(p, p.store.Inbox().Update), View: fenced(p, p.store.Inbox().View)},
	})
	for range dispatchers {
		w.spawn(&p.process, p.dispatch)
	}
}

// fenced is the way of a role to its store in one life of the process: it waits as for a disk, so that operations meet between two
// transactions, and it is where processes crash.
func fenced[T any](p *provider, run func(context.Context, func(T) error) error) func(context.Context, func(T) error) error {
	return func(ctx context.Context, f func(T) error) error {
		w := p.world
		t := w.current
		w.sleep(w.between(0, max(w.faults.slow, quick)))
		if w.chance(w.faults.before) {
			p.crash("before a transaction")
		}
		err := locked(t, func() error { return run(ctx, f) })
		p.dirty = true
		if errors.Is(err, hub.ErrConflict) {
			w.count("conflicts")
		}
		if w.chance(w.faults.after) {
			p.crash("after a transaction")
		}
		return err
	}
}

func locked(t *task, f func() error) error {
	t.locked = true
	defer func() { t.locked = false }()
	return f()
}

// outcome is the fate of one commit of the store.
func (p *provider) outcome() memory.Outcome {
	w := p.world
	switch {
	case w.chance(w.faults.lost):
		w.say(&p.process, nil, "a commit fails")
		w.count("commits lost")
		return memory.Lost
	case w.chance(w.faults.known):
		w.say(&p.process, nil, "a commit fails and is stored")
		w.count("commits failed and stored")
		return memory.LostAndKnown
	}
	return memory.Committed
}

// crash ends the process; it comes back a while later. In a task of the provider it does not return.
func (p *provider) crash(when string) {
	w := p.world
	if !p.up {
		return
	}
	w.say(&p.process, nil, "crashes %s", when)
	w.after(w.between(100*time.Millisecond, 6*time.Second), func() {
		w.say(&p.process, nil, "starts again")
		p.start()
	})
	w.count("provider crashes")
	w.kill(&p.process)
}

// dispatch takes from the outbox what is due and has it carried. Two do, so that they meet.
func (p *provider) dispatch() {
	w := p.world
	for {
		list, next, err := p.outbox.NextAll(context.Background(), 1+w.rng.IntN(3))
		for _, s := range list {
			w.spawn(&p.process, func() { p.carry(s) })
		}
		switch {
		case err != nil:
			w.sleep(time.Second) // the store failed
		case len(list) == 0:
			w.wait(&p.work, p.until(next))
		}
	}
}

// carry sends one batch.
func (p *provider) carry(s *outbox.Sending) {
	ctx := context.Background()
	peer, result := p.peer(s.Destination)
	if result == nil {
		result = peer.Notify(ctx, s.Room, s.Body)
	}
	if err := p.outbox.Done(ctx, s, result); err != nil {
		p.world.sleep(time.Second)
	}
	p.world.ring(&p.work)
}

// until is how long to wait for a time of the provider's clock.
func (p *provider) until(at time.Time) time.Duration {
	if at.IsZero() {
		return time.Minute
	}
	return max(at.Sub(p.now()), time.Millisecond)
}

func (p *provider) peer(to uri.Provider) (mimi.Service, error) {
	other := p.world.provider(to)
	if other == nil {
		return nil, failure(mimi.Unavailable, "unknown provider", 0)
	}
	if other == p {
		return &ownLink{&link{p.world, p, other}}, nil
	}
	return &link{p.world, p, other}, nil
}

// claim is the hub's way to the KeyPackages of a user.
func (p *provider) claim(ctx context.Context, target uri.User, r *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error) {
	if target.Provider() == p.uri {
		return p.handOut(ctx, p.uri, target, r)
	}
	peer, err := p.peer(target.Provider())
	if err != nil {
		return nil, err
	}
	return peer.KeyMaterial(ctx, target, r)
}

func (p *provider) handOut(ctx context.Context, caller uri.Provider, target uri.User, r *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error) {
	answer, err := p.packages.Claim(ctx, caller, target, r)
	if err == nil {
		p.world.handedOut(r, answer)
	}
	return answer, err
}

// as is the provider as it serves another one.
func (p *provider) as(caller *provider) mimi.Service { return &served{p, caller.uri} }

type served struct {
	*provider
	caller uri.Provider
}

func (s *served) KeyMaterial(ctx context.Context, target uri.User, r *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error) {
	if at, err := uri.ParseRoom(r.Room); err == nil && at.Provider() == s.uri {
		return s.hub.KeyMaterial(ctx, s.caller, target, r)
	}
	return s.handOut(ctx, s.caller, target, r)
}

func (s *served) Update(ctx context.Context, at uri.Room, r *mimi.UpdateRequest) (*mimi.UpdateRoomResponse, error) {
	return s.hub.Update(ctx, s.caller, at, r)
}

func (s *served) SubmitMessage(ctx context.Context, at uri.Room, r *mimi.SubmitMessageRequest) (*mimi.SubmitMessageResponse, error) {
	return s.hub.SubmitMessage(ctx, s.caller, at, r)
}

func (s *served) Notify(ctx context.Context, at uri.Room, r *mimi.NotifyBody) error {
	return s.follower.Notify(ctx, s.caller, at, r)
}

func (s *served) GroupInfo(ctx context.Context, at uri.Room, r *mimi.GroupInfoRequest) (*mimi.GroupInfoResponse, error) {
	return s.hub.GroupInfo(ctx, s.caller, at, r)
}

// The simulated providers have neither consent, nor search, nor an abuse desk.

func (s *served) RequestConsent(context.Context, *mimi.ConsentEntry) error { return errNotHere }

func (s *served) UpdateConsent(context.Context, *mimi.ConsentEntry) error { return errNotHere }

func (s *served) IdentifierQuery(context.Context, *mimi.IdentifierRequest) (*mimi.IdentifierResponse, error) {
	return nil, errNotHere
}

func (s *served) ReportAbuse(context.Context, uri.Room, *mimi.AbuseReport) error { return errNotHere }

var errNotHere = mimi.Errorf(mimi.NotFound, "no such endpoint")

// What a provider does for its own devices.

func (p *provider) createRoom(ctx context.Context, by follower.Client, at uri.Room, info *wire.GroupInfo, tree *wire.RatchetTree) error {
	p.world.audit.attempt(at, info, tree)
	if _, err := p.hub.CreateRoom(ctx, by.User, at, info, tree); err != nil {
		return err
	}
	return p.follower.Joined(ctx, at, by.Client)
}

func (p *provider) publish(ctx context.Context, by follower.Client, list []wire.KeyPackage) (int, error) {
	if len(list) == 0 {
		return p.packages.Count(ctx, by.Client)
	}
	return p.packages.Publish(ctx, by.User, by.Client, list)
}

// events reads a device's inbox.
func (p *provider) events(ctx context.Context, by follower.Client, after inbox.Cursor) ([]inbox.Entry, error) {
	list, _, err := p.inboxes.Read(ctx, by.Client, &after, inbox.MaxRead)
	return list, err
}
