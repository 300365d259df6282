package mimihttp_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"testing"

	"parley/mimi"
	"parley/mimihttp"
	"parley/mimitest"
	"parley/uri"
)

// crowd is a world in which c.example is a known peer too.
func crowd(t testing.TB, change func(*mimihttp.ServerConfig)) (w *world, c *tls.Certificate) {
	w = newWorld(t, func(cfg *mimihttp.ServerConfig) {
		inner := cfg.Tenant
		cfg.Tenant = func(domain string) (*mimihttp.Tenant, bool) {
			tenant, ok := inner(domain)
			if ok {
				tenant.Peer = func(caller uri.Provider) (*mimihttp.Trust, bool) {
					return w.trust, caller.Domain() == "b.example" || caller.Domain() == "c.example"
				}
			}
			return tenant, ok
		}
		change(cfg)
	})
	return w, w.authority.For(t, "c.example")
}

// slow begins a request whose body does not come to its end before release, and returns when the server reads it.
func (w *world) slow(release chan struct{}, endpoint mimi.Endpoint) <-chan int {
	s := sample(w.t, endpoint)
	body := &blockingBody{data: bytes.NewReader(s.Body), entered: make(chan struct{}), release: release}
	status := make(chan int, 1)
	go func() {
		resp, err := w.try(request{path: mimitest.Path(s.Endpoint, s.Target), body: body})
		if err != nil {
			status <- 0
			return
		}
		_, err = io.Copy(io.Discard, resp.Body)
		if err != nil || resp.Body.Close() != nil {
			status <- 0
			return
		}
		status <- resp.StatusCode
	}()
	<-body.entered
	return status
}

// until asks as b.example until the status comes: the server begins a request a little after its first octet was sent.
func (w *world) until(status int, change func(*request)) *http.Response {
	w.t.Helper()
	for {
		if resp, _ := w.submit(change); resp.StatusCode == status {
			return resp
		}
	}
}

func (w *world) fromC(c *tls.Certificate) int {
	w.t.Helper()
	resp, _ := w.submit(func(r *request) { r.cert, r.from = c, []string{"mimi@c.example"} })
	return resp.StatusCode
}

func TestShares(t *testing.T) {
	t.Run("requests of one caller", func(t *testing.T) {
		w, c := crowd(t, func(cfg *mimihttp.ServerConfig) { cfg.PerCaller = 2 })
		release := make(chan struct{})
		one, two := w.slow(release, mimi.SubmitMessage), w.slow(release, mimi.GroupInfo)
		resp := w.until(http.StatusTooManyRequests, nil)
		if resp.Header.Get("Retry-After") != "1" {
			t.Errorf("Retry-After %q", resp.Header.Get("Retry-After"))
		}
		if status := w.fromC(c); status != http.StatusOK {
			t.Errorf("another caller got %d", status)
		}
		if resp, _ := w.submit(func(r *request) { r.host = "a2.example" }); resp.StatusCode != http.StatusOK {
			t.Errorf("another tenant answered %d", resp.StatusCode)
		}
		close(release)
		if a, b := <-one, <-two; a != http.StatusOK || b != http.StatusOK {
			t.Errorf("the first ones got %d and %d", a, b)
		}
		w.until(http.StatusOK, nil)
	})
	t.Run("octets of one caller", func(t *testing.T) {
		// Bodies whose length is not declared count as the longest ones.
		w, c := crowd(t, func(cfg *mimihttp.ServerConfig) {
			cfg.Limits.SubmitMessage, cfg.PerCallerOctets = 1<<20, 1<<20
		})
		release := make(chan struct{})
		one := w.slow(release, mimi.SubmitMessage)
		w.until(http.StatusTooManyRequests, nil)
		if status := w.fromC(c); status != http.StatusOK {
			t.Errorf("another caller got %d", status)
		}
		close(release)
		if status := <-one; status != http.StatusOK {
			t.Errorf("the only one of its caller got %d", status)
		}
		w.until(http.StatusOK, nil)
	})
	t.Run("rate of one caller and endpoint", func(t *testing.T) {
		w, c := crowd(t, func(cfg *mimihttp.ServerConfig) {
			cfg.Rate = func(e mimi.Endpoint) mimihttp.Rate {
				if e == mimi.SubmitMessage {
					return mimihttp.Rate{PerSecond: 0.001, Burst: 1}
				}
				return mimihttp.Rate{PerSecond: 1000, Burst: 1000}
			}
		})
		if resp, _ := w.submit(nil); resp.StatusCode != http.StatusOK {
			t.Fatalf("the first one got %d", resp.StatusCode)
		}
		if resp, _ := w.submit(nil); resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") != "1000" {
			t.Errorf("the second one got %d, Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
		}
		if status := w.fromC(c); status != http.StatusOK {
			t.Errorf("another caller got %d", status)
		}
		s := sample(t, mimi.Notify)
		if resp, _ := w.do(request{path: mimitest.Path(s.Endpoint, s.Target), body: bytes.NewReader(s.Body)}); resp.StatusCode != http.StatusCreated {
			t.Errorf("another endpoint answered %d", resp.StatusCode)
		}
		if n := len(w.service.Calls()); n != 3 {
			t.Errorf("%d requests were served", n)
		}
	})
}
