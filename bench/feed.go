package bench

import (
	"context"
	"errors"
	"time"

	"parley/client"
	capi "parley/clientapi/client"
)

// feed is a device's provider whose events come over the event stream. A poll per batch would be a request per message at light load.
type feed struct {
	*capi.Client
	starts chan client.Cursor
	events chan client.Event
	ended  chan error

	streaming bool // owned by the caller of Events
}

// feedDepth bounds what is read ahead of the device. Then the stream stands still, and the provider keeps the rest.
const feedDepth = 256

func newFeed(c *capi.Client) *feed {
	return &feed{Client: c, starts: make(chan client.Cursor), events: make(chan client.Event, feedDepth), ended: make(chan error, 1)}
}

// run reads streams, one after the other, each from where Events asks.
func (f *feed) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case after := <-f.starts:
			_, err := f.Stream(ctx, after, func(e client.Event) error {
				select {
				case f.events <- e:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
			f.ended <- err
		}
	}
}

var errStreamEnded = errors.New("bench: the provider ended the stream")

// Events implements client.Provider.
func (f *feed) Events(ctx context.Context, after client.Cursor, wait time.Duration) ([]client.Event, error) {
	if !f.streaming {
		select {
		case f.starts <- after:
			f.streaming = true
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if batch := f.ready(nil); len(batch) > 0 {
		return batch, nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case e := <-f.events:
		return f.ready([]client.Event{e}), nil
	case err := <-f.ended:
		f.streaming = false
		if batch := f.ready(nil); len(batch) > 0 {
			return batch, nil // what came before the end; the next call opens a stream behind it
		}
		if err == nil {
			err = &client.RetryError{Err: errStreamEnded}
		}
		return nil, err
	case <-timer.C:
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (f *feed) ready(batch []client.Event) []client.Event {
	for len(batch) < feedDepth {
		select {
		case e := <-f.events:
			batch = append(batch, e)
		default:
			return batch
		}
	}
	return batch
}
