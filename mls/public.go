package mls

import (
	"bytes"
	"crypto"
	"io"
	"iter"
	"time"

	"parley/mls/internal/schedule"
	"parley/mls/internal/tree"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

// PublicGroup is the public state of a group in one epoch: what a hub knows. It never changes, and any number of goroutines may use
// it. Values that it returns share its memory and must not be changed.
type PublicGroup struct {
	cfg     *Config
	suite   *suite.Suite
	context *wire.GroupContext
	octets  []byte // encoded context
	tree    *tree.Tree
	tag     []byte  // confirmation tag of this epoch
	interim []byte  // interim transcript hash (RFC 9420 §8.2)
	needs   *needs  // of context
	census  *census // of tree
	pending []Pending
	reinit  *wire.ReInit // closed by it
}

// Pending is a proposal that was accepted in this epoch and waits for a commit.
type Pending struct {
	Ref      []byte        // ProposalRef
	Message  *wire.Message // nil when it came as a PrivateMessage
	Format   wire.WireFormat
	Sender   wire.Sender
	Proposal *wire.Proposal
}

// NewPublicGroup starts following a group from a GroupInfo and its tree, which are checked completely (RFC 9420 §12.4.3.1), except
// for the confirmation tag, which nobody outside can check.
func NewPublicGroup(cfg *Config, info *wire.GroupInfo, t *wire.RatchetTree, now time.Time) (*PublicGroup, error) {
	s, err := cfg.Suites.Lookup(info.Context.Suite)
	if err != nil {
		return nil, because(RuleSuite, err)
	}
	nodes, err := tree.FromWire(s, t, cfg.treeLimits())
	if err != nil {
		return nil, because(RuleTree, err)
	}
	return newPublicGroup(cfg, info, nodes, now)
}

// ReadPublicGroup is NewPublicGroup for a tree that comes from a stream; it is not held in memory in its wire form. Octets behind the tree may be
// read too.
func ReadPublicGroup(cfg *Config, info *wire.GroupInfo, r io.Reader, now time.Time) (*PublicGroup, error) {
	s, err := cfg.Suites.Lookup(info.Context.Suite)
	if err != nil {
		return nil, because(RuleSuite, err)
	}
	nodes, err := tree.ReadFrom(s, r, cfg.treeLimits())
	if err != nil {
		return nil, because(RuleTree, err)
	}
	return newPublicGroup(cfg, info, nodes, now)
}

// WriteTree writes the ratchet tree in its wire form, node by node.
func (g *PublicGroup) WriteTree(w io.Writer) error {
	_, err := g.tree.WriteTo(w)
	return err
}

func newPublicGroup(cfg *Config, info *wire.GroupInfo, nodes *tree.Tree, now time.Time) (*PublicGroup, error) {
	s, context := nodes.Suite(), info.Context
	g := &PublicGroup{cfg: cfg, suite: s, context: &context, tree: nodes, tag: info.ConfirmationTag}
	if err := g.checkContext(now); err != nil {
		return nil, err
	}
	if err := g.checkTree(now); err != nil {
		return nil, err
	}
	if err := g.checkInfoSignature(info); err != nil {
		return nil, err
	}
	var err error
	if g.octets, err = marshal(g.context); err != nil {
		return nil, err
	}
	g.interim, err = schedule.InterimHash(s, context.ConfirmedTranscriptHash, info.ConfirmationTag)
	return g, because(RuleEncoding, err)
}

// checkContext checks the GroupContext of a group that is new here.
func (g *PublicGroup) checkContext(now time.Time) error {
	if g.context.Version != wire.MLS10 {
		return broken(RuleGroupInfo)
	}
	return g.adoptExtensions(nil, now)
}

// adoptExtensions checks the GroupContext's extensions and remembers what they demand. External senders are judged by the caller
// when they differ from those in before.
func (g *PublicGroup) adoptExtensions(before wire.Extensions, now time.Time) error {
	list := g.context.Extensions
	if len(list) > g.cfg.limits().Extensions {
		return broken(RuleLimit)
	}
	var err error
	if g.needs, err = needsOf(list); err != nil {
		return err
	}
	old, _ := before.Find(wire.ExternalSendersExtension)
	data, ok := list.Find(wire.ExternalSendersExtension)
	if !ok || before != nil && bytes.Equal(old, data) {
		return nil
	}
	var senders wire.ExternalSenders
	if err := syntax.Unmarshal(data, &senders); err != nil {
		return because(RuleContext, err)
	}
	if g.cfg.ValidateSender == nil {
		return nil
	}
	for _, sender := range senders.Senders {
		if err := g.cfg.ValidateSender(sender, now); err != nil {
			return because(RuleLeafCredential, err)
		}
	}
	return nil
}

// checkTree checks a whole tree against the GroupContext (RFC 9420 §12.4.3.1). Its cost is linear; leaf signatures run in parallel.
func (g *PublicGroup) checkTree(now time.Time) error {
	if !bytes.Equal(g.tree.Hash(), g.context.TreeHash) {
		return broken(RuleTree)
	}
	if err := g.tree.VerifyParentHashes(); err != nil {
		return because(RuleTree, err)
	}
	var indices []LeafIndex
	var leaves []*wire.LeafNode
	g.census = newCensus()
	for i, leaf := range g.tree.All() {
		indices, leaves = append(indices, i), append(leaves, leaf)
		g.census.count(leaf, 1)
	}
	if err := g.census.checkCredentials(); err != nil {
		return err
	}
	return g.cfg.each(len(leaves), func(i int) error {
		check := LeafCheck{Use: UseWelcomeTree, Leaf: leaves[i], Now: now, GroupContext: g.context}
		return g.checkLeaf(check, indices[i])
	})
}

func (g *PublicGroup) checkLeaf(check LeafCheck, index LeafIndex) error {
	return g.cfg.checkLeaf(g.suite, check, g.needs, g.context.GroupID, index)
}

// Context returns the GroupContext.
func (g *PublicGroup) Context() *wire.GroupContext { return g.context }

// Epoch returns the number of the epoch.
func (g *PublicGroup) Epoch() uint64 { return g.context.Epoch }

// GroupID returns the group's ID.
func (g *PublicGroup) GroupID() []byte { return g.context.GroupID }

// Suite returns the cipher suite.
func (g *PublicGroup) Suite() *suite.Suite { return g.suite }

// TreeHash returns the hash of the tree (RFC 9420 §7.8).
func (g *PublicGroup) TreeHash() []byte { return g.context.TreeHash }

// ConfirmationTag returns the confirmation tag of the epoch.
func (g *PublicGroup) ConfirmationTag() []byte { return g.tag }

// Frozen reports whether a ReInit closed the group (RFC 9420 §12.1.5); nothing more can be proposed or committed.
func (g *PublicGroup) Frozen() bool { return g.reinit != nil }

// ReInit returns the proposal that closed the group, nil while it is open.
func (g *PublicGroup) ReInit() *wire.ReInit { return g.reinit }

// Leaf returns a member's leaf, nil when blank or outside.
func (g *PublicGroup) Leaf(i LeafIndex) *wire.LeafNode { return g.tree.Leaf(i) }

// All iterates over the members in the order of their leaves.
func (g *PublicGroup) All() iter.Seq2[LeafIndex, *wire.LeafNode] { return g.tree.All() }

// Members returns the number of members.
func (g *PublicGroup) Members() int { return g.tree.Members() }

// Tree returns the ratchet tree in its wire form. The tree itself keeps encoded nodes: see WriteTree for large ones.
func (g *PublicGroup) Tree() wire.RatchetTree { return g.tree.Wire() }

// Find returns the member with the given signature key.
func (g *PublicGroup) Find(signatureKey []byte) (LeafIndex, bool) {
	return g.tree.SignatureKeyAt(signatureKey)
}

// Component returns a component's data in the GroupContext.
func (g *PublicGroup) Component(id wire.ComponentID) ([]byte, bool) {
	dictionary, _, err := dictionaryOf(g.context.Extensions)
	if err != nil {
		return nil, false
	}
	return dictionary.Find(id)
}

// ExternalSenders returns the outsiders who may propose.
func (g *PublicGroup) ExternalSenders() []wire.ExternalSender {
	var senders wire.ExternalSenders
	data, ok := g.context.Extensions.Find(wire.ExternalSendersExtension)
	if !ok || syntax.Unmarshal(data, &senders) != nil {
		return nil
	}
	return senders.Senders
}

// SupportedByAll reports whether every member understands a proposal type.
func (g *PublicGroup) SupportedByAll(t wire.ProposalType) bool {
	return t.IsDefault() || g.census.all(t)
}

// Pending returns the proposals that wait for a commit, in the order in which they came.
func (g *PublicGroup) Pending() []Pending { return g.pending[:len(g.pending):len(g.pending)] }

func (g *PublicGroup) pendingByRef(ref []byte) *Pending {
	for i := range g.pending {
		if bytes.Equal(g.pending[i].Ref, ref) {
			return &g.pending[i]
		}
	}
	return nil
}

// ProposeExternal makes a proposal of one of the group's external senders, in MIMI the hub (RFC 9420 §12.1.8). The result goes
// through Process like any other message.
func (g *PublicGroup) ProposeExternal(senderIndex uint32, signer crypto.Signer, p wire.Proposal, aad []byte) (*wire.Message, error) {
	senders := g.ExternalSenders()
	if uint64(senderIndex) >= uint64(len(senders)) || !externalMayPropose(p.Type) {
		return nil, broken(RuleProposalSender)
	}
	public, err := g.suite.SignaturePublicKey(signer.Public())
	if err != nil || !bytes.Equal(public, senders[senderIndex].SignatureKey) {
		return nil, broken(RuleProposalSender)
	}
	if err := g.checkAAD(aad); err != nil {
		return nil, err
	}
	f, err := signContent(g.suite, signer, wire.PublicMessageFormat, wire.FramedContent{
		GroupID:           g.context.GroupID,
		Epoch:             g.context.Epoch,
		Sender:            wire.Sender{Type: wire.ExternalSenderType, Index: senderIndex},
		AuthenticatedData: aad,
		Type:              wire.ProposalContent,
		Proposal:          &p,
	}, nil)
	if err != nil {
		return nil, err
	}
	return publicMessage(f, nil), nil
}
