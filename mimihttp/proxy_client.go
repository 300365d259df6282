package mimihttp

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"time"

	"parley/mimi"
	"parley/netguard"
	"parley/ohttp"
)

func unescape(value string) (string, error) { return url.PathUnescape(value) }

// Download is an asset as it comes.
type Download struct {
	Status int
	Header http.Header
	Body   io.ReadCloser
}

// ProxyDownload asks the peer, as a hub, to fetch an asset (§5.10.2). The request names the URL, and neither a room nor a user
// (P-PD-05). header gives ranges and conditions. What the peer answers is passed on as it is, failures too; the caller closes Body.
func (c *Client) ProxyDownload(ctx context.Context, target string, header http.Header) (*Download, error) {
	template, err := c.template(ctx, mimi.ProxyDownload)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, template.Expand(target), nil)
	if err != nil {
		return nil, &mimi.Error{Code: mimi.NotFound, Detail: "peer's URL cannot be used", Err: ErrTemplate}
	}
	for _, name := range assetRequestHeaders {
		if v := header.Get(name); v != "" {
			request.Header.Set(name, v)
		}
	}
	if c.cfg.HostIsProvider {
		request.Host = c.cfg.Peer.Domain()
	}
	request.Header.Set(headerFrom, fromOf(c.cfg.Self))
	start := time.Now()
	event := TraceEvent{Time: c.cfg.Now(), Side: ClientSide, Self: c.cfg.Self, Peer: c.cfg.Peer, Endpoint: mimi.ProxyDownload.String()}
	response, err := c.bulk.Do(request)
	event.Duration = time.Since(start)
	if err != nil {
		err = unreachable(ctx, err)
		event.Reason = asError(err).Error()
	} else {
		event.Status = response.StatusCode
	}
	if c.cfg.Trace != nil {
		c.cfg.Trace(event)
	}
	if err != nil {
		return nil, err
	}
	out := &Download{Status: response.StatusCode, Header: make(http.Header), Body: response.Body}
	for _, name := range assetResponseHeaders {
		if v := response.Header.Get(name); v != "" {
			out.Header.Set(name, v)
		}
	}
	return out, nil
}

// ObliviousKeys fetches the key configurations of the peer's gateway.
func (c *Client) ObliviousKeys(ctx context.Context) ([]byte, error) {
	d, err := c.oblivious(ctx)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.keys, nil)
	if err != nil {
		return nil, &mimi.Error{Code: mimi.NotFound, Detail: "peer's URL cannot be used", Err: ErrTemplate}
	}
	request.Header.Set("Accept", ohttp.TypeKeys)
	return c.whole(request, "ohttpKeys", 0, maxDirectory)
}

// Relay passes an encapsulated request on to the peer's gateway, with nothing that tells of the client (P-OH-07).
func (c *Client) Relay(ctx context.Context, message []byte) ([]byte, error) {
	d, err := c.oblivious(ctx)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, d.gateway, bytes.NewReader(message))
	if err != nil {
		return nil, &mimi.Error{Code: mimi.NotFound, Detail: "peer's URL cannot be used", Err: ErrTemplate}
	}
	request.Header.Set("Content-Type", ohttp.TypeRequest)
	request.Header.Set("Accept", ohttp.TypeResponse)
	return c.whole(request, "ohttpGateway", int64(len(message)), MaxObliviousAnswer)
}

func (c *Client) oblivious(ctx context.Context) (*directory, error) {
	d, err := c.current(ctx, false)
	if err != nil {
		return nil, err
	}
	if d.gateway == "" || d.keys == "" {
		return nil, &mimi.Error{Code: mimi.NotFound, Detail: "peer has no gateway for Oblivious HTTP", Err: ErrNotOffered}
	}
	return d, nil
}

func (c *Client) whole(request *http.Request, name string, sent, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(request.Context(), c.cfg.Timeout)
	defer cancel()
	data, response, err := c.exchange(request.WithContext(ctx), name, sent, limit)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, c.failure(response)
	}
	return data, nil
}

// The directory's members of Oblivious HTTP.
const (
	gatewayMember = "ohttpGateway"
	keysMember    = "ohttpKeys"
)

// onPeer reads a URL of the directory that has no variable. It has to be one of the provider's own domain.
func (c *Client) onPeer(text string) string {
	u, err := netguard.URL(text, false)
	if err != nil || u.Hostname() != c.cfg.Peer.Domain() {
		return ""
	}
	return u.String()
}
