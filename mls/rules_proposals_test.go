package mls_test

import (
	"errors"

	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
)

// proposalBreaches break what holds for proposals and for the lists of commits.
func proposalBreaches() []breach {
	return []breach{
		{mls.RuleProposalUnknown, "reference", func(f *fixture) error { return f.commitRefs([]byte("nothing")) }},
		{mls.RuleProposalUnknown, "type", func(f *fixture) error { return f.commitTo(wire.Proposal{Type: 0x0a0a}) }},
		{mls.RuleProposalUnknown, "reference twice", func(f *fixture) error {
			return f.with(component(testComponent), func(f *fixture) error { return f.commitRefs(f.lastRef(), f.lastRef()) })
		}},
		{mls.RuleProposalSender, "Update from outside", func(f *fixture) error { return f.external(f.updated(func(*wire.LeafNode) {})) }},
		{mls.RuleProposalSender, "unknown type from outside", func(f *fixture) error { return f.external(wire.Proposal{Type: 0x0a0a}) }},
		{mls.RuleProposalSender, "the hub asks for what it may not", func(f *fixture) error {
			_, err := f.hub.ProposeExternal(0, f.hubSender, wire.Proposal{Type: wire.SelfRemoveProposal}, f.aad())
			return err
		}},
		{mls.RuleProposalSender, "the hub with another key", func(f *fixture) error {
			_, signer := newBundle(f.t, f.suite, "x")
			_, err := f.hub.ProposeExternal(0, signer, remove(0), f.aad())
			return err
		}},
		{mls.RuleProposalSender, "Update by Propose", func(f *fixture) error {
			_, _, err := f.listener.group.Propose(f.listener.leaf(), wire.Proposal{Type: wire.UpdateProposal}, f.aad(), start)
			return err
		}},
		{mls.RuleUpdateInline, "commit", func(f *fixture) error { return f.commitTo(f.updated(func(*wire.LeafNode) {})) }},
		{mls.RuleUpdateOwn, "reference", func(f *fixture) error {
			return f.with(f.updated(func(*wire.LeafNode) {}), func(f *fixture) error { return f.commitRefs(f.lastRef()) })
		}},
		{mls.RuleRemoveCommitter, "Remove", func(f *fixture) error { return f.commitTo(remove(f.liar.leaf())) }},
		{mls.RuleRemoveCommitter, "SelfRemove", func(f *fixture) error {
			return f.with(wire.Proposal{Type: wire.SelfRemoveProposal}, func(f *fixture) error { return f.commitRefs(f.lastRef()) })
		}},
		{mls.RuleRemoveBlank, "proposal", func(f *fixture) error { return f.lie(remove(77)) }},
		{mls.RuleRemoveBlank, "commit", func(f *fixture) error { return f.commitTo(remove(77)) }},
		{mls.RuleLeafTwice, "two Removes", func(f *fixture) error {
			return f.commitTo(remove(f.listener.leaf()), remove(f.listener.leaf()))
		}},
		{mls.RuleLeafTwice, "Remove and Update", func(f *fixture) error {
			return f.withOf(2, wire.Proposal{Type: wire.UpdateProposal}, func(g *fixture) error {
				g.liar = g.members[1]
				content := commitContent(remove(g.members[2].leaf()))
				content.Commit.Proposals = append(content.Commit.Proposals, wire.ProposalOrRef{Reference: g.lastRef()})
				return g.process(g.forge(content))
			})
		}},
		{mls.RuleAddTwice, "commit", func(f *fixture) error {
			p := f.newcomer(nil)
			return f.commitTo(p, p)
		}},
		{mls.RulePSKTwice, "commit", func(f *fixture) error { return f.commitTo(pskProposal(), pskProposal()) }},
		{mls.RulePSKForm, "nonce", func(f *fixture) error {
			p := pskProposal()
			p.PSK.Nonce = p.PSK.Nonce[1:]
			return f.lie(p)
		}},
		{mls.RulePSKForm, "branch in a running group", func(f *fixture) error {
			return f.commitTo(wire.Proposal{Type: wire.PreSharedKeyProposal, PSK: &wire.PreSharedKeyID{
				Type: wire.ResumptionPSK, Usage: wire.BranchUsage, Nonce: make([]byte, 32),
			}})
		}},
		{mls.RulePSK, "that nobody knows", func(f *fixture) error {
			_, _, err := f.listener.group.Commit(mls.CommitOptions{Leaf: f.listener.leaf(), ByValue: []wire.Proposal{pskProposal()}, AAD: f.aad()}, start)
			return err
		}},
		{mls.RulePSK, "that the listener does not know", func(f *fixture) error {
			f.liar.reload(&mls.Config{PSK: onePSK})
			defer f.liar.reload(f.cfg)
			result, d, err := f.liar.group.Commit(mls.CommitOptions{Leaf: f.liar.leaf(), ByValue: []wire.Proposal{pskProposal()}, AAD: f.aad()}, start)
			f.liar.save(d, err)
			return f.processMember(result.Message)
		}},
		{mls.RuleProposalSupport, "a newcomer that was not asked", func(f *fixture) error { return f.mixed(ephemeral(testComponent)) }},
		{mls.RuleExtensionsTwice, "commit", func(f *fixture) error {
			return f.commitTo(extensions(f.own()...), extensions(f.own()...))
		}},
		{mls.RuleExtensionsSupport, "an extension nobody lists", func(f *fixture) error {
			return f.spoilExtensions(able(f.suite), wire.Extension{Type: 0xf00d})
		}},
		{mls.RuleExtensionsSupport, "a required capability nobody lists", func(f *fixture) error {
			return f.spoilExtensions(able(f.suite), wire.Extension{
				Type: wire.RequiredCapabilitiesExtension, Data: encode(f.t, &wire.RequiredCapabilities{Proposals: []wire.ProposalType{0xf00d}}),
			})
		}},
		{mls.RuleReInitAlone, "commit", func(f *fixture) error { return f.commitTo(reinit(wire.MLS10), pskProposal()) }},
		{mls.RuleReInitVersion, "proposal", func(f *fixture) error { return f.lie(reinit(0)) }},
		{mls.RuleExternalInit, "proposal of a member", func(f *fixture) error {
			return f.lie(wire.Proposal{Type: wire.ExternalInitProposal, ExternalInit: []byte("kem")})
		}},
		{mls.RuleExternalInit, "commit of a member", func(f *fixture) error {
			return f.commitTo(wire.Proposal{Type: wire.ExternalInitProposal, ExternalInit: []byte("kem")})
		}},
		{mls.RuleExternalInit, "external commit without", func(f *fixture) error {
			return f.externalCommit(func(c *wire.Commit) { c.Proposals = nil })
		}},
		{mls.RuleExternalInit, "external commit with two", func(f *fixture) error {
			return f.externalCommit(func(c *wire.Commit) { c.Proposals = append(c.Proposals, c.Proposals[0]) })
		}},
		{mls.RuleExternalCommit, "Add", func(f *fixture) error {
			p := f.newcomer(nil)
			return f.externalCommit(func(c *wire.Commit) { c.Proposals = append(c.Proposals, wire.ProposalOrRef{Proposal: &p}) })
		}},
		{mls.RuleExternalCommit, "two Removes", func(f *fixture) error {
			a, b := remove(0), remove(1)
			return f.externalCommit(func(c *wire.Commit) {
				c.Proposals = append(c.Proposals, wire.ProposalOrRef{Proposal: &a}, wire.ProposalOrRef{Proposal: &b})
			})
		}},
		{mls.RuleExternalCommit, "reference to something else than SelfRemove", func(f *fixture) error {
			return f.with(component(testComponent), func(f *fixture) error {
				return f.externalCommit(func(c *wire.Commit) { c.Proposals = append(c.Proposals, wire.ProposalOrRef{Reference: f.lastRef()}) })
			})
		}},
		{mls.RulePathMissing, "no proposals", func(f *fixture) error { return f.commitTo() }},
		{mls.RulePathMissing, "Remove", func(f *fixture) error { return f.commitTo(remove(f.members[3].leaf())) }},
		{mls.RulePathMissing, "external commit", func(f *fixture) error {
			return f.externalCommit(func(c *wire.Commit) { c.Path = nil })
		}},
		{mls.RulePathMissing, "a renewal without a path", func(f *fixture) error {
			_, _, err := f.listener.group.Commit(mls.CommitOptions{
				Leaf: f.listener.leaf(), NoPath: true, AAD: f.aad(), Renewal: &mls.Renewal{}, ByValue: []wire.Proposal{component(testComponent)},
			}, start)
			return err
		}},
		{mls.RulePath, "a node too many", func(f *fixture) error {
			return f.spoilCommit(func(c *wire.Commit) { c.Path.Nodes = append(c.Path.Nodes, c.Path.Nodes[0]) })
		}},
		{mls.RulePath, "a ciphertext too few", func(f *fixture) error {
			return f.spoilCommit(func(c *wire.Commit) { c.Path.Nodes[0].Secrets = nil })
		}},
		{mls.RulePath, "parent hash", func(f *fixture) error {
			return f.spoilCommit(func(c *wire.Commit) { c.Path.Leaf.ParentHash[0] ^= 1; f.signPath(&c.Path.Leaf) })
		}},
		{mls.RulePath, "a ciphertext that does not open", func(f *fixture) error {
			return f.spoilCommit(func(c *wire.Commit) {
				for i := range c.Path.Nodes {
					for j := range c.Path.Nodes[i].Secrets {
						c.Path.Nodes[i].Secrets[j].Ciphertext[0] ^= 1
					}
				}
			})
		}},
		{mls.RulePath, "a key that is none", func(f *fixture) error {
			return f.spoilCommit(func(c *wire.Commit) { c.Path.Nodes[0].EncryptionKey = []byte("short") })
		}},
	}
}

// with runs a breach in a group of its own in which a proposal waits that the liar made.
func (f *fixture) with(p wire.Proposal, run func(*fixture) error) error {
	f.t.Helper()
	return f.withOf(1, p, run)
}

// withOf is with for a proposal of another member, who stays the liar.
func (f *fixture) withOf(liar int, p wire.Proposal, run func(*fixture) error) error {
	f.t.Helper()
	g := newFixture(f.t)
	g.liar = g.members[liar]
	if p.Type == wire.UpdateProposal {
		p = g.updated(func(*wire.LeafNode) {})
	}
	m, err := g.forge(wire.FramedContent{Type: wire.ProposalContent, Proposal: &p})
	if err != nil {
		return err
	}
	g.deliver(m)
	return run(g)
}

// mixed commits a proposal in a group one of whose members does not list its type.
func (f *fixture) mixed(p wire.Proposal) error {
	f.t.Helper()
	g := newFixture(f.t)
	x := g.newMember()
	b, signer := x.bundle(g.suite, func(p *mls.KeyPackageParams) {
		p.Capabilities = mls.DefaultCapabilities(g.suite)
		p.Capabilities.Proposals = []wire.ProposalType{wire.AppDataUpdateProposal}
	})
	result := g.commit(g.listener, mls.CommitOptions{ByValue: []wire.Proposal{{Type: wire.AddProposal, Add: &b.KeyPackage}}, AAD: g.aad()})
	g.join(x, result, []mls.OwnLeaf{{Bundle: b, Signer: signer}}, false)
	if p.Type == wire.SelfRemoveProposal {
		return g.lie(p)
	}
	return g.commitTo(p)
}

// spoilExtensions sets an extension that the committer supports and the others do not.
func (f *fixture) spoilExtensions(caps mls.Renewal, e wire.Extension) error {
	f.t.Helper()
	p := extensions(append(f.own(), e)...)
	opt := mls.CommitOptions{Leaf: f.liar.leaf(), AAD: f.aad(), Renewal: &caps}
	result, d, err := f.liar.group.Commit(opt, start)
	f.liar.save(d, err)
	opt.ByValue = []wire.Proposal{p}
	_, _, own := f.liar.group.Commit(opt, start)
	wantRule(f.t, own, mls.RuleExtensionsSupport)
	content := copyMessage(f.t, result.Message).Public.Content
	content.Commit.Proposals = append(content.Commit.Proposals, wire.ProposalOrRef{Proposal: &p})
	return f.process(mls.Forge(f.liar.group, f.liar.leaf(), wire.PublicMessageFormat, content, []byte("tag")))
}

// able are capabilities with one extension and one proposal more than usual.
func able(id wire.CipherSuite) mls.Renewal {
	caps := mls.DefaultCapabilities(id)
	caps.Extensions, caps.Proposals = append(caps.Extensions, 0xf00d), append(caps.Proposals, 0xf00d)
	return mls.Renewal{Capabilities: &caps}
}

// componentBreaches break what mls-extensions adds.
func componentBreaches() []breach {
	locked := func(f *fixture) *fixture {
		g := newFixture(f.t)
		list := append(g.own(), wire.Extension{
			Type: wire.RequiredCapabilitiesExtension, Data: encode(f.t, &wire.RequiredCapabilities{Proposals: []wire.ProposalType{wire.AppDataUpdateProposal}}),
		})
		g.commit(g.listener, mls.CommitOptions{AAD: g.aad(), ByValue: []wire.Proposal{extensions(list...)}})
		return g
	}
	return []breach{
		{mls.RuleDictionaryLocked, "changed", func(f *fixture) error {
			g := locked(f)
			list := g.own()
			list[0].Data = componentsContext(f.t)[0].Data
			return g.lie(extensions(list...))
		}},
		{mls.RuleDictionaryLocked, "dropped", func(f *fixture) error {
			g := locked(f)
			return g.lie(extensions(g.own()[1:]...))
		}},
		{mls.RuleDictionaryLocked, "in a commit", func(f *fixture) error {
			g := locked(f)
			return g.commitTo(extensions(g.own()[1:]...))
		}},
		{mls.RuleDictionary, "of a group", func(f *fixture) error {
			list := f.own()
			list[0].Data = []byte{3, 0, 1}
			return f.lie(extensions(list...))
		}},
		{mls.RuleDictionary, "of a leaf", func(f *fixture) error {
			return f.commitTo(f.newcomer(func(kp *wire.KeyPackage) {
				kp.Leaf.Extensions = wire.Extensions{{Type: wire.AppDataDictionaryExtension, Data: []byte{1}}}
			}))
		}},
		{mls.RuleDictionary, "of a KeyPackage", func(f *fixture) error {
			return f.commitTo(f.newcomer(func(kp *wire.KeyPackage) {
				kp.Extensions = wire.Extensions{{Type: wire.AppDataDictionaryExtension, Data: []byte{1}}}
			}))
		}},
		{mls.RuleComponentUnknown, "update", func(f *fixture) error { return f.lie(component(0x8777)) }},
		{mls.RuleComponentUnknown, "update in a commit", func(f *fixture) error { return f.commitTo(component(0x8777)) }},
		{mls.RuleComponentUnknown, "ephemeral", func(f *fixture) error { return f.commitTo(ephemeral(0x8777)) }},
		{mls.RuleComponentAbsent, "proposal", func(f *fixture) error { return f.lie(componentGone(testComponent)) }},
		{mls.RuleComponentAbsent, "commit", func(f *fixture) error { return f.commitTo(componentGone(testComponent)) }},
		{mls.RuleComponentMixed, "update and removal", func(f *fixture) error {
			return f.commitTo(component(testComponent, 1), componentGone(testComponent))
		}},
		{mls.RuleComponentMixed, "removal and update", func(f *fixture) error {
			return f.commitTo(componentGone(testComponent), component(testComponent, 1))
		}},
		{mls.RuleComponentMixed, "two removals", func(f *fixture) error {
			return f.commitTo(componentGone(testComponent), componentGone(testComponent))
		}},
		{mls.RuleComponentRefused, "a list that is none", func(f *fixture) error { return f.commitTo(component(wire.AppComponentsComponent, 3)) }},
		{mls.RuleComponentRefused, "logic", func(f *fixture) error { return f.refusing(component(testComponent, 1)) }},
		{mls.RuleComponentRefused, "ephemeral", func(f *fixture) error { return f.refusing(ephemeral(testComponent, 1)) }},
		{mls.RuleSelfRemoveForm, "by value", func(f *fixture) error { return f.commitTo(wire.Proposal{Type: wire.SelfRemoveProposal}) }},
		{mls.RuleSelfRemoveForm, "encrypted", func(f *fixture) error {
			f = newFixture(f.t) // the liar's ratchet moves
			p := wire.Proposal{Type: wire.SelfRemoveProposal}
			m, err := mls.Forge(f.liar.group, f.liar.leaf(), wire.PrivateMessageFormat,
				wire.FramedContent{Type: wire.ProposalContent, Proposal: &p, AuthenticatedData: f.aad()}, nil)
			if err != nil {
				return err
			}
			return f.processMember(m)
		}},
		{mls.RuleSelfRemoveSupport, "proposal", func(f *fixture) error { return f.mixed(wire.Proposal{Type: wire.SelfRemoveProposal}) }},
		{mls.RuleSelfRemoveTwice, "another one", func(f *fixture) error {
			return f.with(wire.Proposal{Type: wire.SelfRemoveProposal}, func(g *fixture) error {
				// the same content would be the same proposal, so the second has other authenticated data
				var aad wire.SafeAAD
				aad.Items = []wire.ComponentData{{ID: testComponent}}
				return g.process(mls.Forge(g.liar.group, g.liar.leaf(), wire.PublicMessageFormat, wire.FramedContent{
					Type: wire.ProposalContent, Proposal: &wire.Proposal{Type: wire.SelfRemoveProposal}, AuthenticatedData: encode(g.t, &aad),
				}, nil))
			})
		}},
	}
}

// refusing commits a proposal that the component's logic does not like; hub and members have the same logic.
func (f *fixture) refusing(p wire.Proposal) error {
	f.t.Helper()
	no := errors.New("no")
	cfg := &mls.Config{
		Components: map[wire.ComponentID]mls.Component{testComponent: func([]byte, bool, [][]byte) ([]byte, error) { return nil, no }},
		Ephemeral:  map[wire.ComponentID]func([]byte) error{testComponent: func([]byte) error { return no }},
	}
	r := newRoom(f.t, cfg, suite.X25519AES128, componentsContext(f.t, testComponent))
	g := &fixture{room: r, listener: r.members[0], liar: r.members[0]}
	err := g.commitTo(p)
	if !errors.Is(err, no) {
		f.t.Errorf("%v does not wrap the component's reason", err)
	}
	return err
}
