package mls

import (
	"bytes"
	"net/url"
	"slices"
	"strings"

	"parley/mls/internal/tree"
	"parley/mls/wire"
	"parley/syntax"
)

// CheckTreeOption checks that a ratchet tree of this group may be conveyed in the given way (ratchet-tree-options §3). handshakes is the
// format in which the group's members send commits.
//
// A URL must be one of HTTPS and, when the GroupContext has ratchet_tree_source_domains, of a host in that list. The delivery service has
// the tree only where it can read the handshakes. A tree that is there in full must be the group's, by its hash.
func (g *PublicGroup) CheckTreeOption(o *wire.RatchetTreeOption, handshakes wire.WireFormat) error {
	switch o.Representation {
	case wire.FullTree:
		nodes, err := tree.FromWire(g.suite, &o.Tree, g.cfg.treeLimits())
		if err != nil || !bytes.Equal(nodes.Hash(), g.context.TreeHash) {
			return &Error{Rule: RuleTree, Err: err}
		}
	case wire.TreeAtURI:
		return g.checkTreeURL(o.URL)
	case wire.TreeFromDeliveryService:
		if handshakes == wire.PrivateMessageFormat {
			return broken(RuleTreeSource)
		}
	}
	return nil
}

func (g *PublicGroup) checkTreeURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return broken(RuleTreeSource)
	}
	data, ok := g.context.Extensions.Find(wire.TreeSourceDomainsExtension)
	if !ok {
		return nil
	}
	var list wire.DomainList
	if err := syntax.Unmarshal(data, &list); err != nil {
		return because(RuleContext, err)
	}
	if !slices.ContainsFunc(list.Domains, func(d string) bool { return strings.EqualFold(d, u.Hostname()) }) {
		return broken(RuleTreeSource)
	}
	return nil
}
