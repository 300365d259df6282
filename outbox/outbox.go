package outbox

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"parley/mimi"
	"parley/uri"
)

// Config is what an outbox is made of.
type Config struct {
	Store Store
	Now   func() time.Time
	// Jitter returns a value in [0, 1) for every delay; nil means none.
	Jitter func() float64
	// MaxBytes and MaxItems bound a batch; 0 means DefaultMaxBytes and mimi.MaxItems.
	MaxBytes, MaxItems int
	// Own is the hub's own provider, which a call without a network reaches: it is served whatever the others do. Zero: there is none.
	Own uri.Provider
	// PerDestination is how many lanes of one destination are served at once; 0 means DefaultPerDestination.
	PerDestination int
	// Together is how many batches to other providers are on their way at once before each destination is held to one; 0 means
	// DefaultTogether. So a destination always has its turn, however many others hang, and memory stays bounded.
	Together int
	// Alarm is told what was parked; it must not block. nil: nobody is.
	Alarm func(Alarm)
}

const (
	// DefaultMaxBytes bounds the bodies of one batch, unless a single item is longer.
	DefaultMaxBytes = 1 << 20
	// DefaultPerDestination is how many lanes of one destination are served at once.
	DefaultPerDestination = 8
	// DefaultTogether is how many batches are on their way before each destination is held to one.
	DefaultTogether = 64
	// PoisonTries is how often a single item is offered that the destination refuses for good.
	PoisonTries = 10
)

// Alarm says that something will not be delivered unless an operator acts.
type Alarm struct {
	Destination string
	Room        uri.Room
	Sequence    uint64
	Whole       bool // the lane is parked, not the item alone: the item is a handshake, and nothing behind it could be understood
	Reason      string
}

// Outbox serves the lanes of one hub. It is safe for concurrent use; each worker alternates Next and Done.
type Outbox struct {
	cfg Config

	mu           sync.Mutex
	sending      map[laneKey]bool
	abroad       int // how many of sending go to other providers
	destinations map[string]*destination
}

type laneKey struct {
	destination string
	room        uri.Room
}

// New makes an outbox.
func New(cfg Config) *Outbox {
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = DefaultMaxBytes
	}
	if cfg.MaxItems == 0 {
		cfg.MaxItems = mimi.MaxItems
	}
	if cfg.PerDestination == 0 {
		cfg.PerDestination = DefaultPerDestination
	}
	if cfg.Together == 0 {
		cfg.Together = DefaultTogether
	}
	if cfg.Jitter == nil {
		cfg.Jitter = func() float64 { return 0 }
	}
	return &Outbox{cfg: cfg, sending: make(map[laneKey]bool), destinations: make(map[string]*destination)}
}

// Sending is a batch that is on its way.
type Sending struct {
	Destination uri.Provider
	Room        uri.Room
	Body        *mimi.NotifyBody

	lane  Lane
	items []Item
}

// Next returns the next batch to send, which is then on its way until Done. When nothing is due it returns nil and the time at
// which something will be; zero when only a new item, or a Done, brings more.
func (o *Outbox) Next(ctx context.Context) (*Sending, time.Time, error) {
	for {
		now := o.cfg.Now()
		if err := o.wakeHeard(ctx, now); err != nil {
			return nil, time.Time{}, err
		}
		busy, limit, retry := o.busy(now)
		var due []Lane
		var wait time.Time
		err := o.cfg.Store.View(ctx, func(tx Tx) error {
			var err error
			if due, err = tx.Due(now, busy, limit); err != nil || len(due) >= limit {
				return err
			}
			wait, err = tx.NextDue(now)
			return err
		})
		if err != nil {
			return nil, time.Time{}, err
		}
		lane, claimed := o.claim(due, now)
		if !claimed {
			return nil, earliest(wait, retry), nil
		}
		s, fresh, err := o.read(ctx, lane)
		if fresh {
			return s, time.Time{}, nil
		}
		if errors.Is(err, errDamaged) {
			err = o.park(ctx, lane)
		}
		o.release(lane)
		if err != nil {
			return nil, time.Time{}, err
		}
	}
}

// errDamaged means that a batch cannot be read back as what was put into it.
var errDamaged = errors.New("outbox: a batch in the store cannot be decoded")

// park stops one lane, so that what is wrong with it does not stop the others.
func (o *Outbox) park(ctx context.Context, lane Lane) error {
	lane.Parked = true
	if err := o.update(ctx, func(tx Tx) error { return tx.Save(lane) }); err != nil {
		return err
	}
	o.alarm(Alarm{Destination: lane.Destination, Room: lane.Room, Sequence: lane.First, Whole: true, Reason: errDamaged.Error()})
	return nil
}

func (o *Outbox) alarm(a Alarm) {
	if o.cfg.Alarm != nil {
		o.cfg.Alarm(a)
	}
}

// busy lists the destinations that are not asked now, how many lanes to look at to find a free one, and when the first of the failing
// ones is asked again.
func (o *Outbox) busy(now time.Time) (names []string, limit int, retry time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for name, d := range o.destinations {
		if o.closed(name, d, now) {
			names = append(names, name)
		}
		if d.next.After(now) {
			retry = earliest(retry, d.next)
		}
	}
	slices.Sort(names)
	return names, len(o.sending) + 1, retry
}

func (o *Outbox) claim(due []Lane, now time.Time) (Lane, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, lane := range due {
		key := laneKey{lane.Destination, lane.Room}
		d := o.destinations[lane.Destination]
		if o.sending[key] && !planted("two in flight") || d != nil && o.closed(lane.Destination, d, now) {
			continue
		}
		if d == nil {
			d = new(destination)
			o.destinations[lane.Destination] = d
		}
		d.sending++
		o.sending[key] = true
		if !o.own(lane.Destination) {
			o.abroad++
		}
		return lane, true
	}
	return Lane{}, false
}

func (o *Outbox) release(lane Lane) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.sending, laneKey{lane.Destination, lane.Room})
	if !o.own(lane.Destination) {
		o.abroad--
	}
	d := o.destinations[lane.Destination]
	d.sending--
	if d.sending == 0 && d.failures == 0 {
		delete(o.destinations, lane.Destination)
	}
}

// read reads a lane's batch; fresh is false when the lane moved on between looking and claiming.
func (o *Outbox) read(ctx context.Context, lane Lane) (s *Sending, fresh bool, err error) {
	s = &Sending{Room: lane.Room, Body: new(mimi.NotifyBody), lane: lane}
	if s.Destination, err = uri.ProviderFromDomain(lane.Destination); err != nil {
		return nil, false, errors.Join(errDamaged, err)
	}
	err = o.cfg.Store.View(ctx, func(tx Tx) error {
		s.items, err = tx.Batch(lane)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	if n := len(s.items); n == 0 || s.items[0].Sequence != lane.First || s.items[n-1].Sequence != lane.Last {
		return nil, false, nil
	}
	s.Body.Items = make([]mimi.FanoutMessage, len(s.items))
	for i := range s.items {
		// Our own octets: the limits for what strangers send do not apply.
		if err := mimi.Limits(len(s.items[i].Body)).Unmarshal(s.items[i].Body, &s.Body.Items[i]); err != nil {
			return nil, false, errors.Join(errDamaged, err)
		}
	}
	return s, true, nil
}

// Done notes what became of a batch: nil when the destination took it, else the error of the call. The batch is no longer on its
// way, also when Done fails; it is then sent again, after a rest.
func (o *Outbox) Done(ctx context.Context, s *Sending, result error) error {
	defer o.release(s.lane)
	if err := ctx.Err(); err != nil {
		return err // the call ended with the process, which says nothing about the destination
	}
	now := o.cfg.Now()
	err := o.note(ctx, s, result, now)
	if err != nil && ctx.Err() == nil {
		// Without the rest a full disk would make us send the same octets again as fast as the destination takes them.
		o.failed(s.lane.Destination, failure{at: now, next: now.Add(storeRest), reason: "the own store failed"})
	}
	return err
}

func (o *Outbox) note(ctx context.Context, s *Sending, result error, now time.Time) error {
	switch {
	case result == nil:
		back := o.answered(s.lane.Destination)
		return o.update(ctx, func(tx Tx) error {
			if back {
				if err := wake(tx, s.lane.Destination, now); err != nil {
					return err
				}
			}
			return tx.Advance(s.lane, now, o.cfg.MaxBytes, o.cfg.MaxItems)
		})
	case definite(result):
		o.answered(s.lane.Destination)
		return o.refused(ctx, s, result, now)
	}
	lane := s.lane
	lane.Tries++
	lane.Next = now.Add(o.delay(lane.Destination, lane.Tries, result))
	if planted("splits after a timeout") {
		lane.Last = lane.First
	}
	var refusal *mimi.Error
	asked := errors.As(result, &refusal) && refusal.RetryAfter > 0
	o.failed(lane.Destination, failure{at: now, next: lane.Next, asked: asked, reason: result.Error()})
	return o.update(ctx, func(tx Tx) error { return tx.Save(lane) })
}

func (o *Outbox) update(ctx context.Context, f func(Tx) error) error {
	return o.cfg.Store.Update(ctx, f)
}

// definite reports whether the destination has judged the octets themselves and will never take them. A refusal of the caller
// (forbidden, not found, wrong host) says nothing about the octets: whoever runs the two providers can mend it.
func definite(err error) bool {
	var refusal *mimi.Error
	return errors.As(err, &refusal) && (refusal.Code == mimi.BadRequest || refusal.Code == mimi.TooLarge)
}

// refused halves a batch that the destination refused for good, to find the item that it cannot take. A single item is offered
// again some times, then parked: an application message alone, a handshake with its lane.
func (o *Outbox) refused(ctx context.Context, s *Sending, result error, now time.Time) error {
	lane := s.lane
	if n := len(s.items); n > 1 {
		lane.Last, lane.Tries, lane.Refusals, lane.Next = s.items[n/2-1].Sequence, 0, 0, now
		return o.update(ctx, func(tx Tx) error { return tx.Save(lane) })
	}
	lane.Tries++
	lane.Refusals++
	if lane.Refusals < PoisonTries {
		lane.Next = now.Add(o.delay(lane.Destination, lane.Refusals, nil))
		return o.update(ctx, func(tx Tx) error { return tx.Save(lane) })
	}
	item := s.items[0]
	alarm := Alarm{Destination: lane.Destination, Room: lane.Room, Sequence: item.Sequence, Whole: item.Handshake, Reason: result.Error()}
	err := o.update(ctx, func(tx Tx) error {
		if item.Handshake {
			lane.Parked = true
			return tx.Save(lane)
		}
		if err := tx.Drop(lane, item.Sequence, alarm.Reason, now); err != nil {
			return err
		}
		return tx.Advance(lane, now, o.cfg.MaxBytes, o.cfg.MaxItems)
	})
	if err == nil {
		o.alarm(alarm)
	}
	return err
}

// Step sends one batch, if one is due, and reports whether it did; otherwise next is when to come back, as Next has it. A failure of
// the peer is no error.
func (o *Outbox) Step(ctx context.Context, peer func(uri.Provider) (mimi.Service, error)) (sent bool, next time.Time, err error) {
	s, next, err := o.Next(ctx)
	if err != nil || s == nil {
		return false, next, err
	}
	service, result := peer(s.Destination)
	if result == nil {
		result = service.Notify(ctx, s.Room, s.Body)
	}
	return true, time.Time{}, o.Done(ctx, s, result)
}

// Backlogs summarises what waits, by destination.
func (o *Outbox) Backlogs(ctx context.Context) (list []Backlog, err error) {
	err = o.cfg.Store.View(ctx, func(tx Tx) error {
		list, err = tx.Backlogs()
		return err
	})
	return list, err
}

// earliest of two times, of which the zero time is none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Size is the number of octets of a batch on the wire.
func (s *Sending) Size() int {
	n := 0
	for _, item := range s.items {
		n += len(item.Body)
	}
	return n
}
