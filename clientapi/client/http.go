//go:build !js

package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"parley/clientapi/api"
)

// HTTPConfig tells how the provider is reached. Only Origin is required.
type HTTPConfig struct {
	// Origin is the provider's URL for clients, without a path: https://chat.a.example or https://127.0.0.1:8443.
	Origin string
	// Roots are the authorities of the provider's TLS certificate; nil means those of the system. See ReadRoots.
	Roots *x509.CertPool
	// Dial opens connections; nil means net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Now is the clock for certificates; nil means time.Now.
	Now func() time.Time
}

// ErrOrigin means that a provider's URL is not one.
var ErrOrigin = errors.New("clientapi: the provider's URL must be https://host or https://host:port")

// ErrRoots means that a file holds no certificate.
var ErrRoots = errors.New("clientapi: the file of authorities holds no PEM certificate")

// ReadRoots reads a file of PEM certificates, for HTTPConfig.Roots.
func ReadRoots(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, ErrRoots
	}
	return pool, nil
}

// HTTP makes a Transport of net/http: TLS 1.3, HTTP/2 where the provider has it. close gives up idle connections.
func HTTP(cfg HTTPConfig) (t Transport, closeIdle func(), err error) {
	origin, err := url.Parse(cfg.Origin)
	if err != nil || origin.Scheme != "https" || origin.Host == "" || origin.User != nil || origin.Opaque != "" ||
		origin.Path != "" && origin.Path != "/" || origin.RawQuery != "" || origin.ForceQuery || origin.Fragment != "" {
		return nil, nil, ErrOrigin
	}
	if cfg.Dial == nil {
		cfg.Dial = (&net.Dialer{Timeout: 10 * time.Second}).DialContext
	}
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            cfg.Dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: cfg.Roots, Time: cfg.Now},
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    10 * time.Second,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 16 << 10,
		DisableCompression:     true,
		// A connection that died without a word is found out while a stream is silent.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
	}
	// Files go over HTTP/1.1: it moves octets in half the processor time, and does not hold up what else there is to say.
	bulk := transport.Clone()
	bulk.ForceAttemptHTTP2, bulk.HTTP2, bulk.ReadBufferSize, bulk.WriteBufferSize = false, nil, 128<<10, 128<<10
	bulk.TLSClientConfig.NextProtos = []string{"http/1.1"}
	client := func(t *http.Transport) *http.Client {
		return &http.Client{Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	messages, files, base := client(transport), client(bulk), "https://"+origin.Host
	do := func(ctx context.Context, r *Request) (*Response, error) {
		if strings.HasPrefix(r.Path, api.FilesPrefix) {
			return roundTrip(ctx, files, base, r)
		}
		return roundTrip(ctx, messages, base, r)
	}
	return do, func() { transport.CloseIdleConnections(); bulk.CloseIdleConnections() }, nil
}

func roundTrip(ctx context.Context, c *http.Client, base string, r *Request) (*Response, error) {
	target := base + r.Path
	if r.Query != "" {
		target += "?" + r.Query
	}
	var content io.Reader
	if r.Body != nil {
		content = bytes.NewReader(r.Body)
	}
	request, err := http.NewRequestWithContext(ctx, r.Method, target, content)
	if err != nil {
		return nil, errors.New("clientapi: the request cannot be made") // the cause would name the URL
	}
	if r.Token != "" {
		request.Header.Set("Authorization", "Bearer "+r.Token)
	}
	if r.Body != nil {
		request.Header.Set("Content-Type", r.Type)
	}
	if r.Range != "" {
		request.Header.Set("Range", r.Range)
	}
	request.Header.Set("User-Agent", "parley")
	request.Header.Set("Accept", api.TypeTLS+", "+api.TypeJSON+", "+api.TypeStream)
	response, err := c.Do(request)
	if err != nil {
		return nil, unreachable(ctx, err)
	}
	end := func() error { return response.Body.Close() }
	if ctx.Err() != nil {
		return nil, errors.Join(ctx.Err(), end())
	}
	return &Response{Status: response.StatusCode, RetryAfter: response.Header.Get("Retry-After"), Range: response.Header.Get("Content-Range"), Body: body{response.Body, end}}, nil
}

// body is the body of an answer, closed by whoever reads it.
type body struct {
	io.Reader
	end func() error
}

func (b body) Close() error { return b.end() }

// unreachable keeps the cause and drops the URL, which names rooms and users.
func unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return fmt.Errorf("clientapi: the provider cannot be reached: %w", err)
}
