package hub_test

import (
	"bytes"
	"testing"

	"parley/mimi"
	"parley/mls"
	"parley/mls/wire"
	"parley/policy"
	"parley/storetest/roletest"
	"parley/syntax"
	"parley/uri"
)

// asks hands a request for the GroupInfo to the hub as a caller and fails the test unless the status is the wanted one.
func (c *cast) asks(caller uri.Provider, r *mimi.GroupInfoRequest, want mimi.GroupInfoCode) *mimi.GroupInfoResponse {
	c.T.Helper()
	answer, err := c.hub.Hub.GroupInfo(c.T.Context(), caller, c.room, r)
	if err != nil {
		c.T.Fatal(err)
	}
	if answer.Status != want {
		c.T.Errorf("status %d, want %d", answer.Status, want)
	}
	return answer
}

func TestGroupInfo(t *testing.T) {
	c := newCast(t)
	c.gather(c.bob)
	b := c.bob.Home.URI
	tablet := c.Device("b.example", "bob", "tablet")
	c.Run("P-GI-01 a new device enters with nothing but the answer", func(t *testing.T) {
		c.unchanged(func() { tablet.Info(c.room) })
		tablet.Do(c.room, tablet.Join(c.room, nil))
		c.agree(c.alice, c.bob, c.laptop, tablet)
		r, _ := tablet.InfoRequest()
		_, other := tablet.InfoRequest()
		if _, err := c.asks(b, r, mimi.GroupInfoSuccess).Open(c.room.String(), other); err == nil {
			t.Error("opens with another key")
		}
	})
	c.Run("P-GI-02 the request's signature has to verify under its key and suite", func(t *testing.T) {
		for name, change := range map[string]func(*mimi.GroupInfoRequest){
			"signature": func(r *mimi.GroupInfoRequest) { r.Signature = flipped(r.Signature) },
			"HPKE key":  func(r *mimi.GroupInfoRequest) { r.PublicKey = flipped(r.PublicKey) },
			"key":       func(r *mimi.GroupInfoRequest) { r.SignatureKey = c.alice.Public },
			"code":      func(r *mimi.GroupInfoRequest) { r.JoiningCode = []byte("x") },
			"suite":     func(r *mimi.GroupInfoRequest) { r.Suite = 2 },
		} {
			r, _ := tablet.InfoRequest()
			change(r)
			_, err := c.hub.Hub.GroupInfo(t.Context(), b, c.room, r)
			c.failsWith(err, mimi.BadRequest)
			t.Log(name)
		}
		r, _ := tablet.InfoRequest() // signed by somebody with a key that is not the credential's
		if err := r.Sign(c.bea.Key); err != nil {
			t.Fatal(err)
		}
		c.asks(b, r, mimi.GroupInfoNotAuthorized)
	})
	c.Run("P-GI-03 the credential is of a participant", func(t *testing.T) {
		r, _ := c.bea.InfoRequest()
		c.asks(b, r, mimi.GroupInfoNotAuthorized)
		c.alice.Do(c.room, c.alice.Commit(c.room, c.Listed(c.bea.User, policy.RoleMember)))
		c.asks(b, r, mimi.GroupInfoSuccess) // inactive, and may enter (P-RS-10)
		c.bea.Do(c.room, c.bea.Join(c.room, nil))
		c.agree(c.alice, c.bea)
		foreign, _ := tablet.InfoRequest() // a credential that nobody vouches for
		w := roletest.New(t, "b.example")
		foreign.Credential = w.Device("b.example", "bob", "tablet").Credential
		if err := foreign.Sign(tablet.Key); err != nil {
			t.Fatal(err)
		}
		c.asks(b, foreign, mimi.GroupInfoNotAuthorized)
		foreign.Credential = wire.Credential{Type: wire.BasicCredential, Identity: []byte(c.bob.User.String())}
		if err := foreign.Sign(tablet.Key); err != nil {
			t.Fatal(err)
		}
		c.asks(b, foreign, mimi.GroupInfoNotAuthorized)
	})
	c.Run("P-GI-04 a provider asks for its own users only", func(t *testing.T) {
		r, _ := tablet.InfoRequest()
		c.asks(c.cathy.Home.URI, r, mimi.GroupInfoNotAuthorized)
		c.asks(c.hub.URI, r, mimi.GroupInfoNotAuthorized)
		c.asks(b, r, mimi.GroupInfoSuccess)
	})
	c.Run("P-GI-07 a suite that is not the room's is refused", func(t *testing.T) {
		r, _ := tablet.InfoRequest()
		r.Suite = 3 // of the same signature scheme
		if err := r.Sign(tablet.Key); err != nil {
			t.Fatal(err)
		}
		c.asks(b, r, mimi.GroupInfoNotAuthorized)
		r.Suite = 0x7777
		_, err := c.hub.Hub.GroupInfo(t.Context(), b, c.room, r)
		c.failsWith(err, mimi.BadRequest)
	})
	c.Run("P-GI-08 R-BAS-14 a stranger cannot tell a room from none", func(t *testing.T) {
		r, _ := c.cathy.InfoRequest()
		there := c.asks(c.cathy.Home.URI, r, mimi.GroupInfoNotAuthorized)
		nowhere := c.alice.RoomURI("nowhere")
		answer, err := c.hub.Hub.GroupInfo(t.Context(), c.cathy.Home.URI, nowhere, r)
		if err != nil {
			t.Fatal(err)
		}
		there.Room, answer.Room = "", ""
		if !bytes.Equal(octets(t, there), octets(t, answer)) {
			t.Errorf("%+v and %+v", there, answer)
		}
	})
	c.Run("P-GI-10 the answer is signed by hub_sender", func(t *testing.T) {
		r, private := tablet.InfoRequest()
		answer := c.asks(b, r, mimi.GroupInfoSuccess)
		if err := answer.Verify(); err != nil {
			t.Error(err)
		}
		if !bytes.Equal(octets(t, &answer.HubSender), octets(t, &c.hub.Sender)) {
			t.Error("another sender")
		}
		answer.Encrypted.Ciphertext = flipped(answer.Encrypted.Ciphertext)
		if _, err := answer.Open(c.room.String(), private); err == nil {
			t.Error("a changed answer opens")
		}
	})
	c.Run("P-GI-12 the tree is beside the GroupInfo, not in it", func(t *testing.T) {
		state := tablet.Info(c.room)
		if _, in := state.GroupInfo.Extensions.Find(wire.RatchetTreeExtension); in {
			t.Error("in it")
		}
		if state.Tree.Representation != wire.FullTree {
			t.Errorf("given as %d", state.Tree.Representation)
		}
	})
	c.Run("P-GI-13 of the present epoch, with external_pub", func(t *testing.T) {
		for range 3 {
			c.alice.Do(c.room, c.alice.Commit(c.room))
			info := tablet.Info(c.room).GroupInfo
			if _, there := info.Extensions.Find(wire.ExternalPubExtension); !there || info.Context.Epoch != c.epoch() {
				t.Errorf("epoch %d, want %d; external_pub %v", info.Context.Epoch, c.epoch(), there)
			}
		}
	})
	c.Run("P-GI-16 what passes through the follower is sealed", func(t *testing.T) {
		r, private := tablet.InfoRequest()
		answer := c.asks(b, r, mimi.GroupInfoSuccess)
		inside, err := answer.Open(c.room.String(), private)
		if err != nil {
			t.Fatal(err)
		}
		seen := octets(t, answer)
		for name, secret := range map[string][]byte{
			"the tree": inside.GroupInfo.Context.TreeHash, "the room's name": []byte("clubhouse\x00"),
			"external_pub": inside.GroupInfo.Extensions[0].Data, "a leaf": c.alice.Public,
		} {
			if bytes.Contains(seen, secret) {
				t.Errorf("%s can be read", name)
			}
		}
	})
	c.Run("P-GI-17 the rate of a user and room is bounded", func(t *testing.T) {
		type key struct {
			user uri.User
			room uri.Room
		}
		used := make(map[key]int)
		c.hub.HubConfig.Limit = func(kind string, caller uri.Provider, user uri.User, room uri.Room) bool {
			if kind != "groupInfo" || caller != user.Provider() {
				t.Errorf("asked for %s by %v", kind, caller)
			}
			used[key{user, room}]++
			return used[key{user, room}] <= 2
		}
		c.hub.Restart()
		defer func() { c.hub.HubConfig.Limit = nil; c.hub.Restart() }()
		r, _ := tablet.InfoRequest()
		for range 2 {
			c.asks(b, r, mimi.GroupInfoSuccess)
		}
		_, err := c.hub.Hub.GroupInfo(t.Context(), b, c.room, r)
		c.failsWith(err, mimi.TooMany)
		own, _ := c.alice.InfoRequest()
		c.asks(c.hub.URI, own, mimi.GroupInfoSuccess)
	})
}

func TestNewDevices(t *testing.T) {
	c := newCast(t)
	c.gather(c.bob, c.cathy)
	tablet := c.Device("b.example", "bob", "tablet")
	const noParticipant = "the committer is not a participant who may act"
	c.Run("P-GI-05 what one identity was given does not let another one in", func(t *testing.T) {
		state := tablet.Info(c.room)
		c.denies(c.bea, c.bea.JoinWith(c.room, state, nil), noParticipant)
	})
	c.Run("P-ND-02 only who may add own clients enters, through the own provider", func(t *testing.T) {
		state := tablet.Info(c.room)
		c.denies(c.adam, c.adam.JoinWith(c.room, state, nil), noParticipant)
		join := tablet.JoinWith(c.room, state, nil)
		answer, err := c.hub.Hub.Update(t.Context(), c.cathy.Home.URI, c.room, join)
		if err != nil || answer.Code != mimi.UpdateNotAllowed {
			t.Errorf("handed in by another provider: %+v, %v", answer, err)
		}
	})
	c.Run("P-ND-06 everybody learns of it, the joiner's provider too", func(t *testing.T) {
		join := tablet.Join(c.room, nil)
		tablet.Do(c.room, join)
		for _, d := range []*roletest.Device{c.alice, c.bob, c.laptop, c.cathy, tablet} {
			if len(d.Got) == 0 || !bytes.Equal(octets(t, &d.Got[len(d.Got)-1].Message), octets(t, &join.Message)) {
				t.Errorf("%s did not get it", d.Client.Client)
			}
		}
		c.agree(c.alice, c.bob, c.laptop, c.cathy, tablet)
	})
	c.Run("P-ND-05 the next one can enter after it", func(t *testing.T) {
		console := c.Device("c.example", "cathy", "console")
		console.Do(c.room, console.Join(c.room, nil))
		watch := c.Device("b.example", "bob", "watch")
		watch.Do(c.room, watch.Join(c.room, nil))
		c.agree(c.alice, c.bob, c.cathy, tablet, console, watch)
		if got := watch.Info(c.room).GroupInfo.Signer; got != uint32(watch.Leaf(c.room)) {
			t.Errorf("the GroupInfo is signed by leaf %d", got)
		}
	})
	c.Run("P-ND-07 one ExternalInit, a new member's, in the clear, and nobody else's leaf", func(t *testing.T) {
		glass := c.Device("b.example", "bob", "glass")
		join := glass.Join(c.room, nil)
		list := join.Message.Public.Content.Commit.Proposals
		remove := roletest.RemoveOf(c.cathy.Leaf(c.room))
		add := roletest.AddOf(&c.bea.Package(nil).KeyPackage)
		for name, proposals := range map[string][]wire.ProposalOrRef{
			"none":        nil,
			"two":         {list[0], list[0]},
			"another Add": {list[0], {Proposal: &add}},
			"two Removes": {list[0], {Proposal: &remove}, {Proposal: &remove}},
		} {
			r := copyOf(t, join)
			r.Message.Public.Content.Commit.Proposals = proposals
			glass.Resign(c.room, &r.Message)
			c.refuses(glass, r, mimi.UpdateInvalidProposal, "")
			t.Log(name)
		}
		r := copyOf(t, join)
		r.Message.Public.Content.Commit.Path = nil
		glass.Resign(c.room, &r.Message)
		c.denies(glass, r, "")
		r = copyOf(t, join)
		r.Message.Public.Content.Sender = wire.Sender{Type: wire.MemberSender, Index: uint32(c.bob.Leaf(c.room))}
		glass.Resign(c.room, &r.Message)
		c.denies(glass, r, "signature")
		r = copyOf(t, join)
		r.Message.Public.Content.Sender = wire.Sender{Type: wire.NewMemberProposalSender}
		c.denies(glass, r, "")
		private := &mimi.UpdateRequest{Message: wire.Message{Version: wire.MLS10, Format: wire.PrivateMessageFormat,
			Private: &wire.PrivateMessage{GroupID: c.head().GroupID, Epoch: c.epoch(), Type: wire.CommitContent}}}
		if err := syntax.Unmarshal(octets(t, &private.Message), new(mimi.UpdateRequest)); err == nil {
			t.Error("an encrypted one decodes")
		}
		glass.Do(c.room, join)
		c.agree(c.alice, glass)
	})
	c.Run("P-ND-08 a device replaces its own old leaf, and no other", func(t *testing.T) {
		with := func(d *roletest.Device, leaf mls.LeafIndex) *mimi.UpdateRequest {
			return c.replacing(d, leaf)
		}
		old := tablet.Leaf(c.room)
		again := c.reborn(tablet)
		for _, other := range []*roletest.Device{c.bob, c.cathy, c.alice} {
			c.refuses(again, with(again, other.Leaf(c.room)), mimi.UpdateInvalidProposal, "")
		}
		again.Do(c.room, with(again, old))
		c.agree(c.alice, c.bob, again)
		if n := len(c.alice.Leaves(c.room, c.bob.User)); n != 5 { // phone, laptop, tablet, watch, glass
			t.Errorf("%d leaves", n)
		}
	})
}

// reborn is a device that has lost its state: the same client with new keys.
func (c *cast) reborn(d *roletest.Device) *roletest.Device {
	segments := d.Client.Client.Segments()
	again := c.Device(d.Home.URI.Domain(), segments[0], segments[1])
	again.Receive() // what was for the old one
	return again
}

// replacing is an external commit that removes a leaf. The joiner's own engine would not make it for another client's leaf.
func (c *cast) replacing(d *roletest.Device, leaf mls.LeafIndex) *mimi.UpdateRequest {
	c.T.Helper()
	d.MLS = c.credulous()
	return d.Join(c.room, func(p *mls.ExternalJoinParams) { p.Remove = &leaf })
}

// credulous believes every credential.
func (c *cast) credulous() *mls.Config {
	cfg := c.MLS()
	cfg.ValidateLeaf = nil
	return cfg
}

func TestOneDeviceForEach(t *testing.T) {
	c := castIn(t, roletest.Policy(func(_ *policy.RoleData, base *policy.BaseRoomPolicy) { base.MultiDevice = false }))
	c.gather(c.bea)
	c.Run("P-ND-04 R-BAS-09 where each user has one device, a second one is refused", func(t *testing.T) {
		second := c.Device("b.example", "bea", "second")
		c.denies(second, second.Join(c.room, nil), "the room allows one device for each user")
		again := c.reborn(c.bea)
		again.Do(c.room, c.replacing(again, c.bea.Leaf(c.room)))
		c.agree(c.alice, again)
		kps := c.alice.Claim(c.room, c.bob.User) // two devices of one user by one commit
		adds := []wire.Proposal{c.Listed(c.bob.User, policy.RoleMember), roletest.AddOf(&kps[0]), roletest.AddOf(&kps[1])}
		c.denies(c.alice, c.alice.Commit(c.room, adds...), "the room allows one device for each user")
		c.alice.Do(c.room, c.alice.Commit(c.room, adds[:2]...))
		c.denies(c.alice, c.alice.Commit(c.room, adds[2]), "the room allows one device for each user")
	})
}

func TestWithoutOwnClients(t *testing.T) {
	c := castIn(t, roletest.Policy(func(roles *policy.RoleData, _ *policy.BaseRoomPolicy) {
		member, _ := roles.Find(policy.RoleMember)
		member.Capabilities = without(member.Capabilities, policy.CanAddOwnClient)
	}))
	c.gather(c.bea)
	c.Run("P-ND-02 R-CAP-03 a role that may not add own clients adds none", func(t *testing.T) {
		second := c.Device("b.example", "bea", "second")
		c.denies(second, second.Join(c.room, nil), "policy:0x0002")
		kps := c.bea.Claim(c.room, c.bea.User)
		c.denies(c.bea, c.bea.Commit(c.room, roletest.AddOf(&kps[len(kps)-1])), "policy:0x0002")
	})
}

func without(list []policy.Capability, x policy.Capability) (out []policy.Capability) {
	for _, c := range list {
		if c != x {
			out = append(out, c)
		}
	}
	return out
}
