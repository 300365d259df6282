package vector

import (
	"bytes"
	"crypto"
	"slices"

	"parley/mls/internal/tree"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

type operation struct {
	Suite      wire.CipherSuite `json:"cipher_suite"`
	Before     octets           `json:"tree_before"`
	Proposal   octets           `json:"proposal"`
	Sender     tree.LeafIndex   `json:"proposal_sender"`
	HashBefore octets           `json:"tree_hash_before"`
	After      octets           `json:"tree_after"`
	HashAfter  octets           `json:"tree_hash_after"`
}

func encodeTree(t *tree.Tree) (octets, error) {
	w := t.Wire()
	return syntax.Marshal(&w)
}

// apply applies the proposal of a case.
func (v *operation) apply(before *tree.Tree) (*tree.Tree, error) {
	p, err := decode[wire.Proposal](v.Proposal)
	if err != nil {
		return nil, err
	}
	switch p.Type {
	case wire.AddProposal:
		after, _, err := before.Add(&p.Add.Leaf)
		return after, err
	case wire.UpdateProposal:
		return before.Update(v.Sender, p.Update)
	case wire.RemoveProposal:
		return before.Remove(tree.LeafIndex(p.Remove))
	}
	return nil, mismatch("type of the proposal")
}

func verifyOperation(s *suite.Suite, v *operation) error {
	before, err := tree.Parse(s, v.Before, tree.Limits{})
	if err != nil {
		return err
	}
	after, err := v.apply(before)
	if err != nil {
		return err
	}
	first, err := encodeTree(before)
	if err != nil {
		return err
	}
	last, err := encodeTree(after)
	return checks(err,
		same("tree_hash_before", before.Hash(), v.HashBefore), same("tree_before", first, v.Before),
		same("tree_hash_after", after.Hash(), v.HashAfter), same("tree_after", last, v.After))
}

type validation struct {
	Suite       wire.CipherSuite   `json:"cipher_suite"`
	Tree        octets             `json:"tree"`
	GroupID     octets             `json:"group_id"`
	Hashes      []octets           `json:"tree_hashes"`
	Resolutions [][]tree.NodeIndex `json:"resolutions"`
}

func verifyValidation(s *suite.Suite, v *validation) error {
	t, err := tree.Parse(s, v.Tree, tree.Limits{})
	if err != nil {
		return err
	}
	nodes := int(2*t.Leaves() - 1)
	if len(v.Hashes) != nodes || len(v.Resolutions) != nodes {
		return mismatch("number of nodes")
	}
	for n := range tree.NodeIndex(nodes) {
		if !slices.Equal(t.Resolution(n), v.Resolutions[n]) {
			return mismatch("a resolution")
		}
		if !bytes.Equal(t.NodeHash(n), v.Hashes[n]) {
			return mismatch("a tree hash")
		}
	}
	if err := t.VerifyParentHashes(); err != nil {
		return err
	}
	for i, leaf := range t.All() {
		tbs, err := syntax.Marshal(&wire.LeafNodeTBS{Node: leaf, GroupID: v.GroupID, Leaf: uint32(i)})
		if err != nil {
			return err
		}
		if err := s.VerifyWithLabel(leaf.SignatureKey, "LeafNodeTBS", tbs, leaf.Signature); err != nil {
			return err
		}
	}
	return nil
}

// grove grows trees for vectors: whose leaves are signed, and whose private keys and path secrets are known.
type grove struct {
	suite   *suite.Suite
	random  random
	groupID octets
	tree    *tree.Tree
	leaves  map[tree.LeafIndex]*grown
}

// grown is what a leaf's owner knows.
type grown struct {
	signer    crypto.Signer
	signature octets // the raw private key
	keys      *tree.Keys
	secrets   map[tree.NodeIndex][]byte
}

func plant(s *suite.Suite) (*grove, error) {
	g := &grove{suite: s, leaves: map[tree.LeafIndex]*grown{}}
	g.groupID = g.random.octets(s.HashSize())
	leaf, owner, private, err := g.seedling()
	if err != nil {
		return nil, err
	}
	if g.tree, err = tree.New(s, leaf, tree.Limits{}); err != nil {
		return nil, err
	}
	return g, g.own(0, owner, private)
}

// seedling is a leaf as a KeyPackage has it.
func (g *grove) seedling() (*wire.LeafNode, *grown, octets, error) {
	signer, raw, public, err := newSigner(g.suite)
	if err != nil {
		return nil, nil, nil, err
	}
	private, encryption, err := pairOf(g.suite)
	if err != nil {
		return nil, nil, nil, err
	}
	leaf := &wire.LeafNode{
		EncryptionKey: encryption, SignatureKey: public, Credential: wire.Credential{Type: wire.BasicCredential, Identity: g.random.octets(8)},
		Capabilities: wire.Capabilities{
			Versions: []wire.ProtocolVersion{wire.MLS10}, Suites: []wire.CipherSuite{g.suite.ID()}, Credentials: []wire.CredentialType{wire.BasicCredential},
		},
		Source: wire.KeyPackageSource, Lifetime: wire.Lifetime{NotAfter: 1<<64 - 1},
	}
	owner := &grown{signer: signer, signature: raw, secrets: map[tree.NodeIndex][]byte{}}
	return leaf, owner, private, g.signLeaf(leaf, signer, 0)
}

func (g *grove) signLeaf(leaf *wire.LeafNode, by crypto.Signer, at tree.LeafIndex) error {
	tbs, err := syntax.Marshal(&wire.LeafNodeTBS{Node: leaf, GroupID: g.groupID, Leaf: uint32(at)})
	if err != nil {
		return err
	}
	leaf.Signature, err = g.suite.SignWithLabel(by, "LeafNodeTBS", tbs)
	return err
}

func (g *grove) own(at tree.LeafIndex, owner *grown, private []byte) (err error) {
	g.leaves[at] = owner
	owner.keys, err = g.tree.KeysFromWelcome(at, private, nil, 0)
	return err
}

// add adds a leaf; whoever commits next without it among the added seals to it.
func (g *grove) add() (tree.LeafIndex, error) {
	leaf, owner, private, err := g.seedling()
	if err != nil {
		return 0, err
	}
	next, at, err := g.tree.Add(leaf)
	if err != nil {
		return 0, err
	}
	g.tree = next
	return at, g.own(at, owner, private)
}

func (g *grove) remove(at tree.LeafIndex) (err error) {
	delete(g.leaves, at)
	g.tree, err = g.tree.Remove(at)
	return err
}

// commit gives a leaf a new path; everybody whom it concerns learns it.
func (g *grove) commit(by tree.LeafIndex) error {
	owner := g.leaves[by]
	next, path, err := g.tree.NewPath(by, g.tree.Leaf(by), func(l *wire.LeafNode) error { return g.signLeaf(l, owner.signer, by) })
	if err != nil {
		return err
	}
	g.tree = next
	owner.keys = path.Keys()
	direct := next.FilteredDirectPath(by)
	for at, o := range g.leaves {
		var secret []byte
		if at == by {
			secret = secretOf(path, direct)
		} else {
			secret = path.SecretFor(at)
		}
		if err := g.learn(o, at == by, at, direct, secret); err != nil {
			return err
		}
	}
	return nil
}

// secretOf is the first path secret of a path, found by a leaf below its first node.
func secretOf(path *tree.Path, direct []tree.NodeIndex) []byte {
	for i := tree.LeafIndex(0); len(direct) > 0; i++ {
		if direct[0].Covers(i) {
			if secret := path.SecretFor(i); secret != nil {
				return secret
			}
		}
	}
	return nil
}

// learn follows a path secret upward from the lowest node above a leaf.
func (g *grove) learn(o *grown, committer bool, at tree.LeafIndex, direct []tree.NodeIndex, secret []byte) error {
	for _, n := range direct {
		if !committer && !n.Covers(at) {
			continue
		}
		o.secrets[n] = secret
		if !committer {
			next, err := g.tree.WithPathSecret(o.keys, n, secret)
			if err != nil {
				return err
			}
			o.keys = next
		}
		secret = g.suite.DeriveSecret(secret, "path")
	}
	return nil
}

// get is the tree in which each leaf in turn has added the next one (the description's get_tree).
func get(s *suite.Suite, n int) (*grove, error) {
	g, err := plant(s)
	if err != nil {
		return nil, err
	}
	for i := range n - 1 {
		if _, err := g.add(); err != nil {
			return nil, err
		}
		if err := g.commit(tree.LeafIndex(i)); err != nil {
			return nil, err
		}
	}
	return g, g.random.err
}

// shapes are trees of growing complexity: full ones, trailing blanks, blanks inside, blanks skipped by parent hashes, unmerged leaves.
func shapes(s *suite.Suite) ([]*grove, error) {
	var out []*grove
	for _, n := range []int{2, 3, 4, 5, 7, 8, 9} {
		g, err := get(s, n)
		if err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	inside, err := blanked(s, 2, 3)
	if err != nil {
		return nil, err
	}
	if _, err := inside.add(); err != nil {
		return nil, err
	}
	skipping, err := blanked(s, 1, 2, 3)
	if err != nil {
		return nil, err
	}
	unmerged, err := get(s, 7)
	if err != nil {
		return nil, err
	}
	_, err = unmerged.add()
	return append(out, inside, skipping, unmerged), err
}

// blanked is a tree of eight out of which leaf 0 has removed some.
func blanked(s *suite.Suite, gone ...tree.LeafIndex) (*grove, error) {
	g, err := get(s, 8)
	if err != nil {
		return nil, err
	}
	for _, at := range gone {
		if err := g.remove(at); err != nil {
			return nil, err
		}
	}
	return g, g.commit(0)
}

func makeValidation(s *suite.Suite) ([]any, error) {
	all, err := shapes(s)
	if err != nil {
		return nil, err
	}
	var out []any
	for _, g := range all {
		v := &validation{Suite: s.ID(), GroupID: g.groupID}
		if v.Tree, err = encodeTree(g.tree); err != nil {
			return nil, err
		}
		for n := range tree.NodeIndex(2*g.tree.Leaves() - 1) {
			v.Hashes = append(v.Hashes, g.tree.NodeHash(n))
			v.Resolutions = append(v.Resolutions, append([]tree.NodeIndex{}, g.tree.Resolution(n)...))
		}
		out = append(out, v)
	}
	return out, nil
}

func makeOperations(s *suite.Suite) ([]any, error) {
	full, err := get(s, 8)
	if err != nil {
		return nil, err
	}
	holed, err := blanked(s, 3)
	if err != nil {
		return nil, err
	}
	edge, err := get(s, 9)
	if err != nil {
		return nil, err
	}
	leaf, _, _, err := full.seedling()
	if err != nil {
		return nil, err
	}
	renewed, _, _, err := full.seedling()
	if err != nil {
		return nil, err
	}
	renewed.Source, renewed.Lifetime = wire.UpdateSource, wire.Lifetime{}
	add := &wire.Proposal{Type: wire.AddProposal, Add: &wire.KeyPackage{Version: wire.MLS10, Suite: s.ID(), InitKey: leaf.EncryptionKey, Leaf: *leaf}}
	var out []any
	for _, c := range []struct {
		g *grove
		p *wire.Proposal
	}{
		{full, add}, {holed, add}, {full, &wire.Proposal{Type: wire.UpdateProposal, Update: renewed}},
		{full, &wire.Proposal{Type: wire.RemoveProposal, Remove: 5}}, {edge, &wire.Proposal{Type: wire.RemoveProposal, Remove: 8}},
	} {
		v := &operation{Suite: s.ID(), Proposal: c.g.random.encode(c.p), HashBefore: c.g.tree.Hash()}
		if v.Before, err = encodeTree(c.g.tree); err != nil {
			return nil, err
		}
		after, err := v.apply(c.g.tree)
		if err != nil {
			return nil, err
		}
		v.HashAfter = after.Hash()
		if v.After, err = encodeTree(after); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}
