package mls_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"testing"

	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

// otherComponent is one that no leaf of the tests supports unless it says so.
const otherComponent wire.ComponentID = 0x8002

func dictionaryOf(t testing.TB, list wire.Extensions) wire.AppDataDictionary {
	t.Helper()
	data, ok := list.Find(wire.AppDataDictionaryExtension)
	if !ok {
		return wire.AppDataDictionary{}
	}
	return *decode[wire.AppDataDictionary](t, data)
}

// byValue commits proposals by value.
func (r *room) byValue(by *member, noPath bool, list ...wire.Proposal) *mls.CommitResult {
	r.t.Helper()
	return r.commit(by, mls.CommitOptions{AAD: r.aad(), NoPath: noPath, ByValue: list})
}

// refusedBy checks that a commit by value is refused by its author, by a member and by the hub, all for one reason.
func (r *room) refusedBy(rule string, list ...wire.Proposal) {
	r.t.Helper()
	f := &fixture{room: r, listener: r.members[0], liar: r.members[1]}
	wantRule(r.t, f.commitTo(list...), rule)
	_, _, err := f.liar.group.Commit(mls.CommitOptions{Leaf: f.liar.leaf(), AAD: r.aad(), ByValue: list}, start)
	wantRule(r.t, err, rule)
}

func newTestRoom(t testing.TB, cfg *mls.Config, n int, extensions wire.Extensions) *room {
	t.Helper()
	r := newRoom(t, cfg, suite.X25519AES128, extensions)
	r.add(r.members[0], n-1, mls.CommitOptions{AAD: r.aad()})
	return r
}

func TestDictionaryRows(t *testing.T) {
	t.Run("X-DIC-03 a dictionary may stand in four places", func(t *testing.T) {
		var d wire.AppDataDictionary
		d = d.With(otherComponent, []byte{1})
		e := wire.Extension{Type: wire.AppDataDictionaryExtension, Data: encode(t, &d)}
		r := newTestRoom(t, &mls.Config{}, 2, componentsContext(t, testComponent)) // GroupContext and LeafNode
		b, signer := newBundle(t, r.suite, "x", func(p *mls.KeyPackageParams) { p.Extensions = wire.Extensions{e} })
		if err := mls.ValidateKeyPackage(r.cfg, &b.KeyPackage, start); err != nil {
			t.Fatal(err)
		}
		x := r.newMember()
		x.signers[string(b.KeyPackage.Leaf.SignatureKey)] = signer
		result := r.commit(r.members[0], mls.CommitOptions{
			AAD: r.aad(), InfoExtensions: wire.Extensions{e}, ByValue: []wire.Proposal{{Type: wire.AddProposal, Add: &b.KeyPackage}},
		})
		if err := r.hub.CheckGroupInfo(result.GroupInfo, r.members[0].leaf()); err != nil {
			t.Error(err)
		}
		r.join(x, result, []mls.OwnLeaf{{Bundle: b, Signer: signer}}, false)
		r.agree()
	})
	t.Run("X-DIC-04 a leaf supports app_components and safe_aad", func(t *testing.T) {
		b, _ := newBundle(t, suite.X25519AES128, "x")
		d := dictionaryOf(t, b.KeyPackage.Leaf.Extensions)
		data, ok := d.Find(wire.AppComponentsComponent)
		list := decode[wire.ComponentsList](t, data)
		if _, safe := d.Find(wire.SafeAADComponent); !ok || !safe || !list.Has(wire.AppComponentsComponent) || !list.Has(wire.SafeAADComponent) {
			t.Errorf("%v", list)
		}
	})
	t.Run("X-DIC-05 X-ADU-06 with AppDataUpdate required only it changes the dictionary", func(t *testing.T) {
		required := wire.Extension{Type: wire.RequiredCapabilitiesExtension, Data: encode(t, &wire.RequiredCapabilities{
			Proposals: []wire.ProposalType{wire.AppDataUpdateProposal},
		})}
		r := newTestRoom(t, &mls.Config{}, 2, append(componentsContext(t, testComponent), required))
		list := slices.Clone(r.hub.Context().Extensions)
		altered := slices.Clone(list)
		altered[0].Data = componentsContext(t)[0].Data
		r.refusedBy(mls.RuleDictionaryLocked, extensions(altered...))
		r.refusedBy(mls.RuleDictionaryLocked, extensions(required))
		before := encode(t, ptr(dictionaryOf(t, list)))
		senders := wire.ExternalSenders{Senders: []wire.ExternalSender{{SignatureKey: make([]byte, 32), Credential: wire.Credential{Type: wire.BasicCredential}}}}
		r.byValue(r.members[0], false, extensions(append(list, wire.Extension{Type: wire.ExternalSendersExtension, Data: encode(t, &senders)})...))
		same(t, "dictionary", encode(t, ptr(dictionaryOf(t, r.hub.Context().Extensions))), before)
		if len(r.hub.ExternalSenders()) != 1 {
			t.Error("another extension was not changed")
		}
		r.byValue(r.members[0], false, component(testComponent, 7))
		if data, _ := r.hub.Component(testComponent); !bytes.Equal(data, []byte{7}) {
			t.Errorf("%x", data)
		}
		// absent before and after is unchanged too
		q := newTestRoom(t, &mls.Config{}, 2, wire.Extensions{required})
		q.byValue(q.members[0], false, extensions(required))
		q.refusedBy(mls.RuleDictionaryLocked, extensions(append(componentsContext(t), required)...))
	})
}

func TestAppDataUpdateRows(t *testing.T) {
	t.Run("X-ADU-02 an unknown component and a removal of nothing are refused", func(t *testing.T) {
		r := newTestRoom(t, &mls.Config{}, 2, componentsContext(t, testComponent))
		r.refusedBy(mls.RuleComponentUnknown, component(otherComponent, 1))
		r.refusedBy(mls.RuleComponentAbsent, componentGone(testComponent))
		r.byValue(r.members[0], false, component(testComponent, 1))
		r.byValue(r.members[0], false, componentGone(testComponent))
		if _, has := r.hub.Component(testComponent); has {
			t.Error("removed data is there")
		}
	})
	t.Run("X-ADU-03 one removal or any number of updates", func(t *testing.T) {
		r := newTestRoom(t, &mls.Config{}, 2, componentsContext(t, testComponent))
		r.byValue(r.members[0], false, component(testComponent, 1), component(testComponent, 2))
		r.refusedBy(mls.RuleComponentMixed, component(testComponent, 1), componentGone(testComponent))
		r.refusedBy(mls.RuleComponentMixed, componentGone(testComponent), component(testComponent, 1))
		r.refusedBy(mls.RuleComponentMixed, componentGone(testComponent), componentGone(testComponent))
		r.byValue(r.members[0], false, componentGone(testComponent))
	})
	t.Run("X-ADU-04 X-AEP-02 default proposals, then ephemerals, then the updates of each component at once", func(t *testing.T) {
		var calls []string
		note := func(id wire.ComponentID) mls.Component {
			return func(_ []byte, _ bool, updates [][]byte) ([]byte, error) {
				calls = append(calls, fmt.Sprintf("%x: %x", id, updates))
				return slices.Concat(updates...), nil
			}
		}
		cfg := &mls.Config{
			Components: map[wire.ComponentID]mls.Component{testComponent: note(testComponent), otherComponent: note(otherComponent)},
			Ephemeral: map[wire.ComponentID]func([]byte) error{testComponent: func(data []byte) error {
				calls = append(calls, fmt.Sprintf("ephemeral %x", data))
				return nil
			}},
		}
		r := newRoom(t, cfg, suite.X25519AES128, componentsContext(t))
		r.light = true
		// the components are introduced by the GroupContextExtensions that stands last in the same commit
		list := slices.Clone(r.hub.Context().Extensions)
		d := dictionaryOf(t, list)
		d = d.With(wire.AppComponentsComponent, encode(t, &wire.ComponentsList{IDs: []wire.ComponentID{testComponent}}))
		d = d.With(otherComponent, nil)
		list[0].Data = encode(t, &d)
		result, delta, err := r.members[0].group.Commit(mls.CommitOptions{AAD: r.aad(), ByValue: []wire.Proposal{
			component(testComponent, 1), ephemeral(testComponent, 9), component(testComponent, 2), ephemeral(testComponent, 8), extensions(list...),
		}}, start)
		r.members[0].save(delta, err)
		want := []string{"ephemeral 09", "ephemeral 08", "8001: [01 02]"}
		if !slices.Equal(calls, want) {
			t.Errorf("the committer calls %q, want %q", calls, want)
		}
		calls = nil
		r.deliver(result.Message)
		if !slices.Equal(calls, slices.Concat(want, want)) {
			t.Errorf("hub and member call %q", calls)
		}
		if data, _ := r.hub.Component(testComponent); !bytes.Equal(data, []byte{1, 2}) {
			t.Errorf("%x", data)
		}
	})
	t.Run("X-ADU-05 what a component refuses spoils the whole list", func(t *testing.T) {
		cfg := &mls.Config{Components: map[wire.ComponentID]mls.Component{
			testComponent: func(_ []byte, _ bool, updates [][]byte) ([]byte, error) {
				if len(updates) > 1 {
					return nil, fmt.Errorf("no")
				}
				return updates[0], nil
			},
		}}
		r := newTestRoom(t, cfg, 3, componentsContext(t, testComponent))
		r.refusedBy(mls.RuleComponentRefused, remove(r.members[2].leaf()), component(testComponent, 1), component(testComponent, 2))
		if r.hub.Members() != 3 {
			t.Error("the rest of the list counted")
		}
		r.byValue(r.members[0], false, component(testComponent, 1))
	})
	t.Run("X-ADU-07 the dictionary comes last and new entries in their place", func(t *testing.T) {
		id := wire.Extension{Type: wire.RequiredCapabilitiesExtension, Data: []byte{0, 0, 0}}
		r := newTestRoom(t, &mls.Config{}, 2, wire.Extensions{id})
		check := func(want string) {
			t.Helper()
			if got := hex.EncodeToString(encode(t, &r.hub.Context().Extensions)); got != want {
				t.Errorf("extensions %s, want %s", got, want)
			}
		}
		r.byValue(r.members[0], false, component(wire.AppComponentsComponent, 2, 0x80, 1))
		check("10" + "0003" + "03000000" + "0006" + "07" + "06" + "0001" + "03028001")
		r.byValue(r.members[0], false, component(testComponent, 7))
		check("14" + "0003" + "03000000" + "0006" + "0b" + "0a" + "0001" + "03028001" + "8001" + "0107")
		r.byValue(r.members[0], false, component(wire.SafeAADComponent, 0))
		check("18" + "0003" + "03000000" + "0006" + "0f" + "0e" + "0001" + "03028001" + "0002" + "0100" + "8001" + "0107")
	})
	t.Run("X-ADU-08 X-AEP-03 without a path, from outside and in external commits", func(t *testing.T) {
		f := newFixture(t)
		f.light = false
		result := f.byValue(f.liar, true, component(testComponent, 1), ephemeral(testComponent, 2))
		if result.Message.Public.Content.Commit.Path != nil {
			t.Error("a path")
		}
		for _, p := range []wire.Proposal{component(testComponent, 3), ephemeral(testComponent, 4)} {
			m, err := f.hub.ProposeExternal(0, f.hubSender, p, f.aad())
			if err != nil {
				t.Fatal(err)
			}
			f.deliver(m)
		}
		f.commit(f.liar, mls.CommitOptions{AAD: f.aad(), NoPath: true})
		if data, _ := f.hub.Component(testComponent); !bytes.Equal(data, []byte{3}) {
			t.Errorf("%x", data)
		}
		f.externalJoin(mls.ExternalJoinParams{AAD: f.aad(), ByValue: []wire.Proposal{component(testComponent, 5), ephemeral(testComponent, 6)}})
		if data, _ := f.hub.Component(testComponent); !bytes.Equal(data, []byte{5}) {
			t.Errorf("%x", data)
		}
	})
	t.Run("X-AEP-01 nothing persists and the order stays", func(t *testing.T) {
		r := newTestRoom(t, &mls.Config{}, 2, componentsContext(t, testComponent))
		before := encode(t, &r.hub.Context().Extensions)
		list := []wire.Proposal{ephemeral(testComponent, 2), ephemeral(testComponent, 1), ephemeral(testComponent, 2)}
		result, d, err := r.members[0].group.Commit(mls.CommitOptions{AAD: r.aad(), ByValue: list}, start)
		r.members[0].save(d, err)
		staged, err := r.hub.Process(copyMessage(t, result.Message), start)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range staged.Proposals() {
			if !bytes.Equal(p.Proposal.AppEphemeral.Data, list[i].AppEphemeral.Data) {
				t.Errorf("proposal %d is %x", i, p.Proposal.AppEphemeral.Data)
			}
		}
		r.deliver(result.Message)
		same(t, "extensions", encode(t, &r.hub.Context().Extensions), before)
		encodesAs(t, &list[1], "0009"+"8001"+"0101")
	})
}

func encodesAs(t *testing.T, v syntax.Value, want string) {
	t.Helper()
	if got := hex.EncodeToString(encode(t, v)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestSafeAADRows(t *testing.T) {
	r := newTestRoom(t, &mls.Config{}, 2, componentsContext(t, testComponent))
	x, y := r.members[0], r.members[1]
	// send has a member send authenticated data that its own engine would refuse, in all ways.
	send := func(aad []byte) error {
		t.Helper()
		p := component(testComponent, 1)
		f := &fixture{room: r, listener: y, liar: x}
		err := f.process(mls.Forge(x.group, x.leaf(), wire.PublicMessageFormat, wire.FramedContent{
			Type: wire.ProposalContent, Proposal: &p, AuthenticatedData: aad,
		}, nil))
		_, _, seal := x.group.Seal(x.leaf(), aad, nil)
		_, _, commit := x.group.Commit(mls.CommitOptions{Leaf: x.leaf(), AAD: aad}, start)
		_, _, propose := x.group.Propose(x.leaf(), p, aad, start)
		for name, other := range map[string]error{"seal": seal, "commit": commit, "propose": propose} {
			if fmt.Sprint(other) != fmt.Sprint(err) {
				t.Errorf("%s: %v, others %v", name, other, err)
			}
		}
		m, forged := mls.Forge(x.group, x.leaf(), wire.PrivateMessageFormat, wire.FramedContent{
			Type: wire.ApplicationContent, Application: []byte("x"), AuthenticatedData: aad,
		}, nil)
		if forged != nil {
			t.Fatal(forged)
		}
		_, _, open := y.group.Open(m.Private)
		if fmt.Sprint(open) != fmt.Sprint(err) {
			t.Errorf("open: %v, others %v", open, err)
		}
		return err
	}
	items := func(list ...wire.ComponentData) []byte {
		var out []byte
		for i := range list {
			out = append(out, encode(t, &list[i])...)
		}
		return append([]byte{byte(len(out))}, out...)
	}
	one, two := wire.ComponentData{ID: 1, Data: []byte{5}}, wire.ComponentData{ID: otherComponent}
	t.Run("X-AAD-01 authenticated data is a sorted SafeAAD", func(t *testing.T) {
		if err := send(items(one, two)); err != nil {
			t.Error(err)
		}
		wantRule(t, send(nil), mls.RuleSafeAAD)
		wantRule(t, send([]byte("text")), mls.RuleSafeAAD)
		wantRule(t, send(items(two, one)), mls.RuleSafeAAD)
		q := newTestRoom(t, &mls.Config{}, 2, nil)
		if _, _, err := q.members[0].group.Seal(q.members[0].leaf(), []byte("text"), nil); err != nil {
			t.Errorf("a group without safe_aad: %v", err)
		}
	})
	t.Run("X-AAD-03 nothing follows it", func(t *testing.T) {
		wantRule(t, send(append(items(one), 0)), mls.RuleSafeAAD)
		wantRule(t, send([]byte{0, 0}), mls.RuleSafeAAD)
	})
	t.Run("X-AAD-04 an item twice is refused and unknown items are ignored", func(t *testing.T) {
		wantRule(t, send(items(one, one)), mls.RuleSafeAAD)
		if err := send(items(wire.ComponentData{ID: 0x7a7a, Data: []byte("?")})); err != nil {
			t.Error(err)
		}
	})
}

func TestNegotiationRows(t *testing.T) {
	leafWith := func(t *testing.T, components ...wire.ComponentID) func(*mls.KeyPackageParams) {
		e, err := mls.LeafComponents(components...)
		if err != nil {
			t.Fatal(err)
		}
		return func(p *mls.KeyPackageParams) { p.LeafExtensions = wire.Extensions{e} }
	}
	t.Run("X-NEG-01 X-NEG-02 a client lacking a required component is not added", func(t *testing.T) {
		r := newTestRoom(t, &mls.Config{}, 2, componentsContext(t, testComponent))
		add := func(f func(*mls.KeyPackageParams)) wire.Proposal {
			b, _ := newBundle(t, r.suite, "x", f)
			return wire.Proposal{Type: wire.AddProposal, Add: &b.KeyPackage}
		}
		r.refusedBy(mls.RuleComponents, add(leafWith(t, otherComponent)))
		r.byValue(r.members[0], false, add(leafWith(t, otherComponent, testComponent)))
		// nor does an external joiner come in
		info, err := r.members[0].group.GroupInfo(0)
		if err != nil {
			t.Fatal(err)
		}
		tree := r.hub.Tree()
		b, signer := newBundle(t, r.suite, "x", leafWith(t, otherComponent))
		_, _, err = mls.ExternalJoin(r.cfg, mls.ExternalJoinParams{GroupInfo: info, Tree: &tree, Bundle: b, Signer: signer, AAD: r.aad()}, start)
		wantRule(t, err, mls.RuleComponents)
		// and a component becomes required only when all have it
		f := &fixture{room: r, listener: r.members[0], liar: r.members[1]}
		wantRule(t, f.commitTo(component(wire.AppComponentsComponent, 4, 0x80, 1, 0x80, 2)), mls.RuleExtensionsSupport)
	})
	t.Run("X-NEG-03 a client lacking a required wire format is not added", func(t *testing.T) {
		formats := encode(t, &wire.WireFormats{Formats: []wire.WireFormat{0xfafe}})
		supports := func(p *mls.KeyPackageParams) {
			p.LeafExtensions = wire.Extensions{{Type: wire.SupportedWireFormatsExtension, Data: formats}}
		}
		b, signer := newBundle(t, suite.X25519AES128, "creator", supports)
		g, err := mls.Create(&mls.Config{}, mls.CreateParams{Bundle: b, Signer: signer, Extensions: wire.Extensions{
			{Type: wire.RequiredWireFormatsExtension, Data: formats},
		}}, start)
		if err != nil {
			t.Fatal(err)
		}
		for _, able := range []bool{false, true} {
			x, _ := newBundle(t, suite.X25519AES128, "x")
			if able {
				x, _ = newBundle(t, suite.X25519AES128, "x", supports)
			}
			_, _, err := g.Commit(mls.CommitOptions{ByValue: []wire.Proposal{{Type: wire.AddProposal, Add: &x.KeyPackage}}}, start)
			if able != (err == nil) {
				t.Errorf("supports it %v: %v", able, err)
			}
		}
	})
	t.Run("X-NEG-04 a leaf lists the types that are not default", func(t *testing.T) {
		caps := mls.DefaultCapabilities(suite.X25519AES128)
		if !slices.Equal(caps.Extensions, []wire.ExtensionType{6, 7, 8}) || !slices.Equal(caps.Proposals, []wire.ProposalType{8, 9, 10}) {
			t.Errorf("%v", caps)
		}
		b, _ := newBundle(t, suite.X25519AES128, "x")
		same(t, "capabilities", encode(t, &b.KeyPackage.Leaf.Capabilities), encode(t, &caps))
	})
	t.Run("X-GRS-01 unknown values of others are ignored", func(t *testing.T) {
		var d wire.AppDataDictionary
		d = d.With(wire.AppComponentsComponent, encode(t, &wire.ComponentsList{IDs: []wire.ComponentID{1, 2, testComponent, 0x1a1a}}))
		d = d.With(wire.SafeAADComponent, encode(t, &wire.ComponentsList{IDs: []wire.ComponentID{0x2a2a}}))
		d = d.With(0x3a3a, []byte("?"))
		grease := wire.Extension{Type: wire.AppDataDictionaryExtension, Data: encode(t, &d)}
		r := newTestRoom(t, &mls.Config{}, 2, componentsContext(t, testComponent))
		x := r.newMember()
		b, signer := x.bundle(r.suite, func(p *mls.KeyPackageParams) {
			p.LeafExtensions, p.Extensions = wire.Extensions{grease, {Type: 0x4a4a}}, wire.Extensions{grease, {Type: 0x5a5a}}
			p.Capabilities = mls.DefaultCapabilities(r.suite)
			p.Capabilities.Extensions = append(p.Capabilities.Extensions, 0x4a4a)
			p.Capabilities.Suites = append(p.Capabilities.Suites, 0x6a6a)
			p.Capabilities.Proposals = append(p.Capabilities.Proposals, 0x7a7a)
			p.Capabilities.Credentials = append(p.Capabilities.Credentials, 0x0a0a)
		})
		result := r.commit(r.members[0], mls.CommitOptions{
			AAD: r.aad(), InfoExtensions: wire.Extensions{grease}, ByValue: []wire.Proposal{{Type: wire.AddProposal, Add: &b.KeyPackage}},
		})
		r.join(x, result, []mls.OwnLeaf{{Bundle: b, Signer: signer}}, false)
		r.commit(x, mls.CommitOptions{AAD: r.aad()})
		r.talk()
	})
}

func TestSelfRemoveRows(t *testing.T) {
	leave := wire.Proposal{Type: wire.SelfRemoveProposal}
	t.Run("X-SR-02 always in the clear", func(t *testing.T) {
		r := newTestRoom(t, &mls.Config{EncryptHandshakes: true}, 3, nil)
		x := r.members[1]
		if m := r.propose(x, leave); m.Public == nil {
			t.Error("it is encrypted")
		}
		p := leave
		m, err := mls.Forge(r.members[2].group, r.members[2].leaf(), wire.PrivateMessageFormat, wire.FramedContent{Type: wire.ProposalContent, Proposal: &p}, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.members[0].group.Process(m, start)
		wantRule(t, err, mls.RuleSelfRemoveForm)
		_, err = r.hub.Process(m, start)
		wantRule(t, err, mls.RuleFormat)
	})
	t.Run("X-SR-03 by reference, with a path, not from outside", func(t *testing.T) {
		f := newFixture(t)
		wantRule(t, f.commitTo(leave), mls.RuleSelfRemoveForm)
		wantRule(t, f.external(leave), mls.RuleProposalSender)
		f.propose(f.members[3], leave)
		wantRule(t, f.commitRefs(f.lastRef()), mls.RulePathMissing)
		if result := f.commit(f.listener, mls.CommitOptions{AAD: f.aad(), NoPath: true}); result.Message.Public.Content.Commit.Path == nil {
			t.Error("no path")
		}
		if len(f.members) != 3 {
			t.Error("who left is still there")
		}
	})
	t.Run("X-SR-04 only where everybody lists it", func(t *testing.T) {
		wantRule(t, newFixture(t).mixed(leave), mls.RuleSelfRemoveSupport)
	})
	t.Run("X-SR-05 an external joiner commits what waits and checks all but the membership tag", func(t *testing.T) {
		r := newTestRoom(t, &mls.Config{}, 3, nil)
		m := r.propose(r.members[1], leave)
		r.propose(r.members[2], pskProposal()) // is not for an external commit
		info, err := r.members[0].group.GroupInfo(0)
		if err != nil {
			t.Fatal(err)
		}
		tree := r.hub.Tree()
		b, signer := newBundle(t, r.suite, "x")
		join := func(change func(*wire.PublicMessage)) (*mls.CommitResult, error) {
			p := copyMessage(t, m)
			change(p.Public)
			_, result, err := mls.ExternalJoin(r.cfg, mls.ExternalJoinParams{GroupInfo: info, Tree: &tree, Bundle: b, Signer: signer, Pending: []*wire.Message{p}}, start)
			return result, err
		}
		result, err := join(func(p *wire.PublicMessage) { p.MembershipTag = make([]byte, 32) })
		if err != nil {
			t.Fatal(err)
		}
		list := result.Message.Public.Content.Commit.Proposals
		if len(list) != 2 || list[1].Reference == nil {
			t.Errorf("%d proposals", len(list))
		}
		if _, err := r.hub.Process(result.Message, start); err != nil {
			t.Error(err)
		}
		_, err = join(func(p *wire.PublicMessage) { p.Auth.Signature[0] ^= 1 })
		wantRule(t, err, mls.RuleSignature)
		_, err = join(func(p *wire.PublicMessage) { p.Content.Epoch++ })
		wantRule(t, err, mls.RuleEpoch)
		_, err = join(func(p *wire.PublicMessage) { p.Content.Sender.Index = 9 })
		wantRule(t, err, mls.RuleSender)
	})
	t.Run("X-SR-07 after Updates, before Removes, which may not name the same leaf", func(t *testing.T) {
		f := newFixture(t)
		f.propose(f.members[3], leave)
		content := commitContent(remove(f.members[3].leaf()))
		content.Commit.Proposals = append(content.Commit.Proposals, wire.ProposalOrRef{Reference: f.lastRef()})
		wantRule(t, f.process(f.forge(content)), mls.RuleLeafTwice)
		result, d, err := f.listener.group.Commit(mls.CommitOptions{
			Leaf: f.listener.leaf(), AAD: f.aad(), ByValue: []wire.Proposal{remove(f.members[2].leaf())},
		}, start)
		f.listener.save(d, err)
		staged, err := f.hub.Process(result.Message, start)
		if err != nil {
			t.Fatal(err)
		}
		gone := staged.Removed()
		if len(gone) != 2 || gone[0].Index != f.members[3].leaf() || gone[1].Index != f.members[2].leaf() {
			t.Errorf("%v", gone)
		}
	})
	t.Run("X-SR-08 at most one per epoch", func(t *testing.T) {
		for _, id := range []wire.CipherSuite{suite.X25519AES128, suite.P256AES128} { // signatures that are repeatable, and not
			r := newRoom(t, &mls.Config{}, id, nil)
			r.add(r.members[0], 1, mls.CommitOptions{})
			x := r.members[1]
			first, d, err := x.group.Propose(x.leaf(), leave, nil, start)
			x.save(d, err)
			x.reload(r.cfg)
			again, d, err := x.group.Propose(x.leaf(), leave, nil, start)
			x.save(d, err)
			same(t, "the second", encode(t, again), encode(t, first))
			r.deliver(first)
			r.deliver(again)
			if n := len(r.hub.Pending()); n != 1 {
				t.Errorf("%d wait", n)
			}
			r.add(r.members[0], 1, mls.CommitOptions{})
		}
	})
}

func TestKeyPackageRows(t *testing.T) {
	cfg := &mls.Config{}
	lastResort := func(data []byte) wire.Extensions {
		var d wire.AppDataDictionary
		d = d.With(wire.LastResortComponent, data)
		return wire.Extensions{{Type: wire.AppDataDictionaryExtension, Data: encode(t, &d)}}
	}
	make := func(list wire.Extensions) *wire.KeyPackage {
		b, _ := newBundle(t, suite.X25519AES128, "x", func(p *mls.KeyPackageParams) { p.Extensions = list })
		return &b.KeyPackage
	}
	t.Run("X-LR-01 a component with empty data makes a last resort", func(t *testing.T) {
		kp := make(lastResort(nil))
		if err := mls.ValidateKeyPackage(cfg, kp, start); err != nil || !mls.IsLastResort(kp) {
			t.Errorf("%v, %v", mls.IsLastResort(kp), err)
		}
		kp = make(lastResort([]byte{0}))
		wantRule(t, mls.ValidateKeyPackage(cfg, kp, start), mls.RuleKeyPackage)
		if mls.IsLastResort(kp) || mls.IsLastResort(make(nil)) {
			t.Error("taken for a last resort")
		}
	})
	t.Run("X-LR-03 the older extension is recognised", func(t *testing.T) {
		kp := make(wire.Extensions{{Type: wire.OldLastResortExtension}})
		if err := mls.ValidateKeyPackage(cfg, kp, start); err != nil || !mls.IsLastResort(kp) {
			t.Errorf("%v, %v", mls.IsLastResort(kp), err)
		}
	})
	t.Run("X-PSK-01 an application pre-shared key in a commit", func(t *testing.T) {
		id := &wire.PreSharedKeyID{Type: wire.ApplicationPSK, Component: testComponent, ID: []byte("k"), Nonce: bytes.Repeat([]byte{1}, 32)}
		cfg := &mls.Config{PSK: func(p *wire.PreSharedKeyID) ([]byte, bool) {
			return []byte("shared"), p.Type == wire.ApplicationPSK && p.Component == testComponent && string(p.ID) == "k"
		}}
		r := newTestRoom(t, cfg, 2, nil)
		r.byValue(r.members[0], true, wire.Proposal{Type: wire.PreSharedKeyProposal, PSK: id})
		r.talk()
		r.members[1].reload(&mls.Config{PSK: func(*wire.PreSharedKeyID) ([]byte, bool) { return []byte("other"), true }})
		other := *id
		other.Nonce = bytes.Repeat([]byte{2}, 32)
		result, d, err := r.members[0].group.Commit(mls.CommitOptions{NoPath: true, ByValue: []wire.Proposal{{Type: wire.PreSharedKeyProposal, PSK: &other}}}, start)
		r.members[0].save(d, err)
		_, err = r.members[1].group.Process(result.Message, start)
		wantRule(t, err, mls.RuleConfirm)
	})
	t.Run("X-RTO-04 a tree counts by its hash, however it came", func(t *testing.T) {
		r := newTestRoom(t, cfg, 3, nil)
		info, err := r.members[0].group.GroupInfo(0)
		if err != nil {
			t.Fatal(err)
		}
		tree := decode[wire.RatchetTree](t, encode(t, ptr(r.hub.Tree())))
		if _, err := mls.NewPublicGroup(cfg, info, tree, start); err != nil {
			t.Fatal(err)
		}
		tree.Nodes[2].Leaf.Credential.Identity = []byte("somebody else")
		_, err = mls.NewPublicGroup(cfg, info, tree, start)
		wantRule(t, err, mls.RuleTree)
	})
	t.Run("X-SPM-07 external commits are in the clear", func(t *testing.T) {
		r := newTestRoom(t, &mls.Config{EncryptHandshakes: true}, 2, nil)
		info, err := r.members[0].group.GroupInfo(0)
		if err != nil {
			t.Fatal(err)
		}
		tree := r.hub.Tree()
		b, signer := newBundle(t, r.suite, "x")
		_, result, err := mls.ExternalJoin(r.cfg, mls.ExternalJoinParams{GroupInfo: info, Tree: &tree, Bundle: b, Signer: signer}, start)
		if err != nil {
			t.Fatal(err)
		}
		if result.Message.Public == nil {
			t.Error("it is encrypted")
		}
	})
}
