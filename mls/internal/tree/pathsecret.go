package tree

import "slices"

// WithPathSecret returns the keys with the pair that a path secret gives for one node; ErrPathSecret when the tree has another key
// there. The secret is copied. Test vectors give secrets node by node.
func (t *Tree) WithPathSecret(k *Keys, at NodeIndex, pathSecret []byte) (*Keys, error) {
	if !t.contains(at) {
		return nil, ErrPathSecret
	}
	next := k.Retain(t)
	last, err := t.climb(next, []NodeIndex{at}, slices.Clone(pathSecret))
	clear(last)
	return next, err
}
