package gatewayd

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	apiclient "parley/clientapi/client"
	"parley/gateway"
	store "parley/store/device"
	"parley/uri"
)

// Config is what a gateway process is made of.
type Config struct {
	Dir      string // journal and keys
	Provider uri.Provider
	URL      string // of the provider's client API
	CA       []byte // PEM; nil: the system's authorities
	Natives  []gateway.Native
	// Invite gets an enrolment code for a name of the gateway's users, as an operator would.
	Invite func(ctx context.Context, name string) (code string, err error)
	// Users are native users who can be added to rooms before they have written anything.
	Users []gateway.NativeUser
	Log   *slog.Logger
	// Ready is called once the users are there; nil: nobody asks.
	Ready func(*gateway.Gateway)
}

// Daemon is a gateway process.
type Daemon struct {
	cfg       Config
	transport apiclient.Transport
	gateway   *gateway.Gateway
	wakes     map[string]chan struct{} // per network, one token each

	mu    sync.Mutex
	units map[string]*unit // by name at the provider
	group *errgroup.Group
	ctx   context.Context
}

// Run works until ctx ends or a store fails.
func Run(ctx context.Context, cfg Config) (err error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	d := &Daemon{cfg: cfg, units: map[string]*unit{}, wakes: map[string]chan struct{}{}}
	transport, closeIdle, err := httpTransport(cfg)
	if err != nil {
		return err
	}
	defer closeIdle()
	d.transport = transport
	db, err := store.Open(ctx, filepath.Join(cfg.Dir, "gateway.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	journal, err := gateway.OpenJournal(ctx, db)
	if err != nil {
		return err
	}
	if d.gateway, err = gateway.New(gateway.Config{Self: cfg.Provider, Journal: journal, Natives: cfg.Natives, Log: cfg.Log,
		Unit: d.unit, Working: d.working, Woken: d.woken}); err != nil {
		return err
	}
	return d.run(ctx)
}

func httpTransport(cfg Config) (apiclient.Transport, func(), error) {
	h := apiclient.HTTPConfig{Origin: cfg.URL}
	if cfg.CA != nil {
		h.Roots = x509.NewCertPool()
		if !h.Roots.AppendCertsFromPEM(cfg.CA) {
			return nil, nil, apiclient.ErrRoots
		}
	}
	return apiclient.HTTP(h)
}

func (d *Daemon) run(ctx context.Context) error {
	d.group, d.ctx = errgroup.WithContext(ctx)
	for _, n := range d.cfg.Natives {
		name := n.Describe().Network
		d.wakes[name] = make(chan struct{}, 1)
	}
	for _, n := range d.cfg.Natives {
		name := n.Describe().Network
		d.group.Go(func() error { return ended(d.ctx, n.Run(d.ctx, d.gateway.Host(name))) })
		d.group.Go(func() error { return ended(d.ctx, d.inward(name)) })
	}
	d.group.Go(func() error { return ended(d.ctx, d.admit()) })
	err := d.group.Wait()
	for _, u := range d.units {
		err = errors.Join(err, u.db.Close())
	}
	return err
}

// ended drops what only says that the process stops.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// retryAdmit is the pause before users are admitted again who could not be: the provider may not be up yet.
const retryAdmit = 2 * time.Second

// admit starts the clients of all users that were seen, and of those who are to be there from the start.
func (d *Daemon) admit() error {
	seen, err := d.gateway.Users(d.ctx)
	if err != nil {
		return err
	}
	for _, u := range append(seen, d.cfg.Users...) {
		for {
			_, err := d.gateway.Admit(d.ctx, u.Network, u.Address)
			if err == nil {
				break
			}
			d.cfg.Log.Warn("a native user could not be admitted; trying again", "network", u.Network, "error", err.Error())
			if !pause(d.ctx, retryAdmit) {
				return nil
			}
		}
	}
	if d.cfg.Ready != nil {
		d.cfg.Ready(d.gateway)
	}
	return nil
}

func pause(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// woken tells a network's worker that something waits.
func (d *Daemon) woken(network string) { wake(d.wakes[network]) }

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// inward works a network's events off.
func (d *Daemon) inward(network string) error {
	return loop(d.ctx, d.wakes[network], func() (time.Time, error) { return d.gateway.Inward(d.ctx, network) })
}

// idle is how often a worker looks although nobody woke it.
const idle = 30 * time.Second

// loop does a step whenever it is woken, and when the step said to come back.
func loop(ctx context.Context, woken chan struct{}, step func() (time.Time, error)) error {
	for ctx.Err() == nil {
		next, err := step()
		if err != nil {
			return err
		}
		wait := idle
		if !next.IsZero() {
			wait = min(max(time.Until(next), 0), idle)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-woken:
		case <-timer.C:
		}
		timer.Stop()
	}
	return ctx.Err()
}

// working lists the clients that run.
func (d *Daemon) working() []*gateway.Unit {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]*gateway.Unit, 0, len(d.units))
	for _, u := range d.units {
		out = append(out, u.face)
	}
	return out
}

// unit is gateway.Config.Unit.
func (d *Daemon) unit(ctx context.Context, n gateway.NativeUser) (*gateway.Unit, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if u := d.units[n.Name]; u != nil {
		return u.face, nil
	}
	u, err := d.open(ctx, n)
	if err != nil {
		return nil, fmt.Errorf("gatewayd: client of a native user: %w", err)
	}
	d.units[n.Name] = u
	d.start(u)
	return u.face, nil
}

// start runs a client and what gives its news to the network.
func (d *Daemon) start(u *unit) {
	d.group.Go(func() error { return ended(d.ctx, u.device.Run(d.ctx)) })
	d.group.Go(func() error {
		return ended(d.ctx, loop(d.ctx, u.news, func() (time.Time, error) { return d.gateway.Outward(d.ctx, u.face) }))
	})
}
