package provider

import (
	"context"
	"errors"
	"sync"
	"time"

	"parley/mimi"
)

// flow bounds what waits for one peer, so that a peer that hangs costs a few places and not all of them: the requests of devices that
// wait for it, and those of other peers that need it. What the outbox sends has bounds of its own. It is safe for concurrent use.
//
// While a peer answers, it may have many requests on their way. When nothing came back for a while, further ones are refused at once;
// after one without any answer, one at a time finds out whether the peer is back.
type flow struct {
	most int
	now  func() time.Time

	mu       sync.Mutex
	waiting  int
	since    time.Time // the last answer, or when the first of those that wait began
	failures int       // requests in a row without an answer
	next     time.Time // of the next try after them
}

const (
	fewWaiting  = 8               // may always wait
	quiet       = 3 * time.Second // a peer that was silent for this long gets no more than fewWaiting
	firstRetry  = 500 * time.Millisecond
	mostRetry   = 2 * time.Second
	whenCrowded = time.Second
)

var errSilent = errors.New("provider: earlier requests got no answer")

// enter takes a place, or refuses with an *mimi.Error that says when to come back.
func (f *flow) enter() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	if f.failures > 0 && (f.waiting > 0 || now.Before(f.next)) {
		return &mimi.Error{Code: mimi.Unavailable, Detail: "peer did not answer", RetryAfter: max(f.next.Sub(now), firstRetry), Err: errSilent}
	}
	if f.waiting >= f.most || f.waiting >= fewWaiting && now.Sub(f.since) > quiet {
		return &mimi.Error{Code: mimi.Unavailable, Detail: "too many requests wait for the peer", RetryAfter: whenCrowded, Err: errSilent}
	}
	if f.waiting == 0 {
		f.since = now
	}
	f.waiting++
	return nil
}

// leave gives the place back and takes note of what became of the request.
func (f *flow) leave(ctx context.Context, err error) {
	silent := noAnswer(err)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting--
	switch {
	case !silent:
		f.since, f.failures = f.now(), 0
	case ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded):
		// Whoever asked went away, which says nothing about the peer.
	default:
		now := f.now()
		if f.failures > 0 && now.Before(f.next) {
			return // one of many that waited for the same
		}
		f.failures++
		f.next = now.Add(min(firstRetry<<min(f.failures-1, 8), mostRetry))
	}
}

// heard says that the peer is alive.
func (f *flow) heard() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failures = 0
}

// count is how many requests wait.
func (f *flow) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.waiting
}

// noAnswer reports whether a request to a peer got no answer: that failure has a cause, an answer that says "unavailable" has none.
func noAnswer(err error) bool {
	var failure *mimi.Error
	return errors.As(err, &failure) && failure.Code == mimi.Unavailable && failure.Err != nil
}
