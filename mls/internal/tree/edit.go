package tree

import (
	"errors"
	"slices"

	"parley/mls/wire"
	"parley/syntax"
)

// Editor makes a new Tree from an old one by any number of changes; each node that they touch is copied and hashed once.
// The first error stays and is returned by Tree. An Editor is used by one goroutine.
type Editor struct {
	tree    Tree
	touched []NodeIndex // leaves and parents that got keys; may name one twice
	err     error
}

// Edit starts changing t; t itself stays as it is.
func (t *Tree) Edit() *Editor {
	e := &Editor{tree: *t}
	e.tree.cost = 0
	return e
}

// Add returns the tree with one more member and its leaf index (RFC 9420 §12.1.1).
func (t *Tree) Add(leaf *wire.LeafNode) (*Tree, LeafIndex, error) {
	e := t.Edit()
	i := e.Add(leaf)
	next, err := e.Tree()
	return next, i, err
}

// Update returns the tree with a member's leaf replaced (RFC 9420 §12.1.2).
func (t *Tree) Update(i LeafIndex, leaf *wire.LeafNode) (*Tree, error) {
	e := t.Edit()
	e.Update(i, leaf)
	return e.Tree()
}

// Remove returns the tree without a member (RFC 9420 §12.1.3).
func (t *Tree) Remove(i LeafIndex) (*Tree, error) {
	e := t.Edit()
	e.Remove(i)
	return e.Tree()
}

// Add puts a leaf at the leftmost blank place and into the unmerged leaves of the parents above it, and returns its index.
func (e *Editor) Add(leaf *wire.LeafNode) LeafIndex {
	if e.err == nil && leaf == nil {
		e.err = ErrLeaf
	}
	i := e.tree.NextLeaf()
	e.reserve(i)
	if e.err != nil {
		return 0
	}
	e.change(i, func(n *node, at NodeIndex) {
		if n.level == 0 {
			e.setLeaf(n, at, leaf)
			return
		}
		if !n.blank() {
			e.setParent(n, at, withUnmerged(n.octets.parent(), i))
		}
	})
	return i
}

// Update replaces a member's leaf and blanks the parents above it. ErrLeaf when there is no such member; ErrDuplicateKey when
// the encryption key is the old one.
func (e *Editor) Update(i LeafIndex, leaf *wire.LeafNode) {
	if e.member(i); e.err != nil {
		return
	}
	if leaf == nil {
		e.err = ErrLeaf
		return
	}
	if string(e.tree.root.find(i.Node()).key()) == string(leaf.EncryptionKey) {
		e.err = ErrDuplicateKey
		return
	}
	e.replace(i, leaf)
}

// Remove blanks a member's leaf and the parents above it, and halves the tree while its right half is empty.
func (e *Editor) Remove(i LeafIndex) {
	if e.member(i); e.err != nil {
		return
	}
	e.replace(i, nil)
	for e.tree.root.level > 0 {
		left, right := e.tree.root.kids()
		if right.members > 0 {
			break
		}
		e.tree.root = left
	}
}

// Tree returns the changed tree, or the first error: also ErrDuplicateKey when a key that was put in stands twice
// (RFC 9420 §7.3). The check is made here and not at each change, because only the outcome of a commit's proposals counts.
func (e *Editor) Tree() (*Tree, error) {
	if e.err == nil {
		e.checkKeys()
	}
	if e.err == nil {
		h := hasher{suite: e.tree.suite.Hash}
		h.freeze(e.tree.root, 0)
		e.tree.cost += h.count
	}
	if e.err != nil {
		return nil, e.err
	}
	next := e.tree
	e.touched, e.tree.cost = nil, 0
	return &next, nil
}

func (e *Editor) checkKeys() {
	for _, at := range e.touched {
		if !e.tree.contains(at) {
			continue
		}
		n := e.tree.root.find(at)
		if n.blank() {
			continue
		}
		if e.tree.encryptionKeys([]byte(n.key())) > 1 || n.level == 0 && e.tree.signatureKeys([]byte(n.octets.signatureKey())) > 1 {
			e.err = ErrDuplicateKey
			return
		}
	}
}

func (e *Editor) member(i LeafIndex) {
	if e.err == nil && !e.tree.has(i) {
		e.err = ErrLeaf
	}
}

// reserve doubles the tree when leaf i is the first one behind it.
func (e *Editor) reserve(i LeafIndex) {
	old := e.tree.root
	if e.err != nil || uint32(i) < old.width() {
		return
	}
	if uint32(i) > old.width() {
		e.err = ErrLeaf
		return
	}
	if old.width() >= e.tree.maxWidth {
		e.err = ErrTooLarge
		return
	}
	h := hasher{suite: e.tree.suite.Hash}
	e.tree.root = &node{left: old, right: h.blankNode(old.level, LeafIndex(old.width())), level: old.level + 1}
	e.tree.cost += h.count
	e.tree.root.count()
}

// replace puts a leaf (nil: blank) and blanks its direct path.
func (e *Editor) replace(i LeafIndex, leaf *wire.LeafNode) {
	e.change(i, func(n *node, at NodeIndex) {
		if n.level == 0 {
			e.setLeaf(n, at, leaf)
			return
		}
		e.setParent(n, at, nil)
	})
}

// change calls set with an own copy of each node from the root to leaf i.
func (e *Editor) change(i LeafIndex, set func(n *node, at NodeIndex)) {
	e.tree.root = descend(e.tree.root, 0, i, set)
}

func descend(n *node, start, i LeafIndex, set func(*node, NodeIndex)) *node {
	if n.hash != "" {
		c := *n
		c.left, c.right = n.kids()
		c.hash = ""
		n = &c
	}
	if n.level > 0 {
		if middle := start + LeafIndex(n.width()/2); i < middle {
			n.left = descend(n.left, start, i, set)
		} else {
			n.right = descend(n.right, middle, i, set)
		}
	}
	set(n, nodeAt(int(n.level), i))
	n.count()
	return n
}

func (e *Editor) setLeaf(n *node, at NodeIndex, leaf *wire.LeafNode) {
	t := &e.tree
	if !n.blank() {
		t.enc = t.enc.less(t.entry(n.key(), at), 0)
		t.sig = t.sig.less(t.entry(n.octets.signatureKey(), at), 0)
	}
	n.octets = ""
	if leaf == nil {
		return
	}
	o, err := octetsOf(leaf)
	if err != nil {
		e.fail(err)
		return
	}
	n.octets = o
	t.enc = t.enc.with(t.entry(o.key(), at), 0)
	t.sig = t.sig.with(t.entry(o.signatureKey(), at), 0)
	e.touched = append(e.touched, at)
}

func (e *Editor) setParent(n *node, at NodeIndex, parent *wire.ParentNode) {
	t := &e.tree
	old := n.octets
	n.octets = ""
	if parent != nil {
		o, err := octetsOf(parent)
		if errors.Is(err, syntax.ErrValue) {
			err = ErrUnmerged // the only thing that can be wrong with its values
		}
		if err != nil {
			e.fail(err)
			return
		}
		n.octets = o
	}
	if old.key() == n.key() {
		return
	}
	if old != "" {
		t.enc = t.enc.less(t.entry(old.key(), at), 0)
	}
	if parent != nil {
		t.enc = t.enc.with(t.entry(n.key(), at), 0)
		e.touched = append(e.touched, at)
	}
}

// withUnmerged adds a leaf to a parent that was decoded for it.
func withUnmerged(p *wire.ParentNode, i LeafIndex) *wire.ParentNode {
	at, _ := slices.BinarySearch(p.UnmergedLeaves, uint32(i))
	p.UnmergedLeaves = slices.Insert(p.UnmergedLeaves, at, uint32(i))
	return p
}
