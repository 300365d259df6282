package mls_test

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"math"
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

// fixture is a group of four in which rules are broken: member 0 listens, member 1 misbehaves.
type fixture struct {
	*room
	listener, liar *member
	hubSender      crypto.Signer // of the group's external sender
}

// unreachable are rules that nothing outside can break.
func unreachable() map[string]string {
	return map[string]string{
		"RuleRandom": "the standard library's randomness does not fail",
		"RuleResync": "given by the caller's ValidateLeaf; see TestValidatorNamesTheRule",
	}
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	s, err := suite.Lookup(suite.X25519AES128)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{}
	if f.hubSender, err = s.GenerateSignatureKey(); err != nil {
		t.Fatal(err)
	}
	public, err := s.SignaturePublicKey(f.hubSender.Public())
	if err != nil {
		t.Fatal(err)
	}
	senders := wire.ExternalSenders{Senders: []wire.ExternalSender{{SignatureKey: public, Credential: wire.Credential{Type: wire.BasicCredential}}}}
	extensions := append(componentsContext(t, testComponent), wire.Extension{Type: wire.ExternalSendersExtension, Data: encode(t, &senders)})
	f.room = newRoom(t, &mls.Config{}, suite.X25519AES128, extensions)
	f.light = true
	f.add(f.members[0], 3, mls.CommitOptions{AAD: f.aad()})
	f.listener, f.liar = f.members[0], f.members[1]
	return f
}

// process gives a message to the hub and to a member, who must find the same fault.
func (f *fixture) process(m *wire.Message, err error) error {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
	err = f.processMember(m)
	_, hub := f.hub.Process(copyMessage(f.t, m), start)
	if fmt.Sprint(err) != fmt.Sprint(hub) {
		f.t.Fatalf("the member says %v, the hub %v", err, hub)
	}
	return err
}

func (f *fixture) processMember(m *wire.Message) error {
	staged, err := f.listener.group.Process(copyMessage(f.t, m), start)
	if err == nil {
		staged.Discard()
	}
	return err
}

// lie has the liar propose something.
func (f *fixture) lie(p wire.Proposal) error {
	f.t.Helper()
	return f.process(f.forge(wire.FramedContent{Type: wire.ProposalContent, Proposal: &p}))
}

func (f *fixture) forge(content wire.FramedContent) (*wire.Message, error) {
	content.AuthenticatedData = f.aad()
	return mls.Forge(f.liar.group, f.liar.leaf(), wire.PublicMessageFormat, content, []byte("tag"))
}

// commitTo has the liar commit proposals by value, without a path.
func (f *fixture) commitTo(list ...wire.Proposal) error {
	f.t.Helper()
	return f.process(f.forge(commitContent(list...)))
}

func commitContent(list ...wire.Proposal) wire.FramedContent {
	commit := &wire.Commit{}
	for i := range list {
		commit.Proposals = append(commit.Proposals, wire.ProposalOrRef{Proposal: &list[i]})
	}
	return wire.FramedContent{Type: wire.CommitContent, Commit: commit}
}

// commitRefs has the liar commit proposals that wait.
func (f *fixture) commitRefs(refs ...[]byte) error {
	f.t.Helper()
	content := commitContent()
	for _, ref := range refs {
		content.Commit.Proposals = append(content.Commit.Proposals, wire.ProposalOrRef{Reference: ref})
	}
	return f.process(f.forge(content))
}

// lastRef is the reference of the proposal that came last.
func (f *fixture) lastRef() []byte {
	pending := f.hub.Pending()
	return pending[len(pending)-1].Ref
}

// spoilCommit takes a right commit of the liar, changes it, and signs it again.
func (f *fixture) spoilCommit(change func(c *wire.Commit)) error {
	f.t.Helper()
	result, d, err := f.liar.group.Commit(mls.CommitOptions{Leaf: f.liar.leaf(), AAD: f.aad()}, start)
	f.liar.save(d, err)
	m := copyMessage(f.t, result.Message)
	change(m.Public.Content.Commit)
	m, err = mls.Forge(f.liar.group, f.liar.leaf(), wire.PublicMessageFormat, m.Public.Content, m.Public.Auth.ConfirmationTag)
	if err != nil {
		f.t.Fatal(err)
	}
	return f.processMember(m)
}

// signPath signs the leaf of a path again.
func (f *fixture) signPath(leaf *wire.LeafNode) {
	f.t.Helper()
	if err := mls.SignLeaf(f.hub.Suite(), f.liar.signers[string(leaf.SignatureKey)], leaf, f.hub.GroupID(), f.liar.leaf()); err != nil {
		f.t.Fatal(err)
	}
}

// newcomer makes the Add of a client whose KeyPackage is changed before it is signed.
func (f *fixture) newcomer(change func(kp *wire.KeyPackage)) wire.Proposal {
	f.t.Helper()
	b, signer := newBundle(f.t, f.suite, "new")
	kp := b.KeyPackage
	if change != nil {
		change(&kp)
		if err := mls.SignKeyPackage(f.hub.Suite(), signer, &kp); err != nil {
			f.t.Fatal(err)
		}
	}
	return wire.Proposal{Type: wire.AddProposal, Add: &kp}
}

// updated makes an Update of the liar whose leaf is changed before it is signed.
func (f *fixture) updated(change func(leaf *wire.LeafNode)) wire.Proposal {
	f.t.Helper()
	leaf := *f.hub.Leaf(f.liar.leaf())
	signer := f.liar.signers[string(leaf.SignatureKey)]
	_, public, err := f.hub.Suite().GenerateKeyPair()
	if err != nil {
		f.t.Fatal(err)
	}
	leaf.EncryptionKey, leaf.Source, leaf.ParentHash, leaf.Lifetime = public, wire.UpdateSource, nil, wire.Lifetime{}
	change(&leaf)
	if err := mls.SignLeaf(f.hub.Suite(), signer, &leaf, f.hub.GroupID(), f.liar.leaf()); err != nil {
		f.t.Fatal(err)
	}
	return wire.Proposal{Type: wire.UpdateProposal, Update: &leaf}
}

// outside signs content of somebody who is not a member.
func (f *fixture) outside(signer crypto.Signer, content wire.FramedContent) (*wire.Message, error) {
	content.AuthenticatedData = f.aad()
	return mls.ForgeOutside(f.hub, signer, content, []byte("tag"))
}

// external has the hub propose.
func (f *fixture) external(p wire.Proposal) error {
	f.t.Helper()
	return f.process(f.outside(f.hubSender, wire.FramedContent{
		Type: wire.ProposalContent, Proposal: &p, Sender: wire.Sender{Type: wire.ExternalSenderType},
	}))
}

// externalCommit makes an external commit whose list is changed, signed again by the joiner.
func (f *fixture) externalCommit(change func(c *wire.Commit)) error {
	f.t.Helper()
	x := f.newMember()
	b, signer := x.bundle(f.suite)
	info, err := f.listener.group.GroupInfo(f.listener.leaf())
	if err != nil {
		f.t.Fatal(err)
	}
	tree := f.hub.Tree()
	_, result, err := mls.ExternalJoin(f.cfg, mls.ExternalJoinParams{GroupInfo: info, Tree: &tree, Bundle: b, Signer: signer, AAD: f.aad()}, start)
	if err != nil {
		f.t.Fatal(err)
	}
	content := copyMessage(f.t, result.Message).Public.Content
	change(content.Commit)
	return f.process(mls.ForgeOutside(f.hub, signer, content, []byte("tag")))
}

func remove(leaf mls.LeafIndex) wire.Proposal {
	return wire.Proposal{Type: wire.RemoveProposal, Remove: uint32(leaf)}
}

func component(id wire.ComponentID, data ...byte) wire.Proposal {
	return wire.Proposal{Type: wire.AppDataUpdateProposal, AppDataUpdate: &wire.AppDataUpdate{Component: id, Operation: wire.UpdateAppData, Update: data}}
}

func componentGone(id wire.ComponentID) wire.Proposal {
	return wire.Proposal{Type: wire.AppDataUpdateProposal, AppDataUpdate: &wire.AppDataUpdate{Component: id, Operation: wire.RemoveAppData}}
}

func ephemeral(id wire.ComponentID, data ...byte) wire.Proposal {
	return wire.Proposal{Type: wire.AppEphemeralProposal, AppEphemeral: &wire.AppEphemeral{Component: id, Data: data}}
}

func extensions(list ...wire.Extension) wire.Proposal {
	return wire.Proposal{Type: wire.GroupContextExtensionsProposal, Extensions: list}
}

func reinit(version wire.ProtocolVersion) wire.Proposal {
	return wire.Proposal{Type: wire.ReInitProposal, ReInit: &wire.ReInit{GroupID: []byte("next"), Version: version, Suite: suite.X25519AES128}}
}

// own are the extensions that the group has.
func (f *fixture) own() []wire.Extension { return slices.Clone(f.hub.Context().Extensions) }

// TestRules breaks each rule, in one way at least, and checks that the answer names it and that nothing changed.
func TestRules(t *testing.T) {
	covered := map[string]int{}
	f := newFixture(t)
	for _, b := range slices.Concat(messageBreaches(), leafBreaches(), proposalBreaches(), componentBreaches(), stateBreaches()) {
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
