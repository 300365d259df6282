package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// Load is what Run measures.
type Load struct {
	Setup
	Pairs    int           // 0 means 16: a sender at one provider and a receiver at the other, in a room of their own
	Warmup   time.Duration // before the measurement; 0 means 2 s
	Hub      Hub           // of the rooms
	Duration time.Duration // of the saturated phase; 0 with Messages 0: none
	Messages int           // ends the saturated phase after so many
	Rate     float64       // messages per second at light load; 0: not measured
	Light    time.Duration // of the light phase; 0 means 15 s
	Profiles string        // directory for a CPU profile of each server in the saturated phase, which needs a Duration; empty: none
}

func (l *Load) fill() {
	l.Setup.fill()
	if l.Pairs == 0 {
		l.Pairs = 16
	}
	if l.Warmup == 0 {
		l.Warmup = 2 * time.Second
	}
	if l.Light == 0 {
		l.Light = 15 * time.Second
	}
}

// settleWithin is how long the last messages may take to arrive.
const settleWithin = time.Minute

// Run measures. The error is about the measurement; what happened to the messages stands in the report's Verdict.
func Run(ctx context.Context, l Load) (report *Report, err error) {
	l.fill()
	if l.Profiles != "" {
		l.Extra += profiled
	}
	report = &Report{Machine: machine(), Pairs: l.Pairs, Window: l.Window, Size: l.Size, StartedAt: time.Now().UTC()}
	inner, end := context.WithCancel(ctx)
	w, err := open(inner, l.Setup)
	defer func() {
		end()
		err = errors.Join(err, w.close(), w.kill())
	}()
	if err != nil {
		return nil, err
	}
	if err := w.pairs(ctx, l.Pairs, l.Hub); err != nil {
		return nil, err
	}
	idle, err := w.begin(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range idle.servers {
		report.Idle = append(report.Idle, s.rss)
	}
	if l.Duration > 0 || l.Messages > 0 {
		if report.Full, err = w.saturate(ctx, &l); err != nil {
			return nil, err
		}
	}
	if l.Rate > 0 {
		if report.Light, err = w.light(ctx, &l); err != nil {
			return nil, err
		}
	}
	report.Verdict, err = w.verdict(ctx)
	return report, err
}

// Hub says which provider is the hub of the rooms of a measurement.
type Hub string

const (
	HubBoth     Hub = ""         // the sender's in one half of the rooms, the receiver's in the other
	HubSender   Hub = "sender"   // the sender's: what it sends together is accepted together
	HubReceiver Hub = "receiver" // the receiver's: every message is a request between the providers
)

// creator is the server of the member who creates the room with a number.
func (h Hub) creator(room int) int {
	switch h {
	case HubSender:
		return 0
	case HubReceiver:
		return 1
	}
	return room % 2
}

// pairs forms the rooms. Senders are at the first provider.
func (w *world) pairs(ctx context.Context, n int, hub Hub) error {
	for i := range n {
		creator := hub.creator(i)
		p, err := w.form(ctx, creator, 1-creator)
		if err != nil {
			return err
		}
		w.sends(p, p.members[creator])
	}
	w.say("%d pairs are in their rooms", n)
	return nil
}

func (w *world) senders() []*member {
	var out []*member
	for _, p := range w.places {
		for _, m := range p.members {
			if m.lane != nil {
				out = append(out, m)
			}
		}
	}
	return out
}

// saturate lets every sender have as many messages on their way as its window allows.
func (w *world) saturate(ctx context.Context, l *Load) (*Phase, error) {
	stop := make(chan struct{})
	g, group := errgroup.WithContext(w.ctx)
	for _, m := range w.senders() {
		g.Go(func() error { return m.stream(group, stop) })
	}
	var p *Phase
	g.Go(func() (err error) {
		defer close(stop)
		p, err = w.measure(ctx, l)
		return err
	})
	if l.Profiles != "" {
		for _, s := range w.servers {
			g.Go(func() error {
				if err := until(group, time.Now().Add(l.Warmup)); err != nil {
					return err
				}
				return profile(group, s, l.Profiles, int(l.Duration.Seconds())-1)
			})
		}
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return p, w.drain(ctx)
}

func (w *world) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	return w.settle(ctx)
}

// measure is the saturated phase but for the senders.
func (w *world) measure(ctx context.Context, l *Load) (*Phase, error) {
	if err := w.last(ctx, l.Warmup, 0); err != nil {
		return nil, err
	}
	w.ledger.record(true)
	from, err := w.begin(ctx)
	if err != nil {
		return nil, err
	}
	w.say("measuring at saturation")
	if err := w.last(ctx, l.Duration, l.Messages); err != nil {
		return nil, err
	}
	to, err := w.end(ctx)
	if err != nil {
		return nil, err
	}
	return w.phase(&from, &to, w.ledger.record(false)), nil
}

// last waits for the time, or until so many messages more were delivered, what comes first; 0 sets no limit.
func (w *world) last(ctx context.Context, d time.Duration, messages int) error {
	_, before, moved := w.ledger.counts()
	var over <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		over = timer.C
	}
	if messages == 0 {
		moved = nil
	}
	for {
		select {
		case <-over:
			return nil
		case <-moved:
			var now int
			if _, now, moved = w.ledger.counts(); now-before >= messages {
				return nil
			}
		case <-w.ctx.Done():
			return errors.Join(errEarly, w.lives.Wait())
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

var errEarly = errors.New("bench: the devices ended early")

// light sends at a fixed rate, whatever becomes of the messages, and counts latencies from the moment at which each was due.
func (w *world) light(ctx context.Context, l *Load) (*Phase, error) {
	w.say("measuring at %g messages per second", l.Rate)
	senders := w.senders()
	w.ledger.record(true)
	from, err := w.begin(ctx)
	if err != nil {
		return nil, err
	}
	g, group := errgroup.WithContext(ctx)
	gap := time.Duration(float64(time.Second) / l.Rate)
	total := int(l.Light / gap)
	for i, m := range senders {
		g.Go(func() error {
			for n := i; n < total; n += len(senders) {
				due := from.at.Add(time.Duration(n) * gap)
				if err := until(group, due); err != nil {
					return err
				}
				if err := m.say(group, 1, due); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("light load: %w", err)
	}
	if err := w.drain(ctx); err != nil {
		return nil, err
	}
	to, err := w.end(ctx)
	if err != nil {
		return nil, err
	}
	return w.phase(&from, &to, w.ledger.record(false)), nil
}

func until(ctx context.Context, at time.Time) error {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
