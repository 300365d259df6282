package client

import (
	"context"
	"io"
)

// Request is one request to the provider.
type Request struct {
	Method string
	Path   string // one of package api's
	Query  string // encoded
	Token  string // empty: none
	Type   string // media type of Body
	Body   []byte // nil: none
	Range  string // header, for assets; empty: none
}

// Response is the provider's answer as far as its head has come. Whoever gets it closes Body.
type Response struct {
	Status     int
	RetryAfter string // header
	Range      string // header Content-Range
	Body       io.ReadCloser
}

// Transport sends a request to the provider over a connection that is private and on which the provider proved who it is. The
// error tells that no answer came; it is ctx.Err() when the context ended. A Transport follows no redirects and is safe for
// concurrent use.
type Transport func(ctx context.Context, r *Request) (*Response, error)
