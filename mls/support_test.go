package mls_test

import (
	"bytes"
	"crypto"
	"errors"
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

// testComponent is one that the leaves of the tests support.
const testComponent wire.ComponentID = 0x8001

var start = time.Unix(1_790_000_000, 0)

// store is what a client or a hub keeps on disk.
type store map[string][]byte

// take writes a delta.
func (s store) take(t testing.TB, d mls.Delta) {
	t.Helper()
	seen := map[string]bool{}
	for _, r := range d {
		if seen[r.Key] {
			t.Fatalf("a delta has the key %q twice", r.Key)
		}
		seen[r.Key] = true
		if r.Value == nil {
			delete(s, r.Key)
			continue
		}
		s[r.Key] = bytes.Clone(r.Value)
	}
}

func (s store) list() []mls.Record {
	var out []mls.Record
	for _, key := range slices.Sorted(maps.Keys(s)) {
		out = append(out, mls.Record{Key: key, Value: s[key]})
	}
	return out
}

// differs names the first record in which two stores differ, "" when they are equal.
func (s store) differs(o store) string {
	for _, key := range slices.Sorted(maps.Keys(s)) {
		got, ok := o[key]
		if !ok {
			return key + " is only in the first"
		}
		if !bytes.Equal(got, s[key]) {
			return key
		}
	}
	for _, key := range slices.Sorted(maps.Keys(o)) {
		if _, ok := s[key]; !ok {
			return key + " is only in the second"
		}
	}
	return ""
}

// member is a client with a store.
type member struct {
	t       testing.TB
	name    string
	signers map[string]crypto.Signer // by public key in wire form
	group   *mls.Group
	records store
	watched bool // see watch
}

func newMember(t testing.TB, name string) *member {
	return &member{t: t, name: name, signers: map[string]crypto.Signer{}, records: store{}}
}

// bundle makes a KeyPackage of the member, with a new signature key.
func (m *member) bundle(id wire.CipherSuite, change ...func(*mls.KeyPackageParams)) (*mls.KeyPackageBundle, crypto.Signer) {
	m.t.Helper()
	b, signer := newBundle(m.t, id, m.name, change...)
	m.signers[string(b.KeyPackage.Leaf.SignatureKey)] = signer
	return b, signer
}

func (m *member) save(d mls.Delta, err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatalf("%s: %v", m.name, err)
	}
	m.records.take(m.t, d)
}

// step does something with the group and writes the delta.
func (m *member) step(f func() (mls.Delta, error)) {
	m.t.Helper()
	if !m.watched {
		m.save(f())
		return
	}
	w := watch(m)
	m.save(f())
	w.check()
}

func (m *member) signerOf(key []byte) crypto.Signer { return m.signers[string(key)] }

func (m *member) load(cfg *mls.Config) (*mls.Group, error) {
	return mls.LoadGroup(cfg, m.records.list(), m.signerOf)
}

// reload replaces the group by what its records say.
func (m *member) reload(cfg *mls.Config) {
	m.t.Helper()
	g, err := m.load(cfg)
	if err != nil {
		m.t.Fatalf("%s: reload: %v", m.name, err)
	}
	m.group = g
}

// dump is the whole state of the group as it is in memory.
func (m *member) dump() store {
	m.t.Helper()
	d, err := m.group.Save()
	if err != nil {
		m.t.Fatalf("%s: %v", m.name, err)
	}
	s := store{}
	s.take(m.t, d)
	return s
}

func (m *member) leaf() mls.LeafIndex { return m.group.OwnLeaves()[0] }

func newBundle(t testing.TB, id wire.CipherSuite, name string, change ...func(*mls.KeyPackageParams)) (*mls.KeyPackageBundle, crypto.Signer) {
	t.Helper()
	s, err := suite.Lookup(id, hybridTable(t))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := s.GenerateSignatureKey()
	if err != nil {
		t.Fatal(err)
	}
	components, err := mls.LeafComponents(testComponent)
	if err != nil {
		t.Fatal(err)
	}
	p := mls.KeyPackageParams{
		Suite: id, Suites: hybridTable(t), Signer: signer, Credential: wire.Credential{Type: wire.BasicCredential, Identity: []byte(name)},
		Lifetime:       wire.Lifetime{NotBefore: uint64(start.Unix() - 3600), NotAfter: uint64(start.Unix() + 86400)},
		LeafExtensions: wire.Extensions{components},
	}
	for _, f := range change {
		f(&p)
	}
	b, err := mls.NewKeyPackage(p)
	if err != nil {
		t.Fatal(err)
	}
	return b, signer
}

// room is a group with all of its members and a hub. After each handshake the views are held against each other and against
// what was stored.
type room struct {
	t       testing.TB
	cfg     *mls.Config
	suite   wire.CipherSuite
	members []*member
	hub     *mls.PublicGroup
	records store // of the hub
	count   int
	// receiver is the hub, when it reads SemiPrivateMessages.
	receiver *mls.ExternalReceiver
	light    bool // leave out the checks that cost a walk over the whole tree
}

func newRoom(t testing.TB, cfg *mls.Config, id wire.CipherSuite, extensions wire.Extensions) *room {
	t.Helper()
	r := &room{t: t, cfg: cfg, suite: id, records: store{}}
	m := r.newMember()
	b, signer := m.bundle(id)
	g, err := mls.Create(cfg, mls.CreateParams{GroupID: []byte("a group"), Bundle: b, Signer: signer, Extensions: extensions}, start)
	if err != nil {
		t.Fatal(err)
	}
	m.group = g
	m.save(g.Save())
	r.members = []*member{m}
	r.follow(m)
	return r
}

// follow starts the hub anew from what a member gives it.
func (r *room) follow(m *member) {
	r.t.Helper()
	info, err := m.group.GroupInfo(m.leaf())
	if err != nil {
		r.t.Fatal(err)
	}
	tree := m.group.Public().Tree()
	if r.hub, err = mls.NewPublicGroup(r.cfg, info, &tree, start); err != nil {
		r.t.Fatal(err)
	}
	d, err := r.hub.Save()
	if err != nil {
		r.t.Fatal(err)
	}
	r.records = store{}
	r.records.take(r.t, d)
}

// componentsContext is the dictionary of a group that requires components and uses SafeAAD.
func componentsContext(t testing.TB, required ...wire.ComponentID) wire.Extensions {
	t.Helper()
	var d wire.AppDataDictionary
	d = d.With(wire.AppComponentsComponent, encode(t, &wire.ComponentsList{IDs: required}))
	d = d.With(wire.SafeAADComponent, encode(t, &wire.ComponentsList{}))
	return wire.Extensions{{Type: wire.AppDataDictionaryExtension, Data: encode(t, &d)}}
}

func (r *room) newMember() *member {
	r.count++
	return newMember(r.t, fmt.Sprintf("member %d", r.count))
}

// deliver gives a handshake to the hub and to all members, who must agree afterwards.
func (r *room) deliver(m *wire.Message) {
	r.t.Helper()
	if m.Public != nil || m.Semi != nil && r.receiver != nil {
		staged, err := r.process(copyMessage(r.t, m))
		if err != nil {
			r.t.Fatalf("hub: %v", err)
		}
		r.records.take(r.t, staged.Delta())
		r.hub = staged.Next()
	}
	for _, x := range r.members {
		staged, err := x.group.Process(copyMessage(r.t, m), start)
		if err != nil {
			r.t.Fatalf("%s: %v", x.name, err)
		}
		x.step(staged.Apply)
	}
	r.members = slices.DeleteFunc(r.members, func(x *member) bool { return x.group.Removed() })
	if m.Public == nil && r.receiver == nil && m.ContentType() == wire.CommitContent && len(r.members) > 0 {
		r.follow(r.members[0]) // a hub cannot read it
	}
	r.agree()
}

// process has the hub judge a handshake.
func (r *room) process(m *wire.Message) (*mls.Staged, error) {
	if m.Semi != nil {
		return r.hub.ProcessSemiPrivate(m, r.receiver, start)
	}
	return r.hub.Process(m, start)
}

func copyMessage(t testing.TB, m *wire.Message) *wire.Message {
	t.Helper()
	return decode[wire.Message](t, encode(t, m))
}

func encode(t testing.TB, v syntax.Value) []byte {
	t.Helper()
	octets, err := syntax.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return octets
}

// agree checks that all members and the hub are in one and the same epoch, and that what they stored is what they are.
func (r *room) agree() {
	r.t.Helper()
	if len(r.members) == 0 {
		return
	}
	first := r.members[0].group
	context := encode(r.t, r.hub.Context())
	for _, x := range r.members {
		if !bytes.Equal(x.group.EpochAuthenticator(), first.EpochAuthenticator()) {
			r.t.Fatalf("%s is in another epoch", x.name)
		}
		public := x.group.Public()
		if !bytes.Equal(encode(r.t, public.Context()), context) || !bytes.Equal(public.ConfirmationTag(), r.hub.ConfirmationTag()) {
			r.t.Fatalf("%s sees another group than the hub", x.name)
		}
	}
	if r.light {
		return
	}
	r.agreeStored()
}

// agreeStored checks that the deltas of all steps together give what Save gives, and that it loads as the same group.
func (r *room) agreeStored() {
	r.t.Helper()
	d, err := r.hub.Save()
	if err != nil {
		r.t.Fatal(err)
	}
	saved := store{}
	saved.take(r.t, d)
	if at := r.records.differs(saved); at != "" {
		r.t.Fatalf("hub: record %s", at)
	}
	loaded, err := mls.LoadPublicGroup(r.cfg, r.records.list())
	if err != nil {
		r.t.Fatalf("hub: %v", err)
	}
	if at := savedPublic(r.t, loaded).differs(saved); at != "" {
		r.t.Fatalf("hub: record %s after loading", at)
	}
	for _, x := range r.members {
		x.agreeStored(r.cfg)
	}
}

func savedPublic(t testing.TB, g *mls.PublicGroup) store {
	t.Helper()
	d, err := g.Save()
	if err != nil {
		t.Fatal(err)
	}
	s := store{}
	s.take(t, d)
	return s
}

func (m *member) agreeStored(cfg *mls.Config) {
	m.t.Helper()
	if at := m.records.differs(m.dump()); at != "" {
		m.t.Fatalf("%s: record %s", m.name, at)
	}
	g, err := m.load(cfg)
	if err != nil {
		m.t.Fatalf("%s: %v", m.name, err)
	}
	other := &member{t: m.t, name: m.name, group: g}
	if at := m.records.differs(other.dump()); at != "" {
		m.t.Fatalf("%s: record %s after loading", m.name, at)
	}
	if !bytes.Equal(g.EpochAuthenticator(), m.group.EpochAuthenticator()) {
		m.t.Fatalf("%s: another epoch after loading", m.name)
	}
}

// add commits the addition of n new members, who join.
func (r *room) add(by *member, n int, opt mls.CommitOptions) {
	r.t.Helper()
	opt.Leaf = by.leaf()
	var own [][]mls.OwnLeaf
	var joining []*member
	for range n {
		m := r.newMember()
		b, signer := m.bundle(r.suite)
		kp := b.KeyPackage
		opt.ByValue = append(opt.ByValue, wire.Proposal{Type: wire.AddProposal, Add: &kp})
		own, joining = append(own, []mls.OwnLeaf{{Bundle: b, Signer: signer}}), append(joining, m)
	}
	var result *mls.CommitResult
	by.step(func() (d mls.Delta, err error) {
		result, d, err = by.group.Commit(opt, start)
		return d, err
	})
	r.deliver(result.Message)
	for i, m := range joining {
		r.join(m, result, own[i], opt.TreeInWelcome)
	}
	r.agree()
}

func (r *room) join(m *member, result *mls.CommitResult, own []mls.OwnLeaf, treeInside bool) {
	r.t.Helper()
	p := mls.JoinParams{Welcome: decode[wire.Welcome](r.t, encode(r.t, result.Welcome)), Own: own}
	if !treeInside {
		tree := r.members[0].group.Public().Tree()
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

func (r *room) commit(by *member, opt mls.CommitOptions) *mls.CommitResult {
	r.t.Helper()
	opt.Leaf = by.leaf()
	var result *mls.CommitResult
	by.step(func() (d mls.Delta, err error) {
		result, d, err = by.group.Commit(opt, start)
		return d, err
	})
	r.deliver(result.Message)
	return result
}

// propose sends a proposal of a member to everybody.
func (r *room) propose(by *member, p wire.Proposal) *wire.Message {
	r.t.Helper()
	m, d, err := by.group.Propose(by.leaf(), p, r.aad(), start)
	by.save(d, err)
	r.deliver(m)
	return m
}

// aad is the authenticated data that is right for the group.
func (r *room) aad() []byte {
	if _, ok := r.hub.Component(wire.SafeAADComponent); ok {
		return []byte{0}
	}
	return nil
}

// update sends an Update proposal of a member to everybody.
func (r *room) update(by *member, n *mls.Renewal) {
	r.t.Helper()
	var m *wire.Message
	by.step(func() (d mls.Delta, err error) {
		m, d, err = by.group.ProposeUpdate(by.leaf(), n, r.aad(), start)
		return d, err
	})
	r.deliver(m)
}

// externalJoin lets a new member in by its own commit.
func (r *room) externalJoin(p mls.ExternalJoinParams) *member {
	r.t.Helper()
	x := r.newMember()
	helper := r.members[0]
	info, err := helper.group.GroupInfo(helper.leaf())
	if err != nil {
		r.t.Fatal(err)
	}
	tree := r.hub.Tree()
	p.GroupInfo, p.Tree = info, &tree
	p.Bundle, p.Signer = x.bundle(r.suite)
	var result *mls.CommitResult
	if x.group, result, err = mls.ExternalJoin(r.cfg, p, start); err != nil {
		r.t.Fatal(err)
	}
	x.save(x.group.Save())
	r.members = append(r.members, x)
	r.deliver(result.Message)
	return x
}

// say has a member send a message.
func (r *room) say(x *member, text []byte) *wire.Message {
	r.t.Helper()
	var m *wire.Message
	x.step(func() (d mls.Delta, err error) {
		m, d, err = x.group.Seal(x.leaf(), r.aad(), text)
		return d, err
	})
	return m
}

// talk has everybody send a message that everybody else reads.
func (r *room) talk() {
	r.t.Helper()
	for i, x := range r.members {
		text := fmt.Appendf(nil, "hello from %s", x.name)
		m := r.say(x, text)
		for j, y := range r.members {
			if i == j {
				_, _, err := y.group.Open(copyMessage(r.t, m).Private)
				wantRule(r.t, err, mls.RuleOwnMessage)
				continue
			}
			if got := r.open(y, m); !bytes.Equal(got.Data, text) {
				r.t.Fatalf("%s read %q", y.name, got.Data)
			}
		}
	}
}

// open has a member read a message.
func (r *room) open(x *member, m *wire.Message) *mls.Received {
	r.t.Helper()
	var got *mls.Received
	x.step(func() (d mls.Delta, err error) {
		got, d, err = x.group.Open(copyMessage(r.t, m).Private)
		return d, err
	})
	return got
}

func (r *room) reloadAll() {
	for _, m := range r.members {
		m.reload(r.cfg)
	}
}

func suites(t *testing.T, f func(t *testing.T, id wire.CipherSuite)) {
	for _, id := range suite.All() {
		t.Run(fmt.Sprint("suite ", id), func(t *testing.T) {
			t.Parallel()
			f(t, id)
		})
	}
}

// wantRule checks that an error names a rule.
func wantRule(t testing.TB, err error, rule string) {
	t.Helper()
	var broken *mls.Error
	if !errors.As(err, &broken) || broken.Rule != rule {
		t.Fatalf("%v, want %q", err, rule)
	}
}
