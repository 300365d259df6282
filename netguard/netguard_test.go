package netguard_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"

	"parley/netguard"
	"parley/netguard/corpus"
)

func TestURL(t *testing.T) {
	if n := len(corpus.Inside()); n < 60 {
		t.Errorf("%d URLs that point inside", n)
	}
	dialed := 0
	d := netguard.Dialer{Resolve: corpus.Resolve, Dial: func(context.Context, string, string) (net.Conn, error) {
		dialed++
		return nil, errors.New("watched")
	}}
	for _, text := range corpus.Inside() {
		u, err := netguard.URL(text, true)
		if err != nil {
			continue
		}
		port := u.Port()
		if port == "" {
			port = "443"
		}
		if _, err := d.DialContext(t.Context(), "tcp", net.JoinHostPort(u.Hostname(), port)); err == nil || dialed != 0 {
			t.Errorf("%s was dialled", text)
			dialed = 0
		}
	}
	for _, text := range []string{"https://a.example/x", "https://A.Example:8443/x?y=z", "https://xn--bcher-kva.example/%2f"} {
		if _, err := netguard.URL(text, false); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := netguard.URL("http://a.example/x", false); err == nil {
		t.Error("plain HTTP")
	}
}

func TestPublic(t *testing.T) {
	for text, want := range map[string]bool{
		"8.8.8.8": true, "2606:4700::1111": true, "::ffff:8.8.8.8": true,
		"127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false, "100.64.0.1": false,
		"0.0.0.0": false, "255.255.255.255": false, "224.0.0.1": false, "198.18.0.1": false, "::1": false, "::": false, "fe80::1": false,
		"fd00::1": false, "::ffff:10.0.0.1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false, "ff02::1": false, "::127.0.0.1": false,
		"fe80::1%eth0": false, "2001:db8::1": false,
	} {
		if got := netguard.Public(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if netguard.Public(netip.Addr{}) {
		t.Error("no address")
	}
}

// The name is resolved once and what was judged is dialled: whoever answers differently the next time gains nothing.
func TestRebinding(t *testing.T) {
	asked, dialed := 0, ""
	d := netguard.Dialer{
		Resolve: func(context.Context, string) ([]netip.Addr, error) {
			asked++
			if asked == 1 {
				return []netip.Addr{netip.MustParseAddr("8.8.8.8")}, nil
			}
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		},
		Dial: func(_ context.Context, _, address string) (net.Conn, error) {
			dialed = address
			return nil, errors.New("watched")
		},
	}
	if _, err := d.DialContext(t.Context(), "tcp", "rebind.example:443"); err == nil || dialed != "8.8.8.8:443" || asked != 1 {
		t.Errorf("dialed %s after %d questions", dialed, asked)
	}
	dialed = ""
	if _, err := d.DialContext(t.Context(), "tcp", "rebind.example:443"); !errors.Is(err, netguard.ErrInside) || dialed != "" {
		t.Errorf("dialed %s, %v", dialed, err)
	}
	mixed := netguard.Dialer{Resolve: func(context.Context, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("10.0.0.1")}, nil
	}, Dial: d.Dial}
	if _, err := mixed.DialContext(t.Context(), "tcp", "mixed.example:443"); !errors.Is(err, netguard.ErrInside) || dialed != "" {
		t.Errorf("mixed: dialed %s, %v", dialed, err)
	}
}
