package provider

import (
	"context"
	"time"

	"parley/clientapi/api"
	"parley/consent"
	"parley/contact"
	"parley/identity"
	"parley/mimi"
	"parley/mls"
	"parley/mls/wire"
	"parley/uri"
)

// Consent says who may contact our users where they have said nothing.
type Consent struct {
	// Rule is one of consent.Open (the default), consent.Own and consent.Ask.
	Rule consent.Rule
	// HideUsers makes that other providers cannot tell a user who does not consent from one who does not exist.
	HideUsers bool
}

func (p *Provider) newContact(engine *mls.Config) *contact.Contact {
	return contact.New(contact.Config{
		Self: p.cfg.Provider, Store: p.cfg.Store.Contact, Now: p.cfg.Now, Rule: p.cfg.Consent.Rule, HideUsers: p.cfg.Consent.HideUsers,
		Peers: p.peers.For,
		Offer: func(ctx context.Context, target uri.User) ([]wire.KeyPackage, error) {
			return p.packages.Offer(ctx, target)
		},
		Validate: func(kp *wire.KeyPackage, now time.Time) error {
			return mls.ValidateKeyPackage(engine, kp, now)
		},
		Announce: p.announce, Wake: func() { hint(p.errandHint) },
	})
}

// newsRoom stands for the room of inbox entries that are of no room: news about consent. No room can have the name, see createRoom.
func newsRoom(self uri.Provider) uri.Room {
	room, err := uri.NewRoom(self, ".consent")
	if err != nil {
		return uri.Room{}
	}
	return room
}

// announce puts news about consent into the inboxes of a user's devices.
func (p *Provider) announce(ctx context.Context, user uri.User, news []byte, sum [32]byte, now time.Time) error {
	var clients []uri.Client
	err := p.cfg.Store.ViewAccounts(ctx, func(tx identity.Tx) error {
		devices, err := tx.Devices(user)
		clients = nil
		for _, d := range devices {
			if d.Revoked.IsZero() {
				clients = append(clients, d.Client)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	return p.follower.Tell(ctx, newsRoom(p.cfg.Provider), clients, news, sum, now)
}

// errands runs what contact has to tell.
func (p *Provider) errands(ctx context.Context) error {
	const most, least = time.Minute, 100 * time.Millisecond
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-p.errandHint:
		}
		wait := most
		next, err := p.contact.Step(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			p.log.Error("news about consent cannot be told", "error", err.Error())
		case !next.IsZero():
			wait = min(max(next.Sub(p.cfg.Now()), least), most)
		}
		timer.Reset(wait)
	}
}

func (s *service) RequestConsent(ctx context.Context, r *mimi.ConsentEntry) error {
	return s.contact.RequestConsent(ctx, s.caller, r)
}

// UpdateConsent may bring KeyPackages, which are judged by the caller's authorities.
func (s *service) UpdateConsent(ctx context.Context, r *mimi.ConsentEntry) error {
	if err := s.ensureCaller(ctx); err != nil {
		return err
	}
	return s.contact.UpdateConsent(ctx, s.caller, r)
}

func (d *devices) consent(ctx context.Context, v identity.Device, r *mimi.ConsentEntry, tell bool) error {
	other := r.Requester
	if r.Asks() {
		other = r.Target
	}
	if u, err := uri.ParseUser(other); err == nil {
		if _, err := d.peers.For(u.Provider()); err != nil {
			return err // P-CO-16
		}
	}
	return d.contact.Say(ctx, v.User, r, tell)
}

func (d *devices) consents(ctx context.Context, v identity.Device) (*api.ConsentList, error) {
	list, err := d.contact.List(ctx, v.User)
	if err != nil {
		return nil, err
	}
	sides := [...]string{contact.Incoming: api.ConsentIncoming, contact.Outgoing: api.ConsentOutgoing, contact.Block: api.ConsentBlocked}
	out := &api.ConsentList{Entries: []api.ConsentEntry{}}
	for _, e := range list {
		out.Entries = append(out.Entries, api.ConsentEntry{Side: sides[e.Side], Other: e.Other, Room: e.Room.String(),
			Standing: e.Record.Standing.String(), Since: uint64(max(e.Record.At.UnixMilli(), 0))})
	}
	return out, nil
}

func (d *devices) block(ctx context.Context, v identity.Device, r *api.Block) error {
	return d.contact.SetBlock(ctx, v.User, r.Subject, r.Blocked)
}
