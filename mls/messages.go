package mls

import (
	"bytes"
	"crypto"
	"encoding/hex"
	"fmt"
	"time"

	"parley/mls/suite"
	"parley/mls/wire"
)

// Received is an application message that was opened.
type Received struct {
	Index             LeafIndex
	Leaf              *wire.LeafNode // the sender's, as it was in the message's epoch
	Epoch             uint64
	Generation        uint32
	Data              []byte
	AuthenticatedData []byte
	media             []wire.MediaType // the group's, see Framing
}

// Seal encrypts application data (RFC 9420 §6.3). The delta has the advanced ratchet and must be durable before the message leaves;
// after a failure to store it the group is loaded again, or else a key would be used twice.
func (g *Group) Seal(leaf LeafIndex, aad, data []byte) (*wire.Message, Delta, error) {
	o, err := g.member(leaf)
	if err != nil {
		return nil, nil, err
	}
	if g.public.Frozen() {
		return nil, nil, broken(RuleFrozen)
	}
	if err := g.public.checkAAD(aad); err != nil {
		return nil, nil, err
	}
	if err := g.public.needs.checkFraming(data); err != nil {
		return nil, nil, err
	}
	f, err := signContent(g.public.suite, o.signer, wire.PrivateMessageFormat, wire.FramedContent{
		GroupID:           g.public.context.GroupID,
		Epoch:             g.public.context.Epoch,
		Sender:            wire.Sender{Type: wire.MemberSender, Index: uint32(leaf)},
		AuthenticatedData: aad,
		Type:              wire.ApplicationContent,
		Application:       data,
	}, g.public.octets)
	if err != nil {
		return nil, nil, err
	}
	return g.sealed(f.AuthenticatedContent)
}

// sealed encrypts content that is signed for the private format.
func (g *Group) sealed(ac *wire.AuthenticatedContent) (*wire.Message, Delta, error) {
	padding := 0
	if to := g.cfg.PadTo; to > 1 && ac.Content.Type == wire.ApplicationContent {
		padding = (to - len(ac.Content.Application)%to) % to
	}
	private, err := g.cryptor().seal(ac, padding)
	if err != nil {
		return nil, nil, err
	}
	d, err := g.takeMessages()
	return &wire.Message{Version: wire.MLS10, Format: wire.PrivateMessageFormat, Private: private}, d, err
}

// takeMessages returns the records of ratchets that moved.
func (g *Group) takeMessages() (Delta, error) {
	d, err := g.messages.TakeDelta(epochPrefix(g.public.Epoch()) + epochMessages)
	if err != nil {
		return nil, because(RuleEncoding, err)
	}
	return g.keep(d), nil
}

func (g *Group) sealedSemiPrivate(f *framed) (*wire.Message, Delta, error) {
	semi, err := g.cryptor().sealSemiPrivate(f, g.public.octets, g.public.needs.receivers)
	if err != nil {
		return nil, nil, err
	}
	d, err := g.takeMessages()
	return &wire.Message{Version: wire.MLS10, Format: wire.SemiPrivateMessageFormat, Semi: semi}, d, err
}

func (g *Group) cryptor() *cryptor {
	return &cryptor{suite: g.public.suite, sender: g.epoch.SenderDataKey, messages: g.messages, own: g.ownsLeaf}
}

func (g *Group) ownsLeaf(leaf uint32) bool { return g.ownAt(LeafIndex(leaf)) != nil }

// Open decrypts an application message of the present epoch or of one of the last (Limits.PastEpochs). The key is used up by a message
// that is completely valid, and by no other; the delta is empty after an error. A message of an own leaf gives RuleOwnMessage.
func (g *Group) Open(m *wire.PrivateMessage) (*Received, Delta, error) {
	if m.Type != wire.ApplicationContent {
		return nil, nil, broken(RuleFormat)
	}
	if !bytes.Equal(m.GroupID, g.public.GroupID()) {
		return nil, nil, broken(RuleGroupID)
	}
	if g.epoch == nil {
		return nil, nil, broken(RuleState)
	}
	if m.Epoch == g.public.Epoch() {
		return g.openIn(m, g.cryptor(), g.public.octets, g.public.needs, g.public.Leaf)
	}
	for i, e := range g.past {
		if e.context.Epoch == m.Epoch {
			x := &cryptor{suite: g.public.suite, messages: e.messages, own: g.ownsLeaf, sender: e.senderDataKey(g.public.suite)}
			context, err := marshal(e.context)
			if err != nil {
				return nil, nil, err
			}
			return g.openIn(m, x, context, e.needs, func(leaf LeafIndex) *wire.LeafNode { return g.leafIn(i, leaf) })
		}
	}
	return nil, nil, broken(RuleEpoch)
}

func (g *Group) openIn(m *wire.PrivateMessage, x *cryptor, context []byte, n *needs, leafAt func(LeafIndex) *wire.LeafNode) (*Received, Delta, error) {
	o, err := x.open(m)
	if err != nil {
		return nil, nil, err
	}
	content := &o.content.Content
	sender := LeafIndex(content.Sender.Index)
	leaf := leafAt(sender)
	if leaf == nil {
		o.use.Discard()
		return nil, nil, broken(RuleSender)
	}
	f, err := frame(o.content)
	if err == nil {
		err = f.verify(g.public.suite, leaf.SignatureKey, context)
	}
	if err != nil {
		o.use.Discard()
		return nil, nil, err
	}
	if err := checkSafeAAD(n.safeAAD, content.AuthenticatedData); err != nil {
		o.use.Discard()
		return nil, nil, err
	}
	x.messages.Consume(o.use)
	d, err := x.messages.TakeDelta(epochPrefix(content.Epoch) + epochMessages)
	if err != nil {
		return nil, nil, because(RuleEncoding, err)
	}
	return &Received{
		Index: sender, Leaf: leaf, Epoch: content.Epoch, Generation: o.generation,
		Data: content.Application, AuthenticatedData: content.AuthenticatedData, media: n.media,
	}, g.keep(d), nil
}

// Propose makes a proposal of an own leaf. The group takes it in when it comes back through Process, as everybody does; the delta is
// that of sending. An Update is made by ProposeUpdate. A SelfRemove is made once per leaf and epoch.
func (g *Group) Propose(leaf LeafIndex, p wire.Proposal, aad []byte, now time.Time) (*wire.Message, Delta, error) {
	if p.Type == wire.UpdateProposal {
		return nil, nil, broken(RuleProposalSender)
	}
	o, err := g.member(leaf)
	if err != nil {
		return nil, nil, err
	}
	if p.Type == wire.SelfRemoveProposal {
		return g.proposeSelfRemove(o, p, aad, now)
	}
	m, _, d, err := g.propose(o, p, aad, now)
	return m, d, err
}

// proposeSelfRemove makes one SelfRemove of a leaf per epoch and gives the same one whenever it is asked again
// (mls-extensions §6.3).
func (g *Group) proposeSelfRemove(o *ownLeaf, p wire.Proposal, aad []byte, now time.Time) (*wire.Message, Delta, error) {
	key := fmt.Sprintf("%sleave/%d", keySent, o.leaf)
	if octets, ok := g.get(key); ok {
		m := new(wire.Message)
		return m, nil, load(octets, m)
	}
	m, _, d, err := g.propose(o, p, aad, now)
	if err != nil {
		return nil, nil, err
	}
	octets, err := marshal(m)
	if err != nil {
		return nil, nil, err
	}
	d.Put(key, octets)
	g.stored[key] = bytes.Clone(octets)
	return m, d, nil
}

// Renewal is what changes in an own leaf besides its encryption key; zero fields stay as they are.
type Renewal struct {
	Signer       crypto.Signer
	Credential   *wire.Credential
	Capabilities *wire.Capabilities
	Extensions   *wire.Extensions
}

// apply puts the changes into a leaf and returns who signs it.
func (r *Renewal) apply(s *suite.Suite, leaf *wire.LeafNode, signer crypto.Signer) (crypto.Signer, error) {
	if r == nil {
		return signer, nil
	}
	if r.Credential != nil {
		leaf.Credential = *r.Credential
	}
	if r.Capabilities != nil {
		leaf.Capabilities = *r.Capabilities
	}
	if r.Extensions != nil {
		leaf.Extensions = *r.Extensions
	}
	if r.Signer == nil {
		return signer, nil
	}
	public, err := s.SignaturePublicKey(r.Signer.Public())
	if err != nil {
		return nil, because(RuleSuite, err)
	}
	leaf.SignatureKey = public
	return r.Signer, nil
}

// ProposeUpdate makes an Update of an own leaf with a new encryption key (RFC 9420 §12.1.2). The private key waits in the group until a
// commit of somebody else takes the proposal or the epoch ends.
func (g *Group) ProposeUpdate(leaf LeafIndex, r *Renewal, aad []byte, now time.Time) (*wire.Message, Delta, error) {
	o, err := g.member(leaf)
	if err != nil {
		return nil, nil, err
	}
	s := g.public.suite
	node := *g.public.Leaf(leaf)
	signer, err := r.apply(s, &node, o.signer)
	if err != nil {
		return nil, nil, err
	}
	node.Source, node.Lifetime, node.ParentHash = wire.UpdateSource, wire.Lifetime{}, nil
	private, public, err := s.GenerateKeyPair()
	if err != nil {
		return nil, nil, because(RuleRandom, err)
	}
	node.EncryptionKey = public
	if err := signLeaf(s, signer, &node, g.public.GroupID(), leaf); err != nil {
		return nil, nil, err
	}
	m, ref, sent, err := g.propose(o, wire.Proposal{Type: wire.UpdateProposal, Update: &node}, aad, now)
	if err != nil {
		suite.Wipe(private)
		return nil, nil, err
	}
	u := &ownUpdate{leaf: leaf, public: public, private: private, signer: r.signer()}
	g.updates[string(ref)] = u
	var d deltaBuilder
	d.put(keyUpdate+hex.EncodeToString(ref), &savedUpdate{uint32(leaf), public, private})
	if d.err != nil {
		return nil, nil, d.err
	}
	return m, append(sent, g.keep(d.Delta)...), nil
}

func (r *Renewal) signer() crypto.Signer {
	if r == nil {
		return nil
	}
	return r.Signer
}

// propose signs a proposal, checks it as the receivers will, and frames it.
func (g *Group) propose(o *ownLeaf, p wire.Proposal, aad []byte, now time.Time) (m *wire.Message, ref []byte, d Delta, err error) {
	format := g.public.handshakeFormat()
	if p.Type == wire.SelfRemoveProposal {
		format = wire.PublicMessageFormat // mls-extensions §6.3, A-X10
	}
	f, err := signContent(g.public.suite, o.signer, format, wire.FramedContent{
		GroupID:           g.public.context.GroupID,
		Epoch:             g.public.context.Epoch,
		Sender:            wire.Sender{Type: wire.MemberSender, Index: uint32(o.leaf)},
		AuthenticatedData: aad,
		Type:              wire.ProposalContent,
		Proposal:          &p,
	}, g.public.octets)
	if err != nil {
		return nil, nil, nil, err
	}
	if _, err := g.public.stage(f, nil, now); err != nil {
		return nil, nil, nil, err
	}
	if ref, err = g.public.suite.ProposalRef(f.AuthenticatedContent); err != nil {
		return nil, nil, nil, because(RuleEncoding, err)
	}
	m, d, err = g.frame(f)
	return m, ref, d, err
}

// frame makes a message of a member's signed handshake content.
func (g *Group) frame(f *framed) (*wire.Message, Delta, error) {
	if f.Format != wire.PublicMessageFormat {
		return g.sealedHandshake(f)
	}
	tbm, err := f.tbm(g.public.octets)
	if err != nil {
		return nil, nil, err
	}
	return publicMessage(f, g.epoch.MembershipTag(tbm...)), nil, nil
}

// sealedHandshake encrypts a proposal or commit and keeps its content: it cannot be opened when it comes back.
func (g *Group) sealedHandshake(f *framed) (*wire.Message, Delta, error) {
	octets, err := marshal(f.AuthenticatedContent)
	if err != nil {
		return nil, nil, err
	}
	seal := g.sealed
	if f.Format == wire.SemiPrivateMessageFormat {
		seal = func(*wire.AuthenticatedContent) (*wire.Message, Delta, error) { return g.sealedSemiPrivate(f) }
	}
	m, d, err := seal(f.AuthenticatedContent)
	if err != nil {
		return nil, nil, err
	}
	hash, err := messageHash(g.public.suite, m)
	if err != nil {
		return nil, nil, err
	}
	key := keySent + hex.EncodeToString(hash)
	d.Put(key, octets)
	g.stored[key] = bytes.Clone(octets) // overwritten later, when the delta may not be written yet
	return m, d, nil
}
