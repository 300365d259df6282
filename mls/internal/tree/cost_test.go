package tree

import (
	"fmt"
	"runtime"
	"sync"
	"testing"

	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

var people = struct {
	sync.Mutex
	leaves map[int]*wire.LeafNode
}{leaves: make(map[int]*wire.LeafNode)}

// member returns a leaf; leaves are made once for all tests and benchmarks.
func member(t testing.TB, s *suite.Suite, i int) *wire.LeafNode {
	people.Lock()
	defer people.Unlock()
	if people.leaves[i] == nil {
		people.leaves[i], _ = newLeaf(t, s, fmt.Sprint("member ", i))
	}
	return people.leaves[i]
}

// coldTree returns a tree of n members of whom nobody has committed.
func coldTree(t testing.TB, n int) *Tree {
	t.Helper()
	s := x25519(t)
	e := empty(s, Limits{}).Edit()
	for i := range n {
		e.Add(member(t, s, i))
	}
	tree, err := e.Tree()
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// warmTree returns a tree of n members of whom everybody has committed, with made-up parent keys.
func warmTree(t testing.TB, n int) *Tree {
	t.Helper()
	tree := coldTree(t, n)
	e := tree.Edit()
	for i := range tree.All() {
		e.change(i, func(node *node, at NodeIndex) {
			if node.level == 0 || !node.blank() || node.right.members == 0 {
				return
			}
			e.setParent(node, at, &wire.ParentNode{EncryptionKey: tree.suite.Hash(fmt.Append(nil, at))})
		})
	}
	warm, err := e.Tree()
	if err != nil {
		t.Fatal(err)
	}
	return warm
}

// No change of a tree may cost work on all of it.
func TestCostOfChanges(t *testing.T) {
	for _, n := range []int{1000, 10000} {
		depth := 0
		for w := widthFor(uint32(n)); w > 1; w /= 2 {
			depth++
		}
		warm := warmTree(t, n)
		after, path, err := warm.NewPath(LeafIndex(n/3), warm.Leaf(LeafIndex(n/3)), noSign)
		if err != nil {
			t.Fatal(err)
		}
		up, err := path.Seal(nil, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		applied, err := warm.ApplyPath(LeafIndex(n/3), up, nil)
		if err != nil {
			t.Fatal(err)
		}
		leaf, _ := newLeaf(t, warm.suite, "newcomer")
		added, at, err := warm.Add(leaf)
		if err != nil {
			t.Fatal(err)
		}
		removed, err := added.Remove(at)
		if err != nil {
			t.Fatal(err)
		}
		e := warm.Edit()
		e.Remove(7)
		e.Remove(LeafIndex(n / 2))
		hole, err := e.Tree()
		if err != nil {
			t.Fatal(err)
		}
		if got := hole.NextLeaf(); got != 7 {
			t.Errorf("next leaf is %d", got)
		}
		for name, change := range map[string]struct {
			old, now *Tree
			most     int
		}{
			"new path":    {warm, after, 2*depth + 1},
			"apply path":  {warm, applied, 2*depth + 1},
			"add":         {warm, added, depth + 1},
			"remove":      {added, removed, depth + 1},
			"two removes": {warm, hole, 2*depth + 1},
		} {
			if change.now.cost > change.most {
				t.Errorf("%d members: %s computed %d hashes, at most %d", n, name, change.now.cost, change.most)
			}
			if nodes := len(change.now.Diff(change.old)); nodes > change.most {
				t.Errorf("%d members: %s changed %d nodes", n, name, nodes)
			}
		}
	}
}

// A million blank nodes are refused before they take much memory.
func TestBlankBomb(t *testing.T) {
	s := x25519(t)
	bomb := []byte{0x80, 0x10, 0, 0}
	bomb = append(bomb, make([]byte, 1<<20)...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Parse(s, bomb, Limits{})
	runtime.ReadMemStats(&after)
	if err == nil {
		t.Fatal("a million blank nodes were taken")
	}
	if spent := after.TotalAlloc - before.TotalAlloc; spent > 4*uint64(len(bomb)) {
		t.Errorf("%d octets allocated for %d of input", spent, len(bomb))
	}
}

func BenchmarkBlankBomb(b *testing.B) {
	s := x25519(b)
	bomb := append([]byte{0x80, 0x10, 0, 0}, make([]byte, 1<<20)...)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(s, bomb, Limits{}); err == nil {
			b.Fatal("taken")
		}
	}
}

func BenchmarkTreeHashCold(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			tree := coldTree(b, n)
			for b.Loop() {
				h := hasher{suite: tree.suite.Hash}
				h.freeze(unhashed(tree.root), 0)
			}
		})
	}
}

func unhashed(n *node) *node {
	c := *n
	c.hash = ""
	if n.left != nil {
		c.left, c.right = unhashed(n.left), unhashed(n.right)
	}
	return &c
}

func BenchmarkFromWire(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			tree := warmTree(b, n)
			w := tree.Wire()
			data, err := syntax.Marshal(&w)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(tree.suite, data, Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkApplyPathWarm(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			tree := warmTree(b, n)
			_, path, err := tree.NewPath(1, tree.Leaf(1), noSign)
			if err != nil {
				b.Fatal(err)
			}
			up, err := path.Seal(nil, nil, nil)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tree.ApplyPath(1, up, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkNewPath(b *testing.B) {
	for name, tree := range map[string]*Tree{"cold": coldTree(b, 1000), "warm": warmTree(b, 1000)} {
		b.Run(name+"/1000", func(b *testing.B) {
			for b.Loop() {
				_, path, err := tree.NewPath(1, tree.Leaf(1), noSign)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := path.Seal(nil, nil, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAdd(b *testing.B) {
	for _, n := range []int{1000, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			coldTree(b, n)
			for b.Loop() {
				coldTree(b, n)
			}
		})
	}
}
