package client

import (
	"parley/mimi"
	"parley/syntax"
	"parley/uri"
)

// News is what somebody has said about consent, as far as it concerns the device's user (§5.7).
type News struct {
	Operation mimi.ConsentOperation
	Other     uri.User // the other one of the two
	Incoming  bool     // the user is the target: somebody asks for the user's consent, or the user has answered on another device
	Room      uri.Room // zero: every room
	Time      uint64   // milliseconds since 1970
}

// news takes an event about consent in. What there is between people is kept by the provider; only the news of it goes through here.
func (s *step) news() {
	var said mimi.ConsentEntry
	if syntax.Unmarshal(s.event.Body, &said) != nil || said.Validate() != nil {
		return
	}
	requester, err := uri.ParseUser(said.Requester)
	if err != nil {
		return
	}
	target, err := uri.ParseUser(said.Target)
	if err != nil {
		return
	}
	n := News{Operation: said.Operation, Other: target, Time: s.event.Timestamp}
	switch s.client.self.User {
	case target:
		n.Other, n.Incoming = requester, true
	case requester:
	default:
		return
	}
	if said.Room != nil {
		if n.Room, err = uri.ParseRoom(*said.Room); err != nil {
			return
		}
	}
	s.client.consents = append(s.client.consents, n)
}

// TakeNews returns the news about consent since the last call.
func (c *Client) TakeNews() []News {
	out := c.consents
	c.consents = nil
	return out
}
