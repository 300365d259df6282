package mimihttp_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/mimi"
	"parley/mimihttp"
	"parley/netguard"
	"parley/netguard/corpus"
	"parley/ohttp"
)

// filesWorld is a.example as a hub with files; c.example's assets are at assets.c.example, which the hub reaches through its guard.
type filesWorld struct {
	*world
	client *mimihttp.Client // b.example's
	keys   []*ohttp.Key

	mu     sync.Mutex
	dialed []string // by the guard
	asked  []*http.Request
	rig    http.HandlerFunc
	now    time.Time
}

func newFilesWorld(t *testing.T, change func(*mimihttp.FetcherConfig)) *filesWorld {
	w := &filesWorld{world: newWorld(t, nil), now: time.Now()}
	key, err := ohttp.NewKey(3)
	if err != nil {
		t.Fatal(err)
	}
	w.keys = []*ohttp.Key{key}
	cert := w.authority.For(t, "assets.c.example")
	rig := &http.Server{Handler: http.HandlerFunc(w.asset), TLSConfig: &tls.Config{Certificates: []tls.Certificate{*cert}}, ErrorLog: discard()}
	w.serve("assets.c.example:443", rig)
	cfg := mimihttp.FetcherConfig{
		Peers: []mimihttp.AssetPeer{
			{Provider: provider(t, "c.example"), Hosts: []string{"assets.c.example", "loop.inside.example", "mixed.inside.example"}, Roots: w.authority.Pool()},
			{Provider: provider(t, "b.example")},
		},
		Guard: &netguard.Dialer{Resolve: corpus.Resolve, Dial: w.dial}, Dial: w.dial,
		Own: []string{"a.example"}, Now: func() time.Time { return w.now },
		Local: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader("own"+r.URL.Path))
		}),
	}
	if change != nil {
		change(&cfg)
	}
	fetcher := mimihttp.NewFetcher(cfg)
	t.Cleanup(fetcher.Close)
	tenant := w.tenant("a.example", &w.service)
	tenant.Files = &mimihttp.Files{Fetcher: fetcher, Assets: cfg.Local, Keys: func(context.Context) ([]*ohttp.Key, error) { return w.keys, nil }}
	server := mimihttp.NewServer(mimihttp.ServerConfig{Tenant: func(d string) (*mimihttp.Tenant, bool) { return tenant, d == "a.example" }, Trace: w.trace})
	own := w.authority.For(t, "a.example")
	w.serve("files:443", server.HTTPServer(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return own, nil }))
	w.client = w.world.client(func(c *mimihttp.ClientConfig) {
		c.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return w.net.Dial(ctx, network, "files:443")
		}
	})
	return w
}

// dial watches where the hub connects to; the one public address leads to the rig.
func (w *filesWorld) dial(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	w.dialed = append(w.dialed, address)
	w.mu.Unlock()
	return w.net.Dial(ctx, network, "assets.c.example:443")
}

func (w *filesWorld) asset(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.asked = append(w.asked, r)
	rig := w.rig
	w.mu.Unlock()
	if rig != nil {
		rig(rw, r)
		return
	}
	http.ServeContent(rw, r, "", time.Time{}, bytes.NewReader(content()))
}

func content() []byte { return bytes.Repeat([]byte("0123456789"), 1000) }

func (w *filesWorld) set(rig http.HandlerFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rig, w.asked, w.dialed = rig, nil, nil
}

func (w *filesWorld) seen() (asked []*http.Request, dialed []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.asked), slices.Clone(w.dialed)
}

const theAsset = "https://assets.c.example/file?x=1"

// get downloads through the proxy, as b.example.
func (w *filesWorld) get(target string, header http.Header) (int, http.Header, []byte, error) {
	w.t.Helper()
	d, err := w.client.ProxyDownload(w.t.Context(), target, header)
	if err != nil {
		return 0, nil, nil, err
	}
	body, err := io.ReadAll(d.Body)
	if cerr := d.Body.Close(); cerr != nil {
		w.t.Error(cerr)
	}
	return d.Status, d.Header, body, err
}

func TestProxy(t *testing.T) {
	w := newFilesWorld(t, nil)
	t.Run("P-PD-01 the endpoint is in the directory and serves GET", func(t *testing.T) {
		if status, _, body, err := w.get(theAsset, nil); err != nil || status != 200 || len(body) == 0 {
			t.Errorf("%d, %d octets, %v", status, len(body), err)
		}
		if status, _, body, err := w.get("https://a.example/asset/x", nil); err != nil || status != 200 || string(body) != "own/asset/x" {
			t.Errorf("own: %d %q, %v", status, body, err)
		}
	})
	t.Run("P-PD-02 only asset domains of peers", func(t *testing.T) {
		w.set(nil)
		for _, target := range append(corpus.Inside(), "https://elsewhere.example/x", "https://c.example/x", "https://assets.c.example:22/x",
			"https://assets.c.example.evil.example/x", "https://evil.example/assets.c.example", "https://assets.c.example@evil.example/x",
			"https://user:pass@assets.c.example/x", "https://assets.с.example/x", "https://assets.c.example./x", "http://assets.c.example/x") {
			if status, _, _, err := w.get(target, nil); err != nil || status != 403 {
				t.Errorf("%s: %d, %v", target, status, err)
			}
		}
		if asked, dialed := w.seen(); len(asked)+len(dialed) != 0 {
			t.Errorf("connections to %v", dialed)
		}
	})
	t.Run("P-PD-03 octets on success, plain HTTP codes on failure", func(t *testing.T) {
		w.set(nil)
		if status, _, body, err := w.get(theAsset, nil); err != nil || status != 200 || !bytes.Equal(body, content()) {
			t.Errorf("%d, %d octets, %v", status, len(body), err)
		}
		for given, want := range map[int]int{404: 404, 410: 404, 403: 403, 401: 403, 500: 502, 418: 502, 503: 503, 429: 503, 204: 502} {
			w.set(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(given) })
			if status, _, _, err := w.get(theAsset, nil); err != nil || status != want {
				t.Errorf("%d became %d, %v", given, status, err)
			}
		}
		w.set(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Length", "100")
			if _, err := rw.Write([]byte("cut")); err != nil {
				t.Error(err)
			}
		})
		if _, _, body, err := w.get(theAsset, nil); err == nil {
			t.Errorf("a cut answer looks whole: %q", body)
		}
		w.set(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Encoding", "gzip")
			rw.WriteHeader(200)
		})
		if status, _, _, err := w.get(theAsset, nil); err != nil || status != 502 {
			t.Errorf("an encoding: %d, %v", status, err)
		}
	})
	t.Run("P-PD-04 the asset's host learns nothing of who asked", func(t *testing.T) {
		w.set(nil)
		if status, _, _, err := w.get(theAsset, http.Header{"Range": {"bytes=1-2"}, "Cookie": {"a=b"}, "Referer": {"https://b.example/"}}); err != nil || status != 206 {
			t.Fatal(status, err)
		}
		asked, _ := w.seen()
		r := asked[0]
		for name := range r.Header {
			if name != "Range" {
				t.Errorf("header %s: %s", name, r.Header.Get(name))
			}
		}
		if len(r.TLS.PeerCertificates) != 0 || r.URL.RequestURI() != "/file?x=1" || r.Host != "assets.c.example" {
			t.Errorf("%s of %s", r.URL.RequestURI(), r.Host)
		}
	})
	t.Run("P-PD-05 the hub learns neither room nor user", func(t *testing.T) {
		hub := newRig(t, `{"proxyDownload":"https://a.example/p/{u}"}`)
		c := hub.client(nil)
		d, err := c.ProxyDownload(t.Context(), theAsset, http.Header{"Range": {"bytes=0-1"}, "Authorization": {"Bearer x"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Body.Close(); err != nil {
			t.Error(err)
		}
		got := hub.requested()
		if want := "a.example/p/" + url.QueryEscape(theAsset); len(got) != 2 || got[1] != want {
			t.Errorf("requested %v, want %s", got, want)
		}
	})
	t.Run("P-PD-06 what may be kept is fetched once", func(t *testing.T) {
		w.set(func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Cache-Control", "max-age=60")
			http.ServeContent(rw, r, "", time.Time{}, bytes.NewReader(content()))
		})
		const target = "https://assets.c.example/kept"
		for range 2 {
			if status, _, body, err := w.get(target, nil); err != nil || status != 200 || !bytes.Equal(body, content()) {
				t.Fatal(status, err)
			}
		}
		if status, _, body, err := w.get(target, http.Header{"Range": {"bytes=10-12"}}); err != nil || status != 206 || string(body) != "012" {
			t.Errorf("a part: %d %q, %v", status, body, err)
		}
		if asked, _ := w.seen(); len(asked) != 1 {
			t.Errorf("asked %d times", len(asked))
		}
		w.now = w.now.Add(61 * time.Second)
		if _, _, _, err := w.get(target, nil); err != nil {
			t.Fatal(err)
		}
		if asked, _ := w.seen(); len(asked) != 2 {
			t.Errorf("asked %d times after its time", len(asked))
		}
	})
	t.Run("P-PD-10 no redirect, no inside address, no second resolution", func(t *testing.T) {
		for _, to := range []string{"https://127.0.0.1/", "https://assets.c.example/other", "https://b.example/", "http://169.254.169.254/"} {
			w.set(func(rw http.ResponseWriter, _ *http.Request) { rw.Header().Set("Location", to); rw.WriteHeader(302) })
			if status, h, _, err := w.get(theAsset, nil); err != nil || status != 502 || h.Get("Location") != "" {
				t.Errorf("%s: %d, %v", to, status, err)
			}
			if asked, _ := w.seen(); len(asked) != 1 {
				t.Errorf("%s: %d requests", to, len(asked))
			}
		}
		w.set(nil)
		for _, host := range []string{"loop.inside.example", "mixed.inside.example"} {
			if status, _, _, err := w.get("https://"+host+"/x", nil); err != nil || status != 403 {
				t.Errorf("%s: %d, %v", host, status, err)
			}
		}
		if _, dialed := w.seen(); len(dialed) != 0 {
			t.Errorf("dialed %v", dialed)
		}
		first := true
		rebound := newFilesWorld(t, func(c *mimihttp.FetcherConfig) {
			resolve := c.Guard.Resolve
			c.Guard.Resolve = func(ctx context.Context, name string) ([]netip.Addr, error) {
				if first {
					first = false
					return resolve(ctx, name)
				}
				return resolve(ctx, "loop.inside.example")
			}
		})
		if status, _, _, err := rebound.get(theAsset, nil); err != nil || status != 200 {
			t.Errorf("%d, %v", status, err)
		}
		if _, dialed := rebound.seen(); len(dialed) != 1 || dialed[0] != "8.8.8.8:443" {
			t.Errorf("dialed %v", dialed)
		}
	})
	t.Run("P-PD-11 ranges and conditions are passed, sizes bounded", func(t *testing.T) {
		w.set(nil)
		status, h, body, err := w.get(theAsset, http.Header{"Range": {"bytes=9995-"}})
		if err != nil || status != 206 || string(body) != "56789" || h.Get("Content-Range") != "bytes 9995-9999/10000" {
			t.Errorf("%d %q %v, %v", status, body, h, err)
		}
		if status, _, _, err := w.get(theAsset, http.Header{"Range": {"bytes=20000-"}}); err != nil || status != 416 {
			t.Errorf("%d, %v", status, err)
		}
		w.set(func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Etag", `"v1"`)
			http.ServeContent(rw, r, "", time.Time{}, bytes.NewReader(content()))
		})
		if status, _, _, err := w.get(theAsset, http.Header{"If-None-Match": {`"v1"`}}); err != nil || status != 304 {
			t.Errorf("%d, %v", status, err)
		}
		small := newFilesWorld(t, func(c *mimihttp.FetcherConfig) { c.MaxSize = 9999 })
		if status, _, _, err := small.get(theAsset, nil); err != nil || status != 502 {
			t.Errorf("too large: %d, %v", status, err)
		}
		small.set(func(rw http.ResponseWriter, r *http.Request) {
			for range 100 { // of a length that is not told
				if _, err := rw.Write(content()); err != nil {
					return
				}
			}
		})
		if _, _, body, err := small.get(theAsset, nil); err == nil || len(body) > 10_001 {
			t.Errorf("an answer without end: %d octets, %v", len(body), err)
		}
	})
	t.Run("P-PD-12 only peers", func(t *testing.T) {
		w.set(nil)
		path := "/mimi/proxyDownload/" + url.PathEscape(theAsset)
		config := &tls.Config{RootCAs: w.authority.Pool(), ServerName: "a.example"}
		for name, c := range map[string]struct {
			cert *tls.Certificate
			from string
			want int
		}{"no certificate": {nil, "mimi@b.example", 401}, "unknown": {w.authority.For(t, "x.example"), "mimi@x.example", 403},
			"another's From": {w.authority.For(t, "x.example"), "mimi@b.example", 403}, "peer": {w.peer, "mimi@b.example", 200}} {
			config := config.Clone()
			if c.cert != nil {
				config.Certificates = []tls.Certificate{*c.cert}
			}
			transport := &http.Transport{TLSClientConfig: config, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return w.net.Dial(ctx, network, "files:443")
			}}
			for _, of := range []struct{ method, path string }{{"GET", path}, {"POST", "/.well-known/ohttp-gateway"}} {
				r, err := http.NewRequest(of.method, "https://a.example"+of.path, nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header["From"] = []string{c.from}
				resp, err := transport.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				if err := resp.Body.Close(); err != nil {
					t.Error(err)
				}
				want := c.want
				if want == 200 && of.method == "POST" {
					want = 400 // what was sent is no capsule
				}
				if resp.StatusCode != want {
					t.Errorf("%s, %s: %d", name, of.method, resp.StatusCode)
				}
			}
			transport.CloseIdleConnections()
		}
		if asked, _ := w.seen(); len(asked) > 1 {
			t.Errorf("%d requests went on", len(asked))
		}
	})
}

// ask sends an inner request through the relay, as a client of b.example does.
func (w *filesWorld) ask(inner *ohttp.Request) (*ohttp.Response, error) {
	w.t.Helper()
	keys, err := w.client.ObliviousKeys(w.t.Context())
	if err != nil {
		return nil, err
	}
	recipient, err := ohttp.ParseKeys(keys)
	if err != nil {
		return nil, err
	}
	message, answer, err := recipient.Encapsulate(inner.Encode())
	if err != nil {
		return nil, err
	}
	sealed, err := w.client.Relay(w.t.Context(), message)
	if err != nil {
		return nil, err
	}
	octets, err := answer.Open(sealed)
	if err != nil {
		return nil, err
	}
	return ohttp.DecodeResponse(octets)
}

func inner(method, authority, path string, header ...ohttp.Field) *ohttp.Request {
	return &ohttp.Request{Method: method, Scheme: "https", Authority: authority, Path: path, Header: header}
}

func TestOblivious(t *testing.T) {
	w := newFilesWorld(t, nil)
	t.Run("P-OH-01 an encapsulated GET returns the asset", func(t *testing.T) {
		r, err := w.ask(inner("GET", "assets.c.example", "/file"))
		if err != nil || r.Status != 200 || !bytes.Equal(r.Content, content()) {
			t.Fatalf("%+v, %v", r, err)
		}
		r, err = w.ask(inner("GET", "assets.c.example", "/file", ohttp.Field{Name: "range", Value: "bytes=1-3"}))
		if err != nil || r.Status != 206 || string(r.Content) != "123" || ohttp.Get(r.Header, "content-range") != "bytes 1-3/10000" {
			t.Errorf("%+v, %v", r, err)
		}
	})
	t.Run("P-OH-03 other targets are refused inside of the capsule", func(t *testing.T) {
		w.set(nil)
		for _, target := range append(corpus.Inside(), "https://elsewhere.example/x", "https://assets.c.example:22/") {
			u, err := url.Parse(target)
			if err != nil || u.Host == "" || strings.ContainsAny(target, "\\ ") {
				continue
			}
			r, err := w.ask(&ohttp.Request{Method: "GET", Scheme: u.Scheme, Authority: u.Host, Path: u.RequestURI()})
			if err != nil || r.Status != 403 && r.Status != 400 {
				t.Errorf("%s: %+v, %v", target, r, err)
			}
		}
		if _, dialed := w.seen(); len(dialed) != 0 {
			t.Errorf("dialed %v", dialed)
		}
	})
	t.Run("P-OH-05 media types and key configuration", func(t *testing.T) {
		resp := w.public("/.well-known/ohttp-gateway")
		if resp.Header.Get("Content-Type") != "application/ohttp-keys" || !bytes.Equal(resp.body, ohttp.Keys(w.keys...)) {
			t.Errorf("%v", resp.Header)
		}
	})
	t.Run("P-OH-06 in the clear what is not for us, inside what is wrong inside", func(t *testing.T) {
		stranger, err := ohttp.NewKey(3)
		if err != nil {
			t.Fatal(err)
		}
		unknown, err := ohttp.NewKey(99)
		if err != nil {
			t.Fatal(err)
		}
		for name, key := range map[string]*ohttp.Key{"bad ciphertext": stranger, "unknown key": unknown} {
			recipient, err := ohttp.ParseKeys(ohttp.Keys(key))
			if err != nil {
				t.Fatal(err)
			}
			message, _, err := recipient.Encapsulate(inner("GET", "assets.c.example", "/file").Encode())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.client.Relay(t.Context(), message); !isCode(err, mimi.BadRequest) {
				t.Errorf("%s: %v", name, err)
			}
		}
		r, err := w.ask(&ohttp.Request{})
		if err != nil || r.Status != 400 {
			t.Errorf("%+v, %v", r, err)
		}
	})
	t.Run("P-OH-07 the relay adds nothing and reaches the configured gateway only", func(t *testing.T) {
		for _, elsewhere := range []string{"https://evil.example/g", "http://a.example/g", "https://a.example@evil.example/g", "https://127.0.0.1/g", "7"} {
			dir, err := json.Marshal(map[string]string{"submitMessage": "https://a.example/s/{x}", "ohttpGateway": elsewhere, "ohttpKeys": elsewhere})
			if err != nil {
				t.Fatal(err)
			}
			g := newRig(t, string(dir))
			if _, err := g.client(nil).Relay(t.Context(), []byte("x")); !isCode(err, mimi.NotFound) {
				t.Errorf("%s: %v", elsewhere, err)
			}
			if got := g.requested(); len(got) != 1 {
				t.Errorf("%s: requested %v", elsewhere, got)
			}
		}
		g := newRig(t, `{"submitMessage":"https://a.example/s/{x}","ohttpGateway":"https://a.example/g","ohttpKeys":"https://a.example/k"}`)
		var header http.Header
		g.set(func(g *rig) { g.status = 200; g.saw = func(r *http.Request) { header = r.Header.Clone() } })
		if _, err := g.client(nil).Relay(t.Context(), []byte("capsule")); err != nil {
			t.Fatal(err)
		}
		for name := range header {
			if !slices.Contains([]string{"From", "Content-Type", "Content-Length", "Accept", "User-Agent", "Accept-Encoding"}, name) {
				t.Errorf("header %s", name)
			}
		}
		if header.Get("From") != "mimi@b.example" || header.Get("Content-Type") != "message/ohttp-req" {
			t.Errorf("%v", header)
		}
	})
	t.Run("P-OH-09 GET and HEAD, https, bounded, harmless to repeat", func(t *testing.T) {
		w.set(nil)
		if r, err := w.ask(inner("POST", "assets.c.example", "/file")); err != nil || r.Status != 405 {
			t.Errorf("%+v, %v", r, err)
		}
		if r, err := w.ask(inner("HEAD", "assets.c.example", "/file")); err != nil || r.Status != 200 || len(r.Content) != 0 {
			t.Errorf("%+v, %v", r, err)
		}
		plain := inner("GET", "assets.c.example", "/file")
		plain.Scheme = "http"
		if r, err := w.ask(plain); err != nil || r.Status != 403 {
			t.Errorf("%+v, %v", r, err)
		}
		withBody := inner("GET", "assets.c.example", "/file")
		withBody.Content = []byte("x")
		if r, err := w.ask(withBody); err != nil || r.Status != 403 {
			t.Errorf("%+v, %v", r, err)
		}
		w.set(func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Content-Length", strconv.Itoa(mimihttp.MaxObliviousContent+1))
			if _, err := io.Copy(rw, io.LimitReader(zeros{}, mimihttp.MaxObliviousContent+1)); err != nil {
				return
			}
		})
		if r, err := w.ask(inner("GET", "assets.c.example", "/large")); err != nil || r.Status != 413 {
			t.Errorf("too large: %v", err)
		}
		w.set(func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Content-Length", "100")
			rw.WriteHeader(200)
		})
		if r, err := w.ask(inner("GET", "assets.c.example", "/cut")); err != nil || r.Status != 502 {
			t.Errorf("cut: %+v, %v", r, err)
		}
	})
	t.Run("P-OH-02 peers are offered it", func(t *testing.T) {
		dir := w.public("/.well-known/mimi-protocol-directory")
		var members map[string]string
		if err := json.Unmarshal(dir.body, &members); err != nil || members["ohttpGateway"] == "" {
			t.Errorf("%s, %v", dir.body, err)
		}
	})
	t.Run("P-OH-10 directory and well-known name agree", func(t *testing.T) {
		var members map[string]string
		if err := json.Unmarshal(w.public("/.well-known/mimi-protocol-directory").body, &members); err != nil {
			t.Fatal(err)
		}
		if members["ohttpGateway"] != "https://a.example/.well-known/ohttp-gateway" || members["ohttpKeys"] != members["ohttpGateway"] {
			t.Errorf("%v", members)
		}
		if members["proxyDownload"] != "https://a.example/mimi/proxyDownload/{downloadUrl}" {
			t.Errorf("%v", members)
		}
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func isCode(err error, code mimi.Code) bool {
	var e *mimi.Error
	return errors.As(err, &e) && e.Code == code
}

type publicAnswer struct {
	*http.Response
	body []byte
}

// public asks without a certificate.
func (w *filesWorld) public(path string) publicAnswer {
	w.t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: w.authority.Pool(), ServerName: "a.example"},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return w.net.Dial(ctx, network, "files:443")
		}}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get("https://a.example" + path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return publicAnswer{resp, body}
}

// What a peer's own domain, or its directory, leads to is dialled only where that is public.
func TestDirectoryLeadsInside(t *testing.T) {
	w := newFilesWorld(t, nil)
	for _, domain := range []string{"loop.inside.example", "private.inside.example", "meta.inside.example", "six.inside.example",
		"mapped.inside.example", "mixed.inside.example", "127.0.0.1.nip.example"} {
		c := w.world.client(func(c *mimihttp.ClientConfig) {
			c.Peer, c.Guard = provider(t, domain), &netguard.Dialer{Resolve: corpus.Resolve, Dial: w.dial}
		})
		if err := send(t, c); err == nil {
			t.Errorf("%s answered", domain)
		}
	}
	if _, dialed := w.seen(); len(dialed) != 0 {
		t.Errorf("dialed %v", dialed)
	}
	// The directory comes from the configured address; what it names is another matter.
	g := newRig(t, "")
	for _, target := range corpus.Inside() {
		g.set(func(g *rig) { g.dir = submitOnly(target + "{x}") })
		watched := []string{}
		c := g.client(func(c *mimihttp.ClientConfig) {
			c.Address = "127.0.0.1:8443"
			c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				return g.net.Dial(ctx, network, "a.example:443")
			}
			c.Guard = &netguard.Dialer{Resolve: corpus.Resolve, Dial: func(_ context.Context, _, address string) (net.Conn, error) {
				watched = append(watched, address)
				return nil, net.ErrClosed
			}}
		})
		if err := send(t, c); err == nil {
			t.Errorf("%s was followed", target)
		}
		if len(watched) != 0 {
			t.Errorf("%s: dialed %v", target, watched)
		}
	}
	g.set(func(g *rig) { g.dir = submitOnly("https://a.example:22/s/{x}") })
	c := g.client(func(c *mimihttp.ClientConfig) {
		c.Address = "127.0.0.1:8443"
		c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			return g.net.Dial(ctx, network, "a.example:443")
		}
		c.Guard = &netguard.Dialer{Dial: func(_ context.Context, _, address string) (net.Conn, error) {
			t.Errorf("dialed %s", address)
			return nil, net.ErrClosed
		}}
	})
	if err := send(t, c); err == nil {
		t.Error("the peer chose a port of our own host")
	}
}

// Downloads that stand still are bounded for each peer, and hold up nothing else.
func TestDownloadsAreBounded(t *testing.T) {
	w := newFilesWorld(t, nil)
	hang := make(chan struct{})
	w.set(func(rw http.ResponseWriter, r *http.Request) { <-hang })
	const clients, each, most = 3, 12, 32
	codes := make(chan int, clients*each)
	for range clients {
		c := w.world.client(func(c *mimihttp.ClientConfig) {
			c.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
				return w.net.Dial(ctx, network, "files:443")
			}
		})
		for range each {
			go func() {
				d, err := c.ProxyDownload(context.Background(), theAsset, nil)
				if err != nil {
					codes <- 0
					return
				}
				codes <- d.Status
				if err := d.Body.Close(); err != nil {
					t.Error(err)
				}
			}()
		}
	}
	for range clients*each - most {
		if code := <-codes; code != http.StatusTooManyRequests {
			t.Errorf("answered %d while all places are taken", code)
		}
	}
	if err := send(t, w.client); err != nil {
		t.Errorf("a message had to wait for downloads: %v", err)
	}
	close(hang)
	for range most {
		if code := <-codes; code != http.StatusOK {
			t.Errorf("answered %d", code)
		}
	}
}
