package room

import (
	"bytes"

	"parley/mls"
	"parley/mls/wire"
)

// A commit can hold one change of a leaf (RFC 9420 §12.2), and the hub demands of it what waits (P-LV-03). Therefore only such
// proposals may wait that the next commit can hold whoever makes it: those that take somebody out, and Updates of one leaf each.

// weight orders the changes of a leaf: of two that wait the heavier one is committed. 0 is no change of a leaf.
func weight(t wire.ProposalType) int {
	switch t {
	case wire.UpdateProposal:
		return 1
	case wire.RemoveProposal:
		return 2
	case wire.SelfRemoveProposal:
		return 3 // it alone may stand in an external commit (X-SR-05)
	}
	return 0
}

// target is the leaf that a proposal changes.
func target(p *wire.Proposal, sender wire.Sender) mls.LeafIndex {
	if p.Type == wire.RemoveProposal {
		return mls.LeafIndex(p.Remove)
	}
	return mls.LeafIndex(sender.Index)
}

// mayWait judges a proposal that came alone: it must not make the next commit impossible.
func (j *judgement) mayWait(p *mls.Proposed) error {
	if p.Proposal.Type == wire.AppDataUpdateProposal {
		return j.leaveWaits(p)
	}
	w := weight(p.Proposal.Type)
	if w == 0 {
		return broken("changes of this kind are made by a commit")
	}
	at := target(p.Proposal, p.Sender)
	for _, q := range j.staged.From().Pending() {
		same := weight(q.Proposal.Type) > 0 && target(q.Proposal, q.Sender) == at
		if same && weight(q.Proposal.Type) >= w && !bytes.Equal(q.Ref, p.Ref) {
			return broken("a change of this client waits already") // P-LV-06
		}
	}
	return nil
}

// leaveWaits lets the list removals of leaves wait: a user's own, and what the hub proposes again. Whoever is taken out by somebody
// else is taken out by a commit, together with all clients (P-UP-11).
func (j *judgement) leaveWaits(p *mls.Proposed) error {
	if p.Sender.Type == wire.ExternalSenderType {
		return nil
	}
	user, err := UserOf(p.SenderLeaf)
	if err != nil {
		return err
	}
	if !j.removesOnly(user, p.Proposal.AppDataUpdate) {
		return broken("changes of this kind are made by a commit")
	}
	return nil
}

// CommitsPending reports whether a commit holds what the hub has accepted in its epoch: all of it in a member's, the SelfRemoves in an
// external joiner's, who can refer to nothing else (X-SR-05). What a heavier change of the same leaf outweighs may be left out, and so
// may Updates of the committer, whose leaf the commit renews.
func CommitsPending(staged *mls.Staged) bool {
	held := make(map[string]bool)
	heaviest := make(map[mls.LeafIndex]int)
	for _, p := range staged.Proposals() {
		held[string(p.Ref)] = true
		if w := weight(p.Proposal.Type); w > 0 {
			at := target(p.Proposal, p.Sender)
			heaviest[at] = max(heaviest[at], w)
		}
	}
	committer, _ := staged.Committer()
	if !staged.External() {
		heaviest[committer] = max(heaviest[committer], weight(wire.UpdateProposal)+1)
	}
	for _, p := range staged.From().Pending() {
		if held[string(p.Ref)] || staged.External() && p.Proposal.Type != wire.SelfRemoveProposal {
			continue
		}
		w := weight(p.Proposal.Type)
		if w == 0 || heaviest[target(p.Proposal, p.Sender)] <= w {
			return false
		}
	}
	return true
}
