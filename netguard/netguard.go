package netguard

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

var (
	// ErrURL means that a URL has a form that is refused.
	ErrURL = errors.New("netguard: the URL is refused")
	// ErrInside means that an address is not one of the public internet.
	ErrInside = errors.New("netguard: the address is not public")
)

// URL reads an absolute https URL (or http, where plain is true) that names a host by its DNS name: no credentials, no fragment, no
// address, no name of the inside, no dot at the end, ASCII only. Host and scheme are in lower case in what it returns.
func URL(text string, plain bool) (*url.URL, error) {
	if len(text) > 2048 || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }) {
		return nil, ErrURL
	}
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || u.User != nil || u.Fragment != "" || strings.Contains(text, "#") {
		return nil, ErrURL
	}
	if u.Scheme != "https" && (!plain || u.Scheme != "http") {
		return nil, ErrURL
	}
	if port := u.Port(); strings.HasSuffix(u.Host, ":") || port == "0" || len(port) > 5 {
		return nil, ErrURL
	}
	u.Host = strings.ToLower(u.Host)
	if !Host(u.Hostname()) {
		return nil, ErrURL
	}
	return u, nil
}

// Host tells whether a lower-case name may be one of a public host: at least two labels of letters, digits and hyphens, the last one
// not a number in any notation and not one that is kept for the inside.
func Host(name string) bool {
	labels := strings.Split(name, ".")
	if len(name) > 253 || len(labels) < 2 {
		return false
	}
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' || strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	last := labels[len(labels)-1]
	if last[0] >= '0' && last[0] <= '9' {
		return false // an address as inet_aton reads them; no top-level domain begins so
	}
	switch last {
	case "localhost", "local", "localdomain", "internal", "intranet", "lan", "home", "corp", "arpa", "onion", "alt":
		return false
	}
	return true
}

// inside lists what is not the public internet, beside what netip names (RFC 6890 and its successors). It is constant.
var inside = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"),
	// Those that carry an IPv4 address in them would lead to any of it.
	netip.MustParsePrefix("::/96"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("3fff::/20"),
	netip.MustParsePrefix("5f00::/16"), netip.MustParsePrefix("fec0::/10"),
}

// Public tells whether an address is one of the public internet.
func Public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsValid() || !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range inside {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// Dialer dials public addresses only. The zero value is ready for use.
type Dialer struct {
	// Resolve returns the addresses of a name; nil means net.DefaultResolver.
	Resolve func(ctx context.Context, name string) ([]netip.Addr, error)
	// Dial connects to an address; nil means net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

const dialTimeout = 10 * time.Second

// DialContext resolves the name once, refuses it when any of its addresses is not public, and dials one of those addresses.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, ErrURL
	}
	addresses, err := d.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	dial := d.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	last := error(ErrInside)
	for _, a := range addresses {
		conn, err := dial(ctx, network, net.JoinHostPort(a.String(), port))
		if err == nil {
			return conn, nil
		}
		last = err
	}
	return nil, last
}

func (d *Dialer) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	var addresses []netip.Addr
	if a, err := netip.ParseAddr(host); err == nil {
		addresses = []netip.Addr{a}
	} else {
		if !Host(strings.ToLower(host)) {
			return nil, ErrInside
		}
		lookup := d.Resolve
		if lookup == nil {
			lookup = func(ctx context.Context, name string) ([]netip.Addr, error) {
				return net.DefaultResolver.LookupNetIP(ctx, "ip", name)
			}
		}
		if addresses, err = lookup(ctx, host); err != nil {
			return nil, err
		}
	}
	for n, a := range addresses {
		if !Public(a) {
			return nil, ErrInside
		}
		addresses[n] = a.Unmap()
	}
	return addresses, nil
}
