package provider

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"parley/outbox"
)

// dispatch asks the outbox for what is due and hands it to the carriers, one batch of a lane at a time. It wakes on a hint, when
// a carrier is done, and when a retry is due. It never waits for a carrier: the outbox bounds what is on its way, so that no destination
// holds up another.
func (p *Provider) dispatch(ctx context.Context, c *carriers) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		list, next, err := p.outbox.NextAll(ctx, mostAtOnce)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			// The store tells by itself when it has stopped; anything else may pass.
			p.log.Error("outbox cannot be read", "error", err.Error())
			next = p.cfg.Now().Add(time.Second)
		}
		for _, s := range list {
			c.hand(s)
		}
		if len(list) > 0 {
			continue
		}
		if !p.rest(ctx, timer, next) {
			return nil
		}
	}
}

// mostAtOnce is how many batches the dispatcher takes from one look at the store.
const mostAtOnce = 32

// longestRest is how long the dispatcher relies on hints alone.
const longestRest = time.Minute

// rest waits for a hint or until next; false when the context has ended.
func (p *Provider) rest(ctx context.Context, timer *time.Timer, next time.Time) bool {
	d := longestRest
	if !next.IsZero() {
		d = min(max(next.Sub(p.cfg.Now()), time.Millisecond), longestRest)
	}
	timer.Reset(d)
	select {
	case <-p.outboxHint:
	case <-timer.C:
	case <-ctx.Done():
		return false
	}
	return true
}

// carriers send batches. There is one for each batch on its way, and some that wait for the next.
type carriers struct {
	start func(func(context.Context) error) // a goroutine
	send  func(context.Context, *outbox.Sending)
	work  chan *outbox.Sending
	n     atomic.Int64
}

// spareCarriers are kept: a new goroutine has to grow its stack first.
const spareCarriers = 32

func newCarriers(start func(func(context.Context) error), send func(context.Context, *outbox.Sending)) *carriers {
	return &carriers{start: start, send: send, work: make(chan *outbox.Sending)}
}

func (c *carriers) hand(s *outbox.Sending) {
	select {
	case c.work <- s:
	default:
		c.n.Add(1)
		c.start(func(ctx context.Context) error { return c.carry(ctx, s) })
	}
}

// carry sends a batch and then what else is handed over. A batch that is under way when the process stops is finished or cut by the
// context; its lane then sends the same octets again (D4).
func (c *carriers) carry(ctx context.Context, s *outbox.Sending) error {
	defer c.n.Add(-1)
	for {
		c.send(ctx, s)
		if c.n.Load() > spareCarriers {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case s = <-c.work:
		}
	}
}

func (p *Provider) send(ctx context.Context, s *outbox.Sending) {
	peer, result := p.peers.For(s.Destination)
	if result == nil {
		result = peer.Notify(ctx, s.Room, s.Body)
	}
	verdict := "taken"
	if result != nil {
		verdict = "failed"
	}
	p.metrics.batches.WithLabelValues(s.Destination.Domain(), verdict).Inc()
	p.metrics.items.WithLabelValues(s.Destination.Domain(), verdict).Add(float64(len(s.Body.Items)))
	if err := p.outbox.Done(ctx, s, result); err != nil && ctx.Err() == nil {
		p.log.Error("outbox cannot be written", "error", err.Error())
	}
	hint(p.outboxHint)
}

// alarm is what the outbox raises for something that it gives up.
func (p *Provider) alarm(a outbox.Alarm) {
	p.metrics.parked.WithLabelValues(a.Destination).Inc()
	p.log.Error("ALARM: something was parked that a destination refuses for good", "destination", a.Destination, "sequence", a.Sequence,
		"whole lane", a.Whole, "reason", a.Reason)
}

// Sweeps.
const (
	firstSweep = time.Minute
	sweepEvery = time.Hour
)

// sweep deletes what has expired, from time to time.
func (p *Provider) sweep(ctx context.Context) error {
	timer := time.NewTimer(firstSweep)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		p.sweepOnce(ctx)
		timer.Reset(sweepEvery)
	}
}

func (p *Provider) sweepOnce(ctx context.Context) {
	for _, s := range []struct {
		what  string
		sweep func(context.Context) (int, error)
	}{
		{"answers", p.hub.Sweep}, {"key packages", p.packages.Sweep}, {"seen", p.follower.Sweep}, {"inbox entries", p.inboxes.Sweep},
		{"enrolment codes", p.accounts.Sweep}, {"consent requests", p.contact.Sweep}, {"abuse reports", p.hub.SweepCases}, {"changes of addresses", p.people.Sweep},
		{"files", p.files.sweep},
	} {
		n, err := s.sweep(ctx)
		if err != nil {
			if ctx.Err() == nil {
				p.log.Error("sweep failed", "what", s.what, "error", err.Error())
			}
			continue
		}
		p.metrics.swept.WithLabelValues(s.what).Add(float64(n))
		if n > 0 {
			level := slog.LevelDebug
			if s.what == "inbox entries" {
				level = slog.LevelWarn // somebody's device was away for too long
			}
			p.log.Log(ctx, level, "expired", "what", s.what, "count", n)
		}
	}
}

// Refreshes of the peers' authorities.
const (
	refreshKnown   = 10 * time.Minute // the directory is cached by its own rules in between
	refreshUnknown = 500 * time.Millisecond
	mostUnknown    = 5 * time.Minute
)

// refresh learns the authorities of peers as soon as they can be reached, and looks for changes later.
func (p *Provider) refresh(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	wait := refreshUnknown
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		if p.refreshOnce(ctx) {
			timer.Reset(refreshKnown)
			wait = refreshUnknown
			continue
		}
		timer.Reset(wait)
		wait = min(2*wait, mostUnknown)
	}
}

// refreshOnce reports whether all peers' authorities are known now. Peers that do not answer hold up the round and not the others.
func (p *Provider) refreshOnce(ctx context.Context) bool {
	var g errgroup.Group
	g.SetLimit(8)
	all := true
	for _, r := range p.peers.ordered() {
		g.Go(func() error {
			if err := r.learn(ctx); err != nil && ctx.Err() == nil {
				p.log.Debug("authorities of a peer cannot be fetched now", "peer", r.peer.Domain(), "error", err.Error())
			}
			return nil
		})
	}
	err := g.Wait() // nil: what failed was logged
	for _, r := range p.peers.ordered() {
		all = all && p.authorities.known(r.peer)
	}
	return all && err == nil
}
