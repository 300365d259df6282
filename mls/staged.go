package mls

import (
	"parley/mls/wire"
)

// Staged is what a checked proposal or commit would do to the public state. It never changes.
type Staged struct {
	from    *PublicGroup
	next    *PublicGroup
	content *framed
	message *wire.Message // nil when it came encrypted
	leaf    *wire.LeafNode
	list    []Proposed
	plan    *plan // of a commit
	delta   Delta
}

// Kind returns ProposalContent or CommitContent.
func (s *Staged) Kind() wire.ContentType { return s.content.Content.Type }

// Sender returns who signed the message.
func (s *Staged) Sender() wire.Sender { return s.content.Content.Sender }

// SenderLeaf returns the leaf of a member that sent, as it is before the message; nil for others.
func (s *Staged) SenderLeaf() *wire.LeafNode { return s.leaf }

// AuthenticatedData returns the authenticated data of the message.
func (s *Staged) AuthenticatedData() []byte { return s.content.Content.AuthenticatedData }

// Proposals returns the proposals of a commit in its order; for a proposal message the one that it carries.
func (s *Staged) Proposals() []Proposed { return s.list }

// Added returns the members that a commit's Add proposals bring, in the order of the proposals. A joiner by external commit is
// not among them: see Committer.
func (s *Staged) Added() []LeafChange {
	if s.plan == nil {
		return nil
	}
	return s.plan.added
}

// Removed returns the leaves that a commit blanks.
func (s *Staged) Removed() []LeafChange {
	if s.plan == nil {
		return nil
	}
	return s.plan.removed
}

// Updated returns the leaves that a commit's Update proposals replace. The committer's own is not among them.
func (s *Staged) Updated() []LeafChange {
	if s.plan == nil {
		return nil
	}
	return s.plan.updated
}

// Committer returns the committer's leaf and its value after the commit: for an external commit the joiner's. The leaf is nil for a
// proposal.
func (s *Staged) Committer() (LeafIndex, *wire.LeafNode) {
	if s.plan == nil {
		return 0, nil
	}
	return s.plan.by.leaf, s.next.tree.Leaf(s.plan.by.leaf)
}

// Replaced returns the leaf that the committer had before: for an external commit the one that it removed, if any.
func (s *Staged) Replaced() *wire.LeafNode {
	if s.plan == nil {
		return nil
	}
	return s.plan.previous
}

// External reports whether the message is an external commit.
func (s *Staged) External() bool { return s.plan != nil && s.plan.by.external }

// HasPath reports whether a commit carries a path.
func (s *Staged) HasPath() bool { return s.plan != nil && s.content.Content.Commit.Path != nil }

// ReInit returns the proposal that closes the group, nil otherwise.
func (s *Staged) ReInit() *wire.ReInit {
	if s.plan == nil {
		return nil
	}
	return s.plan.reinit
}

// Delta returns the records that lead from the public state before the message to that after it.
func (s *Staged) Delta() Delta { return s.delta }

// From returns the public state before the message.
func (s *Staged) From() *PublicGroup { return s.from }

// Next returns the public state after the message.
func (s *Staged) Next() *PublicGroup { return s.next }
