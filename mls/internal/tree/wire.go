package tree

import (
	"math/bits"
	"slices"

	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

// FromWire returns the tree that a ratchet_tree extension holds (RFC 9420 §12.4.3.3) after checking the invariants of the package.
// The nodes of w are shared, not copied. Parent hashes and leaf signatures are not checked here.
//
// The cost is linear in the length of w, and nothing is allocated before its size is known to be within the limits.
func FromWire(s *suite.Suite, w *wire.RatchetTree, l Limits) (*Tree, error) {
	count := len(w.Nodes)
	if count == 0 || w.Nodes[count-1] == nil {
		return nil, ErrShape
	}
	if uint64(count) > 2*uint64(l.width())-1 {
		return nil, ErrTooLarge
	}
	width := widthFor(uint32(count)/2 + 1)
	return build(s, l, width, func(at NodeIndex) *wire.Node {
		if int(at) >= count {
			return nil
		}
		return w.Nodes[at]
	})
}

// build makes a tree of the given width out of its nodes and checks it.
func build(s *suite.Suite, l Limits, width uint32, get func(NodeIndex) *wire.Node) (*Tree, error) {
	e := empty(s, l).Edit()
	h := hasher{suite: s.Hash}
	e.tree.root = e.build(&h, uint8(bits.TrailingZeros32(width)), 0, get)
	root := e.tree.root
	if e.err == nil && (root.members == 0 || root.level > 0 && root.right.members == 0) {
		e.err = ErrShape
	}
	if e.err == nil {
		e.err = checkUnmerged(root, 0)
	}
	return e.Tree()
}

func (e *Editor) build(h *hasher, level uint8, start LeafIndex, get func(NodeIndex) *wire.Node) *node {
	n := &node{level: level}
	if level > 0 {
		n.left = e.build(h, level-1, start, get)
		n.right = e.build(h, level-1, start+LeafIndex(n.width()/2), get)
	}
	at := nodeAt(int(level), start)
	w := get(at)
	if w != nil {
		switch {
		case level == 0 && w.Leaf != nil && w.Parent == nil:
			e.setLeaf(n, at, w.Leaf)
		case level > 0 && w.Parent != nil && w.Leaf == nil:
			e.setParent(n, at, w.Parent)
		default:
			e.fail(ErrShape)
		}
	}
	if n.count(); n.blank() && n.members == 0 {
		if level == 0 {
			n.hash = h.leafHash(start, "")
			return n
		}
		return h.folded(n, n.left, n.right)
	}
	if level > 0 && !n.blank() && n.members == 0 {
		e.fail(ErrShape)
	}
	return n
}

func (e *Editor) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

// checkUnmerged checks the lists of unmerged leaves: sorted, members below the node, and in the list of each non-blank node
// between the two (RFC 9420 §12.4.3.1).
func checkUnmerged(n *node, start LeafIndex) error {
	if n.level == 0 || n.members == 0 {
		return nil
	}
	if !n.blank() {
		list := n.octets.unmerged()
		for k := range list.len() {
			if k > 0 && list.at(k-1) >= list.at(k) || !n.leadsTo(start, list.at(k)) {
				return ErrUnmerged
			}
		}
	}
	if err := checkUnmerged(n.left, start); err != nil {
		return err
	}
	return checkUnmerged(n.right, start+LeafIndex(n.width()/2))
}

// leadsTo reports whether a leaf is a member below n and in the lists of all non-blank nodes between.
func (n *node) leadsTo(start, u LeafIndex) bool {
	if u < start || uint64(u) >= uint64(start)+uint64(n.width()) {
		return false
	}
	for n.level > 0 {
		n, _, start, _ = n.child(start, u)
		if n.level > 0 && !n.blank() && !n.hasUnmerged(u) {
			return false
		}
	}
	return !n.blank()
}

// Wire returns the tree as it travels: in array order, without the blank nodes behind the last one that is not. The nodes are
// shared, not copied.
func (t *Tree) Wire() wire.RatchetTree {
	nodes := make([]*wire.Node, 2*t.Leaves()-1)
	t.root.visit(0, func(n *node, at NodeIndex) { nodes[at] = n.wire() })
	end := len(nodes)
	for end > 0 && nodes[end-1] == nil {
		end--
	}
	return wire.RatchetTree{Nodes: slices.Clip(nodes[:end])}
}

// visit calls f with each node of the subtree that has a member below it.
func (n *node) visit(start LeafIndex, f func(*node, NodeIndex)) {
	if n.members == 0 {
		return
	}
	f(n, nodeAt(int(n.level), start))
	if n.level > 0 {
		n.left.visit(start, f)
		n.right.visit(start+LeafIndex(n.width()/2), f)
	}
}

// elementsPerLeaf is how many vector elements (capabilities, extensions, unmerged leaves, two nodes) a leaf may take on average in
// a tree that Parse decodes.
const elementsPerLeaf = 64

// Parse decodes a ratchet tree and checks it as FromWire does. It stops at the first node beyond the limits, so that it never
// allocates more than a small multiple of what it has read.
func Parse(s *suite.Suite, data []byte, l Limits) (*Tree, error) {
	bounded := boundedTree{left: 2*int(l.width()) - 1}
	limits := syntax.Limits{Elements: elementsPerLeaf * int(l.width())}
	if err := limits.Unmarshal(data, &bounded); err != nil {
		return nil, err
	}
	return FromWire(s, &wire.RatchetTree{Nodes: bounded.nodes}, l)
}

// boundedTree decodes a RatchetTree of a limited number of nodes.
type boundedTree struct {
	nodes []*wire.Node
	left  int
}

func (v *boundedTree) Syntax(c *syntax.Codec) {
	syntax.Vector(c, &v.nodes, func(c *syntax.Codec, n **wire.Node) {
		if v.left--; v.left < 0 {
			c.Fail(ErrTooLarge)
			return
		}
		syntax.OptionalStruct(c, n)
	})
}
