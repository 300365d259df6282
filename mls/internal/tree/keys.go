package tree

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"parley/mls/internal/state"
	"parley/mls/suite"
	"parley/syntax"
)

// Keys are the private keys that one own leaf knows: its own and those of the nodes above that it was given. A Keys never
// changes; steps return a new one which shares the pairs that stay. Retire overwrites what is not shared.
type Keys struct {
	own   LeafIndex
	pairs map[NodeIndex]*pair
}

// pair is a node's key pair. The public half tells whether the tree still has the node for which the private one is.
type pair struct{ public, private []byte }

func (v *pair) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &v.public)
	syntax.Opaque(c, &v.private)
}

// Own returns the leaf whose keys these are.
func (k *Keys) Own() LeafIndex { return k.own }

// Leaf returns the private key of the own leaf. The caller must not change it.
func (k *Keys) Leaf() []byte {
	if p := k.pairs[k.own.Node()]; p != nil {
		return p.private
	}
	return nil
}

// Retain returns the keys that the tree still has at the same nodes. It is what a commit without a path leaves of the keys.
func (k *Keys) Retain(t *Tree) *Keys {
	next := &Keys{k.own, make(map[NodeIndex]*pair, len(k.pairs))}
	for at, p := range k.pairs {
		if t.contains(at) && string(t.root.find(at).key()) == string(p.public) {
			next.pairs[at] = p
		}
	}
	return next
}

// WithLeaf returns the keys with another pair for the own leaf, for a commit that took the own Update proposal. private is copied.
func (k *Keys) WithLeaf(public, private []byte) *Keys {
	next := &Keys{k.own, maps.Clone(k.pairs)}
	next.pairs[k.own.Node()] = &pair{public, slices.Clone(private)}
	return next
}

// Retire overwrites the private keys that are not in next (nil: all). It is called on the old value when a new one takes its
// place, and on a staged one, with the old as next, when it is dropped. The receiver is not used afterwards.
func (k *Keys) Retire(next *Keys) {
	for at, p := range k.pairs {
		if next == nil || next.pairs[at] != p {
			suite.Wipe(p.private)
		}
	}
	k.pairs = nil
}

// Delta returns the records that lead from old (nil: nothing) to k. Keys of records are the prefix and the node's index.
func (k *Keys) Delta(prefix string, old *Keys) (state.Delta, error) {
	var d state.Delta
	for _, at := range slices.Sorted(maps.Keys(k.pairs)) {
		p := k.pairs[at]
		if old != nil && old.pairs[at] == p {
			continue
		}
		value, err := syntax.Marshal(p)
		if err != nil {
			return nil, err
		}
		d.Put(recordKey(prefix, at), value)
	}
	if old == nil {
		return d, nil
	}
	for _, at := range slices.Sorted(maps.Keys(old.pairs)) {
		if k.pairs[at] == nil {
			d.Delete(recordKey(prefix, at))
		}
	}
	return d, nil
}

// LoadKeys returns the keys that the records under prefix hold; the other records are passed over.
func LoadKeys(own LeafIndex, prefix string, records []state.Record) (*Keys, error) {
	k := &Keys{own, make(map[NodeIndex]*pair)}
	for _, r := range records {
		at, ok, err := recordNode(prefix, r.Key)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		p := new(pair)
		if err := syntax.Unmarshal(r.Value, p); err != nil {
			return nil, err
		}
		p.public, p.private = slices.Clone(p.public), slices.Clone(p.private)
		k.pairs[at] = p
	}
	return k, nil
}

// ErrRecord means that a stored record is not one that this package wrote.
var ErrRecord = errors.New("tree: stored record is damaged")

func recordKey(prefix string, at NodeIndex) string {
	return prefix + strconv.FormatUint(uint64(at), 10)
}

// recordNode returns the node of a record's key; ok is false for a key without the prefix.
func recordNode(prefix, key string) (at NodeIndex, ok bool, err error) {
	rest, ok := strings.CutPrefix(key, prefix)
	if !ok {
		return 0, false, nil
	}
	n, err := strconv.ParseUint(rest, 10, 32)
	if err != nil || strconv.FormatUint(n, 10) != rest {
		return 0, false, ErrRecord
	}
	return NodeIndex(n), true, nil
}

// Share returns the keys with those of other that belong to nodes above the own leaf: leaves of one process learn together.
func (k *Keys) Share(other *Keys) *Keys {
	next := &Keys{k.own, maps.Clone(k.pairs)}
	for at, p := range other.pairs {
		if _, leaf := at.Leaf(); !leaf && at.Covers(k.own) {
			next.pairs[at] = p
		}
	}
	return next
}

// RetireAll is Retire for the keys of several own leaves, which may share pairs: what is in none of next is overwritten.
func RetireAll(old, next []*Keys) {
	kept := make(map[*pair]bool)
	for _, k := range next {
		for _, p := range k.pairs {
			kept[p] = true
		}
	}
	for _, k := range old {
		for _, p := range k.pairs {
			if !kept[p] {
				suite.Wipe(p.private)
			}
		}
	}
}
