package mls_test

import (
	"testing"

	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
)

// manyLeaves makes a group in which one process owns many leaves and two others own one each.
func manyLeaves(t testing.TB, own int) *room {
	t.Helper()
	r := newRoom(t, &mls.Config{}, suite.X25519AES128, nil)
	r.light = true
	x, y := r.newMember(), r.newMember()
	var adds []wire.Proposal
	var leaves, one []mls.OwnLeaf
	for i := range 201 {
		owner, list := x, &leaves
		if i == 200 {
			owner, list = y, &one
		} else if i >= own {
			owner = r.newMember() // one that nobody plays
			list = new([]mls.OwnLeaf)
		}
		b, signer := owner.bundle(r.suite)
		*list = append(*list, mls.OwnLeaf{Bundle: b, Signer: signer})
		adds = append(adds, wire.Proposal{Type: wire.AddProposal, Add: &b.KeyPackage})
	}
	result := r.commit(r.members[0], mls.CommitOptions{ByValue: adds})
	r.join(x, result, leaves, false)
	r.join(y, result, one, false)
	r.agree()
	return r
}

// A process with 200 leaves in a group opens a message once and a path once.
func TestManyOwnLeaves(t *testing.T) {
	const many = 200
	s, err := suite.Lookup(suite.X25519AES128)
	if err != nil {
		t.Fatal(err)
	}
	private, public, err := s.GenerateKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := s.EncryptWithLabel(public, "x", nil, make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	hpkeOpen := testing.AllocsPerRun(10, func() {
		if _, err := s.DecryptWithLabel(private, "x", nil, sealed); err != nil {
			t.Error(err)
		}
	})
	process, open := map[int]float64{}, map[int]float64{}
	for _, own := range []int{1, many} {
		r := manyLeaves(t, own)
		x, y := r.members[1], r.members[2]
		if len(x.group.OwnLeaves()) != own {
			t.Fatalf("%d own leaves", len(x.group.OwnLeaves()))
		}
		result, d, err := y.group.Commit(mls.CommitOptions{Leaf: y.leaf()}, start)
		y.save(d, err)
		process[own] = testing.AllocsPerRun(5, func() {
			staged, err := x.group.Process(result.Message, start)
			if err != nil {
				t.Fatal(err)
			}
			staged.Discard()
		})
		m := r.say(y, []byte("x"))
		bad := copyMessage(t, m).Private
		bad.Ciphertext[len(bad.Ciphertext)-1] ^= 1 // so that it can be tried again and again
		open[own] = testing.AllocsPerRun(5, func() {
			if _, _, err := x.group.Open(bad); err == nil {
				t.Error("opened")
			}
		})
		r.open(x, m)
		r.deliver(result.Message)
		r.talk()
		// each own leaf can act: it commits, and its siblings and the others follow
		for _, leaf := range x.group.OwnLeaves()[:min(3, own)] {
			result, d, err := x.group.Commit(mls.CommitOptions{Leaf: leaf}, start)
			x.save(d, err)
			r.deliver(result.Message)
		}
		x.reload(r.cfg)
		r.commit(y, mls.CommitOptions{})
		r.talk()
	}
	t.Logf("allocations: one HPKE opening %v; a commit %v with one leaf, %v with %d; a message %v and %v",
		hpkeOpen, process[1], process[many], many, open[1], open[many])
	if perLeaf := (process[many] - process[1]) / many; perLeaf > hpkeOpen/2 {
		t.Errorf("each own leaf costs %v allocations per commit, an HPKE opening %v", perLeaf, hpkeOpen)
	}
	if open[many] > open[1]+2 {
		t.Errorf("a message costs %v allocations with %d leaves, %v with one", open[many], many, open[1])
	}
}

// Own leaves are removed one by one; the process stays a member until the last is gone.
func TestOwnLeavesLeave(t *testing.T) {
	r := newRoom(t, &mls.Config{}, suite.X25519AES128, nil)
	x := r.newMember()
	var adds []wire.Proposal
	var own []mls.OwnLeaf
	for range 3 {
		b, signer := x.bundle(r.suite)
		own = append(own, mls.OwnLeaf{Bundle: b, Signer: signer})
		adds = append(adds, wire.Proposal{Type: wire.AddProposal, Add: &b.KeyPackage})
	}
	result := r.commit(r.members[0], mls.CommitOptions{ByValue: adds})
	r.join(x, result, own, false)
	x.watched = true
	r.agree()
	leaves := x.group.OwnLeaves()
	// an own leaf removes another, an own Update is committed by a sibling, and then the rest go
	m, d, err := x.group.ProposeUpdate(leaves[2], nil, nil, start)
	x.save(d, err)
	r.deliver(m)
	result, d, err = x.group.Commit(mls.CommitOptions{Leaf: leaves[0], ByValue: []wire.Proposal{remove(leaves[1])}}, start)
	x.save(d, err)
	r.deliver(result.Message)
	if n := len(x.group.OwnLeaves()); n != 2 {
		t.Fatalf("%d own leaves", n)
	}
	r.talk()
	x.reload(r.cfg)
	r.byValue(r.members[0], false, remove(leaves[0]))
	r.talk()
	r.byValue(r.members[0], false, remove(leaves[2]))
	if !x.group.Removed() || len(r.members) != 1 {
		t.Error("still there")
	}
}
