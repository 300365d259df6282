package provider

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"parley/contact"
	"parley/cores"
	"parley/credential"
	"parley/follower"
	"parley/hub"
	"parley/identity"
	"parley/inbox"
	"parley/keypkg"
	"parley/mimi"
	"parley/mimihttp"
	"parley/mls"
	"parley/mls/wire"
	"parley/outbox"
	"parley/room"
	"parley/uri"
)

// Provider is one running provider.
type Provider struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics
	tracer  *tracer // nil: no trace

	hub      *hub.Hub
	follower *follower.Follower
	packages *keypkg.Packages
	outbox   *outbox.Outbox
	inboxes  *inbox.Inboxes
	contact  *contact.Contact
	accounts *identity.Accounts
	people   *identity.People
	files    *files // nil: there are none
	found    places

	authorities *authorities
	peers       *peers
	wakes       wakes
	revoked     sync.Map      // uri.Client: revoked since the process started, for streams that began before
	outboxHint  chan struct{} // capacity one
	errandHint  chan struct{} // capacity one
	stopping    chan struct{} // closed when the provider begins to stop
	stopped     atomic.Bool   // the same, to be read
	checked     atomic.Int64  // Unix time at which the whole store was last found sound

	federation, client, admin, socket *listener // nil: not configured
}

// listener is an open listener with the server in front of it.
type listener struct {
	name string
	net.Listener
	server *http.Server
	tls    bool
	door   *door // nil: everybody may come
}

// Addresses are where the provider listens; empty where it does not.
type Addresses struct {
	Federation, Client, Admin string
}

// New opens the listeners, the last one of the steps that can fail. Run must follow, or Close.
//
// The store is not read before Run: its writer does not run yet.
func New(cfg Config) (*Provider, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	p := &Provider{cfg: cfg, log: cfg.Log, metrics: newMetrics(), outboxHint: make(chan struct{}, 1),
		errandHint: make(chan struct{}, 1), stopping: make(chan struct{})}
	if cfg.Trace != nil {
		p.tracer = &tracer{log: p.log, out: cfg.Trace}
	}
	p.newIdentity()
	if err := p.open(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *Provider) open() error {
	if err := p.newPeers(); err != nil {
		return err
	}
	p.newRoles()
	if err := p.metrics.registry.Register(newState(p)); err != nil {
		return err
	}
	return p.listen()
}

func (p *Provider) newIdentity() {
	s := p.cfg.Store
	p.accounts = &identity.Accounts{Provider: p.cfg.Provider, Update: s.UpdateAccounts, View: s.ViewAccounts, Now: p.cfg.Now}
	p.people = p.newPeople()
	p.authorities = &authorities{
		pins:  &identity.Pins{Update: s.UpdatePins, View: s.ViewPins, Now: p.cfg.Now},
		log:   p.log,
		fixed: map[uri.Provider][]*x509.Certificate{p.cfg.Provider: p.cfg.Keys.Authorities},
	}
	for _, peer := range p.cfg.Peers {
		if len(peer.Authorities) > 0 {
			p.authorities.fixed[peer.Provider] = peer.Authorities
		}
	}
}

func (p *Provider) newPeers() error {
	p.peers = &peers{self: p.cfg.Provider, local: p.As(p.cfg.Provider), authorities: p.authorities, remote: make(map[uri.Provider]*remote)}
	for _, peer := range p.cfg.Peers {
		if peer.Provider == p.cfg.Provider {
			return fmt.Errorf("provider: %s is listed as its own peer", peer.Provider.Domain())
		}
		client, err := mimihttp.NewClient(mimihttp.ClientConfig{
			Self: p.cfg.Provider, Peer: peer.Provider, Certificate: p.cfg.Federation.Certificate.Certificate, Trust: peer.Trust,
			Address: peer.Address, Timeout: p.cfg.PeerTimeout, Now: p.cfg.Now, Log: p.log, Trace: p.trace,
		})
		if err != nil {
			return fmt.Errorf("provider: peer %s: %w", peer.Provider.Domain(), err)
		}
		trust := peer.Trust
		p.peers.remote[peer.Provider] = &remote{peer: peer.Provider, trust: &trust, client: client, authorities: p.authorities,
			flow: flow{most: p.cfg.Limits.Waiting, now: p.cfg.Now}}
	}
	return nil
}

func (p *Provider) newRoles() {
	s, now := p.cfg.Store, p.cfg.Now
	engine := &mls.Config{
		Suites:         p.cfg.Suites,
		ValidateLeaf:   credential.Validator(p.authorities.Roots),
		ValidateSender: credential.SenderValidator(p.authorities.Roots),
		Components:     room.Components(),
		Parallel:       cores.All,
	}
	judge := credentialJudge(p.authorities.Roots)
	limits := newLimits(now)
	p.hub = hub.New(hub.Config{
		Self: p.cfg.Provider, Store: s.Hub, MLS: engine, Keys: p.cfg.Keys.signers(), Now: now, Claim: p.claim,
		ValidateCredential: judge, Wake: func() { hint(p.outboxHint) }, Limit: limits.hub,
		Cases: s.Cases, ReadContent: readContent,
	})
	p.contact = p.newContact(engine)
	p.packages = keypkg.New(keypkg.Config{
		Self: p.cfg.Provider, Store: s.KeyPackages, Now: now, Suites: p.cfg.Suites, ValidateCredential: judge, Limit: limits.claim,
		Consent: p.contact.Check, HideUsers: p.cfg.Consent.HideUsers,
		Validate: func(kp *wire.KeyPackage, now time.Time) error { return mls.ValidateKeyPackage(engine, kp, now) },
	})
	p.follower = follower.New(follower.Config{
		Self: p.cfg.Provider, Store: s.Follower, Now: now, Peers: p.peers.For, Wake: p.wakes.wake,
		Dropped: func(n int) { p.metrics.dropped.Add(float64(n)) },
	})
	p.inboxes = inbox.New(inbox.Config{Store: s.Inbox, Now: now})
	p.outbox = outbox.New(outbox.Config{
		Store: s.Outbox, Now: now, Jitter: rand.Float64, Alarm: p.alarm, Own: p.cfg.Provider, PerDestination: p.cfg.Limits.Batches,
	})
}

// credentialJudge judges the credential of a signed request as it would judge it in a KeyPackage.
func credentialJudge(roots credential.Roots) func(wire.Credential, []byte, time.Time) error {
	validate := credential.Validator(roots)
	return func(c wire.Credential, key []byte, now time.Time) error {
		leaf := &wire.LeafNode{Credential: c, SignatureKey: key}
		return validate(mls.LeafCheck{Use: mls.UseKeyPackage, Leaf: leaf, Now: now})
	}
}

func (p *Provider) trace(e mimihttp.TraceEvent) {
	p.metrics.request(&e)
	if p.tracer != nil {
		p.tracer.write(&e)
	}
}

// listen opens the listeners with their servers.
func (p *Provider) listen() error {
	l, err := p.listenBehindDoor("federation", p.cfg.Federation.Address)
	if err != nil {
		return err
	}
	p.federation = l
	authority := p.cfg.Authority
	if authority == "" {
		authority = defaultAuthority(p.cfg.Provider, l.Addr())
	}
	p.files = p.newFiles(authority)
	tenant := &mimihttp.Tenant{Provider: p.cfg.Provider, Authority: authority, As: p.As, Peer: p.peers.trust,
		Authorities: func() []*x509.Certificate { return p.cfg.Keys.Authorities }}
	if p.files != nil {
		tenant.Files = p.files.served
	}
	federation := mimihttp.NewServer(mimihttp.ServerConfig{
		Tenant: func(domain string) (*mimihttp.Tenant, bool) {
			return tenant, domain == p.cfg.Provider.Domain() || p.files != nil && p.files.at(domain)
		},
		Rate: p.cfg.Limits.rate, PerCaller: p.cfg.Limits.Requests,
		Now: p.cfg.Now, Log: p.log, Trace: p.trace,
	})
	l.server, l.tls = federation.HTTPServer(p.cfg.Federation.Certificate.GetCertificate), true
	l.server.ConnState = shaken

	if p.client, err = p.listenBehindDoor("client", p.cfg.Client.Address); err != nil {
		return err
	}
	handler := (&devices{p}).server().Handler()
	p.client.server, p.client.tls = &http.Server{
		Handler:           p.metrics.countClients(handler),
		TLSConfig:         &tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: p.cfg.Client.Certificate.GetCertificate, NextProtos: []string{"h2", "http/1.1"}},
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       5 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
		ConnState:         shaken,
	}, true
	if p.cfg.Admin != "" {
		if p.admin, err = p.listenOn("admin", p.cfg.Admin); err != nil {
			return err
		}
		p.admin.server = p.plainServer(p.probes())
	}
	if p.cfg.Socket != "" {
		if p.socket, err = openSocket(p.cfg.Socket); err != nil {
			return err
		}
		p.socket.server = p.plainServer(p.operators())
	}
	return nil
}

func (p *Provider) listenOn(name, address string) (*listener, error) {
	l, err := p.cfg.Listen(address)
	if err != nil {
		return nil, fmt.Errorf("provider: %s listener on %s: %w; stop what listens there or change %s.listen", name, address, err, name)
	}
	return &listener{name: name, Listener: l}, nil
}

// listenBehindDoor listens where strangers may come.
func (p *Provider) listenBehindDoor(name, address string) (*listener, error) {
	l, err := p.listenOn(name, address)
	if err != nil {
		return nil, err
	}
	l.door = newDoor(l.Listener, &p.cfg.Limits, func(reason string) { p.metrics.turned.WithLabelValues(name, reason).Inc() })
	l.Listener = l.door
	return l, nil
}

// openSocket makes the unix socket of operators, for the owner of the process only. Whoever has the store may take the place of a
// socket that an earlier process left.
func openSocket(path string) (*listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("provider: admin socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("provider: admin socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return &listener{name: "socket", Listener: l}, nil
}

func (p *Provider) plainServer(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(p.log.Handler(), slog.LevelDebug)}
}

// defaultAuthority is the provider's domain with the port of the listener, unless that is the usual one (P-DIR-10).
func defaultAuthority(p uri.Provider, at net.Addr) string {
	_, port, err := net.SplitHostPort(at.String())
	if err != nil || port == "443" {
		return p.Domain()
	}
	return net.JoinHostPort(p.Domain(), port)
}

// Addresses tells where the provider listens.
func (p *Provider) Addresses() Addresses {
	at := func(l *listener) string {
		if l == nil {
			return ""
		}
		return l.Addr().String()
	}
	return Addresses{Federation: at(p.federation), Client: at(p.client), Admin: at(p.admin)}
}

// Close gives up a provider that was not run.
func (p *Provider) Close() error {
	var errs []error
	for _, l := range p.listeners() {
		errs = append(errs, l.Close())
	}
	p.peers.close()
	p.files.close()
	return errors.Join(append(errs, p.cfg.Store.Close())...)
}

// listeners lists what is open, from outside to inside.
func (p *Provider) listeners() []*listener {
	var out []*listener
	for _, l := range []*listener{p.federation, p.client, p.socket, p.admin} {
		if l != nil {
			out = append(out, l)
		}
	}
	return out
}

var _ io.Closer = (*Provider)(nil)
var _ mimi.Service = (*service)(nil)
