package tree

import (
	"slices"

	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

// node is the root of one perfect subtree. It is written only while hash is nil, which is while one Editor owns it.
type node struct {
	left, right *node            // of a parent
	leaf        *wire.LeafNode   // of a leaf; nil: blank
	parent      *wire.ParentNode // of a parent; nil: blank
	hash        []byte           // tree hash of the subtree (RFC 9420 §7.8)
	members     uint32           // leaves of the subtree that are not blank
	resolved    uint32           // size of the resolution (RFC 9420 §4.1.1)
	level       uint8
}

// blankNode returns a subtree of blank nodes, not hashed yet.
func blankNode(level uint8) *node {
	n := &node{level: level}
	if level > 0 {
		n.left, n.right = blankNode(level-1), blankNode(level-1)
	}
	return n
}

func (n *node) blank() bool { return n.leaf == nil && n.parent == nil }

func (n *node) width() uint32 { return 1 << n.level }

func (n *node) full() bool { return n.members == n.width() }

// count refreshes the sums after the node or a child changed.
func (n *node) count() {
	if n.level > 0 {
		n.members = n.left.members + n.right.members
		n.resolved = n.left.resolved + n.right.resolved
		if n.parent != nil {
			n.resolved = 1 + uint32(len(n.parent.UnmergedLeaves))
		}
		return
	}
	n.members = 0
	if n.leaf != nil {
		n.members = 1
	}
	n.resolved = n.members
}

// child returns the child towards leaf i, the other one, and the first leaf of each; start is the node's own first leaf.
func (n *node) child(start, i LeafIndex) (towards, other *node, startTowards, startOther LeafIndex) {
	middle := start + LeafIndex(n.width()/2)
	if i < middle {
		return n.left, n.right, start, middle
	}
	return n.right, n.left, middle, start
}

// find returns the node at an index of the tree whose root is n.
func (n *node) find(at NodeIndex) *node { return n.findFrom(0, at) }

// findFrom is find in a subtree that begins at leaf start.
func (n *node) findFrom(start LeafIndex, at NodeIndex) *node {
	for first := at.first(); int(n.level) > at.Level(); {
		n, _, start, _ = n.child(start, first)
	}
	return n
}

// key returns the node's encryption key, nil when blank.
func (n *node) key() []byte {
	switch {
	case n.leaf != nil:
		return n.leaf.EncryptionKey
	case n.parent != nil:
		return n.parent.EncryptionKey
	}
	return nil
}

// wire returns the node as it travels, nil when blank.
func (n *node) wire() *wire.Node {
	if n.blank() {
		return nil
	}
	return &wire.Node{Leaf: n.leaf, Parent: n.parent}
}

// resolve calls yield with the nodes of the resolution in order (RFC 9420 §4.1.1); start is the first leaf.
func (n *node) resolve(start LeafIndex, yield func(NodeIndex)) {
	switch {
	case n.members == 0:
	case n.blank():
		n.left.resolve(start, yield)
		n.right.resolve(start+LeafIndex(n.width()/2), yield)
	default:
		yield(nodeAt(int(n.level), start))
		if n.parent != nil {
			for _, u := range n.parent.UnmergedLeaves {
				yield(LeafIndex(u).Node())
			}
		}
	}
}

// hasUnmerged reports whether the leaf is one that does not know the node's private key.
func (n *node) hasUnmerged(i LeafIndex) bool {
	_, found := slices.BinarySearch(n.parent.UnmergedLeaves, uint32(i))
	return found
}

// hasher hashes nodes and counts how many.
type hasher struct {
	suite *suite.Suite
	buf   []byte
	count int
}

func (h *hasher) sum(v syntax.Value) ([]byte, error) {
	buf, err := syntax.Append(h.buf[:0], v)
	if err != nil {
		return nil, err
	}
	h.buf = buf
	h.count++
	return h.suite.Hash(buf), nil
}

// freeze hashes what is not hashed yet in the subtree whose first leaf is start; from then on the nodes do not change.
func (h *hasher) freeze(n *node, start LeafIndex) error {
	if n.hash != nil {
		return nil
	}
	var err error
	if n.level == 0 {
		n.hash, err = h.sum(&leafHashInput{start, n.leaf})
		return err
	}
	if err := h.freeze(n.left, start); err != nil {
		return err
	}
	if err := h.freeze(n.right, start+LeafIndex(n.width()/2)); err != nil {
		return err
	}
	n.hash, err = h.sum(&parentTreeHashInput{n.parent, n.left.hash, n.right.hash})
	return err
}

// without returns the tree hash of a subtree as it was before the given leaves came: they are blank and in no list of unmerged
// leaves (RFC 9420 §7.9, "original tree hash"). The cost is that of the paths to those leaves.
func (h *hasher) without(n *node, start LeafIndex, leaves []uint32) ([]byte, error) {
	leaves = between(leaves, start, n.width())
	if len(leaves) == 0 {
		return n.hash, nil
	}
	if n.level == 0 {
		return h.sum(&leafHashInput{start, nil})
	}
	left, err := h.without(n.left, start, leaves)
	if err != nil {
		return nil, err
	}
	right, err := h.without(n.right, start+LeafIndex(n.width()/2), leaves)
	if err != nil {
		return nil, err
	}
	parent := n.parent
	if parent != nil {
		earlier := *parent
		earlier.UnmergedLeaves = subtract(parent.UnmergedLeaves, leaves)
		parent = &earlier
	}
	return h.sum(&parentTreeHashInput{parent, left, right})
}

// parentHash returns the parent hash that the node below p on a path carries (RFC 9420 §7.9).
func (h *hasher) parentHash(p *wire.ParentNode, sibling *node, start LeafIndex) ([]byte, error) {
	original, err := h.without(sibling, start, p.UnmergedLeaves)
	if err != nil {
		return nil, err
	}
	return h.sum(&parentHashInput{p.EncryptionKey, p.ParentHash, original})
}

// between returns the part of a sorted list that lies in the width leaves from start.
func between(sorted []uint32, start LeafIndex, width uint32) []uint32 {
	from, _ := slices.BinarySearch(sorted, uint32(start))
	to, _ := slices.BinarySearch(sorted[from:], uint32(start)+width)
	return sorted[from : from+to]
}

// subtract returns the elements of one sorted list that are not in another.
func subtract(sorted, remove []uint32) []uint32 {
	var out []uint32
	for _, u := range sorted {
		if _, found := slices.BinarySearch(remove, u); !found {
			out = append(out, u)
		}
	}
	return out
}

// leafHashInput is TreeHashInput of a leaf (RFC 9420 §7.8).
type leafHashInput struct {
	index LeafIndex
	leaf  *wire.LeafNode
}

func (v *leafHashInput) Syntax(c *syntax.Codec) {
	kind := leafKind
	syntax.U8(c, &kind)
	syntax.U32(c, &v.index)
	syntax.OptionalStruct(c, &v.leaf)
}

// parentTreeHashInput is TreeHashInput of a parent (RFC 9420 §7.8).
type parentTreeHashInput struct {
	parent      *wire.ParentNode
	left, right []byte
}

func (v *parentTreeHashInput) Syntax(c *syntax.Codec) {
	kind := parentKind
	syntax.U8(c, &kind)
	syntax.OptionalStruct(c, &v.parent)
	syntax.Opaque(c, &v.left)
	syntax.Opaque(c, &v.right)
}

// NodeType of RFC 9420 §7.8.
const (
	leafKind   = uint8(1)
	parentKind = uint8(2)
)

// parentHashInput is ParentHashInput (RFC 9420 §7.9).
type parentHashInput struct{ key, parentHash, sibling []byte }

func (v *parentHashInput) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &v.key)
	syntax.Opaque(c, &v.parentHash)
	syntax.Opaque(c, &v.sibling)
}
