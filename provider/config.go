package provider

import (
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"time"

	"parley/mimihttp"
	"parley/mls/suite"
	"parley/uri"
)

// Config is what a provider is made of.
type Config struct {
	Provider uri.Provider
	// Store is taken over by New, also when that fails: it is closed when the provider ends.
	Store *Store
	Keys  *Keys
	// Suites are the cipher suites that rooms may have; nil: those of RFC 9420.
	Suites *suite.Table
	Peers  []Peer
	// People says who may be found here and where we look for others.
	People People

	// Files says how our users' files are kept.
	Files Files

	// Consent says who may contact our users.
	Consent Consent

	// Federation is the side of other providers: HTTPS with mutual TLS.
	Federation Endpoint
	// Authority stands in the URLs of the directory; empty: the provider's domain, with the port of the listener unless it is 443.
	Authority string
	// Client is the side of our own users' devices: HTTPS.
	Client Endpoint
	// Admin is the address of /livez, /readyz and /metrics over plain HTTP; empty: none.
	Admin string
	// Profile adds /debug/pprof/ to Admin: who asks it learns how the process spends its time and its memory.
	Profile bool
	// Socket is the path of the unix socket for operators; empty: none.
	Socket string

	// Log gets what operators should know; nil: nothing is logged.
	Log *slog.Logger
	// Trace gets one JSON line (TraceLine) for each federation request; nil: none.
	Trace io.Writer
	// Limits are what one peer may take of us; the zero value sets sensible ones.
	Limits Limits
	// PeerTimeout bounds one request to a peer; 0 means 30 s.
	PeerTimeout time.Duration
	// CheckEvery is how often the whole store is read and checked; 0 means every week.
	CheckEvery time.Duration
	// Drain bounds how long requests may take to finish when the provider stops; 0 means 10 s.
	Drain time.Duration

	// Listen opens listeners; nil means TCP.
	Listen func(address string) (net.Listener, error)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Endpoint is an address with its TLS certificate.
type Endpoint struct {
	Address     string
	Certificate *mimihttp.CertificateFiles
}

var errIncomplete = errors.New("provider: configuration lacks the provider, its store, its keys or a certificate")

func (c *Config) fill() error {
	if c.Provider.IsZero() || c.Store == nil || c.Keys == nil || c.Federation.Certificate == nil || c.Client.Certificate == nil {
		return errIncomplete
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Limits.fill()
	if c.CheckEvery == 0 {
		c.CheckEvery = 7 * 24 * time.Hour
	}
	if c.Drain == 0 {
		c.Drain = 10 * time.Second
	}
	if c.Listen == nil {
		c.Listen = func(address string) (net.Listener, error) { return net.Listen("tcp", address) }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return nil
}

// expiries tells when the certificates end.
func (p *Provider) expiries() map[string]time.Time {
	out := map[string]time.Time{"ca": p.cfg.Keys.CA.Cert.NotAfter}
	for i := range p.cfg.Keys.Hub {
		c, err := x509.ParseCertificate(p.cfg.Keys.Hub[i].Sender.Credential.Certificates[0])
		if err == nil && (out["hub"].IsZero() || c.NotAfter.Before(out["hub"])) {
			out["hub"] = c.NotAfter
		}
	}
	for name, e := range map[string]Endpoint{"federation": p.cfg.Federation, "client": p.cfg.Client} {
		if c, err := e.Certificate.Certificate(); err == nil && c.Leaf != nil {
			out[name] = c.Leaf.NotAfter
		}
	}
	return out
}
