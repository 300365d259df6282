package client

import (
	"context"

	"parley/clientapi/api"
	"parley/mimi"
	"parley/syntax"
)

// Person tells what the provider knows of the user, and who may find it.
func (c *Client) Person(ctx context.Context) (*api.Person, error) {
	var out api.Person
	err := c.askJSON(ctx, &Request{Method: "GET", Path: api.PathPerson}, nil, &out)
	return &out, err
}

// ChangePerson changes that, and returns what is known afterwards.
func (c *Client) ChangePerson(ctx context.Context, change *api.PersonChange) (*api.Person, error) {
	var out api.Person
	err := c.askJSON(ctx, &Request{Method: "POST", Path: api.PathPerson}, change, &out)
	return &out, err
}

// Find looks for people by identifiers that all have to match. The own provider asks others where that makes sense.
func (c *Client) Find(ctx context.Context, elements ...mimi.QueryElement) (*api.Found, error) {
	body, err := syntax.Marshal(&mimi.IdentifierRequest{Elements: elements})
	if err != nil {
		return nil, err
	}
	var out api.Found
	err = c.askJSON(ctx, &Request{Method: "POST", Path: api.PathFind, Type: api.TypeTLS, Body: body}, nil, &out)
	return &out, err
}
