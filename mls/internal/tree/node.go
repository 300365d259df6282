package tree

import (
	"slices"

	"parley/mls/wire"
)

// node is the root of one perfect subtree. It is written only while hash is empty, which is while one Editor owns it.
type node struct {
	left, right *node   // of a parent
	octets      content // content; "": blank
	hash        string  // tree hash of the subtree (RFC 9420 §7.8)
	members     uint32  // leaves of the subtree that are not blank
	resolved    uint32  // size of the resolution (RFC 9420 §4.1.1)
	level       uint8
}

// blankNode returns a subtree of blank nodes. Its nodes are not made: the hashes of all of them stand in its own field, each node's before those
// below it, and kids finds them there.
func (h *hasher) blankNode(level uint8, start LeafIndex) *node {
	n := &node{level: level}
	if level == 0 {
		n.hash = h.leafHash(start, "")
		return n
	}
	return h.folded(n, h.blankNode(level-1, start), h.blankNode(level-1, start+LeafIndex(n.width()/2)))
}

// folded makes a blank node of two blank children, which are not kept.
func (h *hasher) folded(n, left, right *node) *node {
	n.left, n.right, n.members, n.resolved = nil, nil, 0, 0
	n.hash = h.parentTreeHash("", left.sum(), right.sum()) + left.hash + right.hash
	return n
}

// kids returns the children of a node of a higher level than 0.
func (n *node) kids() (left, right *node) {
	if n.left != nil || n.level == 0 {
		return n.left, n.right
	}
	own := len(n.sum())
	below := (len(n.hash) - own) / 2
	left = &node{level: n.level - 1, hash: n.hash[own : own+below]}
	return left, &node{level: n.level - 1, hash: n.hash[own+below:]}
}

// sum is the tree hash of the subtree (RFC 9420 §7.8).
func (n *node) sum() string {
	if n.left != nil || n.level == 0 {
		return n.hash
	}
	return n.hash[:len(n.hash)/(2*int(n.width())-1)]
}

func (n *node) blank() bool { return n.octets == "" }

func (n *node) width() uint32 { return 1 << n.level }

func (n *node) full() bool { return n.members == n.width() }

// count refreshes the sums after the node or a child changed.
func (n *node) count() {
	if n.level > 0 {
		n.members = n.left.members + n.right.members
		n.resolved = n.left.resolved + n.right.resolved
		if !n.blank() {
			n.resolved = 1 + uint32(n.octets.unmerged().len())
		}
		return
	}
	n.members = 0
	if !n.blank() {
		n.members = 1
	}
	n.resolved = n.members
}

// child returns the child towards leaf i, the other one, and the first leaf of each; start is the node's own first leaf.
func (n *node) child(start, i LeafIndex) (towards, other *node, startTowards, startOther LeafIndex) {
	middle := start + LeafIndex(n.width()/2)
	left, right := n.kids()
	if i < middle {
		return left, right, start, middle
	}
	return right, left, middle, start
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

// key returns the node's encryption key, empty when blank.
func (n *node) key() content { return n.octets.key() }

// leafNode decodes the leaf at a node of level 0, nil when blank.
func (n *node) leafNode() *wire.LeafNode { return n.octets.leaf() }

// wire returns the node as it travels, nil when blank.
func (n *node) wire() *wire.Node {
	switch {
	case n.blank():
		return nil
	case n.level == 0:
		return &wire.Node{Leaf: n.octets.leaf()}
	}
	return &wire.Node{Parent: n.octets.parent()}
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
		if n.level > 0 {
			list := n.octets.unmerged()
			for i := range list.len() {
				yield(list.at(i).Node())
			}
		}
	}
}

// hasUnmerged reports whether the leaf is one that does not know the parent's private key.
func (n *node) hasUnmerged(i LeafIndex) bool { return n.octets.unmerged().has(i) }

// freeze hashes what is not hashed yet in the subtree whose first leaf is start; from then on the nodes do not change.
func (h *hasher) freeze(n *node, start LeafIndex) {
	if n.hash != "" {
		return
	}
	if n.level == 0 {
		n.hash = h.leafHash(start, n.octets)
		return
	}
	h.freeze(n.left, start)
	h.freeze(n.right, start+LeafIndex(n.width()/2))
	n.hash = h.parentTreeHash(n.octets, n.left.sum(), n.right.sum())
}

// without returns the tree hash of a subtree as it was before the given leaves came: they are blank and in no list of unmerged
// leaves (RFC 9420 §7.9, "original tree hash"). The cost is that of the paths to those leaves.
func (h *hasher) without(n *node, start LeafIndex, leaves []uint32) (string, error) {
	leaves = between(leaves, start, n.width())
	if len(leaves) == 0 {
		return n.sum(), nil
	}
	if n.level == 0 {
		return h.leafHash(start, ""), nil
	}
	lower, upper := n.kids()
	left, err := h.without(lower, start, leaves)
	if err != nil {
		return "", err
	}
	right, err := h.without(upper, start+LeafIndex(n.width()/2), leaves)
	if err != nil {
		return "", err
	}
	earlier := n.octets
	if !n.blank() && n.octets.unmerged().len() > 0 {
		parent := n.octets.parent()
		parent.UnmergedLeaves = subtract(parent.UnmergedLeaves, leaves)
		if earlier, err = octetsOf(parent); err != nil {
			return "", err
		}
	}
	return h.parentTreeHash(earlier, left, right), nil
}

// parentHash returns the parent hash that the node below p on a path carries (RFC 9420 §7.9).
func (h *hasher) parentHash(p *wire.ParentNode, sibling *node, start LeafIndex) ([]byte, error) {
	original, err := h.without(sibling, start, p.UnmergedLeaves)
	if err != nil {
		return nil, err
	}
	return []byte(h.parentHashOf(content(p.EncryptionKey), content(p.ParentHash), original)), nil
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
