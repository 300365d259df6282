package mimihttp_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net"
	"slices"
	"strings"
	"testing"

	"parley/mimi"
	"parley/mimihttp"
	"parley/mimitest"
)

// The CA set travels in the directory from the server to the client, and only as what it is.
func TestAuthorities(t *testing.T) {
	set := []*x509.Certificate{mimitest.NewAuthority(t).Cert, mimitest.NewAuthority(t).Cert}
	w := newWorld(t, nil)
	tenant := w.tenant("a.example", &w.service)
	tenant.Authorities = func() []*x509.Certificate { return set }
	server := mimihttp.NewServer(mimihttp.ServerConfig{Tenant: func(string) (*mimihttp.Tenant, bool) { return tenant, true }})
	cert := w.authority.For(t, "a.example")
	w.serve("with-authorities:443", server.HTTPServer(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert, nil }))
	c := w.client(func(c *mimihttp.ClientConfig) {
		c.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return w.net.Dial(ctx, network, "with-authorities:443")
		}
	})
	got, err := c.Authorities(t.Context())
	if err != nil || !slices.EqualFunc(got, set, func(der []byte, c *x509.Certificate) bool { return slices.Equal(der, c.Raw) }) {
		t.Fatalf("%d certificates, %v", len(got), err)
	}
	if err := send(t, c); err != nil {
		t.Errorf("a directory with the member serves no endpoint: %v", err)
	}
	if got, err := w.client(nil).Authorities(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("of a peer that publishes none: %d, %v", len(got), err)
	}

	one := pemText(set[0])
	for name, member := range map[string]any{
		"a number": 7, "no PEM": "x", "a key": strings.ReplaceAll(one, "CERTIFICATE", "PRIVATE KEY"), "too many": strings.Repeat(one, 17),
		"a key among them": one + strings.ReplaceAll(one, "CERTIFICATE", "PRIVATE KEY"), "an object": map[string]int{"a": 1},
	} {
		dir, err := json.Marshal(map[string]any{"submitMessage": "https://a.example/s/{x}", "parleyAuthorities": member})
		if err != nil {
			t.Fatal(err)
		}
		c := newRig(t, string(dir)).client(nil)
		if got, err := c.Authorities(t.Context()); err != nil || len(got) != 0 {
			t.Errorf("%s: %d, %v", name, len(got), err)
		}
		if err := send(t, c); err != nil {
			t.Errorf("%s spoils the endpoints: %v", name, err)
		}
	}
}

func pemText(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

// What a server saw names the epoch of the message where that stands in the clear.
func TestTracedEpoch(t *testing.T) {
	w := newWorld(t, nil)
	c := w.client(nil)
	if err := send(t, c); err != nil {
		t.Fatal(err)
	}
	body := decoded[mimi.NotifyBody](t, sample(t, mimi.Notify))
	if err := c.Notify(t.Context(), room(t, mimitest.Room), body); err != nil {
		t.Fatal(err)
	}
	sent := decoded[mimi.SubmitMessageRequest](t, sample(t, mimi.SubmitMessage))
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		switch e.Endpoint {
		case "submitMessage":
			if e.Epoch == nil || *e.Epoch != sent.Message.Private.Epoch {
				t.Errorf("submitMessage: epoch %v", e.Epoch)
			}
		case "directory":
			if e.Epoch != nil {
				t.Error("a directory has no epoch")
			}
		}
	}
}
