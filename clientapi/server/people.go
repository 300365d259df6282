package server

import (
	"parley/clientapi/api"
	"parley/mimi"
)

func (c *call) person() (any, error) { return found(c.Person(c.ctx, c.device)) }

func (c *call) changePerson() (any, error) {
	var r api.PersonChange
	if err := c.readJSON(&r); err != nil {
		return nil, err
	}
	return found(c.ChangePerson(c.ctx, c.device, &r))
}

func (c *call) find() (any, error) {
	var r mimi.IdentifierRequest
	if err := c.readTLS(&r); err != nil {
		return nil, err
	}
	return found(c.Find(c.ctx, c.device, &r))
}
