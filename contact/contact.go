package contact

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"parley/consent"
	"parley/credential"
	"parley/mimi"
	"parley/mls/wire"
	"parley/syntax"
	"parley/uri"
)

const (
	// MostScopes is how many requests of one user to another may wait at once, each for another room.
	MostScopes = 16
	// MostWaiting is how many requests of one provider's users may wait here at once (P-CO-18).
	MostWaiting = 1000
	// MostPackages is how many KeyPackages of a grant are kept.
	MostPackages = 64
)

// Config is what the role is made of.
type Config struct {
	Self  uri.Provider
	Store Store
	Now   func() time.Time
	// Rule is what holds for users that have said nothing; the zero value is consent.Open.
	Rule consent.Rule
	// HideUsers makes that others cannot tell a user who does not consent from one who does not exist.
	HideUsers bool
	// Peers reaches other providers.
	Peers func(uri.Provider) (mimi.Service, error)
	// Offer takes one KeyPackage of each client of a user, to be sent with a grant. nil: grants bring none.
	Offer func(ctx context.Context, target uri.User) ([]wire.KeyPackage, error)
	// Validate judges a KeyPackage that came with a grant; nil accepts all.
	Validate func(kp *wire.KeyPackage, now time.Time) error
	// Announce puts news into the inboxes of a user's devices, durably and once for each sum. nil: nobody is told.
	Announce func(ctx context.Context, user uri.User, news []byte, sum [32]byte, now time.Time) error
	// Wake is called when there is a new errand; it must not block. nil: nobody is woken.
	Wake func()
}

// Contact is safe for concurrent use.
type Contact struct{ cfg Config }

// New makes the role.
func New(cfg Config) *Contact {
	if cfg.Rule == "" {
		cfg.Rule = consent.Open
	}
	return &Contact{cfg}
}

// RequestConsent takes a request or a cancel for one of our users from the requester's provider. nil says that it was received and
// nothing else (P-CO-08). The error is an *mimi.Error.
//
// One transaction. Where users are hidden it reads and writes the same whatever it finds.
func (c *Contact) RequestConsent(ctx context.Context, caller uri.Provider, r *mimi.ConsentEntry) error {
	requester, target, at, err := c.parties(r)
	switch {
	case err != nil:
		return err
	case !r.Asks():
		return mimi.Errorf(mimi.BadRequest, "the operation is not one of this endpoint") // P-CO-02
	case requester.Provider() != caller:
		return mimi.Errorf(mimi.Forbidden, "the requester is not a user of the caller") // P-CO-04
	case target.Provider() != c.cfg.Self:
		return mimi.Errorf(mimi.BadRequest, "the target is a user of another provider")
	}
	news, err := announcement(r)
	if err != nil {
		return err
	}
	now := c.cfg.Now()
	err = c.cfg.Store.Update(ctx, func(tx Tx) error {
		m, err := c.read(tx, requester, target)
		if err != nil {
			return err
		}
		waiting, err := tx.Waiting(caller)
		if err != nil {
			return err
		}
		if !m.known && !c.cfg.HideUsers {
			return mimi.Errorf(mimi.NotFound, "no such user")
		}
		if r.Operation == mimi.ConsentRequest && waiting >= MostWaiting {
			return &mimi.Error{Code: mimi.TooMany, Detail: "too many requests of this provider wait for an answer", RetryAfter: time.Hour}
		}
		record, told := m.record(at).Apply(r.Operation, now)
		if record.Standing == consent.Asked && m.record(at).Standing != consent.Asked && m.asked(now) >= MostScopes {
			record, told = consent.Record{}, false
		}
		if err := tx.Put(Entry{Owner: target, Side: Incoming, Other: requester.String(), Room: at, Record: record}); err != nil {
			return err
		}
		return tx.PutErrand(Errand{User: target, Silent: !told || m.blocked, Due: now, Body: news})
	})
	return c.done(err)
}

// UpdateConsent takes a grant or a revoke for one of our users from the target's provider, asked for or not (P-CO-10). The error is an
// *mimi.Error.
//
// One transaction.
func (c *Contact) UpdateConsent(ctx context.Context, caller uri.Provider, r *mimi.ConsentEntry) error {
	requester, target, at, err := c.parties(r)
	switch {
	case err != nil:
		return err
	case r.Asks():
		return mimi.Errorf(mimi.BadRequest, "the operation is not one of this endpoint") // P-CO-03
	case target.Provider() != caller:
		return mimi.Errorf(mimi.Forbidden, "the target is not a user of the caller") // P-CO-05
	case requester.Provider() != c.cfg.Self:
		return mimi.Errorf(mimi.BadRequest, "the requester is a user of another provider")
	}
	packages, sum, err := c.offered(target, r)
	if err != nil {
		return err
	}
	news, err := announcement(r)
	if err != nil {
		return err
	}
	now := c.cfg.Now()
	err = c.cfg.Store.Update(ctx, func(tx Tx) error {
		known, err := tx.Known(requester)
		if err != nil {
			return err
		}
		if !known {
			if c.cfg.HideUsers {
				return nil
			}
			return mimi.Errorf(mimi.NotFound, "no such user")
		}
		list, err := tx.Entries(requester, Outgoing, target.String())
		if err != nil {
			return err
		}
		e := entryFor(list, Entry{Owner: requester, Side: Outgoing, Other: target.String(), Room: at})
		record, told := e.Record.Apply(r.Operation, now)
		e.Record = record
		if e.Sum != sum { // the same grant again brings nothing: what it brought may have been used
			e.Packages, e.Sum = packages, sum
		}
		if err := tx.Put(e); err != nil {
			return err
		}
		return tx.PutErrand(Errand{User: requester, Silent: !told, Due: now, Body: news})
	})
	return c.done(err)
}

// offered checks what a grant brings: KeyPackages of the target that can be used.
func (c *Contact) offered(target uri.User, r *mimi.ConsentEntry) (packages [][]byte, sum [32]byte, err error) {
	octets, err := syntax.Marshal(r)
	if err != nil {
		return nil, sum, mimi.Errorf(mimi.BadRequest, "the entry cannot be encoded")
	}
	if len(r.KeyPackages) > MostPackages {
		return nil, sum, mimi.Errorf(mimi.BadRequest, "too many KeyPackages")
	}
	for i := range r.KeyPackages {
		kp := &r.KeyPackages[i]
		id, err := credential.Parse(kp.Leaf.Credential)
		if err != nil || id.User != target {
			return nil, sum, mimi.Errorf(mimi.BadRequest, "a KeyPackage is not of the target") // P-CO-11
		}
		if c.cfg.Validate != nil && c.cfg.Validate(kp, c.cfg.Now()) != nil {
			return nil, sum, mimi.Errorf(mimi.BadRequest, "a KeyPackage is not valid")
		}
		one, err := syntax.Marshal(kp)
		if err != nil {
			return nil, sum, mimi.Errorf(mimi.BadRequest, "a KeyPackage cannot be encoded")
		}
		packages = append(packages, one)
	}
	return packages, sha256.Sum256(octets), nil
}

// parties reads who and what an entry is about.
func (c *Contact) parties(r *mimi.ConsentEntry) (requester, target uri.User, at uri.Room, err error) {
	if err := r.Validate(); err != nil {
		return requester, target, at, mimi.Errorf(mimi.BadRequest, "%v", err)
	}
	if requester, err = uri.ParseUser(r.Requester); err != nil {
		return requester, target, at, mimi.Errorf(mimi.BadRequest, "%v", mimi.ErrIdentifier)
	}
	if target, err = uri.ParseUser(r.Target); err != nil {
		return requester, target, at, mimi.Errorf(mimi.BadRequest, "%v", mimi.ErrIdentifier)
	}
	if r.Room != nil {
		if at, err = uri.ParseRoom(*r.Room); err != nil {
			return requester, target, at, mimi.Errorf(mimi.BadRequest, "%v", mimi.ErrIdentifier)
		}
	}
	return requester, target, at, nil
}

// announcement is an entry as the devices are told of it: KeyPackages are no news.
func announcement(r *mimi.ConsentEntry) ([]byte, error) {
	news := *r
	news.KeyPackages, news.Extensions = nil, wire.AppDataDictionary{}
	octets, err := syntax.Marshal(&news)
	if err != nil {
		return nil, mimi.Errorf(mimi.BadRequest, "the entry cannot be encoded")
	}
	return octets, nil
}

// matter is what is known between two users. It takes the same reads whatever there is.
type matter struct {
	known   bool
	blocked bool
	entries []Entry
}

func (c *Contact) read(tx Tx, requester, target uri.User) (m matter, err error) {
	if m.known, err = tx.Known(target); err != nil {
		return m, err
	}
	if m.entries, err = tx.Entries(target, Incoming, requester.String()); err != nil {
		return m, err
	}
	for _, other := range []string{requester.String(), requester.Provider().String()} {
		blocks, err := tx.Entries(target, Block, other)
		if err != nil {
			return m, err
		}
		m.blocked = m.blocked || len(blocks) > 0
	}
	return m, nil
}

func (m *matter) record(at uri.Room) consent.Record {
	return entryFor(m.entries, Entry{Room: at}).Record
}

// asked counts what waits for an answer.
func (m *matter) asked(now time.Time) (n int) {
	for _, e := range m.entries {
		if e.Record.Standing == consent.Asked && !e.Record.Expired(now) {
			n++
		}
	}
	return n
}

func entryFor(list []Entry, blank Entry) Entry {
	for _, e := range list {
		if e.Room == blank.Room {
			return e
		}
	}
	return blank
}

// Check is the verdict on a claim of a target's KeyPackages (P-CO-13): success, or why not. room may be empty. One snapshot, which takes
// the same reads for every verdict but a failure of the store.
func (c *Contact) Check(ctx context.Context, requester, target uri.User, room string) mimi.KeyMaterialUserCode {
	verdict := mimi.KeyMaterialNoConsent
	err := c.cfg.Store.View(ctx, func(tx Tx) error {
		m, err := c.read(tx, requester, target)
		if err != nil {
			return err
		}
		if verdict = c.verdict(&m, requester, room); !m.known {
			verdict = mimi.KeyMaterialUserUnknown
			if c.cfg.HideUsers {
				verdict = mimi.KeyMaterialNoConsent
			}
		}
		return nil
	})
	if err != nil {
		return mimi.KeyMaterialNoConsent
	}
	return verdict
}

func (c *Contact) verdict(m *matter, requester uri.User, room string) mimi.KeyMaterialUserCode {
	q := consent.Matter{Blocked: m.blocked, Every: m.record(uri.Room{}), Local: requester.Provider() == c.cfg.Self, Rule: c.cfg.Rule}
	if at, err := uri.ParseRoom(room); err == nil {
		q.Room = m.record(at)
	}
	return q.Decide()
}

func (c *Contact) done(err error) error {
	if err == nil && c.cfg.Wake != nil {
		c.cfg.Wake()
	}
	return storeError(err)
}

// storeError turns what a store says into what a caller may know.
func storeError(err error) error {
	var known *mimi.Error
	if err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &mimi.Error{Code: mimi.Internal, Err: err}
}
