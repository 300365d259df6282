package outbox

import (
	"context"
	"errors"
	"time"

	"parley/mimi"
	"parley/uri"
)

// Parked is an item that was taken out of its lane because the destination refuses it for good.
type Parked struct {
	Destination string // domain
	Room        uri.Room
	Sequence    uint64
	Handshake   bool
	Reason      string
	At          time.Time
	Body        []byte // encoded mimi.FanoutMessage
}

// DeskTx is one transaction of what operators see of the outbox's part of a store.
type DeskTx interface {
	// Stopped lists the parked lanes by destination and room, those behind the given one, at most limit.
	Stopped(destination string, room uri.Room, limit int) ([]Lane, error)
	// Parked lists the items that were taken out of lanes by destination, room and sequence, those behind the given one, at most limit.
	Parked(destination string, room uri.Room, sequence uint64, limit int) ([]Parked, error)
	// Waiting lists the lanes of a room that have something to send, parked ones too, by destination, with the body of the first item.
	Waiting(room uri.Room) ([]Waiting, error)
	// Unpark deletes such an item; false when there is none.
	Unpark(destination string, room uri.Room, sequence uint64) (bool, error)
}

// What can be wrong with what an operator wants.
var (
	ErrNotParked = errors.New("outbox: nothing is parked there")
	ErrBusy      = errors.New("outbox: the lane is being served; try again")
)

const deskPage = 256

// Stopped lists the parked lanes, at most limit.
func (o *Outbox) Stopped(ctx context.Context, limit int) ([]Lane, error) {
	return pages(ctx, o.cfg.Store, limit, func(tx DeskTx, last *Lane, n int) ([]Lane, error) {
		return tx.Stopped(last.Destination, last.Room, n)
	})
}

// Parked lists the items that were taken out of lanes, at most limit.
func (o *Outbox) Parked(ctx context.Context, limit int) ([]Parked, error) {
	return pages(ctx, o.cfg.Store, limit, func(tx DeskTx, last *Parked, n int) ([]Parked, error) {
		return tx.Parked(last.Destination, last.Room, last.Sequence, n)
	})
}

// pages reads a list in snapshots of a bounded size.
func pages[T any](ctx context.Context, s Store, limit int, read func(tx DeskTx, last *T, n int) ([]T, error)) (all []T, err error) {
	var last T
	for len(all) < limit {
		var page []T
		n := min(limit-len(all), deskPage)
		err := s.ViewDesk(ctx, func(tx DeskTx) error {
			page, err = read(tx, &last, n)
			return err
		})
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < n {
			break
		}
		last = page[len(page)-1]
	}
	return all, nil
}

// Release lets a parked lane go on: the batch that was refused is offered again, and parked again when it is refused as often as before.
//
// One transaction.
func (o *Outbox) Release(ctx context.Context, l Lane) error {
	l.Parked, l.Tries, l.Refusals, l.Next = false, 0, 0, o.cfg.Now()
	return o.update(ctx, func(tx Tx) error { return tx.Save(l) })
}

// Skip gives up the item at which a parked lane stands and lets the lane go on behind it. The destination's users in that room may not
// understand what comes then, and have to join again.
//
// Two transactions. A crash in between leaves the item among the parked ones.
func (o *Outbox) Skip(ctx context.Context, l Lane) error {
	now := o.cfg.Now()
	err := o.update(ctx, func(tx Tx) error {
		if err := tx.Drop(l, l.First, "skipped by an operator", now); err != nil {
			return err
		}
		return tx.Advance(l, now, o.cfg.MaxBytes, o.cfg.MaxItems)
	})
	if err != nil {
		return err
	}
	return o.Discard(ctx, Parked{Destination: l.Destination, Room: l.Room, Sequence: l.First})
}

// Discard gives up an item for good. One transaction.
func (o *Outbox) Discard(ctx context.Context, p Parked) error {
	return o.cfg.Store.Desk(ctx, func(tx DeskTx) error {
		found, err := tx.Unpark(p.Destination, p.Room, p.Sequence)
		if err == nil && !found {
			err = ErrNotParked
		}
		return err
	})
}

// Resend offers a parked item once more, alone and at once: it comes behind what its lane has delivered meanwhile. The error is what
// the destination says; the item stays parked then.
//
// A call and one transaction. A crash in between leaves the item parked; the destination recognises it the next time.
func (o *Outbox) Resend(ctx context.Context, p Parked, peer func(uri.Provider) (mimi.Service, error)) error {
	destination, err := uri.ProviderFromDomain(p.Destination)
	if err != nil {
		return err
	}
	body := &mimi.NotifyBody{Items: make([]mimi.FanoutMessage, 1)}
	if err := mimi.Limits(len(p.Body)).Unmarshal(p.Body, &body.Items[0]); err != nil {
		return errDamaged
	}
	key := laneKey{p.Destination, p.Room}
	if !o.occupy(key) {
		return ErrBusy
	}
	defer o.vacate(key)
	service, err := peer(destination)
	if err != nil {
		return err
	}
	if err := service.Notify(ctx, p.Room, body); err != nil {
		return err
	}
	return o.Discard(ctx, p)
}

// occupy keeps a lane from being served, so that it never has two batches on their way.
func (o *Outbox) occupy(key laneKey) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.sending[key] {
		return false
	}
	o.sending[key] = true
	return true
}

func (o *Outbox) vacate(key laneKey) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.sending, key)
}
