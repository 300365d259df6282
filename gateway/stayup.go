package gateway

import (
	"context"
	"errors"
	"time"
)

// IngestError is a failure of the gateway, not of the native network: to connect again does not mend it.
type IngestError struct{ Err error }

func (e *IngestError) Error() string { return e.Err.Error() }
func (e *IngestError) Unwrap() error { return e.Err }

// StayUp connects to a native network again and again until ctx ends, and waits between two tries for pause, doubled after each one that
// came to no link (up is false), at most for most. It returns the cause of an IngestError; what is wrong with the network is no error.
func StayUp(ctx context.Context, pause, most time.Duration, connect func(context.Context) (up bool, err error)) error {
	wait := pause
	for ctx.Err() == nil {
		up, err := connect(ctx)
		if broken := new(IngestError); errors.As(err, &broken) {
			return broken.Err
		}
		if up {
			wait = pause
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
		wait = min(2*wait, most)
	}
	return nil
}
