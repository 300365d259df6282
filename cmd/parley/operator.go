package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"parley/identity"
	"parley/provider"
)

// operate does something to a provider, through its socket when it runs and on its store when it does not.
func (c *config) operate(ctx context.Context, do func(*provider.Operator) error) error {
	o, err := provider.Dial(ctx, c.Admin.Socket)
	if err == nil {
		return explain(do(o))
	}
	if !errors.Is(err, provider.ErrNotRunning) {
		return err
	}
	if _, err := os.Stat(c.Data); err != nil {
		return fmt.Errorf("%s: %s; `parley ca init` makes it", c.Data, reason(err))
	}
	privateFiles()
	store, err := provider.OpenSQLite(ctx, c.storePath())
	if errors.Is(err, provider.ErrStoreInUse) {
		return fmt.Errorf("a provider uses %s but does not answer at %s; is admin.socket the same in its configuration?", c.storePath(), c.Admin.Socket)
	}
	if err != nil {
		return err
	}
	return explain(store.Use(ctx, func() error { return do(provider.Offline(c.provider(), store, time.Now)) }))
}

// explain says what to do about errors that operators can mend.
func explain(err error) error {
	switch {
	case errors.Is(err, identity.ErrName):
		return usageError{errors.New("a user's name is 1 to 64 of a-z, 0-9, '.', '_' and '-', a letter or digit first")}
	case errors.Is(err, identity.ErrNoChange):
		return errors.New("no changed authorities of that provider wait; `parley peer list` shows which do")
	}
	return err
}
