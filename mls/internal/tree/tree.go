package tree

import (
	"errors"
	"hash/maphash"
	"iter"

	"parley/mls/suite"
	"parley/mls/wire"
)

// The ways in which a tree, a change of it or a path can be wrong. Errors of this package wrap one of them, or one of
// syntax or suite.
var (
	ErrShape        = errors.New("tree: nodes do not form a ratchet tree")
	ErrTooLarge     = errors.New("tree: more leaves than the limit allows")
	ErrUnmerged     = errors.New("tree: list of unmerged leaves is wrong")
	ErrParentHash   = errors.New("tree: parent hash is wrong")
	ErrDuplicateKey = errors.New("tree: a key stands in two places")
	ErrLeaf         = errors.New("tree: leaf is blank or outside the tree")
	ErrPath         = errors.New("tree: update path does not fit the tree")
	ErrPathSecret   = errors.New("tree: path secret cannot be recovered or is not the one of the path")
)

// DefaultMaxLeaves is the default of Limits.MaxLeaves.
const DefaultMaxLeaves = 1 << 14

// Limits bound a tree and all that grow from it. The zero value means the defaults.
type Limits struct {
	// MaxLeaves is the largest width, members and blank leaves together, rounded up to a power of two.
	// 0 means DefaultMaxLeaves.
	MaxLeaves uint32
}

func (l Limits) width() uint32 {
	if l.MaxLeaves == 0 {
		return DefaultMaxLeaves
	}
	return widthFor(min(l.MaxLeaves, 1<<30))
}

// Tree is a public ratchet tree. It never changes and is safe for concurrent use.
type Tree struct {
	suite    *suite.Suite
	root     *node
	seed     maphash.Seed
	enc, sig *index // where encryption keys and signature keys stand
	maxWidth uint32
	cost     int // hashes computed to make this value of the one before
}

// New returns the tree of one member at leaf 0.
func New(s *suite.Suite, first *wire.LeafNode, l Limits) (*Tree, error) {
	e := empty(s, l).Edit()
	e.Add(first)
	return e.Tree()
}

func empty(s *suite.Suite, l Limits) *Tree {
	return &Tree{suite: s, root: &node{}, seed: maphash.MakeSeed(), maxWidth: l.width()}
}

// Suite returns the cipher suite of the tree.
func (t *Tree) Suite() *suite.Suite { return t.suite }

// has reports whether leaf i is a member's.
func (t *Tree) has(i LeafIndex) bool {
	return uint32(i) < t.Leaves() && !t.root.find(i.Node()).blank()
}

// Hash returns the tree hash (RFC 9420 §7.8). It is computed already.
func (t *Tree) Hash() []byte { return []byte(t.root.sum()) }

// Leaves returns the width: members and blank leaves, a power of two.
func (t *Tree) Leaves() uint32 { return t.root.width() }

// Members returns the number of leaves that are not blank.
func (t *Tree) Members() int { return int(t.root.members) }

// Leaf decodes a member's leaf, nil when blank or outside. Each call gives a value of its own.
func (t *Tree) Leaf(i LeafIndex) *wire.LeafNode {
	if uint32(i) >= t.Leaves() {
		return nil
	}
	return t.root.find(i.Node()).leafNode()
}

// Node decodes a node, nil when blank or outside.
func (t *Tree) Node(n NodeIndex) *wire.Node {
	if !t.contains(n) {
		return nil
	}
	return t.root.find(n).wire()
}

// NodeHash returns the tree hash of the node's subtree, nil outside the tree.
func (t *Tree) NodeHash(n NodeIndex) []byte {
	if !t.contains(n) {
		return nil
	}
	return []byte(t.root.find(n).sum())
}

func (t *Tree) contains(n NodeIndex) bool { return uint64(n) < 2*uint64(t.Leaves())-1 }

// All iterates over the members in the order of their leaves.
func (t *Tree) All() iter.Seq2[LeafIndex, *wire.LeafNode] {
	return func(yield func(LeafIndex, *wire.LeafNode) bool) { t.root.all(0, yield) }
}

func (n *node) all(start LeafIndex, yield func(LeafIndex, *wire.LeafNode) bool) bool {
	if n.members == 0 {
		return true
	}
	if n.level == 0 {
		return yield(start, n.leafNode())
	}
	return n.left.all(start, yield) && n.right.all(start+LeafIndex(n.width()/2), yield)
}

// NextLeaf returns the leaf that the next Add takes: the leftmost blank one, or the first of a tree of twice the width
// (RFC 9420 §7.7). It is also the leaf of an external committer (§12.4.3.2).
func (t *Tree) NextLeaf() LeafIndex { return t.root.nextLeaf() }

func (n *node) nextLeaf() LeafIndex {
	if n.full() {
		return LeafIndex(n.width())
	}
	start := LeafIndex(0)
	for n.level > 0 {
		if n.members == 0 {
			return start
		}
		if n.left.full() {
			n, start = n.right, start+LeafIndex(n.width()/2)
		} else {
			n = n.left
		}
	}
	return start
}

// HasEncryptionKey reports whether a node, leaf or parent, has this key.
func (t *Tree) HasEncryptionKey(key []byte) bool { return t.encryptionKeys(key) > 0 }

// HasSignatureKey reports whether a leaf has this key.
func (t *Tree) HasSignatureKey(key []byte) bool {
	_, found := t.SignatureKeyAt(key)
	return found
}

// SignatureKeyAt returns the member that has this signature key.
func (t *Tree) SignatureKeyAt(key []byte) (i LeafIndex, found bool) {
	t.sig.find(digestOf(t.seed, key), func(at NodeIndex) {
		if string(t.root.find(at).octets.signatureKey()) == string(key) {
			i, found = LeafIndex(at/2), true
		}
	})
	return i, found
}

func (t *Tree) encryptionKeys(key []byte) (count int) {
	t.enc.find(digestOf(t.seed, key), func(at NodeIndex) {
		if string(t.root.find(at).key()) == string(key) {
			count++
		}
	})
	return count
}

func (t *Tree) signatureKeys(key []byte) (count int) {
	t.sig.find(digestOf(t.seed, key), func(at NodeIndex) {
		if string(t.root.find(at).octets.signatureKey()) == string(key) {
			count++
		}
	})
	return count
}

// Resolution returns the nodes that together reach every member of the node's subtree (RFC 9420 §4.1.1).
func (t *Tree) Resolution(n NodeIndex) []NodeIndex {
	if !t.contains(n) {
		return nil
	}
	found := t.root.find(n)
	out := make([]NodeIndex, 0, found.resolved)
	found.resolve(n.first(), func(at NodeIndex) { out = append(out, at) })
	return out
}

// FilteredDirectPath returns the nodes to which a commit of leaf i gives new keys, from the leaf's parent to the root
// (RFC 9420 §4.1.2). For i == NextLeaf outside the tree it is the path in the tree of twice the width.
func (t *Tree) FilteredDirectPath(i LeafIndex) []NodeIndex {
	steps, err := t.path(i)
	if err != nil {
		return nil
	}
	out := make([]NodeIndex, len(steps))
	for k, s := range steps {
		out[k] = s.at
	}
	return out
}

// step is one node of a filtered direct path with its child on the copath.
type step struct {
	at      NodeIndex
	copath  *node
	start   LeafIndex // first leaf of copath
	sibling NodeIndex // index of copath
}

// path returns the filtered direct path of a leaf, lowest node first.
func (t *Tree) path(i LeafIndex) ([]step, error) {
	if i == t.NextLeaf() && uint32(i) == t.Leaves() {
		return []step{{Root(2 * t.Leaves()), t.root, 0, Root(t.Leaves())}}, nil
	}
	if uint32(i) >= t.Leaves() {
		return nil, ErrLeaf
	}
	return t.root.path(i), nil
}

func (n *node) path(i LeafIndex) []step {
	steps := make([]step, n.level)
	used := len(steps)
	for start := LeafIndex(0); n.level > 0; {
		at := nodeAt(int(n.level), i)
		towards, other, startTowards, startOther := n.child(start, i)
		if other.resolved > 0 {
			used--
			steps[used] = step{at, other, startOther, nodeAt(int(other.level), startOther)}
		}
		n, start = towards, startTowards
	}
	return steps[used:]
}
