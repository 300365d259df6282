package tree

import "math/bits"

// LeafIndex counts leaves from the left, from 0.
type LeafIndex uint32

// NodeIndex counts the nodes of the tree in array order (RFC 9420 §4.1, Appendix C): leaf i is node 2i, a parent stands between
// the arrays of its subtrees. Indices stay the same when the tree grows or shrinks.
type NodeIndex uint32

// Node returns the leaf's node.
func (i LeafIndex) Node() NodeIndex { return NodeIndex(2 * i) }

// Leaf returns the index of a leaf's node; ok is false for a parent.
func (n NodeIndex) Leaf() (i LeafIndex, ok bool) { return LeafIndex(n / 2), n&1 == 0 }

// Level returns the height of the node, 0 for a leaf.
func (n NodeIndex) Level() int { return bits.TrailingZeros32(^uint32(n)) }

// Left returns the left child; ok is false for a leaf.
func (n NodeIndex) Left() (left NodeIndex, ok bool) {
	k := n.Level()
	if k == 0 {
		return 0, false
	}
	return n ^ 1<<(k-1), true
}

// Right returns the right child; ok is false for a leaf.
func (n NodeIndex) Right() (right NodeIndex, ok bool) {
	k := n.Level()
	if k == 0 {
		return 0, false
	}
	return n ^ 3<<(k-1), true
}

// Root returns the root of a tree of width leaves, a power of two.
func Root(width uint32) NodeIndex { return NodeIndex(width - 1) }

// Parent returns the node's parent in a tree of width leaves; ok is false for the root and for nodes outside.
func (n NodeIndex) Parent(width uint32) (parent NodeIndex, ok bool) {
	if n == Root(width) || uint64(n) >= 2*uint64(width)-1 {
		return 0, false
	}
	k := n.Level()
	return (n | 1<<k) &^ (1 << (k + 1)), true
}

// Sibling returns the other child of the node's parent in a tree of width leaves.
func (n NodeIndex) Sibling(width uint32) (sibling NodeIndex, ok bool) {
	if _, ok := n.Parent(width); !ok {
		return 0, false
	}
	return n ^ 2<<n.Level(), true
}

// Covers reports whether the leaf is in the node's subtree.
func (n NodeIndex) Covers(i LeafIndex) bool {
	k := n.Level()
	return uint32(i)>>k == uint32(n)>>(k+1)
}

// CommonAncestor returns the lowest node whose subtree holds both leaves; for one and the same leaf that is the leaf's node.
func CommonAncestor(a, b LeafIndex) NodeIndex {
	return nodeAt(bits.Len32(uint32(a^b)), a)
}

// nodeAt returns the node of the given level above leaf i.
func nodeAt(level int, i LeafIndex) NodeIndex {
	return NodeIndex(uint32(i)>>level<<(level+1) | (1<<level - 1))
}

// first returns the leftmost leaf of the node's subtree.
func (n NodeIndex) first() LeafIndex {
	k := n.Level()
	return LeafIndex(uint32(n) >> (k + 1) << k)
}

// widthFor returns the smallest width, a power of two, that has room for n leaves.
func widthFor(n uint32) uint32 {
	if n <= 1 {
		return 1
	}
	return 1 << bits.Len32(n-1)
}
