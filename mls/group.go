package mls

import (
	"bytes"
	"crypto"
	"slices"

	"parley/mls/internal/schedule"
	"parley/mls/internal/tree"
	"parley/mls/suite"
	"parley/mls/wire"
)

// Group is a member's view of a group: the public state and the secrets of one or more own leaves. It is used by one goroutine at a
// time. After an error of a step that returns a Delta the group is as it was, unless the step says otherwise.
type Group struct {
	cfg      *Config
	public   *PublicGroup
	own      []*ownLeaf           // by ascending leaf; none once all are removed
	epoch    *schedule.Epoch      // nil while an external commit of this member waits, and after removal
	messages *schedule.SecretTree // as epoch
	past     []*pastEpoch         // by ascending epoch
	updates  map[string]*ownUpdate
	pending  *pendingCommit
	origin   *origin                                 // of a new group that continues another one, until its first commit
	signerOf func(signatureKey []byte) crypto.Signer // of a loaded group
	stored   map[string][]byte                       // secret records that exist; the value of those that were loaded and not used yet
}

// ownLeaf is one leaf of this client.
type ownLeaf struct {
	leaf   LeafIndex
	signer crypto.Signer
	keys   *tree.Keys
}

// ownUpdate is the private key of an own Update proposal that waits for a commit.
type ownUpdate struct {
	leaf            LeafIndex
	public, private []byte
	signer          crypto.Signer // nil: the leaf's
}

// OwnLeaf is a KeyPackage with which this client joins, and the key that signs for it.
type OwnLeaf struct {
	Bundle *KeyPackageBundle
	Signer crypto.Signer
}

// Public returns the public state, the same that a hub has.
func (g *Group) Public() *PublicGroup { return g.public }

// OwnLeaves returns the leaves of this client, ascending.
func (g *Group) OwnLeaves() []LeafIndex {
	out := make([]LeafIndex, len(g.own))
	for i, o := range g.own {
		out[i] = o.leaf
	}
	return out
}

// Removed reports that a commit has removed all own leaves; the group can do nothing more.
func (g *Group) Removed() bool { return len(g.own) == 0 && g.pending == nil }

// Joining reports that the external commit by which this client enters has not come back yet.
func (g *Group) Joining() bool { return g.epoch == nil && g.pending != nil }

// EpochAuthenticator is equal at two members exactly when they agree on the whole state of the epoch (RFC 9420 §8.7). It is nil when
// this client is not in the epoch.
func (g *Group) EpochAuthenticator() []byte {
	if g.epoch == nil {
		return nil
	}
	return bytes.Clone(g.epoch.Authenticator())
}

// Export derives n octets for the application (RFC 9420 §8.5).
func (g *Group) Export(label string, context []byte, n int) ([]byte, error) {
	if g.epoch == nil {
		return nil, broken(RuleState)
	}
	out := g.epoch.Export(label, context, n)
	if out == nil {
		return nil, broken(RuleSecret)
	}
	return out, nil
}

// SafeExport derives the secret of a component for this epoch. It can be had once; the delta forgets what led to it
// (mls-extensions §4.4).
func (g *Group) SafeExport(component wire.ComponentID) ([]byte, Delta, error) {
	if g.epoch == nil {
		return nil, nil, broken(RuleState)
	}
	secret, err := g.epoch.SafeExport(component)
	if err != nil {
		return nil, nil, because(RuleSecret, err)
	}
	return secret, g.keep(g.epoch.TakeDelta(epochPrefix(g.public.Epoch()) + epochKeys)), nil
}

// GroupInfo returns the GroupInfo of the epoch, signed by an own leaf, with external_pub and the given extensions, but without the
// tree (RFC 9420 §12.4.3).
func (g *Group) GroupInfo(leaf LeafIndex, extensions ...wire.Extension) (*wire.GroupInfo, error) {
	o, err := g.member(leaf)
	if err != nil {
		return nil, err
	}
	return signedInfo(g.public, g.epoch, o.signer, leaf, extensions)
}

func signedInfo(p *PublicGroup, e *schedule.Epoch, signer crypto.Signer, leaf LeafIndex, extensions wire.Extensions) (*wire.GroupInfo, error) {
	private, public, err := e.ExternalKeyPair()
	if err != nil {
		return nil, because(RuleSecret, err)
	}
	suite.Wipe(private)
	all, err := infoExtensions(public, extensions)
	if err != nil {
		return nil, err
	}
	return p.signInfo(signer, leaf, all)
}

// member returns an own leaf that can act in the epoch.
func (g *Group) member(leaf LeafIndex) (*ownLeaf, error) {
	o := g.ownAt(leaf)
	if o == nil {
		return nil, broken(RuleOwnLeaf)
	}
	if g.epoch == nil {
		return nil, broken(RuleState)
	}
	return o, nil
}

func (g *Group) ownAt(leaf LeafIndex) *ownLeaf {
	for _, o := range g.own {
		if o.leaf == leaf {
			return o
		}
	}
	return nil
}

// pastEpoch is what is kept of an epoch so that messages that come late still open: no key of it but those of messages.
type pastEpoch struct {
	context    *wire.GroupContext
	needs      *needs
	leaves     map[LeafIndex]*wire.LeafNode // those that the next epoch changed, as they were; nil: blank
	width      uint32
	senderData []byte
	resumption []byte
	messages   *schedule.SecretTree
}

func (e *pastEpoch) wipe() {
	suite.Wipe(e.senderData)
	suite.Wipe(e.resumption)
	e.messages.Wipe()
}

// leafIn returns a leaf as it was in a past epoch: the oldest change since then has it.
func (g *Group) leafIn(past int, leaf LeafIndex) *wire.LeafNode {
	for _, e := range g.past[past:] {
		if was, changed := e.leaves[leaf]; changed {
			return was
		}
	}
	return g.public.Leaf(leaf)
}

// retire makes a past epoch of the present one. next is the public state that follows.
func (g *Group) retire(next *PublicGroup) *pastEpoch {
	p := g.public
	e := &pastEpoch{
		context: p.context, needs: p.needs, leaves: map[LeafIndex]*wire.LeafNode{}, width: p.tree.Leaves(),
		messages: g.messages,
	}
	for _, change := range next.tree.Diff(p.tree) {
		if leaf, ok := change.At.Leaf(); ok {
			e.leaves[leaf] = p.tree.Leaf(leaf)
		}
	}
	e.senderData, e.resumption = g.epoch.Retire()
	return e
}

// psk finds a pre-shared key that a commit or a Welcome names. The result may be overwritten.
func (g *Group) psk(id *wire.PreSharedKeyID) ([]byte, bool) {
	if g.origin != nil && continues(id) {
		return bytes.Clone(g.origin.secret), true
	}
	if id.Type == wire.ResumptionPSK && g.public != nil && bytes.Equal(id.GroupID, g.public.GroupID()) {
		if secret, ok := g.ResumptionPSK(id.Epoch); ok {
			return secret, true
		}
	}
	if g.cfg.PSK == nil {
		return nil, false
	}
	secret, ok := g.cfg.PSK(id)
	return bytes.Clone(secret), ok
}

// pskSecret combines the pre-shared keys of a commit or a Welcome (RFC 9420 §8.4).
func pskSecret(s *suite.Suite, ids []wire.PreSharedKeyID, find func(*wire.PreSharedKeyID) ([]byte, bool)) ([]byte, error) {
	psks := make([]schedule.PSK, 0, len(ids))
	defer func() {
		for _, p := range psks {
			suite.Wipe(p.Secret)
		}
	}()
	for i := range ids {
		secret, ok := find(&ids[i])
		if !ok {
			return nil, broken(RulePSK)
		}
		psks = append(psks, schedule.PSK{ID: ids[i], Secret: secret})
	}
	secret, err := schedule.PSKSecret(s, psks)
	return secret, because(RuleSecret, err)
}

// shareKeys gives one own leaf the path keys that another one got, as far as they lie above it.
func shareKeys(t *tree.Tree, k, from *tree.Keys) *tree.Keys {
	if k == from {
		return k
	}
	return k.Retain(t).Share(from)
}

// deepest returns the own leaf whose common ancestor with a committer is the lowest: what it learns of a path is all that any own
// leaf learns.
func deepest(own []*ownLeaf, committer LeafIndex) *ownLeaf {
	return slices.MinFunc(own, func(a, b *ownLeaf) int {
		return tree.CommonAncestor(a.leaf, committer).Level() - tree.CommonAncestor(b.leaf, committer).Level()
	})
}
