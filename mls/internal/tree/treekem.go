package tree

import (
	"fmt"
	"slices"

	"parley/mls/suite"
	"parley/mls/wire"
)

// pathNodeLabel is the label under which path secrets are sealed (RFC 9420 §7.6).
const pathNodeLabel = "UpdatePathNode"

// Path is a committer's new path with its secrets. The caller wipes it when the commit is sent or dropped; Keys outlive that.
type Path struct {
	suite   *suite.Suite
	steps   []step
	secrets [][]byte // path secret of each step
	nodes   []*wire.ParentNode
	leaf    *wire.LeafNode
	keys    *Keys
	commit  []byte
}

// NewPath makes a fresh path for the commit of leaf i and returns the tree with it (RFC 9420 §7.5). t has the commit's proposals
// applied; for an external commit i is NextLeaf. The leaf is a copy of template with a new encryption key, CommitSource and its
// parent hash; sign must set its Signature.
func (t *Tree) NewPath(i LeafIndex, template *wire.LeafNode, sign func(*wire.LeafNode) error) (*Tree, *Path, error) {
	steps, err := t.path(i)
	if err != nil {
		return nil, nil, err
	}
	private, public, err := t.suite.GenerateKeyPair()
	if err != nil {
		return nil, nil, err
	}
	p := &Path{suite: t.suite, steps: steps, keys: &Keys{i, map[NodeIndex]*pair{i.Node(): {public, private}}}}
	next, err := t.newPath(i, p, template, sign)
	if err != nil {
		p.keys.Retire(nil)
		p.Wipe()
		return nil, nil, err
	}
	return next, p, nil
}

func (t *Tree) newPath(i LeafIndex, p *Path, template *wire.LeafNode, sign func(*wire.LeafNode) error) (*Tree, error) {
	secret, err := suite.Random(t.suite.HashSize())
	if err != nil {
		return nil, err
	}
	keys := make([][]byte, len(p.steps))
	for k, s := range p.steps {
		made, err := pairOf(t.suite, secret)
		if err != nil {
			return nil, err
		}
		p.secrets = append(p.secrets, secret)
		p.keys.pairs[s.at] = made
		keys[k] = made.public
		secret = t.suite.DeriveSecret(secret, "path")
	}
	p.commit = secret
	h := hasher{suite: t.suite.Hash}
	leaf := *template
	if p.nodes, leaf.ParentHash, err = h.parents(p.steps, keys); err != nil {
		return nil, err
	}
	leaf.EncryptionKey = p.keys.pairs[i.Node()].public
	leaf.Source, leaf.Lifetime, leaf.Signature = wire.CommitSource, wire.Lifetime{}, nil
	if err := sign(&leaf); err != nil {
		return nil, err
	}
	p.leaf = &leaf
	return t.withPath(i, p.steps, p.nodes, p.leaf, h.count)
}

// pairOf derives a node's key pair from its path secret (RFC 9420 §7.4).
func pairOf(s *suite.Suite, pathSecret []byte) (*pair, error) {
	nodeSecret := s.DeriveSecret(pathSecret, "node")
	defer suite.Wipe(nodeSecret)
	private, public, err := s.DeriveKeyPair(nodeSecret)
	return &pair{public, private}, err
}

// CommitSecret returns the secret that the path gives to the key schedule. Wipe overwrites it.
func (p *Path) CommitSecret() []byte { return p.commit }

// Keys returns the private keys that the committer has after its commit.
func (p *Path) Keys() *Keys { return p.keys }

// Leaf returns the committer's new, signed leaf.
func (p *Path) Leaf() *wire.LeafNode { return p.leaf }

// SecretFor returns the path secret that a Welcome gives to a new member (RFC 9420 §12.4.3.1): that of the lowest node above both the
// committer and the leaf. Wipe overwrites it. It is nil when there is no such node.
func (p *Path) SecretFor(leaf LeafIndex) []byte {
	if leaf == p.keys.own {
		return nil
	}
	for k, s := range p.steps {
		if s.at.Covers(leaf) {
			return p.secrets[k]
		}
	}
	return nil
}

// Wipe overwrites the path secrets and the commit secret, but not Keys.
func (p *Path) Wipe() {
	for _, secret := range p.secrets {
		suite.Wipe(secret)
	}
	suite.Wipe(p.commit)
}

// Seal returns the path as it travels, each path secret sealed to the members below the copath (RFC 9420 §7.6) except the leaves in
// added, which get theirs by Welcome. groupContext is the encoded context of the new epoch, with the tree hash of NewPath's tree.
// parallel calls f for each of 0 to n-1, in any order or at once; nil means one after the other.
func (p *Path) Seal(groupContext []byte, added []LeafIndex, parallel func(n int, f func(i int))) (*wire.UpdatePath, error) {
	type box struct {
		public, secret []byte
		out            *wire.HPKECiphertext
	}
	added = sorted(added)
	up := &wire.UpdatePath{Leaf: *p.leaf, Nodes: make([]wire.UpdatePathNode, len(p.steps))}
	var boxes []box
	for k, s := range p.steps {
		up.Nodes[k].EncryptionKey = p.nodes[k].EncryptionKey
		if count := recipients(s.copath, s.start, added); count > 0 {
			up.Nodes[k].Secrets = make([]wire.HPKECiphertext, 0, count)
		}
		s.copath.resolve(s.start, func(at NodeIndex) {
			if i, leaf := at.Leaf(); leaf {
				if _, isNew := slices.BinarySearch(added, i); isNew {
					return
				}
			}
			up.Nodes[k].Secrets = append(up.Nodes[k].Secrets, wire.HPKECiphertext{})
			boxes = append(boxes, box{public: []byte(s.copath.findFrom(s.start, at).key()), secret: p.secrets[k]})
		})
	}
	at := 0
	for k := range up.Nodes {
		for j := range up.Nodes[k].Secrets {
			boxes[at].out = &up.Nodes[k].Secrets[j]
			at++
		}
	}
	errs := make([]error, len(boxes))
	if parallel == nil {
		parallel = inOrder
	}
	purpose, err := p.suite.Purpose(pathNodeLabel, groupContext)
	if err != nil {
		return nil, err
	}
	parallel(len(boxes), func(i int) {
		b := boxes[i]
		*b.out, errs[i] = purpose.Encrypt(b.public, b.secret)
	})
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return up, nil
}

func inOrder(n int, f func(int)) {
	for i := range n {
		f(i)
	}
}

// OpenPath recovers what a received path gives to the holder of k: the keys it has afterwards and the commit secret. before is the
// tree with the commit's proposals applied, t the one that before.ApplyPath returned; from, up and added are as there, and
// groupContext as in Path.Seal. k may hold keys that before has no more.
//
// Every key derived must be the one in the path (RFC 9420 §7.5); ErrPathSecret otherwise and whenever a secret cannot be opened. Keys
// below the common ancestor of both leaves stay: they open later paths.
func (t *Tree) OpenPath(before *Tree, k *Keys, from LeafIndex, up *wire.UpdatePath, groupContext []byte, added []LeafIndex) (next *Keys, commitSecret []byte, err error) {
	steps, err := before.path(from)
	if err != nil {
		return nil, nil, err
	}
	own := k.own
	if own == from || !before.has(own) {
		return nil, nil, ErrLeaf
	}
	added = sorted(added)
	if _, isNew := slices.BinarySearch(added, own); isNew {
		return nil, nil, ErrLeaf
	}
	first := slices.IndexFunc(steps, func(s step) bool { return s.at.Covers(own) })
	if first < 0 || len(up.Nodes) != len(steps) {
		return nil, nil, ErrPath
	}
	at, place := recipient(steps[first].copath, steps[first].start, own, added)
	if place >= len(up.Nodes[first].Secrets) {
		return nil, nil, ErrPath
	}
	known := k.Retain(before).pairs[at]
	if known == nil {
		return nil, nil, ErrPathSecret
	}
	secret, err := t.suite.DecryptWithLabel(known.private, pathNodeLabel, groupContext, up.Nodes[first].Secrets[place])
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrPathSecret, err)
	}
	next = k.Retain(t)
	var fresh []NodeIndex
	for _, s := range steps[first:] {
		fresh = append(fresh, s.at)
	}
	if commitSecret, err = t.climb(next, fresh, secret); err != nil {
		return nil, nil, err
	}
	return next, commitSecret, nil
}

// climb derives the pairs of the given nodes, lowest first, from the path secret of the first one, adds them to k when they are
// those of the tree, and returns the secret after the last. secret is overwritten. On an error k is not to be used.
func (t *Tree) climb(k *Keys, nodes []NodeIndex, secret []byte) (last []byte, err error) {
	if len(secret) != t.suite.HashSize() {
		suite.Wipe(secret)
		return nil, ErrPathSecret
	}
	var made []*pair
	for _, at := range nodes {
		p, err := pairOf(t.suite, secret)
		made = append(made, p)
		if err == nil && string(p.public) != string(t.root.find(at).key()) {
			err = ErrPathSecret
		}
		following := t.suite.DeriveSecret(secret, "path")
		suite.Wipe(secret)
		secret = following
		if err != nil {
			suite.Wipe(secret)
			wipeAll(made)
			return nil, err
		}
		k.pairs[at] = p
	}
	return secret, nil
}

func wipeAll(pairs []*pair) {
	for _, p := range pairs {
		suite.Wipe(p.private)
	}
}

// KeysFromWelcome returns the keys of a member that came by a Welcome (RFC 9420 §12.4.3.1), or of a creator. t is the tree of the epoch,
// signer the leaf that committed; pathSecret is nil when the commit had no path. Both secrets are copied. ErrPathSecret when the keys
// derived are not those of the tree.
func (t *Tree) KeysFromWelcome(own LeafIndex, leafPrivate, pathSecret []byte, signer LeafIndex) (*Keys, error) {
	leaf := t.Leaf(own)
	if leaf == nil {
		return nil, ErrLeaf
	}
	k := &Keys{own, map[NodeIndex]*pair{own.Node(): {leaf.EncryptionKey, slices.Clone(leafPrivate)}}}
	if pathSecret == nil {
		return k, nil
	}
	if own == signer || t.Leaf(signer) == nil {
		return nil, ErrLeaf
	}
	nodes := []NodeIndex{CommonAncestor(own, signer)}
	for at, ok := nodes[0].Parent(t.Leaves()); ok; at, ok = at.Parent(t.Leaves()) {
		if !t.root.find(at).blank() {
			nodes = append(nodes, at)
		}
	}
	last, err := t.climb(k, nodes, slices.Clone(pathSecret))
	if err != nil {
		k.Retire(nil)
		return nil, err
	}
	suite.Wipe(last)
	return k, nil
}
