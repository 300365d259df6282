package client

import (
	"context"

	"parley/client"
	"parley/clientapi/api"
	"parley/mimi"
	"parley/mls/wire"
	"parley/syntax"
	"parley/uri"
)

// Consent says something about consent in the name of the device's user: request and cancel as the requester, grant and revoke as the
// target. tell lets the other one know of a revoke.
func (c *Client) Consent(ctx context.Context, r *mimi.ConsentEntry, tell bool) error {
	said := *r
	said.KeyPackages, said.Extensions = nil, wire.AppDataDictionary{}
	q := ""
	if tell {
		q = query(api.ParamTell, "1")
	}
	return c.sendTLS(ctx, api.PathConsent, q, &said)
}

// Consents lists what there is between the user and others.
func (c *Client) Consents(ctx context.Context) ([]api.ConsentEntry, error) {
	var list api.ConsentList
	err := c.askJSON(ctx, &Request{Method: "GET", Path: api.PathConsent}, nil, &list)
	return list.Entries, err
}

// Block puts a user or a provider on the user's block list, or takes it off.
func (c *Client) Block(ctx context.Context, subject string, blocked bool) error {
	return c.askJSON(ctx, &Request{Method: "POST", Path: api.PathBlock}, &api.Block{Subject: subject, Blocked: blocked}, nil)
}

// Report sends a report of misconduct to the hub of a room.
func (c *Client) Report(ctx context.Context, room uri.Room, r *mimi.AbuseReport) error {
	return c.sendTLS(ctx, api.PathReport, query(api.ParamRoom, room.String()), r)
}

// sendTLS sends a structure that is answered with nothing.
func (c *Client) sendTLS(ctx context.Context, path, query string, request syntax.Value) error {
	body, err := syntax.Marshal(request)
	if err != nil {
		return err
	}
	_, err = c.call(ctx, Timeout, &Request{Method: "POST", Path: path, Query: query, Type: api.TypeTLS, Body: body})
	return err
}

// known reports whether this version hands over events of a kind.
func known(k api.Kind) bool { return k == api.Fanout || k == api.Consent }

// newsOf carries an event about consent over.
func newsOf(e *api.Event) client.Event {
	return client.Event{Cursor: client.Cursor(e.Cursor), Timestamp: e.Timestamp, Consent: true, Body: e.Body}
}
