package mls_test

import (
	"bytes"
	"crypto"
	"maps"
	"math"
	"strings"

	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
)

// follows starts a hub with a changed GroupInfo, signed again.
func (f *fixture) follows(cfg *mls.Config, change func(info *wire.GroupInfo, tree *wire.RatchetTree)) error {
	f.t.Helper()
	info, err := f.listener.group.GroupInfo(f.listener.leaf())
	if err != nil {
		f.t.Fatal(err)
	}
	tree := decode[wire.RatchetTree](f.t, encode(f.t, ptr(f.hub.Tree())))
	if change != nil {
		change(info, tree)
		signer := f.listener.signers[string(f.hub.Leaf(f.listener.leaf()).SignatureKey)]
		if err := mls.SignInfo(f.hub.Suite(), signer, info); err != nil {
			f.t.Fatal(err)
		}
	}
	_, err = mls.NewPublicGroup(cfg, info, tree, start)
	return err
}

func ptr[T any](v T) *T { return &v }

// limited follows the group under other limits and gives that hub a message.
func (f *fixture) limited(l mls.Limits, m *wire.Message, err error) error {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
	g, err := mls.LoadPublicGroup(&mls.Config{Limits: l}, f.records.list())
	if err != nil {
		f.t.Fatal(err)
	}
	staged, err := g.Process(m, start)
	if err != nil {
		return err
	}
	_, err = staged.Next().Process(m, start)
	return err
}

// stateBreaches ask for what the state of a group does not allow, or bring values that are none.
func stateBreaches() []breach {
	return []breach{
		{mls.RuleEncoding, "a proposal without its body", func(f *fixture) error {
			_, _, err := f.listener.group.Propose(f.listener.leaf(), wire.Proposal{Type: wire.AddProposal}, f.aad(), start)
			return err
		}},
		{mls.RuleSuite, "KeyPackage", func(f *fixture) error {
			_, err := mls.NewKeyPackage(mls.KeyPackageParams{Suite: 4})
			return err
		}},
		{mls.RuleSuite, "Welcome", func(f *fixture) error {
			_, _, err := mls.Join(f.cfg, mls.JoinParams{Welcome: &wire.Welcome{Suite: 6}}, start)
			return err
		}},
		{mls.RuleSuite, "GroupInfo", func(f *fixture) error {
			_, err := mls.NewPublicGroup(f.cfg, &wire.GroupInfo{Context: wire.GroupContext{Suite: 99}}, nil, start)
			return err
		}},
		{mls.RuleSecret, "too long an export", func(f *fixture) error {
			_, err := f.listener.group.Export("label", nil, 1<<20)
			return err
		}},
		{mls.RuleOwnLeaf, "another's leaf", func(f *fixture) error {
			_, _, err := f.listener.group.Seal(f.liar.leaf(), f.aad(), nil)
			return err
		}},
		{mls.RuleOwnLeaf, "no signer", func(f *fixture) error {
			_, err := mls.LoadGroup(f.cfg, f.listener.records.list(), func([]byte) crypto.Signer { return nil })
			return err
		}},
		{mls.RuleOwnLeaf, "the signer of another key", func(f *fixture) error {
			b, _ := newBundle(f.t, f.suite, "x")
			_, err := mls.Create(&mls.Config{}, mls.CreateParams{Bundle: b, Signer: f.hubSender}, start)
			return err
		}},
		{mls.RuleState, "Apply twice", func(f *fixture) error {
			x := &member{t: f.t, records: maps.Clone(f.listener.records), signers: f.listener.signers}
			x.reload(f.cfg)
			p := remove(f.members[3].leaf())
			m, err := f.forge(wire.FramedContent{Type: wire.ProposalContent, Proposal: &p})
			if err != nil {
				return err
			}
			staged, err := x.group.Process(m, start)
			if err != nil {
				return err
			}
			x.save(staged.Apply())
			_, err = staged.Apply()
			return err
		}},
		{mls.RuleState, "joining", func(f *fixture) error {
			g := f.joining()
			_, err := g.Export("label", nil, 8)
			wantRule(f.t, err, mls.RuleState)
			_, _, err = g.SafeExport(1)
			return err
		}},
		{mls.RuleSuccessor, "of a group that is not closed", func(f *fixture) error {
			b, signer := newBundle(f.t, f.suite, "x")
			from := &mls.Predecessor{Group: f.listener.group, Usage: wire.ReInitUsage}
			_, err := mls.Create(f.cfg, mls.CreateParams{Bundle: b, Signer: signer, From: from}, start)
			return err
		}},
		{mls.RuleFrozen, "after ReInit", func(f *fixture) error { return f.afterReInit() }},
		{mls.RuleStored, "no records", func(f *fixture) error { _, err := mls.LoadGroup(f.cfg, nil, nil); return err }},
		{mls.RuleStored, "each record missing or cut", func(f *fixture) error { return f.damagedRecords() }},
		{mls.RuleWelcome, "for somebody else", func(f *fixture) error {
			b, signer := newBundle(f.t, f.suite, "x")
			_, _, err := mls.Join(f.cfg, mls.JoinParams{Welcome: &wire.Welcome{Suite: f.suite}, Own: []mls.OwnLeaf{{Bundle: b, Signer: signer}}}, start)
			return err
		}},
		{mls.RuleTree, "another tree", func(f *fixture) error {
			return f.follows(f.cfg, func(info *wire.GroupInfo, _ *wire.RatchetTree) { info.Context.TreeHash = make([]byte, 32) })
		}},
		{mls.RuleTree, "none", func(f *fixture) error {
			b, signer := newBundle(f.t, f.suite, "x")
			info, err := f.listener.group.GroupInfo(f.listener.leaf())
			if err != nil {
				return err
			}
			_, _, err = mls.ExternalJoin(f.cfg, mls.ExternalJoinParams{GroupInfo: info, Bundle: b, Signer: signer}, start)
			return err
		}},
		{mls.RuleGroupInfo, "signature", func(f *fixture) error {
			return f.follows(f.cfg, func(info *wire.GroupInfo, _ *wire.RatchetTree) { info.Signer = 1 })
		}},
		{mls.RuleGroupInfo, "signer that is not there", func(f *fixture) error {
			return f.follows(f.cfg, func(info *wire.GroupInfo, _ *wire.RatchetTree) { info.Signer = 99 })
		}},
		{mls.RuleGroupInfo, "version", func(f *fixture) error {
			return f.follows(f.cfg, func(info *wire.GroupInfo, _ *wire.RatchetTree) { info.Context.Version = 7 })
		}},
		{mls.RuleGroupInfo, "of another epoch", func(f *fixture) error {
			info, err := f.listener.group.GroupInfo(f.listener.leaf())
			if err != nil {
				return err
			}
			info.Context.Epoch++
			return f.hub.CheckGroupInfo(info, f.listener.leaf())
		}},
		{mls.RuleGroupInfo, "of another signer", func(f *fixture) error {
			info, err := f.listener.group.GroupInfo(f.listener.leaf())
			if err != nil {
				return err
			}
			return f.hub.CheckGroupInfo(info, f.liar.leaf())
		}},
		{mls.RuleGroupInfo, "without external_pub", func(f *fixture) error {
			info, err := f.listener.group.GroupInfo(f.listener.leaf())
			if err != nil {
				return err
			}
			info.Extensions = nil
			return f.hub.CheckGroupInfo(info, f.listener.leaf())
		}},
		{mls.RuleGroupInfo, "with a tree", func(f *fixture) error {
			info, err := f.listener.group.GroupInfo(f.listener.leaf(), wire.Extension{Type: wire.RatchetTreeExtension})
			if err != nil {
				return err
			}
			return f.hub.CheckGroupInfo(info, f.listener.leaf())
		}},
		{mls.RuleLimit, "width of the tree", func(f *fixture) error {
			p := f.newcomer(nil)
			q := f.newcomer(nil)
			g := commitContent(p, q)
			m, err := f.forge(g)
			return f.limited(mls.Limits{Leaves: 4}, m, err)
		}},
		{mls.RuleLimit, "proposals of a commit", func(f *fixture) error {
			m, err := f.forge(commitContent(component(testComponent), component(testComponent)))
			return f.limited(mls.Limits{Proposals: 1}, m, err)
		}},
		{mls.RuleLimit, "pending proposals", func(f *fixture) error {
			p := component(testComponent)
			m, err := f.forge(wire.FramedContent{Type: wire.ProposalContent, Proposal: &p})
			return f.limited(mls.Limits{Pending: 1}, m, err)
		}},
		{mls.RuleLimit, "extensions of the group", func(f *fixture) error {
			return f.follows(&mls.Config{Limits: mls.Limits{Extensions: 1}}, nil)
		}},
		{mls.RuleLimit, "the last epoch", func(f *fixture) error { return f.lastEpoch() }},
		{mls.RuleContext, "required_capabilities", func(f *fixture) error {
			return f.lie(extensions(append(f.own(), wire.Extension{Type: wire.RequiredCapabilitiesExtension, Data: []byte{9}})...))
		}},
		{mls.RuleContext, "external_senders", func(f *fixture) error {
			list := f.own()
			list[1].Data = []byte{7}
			return f.lie(extensions(list...))
		}},
		{mls.RuleContext, "required_wire_formats", func(f *fixture) error {
			return f.lie(extensions(append(f.own(), wire.Extension{Type: wire.RequiredWireFormatsExtension, Data: []byte{9}})...))
		}},
	}
}

// joining is a group whose external commit has not come back.
func (f *fixture) joining() *mls.Group {
	f.t.Helper()
	b, signer := newBundle(f.t, f.suite, "x")
	info, err := f.listener.group.GroupInfo(f.listener.leaf())
	if err != nil {
		f.t.Fatal(err)
	}
	tree := f.hub.Tree()
	g, _, err := mls.ExternalJoin(f.cfg, mls.ExternalJoinParams{GroupInfo: info, Tree: &tree, Bundle: b, Signer: signer, AAD: f.aad()}, start)
	if err != nil {
		f.t.Fatal(err)
	}
	return g
}

// afterReInit closes a group of its own and tries everything with it.
func (f *fixture) afterReInit() error {
	r := newRoom(f.t, &mls.Config{}, suite.X25519AES128, nil)
	r.add(r.members[0], 1, mls.CommitOptions{})
	x := r.members[0]
	r.commit(x, mls.CommitOptions{ByValue: []wire.Proposal{reinit(wire.MLS10)}})
	if !r.hub.Frozen() || !x.group.Public().Frozen() {
		f.t.Error("not closed")
	}
	x.reload(r.cfg)
	_, _, seal := x.group.Seal(x.leaf(), nil, nil)
	_, _, propose := x.group.Propose(x.leaf(), pskProposal(), nil, start)
	_, _, commit := x.group.Commit(mls.CommitOptions{Leaf: x.leaf()}, start)
	for _, err := range []error{seal, propose, commit} {
		wantRule(f.t, err, mls.RuleFrozen)
	}
	m, err := mls.Forge(x.group, x.leaf(), wire.PublicMessageFormat, commitContent(), []byte("tag"))
	if err != nil {
		return err
	}
	_, member := r.members[1].group.Process(m, start)
	wantRule(f.t, member, mls.RuleFrozen)
	_, err = r.hub.Process(m, start)
	return err
}

// damagedRecords loads the listener with each record missing or cut short; none may panic, and the secrets that a group cannot do
// without are missed at once.
func (f *fixture) damagedRecords() error {
	var last error
	for key, value := range f.listener.records {
		for _, cut := range [][]byte{nil, value[:len(value)/2], append(bytes.Clone(value), 0)} {
			damaged := maps.Clone(f.listener.records)
			damaged[key] = cut
			if cut == nil {
				delete(damaged, key)
			}
			_, err := mls.LoadGroup(f.cfg, damaged.list(), f.listener.signerOf)
			if err == nil && (key == "g" || key == "m" || strings.HasPrefix(key, "t/") || strings.HasSuffix(key, "/k/secrets")) {
				f.t.Errorf("%s: loaded", key)
			}
			if key == "m" || key == "g" {
				last = err
			}
		}
	}
	return last
}

// lastEpoch follows a group that is in the last epoch there can be.
func (f *fixture) lastEpoch() error {
	r := newRoom(f.t, &mls.Config{}, suite.X25519AES128, nil)
	x := r.members[0]
	info, err := x.group.GroupInfo(0)
	if err != nil {
		return err
	}
	info.Context.Epoch = math.MaxUint64
	signer := x.signers[string(r.hub.Leaf(0).SignatureKey)]
	if err := mls.SignInfo(r.hub.Suite(), signer, info); err != nil {
		return err
	}
	tree := r.hub.Tree()
	g, err := mls.NewPublicGroup(f.cfg, info, &tree, start)
	if err != nil {
		return err
	}
	content := commitContent()
	content.Sender = wire.Sender{Type: wire.MemberSender}
	m, err := mls.ForgeOutside(g, signer, content, []byte("tag"))
	if err != nil {
		return err
	}
	_, err = g.Process(m, start)
	return err
}
