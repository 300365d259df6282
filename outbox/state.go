package outbox

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"parley/mimi"
	"parley/uri"
)

// destination is what is known of a destination since the process started; there is one while something is on its way to it or the
// last try failed.
type destination struct {
	sending  int
	failures int  // in a row
	failure       // the last of them; next is the latest of all
	heard    bool // it has called since
}

type failure struct {
	at, next time.Time
	asked    bool // the destination itself has said when to come back
	reason   string
}

// closed reports whether a destination gets nothing now: it waits for its next try, one try is under way after failures, or it has its
// share of what is on its way.
func (o *Outbox) closed(name string, d *destination, now time.Time) bool {
	if d.failures > 0 {
		return d.sending > 0 || d.next.After(now)
	}
	if d.sending >= o.cfg.PerDestination {
		return true
	}
	return d.sending > 0 && !o.own(name) && o.abroad >= o.cfg.Together
}

func (o *Outbox) own(destination string) bool {
	return !o.cfg.Own.IsZero() && destination == o.cfg.Own.Domain()
}

// answered notes that a destination has judged a batch; back is true when it did not before.
func (o *Outbox) answered(name string) (back bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	d := o.destinations[name]
	back = d.failures > 0
	d.failures, d.failure, d.heard = 0, failure{}, false
	return back
}

// failed closes a destination until a time. Of several failures at once the one counts that asks for the longest rest (P-NT-06).
func (o *Outbox) failed(name string, f failure) {
	o.mu.Lock()
	defer o.mu.Unlock()
	d := o.destinations[name]
	d.failures++
	if d.next.After(f.next) {
		f.next, f.asked = d.next, d.asked
	}
	d.failure = f
}

// mostWoken bounds the lanes that one transaction makes due; the others come when their time is.
const mostWoken = 256

// wake makes the lanes due that were put off while their destination failed. One that was refused keeps its delay.
func wake(tx Tx, destination string, now time.Time) error {
	lanes, err := tx.Delayed(destination, now, mostWoken)
	if err != nil {
		return err
	}
	for _, l := range lanes {
		if l.Refusals > 0 {
			continue
		}
		l.Next = now
		if err := tx.Save(l); err != nil {
			return err
		}
	}
	return nil
}

// Heard says that a provider has called us, so that it is up. When it failed before, it is tried again soon, unless it has asked for a
// longer rest; true tells that Next has something to look at. It may be called often.
func (o *Outbox) Heard(p uri.Provider) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	d := o.destinations[p.Domain()]
	if d == nil || d.failures == 0 || d.asked || d.heard {
		return false
	}
	soon := d.at.Add(firstDelay) // it may call us all the time and still not answer
	if !d.next.After(soon) {
		return false
	}
	d.next, d.heard = soon, true
	return true
}

// wakeHeard makes what was put off due for the destinations that were heard of. One transaction, if there are any.
func (o *Outbox) wakeHeard(ctx context.Context, now time.Time) error {
	var names []string
	o.mu.Lock()
	for name, d := range o.destinations {
		if d.heard && !d.next.After(now) {
			names = append(names, name)
		}
	}
	o.mu.Unlock()
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	err := o.update(ctx, func(tx Tx) error {
		for _, name := range names {
			if err := wake(tx, name, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, name := range names {
		if d := o.destinations[name]; d != nil {
			d.heard = false
		}
	}
	return nil
}

// Retry ends the rest of a destination, also one that it has asked for: what waits for it is tried now. One transaction.
func (o *Outbox) Retry(ctx context.Context, p uri.Provider) error {
	now := o.cfg.Now()
	if err := o.update(ctx, func(tx Tx) error { return wake(tx, p.Domain(), now) }); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if d := o.destinations[p.Domain()]; d != nil {
		d.next, d.asked = time.Time{}, false
	}
	return nil
}

// Delays between tries.
const (
	firstDelay = 500 * time.Millisecond
	mostDelay  = 5 * time.Minute
	mostAsked  = 24 * time.Hour // of a Retry-After
	mostOwn    = 4 * time.Second
	storeRest  = time.Second
)

// delay is the time until the next try, at least half of it fixed. A Retry-After is honoured as the least delay (P-NT-06). Our own
// provider fails with the store, which does not get well later because somebody asks for it.
func (o *Outbox) delay(destination string, tries int, result error) time.Duration {
	most := mostDelay
	if o.own(destination) {
		most, result = mostOwn, nil
	}
	d := most
	if tries < 20 {
		d = min(firstDelay<<max(tries-1, 0), most)
	}
	d = d/2 + time.Duration(float64(d/2)*o.cfg.Jitter())
	var asked *mimi.Error
	if errors.As(result, &asked) && asked.RetryAfter > d {
		after := min(asked.RetryAfter, mostAsked)
		return after + time.Duration(float64(after/10)*o.cfg.Jitter())
	}
	return d
}

// State is how a destination stands since the process started.
type State struct {
	Destination string
	Sending     int       // batches on their way
	Failures    int       // in a row; 0: the last try succeeded
	FailedAt    time.Time // of the last failure
	Next        time.Time // when the next try is due after it
	Reason      string    // of the last failure, safe for logs
}

// States lists the destinations to which something is on its way or whose last try failed, by name.
func (o *Outbox) States() []State {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := make([]State, 0, len(o.destinations))
	for name, d := range o.destinations {
		list = append(list, State{name, d.sending, d.failures, d.at, d.next, d.reason})
	}
	slices.SortFunc(list, func(a, b State) int { return strings.Compare(a.Destination, b.Destination) })
	return list
}
