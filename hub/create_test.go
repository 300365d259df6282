package hub_test

import (
	"slices"
	"testing"
	"time"

	"parley/mimi"
	"parley/mls/wire"
	"parley/policy"
	"parley/room"
	"parley/storetest/roletest"
	"parley/syntax"
	"parley/uri"
)

// creation is what CreateRoom is asked with.
type creation struct {
	creator uri.User
	at      uri.Room
	info    *wire.GroupInfo
	tree    wire.RatchetTree
}

func TestCreateRoom(t *testing.T) {
	c := newCast(t)
	create := func(r creation) (uint64, error) {
		return c.hub.Hub.CreateRoom(t.Context(), r.creator, r.at, r.info, &r.tree)
	}
	offered := func(by *roletest.Device, name string, offer roletest.Offer) creation {
		at := by.RoomURI(name)
		extensions, err := offer(at, name, by.User, c.hub.Sender)
		if err != nil {
			t.Fatal(err)
		}
		_, info, tree := by.NewGroup(at, extensions)
		return creation{by.User, at, info, tree}
	}
	dictionary := func(change func(d *wire.AppDataDictionary) error) roletest.Offer {
		return func(at uri.Room, name string, creator uri.User, hub wire.ExternalSender) (wire.Extensions, error) {
			extensions, err := room.Template(at, name, creator, hub)
			if err == nil {
				err = roletest.Components(extensions, change)
			}
			return extensions, err
		}
	}
	component := func(id wire.ComponentID, v syntax.Value) roletest.Offer {
		return dictionary(func(d *wire.AppDataDictionary) error { return roletest.Set(d, id, v) })
	}
	other := c.Provider("c.example")
	participants := func(list ...mimi.Participant) roletest.Offer {
		return component(mimi.ParticipantListComponent, &mimi.ParticipantList{Participants: list})
	}
	alice := mimi.Participant{User: c.alice.User.String(), Role: policy.RoleOwner}
	refused := []struct {
		name  string
		offer roletest.Offer
	}{
		{"P-AR-02 other roles", roletest.Policy(func(r *policy.RoleData, _ *policy.BaseRoomPolicy) { r.Roles[1].Name = "people" })},
		{"P-AR-02 another base policy", roletest.Policy(func(_ *policy.RoleData, b *policy.BaseRoomPolicy) { b.MultiDevice = false })},
		{"P-AR-02 a further component", component(policy.LoggingComponent, &policy.LoggingPolicy{})},
		{"without roles", dictionary(func(d *wire.AppDataDictionary) error { *d = d.Without(policy.RolesComponent); return nil })},
		{"without a participant list", dictionary(func(d *wire.AppDataDictionary) error { *d = d.Without(mimi.ParticipantListComponent); return nil })},
		{"another participant", participants(mimi.Participant{User: c.bob.User.String(), Role: policy.RoleOwner})},
		{"two participants", participants(alice, mimi.Participant{User: c.bob.User.String(), Role: policy.RoleMember})},
		{"the creator as member", participants(mimi.Participant{User: c.alice.User.String(), Role: policy.RoleMember})},
		{"P-RM-06 the URI of another room", component(mimi.RoomMetadataComponent, &mimi.RoomMetadata{Room: c.room.String()})},
		{"a description from the start", component(mimi.RoomMetadataComponent,
			&mimi.RoomMetadata{Room: "mimi://a.example/r/new", Name: "new", Subject: "x"})},
		{"P-RS-05 another hub as external sender", func(at uri.Room, name string, creator uri.User, _ wire.ExternalSender) (wire.Extensions, error) {
			return room.Template(at, name, creator, other.Sender)
		}},
		{"P-RS-05 no external sender", func(at uri.Room, name string, creator uri.User, hub wire.ExternalSender) (wire.Extensions, error) {
			extensions, err := room.Template(at, name, creator, hub)
			return slices.DeleteFunc(extensions, func(x wire.Extension) bool { return x.Type == wire.ExternalSendersExtension }), err
		}},
		{"P-RS-05 a second external sender", func(at uri.Room, name string, creator uri.User, hub wire.ExternalSender) (wire.Extensions, error) {
			extensions, err := room.Template(at, name, creator, hub)
			for i, x := range extensions {
				if x.Type == wire.ExternalSendersExtension {
					extensions[i].Data = octets(t, &wire.ExternalSenders{Senders: []wire.ExternalSender{hub, other.Sender}})
				}
			}
			return extensions, err
		}},
		{"fewer required capabilities", func(at uri.Room, name string, creator uri.User, hub wire.ExternalSender) (wire.Extensions, error) {
			extensions, err := room.Template(at, name, creator, hub)
			return slices.DeleteFunc(extensions, func(x wire.Extension) bool { return x.Type == wire.RequiredCapabilitiesExtension }), err
		}},
	}
	for _, tt := range refused {
		c.Run(tt.name+" is refused", func(t *testing.T) {
			_, err := create(offered(c.alice, "new", tt.offer))
			c.failsWith(err, mimi.Forbidden)
		})
	}
	good := offered(c.alice, "new", room.Template)
	c.Run("P-AR-07 a room is created at its own provider, by its own user", func(t *testing.T) {
		for _, change := range []func(*creation){
			func(r *creation) { r.creator = c.bob.User },
			func(r *creation) { r.creator = c.adam.User },
			func(r *creation) { r.at = c.bob.RoomURI("new") },
			func(r *creation) { r.at = c.alice.RoomURI("another") },
		} {
			r := good
			change(&r)
			_, err := create(r)
			c.failsWith(err, mimi.Forbidden)
		}
	})
	c.Run("a group that is not valid is refused", func(t *testing.T) {
		for name, change := range map[string]func(*wire.GroupInfo){
			"signature": func(i *wire.GroupInfo) { i.Signature = flipped(i.Signature) },
			"tree hash": func(i *wire.GroupInfo) { i.Context.TreeHash = flipped(i.Context.TreeHash); c.alice.ResignInfo(i) },
			"suite":     func(i *wire.GroupInfo) { i.Context.Suite = 0x7777 },
		} {
			r := good
			info := *good.info
			change(&info)
			r.info = &info
			_, err := create(r)
			c.failsWith(err, mimi.BadRequest)
			t.Log(name)
		}
		r := good
		info := *good.info
		info.Extensions = nil // without external_pub nobody could join
		c.alice.ResignInfo(&info)
		r.info = &info
		_, err := create(r)
		c.failsWith(err, mimi.Forbidden)
		r = good
		r.tree = wire.RatchetTree{}
		_, err = create(r)
		c.failsWith(err, mimi.BadRequest)
	})
	c.Run("a group that has moved on is refused", func(t *testing.T) {
		c.gather(c.adam)
		r := creation{c.alice.User, c.room, c.info(c.alice), c.alice.Groups[c.room].Public().Tree()}
		_, err := create(r)
		c.failsWith(err, mimi.Forbidden)
	})
	c.Run("the same again is answered as at first; another group of the name is refused", func(t *testing.T) {
		at, err := create(good)
		if err != nil {
			t.Fatal(err)
		}
		c.Pass(time.Second)
		if again, err := create(good); err != nil || again != at {
			t.Errorf("created at %d, again %d, %v", at, again, err)
		}
		_, err = create(offered(c.alice, "new", room.Template))
		c.failsWith(err, mimi.Forbidden)
		adam := offered(c.adam, "new", room.Template)
		_, err = create(adam)
		c.failsWith(err, mimi.Forbidden)
		if got := c.hub.Store.Rooms()[good.at]; got.Epoch != 0 || got.Sequence != 0 || !slices.Equal(got.Destinations, []string{"a.example"}) {
			t.Errorf("%+v", got)
		}
	})
}

func TestRoomStateRows(t *testing.T) {
	c := newCast(t)
	c.gather(c.bob)
	meta := mimi.RoomMetadata{Room: c.room.String(), Name: "clubhouse"}
	c.Run("P-RM-06 the room's URI cannot change", func(t *testing.T) {
		other := meta
		other.Room = c.alice.RoomURI("other").String()
		c.denies(c.alice, c.alice.Commit(c.room, c.Component(mimi.RoomMetadataComponent, &other)), "the room's URI cannot change")
	})
	c.Run("P-RM-05 each field needs its capability", func(t *testing.T) {
		for prefix, change := range map[string]func(*mimi.RoomMetadata){
			"policy:0x0300": func(m *mimi.RoomMetadata) { m.Name = "x" },
			"policy:0x0301": func(m *mimi.RoomMetadata) { m.Descriptions = []mimi.RoomDescription{{Content: "x"}} },
			"policy:0x0302": func(m *mimi.RoomMetadata) { m.Avatar = "https://a.example/x" },
			"policy:0x0303": func(m *mimi.RoomMetadata) { m.Subject = "x" },
			"policy:0x0304": func(m *mimi.RoomMetadata) { m.Mood = "x" },
		} {
			next := meta
			change(&next)
			c.denies(c.bob, c.bob.Commit(c.room, c.Component(mimi.RoomMetadataComponent, &next)), prefix)
		}
		c.bob.Do(c.room, c.bob.Commit(c.room, c.Component(mimi.RoomMetadataComponent, &meta))) // changes nothing
	})
	c.Run("P-RM-02 R-MD-01 one update of the metadata in a commit", func(t *testing.T) {
		p := c.Component(mimi.RoomMetadataComponent, &meta)
		c.refuses(c.alice, c.alice.Raw(c.room, p, p), mimi.UpdateInvalidProposal, "component refuses")
	})
	c.Run("P-RM-01 an update replaces the whole value", func(t *testing.T) {
		with := meta
		with.Subject = "cards"
		c.alice.Do(c.room, c.alice.Commit(c.room, c.Component(mimi.RoomMetadataComponent, &with)))
		without := meta
		without.Name = "card club"
		c.alice.Do(c.room, c.alice.Commit(c.room, c.Component(mimi.RoomMetadataComponent, &without)))
		if got := c.bob.State(c.room).Metadata; got.Subject != "" || got.Name != "card club" {
			t.Errorf("%+v", got)
		}
	})
	c.Run("P-UP-31 a component that the room does not use", func(t *testing.T) {
		c.refuses(c.alice, c.alice.Raw(c.room, c.Component(0x8001, &meta)), mimi.UpdateInvalidProposal, "component not used")
	})
	c.Run("P-UP-30 a component is not removed, not with an update either", func(t *testing.T) {
		remove := wire.Proposal{Type: wire.AppDataUpdateProposal, AppDataUpdate: &wire.AppDataUpdate{
			Component: mimi.RoomMetadataComponent, Operation: wire.RemoveAppData}}
		update := c.Component(mimi.RoomMetadataComponent, &meta)
		for _, list := range [][]wire.Proposal{{remove}, {remove, remove}, {remove, update}, {update, remove}} {
			c.refuses(c.alice, c.alice.Raw(c.room, list...), mimi.UpdateInvalidProposal, "")
		}
	})
	c.Run("P-UP-29 state changes by AppDataUpdate and not by new extensions", func(t *testing.T) {
		extensions := slices.Clone(c.alice.Groups[c.room].Public().Context().Extensions)
		same := wire.Proposal{Type: wire.GroupContextExtensionsProposal, Extensions: extensions}
		c.denies(c.alice, c.alice.Commit(c.room, same), "this room does not use proposals of this type")
		changed := slices.Clone(extensions)
		if err := roletest.Components(changed, func(d *wire.AppDataDictionary) error {
			return roletest.Set(d, mimi.RoomMetadataComponent, &mimi.RoomMetadata{Room: c.room.String(), Name: "x"})
		}); err != nil {
			t.Fatal(err)
		}
		c.refuses(c.alice, c.alice.Raw(c.room, wire.Proposal{Type: wire.GroupContextExtensionsProposal, Extensions: changed}),
			mimi.UpdateInvalidProposal, "GroupContextExtensions changes")
	})
	c.Run("proposals that rooms have no use for", func(t *testing.T) {
		psk := wire.Proposal{Type: wire.PreSharedKeyProposal, PSK: &wire.PreSharedKeyID{Type: wire.ExternalPSK, ID: []byte("x"), Nonce: make([]byte, 32)}}
		c.denies(c.alice, c.alice.Bundle(c.room, psk), "this room does not use proposals of this type")
	})
	c.Run("P-UP-36 R-BAS-10 R-BAS-11 the base policy bounds users and clients", func(t *testing.T) {
		two := uint32(2)
		for reason, change := range map[string]func(*policy.BaseRoomPolicy){
			"the room has as many participants": func(b *policy.BaseRoomPolicy) { b.MaxUsers = &two },
			"the room has as many clients":      func(b *policy.BaseRoomPolicy) { b.MaxClients = &two },
		} {
			c := castIn(t, roletest.Policy(func(_ *policy.RoleData, b *policy.BaseRoomPolicy) { change(b) }))
			c.gather(c.bea)
			c.denies(c.alice, c.alice.Add(c.room, c.cathy.User), reason)
			second := c.Device("b.example", "bea", "second")
			if reason == "the room has as many clients" {
				c.denies(second, second.Join(c.room, nil), reason)
			}
			c.alice.Do(c.room, c.alice.Remove(c.room, c.bea.User))
			c.alice.Do(c.room, c.alice.Add(c.room, c.cathy.User))
		}
	})
}

func TestSendersOfHandshakes(t *testing.T) {
	c := newCast(t)
	c.gather(c.bob, c.cathy)
	c.Run("P-UP-26 the signature has to verify under the sender's key", func(t *testing.T) {
		commit := c.bob.Commit(c.room)
		commit.Message.Public.Auth.Signature = flipped(commit.Message.Public.Auth.Signature)
		c.denies(c.bob, commit, "signature does not verify")
		commit = c.bob.Commit(c.room)
		c.laptop.Resign(c.room, &commit.Message)
		c.denies(c.bob, commit, "signature does not verify")
		bundle := c.bob.Bundle(c.room, roletest.SelfRemove())
		bundle.Message.Public.Content.Sender.Index = uint32(c.laptop.Leaf(c.room))
		c.denies(c.bob, bundle, "signature does not verify")
	})
	c.Run("P-UP-27 a provider hands in what its own clients signed", func(t *testing.T) {
		const foreign = "the sender is not a client of the provider that handed it in"
		for _, r := range []*mimi.UpdateRequest{c.bob.Commit(c.room), c.bob.Bundle(c.room, roletest.SelfRemove())} {
			for _, by := range []*roletest.Device{c.cathy, c.alice} {
				c.denies(by, r, foreign)
			}
		}
		mixed := c.bob.Bundle(c.room, roletest.SelfRemove())
		mixed.MoreProposals = []wire.Message{c.cathy.Bundle(c.room, roletest.SelfRemove()).Message}
		c.denies(c.bob, mixed, foreign)
	})
	c.Run("P-UP-28 an external sender proposes from its place in the list, through its own provider", func(t *testing.T) {
		group := c.alice.Groups[c.room].Public()
		aad := c.alice.AAD(c.room)
		m, err := group.ProposeExternal(0, c.hub.HubConfig.Keys[0].Signer, roletest.RemoveOf(c.bob.Leaf(c.room)), aad)
		if err != nil {
			t.Fatal(err)
		}
		for index := range uint32(2) {
			bad := copyOf(t, m)
			bad.Public.Content.Sender.Index = index
			bad.Public.Auth.Signature = flipped(bad.Public.Auth.Signature)
			c.denies(c.alice, &mimi.UpdateRequest{Message: *bad}, "")
			c.denies(c.bob, &mimi.UpdateRequest{Message: *bad}, "the sender is not a client")
		}
		c.denies(c.bob, &mimi.UpdateRequest{Message: *m}, "the sender is not a client")
	})
	c.Run("P-UP-34 a room that is not", func(t *testing.T) {
		_, err := c.hub.Hub.Update(t.Context(), c.hub.URI, c.alice.RoomURI("none"), c.alice.Commit(c.room))
		c.failsWith(err, mimi.NotFound)
	})
	c.Run("P-UP-35 descriptions are short UTF-8", func(t *testing.T) {
		answer := c.bob.Update(c.room, c.bob.Remove(c.room, c.cathy.User))
		if len(answer.Description) > 1024 || answer.Description == "" {
			t.Errorf("%q", answer.Description)
		}
	})
	c.Run("a message of another group", func(t *testing.T) {
		other := c.alice.Create("other")
		c.denies(c.alice, c.alice.Commit(other), "the message is of another group")
	})
}
