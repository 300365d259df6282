package contact

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"

	"parley/consent"
	"parley/mimi"
	"parley/syntax"
	"parley/uri"
)

const (
	mostErrands = 256 // looked at in one step
	firstRetry  = 2 * time.Second
	lastRetry   = 10 * time.Minute
	// mostTries ends an errand for a provider that does not come back: after about a week.
	mostTries = 7 * 24 * 6
)

// Step runs the errands that are due, at most one after the other for each provider, and returns when the next one is; the zero time if
// there is none. The error is that of the store.
//
// For each errand a call, then one transaction. A crash between them repeats the call, which changes nothing the second time.
func (c *Contact) Step(ctx context.Context) (next time.Time, err error) {
	var list []Errand
	err = c.cfg.Store.View(ctx, func(tx Tx) error {
		list, err = tx.Errands(mostErrands)
		return err
	})
	if err != nil {
		return next, err
	}
	waits := make(map[uri.Provider]bool) // whose earlier errand is not done
	for _, e := range list {
		if waits[e.To] {
			continue
		}
		if now := c.cfg.Now(); !e.Due.After(now) {
			if err := c.run(ctx, &e, now); err != nil {
				return next, err
			}
		}
		if e.Due.IsZero() {
			continue
		}
		waits[e.To] = true
		if next.IsZero() || e.Due.Before(next) {
			next = e.Due
		}
	}
	if len(list) == mostErrands && next.IsZero() {
		next = c.cfg.Now()
	}
	return next, nil
}

// run tries an errand and stores what became of it: Due is zero when it is over.
func (c *Contact) run(ctx context.Context, e *Errand, now time.Time) error {
	err := c.tell(ctx, e, now)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var refused *mimi.Error
	definite := errors.As(err, &refused) && !refused.Temporary()
	switch {
	case err == nil || definite || e.Tries >= mostTries:
		e.Due = time.Time{}
	default:
		e.Tries++
		wait := min(firstRetry<<min(e.Tries-1, 16), lastRetry)
		if refused != nil && refused.RetryAfter > wait {
			wait = min(refused.RetryAfter, time.Hour)
		}
		e.Due = now.Add(wait)
	}
	lost := err != nil && e.Due.IsZero()
	return c.cfg.Store.Update(ctx, func(tx Tx) error {
		if lost {
			if err := c.lost(tx, e, now); err != nil {
				return err
			}
		}
		return tx.PutErrand(*e)
	})
}

func (c *Contact) tell(ctx context.Context, e *Errand, now time.Time) error {
	if e.Silent {
		return nil
	}
	if e.To.IsZero() {
		if c.cfg.Announce == nil {
			return nil
		}
		return c.cfg.Announce(ctx, e.User, e.Body, sumOf(e), now)
	}
	r := new(mimi.ConsentEntry)
	if err := syntax.Unmarshal(e.Body, r); err != nil {
		return &mimi.Error{Code: mimi.BadRequest, Err: err}
	}
	peer, err := c.cfg.Peers(e.To)
	if err != nil {
		return err // P-CO-16: a provider that is no peer refuses for good
	}
	if r.Asks() {
		return peer.RequestConsent(ctx, r)
	}
	return peer.UpdateConsent(ctx, r)
}

// sumOf names an errand, so that a repetition is recognised and the same words at another time are not.
func sumOf(e *Errand) [32]byte {
	id := binary.BigEndian.AppendUint64([]byte("consent "+e.User.String()+" "), e.ID)
	return sha256.Sum256(append(id, e.Body...))
}

// lost ends a request that could not be delivered: its user's devices learn that it is over, as a cancel that they did not send.
func (c *Contact) lost(tx Tx, e *Errand, now time.Time) error {
	r := new(mimi.ConsentEntry)
	if e.To.IsZero() || syntax.Unmarshal(e.Body, r) != nil || r.Operation != mimi.ConsentRequest {
		return nil
	}
	_, target, at, err := c.parties(r)
	if err != nil {
		return nil
	}
	list, err := tx.Entries(e.User, Outgoing, target.String())
	if err != nil {
		return err
	}
	entry := entryFor(list, Entry{Owner: e.User, Side: Outgoing, Other: target.String(), Room: at})
	if entry.Record.Standing != consent.Asked {
		return nil
	}
	entry.Record = consent.Record{}
	if err := tx.Put(entry); err != nil {
		return err
	}
	r.Operation = mimi.ConsentCancel
	news, err := announcement(r)
	if err != nil {
		return err
	}
	return tx.PutErrand(Errand{User: e.User, Due: now, Body: news})
}

// Sweep deletes requests that nobody has answered within consent.AskedFor.
func (c *Contact) Sweep(ctx context.Context) (deleted int, err error) {
	before := c.cfg.Now().Add(-consent.AskedFor)
	err = c.cfg.Store.Update(ctx, func(tx Tx) error {
		deleted, err = tx.Expire(before)
		return err
	})
	return deleted, storeError(err)
}
