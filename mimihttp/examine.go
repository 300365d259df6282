package mimihttp

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"parley/mimi"
	"parley/uri"
)

// The verdicts of a Check.
const (
	CheckOK      = "ok"
	CheckWarning = "warning"
	CheckFailed  = "failed"
	CheckSkipped = "skipped" // because of what failed before
)

// Check is one step on the way to a peer: what was found, and how it can be cured.
type Check struct {
	Step    string `json:"step"`
	Verdict string `json:"verdict"`
	Found   string `json:"found"`
	Cure    string `json:"cure,omitempty"`
}

// The steps of Examine in their order.
const (
	StepAddress   = "address"
	StepConnect   = "connect"
	StepTLS       = "tls"
	StepDirectory = "directory"
	StepClock     = "clock"
	StepUsers     = "users"
	StepIdentity  = "identity"
)

// expiresSoon is when a certificate is worth a warning.
const expiresSoon = 14 * 24 * time.Hour

// Clocks that differ by more disturb the validity of what both sign.
const (
	skewNoticed = 30 * time.Second
	skewHarmful = 5 * time.Minute
)

// Examine walks the way to a peer step by step and says where it ends, as a Client of that configuration would go it. It changes
// nothing there: the one authenticated request has no body and is refused for that by whoever takes us for who we are.
func Examine(ctx context.Context, cfg ClientConfig) []Check {
	e := &examination{cfg: cfg}
	client, err := NewClient(cfg)
	if err != nil {
		return []Check{{StepAddress, CheckFailed, "the configuration of the peer is not usable: " + err.Error(), "`parley check` names the key"}}
	}
	defer client.Close()
	e.client = client
	for _, step := range []struct {
		name string
		do   func(context.Context) Check
	}{
		{StepAddress, e.address}, {StepConnect, e.connect}, {StepTLS, e.tls}, {StepDirectory, e.directory}, {StepClock, e.clock},
		{StepUsers, e.users}, {StepIdentity, e.identity},
	} {
		c := Check{Verdict: CheckSkipped, Found: "not tried, because of what failed before"}
		if !e.over {
			c = step.do(ctx)
		}
		c.Step = step.name
		e.over = e.over || c.Verdict == CheckFailed
		e.checks = append(e.checks, c)
	}
	return e.checks
}

type examination struct {
	cfg    ClientConfig
	client *Client
	over   bool
	checks []Check

	target string // host:port
	dir    *directory
	date   string
	asked  time.Time
}

func (e *examination) address(ctx context.Context) Check {
	domain := e.cfg.Peer.Domain()
	if e.cfg.Address != "" {
		e.target = e.cfg.Address
		return Check{Verdict: CheckOK, Found: "configured: " + e.cfg.Address}
	}
	e.target = net.JoinHostPort(domain, "443")
	found, err := net.DefaultResolver.LookupHost(ctx, domain)
	if err != nil {
		return Check{Verdict: CheckFailed, Found: "the DNS has no address for " + domain,
			Cure: "ask the peer's operator for the domain, or set dial for the peer to host:port"}
	}
	return Check{Verdict: CheckOK, Found: strings.Join(found, ", ") + ", port 443"}
}

func (e *examination) connect(ctx context.Context) Check {
	start := time.Now()
	conn, err := e.client.cfg.Dial(ctx, "tcp", e.target)
	if err != nil {
		return Check{Verdict: CheckFailed, Found: "no connection to " + e.target + ": " + lastCause(err),
			Cure: "look at the peer's address and port, at firewalls on both sides, and whether the peer runs"}
	}
	took := time.Since(start)
	if err := conn.Close(); err != nil {
		return Check{Verdict: CheckWarning, Found: "the connection did not close: " + lastCause(err)}
	}
	return Check{Verdict: CheckOK, Found: fmt.Sprintf("%s answers after %.1f ms", e.target, float64(took.Microseconds())/1000)}
}

func (e *examination) tls(ctx context.Context) Check {
	conn, err := e.client.cfg.Dial(ctx, "tcp", e.target)
	if err != nil {
		return Check{Verdict: CheckFailed, Found: lastCause(err), Cure: "try again"}
	}
	cfg := e.client.tlsConfig()
	cfg.ServerName, cfg.NextProtos = e.cfg.Peer.Domain(), []string{"h2", "http/1.1"}
	secure := tls.Client(conn, cfg)
	err = secure.HandshakeContext(ctx)
	state := secure.ConnectionState()
	if closing := conn.Close(); err == nil && closing != nil {
		err = closing
	}
	if err != nil {
		return e.tlsFailure(err)
	}
	leaf := state.PeerCertificates[0]
	c := Check{Verdict: CheckOK, Found: fmt.Sprintf("%s, %s; %s", tls.VersionName(state.Version), state.NegotiatedProtocol, describe(leaf))}
	if left := leaf.NotAfter.Sub(e.client.cfg.Now()); left < expiresSoon {
		c.Verdict, c.Cure = CheckWarning, fmt.Sprintf("the peer's certificate ends in %d days: its operator has to renew it", int(left.Hours()/24))
	}
	return c
}

// describe is what operators compare over the telephone.
func describe(c *x509.Certificate) string {
	pin := Pin(c)
	return fmt.Sprintf("names %s, from %s, until %s, key %s", strings.Join(c.DNSNames, " "), c.Issuer.CommonName,
		c.NotAfter.UTC().Format(time.DateOnly), hex.EncodeToString(pin[:]))
}

func (e *examination) tlsFailure(err error) Check {
	c := Check{Verdict: CheckFailed, Found: lastCause(err)}
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &authority):
		c.Cure = "the peer's certificate is of an authority that its trust mode does not know: set trust = \"private-ca\" with ca_file, or pinned-spki"
		if authority.Cert != nil {
			c.Found += "; shown was: " + describe(authority.Cert)
		}
	case errors.As(err, &host), errors.Is(err, ErrName):
		c.Cure = "the certificate has to name " + e.cfg.Peer.Domain() + " itself, no wildcard: its operator has to get one, or the domain is another"
		if host.Certificate != nil {
			c.Found += "; shown was: " + describe(host.Certificate)
		}
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired, errors.Is(err, ErrExpired):
		c.Cure = "the peer's operator has to renew the certificate; if it is new, look at the clocks of both machines"
	case errors.Is(err, ErrPin):
		c.Cure = "the peer has another key than the pinned one: ask its operator, by another way than this network, for the new spki_sha256"
	default:
		c.Cure = "the peer must speak TLS 1.3 at this address; a proxy in front of it has to pass TLS through"
	}
	return c
}

func (e *examination) directory(ctx context.Context) Check {
	ctx, cancel := context.WithTimeout(ctx, directoryTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+e.cfg.Peer.Domain()+directoryPath, nil)
	if err != nil {
		return Check{Verdict: CheckFailed, Found: "the domain makes no URL"}
	}
	e.asked = e.client.cfg.Now()
	data, resp, err := e.client.exchange(req, "directory", 0, maxDirectory)
	if err != nil {
		return Check{Verdict: CheckFailed, Found: asError(err).Detail, Cure: "something between answers for the peer, or it does not serve " + directoryPath}
	}
	e.date = resp.Header.Get("Date")
	if resp.StatusCode != http.StatusOK {
		return Check{Verdict: CheckFailed, Found: fmt.Sprintf("%s answers %d", directoryPath, resp.StatusCode),
			Cure: "the peer's operator has to serve the directory at that path on the domain itself"}
	}
	if e.dir, err = parseDirectory(data); err != nil {
		return Check{Verdict: CheckFailed, Found: "the directory is of no use: " + err.Error(), Cure: "the peer's operator has to look at what is served there"}
	}
	var offered, missing []string
	for _, endpoint := range mimi.Endpoints() {
		if _, err := e.dir.template(endpoint); err == nil {
			offered = append(offered, endpoint.String())
		} else {
			missing = append(missing, endpoint.String())
		}
	}
	c := Check{Verdict: CheckOK, Found: "offers " + strings.Join(offered, ", ")}
	if len(missing) > 0 {
		c.Found += "; not " + strings.Join(missing, ", ")
	}
	if _, err := e.dir.template(mimi.KeyMaterial); err != nil {
		c.Verdict, c.Cure = CheckFailed, "without keyMaterial nobody there can be added to a room"
	}
	return c
}

func (e *examination) clock(context.Context) Check {
	theirs, err := http.ParseTime(e.date)
	if err != nil {
		return Check{Verdict: CheckWarning, Found: "the peer does not tell its time"}
	}
	skew := theirs.Sub(e.asked).Round(time.Second)
	c := Check{Verdict: CheckOK, Found: fmt.Sprintf("the peer's clock differs by %v", skew)}
	switch {
	case skew.Abs() <= time.Second:
		c.Found = "the peer's clock agrees to within a second"
	case skew.Abs() > skewHarmful:
		c.Verdict, c.Cure = CheckFailed, "set both clocks by NTP: what one signs would not be valid for the other"
	case skew.Abs() > skewNoticed:
		c.Verdict, c.Cure = CheckWarning, "set both clocks by NTP"
	}
	return c
}

func (e *examination) users(context.Context) Check {
	if len(e.dir.authorities) == 0 {
		return Check{Verdict: CheckWarning, Found: "the directory names no authorities of the peer's users",
			Cure: "set authorities_file for the peer; without it its users are not believed"}
	}
	var found []string
	for _, der := range e.dir.authorities {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return Check{Verdict: CheckFailed, Found: "an authority of the peer's users is no certificate", Cure: "the peer's operator has to look at its CA files"}
		}
		found = append(found, cert.Subject.CommonName+" until "+cert.NotAfter.UTC().Format(time.DateOnly))
	}
	return Check{Verdict: CheckOK, Found: "users are certified by " + strings.Join(found, ", ")}
}

// identity finds out whether the peer takes us for who we are: it refuses an empty body with 400 only after it has judged our
// certificate and From.
func (e *examination) identity(ctx context.Context) Check {
	template, err := e.dir.template(mimi.KeyMaterial)
	if err != nil {
		return Check{Verdict: CheckSkipped, Found: "there is no endpoint to try"}
	}
	nobody, err := uri.NewUser(e.cfg.Peer, "nobody")
	if err != nil {
		return Check{Verdict: CheckFailed, Found: err.Error()}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, template.Expand(nobody.String()), io.NopCloser(bytes.NewReader(nil)))
	if err != nil {
		return Check{Verdict: CheckFailed, Found: "the URL of keyMaterial is none"}
	}
	req.ContentLength = 0
	req.Header.Set("Content-Type", mediaType)
	_, resp, err := e.client.exchange(req, "examine", 0, mostUnread)
	if err != nil {
		return Check{Verdict: CheckFailed, Found: asError(err).Detail, Cure: "the host in the peer's directory does not answer as its domain does"}
	}
	c := Check{Verdict: CheckFailed, Found: fmt.Sprintf("the peer answers %d", resp.StatusCode)}
	switch resp.StatusCode {
	case http.StatusBadRequest:
		return Check{Verdict: CheckOK, Found: "the peer knows us as " + e.cfg.Self.Domain()}
	case http.StatusUnauthorized:
		c.Cure = "the peer saw no client certificate: a proxy in front of it ends TLS; it has to pass TLS through"
	case http.StatusForbidden:
		c.Cure = "the peer does not know us or does not trust our certificate: its operator has to list " + e.cfg.Self.Domain() +
			" as a peer with a trust that fits our certificate" + e.ours()
	case http.StatusMisdirectedRequest:
		c.Cure = "the peer does not serve its own domain at this address: it is another provider's"
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusInsufficientStorage:
		return Check{Verdict: CheckWarning, Found: c.Found, Cure: "the peer knows us and is busy, or full; what is sent waits until it is not"}
	default:
		c.Cure = "that is no answer of the protocol; the peer's operator has to look at its log"
	}
	return c
}

// ours describes the certificate that the peer has seen.
func (e *examination) ours() string {
	cert, err := e.cfg.Certificate()
	if err != nil || cert.Leaf == nil {
		return ""
	}
	return " (" + describe(cert.Leaf) + ")"
}

// lastCause is the innermost text of an error of the network, without addresses of ours.
func lastCause(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err.Error()
	}
	return err.Error()
}
