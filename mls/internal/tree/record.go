package tree

import (
	"parley/mls/internal/state"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

// NodeChange is one node that is not as it was; Node is nil when it is blank now.
type NodeChange struct {
	At   NodeIndex
	Node *wire.Node
}

// Diff returns the nodes in which t differs from old, a value from which it was made (nil: all that are not blank). The cost is
// that of the changes and the paths to them: subtrees that both share are not entered. A tree of other descent gives a right but
// longer answer.
func (t *Tree) Diff(old *Tree) []NodeChange {
	var d differ
	if old == nil {
		d.compare(nil, t.root, 0)
	} else {
		d.compare(old.root, t.root, 0)
	}
	return d.changes
}

type differ struct{ changes []NodeChange }

func (d *differ) put(n *node, at NodeIndex) {
	if !n.blank() {
		d.changes = append(d.changes, NodeChange{at, n.wire()})
	}
}

func (d *differ) drop(n *node, at NodeIndex) {
	if !n.blank() {
		d.changes = append(d.changes, NodeChange{At: at})
	}
}

// compare walks two subtrees that begin at the same leaf; nil is one that does not exist.
func (d *differ) compare(old, now *node, start LeafIndex) {
	switch {
	case old == now:
	case old == nil:
		now.visit(start, d.put)
	case now == nil:
		old.visit(start, d.drop)
	case now.level > old.level:
		d.put(now, nodeAt(int(now.level), start))
		d.compare(old, now.left, start)
		d.compare(nil, now.right, start+LeafIndex(now.width()/2))
	case now.level < old.level:
		d.drop(old, nodeAt(int(old.level), start))
		d.compare(old.left, now, start)
		d.compare(old.right, nil, start+LeafIndex(old.width()/2))
	default:
		if old.octets != now.octets {
			d.changes = append(d.changes, NodeChange{nodeAt(int(now.level), start), now.wire()})
		}
		if now.level > 0 {
			d.compare(old.left, now.left, start)
			d.compare(old.right, now.right, start+LeafIndex(now.width()/2))
		}
	}
}

// Delta returns the records that lead from old (nil: nothing) to t, one for each changed node. Keys of records are the prefix
// and the node's index.
func (t *Tree) Delta(prefix string, old *Tree) (state.Delta, error) {
	var d state.Delta
	for _, change := range t.Diff(old) {
		key := recordKey(prefix, change.At)
		if change.Node == nil {
			d.Delete(key)
			continue
		}
		value, err := syntax.Marshal(change.Node)
		if err != nil {
			return nil, err
		}
		d.Put(key, value)
	}
	return d, nil
}

// Load returns the tree that the records under prefix hold and checks it as FromWire does; the other records are passed over.
func Load(s *suite.Suite, prefix string, records []state.Record, l Limits) (*Tree, error) {
	nodes := make(map[NodeIndex]*wire.Node)
	last := NodeIndex(0)
	for _, r := range records {
		at, ok, err := recordNode(prefix, r.Key)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if uint64(at) >= 2*uint64(l.width())-1 {
			return nil, ErrTooLarge
		}
		n := new(wire.Node)
		limits := syntax.Limits{Elements: elementsPerLeaf * int(l.width())}
		if err := limits.Unmarshal(r.Value, n); err != nil {
			return nil, err
		}
		nodes[at] = n
		last = max(last, at)
	}
	return build(s, l, widthFor(uint32(last)/2+1), func(at NodeIndex) *wire.Node { return nodes[at] })
}
