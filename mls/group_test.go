package mls_test

import (
	"bytes"
	"crypto"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

var start = time.Unix(1_790_000_000, 0)

// member is a device with a store, as a client would have it.
type member struct {
	t       testing.TB
	name    string
	signer  crypto.Signer
	group   *mls.Group
	records map[string][]byte
}

// take writes a delta.
func (m *member) take(d mls.Delta) {
	for _, r := range d {
		if r.Value == nil {
			delete(m.records, r.Key)
			continue
		}
		m.records[r.Key] = bytes.Clone(r.Value)
	}
}

func (m *member) save(d mls.Delta, err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatalf("%s: %v", m.name, err)
	}
	m.take(d)
}

func (m *member) list() []mls.Record {
	var out []mls.Record
	for _, key := range slices.Sorted(maps.Keys(m.records)) {
		out = append(out, mls.Record{Key: key, Value: m.records[key]})
	}
	return out
}

// reload replaces the group by what its records say.
func (m *member) reload(cfg *mls.Config) {
	m.t.Helper()
	g, err := mls.LoadGroup(cfg, m.list(), func([]byte) crypto.Signer { return m.signer })
	if err != nil {
		m.t.Fatalf("%s: reload: %v", m.name, err)
	}
	m.group = g
}

// room is a group with all of its members and a hub.
type room struct {
	t       testing.TB
	cfg     *mls.Config
	suite   wire.CipherSuite
	members []*member
	hub     *mls.PublicGroup
	count   int
}

func newBundle(t testing.TB, id wire.CipherSuite, name string) (*mls.KeyPackageBundle, crypto.Signer) {
	t.Helper()
	s, err := suite.Lookup(id)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := s.GenerateSignatureKey()
	if err != nil {
		t.Fatal(err)
	}
	components, err := mls.LeafComponents()
	if err != nil {
		t.Fatal(err)
	}
	b, err := mls.NewKeyPackage(mls.KeyPackageParams{
		Suite: id, Signer: signer, Credential: wire.Credential{Type: wire.BasicCredential, Identity: []byte(name)},
		Lifetime:       wire.Lifetime{NotBefore: uint64(start.Unix() - 3600), NotAfter: uint64(start.Unix() + 86400)},
		LeafExtensions: wire.Extensions{components},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b, signer
}

func newRoom(t testing.TB, cfg *mls.Config, id wire.CipherSuite, extensions wire.Extensions) *room {
	t.Helper()
	r := &room{t: t, cfg: cfg, suite: id}
	m := r.newMember()
	b, signer := newBundle(t, id, m.name)
	m.signer = signer
	g, err := mls.Create(cfg, mls.CreateParams{GroupID: []byte("a group"), Bundle: b, Signer: signer, Extensions: extensions}, start)
	if err != nil {
		t.Fatal(err)
	}
	m.group = g
	m.save(g.Save())
	r.members = []*member{m}
	info, err := g.GroupInfo(0)
	if err != nil {
		t.Fatal(err)
	}
	tree := g.Public().Tree()
	if r.hub, err = mls.NewPublicGroup(cfg, info, &tree, start); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *room) newMember() *member {
	r.count++
	return &member{t: r.t, name: fmt.Sprintf("member %d", r.count), records: map[string][]byte{}}
}

// deliver gives a handshake to the hub and to all members, who must agree afterwards.
func (r *room) deliver(m *wire.Message) {
	r.t.Helper()
	m = copyMessage(r.t, m)
	if m.Public != nil {
		staged, err := r.hub.Process(m, start)
		if err != nil {
			r.t.Fatalf("hub: %v", err)
		}
		r.hub = staged.Next()
	}
	for _, x := range r.members {
		staged, err := x.group.Process(copyMessage(r.t, m), start)
		if err != nil {
			r.t.Fatalf("%s: %v", x.name, err)
		}
		x.save(staged.Apply())
	}
	r.members = slices.DeleteFunc(r.members, func(x *member) bool { return x.group.Removed() })
	r.agree(m.Public != nil)
}

func copyMessage(t testing.TB, m *wire.Message) *wire.Message {
	t.Helper()
	octets, err := syntax.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	out := new(wire.Message)
	if err := syntax.Unmarshal(octets, out); err != nil {
		t.Fatal(err)
	}
	return out
}

func (r *room) agree(hub bool) {
	r.t.Helper()
	first := r.members[0].group
	for _, x := range r.members {
		if !bytes.Equal(x.group.EpochAuthenticator(), first.EpochAuthenticator()) {
			r.t.Fatalf("%s is in another epoch", x.name)
		}
		if !bytes.Equal(x.group.Public().TreeHash(), first.Public().TreeHash()) {
			r.t.Fatalf("%s has another tree", x.name)
		}
	}
	if hub && !bytes.Equal(r.hub.TreeHash(), first.Public().TreeHash()) {
		r.t.Fatal("the hub has another tree")
	}
}

// add commits the addition of n new members, who join.
func (r *room) add(by *member, n int, opt mls.CommitOptions) {
	r.t.Helper()
	opt.Leaf = by.group.OwnLeaves()[0]
	var bundles []*mls.KeyPackageBundle
	var joining []*member
	for range n {
		m := r.newMember()
		b, signer := newBundle(r.t, r.suite, m.name)
		m.signer = signer
		kp := b.KeyPackage
		opt.ByValue = append(opt.ByValue, wire.Proposal{Type: wire.AddProposal, Add: &kp})
		bundles, joining = append(bundles, b), append(joining, m)
	}
	result, d, err := by.group.Commit(opt, start)
	by.save(d, err)
	r.deliver(result.Message)
	tree := by.group.Public().Tree()
	for i, m := range joining {
		p := mls.JoinParams{Welcome: result.Welcome, Own: []mls.OwnLeaf{{Bundle: bundles[i], Signer: m.signer}}}
		if !opt.TreeInWelcome {
			p.Tree = &tree
		}
		g, _, err := mls.Join(r.cfg, p, start)
		if err != nil {
			r.t.Fatalf("%s joins: %v", m.name, err)
		}
		m.group = g
		m.save(g.Save())
		r.members = append(r.members, m)
	}
	r.agree(false)
}

func (r *room) commit(by *member, opt mls.CommitOptions) {
	r.t.Helper()
	opt.Leaf = by.group.OwnLeaves()[0]
	result, d, err := by.group.Commit(opt, start)
	by.save(d, err)
	r.deliver(result.Message)
}

// talk has everybody send a message that everybody else reads.
func (r *room) talk() {
	r.t.Helper()
	for i, x := range r.members {
		text := fmt.Appendf(nil, "hello from %s", x.name)
		m, d, err := x.group.Seal(x.group.OwnLeaves()[0], nil, text)
		x.save(d, err)
		for j, y := range r.members {
			got, d, err := y.group.Open(copyMessage(r.t, m).Private)
			if i == j {
				if err == nil {
					r.t.Fatal("an own message opens")
				}
				continue
			}
			y.save(d, err)
			if !bytes.Equal(got.Data, text) {
				r.t.Fatalf("%s read %q", y.name, got.Data)
			}
		}
	}
}

func (r *room) reloadAll() {
	for _, m := range r.members {
		m.reload(r.cfg)
	}
}

func suites(t *testing.T, f func(t *testing.T, id wire.CipherSuite)) {
	for _, id := range suite.All() {
		t.Run(fmt.Sprint("suite ", id), func(t *testing.T) { f(t, id) })
	}
}

func TestLifeOfAGroup(t *testing.T) {
	suites(t, func(t *testing.T, id wire.CipherSuite) {
		for _, private := range []bool{false, true} {
			cfg := &mls.Config{EncryptHandshakes: private, PadTo: 64}
			r := newRoom(t, cfg, id, nil)
			r.add(r.members[0], 2, mls.CommitOptions{})
			r.talk()
			r.reloadAll()
			r.talk()
			r.add(r.members[1], 1, mls.CommitOptions{TreeInWelcome: true, NoPath: true})
			r.talk()
			r.commit(r.members[2], mls.CommitOptions{})
			r.talk()
			// an Update proposal, then a commit of another member, with a restart between
			x := r.members[3]
			m, d, err := x.group.ProposeUpdate(x.group.OwnLeaves()[0], nil, nil, start)
			x.save(d, err)
			r.deliver(m)
			r.reloadAll()
			r.commit(r.members[1], mls.CommitOptions{})
			r.talk()
			r.commit(x, mls.CommitOptions{})
			r.talk()
			// removal
			gone := r.members[2]
			leaf := gone.group.OwnLeaves()[0]
			r.commit(r.members[0], mls.CommitOptions{ByValue: []wire.Proposal{{Type: wire.RemoveProposal, Remove: uint32(leaf)}}})
			if len(r.members) != 3 || !gone.group.Removed() {
				t.Fatal("the removed member is still there")
			}
			r.talk()
			r.reloadAll()
			r.talk()
		}
	})
}

func TestExternalJoin(t *testing.T) {
	suites(t, func(t *testing.T, id wire.CipherSuite) {
		r := newRoom(t, &mls.Config{}, id, nil)
		r.add(r.members[0], 3, mls.CommitOptions{})
		// one leaves, and the joiner's commit completes it
		leaving := r.members[1]
		m, d, err := leaving.group.Propose(leaving.group.OwnLeaves()[0], wire.Proposal{Type: wire.SelfRemoveProposal}, nil, start)
		leaving.save(d, err)
		r.deliver(m)
		info, err := r.members[0].group.GroupInfo(0)
		if err != nil {
			t.Fatal(err)
		}
		tree := r.hub.Tree()
		x := r.newMember()
		b, signer := newBundle(t, id, x.name)
		x.signer = signer
		g, result, err := mls.ExternalJoin(r.cfg, mls.ExternalJoinParams{
			GroupInfo: info, Tree: &tree, Bundle: b, Signer: signer, Pending: []*wire.Message{m},
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
	})
}
