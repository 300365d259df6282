package mls

import (
	"bytes"
	"slices"

	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

// Predecessor is the group that a new one continues: a successor after a ReInit, or a branch with some of its members
// (RFC 9420 §11.2, §11.3). The resumption secret of its epoch goes into the new group's first commit, so that only its members can
// join.
type Predecessor struct {
	Group *Group
	Usage wire.ResumptionUsage // ReInitUsage or BranchUsage
}

// continues reports whether a pre-shared key says that a group continues another one.
func continues(id *wire.PreSharedKeyID) bool {
	return id.Type == wire.ResumptionPSK && id.Usage != wire.ApplicationUsage
}

// ResumptionPSK returns the resumption secret of the present epoch or of one of the past epochs that are kept (RFC 9420 §8.6), for
// Config.PSK of other groups.
func (g *Group) ResumptionPSK(epoch uint64) ([]byte, bool) {
	if g.epoch != nil && epoch == g.public.Epoch() {
		return bytes.Clone(g.epoch.ResumptionPSK()), true
	}
	for _, e := range g.past {
		if e.context.Epoch == epoch {
			return bytes.Clone(e.resumption), true
		}
	}
	return nil, false
}

// check holds a new group against the one that it continues.
func (p *Predecessor) check(next *PublicGroup) error {
	old := p.Group.public
	switch p.Usage {
	case wire.ReInitUsage:
		return checkReInit(old.reinit, next)
	case wire.BranchUsage:
		return checkBranch(old, next)
	}
	return broken(RuleSuccessor)
}

// checkReInit checks that a group is the one that a ReInit announced (RFC 9420 §11.2).
func checkReInit(r *wire.ReInit, next *PublicGroup) error {
	if r == nil || !bytes.Equal(r.GroupID, next.context.GroupID) || r.Version != next.context.Version || r.Suite != next.context.Suite {
		return broken(RuleSuccessor)
	}
	want, err := marshal(&r.Extensions)
	if err != nil {
		return err
	}
	got, err := marshal(&next.context.Extensions)
	if err != nil {
		return err
	}
	if !bytes.Equal(want, got) {
		return broken(RuleSuccessor)
	}
	return nil
}

// checkBranch checks that a group has the version and suite of the one that it branches from and nobody who is not a member there, by
// credential (RFC 9420 §11.3).
func checkBranch(old, next *PublicGroup) error {
	if old.Frozen() || old.context.Version != next.context.Version || old.context.Suite != next.context.Suite {
		return broken(RuleSuccessor)
	}
	known := map[string]bool{}
	for _, leaf := range old.All() {
		credential, err := marshal(&leaf.Credential)
		if err != nil {
			return err
		}
		known[string(credential)] = true
	}
	for _, leaf := range next.All() {
		credential, err := marshal(&leaf.Credential)
		if err != nil {
			return err
		}
		if !known[string(credential)] {
			return broken(RuleSuccessor)
		}
	}
	return nil
}

// predecessor finds the group that a Welcome's group continues.
func predecessor(p *JoinParams, ids []wire.PreSharedKeyID) (*Predecessor, error) {
	at := slices.IndexFunc(ids, func(id wire.PreSharedKeyID) bool { return continues(&id) })
	if at < 0 || p.Predecessor == nil {
		return nil, nil
	}
	old := p.Predecessor(ids[at].GroupID, ids[at].Epoch)
	if old == nil || !bytes.Equal(old.public.GroupID(), ids[at].GroupID) {
		return nil, broken(RulePSK)
	}
	if ids[at].Usage == wire.ReInitUsage && ids[at].Epoch != old.public.Epoch() {
		return nil, broken(RuleSuccessor) // the last epoch is the one that the ReInit began
	}
	return &Predecessor{Group: old, Usage: ids[at].Usage}, nil
}

// origin is what a new group remembers of its predecessor until its first commit.
type origin struct {
	id     wire.PreSharedKeyID // without a nonce
	secret []byte
}

func (v *origin) Syntax(c *syntax.Codec) {
	v.id.Syntax(c)
	syntax.Opaque(c, &v.secret)
}

// succeed makes a new group continue another one.
func (g *Group) succeed(p *Predecessor) error {
	if p == nil {
		return nil
	}
	if err := p.check(g.public); err != nil {
		return err
	}
	epoch := p.Group.public.Epoch()
	secret, ok := p.Group.ResumptionPSK(epoch)
	if !ok {
		return broken(RuleState)
	}
	g.origin = &origin{secret: secret, id: wire.PreSharedKeyID{
		Type: wire.ResumptionPSK, Usage: p.Usage, GroupID: p.Group.public.GroupID(), Epoch: epoch,
	}}
	return nil
}

// fromOrigin adds to the proposals of a new group's first commit the one that says what it continues.
func (g *Group) fromOrigin(given []Proposed, sender wire.Sender) ([]Proposed, error) {
	if g.origin == nil {
		return given, nil
	}
	id := g.origin.id
	var err error
	if id.Nonce, err = suite.Random(g.public.suite.HashSize()); err != nil {
		return nil, because(RuleRandom, err)
	}
	proposal := &wire.Proposal{Type: wire.PreSharedKeyProposal, PSK: &id}
	return append(given, Proposed{Proposal: proposal, Sender: sender, SenderLeaf: g.public.Leaf(LeafIndex(sender.Index))}), nil
}

// forgetOrigin overwrites what was remembered once the first commit has counted.
func (g *Group) forgetOrigin() Delta {
	if g.origin == nil {
		return nil
	}
	suite.Wipe(g.origin.secret)
	g.origin = nil
	return g.deleteStored(keyOrigin)
}
