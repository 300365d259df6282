package contact

import (
	"context"
	"slices"
	"time"

	"parley/consent"
	"parley/credential"
	"parley/mimi"
	"parley/mls/wire"
	"parley/syntax"
	"parley/uri"
)

// Say does what one of our users says about consent: ask for it or give up asking, as the requester; give it or take it back, as the
// target. It is in force here when Say returns; the other user's provider is told by an errand. Taking consent back is told only if
// tell is set, since nobody has a right to know that (P-CO-14). The error is an *mimi.Error.
//
// With a grant two transactions: one takes KeyPackages, the other stores them to be sent. A crash between them costs those packages.
func (c *Contact) Say(ctx context.Context, by uri.User, r *mimi.ConsentEntry, tell bool) error {
	requester, target, at, err := c.parties(r)
	if err != nil {
		return err
	}
	if requester == target {
		return mimi.Errorf(mimi.BadRequest, "nobody needs consent to contact oneself")
	}
	owner, side, other := requester, Outgoing, target
	if !r.Asks() {
		owner, side, other = target, Incoming, requester
	}
	if owner != by {
		return mimi.Errorf(mimi.Forbidden, "the request is in the name of somebody else")
	}
	said := mimi.ConsentEntry{Operation: r.Operation, Requester: requester.String(), Target: target.String()}
	if !at.IsZero() {
		text := at.String()
		said.Room = &text
	}
	news, err := announcement(&said)
	if err != nil {
		return err
	}
	if r.Operation == mimi.ConsentGrant {
		if said.KeyPackages, err = c.offer(ctx, requester, target, at); err != nil {
			return err
		}
	}
	body, err := syntax.Marshal(&said)
	if err != nil {
		return &mimi.Error{Code: mimi.Internal, Err: err}
	}
	now := c.cfg.Now()
	err = c.cfg.Store.Update(ctx, func(tx Tx) error {
		list, err := tx.Entries(owner, side, other.String())
		if err != nil {
			return err
		}
		e := entryFor(list, Entry{Owner: owner, Side: side, Other: other.String(), Room: at})
		if r.Operation == mimi.ConsentCancel && e.Record.Standing != consent.Asked {
			return mimi.Errorf(mimi.NotFound, "nothing of that scope was asked for") // P-CO-06
		}
		var changed bool
		if e.Record, changed = e.Record.Apply(r.Operation, now); !changed && r.Operation == mimi.ConsentRevoke {
			return nil
		}
		if err := tx.Put(e); err != nil {
			return err
		}
		if err := tx.PutErrand(Errand{User: owner, Silent: !changed, Due: now, Body: news}); err != nil {
			return err
		}
		if r.Operation == mimi.ConsentRevoke && !tell {
			return nil
		}
		return tx.PutErrand(Errand{To: other.Provider(), User: owner, Due: now, Body: body})
	})
	return c.done(err)
}

// offer takes KeyPackages to go with a grant. They help only where the requester's provider is the hub.
func (c *Contact) offer(ctx context.Context, requester, target uri.User, at uri.Room) ([]wire.KeyPackage, error) {
	useless := !at.IsZero() && at.Provider() != requester.Provider()
	if c.cfg.Offer == nil || useless || requester.Provider() == c.cfg.Self {
		return nil, nil
	}
	list, err := c.cfg.Offer(ctx, target)
	return list, storeError(err)
}

// SetBlock puts somebody, a user or a whole provider, on a user's block list, or takes them off. It overrides everything else and nobody
// is told. The error is an *mimi.Error.
func (c *Contact) SetBlock(ctx context.Context, by uri.User, subject string, blocked bool) error {
	u, err := uri.Parse(subject)
	if err != nil || u.Kind() != uri.KindUser && u.Kind() != uri.KindProvider {
		return mimi.Errorf(mimi.BadRequest, "only users and providers can be blocked")
	}
	if u.String() == by.String() || u.Kind() == uri.KindProvider && u.Provider() == c.cfg.Self {
		return mimi.Errorf(mimi.BadRequest, "oneself and one's own provider cannot be blocked")
	}
	e := Entry{Owner: by, Side: Block, Other: u.String()}
	if blocked {
		e.Record = consent.Record{Standing: consent.Refused, At: c.cfg.Now()}
	}
	return storeError(c.cfg.Store.Update(ctx, func(tx Tx) error { return tx.Put(e) }))
}

// List tells a user what there is: requests that wait for an answer, what was answered, what was asked for, and the block list.
// Requests of those who are blocked are left out.
func (c *Contact) List(ctx context.Context, by uri.User) (list []Entry, err error) {
	now := c.cfg.Now()
	err = c.cfg.Store.View(ctx, func(tx Tx) error {
		all, err := tx.List(by)
		if err != nil {
			return err
		}
		blocked := make(map[string]bool)
		for _, e := range all {
			if e.Side == Block {
				blocked[e.Other] = true
			}
		}
		list = nil
		for _, e := range all {
			if u, err := uri.ParseUser(e.Other); e.Record.Standing == consent.Asked &&
				(e.Record.Expired(now) || e.Side == Incoming && err == nil && (blocked[e.Other] || blocked[u.Provider().String()])) {
				continue
			}
			list = append(list, e)
		}
		return nil
	})
	return list, storeError(err)
}

// Granted answers a claim of a local requester for a room of this hub from what a grant has brought, if that fits; nil means that the
// target's provider has to be asked. What is answered with is used up (P-CO-12).
//
// One transaction, after a look without one.
func (c *Contact) Granted(ctx context.Context, target uri.User, r *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error) {
	at, err := uri.ParseRoom(r.Room)
	requester, other := uri.ParseUser(r.RequestingUser)
	if err != nil || other != nil || at.Provider() != c.cfg.Self || requester.Provider() != c.cfg.Self {
		return nil, nil
	}
	var answer *mimi.KeyMaterialResponse
	find := func(tx Tx) (e Entry, err error) {
		list, err := tx.Entries(requester, Outgoing, target.String())
		if err != nil {
			return e, err
		}
		for _, e := range list {
			if e.Record.Standing != consent.Granted || !e.Room.IsZero() && e.Room != at {
				continue
			}
			if answer = c.answer(target, r, e.Packages); answer != nil {
				return e, nil
			}
		}
		return e, nil
	}
	err = c.cfg.Store.View(ctx, func(tx Tx) error {
		answer = nil
		_, err := find(tx)
		return err
	})
	if err != nil || answer == nil {
		return nil, storeError(err)
	}
	err = c.cfg.Store.Update(ctx, func(tx Tx) error {
		answer = nil
		e, err := find(tx)
		if err != nil || answer == nil {
			return err
		}
		e.Packages = nil
		return tx.Put(e)
	})
	return answer, storeError(err)
}

// answer makes an answer of KeyPackages that all fit a claim; nil if one does not: then the target's provider knows better.
func (c *Contact) answer(target uri.User, r *mimi.KeyMaterialRequest, packages [][]byte) *mimi.KeyMaterialResponse {
	now := c.cfg.Now()
	answer := &mimi.KeyMaterialResponse{Protocol: mimi.MLS10, Status: mimi.KeyMaterialSuccess, User: target.String()}
	for _, octets := range packages {
		kp := new(wire.KeyPackage)
		if syntax.Unmarshal(octets, kp) != nil || !fits(kp, r, now) {
			return nil
		}
		id, err := credential.Parse(kp.Leaf.Credential)
		if err != nil {
			return nil
		}
		answer.Clients = append(answer.Clients, mimi.ClientKeyMaterial{Status: mimi.ClientSuccess, Client: id.Client.String(), KeyPackage: kp})
	}
	if len(answer.Clients) == 0 {
		return nil
	}
	return answer
}

// packageSlack is how long a KeyPackage has to be good for still, so that the room can be joined with it.
const packageSlack = time.Hour

func fits(kp *wire.KeyPackage, r *mimi.KeyMaterialRequest, now time.Time) bool {
	for _, s := range r.Suites {
		if s == kp.Suite {
			return uint64(now.Add(packageSlack).Unix()) <= kp.Leaf.Lifetime.NotAfter && satisfies(&kp.Leaf.Capabilities, &r.Required)
		}
	}
	return false
}

// satisfies holds capabilities against what a room demands; what every client understands needs no mention (RFC 9420 §7.2).
func satisfies(have *wire.Capabilities, need *wire.RequiredCapabilities) bool {
	for _, x := range need.Extensions {
		if !x.IsDefault() && !slices.Contains(have.Extensions, x) {
			return false
		}
	}
	for _, x := range need.Proposals {
		if !x.IsDefault() && !slices.Contains(have.Proposals, x) {
			return false
		}
	}
	for _, x := range need.Credentials {
		if !slices.Contains(have.Credentials, x) {
			return false
		}
	}
	return true
}
