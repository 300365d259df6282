package server

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"strconv"
	"time"

	"parley/clientapi/api"
	"parley/mimi"
	"parley/uri"
)

var (
	// errGone means that the answer could not be delivered and that nothing more can be said.
	errGone     = errors.New("clientapi: the client went away")
	errNoAnswer = errors.New("clientapi: a function returned neither an answer nor an error")
)

func refusal(code api.Code, detail string) *api.Error { return &api.Error{Code: code, Detail: detail} }

// fail answers with an error, unless the answer has begun. That the client seems to be gone changes nothing: without an answer
// net/http would send a 200. What is not a refusal meant for the client is logged, without anything of the request but its route.
func (c *call) fail(err error) {
	if c.began {
		return
	}
	e := c.toAPI(err)
	if e.Code == api.Internal {
		c.logFailure("client request failed", err)
	}
	if e.RetryAfter > 0 {
		c.w.Header().Set("Retry-After", strconv.Itoa(e.RetryAfter))
	}
	if e.Code == api.Unauthenticated {
		c.w.Header().Set("WWW-Authenticate", "Bearer")
	}
	body, err := json.Marshal(e)
	if err == nil {
		err = c.write(e.Code.Status(), api.TypeJSON, body)
	}
	if err != nil && !errors.Is(err, errGone) {
		c.logFailure("error could not be encoded", err)
	}
}

func (c *call) logFailure(what string, err error) {
	attrs := []slog.Attr{slog.String("route", c.route.Path), slog.String("error", err.Error())}
	var refused *mimi.Error
	if errors.As(err, &refused) && refused.Err != nil {
		attrs = append(attrs, slog.String("cause", refused.Err.Error()))
	}
	c.Log.LogAttrs(c.r.Context(), slog.LevelError, what, attrs...)
}

// toAPI finds what the client should know of an error.
func (c *call) toAPI(err error) *api.Error {
	var own *api.Error
	if errors.As(err, &own) {
		return own
	}
	var refused *mimi.Error
	if errors.As(err, &refused) {
		return FromMIMI(refused)
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, errGone) {
		return &api.Error{Code: api.Unavailable, Detail: "the operation was not finished; repeat it", RetryAfter: 1}
	}
	return &api.Error{Code: api.Internal, Detail: "the provider failed; its operator finds the cause in the log"}
}

// FromPeer carries the failure of another provider over to a client, which learns that it waits for that one. Refusals stay what they
// are; but that the other one does not accept our certificate is nothing that a client could mend by giving up.
func FromPeer(peer uri.Provider, e *mimi.Error) *api.Error {
	out := FromMIMI(e)
	switch e.Code {
	case mimi.Internal, mimi.Unavailable, mimi.NotAuthenticated:
		out.Code = api.PeerUnreachable
	case mimi.TooMany, mimi.OutOfStorage:
	default:
		return out
	}
	out.Waiting = peer.Domain()
	return out
}

// FromMIMI carries a refusal of a role over to a client.
func FromMIMI(e *mimi.Error) *api.Error {
	codes := map[mimi.Code]api.Code{
		mimi.BadRequest: api.BadRequest, mimi.NotAuthenticated: api.Forbidden, mimi.Forbidden: api.Forbidden,
		mimi.NotFound: api.NotFound, mimi.TooLarge: api.TooLarge, mimi.Misdirected: api.NotFound, mimi.TooMany: api.TooMany,
		mimi.Unavailable: api.Unavailable, mimi.OutOfStorage: api.OutOfStorage,
	}
	code, ok := codes[e.Code]
	if !ok {
		code = api.Internal
	}
	seconds := math.Ceil(float64(e.RetryAfter) / float64(time.Second))
	return &api.Error{Code: code, Detail: e.Detail, RetryAfter: int(min(seconds, api.MaxRetryAfter))}
}
