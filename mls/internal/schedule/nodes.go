package schedule

import (
	"maps"
	"slices"
	"strconv"

	"parley/mls/internal/state"
	"parley/mls/suite"
)

// nodes is a tree of secrets in which a node's secret gives those of its two children and is then overwritten (RFC 9420 §9). Only
// what was derived and not used yet is held: at first the root. Nodes are numbered as in RFC 9420 Appendix C.
type nodes struct {
	suite   *suite.Suite
	leaves  uint32 // a power of two
	secrets map[uint32][]byte
	dirty   map[uint32]bool
	fetch   func(node uint32) ([]byte, bool) // the saved form; nil when there is none
	fetched map[uint32]bool
}

// nodeChange is what deriving a leaf does to the tree.
type nodeChange struct {
	add  map[uint32][]byte
	drop []uint32
}

func newNodes(s *suite.Suite, root []byte, leaves uint32) *nodes {
	n := &nodes{suite: s, leaves: fullWidth(leaves), secrets: make(map[uint32][]byte), dirty: make(map[uint32]bool)}
	n.secrets[n.root()] = root
	n.dirty[n.root()] = true
	return n
}

func loadNodes(s *suite.Suite, leaves uint32, prefix string, get func(key string) ([]byte, bool)) *nodes {
	return &nodes{
		suite: s, leaves: fullWidth(leaves), secrets: make(map[uint32][]byte), dirty: make(map[uint32]bool),
		fetched: make(map[uint32]bool),
		fetch:   func(node uint32) ([]byte, bool) { return get(prefix + nodeKey(node)) },
	}
}

// fullWidth rounds up to a power of two.
func fullWidth(leaves uint32) uint32 {
	width := uint32(1)
	for width < leaves {
		width <<= 1
	}
	return width
}

func nodeKey(node uint32) string { return strconv.FormatUint(uint64(node), 16) }

func (n *nodes) root() uint32 { return n.leaves - 1 }

// secret returns a node's secret if it is held, reading it from the saved form at its first use.
func (n *nodes) secret(node uint32) []byte {
	if s, ok := n.secrets[node]; ok {
		return s
	}
	if n.fetch == nil || n.fetched[node] {
		return nil
	}
	s, ok := n.fetch(node)
	if !ok {
		return nil
	}
	n.fetched[node] = true
	n.secrets[node] = append([]byte(nil), s...)
	return n.secrets[node]
}

// leaf derives a leaf's secret from the nearest ancestor that is held, changing nothing; nil when the leaf's secret is used up or
// the leaf is not in the tree.
func (n *nodes) leaf(leaf uint32) ([]byte, nodeChange) {
	var change nodeChange
	if leaf >= n.leaves {
		return nil, change
	}
	target := 2 * leaf
	node, half := n.root(), n.leaves/2
	var at []byte
	// Walk down to the lowest held node on the path: below it nothing is derived yet.
	for {
		if s := n.secret(node); s != nil {
			at = s
			break
		}
		if half == 0 {
			return nil, change
		}
		node, half = child(node, half, target)
	}
	change.drop = append(change.drop, node)
	change.add = make(map[uint32][]byte)
	size := n.suite.HashSize()
	for half > 0 {
		next, _ := child(node, half, target)
		left, right := node-half, node+half
		for side, c := range map[string]uint32{"left": left, "right": right} {
			change.add[c] = n.suite.ExpandWithLabel(at, "tree", []byte(side), size)
		}
		if node != change.drop[0] {
			suite.Wipe(at)
			delete(change.add, node)
		}
		at, node, half = change.add[next], next, half/2
	}
	if node == change.drop[0] {
		return append([]byte(nil), at...), change
	}
	delete(change.add, node)
	return at, change
}

// child is the child of node on the way to target; half is the distance to the children.
func child(node, half, target uint32) (next, nextHalf uint32) {
	if target < node {
		return node - half, half / 2
	}
	return node + half, half / 2
}

// apply makes a derivation real: the ancestor is overwritten, the siblings on the way stay.
func (n *nodes) apply(change nodeChange) {
	for _, node := range change.drop {
		suite.Wipe(n.secrets[node])
		delete(n.secrets, node)
		if n.fetched != nil {
			n.fetched[node] = true
		}
		n.dirty[node] = true
	}
	for node, secret := range change.add {
		n.secrets[node] = secret
		n.dirty[node] = true
	}
}

func (n *nodes) dirtyAll() {
	for node := range n.secrets {
		n.dirty[node] = true
	}
}

func (n *nodes) takeDelta(prefix string) state.Delta {
	var d state.Delta
	for _, node := range slices.Sorted(maps.Keys(n.dirty)) {
		if secret, ok := n.secrets[node]; ok {
			d.Put(prefix+nodeKey(node), append([]byte(nil), secret...))
		} else {
			d.Delete(prefix + nodeKey(node))
		}
	}
	clear(n.dirty)
	return d
}

func (n *nodes) wipe() {
	for _, secret := range n.secrets {
		suite.Wipe(secret)
	}
	clear(n.secrets)
	n.fetch = nil
}
