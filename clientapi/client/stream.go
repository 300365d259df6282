package client

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"time"

	"parley/client"
	"parley/clientapi/api"
)

const (
	// silence is after how long without an octet a stream is given up: three missing heartbeats.
	silence = 3 * api.Heartbeat * time.Second
	// unacknowledged is how many events are handed over before their acknowledgement, when they come without a pause.
	unacknowledged = 64
	// firstPause and longestPause are how long Follow waits before it opens another stream.
	firstPause   = 500 * time.Millisecond
	longestPause = 30 * time.Second
)

var errOrder = fmt.Errorf("%w: events are not in order", errAnswer)

// Stream opens one event stream behind the cursor and hands over each event in order, until the stream ends: nil when the provider
// ended it, a *client.RetryError when the connection was lost or fell silent, the error of handle as it is. It returns the cursor
// of the last event that was handed over; events of kinds that this version does not know count as such. Nothing is acknowledged.
func (c *Client) Stream(ctx context.Context, after client.Cursor, handle func(client.Event) error) (client.Cursor, error) {
	s := &stream{client: c, last: after, handle: handle, opened: func() {}, idle: func() error { return nil }}
	err := s.run(ctx)
	return s.last, err
}

// Follow is what a client does with its inbox: it hands over each event once and in order and acknowledges it afterwards, over as
// many streams as that takes. It returns when ctx ends, when handle fails, or when the provider refuses for good.
type Follow struct {
	After  client.Cursor            // behind which event it begins: the last one that is stored
	Handle func(client.Event) error // returns nil when the event is stored
	// Down is told why there is no stream, and nil when there is one again; nil: nobody is told.
	Down func(err error)
}

// Follow runs f.
func (c *Client) Follow(ctx context.Context, f Follow) error {
	s := &stream{client: c, last: f.After, handle: f.Handle}
	down := false
	tell := func(err error) {
		if f.Down != nil && (err != nil || down) {
			f.Down(err)
		}
		down = err != nil
	}
	s.opened = func() { tell(nil) }
	s.idle = func() error { return s.acknowledge(ctx) }
	pause := firstPause
	for {
		err := s.run(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			err = c.retry(0, errEnded)
		}
		var retry *client.RetryError
		if !errors.As(err, &retry) {
			return err
		}
		tell(err)
		if s.alive {
			pause = firstPause
		}
		if err := sleep(ctx, max(jitter(pause), retry.After)); err != nil {
			return err
		}
		pause = min(2*pause, longestPause)
	}
}

// errEnded is why there is no stream when the provider ended it.
var errEnded = errors.New("clientapi: the provider ended the stream")

// jitter keeps the clients of a provider that was restarted from coming back at one moment.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d) }

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stream is what is known across the streams of one reader.
type stream struct {
	client  *Client
	last    client.Cursor // of the last event that was handed over
	pending int           // events handed over and not acknowledged
	alive   bool          // something came on the newest stream
	handle  func(client.Event) error
	opened  func()       // called when the provider begins to answer
	idle    func() error // called when everything that came has been handed over, and now and then
}

// run reads one stream.
func (s *stream) run(ctx context.Context) error {
	s.alive = false
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	watch := time.AfterFunc(silence, cancel)
	defer watch.Stop()
	q := query(api.ParamAfter, strconv.FormatUint(uint64(s.last), 10))
	response, err := s.client.open(inner, &Request{Method: "GET", Path: api.PathStream, Query: q})
	if err != nil {
		return s.client.ended(ctx, err)
	}
	defer response.Body.Close()
	s.opened()
	r := bufio.NewReaderSize(&watched{response.Body, watch}, 32<<10)
	for {
		e, err := api.ReadFrame(r)
		if errors.Is(err, io.EOF) {
			return s.client.ended(ctx, nil)
		}
		if err != nil {
			return s.client.ended(ctx, s.client.retry(0, err))
		}
		s.alive = true
		if err := s.take(e); err != nil {
			return err
		}
		if r.Buffered() == 0 || s.pending >= unacknowledged {
			if err := s.idle(); err != nil {
				return err
			}
		}
	}
}

// take hands one event over; nil is a heartbeat.
func (s *stream) take(e *api.Event) error {
	if e == nil {
		return nil
	}
	cursor := client.Cursor(e.Cursor)
	if cursor <= s.last {
		return s.client.retry(0, errOrder)
	}
	if known(e.Kind) {
		if err := s.handle(eventOf(e)); err != nil {
			return err
		}
	}
	s.last = cursor
	s.pending++
	return nil
}

// acknowledge tells the provider what has been handed over. A failure that may pass is passed over: the next one says the same
// and more.
func (s *stream) acknowledge(ctx context.Context) error {
	if s.pending == 0 {
		return nil
	}
	err := s.client.Ack(ctx, s.last)
	var retry *client.RetryError
	if errors.As(err, &retry) {
		return nil
	}
	s.pending = 0
	return err
}

// watched puts off the end of a stream whenever something comes.
type watched struct {
	r     io.Reader
	timer *time.Timer
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if n > 0 {
		w.timer.Reset(silence)
	}
	return n, err
}
