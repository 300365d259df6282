package provider_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley/client"
	"parley/mimi"
	"parley/mimitest"
	"parley/provider"
)

// flood posts a request again and again, many at once, over connections that it keeps. It returns how often each status came.
func (w *world) flood(ctx context.Context, n *node, from string, workers int, sample mimitest.Sample) (counts map[int]*atomic.Int64, wait func()) {
	w.t.Helper()
	cert := w.certificate(from, time.Now())
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: w.roots(), ServerName: n.domain, Certificates: []tls.Certificate{*cert}},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, n.address("federation"))
		}}
	counts = map[int]*atomic.Int64{http.StatusOK: {}, http.StatusNotFound: {}, http.StatusForbidden: {}, http.StatusTooManyRequests: {}, 0: {}}
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for ctx.Err() == nil {
				status := w.once(ctx, transport, n, from, sample)
				if counts[status] == nil {
					w.t.Errorf("status %d", status)
					return
				}
				counts[status].Add(1)
			}
		})
	}
	return counts, func() { all.Wait(); transport.CloseIdleConnections() }
}

// once returns a status, 0 when the flood has ended meanwhile.
func (w *world) once(ctx context.Context, transport *http.Transport, n *node, from string, sample mimitest.Sample) int {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+n.domain+mimitest.Path(sample.Endpoint, sample.Target), bytes.NewReader(sample.Body))
	if err != nil {
		w.t.Error(err)
		return -1
	}
	req.Header["From"] = []string{"mimi@" + from}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		if ctx.Err() == nil {
			w.t.Error(err)
			return -1
		}
		return 0
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil && ctx.Err() == nil {
		w.t.Error(err)
	}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); resp.StatusCode == http.StatusTooManyRequests && (err != nil || seconds < 1) {
		w.t.Errorf("429 with Retry-After %q", resp.Header.Get("Retry-After"))
	}
	return resp.StatusCode
}

// A peer that sends without end is told to wait; another one does not notice.
func TestAPeerThatFloodsStarvesNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "a.example", "b.example")
	a, b := w.nodes["a.example"], w.nodes["b.example"]
	a.cfg.Peers = append(a.cfg.Peers, provider.Peer{Provider: parse(t, "flood.example"), Trust: w.trust(), Address: "127.0.0.1:1"})
	a.cfg.Limits = provider.Limits{SubmitMessage: 5, Notify: 5, Requests: 4} // 50 of each at once
	w.startAll()
	alice, bob := a.enrol("alice", "phone"), b.enrol("bob", "laptop")
	at := newRoom(t, a, "clubhouse")
	if err := alice.Create(t.Context(), at, "Clubhouse"); err != nil {
		t.Fatal(err)
	}
	if _, err := alice.Add(t.Context(), at, bob.Account().User); err != nil {
		t.Fatal(err)
	}
	alice.flush()
	bob.sees(at, client.EntryJoined, bob.Account().User)

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var counts []map[int]*atomic.Int64
	for _, s := range mimitest.Samples(t) {
		if s.Endpoint != mimi.SubmitMessage && s.Endpoint != mimi.Notify {
			continue
		}
		c, wait := w.flood(ctx, a, "flood.example", 8, s)
		counts = append(counts, c)
		defer wait()
	}
	eventually(t, "the flood is told to wait", func() bool {
		return counts[0][http.StatusTooManyRequests].Load() > 100 && counts[1][http.StatusTooManyRequests].Load() > 100
	})
	const texts = 20
	for i := range texts {
		bob.say(at, "hello "+strconv.Itoa(i))
		bob.flush()
		alice.hears(at, "hello "+strconv.Itoa(i))
		bob.hears(at, "hello "+strconv.Itoa(i))
	}
	stop()
	served := 0
	for _, c := range counts {
		for _, status := range []int{http.StatusOK, http.StatusNotFound, http.StatusForbidden} {
			served += int(c[status].Load())
		}
	}
	if served < 20 || served > 400 { // two bursts of fifty, and what came meanwhile
		t.Errorf("%d requests of the flood were served", served)
	}
	for _, l := range traced(t, a) {
		if l.Side == "server" && l.From == "b.example" && l.Status/100 != 2 {
			t.Errorf("the other peer was refused: %+v", l)
		}
	}
}
