package provider_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/mimi"
	"parley/mimitest"
)

// Whoever is not who From says, or is nobody's peer, is refused before a handler runs, and the log says why.
func TestStrangersAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "a.example", "b.example", "c.example")
	a := w.nodes["a.example"]
	a.start()
	sample := func() mimitest.Sample {
		for _, s := range mimitest.Samples(t) {
			if s.Endpoint == mimi.Notify {
				return s
			}
		}
		t.Fatal("no sample")
		return mimitest.Sample{}
	}()
	good := w.certificate("b.example", time.Now())
	for _, c := range []struct {
		name   string
		cert   *tls.Certificate
		from   string
		status int
		log    []string
	}{
		{"unknown peer", w.certificate("d.example", time.Now()), "mimi@d.example", 403, []string{"request refused", "unknown peer", "claimed=d.example"}},
		{"another peer's name", good, "mimi@c.example", 403,
			[]string{"request refused", "certificate does not prove From", "claimed=c.example", "certificate is not for this provider"}},
		{"expired certificate", w.certificate("b.example", time.Now().AddDate(-2, 0, 0)), "mimi@b.example", 403,
			[]string{"request refused", "certificate does not prove From", "claimed=b.example", "outside of its validity"}},
		{"certificate of another authority", newWorld(t).certificate("b.example", time.Now()), "mimi@b.example", 403,
			[]string{"request refused", "certificate does not prove From", "chain does not verify"}},
		{"no certificate", nil, "mimi@b.example", 401, []string{"request refused", "a client certificate is required"}},
		{"no From", good, "b.example", 400, []string{"request refused", "From is not one address"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			status := w.post(a, c.cert, c.from, mimitest.Path(sample.Endpoint, sample.Target), sample.Body)
			if status != c.status {
				t.Errorf("status %d, want %d", status, c.status)
			}
			a.logged(c.log...)
		})
	}
	// The same request of the peer itself gets as far as the role, which refuses it: b is not the hub of a's room.
	if status := w.post(a, good, "mimi@b.example", mimitest.Path(sample.Endpoint, sample.Target), sample.Body); status != 403 {
		t.Errorf("status %d", status)
	}
	a.logged("request refused", "peer=b.example", "only the hub of a room speaks for it")
	for _, l := range traced(t, a) {
		if l.From == "" && (l.Request != 0 || l.Status/100 == 2) {
			t.Errorf("a body was read, or a request served, of somebody who is not known: %+v", l)
		}
	}
}

// certificate issues a TLS certificate for a domain at a time.
func (w *world) certificate(domain string, at time.Time) *tls.Certificate {
	w.t.Helper()
	files, err := w.tls.Issue(filepath.Join(w.t.TempDir(), domain), parse(w.t, domain), at)
	must(w.t, files, err)
	cert, err := tls.LoadX509KeyPair(files.Certificate, files.Key)
	must(w.t, cert, err)
	return &cert
}

// post sends a request to a provider as a rig makes it, and returns the status.
func (w *world) post(n *node, cert *tls.Certificate, from, path string, body []byte) int {
	w.t.Helper()
	config := &tls.Config{RootCAs: w.roots(), ServerName: n.domain}
	if cert != nil {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, n.address("federation"))
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, "https://"+n.domain+path, bytes.NewReader(body))
	must(w.t, req, err)
	req.Header["From"] = []string{from}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode
}

// get asks the operators' side.
func (n *node) get(path string) (status int, body string) {
	n.world.t.Helper()
	status, body, err := n.tryGet(path)
	if err != nil {
		n.world.t.Fatal(err)
	}
	return status, body
}

func (n *node) tryGet(path string) (int, string, error) {
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: transport}).Get("http://" + n.address("admin") + path)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, strings.TrimSpace(string(text)), err
}
