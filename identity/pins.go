package identity

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"parley/uri"
)

// ErrNoChange means that there is no pending set to accept.
var ErrNoChange = errors.New("identity: no changed set of authorities waits for this provider")

// Pins are the authorities that other providers vouch for.
type Pins struct {
	Update func(context.Context, func(PinTx) error) error
	View   func(context.Context, func(PinTx) error) error
	Now    func() time.Time
}

// Verdict tells what became of a set that a peer published.
type Verdict uint8

const (
	Unchanged  Verdict = iota
	FirstUse           // pinned now
	Overlapped         // shares a certificate with the pinned set and replaced it: an orderly rotation (P-CR-07)
	Alarm              // shares none: kept aside, the pinned set stays in force
)

// Observe compares the set that a provider publishes over its authenticated origin with the pinned one. An empty set is no
// statement and changes nothing. One transaction.
func (p *Pins) Observe(ctx context.Context, provider uri.Provider, set [][]byte) (Verdict, error) {
	if len(set) == 0 {
		return Unchanged, nil
	}
	set = canonical(set)
	now, verdict := p.Now(), Unchanged
	err := p.Update(ctx, func(tx PinTx) error {
		pin, known, err := tx.Pin(provider)
		if err != nil {
			return err
		}
		switch {
		case !known:
			verdict = FirstUse
			return tx.PutPin(Pin{Provider: provider, Set: set, Since: now})
		case equalSets(pin.Set, set):
			verdict = Unchanged
			return nil
		case overlap(pin.Set, set):
			verdict = Overlapped
			return tx.PutPin(Pin{Provider: provider, Set: set, Since: now})
		}
		verdict = Alarm
		if equalSets(pin.Pending, set) {
			return nil
		}
		pin.Pending = set
		return tx.PutPin(pin)
	})
	return verdict, err
}

// Accept puts a pending set in force: the operator has verified it by another way.
func (p *Pins) Accept(ctx context.Context, provider uri.Provider) error {
	now := p.Now()
	return p.Update(ctx, func(tx PinTx) error {
		pin, known, err := tx.Pin(provider)
		if err != nil {
			return err
		}
		if !known || len(pin.Pending) == 0 {
			return ErrNoChange
		}
		return tx.PutPin(Pin{Provider: provider, Set: pin.Pending, Since: now})
	})
}

// All returns every pinned set, by provider.
func (p *Pins) All(ctx context.Context) ([]Pin, error) {
	var out []Pin
	err := p.View(ctx, func(tx PinTx) error {
		var err error
		out, err = tx.Pins()
		return err
	})
	return out, err
}

func canonical(set [][]byte) [][]byte {
	set = slices.Clone(set)
	slices.SortFunc(set, bytes.Compare)
	return slices.CompactFunc(set, bytes.Equal)
}

func equalSets(a, b [][]byte) bool { return slices.EqualFunc(a, b, bytes.Equal) }

func overlap(a, b [][]byte) bool {
	return slices.ContainsFunc(a, func(x []byte) bool {
		return slices.ContainsFunc(b, func(y []byte) bool { return bytes.Equal(x, y) })
	})
}
