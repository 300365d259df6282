package tree

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"parley/mls/internal/state"
	"parley/mls/wire"
	"parley/syntax"
)

// grownTree returns a tree of 7 members. Node 1 was made by leaf 0, node 3 by leaf 3, nodes 11 and 7 by leaf 6; leaves 2 and 5 came
// later and are unmerged above; leaf 7 is blank.
func grownTree(t testing.TB) *Tree {
	t.Helper()
	tree := coldTree(t, 7)
	step := func(next *Tree, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		tree = next
	}
	step(tree.Remove(5))
	step(tree.Remove(2))
	for _, i := range []LeafIndex{0, 3, 4, 6} {
		next, _, err := tree.NewPath(i, tree.Leaf(i), noSign)
		step(next, err)
	}
	for i, want := range []LeafIndex{2, 5} {
		next, at, err := tree.Add(member(t, tree.suite, 20+i))
		step(next, err)
		if at != want {
			t.Fatalf("newcomer is at %d", at)
		}
	}
	return tree
}

// copied returns the wire form with no memory shared with the tree.
func copied(t testing.TB, tree *Tree) wire.RatchetTree {
	t.Helper()
	var w wire.RatchetTree
	if err := syntax.Unmarshal(encode(t, tree), &w); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestTreeRules(t *testing.T) {
	tree := grownTree(t)
	s := tree.suite
	other, _ := newLeaf(t, s, "other")
	cases := map[string]struct {
		change func(w *wire.RatchetTree)
		want   error
	}{
		"unchanged":            {func(w *wire.RatchetTree) {}, nil},
		"empty tree":           {func(w *wire.RatchetTree) { w.Nodes = nil }, ErrShape},
		"only blank nodes":     {func(w *wire.RatchetTree) { w.Nodes = make([]*wire.Node, 5) }, ErrShape},
		"trailing blank nodes": {func(w *wire.RatchetTree) { w.Nodes = append(w.Nodes, nil, nil) }, ErrShape},
		"right half has no member": {func(w *wire.RatchetTree) {
			w.Nodes = w.Nodes[:8]
			w.Nodes[7] = &wire.Node{Parent: &wire.ParentNode{EncryptionKey: []byte("root")}}
		}, ErrShape},
		"leaf at the place of a parent":           {func(w *wire.RatchetTree) { w.Nodes[7] = &wire.Node{Leaf: other} }, ErrShape},
		"parent at the place of a leaf":           {func(w *wire.RatchetTree) { w.Nodes[4] = &wire.Node{Parent: w.Nodes[3].Parent} }, ErrShape},
		"node that is neither":                    {func(w *wire.RatchetTree) { w.Nodes[4] = &wire.Node{} }, ErrShape},
		"node that is both":                       {func(w *wire.RatchetTree) { w.Nodes[7].Leaf = other }, ErrShape},
		"parent above no member":                  {func(w *wire.RatchetTree) { w.Nodes[8], w.Nodes[9], w.Nodes[10] = nil, w.Nodes[11], nil }, ErrShape},
		"unmerged leaf outside the subtree":       {func(w *wire.RatchetTree) { w.Nodes[11].Parent.UnmergedLeaves = []uint32{0, 5} }, ErrUnmerged},
		"unmerged leaf outside the tree":          {func(w *wire.RatchetTree) { w.Nodes[11].Parent.UnmergedLeaves = []uint32{5, 1 << 31} }, ErrUnmerged},
		"unmerged leaf that is blank":             {func(w *wire.RatchetTree) { w.Nodes[10] = nil }, ErrUnmerged},
		"unmerged leaves out of order":            {func(w *wire.RatchetTree) { w.Nodes[7].Parent.UnmergedLeaves = []uint32{5, 2} }, ErrUnmerged},
		"unmerged leaf twice":                     {func(w *wire.RatchetTree) { w.Nodes[11].Parent.UnmergedLeaves = []uint32{5, 5} }, ErrUnmerged},
		"unmerged leaf missing in a node between": {func(w *wire.RatchetTree) { w.Nodes[3].Parent.UnmergedLeaves = nil }, ErrUnmerged},
		"encryption key of another leaf": {func(w *wire.RatchetTree) {
			w.Nodes[2].Leaf.EncryptionKey = w.Nodes[0].Leaf.EncryptionKey
		}, ErrDuplicateKey},
		"encryption key of a parent": {func(w *wire.RatchetTree) {
			w.Nodes[2].Leaf.EncryptionKey = w.Nodes[7].Parent.EncryptionKey
		}, ErrDuplicateKey},
		"two parents with one key": {func(w *wire.RatchetTree) { w.Nodes[11].Parent.EncryptionKey = w.Nodes[7].Parent.EncryptionKey }, ErrDuplicateKey},
		"signature key of another leaf": {func(w *wire.RatchetTree) {
			w.Nodes[2].Leaf.SignatureKey = w.Nodes[0].Leaf.SignatureKey
		}, ErrDuplicateKey},
		"leaf without a source": {func(w *wire.RatchetTree) { w.Nodes[2].Leaf.Source = 0 }, syntax.ErrValue},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := copied(t, tree)
			c.change(&w)
			if _, err := FromWire(s, &w, Limits{}); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestTreeLimits(t *testing.T) {
	tree := coldTree(t, 5)
	w := tree.Wire()
	data := encode(t, tree)
	for most, want := range map[uint32]error{4: ErrTooLarge, 5: nil, 8: nil, 1: ErrTooLarge, 1 << 31: nil} {
		if _, err := FromWire(tree.suite, &w, Limits{MaxLeaves: most}); !errors.Is(err, want) {
			t.Errorf("FromWire, %d leaves: %v", most, err)
		}
		if _, err := Parse(tree.suite, data, Limits{MaxLeaves: most}); !errors.Is(err, want) {
			t.Errorf("Parse, %d leaves: %v", most, err)
		}
	}
	small, err := FromWire(tree.suite, &w, Limits{MaxLeaves: 8})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		next, _, err := small.Add(member(t, tree.suite, 30+i))
		if full := i == 3; full != errors.Is(err, ErrTooLarge) {
			t.Fatalf("add %d: %v", i, err)
		}
		small = next
	}
	record := []state.Record{{Key: "t/4294967294", Value: []byte{1}}}
	if _, err := Load(tree.suite, "t/", record, Limits{}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("record of a node far outside: %v", err)
	}
}

func TestParentHashRules(t *testing.T) {
	tree := grownTree(t)
	flip := func(b []byte) { b[0] ^= 1 }
	cases := map[string]struct {
		change func(w *wire.RatchetTree)
		want   error
	}{
		"unchanged":                   {func(w *wire.RatchetTree) {}, nil},
		"committer's leaf":            {func(w *wire.RatchetTree) { flip(w.Nodes[12].Leaf.ParentHash) }, ErrParentHash},
		"leaf of an earlier commit":   {func(w *wire.RatchetTree) { flip(w.Nodes[6].Leaf.ParentHash) }, ErrParentHash},
		"parent on the path":          {func(w *wire.RatchetTree) { flip(w.Nodes[11].Parent.ParentHash) }, ErrParentHash},
		"root's key":                  {func(w *wire.RatchetTree) { flip(w.Nodes[7].Parent.EncryptionKey) }, ErrParentHash},
		"root's own parent hash":      {func(w *wire.RatchetTree) { w.Nodes[7].Parent.ParentHash = []byte{1} }, ErrParentHash},
		"leaf under the sibling":      {func(w *wire.RatchetTree) { flip(w.Nodes[0].Leaf.Signature) }, ErrParentHash},
		"leaf's source is not commit": {func(w *wire.RatchetTree) { w.Nodes[12].Leaf.Source = wire.UpdateSource }, ErrParentHash},
		"unmerged leaf said to be merged": {func(w *wire.RatchetTree) {
			for _, at := range []int{3, 7, 11} {
				w.Nodes[at].Parent.UnmergedLeaves = nil
			}
		}, ErrParentHash},
		"merged leaf said to be unmerged": {func(w *wire.RatchetTree) {
			w.Nodes[7].Parent.UnmergedLeaves = []uint32{2, 4, 5}
			w.Nodes[11].Parent.UnmergedLeaves = []uint32{4, 5}
		}, ErrParentHash},
		"parent that nobody made": {func(w *wire.RatchetTree) {
			w.Nodes[9] = &wire.Node{Parent: &wire.ParentNode{EncryptionKey: []byte("new"), UnmergedLeaves: []uint32{5}}}
		}, ErrParentHash},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := copied(t, tree)
			c.change(&w)
			changed, err := FromWire(tree.suite, &w, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if err := changed.VerifyParentHashes(); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestEditRules(t *testing.T) {
	tree := grownTree(t)
	fresh, _ := newLeaf(t, tree.suite, "fresh")
	with := func(change func(*wire.LeafNode)) *wire.LeafNode {
		leaf := *fresh
		change(&leaf)
		return &leaf
	}
	cases := map[string]struct {
		change func(*Editor)
		want   error
	}{
		"update of a blank leaf":  {func(e *Editor) { e.Update(7, fresh) }, ErrLeaf},
		"update outside":          {func(e *Editor) { e.Update(1<<31, fresh) }, ErrLeaf},
		"update to nothing":       {func(e *Editor) { e.Update(0, nil) }, ErrLeaf},
		"remove of a blank leaf":  {func(e *Editor) { e.Remove(7) }, ErrLeaf},
		"remove outside":          {func(e *Editor) { e.Remove(8) }, ErrLeaf},
		"remove twice":            {func(e *Editor) { e.Remove(1); e.Remove(1) }, ErrLeaf},
		"add of nothing":          {func(e *Editor) { e.Add(nil) }, ErrLeaf},
		"add that cannot be sent": {func(e *Editor) { e.Add(&wire.LeafNode{}) }, syntax.ErrValue},
		"add with a member's encryption key": {func(e *Editor) {
			e.Add(with(func(l *wire.LeafNode) { l.EncryptionKey = tree.Leaf(0).EncryptionKey }))
		}, ErrDuplicateKey},
		"add with a parent's key": {func(e *Editor) {
			e.Add(with(func(l *wire.LeafNode) { l.EncryptionKey = tree.Node(11).Parent.EncryptionKey }))
		}, ErrDuplicateKey},
		"add with a member's signature key": {func(e *Editor) {
			e.Add(with(func(l *wire.LeafNode) { l.SignatureKey = tree.Leaf(0).SignatureKey }))
		}, ErrDuplicateKey},
		"the same leaf added twice": {func(e *Editor) { e.Add(fresh); e.Add(fresh) }, ErrDuplicateKey},
		"update that keeps its encryption key": {func(e *Editor) {
			e.Update(0, with(func(l *wire.LeafNode) { l.EncryptionKey = tree.Leaf(0).EncryptionKey }))
		}, ErrDuplicateKey},
		"update that keeps its signature key": {func(e *Editor) {
			e.Update(0, with(func(l *wire.LeafNode) { l.SignatureKey = tree.Leaf(0).SignatureKey }))
		}, nil},
		"a removed member comes back with its keys": {func(e *Editor) { e.Remove(0); e.Add(tree.Leaf(0)) }, nil},
	}
	hash := slices.Clone(tree.Hash())
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			e := tree.Edit()
			c.change(e)
			if _, err := e.Tree(); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
	again := mustParse(t, tree.suite, encode(t, tree))
	if !bytes.Equal(again.Hash(), hash) || !bytes.Equal(tree.Hash(), hash) {
		t.Error("the old tree changed")
	}
}

// Readers of the old value do not notice that new ones are made.
func TestConcurrentReaders(t *testing.T) {
	tree := grownTree(t)
	want := encode(t, tree)
	done := make(chan error)
	for range 4 {
		go func() {
			u, _, err := tree.Add(member(t, tree.suite, 40))
			if err == nil {
				_, err = u.Remove(0)
			}
			if err == nil {
				err = tree.VerifyParentHashes()
			}
			w := tree.Wire()
			if data, marshalErr := syntax.Marshal(&w); err == nil && (marshalErr != nil || !bytes.Equal(data, want)) {
				err = errors.New("tree changed")
			}
			done <- err
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// Parent hashes and indices use fresh randomness, so coverage varies between runs of one input: run with -fuzzminimizetime 5x.
func FuzzTree(f *testing.F) {
	tree := grownTree(f)
	f.Add(encode(f, tree), uint32(1))
	f.Add(encode(f, coldTree(f, 9)), uint32(4))
	f.Add([]byte{0}, uint32(0))
	s := tree.suite
	fresh := member(f, s, 50)
	f.Fuzz(func(t *testing.T, data []byte, at uint32) {
		tree, err := Parse(s, data, Limits{MaxLeaves: 64})
		if err != nil {
			return
		}
		if !bytes.Equal(encode(t, tree), data) {
			t.Fatal("tree does not survive")
		}
		w := tree.Wire()
		if !bytes.Equal(naiveHash(t, s, w.Nodes, Root(tree.Leaves())), tree.Hash()) {
			t.Fatal("hash differs")
		}
		valid := tree.VerifyParentHashes()
		i := LeafIndex(at)
		tree.Resolution(NodeIndex(at))
		tree.FilteredDirectPath(i)
		for _, err := range []error{second(tree.Remove(i)), second(tree.Update(i, fresh))} {
			if err != nil && !errors.Is(err, ErrLeaf) && !errors.Is(err, ErrDuplicateKey) {
				t.Fatal(err)
			}
		}
		if tree.Leaf(i) == nil {
			return
		}
		next, _, err := tree.NewPath(i, tree.Leaf(i), noSign)
		if err == nil && valid == nil && next.VerifyParentHashes() != nil {
			t.Fatal("a commit broke the parent hashes")
		}
	})
}

func second(_ *Tree, err error) error { return err }
