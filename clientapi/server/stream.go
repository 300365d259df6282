package server

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"parley/clientapi/api"
	"parley/identity"
)

// streamBatch is how many events a stream reads at once: it holds them in memory until they are sent.
const streamBatch = 64

// hold makes the request one that is held: no place among those being served, but one among those that are held.
func (c *call) hold() (ended <-chan struct{}, release func(), err error) {
	c.leave()
	return c.gate.hold(c.device.Client)
}

// read looks for events behind the cursor.
func (c *call) read(after *uint64, limit int) ([]api.Event, bool, error) {
	ctx, cancel := context.WithTimeout(c.r.Context(), CallTimeout)
	defer cancel()
	events, more, err := c.Events(ctx, c.device, after, limit)
	for i := range events {
		if len(events[i].Body) > api.MaxFrame-eventHead {
			// It cannot be sent; without it the inbox would stand still for ever. The client sees a gap.
			c.logFailure("event is too long for its client", api.ErrFrame)
			events[i].Body = nil
		}
	}
	return events, more, err
}

// eventHead is more than an event takes beside its body.
const eventHead = 2 << 10

// events answers a poll: at once when events wait, otherwise after one came or the time asked for is over.
func (c *call) events() (any, error) {
	after, err := c.cursor()
	if err != nil {
		return nil, err
	}
	wait, err := c.wait()
	if err != nil {
		return nil, err
	}
	// Registered before the first look: an event that comes in between is not missed.
	wake, stop := c.Wake(c.device)
	defer stop()
	ended, release, err := c.hold()
	if err != nil {
		return nil, err
	}
	defer release()
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	for {
		events, more, err := c.read(after, api.MaxEvents)
		if err != nil {
			return nil, err
		}
		if len(events) > 0 || wait == 0 {
			return &api.Events{Events: events, More: more}, nil
		}
		select {
		case <-wake:
		case <-deadline.C:
			wait = 0
		case <-ended:
			wait = 0
		case <-c.Stopping:
			wait = 0
		case <-c.r.Context().Done():
			return nil, errGone
		}
	}
}

// stream sends events as they come, until the client, the process or the connection ends it. Each event goes out once per stream;
// across streams it goes out until it was acknowledged, and the client drops what it has seen by the cursor.
func (c *call) stream() (any, error) {
	after, err := c.cursor()
	if err != nil {
		return nil, err
	}
	wake, stop := c.Wake(c.device)
	defer stop()
	ended, release, err := c.hold()
	if err != nil {
		return nil, err
	}
	defer release()
	events, more, err := c.read(after, streamBatch)
	if err != nil {
		return nil, err
	}
	c.w.Header().Set("Content-Type", api.TypeStream)
	c.began = true
	beat := time.NewTicker(api.Heartbeat * time.Second)
	defer beat.Stop()
	now := make(chan struct{})
	close(now)
	for {
		if c.send(events) != nil {
			return nil, errGone
		}
		next := wake
		if len(events) > 0 {
			after = &events[len(events)-1].Cursor
		}
		if more {
			next = now
		}
		if !c.pause(next, ended, beat.C) {
			return nil, errGone
		}
		// From here on an error cannot be told any more: the stream ends, the client comes back and gets it as an answer.
		if events, more, err = c.read(after, streamBatch); err != nil {
			if c.r.Context().Err() == nil {
				c.logFailure("event stream cut", err)
			}
			return nil, errGone
		}
	}
}

// pause waits until there may be events; false ends the stream.
func (c *call) pause(wake, ended <-chan struct{}, beat <-chan time.Time) bool {
	for !c.over(ended) {
		select {
		case <-wake:
			return true
		case <-beat:
			if !c.alive() {
				return false
			}
		case <-ended:
		case <-c.Stopping:
		case <-c.r.Context().Done():
		}
	}
	return false
}

// over reports whether the stream has to end, also when there is always something to send.
func (c *call) over(ended <-chan struct{}) bool {
	select {
	case <-ended:
	case <-c.Stopping:
	case <-c.r.Context().Done():
	default:
		return false
	}
	return true
}

// alive sends an empty frame, and looks whether the token still is one: a revoked client loses its stream within a heartbeat.
func (c *call) alive() bool {
	ctx, cancel := context.WithTimeout(c.r.Context(), CallTimeout)
	defer cancel()
	if _, err := c.Authenticate(ctx, c.token); errors.Is(err, identity.ErrToken) {
		return false
	}
	return api.WriteFrame(&paced{c}, nil) == nil && c.flush() == nil
}

func (c *call) send(events []api.Event) error {
	for i := range events {
		if err := api.WriteFrame(&paced{c}, &events[i]); err != nil {
			return err
		}
	}
	return c.flush()
}

func (c *call) flush() error {
	if err := c.writeBefore(time.Now().Add(StallAfter)); err != nil {
		return err
	}
	err := c.control.Flush()
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

func (c *call) cursor() (*uint64, error) {
	text, ok := c.query[api.ParamAfter]
	if !ok {
		return nil, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n > math.MaxInt64 {
		return nil, refusal(api.BadRequest, "after is not a cursor")
	}
	return &n, nil
}

func (c *call) wait() (time.Duration, error) {
	text, ok := c.query[api.ParamWait]
	if !ok {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || n > api.MaxWait {
		return 0, refusal(api.BadRequest, "wait is not a number of seconds up to "+strconv.Itoa(api.MaxWait))
	}
	return time.Duration(n) * time.Second, nil
}
