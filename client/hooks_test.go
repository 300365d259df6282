package client

import (
	"parley/content"
	"parley/content/timeline"
	"parley/mls"
	"parley/uri"
)

// Ruled is what a client takes from the policy of a group.
func Ruled(self uri.User, receipts Receipts, at uri.Room, g *mls.Group) (content.StatusRules, *content.ExpiryRule, timeline.Rights) {
	c := &Client{cfg: Config{Receipts: receipts}, self: &Account{User: self}}
	r := &Room{URI: at, group: g}
	c.rule(r)
	return r.talk.rules, r.talk.expiry, r.talk.rights[self]
}
