package client_test

import (
	"slices"
	"strings"
	"testing"

	"parley/client"
	"parley/policy"
	"parley/room"
	"parley/storetest/roletest"
	"parley/uri"
)

func (c *circle) state(p *roletest.Person) *room.State {
	c.T.Helper()
	r, ok := p.Room(c.room)
	if !ok {
		c.T.Fatal("no room")
	}
	s, err := r.State()
	c.must(err)
	return s
}

// failed is the reason for which the person's only failed intent failed; "" when none did.
func (c *circle) failed(p *roletest.Person) string {
	c.T.Helper()
	for _, i := range p.Intents() {
		if i.Fate == client.Failed {
			c.must(p.Forget(c.T.Context(), i.ID))
			return i.Reason
		}
	}
	return ""
}

// active reports whether a person's device is in the room.
func (c *circle) active(p *roletest.Person) bool {
	r, ok := p.Room(c.room)
	return ok && r.Active()
}

func TestGovern(t *testing.T) {
	c := newCircle(t)
	ctx := t.Context()
	bob, cathy := c.bob.Device.User, c.cathy.Device.User
	c.Run("R-CAP-11 the owner makes an admin, a member makes none", func(t *testing.T) {
		c.want(c.bob.SetRole(ctx, c.room, cathy, policy.RoleAdmin))
		c.Work()
		if reason := c.failed(c.bob); !strings.Contains(reason, "policy:0x000f") || c.state(c.alice).Role(cathy) != policy.RoleMember {
			t.Errorf("refused for %q", reason)
		}
		c.want(c.alice.SetRole(ctx, c.room, cathy, policy.RoleAdmin))
		c.Work()
		if c.state(c.bob).Role(cathy) != policy.RoleAdmin {
			t.Error("not done")
		}
	})
	c.Run("R-CAP-13 P-PL-08 an admin bans: all devices go, and none comes back", func(t *testing.T) {
		c.want(c.cathy.Ban(ctx, c.room, bob))
		c.Work()
		if c.active(c.bob) || c.active(c.laptop) || c.state(c.alice).Role(bob) != policy.BannedRole {
			t.Error("still in")
		}
		c.want(c.laptop.Join(ctx, c.room))
		c.Work()
		if c.active(c.laptop) || c.failed(c.laptop) == "" {
			t.Error("came back")
		}
		c.agree(c.alice, c.cathy)
	})
	c.Run("R-CAP-14 P-RS-10 who is no longer banned is an inactive participant, and comes in again", func(t *testing.T) {
		c.want(c.cathy.Unban(ctx, c.room, bob))
		c.Work()
		if c.state(c.alice).Role(bob) != policy.RoleMember || c.active(c.bob) {
			t.Error("not an inactive participant")
		}
		for _, p := range []*roletest.Person{c.bob, c.laptop} {
			c.want(p.Join(ctx, c.room))
			c.Work()
		}
		c.agree(c.alice, c.cathy, c.bob, c.laptop)
	})
	c.Run("R-CAP-10 a kick takes the devices, and the user stays a participant", func(t *testing.T) {
		c.want(c.bob.Kick(ctx, c.room, cathy))
		c.Work()
		if reason := c.failed(c.bob); !strings.Contains(reason, "policy:0x000c") {
			t.Errorf("a member kicks: %q", reason)
		}
		c.want(c.cathy.Kick(ctx, c.room, bob))
		c.Work()
		if c.active(c.bob) || c.active(c.laptop) || c.state(c.alice).Role(bob) != policy.RoleMember {
			t.Error("not kicked, or not a participant any more")
		}
		c.want(c.bob.Join(ctx, c.room))
		c.Work()
		c.agree(c.alice, c.cathy, c.bob)
	})
	c.Run("R-CAP-15 P-RM-05 name, topic and picture, by who may; two who change different fields do not undo each other", func(t *testing.T) {
		name, topic, picture := "Card Club", "bridge", "https://a.example/cards.png"
		c.want(c.bob.Change(ctx, c.room, client.Change{Name: &name}))
		c.Work()
		if reason := c.failed(c.bob); !strings.Contains(reason, "policy:0x0300") {
			t.Errorf("a member names the room: %q", reason)
		}
		c.want(c.alice.Change(ctx, c.room, client.Change{Name: &name, Picture: &picture}))
		c.want(c.cathy.Change(ctx, c.room, client.Change{Topic: &topic}))
		c.Work()
		if m := c.state(c.bob).Metadata; m.Name != name || m.Subject != topic || m.Avatar != picture {
			t.Errorf("%+v", m)
		}
		bad := "http://a.example/x"
		c.want(c.alice.Change(ctx, c.room, client.Change{Picture: &bad}))
		c.Work()
		if c.failed(c.alice) == "" || c.state(c.bob).Metadata.Avatar != picture {
			t.Error("a picture without https is taken")
		}
	})
	c.Run("the client says beforehand what a person may do", func(t *testing.T) {
		r, _ := c.bob.Room(c.room)
		if err := r.May(bob, policy.Use(policy.CanKick), false); err == nil {
			t.Error("a member may kick")
		}
		if err := r.May(cathy, policy.Use(policy.CanKick), false); err != nil {
			t.Error(err)
		}
	})
}

// founded is a circle whose room Alice made of a kind, without anybody else.
func founded(t *testing.T, kind policy.Kind, people ...string) *circle {
	t.Helper()
	c := newCircle(t)
	plan := client.Plan{Name: "New", Kind: kind}
	c.room = c.alice.Device.RoomURI("new-" + string(kind))
	if kind == policy.DirectMessage {
		plan.People = []uri.User{c.bob.Device.User}
		c.room = c.alice.Device.RoomURI(room.FixedName(c.alice.Device.User, c.bob.Device.User))
	}
	c.must(c.alice.CreateAs(t.Context(), c.room, plan))
	return c
}

func TestComingIn(t *testing.T) {
	ctx := t.Context()
	c := founded(t, policy.Community)
	c.Run("P-ND-03 P-GI-01 whoever wants comes into a community, and its other devices after it", func(t *testing.T) {
		for _, p := range []*roletest.Person{c.bob, c.laptop, c.cathy} {
			c.want(p.Join(ctx, c.room))
			c.Work()
		}
		c.agree(c.alice, c.bob, c.laptop, c.cathy)
		c.send(c.bob, "hello")
		c.Work()
		if got := c.texts(c.cathy); !slices.Equal(got, []string{"hello"}) {
			t.Errorf("%q", got)
		}
		if c.state(c.alice).Role(c.cathy.Device.User) != policy.RoleMember {
			t.Error("another role")
		}
	})
	c.Run("P-UP-04 two come in at once: one is first, the other tries again", func(t *testing.T) {
		eve, finn := c.Person("b.example", "eve", "phone"), c.Person("c.example", "finn", "phone")
		c.want(eve.Join(ctx, c.room))
		c.want(finn.Join(ctx, c.room))
		c.Work()
		c.agree(c.alice, c.cathy, eve, finn)
	})
	c = founded(t, policy.Moderated)
	c.Run("R-CAP-06 P-GI-06 with the code of a join link, and with no other", func(t *testing.T) {
		c.want(c.alice.Change(ctx, c.room, client.Change{AddLinks: []string{"open sesame"}}))
		c.Work()
		for _, wrong := range []string{"", "open barley"} {
			c.want(c.bob.JoinWith(ctx, c.room, wrong))
			c.Work()
			if c.active(c.bob) || c.failed(c.bob) == "" {
				t.Fatalf("%q lets in", wrong)
			}
		}
		c.want(c.bob.JoinWith(ctx, c.room, "open sesame"))
		c.Work()
		c.agree(c.alice, c.bob)
		c.want(c.alice.Change(ctx, c.room, client.Change{RemoveLinks: []string{"open sesame"}}))
		c.Work()
		c.want(c.cathy.JoinWith(ctx, c.room, "open sesame"))
		c.Work()
		if c.active(c.cathy) || c.failed(c.cathy) == "" {
			t.Error("a withdrawn code lets in")
		}
	})
	c = founded(t, policy.DirectMessage)
	c.Run("R-BAS-03 a conversation of two: the other comes in with all devices, nobody else is added, nobody leaves", func(t *testing.T) {
		for _, p := range []*roletest.Person{c.bob, c.laptop} {
			c.want(p.Join(ctx, c.room))
			c.Work()
		}
		c.agree(c.alice, c.bob, c.laptop)
		c.want(c.bob.Add(ctx, c.room, c.cathy.Device.User))
		c.Work()
		if c.failed(c.bob) == "" || c.state(c.alice).Role(c.cathy.Device.User) != 0 {
			t.Error("somebody was added")
		}
		c.want(c.bob.Leave(ctx, c.room))
		c.Work()
		if reason := c.failed(c.bob); !strings.Contains(reason, "policy:0x0006") {
			t.Errorf("left: %q", reason)
		}
	})
}

func TestExpelled(t *testing.T) {
	c := newCircle(t)
	c.Run("P-NT-20 the hub takes an account out, and somebody's client completes it without being asked", func(t *testing.T) {
		c.must(c.Provider("a.example").Hub.Expel(t.Context(), c.room, c.bob.Device.User))
		c.Work()
		if c.active(c.bob) || c.active(c.laptop) || c.state(c.alice).Role(c.bob.Device.User) != 0 {
			t.Error("still in")
		}
		c.agree(c.alice, c.cathy)
	})
}
