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
	switch endpoint {
	case mimi.KeyMaterial:
		return keyMaterial(ctx, service, target, body)
	case mimi.RequestConsent, mimi.UpdateConsent:
		return nil, consent(ctx, service, endpoint, target, body)
	case mimi.IdentifierQuery:
		return identifierQuery(ctx, service, target, body)
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
	case mimi.ReportAbuse:
		r := new(mimi.AbuseReport)
		if err := decode(body, r); err != nil {
			return nil, err
		}
		if err := r.Validate(nil); err != nil {
			return nil, invalid(err)
		}
		return nil, service.ReportAbuse(ctx, room, r)
	}
	return nil, mimi.Errorf(mimi.NotFound, "no such endpoint")
}

// consent takes one entry, of the kind that the endpoint takes (P-CO-02, P-CO-03), at the provider that the path names.
func consent(ctx context.Context, service mimi.Service, endpoint mimi.Endpoint, target uri.URI, body []byte) error {
	r := new(mimi.ConsentEntry)
	if err := decode(body, r); err != nil {
		return err
	}
	if err := r.Validate(); err != nil {
		return invalid(err)
	}
	asks := endpoint == mimi.RequestConsent
	if r.Asks() != asks {
		return mimi.Errorf(mimi.BadRequest, "the operation is not one of this endpoint")
	}
	party := r.Requester
	if asks {
		party = r.Target
	}
	// The variable is a domain or, in the directory of the draft, a user.
	if u, err := uri.ParseUser(party); err != nil || target.Provider() != u.Provider() {
		return mimi.Errorf(mimi.BadRequest, "path and body name different providers")
	} else if named, ok := target.AsUser(); ok && named != u {
		return mimi.Errorf(mimi.BadRequest, "path and body name different users")
	}
	if asks {
		return service.RequestConsent(ctx, r)
	}
	return service.UpdateConsent(ctx, r)
}

// identifierQuery takes a query for the provider that the path names (§5.8).
func identifierQuery(ctx context.Context, service mimi.Service, target uri.URI, body []byte) ([]byte, error) {
	if _, ok := target.AsProvider(); !ok {
		return nil, mimi.Errorf(mimi.BadRequest, "path does not name a provider")
	}
	r := new(mimi.IdentifierRequest)
	if err := decode(body, r); err != nil {
		return nil, err
	}
	if err := r.Validate(); err != nil {
		return nil, invalid(err)
	}
	return encode(service.IdentifierQuery(ctx, r))
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
