package mimihttp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley/netguard"
	"parley/uri"
)

// AssetPeer is a provider whose assets may be fetched for others.
type AssetPeer struct {
	Provider uri.Provider
	// Hosts are its asset domains, as "host" (port 443) or "host:port"; empty: the provider's own domain.
	Hosts []string
	// Address is where its own domain is reached, where DNS is not enough: "host:port".
	Address string
	// Roots are the authorities of its TLS certificates; nil: those of the system.
	Roots *x509.CertPool
}

// hosts are the asset domains with their ports.
func (p *AssetPeer) hosts() []string {
	list := p.Hosts
	if len(list) == 0 {
		list = []string{p.Provider.Domain()}
		if _, port, err := net.SplitHostPort(p.Address); err == nil {
			list = append(list, p.Provider.Domain()+":"+port)
		}
	}
	out := make([]string, 0, len(list))
	for _, h := range list {
		h = strings.ToLower(h)
		if !strings.Contains(h, ":") {
			h += ":443"
		}
		out = append(out, h)
	}
	return out
}

// FetcherConfig configures a Fetcher.
type FetcherConfig struct {
	Peers []AssetPeer
	// Own are the own asset domains in the same form, served by Local; nil: there are none.
	Own   []string
	Local http.Handler
	// Guard dials whatever no operator has given an address of; nil: the usual one.
	Guard *netguard.Dialer
	// Dial opens connections to configured addresses; nil means net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// MaxSize is the largest asset that is passed on, in octets; 0 means 4 GiB + 16.
	MaxSize int64
	// CacheOctets bounds what is kept of small assets; 0 means 32 MiB, less than 0 nothing.
	CacheOctets int64
	// Now is the clock for certificates and the cache; nil means time.Now.
	Now func() time.Time
	Log *slog.Logger
}

// Fetcher fetches assets of peers for others: it is what proxyDownload and the Oblivious HTTP gateway have in common (§5.10.2,
// §5.10.3). It asks for nothing but asset domains of peers and dials public or configured addresses only; nothing of who asked goes
// with the request (P-PD-02, P-PD-04, P-PD-10, P-OH-03). It is safe for concurrent use.
type Fetcher struct {
	cfg     FetcherConfig
	own     []string
	clients map[string]*http.Client // by host:port
	cache   assetCache
}

// NewFetcher makes a Fetcher.
func NewFetcher(cfg FetcherConfig) *Fetcher {
	cfg.MaxSize = orDefault(cfg.MaxSize, 4<<30+16)
	cfg.CacheOctets = orDefault(cfg.CacheOctets, 32<<20)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Guard == nil {
		cfg.Guard = new(netguard.Dialer)
	}
	if cfg.Dial == nil {
		cfg.Dial = (&net.Dialer{Timeout: 10 * time.Second}).DialContext
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	f := &Fetcher{cfg: cfg, own: (&AssetPeer{Hosts: cfg.Own}).owned(), clients: make(map[string]*http.Client), cache: assetCache{most: cfg.CacheOctets}}
	for _, p := range cfg.Peers {
		client := f.client(p)
		for _, h := range p.hosts() {
			f.clients[h] = client
		}
	}
	return f
}

func (p *AssetPeer) owned() []string {
	if len(p.Hosts) == 0 {
		return nil
	}
	return p.hosts()
}

// client sends no certificate, no cookie and nothing that names us or who asked; it follows no redirect.
func (f *Fetcher) client(p AssetPeer) *http.Client {
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err == nil && p.Address != "" && strings.EqualFold(host, p.Provider.Domain()) {
			return f.cfg.Dial(ctx, network, p.Address)
		}
		return f.cfg.Guard.DialContext(ctx, network, address)
	}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: dial, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: p.Roots, Time: f.cfg.Now},
			TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 30 * time.Second,
			IdleConnTimeout: 90 * time.Second, MaxResponseHeaderBytes: 16 << 10, MaxConnsPerHost: mostConnections, DisableCompression: true,
			ReadBufferSize: bulkBuffer,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Close gives up idle connections.
func (f *Fetcher) Close() {
	for _, c := range f.clients {
		c.CloseIdleConnections()
	}
}

// The headers that are passed on, either way. All others stay behind.
var (
	assetRequestHeaders  = []string{"Range", "If-Range", "If-None-Match", "If-Modified-Since"}
	assetResponseHeaders = []string{"Content-Type", "Content-Length", "Content-Range", "Accept-Ranges", "Etag", "Last-Modified", "Cache-Control"}
)

// asset is one request for an asset.
type assetRequest struct {
	method string // GET or HEAD
	url    string
	header http.Header
}

// Serve answers a request for an asset. A failure is answered too, in plain HTTP (P-PD-03). It returns the status.
func (f *Fetcher) Serve(ctx context.Context, w http.ResponseWriter, method, target string, header http.Header) int {
	u, err := netguard.URL(target, false)
	if err != nil {
		return deny(w, http.StatusForbidden, "the URL is refused")
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	at := net.JoinHostPort(u.Hostname(), port)
	r := assetRequest{method, u.String(), make(http.Header)}
	for _, name := range assetRequestHeaders {
		if v := header.Get(name); v != "" {
			r.header.Set(name, v)
		}
	}
	if f.cfg.Local != nil && slices.Contains(f.own, at) {
		return f.local(ctx, w, u, r)
	}
	client, ok := f.clients[at]
	if !ok {
		return deny(w, http.StatusForbidden, "the host is no asset domain of a peer")
	}
	if status, ok := f.cache.serve(w, r, f.cfg.Now()); ok {
		return status
	}
	return f.remote(ctx, w, client, r)
}

// Owns tells whether a URL is of one of the own asset domains.
func (f *Fetcher) Owns(target string) bool {
	u, err := netguard.URL(target, false)
	if err != nil || f.cfg.Local == nil {
		return false
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return slices.Contains(f.own, net.JoinHostPort(u.Hostname(), port))
}

func (f *Fetcher) local(ctx context.Context, w http.ResponseWriter, u *url.URL, r assetRequest) int {
	request, err := http.NewRequestWithContext(ctx, r.method, u.String(), nil)
	if err != nil {
		return deny(w, http.StatusForbidden, "the URL is refused")
	}
	request.Header = r.header
	out := &statusWriter{ResponseWriter: w, status: http.StatusOK}
	f.cfg.Local.ServeHTTP(out, request)
	return out.status
}

// statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// remote streams what the asset's host answers.
func (f *Fetcher) remote(ctx context.Context, w http.ResponseWriter, client *http.Client, r assetRequest) int {
	request, err := http.NewRequestWithContext(ctx, r.method, r.url, nil)
	if err != nil {
		return deny(w, http.StatusForbidden, "the URL is refused")
	}
	request.Header = r.header
	request.Header.Set("User-Agent", "") // net/http would name itself
	response, err := client.Do(request)
	if err != nil {
		if errors.Is(err, netguard.ErrInside) {
			f.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "an asset domain of a peer leads inside", slog.String("host", request.URL.Hostname()))
			return deny(w, http.StatusForbidden, "the host is not public")
		}
		var slow net.Error
		if errors.As(err, &slow) && slow.Timeout() {
			return deny(w, http.StatusGatewayTimeout, "the asset's host did not answer in time")
		}
		return deny(w, http.StatusBadGateway, "the asset's host cannot be reached")
	}
	defer response.Body.Close()
	switch status := response.StatusCode; {
	case status == http.StatusOK, status == http.StatusPartialContent, status == http.StatusNotModified,
		status == http.StatusRequestedRangeNotSatisfiable:
	case status == http.StatusNotFound, status == http.StatusGone:
		return deny(w, http.StatusNotFound, "there is no such asset (any more)")
	case status == http.StatusForbidden, status == http.StatusUnauthorized:
		return deny(w, http.StatusForbidden, "the asset's host refuses")
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return deny(w, http.StatusServiceUnavailable, "the asset's host is busy")
	default: // redirects too
		return deny(w, http.StatusBadGateway, "the asset's host answered "+strconv.Itoa(status))
	}
	if response.Header.Get("Content-Encoding") != "" {
		return deny(w, http.StatusBadGateway, "the asset's host answered in an encoding that was not asked for")
	}
	if response.ContentLength > f.cfg.MaxSize {
		return deny(w, http.StatusBadGateway, "the asset is too large")
	}
	return f.pass(w, response, r)
}

func (f *Fetcher) pass(w http.ResponseWriter, response *http.Response, r assetRequest) int {
	for _, name := range assetResponseHeaders {
		if v := response.Header.Get(name); v != "" {
			w.Header().Set(name, v)
		}
	}
	w.WriteHeader(response.StatusCode)
	if r.method == http.MethodHead {
		return response.StatusCode
	}
	var out io.Writer = &pacedWriter{w: w, control: http.NewResponseController(w)}
	keep := f.cache.begin(response, r, f.cfg.Now())
	if keep != nil {
		out = io.MultiWriter(out, keep)
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{out}, io.LimitReader(response.Body, f.cfg.MaxSize+1), make([]byte, 128<<10))
	if err != nil || n > f.cfg.MaxSize || response.ContentLength >= 0 && n != response.ContentLength {
		cut(w)
		return response.StatusCode
	}
	if keep != nil {
		f.cache.put(r.url, keep)
	}
	return response.StatusCode
}

// cut breaks the answer off, so that it does not look complete. net/http knows one way to say so to a peer of either HTTP version.
func cut(w http.ResponseWriter) {
	if c, ok := w.(*capsule); ok {
		c.broken = true
		return
	}
	panic(http.ErrAbortHandler)
}

// pacedWriter gives whoever reads a time for each piece: a slow reader gets everything, one that stands still is given up.
type pacedWriter struct {
	w       io.Writer
	control *http.ResponseController
}

func (p *pacedWriter) Write(b []byte) (int, error) {
	if err := p.control.SetWriteDeadline(time.Now().Add(30 * time.Second)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return p.w.Write(b)
}

// deny answers in plain HTTP.
func deny(w http.ResponseWriter, status int, text string) int {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if _, err := io.WriteString(w, text); err != nil {
		return status
	}
	return status
}
