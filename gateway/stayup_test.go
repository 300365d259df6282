package gateway_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"parley/gateway"
)

func TestStayUp(t *testing.T) {
	broken, network := errors.New("disk full"), errors.New("connection refused")
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var at []time.Duration
		err := gateway.StayUp(t.Context(), time.Second, 4*time.Second, func(context.Context) (bool, error) {
			at = append(at, time.Since(began))
			switch len(at) {
			case 5:
				return true, network // a link that ended: the next try is soon
			case 7:
				return true, &gateway.IngestError{Err: broken}
			}
			return false, network
		})
		want := []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second, 11 * time.Second, 12 * time.Second, 14 * time.Second}
		if err != broken || !slices.Equal(at, want) {
			t.Errorf("%v, tries at %v", err, at)
		}
		ctx, cancel := context.WithCancel(t.Context())
		if err := gateway.StayUp(ctx, time.Hour, time.Hour, func(context.Context) (bool, error) { cancel(); return false, network }); err != nil {
			t.Errorf("after its end: %v", err)
		}
	})
}
