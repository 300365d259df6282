package mls_test

import (
	"parley/mls"
	"parley/mls/wire"
)

// demanding is a fixture whose group requires a proposal and a credential type that its members list.
func (f *fixture) demanding() *fixture {
	f.t.Helper()
	g := newFixture(f.t)
	required := wire.RequiredCapabilities{
		Proposals:   []wire.ProposalType{wire.SelfRemoveProposal},
		Credentials: []wire.CredentialType{wire.X509Credential},
	}
	list := append(g.own(), wire.Extension{Type: wire.RequiredCapabilitiesExtension, Data: encode(f.t, &required)})
	g.commit(g.listener, mls.CommitOptions{AAD: g.aad(), ByValue: []wire.Proposal{extensions(list...)}})
	return g
}

// impatient has the liar commit a proposal of its own kind by reference, without a path.
func (f *fixture) impatient(p wire.Proposal) error {
	f.t.Helper()
	return f.withOf(2, p, func(g *fixture) error {
		g.liar = g.members[1]
		return g.commitRefs(g.lastRef())
	})
}

// inExternal puts a proposal by value into an external commit.
func (f *fixture) inExternal(p wire.Proposal) error {
	f.t.Helper()
	return f.externalCommit(func(c *wire.Commit) { c.Proposals = append(c.Proposals, wire.ProposalOrRef{Proposal: &p}) })
}

// joinsAs has somebody join from outside whose leaf was changed and signed again; remove is a leaf to replace.
func (f *fixture) joinsAs(change func(*mls.KeyPackageParams), member *member) error {
	f.t.Helper()
	info, err := f.listener.group.GroupInfo(f.listener.leaf())
	if err != nil {
		f.t.Fatal(err)
	}
	tree := f.hub.Tree()
	b, signer := newBundle(f.t, f.suite, "x", func(p *mls.KeyPackageParams) {
		if change != nil {
			change(p)
		}
		if member != nil {
			p.Signer = member.signers[string(f.hub.Leaf(member.leaf()).SignatureKey)]
		}
	})
	if member != nil {
		signer = member.signers[string(f.hub.Leaf(member.leaf()).SignatureKey)]
	}
	_, _, err = mls.ExternalJoin(f.cfg, mls.ExternalJoinParams{GroupInfo: info, Tree: &tree, Bundle: b, Signer: signer, AAD: f.aad()}, start)
	return err
}

// furtherBreaches are those sentences of RFC 9420 §7.3 and §12.1 to §12.4 that the others leave out; doc/mls-rules.md lists all.
func furtherBreaches() []breach {
	caps := func(change func(c *wire.Capabilities)) func(kp *wire.KeyPackage) {
		return func(kp *wire.KeyPackage) {
			c := mls.DefaultCapabilities(kp.Suite)
			change(&c)
			kp.Leaf.Capabilities = c
		}
	}
	noProposals := func(c *wire.Capabilities) { c.Proposals = []wire.ProposalType{wire.AppDataUpdateProposal} }
	noCertificates := func(c *wire.Capabilities) { c.Credentials = []wire.CredentialType{wire.BasicCredential} }
	leafCaps := func(change func(c *wire.Capabilities)) func(leaf *wire.LeafNode) {
		return func(leaf *wire.LeafNode) { c := leaf.Capabilities; change(&c); leaf.Capabilities = c }
	}
	return []breach{
		{mls.RuleLeafCapabilities, "required proposal", func(f *fixture) error {
			g := f.demanding()
			return g.commitTo(g.newcomer(caps(noProposals)))
		}},
		{mls.RuleLeafCapabilities, "required credential", func(f *fixture) error {
			g := f.demanding()
			return g.commitTo(g.newcomer(caps(noCertificates)))
		}},
		{mls.RuleLeafCapabilities, "required proposal, Update", func(f *fixture) error {
			g := f.demanding()
			return g.lie(g.updated(leafCaps(noProposals)))
		}},
		{mls.RuleLeafCapabilities, "required proposal, path", func(f *fixture) error {
			g := f.demanding()
			return g.spoilCommit(func(c *wire.Commit) { leafCaps(noProposals)(&c.Path.Leaf); g.signPath(&c.Path.Leaf) })
		}},
		{mls.RuleLeafCapabilities, "required proposal, external commit", func(f *fixture) error {
			g := f.demanding()
			return g.joinsAs(func(p *mls.KeyPackageParams) {
				p.Capabilities = mls.DefaultCapabilities(p.Suite)
				noProposals(&p.Capabilities)
			}, nil)
		}},
		{mls.RuleKeyReuse, "Update with another's encryption key", func(f *fixture) error {
			return f.with(f.updated(func(leaf *wire.LeafNode) { leaf.EncryptionKey = f.hub.Leaf(0).EncryptionKey }), func(g *fixture) error {
				// a proposal alone may name it, since the other could change its key in the same commit
				other := g.updated(func(leaf *wire.LeafNode) { leaf.EncryptionKey = g.hub.Leaf(0).EncryptionKey })
				m, err := g.forge(wire.FramedContent{Type: wire.ProposalContent, Proposal: &other})
				if err != nil {
					return err
				}
				g.deliver(m)
				g.liar = g.members[2]
				return g.commitRefs(g.lastRef())
			})
		}},
		{mls.RuleKeyReuse, "external commit of a member that stays", func(f *fixture) error { return f.joinsAs(nil, f.liar) }},
		{mls.RuleSender, "an external sender where there is none", func(f *fixture) error {
			r := newTestRoom(f.t, &mls.Config{}, 2, nil)
			g := &fixture{room: r, listener: r.members[0], liar: r.members[1], hubSender: f.hubSender}
			return g.external(remove(0))
		}},
		{mls.RuleSignature, "of an external sender by another key", func(f *fixture) error {
			_, signer := newBundle(f.t, f.suite, "x")
			p := remove(f.listener.leaf())
			return f.process(f.outside(signer, wire.FramedContent{
				Type: wire.ProposalContent, Proposal: &p, Sender: wire.Sender{Type: wire.ExternalSenderType},
			}))
		}},
		{mls.RuleSignature, "of a new member's Add by another key", func(f *fixture) error {
			p := f.newcomer(nil)
			return f.process(f.outside(f.hubSender, wire.FramedContent{
				Type: wire.ProposalContent, Proposal: &p, Sender: wire.Sender{Type: wire.NewMemberProposalSender},
			}))
		}},
		{mls.RuleSignature, "of an external commit by another key", func(f *fixture) error {
			var content wire.FramedContent
			if err := f.externalCommit(func(c *wire.Commit) {
				content = wire.FramedContent{Type: wire.CommitContent, Commit: c, Sender: wire.Sender{Type: wire.NewMemberCommitSender}}
				c.Proposals = append(c.Proposals, c.Proposals[0]) // so that this one fails
			}); err == nil {
				return nil
			}
			return f.process(f.outside(f.hubSender, content))
		}},
		{mls.RuleExternalCommit, "Update by value", func(f *fixture) error { return f.inExternal(f.updated(func(*wire.LeafNode) {})) }},
		{mls.RuleExternalCommit, "GroupContextExtensions", func(f *fixture) error { return f.inExternal(extensions(f.own()...)) }},
		{mls.RuleExternalCommit, "ReInit", func(f *fixture) error { return f.inExternal(reinit(wire.MLS10)) }},
		{mls.RuleRemoveBlank, "external commit", func(f *fixture) error { return f.inExternal(remove(77)) }},
		{mls.RulePSKTwice, "external commit", func(f *fixture) error {
			p := pskProposal()
			return f.externalCommit(func(c *wire.Commit) {
				c.Proposals = append(c.Proposals, wire.ProposalOrRef{Proposal: &p}, wire.ProposalOrRef{Proposal: &p})
			})
		}},
		{mls.RuleSelfRemoveForm, "by value in an external commit", func(f *fixture) error {
			return f.inExternal(wire.Proposal{Type: wire.SelfRemoveProposal})
		}},
		{mls.RulePathMissing, "Update", func(f *fixture) error { return f.impatient(wire.Proposal{Type: wire.UpdateProposal}) }},
		{mls.RulePathMissing, "GroupContextExtensions", func(f *fixture) error { return f.commitTo(extensions(f.own()...)) }},
		{mls.RuleLeafTwice, "two Updates", func(f *fixture) error {
			return f.withOf(2, wire.Proposal{Type: wire.UpdateProposal}, func(g *fixture) error {
				first := g.lastRef()
				p := g.updated(func(*wire.LeafNode) {})
				m, err := g.forge(wire.FramedContent{Type: wire.ProposalContent, Proposal: &p})
				if err != nil {
					return err
				}
				g.deliver(m)
				g.liar = g.members[1]
				return g.commitRefs(first, g.lastRef())
			})
		}},
		{mls.RulePath, "an external commit with a node too few", func(f *fixture) error {
			return f.externalCommit(func(c *wire.Commit) { c.Path.Nodes = c.Path.Nodes[1:] })
		}},
		{mls.RuleGroupInfo, "an external commit without external_pub", func(f *fixture) error {
			info, err := f.listener.group.GroupInfo(f.listener.leaf())
			if err != nil {
				return err
			}
			info.Extensions = nil
			signer := f.listener.signers[string(f.hub.Leaf(f.listener.leaf()).SignatureKey)]
			if err := mls.SignInfo(f.hub.Suite(), signer, info); err != nil {
				return err
			}
			tree := f.hub.Tree()
			b, mine := newBundle(f.t, f.suite, "x")
			_, _, err = mls.ExternalJoin(f.cfg, mls.ExternalJoinParams{GroupInfo: info, Tree: &tree, Bundle: b, Signer: mine, AAD: f.aad()}, start)
			return err
		}},
	}
}
