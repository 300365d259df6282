package mimihttp_test

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
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

const wellKnown = "/.well-known/mimi-protocol-directory"

// rig plays a.example: a directory and endpoints that the test decides.
type rig struct {
	*world
	mu       sync.Mutex
	dir      string
	header   http.Header
	status   int // of endpoints
	gone     string
	paths    []string // requested, escaped, in order
	redirect string
	saw      func(*http.Request) // told of every request
}

func newRig(t *testing.T, dir string) *rig {
	g := &rig{world: newWorld(t, nil), dir: dir, status: http.StatusOK}
	cert := g.authority.Issue(t, mimitest.Wish{DNS: []string{"a.example", "mimi.host.example"}})
	for _, address := range []string{"a.example:443", "a.example:9443", "mimi.host.example:443"} {
		g.serve(address, &http.Server{Handler: g, TLSConfig: &tls.Config{Certificates: []tls.Certificate{*cert}}, ErrorLog: discard()})
	}
	return g
}

func (g *rig) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.paths = append(g.paths, r.Host+r.URL.EscapedPath())
	if g.saw != nil {
		g.saw(r)
	}
	if r.URL.Path == wellKnown || r.URL.Path == "/moved" {
		if g.redirect != "" && r.URL.Path == wellKnown {
			http.Redirect(w, r, g.redirect, http.StatusFound)
			return
		}
		for name, values := range g.header {
			w.Header()[name] = values
		}
		if _, err := w.Write([]byte(g.dir)); err != nil {
			g.t.Error(err)
		}
		return
	}
	if g.gone != "" && strings.HasPrefix(r.URL.Path, g.gone) {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	answer, err := syntax.Marshal(&mimi.SubmitMessageResponse{Protocol: mimi.MLS10, AcceptedAt: mimitest.AcceptedAt})
	if err != nil {
		g.t.Error(err)
	}
	w.WriteHeader(g.status)
	if _, err := w.Write(answer); err != nil {
		g.t.Error(err)
	}
}

func (g *rig) set(change func(*rig)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change(g)
}

func (g *rig) requested() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string(nil), g.paths...)
}

func submitOnly(url string) string { return fmt.Sprintf(`{"submitMessage":%q}`, url) }

const escapedRoom = "mimi%3A%2F%2Fa.example%2Fr%2Fclubhouse"

func TestDirectoryRows(t *testing.T) {
	t.Run("P-DIR-01 a JSON object at the well-known name", func(t *testing.T) {
		resp, body := newWorld(t, nil).do(request{noCert: true, method: http.MethodGet, path: wellKnown})
		var members map[string]string
		if err := json.Unmarshal([]byte(body), &members); err != nil || resp.StatusCode != 200 || len(members) == 0 {
			t.Fatalf("status %d, %q, %v", resp.StatusCode, body, err)
		}
		if resp.Header.Get("Content-Type") != "application/json" {
			t.Errorf("type %q", resp.Header.Get("Content-Type"))
		}
	})
	t.Run("P-DIR-02 endpoints are called where the directory says", func(t *testing.T) {
		g := newRig(t, submitOnly("https://a.example:9443/odd/path/{x}/tail?q=1"))
		if err := send(t, g.client(nil)); err != nil {
			t.Fatal(err)
		}
		if got := g.requested(); len(got) != 2 || got[1] != "a.example:9443/odd/path/"+escapedRoom+"/tail" {
			t.Errorf("requested %v", got)
		}
		g = newRig(t, submitOnly("https://mimi.host.example/{x}"))
		if err := send(t, g.client(nil)); err != nil {
			t.Fatal(err)
		}
		if got := g.requested(); got[1] != "mimi.host.example/"+escapedRoom {
			t.Errorf("requested %v", got)
		}
	})
	t.Run("P-DIR-04 the variable may have any name and place, the value is escaped whole", func(t *testing.T) {
		for _, template := range []string{"https://a.example/s/{x}", "https://a.example/s/{roomId}", "https://a.example/submitMessage{roomId}"} {
			g := newRig(t, submitOnly(template))
			if err := send(t, g.client(nil)); err != nil {
				t.Fatal(err)
			}
			if got := g.requested(); !strings.HasSuffix(got[1], escapedRoom) {
				t.Errorf("requested %v", got)
			}
		}
	})
	t.Run("P-DIR-05 unknown members do not matter", func(t *testing.T) {
		g := newRig(t, `{"x":1,"nested":{"update":[1,2]},"submitMessage":"https://a.example/s/{x}"}`)
		if err := send(t, g.client(nil)); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("P-DIR-06 a missing member fails its own operation only", func(t *testing.T) {
		g := newRig(t, submitOnly("https://a.example/s/{x}"))
		c := g.client(nil)
		err := c.Notify(t.Context(), room(t, mimitest.Room), notifyBody(t))
		var failure *mimi.Error
		if !errors.Is(err, mimihttp.ErrNotOffered) || !errors.As(err, &failure) || failure.Code != mimi.NotFound {
			t.Errorf("got %v", err)
		}
		if err := send(t, c); err != nil {
			t.Errorf("the offered endpoint failed too: %v", err)
		}
		_, body := newWorld(t, nil).do(request{noCert: true, method: http.MethodGet, path: wellKnown})
		if strings.Contains(body, "proxyDownload") {
			t.Error("our directory names an endpoint that is not served")
		}
	})
	t.Run("P-DIR-07 URLs that are not plain https are refused", func(t *testing.T) {
		for _, template := range []string{
			"http://a.example/s/{x}", "https://user@a.example/s/{x}", "https://a.example/s/{x}#f", "https://{x}/s", "https://a.example/s",
			"https://a.example/{x}/{y}", "//a.example/{x}", "javascript:{x}",
		} {
			g := newRig(t, submitOnly(template))
			if err := send(t, g.client(nil)); !errors.Is(err, mimihttp.ErrTemplate) {
				t.Errorf("%s: %v", template, err)
			}
			if got := g.requested(); len(got) != 1 {
				t.Errorf("%s: requested %v", template, got)
			}
		}
		if err := send(t, newRig(t, `{"submitMessage":7}`).client(nil)); !errors.Is(err, mimihttp.ErrTemplate) {
			t.Errorf("a number: %v", err)
		}
	})
	t.Run("P-DIR-08 public, and no redirect to another origin", directoryRedirects)
	t.Run("P-DIR-09 kept within bounds and renewed when an endpoint has moved", directoryCache)
	t.Run("P-DIR-10 our endpoints are on the provider domain", func(t *testing.T) {
		_, body := newWorld(t, nil).do(request{noCert: true, method: http.MethodGet, path: wellKnown})
		var members map[string]string
		if err := json.Unmarshal([]byte(body), &members); err != nil {
			t.Fatal(err)
		}
		for name, text := range members {
			template, err := uri.ParseTemplate(text)
			if err != nil || template.Authority() != "a.example" {
				t.Errorf("%s: %s, %v", name, text, err)
			}
		}
	})
	t.Run("P-DIR-11 a peer of unknown versions only is refused clearly", func(t *testing.T) {
		g := newRig(t, `{"update/v2":"https://a.example/v2/{x}","submitMessage2":"https://a.example/v2/{x}"}`)
		if err := send(t, g.client(nil)); !errors.Is(err, mimihttp.ErrNoVersion) {
			t.Errorf("got %v", err)
		}
		if got := g.requested(); len(got) != 1 {
			t.Errorf("requested %v", got)
		}
	})
	t.Run("garbage is no directory", func(t *testing.T) {
		for _, dir := range []string{"", "null", "[]", "{", `"x"`, strings.Repeat("x", 65<<10), `{"a":"` + strings.Repeat("x", 70<<10) + `"}`} {
			if err := send(t, newRig(t, dir).client(nil)); err == nil {
				t.Errorf("%.20q was a directory", dir)
			}
		}
	})
}

func directoryRedirects(t *testing.T) {
	w := newWorld(t, nil)
	_, without := w.do(request{noCert: true, method: http.MethodGet, path: wellKnown, from: []string{}})
	_, with := w.do(request{method: http.MethodGet, path: wellKnown})
	if with != without || with == "" {
		t.Errorf("with a certificate %q, without %q", with, without)
	}
	g := newRig(t, submitOnly("https://a.example/s/{x}"))
	for _, elsewhere := range []string{"https://mimi.host.example/moved", "http://a.example/moved", "https://a.example:9443/moved"} {
		g.set(func(g *rig) { g.redirect, g.paths = elsewhere, nil })
		if err := send(t, g.client(nil)); err == nil {
			t.Errorf("a redirect to %s was followed", elsewhere)
		}
		if got := g.requested(); len(got) != 1 {
			t.Errorf("requested %v", got)
		}
	}
	if dialed := strings.Join(g.net.Dialed(), " "); strings.Contains(dialed, "a.example:80") {
		t.Errorf("plain HTTP was tried: %s", dialed)
	}
	g.set(func(g *rig) { g.redirect = "/moved" })
	if err := send(t, g.client(nil)); err != nil {
		t.Errorf("a redirect within the origin: %v", err)
	}
	// A request with a body is never sent on.
	g.set(func(g *rig) { g.redirect, g.status, g.header, g.paths = "", 307, nil, nil })
	if err := send(t, g.client(nil)); err == nil {
		t.Error("an endpoint's redirect counted as success")
	}
}

func directoryCache(t *testing.T) {
	fetches := func(g *rig) (n int) {
		for _, p := range g.requested() {
			if strings.HasSuffix(p, wellKnown) {
				n++
			}
		}
		return n
	}
	for _, c := range []struct {
		cacheControl     string
		kept, notAnymore time.Duration
	}{
		{"max-age=1", 59 * time.Second, 61 * time.Second},
		{"no-store", 59 * time.Second, 61 * time.Second},
		{"max-age=600", 599 * time.Second, 601 * time.Second},
		{"max-age=99999999", 24*time.Hour - time.Second, 24*time.Hour + time.Second},
	} {
		now := time.Now()
		g := newRig(t, submitOnly("https://a.example/s/{x}"))
		g.header = http.Header{"Cache-Control": {c.cacheControl}}
		client := g.client(func(cfg *mimihttp.ClientConfig) { cfg.Now = func() time.Time { return now } })
		start := now
		for _, step := range []struct {
			after time.Duration
			want  int
		}{{0, 1}, {c.kept, 1}, {c.notAnymore, 2}} {
			now = start.Add(step.after)
			if err := send(t, client); err != nil {
				t.Fatal(err)
			}
			if got := fetches(g); got != step.want {
				t.Errorf("%s: %d fetches after %v, want %d", c.cacheControl, got, step.after, step.want)
			}
		}
	}

	now := time.Now()
	g := newRig(t, submitOnly("https://a.example/old/{x}"))
	client := g.client(func(cfg *mimihttp.ClientConfig) { cfg.Now = func() time.Time { return now } })
	if err := send(t, client); err != nil {
		t.Fatal(err)
	}
	g.set(func(g *rig) { g.gone, g.dir = "/old", submitOnly("https://a.example/new/{x}") })
	if err := send(t, client); err != nil {
		t.Fatalf("an endpoint that moved: %v", err)
	}
	g.set(func(g *rig) { g.gone, g.paths = "/new", nil })
	for range 5 {
		var failure *mimi.Error
		if err := send(t, client); !errors.As(err, &failure) || failure.Code != mimi.NotFound {
			t.Fatalf("an endpoint that is gone: %v", err)
		}
	}
	if got := fetches(g); got != 0 {
		t.Errorf("%d fetches within a minute of the last", got)
	}
	now = now.Add(2 * time.Minute)
	if err := send(t, client); err == nil || fetches(g) != 1 {
		t.Errorf("%v after %d fetches", err, fetches(g))
	}
}

// The directory is used on when it cannot be renewed, and one fetch serves all who wait for it.
func TestDirectoryIsSharedAndKept(t *testing.T) {
	now := time.Now()
	g := newRig(t, submitOnly("https://a.example/s/{x}"))
	client := g.client(func(cfg *mimihttp.ClientConfig) { cfg.Now = func() time.Time { return now } })
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if err := send(t, client); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	got := g.requested()
	if len(got) != 9 {
		t.Errorf("requested %v", got)
	}
	g.set(func(g *rig) { g.dir = "garbage" })
	now = now.Add(2 * time.Hour)
	if err := send(t, client); err != nil {
		t.Errorf("with an old directory: %v", err)
	}
}

func notifyBody(t testing.TB) *mimi.NotifyBody {
	t.Helper()
	body := new(mimi.NotifyBody)
	if err := syntax.Unmarshal(sample(t, mimi.Notify).Body, body); err != nil {
		t.Fatal(err)
	}
	return body
}

// All endpoints from Client to Server and back, over HTTP/2 with certificates on both sides.
func TestEveryEndpoint(t *testing.T) {
	w := newWorld(t, nil)
	var mu sync.Mutex
	var seen []mimihttp.TraceEvent
	c := w.client(func(cfg *mimihttp.ClientConfig) {
		cfg.Trace = func(e mimihttp.TraceEvent) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, e)
		}
	})
	hub := room(t, mimitest.Room)
	for _, s := range mimitest.Samples(t) {
		var err error
		switch s.Endpoint {
		case mimi.KeyMaterial:
			r := decoded[mimi.KeyMaterialRequest](t, s)
			var target uri.User
			if target, err = uri.ParseUser(s.Target); err == nil {
				var answer *mimi.KeyMaterialResponse
				if answer, err = c.KeyMaterial(t.Context(), target, r); err == nil && answer.User != s.Target {
					t.Errorf("answer %+v", answer)
				}
			}
		case mimi.Update:
			_, err = c.Update(t.Context(), hub, decoded[mimi.UpdateRequest](t, s))
		case mimi.Notify:
			err = c.Notify(t.Context(), hub, decoded[mimi.NotifyBody](t, s))
		case mimi.SubmitMessage:
			_, err = c.SubmitMessage(t.Context(), hub, decoded[mimi.SubmitMessageRequest](t, s))
		case mimi.RequestConsent:
			err = c.RequestConsent(t.Context(), decoded[mimi.ConsentEntry](t, s))
		case mimi.UpdateConsent:
			err = c.UpdateConsent(t.Context(), decoded[mimi.ConsentEntry](t, s))
		case mimi.ReportAbuse:
			err = c.ReportAbuse(t.Context(), hub, decoded[mimi.AbuseReport](t, s))
		case mimi.GroupInfo:
			_, err = c.GroupInfo(t.Context(), hub, decoded[mimi.GroupInfoRequest](t, s))
		}
		if err != nil {
			t.Errorf("%s: %v", s.Endpoint, err)
		}
	}
	calls := w.service.Calls()
	if len(calls) != len(mimitest.Samples(t)) {
		t.Fatalf("calls %v", calls)
	}
	for _, call := range calls {
		if call.Caller.Domain() != "b.example" {
			t.Errorf("caller of %s is %s", call.Endpoint, call.Caller)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(seen) != 1+len(calls) || seen[0].Endpoint != "directory" || seen[3].Endpoint != "notify" || seen[3].Status != 201 ||
		seen[4].BytesOut == 0 || seen[4].BytesIn == 0 || seen[4].Peer.Domain() != "a.example" || seen[4].Side != mimihttp.ClientSide {
		t.Errorf("events %+v", seen)
	}
}

func decoded[T any, P interface {
	*T
	syntax.Value
}](t testing.TB, s mimitest.Sample) P {
	t.Helper()
	v := P(new(T))
	if err := syntax.Unmarshal(s.Body, v); err != nil {
		t.Fatal(err)
	}
	return v
}

// What a peer answers is bounded and must decode to its end.
func TestAnswers(t *testing.T) {
	g := newRig(t, submitOnly("https://a.example/s/{x}"))
	if err := send(t, g.client(func(c *mimihttp.ClientConfig) { c.MaxAnswer = 5 })); err == nil {
		t.Error("an answer beyond the limit is taken")
	}
	c := g.client(nil)
	if _, err := c.Update(t.Context(), room(t, mimitest.Room), decoded[mimi.UpdateRequest](t, sample(t, mimi.Update))); !errors.Is(err, mimihttp.ErrNotOffered) {
		t.Errorf("got %v", err)
	}
	g.set(func(g *rig) { g.dir = `{"groupInfo":"https://a.example/s/{x}"}` })
	c = g.client(nil)
	_, err := c.GroupInfo(t.Context(), room(t, mimitest.Room), decoded[mimi.GroupInfoRequest](t, sample(t, mimi.GroupInfo)))
	var failure *mimi.Error
	if !errors.As(err, &failure) || failure.Code != mimi.Internal {
		t.Errorf("another structure as answer: %v", err)
	}
}

// HostIsProvider and a dial address lead to the peer when its URLs alone do not.
func TestAddressing(t *testing.T) {
	g := newRig(t, submitOnly("https://mimi.host.example/{x}"))
	if err := send(t, g.client(func(c *mimihttp.ClientConfig) { c.HostIsProvider = true })); err != nil {
		t.Fatal(err)
	}
	if got := g.requested(); got[1] != "a.example/"+escapedRoom {
		t.Errorf("requested %v", got)
	}
	w := newWorld(t, nil)
	cert := w.authority.For(t, "a.example")
	inner := newWorld(t, nil)
	server := mimihttp.NewServer(mimihttp.ServerConfig{Tenant: func(string) (*mimihttp.Tenant, bool) { return w.tenant("a.example", &w.service), true }})
	inner.serve("10.0.0.1:8443", server.HTTPServer(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert, nil }))
	if err := send(t, w.client(func(c *mimihttp.ClientConfig) { c.Address, c.Dial = "10.0.0.1:8443", inner.net.Dial })); err != nil {
		t.Fatal(err)
	}
	if got := inner.net.Dialed(); len(got) != 1 || got[0] != "10.0.0.1:8443" {
		t.Errorf("dialed %v", got)
	}
}
