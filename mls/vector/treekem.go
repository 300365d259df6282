package vector

import (
	"maps"
	"slices"

	"parley/mls/internal/tree"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

type treeKEM struct {
	Suite   wire.CipherSuite `json:"cipher_suite"`
	GroupID octets           `json:"group_id"`
	Epoch   uint64           `json:"epoch"`
	Hash    octets           `json:"confirmed_transcript_hash"`
	Tree    octets           `json:"ratchet_tree"`
	Leaves  []privateLeaf    `json:"leaves_private"`
	Paths   []updatePath     `json:"update_paths"`
}

type privateLeaf struct {
	Index       tree.LeafIndex `json:"index"`
	Private     octets         `json:"encryption_priv"`
	Signature   octets         `json:"signature_priv"`
	PathSecrets []nodeSecret   `json:"path_secrets"`
}

type nodeSecret struct {
	Node   tree.NodeIndex `json:"node"`
	Secret octets         `json:"path_secret"`
}

type updatePath struct {
	Sender      tree.LeafIndex `json:"sender"`
	Path        octets         `json:"update_path"`
	PathSecrets []*octets      `json:"path_secrets"`
	Commit      octets         `json:"commit_secret"`
	HashAfter   octets         `json:"tree_hash_after"`
}

func (v *treeKEM) context(t *tree.Tree) ([]byte, error) {
	return syntax.Marshal(&wire.GroupContext{
		Version: wire.MLS10, Suite: v.Suite, GroupID: v.GroupID, Epoch: v.Epoch, TreeHash: t.Hash(), ConfirmedTranscriptHash: v.Hash,
	})
}

// keys are the private states of the leaves, held against the tree.
func (v *treeKEM) keys(s *suite.Suite, t *tree.Tree) (map[tree.LeafIndex]*tree.Keys, error) {
	all := map[tree.LeafIndex]*tree.Keys{}
	for _, l := range v.Leaves {
		leaf := t.Leaf(l.Index)
		if leaf == nil {
			return nil, mismatch("a private leaf, which the tree has not,")
		}
		err := checks(fits(s, l.Signature, leaf.SignatureKey), fitsHPKE(s, l.Private, leaf.EncryptionKey))
		if err != nil {
			return nil, err
		}
		k, err := t.KeysFromWelcome(l.Index, l.Private, nil, 0)
		if err != nil {
			return nil, err
		}
		for _, n := range l.PathSecrets {
			if k, err = t.WithPathSecret(k, n.Node, n.Secret); err != nil {
				return nil, err
			}
		}
		all[l.Index] = k
	}
	return all, nil
}

func verifyTreeKEM(s *suite.Suite, v *treeKEM) error {
	before, err := tree.Parse(s, v.Tree, tree.Limits{})
	if err != nil {
		return err
	}
	keys, err := v.keys(s, before)
	if err != nil {
		return err
	}
	for i := range v.Paths {
		if err := v.follow(before, keys, &v.Paths[i]); err != nil {
			return err
		}
		if err := v.again(s, before, keys, v.Paths[i].Sender); err != nil {
			return err
		}
	}
	return nil
}

// follow has everybody else process a path.
func (v *treeKEM) follow(before *tree.Tree, keys map[tree.LeafIndex]*tree.Keys, p *updatePath) error {
	up, err := decode[wire.UpdatePath](p.Path)
	if err != nil {
		return err
	}
	after, err := before.ApplyPath(p.Sender, up, nil)
	if err := checks(err); err != nil {
		return err
	}
	if err := same("tree_hash_after", after.Hash(), p.HashAfter); err != nil {
		return err
	}
	context, err := v.context(after)
	if err != nil {
		return err
	}
	for own, k := range keys {
		if own == p.Sender {
			continue
		}
		if int(own) >= len(p.PathSecrets) || p.PathSecrets[own] == nil {
			return mismatch("number of path secrets")
		}
		_, commit, err := after.OpenPath(before, k, p.Sender, up, context, nil)
		if err := checks(err, same("commit_secret", commit, p.Commit)); err != nil {
			return err
		}
		if _, err := after.KeysFromWelcome(own, k.Leaf(), *p.PathSecrets[own], p.Sender); err != nil {
			return err
		}
	}
	return nil
}

// again makes a path of our own for a sender, which all others open.
func (v *treeKEM) again(s *suite.Suite, before *tree.Tree, keys map[tree.LeafIndex]*tree.Keys, sender tree.LeafIndex) error {
	at := slices.IndexFunc(v.Leaves, func(l privateLeaf) bool { return l.Index == sender })
	if at < 0 {
		return mismatch("sender, whose keys are missing,")
	}
	key, err := signer(s, v.Leaves[at].Signature)
	if err != nil {
		return err
	}
	after, path, err := before.NewPath(sender, before.Leaf(sender), func(l *wire.LeafNode) error {
		tbs, err := syntax.Marshal(&wire.LeafNodeTBS{Node: l, GroupID: v.GroupID, Leaf: uint32(sender)})
		if err != nil {
			return err
		}
		l.Signature, err = s.SignWithLabel(key, "LeafNodeTBS", tbs)
		return err
	})
	if err != nil {
		return err
	}
	context, err := v.context(after)
	if err != nil {
		return err
	}
	up, err := path.Seal(context, nil, nil)
	if err != nil {
		return err
	}
	applied, err := before.ApplyPath(sender, up, nil)
	if err != nil {
		return err
	}
	if err := same("tree hash of an own path", applied.Hash(), after.Hash()); err != nil {
		return err
	}
	for own, k := range keys {
		if own == sender {
			continue
		}
		_, commit, err := after.OpenPath(before, k, sender, up, context, nil)
		if err := checks(err, same("commit secret of an own path", commit, path.CommitSecret())); err != nil {
			return err
		}
	}
	return nil
}

func makeTreeKEM(s *suite.Suite) ([]any, error) {
	all, err := shapes(s)
	if err != nil {
		return nil, err
	}
	var out []any
	for _, g := range all {
		v, err := g.kem()
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// kem writes a grove down, with a path of each of its leaves.
func (g *grove) kem() (*treeKEM, error) {
	n := g.suite.HashSize()
	v := &treeKEM{Suite: g.suite.ID(), GroupID: g.groupID, Epoch: 3, Hash: g.random.octets(n)}
	var err error
	if v.Tree, err = encodeTree(g.tree); err != nil {
		return nil, err
	}
	for _, at := range slices.Sorted(maps.Keys(g.leaves)) {
		o := g.leaves[at]
		l := privateLeaf{Index: at, Private: slices.Clone(o.keys.Leaf()), Signature: o.signature, PathSecrets: []nodeSecret{}}
		for _, node := range slices.Sorted(maps.Keys(o.secrets)) {
			// a secret of a key that was replaced since is none any more
			if _, err := g.tree.WithPathSecret(o.keys, node, o.secrets[node]); err == nil {
				l.PathSecrets = append(l.PathSecrets, nodeSecret{node, slices.Clone(o.secrets[node])})
			}
		}
		v.Leaves = append(v.Leaves, l)
	}
	for _, at := range slices.Sorted(maps.Keys(g.leaves)) {
		p, err := g.path(v, at)
		if err != nil {
			return nil, err
		}
		v.Paths = append(v.Paths, *p)
	}
	return v, g.random.err
}

// path makes a path of one leaf, which the grove itself does not take.
func (g *grove) path(v *treeKEM, by tree.LeafIndex) (*updatePath, error) {
	after, path, err := g.tree.NewPath(by, g.tree.Leaf(by), func(l *wire.LeafNode) error { return g.signLeaf(l, g.leaves[by].signer, by) })
	if err != nil {
		return nil, err
	}
	context, err := v.context(after)
	if err != nil {
		return nil, err
	}
	up, err := path.Seal(context, nil, nil)
	if err != nil {
		return nil, err
	}
	p := &updatePath{Sender: by, Path: g.random.encode(up), Commit: slices.Clone(path.CommitSecret()), HashAfter: after.Hash()}
	for i := range tree.LeafIndex(after.Leaves()) {
		var secret *octets
		if i != by && after.Leaf(i) != nil {
			copied := octets(slices.Clone(path.SecretFor(i)))
			secret = &copied
		}
		p.PathSecrets = append(p.PathSecrets, secret)
	}
	return p, nil
}
