package mls_test

import (
	"testing"

	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
)

func TestLifeOfAGroup(t *testing.T) {
	suites(t, func(t *testing.T, id wire.CipherSuite) {
		for _, private := range []bool{false, true} {
			if private && (id == suite.P521AES256 || id == suite.P384AES256) {
				continue // many times the cost, and nothing but the suite differs from the others
			}
			live(t, &mls.Config{EncryptHandshakes: private, PadTo: 64}, id)
		}
	})
}

// live takes a group through everything that members do.
func live(t *testing.T, cfg *mls.Config, id wire.CipherSuite) {
	r := newRoom(t, cfg, id, nil)
	r.add(r.members[0], 2, mls.CommitOptions{})
	r.talk()
	r.reloadAll()
	r.talk()
	r.add(r.members[1], 1, mls.CommitOptions{TreeInWelcome: true, NoPath: true})
	r.talk()
	r.commit(r.members[2], mls.CommitOptions{})
	// an Update proposal, then a commit of another member, with a restart between
	x := r.members[3]
	r.update(x, nil)
	r.reloadAll()
	r.commit(r.members[1], mls.CommitOptions{})
	r.talk()
	r.commit(x, mls.CommitOptions{})
	// removal
	gone := r.members[2]
	r.commit(r.members[0], mls.CommitOptions{ByValue: []wire.Proposal{{Type: wire.RemoveProposal, Remove: uint32(gone.leaf())}}})
	if len(r.members) != 3 || !gone.group.Removed() {
		t.Fatal("the removed member is still there")
	}
	r.reloadAll()
	r.talk()
}

func TestExternalJoin(t *testing.T) {
	suites(t, func(t *testing.T, id wire.CipherSuite) { joinByCommit(t, &mls.Config{}, id) })
}

// joinByCommit has somebody enter by an external commit, which completes the leave of another.
func joinByCommit(t *testing.T, cfg *mls.Config, id wire.CipherSuite) {
	r := newRoom(t, cfg, id, nil)
	r.add(r.members[0], 3, mls.CommitOptions{})
	// one leaves, and the joiner's commit completes it
	leave := r.propose(r.members[1], wire.Proposal{Type: wire.SelfRemoveProposal})
	info, err := r.members[0].group.GroupInfo(0)
	if err != nil {
		t.Fatal(err)
	}
	tree := r.hub.Tree()
	x := r.newMember()
	b, signer := x.bundle(id)
	g, result, err := mls.ExternalJoin(r.cfg, mls.ExternalJoinParams{
		GroupInfo: info, Tree: &tree, Bundle: b, Signer: signer, Pending: []*wire.Message{leave},
	}, start)
	if err != nil {
		t.Fatal(err)
	}
	x.group = g
	x.save(g.Save())
	if !g.Joining() || g.EpochAuthenticator() != nil {
		t.Fatal("in before its commit came back")
	}
	x.reload(r.cfg)
	r.members = append(r.members, x)
	r.deliver(result.Message)
	if len(r.members) != 4 {
		t.Fatalf("%d members", len(r.members))
	}
	r.talk()
	r.reloadAll()
	r.commit(x, mls.CommitOptions{})
	r.talk()
	if _, err := r.hub.CompleteGroupInfo(mls.PartialGroupInfo(result.GroupInfo), 0); err == nil {
		t.Fatal("the GroupInfo of another epoch completes")
	}
}
