package roletest

import (
	"crypto"
	"encoding/hex"
	"time"

	"parley/follower"
	"parley/inbox"
	"parley/mimi"
	"parley/mls"
	"parley/mls/wire"
	"parley/policy"
	"parley/room"
	"parley/syntax"
	"parley/uri"
)

// Device is a member as thin as can be: it makes any request that the engine lets it make, whatever the room's rules say, and takes in
// what comes through its inbox. Everything that it was told stands in Got.
type Device struct {
	follower.Client
	Home       *Provider
	Key        crypto.Signer
	Public     []byte
	Credential wire.Credential
	Groups     map[uri.Room]*mls.Group
	// Got is what came through the inbox, oldest first; Texts are the application messages among them that could be opened.
	Got   []Arrival
	Texts []string
	// Lax says that what the engine refuses is noted in Refused and does not fail the test.
	Lax     bool
	Refused []error
	// MLS is what the device's engine judges by; nil is what everybody does.
	MLS *mls.Config

	bundles map[string]*mls.KeyPackageBundle // by hexadecimal reference
	cursor  inbox.Cursor
}

// Arrival is one entry of an inbox.
type Arrival struct {
	Room uri.Room
	mimi.FanoutMessage
}

// Device enrols a device of a user and publishes two KeyPackages for it.
func (w *World) Device(domain, user, name string) *Device {
	w.T.Helper()
	d := w.enrol(domain, user, name)
	d.Publish(2)
	w.devices = append(w.devices, d)
	return d
}

func (w *World) enrol(domain, user, name string) *Device {
	w.T.Helper()
	d := &Device{Home: w.Provider(domain), Groups: make(map[uri.Room]*mls.Group), bundles: make(map[string]*mls.KeyPackageBundle)}
	var err error
	d.User, err = uri.NewUser(d.Home.URI, user)
	must(w, d.User, err)
	d.Client.Client, err = uri.NewClient(d.Home.URI, user, name)
	must(w, d.Client, err)
	d.Key, d.Public = w.newKey()
	d.Credential, err = d.Home.CA.IssueClient(d.User, d.Client.Client, d.Key.Public(), Start, life, false)
	must(w, d.Credential, err)
	must(w, 0, d.Home.Store.AddClient(d.User, d.Client.Client))
	return d
}

func (d *Device) world() *World { return d.Home.world }

func (d *Device) mls() *mls.Config {
	if d.MLS != nil {
		return d.MLS
	}
	return d.world().MLS()
}

// Package makes a KeyPackage that is not published. change may be nil.
func (d *Device) Package(change func(*mls.KeyPackageParams)) *mls.KeyPackageBundle {
	w := d.world()
	w.T.Helper()
	extensions, err := room.LeafExtensions()
	must(w, extensions, err)
	now := w.Now()
	p := mls.KeyPackageParams{
		Suite: Suite, Signer: d.Key, Credential: d.Credential, LeafExtensions: extensions,
		Lifetime: wire.Lifetime{NotBefore: uint64(now.Add(-time.Hour).Unix()), NotAfter: uint64(now.Add(30 * 24 * time.Hour).Unix())},
	}
	if change != nil {
		change(&p)
	}
	bundle, err := mls.NewKeyPackage(p)
	return must(w, bundle, err)
}

// Publish makes KeyPackages and hands them to the provider.
func (d *Device) Publish(n int) {
	w := d.world()
	w.T.Helper()
	list := make([]wire.KeyPackage, n)
	for i := range list {
		bundle := d.Package(nil)
		d.Keep(bundle)
		list[i] = bundle.KeyPackage
	}
	available, err := d.Home.Packages.Publish(w.T.Context(), d.User, d.Client.Client, list)
	must(w, available, err)
}

// Keep makes the device able to join with a KeyPackage, and returns its reference.
func (d *Device) Keep(bundle *mls.KeyPackageBundle) []byte {
	w := d.world()
	w.T.Helper()
	ref, err := bundle.Ref()
	must(w, ref, err)
	d.bundles[hex.EncodeToString(ref)] = bundle
	return ref
}

// RoomURI names a room of the device's provider.
func (d *Device) RoomURI(name string) uri.Room {
	at, err := uri.NewRoom(d.Home.URI, name)
	return must(d.world(), at, err)
}

// NewGroup makes the group of a room, without telling anybody. extensions replace those of the template when they are not nil.
func (d *Device) NewGroup(at uri.Room, extensions wire.Extensions) (*mls.Group, *wire.GroupInfo, wire.RatchetTree) {
	w := d.world()
	w.T.Helper()
	if extensions == nil {
		var err error
		extensions, err = room.Template(at, at.Name(), d.User, d.Home.Sender)
		must(w, extensions, err)
	}
	id := w.random(16)
	group, err := mls.Create(d.mls(), mls.CreateParams{GroupID: id, Bundle: d.Package(nil), Signer: d.Key, Extensions: extensions}, w.Now())
	must(w, group, err)
	info, err := group.GroupInfo(group.OwnLeaves()[0])
	return group, must(w, info, err), group.Public().Tree()
}

// Create makes a room at the device's provider.
func (d *Device) Create(name string) uri.Room {
	d.world().T.Helper()
	return d.CreateWith(name, nil)
}

// CreateWith makes a room of another kind than the template's, which the hub has to offer; nil is the template.
func (d *Device) CreateWith(name string, offer Offer) uri.Room {
	w := d.world()
	w.T.Helper()
	at := d.RoomURI(name)
	if offer == nil {
		offer = room.Template
	}
	extensions, err := offer(at, name, d.User, d.Home.Sender)
	must(w, extensions, err)
	group, info, tree := d.NewGroup(at, extensions)
	accepted, err := d.Home.Hub.CreateRoom(w.T.Context(), d.User, at, info, &tree)
	must(w, accepted, err)
	must(w, 0, d.Home.Follower.Joined(w.T.Context(), at, d.Client.Client))
	d.Groups[at] = group
	return at
}

// Leaf is the device's leaf in a room.
func (d *Device) Leaf(at uri.Room) mls.LeafIndex {
	d.world().T.Helper()
	g := d.Groups[at]
	if g == nil || len(g.OwnLeaves()) == 0 {
		d.world().T.Fatalf("%s is not in the room", d.Client.Client)
	}
	return g.OwnLeaves()[0]
}

// State is the room's state as the device sees it.
func (d *Device) State(at uri.Room) *room.State {
	d.world().T.Helper()
	s, err := room.Read(d.Groups[at].Public())
	return must(d.world(), s, err)
}

// Index is a user's place in the participant list.
func (d *Device) Index(at uri.Room, user uri.User) uint32 {
	d.world().T.Helper()
	list := d.State(at).Participants
	i, found := list.Find(user.String())
	if !found {
		d.world().T.Fatalf("%s is not a participant", user)
	}
	return i
}

// Leaves are a user's leaves, ascending.
func (d *Device) Leaves(at uri.Room, user uri.User) []mls.LeafIndex {
	return room.LeavesOf(d.Groups[at].Public(), map[uri.User]bool{user: true})[user]
}

// ClaimRequest asks for a user's KeyPackages; note makes it differ from another one.
func (d *Device) ClaimRequest(at string, target uri.User, note wire.CipherSuite) *mimi.KeyMaterialRequest {
	w := d.world()
	w.T.Helper()
	r := &mimi.KeyMaterialRequest{
		Protocol: mimi.MLS10, RequestingUser: d.User.String(), TargetUser: target.String(), Room: at,
		Suites: []wire.CipherSuite{Suite, note}, Credential: d.Credential,
	}
	must(w, r, r.Sign(d.Key))
	return r
}

// Claim gets the KeyPackages of a user for a room.
func (d *Device) Claim(at uri.Room, target uri.User) []wire.KeyPackage {
	w := d.world()
	w.T.Helper()
	w.notes++
	answer, err := d.Home.Follower.KeyMaterial(w.T.Context(), d.Client, target, d.ClaimRequest(at.String(), target, 0x4000+w.notes))
	must(w, answer, err)
	var out []wire.KeyPackage
	for _, c := range answer.Clients {
		if c.KeyPackage != nil {
			out = append(out, *c.KeyPackage)
		}
	}
	return out
}

// Proposals of a commit or a bundle.

// AddOf adds a client.
func AddOf(kp *wire.KeyPackage) wire.Proposal { return wire.Proposal{Type: wire.AddProposal, Add: kp} }

// RemoveOf removes a leaf.
func RemoveOf(leaf mls.LeafIndex) wire.Proposal {
	return wire.Proposal{Type: wire.RemoveProposal, Remove: uint32(leaf)}
}

// SelfRemove takes the sender out.
func SelfRemove() wire.Proposal { return wire.Proposal{Type: wire.SelfRemoveProposal} }

// List changes the participant list.
func (w *World) List(u mimi.ParticipantListUpdate) wire.Proposal {
	p, err := room.ListUpdate(u)
	return must(w, p, err)
}

// Component replaces the value of a component.
func (w *World) Component(id wire.ComponentID, v syntax.Value) wire.Proposal {
	octets, err := syntax.Marshal(v)
	must(w, octets, err)
	return wire.Proposal{Type: wire.AppDataUpdateProposal,
		AppDataUpdate: &wire.AppDataUpdate{Component: id, Operation: wire.UpdateAppData, Update: octets}}
}

// Listed adds a user to the participant list.
func (w *World) Listed(user uri.User, role uint32) wire.Proposal {
	return w.List(mimi.ParticipantListUpdate{Added: []mimi.Participant{{User: user.String(), Role: role}}})
}

// Add makes the commit that adds users as members with all their devices.
func (d *Device) Add(at uri.Room, users ...uri.User) *mimi.UpdateRequest {
	w := d.world()
	w.T.Helper()
	var list mimi.ParticipantListUpdate
	var proposals []wire.Proposal
	for _, user := range users {
		list.Added = append(list.Added, mimi.Participant{User: user.String(), Role: policy.RoleMember})
		for _, kp := range d.Claim(at, user) {
			proposals = append(proposals, AddOf(&kp))
		}
	}
	return d.Commit(at, append(proposals, w.List(list))...)
}

// Remove makes the commit that removes a user with all devices.
func (d *Device) Remove(at uri.Room, user uri.User) *mimi.UpdateRequest {
	w := d.world()
	w.T.Helper()
	proposals := []wire.Proposal{w.List(mimi.ParticipantListUpdate{Removed: []uint32{d.Index(at, user)}})}
	for _, leaf := range d.Leaves(at, user) {
		proposals = append(proposals, RemoveOf(leaf))
	}
	return d.Commit(at, proposals...)
}

// Leave makes the bundle by which the user leaves.
func (d *Device) Leave(at uri.Room) *mimi.UpdateRequest {
	w := d.world()
	w.T.Helper()
	proposals := []wire.Proposal{SelfRemove()}
	for _, leaf := range d.Leaves(at, d.User) {
		if leaf != d.Leaf(at) {
			proposals = append(proposals, RemoveOf(leaf))
		}
	}
	list := w.List(mimi.ParticipantListUpdate{Removed: []uint32{d.Index(at, d.User)}})
	return d.Bundle(at, append(proposals, list)...)
}

// AAD is the authenticated data of the room's handshakes.
func (d *Device) AAD(at uri.Room) []byte {
	d.world().T.Helper()
	aad, err := room.EmptyAAD(d.Groups[at].Public().Context())
	return must(d.world(), aad, err)
}

// Commit makes a commit of what waits and of the proposals, with a partial GroupInfo and without a tree.
func (d *Device) Commit(at uri.Room, proposals ...wire.Proposal) *mimi.UpdateRequest {
	d.world().T.Helper()
	return Request(d.CommitResult(at, proposals...))
}

// CommitResult is Commit before it is made a request.
func (d *Device) CommitResult(at uri.Room, proposals ...wire.Proposal) *mls.CommitResult {
	w := d.world()
	w.T.Helper()
	result, _, err := d.Groups[at].Commit(mls.CommitOptions{Leaf: d.Leaf(at), ByValue: proposals, AAD: d.AAD(at)}, w.Now())
	return must(w, result, err)
}

// Request is the smallest bundle of a commit.
func Request(result *mls.CommitResult) *mimi.UpdateRequest {
	return &mimi.UpdateRequest{
		Message: *result.Message, Welcome: result.Welcome,
		GroupInfo: mimi.GroupInfoOption{Form: mimi.PartialGroupInfo, Partial: mls.PartialGroupInfo(result.GroupInfo)},
		Tree:      wire.RatchetTreeOption{Representation: wire.TreeFromDeliveryService},
	}
}

// Bundle makes a bundle of proposals.
func (d *Device) Bundle(at uri.Room, proposals ...wire.Proposal) *mimi.UpdateRequest {
	w := d.world()
	w.T.Helper()
	messages := make([]wire.Message, len(proposals))
	for i, p := range proposals {
		m, _, err := d.Groups[at].Propose(d.Leaf(at), p, d.AAD(at), w.Now())
		messages[i] = *must(w, m, err)
	}
	return &mimi.UpdateRequest{Message: messages[0], MoreProposals: messages[1:]}
}

// Update sends an update through the device's provider. The error of a whole request fails the test.
func (d *Device) Update(at uri.Room, r *mimi.UpdateRequest) *mimi.UpdateRoomResponse {
	w := d.world()
	w.T.Helper()
	answer, err := d.Home.Follower.Update(w.T.Context(), d.Client, at, r)
	return must(w, answer, err)
}

// Do sends an update that has to be accepted, and lets the whole world take it in.
func (d *Device) Do(at uri.Room, r *mimi.UpdateRequest) *mimi.UpdateRoomResponse {
	w := d.world()
	w.T.Helper()
	answer := d.Update(at, r)
	if answer.Code != mimi.UpdateSuccess {
		w.T.Fatalf("refused: %d %s", answer.Code, answer.Description)
	}
	w.Sync()
	return answer
}

// Message seals a text, framed as the room wants it.
func (d *Device) Message(at uri.Room, text string) *mimi.SubmitMessageRequest {
	w := d.world()
	w.T.Helper()
	data, err := syntax.Marshal(&wire.ApplicationFraming{Content: []byte(text)})
	must(w, data, err)
	m, _, err := d.Groups[at].Seal(d.Leaf(at), d.AAD(at), data)
	must(w, m, err)
	return &mimi.SubmitMessageRequest{Protocol: mimi.MLS10, Message: *m, SendingURI: d.User.String()}
}

// Submit sends a message through the device's provider. The error of a whole request fails the test.
func (d *Device) Submit(at uri.Room, r *mimi.SubmitMessageRequest) *mimi.SubmitMessageResponse {
	w := d.world()
	w.T.Helper()
	answers, err := d.Home.Follower.SubmitMessages(w.T.Context(), d.Client, at, []*mimi.SubmitMessageRequest{r})
	return must(w, answers, err)[0]
}

// Send sends a text that has to be accepted.
func (d *Device) Send(at uri.Room, text string) *mimi.SubmitMessageResponse {
	w := d.world()
	w.T.Helper()
	answer := d.Submit(at, d.Message(at, text))
	if answer.Code != mimi.SubmitAccepted {
		w.T.Fatalf("message refused: %d", answer.Code)
	}
	return answer
}
