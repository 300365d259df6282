package mls_test

import (
	"testing"

	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

// target is a group for fuzzing: a listener, and valid messages of the same epoch.
type target struct {
	*fixture
	before, hubBefore store
	messages          []*wire.Message
}

func newTarget(f *testing.F) *target {
	f.Helper()
	x := &target{fixture: newFixture(f)}
	x.cfg.PSK = onePSK
	liar := x.liar.group
	add := func(m *wire.Message, _ mls.Delta, err error) {
		if err != nil {
			f.Fatal(err)
		}
		x.messages = append(x.messages, m)
	}
	add(liar.Propose(x.liar.leaf(), remove(x.members[3].leaf()), x.aad(), start))
	add(liar.Propose(x.liar.leaf(), component(testComponent, 1), x.aad(), start))
	add(liar.Propose(x.liar.leaf(), extensions(x.own()...), x.aad(), start))
	add(liar.Propose(x.liar.leaf(), x.newcomer(nil), x.aad(), start))
	add(liar.ProposeUpdate(x.liar.leaf(), nil, x.aad(), start))
	for _, list := range [][]wire.Proposal{nil, {x.newcomer(nil), remove(x.members[3].leaf())}, {pskProposal(), component(testComponent, 2)}} {
		result, d, err := liar.Commit(mls.CommitOptions{Leaf: x.liar.leaf(), AAD: x.aad(), ByValue: list}, start)
		if err != nil {
			f.Fatal(err)
		}
		add(result.Message, d, nil)
	}
	x.before, x.hubBefore = x.listener.dump(), savedPublic(f, x.hub)
	return x
}

// try gives a message to the listener and the hub. It may be accepted, when it is one that a member could send, but nothing may change.
func (x *target) try(t *testing.T, m *wire.Message) {
	x.listener.t = t
	if staged, err := x.listener.group.Process(m, start); err == nil {
		staged.Discard()
	}
	if m.Private != nil {
		if _, _, err := x.listener.group.Open(m.Private); err == nil {
			t.Fatal("an application message was made up")
		}
	}
	staged, err := x.hub.Process(m, start)
	if err == nil && staged.Next() == x.hub {
		t.Fatal("the hub's value was changed in place")
	}
	if at := x.before.differs(x.listener.dump()); at != "" {
		t.Fatalf("record %s changed", at)
	}
	if at := x.hubBefore.differs(savedPublic(t, x.hub)); at != "" {
		t.Fatalf("hub: record %s changed", at)
	}
}

// FuzzHandshake gives damaged handshakes to a member and a hub.
func FuzzHandshake(f *testing.F) {
	x := newTarget(f)
	for _, m := range x.messages {
		f.Add(encode(f, m))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m := new(wire.Message)
		if syntax.Unmarshal(data, m) == nil {
			x.try(t, m)
		}
	})
}

// FuzzLie gives them contents that a member made up and signed, so that the signature stops nothing.
func FuzzLie(f *testing.F) {
	x := newTarget(f)
	for _, m := range x.messages {
		f.Add(encode(f, &m.Public.Content), m.Public.Auth.ConfirmationTag)
	}
	f.Fuzz(func(t *testing.T, data, tag []byte) {
		var content wire.FramedContent
		if syntax.Unmarshal(data, &content) != nil {
			return
		}
		content.AuthenticatedData = x.aad()
		m, err := mls.Forge(x.liar.group, x.liar.leaf(), wire.PublicMessageFormat, content, tag)
		if err != nil {
			return // nothing that could be sent
		}
		x.try(t, copyMessage(t, m))
	})
}

// FuzzGroupInfo gives made-up GroupInfos and trees, signed by a member, to those who join or follow.
func FuzzGroupInfo(f *testing.F) {
	x := newFixture(f)
	info, err := x.liar.group.GroupInfo(x.liar.leaf())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(encode(f, info), encode(f, ptr(x.hub.Tree())))
	b, signer := newBundle(f, x.suite, "x")
	liar := x.liar.signers[string(x.hub.Leaf(x.liar.leaf()).SignatureKey)]
	f.Fuzz(func(t *testing.T, data, tree []byte) {
		made, nodes := new(wire.GroupInfo), new(wire.RatchetTree)
		if syntax.Unmarshal(data, made) != nil || syntax.Unmarshal(tree, nodes) != nil {
			return
		}
		s, err := suite.Lookup(made.Context.Suite)
		if err != nil || mls.SignInfo(s, liar, made) != nil {
			return
		}
		g, err := mls.NewPublicGroup(x.cfg, made, nodes, start)
		if err == nil && g.Members() == 0 {
			t.Fatal("a group of nobody")
		}
		if _, _, err := mls.ExternalJoin(x.cfg, mls.ExternalJoinParams{GroupInfo: made, Tree: nodes, Bundle: b, Signer: signer, AAD: x.aad()}, start); err == nil && g == nil {
			t.Fatal("joins what cannot be followed")
		}
	})
}

// FuzzRecords loads groups from records one of which is damaged.
func FuzzRecords(f *testing.F) {
	x := newFixture(f)
	x.update(x.listener, nil)
	_, d, err := x.listener.group.Commit(mls.CommitOptions{Leaf: x.listener.leaf(), AAD: x.aad()}, start)
	x.listener.save(d, err)
	list := x.listener.records.list()
	for i, r := range list {
		f.Add(uint16(i), r.Value)
	}
	m := x.say(x.liar, []byte("x"))
	f.Fuzz(func(t *testing.T, at uint16, value []byte) {
		damaged := append([]mls.Record(nil), list...)
		damaged[int(at)%len(damaged)].Value = value
		g, err := mls.LoadGroup(x.cfg, damaged, x.listener.signerOf)
		if err != nil {
			return
		}
		if _, _, err := g.Open(m.Private); err != nil {
			return
		}
		if _, err := g.Save(); err != nil {
			t.Fatal(err)
		}
	})
}
