package mls

import (
	"errors"
	"math"
	"time"

	"parley/mls/internal/tree"
	"parley/mls/wire"
)

// LeafChange is one leaf that a commit changes.
type LeafChange struct {
	Index         LeafIndex
	Before, After *wire.LeafNode // nil: blank
	KeyPackageRef []byte         // of an added member
}

// plan is what the proposals of a commit do, without its path. Committer and receivers make the same plan.
type plan struct {
	list     []Proposed
	by       author // leaf is set for external committers too
	tree     *tree.Tree
	context  *wire.GroupContext // of the next epoch; tree hash and transcript hash are those of the old one
	needs    *needs
	census   *census
	added    []LeafChange
	removed  []LeafChange
	updated  []LeafChange
	joiners  []LeafIndex // of added
	packages []*wire.KeyPackage
	psks     []wire.PreSharedKeyID
	kem      []byte // of ExternalInit
	reinit   *wire.ReInit
	previous *wire.LeafNode // leaf that the committer's new one replaces, nil for a joiner who was not in
	path     bool           // a path is required
}

// plan checks the proposals of a commit and applies them in the order of RFC 9420 §12.3: GroupContextExtensions, Update,
// SelfRemove, Remove, Add, then the components (mls-extensions §4.7, §6.3).
func (g *PublicGroup) plan(list []Proposed, by author, now time.Time) (*plan, error) {
	if g.Frozen() {
		return nil, broken(RuleFrozen)
	}
	if err := g.checkList(list, by); err != nil {
		return nil, err
	}
	p := &plan{list: list, by: by, path: len(list) == 0}
	if err := g.planContext(p); err != nil {
		return nil, err
	}
	if err := g.cfg.each(len(list), func(i int) error { return g.checkProposal(&list[i], p.context, p.needs, now) }); err != nil {
		return nil, err
	}
	p.census = g.census.clone()
	edit := g.tree.Edit()
	if err := g.planRemovals(p, edit); err != nil {
		return nil, err
	}
	if err := g.planAdds(p, edit); err != nil {
		return nil, err
	}
	var err error
	if p.tree, err = edit.Tree(); err != nil {
		return nil, treeError(err)
	}
	for i := range list {
		q := list[i].Proposal
		p.path = p.path || needsPath(q.Type)
		switch q.Type {
		case wire.PreSharedKeyProposal:
			p.psks = append(p.psks, *q.PSK)
		case wire.ExternalInitProposal:
			p.kem = q.ExternalInit
		case wire.ReInitProposal:
			p.reinit = q.ReInit
		}
	}
	if by.external {
		p.by.leaf = p.tree.NextLeaf()
		return p, nil
	}
	p.previous = g.tree.Leaf(by.leaf)
	return p, nil
}

// planContext sets the GroupContext of the next epoch and what it demands.
func (g *PublicGroup) planContext(p *plan) error {
	if g.context.Epoch == math.MaxUint64 {
		return broken(RuleLimit) // only the creator of a group could have chosen that
	}
	context := *g.context
	context.Epoch++
	for i := range p.list {
		if q := p.list[i].Proposal; q.Type == wire.GroupContextExtensionsProposal {
			context.Extensions = q.Extensions
		}
	}
	var err error
	if context.Extensions, err = g.cfg.applyComponents(p.list, context.Extensions); err != nil {
		return err
	}
	p.context, p.needs = &context, g.needs
	if sameExtensions(context.Extensions, g.context.Extensions) {
		return nil
	}
	p.needs, err = needsOf(context.Extensions)
	return err
}

func sameExtensions(a, b wire.Extensions) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// planRemovals applies Updates, SelfRemoves and Removes. A non-default proposal type must be supported by everybody who stays
// (RFC 9420 §12.2).
func (g *PublicGroup) planRemovals(p *plan, edit *tree.Editor) error {
	for _, t := range []wire.ProposalType{wire.UpdateProposal, wire.SelfRemoveProposal, wire.RemoveProposal} {
		for i := range p.list {
			q := &p.list[i]
			if q.Proposal.Type != t {
				continue
			}
			at, _ := q.target()
			before := g.tree.Leaf(at)
			if before == nil {
				return broken(RuleRemoveBlank)
			}
			if t == wire.UpdateProposal {
				edit.Update(at, q.Proposal.Update)
				p.updated = append(p.updated, LeafChange{Index: at, Before: before, After: q.Proposal.Update})
				continue
			}
			p.census.count(before, -1)
			edit.Remove(at)
			p.removed = append(p.removed, LeafChange{Index: at, Before: before})
			if p.by.external && t == wire.RemoveProposal {
				p.previous = before
			}
		}
	}
	for i := range p.list {
		if t := p.list[i].Proposal.Type; !t.IsDefault() && !p.census.all(t) {
			return broken(RuleProposalSupport)
		}
	}
	for _, u := range p.updated {
		p.census.count(u.Before, -1)
		p.census.count(u.After, 1)
	}
	return nil
}

func (g *PublicGroup) planAdds(p *plan, edit *tree.Editor) error {
	for i := range p.list {
		kp := p.list[i].Proposal.Add
		if p.list[i].Proposal.Type != wire.AddProposal {
			continue
		}
		ref, err := g.suite.KeyPackageRef(kp)
		if err != nil {
			return because(RuleEncoding, err)
		}
		at := edit.Add(&kp.Leaf)
		p.census.count(&kp.Leaf, 1)
		p.added = append(p.added, LeafChange{Index: at, After: &kp.Leaf, KeyPackageRef: ref})
		p.joiners = append(p.joiners, at)
		p.packages = append(p.packages, kp)
	}
	return nil
}

// finish returns the public group after the commit: the plan with the path's tree. Everybody must fulfil what the new GroupContext
// demands; the leaves that came with the commit have been checked, the others are looked at when the demands changed.
func (g *PublicGroup) finish(p *plan, t *tree.Tree, confirmed, tag []byte, interim []byte) (*PublicGroup, error) {
	context := *p.context
	context.TreeHash, context.ConfirmedTranscriptHash = t.Hash(), confirmed
	next := &PublicGroup{
		cfg: g.cfg, suite: g.suite, context: &context, tree: t, tag: tag, interim: interim,
		needs: p.needs, census: p.census, reinit: p.reinit,
	}
	var err error
	if next.octets, err = marshal(next.context); err != nil {
		return nil, err
	}
	if err := p.census.checkCredentials(); err != nil {
		return nil, err
	}
	if p.needs.equal(g.needs) {
		return next, nil
	}
	for _, leaf := range t.All() {
		if err := p.needs.checkLeaf(leaf); err != nil {
			return nil, &Error{Rule: RuleExtensionsSupport, Err: err}
		}
	}
	return next, nil
}

// treeError names the rule that a change of the tree broke.
func treeError(err error) error {
	switch {
	case errors.Is(err, tree.ErrTooLarge):
		return because(RuleLimit, err)
	case errors.Is(err, tree.ErrDuplicateKey):
		return because(RuleKeyReuse, err)
	}
	return because(RulePath, err)
}
