package mimihttp_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"parley/mimi"
	"parley/mimihttp"
	"parley/mimitest"
)

func TestTransportRows(t *testing.T) {
	t.Run("P-TR-01 only HTTPS", func(t *testing.T) {
		w := newWorld(t, nil)
		conn, err := w.net.Dial(t.Context(), "tcp", "a.example:443")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "POST /mimi/notify/x HTTP/1.1\r\nHost: a.example\r\nFrom: mimi@b.example\r\nContent-Length: 0\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(answer, []byte("HTTP/1.0 400")) || bytes.Contains(answer, []byte("Location")) {
			t.Errorf("plain HTTP got %q", answer)
		}
		// The handler refuses too, should somebody mount it on a plain listener.
		plain := httptest.NewRequest(http.MethodPost, "http://a.example"+mimitest.Path(mimi.Notify, mimitest.Room), nil)
		rec := httptest.NewRecorder()
		mimihttp.NewServer(mimihttp.ServerConfig{Tenant: func(string) (*mimihttp.Tenant, bool) {
			return w.tenant("a.example", &w.service), true
		}}).ServeHTTP(rec, plain)
		w.refused(rec.Result(), http.StatusForbidden)
	})
	t.Run("P-TR-02 mutual authentication on every endpoint", func(t *testing.T) {
		w := newWorld(t, nil)
		for _, s := range mimitest.Samples(t) {
			resp, _ := w.do(request{noCert: true, path: mimitest.Path(s.Endpoint, s.Target), body: bytes.NewReader(s.Body)})
			w.refused(resp, http.StatusUnauthorized)
		}
	})
	t.Run("P-TR-03 no body goes to a server that is not the provider", func(t *testing.T) {
		for name, cert := range map[string]func(*world) *tls.Certificate{
			"other name":      func(w *world) *tls.Certificate { return w.authority.For(t, "c.example") },
			"other authority": func(*world) *tls.Certificate { return mimitest.NewAuthority(t).For(t, "a.example") },
			"wildcard":        func(w *world) *tls.Certificate { return w.authority.For(t, "*.example") },
			"expired": func(w *world) *tls.Certificate {
				return w.authority.Issue(t, mimitest.Wish{DNS: []string{"a.example"}, NotAfter: time.Now().Add(-time.Minute)})
			},
			"client usage only": func(w *world) *tls.Certificate {
				return w.authority.Issue(t, mimitest.Wish{DNS: []string{"a.example"}, Usages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
			},
		} {
			w := newWorld(t, nil)
			served := false
			wrong := cert(w)
			w.serve("a.example:443", &http.Server{
				Handler:   http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served = true }),
				TLSConfig: &tls.Config{Certificates: []tls.Certificate{*wrong}}, ErrorLog: discard(),
			})
			err := send(t, w.client(nil))
			var failure *mimi.Error
			if !errors.As(err, &failure) || failure.Code != mimi.Unavailable || !failure.Temporary() {
				t.Errorf("%s: %v", name, err)
			}
			if served {
				t.Errorf("%s: the impostor got a request", name)
			}
		}
	})
	t.Run("P-TR-04 the client certificate proves From", func(t *testing.T) {
		w := newWorld(t, nil)
		resp, _ := w.submit(func(r *request) { r.cert = w.authority.For(t, "c.example") })
		w.refused(resp, http.StatusForbidden)
		resp, _ = w.submit(func(r *request) { r.cert = mimitest.NewAuthority(t).For(t, "b.example") })
		w.refused(resp, http.StatusForbidden)
		resp, _ = w.submit(func(r *request) {
			r.cert = w.authority.Issue(t, mimitest.Wish{DNS: []string{"b.example"}, NotAfter: time.Now().Add(-time.Minute)})
		})
		w.refused(resp, http.StatusForbidden)
		contains(t, w.logged(), "certificate does not prove From")
		contains(t, w.logged(), "outside of its validity")
	})
	t.Run("P-TR-05 From is one bare address with local part mimi", func(t *testing.T) {
		w := newWorld(t, nil)
		for _, from := range [][]string{
			{}, {""}, {"Bob <mimi@b.example>"}, {"<mimi@b.example>"}, {"bob@b.example"}, {"MIMI@b.example"}, {"mimi@b.example", "mimi@b.example"},
			{"mimi@b.example, mimi@c.example"}, {"mimi@b.example (x)"}, {" mimi@b.example "[:1] + "x"}, {"mimi@"}, {"mimi@b.example:443"},
			{"mimi@127.0.0.1:1"}, {"xmimi@b.example"}, {"mimi@mimi@b.example"},
		} {
			resp, _ := w.submit(func(r *request) { r.from = from })
			w.refused(resp, http.StatusBadRequest)
		}
	})
	t.Run("P-TR-06 Host names a provider that is served", func(t *testing.T) {
		w := newWorld(t, nil)
		resp, _ := w.submit(func(r *request) { r.host = "other.example" })
		w.refused(resp, http.StatusMisdirectedRequest)
	})
	t.Run("P-TR-07 the port in Host is ignored", func(t *testing.T) {
		w := newWorld(t, nil)
		if resp, body := w.submit(func(r *request) { r.host = "A.example.:8443" }); resp.StatusCode != http.StatusOK {
			t.Errorf("status %d %s", resp.StatusCode, body)
		}
	})
	t.Run("P-TR-08 Host selects the tenant", func(t *testing.T) {
		w := newWorld(t, nil)
		if resp, _ := w.submit(func(r *request) { r.host = "a2.example" }); resp.StatusCode != http.StatusOK {
			t.Errorf("status %d", resp.StatusCode)
		}
		if len(w.service.Calls()) != 0 || len(w.second.Calls()) != 1 {
			t.Errorf("calls of a: %v, of a2: %v", w.service.Calls(), w.second.Calls())
		}
	})
	t.Run("P-TR-09 domains compare without case and trailing dot", func(t *testing.T) {
		w := newWorld(t, nil)
		for _, from := range []string{"mimi@B.EXAMPLE", "mimi@b.example."} {
			if resp, body := w.submit(func(r *request) { r.from = []string{from} }); resp.StatusCode != http.StatusOK {
				t.Errorf("%s: status %d %s", from, resp.StatusCode, body)
			}
		}
		if calls := w.service.Calls(); len(calls) != 2 || calls[0].Caller != calls[1].Caller {
			t.Errorf("calls %v", calls)
		}
	})
	t.Run("P-TR-10 wildcards and addresses are no identities", func(t *testing.T) {
		w := newWorld(t, nil)
		for _, wish := range []mimitest.Wish{
			{DNS: []string{"*.example"}}, {DNS: []string{"*.b.example"}}, {IPs: []net.IP{net.IPv4(127, 0, 0, 1)}},
			{DNS: []string{"sub.b.example"}},
		} {
			resp, _ := w.submit(func(r *request) { r.cert = w.authority.Issue(t, wish) })
			w.refused(resp, http.StatusForbidden)
		}
		resp, _ := w.submit(func(r *request) { r.from = []string{"mimi@127.0.0.1"} })
		w.refused(resp, http.StatusForbidden)
	})
	t.Run("P-TR-11 a certificate for servers serves a client where the mode allows it", func(t *testing.T) {
		for mode, want := range map[mimihttp.TrustMode]int{mimihttp.WebPKIAnyEKU: 200, mimihttp.WebPKIStrict: 403, mimihttp.PrivateCA: 200} {
			w := newWorld(t, nil)
			w.trust = &mimihttp.Trust{Mode: mode, Roots: w.authority.Pool()}
			serverOnly := w.authority.Issue(t, mimitest.Wish{DNS: []string{"b.example"}, Usages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
			if resp, _ := w.submit(func(r *request) { r.cert = serverOnly }); resp.StatusCode != want {
				t.Errorf("%v: status %d, want %d", mode, resp.StatusCode, want)
			}
		}
	})
	t.Run("P-TR-12 TLS 1.3 and nothing below 1.2", func(t *testing.T) {
		w := newWorld(t, nil)
		resp, _ := w.submit(nil)
		if resp.TLS.Version != tls.VersionTLS13 || resp.ProtoMajor != 2 {
			t.Errorf("TLS %x, HTTP/%d", resp.TLS.Version, resp.ProtoMajor)
		}
		for version, want := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: false, tls.VersionTLS13: true} {
			conn, err := w.net.Dial(t.Context(), "tcp", "a.example:443")
			if err != nil {
				t.Fatal(err)
			}
			client := tls.Client(conn, &tls.Config{RootCAs: w.authority.Pool(), ServerName: "a.example", MinVersion: version, MaxVersion: version})
			if err := client.Handshake(); (err == nil) != want {
				t.Errorf("TLS %x: %v", version, err)
			}
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("P-TR-13 garbage is refused on every endpoint without effect", func(t *testing.T) {
		w := newWorld(t, nil)
		for _, s := range mimitest.Samples(t) {
			for name, body := range s.Hostile() {
				resp, reason := w.do(request{path: mimitest.Path(s.Endpoint, s.Target), body: bytes.NewReader(body)})
				if resp.StatusCode != http.StatusBadRequest || reason == "" {
					t.Errorf("%s, %s: status %d %q", s.Endpoint, name, resp.StatusCode, reason)
				}
			}
		}
		w.refused(&http.Response{StatusCode: 400}, 400)
	})
	t.Run("P-TR-14 body limits hold before buffering", func(t *testing.T) {
		const limit = 10_000
		w := newWorld(t, func(c *mimihttp.ServerConfig) {
			c.Limits = mimihttp.BodyLimits{KeyMaterial: limit, Update: limit, SubmitMessage: limit, Notify: limit, GroupInfo: limit,
				RequestConsent: limit, UpdateConsent: limit, ReportAbuse: limit}
		})
		for _, s := range mimitest.Samples(t) {
			declared := &endless{}
			status, _ := w.hand(s, io.LimitReader(declared, 2*limit), 2*limit, limit)
			w.refused(&http.Response{StatusCode: status}, http.StatusRequestEntityTooLarge)
			if declared.read != 0 {
				t.Errorf("%s: %d octets of a body that was declared too long were read", s.Endpoint, declared.read)
			}
			streamed := &endless{}
			resp, _ := w.do(request{path: mimitest.Path(s.Endpoint, s.Target), body: io.LimitReader(streamed, 1<<30)})
			w.refused(resp, http.StatusRequestEntityTooLarge)
			if streamed.read > 8<<20 {
				t.Errorf("%s: %d octets were taken", s.Endpoint, streamed.read)
			}
		}
	})
	t.Run("P-TR-15 the content type does not matter", func(t *testing.T) {
		w := newWorld(t, nil)
		for _, contentType := range [][]string{nil, {"application/octet-stream"}, {"text/html; charset=x"}, {"nonsense"}} {
			resp, _ := w.submit(func(r *request) { r.header = http.Header{"Content-Type": contentType} })
			if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/octet-stream" {
				t.Errorf("%v: status %d, type %q", contentType, resp.StatusCode, resp.Header.Get("Content-Type"))
			}
		}
	})
	t.Run("P-TR-16 overload is told and heard", overload)
}

func overload(t *testing.T) {
	w := newWorld(t, func(c *mimihttp.ServerConfig) {
		c.Rate = func(e mimi.Endpoint) mimihttp.Rate {
			if e == mimi.SubmitMessage {
				return mimihttp.Rate{PerSecond: 0.001, Burst: 2}
			}
			return mimihttp.Rate{}
		}
	})
	for range 2 {
		if resp, _ := w.submit(nil); resp.StatusCode != http.StatusOK {
			t.Fatalf("status %d within the burst", resp.StatusCode)
		}
	}
	resp, _ := w.submit(nil)
	if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" {
		t.Fatalf("status %d, Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	if resp, _ := w.submit(func(r *request) { r.host = "a2.example" }); resp.StatusCode != http.StatusOK {
		t.Errorf("the limit of one tenant hit the other: %d", resp.StatusCode)
	}

	w = newWorld(t, nil)
	now := time.Now()
	c := w.client(func(c *mimihttp.ClientConfig) { c.Now = func() time.Time { return now } })
	w.service.FailWith(&mimi.Error{Code: mimi.Unavailable, Detail: "busy", RetryAfter: 2500 * time.Millisecond})
	var failure *mimi.Error
	if err := send(t, c); !errors.As(err, &failure) || failure.Code != mimi.Unavailable || failure.RetryAfter != 3*time.Second {
		t.Fatalf("got %v", err)
	}
	w.service.FailWith(nil)
	now = now.Add(2 * time.Second)
	if err := send(t, c); !errors.As(err, &failure) || failure.RetryAfter != time.Second {
		t.Fatalf("one second too early: %v", err)
	}
	if n := len(w.service.Calls()); n != 1 {
		t.Fatalf("%d calls reached the peer that had asked to wait", n)
	}
	now = now.Add(time.Second)
	if err := send(t, c); err != nil {
		t.Fatalf("after the wait: %v", err)
	}
}

// endless is a body without end that counts what is taken of it.
type endless struct{ read int64 }

func (e *endless) Read(p []byte) (int, error) {
	e.read += int64(len(p))
	return len(p), nil
}

func TestHostHeaderBesideAuthority(t *testing.T) {
	w := newWorld(t, nil)
	server := mimihttp.NewServer(mimihttp.ServerConfig{Tenant: func(string) (*mimihttp.Tenant, bool) {
		return w.tenant("a.example", &w.service), true
	}})
	s := sample(t, mimi.SubmitMessage)
	for host, want := range map[string]int{"A.example:1": 200, "a2.example": 400, "": 400} {
		r := httptest.NewRequest(http.MethodPost, "https://a.example"+mimitest.Path(s.Endpoint, s.Target), bytes.NewReader(s.Body))
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{w.authority.For(t, "b.example").Leaf}}
		r.Header["From"] = []string{"mimi@b.example"}
		r.Header["Host"] = []string{host}
		rec := httptest.NewRecorder()
		server.ServeHTTP(rec, r)
		if rec.Code != want {
			t.Errorf("A-02: Host %q beside :authority: status %d, want %d", host, rec.Code, want)
		}
	}
}

func TestUnknownPeer(t *testing.T) {
	w := newWorld(t, nil)
	body := &endless{}
	resp, _ := w.submit(func(r *request) {
		r.cert, r.from = w.authority.For(t, "stranger.example"), []string{"mimi@stranger.example"}
		r.body = io.LimitReader(body, 1<<20)
	})
	w.refused(resp, http.StatusForbidden)
	contains(t, w.logged(), "unknown peer")
	contains(t, w.logged(), "claimed=stranger.example")
	if strings.Contains(w.logged(), "clubhouse") {
		t.Error("the log names a room")
	}
}

func TestPathsAndMethods(t *testing.T) {
	w := newWorld(t, nil)
	s := sample(t, mimi.SubmitMessage)
	for name, c := range map[string]struct {
		path string
		want int
	}{
		"escaped colon": {"/mimi/submitMessage/mimi%3A%2F%2Fa.example%2Fr%2Fclubhouse", 200},
		"plain colon":   {"/mimi/submitMessage/mimi:%2F%2Fa.example%2Fr%2Fclubhouse", 200},
		"figure form":   {"/mimi/submitMessage/a.example/r/clubhouse", 200},
		"a user":        {"/mimi/submitMessage/a.example/u/alice", 400},
		"nothing":       {"/mimi/submitMessage/", 404},
		"no variable":   {"/mimi/submitMessage", 404},
		"unknown":       {"/mimi/submit/a.example/r/clubhouse", 404},
		"not offered":   {"/mimi/proxyDownload/a.example/r/clubhouse", 404},
		"broken escape": {"/mimi/submitMessage/a.example/r/%2", 0},
		"other kind":    {"/mimi/submitMessage/a.example/x/clubhouse", 400},
	} {
		if c.want == 0 {
			continue // net/http refuses to send it
		}
		resp, body := w.do(request{path: c.path, body: bytes.NewReader(s.Body)})
		if resp.StatusCode != c.want {
			t.Errorf("%s: status %d %s, want %d", name, resp.StatusCode, body, c.want)
		}
	}
	resp, _ := w.do(request{method: http.MethodPut, path: mimitest.Path(s.Endpoint, s.Target)})
	if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "POST" {
		t.Errorf("PUT: status %d, Allow %q", resp.StatusCode, resp.Header.Get("Allow"))
	}
}

func TestKeyMaterialForm(t *testing.T) {
	s := sample(t, mimi.KeyMaterial)
	t.Run("P-KM-06 path and body name the same user", func(t *testing.T) {
		w := newWorld(t, nil)
		resp, _ := w.do(request{path: mimitest.Path(s.Endpoint, "mimi://a.example/u/somebody-else"), body: bytes.NewReader(s.Body)})
		w.refused(resp, http.StatusBadRequest)
	})
	t.Run("P-KM-16 an unknown protocol is answered", func(t *testing.T) {
		w := newWorld(t, nil)
		body := append([]byte{2}, s.Body[1:]...)
		resp, answer := w.do(request{path: mimitest.Path(s.Endpoint, s.Target), body: bytes.NewReader(body)})
		w.refused(resp, http.StatusOK)
		if answer[:2] != "\x01\x02" || answer[len(answer)-1] != 0 {
			t.Errorf("answer %x", answer)
		}
	})
}

func TestFullServer(t *testing.T) {
	release := make(chan struct{})
	entered := make(chan struct{})
	w := newWorld(t, func(c *mimihttp.ServerConfig) {
		c.InFlight = 1
		inner := c.Tenant
		c.Tenant = func(domain string) (*mimihttp.Tenant, bool) {
			tenant, ok := inner(domain)
			return tenant, ok
		}
	})
	blocking := &blockingBody{data: bytes.NewReader(sample(t, mimi.SubmitMessage).Body), entered: entered, release: release}
	done := make(chan int)
	go func() {
		resp, err := w.try(request{path: mimitest.Path(mimi.SubmitMessage, mimitest.Room), body: blocking})
		if err != nil {
			done <- 0
			return
		}
		done <- resp.StatusCode
	}()
	<-entered
	for { // until the first request holds the slot
		resp, _ := w.submit(nil)
		if resp.StatusCode == http.StatusServiceUnavailable {
			if resp.Header.Get("Retry-After") != "1" {
				t.Errorf("Retry-After %q", resp.Header.Get("Retry-After"))
			}
			break
		}
	}
	close(release)
	if status := <-done; status != http.StatusOK {
		t.Errorf("the first request got %d", status)
	}
}

type blockingBody struct {
	data             *bytes.Reader
	entered, release chan struct{}
	once             bool
}

func (b *blockingBody) Read(p []byte) (int, error) {
	if !b.once {
		b.once = true
		close(b.entered)
		return b.data.Read(p[:1])
	}
	<-b.release
	return b.data.Read(p)
}

func TestRetryAfterForms(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-1": 0, "x": 0, "99999999999": 0, "86400": time.Hour,
		"Fri, 01 May 2026 12:00:30 GMT": 30 * time.Second, "Fri, 01 May 2026 11:00:00 GMT": 0,
	} {
		if got := mimihttp.RetryAfter(text, now); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestTrustModes(t *testing.T) {
	for m := mimihttp.WebPKIAnyEKU; m <= mimihttp.PinnedSPKI; m++ {
		if again, err := mimihttp.ParseTrustMode(m.String()); err != nil || again != m {
			t.Errorf("%v: %v, %v", m, again, err)
		}
	}
	if _, err := mimihttp.ParseTrustMode("none"); err == nil {
		t.Error("an unknown mode is read")
	}
	for _, bad := range []mimihttp.Trust{{Mode: mimihttp.PrivateCA}, {Mode: mimihttp.PinnedSPKI}, {Mode: 9}, {Pins: make([][32]byte, 1)}} {
		if bad.Validate() == nil {
			t.Errorf("%+v is valid", bad)
		}
	}
	w := newWorld(t, nil)
	self := w.authority.Issue(t, mimitest.Wish{DNS: []string{"b.example"}, SelfSigned: true})
	roots := x509.NewCertPool()
	roots.AddCert(self.Leaf)
	for name, c := range map[string]struct {
		trust mimihttp.Trust
		cert  *tls.Certificate
		want  int
	}{
		"pinned self-signed": {mimihttp.Trust{Mode: mimihttp.PinnedSPKI, Roots: roots, Pins: [][32]byte{mimihttp.Pin(self.Leaf)}}, self, 200},
		"other key, same CA": {mimihttp.Trust{Mode: mimihttp.PinnedSPKI, Roots: w.authority.Pool(), Pins: [][32]byte{mimihttp.Pin(self.Leaf)}},
			w.authority.For(t, "b.example"), 403},
		"private CA, foreign": {mimihttp.Trust{Mode: mimihttp.PrivateCA, Roots: w.authority.Pool()}, self, 403},
		"web PKI, private CA": {mimihttp.Trust{Mode: mimihttp.WebPKIAnyEKU}, w.authority.For(t, "b.example"), 403},
	} {
		w.trust = &c.trust
		if resp, body := w.submit(func(r *request) { r.cert = c.cert }); resp.StatusCode != c.want {
			t.Errorf("%s: status %d %s, want %d", name, resp.StatusCode, body, c.want)
		}
	}
}

// A certificate that verified is remembered, but not beyond a change of trust or its own end.
func TestVerifiedCertificateIsForgotten(t *testing.T) {
	now := time.Now()
	w := newWorld(t, func(c *mimihttp.ServerConfig) { c.Now = func() time.Time { return now } })
	cert := w.authority.Issue(t, mimitest.Wish{DNS: []string{"b.example"}, NotAfter: now.Add(30 * time.Second)})
	status := func() int {
		resp, _ := w.submit(func(r *request) { r.cert = cert })
		return resp.StatusCode
	}
	for range 2 {
		if got := status(); got != 200 {
			t.Fatalf("valid certificate refused: %d", got)
		}
	}
	old := w.trust
	w.trust = &mimihttp.Trust{Mode: mimihttp.PrivateCA, Roots: mimitest.NewAuthority(t).Pool()}
	if got := status(); got != 403 {
		t.Errorf("after a change of trust: %d", got)
	}
	w.trust = old
	now = now.Add(31 * time.Second)
	if got := status(); got != 403 {
		t.Errorf("after its end: %d", got)
	}
}

func TestServiceErrors(t *testing.T) {
	w := newWorld(t, nil)
	c := w.client(nil)
	for code := mimi.Internal; code <= mimi.OutOfStorage; code++ {
		if code == mimi.NotFound || code == mimi.Misdirected || code == mimi.TooMany || code == mimi.Unavailable {
			continue // tested where they mean something to the client
		}
		w.service.FailWith(mimi.Errorf(code, "because"))
		var failure *mimi.Error
		if err := send(t, c); !errors.As(err, &failure) || failure.Code != code {
			t.Errorf("%v came back as %v", code, err)
		}
	}
	secret := errors.New("mimi://a.example/u/secret")
	w.service.FailWith(secret)
	if resp, body := w.submit(nil); resp.StatusCode != 500 || strings.Contains(body, "secret") {
		t.Errorf("status %d %q", resp.StatusCode, body)
	}
	w.service.FailWith(context.DeadlineExceeded)
	if resp, _ := w.submit(nil); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("status %d", resp.StatusCode)
	}
}
