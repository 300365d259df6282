package client

import (
	"context"
	"time"

	"parley/client"
	"parley/clientapi/api"
	"parley/uri"
)

// Lanes asks how a room of the own provider's hub stands with other providers. The error of a provider that does not tell is an *api.Error.
func (c *Client) Lanes(ctx context.Context, room uri.Room) ([]client.Lane, error) {
	var answer api.Lanes
	r := &Request{Method: "GET", Path: api.PathLanes, Query: query(api.ParamRoom, room.String())}
	if err := c.askJSON(ctx, r, nil, &answer); err != nil {
		return nil, err
	}
	out := make([]client.Lane, len(answer.Lanes))
	for i, l := range answer.Lanes {
		out[i] = client.Lane{Provider: l.Provider, Oldest: l.Oldest, Tries: l.Tries, Refused: l.Refused}
		if l.Next > 0 {
			out[i].Next = time.UnixMilli(int64(l.Next))
		}
	}
	return out, nil
}
