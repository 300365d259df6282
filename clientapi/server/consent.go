package server

import (
	"parley/clientapi/api"
	"parley/mimi"
)

// consent takes what the user says about consent: a mimi.ConsentEntry without KeyPackages.
func (c *call) consent() (any, error) {
	var r mimi.ConsentEntry
	if err := c.readTLS(&r); err != nil {
		return nil, err
	}
	if len(r.KeyPackages) > 0 {
		return nil, refusal(api.BadRequest, "the provider adds the KeyPackages itself")
	}
	tell, asked := c.query[api.ParamTell]
	if asked && tell != "0" && tell != "1" {
		return nil, refusal(api.BadRequest, "tell is not 0 or 1")
	}
	return nil, c.Consent(c.ctx, c.device, &r, tell == "1")
}

func (c *call) consents() (any, error) { return found(c.Consents(c.ctx, c.device)) }

func (c *call) block() (any, error) {
	var r api.Block
	if err := c.readJSON(&r); err != nil {
		return nil, err
	}
	return nil, c.Block(c.ctx, c.device, &r)
}

func (c *call) report() (any, error) {
	room, err := c.room()
	if err != nil {
		return nil, err
	}
	var r mimi.AbuseReport
	if err := c.readTLS(&r); err != nil {
		return nil, err
	}
	return nil, c.Report(c.ctx, c.device, room, &r)
}
