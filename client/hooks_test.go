package client

import (
	"context"
	"io"

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

// MoveQuickly and ShareQuickly are Move and ShareHistory with as few rounds as are taken, for tests.
func MoveQuickly(ctx context.Context, from Store, w io.Writer, passphrase string) error {
	return move(ctx, from, w, passphrase, leastRounds)
}

func (c *Client) ShareQuickly(ctx context.Context, w io.Writer, passphrase string) (int, error) {
	return c.shareHistory(ctx, w, passphrase, leastRounds)
}
