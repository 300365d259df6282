package hub_test

import (
	"bytes"
	"testing"
	"time"

	"parley/mimi"
	"parley/mls"
	"parley/mls/wire"
	"parley/policy"
	"parley/room"
	"parley/storetest/roletest"
	"parley/uri"
)

// found is the offer of a new room of a kind.
func found(kind policy.Kind, people ...uri.User) roletest.Offer {
	return func(at uri.Room, name string, creator uri.User, hub wire.ExternalSender) (wire.Extensions, error) {
		return room.New(room.Founding{Room: at, Name: name, Creator: creator, Kind: kind, People: people, Loggers: []uri.User{creator}}, hub)
	}
}

// roomOfKind is a cast in a room of a ready-made kind, which the hub takes without being told.
func roomOfKind(t *testing.T, kind policy.Kind) *cast {
	t.Helper()
	c := castIn(t, nil)
	c.room = c.alice.CreateWith("a "+string(kind), found(kind))
	return c
}

// policies is a cast in a room whose policy has further components and other roles.
func policies(t *testing.T, change func(*policy.Policy)) *cast {
	t.Helper()
	return castIn(t, func(at uri.Room, name string, creator uri.User, hub wire.ExternalSender) (wire.Extensions, error) {
		return room.NewWith(room.Founding{Room: at, Name: name, Creator: creator, Kind: policy.PrivateGroup}, change, hub)
	})
}

// entering adds the own place in the list to an external commit.
func (c *cast) entering(user uri.User, role uint32) func(*mls.ExternalJoinParams) {
	return func(p *mls.ExternalJoinParams) { p.ByValue = append(p.ByValue, c.Listed(user, role)) }
}

// state is what a member could give to an outsider, whatever the hub says.
func (c *cast) state(by *roletest.Device) *mimi.GroupInfoRatchetTree {
	return &mimi.GroupInfoRatchetTree{GroupInfo: *c.info(by),
		Tree: wire.RatchetTreeOption{Representation: wire.FullTree, Tree: by.Groups[c.room].Public().Tree()}}
}

// asksWith asks for the GroupInfo with a code.
func (c *cast) asksWith(d *roletest.Device, code string, want mimi.GroupInfoCode) *mimi.GroupInfoRatchetTree {
	c.T.Helper()
	r, private := d.InfoRequest()
	r.JoiningCode = []byte(code)
	if err := r.Sign(d.Key); err != nil {
		c.T.Fatal(err)
	}
	answer := c.asks(d.Home.URI, r, want)
	if want != mimi.GroupInfoSuccess || answer.Status != want {
		return nil
	}
	state, err := answer.Open(c.room.String(), private)
	if err != nil {
		c.T.Fatal(err)
	}
	return state
}

func TestOpenJoin(t *testing.T) {
	c := roomOfKind(t, policy.Community)
	c.Run("P-ND-03 R-CAP-04 P-GI-03 everybody comes into an open room, in the role that it gives", func(t *testing.T) {
		state := c.asksWith(c.bea, "", mimi.GroupInfoSuccess)
		c.denies(c.bea, c.bea.JoinWith(c.room, state, c.entering(c.bea.User, policy.RoleAdmin)), "policy:0x0004")
		c.denies(c.bea, c.bea.JoinWith(c.room, state, nil), "the committer is not a participant who may act")
		c.denies(c.bea, c.bea.JoinWith(c.room, state, c.entering(c.cathy.User, policy.RoleMember)), "the committer is not a participant who may act")
		c.denies(c.bea, c.bea.JoinWith(c.room, state, func(p *mls.ExternalJoinParams) {
			p.ByValue = append(p.ByValue, c.List(mimi.ParticipantListUpdate{Added: []mimi.Participant{
				{User: c.bea.User.String(), Role: policy.RoleMember}, {User: c.cathy.User.String(), Role: policy.RoleMember}}}))
		}), "policy:0x0000")
		c.denies(c.bea, c.bea.JoinWith(c.room, state, func(p *mls.ExternalJoinParams) {
			p.ByValue = append(p.ByValue, c.Listed(c.bea.User, policy.RoleMember),
				c.Component(mimi.RoomMetadataComponent, &mimi.RoomMetadata{Room: c.room.String(), Name: "mine"}))
		}), "the proposer is not a participant who may act")
		c.bea.Do(c.room, c.bea.JoinWith(c.room, state, c.entering(c.bea.User, policy.RoleMember)))
		c.agree(c.alice, c.bea)
		c.bea.Send(c.room, "hello")
	})
	c.Run("R-PRE-04 R-CAP-13 a banned user does not come back through the open door", func(t *testing.T) {
		ban := append(c.removals(c.alice, c.bea.User), c.moved(c.alice, c.bea.User, policy.BannedRole))
		c.alice.Do(c.room, c.alice.Commit(c.room, ban...))
		c.asksWith(c.bea, "", mimi.GroupInfoNotAuthorized)
		c.denies(c.bea, c.bea.JoinWith(c.room, c.state(c.alice), nil), "the committer is not a participant who may act")
	})
	c.Run("R-BAS-13 a persistent room outlives its last client; another ends", func(t *testing.T) {
		c.alice.Do(c.room, c.alice.Leave(c.room))
		c.cathy.Do(c.room, c.cathy.JoinWith(c.room, c.asksWith(c.cathy, "", mimi.GroupInfoSuccess), c.entering(c.cathy.User, policy.RoleMember)))
		c.cathy.Do(c.room, c.cathy.Commit(c.room))
		if got := c.cathy.State(c.room).Role(c.alice.User); got != 0 {
			t.Errorf("the one who left has role %d", got)
		}
		c := castIn(t, func(at uri.Room, name string, creator uri.User, hub wire.ExternalSender) (wire.Extensions, error) {
			return room.NewWith(room.Founding{Room: at, Name: name, Creator: creator, Kind: policy.Community},
				func(p *policy.Policy) { p.Base.Persistent = false }, hub)
		})
		state := c.asksWith(c.bea, "", mimi.GroupInfoSuccess)
		c.alice.Do(c.room, c.alice.Leave(c.room))
		c.asksWith(c.bea, "", mimi.GroupInfoNotAuthorized)
		c.denies(c.bea, c.bea.JoinWith(c.room, state, c.entering(c.bea.User, policy.RoleMember)), "pending-proposals")
	})
}

func TestClosedDoors(t *testing.T) {
	c := newCast(t)
	c.Run("P-ND-02 R-CAP-04 nobody comes into a room that is not open", func(t *testing.T) {
		c.gather(c.bob)
		c.asksWith(c.bea, "", mimi.GroupInfoNotAuthorized)
		c.denies(c.bea, c.bea.JoinWith(c.room, c.state(c.alice), c.entering(c.bea.User, policy.RoleMember)), "policy:0x0004")
	})
}

func TestJoinCodes(t *testing.T) {
	c := roomOfKind(t, policy.Moderated)
	links := func(u policy.JoinLinksUpdate) wire.Proposal { return c.Component(policy.JoinLinksComponent, &u) }
	c.Run("R-JL-01 a link that is not there cannot be withdrawn", func(t *testing.T) {
		c.refuses(c.alice, c.alice.Raw(c.room, links(policy.JoinLinksUpdate{Removed: []uint32{0}})), mimi.UpdateInvalidProposal, "component refuses")
		c.alice.Do(c.room, c.alice.Commit(c.room, links(policy.JoinLinksUpdate{Added: []string{"first", "second"}})))
		c.alice.Do(c.room, c.alice.Commit(c.room, links(policy.JoinLinksUpdate{Removed: []uint32{0}, Added: []string{"third"}})))
		if got := c.alice.State(c.room).JoinLinks.Links; len(got) != 2 || got[0] != "second" || got[1] != "third" {
			t.Errorf("%v", got)
		}
	})
	c.Run("P-GI-06 R-CAP-06 only a code of the list lets in", func(t *testing.T) {
		for _, code := range []string{"", "first", "fourth"} {
			c.asksWith(c.bea, code, mimi.GroupInfoNotAuthorized)
		}
	})
	c.Run("P-GI-05 who comes in has shown the code", func(t *testing.T) {
		state := c.asksWith(c.bea, "second", mimi.GroupInfoSuccess)
		_, err := c.cathy.Home.Follower.Update(t.Context(), c.cathy.Client, c.room,
			c.cathy.JoinWith(c.room, state, c.entering(c.cathy.User, policy.RoleMember)))
		c.failsWith(err, mimi.NotFound) // and learns nothing of the room
		c.denies(c.bob, c.bob.JoinWith(c.room, state, c.entering(c.bob.User, policy.RoleMember)), "policy:0x0009")
		c.denies(c.bea, c.bea.JoinWith(c.room, state, c.entering(c.bea.User, policy.RoleSpeaker)), "policy:0x0004")
		c.bea.Do(c.room, c.bea.JoinWith(c.room, state, c.entering(c.bea.User, policy.RoleMember)))
		c.agree(c.alice, c.bea)
	})
	c.Run("P-GI-06 an admission ends", func(t *testing.T) {
		state := c.asksWith(c.cathy, "second", mimi.GroupInfoSuccess)
		join := c.cathy.JoinWith(c.room, state, c.entering(c.cathy.User, policy.RoleMember))
		c.Pass(11 * time.Minute)
		c.denies(c.cathy, join, "policy:0x0009")
	})
	c.Run("R-CAP-06 a code that was withdrawn after it was shown does not let in", func(t *testing.T) {
		c.asksWith(c.cathy, "third", mimi.GroupInfoSuccess)
		c.alice.Do(c.room, c.alice.Commit(c.room, links(policy.JoinLinksUpdate{Removed: []uint32{1}})))
		c.denies(c.cathy, c.cathy.JoinWith(c.room, c.state(c.alice), c.entering(c.cathy.User, policy.RoleMember)), "policy:0x0009")
	})
	c.Run("R-JLP-03 a link ends with its time", func(t *testing.T) {
		c.Pass(6 * 24 * time.Hour)
		c.asksWith(c.cathy, "second", mimi.GroupInfoSuccess)
		c.Pass(24 * time.Hour)
		c.asksWith(c.cathy, "second", mimi.GroupInfoNotAuthorized)
	})
	c.Run("R-CAP-16 who may not write does not, until given the word", func(t *testing.T) {
		c.silences(c.bea, c.bea.Message(c.room, "x"), mimi.SubmitNotAllowed)
		c.alice.Do(c.room, c.alice.Commit(c.room, c.moved(c.alice, c.bea.User, policy.RoleSpeaker)))
		c.bea.Send(c.room, "thank you")
	})
}

func TestJoinCodeForOne(t *testing.T) {
	c := roomOfKind(t, policy.Moderated)
	for _, p := range []wire.Proposal{
		c.Component(policy.JoinLinkComponent, &policy.JoinLinkPolicy{OnRequest: true}),
		c.Component(policy.JoinLinksComponent, &policy.JoinLinksUpdate{Added: []string{"once"}}),
	} {
		c.alice.Do(c.room, c.alice.Commit(c.room, p))
	}
	c.Run("R-JLP-03 a link for one lets one in, however often it is shown", func(t *testing.T) {
		state := c.asksWith(c.bea, "once", mimi.GroupInfoSuccess)
		c.asksWith(c.cathy, "once", mimi.GroupInfoSuccess)
		c.bea.Do(c.room, c.bea.JoinWith(c.room, state, c.entering(c.bea.User, policy.RoleMember)))
		c.asksWith(c.bob, "once", mimi.GroupInfoNotAuthorized)
		c.denies(c.cathy, c.cathy.JoinWith(c.room, c.state(c.alice), c.entering(c.cathy.User, policy.RoleMember)), "policy:0x0009")
	})
	c.Run("R-JLP-02 a second link is refused where one is kept", func(t *testing.T) {
		more := c.Component(policy.JoinLinksComponent, &policy.JoinLinksUpdate{Added: []string{"more"}})
		c.denies(c.alice, c.alice.Raw(c.room, more), "the room's policy is not valid")
	})
}

func TestPreauthorised(t *testing.T) {
	var roles policy.RoleData
	listed := func(text string, role uint32) policy.PreAuthEntry {
		claim, err := room.NameClaim(text)
		if err != nil {
			t.Fatal(err)
		}
		r, _ := roles.Find(role)
		return policy.PreAuthEntry{Claims: []policy.Claim{claim}, Role: *r}
	}
	c := policies(t, func(p *policy.Policy) {
		for i := range p.Roles.Roles {
			if r := &p.Roles.Roles[i]; r.Index == policy.RoleAdmin || r.Index == policy.RoleMember {
				r.Capabilities = append(r.Capabilities, policy.CanJoinIfPreauthorized, policy.CanChangeOwnRole)
			}
		}
		roles, p.PreAuth = p.Roles, new(policy.PreAuthData)
	})
	list := func(entries ...policy.PreAuthEntry) wire.Proposal {
		return c.Component(policy.PreAuthComponent, &policy.PreAuthData{Entries: entries})
	}
	bea, bob := listed(c.bea.User.String(), policy.RoleAdmin), listed(c.bob.User.String(), policy.RoleMember)
	both := listed(c.cathy.User.String(), policy.RoleMember)
	both.Claims = append(both.Claims, bea.Claims...)
	c.Run("R-PRE-05 P-PL-10 the list changes with removals only", func(t *testing.T) {
		c.gather(c.adam)
		c.denies(c.alice, c.alice.Commit(c.room, list(bea), c.Listed(c.cathy.User, policy.RoleMember)), "the preauthorised people change together")
		c.alice.Do(c.room, c.alice.Commit(c.room, append(c.removals(c.alice, c.adam.User), list(bea), c.unlisted(c.alice, c.adam.User))...))
		c.alice.Do(c.room, c.alice.Commit(c.room, list(both, bea, bob)))
	})
	c.Run("R-CAP-05 R-PRE-02 P-GI-03 who is listed beforehand comes in, in the entry's role", func(t *testing.T) {
		state := c.asksWith(c.bea, "", mimi.GroupInfoSuccess)
		c.asksWith(c.cathy, "", mimi.GroupInfoNotAuthorized) // one claim of two
		c.denies(c.bea, c.bea.JoinWith(c.room, state, c.entering(c.bea.User, policy.RoleMember)), "policy:0x0004")
		c.bea.Do(c.room, c.bea.JoinWith(c.room, state, c.entering(c.bea.User, policy.RoleAdmin)))
		c.agree(c.alice, c.bea)
	})
	c.Run("R-PRE-04 a listed user who was banned stays out", func(t *testing.T) {
		c.alice.Do(c.room, c.alice.Commit(c.room, c.Listed(c.bob.User, policy.BannedRole)))
		c.asksWith(c.bob, "", mimi.GroupInfoNotAuthorized)
		c.denies(c.bob, c.bob.JoinWith(c.room, c.state(c.alice), nil), "the committer is not a participant who may act")
	})
	c.Run("R-CAP-12 the own role changes to what was authorised", func(t *testing.T) {
		c.alice.Do(c.room, c.alice.Commit(c.room, c.moved(c.alice, c.bea.User, policy.RoleMember)))
		c.denies(c.bea, c.bea.Commit(c.room, c.moved(c.bea, c.bea.User, policy.RoleOwner)), "policy:0x0010")
		c.bea.Do(c.room, c.bea.Commit(c.room, c.moved(c.bea, c.bea.User, policy.RoleAdmin)))
	})
	c.Run("R-PRE-06 only who may changes the list", func(t *testing.T) {
		c.denies(c.bea, c.bea.Commit(c.room, list()), "policy:0x0504")
	})
}

func TestFixedPeople(t *testing.T) {
	c := newCast(t)
	name := room.FixedName(c.alice.User, c.bob.User)
	c.room = c.alice.CreateWith(name, found(policy.DirectMessage, c.bob.User))
	kps := c.alice.Claim(c.room, c.bob.User)
	c.Run("R-BAS-03 P-RS-10 the devices of the people come in, and nobody else", func(t *testing.T) {
		c.alice.Do(c.room, c.alice.Commit(c.room, roletest.AddOf(&kps[0])))
		c.denies(c.alice, c.alice.Commit(c.room, c.Listed(c.bea.User, policy.RoleMember)), "policy:0x0000")
		device := c.bob
		if c.bob.Groups[c.room] == nil {
			device = c.laptop
		}
		device.Send(c.room, "hello")
		c.denies(device, device.Leave(c.room), "policy:0x0006") // P-LV-08
		c.denies(c.alice, c.alice.Remove(c.room, c.bob.User), "policy:0x0001")
		bundle := device.Bundle(c.room, roletest.SelfRemove()) // R-CAP-08
		device.Do(c.room, bundle)
		c.alice.Do(c.room, c.alice.Commit(c.room))
		if c.alice.State(c.room).Role(c.bob.User) != policy.RoleMember || len(c.alice.Leaves(c.room, c.bob.User)) != 0 {
			t.Error("not an inactive participant")
		}
		c.laptop.Do(c.room, c.laptop.Join(c.room, nil))
		c.agree(c.alice, c.laptop)
	})
	c.Run("P-LV-08 fixed people cannot leave", func(t *testing.T) {
		c.denies(c.laptop, c.laptop.Leave(c.room), "policy:0x0006")
	})
	c.Run("R-BAS-04 one room for each set of people", func(t *testing.T) {
		create := func(by *roletest.Device, name string, others ...uri.User) error {
			at := by.RoomURI(name)
			extensions, err := found(policy.DirectMessage, others...)(at, name, by.User, c.hub.Sender)
			if err != nil {
				t.Fatal(err)
			}
			_, info, tree := by.NewGroup(at, extensions)
			_, err = c.hub.Hub.CreateRoom(t.Context(), by.User, at, info, &tree)
			return err
		}
		c.failsWith(create(c.alice, name, c.bob.User), mimi.Forbidden)
		c.failsWith(create(c.alice, "another", c.bob.User), mimi.Forbidden)
		if err := create(c.alice, room.FixedName(c.alice.User, c.adam.User), c.adam.User); err != nil {
			t.Error(err)
		}
		c.failsWith(create(c.adam, room.FixedName(c.alice.User, c.adam.User), c.alice.User), mimi.Forbidden)
	})
}

func TestRoomsBelow(t *testing.T) {
	c := newCast(t)
	c.gather(c.adam, c.bea, c.cathy)
	below := func(at uri.Room, name string, creator uri.User, hub wire.ExternalSender) (wire.Extensions, error) {
		return room.New(room.Founding{Room: at, Name: name, Creator: creator, Kind: policy.PrivateGroup, Parent: c.room}, hub)
	}
	create := func(by *roletest.Device, home *roletest.Provider, offer roletest.Offer) error {
		at := by.RoomURI("tried")
		extensions, err := offer(at, "tried", by.User, home.Sender)
		if err != nil {
			t.Fatal(err)
		}
		_, info, tree := by.NewGroup(at, extensions)
		_, err = home.Hub.CreateRoom(t.Context(), by.User, at, info, &tree)
		return err
	}
	c.Run("R-BAS-07 a room below another one is made at its hub", func(t *testing.T) {
		c.failsWith(create(c.bea, c.b(), below), mimi.Forbidden)
	})
	c.Run("R-BAS-05 by somebody of the room above", func(t *testing.T) {
		outsider := c.Device("a.example", "olga", "phone")
		c.failsWith(create(outsider, c.hub, below), mimi.Forbidden)
	})
	above := c.room
	c.room = c.alice.CreateWith("below", below)
	c.Run("R-BAS-05 only people of the room above come in, and not all of them", func(t *testing.T) {
		c.gather(c.bea, c.cathy)
		c.denies(c.alice, c.alice.Commit(c.room, c.Listed(c.bob.User, policy.RoleMember)), "the room is for people of the room")
		c.denies(c.alice, c.alice.Commit(c.room, c.Listed(c.adam.User, policy.RoleMember)), "the room is for people of the room")
	})
	c.Run("R-BAS-06 R-PRE-07 who leaves or is taken out above is taken out below, by the hub", func(t *testing.T) {
		text := c.bea.Message(c.room, "I was here")
		c.bea.Do(above, c.bea.Leave(above))
		c.silences(c.bea, text, mimi.SubmitNotAllowed)
		c.alice.Do(above, c.alice.Remove(above, c.cathy.User))
		c.alice.Do(c.room, c.alice.Commit(c.room))
		if s := c.alice.State(c.room); s.Role(c.bea.User) != 0 || s.Role(c.cathy.User) != 0 {
			t.Errorf("%+v", s.Participants)
		}
		if !c.bea.Groups[c.room].Removed() || !c.cathy.Groups[c.room].Removed() {
			t.Error("still in")
		}
	})
}

func TestExpel(t *testing.T) {
	c := newCast(t)
	c.gather(c.bob, c.bea)
	c.Run("P-NT-20 R-PRE-07 P-RS-03 the hub takes an account out that is gone, and the next commit completes it", func(t *testing.T) {
		text := c.laptop.Message(c.room, "x")
		if err := c.hub.Hub.Expel(t.Context(), c.room, c.bob.User, c.cathy.User); err != nil {
			t.Fatal(err)
		}
		c.Sync()
		c.silences(c.laptop, text, mimi.SubmitNotAllowed)
		c.unchanged(func() {
			if err := c.hub.Hub.Expel(t.Context(), c.room, c.bob.User); err != nil {
				t.Error(err)
			}
		})
		c.bea.Do(c.room, c.bea.Commit(c.room))
		if c.alice.State(c.room).Role(c.bob.User) != 0 || !c.laptop.Groups[c.room].Removed() {
			t.Error("still in")
		}
		c.agree(c.alice, c.bea)
	})
	c.Run("R-PRE-07 what the hub adds or raises, nobody takes", func(t *testing.T) {
		group := c.alice.Groups[c.room].Public()
		kp := c.cathy.Package(nil)
		for name, p := range map[string]wire.Proposal{
			"a client": roletest.AddOf(&kp.KeyPackage), "a participant": c.Listed(c.cathy.User, policy.RoleMember),
			"a role": c.moved(c.alice, c.bea.User, policy.RoleAdmin), "a name": c.Component(mimi.RoomMetadataComponent, &mimi.RoomMetadata{Room: c.room.String()}),
		} {
			m, err := group.ProposeExternal(0, c.hub.HubConfig.Keys[0].Signer, p, c.alice.AAD(c.room))
			if err != nil {
				t.Fatal(err)
			}
			staged, err := group.Process(m, c.Now())
			if err != nil {
				t.Fatal(err)
			}
			if room.Judge(staged, nil) == nil {
				t.Errorf("%s is taken", name)
			}
		}
	})
}

func TestPolicyChanges(t *testing.T) {
	c := policies(t, func(p *policy.Policy) {
		p.Operational = &policy.OperationalParameters{ExternalCommits: true, ExternalProposals: true}
		p.Status, p.Logging = new(policy.StatusNotificationPolicy), &policy.LoggingPolicy{Logging: policy.Forbidden}
	})
	c.gather(c.adam, c.bob, c.bea)
	c.alice.Do(c.room, c.alice.Commit(c.room, c.moved(c.alice, c.adam.User, policy.RoleAdmin)))
	state := func() *room.State { return c.alice.State(c.room) }
	c.Run("R-ROL-09 R-BAS-16 each part of the policy needs its capability", func(t *testing.T) {
		base, style := state().Base, state().Base
		base.Discoverable = true
		style.ParentDependent, style.ParentRoom = true, []string{"mimi://a.example/r/above"}
		for prefix, p := range map[string]wire.Proposal{
			"policy:0x0503": c.Component(policy.RolesComponent, &state().Roles),
			"policy:0x0505": c.Component(policy.BaseRoomComponent, &base),
			"policy:0x0502": c.Component(policy.BaseRoomComponent, &style),
			"policy:0x0600": c.Component(policy.OperationalComponent, state().Operational),
		} {
			c.denies(c.adam, c.adam.Commit(c.room, p), prefix)
		}
		c.denies(c.adam, c.adam.Commit(c.room, c.Component(policy.StatusNotificationComponent, state().Status)), "policy:0x0505")
		c.alice.Do(c.room, c.alice.Commit(c.room, c.Component(policy.BaseRoomComponent, &base)))
		if !c.bob.State(c.room).Base.Discoverable {
			t.Error("not changed")
		}
	})
	c.Run("R-ROL-07 new roles replace all; nobody keeps a role that is gone", func(t *testing.T) {
		roles := copyOf(t, &state().Roles)
		roles.Roles = roles.Roles[:2] // no admin, no owner
		c.denies(c.alice, c.alice.Commit(c.room, c.Component(policy.RolesComponent, roles)), "a participant has a role that does not exist")
		roles = copyOf(t, &state().Roles)
		roles.Roles[1].Name = "people"
		c.alice.Do(c.room, c.alice.Commit(c.room, c.Component(policy.RolesComponent, roles)))
		if got := c.bob.State(c.room).Roles; !bytes.Equal(octets(t, &got), octets(t, roles)) {
			t.Errorf("%+v", got)
		}
	})
	c.Run("R-PL-03 a change of roles hidden in a larger commit is refused with it", func(t *testing.T) {
		c.denies(c.bob, c.bob.Commit(c.room, c.Listed(c.cathy.User, policy.RoleMember), c.Component(policy.StatusNotificationComponent, state().Status)), "policy:0x0505")
		c.denies(c.bob, c.bob.Commit(c.room, c.Listed(c.cathy.User, policy.RoleMember), c.moved(c.bob, c.bob.User, policy.RoleOwner)), "policy:0x0010")
	})
	c.Run("R-OPR-04 no external commit where the policy forbids it", func(t *testing.T) {
		o := *state().Operational
		o.ExternalCommits = false
		tablet := c.Device("b.example", "bea", "tablet")
		join := tablet.Join(c.room, nil)
		tablet.Do(c.room, join)
		c.alice.Do(c.room, c.alice.Commit(c.room, c.Component(policy.OperationalComponent, &o)))
		again := c.Device("b.example", "bea", "watch")
		c.denies(again, again.Join(c.room, nil), "nobody comes in by an external commit here")
		o.ExternalProposals = false
		c.alice.Do(c.room, c.alice.Commit(c.room, c.Component(policy.OperationalComponent, &o)))
		before := len(c.log())
		if err := c.hub.Hub.Expel(t.Context(), c.room, c.bob.User); err != nil || len(c.log()) != before {
			t.Errorf("the hub proposes: %v", err)
		}
	})
	c.Run("R-OPR-06 a KeyPackage that lives too long is not taken", func(t *testing.T) {
		o := *state().Operational
		o.MaxKeyPackageLifetime = 3600
		c.alice.Do(c.room, c.alice.Commit(c.room, c.Component(policy.OperationalComponent, &o)))
		c.denies(c.alice, c.alice.Add(c.room, c.cathy.User), "a KeyPackage lives longer than the room allows")
	})
	c.Run("R-OPR-08 who lacks what is mandatory, or knows what is forbidden, does not come in", func(t *testing.T) {
		o := *state().Operational
		o.MaxKeyPackageLifetime = 0
		o.Mandatory.Extensions = []wire.ExtensionType{0x7777}
		c.alice.Do(c.room, c.alice.Commit(c.room, c.Component(policy.RolesComponent, &state().Roles)))
		c.denies(c.alice, c.alice.Commit(c.room, c.Component(policy.OperationalComponent, &o)), "a client lacks what members have to understand here")
		o.Mandatory.Extensions, o.Forbidden.Components = nil, []wire.ComponentID{policy.LoggingComponent}
		c.denies(c.alice, c.alice.Commit(c.room, c.Component(policy.OperationalComponent, &o)), "a client understands what members may not")
	})
}

func TestBoundsOfRoles(t *testing.T) {
	one, zero := uint32(1), uint32(0)
	bounded := func(change func(member, admin *policy.Role)) *cast {
		return policies(t, func(p *policy.Policy) {
			member, _ := p.Roles.Find(policy.RoleMember)
			admin, _ := p.Roles.Find(policy.RoleAdmin)
			change(member, admin)
		})
	}
	c := bounded(func(_, admin *policy.Role) { admin.Maximum = &one })
	c.Run("R-CAP-02 R-ROL-05 P-UP-36 no more than the maximum of a role", func(t *testing.T) {
		c.gather(c.adam, c.bea)
		c.alice.Do(c.room, c.alice.Commit(c.room, c.moved(c.alice, c.adam.User, policy.RoleAdmin)))
		c.denies(c.alice, c.alice.Commit(c.room, c.moved(c.alice, c.bea.User, policy.RoleAdmin)), "as many participants have the role")
		c.denies(c.alice, c.alice.Commit(c.room, c.Listed(c.cathy.User, policy.RoleAdmin)), "as many participants have the role")
	})
	c.Run("R-ROL-12 two change places at the limit in one commit", func(t *testing.T) {
		c.alice.Do(c.room, c.alice.Commit(c.room, c.moved(c.alice, c.adam.User, policy.RoleMember), c.moved(c.alice, c.bea.User, policy.RoleAdmin)))
	})
	c = bounded(func(member, _ *policy.Role) { member.Minimum = 1 })
	c.Run("R-CAP-07 R-CAP-11 no fewer than the minimum of a role", func(t *testing.T) {
		c.gather(c.bea)
		c.denies(c.alice, c.alice.Remove(c.room, c.bea.User), "too few participants")
		c.denies(c.alice, c.alice.Commit(c.room, c.moved(c.alice, c.bea.User, policy.RoleAdmin)), "too few participants")
	})
	c = bounded(func(member, _ *policy.Role) { member.MaximumActive = &zero })
	c.Run("R-ROL-05 a role without active participants has no clients", func(t *testing.T) {
		c.alice.Do(c.room, c.alice.Commit(c.room, c.Listed(c.bea.User, policy.RoleMember)))
		kp := c.alice.Claim(c.room, c.bea.User)[0]
		c.denies(c.alice, c.alice.Commit(c.room, roletest.AddOf(&kp)), "as many participants with clients")
		c.denies(c.bea, c.bea.Join(c.room, nil), "as many participants with clients")
	})
	c = bounded(func(member, _ *policy.Role) { member.MinimumActive = 1 })
	c.Run("R-CAP-10 a kick leaves as many active as there have to be", func(t *testing.T) {
		c.gather(c.bea, c.bob)
		c.alice.Do(c.room, c.alice.Commit(c.room, c.removals(c.alice, c.bob.User)...))
		if c.alice.State(c.room).Role(c.bob.User) != policy.RoleMember {
			t.Error("not a participant any more")
		}
		c.denies(c.alice, c.alice.Commit(c.room, c.removals(c.alice, c.bea.User)...), "too few participants with clients")
		c.denies(c.bea, c.bea.Commit(c.room, roletest.RemoveOf(c.alice.Leaf(c.room))), "policy:0x000c")
	})
}

func TestReadyMade(t *testing.T) {
	for _, k := range policy.Kinds() {
		t.Run("the hub takes a room of kind "+string(k.Kind), func(t *testing.T) {
			if k.Kind == policy.DirectMessage {
				return // TestFixedPeople
			}
			c := roomOfKind(t, k.Kind)
			c.gather(c.bea)
			c.agree(c.alice, c.bea)
		})
	}
	c := roomOfKind(t, policy.Announcement)
	c.gather(c.bea)
	c.Run("R-CAP-16 R-STN-01 in an announcement channel readers read", func(t *testing.T) {
		c.silences(c.bea, c.bea.Message(c.room, "x"), mimi.SubmitNotAllowed)
		c.alice.Send(c.room, "news")
		if s := c.bea.State(c.room).Status; s == nil || s.Delivery != policy.Forbidden || s.Read != policy.Forbidden {
			t.Errorf("%+v", s)
		}
	})
	c = roomOfKind(t, policy.Managed)
	c.Run("R-LOG-02 R-LOG-04 a managed room says who logs", func(t *testing.T) {
		if l := c.alice.State(c.room).Logging; l == nil || !l.Active() || l.Clients[0] != c.alice.User.String() {
			t.Errorf("%+v", l)
		}
		c.refuses(c.alice, c.alice.Raw(c.room, c.Component(policy.LoggingComponent, &policy.LoggingPolicy{Logging: policy.Required})), mimi.UpdateInvalidProposal, "component refuses")
	})
}
