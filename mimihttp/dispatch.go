package mimihttp

import (
	"context"

	"parley/mimi"
	"parley/syntax"
	"parley/uri"
)

// dispatch decodes a body, calls the service and encodes its answer. Nothing is called unless path and body are right.
func dispatch(ctx context.Context, service mimi.Service, endpoint mimi.Endpoint, target uri.URI, body []byte) ([]byte, error) {
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
		return encode(service.Update(ctx, room, r))
	case mimi.SubmitMessage:
		r := new(mimi.SubmitMessageRequest)
		if err := decode(body, r); err != nil {
			return nil, err
		}
		if err := r.Validate(); err != nil {
			return nil, invalid(err)
		}
		return encode(service.SubmitMessage(ctx, room, r))
	case mimi.Notify:
		r := new(mimi.NotifyBody)
		if err := decode(body, r); err != nil {
			return nil, err
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
