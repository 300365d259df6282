package client

import (
	"context"
	"strconv"
	"time"

	"parley/client"
	"parley/clientapi/api"
	"parley/mimi"
	"parley/mls/wire"
	"parley/syntax"
	"parley/uri"
)

var _ client.Provider = (*Client)(nil)

// PublishKeyPackages implements client.Provider. A list above api.MaxKeyPackages goes in several requests; publishing one again
// changes nothing, so after a failure the whole list is repeated.
func (c *Client) PublishKeyPackages(ctx context.Context, packages []wire.KeyPackage) (available int, err error) {
	var count api.KeyPackageCount
	if len(packages) == 0 {
		err := c.askJSON(ctx, &Request{Method: "GET", Path: api.PathKeyPackages}, nil, &count)
		return count.Available, err
	}
	for len(packages) > 0 {
		n := min(len(packages), api.MaxKeyPackages)
		body, err := syntax.Marshal(&api.KeyPackages{KeyPackages: packages[:n]})
		if err != nil {
			return 0, err
		}
		if err := c.askJSON(ctx, &Request{Method: "POST", Path: api.PathKeyPackages, Type: api.TypeTLS, Body: body}, nil, &count); err != nil {
			return 0, err
		}
		packages = packages[n:]
	}
	return count.Available, nil
}

// CreateRoom implements client.Provider.
func (c *Client) CreateRoom(ctx context.Context, room uri.Room, info *wire.GroupInfo, tree *wire.RatchetTree) error {
	body, err := syntax.Marshal(&api.CreateRoom{GroupInfo: *info, Tree: *tree})
	if err != nil {
		return err
	}
	r := &Request{Method: "POST", Path: api.PathRooms, Query: query(api.ParamRoom, room.String()), Type: api.TypeTLS, Body: body}
	return c.askJSON(ctx, r, nil, new(api.RoomCreated))
}

// KeyMaterial implements client.Provider.
func (c *Client) KeyMaterial(ctx context.Context, target uri.User, r *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error) {
	return ask[mimi.KeyMaterialResponse](ctx, c, api.PathKeyMaterial, query(api.ParamUser, target.String()), r)
}

// Update implements client.Provider.
func (c *Client) Update(ctx context.Context, room uri.Room, r *mimi.UpdateRequest) (*mimi.UpdateRoomResponse, error) {
	return ask[mimi.UpdateRoomResponse](ctx, c, api.PathUpdate, query(api.ParamRoom, room.String()), r)
}

// SubmitMessages implements client.Provider. What is above api.MaxMessages is left for the next call.
func (c *Client) SubmitMessages(ctx context.Context, room uri.Room, requests []*mimi.SubmitMessageRequest) ([]*mimi.SubmitMessageResponse, error) {
	var r api.SubmitMessages
	for _, m := range requests[:min(len(requests), api.MaxMessages)] {
		r.Requests = append(r.Requests, *m)
	}
	answer, err := ask[api.MessagesSubmitted](ctx, c, api.PathMessages, query(api.ParamRoom, room.String()), &r)
	if err != nil {
		return nil, err
	}
	if n := len(answer.Answers); n == 0 || n > len(r.Requests) {
		return nil, c.retry(0, errAnswer)
	}
	answers := make([]*mimi.SubmitMessageResponse, len(answer.Answers))
	for i := range answer.Answers {
		answers[i] = &answer.Answers[i]
	}
	return answers, nil
}

// GroupInfo implements client.Provider.
func (c *Client) GroupInfo(ctx context.Context, room uri.Room, r *mimi.GroupInfoRequest) (*mimi.GroupInfoResponse, error) {
	return ask[mimi.GroupInfoResponse](ctx, c, api.PathGroupInfo, query(api.ParamRoom, room.String()), r)
}

func ask[T any, P interface {
	*T
	syntax.Value
}](ctx context.Context, c *Client, path, query string, request syntax.Value) (P, error) {
	answer := P(new(T))
	if err := c.askTLS(ctx, path, query, request, answer); err != nil {
		return nil, err
	}
	return answer, nil
}

// Events implements client.Provider: one poll, or several when the provider has only events of kinds that this version does not
// know. Those are acknowledged together with what follows them.
func (c *Client) Events(ctx context.Context, after client.Cursor, wait time.Duration) ([]client.Event, error) {
	held := min(max(wait, 0)/time.Second, api.MaxWait)
	for {
		q := query(api.ParamAfter, strconv.FormatUint(uint64(after), 10), api.ParamWait, strconv.FormatInt(int64(held), 10))
		data, err := c.call(ctx, held*time.Second+Timeout, &Request{Method: "GET", Path: api.PathEvents, Query: q})
		if err != nil {
			return nil, err
		}
		var answer api.Events
		if err := c.understood(syntax.Unmarshal(data, &answer)); err != nil {
			return nil, err
		}
		var events []client.Event
		for i := range answer.Events {
			e := &answer.Events[i]
			if client.Cursor(e.Cursor) <= after {
				return nil, c.retry(0, errOrder)
			}
			after = client.Cursor(e.Cursor)
			if known(e.Kind) {
				events = append(events, eventOf(e))
			}
		}
		if len(events) > 0 || len(answer.Events) == 0 {
			return events, nil
		}
	}
}

// eventOf carries an event over. What cannot belong to a room is handed over without a body, so that the cursor goes on.
func eventOf(e *api.Event) client.Event {
	if e.Kind == api.Consent {
		return newsOf(e)
	}
	out := client.Event{Cursor: client.Cursor(e.Cursor), Timestamp: e.Timestamp}
	if room, err := uri.ParseRoom(e.Room); err == nil {
		out.Room, out.Body = room, e.Body
	}
	return out
}

// Ack implements client.Provider.
func (c *Client) Ack(ctx context.Context, cursor client.Cursor) error {
	return c.askJSON(ctx, &Request{Method: "POST", Path: api.PathAck}, &api.Ack{Cursor: uint64(cursor)}, nil)
}

// Self asks who the client is and how its inbox stands.
func (c *Client) Self(ctx context.Context) (*api.Self, error) {
	self := new(api.Self)
	if err := c.askJSON(ctx, &Request{Method: "GET", Path: api.PathSelf}, nil, self); err != nil {
		return nil, err
	}
	return self, nil
}

// Authorities asks for the certificate authorities of a provider, or of all that are known when p is zero.
func (c *Client) Authorities(ctx context.Context, p uri.Provider) ([]api.Authority, error) {
	r := &Request{Method: "GET", Path: api.PathAuthorities}
	if !p.IsZero() {
		r.Query = query(api.ParamProvider, p.String())
	}
	var list api.Authorities
	err := c.askJSON(ctx, r, nil, &list)
	return list.Authorities, err
}
