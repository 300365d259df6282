package mimihttp

import (
	"context"

	"parley/mimi"
	"parley/mls/wire"
	"parley/syntax"
	"parley/uri"
)

// dispatch decodes a body, calls the service and encodes its answer. Nothing is called unless path and body are right.
func dispatch(ctx context.Context, service mimi.Service, endpoint mimi.Endpoint, target uri.URI, body []byte, event *TraceEvent) ([]byte, error) {
	if endpoint == mimi.KeyMaterial {
		return keyMaterial(ctx, service, target, body)
	}
	room, ok := target.AsRoom()
	if !ok {
		return nil, mimi.Errorf(mimi.BadRequest, "path does not name a room")
	}
	switch endpoint {
	case mimi.Update:
		r := new(mimi.UpdateRequest)
		if err := decode(body, r); err != nil {
			return nil, err
		}
		event.Epoch = epochOf(&r.Message)
		return encode(service.Update(ctx, room, r))
	case mimi.SubmitMessage:
		r := new(mimi.SubmitMessageRequest)
		if err := decode(body, r); err != nil {
			return nil, err
		}
		if err := r.Validate(); err != nil {
			return nil, invalid(err)
		}
		event.Epoch = epochOf(&r.Message)
		return encode(service.SubmitMessage(ctx, room, r))
	case mimi.Notify:
		r := new(mimi.NotifyBody)
		if err := decode(body, r); err != nil {
			return nil, err
		}
		for i := range r.Items {
			if event.Epoch = epochOf(&r.Items[i].Message); event.Epoch != nil {
				break
			}
		}
		return nil, service.Notify(ctx, room, r)
	case mimi.GroupInfo:
		r := new(mimi.GroupInfoRequest)
		if err := decode(body, r); err != nil {
			return nil, err
		}
		return encode(service.GroupInfo(ctx, room, r))
	}
	return nil, mimi.Errorf(mimi.NotFound, "no such endpoint")
}

func keyMaterial(ctx context.Context, service mimi.Service, target uri.URI, body []byte) ([]byte, error) {
	user, ok := target.AsUser()
	if !ok {
		return nil, mimi.Errorf(mimi.BadRequest, "path does not name a user")
	}
	r := new(mimi.KeyMaterialRequest)
	if err := decode(body, r); err != nil {
		if answer, ok := mimi.AnswerUnknownProtocol(body); ok && uri.Equal(answer.User, user.String()) {
			return encode(answer, nil)
		}
		return nil, err
	}
	if err := r.Validate(); err != nil {
		return nil, invalid(err)
	}
	if !uri.Equal(r.TargetUser, user.String()) {
		return nil, mimi.Errorf(mimi.BadRequest, "path and body name different users") // P-KM-06
	}
	return encode(service.KeyMaterial(ctx, user, r))
}

func decode(body []byte, v syntax.Value) error {
	if err := mimi.Limits(len(body)).Unmarshal(body, v); err != nil {
		return &mimi.Error{Code: mimi.BadRequest, Detail: "body does not decode: " + err.Error(), Err: err}
	}
	return nil
}

func invalid(err error) error {
	return &mimi.Error{Code: mimi.BadRequest, Detail: err.Error(), Err: err}
}

func encode[T any, P interface {
	*T
	syntax.Value
}](answer P, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	if answer == nil {
		return nil, &mimi.Error{Code: mimi.Internal, Detail: "no answer"}
	}
	return syntax.Marshal(answer)
}

// epochOf is the epoch that a message names in the clear; nil for one without.
func epochOf(m *wire.Message) *uint64 {
	var epoch uint64 // a copy: the event must not keep the message
	switch {
	case m.Private != nil:
		epoch = m.Private.Epoch
	case m.Public != nil:
		epoch = m.Public.Content.Epoch
	default:
		return nil
	}
	return &epoch
}
