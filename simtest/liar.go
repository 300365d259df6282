package simtest

import (
	"context"
	"time"

	"parley/mimi"
)

// captured is a request that one provider made to another, as a third one overheard it.
type captured struct {
	from, to *provider
	endpoint mimi.Endpoint
	again    func(ctx context.Context, s mimi.Service) (took bool)
}

// overheard is how many requests are kept for liars.
const overheard = 48

func (l *link) capture(e mimi.Endpoint, again func(context.Context, mimi.Service) bool) {
	w := l.world
	c := captured{l.from, l.to, e, again}
	if len(w.captured) < overheard {
		w.captured = append(w.captured, c)
	} else {
		w.captured[w.rng.IntN(overheard)] = c
	}
	if w.faults.liars > 0 && w.chance(0.05) {
		w.after(0, func() { w.lie(c) }) // before the request itself arrives
	}
}

// lie has a provider make another one's request in its own name. Authenticated as it is, it must get nothing for it.
func (w *World) lie(c captured) {
	liar := w.providers[w.rng.IntN(len(w.providers))]
	if liar == c.from || !c.to.up {
		return
	}
	w.say(&liar.process, &c.to.process, "repeats a %s of %s", c.endpoint, c.from.name)
	w.spawn(&c.to.process, func() {
		if c.again(context.Background(), c.to.as(liar)) {
			w.fail("forgery", "%s believed %s a %s of %s", c.to.name, liar.name, c.endpoint, c.from.name)
		}
		w.count("forgeries refused")
	})
}

// lieAgain repeats something from earlier.
func (w *World) lieAgain() {
	if len(w.captured) > 0 {
		w.lie(w.captured[w.rng.IntN(len(w.captured))])
	}
}

// aLongTime is longer than KeyPackages live.
const aLongTime = 61 * 24 * time.Hour

// leap lets a long time pass in which nobody does anything. What waits goes on; KeyPackages have expired.
func (w *World) leap() {
	w.say(nil, nil, "%v pass", aLongTime)
	w.count("leaps")
	w.passed += aLongTime
	for _, p := range w.providers {
		if !p.up {
			continue
		}
		w.spawn(&p.process, func() {
			if _, err := p.packages.Sweep(context.Background()); err != nil {
				w.say(&p.process, nil, "cannot sweep")
			}
		})
	}
	for _, d := range w.devices {
		w.ring(&d.bell)
	}
	for _, p := range w.providers {
		w.ring(&p.work)
	}
}
