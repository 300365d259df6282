package tree

import (
	"bytes"
	"slices"

	"parley/mls/wire"
)

// ApplyPath returns the tree after the commit of leaf i with its path (RFC 9420 §7.5, §12.4.2). t is the tree to which the commit's
// proposals have been applied, and added are the leaves that its Add proposals took. For an external commit i is NextLeaf.
//
// It checks what can be known without secrets: the length of the path, the number of ciphertexts of each node, that all keys are
// new, and the leaf's parent hash. The leaf's signature and content are the caller's to check. up is kept, not copied.
// The cost is O(log N).
func (t *Tree) ApplyPath(i LeafIndex, up *wire.UpdatePath, added []LeafIndex) (*Tree, error) {
	steps, err := t.path(i)
	if err != nil {
		return nil, err
	}
	if len(up.Nodes) != len(steps) || up.Leaf.Source != wire.CommitSource {
		return nil, ErrPath
	}
	added = sorted(added)
	keys := make([][]byte, len(steps))
	for k, s := range steps {
		if len(up.Nodes[k].Secrets) != recipients(s.copath, s.start, added) {
			return nil, ErrPath
		}
		keys[k] = up.Nodes[k].EncryptionKey
	}
	for _, key := range append(keys[:len(keys):len(keys)], up.Leaf.EncryptionKey) {
		if t.suite.CheckPublicKey(key) != nil {
			return nil, ErrPath // nobody could seal a later path to it
		}
		if t.HasEncryptionKey(key) {
			return nil, ErrDuplicateKey
		}
	}
	h := hasher{suite: t.suite.Hash}
	parents, parentHash, err := h.parents(steps, keys)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(parentHash, up.Leaf.ParentHash) {
		return nil, ErrParentHash
	}
	return t.withPath(i, steps, parents, &up.Leaf, h.count)
}

// parents returns the new parent nodes of a path with their parent hashes, and the parent hash of its leaf (RFC 9420 §7.9). New
// parents have no unmerged leaves, so the hash of each copath child is the one it has.
func (h *hasher) parents(steps []step, keys [][]byte) (parents []*wire.ParentNode, leaf []byte, err error) {
	parents = make([]*wire.ParentNode, len(steps))
	for k := len(steps) - 1; k >= 0; k-- {
		parents[k] = &wire.ParentNode{EncryptionKey: keys[k], ParentHash: leaf}
		if leaf, err = h.parentHash(parents[k], steps[k].copath, steps[k].start); err != nil {
			return nil, nil, err
		}
	}
	return parents, leaf, nil
}

// withPath puts a new path into the tree: parents where the filtered direct path is, blank nodes between.
func (t *Tree) withPath(i LeafIndex, steps []step, parents []*wire.ParentNode, leaf *wire.LeafNode, cost int) (*Tree, error) {
	e := t.Edit()
	e.tree.cost = cost
	e.reserve(i)
	if e.err != nil {
		return nil, e.err
	}
	e.change(i, func(n *node, at NodeIndex) {
		if n.level == 0 {
			e.setLeaf(n, at, leaf)
			return
		}
		var parent *wire.ParentNode
		if k := slices.IndexFunc(steps, func(s step) bool { return s.at == at }); k >= 0 {
			parent = parents[k]
		}
		e.setParent(n, at, parent)
	})
	return e.Tree()
}

// sorted returns the leaves in ascending order; the caller's list stays as it is.
func sorted(leaves []LeafIndex) []LeafIndex {
	if slices.IsSorted(leaves) {
		return leaves
	}
	leaves = slices.Clone(leaves)
	slices.Sort(leaves)
	return leaves
}

// recipients returns how many nodes of a subtree's resolution get the path secret: all but the added leaves, each of which is
// in the resolution of every subtree around it (RFC 9420 §12.4.1). added is sorted.
func recipients(n *node, start LeafIndex, added []LeafIndex) int {
	return int(n.resolved) - len(within(added, start, n.width()))
}

// within returns the part of a sorted list that lies in the width leaves from start.
func within(leaves []LeafIndex, start LeafIndex, width uint32) []LeafIndex {
	from, _ := slices.BinarySearch(leaves, start)
	to, _ := slices.BinarySearch(leaves[from:], start+LeafIndex(width))
	return leaves[from : from+to]
}

// recipient returns to which node of the subtree's resolution a path secret for leaf own is sealed, and its place among the
// recipients. own is a member below n that is not in added. The cost is that of one walk to the leaf.
func recipient(n *node, start, own LeafIndex, added []LeafIndex) (at NodeIndex, place int) {
	for n.blank() {
		middle := start + LeafIndex(n.width()/2)
		if own < middle {
			n = n.left
			continue
		}
		place += recipients(n.left, start, added)
		n, start = n.right, middle
	}
	if n.level == 0 || !n.hasUnmerged(own) {
		return nodeAt(int(n.level), own), place
	}
	place++
	list := n.octets.unmerged()
	for i := range list.len() {
		u := list.at(i)
		if u == own {
			break
		}
		if _, isNew := slices.BinarySearch(added, u); !isNew {
			place++
		}
	}
	return own.Node(), place
}
