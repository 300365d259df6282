package provider

import (
	"context"
	"errors"
	"time"

	"parley/mimi"
	"parley/store/sqlite"
)

const (
	// lookForSpace is how often a full store is asked whether it can write again, and how soon the log says that it is full.
	lookForSpace = 2 * time.Second
	// comeBack is what is told to whoever is refused for lack of space.
	comeBack = 5 * time.Second
)

// whenFull tells callers of a full disk what they can do: come back. Nothing was stored.
func whenFull[T any](update func(context.Context, func(T) error) error) func(context.Context, func(T) error) error {
	return func(ctx context.Context, f func(T) error) error {
		err := update(ctx, f)
		if errors.Is(err, sqlite.ErrFull) {
			return &mimi.Error{Code: mimi.Unavailable, Detail: "the provider has no space left", RetryAfter: comeBack, Err: err}
		}
		return err
	}
}

// full reports that the store has no space.
func (p *Provider) full() bool { return p.cfg.Store.Full != nil && p.cfg.Store.Full() }

// watchSpace says when the disk is full and when it is not any more. Only it ends the first: while the provider is not ready perhaps
// nobody else writes.
func (p *Provider) watchSpace(ctx context.Context) error {
	if p.cfg.Store.Full == nil {
		return nil
	}
	timer := time.NewTicker(lookForSpace)
	defer timer.Stop()
	said := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		if !p.full() {
			continue
		}
		if !said {
			said = true
			p.metrics.filled.Inc()
			p.log.Error("ALARM: the disk is full: nothing is accepted until there is space; nothing that was accepted is lost")
		}
		switch err := p.cfg.Store.Probe(ctx); {
		case err == nil:
			said = false
			p.log.Warn("there is space again")
		case !errors.Is(err, sqlite.ErrFull) && ctx.Err() == nil:
			p.log.Error("the store cannot be written", "error", err.Error())
		}
	}
}
