package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"parley/identity"
	"parley/outbox"
	"parley/provider"
	"parley/uri"
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
	return explain(store.Use(ctx, func() error { return do(provider.Offline(c.provider(), c.offlinePeers(), store, time.Now)) }))
}

// offlinePeers are the configured peers by name.
func (c *config) offlinePeers() []provider.Peer {
	var out []provider.Peer
	for _, p := range c.Peers {
		if of, err := uri.ProviderFromDomain(p.Domain); err == nil {
			out = append(out, provider.Peer{Provider: of})
		}
	}
	return out
}

// explain says what to do about errors that operators can mend.
func explain(err error) error {
	switch {
	case errors.Is(err, identity.ErrName):
		return usageError{errors.New("a user's name is 1 to 64 of a-z, 0-9, '.', '_' and '-', a letter or digit first")}
	case errors.Is(err, identity.ErrNoChange):
		return errors.New("no changed authorities of that provider wait; `parley peer list` shows which do")
	case errors.Is(err, identity.ErrUser), errors.Is(err, identity.ErrUnknown):
		return errors.New("there is no such user or device here; `parley user list` shows all")
	case errors.Is(err, identity.ErrAddress), errors.Is(err, identity.ErrField), errors.Is(err, identity.ErrForeign):
		return usageError{errors.New("an address is phone (+ and country code), email, or handle (a URI such as xmpp:alice@a.example) of another system")}
	case errors.Is(err, identity.ErrReach):
		return usageError{errors.New("--reach is nobody, own, everybody, or domains of providers")}
	case errors.Is(err, identity.ErrNoEntry):
		return errors.New("the user has no such address; `parley user show NAME` lists them")
	case errors.Is(err, identity.ErrRemoved):
		return errors.New("the user was removed, and what others have from it names it; choose another name, or --again if the same person comes back")
	case errors.Is(err, provider.ErrNoSuchPeer):
		return errors.New("that is no peer; `parley peer list` shows all")
	case errors.Is(err, provider.ErrNoReport):
		return errors.New("no report of that number waits for a decision; `parley abuse list` shows which do")
	case errors.Is(err, outbox.ErrNotParked):
		return errors.New("nothing is parked there; `parley outbox list` shows what is")
	case errors.Is(err, outbox.ErrBusy):
		return errors.New("the room is being served at this moment; try again")
	case errors.Is(err, provider.ErrMustRun):
		return errors.New("a message is sent again by a provider that runs; `parley serve` is not running")
	}
	return err
}
