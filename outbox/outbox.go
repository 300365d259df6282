package outbox

import (
	"context"
	"errors"
	"maps"
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
	claims       uint64 // how often a lane was put on its way
	abroad       int    // how many of sending go to other providers
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
	list, next, err := o.NextAll(ctx, 1)
	if len(list) == 0 {
		return nil, next, err
	}
	return list[0], time.Time{}, nil
}

// NextAll is Next for up to most batches, of different lanes, from one snapshot. When there are fewer, nothing else was due then.
func (o *Outbox) NextAll(ctx context.Context, most int) ([]*Sending, time.Time, error) {
	for {
		now := o.cfg.Now()
		if err := o.wakeHeard(ctx, now); err != nil {
			return nil, time.Time{}, err
		}
		look := o.busy(now)
		found, wait, err := o.look(ctx, look, most, now)
		if err != nil {
			return nil, time.Time{}, err
		}
		list, fresh := o.claim(found, look, now)
		if !fresh {
			continue // another worker was faster
		}
		good, err := o.decode(ctx, list)
		if err != nil || len(good) > 0 {
			return good, time.Time{}, err
		}
		if len(list) == 0 {
			return nil, earliest(wait, look.retry), nil
		}
	}
}

// look reads the lanes that are due with their batches. The snapshot is newer than what seen says is on its way, so that a lane which
// is not is read as its last Done left it.
func (o *Outbox) look(ctx context.Context, seen *seen, most int, now time.Time) (found []*Sending, wait time.Time, err error) {
	limit := len(seen.sending) + most
	err = o.cfg.Store.View(ctx, func(tx Tx) error {
		found, wait = nil, time.Time{}
		due, err := tx.Due(now, seen.busy, limit)
		if err != nil {
			return err
		}
		for _, lane := range due {
			if len(found) == most {
				break
			}
			if seen.sending[laneKey{lane.Destination, lane.Room}] && !planted("two in flight") {
				continue
			}
			s := &Sending{Room: lane.Room, Body: new(mimi.NotifyBody), lane: lane}
			if s.items, err = tx.Batch(lane); err != nil {
				return err
			}
			found = append(found, s)
		}
		if len(found) == 0 && len(due) < limit {
			wait, err = tx.NextDue(now)
		}
		return err
	})
	return found, wait, err
}

// decode makes what claim has put on its way ready to send. What is damaged is parked.
func (o *Outbox) decode(ctx context.Context, list []*Sending) (good []*Sending, err error) {
	for _, s := range list {
		if err != nil {
			o.release(s.lane)
			continue
		}
		if s.decode() == nil {
			good = append(good, s)
			continue
		}
		err = o.park(ctx, s.lane)
		o.release(s.lane)
	}
	if err != nil {
		for _, s := range good {
			o.release(s.lane)
		}
		return nil, err
	}
	return good, nil
}

func (s *Sending) decode() (err error) {
	if s.Destination, err = uri.ProviderFromDomain(s.lane.Destination); err != nil {
		return errDamaged
	}
	if n := len(s.items); n == 0 || s.items[0].Sequence != s.lane.First || s.items[n-1].Sequence != s.lane.Last {
		return errDamaged
	}
	s.Body.Items = make([]mimi.FanoutMessage, len(s.items))
	for i := range s.items {
		// Our own octets: the limits for what strangers send do not apply.
		if mimi.Limits(len(s.items[i].Body)).Unmarshal(s.items[i].Body, &s.Body.Items[i]) != nil {
			return errDamaged
		}
	}
	return nil
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

// seen is what was on its way when a worker began to look.
type seen struct {
	busy    []string         // destinations that get nothing now
	sending map[laneKey]bool // lanes that are on their way
	retry   time.Time        // when the first of the failing destinations is asked again
	claims  uint64
}

func (o *Outbox) busy(now time.Time) *seen {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := &seen{sending: maps.Clone(o.sending), claims: o.claims}
	for name, d := range o.destinations {
		if o.closed(name, d, now) {
			s.busy = append(s.busy, name)
		}
		if d.next.After(now) {
			s.retry = earliest(s.retry, d.next)
		}
	}
	slices.Sort(s.busy)
	return s
}

// claim puts batches on their way as far as their destinations take them. Nothing is claimed, and fresh is false, when another worker
// has claimed since the snapshot: a lane may have been sent and noted in between.
func (o *Outbox) claim(found []*Sending, seen *seen, now time.Time) (list []*Sending, fresh bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.claims != seen.claims {
		return nil, len(found) == 0
	}
	for _, s := range found {
		key := laneKey{s.lane.Destination, s.lane.Room}
		d := o.destinations[key.destination]
		if o.sending[key] && !planted("two in flight") || d != nil && o.closed(key.destination, d, now) {
			continue
		}
		if d == nil {
			d = new(destination)
			o.destinations[key.destination] = d
		}
		d.sending++
		o.sending[key] = true
		o.claims++
		if !o.own(key.destination) {
			o.abroad++
		}
		list = append(list, s)
	}
	return list, true
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
