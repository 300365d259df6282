package mls

import (
	"bytes"
	"crypto"

	"parley/mls/wire"
	"parley/syntax"
)

// signInfo signs a GroupInfo of g (RFC 9420 §12.4.3).
func (g *PublicGroup) signInfo(signer crypto.Signer, leaf LeafIndex, extensions wire.Extensions) (*wire.GroupInfo, error) {
	info := &wire.GroupInfo{Context: *g.context, Extensions: extensions, ConfirmationTag: g.tag, Signer: uint32(leaf)}
	var err error
	info.Signature, err = signValue(g.suite, signer, "GroupInfoTBS", &wire.GroupInfoTBS{GroupInfo: info})
	return info, err
}

func (g *PublicGroup) checkInfoSignature(info *wire.GroupInfo) error {
	leaf := g.tree.Leaf(LeafIndex(info.Signer))
	if leaf == nil {
		return broken(RuleGroupInfo)
	}
	return verifyValue(g.suite, leaf.SignatureKey, "GroupInfoTBS", &wire.GroupInfoTBS{GroupInfo: info}, info.Signature, RuleGroupInfo)
}

// CheckGroupInfo checks that a GroupInfo describes g, is signed by the given member, has external_pub and no ratchet_tree
// (A-X13, A-X14). A hub calls it on Staged.Next with Staged.Committer.
func (g *PublicGroup) CheckGroupInfo(info *wire.GroupInfo, signer LeafIndex) error {
	got, err := marshal(&info.Context)
	if err != nil {
		return err
	}
	if !bytes.Equal(g.octets, got) || !bytes.Equal(info.ConfirmationTag, g.tag) || info.Signer != uint32(signer) {
		return broken(RuleGroupInfo)
	}
	if _, err := externalPub(info); err != nil {
		return err
	}
	if _, has := info.Extensions.Find(wire.RatchetTreeExtension); has || len(info.Extensions) > g.cfg.limits().Extensions {
		return broken(RuleGroupInfo)
	}
	return g.checkInfoSignature(info)
}

// CompleteGroupInfo rebuilds the GroupInfo of g of which a committer sent only its own part (ratchet-tree-options §4), and checks it
// as CheckGroupInfo does.
func (g *PublicGroup) CompleteGroupInfo(p *wire.PartialGroupInfo, signer LeafIndex) (*wire.GroupInfo, error) {
	if p.Presence != wire.NoRatchetTree {
		return nil, broken(RuleGroupInfo)
	}
	info := &wire.GroupInfo{
		Context: *g.context, Extensions: p.Extensions, ConfirmationTag: g.tag, Signer: uint32(signer), Signature: p.Signature,
	}
	if err := g.CheckGroupInfo(info, signer); err != nil {
		return nil, err
	}
	return info, nil
}

// PartialGroupInfo returns the part of a GroupInfo that a hub cannot compute from the commit. The GroupInfo must not have a
// ratchet_tree extension; those that Commit returns have none.
func PartialGroupInfo(info *wire.GroupInfo) *wire.PartialGroupInfo {
	return &wire.PartialGroupInfo{Presence: wire.NoRatchetTree, Extensions: info.Extensions, Signature: info.Signature}
}

// externalPub returns the key of an external_pub extension (RFC 9420 §12.4.3.2).
func externalPub(info *wire.GroupInfo) ([]byte, error) {
	data, ok := info.Extensions.Find(wire.ExternalPubExtension)
	if !ok {
		return nil, broken(RuleGroupInfo)
	}
	var pub wire.ExternalPub
	if err := syntax.Unmarshal(data, &pub); err != nil {
		return nil, because(RuleGroupInfo, err)
	}
	return pub.Key, nil
}

// infoExtensions returns the extensions of a GroupInfo: external_pub, then the caller's.
func infoExtensions(public []byte, more wire.Extensions) (wire.Extensions, error) {
	data, err := marshal(&wire.ExternalPub{Key: public})
	if err != nil {
		return nil, err
	}
	return append(wire.Extensions{{Type: wire.ExternalPubExtension, Data: data}}, more...), nil
}
