package mls_test

import (
	"testing"

	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
)

// successor is a new group in the making: its creator has added everybody else of the old one.
type successor struct {
	old     *room
	created *mls.Group
	creator *member
	result  *mls.CommitResult
	tree    wire.RatchetTree
	own     map[*member]mls.OwnLeaf
}

// continueWith makes a group that continues r's for some of its members, the first of whom creates it. p says what the group is.
func (r *room) continueWith(members []*member, usage wire.ResumptionUsage, p mls.CreateParams, id wire.CipherSuite) (*successor, error) {
	r.t.Helper()
	s := &successor{old: r, own: map[*member]mls.OwnLeaf{}, creator: members[0]}
	p.From = &mls.Predecessor{Group: members[0].group, Usage: usage}
	p.Bundle, p.Signer = s.creator.bundle(id)
	var err error
	if s.created, err = mls.Create(r.cfg, p, start); err != nil {
		return nil, err
	}
	x := newMember(r.t, s.creator.name)
	x.signers, x.group = s.creator.signers, s.created
	x.save(x.group.Save())
	x.reload(r.cfg) // what it continues is remembered over a restart
	var adds []wire.Proposal
	for _, m := range members[1:] {
		b, signer := m.bundle(id)
		s.own[m] = mls.OwnLeaf{Bundle: b, Signer: signer}
		adds = append(adds, wire.Proposal{Type: wire.AddProposal, Add: &b.KeyPackage})
	}
	info, err := x.group.GroupInfo(0)
	if err != nil {
		r.t.Fatal(err)
	}
	tree := x.group.Public().Tree()
	hub, err := mls.NewPublicGroup(r.cfg, info, &tree, start)
	if err != nil {
		r.t.Fatal(err)
	}
	x.watched = true
	x.step(func() (d mls.Delta, err error) {
		s.result, d, err = x.group.Commit(mls.CommitOptions{ByValue: adds}, start)
		return d, err
	})
	x.step(func() (mls.Delta, error) {
		staged, err := x.group.Process(s.result.Message, start)
		if err != nil {
			return nil, err
		}
		return staged.Apply()
	})
	if _, err := hub.Process(s.result.Message, start); err != nil {
		r.t.Fatalf("hub: %v", err)
	}
	x.agreeStored(r.cfg)
	s.created, s.tree = x.group, x.group.Public().Tree()
	return s, nil
}

// join lets a member in, who finds the old group by itself.
func (s *successor) join(m *member, find func(groupID []byte, epoch uint64) *mls.Group) (*mls.Group, error) {
	g, _, err := mls.Join(s.old.cfg, mls.JoinParams{
		Welcome: s.result.Welcome, Tree: &s.tree, Own: []mls.OwnLeaf{s.own[m]}, Predecessor: find,
	}, start)
	return g, err
}

func always(g *mls.Group) func([]byte, uint64) *mls.Group {
	return func([]byte, uint64) *mls.Group { return g }
}

// talkIn has the joiner read what the creator says in the new group.
func (s *successor) talkIn(t *testing.T, g *mls.Group) {
	t.Helper()
	m, _, err := s.created.Seal(s.created.OwnLeaves()[0], nil, []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := g.Open(m.Private); err != nil || string(got.Data) != "hello" {
		t.Errorf("%v", err)
	}
}

// A group moves to another suite by ReInit, and only who was in it can follow.
func TestReInit(t *testing.T) {
	next := wire.Extensions{{Type: wire.RequiredCapabilitiesExtension, Data: []byte{0, 0, 0}}}
	announced := wire.Proposal{Type: wire.ReInitProposal, ReInit: &wire.ReInit{
		GroupID: []byte("next"), Version: wire.MLS10, Suite: suite.P256AES128, Extensions: next,
	}}
	r := newTestRoom(t, &mls.Config{}, 3, nil)
	right := mls.CreateParams{GroupID: []byte("next"), Extensions: next}
	_, err := r.continueWith(r.members, wire.ReInitUsage, right, suite.P256AES128)
	wantRule(t, err, mls.RuleSuccessor) // not announced yet
	before := r.members[2].dump()
	r.byValue(r.members[1], false, announced)
	r.reloadAll()
	if got := r.members[0].group.Public().ReInit(); got == nil || got.Suite != suite.P256AES128 || r.hub.ReInit() == nil {
		t.Fatal("the ReInit is forgotten")
	}
	for name, p := range map[string]mls.CreateParams{
		"another ID":       {GroupID: []byte("other"), Extensions: next},
		"no extensions":    {GroupID: []byte("next")},
		"other extensions": {GroupID: []byte("next"), Extensions: wire.Extensions{{Type: wire.ApplicationIDExtension}}},
	} {
		if _, err := r.continueWith(r.members, wire.ReInitUsage, p, suite.P256AES128); err == nil {
			t.Errorf("%s: created", name)
		}
	}
	_, err = r.continueWith(r.members, wire.ReInitUsage, right, suite.X25519AES128)
	wantRule(t, err, mls.RuleSuccessor)
	_, err = r.continueWith(r.members, wire.BranchUsage, mls.CreateParams{GroupID: []byte("branch")}, suite.X25519AES128)
	wantRule(t, err, mls.RuleSuccessor) // a closed group has no branches
	s, err := r.continueWith(r.members, wire.ReInitUsage, right, suite.P256AES128)
	if err != nil {
		t.Fatal(err)
	}
	x, y := r.members[1], r.members[2]
	g, err := s.join(x, always(x.group))
	if err != nil {
		t.Fatal(err)
	}
	s.talkIn(t, g)
	_, err = s.join(y, nil)
	wantRule(t, err, mls.RulePSK)
	_, err = s.join(y, always(nil))
	wantRule(t, err, mls.RulePSK)
	// one who stands in an older epoch has neither the secret nor the announcement
	stale := newMember(t, "stale")
	stale.signers, stale.records = y.signers, before
	stale.reload(r.cfg)
	_, err = s.join(y, always(stale.group))
	wantRule(t, err, mls.RuleSuccessor)
	if _, err := s.join(y, always(y.group)); err != nil {
		t.Error(err)
	}
}

// Some members branch off into a group of their own; nobody else gets in, and nobody is taken in who is not in the old one.
func TestBranch(t *testing.T) {
	r := newTestRoom(t, &mls.Config{}, 4, nil)
	a, b, c, d := r.members[0], r.members[1], r.members[2], r.members[3]
	p := mls.CreateParams{GroupID: []byte("branch")}
	_, err := r.continueWith([]*member{a, b}, wire.BranchUsage, p, suite.X25519ChaCha20)
	wantRule(t, err, mls.RuleSuccessor) // another suite
	s, err := r.continueWith([]*member{a, b, c}, wire.BranchUsage, p, r.suite)
	if err != nil {
		t.Fatal(err)
	}
	g, err := s.join(b, always(b.group))
	if err != nil {
		t.Fatal(err)
	}
	s.talkIn(t, g)
	// the old group goes on; who keeps its past epochs can still follow
	r.commit(d, mls.CommitOptions{})
	if _, err := s.join(c, always(c.group)); err != nil {
		t.Error(err)
	}
	for range 3 {
		r.commit(d, mls.CommitOptions{})
	}
	_, err = s.join(c, always(c.group))
	wantRule(t, err, mls.RulePSK)
	// a stranger smuggled in is found by the joiners
	stranger := newMember(t, "stranger")
	s, err = r.continueWith([]*member{a, b, stranger}, wire.BranchUsage, p, r.suite)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.join(b, always(b.group))
	wantRule(t, err, mls.RuleSuccessor)
}

// An application of another group's secret goes through Config.PSK.
func TestResumptionAcrossGroups(t *testing.T) {
	old := newTestRoom(t, &mls.Config{}, 2, nil)
	at := 0
	cfg := &mls.Config{PSK: func(id *wire.PreSharedKeyID) ([]byte, bool) {
		if id.Type != wire.ResumptionPSK || string(id.GroupID) != "a group" {
			return nil, false
		}
		return old.members[at].group.ResumptionPSK(id.Epoch)
	}}
	b, signer := newBundle(t, old.suite, "x")
	g, err := mls.Create(cfg, mls.CreateParams{GroupID: []byte("another"), Bundle: b, Signer: signer}, start)
	if err != nil {
		t.Fatal(err)
	}
	y, ySigner := newBundle(t, old.suite, "y")
	psk := &wire.PreSharedKeyID{Type: wire.ResumptionPSK, Usage: wire.ApplicationUsage, GroupID: []byte("a group"), Epoch: old.hub.Epoch(), Nonce: make([]byte, 32)}
	result, _, err := g.Commit(mls.CommitOptions{TreeInWelcome: true, ByValue: []wire.Proposal{
		{Type: wire.PreSharedKeyProposal, PSK: psk}, {Type: wire.AddProposal, Add: &y.KeyPackage},
	}}, start)
	if err != nil {
		t.Fatal(err)
	}
	at = 1
	join := mls.JoinParams{Welcome: result.Welcome, Own: []mls.OwnLeaf{{Bundle: y, Signer: ySigner}}}
	if _, _, err := mls.Join(cfg, join, start); err != nil {
		t.Error(err)
	}
	_, _, err = mls.Join(&mls.Config{}, join, start)
	wantRule(t, err, mls.RulePSK)
}
