package provider_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/client"
	capi "parley/clientapi/client"
	"parley/content"
	"parley/credential"
	"parley/mimihttp"
	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/provider"
	"parley/provider/lab"
	"parley/room"
	"parley/store/memory"
	"parley/uri"
)

// world is a few providers on loopback whose TLS certificates come from one lab authority. All know each other.
type world struct {
	t     testing.TB
	tls   *lab.Authority
	nodes map[string]*node
	order []*node
}

// node is one provider of the world.
type node struct {
	world     *world
	domain    string
	uri       uri.Provider
	dir       string
	files     lab.Files
	listeners map[string]net.Listener
	cfg       provider.Config
	durable   bool    // on SQLite, not in memory
	keys      *shared // gets the federation listener's TLS secrets; nil: nobody does
	log       shared
	trace     shared

	running *provider.Provider
	stop    context.CancelFunc
	ended   chan error
	result  error
}

// shared is a buffer that a process writes while a test reads.
type shared struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

func must[T any](t testing.TB, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func parse(t testing.TB, domain string) uri.Provider {
	t.Helper()
	p, err := uri.ProviderFromDomain(domain)
	return must(t, p, err)
}

// newWorld makes providers that do not run yet.
func newWorld(t testing.TB, domains ...string) *world {
	t.Helper()
	dir := t.TempDir()
	authority, err := lab.OpenAuthority(dir, time.Now())
	w := &world{t: t, tls: must(t, authority, err), nodes: make(map[string]*node)}
	for _, d := range domains {
		n := &node{world: w, domain: d, uri: parse(t, d), dir: filepath.Join(dir, d)}
		n.prepare()
		w.nodes[d] = n
		w.order = append(w.order, n)
	}
	for _, n := range w.order {
		for _, other := range w.order {
			if other != n {
				n.cfg.Peers = append(n.cfg.Peers, provider.Peer{Provider: other.uri, Trust: w.trust(), Address: other.address("federation")})
			}
		}
	}
	return w
}

func (w *world) trust() mimihttp.Trust {
	return mimihttp.Trust{Mode: mimihttp.PrivateCA, Roots: w.roots()}
}

func (w *world) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(w.tls.Certificate)
	return pool
}

func (n *node) address(name string) string { return n.listeners[name].Addr().String() }

func (n *node) prepare() {
	t, now := n.world.t, time.Now()
	var err error
	n.files, err = n.world.tls.Issue(n.dir, n.uri, now)
	must(t, n.files, err)
	keys := provider.KeyFiles{CACertificate: filepath.Join(n.dir, "ca.crt"), CAKey: filepath.Join(n.dir, "ca.key"), Hub: filepath.Join(n.dir, "hub.key")}
	made, err := provider.InitKeys(keys, n.uri, now)
	must(t, made, err)
	loaded, err := provider.LoadKeys(keys, n.uri)
	must(t, loaded, err)
	cert, err := mimihttp.LoadCertificateFiles(n.files.Certificate, n.files.Key)
	must(t, cert, err)
	n.listeners = make(map[string]net.Listener)
	for _, name := range []string{"federation", "client", "admin"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		n.listeners[name] = must(t, l, err)
		t.Cleanup(func() {
			if err := n.listeners[name].Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
		})
	}
	n.cfg = provider.Config{
		Provider: n.uri, Store: provider.MemoryStore(memory.New()), Keys: loaded,
		Federation: provider.Endpoint{Address: "federation", Certificate: cert}, Client: provider.Endpoint{Address: "client", Certificate: cert},
		Admin: "admin", Socket: filepath.Join(n.dir, "admin.sock"),
		Log:    slog.New(slog.NewTextHandler(&n.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Trace:  &n.trace,
		Listen: func(name string) (net.Listener, error) { return n.listeners[name], nil },
		Drain:  5 * time.Second,
	}
}

// start runs the provider until the test ends, which must be orderly, or until end.
func (n *node) start() {
	t := n.world.t
	t.Helper()
	p, err := provider.New(n.cfg)
	n.running = must(t, p, err)
	if n.keys != nil {
		p.LogKeys(n.keys)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.stop, n.ended = cancel, make(chan error, 1)
	go func() { n.ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		if err := n.end(); err != nil && !t.Failed() && n.result == nil {
			t.Errorf("%s ended with %v", n.domain, err)
		}
	})
}

// end stops the provider and returns what Run returned; nil when it has ended before.
func (n *node) end() error {
	n.stop()
	if n.ended == nil {
		return nil
	}
	err := <-n.ended
	n.ended = nil
	return err
}

// onDisk puts the provider's store on SQLite.
func (n *node) onDisk() {
	n.world.t.Helper()
	n.durable = true
	store, err := provider.OpenSQLite(n.world.t.Context(), filepath.Join(n.dir, "parley.db"))
	n.cfg.Store = must(n.world.t, store, err)
}

// again opens what a provider that has ended needs to run once more: the listeners at the same addresses, the store.
func (n *node) again() {
	n.world.t.Helper()
	if n.durable {
		n.onDisk()
	}
	for name, l := range n.listeners {
		fresh, err := net.Listen("tcp", l.Addr().String())
		n.listeners[name] = must(n.world.t, fresh, err)
	}
}

// startAll runs all providers.
func (w *world) startAll() {
	w.t.Helper()
	for _, n := range w.order {
		n.start()
	}
}

// logged waits until a line of the log has all the words.
func (n *node) logged(words ...string) {
	n.world.t.Helper()
	eventually(n.world.t, strings.Join(words, " ")+" in the log of "+n.domain, func() bool {
		return slices.ContainsFunc(strings.Split(n.log.String(), "\n"), func(line string) bool {
			return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) })
		})
	})
}

// eventually asks until it is so; for what happens on the other side of a socket, where there is nothing to wait on.
func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	limit := time.NewTimer(10 * time.Second)
	defer limit.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("in vain: %s", what)
		}
	}
}

// operator is the operator's side of a running provider.
func (n *node) operator() *provider.Operator {
	n.world.t.Helper()
	o, err := provider.Dial(n.world.t.Context(), n.cfg.Socket)
	return must(n.world.t, o, err)
}

// device is one enrolled device with a real client over HTTPS.
type device struct {
	t    testing.TB
	home *node
	api  *capi.Client
	*client.Client
	again func()        // starts the client anew from its store
	late  time.Duration // by how much its clock is ahead
}

func (n *node) transport() capi.Transport {
	n.world.t.Helper()
	t, closeIdle, err := capi.HTTP(capi.HTTPConfig{Origin: "https://" + n.address("client"), Roots: n.world.roots()})
	must(n.world.t, t, err)
	n.world.t.Cleanup(closeIdle)
	return t
}

// enrol makes a user's device: a code from the operator, a credential for it, a first stock of KeyPackages.
func (n *node) enrol(user, name string) *device {
	n.world.t.Helper()
	return n.enrolIn(suite.X25519AES128, user, name)
}

// enrolIn is enrol for a cipher suite.
func (n *node) enrolIn(id wire.CipherSuite, user, name string) *device {
	t := n.world.t
	t.Helper()
	invitation, err := n.operator().Invite(t.Context(), user)
	must(t, invitation, err)
	transport := n.transport()
	e, err := capi.Enrol(t.Context(), transport, capi.Enrolment{Code: invitation.Code, Device: name, Suite: id})
	must(t, e, err)
	store := new(records)
	if err := client.SaveAccount(t.Context(), store, e.Account); err != nil {
		t.Fatal(err)
	}
	d := &device{t: t, home: n, api: capi.New(transport, e.Provider, e.Token)}
	engine := &mls.Config{
		Suites:       n.cfg.Suites,
		ValidateLeaf: credential.Validator(d.roots), ValidateSender: credential.SenderValidator(d.roots), Components: room.Components(),
	}
	d.again = func() {
		d.Client, err = client.Open(t.Context(), client.Config{Store: store, Provider: d.api, MLS: engine, Now: func() time.Time { return time.Now().Add(d.late) }})
		must(t, d.Client, err)
	}
	d.again()
	if err := d.Stock(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	return d
}

// roots asks the provider for the authorities of the others, which it may have to fetch first.
func (d *device) roots(p uri.Provider) *x509.CertPool {
	list, err := d.api.Authorities(d.t.Context(), p)
	if err != nil {
		d.t.Errorf("authorities of %s: %v", p.Domain(), err)
		return nil
	}
	roots, err := capi.Roots(list)
	if err != nil {
		d.t.Error(err)
		return nil
	}
	return roots(p)
}

// flush sends what is wanted and requires that nothing was refused.
func (d *device) flush() {
	d.t.Helper()
	_, err := d.Flush(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	for _, i := range d.Intents() {
		if i.Fate == client.Failed {
			d.t.Fatalf("refused: %+v", i)
		}
	}
}

// say sends a text.
func (d *device) say(at uri.Room, text string) {
	d.t.Helper()
	var salt [16]byte
	if _, err := rand.Read(salt[:]); err != nil {
		d.t.Fatal(err)
	}
	user := d.Account().User
	encoded, err := content.NewText(salt, user, at, text).Encode()
	must(d.t, encoded, err)
	id := content.ID(user, at, encoded, salt)
	_, err = d.Send(d.t.Context(), at, encoded, id[:])
	if err != nil {
		d.t.Fatal(err)
	}
}

// until receives until the room's timeline has an entry.
func (d *device) until(at uri.Room, what string, so func(client.Entry) bool) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), 10*time.Second)
	defer cancel()
	for {
		entries, err := d.Timeline(ctx, at, 0, 1000)
		if err == nil && slices.ContainsFunc(entries, so) {
			return
		}
		if _, err := d.Receive(ctx, time.Second); err != nil {
			d.t.Fatalf("%s does not come: %v", what, err)
		}
	}
}

func (d *device) hears(at uri.Room, text string) {
	d.t.Helper()
	d.until(at, text, func(e client.Entry) bool {
		return e.Kind == client.EntryMessage && e.Text == text && e.Unverified == ""
	})
}

func (d *device) sees(at uri.Room, kind client.EntryKind, user uri.User) {
	d.t.Helper()
	d.until(at, string(kind), func(e client.Entry) bool { return e.Kind == kind && e.User == user.String() })
}

// records is a client.Store in memory.
type records struct{ all []mls.Record }

func (r *records) Load(_ context.Context, prefix string) (out []mls.Record, err error) {
	for _, rec := range r.all {
		if strings.HasPrefix(rec.Key, prefix) {
			out = append(out, rec)
		}
	}
	return out, nil
}

func (r *records) Commit(_ context.Context, changes mls.Delta) error {
	for _, c := range changes {
		i, found := slices.BinarySearchFunc(r.all, c.Key, func(rec mls.Record, key string) int { return strings.Compare(rec.Key, key) })
		switch {
		case found && c.Value == nil:
			r.all = slices.Delete(r.all, i, i+1)
		case found:
			r.all[i] = c
		case c.Value != nil:
			r.all = slices.Insert(r.all, i, c)
		}
	}
	return nil
}
