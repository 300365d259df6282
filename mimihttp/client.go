package mimihttp

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"parley/mimi"
	"parley/netguard"
	"parley/syntax"
	"parley/uri"
)

// ClientConfig configures a Client. Self, Peer and Certificate are required.
type ClientConfig struct {
	Self uri.Provider // who calls: named in From and by Certificate
	Peer uri.Provider // who is called
	// Certificate returns the certificate to show. It is called per connection, so that a renewed one takes effect at once.
	Certificate func() (*tls.Certificate, error)
	// Trust judges the peer's certificates.
	Trust Trust
	// Address is where the peer's domain is reached, "host:port", where DNS is not enough; empty: DNS and port 443. Only
	// connections to the peer's own domain use it. A URL of the directory with another port keeps that port.
	Address string
	// HostIsProvider sends the peer's domain as Host also to endpoints on other hosts.
	HostIsProvider bool
	// Dial opens connections; nil means net.Dialer, and Guard for what no operator has given an address of.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Guard dials hosts that the peer's domain or its directory leads to, public addresses only. nil: Dial, where that is set.
	Guard *netguard.Dialer
	// Timeout bounds one request; 0 means 30 s.
	Timeout time.Duration
	// MaxAnswer is the largest answer taken, in octets; 0 means 16 MiB.
	MaxAnswer int64
	// Now is the clock for certificates, the directory's age and Retry-After; nil means time.Now.
	Now func() time.Time
	// Log hears of what a peer does wrong; nil means nobody.
	Log *slog.Logger
	// Trace hears of every request when it is done; nil means nobody.
	Trace func(TraceEvent)
}

// Client is one peer as seen from one provider. It implements mimi.Service and is safe for concurrent use.
//
// Failures are *mimi.Error values. Unavailable stands also for "cannot be reached", then with a cause below it; NotFound with ErrNotOffered, ErrNoVersion or
// ErrTemplate below it for an endpoint that the peer does not have. After 429, 503 or 507 the same endpoint is not called again
// before the time that the peer gave; calls until then fail at once with what is left of it (P-TR-16).
type Client struct {
	cfg  ClientConfig
	http *http.Client
	bulk *http.Client // for assets: HTTP/1.1, which moves octets in half the processor time

	mu      sync.Mutex
	dir     *directory
	forced  time.Time // when an endpoint's 404 or 421 last led to a fetch
	hold    map[mimi.Endpoint]heldEndpoint
	loading chan struct{} // closed when the fetch that is under way is done
}

type heldEndpoint struct {
	until time.Time
	code  mimi.Code
}

// NewClient makes a Client. Close it when it is no longer used.
func NewClient(cfg ClientConfig) (*Client, error) {
	if cfg.Self.IsZero() || cfg.Peer.IsZero() || cfg.Certificate == nil {
		return nil, errors.New("mimihttp: client needs Self, Peer and Certificate")
	}
	if err := cfg.Trust.Validate(); err != nil {
		return nil, err
	}
	cfg.Timeout = orDefault(cfg.Timeout, 30*time.Second)
	cfg.MaxAnswer = orDefault(cfg.MaxAnswer, 16<<20)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Dial == nil {
		cfg.Dial = (&net.Dialer{Timeout: 10 * time.Second}).DialContext
		if cfg.Guard == nil {
			cfg.Guard = new(netguard.Dialer)
		}
	}
	c := &Client{cfg: cfg, hold: make(map[mimi.Endpoint]heldEndpoint)}
	c.http = &http.Client{Transport: c.transport(), CheckRedirect: c.redirect}
	bulk := c.transport()
	bulk.ForceAttemptHTTP2, bulk.ReadBufferSize = false, bulkBuffer
	c.bulk = &http.Client{Transport: bulk, CheckRedirect: c.redirect}
	return c, nil
}

// Close gives up idle connections.
func (c *Client) Close() {
	c.http.CloseIdleConnections()
	c.bulk.CloseIdleConnections()
}

// bulkBuffer is how much of an asset is taken from a connection at once.
const bulkBuffer = 128 << 10

// mostConnections bounds the connections to one peer. One is enough where HTTP/2 is spoken; without it, and while a peer does not
// finish its handshakes, each request would open one.
const mostConnections = 16

func (c *Client) transport() *http.Transport {
	return &http.Transport{
		DialContext:            c.dial,
		TLSClientConfig:        c.tlsConfig(),
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    10 * time.Second,
		IdleConnTimeout:        90 * time.Second,
		ResponseHeaderTimeout:  c.cfg.Timeout,
		MaxResponseHeaderBytes: 16 << 10,
		MaxIdleConnsPerHost:    4,
		MaxConnsPerHost:        mostConnections,
		DisableCompression:     true,
	}
}

// tlsConfig leaves the usual verification of chain and host name on and adds the stricter one for the provider's own domain.
func (c *Client) tlsConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		RootCAs:    c.cfg.Trust.Roots,
		Time:       c.cfg.Now,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return c.cfg.Certificate()
		},
		VerifyConnection: func(state tls.ConnectionState) error {
			domain, ok := hostDomain(state.ServerName)
			if !ok {
				return ErrName
			}
			if domain != c.cfg.Peer.Domain() {
				// Another host is called only because the directory, which came from the provider's domain, delegates to it.
				return c.cfg.Trust.delegated(state.PeerCertificates)
			}
			return c.cfg.Trust.verify(state.PeerCertificates, domain, serverRole, c.cfg.Now())
		},
	}
}

func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if domain, ok := hostDomain(host); ok && domain == c.cfg.Peer.Domain() && c.cfg.Address != "" {
		at, own, err := net.SplitHostPort(c.cfg.Address)
		if err != nil {
			return nil, err
		}
		if port == "443" || port == own {
			return c.cfg.Dial(ctx, network, c.cfg.Address)
		}
		// The peer chose the port: at an address of the inside that would be a way to anything that listens there.
		address = net.JoinHostPort(at, port)
	}
	if c.cfg.Guard != nil {
		return c.cfg.Guard.DialContext(ctx, network, address)
	}
	return c.cfg.Dial(ctx, network, address)
}

var errRedirect = errors.New("mimihttp: redirect to another origin is refused")

// redirect lets the directory move within its origin. A request with a body is never sent on.
func (c *Client) redirect(next *http.Request, via []*http.Request) error {
	if next.Method != http.MethodGet || via[0].Method != http.MethodGet || len(via) > 3 ||
		next.URL.Scheme != "https" || !strings.EqualFold(next.URL.Host, via[0].URL.Host) {
		return errRedirect
	}
	return nil
}

// KeyMaterial implements mimi.Service.
func (c *Client) KeyMaterial(ctx context.Context, target uri.User, r *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error) {
	return ask[mimi.KeyMaterialResponse](ctx, c, mimi.KeyMaterial, target.String(), r)
}

// Update implements mimi.Service.
func (c *Client) Update(ctx context.Context, room uri.Room, r *mimi.UpdateRequest) (*mimi.UpdateRoomResponse, error) {
	return ask[mimi.UpdateRoomResponse](ctx, c, mimi.Update, room.String(), r)
}

// SubmitMessage implements mimi.Service.
func (c *Client) SubmitMessage(ctx context.Context, room uri.Room, r *mimi.SubmitMessageRequest) (*mimi.SubmitMessageResponse, error) {
	return ask[mimi.SubmitMessageResponse](ctx, c, mimi.SubmitMessage, room.String(), r)
}

// Notify implements mimi.Service.
func (c *Client) Notify(ctx context.Context, room uri.Room, r *mimi.NotifyBody) error {
	return c.call(ctx, mimi.Notify, room.String(), r, nil)
}

// GroupInfo implements mimi.Service.
func (c *Client) GroupInfo(ctx context.Context, room uri.Room, r *mimi.GroupInfoRequest) (*mimi.GroupInfoResponse, error) {
	return ask[mimi.GroupInfoResponse](ctx, c, mimi.GroupInfo, room.String(), r)
}

// RequestConsent implements mimi.Service.
func (c *Client) RequestConsent(ctx context.Context, r *mimi.ConsentEntry) error {
	return c.consent(ctx, mimi.RequestConsent, r.Target, r)
}

// UpdateConsent implements mimi.Service.
func (c *Client) UpdateConsent(ctx context.Context, r *mimi.ConsentEntry) error {
	return c.consent(ctx, mimi.UpdateConsent, r.Requester, r)
}

func (c *Client) consent(ctx context.Context, e mimi.Endpoint, party string, r *mimi.ConsentEntry) error {
	user, err := uri.ParseUser(party)
	if err != nil {
		return &mimi.Error{Code: mimi.BadRequest, Detail: mimi.ErrIdentifier.Error(), Err: mimi.ErrIdentifier}
	}
	return c.send(ctx, e, func(t uri.Template) string { return t.ExpandParty(user) }, r, nil)
}

// IdentifierQuery implements mimi.Service.
func (c *Client) IdentifierQuery(ctx context.Context, r *mimi.IdentifierRequest) (*mimi.IdentifierResponse, error) {
	return ask[mimi.IdentifierResponse](ctx, c, mimi.IdentifierQuery, c.cfg.Peer.Domain(), r)
}

// ReportAbuse implements mimi.Service.
func (c *Client) ReportAbuse(ctx context.Context, room uri.Room, r *mimi.AbuseReport) error {
	return c.call(ctx, mimi.ReportAbuse, room.String(), r, nil)
}

func ask[T any, P interface {
	*T
	syntax.Value
}](ctx context.Context, c *Client, e mimi.Endpoint, value string, request syntax.Value) (P, error) {
	answer := P(new(T))
	if err := c.call(ctx, e, value, request, answer); err != nil {
		return nil, err
	}
	return answer, nil
}

// call sends one request about what value names.
func (c *Client) call(ctx context.Context, e mimi.Endpoint, value string, request, answer syntax.Value) error {
	return c.send(ctx, e, func(t uri.Template) string { return t.Expand(value) }, request, answer)
}

// send sends one request. When the endpoint is gone it looks at the directory again, and when that names another URL it sends
// once more.
func (c *Client) send(ctx context.Context, e mimi.Endpoint, url func(uri.Template) string, request, answer syntax.Value) error {
	body, err := syntax.Marshal(request)
	if err != nil {
		return &mimi.Error{Code: mimi.BadRequest, Detail: "request does not encode", Err: err}
	}
	if err := c.held(e); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	template, err := c.template(ctx, e)
	if err != nil {
		return err
	}
	limit := c.cfg.MaxAnswer
	if answer == nil {
		limit = mostUnread
	}
	data, err := c.post(ctx, e, url(template), body, limit)
	if gone(err) {
		if moved, ok := c.moved(ctx, e, template); ok {
			data, err = c.post(ctx, e, url(moved), body, limit)
		}
	}
	if err != nil || answer == nil {
		return err
	}
	if err := mimi.Limits(len(data)).Unmarshal(data, answer); err != nil {
		return &mimi.Error{Code: mimi.Internal, Detail: "peer's answer does not decode", Err: err}
	}
	return nil
}

// gone reports whether an endpoint answered as one does that has moved.
func gone(err error) bool {
	var failure *mimi.Error
	return errors.As(err, &failure) && (failure.Code == mimi.NotFound || failure.Code == mimi.Misdirected)
}

// post sends one body to one URL and returns the body of a good answer.
func (c *Client) post(ctx context.Context, e mimi.Endpoint, url string, body []byte, limit int64) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, e.Info().Method, url, bytes.NewReader(body))
	if err != nil {
		return nil, &mimi.Error{Code: mimi.NotFound, Detail: "peer's URL cannot be used", Err: ErrTemplate}
	}
	req.Header.Set("Content-Type", mediaType)
	req.Header.Set("Accept", mediaType)
	if c.cfg.HostIsProvider {
		req.Host = c.cfg.Peer.Domain()
	}
	data, resp, err := c.exchange(req, e.String(), int64(len(body)), limit)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 == 2 {
		return data, nil
	}
	failure := c.failure(resp)
	if failure.Code == mimi.TooMany || failure.Code == mimi.Unavailable || failure.Code == mimi.OutOfStorage {
		c.setHold(e, failure)
	}
	return nil, failure
}

// mostUnread is the longest body taken of an answer in which nothing is looked for.
const mostUnread = 64 << 10

// exchange sends a request, reads the answer within its limit and reports both.
func (c *Client) exchange(req *http.Request, name string, sent, limit int64) (data []byte, resp *http.Response, err error) {
	req.Header.Set(headerFrom, fromOf(c.cfg.Self))
	start := time.Now()
	event := TraceEvent{Time: c.cfg.Now(), Side: ClientSide, Self: c.cfg.Self, Peer: c.cfg.Peer, Endpoint: name, BytesOut: sent}
	defer func() {
		event.Duration = time.Since(start)
		event.BytesIn = int64(len(data))
		if err != nil {
			event.Reason = asError(err).Error()
			c.cfg.Log.LogAttrs(req.Context(), slog.LevelWarn, "request failed", slog.String("self", c.cfg.Self.Domain()),
				slog.String("peer", c.cfg.Peer.Domain()), slog.String("endpoint", name), slog.Any("cause", errors.Unwrap(err)))
		}
		if c.cfg.Trace != nil {
			c.cfg.Trace(event)
		}
	}()
	resp, err = c.http.Do(req)
	if err != nil {
		return nil, nil, unreachable(req.Context(), err)
	}
	defer resp.Body.Close()
	event.Status = resp.StatusCode
	if resp.StatusCode/100 != 2 {
		limit = min(limit, mostUnread)
	}
	if resp.ContentLength > limit {
		return nil, nil, &mimi.Error{Code: mimi.Internal, Detail: "peer's answer is too long"}
	}
	data, err = readAll(io.LimitReader(resp.Body, limit+1), resp.ContentLength)
	switch {
	case err != nil:
		return nil, nil, unreachable(req.Context(), err)
	case int64(len(data)) > limit:
		return nil, nil, &mimi.Error{Code: mimi.Internal, Detail: "peer's answer is too long"}
	}
	return data, resp, nil
}

// unreachable is a failure without an answer. The error of net/http names the URL, which names a user or room, so only its cause
// is kept.
func unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &mimi.Error{Code: mimi.Unavailable, Detail: "peer did not answer in time", Err: ctx.Err()}
	}
	for _, known := range []error{ErrName, ErrExpired, ErrPin, ErrChain, ErrNoCertificate, errRedirect, netguard.ErrInside} {
		if errors.Is(err, known) {
			return &mimi.Error{Code: mimi.Unavailable, Detail: "peer is not who it should be", Err: known}
		}
	}
	var verification *tls.CertificateVerificationError
	if errors.As(err, &verification) {
		return &mimi.Error{Code: mimi.Unavailable, Detail: "peer is not who it should be", Err: ErrChain}
	}
	return &mimi.Error{Code: mimi.Unavailable, Detail: "peer cannot be reached", Err: cause(err)}
}

func cause(err error) error {
	type wrapper interface{ Unwrap() error }
	for {
		w, ok := err.(wrapper)
		if !ok || w.Unwrap() == nil {
			return err
		}
		err = w.Unwrap()
	}
}

// failure is the error that an answer's status stands for. The peer's words are not repeated: they may hold anything.
func (c *Client) failure(resp *http.Response) *mimi.Error {
	out := &mimi.Error{Code: mimi.Internal, Detail: "peer answered " + strconv.Itoa(resp.StatusCode)}
	for _, m := range statuses {
		if m.status == resp.StatusCode {
			out.Code = m.code
		}
	}
	if resp.StatusCode == http.StatusBadGateway || resp.StatusCode == http.StatusGatewayTimeout {
		out.Code = mimi.Unavailable // a proxy in front of the peer
	}
	out.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), c.cfg.Now())
	return out
}

const maxRetryAfter = time.Hour

// retryAfter reads seconds or a date (RFC 9110 §10.2.3); at most an hour is believed.
func retryAfter(text string, now time.Time) time.Duration {
	if text == "" {
		return 0
	}
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return min(time.Duration(n)*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter)
	}
	return 0
}

func (c *Client) setHold(e mimi.Endpoint, failure *mimi.Error) {
	if failure.RetryAfter <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hold[e] = heldEndpoint{until: c.cfg.Now().Add(failure.RetryAfter), code: failure.Code}
}

// held fails while the peer has asked not to be called.
func (c *Client) held(e mimi.Endpoint) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	h, found := c.hold[e]
	if !found {
		return nil
	}
	left := h.until.Sub(c.cfg.Now())
	if left <= 0 {
		delete(c.hold, e)
		return nil
	}
	return &mimi.Error{Code: h.code, Detail: "peer asked to wait", RetryAfter: left}
}
