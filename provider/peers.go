package provider

import (
	"context"
	"crypto/x509"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"parley/mimi"
	"parley/mimihttp"
	"parley/uri"
)

// Peer is another provider that may call and may be called.
type Peer struct {
	Provider uri.Provider
	// Address is where it is reached, "host:port", where DNS is not enough.
	Address string
	// AssetHosts are its asset domains, "host" or "host:port"; empty: its own domain.
	AssetHosts []string
	// Trust judges its TLS certificates.
	Trust mimihttp.Trust
	// Authorities is the CA set of its users; nil: what its directory publishes is pinned when it is first seen.
	Authorities []*x509.Certificate
}

// PeerError is the failure of a call to another provider: the one that is waited for.
type PeerError struct {
	Peer uri.Provider
	Err  error
}

func (e *PeerError) Error() string {
	return "provider: waiting for " + e.Peer.Domain() + ": " + e.Err.Error()
}

func (e *PeerError) Unwrap() error { return e.Err }

// errNoPeer refuses whoever is not configured.
var errNoPeer = mimi.Errorf(mimi.Forbidden, "the provider is not a peer here; its operator and ours have to agree first")

// retryAuthorities is when to come back after a CA set could not be fetched.
const retryAuthorities = 5 * time.Second

// peers are the other providers and how each is reached.
type peers struct {
	self        uri.Provider
	local       mimi.Service // ourselves as we serve ourselves
	authorities *authorities
	remote      map[uri.Provider]*remote
}

// For returns a provider as it serves us: a function call for ourselves, HTTPS for the others.
func (p *peers) For(target uri.Provider) (mimi.Service, error) {
	if target == p.self {
		return p.local, nil
	}
	if r, ok := p.remote[target]; ok {
		return r, nil
	}
	return nil, errNoPeer
}

// trust is how a caller's certificate is judged.
func (p *peers) trust(caller uri.Provider) (*mimihttp.Trust, bool) {
	r, ok := p.remote[caller]
	if !ok {
		return nil, false
	}
	return r.trust, true
}

// ensure sees to it that a provider's authorities are known, if they can be had.
func (p *peers) ensure(ctx context.Context, of uri.Provider) error {
	r, ok := p.remote[of]
	if !ok || of == p.self {
		return nil // unknown ones are refused by the validator
	}
	return r.ensure(ctx)
}

// heard says that a provider has called us.
func (p *peers) heard(caller uri.Provider) {
	if r, ok := p.remote[caller]; ok {
		r.flow.heard()
	}
}

// ordered lists the peers by name.
func (p *peers) ordered() []*remote {
	return slices.SortedFunc(maps.Values(p.remote), func(a, b *remote) int { return strings.Compare(a.peer.Domain(), b.peer.Domain()) })
}

func (p *peers) close() {
	for _, r := range p.remote {
		r.client.Close()
	}
}

// remote is one peer over HTTPS. Its errors say who is waited for. Before the first request its authorities are learned, because what
// it answers (KeyPackages) or will be sent (commits with them) has to be judged.
type remote struct {
	peer        uri.Provider
	trust       *mimihttp.Trust
	client      *mimihttp.Client
	authorities *authorities
	flow        flow
}

func (r *remote) ensure(ctx context.Context) error {
	if r.authorities.known(r.peer) {
		return nil
	}
	if err := r.flow.enter(); err != nil {
		return err
	}
	err := r.learn(ctx)
	r.flow.leave(ctx, err)
	return err
}

func (r *remote) learn(ctx context.Context) error {
	return r.authorities.learn(ctx, r.peer, r.client.Authorities)
}

// ask makes one call.
func ask[A any](ctx context.Context, r *remote, call func() (A, error)) (answer A, err error) {
	if err := r.flow.enter(); err != nil {
		return answer, r.failed(err)
	}
	if err = r.authorities.ensure(ctx, r.peer, r.client.Authorities); err == nil {
		answer, err = call()
	}
	r.flow.leave(ctx, err)
	return answer, r.failed(err)
}

func (r *remote) failed(err error) error {
	if err == nil || errors.Is(err, errOwnStore) {
		return err
	}
	var known *mimi.Error
	if !errors.As(err, &known) {
		err = &mimi.Error{Code: mimi.Unavailable, Detail: "the request to another provider failed", Err: err}
	}
	return &PeerError{Peer: r.peer, Err: err}
}

func (r *remote) KeyMaterial(ctx context.Context, target uri.User, q *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error) {
	return ask(ctx, r, func() (*mimi.KeyMaterialResponse, error) { return r.client.KeyMaterial(ctx, target, q) })
}

func (r *remote) Update(ctx context.Context, at uri.Room, q *mimi.UpdateRequest) (*mimi.UpdateRoomResponse, error) {
	return ask(ctx, r, func() (*mimi.UpdateRoomResponse, error) { return r.client.Update(ctx, at, q) })
}

func (r *remote) SubmitMessage(ctx context.Context, at uri.Room, q *mimi.SubmitMessageRequest) (*mimi.SubmitMessageResponse, error) {
	return ask(ctx, r, func() (*mimi.SubmitMessageResponse, error) { return r.client.SubmitMessage(ctx, at, q) })
}

func (r *remote) RequestConsent(ctx context.Context, q *mimi.ConsentEntry) error {
	_, err := ask(ctx, r, func() (none, error) { return none{}, r.client.RequestConsent(ctx, q) })
	return err
}

func (r *remote) UpdateConsent(ctx context.Context, q *mimi.ConsentEntry) error {
	_, err := ask(ctx, r, func() (none, error) { return none{}, r.client.UpdateConsent(ctx, q) })
	return err
}

func (r *remote) IdentifierQuery(ctx context.Context, q *mimi.IdentifierRequest) (*mimi.IdentifierResponse, error) {
	return ask(ctx, r, func() (*mimi.IdentifierResponse, error) { return r.client.IdentifierQuery(ctx, q) })
}

func (r *remote) ReportAbuse(ctx context.Context, at uri.Room, q *mimi.AbuseReport) error {
	_, err := ask(ctx, r, func() (none, error) { return none{}, r.client.ReportAbuse(ctx, at, q) })
	return err
}

// none stands for an answer without a body.
type none struct{}

func (r *remote) Notify(ctx context.Context, at uri.Room, q *mimi.NotifyBody) error {
	err := r.client.Notify(ctx, at, q)
	if !noAnswer(err) {
		r.flow.heard()
	}
	return r.failed(err)
}

func (r *remote) GroupInfo(ctx context.Context, at uri.Room, q *mimi.GroupInfoRequest) (*mimi.GroupInfoResponse, error) {
	return ask(ctx, r, func() (*mimi.GroupInfoResponse, error) { return r.client.GroupInfo(ctx, at, q) })
}
