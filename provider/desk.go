package provider

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley/follower"
	"parley/hub"
	"parley/identity"
	"parley/inbox"
	"parley/keypkg"
	"parley/outbox"
	"parley/uri"
)

// desk does what operators ask for, with the roles of a provider that runs or with roles made for the purpose.
type desk struct {
	self     uri.Provider
	peers    []Peer
	now      func() time.Time
	accounts *identity.Accounts
	people   *identity.People
	packages *keypkg.Packages
	hub      *hub.Hub
	follower *follower.Follower
	inboxes  *inbox.Inboxes
	outbox   *outbox.Outbox
	pins     func(context.Context) ([]identity.Pin, error)
	accept   func(context.Context, uri.Provider) error
	running  *Provider // nil: the provider does not run
}

func newDesk(self uri.Provider, peers []Peer, s *Store, now func() time.Time, pins func(context.Context) ([]identity.Pin, error),
	accept func(context.Context, uri.Provider) error) *desk {
	return &desk{
		self: self, peers: peers, now: now, pins: pins, accept: accept,
		accounts: &identity.Accounts{Provider: self, Update: s.UpdateAccounts, View: s.ViewAccounts, Now: now},
		people:   &identity.People{Provider: self, Update: s.UpdatePeople, View: s.ViewPeople, Now: now},
		hub:      hub.New(hub.Config{Self: self, Store: s.Hub, Cases: s.Cases, Now: now}),
		packages: keypkg.New(keypkg.Config{Self: self, Store: s.KeyPackages, Now: now}),
		follower: follower.New(follower.Config{Self: self, Store: s.Follower, Now: now}),
		inboxes:  inbox.New(inbox.Config{Store: s.Inbox, Now: now}),
		outbox:   outbox.New(outbox.Config{Store: s.Outbox, Now: now, Own: self}),
	}
}

// desk is that of a provider that runs.
func (p *Provider) desk() *desk {
	return &desk{
		self: p.cfg.Provider, peers: p.cfg.Peers, now: p.cfg.Now, pins: p.authorities.pins.All, accept: p.authorities.accept,
		accounts: p.accounts, people: p.people, packages: p.packages, hub: p.hub, follower: p.follower, inboxes: p.inboxes, outbox: p.outbox, running: p,
	}
}

func (d *desk) operator() *Operator {
	return &Operator{
		Invite: func(ctx context.Context, name string) (*Invitation, error) {
			return d.invite(ctx, name, d.accounts.Invite)
		},
		Restore: func(ctx context.Context, name string) (*Invitation, error) {
			return d.invite(ctx, name, d.accounts.Restore)
		},
		Users: d.users, Revoke: d.revoke, Remove: d.remove, Accept: d.accept, Peers: d.peerEntries, Parked: d.parked, Retry: d.retry, Drop: d.drop,
		Reports: d.reports, Resolve: d.resolve, Person: d.personEntry, Address: d.address,
	}
}

func (d *desk) invite(ctx context.Context, name string, make func(context.Context, string) (uri.User, string, error)) (*Invitation, error) {
	until := d.now().Add(identity.CodeLife)
	user, code, err := make(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := d.people.Introduce(ctx, user); err != nil { // or when the provider starts
		return nil, err
	}
	return &Invitation{User: user.String(), Code: code, Expires: until.UTC().Truncate(time.Second)}, nil
}

func (d *desk) users(ctx context.Context, after string, limit int) ([]UserEntry, error) {
	list, err := d.accounts.List(ctx, after, limit)
	if err != nil {
		return nil, err
	}
	out := make([]UserEntry, len(list))
	for i, a := range list {
		out[i] = UserEntry{User: a.User.URI.String(), Created: a.User.Created.UTC(), Devices: []DeviceEntry{}}
		for _, v := range a.Devices {
			out[i].Devices = append(out[i].Devices, DeviceEntry{Client: v.Client.String(), Created: v.Created.UTC(), Revoked: !v.Revoked.IsZero()})
		}
	}
	return out, nil
}

// revoke ends a device. A crash after the first step leaves things of it behind that do no harm; the same request again clears them.
func (d *desk) revoke(ctx context.Context, device string) (*Revocation, error) {
	client, err := d.client(device)
	if err != nil {
		return nil, identity.ErrUnknown
	}
	if err := d.accounts.Revoke(ctx, client); err != nil {
		return nil, err
	}
	return d.clear(ctx, client)
}

// client reads mimi://a.example/d/alice/phone or alice/phone.
func (d *desk) client(name string) (uri.Client, error) {
	if user, device, ok := strings.Cut(name, "/"); ok && !strings.Contains(user, ":") {
		return uri.NewClient(d.self, user, device)
	}
	return uri.ParseClient(name)
}

func (d *desk) remove(ctx context.Context, name string) ([]Revocation, error) {
	if u, err := uri.ParseUser(name); err == nil && u.Provider() == d.self {
		name = u.Name()
	}
	devices, err := d.accounts.Remove(ctx, name)
	if err != nil {
		return nil, err
	}
	if user, err := uri.NewUser(d.self, name); err == nil {
		if err := d.people.Forget(ctx, user); err != nil {
			return nil, err
		}
	}
	out := []Revocation{}
	for _, v := range devices {
		r, err := d.clear(ctx, v.Client)
		if err != nil {
			return nil, err
		}
		out = append(out, *r)
	}
	return out, nil
}

// clear deletes what is there for a device that was revoked: KeyPackages, so that no Welcome finds it, its places in rooms, its inbox.
func (d *desk) clear(ctx context.Context, client uri.Client) (*Revocation, error) {
	if d.running != nil {
		d.running.cut(client)
	}
	n, err := d.packages.Withdraw(ctx, client)
	if err != nil {
		return nil, err
	}
	if err := d.follower.Forget(ctx, client); err != nil {
		return nil, err
	}
	if err := d.inboxes.Ack(ctx, client, math.MaxInt64); err != nil {
		return nil, err
	}
	return &Revocation{Client: client.String(), KeyPackages: n}, nil
}

// mostParked is how much of what is parked is looked at.
const mostParked = 1000

func (d *desk) peerEntries(ctx context.Context) ([]PeerEntry, error) {
	entries := make(map[string]*PeerEntry)
	of := func(domain string) *PeerEntry {
		if entries[domain] == nil {
			entries[domain] = &PeerEntry{Domain: domain}
		}
		return entries[domain]
	}
	pins, err := d.pins(ctx)
	if err != nil {
		return nil, err
	}
	for _, pin := range pins {
		e, since := of(pin.Provider.Domain()), pin.Since.UTC()
		e.Certificates, e.Since, e.Changed = len(pin.Set), &since, len(pin.Pending) > 0
	}
	for _, peer := range d.peers {
		e := of(peer.Provider.Domain())
		e.Configured = true
		if len(peer.Authorities) > 0 {
			e.Certificates, e.Since, e.Changed = len(peer.Authorities), nil, false
		}
	}
	queues, err := d.queues(ctx)
	if err != nil {
		return nil, err
	}
	for domain, q := range queues {
		of(domain).Queue = q
	}
	out := []PeerEntry{}
	for _, e := range entries {
		out = append(out, *e)
	}
	slices.SortFunc(out, func(a, b PeerEntry) int { return cmp.Compare(a.Domain, b.Domain) })
	return out, nil
}

// queues tells of the destinations for which something waits or is wrong.
func (d *desk) queues(ctx context.Context) (map[string]*QueueEntry, error) {
	queues := make(map[string]*QueueEntry)
	of := func(domain string) *QueueEntry {
		if queues[domain] == nil {
			queues[domain] = new(QueueEntry)
		}
		return queues[domain]
	}
	backlogs, err := d.outbox.Backlogs(ctx)
	if err != nil {
		return nil, err
	}
	for _, b := range backlogs {
		q := of(b.Destination)
		q.Rooms, q.Messages, q.ParkedRooms, q.Oldest = b.Lanes, b.Items, b.Parked, known(b.Oldest)
	}
	items, err := d.outbox.Parked(ctx, mostParked)
	if err != nil {
		return nil, err
	}
	for _, p := range items {
		of(p.Destination).ParkedItems++
	}
	for _, s := range d.outbox.States() {
		q := of(s.Destination)
		q.Sending, q.Failures = s.Sending, s.Failures
		if s.Failures > 0 {
			q.LastError, q.LastErrorAt, q.NextTry = s.Reason, known(s.FailedAt), known(s.Next)
		}
	}
	return queues, nil
}

// known is a time that may be absent.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// stuck is one thing that is parked.
type stuck struct {
	ParkedEntry
	lane *outbox.Lane   // one of the two is set
	item *outbox.Parked //
}

func (d *desk) all(ctx context.Context) (list []stuck, more bool, err error) {
	lanes, err := d.outbox.Stopped(ctx, mostParked)
	if err != nil {
		return nil, false, err
	}
	items, err := d.outbox.Parked(ctx, mostParked)
	if err != nil {
		return nil, false, err
	}
	for i := range lanes {
		l := &lanes[i]
		room := uri.Hash(l.Room.String())
		list = append(list, stuck{lane: l, ParkedEntry: ParkedEntry{ID: l.Destination + "/" + room, Kind: ParkedRoom, Destination: l.Destination,
			Room: room, Sequence: l.First, Since: l.Since.UTC()}})
	}
	for i := range items {
		p := &items[i]
		room := uri.Hash(p.Room.String())
		list = append(list, stuck{item: p, ParkedEntry: ParkedEntry{ID: p.Destination + "/" + room + "/" + strconv.FormatUint(p.Sequence, 10),
			Kind: ParkedMessage, Destination: p.Destination, Room: room, Sequence: p.Sequence, Since: p.At.UTC(), Reason: p.Reason, Octets: len(p.Body)}})
	}
	return list, len(lanes) == mostParked || len(items) == mostParked, nil
}

func (d *desk) parked(ctx context.Context) (*ParkedList, error) {
	list, more, err := d.all(ctx)
	if err != nil {
		return nil, err
	}
	out := &ParkedList{Parked: []ParkedEntry{}, More: more}
	for _, s := range list {
		out.Parked = append(out.Parked, s.ParkedEntry)
	}
	return out, nil
}

// find returns what is parked under an id.
func (d *desk) find(ctx context.Context, id string) (*stuck, error) {
	list, _, err := d.all(ctx)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(s stuck) bool { return s.ID != id })
	switch len(list) {
	case 0:
		return nil, outbox.ErrNotParked
	case 1:
		return &list[0], nil
	}
	return nil, ErrLabel
}

func (d *desk) retry(ctx context.Context, id string) error {
	if !strings.Contains(id, "/") {
		return d.retryAll(ctx, id)
	}
	s, err := d.find(ctx, id)
	switch {
	case err != nil:
		return err
	case s.lane != nil:
		err = d.outbox.Release(ctx, *s.lane)
	case d.running == nil:
		err = ErrMustRun
	default:
		err = d.outbox.Resend(ctx, *s.item, d.running.peers.For)
	}
	d.hint()
	return err
}

// retryAll ends the rest of a destination.
func (d *desk) retryAll(ctx context.Context, domain string) error {
	p, err := uri.ProviderFromDomain(domain)
	if err != nil || p != d.self && !slices.ContainsFunc(d.peers, func(o Peer) bool { return o.Provider == p }) {
		return ErrNoSuchPeer
	}
	if err := d.outbox.Retry(ctx, p); err != nil {
		return err
	}
	if d.running != nil {
		d.running.peers.heard(p)
	}
	d.hint()
	return nil
}

func (d *desk) drop(ctx context.Context, id string) error {
	s, err := d.find(ctx, id)
	switch {
	case err != nil:
		return err
	case s.lane != nil:
		err = d.outbox.Skip(ctx, *s.lane)
	default:
		err = d.outbox.Discard(ctx, *s.item)
	}
	d.hint()
	return err
}

// hint makes the dispatcher look.
func (d *desk) hint() {
	if d.running != nil {
		hint(d.running.outboxHint)
	}
}
