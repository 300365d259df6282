package mls_test

import (
	"bytes"
	"maps"
	"sync"
	"testing"

	"parley/mls"
	"parley/mls/wire"
)

// leafMemory is a VerifiedLeaves with a map.
type leafMemory struct {
	sync.Mutex
	known map[[32]byte]bool
	hits  int
}

func (m *leafMemory) leaves() *mls.VerifiedLeaves {
	return &mls.VerifiedLeaves{
		Known: func(k [32]byte) bool {
			m.Lock()
			defer m.Unlock()
			if m.known[k] {
				m.hits++
			}
			return m.known[k]
		},
		Remember: func(k [32]byte) { m.Lock(); defer m.Unlock(); m.known[k] = true },
	}
}

// A leaf that was checked is not checked again, and nothing but that very leaf counts as checked.
func TestVerifiedLeaves(t *testing.T) {
	m := &leafMemory{known: map[[32]byte]bool{}}
	r := newTestRoom(t, &mls.Config{Verified: m.leaves()}, 5, nil)
	r.commit(r.members[2], mls.CommitOptions{})
	info, err := r.members[0].group.GroupInfo(0)
	if err != nil {
		t.Fatal(err)
	}
	follow := func(cfg *mls.Config, tree []byte, info *wire.GroupInfo) error {
		_, err := mls.ReadPublicGroup(cfg, info, bytes.NewReader(tree), start)
		return err
	}
	var tree bytes.Buffer
	if err := r.hub.WriteTree(&tree); err != nil {
		t.Fatal(err)
	}
	same(t, "the tree", tree.Bytes(), encode(t, ptr(r.hub.Tree())))
	m.hits = 0
	if err := follow(r.cfg, tree.Bytes(), info); err != nil || m.hits != 5 {
		t.Errorf("%d leaves were known, %v", m.hits, err)
	}
	fresh := &leafMemory{known: map[[32]byte]bool{}}
	if err := follow(&mls.Config{Verified: fresh.leaves()}, tree.Bytes(), info); err != nil || fresh.hits != 0 || len(fresh.known) != 5 {
		t.Errorf("%d leaves were known, %d are now, %v", fresh.hits, len(fresh.known), err)
	}
	if !maps.Equal(fresh.known, m.known) && len(m.known) < len(fresh.known) {
		t.Error("a member and a follower remember other leaves")
	}
	// another signature, or the same leaf at another place, is not known
	nodes := decode[wire.RatchetTree](t, tree.Bytes())
	nodes.Nodes[4].Leaf.Signature[0] ^= 1
	signer := r.members[0].signers[string(r.hub.Leaf(0).SignatureKey)]
	forged := *info
	if forged.Context.TreeHash, err = mls.TreeHash(r.hub.Suite(), nodes); err != nil {
		t.Fatal(err)
	}
	if err := mls.SignInfo(r.hub.Suite(), signer, &forged); err != nil {
		t.Fatal(err)
	}
	wantRule(t, follow(r.cfg, encode(t, nodes), &forged), mls.RuleLeafSignature)
	if _, err := mls.ReadPublicGroup(r.cfg, info, bytes.NewReader(tree.Bytes()[:50]), start); err == nil {
		t.Error("half a tree")
	}
}
