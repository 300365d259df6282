package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"parley/client"
	"parley/clientapi/api"
	"parley/mimi"
	"parley/syntax"
	"parley/uri"
)

// Timeout bounds one request. It is longer than the provider takes to find out that another one does not answer.
const Timeout = 60 * time.Second

// Client speaks to the provider for one enrolled client. It implements client.Provider (parley/client) and is safe for concurrent
// use.
type Client struct {
	transport Transport
	token     string
	provider  uri.Provider
}

// New makes a Client for the holder of a token. provider is the client's own one; it is named where it does not answer.
func New(t Transport, provider uri.Provider, token string) *Client {
	return &Client{transport: t, token: token, provider: provider}
}

// errAnswer means that the provider answered with something that is no answer to the request. What became of the request is not
// known, so the error is always wrapped in a *client.RetryError.
var errAnswer = errors.New("clientapi: the provider's answer is not understood")

// query makes a query of pairs of name and value.
func query(pairs ...string) string {
	v := make(url.Values)
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v.Encode()
}

// askTLS sends a structure and reads another.
func (c *Client) askTLS(ctx context.Context, path, query string, request, answer syntax.Value) error {
	body, err := syntax.Marshal(request)
	if err != nil {
		return fmt.Errorf("clientapi: the request does not encode: %w", err)
	}
	data, err := c.call(ctx, Timeout, &Request{Method: "POST", Path: path, Query: query, Type: api.TypeTLS, Body: body})
	if err != nil {
		return err
	}
	return c.understood(mimi.Limits(len(data)).Unmarshal(data, answer))
}

// askJSON sends an object, or nothing when request is nil, and reads another unless answer is nil. Members that this version does
// not know are ignored.
func (c *Client) askJSON(ctx context.Context, r *Request, request, answer any) error {
	if request != nil {
		body, err := json.Marshal(request)
		if err != nil {
			return fmt.Errorf("clientapi: the request does not encode: %w", err)
		}
		r.Type, r.Body = api.TypeJSON, body
	}
	data, err := c.call(ctx, Timeout, r)
	if err != nil || answer == nil {
		return err
	}
	return c.understood(json.Unmarshal(data, answer))
}

func (c *Client) understood(err error) error {
	if err == nil {
		return nil
	}
	return c.retry(0, fmt.Errorf("%w: %w", errAnswer, err))
}

// call sends a request and returns the body of a good answer.
func (c *Client) call(ctx context.Context, limit time.Duration, r *Request) ([]byte, error) {
	inTime, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	response, err := c.open(inTime, r)
	if err != nil {
		return nil, c.ended(ctx, err)
	}
	defer response.Body.Close()
	data, err := readAll(response.Body, api.MaxAnswer)
	if err != nil {
		return nil, c.ended(ctx, c.retry(0, err))
	}
	return data, nil
}

// ended tells a caller that has given up so; its request may have been carried out all the same.
func (c *Client) ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// open sends a request and returns the answer when it is a good one.
func (c *Client) open(ctx context.Context, r *Request) (*Response, error) {
	r.Token = c.token
	response, err := c.transport(ctx, r)
	if err != nil {
		return nil, c.retry(0, err)
	}
	if response.Status/100 == 2 {
		return response, nil
	}
	defer response.Body.Close()
	return nil, c.refused(response)
}

// refused tells a definite refusal from a failure that may pass. Only a status of 4xx is a refusal: after anything else nobody
// knows what became of the request.
func (c *Client) refused(response *Response) error {
	e := new(api.Error)
	data, err := readAll(response.Body, api.MaxJSON)
	if err != nil || json.Unmarshal(data, e) != nil || e.Code == "" {
		// A proxy in front of the provider, perhaps; its words are not for people.
		e = &api.Error{Code: codeOf(response.Status), Detail: "the provider answered " + strconv.Itoa(response.Status)}
	}
	after := retryAfter(response.RetryAfter)
	if after == 0 {
		after = time.Duration(min(max(e.RetryAfter, 0), api.MaxRetryAfter)) * time.Second
	}
	switch status := response.Status; {
	case status/100 != 4, status == 408, status == 425, status == 429:
		retry := c.retry(after, e)
		if p, err := uri.ProviderFromDomain(e.Waiting); err == nil {
			retry.Waiting = p.Domain()
		}
		return retry
	}
	return e
}

func codeOf(status int) api.Code {
	switch status {
	case 401:
		return api.Unauthenticated
	case 403:
		return api.Forbidden
	case 404:
		return api.NotFound
	case 405:
		return api.BadMethod
	case 409:
		return api.Conflict
	case 413:
		return api.TooLarge
	case 429:
		return api.TooMany
	case 502, 503, 504:
		return api.Unavailable
	}
	if status/100 == 4 {
		return api.BadRequest
	}
	return api.Internal
}

// retry says that the own provider is waited for.
func (c *Client) retry(after time.Duration, err error) *client.RetryError {
	return &client.RetryError{After: after, Waiting: c.provider.Domain(), Err: err}
}

// retryAfter reads seconds (RFC 9110 §10.2.3). The other form, a date, would need a clock and is not sent by Parley.
func retryAfter(text string) time.Duration {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(min(n, api.MaxRetryAfter)) * time.Second
}

// readAll reads a body that must not be longer than limit.
func readAll(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: too long", errAnswer)
	}
	return data, nil
}
