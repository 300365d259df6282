package mls_test

import (
	"crypto"
	"fmt"
	"slices"
	"testing"

	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
)

// fixture is a group of four in which rules are broken: member 0 listens, member 1 misbehaves.
type fixture struct {
	*room
	listener, liar *member
	hubSender      crypto.Signer // of the group's external sender
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
