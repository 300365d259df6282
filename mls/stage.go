package mls

import (
	"bytes"
	"time"

	"parley/mls/internal/schedule"
	"parley/mls/wire"
)

// Process checks a PublicMessage with a proposal or a commit and returns what it would do; g stays as it is. Membership and
// confirmation tags need secrets and are not checked here. RFC 9420 §6.1, §12.1.8, §12.4.2.
func (g *PublicGroup) Process(m *wire.Message, now time.Time) (*Staged, error) {
	if m.Public == nil {
		return nil, broken(RuleFormat)
	}
	f, err := authenticated(m.Public)
	if err != nil {
		return nil, err
	}
	return g.stage(f, m, now)
}

// stage is the one judge of handshake messages, for hub and member alike. m is nil for content that came encrypted.
func (g *PublicGroup) stage(f *framed, m *wire.Message, now time.Time) (*Staged, error) {
	content := &f.Content
	if !bytes.Equal(content.GroupID, g.context.GroupID) {
		return nil, broken(RuleGroupID)
	}
	if content.Epoch != g.context.Epoch {
		return nil, broken(RuleEpoch)
	}
	if g.Frozen() {
		return nil, broken(RuleFrozen)
	}
	public, leaf, err := g.senderKey(f.AuthenticatedContent)
	if err != nil {
		return nil, err
	}
	if err := f.verify(g.suite, public, g.octets); err != nil {
		return nil, err
	}
	if err := g.checkAAD(content.AuthenticatedData); err != nil {
		return nil, err
	}
	s := &Staged{from: g, content: f, message: m, leaf: leaf}
	if content.Type == wire.ProposalContent {
		err = g.stageProposal(s, now)
	} else {
		err = g.stageCommit(s, now)
	}
	if err != nil {
		return nil, err
	}
	s.delta, err = g.changes(s.next)
	return s, err
}

// senderKey returns the key that must have signed, and the leaf of a member (RFC 9420 §6.1). Application data is never public.
func (g *PublicGroup) senderKey(ac *wire.AuthenticatedContent) (public []byte, leaf *wire.LeafNode, err error) {
	content := &ac.Content
	proposal := content.Type == wire.ProposalContent
	switch content.Sender.Type {
	case wire.MemberSender:
		leaf = g.tree.Leaf(LeafIndex(content.Sender.Index))
		if leaf != nil && content.Type != wire.ApplicationContent {
			return leaf.SignatureKey, leaf, nil
		}
	case wire.ExternalSenderType:
		senders := g.ExternalSenders()
		if proposal && uint64(content.Sender.Index) < uint64(len(senders)) {
			return senders[content.Sender.Index].SignatureKey, nil, nil
		}
	case wire.NewMemberProposalSender:
		if proposal && content.Proposal.Type == wire.AddProposal {
			return content.Proposal.Add.Leaf.SignatureKey, nil, nil
		}
	case wire.NewMemberCommitSender:
		if content.Type == wire.CommitContent && ac.Format == wire.PublicMessageFormat {
			if content.Commit.Path == nil {
				return nil, nil, broken(RulePathMissing)
			}
			return content.Commit.Path.Leaf.SignatureKey, nil, nil
		}
	}
	return nil, nil, broken(RuleSender)
}

// stageProposal takes a proposal into the pending ones.
func (g *PublicGroup) stageProposal(s *Staged, now time.Time) error {
	content := &s.content.Content
	if len(g.pending) >= g.cfg.limits().Pending {
		return broken(RuleLimit)
	}
	p := Proposed{Proposal: content.Proposal, Sender: content.Sender, SenderLeaf: s.leaf, format: s.content.Format}
	if err := g.checkProposal(&p, g.context, g.needs, now); err != nil {
		return err
	}
	if err := g.checkComponents(p.Proposal); err != nil {
		return err
	}
	var err error
	if p.Ref, err = g.suite.ProposalRef(s.content.AuthenticatedContent); err != nil {
		return because(RuleEncoding, err)
	}
	next := *g
	if g.pendingByRef(p.Ref) == nil {
		if p.Proposal.Type == wire.SelfRemoveProposal && g.pendingSelfRemove(LeafIndex(p.Sender.Index)) != nil {
			return broken(RuleSelfRemoveTwice)
		}
		next.pending = append(g.Pending(), Pending{
			Ref: p.Ref, Message: s.message, Format: p.format, Sender: p.Sender, Proposal: p.Proposal,
		})
	}
	s.list, s.next = []Proposed{p}, &next
	return nil
}

func (g *PublicGroup) pendingSelfRemove(leaf LeafIndex) *Pending {
	for i := range g.pending {
		p := &g.pending[i]
		if p.Proposal.Type == wire.SelfRemoveProposal && LeafIndex(p.Sender.Index) == leaf {
			return p
		}
	}
	return nil
}

// stageCommit makes the public part of the next epoch (RFC 9420 §12.4.2).
func (g *PublicGroup) stageCommit(s *Staged, now time.Time) error {
	content := &s.content.Content
	by := author{external: content.Sender.Type == wire.NewMemberCommitSender, leaf: LeafIndex(content.Sender.Index)}
	list, err := g.resolve(content)
	if err != nil {
		return err
	}
	p, err := g.plan(list, by, now)
	if err != nil {
		return err
	}
	s.list, s.plan = list, p
	t, path := p.tree, content.Commit.Path
	switch {
	case path != nil:
		use := UseCommitPath
		if by.external {
			use = UseExternalCommit
		}
		check := LeafCheck{Use: use, Leaf: &path.Leaf, Previous: p.previous, Now: now, GroupContext: p.context}
		if err := g.cfg.checkLeaf(g.suite, check, p.needs, g.context.GroupID, p.by.leaf); err != nil {
			return err
		}
		if t, err = p.tree.ApplyPath(p.by.leaf, path, p.joiners); err != nil {
			return treeError(err)
		}
		p.countPath(&path.Leaf)
	case p.path:
		return broken(RulePathMissing)
	}
	confirmed, err := s.content.confirmedHash(g.suite, g.interim)
	if err != nil {
		return err
	}
	tag := s.content.Auth.ConfirmationTag
	interim, err := schedule.InterimHash(g.suite, confirmed, tag)
	if err != nil {
		return because(RuleEncoding, err)
	}
	s.next, err = g.finish(p, t, confirmed, tag, interim)
	return err
}

// countPath takes the committer's new leaf into the census.
func (p *plan) countPath(leaf *wire.LeafNode) {
	if before := p.tree.Leaf(p.by.leaf); before != nil {
		p.census.count(before, -1)
	}
	p.census.count(leaf, 1)
}

// provisional returns the encoded GroupContext under which a path is sealed: that of the next epoch with its tree hash, but still
// with the old transcript hash (RFC 9420 §12.4.1).
func (p *plan) provisional(treeHash []byte) ([]byte, error) {
	context := *p.context
	context.TreeHash = treeHash
	return marshal(&context)
}

// resolve returns the proposals of a commit in their order, those by reference looked up (RFC 9420 §12.4.2).
func (g *PublicGroup) resolve(content *wire.FramedContent) ([]Proposed, error) {
	list := make([]Proposed, 0, len(content.Commit.Proposals))
	seen := map[string]bool{}
	for _, item := range content.Commit.Proposals {
		if item.Proposal != nil {
			p := Proposed{Proposal: item.Proposal, Sender: content.Sender}
			if content.Sender.Type == wire.MemberSender {
				p.SenderLeaf = g.tree.Leaf(LeafIndex(content.Sender.Index))
			}
			list = append(list, p)
			continue
		}
		waiting := g.pendingByRef(item.Reference)
		if waiting == nil || seen[string(item.Reference)] {
			return nil, broken(RuleProposalUnknown)
		}
		seen[string(item.Reference)] = true
		list = append(list, g.proposed(waiting))
	}
	return list, nil
}

func (g *PublicGroup) proposed(p *Pending) Proposed {
	q := Proposed{Ref: p.Ref, Proposal: p.Proposal, Sender: p.Sender, format: p.Format}
	if p.Sender.Type == wire.MemberSender {
		q.SenderLeaf = g.tree.Leaf(LeafIndex(p.Sender.Index))
	}
	return q
}
