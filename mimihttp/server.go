package mimihttp

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"parley/mimi"
	"parley/uri"
)

// Tenant is one provider that a Server serves.
type Tenant struct {
	Provider uri.Provider
	// Authority stands in the URLs of the directory; empty: the provider's domain (P-DIR-10). Set it to "domain:port" where the
	// port is not 443.
	Authority string
	// As returns the provider's service bound to an authenticated peer. It is called once per request.
	As func(caller uri.Provider) mimi.Service
	// Peer returns how a peer's certificate is judged, false when the peer is unknown and therefore refused. The same pointer must
	// be returned while the configuration of the peer is the same: it keys the memory of verified certificates.
	Peer func(caller uri.Provider) (*Trust, bool)
	// Authorities returns the certificates of the provider's CA set, which the directory publishes (P-CR-07, A-86); nil: it does not.
	Authorities func() []*x509.Certificate
	// Files are served beside the endpoints; nil: they are not offered.
	Files *Files
}

// ServerConfig configures a Server. Only Tenant is required.
type ServerConfig struct {
	// Tenant finds the provider with a domain (lower case, no port, no trailing dot).
	Tenant func(domain string) (*Tenant, bool)
	// Limits bound request bodies; a zero field means its default.
	Limits BodyLimits
	// Rate bounds the requests of each caller to an endpoint; nil: it sets no limit. Above it they are told 429.
	Rate func(mimi.Endpoint) Rate
	// PerCaller bounds the requests of one caller being served at once, and PerCallerOctets their bodies, where a body whose length is
	// not declared counts as the longest one; 0 means 64 and 32 MiB. Above it the caller is told 429.
	PerCaller       int
	PerCallerOctets int64
	// InFlight bounds the requests being served at once; 0 means 1024. Above it callers are told 503.
	InFlight int
	// Timeout bounds reading a body and serving it; 0 means 30 s.
	Timeout time.Duration
	// Now is the clock for certificates; nil means time.Now.
	Now func() time.Time
	// Log hears of refusals; nil means nobody.
	Log *slog.Logger
	// Trace hears of every request when it is done; nil means nobody. It is called by the goroutine of the request.
	Trace func(TraceEvent)
}

// BodyLimits are the largest request bodies, in octets.
type BodyLimits struct {
	KeyMaterial     int64 // default 64 KiB
	Update          int64 // default 8 MiB
	SubmitMessage   int64 // default 1 MiB
	Notify          int64 // default 16 MiB
	GroupInfo       int64 // default 64 KiB
	RequestConsent  int64 // default 16 KiB
	UpdateConsent   int64 // default 1 MiB: it may bring KeyPackages
	IdentifierQuery int64 // default 16 KiB
	ReportAbuse     int64 // default 4 MiB: it brings messages
}

func (l BodyLimits) of(e mimi.Endpoint) int64 {
	switch e {
	case mimi.KeyMaterial:
		return orDefault(l.KeyMaterial, 64<<10)
	case mimi.Update:
		return orDefault(l.Update, 8<<20)
	case mimi.SubmitMessage:
		return orDefault(l.SubmitMessage, 1<<20)
	case mimi.Notify:
		return orDefault(l.Notify, 16<<20)
	case mimi.GroupInfo:
		return orDefault(l.GroupInfo, 64<<10)
	case mimi.RequestConsent:
		return orDefault(l.RequestConsent, 16<<10)
	case mimi.UpdateConsent:
		return orDefault(l.UpdateConsent, 1<<20)
	case mimi.IdentifierQuery:
		return orDefault(l.IdentifierQuery, 16<<10)
	case mimi.ReportAbuse:
		return orDefault(l.ReportAbuse, 4<<20)
	}
	return 0
}

// Rate is a token bucket: PerSecond refills it, Burst is its size. The zero value sets no limit.
type Rate struct {
	PerSecond float64
	Burst     int
}

// Server serves mimi.Services to peers. It is an http.Handler and safe for concurrent use.
type Server struct {
	cfg      ServerConfig
	verified verifiedCertificates
	limiters limiters
	shares   shares
	slots    chan struct{}

	downloads shares        // assets being fetched for peers; they take long, so that slots are not for them
	capsules  chan struct{} // Oblivious HTTP: each holds its answer in memory
}

// Bounds of what is fetched for others.
const (
	downloadsPerCaller = 32
	capsulesAtOnce     = 16
)

// NewServer makes a Server.
func NewServer(cfg ServerConfig) *Server {
	cfg.Timeout = orDefault(cfg.Timeout, 30*time.Second)
	cfg.InFlight = orDefault(cfg.InFlight, 1024)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{cfg: cfg, slots: make(chan struct{}, cfg.InFlight), capsules: make(chan struct{}, capsulesAtOnce),
		downloads: shares{requests: downloadsPerCaller, octets: math.MaxInt64},
		shares:    shares{requests: orDefault(cfg.PerCaller, 64), octets: orDefault(cfg.PerCallerOctets, 32<<20)}}
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// TLSConfig is the configuration for the Server's listener: TLS 1.3, HTTP/2, a client certificate asked for and not demanded (A-03,
// certificate is called per connection, so that a renewed one takes effect at once.
func (s *Server) TLSConfig(certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS13,
		ClientAuth:     tls.RequestClientCert,
		GetCertificate: certificate,
		NextProtos:     []string{"h2", "http/1.1"},
	}
}

// HTTPServer returns an http.Server with this handler and limits for slow and greedy connections. Serve it with
// ServeTLS(listener, "", "").
func (s *Server) HTTPServer(certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *http.Server {
	return &http.Server{
		Handler:           s,
		TLSConfig:         s.TLSConfig(certificate),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       5 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
	}
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{server: s, w: w, r: r, start: time.Now()}
	x.event = TraceEvent{Time: s.cfg.Now(), Side: ServerSide}
	err := x.serve()
	if err != nil {
		x.refuse(err)
	}
	x.event.Duration = time.Since(x.start)
	if s.cfg.Trace != nil {
		s.cfg.Trace(x.event)
	}
}

// exchange is one request being served.
type exchange struct {
	server *Server
	w      http.ResponseWriter
	r      *http.Request
	start  time.Time
	event  TraceEvent

	tenant *Tenant
	caller uri.Provider
}

func (x *exchange) serve() error {
	x.w.Header().Set("X-Content-Type-Options", "nosniff")
	if x.r.TLS == nil {
		return mimi.Errorf(mimi.Forbidden, "TLS is required")
	}
	domain, ok := targetOf(x.r)
	if !ok {
		return mimi.Errorf(mimi.BadRequest, "Host is not one domain")
	}
	if x.tenant, ok = x.server.cfg.Tenant(domain); !ok {
		return mimi.Errorf(mimi.Misdirected, "this provider is not served here")
	}
	x.event.Self = x.tenant.Provider
	path := x.r.URL.EscapedPath()
	if path == directoryPath {
		return x.directory()
	}
	if x.tenant.Files != nil {
		if served, err := x.files(path); served {
			return err
		}
	}
	endpoint, value, ok := route(path)
	if !ok {
		return mimi.Errorf(mimi.NotFound, "no such endpoint")
	}
	x.event.Endpoint = endpoint.String()
	if err := x.authenticate(); err != nil {
		return err
	}
	if x.r.Method != endpoint.Info().Method {
		x.w.Header().Set("Allow", endpoint.Info().Method)
		return errMethod
	}
	release, err := x.admit(endpoint)
	if err != nil {
		return err
	}
	defer release()
	return x.call(endpoint, value)
}

// admit keeps one caller from taking what is there for all, and all together from taking more than there is. Nothing of the body was
// read yet.
func (x *exchange) admit(endpoint mimi.Endpoint) (release func(), err error) {
	s := x.server
	if s.cfg.Rate != nil {
		key := limiterKey{x.tenant.Provider, x.caller, endpoint}
		if wait := s.limiters.take(key, s.cfg.Rate(endpoint)); wait > 0 {
			return nil, &mimi.Error{Code: mimi.TooMany, Detail: "rate limit", RetryAfter: wait}
		}
	}
	octets := x.r.ContentLength
	if limit := s.cfg.Limits.of(endpoint); octets < 0 || octets > limit {
		octets = limit
	}
	done, ok := s.shares.take(callerKey{x.tenant.Provider, x.caller}, octets)
	if !ok {
		return nil, &mimi.Error{Code: mimi.TooMany, Detail: "too many requests of this provider at once", RetryAfter: time.Second}
	}
	select {
	case s.slots <- struct{}{}:
		return func() { <-s.slots; done() }, nil
	default:
		done()
		return nil, &mimi.Error{Code: mimi.Unavailable, Detail: "too much to do", RetryAfter: time.Second}
	}
}

// errMethod has a status of its own that no mimi.Code stands for.
var errMethod = &mimi.Error{Code: mimi.BadRequest, Detail: "method is not allowed"}

// authenticate finds out who calls (P-TR-02, P-TR-04, P-TR-05) and that the peer is known, before anything of the body is read.
func (x *exchange) authenticate() error {
	chain := x.r.TLS.PeerCertificates
	if len(chain) == 0 {
		return mimi.Errorf(mimi.NotAuthenticated, "a client certificate is required")
	}
	caller, ok := callerOf(x.r.Header)
	if !ok {
		return mimi.Errorf(mimi.BadRequest, "From is not one address mimi@domain")
	}
	trust, known := x.tenant.Peer(caller)
	if !known || trust == nil {
		return mimi.Errorf(mimi.Forbidden, "unknown peer")
	}
	key := verifiedKey{trust: trust, domain: caller.Domain(), leaf: sha256.Sum256(chain[0].Raw)}
	now := x.server.cfg.Now()
	err := x.server.verified.check(key, chain[0], now, func() error {
		return trust.verify(chain, caller.Domain(), clientRole, now)
	})
	if err != nil {
		return &mimi.Error{Code: mimi.Forbidden, Detail: "certificate does not prove From", Err: err}
	}
	x.caller = caller
	x.event.Peer = caller
	return nil
}

// route splits an endpoint's path without unescaping: the value may hold escaped slashes.
func route(escapedPath string) (mimi.Endpoint, string, bool) {
	rest, ok := strings.CutPrefix(escapedPath, endpointPrefix)
	if !ok {
		return 0, "", false
	}
	member, value, ok := strings.Cut(rest, "/")
	if !ok || value == "" {
		return 0, "", false
	}
	for _, e := range offered() {
		if e.Info().Member == member {
			return e, value, true
		}
	}
	return 0, "", false
}

// call reads the body within its limit and hands it to the service.
func (x *exchange) call(endpoint mimi.Endpoint, value string) error {
	target, err := uri.AcceptPath(value)
	if err != nil {
		return mimi.Errorf(mimi.BadRequest, "path does not name anything")
	}
	ctx, cancel := context.WithTimeout(x.r.Context(), x.server.cfg.Timeout)
	defer cancel()
	// A recorder in a test has no deadlines; a real connection always has.
	err = http.NewResponseController(x.w).SetReadDeadline(time.Now().Add(x.server.cfg.Timeout))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	body, err := x.body(x.server.cfg.Limits.of(endpoint))
	x.event.BytesIn = int64(len(body))
	if err != nil {
		return err
	}
	answer, err := dispatch(ctx, x.tenant.As(x.caller), endpoint, target, body, &x.event)
	if err != nil {
		return err
	}
	status := http.StatusOK
	switch endpoint {
	case mimi.Notify, mimi.RequestConsent, mimi.UpdateConsent, mimi.ReportAbuse:
		status = http.StatusCreated // P-CO-08
	}
	x.respond(status, mediaType, answer)
	return nil
}

// body reads the request's body, refusing it by its declared length before reading (P-TR-14).
func (x *exchange) body(limit int64) ([]byte, error) {
	tooLarge := mimi.Errorf(mimi.TooLarge, "body is longer than %d octets", limit)
	if x.r.ContentLength > limit {
		return nil, tooLarge
	}
	body, err := readAll(http.MaxBytesReader(x.w, x.r.Body, limit), x.r.ContentLength)
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return body, tooLarge
	case err != nil:
		return body, &mimi.Error{Code: mimi.BadRequest, Detail: "body ends early", Err: err}
	}
	return body, nil
}

// readAll reads to the end. The declared length is a hint only: memory grows with what has come, so that a claim costs nothing.
func readAll(r io.Reader, declared int64) ([]byte, error) {
	const first = 256 << 10
	size := int64(8 << 10)
	if declared >= 0 {
		size = min(declared, first)
	}
	body := make([]byte, 0, size+1) // one octet more than the body, to see its end without growing
	for {
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if err == io.EOF {
			return body, nil
		}
		if err != nil {
			return body, err
		}
		if len(body) == cap(body) {
			next := int64(cap(body)) * 4
			if declared >= int64(len(body)) {
				next = min(next, declared+1)
			}
			grown := make([]byte, len(body), max(next, int64(cap(body))+1))
			copy(grown, body)
			body = grown
		}
	}
}

const mediaType = "application/octet-stream" // until one is registered

func (x *exchange) respond(status int, contentType string, body []byte) {
	h := x.w.Header()
	if len(body) > 0 {
		h.Set("Content-Type", contentType)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store")
	}
	x.event.Status = status
	// Whoever does not take the answer does not keep its place for ever. A recorder in a test has no deadlines.
	err := http.NewResponseController(x.w).SetWriteDeadline(time.Now().Add(x.server.cfg.Timeout))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		x.event.Reason = "connection is gone"
	}
	x.w.WriteHeader(status)
	n, err := x.w.Write(body)
	x.event.BytesOut = int64(n)
	if err != nil {
		x.event.Reason = "answer was not taken"
	}
}

// refuse answers with an error and logs why.
func (x *exchange) refuse(err error) {
	failure := asError(err)
	status := statusOf(failure)
	if failure == errMethod {
		status = http.StatusMethodNotAllowed
	}
	detail := failure.Detail
	if failure.RetryAfter > 0 {
		x.w.Header().Set("Retry-After", strconv.FormatInt(seconds(failure.RetryAfter), 10))
	}
	x.respond(status, "text/plain; charset=utf-8", []byte(detail))
	x.event.Reason = failure.Code.String()
	if detail != "" {
		x.event.Reason += ": " + detail
	}
	level := slog.LevelWarn
	if failure.Code == mimi.Internal {
		level = slog.LevelError
	}
	attrs := []slog.Attr{
		slog.String("self", x.event.Self.Domain()), slog.String("peer", x.event.Peer.Domain()),
		slog.String("endpoint", x.event.Endpoint), slog.Int("status", status), slog.String("reason", x.event.Reason),
	}
	if claimed, ok := callerOf(x.r.Header); ok && x.event.Peer.IsZero() {
		attrs = append(attrs, slog.String("claimed", claimed.Domain()))
	}
	if failure.Err != nil {
		attrs = append(attrs, slog.Any("cause", failure.Err))
	}
	x.server.cfg.Log.LogAttrs(x.r.Context(), level, "request refused", attrs...)
}

// asError makes a service's error one that can travel. What is not an *Error stays inside.
func asError(err error) *mimi.Error {
	var failure *mimi.Error
	switch {
	case errors.As(err, &failure):
		return failure
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &mimi.Error{Code: mimi.Unavailable, Detail: "took too long", RetryAfter: time.Second, Err: err}
	}
	return &mimi.Error{Code: mimi.Internal, Err: err}
}

// seconds rounds up, so that nobody comes back too early.
func seconds(d time.Duration) int64 { return int64(math.Ceil(d.Seconds())) }

func statusOf(e *mimi.Error) int {
	for _, m := range statuses {
		if m.code == e.Code {
			return m.status
		}
	}
	return http.StatusInternalServerError
}

// statuses maps codes to HTTP and back.
var statuses = [...]struct {
	code   mimi.Code
	status int
}{
	{mimi.BadRequest, http.StatusBadRequest},
	{mimi.NotAuthenticated, http.StatusUnauthorized},
	{mimi.Forbidden, http.StatusForbidden},
	{mimi.NotFound, http.StatusNotFound},
	{mimi.TooLarge, http.StatusRequestEntityTooLarge},
	{mimi.Misdirected, http.StatusMisdirectedRequest},
	{mimi.TooMany, http.StatusTooManyRequests},
	{mimi.Internal, http.StatusInternalServerError},
	{mimi.Unavailable, http.StatusServiceUnavailable},
	{mimi.OutOfStorage, http.StatusInsufficientStorage},
}
