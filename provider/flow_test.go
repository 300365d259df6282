package provider

import (
	"context"
	"errors"
	"testing"
	"time"

	"parley/mimi"
)

// gauge is a flow with a clock that the test moves.
type gauge struct {
	t   *testing.T
	now time.Time
	flow
}

func newGauge(t *testing.T, most int) *gauge {
	b := &gauge{t: t, now: time.Unix(1_800_000_000, 0)}
	b.flow = flow{most: most, now: func() time.Time { return b.now }}
	return b
}

func (b *gauge) pass(d time.Duration) { b.now = b.now.Add(d) }

// admitted lets n requests in.
func (b *gauge) admitted(n int) {
	b.t.Helper()
	for i := range n {
		if err := b.enter(); err != nil {
			b.t.Fatalf("request %d: %v", i, err)
		}
	}
}

func (b *gauge) refused(least, most time.Duration) {
	b.t.Helper()
	err := b.enter()
	var failure *mimi.Error
	if !errors.As(err, &failure) || failure.Code != mimi.Unavailable || failure.RetryAfter < least || failure.RetryAfter > most {
		b.t.Fatalf("got %v, %+v", err, failure)
	}
}

var (
	silence = &mimi.Error{Code: mimi.Unavailable, Err: context.DeadlineExceeded}
	busy    = &mimi.Error{Code: mimi.Unavailable, RetryAfter: time.Minute} // an answer
)

func TestFlow(t *testing.T) {
	t.Run("at most so many", func(t *testing.T) {
		b := newGauge(t, 20)
		b.admitted(20)
		b.refused(time.Second, time.Second)
		b.leave(t.Context(), nil)
		b.admitted(1)
		if b.count() != 20 {
			t.Errorf("%d wait", b.count())
		}
	})
	t.Run("a silent peer gets a few only", func(t *testing.T) {
		b := newGauge(t, 100)
		b.admitted(fewWaiting)
		b.pass(quiet)
		b.admitted(1)
		b.pass(time.Millisecond)
		b.refused(time.Second, time.Second)
		b.leave(t.Context(), busy) // an answer, whatever it is
		b.admitted(50)
	})
	t.Run("an idle peer is not a silent one", func(t *testing.T) {
		b := newGauge(t, 100)
		b.admitted(1)
		b.leave(t.Context(), nil)
		b.pass(time.Hour)
		b.admitted(50)
	})
	t.Run("after a failure one at a time, after a rest", func(t *testing.T) {
		b := newGauge(t, 100)
		b.admitted(3)
		for range 3 {
			b.leave(t.Context(), silence)
		}
		for _, rest := range []time.Duration{firstRetry, 2 * firstRetry, mostRetry, mostRetry} {
			b.refused(rest, rest) // three at once were one failure
			b.pass(rest)
			b.admitted(1)
			b.refused(firstRetry, firstRetry)
			b.leave(t.Context(), silence)
		}
		b.pass(mostRetry)
		b.admitted(1)
		b.leave(t.Context(), nil)
		b.admitted(50)
	})
	t.Run("a peer that calls is up", func(t *testing.T) {
		b := newGauge(t, 100)
		b.admitted(1)
		b.leave(t.Context(), silence)
		b.refused(firstRetry, firstRetry)
		b.heard()
		b.admitted(50)
	})
	t.Run("who goes away says nothing about the peer", func(t *testing.T) {
		b := newGauge(t, 100)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		b.admitted(1)
		b.leave(ctx, &mimi.Error{Code: mimi.Unavailable, Err: context.Canceled})
		b.admitted(1)
	})
}
