package device

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"parley/client"
	"parley/mls"
	"parley/uri"
)

// keyAuthorities is where pinned sets stand in the device's store, beside the client's records.
const keyAuthorities = "authorities/"

// Authority is a provider's CA set as its own provider, or ours, publishes it: DER certificates.
type Authority struct {
	Provider     uri.Provider
	Certificates [][]byte
}

// roots are the pinned authorities by provider (P-CR-06). Validators ask from several goroutines.
type roots struct {
	store client.Store

	mu      sync.Mutex
	pins    map[uri.Provider]pin
	missing map[uri.Provider]bool
}

type pin struct {
	set  [][]byte
	pool *x509.CertPool
}

func loadRoots(ctx context.Context, store client.Store) (*roots, error) {
	r := &roots{store: store, pins: map[uri.Provider]pin{}, missing: map[uri.Provider]bool{}}
	records, err := store.Load(ctx, keyAuthorities)
	if err != nil {
		return nil, err
	}
	for _, rec := range records {
		p, err := uri.ProviderFromDomain(strings.TrimPrefix(rec.Key, keyAuthorities))
		if err != nil {
			return nil, fmt.Errorf("device: stored authorities: %w", err)
		}
		var set [][]byte
		if err := json.Unmarshal(rec.Value, &set); err != nil {
			return nil, fmt.Errorf("device: stored authorities: %w", err)
		}
		if r.pins[p], err = pinOf(set); err != nil {
			return nil, fmt.Errorf("device: stored authorities: %w", err)
		}
	}
	return r, nil
}

func pinOf(set [][]byte) (pin, error) {
	p := pin{set: set, pool: x509.NewCertPool()}
	for _, der := range set {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return pin{}, err
		}
		p.pool.AddCert(cert)
	}
	return p, nil
}

// of is the credential.Roots of the device's validators. It remembers whom it did not know.
func (r *roots) of(p uri.Provider) *x509.CertPool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, ok := r.pins[p]; ok {
		return known.pool
	}
	r.missing[p] = true
	return nil
}

// takeMissing returns the providers that were asked for and not known since the last call.
func (r *roots) takeMissing() []uri.Provider {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []uri.Provider
	for p := range r.missing {
		out = append(out, p)
	}
	clear(r.missing)
	slices.SortFunc(out, func(a, b uri.Provider) int { return strings.Compare(a.Domain(), b.Domain()) })
	return out
}

// verdict tells what became of a published set.
type verdict uint8

const (
	unchanged verdict = iota
	pinned            // first use
	rotated           // shares a certificate with the pinned set
	alarm             // shares none: the pinned set stays in force
)

// observe compares a published set with the pinned one (P-CR-06, P-CR-07).
func (r *roots) observe(ctx context.Context, a Authority) (verdict, error) {
	if len(a.Certificates) == 0 {
		return unchanged, nil
	}
	next, err := pinOf(a.Certificates)
	if err != nil {
		return unchanged, fmt.Errorf("device: authorities of %s: %w", a.Provider.Domain(), err)
	}
	r.mu.Lock()
	old, known := r.pins[a.Provider]
	r.mu.Unlock()
	what := pinned
	if known {
		if slices.EqualFunc(old.set, next.set, bytes.Equal) {
			return unchanged, nil
		}
		if !shares(old.set, next.set) {
			return alarm, nil
		}
		what = rotated
	}
	text, err := json.Marshal(next.set)
	if err != nil {
		return unchanged, err
	}
	if err := r.store.Commit(ctx, mls.Delta{{Key: keyAuthorities + a.Provider.Domain(), Value: text}}); err != nil {
		return unchanged, err
	}
	r.mu.Lock()
	r.pins[a.Provider] = next
	r.mu.Unlock()
	return what, nil
}

func shares(a, b [][]byte) bool {
	return slices.ContainsFunc(a, func(x []byte) bool {
		return slices.ContainsFunc(b, func(y []byte) bool { return bytes.Equal(x, y) })
	})
}
