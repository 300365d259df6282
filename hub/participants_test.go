package hub_test

import (
	"slices"
	"testing"

	"parley/mimi"
	"parley/mls/wire"
	"parley/policy"
	"parley/room"
	"parley/storetest/roletest"
	"parley/uri"
)

// moved is a change of a user's role.
func (c *cast) moved(by *roletest.Device, user uri.User, to uint32) wire.Proposal {
	return c.List(mimi.ParticipantListUpdate{Changed: []mimi.RoleChange{{User: by.Index(c.room, user), Role: to}}})
}

// unlisted takes users out of the list, and out of the list only.
func (c *cast) unlisted(by *roletest.Device, users ...uri.User) wire.Proposal {
	var u mimi.ParticipantListUpdate
	for _, user := range users {
		u.Removed = append(u.Removed, by.Index(c.room, user))
	}
	return c.List(u)
}

// removals remove all leaves of a user.
func (c *cast) removals(by *roletest.Device, user uri.User) (out []wire.Proposal) {
	for _, leaf := range by.Leaves(c.room, user) {
		out = append(out, roletest.RemoveOf(leaf))
	}
	return out
}

func TestClientsBelongToParticipants(t *testing.T) {
	c := newCast(t)
	c.Run("P-UP-10 a client is added with or after its user, not before", func(t *testing.T) {
		kp := c.alice.Claim(c.room, c.bea.User)[0]
		c.denies(c.alice, c.alice.Commit(c.room, roletest.AddOf(&kp)), "a client was added whose user is not a participant")
		c.alice.Do(c.room, c.alice.Commit(c.room, c.Listed(c.bea.User, policy.RoleMember)))
		c.alice.Do(c.room, c.alice.Commit(c.room, roletest.AddOf(&kp)))
		c.agree(c.alice, c.bea)
		c.alice.Do(c.room, c.alice.Add(c.room, c.bob.User))
		c.agree(c.alice, c.bea, c.bob, c.laptop)
	})
	c.Run("P-PL-02 the list's user is that of the credential, for every client", func(t *testing.T) {
		c.cathy.Publish(1)
		kp := c.alice.Claim(c.room, c.cathy.User)[0]
		other, err := uri.NewUser(c.cathy.Home.URI, "cathy2")
		if err != nil {
			t.Fatal(err)
		}
		c.denies(c.alice, c.alice.Commit(c.room, c.Listed(other, policy.RoleMember), roletest.AddOf(&kp)),
			"a client was added whose user is not a participant")
		for _, d := range []*roletest.Device{c.bob, c.laptop} {
			user, err := room.UserOf(c.alice.Groups[c.room].Public().Leaf(d.Leaf(c.room)))
			if err != nil || user != c.bob.User {
				t.Errorf("got %v, %v", user, err)
			}
		}
	})
	c.Run("P-UP-11 who is taken out or banned is taken out with all clients, by the same commit", func(t *testing.T) {
		const left = "a participant was taken out and some of the participant's clients were not"
		all := c.removals(c.alice, c.bob.User)
		for name, change := range map[string]wire.Proposal{
			"out": c.unlisted(c.alice, c.bob.User), "banned": c.moved(c.alice, c.bob.User, policy.BannedRole),
		} {
			c.denies(c.alice, c.alice.Commit(c.room, change), left)
			c.denies(c.alice, c.alice.Commit(c.room, change, all[0]), left)
			c.denies(c.alice, c.alice.Commit(c.room, change, all[1]), left)
			c.denies(c.alice, c.alice.Bundle(c.room, append(all, change)...), "changes of this kind are made by a commit")
			c.denies(c.alice, c.alice.Bundle(c.room, change), "changes of this kind are made by a commit")
			t.Log(name)
		}
		c.alice.Do(c.room, c.alice.Commit(c.room, append(all, c.unlisted(c.alice, c.bob.User))...))
		if !c.bob.Groups[c.room].Removed() || !c.laptop.Groups[c.room].Removed() {
			t.Error("still in")
		}
		c.agree(c.alice, c.bea)
	})
}

func TestParticipantList(t *testing.T) {
	c := newCast(t)
	c.gather(c.adam, c.bob, c.bea)
	c.Run("P-PL-01 R-ROL-04 a user stands in the list once", func(t *testing.T) {
		c.refuses(c.alice, c.alice.Raw(c.room, c.Listed(c.bob.User, policy.RoleAdmin)), mimi.UpdateInvalidProposal, "component refuses")
		twice := c.List(mimi.ParticipantListUpdate{Added: []mimi.Participant{
			{User: c.cathy.User.String(), Role: policy.RoleMember}, {User: "mimi://C.example/u/cathy", Role: policy.RoleMember}}})
		c.refuses(c.alice, c.alice.Raw(c.room, twice), mimi.UpdateInvalidProposal, "component refuses")
	})
	c.Run("P-PL-04 an index outside of the list is invalid", func(t *testing.T) {
		for _, u := range []mimi.ParticipantListUpdate{{Removed: []uint32{9}}, {Changed: []mimi.RoleChange{{User: 9, Role: policy.RoleAdmin}}}} {
			c.refuses(c.alice, c.alice.Raw(c.room, c.List(u)), mimi.UpdateInvalidProposal, "component refuses")
		}
	})
	c.Run("P-PL-05 R-PL-02 a user is touched once by a commit", func(t *testing.T) {
		bob := c.alice.Index(c.room, c.bob.User)
		change := mimi.ParticipantListUpdate{Changed: []mimi.RoleChange{{User: bob, Role: policy.RoleAdmin}}}
		remove := mimi.ParticipantListUpdate{Removed: []uint32{bob}}
		add := mimi.ParticipantListUpdate{Added: []mimi.Participant{{User: c.bob.User.String(), Role: policy.RoleMember}}}
		all := c.removals(c.alice, c.bob.User)
		for name, updates := range map[string][]wire.Proposal{
			"change and removal":      {c.List(mimi.ParticipantListUpdate{Changed: change.Changed, Removed: remove.Removed})},
			"in two updates":          {c.List(change), c.List(remove)},
			"removal and addition":    {c.List(mimi.ParticipantListUpdate{Removed: remove.Removed, Added: add.Added})},
			"the same in two updates": {c.List(remove), c.List(add)},
		} {
			answer := c.refuses(c.alice, c.alice.Raw(c.room, append(updates, all...)...), mimi.UpdateInvalidProposal, "component refuses")
			t.Log(name, answer.Description)
		}
	})
	c.Run("P-PL-06 every action for itself, all of them allowed or none done", func(t *testing.T) {
		allowed := c.Listed(c.cathy.User, policy.RoleMember)
		forbidden := c.moved(c.bob, c.bea.User, policy.RoleAdmin)
		c.denies(c.bob, c.bob.Commit(c.room, allowed, forbidden), "policy:0x000f")
		c.denies(c.bob, c.bob.Commit(c.room, c.List(mimi.ParticipantListUpdate{
			Changed: []mimi.RoleChange{{User: c.bob.Index(c.room, c.bea.User), Role: policy.RoleAdmin}},
			Added:   []mimi.Participant{{User: c.cathy.User.String(), Role: policy.RoleMember}}})), "policy:0x000f")
		c.denies(c.bob, c.bob.Commit(c.room, c.Listed(c.cathy.User, policy.RoleAdmin)), "policy:0x0000")
		c.denies(c.alice, c.alice.Commit(c.room, c.Listed(c.cathy.User, policy.RoleOwner)), "policy:0x0000") // nobody makes owners
		c.alice.Do(c.room, c.alice.Commit(c.room, c.moved(c.alice, c.bea.User, policy.RoleAdmin), allowed))
		state := c.bob.State(c.room)
		if state.Role(c.bea.User) != policy.RoleAdmin || state.Role(c.cathy.User) != policy.RoleMember {
			t.Error("not done")
		}
		c.alice.Do(c.room, c.alice.Commit(c.room, c.unlisted(c.alice, c.cathy.User)))
	})
	c.Run("P-PL-07 R-ROL-02 R-ROL-04 only roles that the room has; 0 is none", func(t *testing.T) {
		c.denies(c.alice, c.alice.Raw(c.room, c.moved(c.alice, c.bob.User, 7)), "policy:")
		c.denies(c.alice, c.alice.Raw(c.room, c.Listed(c.cathy.User, 7)), "the room has no such role")
		for _, p := range []wire.Proposal{c.moved(c.alice, c.bob.User, 0), c.Listed(c.cathy.User, 0)} {
			c.refuses(c.alice, c.alice.Raw(c.room, p), mimi.UpdateInvalidProposal, "component refuses")
		}
	})
	c.Run("P-PL-09 two updates of one commit mean the list before it", func(t *testing.T) {
		adam, bob := c.unlisted(c.alice, c.adam.User), c.unlisted(c.alice, c.bob.User)
		all := slices.Concat([]wire.Proposal{adam, bob}, c.removals(c.alice, c.adam.User), c.removals(c.alice, c.bob.User))
		c.alice.Do(c.room, c.alice.Commit(c.room, all...))
		var users []string
		for _, p := range c.bea.State(c.room).Participants.Participants {
			users = append(users, p.User)
		}
		if !slices.Equal(users, []string{c.alice.User.String(), c.bea.User.String()}) {
			t.Errorf("left: %v", users)
		}
	})
	c.Run("P-PL-10 R-ROL-08 roles and list do not change together; nothing is preauthorised", func(t *testing.T) {
		roles := policy.GroupRoles()
		roles.Roles[1].Name = "people"
		list := c.Listed(c.cathy.User, policy.RoleMember)
		c.denies(c.alice, c.alice.Commit(c.room, c.Component(policy.RolesComponent, &roles), list), "roles and participants do not change in one commit")
		c.refuses(c.alice, c.alice.Raw(c.room, c.Component(policy.PreAuthComponent, &policy.PreAuthData{}), list),
			mimi.UpdateInvalidProposal, "component not used by the group")
	})
}

func TestRolesThatAreNot(t *testing.T) {
	c := castIn(t, roletest.Policy(func(roles *policy.RoleData, _ *policy.BaseRoomPolicy) {
		owner, _ := roles.Find(policy.RoleOwner)
		owner.Changes = append(owner.Changes, policy.RoleChange{From: policy.RoleMember, Targets: []uint32{7}})
		owner.Changes[0].Targets = append(owner.Changes[0].Targets, 7)
	}))
	c.gather(c.bob)
	c.Run("P-PL-07 nobody gets a role that the room lacks, who may give it or not", func(t *testing.T) {
		c.denies(c.alice, c.alice.Commit(c.room, c.moved(c.alice, c.bob.User, 7)), "the room has no such role")
		c.denies(c.alice, c.alice.Commit(c.room, c.Listed(c.cathy.User, 7)), "the room has no such role")
	})
}

func TestBans(t *testing.T) {
	c := newCast(t)
	c.gather(c.adam, c.bob, c.bea)
	c.alice.Do(c.room, c.alice.Commit(c.room, c.moved(c.alice, c.adam.User, policy.RoleAdmin)))
	ban := append(c.removals(c.adam, c.bob.User), c.moved(c.adam, c.bob.User, policy.BannedRole))
	c.Run("P-PL-08 a banned user has role 1 and no clients", func(t *testing.T) {
		c.denies(c.bea, c.bea.Commit(c.room, ban...), "policy:")
		text := c.laptop.Message(c.room, "before the ban")
		c.adam.Do(c.room, c.adam.Commit(c.room, ban...))
		if got := c.bea.State(c.room).Role(c.bob.User); got != policy.BannedRole {
			t.Errorf("role %d", got)
		}
		if n := len(c.bea.Leaves(c.room, c.bob.User)); n > 0 {
			t.Errorf("%d clients", n)
		}
		c.silences(c.laptop, text, mimi.SubmitNotAllowed)
	})
	c.Run("P-PL-08 a banned user's clients do not come back", func(t *testing.T) {
		c.bob.Publish(1)
		var adds []wire.Proposal
		for _, kp := range c.alice.Claim(c.room, c.bob.User) {
			adds = append(adds, roletest.AddOf(&kp))
		}
		c.denies(c.alice, c.alice.Commit(c.room, adds...), "a client was added whose user is not a participant")
		c.denies(c.bea, c.bea.Commit(c.room, c.moved(c.bea, c.bob.User, policy.RoleMember)), "policy:0x000b") // canUnban
		r, _ := c.bob.InfoRequest()
		answer, err := c.bob.Home.Follower.GroupInfo(t.Context(), c.bob.Client, c.room, r)
		if err != nil || answer.Status != mimi.GroupInfoNotAuthorized {
			t.Errorf("got %+v, %v", answer, err)
		}
		c.alice.Do(c.room, c.alice.Commit(c.room, append(adds, c.moved(c.alice, c.bob.User, policy.RoleMember))...))
		c.agree(c.alice, c.adam, c.bea, c.bob, c.laptop)
	})
}
