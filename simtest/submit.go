package simtest

import (
	"context"

	"parley/clientapi/api"
	"parley/mimi"
	"parley/uri"
)

// submit carries messages and the answers to them.
func submit(w *World, m *message, list []*mimi.SubmitMessageRequest,
	do func([]*mimi.SubmitMessageRequest) ([]*mimi.SubmitMessageResponse, error)) ([]*mimi.SubmitMessageResponse, error) {
	request := new(api.SubmitMessages)
	for _, r := range list {
		request.Requests = append(request.Requests, *r)
	}
	answer, err := exchange(w, m, request, func(r *api.SubmitMessages) (*api.MessagesSubmitted, error) {
		list := make([]*mimi.SubmitMessageRequest, len(r.Requests))
		for i := range r.Requests {
			list[i] = &r.Requests[i]
		}
		answers, err := do(list)
		if err != nil {
			return nil, err
		}
		out := new(api.MessagesSubmitted)
		for _, a := range answers {
			out.Answers = append(out.Answers, *a)
		}
		return out, nil
	})
	if err != nil {
		return nil, err
	}
	out := make([]*mimi.SubmitMessageResponse, len(answer.Answers))
	for i := range answer.Answers {
		out[i] = &answer.Answers[i]
	}
	return out, nil
}

// ownLink is a provider's way to itself, which takes several messages at once.
type ownLink struct{ *link }

func (l *ownLink) SubmitMessages(ctx context.Context, at uri.Room, list []*mimi.SubmitMessageRequest) ([]*mimi.SubmitMessageResponse, error) {
	return submit(l.world, l.message(mimi.SubmitMessage), list, func(list []*mimi.SubmitMessageRequest) ([]*mimi.SubmitMessageResponse, error) {
		return l.to.hub.SubmitMessages(ctx, l.from.uri, at, list)
	})
}
