package roletest

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"sync"
	"testing"
	"time"

	"parley/credential"
	"parley/mimi"
	"parley/mls"
	"parley/mls/wire"
	"parley/room"
	"parley/syntax"
	"parley/uri"
)

// Suite is the cipher suite of all groups of a world.
const Suite wire.CipherSuite = 1

// Start is the time at which a world begins.
var Start = time.UnixMilli(1_790_000_000_123).UTC() // constant

// Call is one request between two providers.
type Call struct {
	From, To uri.Provider
	Endpoint mimi.Endpoint
	Request  []byte
	Err      error // what the caller got
}

// World is a set of providers that trust each other's authorities.
type World struct {
	T *testing.T
	// Before is asked before a request arrives, After when it was answered; an error takes the place of the answer. nil: all is well.
	Before, After func(c Call) error

	mu        sync.Mutex
	now       time.Time
	calls     []Call
	providers map[uri.Provider]*Provider
	order     []*Provider
	devices   []*Device
	people    []*Person
	notes     wire.CipherSuite
}

// New makes a world with a provider for each domain.
func New(t *testing.T, domains ...string) *World {
	t.Helper()
	w := &World{T: t, now: Start, providers: make(map[uri.Provider]*Provider)}
	for _, d := range domains {
		p := w.newProvider(d)
		w.providers[p.URI] = p
		w.order = append(w.order, p)
	}
	return w
}

// Run is a subtest in this world.
func (w *World) Run(name string, f func(t *testing.T)) {
	outer := w.T
	outer.Helper()
	outer.Run(name, func(t *testing.T) {
		w.T = t
		defer func() { w.T = outer }()
		f(t)
	})
}

func (w *World) random(n int) []byte {
	out := make([]byte, n)
	_, err := rand.Read(out)
	return must(w, out, err)
}

// Provider returns the provider of a domain.
func (w *World) Provider(domain string) *Provider {
	for _, p := range w.order {
		if p.URI.Domain() == domain {
			return p
		}
	}
	w.T.Fatalf("no provider %s", domain)
	return nil
}

// Now is the world's time.
func (w *World) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// Pass moves the time; a negative duration sets all clocks back.
func (w *World) Pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// Calls returns the requests so far, those to one endpoint.
func (w *World) Calls(e mimi.Endpoint) (out []Call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.calls {
		if c.Endpoint == e {
			out = append(out, c)
		}
	}
	return out
}

func (w *World) roots(p uri.Provider) *x509.CertPool {
	provider, ok := w.providers[p]
	if !ok {
		return nil
	}
	pool := x509.NewCertPool()
	pool.AddCert(provider.CA.Cert)
	return pool
}

// MLS is the configuration that hubs and devices share.
func (w *World) MLS() *mls.Config {
	return &mls.Config{
		ValidateLeaf:   credential.Validator(w.roots),
		ValidateSender: credential.SenderValidator(w.roots),
		Components:     room.Components(),
	}
}

// validate judges the credential of a signed request.
func (w *World) validate(c wire.Credential, key []byte, now time.Time) error {
	leaf := &wire.LeafNode{Credential: c, SignatureKey: key}
	return credential.Validator(w.roots)(mls.LeafCheck{Use: mls.UseKeyPackage, Leaf: leaf, Now: now})
}

// Peer is a provider as it serves another one.
func (w *World) Peer(from, to uri.Provider) (mimi.Service, error) {
	p, ok := w.providers[to]
	if !ok {
		return nil, &mimi.Error{Code: mimi.Unavailable, Detail: "unknown provider"}
	}
	return &link{w, from, p}, nil
}

// Settle sends what waits in all outboxes until nothing is due, and returns how many batches went out. Failures wait for their time.
func (w *World) Settle() (batches int) {
	w.T.Helper()
	for moved := true; moved; {
		moved = false
		for _, p := range w.order {
			sent, _, err := p.Outbox.Step(context.Background(), p.peer)
			if err != nil {
				w.T.Fatalf("outbox of %s: %v", p.URI, err)
			}
			if sent {
				moved = true
				batches++
			}
		}
	}
	return batches
}

// link carries requests from one provider to another through their encoded form.
type link struct {
	world *World
	from  uri.Provider
	to    *Provider
}

// carry encodes the request, hands it over and encodes the answer.
func carry[Q, A any, PQ interface {
	*Q
	syntax.Value
}, PA interface {
	*A
	syntax.Value
}](l *link, e mimi.Endpoint, request PQ, call func(PQ) (PA, error)) (PA, error) {
	octets, err := syntax.Marshal(request)
	if err != nil {
		return nil, err
	}
	c := Call{From: l.from, To: l.to.URI, Endpoint: e, Request: octets}
	answer, err := func() (PA, error) {
		if l.world.Before != nil {
			if err := l.world.Before(c); err != nil {
				return nil, err
			}
		}
		arrived := PQ(new(Q))
		if err := mimi.Limits(len(octets)).Unmarshal(octets, arrived); err != nil {
			return nil, mimi.Errorf(mimi.BadRequest, "%v", err)
		}
		answer, err := call(arrived)
		if l.world.After != nil {
			if err := l.world.After(c); err != nil {
				return nil, err
			}
		}
		return answer, told(err)
	}()
	c.Err = err
	l.world.mu.Lock()
	l.world.calls = append(l.world.calls, c)
	l.world.mu.Unlock()
	if err != nil || answer == nil {
		return nil, err
	}
	if octets, err = syntax.Marshal(answer); err != nil {
		return nil, err
	}
	back := PA(new(A))
	return back, mimi.Limits(len(octets)).Unmarshal(octets, back)
}

// told is what a peer learns of an error.
func told(err error) error {
	var known *mimi.Error
	if err == nil {
		return nil
	}
	if !errors.As(err, &known) {
		return &mimi.Error{Code: mimi.Internal, Err: err}
	}
	return &mimi.Error{Code: known.Code, Detail: known.Detail, RetryAfter: known.RetryAfter, Err: known.Err}
}

func (l *link) KeyMaterial(ctx context.Context, target uri.User, r *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error) {
	return carry(l, mimi.KeyMaterial, r, func(r *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error) {
		return l.to.As(l.from).KeyMaterial(ctx, target, r)
	})
}

func (l *link) Update(ctx context.Context, at uri.Room, r *mimi.UpdateRequest) (*mimi.UpdateRoomResponse, error) {
	return carry(l, mimi.Update, r, func(r *mimi.UpdateRequest) (*mimi.UpdateRoomResponse, error) {
		return l.to.As(l.from).Update(ctx, at, r)
	})
}

func (l *link) SubmitMessage(ctx context.Context, at uri.Room, r *mimi.SubmitMessageRequest) (*mimi.SubmitMessageResponse, error) {
	return carry(l, mimi.SubmitMessage, r, func(r *mimi.SubmitMessageRequest) (*mimi.SubmitMessageResponse, error) {
		return l.to.As(l.from).SubmitMessage(ctx, at, r)
	})
}

func (l *link) Notify(ctx context.Context, at uri.Room, r *mimi.NotifyBody) error {
	_, err := carry(l, mimi.Notify, r, func(r *mimi.NotifyBody) (*mimi.NotifyBody, error) {
		return nil, l.to.As(l.from).Notify(ctx, at, r)
	})
	return err
}

func (l *link) GroupInfo(ctx context.Context, at uri.Room, r *mimi.GroupInfoRequest) (*mimi.GroupInfoResponse, error) {
	return carry(l, mimi.GroupInfo, r, func(r *mimi.GroupInfoRequest) (*mimi.GroupInfoResponse, error) {
		return l.to.As(l.from).GroupInfo(ctx, at, r)
	})
}
