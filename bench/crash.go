package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"parley/client"
	"parley/provider/lab"
)

// Crashes is what Crash does.
type Crashes struct {
	Setup
	Kills int // 0 means 50
}

// Crashed is the result of Crash.
type Crashed struct {
	Seed    uint64         `json:"seed"`
	Kills   map[string]int `json:"kills"`  // by domain
	Visits  int            `json:"visits"` // of guests: two commits each
	Seconds float64        `json:"seconds"`
	Verdict Verdict        `json:"verdict"`
}

// Times between kills. A kill follows so much progress after the last start that it strikes a provider that is at work, and then a
// moment that the seed chooses, so that it strikes anywhere in a transaction, a batch or an answer.
const (
	crashWindow   = 4
	crashProgress = 12 // messages delivered since the last start
	mostDelay     = 60 * time.Millisecond
	mostDown      = 100 * time.Millisecond
	progressIn    = 30 * time.Second
)

// Crash kills the providers again and again while all members of four rooms send, and lets everything settle in the end. Two rooms are
// those of two people, with the hub at the one provider and at the other; two have two people of each, and a guest of the other provider
// who is added and removed all the while, so that epochs change under the messages.
//
// The error is about the run; what happened to the messages stands in the Verdict.
func Crash(ctx context.Context, c Crashes) (result *Crashed, err error) {
	if c.Window == 0 {
		c.Window = crashWindow
	}
	if c.Kills == 0 {
		c.Kills = 50
	}
	c.fill()
	start := time.Now()
	inner, end := context.WithCancel(ctx)
	w, err := open(inner, c.Setup)
	defer func() {
		end()
		err = errors.Join(err, w.close(), w.kill())
	}()
	if err != nil {
		return nil, err
	}
	for _, servers := range [][]int{{0, 1}, {1, 0}, {0, 1, 0, 1}, {1, 0, 1, 0}} {
		p, err := w.form(ctx, servers...)
		if err != nil {
			return nil, err
		}
		for _, m := range p.members {
			w.sends(p, m)
		}
		if len(servers) > 2 {
			if p.guest, err = w.enrolled(ctx, servers[1]); err != nil {
				return nil, err
			}
			p.guest.sheet, p.guest.room = nil, p.room
		}
	}
	result = &Crashed{Seed: c.Seed, Kills: make(map[string]int)}
	if err := w.storm(ctx, &c, result); err != nil {
		return nil, err
	}
	result.Verdict, err = w.verdict(ctx)
	result.Seconds = time.Since(start).Seconds()
	return result, err
}

// storm is the time of kills and what comes after it.
func (w *world) storm(ctx context.Context, c *Crashes, result *Crashed) error {
	stop := make(chan struct{})
	g, group := errgroup.WithContext(w.ctx)
	for _, m := range w.senders() {
		g.Go(func() error { return m.stream(group, stop) })
	}
	var visits atomic.Int64
	for _, p := range w.places {
		if p.guest != nil {
			g.Go(func() error { return p.host(group, stop, &visits) })
		}
	}
	g.Go(func() error {
		defer close(stop)
		return w.killAll(group, c, result)
	})
	if err := g.Wait(); err != nil {
		return err
	}
	result.Visits = int(visits.Load())
	return w.drain(ctx)
}

// host adds the guest and removes it again, until stop is closed. Each of the two is a commit.
func (p *place) host(ctx context.Context, stop <-chan struct{}, visits *atomic.Int64) error {
	creator, user := p.members[0], p.guest.account.User
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		if err := p.guest.stocked(ctx); err != nil {
			return err
		}
		if err := creator.device.Do(ctx, func(c *client.Client) error {
			_, err := c.Add(ctx, p.room, user)
			return err
		}); err != nil {
			return fmt.Errorf("bench: adding a guest: %w", err)
		}
		if err := creator.inside(ctx, len(p.members)+1); err != nil {
			return err
		}
		if err := creator.device.Do(ctx, func(c *client.Client) error {
			_, err := c.Remove(ctx, p.room, user)
			return err
		}); err != nil {
			return fmt.Errorf("bench: removing a guest: %w", err)
		}
		if err := creator.inside(ctx, len(p.members)); err != nil {
			return err
		}
		visits.Add(1)
	}
}

func (w *world) killAll(ctx context.Context, c *Crashes, result *Crashed) error {
	rng := rand.New(rand.NewPCG(c.Seed, 1))
	for n := 0; n < c.Kills; {
		if err := w.progress(ctx, crashProgress); err != nil {
			return err
		}
		if err := pause(ctx, rand.N(mostDelay)); err != nil {
			return err
		}
		victims := []*lab.Server{w.servers[rng.IntN(len(w.servers))]}
		if n%10 == 9 && n+1 < c.Kills {
			victims = w.servers // now and then both are down at once
		}
		if err := w.strike(ctx, victims, rng, result); err != nil {
			return err
		}
		n += len(victims)
		_, delivered, _ := w.ledger.counts()
		w.say("kill %d of %d: %s; %d messages delivered", n, c.Kills, victims[len(victims)-1].Domain, delivered)
	}
	return w.progress(ctx, crashProgress)
}

// strike kills servers and starts them again after a while.
func (w *world) strike(ctx context.Context, victims []*lab.Server, rng *rand.Rand, result *Crashed) error {
	for _, s := range victims {
		if err := s.Kill(); err != nil {
			return err
		}
		result.Kills[s.Domain]++
	}
	if err := pause(ctx, time.Duration(rng.Int64N(int64(mostDown)))); err != nil {
		return err
	}
	for _, s := range victims {
		if err := s.Start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// progress waits until so many messages more were delivered.
func (w *world) progress(ctx context.Context, messages int) error {
	ctx, cancel := context.WithTimeout(ctx, progressIn)
	defer cancel()
	if err := w.last(ctx, 0, messages); err != nil {
		return fmt.Errorf("bench: no progress: %w", err)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error { return until(ctx, time.Now().Add(d)) }
