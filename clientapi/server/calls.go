package server

import (
	"context"
	"math"

	"parley/clientapi/api"
	"parley/identity"
	"parley/mimi"
	"parley/mls/wire"
	"parley/syntax"
	"parley/uri"
)

func (c *call) enrol() (any, error) {
	var r api.EnrolRequest
	if err := c.readJSON(&r); err != nil {
		return nil, err
	}
	key, err := api.CheckSigningRequest(r.CSR, wire.CipherSuite(r.Suite))
	if err != nil {
		return nil, badKey(err)
	}
	return found(c.Enrol(c.ctx, &r, key))
}

func (c *call) renew() (any, error) {
	var r api.RenewRequest
	if err := c.readJSON(&r); err != nil {
		return nil, err
	}
	key, err := api.CheckSigningRequest(r.CSR, wire.CipherSuite(r.Suite))
	if err != nil {
		return nil, badKey(err)
	}
	return found(c.Renew(c.ctx, c.device, &r, key))
}

// badKey repeats the reason: it says nothing but which rule the request broke.
func badKey(err error) error { return &api.Error{Code: api.BadRequest, Detail: err.Error()} }

func (c *call) self() (any, error) { return found(c.Self(c.ctx, c.device)) }

func (c *call) authorities() (any, error) {
	var p uri.Provider
	if text, ok := c.query[api.ParamProvider]; ok {
		var err error
		if p, err = uri.ParseProvider(text); err != nil {
			return nil, refusal(api.BadRequest, "provider is not a provider URI")
		}
	}
	return found(c.Authorities(c.ctx, p))
}

func (c *call) publishKeyPackages() (any, error) {
	var r api.KeyPackages
	if err := c.readTLS(&r); err != nil {
		return nil, err
	}
	if n := len(r.KeyPackages); n == 0 || n > api.MaxKeyPackages {
		return nil, refusal(api.BadRequest, "no KeyPackages, or too many in one request")
	}
	if err := c.PublishKeyPackages(c.ctx, c.device, &r); err != nil {
		return nil, err
	}
	return c.countKeyPackages()
}

func (c *call) countKeyPackages() (any, error) { return found(c.CountKeyPackages(c.ctx, c.device)) }

func (c *call) createRoom() (any, error) {
	room, err := c.room()
	if err != nil {
		return nil, err
	}
	var r api.CreateRoom
	if err := c.readTLS(&r); err != nil {
		return nil, err
	}
	return found(c.CreateRoom(c.ctx, c.device, room, &r))
}

func (c *call) keyMaterial() (any, error) {
	target, err := uri.ParseUser(c.query[api.ParamUser])
	if err != nil {
		return nil, refusal(api.BadRequest, "user is not a user URI")
	}
	return forward(c, target, c.Server.KeyMaterial)
}

func (c *call) update() (any, error)    { return forwardRoom(c, c.Server.Update) }
func (c *call) groupInfo() (any, error) { return forwardRoom(c, c.Server.GroupInfo) }

// submitMessages takes messages in their order and answers as many as were judged.
func (c *call) submitMessages() (any, error) {
	room, err := c.room()
	if err != nil {
		return nil, err
	}
	var r api.SubmitMessages
	if err := c.readTLS(&r); err != nil {
		return nil, err
	}
	if n := len(r.Requests); n == 0 || n > api.MaxMessages {
		return nil, refusal(api.BadRequest, "no messages, or too many in one request")
	}
	requests := make([]*mimi.SubmitMessageRequest, len(r.Requests))
	for i := range r.Requests {
		requests[i] = &r.Requests[i]
	}
	answers, err := c.SubmitMessages(c.ctx, c.device, room, requests)
	if err != nil {
		return nil, err
	}
	if len(answers) == 0 || len(answers) > len(requests) {
		return nil, errNoAnswer
	}
	out := new(api.MessagesSubmitted)
	for _, a := range answers {
		out.Answers = append(out.Answers, *a)
	}
	return out, nil
}

func (c *call) ack() (any, error) {
	var r api.Ack
	if err := c.readJSON(&r); err != nil {
		return nil, err
	}
	if r.Cursor > math.MaxInt64 {
		return nil, refusal(api.BadRequest, "cursor is out of range")
	}
	return nil, c.Ack(c.ctx, c.device, r.Cursor)
}

// structure is a pointer to a wire type.
type structure[T any] interface {
	*T
	syntax.Value
}

func forwardRoom[Q, A any, PQ structure[Q], PA structure[A]](c *call,
	ask func(context.Context, identity.Device, uri.Room, PQ) (PA, error)) (any, error) {
	room, err := c.room()
	if err != nil {
		return nil, err
	}
	return forward[Q, A](c, room, ask)
}

// forward decodes a structure and asks with it.
func forward[Q, A any, PQ structure[Q], PA structure[A], To any](c *call, to To,
	ask func(context.Context, identity.Device, To, PQ) (PA, error)) (any, error) {
	r := PQ(new(Q))
	if err := c.readTLS(r); err != nil {
		return nil, err
	}
	return found(ask(c.ctx, c.device, to, r))
}

// found keeps a nil pointer from becoming an answer.
func found[T any](answer *T, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	if answer == nil {
		return nil, errNoAnswer
	}
	return answer, nil
}

// room is the room that the request is about.
func (c *call) room() (uri.Room, error) {
	room, err := uri.ParseRoom(c.query[api.ParamRoom])
	if err != nil {
		return uri.Room{}, refusal(api.BadRequest, "room is not a room URI")
	}
	return room, nil
}
