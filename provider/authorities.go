package provider

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"

	"parley/clientapi/api"
	"parley/identity"
	"parley/mimi"
	"parley/uri"
)

// authorities are the CA sets by which certificates of users and hubs are judged: our own, the configured ones, and those that were
// learned from the directories of peers and pinned. It is safe for concurrent use.
type authorities struct {
	pins  *identity.Pins
	log   *slog.Logger
	fixed map[uri.Provider][]*x509.Certificate // our own set and those of the configuration

	mu     sync.RWMutex
	sets   map[uri.Provider]caSet
	silent map[uri.Provider]bool // published nothing; said once
}

type caSet struct {
	certificates []*x509.Certificate
	pool         *x509.CertPool
	changed      bool // the peer publishes another set that waits for an operator
}

func newSet(certificates []*x509.Certificate, changed bool) caSet {
	s := caSet{certificates: certificates, pool: x509.NewCertPool(), changed: changed}
	for _, c := range certificates {
		s.pool.AddCert(c)
	}
	return s
}

// Roots is credential.Roots.
func (a *authorities) Roots(p uri.Provider) *x509.CertPool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.sets[p].pool
}

func (a *authorities) known(p uri.Provider) bool { return a.Roots(p) != nil }

// load takes over what is pinned. One transaction.
func (a *authorities) load(ctx context.Context) error {
	pins, err := a.pins.All(ctx)
	if err != nil {
		return err
	}
	sets := make(map[uri.Provider]caSet)
	for _, pin := range pins {
		var certificates []*x509.Certificate
		for _, der := range pin.Set {
			if c, err := authority(pin.Provider, der); err == nil {
				certificates = append(certificates, c)
			}
		}
		if len(certificates) > 0 {
			sets[pin.Provider] = newSet(certificates, len(pin.Pending) > 0)
		}
	}
	for p, certificates := range a.fixed {
		sets[p] = newSet(certificates, false)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sets = sets
	return nil
}

// source is where a peer's published set comes from: mimihttp.Client.
type source func(context.Context) ([][]byte, error)

// learn looks at what a peer publishes and pins it, or raises an alarm. A peer with a configured set is not asked.
func (a *authorities) learn(ctx context.Context, p uri.Provider, published source) error {
	if _, ok := a.fixed[p]; ok {
		return nil
	}
	found, err := published(ctx)
	if err != nil {
		return err
	}
	var set [][]byte
	for _, der := range found {
		if _, err := authority(p, der); err == nil { // a peer vouches for its own names only
			set = append(set, der)
		}
	}
	verdict, err := a.pins.Observe(ctx, p, set)
	if err != nil {
		return ownStore(err)
	}
	switch verdict {
	case identity.FirstUse:
		a.log.Info("authorities of a peer pinned", "peer", p.Domain(), "certificates", len(set))
	case identity.Overlapped:
		a.log.Info("authorities of a peer rotated", "peer", p.Domain(), "certificates", len(set))
	case identity.Alarm:
		if !a.changed(p) {
			a.log.Error("ALARM: a peer publishes authorities that have nothing in common with the pinned ones; the pinned ones stay in force",
				"peer", p.Domain(), "next", "ask the peer's operator by another way; if it is right, parley peer accept "+p.Domain())
		}
	case identity.Unchanged:
		a.missed(p)
		return nil
	}
	return ownStore(a.load(ctx))
}

// errOwnStore marks what is not the peer's fault.
var errOwnStore = errors.New("provider: the own store failed")

func ownStore(err error) error {
	if err == nil {
		return nil
	}
	return &mimi.Error{Code: mimi.Internal, Err: fmt.Errorf("%w: %w", errOwnStore, err)}
}

// missed says once that a peer publishes no authorities and that none are configured.
func (a *authorities) missed(p uri.Provider) {
	if a.known(p) {
		return
	}
	a.mu.Lock()
	said := a.silent[p]
	if a.silent == nil {
		a.silent = make(map[uri.Provider]bool)
	}
	a.silent[p] = true
	a.mu.Unlock()
	if !said {
		a.log.Warn("a peer publishes no authorities of its users: all of them will be refused", "peer", p.Domain(),
			"next", "get the set from the peer's operator and name it as authorities_file")
	}
}

// ensure learns a peer's set when none is known yet.
func (a *authorities) ensure(ctx context.Context, p uri.Provider, published source) error {
	if a.known(p) {
		return nil
	}
	return a.learn(ctx, p, published)
}

func (a *authorities) changed(p uri.Provider) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.sets[p].changed
}

// accept puts a pending set in force.
func (a *authorities) accept(ctx context.Context, p uri.Provider) error {
	if err := a.pins.Accept(ctx, p); err != nil {
		return err
	}
	a.log.Warn("changed authorities of a peer accepted by an operator", "peer", p.Domain())
	return a.load(ctx)
}

// list returns the sets as clients get them, by provider; the zero provider stands for all.
func (a *authorities) list(only uri.Provider) []api.Authority {
	a.mu.RLock()
	defer a.mu.RUnlock()
	providers := slices.SortedFunc(maps.Keys(a.sets), func(x, y uri.Provider) int { return strings.Compare(x.String(), y.String()) })
	list := []api.Authority{}
	for _, p := range providers {
		if !only.IsZero() && p != only {
			continue
		}
		entry := api.Authority{Provider: p.String(), Changed: a.sets[p].changed}
		for _, c := range a.sets[p].certificates {
			entry.Certificates = append(entry.Certificates, c.Raw)
		}
		list = append(list, entry)
	}
	return list
}

// count returns how many peers have a set in force, and for how many a changed one waits.
func (a *authorities) count() (known, changed int) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	for _, s := range a.sets {
		if s.changed {
			changed++
		}
	}
	return len(a.sets), changed
}

// notYet is what a caller hears whose authorities cannot be had now.
func notYet(err error) error {
	if errors.Is(err, errOwnStore) {
		return err
	}
	return &mimi.Error{Code: mimi.Unavailable, Detail: "the authorities of a provider cannot be fetched now", RetryAfter: retryAuthorities, Err: err}
}
