package mls

import (
	"crypto"
	"crypto/ed25519"
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/mls/internal/schedule"
	"parley/mls/internal/state"
	"parley/mls/internal/tree"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

// hall is a group of any size in suite 1 without the cost of its history: the keys of all nodes are known, so that any member can be
// made. Its parent hashes are not right, which only joiners look at.
type hall struct {
	suite   *suite.Suite
	records []Record
	public  *PublicGroup
	signers []crypto.Signer
	nodes   map[tree.NodeIndex][2][]byte // public and private keys
	epoch   []byte
}

type savedPair [2][]byte

func (v *savedPair) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &v[0])
	syntax.Opaque(c, &v[1])
}

// newHall makes a group of n; warm: no node is blank, as when everybody has committed.
func newHall(tb testing.TB, n int, warm bool) *hall {
	tb.Helper()
	s, err := suite.Lookup(suite.X25519AES128)
	if err != nil {
		tb.Fatal(err)
	}
	h := &hall{suite: s, nodes: map[tree.NodeIndex][2][]byte{}, epoch: s.Hash([]byte("epoch"))}
	width := uint32(1)
	for int(width) < n {
		width *= 2
	}
	w := wire.RatchetTree{Nodes: make([]*wire.Node, 2*n-1)}
	for i := range w.Nodes {
		at := tree.NodeIndex(i)
		leaf, isLeaf := at.Leaf()
		if !isLeaf && !warm || !isLeaf && int(rightmost(at)) >= n {
			continue
		}
		private, public, err := s.DeriveKeyPair(s.Hash(fmt.Append(nil, i)))
		if err != nil {
			tb.Fatal(err)
		}
		h.nodes[at] = [2][]byte{public, private}
		if !isLeaf {
			w.Nodes[i] = &wire.Node{Parent: &wire.ParentNode{EncryptionKey: public, ParentHash: s.Hash(public)}}
			continue
		}
		signer := ed25519.NewKeyFromSeed(s.Hash(fmt.Append(nil, "signer ", i)))
		h.signers = append(h.signers, signer)
		node := &wire.LeafNode{
			EncryptionKey: public, SignatureKey: signer.Public().(ed25519.PublicKey), Source: wire.CommitSource, ParentHash: make([]byte, 32),
			Credential:   wire.Credential{Type: wire.BasicCredential, Identity: fmt.Appendf(nil, "member %4d", leaf)},
			Capabilities: DefaultCapabilities(s.ID()),
		}
		if err := signLeaf(s, signer, node, []byte("hall"), leaf); err != nil {
			tb.Fatal(err)
		}
		w.Nodes[i] = &wire.Node{Leaf: node}
	}
	for w.Nodes[len(w.Nodes)-1] == nil {
		w.Nodes = w.Nodes[:len(w.Nodes)-1]
	}
	h.load(tb, &w)
	return h
}

// rightmost is the last leaf below a node.
func rightmost(at tree.NodeIndex) tree.LeafIndex {
	for {
		right, ok := at.Right()
		if !ok {
			leaf, _ := at.Leaf()
			return leaf
		}
		at = right
	}
}

func (h *hall) load(tb testing.TB, w *wire.RatchetTree) {
	tb.Helper()
	nodes, err := tree.FromWire(h.suite, w, tree.Limits{})
	if err != nil {
		tb.Fatal(err)
	}
	epoch, err := schedule.Fresh(h.suite, append([]byte(nil), h.epoch...))
	if err != nil {
		tb.Fatal(err)
	}
	header := publicHeader{context: wire.GroupContext{
		Version: wire.MLS10, Suite: h.suite.ID(), GroupID: []byte("hall"), Epoch: 7, TreeHash: nodes.Hash(), ConfirmedTranscriptHash: make([]byte, 32),
	}}
	header.tag = epoch.ConfirmationTag(header.context.ConfirmedTranscriptHash)
	if header.interim, err = schedule.InterimHash(h.suite, header.context.ConfirmedTranscriptHash, header.tag); err != nil {
		tb.Fatal(err)
	}
	var d deltaBuilder
	d.put(keyHeader, &header)
	d.append(nodes.Delta(keyNode, nil))
	if d.err != nil {
		tb.Fatal(d.err)
	}
	h.records = d.Delta
	if h.public, err = LoadPublicGroup(&Config{}, h.records); err != nil {
		tb.Fatal(err)
	}
}

// member makes the member at a leaf.
func (h *hall) member(tb testing.TB, leaf LeafIndex) *Group {
	tb.Helper()
	g := newGroup(h.public.cfg, h.public)
	var records []state.Record
	for at, pair := range h.nodes {
		if at.Covers(leaf) {
			octets, err := syntax.Marshal(&savedPair{pair[0], pair[1]})
			if err != nil {
				tb.Fatal(err)
			}
			records = append(records, state.Record{Key: fmt.Sprint("k/", at), Value: octets})
		}
	}
	keys, err := tree.LoadKeys(leaf, "k/", records)
	if err != nil {
		tb.Fatal(err)
	}
	g.own = []*ownLeaf{{leaf, h.signers[leaf], keys}}
	if g.epoch, err = schedule.Fresh(h.suite, append([]byte(nil), h.epoch...)); err != nil {
		tb.Fatal(err)
	}
	encryption, err := g.epoch.TakeEncryptionSecret()
	if err != nil {
		tb.Fatal(err)
	}
	g.messages = schedule.NewSecretTree(h.suite, encryption, h.public.tree.Leaves(), schedule.Limits{})
	return g
}

// commit is a commit of a member, as it travels.
func (h *hall) commit(tb testing.TB, leaf LeafIndex) []byte {
	tb.Helper()
	result, _, err := h.member(tb, leaf).Commit(CommitOptions{Leaf: leaf}, time.Time{})
	check(tb, err)
	octets, err := syntax.Marshal(result.Message)
	check(tb, err)
	return octets
}

// levels is the height of a tree of n leaves.
func levels(n int) int {
	l := 0
	for 1<<l < n {
		l++
	}
	return l
}

func check(tb testing.TB, err error) {
	if err != nil {
		tb.Fatal(err)
	}
}

// A commit writes what it changed: the records of its path and of the epoch, not those of the tree.
func TestCommitWritesItsPath(t *testing.T) {
	for _, n := range []int{100, 1000} {
		h := newHall(t, n, true)
		octets, g, l := h.commit(t, 50), h.member(t, 51), levels(n)
		m := new(wire.Message)
		check(t, syntax.Unmarshal(octets, m))
		staged, err := h.public.Process(m, time.Time{})
		check(t, err)
		if got := len(staged.Delta()); got > l+2 {
			t.Errorf("%d members: the hub writes %d records", n, got)
		}
		if got := treeRecords(staged.Delta()); got != l+1 {
			t.Errorf("%d members: the hub writes %d nodes, the path has %d", n, got, l+1)
		}
		mine, err := g.Process(m, time.Time{})
		check(t, err)
		d, err := mine.Apply()
		check(t, err)
		if got := len(d); got > 3*l+16 {
			t.Errorf("%d members: a member writes %d records", n, got)
		}
	}
}

func treeRecords(d Delta) (n int) {
	for _, r := range d {
		if strings.HasPrefix(r.Key, keyNode) {
			n++
		}
	}
	return n
}
