package mls_test

import (
	"bytes"
	"flag"
	"fmt"
	"testing"

	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

// long is set for runs that take minutes.
var long = flag.Bool("long", false, "longer histories and every single octet")

// spoiled calls f with damaged copies of data: one bit flipped in an octet, and cut short. Every octet in long runs, else every
// third, begin being the first of them.
func spoiled(data []byte, begin int, f func(what string, bad []byte)) {
	step := 3
	if *long {
		begin, step = 0, 1
	}
	for i := begin % step; i < len(data); i += step {
		bad := bytes.Clone(data)
		bad[i] ^= 1 << (i % 8)
		f(fmt.Sprint("octet ", i), bad)
		f(fmt.Sprint("cut to ", i), bytes.Clone(data[:i]))
	}
}

// unmoved checks that f is refused and leaves the member as it was.
func (m *member) unmoved(before store, what string, f func() error) {
	m.t.Helper()
	if err := f(); err == nil {
		m.t.Fatalf("%s: accepted", what)
	}
	if at := before.differs(m.dump()); at != "" {
		m.t.Fatalf("%s: record %s changed", what, at)
	}
}

// refuseSpoiled gives damaged copies of a handshake to a member, to the hub, and, signed again by its author, to the member: a
// member may lie in every octet. Then the right one is delivered.
func (r *room) refuseSpoiled(x, by *member, m *wire.Message) {
	r.t.Helper()
	before, hubBefore := x.dump(), savedPublic(r.t, r.hub)
	process := func(bad *wire.Message) error {
		staged, err := x.group.Process(bad, start)
		if err == nil {
			staged.Discard()
		}
		return err
	}
	spoiled(encode(r.t, m), 1, func(what string, octets []byte) {
		bad := new(wire.Message)
		if syntax.Unmarshal(octets, bad) != nil {
			return
		}
		x.unmoved(before, what, func() error { return process(bad) })
		if m.Public == nil || onlyTags(r.t, m.Public, bad.Public) {
			return
		}
		if _, err := r.hub.Process(bad, start); err == nil {
			r.t.Fatalf("%s: the hub accepts", what)
		}
	})
	if m.Public != nil && by != nil {
		r.refuseLies(x, by, m, before, process)
	}
	if at := hubBefore.differs(savedPublic(r.t, r.hub)); at != "" {
		r.t.Fatalf("hub: record %s changed", at)
	}
	r.deliver(m)
}

// onlyTags reports whether two messages differ in nothing but the tags, which a hub cannot check.
func onlyTags(t testing.TB, m, bad *wire.PublicMessage) bool {
	return bad != nil && bytes.Equal(encode(t, &m.Content), encode(t, &bad.Content)) && bytes.Equal(m.Auth.Signature, bad.Auth.Signature)
}

func (r *room) refuseLies(x, by *member, m *wire.Message, before store, process func(*wire.Message) error) {
	spoiled(encode(r.t, &m.Public.Content), 2, func(what string, octets []byte) {
		var content wire.FramedContent
		if syntax.Unmarshal(octets, &content) != nil || content.Type == wire.ApplicationContent {
			return
		}
		bad, err := mls.Forge(by.group, by.leaf(), wire.PublicMessageFormat, content, m.Public.Auth.ConfirmationTag)
		if err != nil {
			return // what cannot be encoded cannot be sent
		}
		if err := process(bad); err == nil && content.Type == wire.CommitContent {
			r.t.Fatalf("%s, signed again: accepted", what)
		}
		if at := before.differs(x.dump()); at != "" {
			r.t.Fatalf("%s, signed again: record %s changed", what, at)
		}
	})
}

// A message that is wrong in any octet changes nothing, and the right one still counts.
func TestAtomic(t *testing.T) {
	for _, private := range []bool{false, true} {
		t.Run(fmt.Sprint("private handshakes ", private), func(t *testing.T) {
			t.Parallel()
			r := newRoom(t, &mls.Config{EncryptHandshakes: private, PSK: onePSK}, suite.X25519AES128, nil)
			r.light = true
			r.add(r.members[0], 4, mls.CommitOptions{})
			r.commit(r.members[3], mls.CommitOptions{})
			by, x := r.members[3], r.members[1]
			x.reload(r.cfg)
			update, d, err := by.group.ProposeUpdate(by.leaf(), nil, nil, start)
			by.save(d, err)
			r.refuseSpoiled(x, by, update)
			leave, d, err := r.members[4].group.Propose(r.members[4].leaf(), wire.Proposal{Type: wire.SelfRemoveProposal}, nil, start)
			r.members[4].save(d, err)
			r.refuseSpoiled(x, r.members[4], leave)
			committer := r.members[0]
			result, d, err := committer.group.Commit(mls.CommitOptions{Leaf: committer.leaf(), ByValue: []wire.Proposal{pskProposal()}}, start)
			committer.save(d, err)
			r.refuseSpoiled(x, committer, result.Message)
			r.refuseSpoiledApplication(x)
			r.light = false
			r.agree()
			r.talk()
		})
	}
}

func onePSK(id *wire.PreSharedKeyID) ([]byte, bool) {
	return []byte("a secret that all have"), id.Type == wire.ExternalPSK && string(id.ID) == "known"
}

func pskProposal() wire.Proposal {
	return wire.Proposal{Type: wire.PreSharedKeyProposal, PSK: &wire.PreSharedKeyID{Type: wire.ExternalPSK, ID: []byte("known"), Nonce: make([]byte, 32)}}
}

func (r *room) refuseSpoiledApplication(x *member) {
	r.t.Helper()
	m := r.say(r.members[0], []byte("hello"))
	before := x.dump()
	spoiled(encode(r.t, m), 0, func(what string, octets []byte) {
		bad := new(wire.Message)
		if syntax.Unmarshal(octets, bad) != nil || bad.Private == nil {
			return
		}
		x.unmoved(before, what, func() error { _, _, err := x.group.Open(bad.Private); return err })
	})
	r.open(x, m)
}

// A Welcome, a GroupInfo or a tree that is wrong in any octet lets nobody in.
func TestSpoiledWelcome(t *testing.T) {
	r := newRoom(t, &mls.Config{}, suite.X25519AES128, nil)
	r.add(r.members[0], 2, mls.CommitOptions{})
	by, x := r.members[1], r.newMember()
	b, signer := x.bundle(r.suite)
	own := []mls.OwnLeaf{{Bundle: b, Signer: signer}}
	result := r.commit(by, mls.CommitOptions{ByValue: []wire.Proposal{{Type: wire.AddProposal, Add: &b.KeyPackage}}})
	tree := r.hub.Tree()
	join := func(welcome, tree []byte) error {
		p := mls.JoinParams{Welcome: new(wire.Welcome), Own: own, Tree: new(wire.RatchetTree)}
		if err := syntax.Unmarshal(welcome, p.Welcome); err != nil {
			return err
		}
		if err := syntax.Unmarshal(tree, p.Tree); err != nil {
			return err
		}
		_, _, err := mls.Join(r.cfg, p, start)
		return err
	}
	welcome, nodes := encode(t, result.Welcome), encode(t, &tree)
	bundle := encode(t, b)
	spoiled(welcome, 0, func(what string, bad []byte) {
		if join(bad, nodes) == nil {
			t.Fatalf("Welcome, %s: accepted", what)
		}
	})
	spoiled(nodes, 0, func(what string, bad []byte) {
		if join(welcome, bad) == nil {
			t.Fatalf("tree, %s: accepted", what)
		}
	})
	if !bytes.Equal(bundle, encode(t, b)) {
		t.Fatal("a failed join changed the KeyPackage's keys")
	}
	r.join(x, result, own, false)
	r.agree()
	r.talk()
	r.refuseSpoiledInfo()
}

// refuseSpoiledInfo tries to join from outside with a damaged GroupInfo, and to let damaged external commits in.
func (r *room) refuseSpoiledInfo() {
	r.t.Helper()
	helper := r.members[0]
	info, err := helper.group.GroupInfo(helper.leaf())
	if err != nil {
		r.t.Fatal(err)
	}
	tree := r.hub.Tree()
	x := r.newMember()
	b, signer := x.bundle(r.suite)
	spoiled(encode(r.t, info), 0, func(what string, octets []byte) {
		bad := new(wire.GroupInfo)
		if syntax.Unmarshal(octets, bad) != nil {
			return
		}
		if _, _, err := mls.ExternalJoin(r.cfg, mls.ExternalJoinParams{GroupInfo: bad, Tree: &tree, Bundle: b, Signer: signer}, start); err == nil {
			r.t.Fatalf("GroupInfo, %s: accepted", what)
		}
	})
	var result *mls.CommitResult
	x.group, result, err = mls.ExternalJoin(r.cfg, mls.ExternalJoinParams{GroupInfo: info, Tree: &tree, Bundle: b, Signer: signer}, start)
	if err != nil {
		r.t.Fatal(err)
	}
	x.save(x.group.Save())
	before := x.dump()
	spoiled(encode(r.t, result.Message), 0, func(what string, octets []byte) {
		bad := new(wire.Message)
		if syntax.Unmarshal(octets, bad) == nil {
			x.unmoved(before, what, func() error { _, err := x.group.Process(bad, start); return err })
		}
	})
	r.members = append(r.members, x)
	r.refuseSpoiled(r.members[1], nil, result.Message)
	r.talk()
}
