package mimihttp_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/mimi"
	"parley/mimihttp"
	"parley/mimitest"
	"parley/syntax"
	"parley/uri"
)

// world is provider a.example (with a second tenant, a2.example), its known peer b.example, and an authority that all trust.
type world struct {
	t         testing.TB
	net       mimitest.Network
	authority *mimitest.Authority
	peer      *tls.Certificate  // of b.example
	service   mimitest.Recorder // of a.example
	second    mimitest.Recorder // of a2.example
	trust     *mimihttp.Trust   // in b.example
	log       *bytes.Buffer
	mu        sync.Mutex
	events    []mimihttp.TraceEvent
}

func provider(t testing.TB, domain string) uri.Provider {
	t.Helper()
	p, err := uri.ProviderFromDomain(domain)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newWorld(t testing.TB, change func(*mimihttp.ServerConfig)) *world {
	w := &world{t: t, authority: mimitest.NewAuthority(t), log: new(bytes.Buffer)}
	w.peer = w.authority.For(t, "b.example")
	w.trust = &mimihttp.Trust{Mode: mimihttp.PrivateCA, Roots: w.authority.Pool()}
	cfg := mimihttp.ServerConfig{
		Tenant: func(domain string) (*mimihttp.Tenant, bool) {
			switch domain {
			case "a.example":
				return w.tenant(domain, &w.service), true
			case "a2.example":
				return w.tenant(domain, &w.second), true
			}
			return nil, false
		},
		Log: slog.New(slog.NewTextHandler(locked{w}, nil)), Trace: w.trace,
	}
	if change != nil {
		change(&cfg)
	}
	server := mimihttp.NewServer(cfg)
	cert := w.authority.Issue(t, mimitest.Wish{DNS: []string{"a.example", "a2.example"}})
	w.serve("a.example:443", server.HTTPServer(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert, nil }))
	return w
}

type locked struct{ w *world }

func (l locked) Write(p []byte) (int, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	return l.w.log.Write(p)
}

func (w *world) logged() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

func (w *world) trace(e mimihttp.TraceEvent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

func (w *world) tenant(domain string, r *mimitest.Recorder) *mimihttp.Tenant {
	return &mimihttp.Tenant{
		Provider: provider(w.t, domain), As: r.As,
		Peer: func(caller uri.Provider) (*mimihttp.Trust, bool) { return w.trust, caller.Domain() == "b.example" },
	}
}

// serve runs an HTTP server on an address of the network until the test ends.
func (w *world) serve(address string, s *http.Server) {
	l := w.net.Listen(address)
	done := make(chan error, 1)
	go func() { done <- s.ServeTLS(l, "", "") }()
	w.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			w.t.Error(err)
		}
		if err := <-done; err != http.ErrServerClosed {
			w.t.Error(err)
		}
	})
}

// request is an HTTP request as a rig makes it; the zero value of a field means what is right.
type request struct {
	cert   *tls.Certificate
	noCert bool
	from   []string
	host   string
	method string
	path   string
	header http.Header
	body   io.Reader
}

// do sends the request to a.example and returns the answer with its body.
func (w *world) do(r request) (*http.Response, string) {
	w.t.Helper()
	resp, err := w.try(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp, string(body)
}

func (w *world) try(r request) (*http.Response, error) {
	w.t.Helper()
	config := &tls.Config{RootCAs: w.authority.Pool(), ServerName: "a.example"}
	if !r.noCert {
		if r.cert == nil {
			r.cert = w.peer
		}
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return r.cert, nil }
	}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return w.net.Dial(ctx, network, "a.example:443")
	}}
	w.t.Cleanup(transport.CloseIdleConnections)
	if r.method == "" {
		r.method = http.MethodPost
	}
	req, err := http.NewRequest(r.method, "https://a.example"+r.path, r.body)
	if err != nil {
		w.t.Fatal(err)
	}
	if r.from == nil {
		r.from = []string{"mimi@b.example"}
	}
	req.Header["From"] = r.from
	for name, values := range r.header {
		req.Header[name] = values
	}
	if r.host != "" {
		req.Host = r.host
	}
	return transport.RoundTrip(req)
}

func sample(t testing.TB, e mimi.Endpoint) mimitest.Sample {
	t.Helper()
	for _, s := range mimitest.Samples(t) {
		if s.Endpoint == e {
			return s
		}
	}
	t.Fatalf("no sample of %s", e)
	return mimitest.Sample{}
}

func (w *world) submit(change func(*request)) (*http.Response, string) {
	w.t.Helper()
	s := sample(w.t, mimi.SubmitMessage)
	r := request{path: mimitest.Path(s.Endpoint, s.Target), body: bytes.NewReader(s.Body)}
	if change != nil {
		change(&r)
	}
	return w.do(r)
}

// refused requires a status and that no service was called.
func (w *world) refused(resp *http.Response, status int) {
	w.t.Helper()
	if resp.StatusCode != status {
		w.t.Errorf("status %d, want %d", resp.StatusCode, status)
	}
	if calls := w.service.Calls(); len(calls) != 0 {
		w.t.Errorf("the service was called: %v", calls)
	}
}

// client is b.example's Client for a.example.
func (w *world) client(change func(*mimihttp.ClientConfig)) *mimihttp.Client {
	w.t.Helper()
	cfg := mimihttp.ClientConfig{
		Self: provider(w.t, "b.example"), Peer: provider(w.t, "a.example"), Dial: w.net.Dial,
		Certificate: func() (*tls.Certificate, error) { return w.peer, nil }, Trust: *w.trust, Timeout: 10 * time.Second,
	}
	if change != nil {
		change(&cfg)
	}
	c, err := mimihttp.NewClient(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Close)
	return c
}

func room(t testing.TB, s string) uri.Room {
	t.Helper()
	r, err := uri.ParseRoom(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// send calls SubmitMessage with the sample.
func send(t testing.TB, c mimi.Service) error {
	t.Helper()
	r := new(mimi.SubmitMessageRequest)
	if err := syntax.Unmarshal(sample(t, mimi.SubmitMessage).Body, r); err != nil {
		t.Fatal(err)
	}
	answer, err := c.SubmitMessage(t.Context(), room(t, mimitest.Room), r)
	if err == nil && answer.AcceptedAt != mimitest.AcceptedAt {
		t.Errorf("answer %+v", answer)
	}
	return err
}

func contains(t testing.TB, text, part string) {
	t.Helper()
	if !strings.Contains(text, part) {
		t.Errorf("%q is not in %q", part, text)
	}
}

func discard() *log.Logger { return log.New(io.Discard, "", 0) }
