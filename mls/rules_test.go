package mls_test

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
)

// breach is a way to break a rule. run returns the engine's answer; the group must be as before.
type breach struct {
	rule string
	name string
	run  func(f *fixture) error
}

// unreachable are rules that nothing in the group of the fixture can break.
func unreachable() map[string]string {
	return map[string]string{
		"RuleRandom":      "the standard library's randomness does not fail",
		"RuleResync":      "given by the caller's ValidateLeaf; see TestValidatorNamesTheRule",
		"RuleFraming":     "see TestContentAdvertisementRows",
		"RuleMediaType":   "binds committers; see TestContentAdvertisementRows",
		"RuleSemiPrivate": "see TestSemiPrivateRows",
		"RuleSemiContent": "see TestSemiPrivateRows",
		"RuleTreeSource":  "changes nothing; see TestTreeOptionRows",
	}
}

// TestRules breaks each rule, in one way at least, and checks that the answer names it and that nothing changed.
func TestRules(t *testing.T) {
	covered := map[string]int{}
	f := newFixture(t)
	for _, b := range allBreaches() {
		covered[b.rule]++
		t.Run(b.rule+"/"+b.name, func(t *testing.T) {
			f.t, f.listener.t, f.liar.t = t, t, t
			f.listener.reload(f.cfg)
			f.liar.save(f.liar.group.DropPendingCommit(), nil)
			before, hub := f.listener.dump(), savedPublic(t, f.hub)
			wantRule(t, b.run(f), b.rule)
			if at := before.differs(f.listener.dump()); at != "" {
				t.Errorf("record %s changed", at)
			}
			if at := hub.differs(savedPublic(t, f.hub)); at != "" {
				t.Errorf("hub: record %s changed", at)
			}
		})
	}
	f.t, f.listener.t, f.liar.t = t, t, t
	f.light = false
	f.commit(f.listener, mls.CommitOptions{AAD: f.aad()})
	f.talk()
	names := ruleNames(t)
	for name, text := range names {
		if _, never := unreachable()[name]; !never && covered[text] == 0 {
			t.Errorf("no test breaks %s", name)
		}
	}
	for text := range covered {
		if !slices.Contains(slices.Collect(maps.Values(names)), text) {
			t.Errorf("%q is no rule", text)
		}
	}
}

func allBreaches() []breach {
	return slices.Concat(messageBreaches(), leafBreaches(), proposalBreaches(), componentBreaches(), stateBreaches(), furtherBreaches())
}

// ruleNames reads the Rule constants from the source.
func ruleNames(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Rule") || len(spec.Values) == 0 {
			return true
		}
		names[spec.Names[0].Name] = strings.Trim(spec.Values[0].(*ast.BasicLit).Value, `"`)
		return true
	})
	if len(names) < 50 {
		t.Fatalf("only %d rules were found", len(names))
	}
	return names
}

// messageBreaches break what holds for any message.
func messageBreaches() []breach {
	say := func(f *fixture) *wire.Message {
		m, d, err := f.liar.group.Seal(f.liar.leaf(), f.aad(), []byte("x"))
		f.liar.save(d, err)
		return m
	}
	open := func(f *fixture, m *wire.Message) error { _, _, err := f.listener.group.Open(m.Private); return err }
	proposal := func(f *fixture, change func(m *wire.PublicMessage)) *wire.Message {
		p := remove(f.listener.leaf())
		m, err := f.forge(wire.FramedContent{Type: wire.ProposalContent, Proposal: &p})
		if err != nil {
			f.t.Fatal(err)
		}
		change(m.Public)
		return m
	}
	return []breach{
		{mls.RuleGroupID, "handshake", func(f *fixture) error {
			return f.process(proposal(f, func(m *wire.PublicMessage) { m.Content.GroupID = []byte("other") }), nil)
		}},
		{mls.RuleGroupID, "application", func(f *fixture) error { m := say(f); m.Private.GroupID = nil; return open(f, m) }},
		{mls.RuleEpoch, "handshake", func(f *fixture) error {
			return f.process(proposal(f, func(m *wire.PublicMessage) { m.Content.Epoch++ }), nil)
		}},
		{mls.RuleEpoch, "application", func(f *fixture) error { m := say(f); m.Private.Epoch += 7; return open(f, m) }},
		{mls.RuleFormat, "a Welcome", func(f *fixture) error {
			return f.process(&wire.Message{Version: wire.MLS10, Format: wire.WelcomeFormat, Welcome: &wire.Welcome{}}, nil)
		}},
		{mls.RuleFormat, "application data as handshake", func(f *fixture) error { return f.processMember(say(f)) }},
		{mls.RuleFormat, "handshake as application data", func(f *fixture) error {
			m := say(f)
			m.Private.Type = wire.ProposalContent
			return open(f, m)
		}},
		{mls.RuleSender, "a blank leaf", func(f *fixture) error {
			m := proposal(f, func(m *wire.PublicMessage) { m.Content.Sender.Index = 9 })
			if err := mls.Refresh(f.liar.group, m.Public); err != nil {
				return err
			}
			return f.process(m, nil)
		}},
		{mls.RuleSender, "an external sender beyond the list", func(f *fixture) error {
			p := remove(f.listener.leaf())
			return f.process(f.outside(f.hubSender, wire.FramedContent{Type: wire.ProposalContent, Proposal: &p, Sender: wire.Sender{Type: wire.ExternalSenderType, Index: 1}}))
		}},
		{mls.RuleSender, "a commit of an external sender", func(f *fixture) error {
			content := commitContent()
			content.Sender = wire.Sender{Type: wire.ExternalSenderType}
			return f.process(f.outside(f.hubSender, content))
		}},
		{mls.RuleSender, "a new member proposes a removal", func(f *fixture) error {
			p := remove(f.listener.leaf())
			return f.process(f.outside(f.hubSender, wire.FramedContent{Type: wire.ProposalContent, Proposal: &p, Sender: wire.Sender{Type: wire.NewMemberProposalSender}}))
		}},
		{mls.RuleSender, "application data in the clear", func(f *fixture) error {
			return f.process(f.forge(wire.FramedContent{Type: wire.ApplicationContent, Application: []byte("x")}))
		}},
		{mls.RuleSignature, "of somebody else", func(f *fixture) error {
			m := proposal(f, func(m *wire.PublicMessage) { m.Auth.Signature[3] ^= 1 })
			if err := mls.Refresh(f.liar.group, m.Public); err != nil {
				return err
			}
			return f.process(m, nil)
		}},
		{mls.RuleMembership, "another tag", func(f *fixture) error {
			return f.processMember(proposal(f, func(m *wire.PublicMessage) { m.MembershipTag[0] ^= 1 }))
		}},
		{mls.RuleMembership, "no tag", func(f *fixture) error {
			return f.processMember(proposal(f, func(m *wire.PublicMessage) { m.MembershipTag = nil }))
		}},
		{mls.RuleDecrypt, "content", func(f *fixture) error { m := say(f); m.Private.Ciphertext[9] ^= 1; return open(f, m) }},
		{mls.RuleDecrypt, "sender data", func(f *fixture) error { m := say(f); m.Private.EncryptedSenderData[0] ^= 1; return open(f, m) }},
		{mls.RuleDecrypt, "authenticated data", func(f *fixture) error { m := say(f); m.Private.AuthenticatedData = nil; return open(f, m) }},
		{mls.RuleOwnMessage, "application", func(f *fixture) error {
			m, _, err := f.listener.group.Seal(f.listener.leaf(), f.aad(), nil)
			if err != nil {
				return err
			}
			f.listener.reload(f.cfg)
			return open(f, m)
		}},
		{mls.RuleOwnMessage, "a commit whose secrets are gone", func(f *fixture) error {
			result, _, err := f.listener.group.Commit(mls.CommitOptions{Leaf: f.listener.leaf(), AAD: f.aad()}, start)
			if err != nil {
				return err
			}
			f.listener.reload(f.cfg)
			return f.processMember(result.Message)
		}},
		{mls.RuleConfirm, "another tag", func(f *fixture) error { return f.spoilTag() }},
		{mls.RuleSafeAAD, "empty", func(f *fixture) error {
			p := remove(f.listener.leaf())
			return f.process(mls.Forge(f.liar.group, f.liar.leaf(), wire.PublicMessageFormat, wire.FramedContent{Type: wire.ProposalContent, Proposal: &p}, nil))
		}},
		{mls.RuleSafeAAD, "when sealing", func(f *fixture) error {
			_, _, err := f.listener.group.Seal(f.listener.leaf(), []byte("text"), nil)
			return err
		}},
		{mls.RuleSafeAAD, "when committing", func(f *fixture) error {
			_, _, err := f.listener.group.Commit(mls.CommitOptions{Leaf: f.listener.leaf()}, start)
			return err
		}},
	}
}

// spoilTag sends a commit that is right in everything but its confirmation tag.
func (f *fixture) spoilTag() error {
	result, d, err := f.liar.group.Commit(mls.CommitOptions{Leaf: f.liar.leaf(), AAD: f.aad()}, start)
	f.liar.save(d, err)
	m := copyMessage(f.t, result.Message)
	m.Public.Auth.ConfirmationTag[5] ^= 1
	if err := mls.Refresh(f.liar.group, m.Public); err != nil {
		return err
	}
	return f.processMember(m)
}

// leafBreaches break what holds for leaves and KeyPackages.
func leafBreaches() []breach {
	add := func(change func(kp *wire.KeyPackage)) func(*fixture) error {
		return func(f *fixture) error { return f.commitTo(f.newcomer(change)) }
	}
	update := func(change func(leaf *wire.LeafNode)) func(*fixture) error {
		return func(f *fixture) error { return f.lie(f.updated(change)) }
	}
	path := func(change func(f *fixture, leaf *wire.LeafNode)) func(*fixture) error {
		return func(f *fixture) error {
			return f.spoilCommit(func(c *wire.Commit) { change(f, &c.Path.Leaf); f.signPath(&c.Path.Leaf) })
		}
	}
	return []breach{
		{mls.RuleLeafSource, "Add", add(func(kp *wire.KeyPackage) { kp.Leaf.Source = wire.UpdateSource })},
		{mls.RuleLeafSource, "Update", update(func(leaf *wire.LeafNode) { leaf.Source = wire.CommitSource })},
		{mls.RuleLeafSource, "path", path(func(_ *fixture, leaf *wire.LeafNode) { leaf.Source = wire.UpdateSource })},
		{mls.RuleLeafSignature, "Add", func(f *fixture) error {
			p := f.newcomer(nil)
			b, signer := newBundle(f.t, f.suite, "other")
			p.Add.Leaf.Signature, p.Add.Leaf.SignatureKey = b.KeyPackage.Leaf.Signature, b.KeyPackage.Leaf.SignatureKey
			s := f.hub.Suite()
			var err error
			if p.Add.Signature, err = s.SignWithLabel(signer, "KeyPackageTBS", encode(f.t, &wire.KeyPackageTBS{KeyPackage: p.Add})); err != nil {
				return err
			}
			return f.commitTo(p)
		}},
		{mls.RuleLeafSignature, "Update for another leaf", func(f *fixture) error {
			p := f.updated(func(*wire.LeafNode) {})
			signer := f.liar.signers[string(p.Update.SignatureKey)]
			if err := mls.SignLeaf(f.hub.Suite(), signer, p.Update, f.hub.GroupID(), f.listener.leaf()); err != nil {
				return err
			}
			return f.lie(p)
		}},
		{mls.RuleLeafSignature, "path", func(f *fixture) error {
			return f.spoilCommit(func(c *wire.Commit) { c.Path.Leaf.Signature[0] ^= 1 })
		}},
		{mls.RuleLeafLifetime, "over", add(func(kp *wire.KeyPackage) { kp.Leaf.Lifetime.NotAfter = uint64(start.Unix() - 1) })},
		{mls.RuleLeafLifetime, "not begun", add(func(kp *wire.KeyPackage) { kp.Leaf.Lifetime.NotBefore = uint64(start.Unix() + 1) })},
		{mls.RuleLeafLifetime, "KeyPackage alone", func(f *fixture) error {
			b, _ := newBundle(f.t, f.suite, "old")
			return mls.ValidateKeyPackage(f.cfg, &b.KeyPackage, start.Add(48*time.Hour))
		}},
		{mls.RuleLeafCapabilities, "version", add(func(kp *wire.KeyPackage) { kp.Leaf.Capabilities.Versions = nil })},
		{mls.RuleLeafCapabilities, "suite", add(func(kp *wire.KeyPackage) { kp.Leaf.Capabilities.Suites = []wire.CipherSuite{suite.P256AES128} })},
		{mls.RuleLeafCapabilities, "own credential", add(func(kp *wire.KeyPackage) {
			kp.Leaf.Capabilities.Credentials = []wire.CredentialType{wire.X509Credential}
		})},
		{mls.RuleLeafCapabilities, "own extension", add(func(kp *wire.KeyPackage) {
			kp.Leaf.Extensions = append(slices.Clone(kp.Leaf.Extensions), wire.Extension{Type: 0xf00d})
		})},
		{mls.RuleLeafCapabilities, "extension of the group", add(func(kp *wire.KeyPackage) {
			kp.Leaf.Extensions, kp.Leaf.Capabilities.Extensions = nil, nil
		})},
		{mls.RuleLeafCapabilities, "Update", update(func(leaf *wire.LeafNode) { leaf.Capabilities.Versions = nil })},
		{mls.RuleLeafCapabilities, "path", path(func(_ *fixture, leaf *wire.LeafNode) { leaf.Capabilities.Suites = nil })},
		{mls.RuleLeafCredential, "validator", func(f *fixture) error {
			b, _ := newBundle(f.t, f.suite, "bad")
			cfg := &mls.Config{ValidateLeaf: func(mls.LeafCheck) error { return errors.New("no") }}
			return mls.ValidateKeyPackage(cfg, &b.KeyPackage, start)
		}},
		{mls.RuleLeafCredential, "external sender", func(f *fixture) error {
			cfg := &mls.Config{ValidateSender: func(wire.ExternalSender, time.Time) error { return errors.New("no") }}
			return f.follows(cfg, nil)
		}},
		{mls.RuleCredentialType, "one that a member does not support", add(func(kp *wire.KeyPackage) {
			kp.Leaf.Credential = wire.Credential{Type: wire.MultiCredential}
			kp.Leaf.Capabilities.Credentials = []wire.CredentialType{wire.BasicCredential, wire.MultiCredential}
		})},
		{mls.RuleCredentialType, "a member's that the newcomer does not support", add(func(kp *wire.KeyPackage) {
			kp.Leaf.Credential = wire.Credential{Type: wire.X509Credential}
			kp.Leaf.Capabilities.Credentials = []wire.CredentialType{wire.X509Credential}
		})},
		{mls.RuleKeyReuse, "encryption key of a member", func(f *fixture) error {
			return f.commitTo(f.newcomer(func(kp *wire.KeyPackage) { kp.Leaf.EncryptionKey = f.hub.Leaf(0).EncryptionKey }))
		}},
		{mls.RuleKeyReuse, "Add of a member", func(f *fixture) error {
			p := f.newcomer(nil)
			leaf := f.hub.Leaf(f.liar.leaf())
			p.Add.Leaf.SignatureKey = leaf.SignatureKey
			if err := mls.SignKeyPackage(f.hub.Suite(), f.liar.signers[string(leaf.SignatureKey)], p.Add); err != nil {
				return err
			}
			return f.commitTo(p)
		}},
		{mls.RuleKeyReuse, "Update with the same key", func(f *fixture) error {
			return f.lie(f.updated(func(leaf *wire.LeafNode) { leaf.EncryptionKey = f.hub.Leaf(f.liar.leaf()).EncryptionKey }))
		}},
		{mls.RuleKeyReuse, "path leaf with the same key", path(func(f *fixture, leaf *wire.LeafNode) {
			leaf.EncryptionKey = f.hub.Leaf(f.liar.leaf()).EncryptionKey
		})},
		{mls.RuleKeyReuse, "path node with a member's key", func(f *fixture) error {
			return f.spoilCommit(func(c *wire.Commit) { c.Path.Nodes[0].EncryptionKey = f.hub.Leaf(0).EncryptionKey })
		}},
		{mls.RuleKeyPackage, "one key twice", add(func(kp *wire.KeyPackage) { kp.InitKey = kp.Leaf.EncryptionKey })},
		{mls.RuleKeyPackage, "another suite", add(func(kp *wire.KeyPackage) { kp.Suite = suite.X25519ChaCha20 })},
		{mls.RuleKeyPackage, "another version", add(func(kp *wire.KeyPackage) { kp.Version = 2 })},
		{mls.RuleKeyPackage, "signature", func(f *fixture) error {
			p := f.newcomer(nil)
			p.Add.Signature = bytes.Clone(p.Add.Signature)
			p.Add.Signature[0] ^= 1
			return f.commitTo(p)
		}},
		{mls.RuleKeyPackage, "last resort with content", func(f *fixture) error {
			var d wire.AppDataDictionary
			d = d.With(wire.LastResortComponent, []byte{1})
			return f.commitTo(f.newcomer(func(kp *wire.KeyPackage) {
				kp.Extensions = wire.Extensions{{Type: wire.AppDataDictionaryExtension, Data: encode(f.t, &d)}}
			}))
		}},
		{mls.RuleComponents, "Add", func(f *fixture) error {
			none, err := mls.LeafComponents()
			if err != nil {
				return err
			}
			return f.commitTo(f.newcomer(func(kp *wire.KeyPackage) { kp.Leaf.Extensions = wire.Extensions{none} }))
		}},
		{mls.RuleComponents, "Update", update(func(leaf *wire.LeafNode) { leaf.Extensions = nil })},
		{mls.RuleLimit, "extensions of a leaf", func(f *fixture) error {
			b, _ := newBundle(f.t, f.suite, "big", func(p *mls.KeyPackageParams) {
				p.LeafExtensions = append(p.LeafExtensions, wire.Extension{Type: wire.ApplicationIDExtension})
			})
			return mls.ValidateKeyPackage(&mls.Config{Limits: mls.Limits{Extensions: 1}}, &b.KeyPackage, start)
		}},
		{mls.RuleLimit, "capabilities", func(f *fixture) error {
			return f.commitTo(f.newcomer(func(kp *wire.KeyPackage) { kp.Leaf.Capabilities.Suites = make([]wire.CipherSuite, 129) }))
		}},
		{mls.RuleLimit, "extensions of a KeyPackage", func(f *fixture) error {
			b, _ := newBundle(f.t, f.suite, "big", func(p *mls.KeyPackageParams) {
				p.Extensions = wire.Extensions{{Type: 0xf001}, {Type: 0xf002}}
			})
			return mls.ValidateKeyPackage(&mls.Config{Limits: mls.Limits{Extensions: 1}}, &b.KeyPackage, start)
		}},
	}
}

// A validator's own rule reaches the caller as it is.
func TestValidatorNamesTheRule(t *testing.T) {
	cfg := &mls.Config{ValidateLeaf: func(c mls.LeafCheck) error {
		if c.Use == mls.UseExternalCommit && c.Previous != nil && !bytes.Equal(c.Previous.Credential.Identity, c.Leaf.Credential.Identity) {
			return &mls.Error{Rule: mls.RuleResync}
		}
		return nil
	}}
	r := newRoom(t, cfg, suite.X25519AES128, nil)
	r.add(r.members[0], 2, mls.CommitOptions{})
	info, err := r.members[0].group.GroupInfo(0)
	if err != nil {
		t.Fatal(err)
	}
	tree := r.hub.Tree()
	b, signer := newBundle(t, r.suite, "somebody else")
	at := r.members[1].leaf()
	p := mls.ExternalJoinParams{GroupInfo: info, Tree: &tree, Bundle: b, Signer: signer, Remove: &at}
	_, _, err = mls.ExternalJoin(cfg, p, start)
	wantRule(t, err, mls.RuleResync)
	_, result, err := mls.ExternalJoin(&mls.Config{}, p, start)
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.hub.Process(result.Message, start)
	wantRule(t, err, mls.RuleResync)
	p.Bundle, p.Signer = newBundle(t, r.suite, r.members[1].name)
	if _, _, err = mls.ExternalJoin(cfg, p, start); err != nil {
		t.Fatal(err)
	}
}
