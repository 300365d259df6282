package client_test

import (
	"strings"
	"testing"

	"parley/client"
	"parley/mimi"
	"parley/mimitest"
	"parley/mls"
	"parley/mls/wire"
	"parley/policy"
	"parley/room"
	"parley/storetest/roletest"
	"parley/uri"
)

// gaps are the reasons for which a person could not take something, since the last look.
func (c *circle) gaps(p *roletest.Person) (out []string) {
	for at, entries := range p.TakeNew() {
		for _, e := range entries {
			if at == c.room && e.Kind == client.EntryGap {
				out = append(out, e.Reason)
			}
		}
	}
	return out
}

// TestHostileHub lets the room's hub fan out what a member signed and no honest hub accepts. Every client judges for itself, names the
// rule, stays where it was, and goes on with what is right.
func TestHostileHub(t *testing.T) {
	c := newCircle(t)
	ctx := t.Context()
	mallory := c.Device("c.example", "mallory", "phone")
	c.want(c.alice.Add(ctx, c.room, mallory.User))
	c.Work()
	hub := &mimitest.HostileHub{Room: c.room, Now: c.Now, Peer: func(to uri.Provider) mimi.Service {
		return c.Provider(to.Domain()).As(c.Provider("a.example").URI)
	}}
	b := c.bob.Device.Home.URI
	list := func(u mimi.ParticipantListUpdate) wire.Proposal { return c.List(u) }
	self := mallory.Index(c.room, mallory.User)
	alice := mallory.Index(c.room, c.alice.Device.User)
	ghost := c.Device("c.example", "ghost", "phone").Package(nil)
	name := mallory.State(c.room).Metadata
	name.Name = "Mallory's"
	roles := policy.GroupRoles()
	for i := range roles.Roles {
		roles.Roles[i].Capabilities = roles.Roles[len(roles.Roles)-1].Capabilities
	}
	for what, attack := range map[string]struct {
		proposals []wire.Proposal
		rule      string
	}{
		"R-CAP-12 makes the sender the owner":          {[]wire.Proposal{list(mimi.ParticipantListUpdate{Changed: []mimi.RoleChange{{User: self, Role: policy.RoleOwner}}})}, "policy:0x0010"},
		"P-UP-10 brings in a ghost device":             {[]wire.Proposal{roletest.AddOf(&ghost.KeyPackage)}, "a client was added whose user is not a participant"},
		"R-CAP-11 takes the owner's role":              {[]wire.Proposal{list(mimi.ParticipantListUpdate{Changed: []mimi.RoleChange{{User: alice, Role: policy.RoleMember}}})}, "policy:0x000f"},
		"R-CAP-10 takes the owner's device out":        {[]wire.Proposal{roletest.RemoveOf(mallory.Leaves(c.room, c.alice.Device.User)[0])}, "policy:0x000c"},
		"P-UP-11 takes the owner out of the list only": {[]wire.Proposal{list(mimi.ParticipantListUpdate{Removed: []uint32{alice}})}, "and some of the participant's clients were not"},
		"R-ROL-09 lets everybody do everything":        {[]wire.Proposal{c.Component(policy.RolesComponent, &roles)}, "policy:0x0503"},
		"P-RM-05 names the room":                       {[]wire.Proposal{c.Component(mimi.RoomMetadataComponent, &name)}, "policy:0x0300"},
		"P-PL-06 R-PL-03 hides a change of roles among others": {[]wire.Proposal{list(mimi.ParticipantListUpdate{
			Changed: []mimi.RoleChange{{User: self, Role: policy.RoleAdmin}},
			Added:   []mimi.Participant{{User: ghostUser(t, c).String(), Role: policy.RoleMember}}})}, "policy:0x0010"},
	} {
		c.Run(what, func(t *testing.T) {
			before, _ := c.bob.Room(c.room)
			epoch := before.Epoch()
			c.gaps(c.bob)
			c.must(hub.Tell(ctx, b, mallory.Commit(c.room, attack.proposals...).Message))
			c.Work()
			after, _ := c.bob.Room(c.room)
			if after.Epoch() != epoch || !after.Active() {
				t.Error("taken")
			}
			if got := c.gaps(c.bob); len(got) != 1 || !strings.Contains(got[0], attack.rule) {
				t.Errorf("told %q, want %q", got, attack.rule)
			}
		})
	}
	c.Run("P-AR-03 the room goes on afterwards", func(t *testing.T) {
		c.send(c.alice, "still here")
		c.want(c.cathy.Add(ctx, c.room, ghostUser(t, c)))
		c.Work()
		c.agree(c.alice, c.bob, c.laptop, c.cathy)
	})
	c.Run("P-UP-05 a commit of an epoch that is over changes nothing: replay, rollback, a hub from an old backup", func(t *testing.T) {
		old := mallory.Commit(c.room).Message
		valid := mallory.Commit(c.room)
		mallory.Do(c.room, valid)
		c.Work()
		at, _ := c.bob.Room(c.room)
		epoch := at.Epoch()
		c.gaps(c.bob)
		c.must(hub.Tell(ctx, b, old))
		c.must(hub.Tell(ctx, b, valid.Message))
		c.Work()
		if at, _ = c.bob.Room(c.room); at.Epoch() != epoch {
			t.Errorf("epoch %d", at.Epoch())
		}
		c.agree(c.alice, c.bob, c.cathy)
	})
	c.Run("two providers are told two commits of one epoch: the fork is seen at the next honest word", func(t *testing.T) {
		one, two := mallory.Commit(c.room).Message, mallory.Commit(c.room, list(mimi.ParticipantListUpdate{
			Added: []mimi.Participant{{User: mustUserOf(t, "mimi://c.example/u/nobody").String(), Role: policy.RoleMember}}})).Message
		c.gaps(c.bob)
		c.must(hub.Tell(ctx, b, two))
		c.Work()
		c.must(hub.Tell(ctx, b, one))
		c.Work()
		forked, _ := c.bob.Room(c.room)
		honest, _ := c.alice.Room(c.room)
		if string(forked.Authenticator()) == string(honest.Authenticator()) {
			t.Error("no fork")
		}
		if got := c.gaps(c.bob); len(got) == 0 {
			t.Error("the fork is not told")
		}
	})
}

// ghostUser is a user who has an account and no device.
func ghostUser(t *testing.T, _ *circle) uri.User { return mustUserOf(t, "mimi://c.example/u/ghost") }

func mustUserOf(t *testing.T, text string) uri.User {
	t.Helper()
	u, err := uri.ParseUser(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestHostileFollower lets a provider claim to be the hub of a room that is another's.
func TestHostileFollower(t *testing.T) {
	c := newCircle(t)
	mallory := c.Device("c.example", "mallory", "phone")
	c.want(c.alice.Add(t.Context(), c.room, mallory.User))
	c.Work()
	c.Run("P-NT-13 only the hub of a room's URI tells of it", func(t *testing.T) {
		follower := &mimitest.HostileHub{Room: c.room, Now: c.Now, Peer: func(to uri.Provider) mimi.Service {
			return c.Provider(to.Domain()).As(c.Provider("c.example").URI)
		}}
		at, _ := c.bob.Room(c.room)
		epoch := at.Epoch()
		err := follower.Tell(t.Context(), c.bob.Device.Home.URI, mallory.Commit(c.room).Message)
		c.Work()
		if at, _ = c.bob.Room(c.room); err == nil || at.Epoch() != epoch {
			t.Errorf("taken: %v, epoch %d, before %d", err, at.Epoch(), epoch)
		}
	})
	c.Run("P-UP-27 P-CR-08 a follower signs no leaf for another provider's user", func(t *testing.T) {
		device := c.Device("c.example", "bob", "phone") // of c.example, says to be bob
		list, err := room.ListUpdate(mimi.ParticipantListUpdate{})
		c.must(err)
		state := mallory.Groups[c.room].Public()
		info, err := mallory.Groups[c.room].GroupInfo(mallory.Leaf(c.room))
		c.must(err)
		device.User = c.bob.Device.User
		join := device.JoinWith(c.room, &mimi.GroupInfoRatchetTree{GroupInfo: *info, Tree: wire.RatchetTreeOption{Representation: wire.FullTree, Tree: state.Tree()}},
			func(p *mls.ExternalJoinParams) { p.ByValue = append(p.ByValue, list) })
		answer, err := c.Provider("a.example").As(c.Provider("c.example").URI).Update(t.Context(), c.room, join)
		c.must(err)
		if answer.Code == mimi.UpdateSuccess {
			t.Error("taken")
		}
	})
}
