package provider_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestTheStoreIsChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "a.example")
	a := w.nodes["a.example"]
	a.onDisk()
	a.cfg.CheckEvery = 10 * time.Millisecond
	damaged := errors.New("damaged")
	var broken, stopped atomic.Bool
	check, fault := a.cfg.Store.Check, a.cfg.Store.Err
	a.cfg.Store.Check = func(ctx context.Context) error {
		if broken.Load() {
			stopped.Store(true)
			return damaged
		}
		return check(ctx)
	}
	a.cfg.Store.Err = func() error {
		if stopped.Load() {
			return damaged
		}
		return fault()
	}
	a.start()
	a.logged("the store is sound")
	eventually(t, "the time in the metrics", func() bool {
		_, body := a.get("/metrics")
		return strings.Contains(body, "\nparley_store_checked_timestamp_seconds 1")
	})
	broken.Store(true)
	a.logged("ALARM", "the store is damaged")
	if status, _ := a.get("/readyz"); status != 503 {
		t.Errorf("ready: %d", status)
	}
}
