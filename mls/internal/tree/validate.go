package tree

import (
	"bytes"
	"slices"

	"parley/mls/wire"
)

// VerifyParentHashes checks that every parent node was made by a member below it (RFC 9420 §7.9.2), ErrParentHash otherwise. The
// cost is linear in the size of the tree, unmerged leaves included, times the depth at most.
func (t *Tree) VerifyParentHashes() error {
	h := hasher{suite: t.suite.Hash}
	return h.verify(t.root, 0)
}

func (h *hasher) verify(n *node, start LeafIndex) error {
	if n.level == 0 || n.members == 0 {
		return nil
	}
	middle := start + LeafIndex(n.width()/2)
	if !n.blank() {
		parent := n.octets.parent()
		ok, err := h.madeBy(parent, n.left, start, n.right, middle)
		if err == nil && !ok {
			ok, err = h.madeBy(parent, n.right, middle, n.left, start)
		}
		if err != nil {
			return err
		}
		if !ok {
			return ErrParentHash
		}
	}
	if err := h.verify(n.left, start); err != nil {
		return err
	}
	return h.verify(n.right, middle)
}

// madeBy reports whether p is parent-hash valid with respect to a node below its child c, s being the other child: that node
// must be all of c's resolution but p's unmerged leaves there.
func (h *hasher) madeBy(p *wire.ParentNode, c *node, startC LeafIndex, s *node, startS LeafIndex) (bool, error) {
	unmerged := between(p.UnmergedLeaves, startC, c.width())
	if int(c.resolved) != 1+len(unmerged) {
		return false, nil
	}
	var rest []NodeIndex
	c.resolve(startC, func(at NodeIndex) {
		if i, leaf := at.Leaf(); leaf {
			if _, found := slices.BinarySearch(unmerged, uint32(i)); found {
				return
			}
		}
		rest = append(rest, at)
	})
	if len(rest) != 1 {
		return false, nil
	}
	got, carries := c.findFrom(startC, rest[0]).parentHash()
	if !carries {
		return false, nil
	}
	want, err := h.parentHash(p, s, startS)
	return err == nil && bytes.Equal(got, want), err
}

// parentHash returns the parent hash that a node carries; leaves that did not come by a commit carry none.
func (n *node) parentHash() ([]byte, bool) {
	if n.level > 0 {
		return []byte(n.octets.parentHash()), true
	}
	leaf := n.leafNode()
	if leaf == nil || leaf.Source != wire.CommitSource {
		return nil, false
	}
	return leaf.ParentHash, true
}
