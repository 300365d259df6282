package tree

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"parley/internal/vectors"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

// octets is a hexadecimal JSON text.
type octets []byte

func (o *octets) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	b, err := hex.DecodeString(s)
	*o = b
	return err
}

// readVectors reads a file of the MLS working group's vectors.
func readVectors[T any](t testing.TB, name string) []T {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(vectors.Dir(t, "mls"), name))
	if err != nil {
		t.Fatal(err)
	}
	var cases []T
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

// suiteCount counts the cases of suites that are offered and of others.
type suiteCount struct{ ran, skipped int }

func (c *suiteCount) lookup(id wire.CipherSuite) *suite.Suite {
	s, err := suite.Lookup(id)
	if err != nil {
		c.skipped++
		return nil
	}
	c.ran++
	return s
}

func (c *suiteCount) report(t *testing.T) {
	t.Helper()
	t.Logf("%d cases passed, %d are of suites that are not offered", c.ran, c.skipped)
	if c.ran == 0 {
		t.Error("no case ran")
	}
}

func TestTreeMathVectors(t *testing.T) {
	type math struct {
		Leaves  uint32 `json:"n_leaves"`
		Nodes   uint32 `json:"n_nodes"`
		Root    NodeIndex
		Left    []*NodeIndex
		Right   []*NodeIndex
		Parent  []*NodeIndex
		Sibling []*NodeIndex
	}
	same := func(want *NodeIndex, got NodeIndex, ok bool) bool {
		return ok == (want != nil) && (!ok || got == *want)
	}
	for _, v := range readVectors[math](t, "tree-math.json") {
		if Root(v.Leaves) != v.Root || 2*v.Leaves-1 != v.Nodes {
			t.Errorf("%d leaves: root %d", v.Leaves, Root(v.Leaves))
		}
		for n := range NodeIndex(v.Nodes) {
			left, okLeft := n.Left()
			right, okRight := n.Right()
			parent, okParent := n.Parent(v.Leaves)
			sibling, okSibling := n.Sibling(v.Leaves)
			if !same(v.Left[n], left, okLeft) || !same(v.Right[n], right, okRight) ||
				!same(v.Parent[n], parent, okParent) || !same(v.Sibling[n], sibling, okSibling) {
				t.Errorf("%d leaves, node %d: left %d right %d parent %d sibling %d", v.Leaves, n, left, right, parent, sibling)
			}
		}
	}
}

func mustParse(t testing.TB, s *suite.Suite, data []byte) *Tree {
	t.Helper()
	tree, err := Parse(s, data, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func encode(t testing.TB, tree *Tree) []byte {
	t.Helper()
	w := tree.Wire()
	data, err := syntax.Marshal(&w)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestTreeOperationsVectors(t *testing.T) {
	type operation struct {
		Suite      wire.CipherSuite `json:"cipher_suite"`
		Proposal   octets
		Sender     LeafIndex `json:"proposal_sender"`
		Before     octets    `json:"tree_before"`
		After      octets    `json:"tree_after"`
		HashBefore octets    `json:"tree_hash_before"`
		HashAfter  octets    `json:"tree_hash_after"`
	}
	var count suiteCount
	for k, v := range readVectors[operation](t, "tree-operations.json") {
		s := count.lookup(v.Suite)
		if s == nil {
			continue
		}
		before := mustParse(t, s, v.Before)
		var p wire.Proposal
		if err := syntax.Unmarshal(v.Proposal, &p); err != nil {
			t.Fatal(err)
		}
		var after *Tree
		var err error
		switch p.Type {
		case wire.AddProposal:
			after, _, err = before.Add(&p.Add.Leaf)
		case wire.UpdateProposal:
			after, err = before.Update(v.Sender, p.Update)
		case wire.RemoveProposal:
			after, err = before.Remove(LeafIndex(p.Remove))
		}
		if err != nil {
			t.Fatalf("case %d: %v", k, err)
		}
		if !bytes.Equal(before.Hash(), v.HashBefore) || !bytes.Equal(after.Hash(), v.HashAfter) {
			t.Errorf("case %d: tree hash differs", k)
		}
		if !bytes.Equal(encode(t, before), v.Before) || !bytes.Equal(encode(t, after), v.After) {
			t.Errorf("case %d: tree differs", k)
		}
	}
	count.report(t)
}

func TestTreeValidationVectors(t *testing.T) {
	type validation struct {
		Suite       wire.CipherSuite `json:"cipher_suite"`
		Tree        octets
		GroupID     octets   `json:"group_id"`
		Hashes      []octets `json:"tree_hashes"`
		Resolutions [][]NodeIndex
	}
	var count suiteCount
	for k, v := range readVectors[validation](t, "tree-validation.json") {
		s := count.lookup(v.Suite)
		if s == nil {
			continue
		}
		tree := mustParse(t, s, v.Tree)
		for n := range v.Resolutions {
			if !slices.Equal(tree.Resolution(NodeIndex(n)), v.Resolutions[n]) {
				t.Errorf("case %d: resolution of node %d is %v", k, n, tree.Resolution(NodeIndex(n)))
			}
			if !bytes.Equal(tree.NodeHash(NodeIndex(n)), v.Hashes[n]) {
				t.Errorf("case %d: hash of node %d differs", k, n)
			}
		}
		if err := tree.VerifyParentHashes(); err != nil {
			t.Errorf("case %d: %v", k, err)
		}
		for i, leaf := range tree.All() {
			tbs, err := syntax.Marshal(&wire.LeafNodeTBS{Node: leaf, GroupID: v.GroupID, Leaf: uint32(i)})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.VerifyWithLabel(leaf.SignatureKey, "LeafNodeTBS", tbs, leaf.Signature); err != nil {
				t.Errorf("case %d: leaf %d: %v", k, i, err)
			}
		}
	}
	count.report(t)
}

type kem struct {
	Suite   wire.CipherSuite `json:"cipher_suite"`
	GroupID octets           `json:"group_id"`
	Epoch   uint64
	Hash    octets `json:"confirmed_transcript_hash"`
	Tree    octets `json:"ratchet_tree"`
	Leaves  []struct {
		Index       LeafIndex
		Private     octets `json:"encryption_priv"`
		Signature   octets `json:"signature_priv"`
		PathSecrets []struct {
			Node   NodeIndex
			Secret octets `json:"path_secret"`
		} `json:"path_secrets"`
	} `json:"leaves_private"`
	Paths []struct {
		Sender      LeafIndex
		Path        octets   `json:"update_path"`
		PathSecrets []octets `json:"path_secrets"`
		Commit      octets   `json:"commit_secret"`
		HashAfter   octets   `json:"tree_hash_after"`
	} `json:"update_paths"`
}

func (v *kem) context(t *testing.T, tree *Tree) []byte {
	t.Helper()
	data, err := syntax.Marshal(&wire.GroupContext{Version: wire.MLS10, Suite: v.Suite, GroupID: v.GroupID, Epoch: v.Epoch,
		TreeHash: tree.Hash(), ConfirmedTranscriptHash: v.Hash})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func (v *kem) keys(t *testing.T, tree *Tree) map[LeafIndex]*Keys {
	t.Helper()
	all := make(map[LeafIndex]*Keys)
	for _, l := range v.Leaves {
		k, err := tree.KeysFromWelcome(l.Index, l.Private, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range l.PathSecrets {
			last, err := tree.climb(k, []NodeIndex{s.Node}, slices.Clone(s.Secret))
			if err != nil || last == nil {
				t.Fatalf("node %d of leaf %d: %v", s.Node, l.Index, err)
			}
		}
		all[l.Index] = k
	}
	return all
}

func TestTreeKEMVectors(t *testing.T) {
	var count suiteCount
	for _, v := range readVectors[kem](t, "treekem.json") {
		s := count.lookup(v.Suite)
		if s == nil {
			continue
		}
		before := mustParse(t, s, v.Tree)
		keys := v.keys(t, before)
		for _, p := range v.Paths {
			var up wire.UpdatePath
			if err := syntax.Unmarshal(p.Path, &up); err != nil {
				t.Fatal(err)
			}
			after, err := before.ApplyPath(p.Sender, &up, nil)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(after.Hash(), p.HashAfter) {
				t.Fatal("tree hash differs")
			}
			for own, k := range keys {
				if own == p.Sender {
					continue
				}
				_, commit, err := after.OpenPath(before, k, p.Sender, &up, v.context(t, after), nil)
				if err != nil || !bytes.Equal(commit, p.Commit) {
					t.Fatalf("suite %d, leaf %d: %v", v.Suite, own, err)
				}
				if _, err := after.KeysFromWelcome(own, k.Leaf(), p.PathSecrets[own], p.Sender); err != nil {
					t.Errorf("path secret of leaf %d: %v", own, err)
				}
			}
			v.commitAgain(t, before, keys, p.Sender)
		}
	}
	count.report(t)
}

// commitAgain makes a path of our own for the sender, which all others open.
func (v *kem) commitAgain(t *testing.T, before *Tree, keys map[LeafIndex]*Keys, sender LeafIndex) {
	t.Helper()
	after, path, err := before.NewPath(sender, before.Leaf(sender), func(l *wire.LeafNode) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	up, err := path.Seal(v.context(t, after), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	applied, err := before.ApplyPath(sender, up, nil)
	if err != nil || !bytes.Equal(applied.Hash(), after.Hash()) {
		t.Fatalf("own path: %v", err)
	}
	for own, k := range keys {
		if own == sender {
			continue
		}
		_, commit, err := after.OpenPath(before, k, sender, up, v.context(t, after), nil)
		if err != nil || !bytes.Equal(commit, path.CommitSecret()) {
			t.Fatalf("own path, leaf %d: %v", own, err)
		}
	}
}
