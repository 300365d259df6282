package mimihttp

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"parley/mimi"
	"parley/uri"
)

// template returns the URL of an endpoint, fetching the directory when it is not there or too old. A directory that cannot be
// renewed is used on.
func (c *Client) template(ctx context.Context, e mimi.Endpoint) (uri.Template, error) {
	d, err := c.current(ctx, false)
	if err != nil {
		return uri.Template{}, err
	}
	t, err := d.template(e)
	if err != nil {
		return uri.Template{}, &mimi.Error{Code: mimi.NotFound, Detail: "peer does not offer " + e.String(), Err: err}
	}
	return t, nil
}

// moved fetches the directory because an endpoint seems gone, at most once a minute, and returns the endpoint's URL if it is another
// one than before.
func (c *Client) moved(ctx context.Context, e mimi.Endpoint, before uri.Template) (uri.Template, bool) {
	now := c.cfg.Now()
	c.mu.Lock()
	soon := !c.forced.IsZero() && now.Sub(c.forced) < minDirectoryAge
	if !soon {
		c.forced = now
	}
	c.mu.Unlock()
	d, err := c.current(ctx, !soon)
	if err != nil {
		return uri.Template{}, false
	}
	t, err := d.template(e)
	return t, err == nil && t != before
}

// current returns the directory. Callers that come while it is being fetched wait for that one fetch.
func (c *Client) current(ctx context.Context, force bool) (*directory, error) {
	for {
		c.mu.Lock()
		now := c.cfg.Now()
		if c.dir != nil && !force && now.Before(c.dir.until) {
			defer c.mu.Unlock()
			return c.dir, nil
		}
		if c.loading == nil {
			c.loading = make(chan struct{})
			c.mu.Unlock()
			return c.load(ctx)
		}
		loading := c.loading
		c.mu.Unlock()
		select {
		case <-loading:
			force = false
		case <-ctx.Done():
			return nil, &mimi.Error{Code: mimi.Unavailable, Detail: "peer did not answer in time", Err: ctx.Err()}
		}
	}
}

// load fetches the directory for everybody who waits. The caller has set loading.
func (c *Client) load(ctx context.Context) (*directory, error) {
	d, err := c.fetch(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.loading)
	c.loading = nil
	if err == nil {
		c.dir = d
		return d, nil
	}
	if c.dir != nil && !errors.Is(err, context.Canceled) {
		c.dir.until = c.cfg.Now().Add(minDirectoryAge) // the old one is better than none
		return c.dir, nil
	}
	return nil, err
}

func (c *Client) fetch(ctx context.Context) (*directory, error) {
	ctx, cancel := context.WithTimeout(ctx, directoryTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+c.cfg.Peer.Domain()+directoryPath, nil)
	if err != nil {
		return nil, &mimi.Error{Code: mimi.Internal, Detail: "peer's domain makes no URL", Err: err}
	}
	req.Header.Set("Accept", "application/json")
	data, resp, err := c.exchange(req, "directory", 0, maxDirectory)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		failure := c.failure(resp)
		return nil, &mimi.Error{Code: mimi.Unavailable, Detail: "peer answered " + strconv.Itoa(resp.StatusCode) + " for its directory",
			RetryAfter: failure.RetryAfter, Err: ErrDirectory}
	}
	d, err := parseDirectory(data)
	if err != nil {
		return nil, &mimi.Error{Code: mimi.NotFound, Detail: "peer's directory is of no use", Err: err}
	}
	d.gateway, d.keys = c.onPeer(d.gateway), c.onPeer(d.keys)
	for e := range d.refused {
		c.cfg.Log.Error("peer's URL for an endpoint is refused", "peer", c.cfg.Peer.Domain(), "endpoint", e.String())
	}
	d.until = c.cfg.Now().Add(keepFor(resp.Header))
	return d, nil
}
