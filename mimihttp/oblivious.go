package mimihttp

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"parley/mimi"
	"parley/ohttp"
)

// Bounds of Oblivious HTTP. Answers are whole messages, so that large assets are fetched in parts: a client asks for ranges.
const (
	MaxObliviousRequest = 16 << 10
	MaxObliviousContent = 8 << 20                      // of one answer's content
	MaxObliviousAnswer  = MaxObliviousContent + 16<<10 // encapsulated
	gatewayPath         = "/.well-known/ohttp-gateway" // RFC 9540
	obliviousCacheable  = "private, no-store"          // of encapsulated answers
	keysCacheable       = "max-age=3600"               // of key configurations
)

// oblivious answers what a request decapsulates to. What was wrong inside of the capsule is answered inside (P-OH-06).
func (f *Fetcher) oblivious(ctx context.Context, octets []byte) *ohttp.Response {
	inner, err := ohttp.DecodeRequest(octets)
	if err != nil {
		return refusal(http.StatusBadRequest, "not a binary HTTP request")
	}
	switch {
	case inner.Method != http.MethodGet && inner.Method != http.MethodHead:
		return refusal(http.StatusMethodNotAllowed, "GET and HEAD are served")
	case !strings.EqualFold(inner.Scheme, "https"), len(inner.Content) > 0, !strings.HasPrefix(inner.Path, "/"):
		return refusal(http.StatusForbidden, "https only, without content")
	}
	authority := inner.Authority
	if authority == "" {
		authority = ohttp.Get(inner.Header, "host")
	}
	header := make(http.Header)
	for _, h := range inner.Header {
		header.Add(h.Name, h.Value)
	}
	w := &capsule{header: make(http.Header), status: http.StatusOK}
	f.Serve(ctx, w, inner.Method, "https://"+authority+inner.Path, header)
	if w.broken && !w.over {
		return refusal(http.StatusBadGateway, "the asset ended early")
	}
	if w.over {
		return refusal(http.StatusRequestEntityTooLarge, "ask for a range; an answer holds 8 MiB")
	}
	out := &ohttp.Response{Status: w.status, Content: w.body.Bytes()}
	for _, name := range assetResponseHeaders {
		if v := w.header.Get(name); v != "" {
			out.Header = append(out.Header, ohttp.Field{Name: strings.ToLower(name), Value: v})
		}
	}
	return out
}

func refusal(status int, text string) *ohttp.Response {
	return &ohttp.Response{Status: status, Content: []byte(text)}
}

// capsule collects an answer that goes into a message.
type capsule struct {
	header http.Header
	status int
	body   bytes.Buffer
	over   bool // too long
	broken bool // what is there is not all
}

func (c *capsule) Header() http.Header    { return c.header }
func (c *capsule) WriteHeader(status int) { c.status = status }

var errCapsule = errors.New("mimihttp: the answer does not fit into one message")

func (c *capsule) Write(b []byte) (int, error) {
	if c.body.Len()+len(b) > MaxObliviousContent {
		c.over = true
		return 0, errCapsule
	}
	return c.body.Write(b)
}

// Files is what a provider offers beside the endpoints: its own assets, the proxy and the Oblivious HTTP gateway.
type Files struct {
	Fetcher *Fetcher
	// Assets serves the own assets, below AssetPath, to anybody who knows their names.
	Assets http.Handler
	// Keys returns the gateway's keys, the one for new clients first.
	Keys func(ctx context.Context) ([]*ohttp.Key, error)
}

// Answer answers an encapsulated request.
func (f *Files) Answer(ctx context.Context, message []byte) ([]byte, error) {
	keys, err := f.Keys(ctx)
	if err != nil {
		return nil, err
	}
	request, answer, err := ohttp.Decapsulate(message, keys...)
	if err != nil {
		// RFC 9458 §5.2, §5.3: in the clear, and the client fetches the keys again.
		return nil, &mimi.Error{Code: mimi.BadRequest, Detail: "the request is for no key of this gateway", Err: err}
	}
	return answer.Seal(f.Fetcher.oblivious(ctx, request).Encode())
}

// AssetPath begins the paths of the own assets.
const AssetPath = "/asset/"

// files serves what belongs to files; served tells whether the path does.
func (x *exchange) files(path string) (served bool, err error) {
	proxy := endpointPrefix + mimi.ProxyDownload.Info().Member + "/"
	switch {
	case strings.HasPrefix(path, AssetPath):
		x.event.Endpoint = "asset"
		if err := x.only(http.MethodGet, http.MethodHead); err != nil {
			return true, err
		}
		out := &statusWriter{ResponseWriter: x.w, status: http.StatusOK}
		x.tenant.Files.Assets.ServeHTTP(out, x.r)
		x.event.Status = out.status
		return true, nil
	case strings.HasPrefix(path, proxy):
		x.event.Endpoint = mimi.ProxyDownload.String()
		return true, x.proxyDownload(path[len(proxy):])
	case path == gatewayPath:
		x.event.Endpoint = "ohttpGateway"
		return true, x.gateway()
	}
	return false, nil
}

// only refuses other methods.
func (x *exchange) only(methods ...string) error {
	for _, m := range methods {
		if x.r.Method == m {
			return nil
		}
	}
	x.w.Header().Set("Allow", strings.Join(methods, ", "))
	return errMethod
}

// admitDownload is admit for what is fetched for a peer. places bounds it over all callers; nil: nothing does but their own shares.
func (x *exchange) admitDownload(places chan struct{}) (release func(), err error) {
	s := x.server
	if s.cfg.Rate != nil {
		key := limiterKey{x.tenant.Provider, x.caller, mimi.ProxyDownload}
		if wait := s.limiters.take(key, s.cfg.Rate(mimi.ProxyDownload)); wait > 0 {
			return nil, &mimi.Error{Code: mimi.TooMany, Detail: "rate limit", RetryAfter: wait}
		}
	}
	done, ok := s.downloads.take(callerKey{x.tenant.Provider, x.caller}, 0)
	if !ok {
		return nil, &mimi.Error{Code: mimi.TooMany, Detail: "too many downloads of this provider at once", RetryAfter: time.Second}
	}
	if places == nil {
		return done, nil
	}
	select {
	case places <- struct{}{}:
		return func() { <-places; done() }, nil
	default:
		done()
		return nil, &mimi.Error{Code: mimi.Unavailable, Detail: "too much to do", RetryAfter: time.Second}
	}
}

// proxyDownload fetches an asset for a peer (§5.10.2).
func (x *exchange) proxyDownload(value string) error {
	if err := x.authenticate(); err != nil {
		return err
	}
	if err := x.only(http.MethodGet, http.MethodHead); err != nil {
		return err
	}
	target, err := unescape(value)
	if err != nil || x.r.URL.RawQuery != "" {
		return mimi.Errorf(mimi.BadRequest, "path does not hold one escaped URL")
	}
	release, err := x.admitDownload(nil)
	if err != nil {
		return err
	}
	defer release()
	x.event.Status = x.tenant.Files.Fetcher.Serve(x.r.Context(), x.w, x.r.Method, target, x.r.Header)
	return nil
}

// gateway serves the keys to anybody and requests to peers' relays (§5.10.3, RFC 9540).
func (x *exchange) gateway() error {
	if x.r.Method == http.MethodGet || x.r.Method == http.MethodHead {
		keys, err := x.tenant.Files.Keys(x.r.Context())
		if err != nil {
			return err
		}
		x.w.Header().Set("Cache-Control", keysCacheable)
		x.respond(http.StatusOK, ohttp.TypeKeys, ohttp.Keys(keys...))
		return nil
	}
	if err := x.only(http.MethodGet, http.MethodHead, http.MethodPost); err != nil {
		return err
	}
	if err := x.authenticate(); err != nil {
		return err
	}
	if x.r.Header.Get("Content-Type") != ohttp.TypeRequest {
		return mimi.Errorf(mimi.BadRequest, "content is not "+ohttp.TypeRequest)
	}
	release, err := x.admitDownload(x.server.capsules)
	if err != nil {
		return err
	}
	defer release()
	body, err := x.body(MaxObliviousRequest)
	x.event.BytesIn = int64(len(body))
	if err != nil {
		return err
	}
	sealed, err := x.tenant.Files.Answer(x.r.Context(), body)
	if err != nil {
		return err
	}
	x.w.Header().Set("Cache-Control", obliviousCacheable)
	x.respond(http.StatusOK, ohttp.TypeResponse, sealed)
	return nil
}
