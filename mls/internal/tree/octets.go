package tree

import (
	"encoding/binary"
	"math"
	"sort"

	"parley/mls/wire"
	"parley/syntax"
)

// content is what stands in a node, as it travels: a LeafNode at level 0, a ParentNode above it, "" when blank. A tree holds nothing else of its
// nodes, which takes a third of what decoded ones would; the few fields that are looked at often are read in place. It is always an
// encoding that this package made, so that reading it cannot fail.
type content string

// whole is constant: no limit, since what is decoded was decoded once before.
var whole = syntax.Limits{Elements: math.MaxInt}

func octetsOf(v syntax.Value) (content, error) {
	b, err := syntax.Marshal(v)
	return content(b), err
}

// leaf decodes a leaf, nil when blank.
func (o content) leaf() *wire.LeafNode {
	if o == "" {
		return nil
	}
	v := new(wire.LeafNode)
	if err := whole.Unmarshal([]byte(o), v); err != nil {
		return nil
	}
	return v
}

// parent decodes a parent, nil when blank.
func (o content) parent() *wire.ParentNode {
	if o == "" {
		return nil
	}
	v := new(wire.ParentNode)
	if err := whole.Unmarshal([]byte(o), v); err != nil {
		return nil
	}
	return v
}

// vector returns the opaque<V> at the front and what follows it (RFC 9420 §2.1.2).
func (o content) vector() (head, rest content) {
	size := 1 << (o[0] >> 6)
	n := int(o[0] & 0x3f)
	for i := 1; i < size; i++ {
		n = n<<8 | int(o[i])
	}
	return o[size : size+n], o[size+n:]
}

// key is the encryption key of a leaf or a parent; "" when blank.
func (o content) key() content {
	if o == "" {
		return ""
	}
	key, _ := o.vector()
	return key
}

// signatureKey is that of a leaf.
func (o content) signatureKey() content {
	_, rest := o.vector()
	key, _ := rest.vector()
	return key
}

// parentHash is that of a parent.
func (o content) parentHash() content {
	_, rest := o.vector()
	hash, _ := rest.vector()
	return hash
}

// unmerged is a parent's list of unmerged leaves, sorted.
func (o content) unmerged() leafList {
	_, rest := o.vector()
	_, rest = rest.vector()
	list, _ := rest.vector()
	return leafList(list)
}

// leafList is a vector of leaf indices.
type leafList content

func (l leafList) len() int { return len(l) / 4 }

func (l leafList) at(i int) LeafIndex {
	b := l[4*i : 4*i+4]
	return LeafIndex(uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3]))
}

func (l leafList) has(i LeafIndex) bool {
	at := sort.Search(l.len(), func(k int) bool { return l.at(k) >= i })
	return at < l.len() && l.at(at) == i
}

// hasher hashes nodes and counts how many.
type hasher struct {
	suite hashing
	buf   []byte
	count int
}

// hashing is what a hasher needs of a suite.
type hashing func(parts ...[]byte) []byte

func (h *hasher) sum(buf []byte) string {
	h.buf = buf
	h.count++
	return string(h.suite(buf))
}

// leafHash is the tree hash of a leaf (RFC 9420 §7.8).
func (h *hasher) leafHash(index LeafIndex, o content) string {
	buf := append(h.buf[:0], leafKind)
	buf = binary.BigEndian.AppendUint32(buf, uint32(index))
	return h.sum(appendOptional(buf, o))
}

// parentTreeHash is the tree hash of a parent (RFC 9420 §7.8).
func (h *hasher) parentTreeHash(o content, left, right string) string {
	buf := appendOptional(append(h.buf[:0], parentKind), o)
	return h.sum(appendOpaque(appendOpaque(buf, left), right))
}

// parentHashOf is the hash of ParentHashInput (RFC 9420 §7.9).
func (h *hasher) parentHashOf(key, parentHash content, sibling string) string {
	return h.sum(appendOpaque(appendOpaque(appendOpaque(h.buf[:0], string(key)), string(parentHash)), sibling))
}

func appendOptional(buf []byte, o content) []byte {
	if o == "" {
		return append(buf, 0)
	}
	return append(append(buf, 1), o...)
}

// appendOpaque appends an opaque<V> of a key or a hash.
func appendOpaque(buf []byte, s string) []byte { return append(appendLength(buf, len(s)), s...) }

// appendLength appends the length of a vector of n octets (RFC 9420 §2.1.2), n being no more than syntax.MaxVector.
func appendLength(buf []byte, n int) []byte {
	switch {
	case n < 1<<6:
		return append(buf, byte(n))
	case n < 1<<14:
		return append(buf, byte(n>>8)|0x40, byte(n))
	}
	return append(buf, byte(n>>24)|0x80, byte(n>>16), byte(n>>8), byte(n))
}

// NodeType of RFC 9420 §7.8.
const (
	leafKind   = byte(1)
	parentKind = byte(2)
)
