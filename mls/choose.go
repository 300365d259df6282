package mls

import (
	"slices"
	"time"

	"parley/mls/suite"
	"parley/mls/wire"
)

// committable selects the waiting proposals that a commit of the leaf refers to: no Update of its own (RFC 9420 §12.2), one change per
// leaf, removals before Updates, no pre-shared key that this member does not know. A removal that is given by value wins over what
// waits.
func (g *Group) committable(leaf LeafIndex, given []Proposed) []Proposed {
	taken := map[LeafIndex]bool{}
	for i := range given {
		if at, changes := given[i].target(); changes {
			taken[at] = true
		}
	}
	use := make([]bool, len(g.public.pending))
	choose := func(types ...wire.ProposalType) {
		for i := range g.public.pending {
			p := &g.public.pending[i]
			if !slices.Contains(types, p.Proposal.Type) {
				continue
			}
			q := Proposed{Proposal: p.Proposal, Sender: p.Sender}
			at, changes := q.target()
			if changes && (taken[at] || p.Proposal.Type == wire.UpdateProposal && at == leaf) {
				continue
			}
			use[i] = true
			if changes {
				taken[at] = true
			}
		}
	}
	choose(wire.SelfRemoveProposal)
	choose(wire.RemoveProposal)
	choose(wire.UpdateProposal)
	var out []Proposed
	for i := range g.public.pending {
		p := &g.public.pending[i]
		switch p.Proposal.Type {
		case wire.SelfRemoveProposal, wire.RemoveProposal, wire.UpdateProposal:
			if !use[i] {
				continue
			}
		case wire.PreSharedKeyProposal:
			secret, known := g.psk(p.Proposal.PSK)
			if suite.Wipe(secret); !known {
				continue
			}
		}
		out = append(out, g.public.proposed(p))
	}
	return out
}

// choose returns the proposals of a commit and their plan: those that wait as far as they make a valid list together, in their order,
// then the given ones, all of which have to be in it. A member or an external sender can let proposals wait that no commit can hold
// (two GroupContextExtensions, an update that its component refuses); they must not keep everybody from committing.
func (g *Group) choose(leaf LeafIndex, given []Proposed, now time.Time) ([]Proposed, *plan, error) {
	s := &selection{group: g.public, by: author{leaf: leaf}, given: given, now: now, tries: maxTries}
	waiting := g.committable(leaf, given)
	whole, err := s.try(waiting)
	if err == nil {
		return whole.list, whole, nil
	}
	for i := range waiting {
		if at, changes := waiting[i].target(); changes && at == leaf {
			return nil, nil, err // the committer is about to be removed, which it may not pass over
		}
	}
	if s.best, err = s.try(nil); err != nil || len(waiting) == 0 {
		return nil, nil, err
	}
	s.add(waiting)
	return s.best.list, s.best, nil
}

// maxTries bounds the plans that are made to find out which waiting proposals go together.
const maxTries = 64

// selection finds the waiting proposals that go together.
type selection struct {
	group *PublicGroup
	by    author
	given []Proposed
	now   time.Time
	taken []Proposed
	best  *plan // of taken and given
	tries int
}

func (s *selection) try(waiting []Proposed) (*plan, error) {
	s.tries--
	p, err := s.group.plan(slices.Concat(s.taken, waiting, s.given), s.by, s.now)
	if err == nil {
		err = s.group.checkMedia(p)
	}
	if err != nil || len(p.list) == len(s.given) {
		return p, err
	}
	return p, s.group.agreed(p)
}

// agreed checks before there is a path what finish checks with it: that the members can live with what the proposals demand. The
// committer's own leaf, which its path replaces, is left out where it matters.
func (g *PublicGroup) agreed(p *plan) error {
	if err := p.census.checkCredentials(); err != nil {
		return err
	}
	if p.needs.equal(g.needs) {
		return nil
	}
	for i, leaf := range p.tree.All() {
		if i == p.by.leaf {
			continue
		}
		if err := p.needs.checkLeaf(leaf); err != nil {
			return err
		}
	}
	return nil
}

// add takes a run of proposals, or the parts of it that can be taken.
func (s *selection) add(run []Proposed) {
	if s.tries <= 0 || len(run) == 0 {
		return
	}
	if p, err := s.try(run); err == nil {
		s.best, s.taken = p, slices.Concat(s.taken, run)
		return
	}
	if half := len(run) / 2; half > 0 {
		s.add(run[:half])
		s.add(run[half:])
	}
}
