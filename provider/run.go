package provider

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"golang.org/x/sync/errgroup"
)

// ErrStore is the end of a process whose store has stopped: start it again after the cause is mended.
var ErrStore = errors.New("provider: the store has stopped")

// Run serves until ctx ends, then stops from outside to inside and closes the store. It returns nil after an orderly stop, otherwise
// why the provider could not go on.
func (p *Provider) Run(ctx context.Context) error {
	// Not derived from ctx: what is inside goes on until what is outside has stopped. group ends with the first failure.
	g, group := errgroup.WithContext(context.WithoutCancel(ctx))
	storeCtx, stopStore := context.WithCancel(context.WithoutCancel(ctx))
	defer stopStore()
	workCtx, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()

	for _, run := range p.cfg.Store.Run {
		g.Go(func() error {
			if err := run(storeCtx); err != nil {
				return errors.Join(ErrStore, err)
			}
			if storeCtx.Err() == nil {
				return ErrStore
			}
			return nil
		})
	}
	var workers sync.WaitGroup
	work := func(f func(context.Context) error) {
		workers.Add(1)
		g.Go(func() error {
			defer workers.Done()
			return f(workCtx)
		})
	}
	if err := p.authorities.load(ctx); err != nil {
		return p.abandon(g, stopStore, err)
	}
	if _, err := p.people.IntroduceAll(ctx); err != nil {
		return p.abandon(g, stopStore, err)
	}
	c := newCarriers(work, p.send)
	work(func(ctx context.Context) error { return p.dispatch(ctx, c) })
	work(p.sweep)
	work(p.errands)
	work(p.watchSpace)
	work(p.checkStore)
	work(p.errands)
	work(p.refresh)
	for _, l := range p.listeners() {
		g.Go(l.serve)
	}
	at := p.Addresses()
	p.log.Info("provider runs", "provider", p.cfg.Provider.Domain(), "federation", at.Federation, "client", at.Client, "admin", at.Admin,
		"peers", len(p.cfg.Peers))
	g.Go(func() error {
		select {
		case <-ctx.Done():
		case <-group.Done():
		}
		p.log.Info("provider stops", "provider", p.cfg.Provider.Domain())
		return p.stop(stopWork, &workers, stopStore)
	})
	err := g.Wait()
	err = errors.Join(err, p.cfg.Store.Close())
	if err != nil {
		p.log.Error("provider ended", "provider", p.cfg.Provider.Domain(), "error", err.Error())
	} else {
		p.log.Info("provider ended", "provider", p.cfg.Provider.Domain())
	}
	return err
}

// abandon ends a provider that did not get as far as serving.
func (p *Provider) abandon(g *errgroup.Group, stopStore func(), err error) error {
	stopStore()
	return errors.Join(err, g.Wait(), p.Close())
}

func (l *listener) serve() error {
	var err error
	if l.tls {
		err = l.server.ServeTLS(l.Listener, "", "")
	} else {
		err = l.server.Serve(l.Listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// stop goes from outside to inside. Operators see readiness go first and can look until the end.
func (p *Provider) stop(stopWork func(), workers *sync.WaitGroup, stopStore func()) error {
	p.stopped.Store(true)
	close(p.stopping)
	drain, cancel := context.WithTimeout(context.Background(), p.cfg.Drain)
	defer cancel()
	var requests errgroup.Group
	for _, l := range []*listener{p.federation, p.client, p.socket} {
		if l != nil {
			requests.Go(func() error { return p.drain(drain, l) })
		}
	}
	err := requests.Wait()
	stopWork()
	workers.Wait()
	p.peers.close()
	p.files.close()
	stopStore()
	if p.admin != nil {
		err = errors.Join(err, p.admin.server.Close())
	}
	return err
}

// drain lets requests finish and cuts those that take too long.
func (p *Provider) drain(ctx context.Context, l *listener) error {
	err := l.server.Shutdown(ctx)
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	p.log.Warn("requests were cut", "listener", l.name)
	return l.server.Close()
}
