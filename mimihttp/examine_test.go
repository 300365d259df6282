package mimihttp_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"parley/mimihttp"
	"parley/mimitest"
)

// examined runs Examine as b.example on a.example and returns the first step that is not ok, with its cure.
func (w *world) examined(t *testing.T, change func(*mimihttp.ClientConfig)) (step, verdict, text string) {
	t.Helper()
	cfg := mimihttp.ClientConfig{
		Self: provider(t, "b.example"), Peer: provider(t, "a.example"), Trust: *w.trust, Address: "a.example:443",
		Certificate: func() (*tls.Certificate, error) { return w.peer, nil }, Dial: w.net.Dial,
	}
	if change != nil {
		change(&cfg)
	}
	checks := mimihttp.Examine(t.Context(), cfg)
	for _, c := range checks {
		if c.Verdict != mimihttp.CheckOK {
			return c.Step, c.Verdict, c.Found + " / " + c.Cure
		}
	}
	return "", mimihttp.CheckOK, ""
}

// publishing has tenants publish an authority of their users.
func publishing(of func(string) (*mimihttp.Tenant, bool), ca *x509.Certificate) func(string) (*mimihttp.Tenant, bool) {
	return func(domain string) (*mimihttp.Tenant, bool) {
		t, ok := of(domain)
		if ok {
			t.Authorities = func() []*x509.Certificate { return []*x509.Certificate{ca} }
		}
		return t, ok
	}
}

// Each fault on the way is named by its step and with its cure.
func TestExamine(t *testing.T) {
	t.Run("all is well", func(t *testing.T) {
		w := newWorld(t, func(c *mimihttp.ServerConfig) { c.Tenant = publishing(c.Tenant, mimitest.NewAuthority(t).Cert) })
		if step, verdict, text := w.examined(t, nil); verdict != mimihttp.CheckOK {
			t.Fatalf("%s: %s", step, text)
		}
		if n := len(w.service.Calls()); n != 0 {
			t.Fatalf("the peer was asked for %d things", n)
		}
	})
	for name, c := range map[string]struct {
		step, verdict, say string
		change             func(*world, *mimihttp.ClientConfig)
	}{
		"no such name": {mimihttp.StepAddress, mimihttp.CheckFailed, "DNS", func(_ *world, c *mimihttp.ClientConfig) {
			c.Address, c.Peer = "", provider(t, "a.invalid")
		}},
		"nobody listens": {mimihttp.StepConnect, mimihttp.CheckFailed, "firewalls", func(_ *world, c *mimihttp.ClientConfig) {
			c.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }
		}},
		"no TLS": {mimihttp.StepTLS, mimihttp.CheckFailed, "TLS 1.3", func(w *world, c *mimihttp.ClientConfig) {
			l := w.net.Listen("plain.example:443")
			s := &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Second}
			done := make(chan error, 1)
			go func() { done <- s.Serve(l) }()
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				<-done
			})
			c.Address = "plain.example:443"
		}},
		"another authority": {mimihttp.StepTLS, mimihttp.CheckFailed, "private-ca", func(_ *world, c *mimihttp.ClientConfig) {
			c.Trust.Roots = mimitest.NewAuthority(t).Pool()
		}},
		"another name": {mimihttp.StepTLS, mimihttp.CheckFailed, "no wildcard", func(_ *world, c *mimihttp.ClientConfig) {
			c.Peer = provider(t, "c.example")
			c.Address = "a.example:443"
		}},
		"another key": {mimihttp.StepTLS, mimihttp.CheckFailed, "spki_sha256", func(_ *world, c *mimihttp.ClientConfig) {
			c.Trust = mimihttp.Trust{Mode: mimihttp.PinnedSPKI, Roots: c.Trust.Roots, Pins: [][32]byte{{1}}}
		}},
		"the clock": {mimihttp.StepClock, mimihttp.CheckFailed, "NTP", func(_ *world, c *mimihttp.ClientConfig) {
			c.Now = func() time.Time { return time.Now().Add(time.Hour / 2) }
		}},
		"no authorities of users": {mimihttp.StepUsers, mimihttp.CheckWarning, "authorities_file", nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			step, verdict, text := w.examined(t, func(cfg *mimihttp.ClientConfig) {
				if c.change != nil {
					c.change(w, cfg)
				}
			})
			if step != c.step || verdict != c.verdict || !strings.Contains(text, c.say) {
				t.Errorf("%s %s: %s", step, verdict, text)
			}
		})
	}
	t.Run("the peer does not know us", func(t *testing.T) {
		w := newWorld(t, func(c *mimihttp.ServerConfig) { c.Tenant = publishing(c.Tenant, mimitest.NewAuthority(t).Cert) })
		stranger := w.authority.For(t, "d.example")
		step, verdict, text := w.examined(t, func(c *mimihttp.ClientConfig) {
			c.Self = provider(t, "d.example")
			c.Certificate = func() (*tls.Certificate, error) { return stranger, nil }
		})
		if step != mimihttp.StepIdentity || verdict != mimihttp.CheckFailed || !strings.Contains(text, "list d.example as a peer") {
			t.Errorf("%s %s: %s", step, verdict, text)
		}
	})
}
