package hub_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"parley/mimi"
	"parley/mls/wire"
	"parley/policy"
	"parley/storetest/roletest"
)

const (
	pending  = "pending-proposals"
	leftOnly = "who has left may only take own clients out"
)

func TestLeave(t *testing.T) {
	c := newCast(t)
	c.gather(c.bob, c.bea, c.cathy)
	text := c.laptop.Message(c.room, "sealed before the leave")
	// Commits of those who have not seen the leave.
	without, early, earlier := c.alice.Commit(c.room), c.bob.Commit(c.room), c.laptop.Commit(c.room)
	leave := c.bob.Leave(c.room)
	var some *mimi.UpdateRequest // a commit of those who have seen Bob's leave and not Cathy's
	var at uint64
	c.Run("P-LV-01 a leave takes all clients along, and the list entry", func(t *testing.T) {
		own := c.unlisted(c.bob, c.bob.User)
		const all = "a leave takes all clients of the user along"
		c.denies(c.bob, c.bob.Bundle(c.room, own), all)
		c.denies(c.bob, c.bob.Bundle(c.room, roletest.SelfRemove(), own), all)
		c.denies(c.bob, c.bob.Bundle(c.room, roletest.RemoveOf(c.laptop.Leaf(c.room)), own), all)
		if n := len(leave.MoreProposals); n != 2 {
			t.Fatalf("%d further proposals", n)
		}
	})
	c.Run("P-LV-02 the hub checks the bundle, keeps it and sends it to everybody", func(t *testing.T) {
		forged := copyOf(t, leave)
		forged.Message.Public.Auth.Signature = flipped(forged.Message.Public.Auth.Signature)
		c.denies(c.bob, forged, "")
		at = c.bob.Do(c.room, leave).AcceptedAt
		for _, d := range []*roletest.Device{c.alice, c.bob, c.laptop, c.bea, c.cathy} {
			last := d.Got[len(d.Got)-1]
			if !bytes.Equal(octets(t, &last.Message), octets(t, &leave.Message)) {
				t.Errorf("%s did not get it", d.Client.Client)
			}
			if n := len(d.Groups[c.room].Public().Pending()); n != 3 {
				t.Errorf("%s waits with %d proposals", d.Client.Client, n)
			}
		}
	})
	c.Run("P-NT-21 the proposals of a bundle come as they were handed in", func(t *testing.T) {
		got := c.item(0)
		for i := range leave.MoreProposals {
			if !bytes.Equal(octets(t, &got.MoreProposals[i]), octets(t, &leave.MoreProposals[i])) {
				t.Errorf("proposal %d is another one", i)
			}
		}
		if len(got.MoreProposals) != len(leave.MoreProposals) {
			t.Errorf("%d proposals", len(got.MoreProposals))
		}
	})
	c.Run("P-GI-14 X-SR-06 what waits is in the GroupInfo with its time", func(t *testing.T) {
		tablet := c.Device("c.example", "cathy", "tablet")
		state := tablet.Info(c.room)
		want := append([]wire.Message{leave.Message}, leave.MoreProposals...)
		if len(state.Pending) != len(want) {
			t.Fatalf("%d proposals", len(state.Pending))
		}
		for i, p := range state.Pending {
			if !bytes.Equal(octets(t, &p.Proposal), octets(t, &want[i])) || p.AcceptedAt != at {
				t.Errorf("proposal %d: another one, or of another time: %d, want %d", i, p.AcceptedAt, at)
			}
		}
	})
	c.Run("P-UP-12 P-RS-01 who has left cannot send, at once", func(t *testing.T) {
		c.silences(c.laptop, text, mimi.SubmitNotAllowed)
		c.silences(c.bob, c.bob.Message(c.room, "after"), mimi.SubmitNotAllowed)
	})
	c.Run("P-UP-14 nor commit", func(t *testing.T) {
		c.denies(c.bob, early, pending)
		c.denies(c.laptop, earlier, pending)
		tablet := c.Device("b.example", "bob", "tablet")
		state := c.alice.Groups[c.room].Public()
		join := tablet.JoinWith(c.room, &mimi.GroupInfoRatchetTree{
			GroupInfo: *c.info(c.alice), Tree: wire.RatchetTreeOption{Representation: wire.FullTree, Tree: state.Tree()},
			Pending: []mimi.PendingProposal{{Proposal: leave.Message}},
		}, nil)
		c.denies(tablet, join, "the committer is not a participant who may act")
		r, _ := tablet.InfoRequest()
		if answer, err := tablet.Home.Follower.GroupInfo(t.Context(), tablet.Client, c.room, r); err != nil || answer.Status != mimi.GroupInfoNotAuthorized {
			t.Errorf("got %+v, %v", answer, err)
		}
	})
	c.Run("P-UP-15 it may take own clients out and nothing else", func(t *testing.T) {
		c.denies(c.laptop, c.laptop.Bundle(c.room, roletest.RemoveOf(c.cathy.Leaf(c.room))), "")
		c.denies(c.laptop, c.laptop.Bundle(c.room, roletest.RemoveOf(c.bea.Leaf(c.room))), leftOnly)
		c.denies(c.laptop, c.laptop.Bundle(c.room, c.unlisted(c.laptop, c.bea.User)), leftOnly)
		c.denies(c.laptop, c.laptop.Bundle(c.room, c.unlisted(c.laptop, c.bob.User)), leftOnly)
		c.denies(c.laptop, c.laptop.Bundle(c.room, c.Listed(c.adam.User, policy.RoleMember)), leftOnly)
		kp := c.laptop.Package(nil).KeyPackage
		c.denies(c.laptop, c.laptop.Bundle(c.room, roletest.AddOf(&kp)), leftOnly)
		// Of the two removals of the laptop that then wait, a commit takes the one that an external commit could take, too.
		c.laptop.Do(c.room, c.laptop.Bundle(c.room, roletest.SelfRemove()))
	})
	c.Run("P-LV-05 the other device of who has left is bound, too", func(t *testing.T) {
		c.silences(c.laptop, c.laptop.Message(c.room, "after"), mimi.SubmitNotAllowed)
		c.denies(c.laptop, c.laptop.Bundle(c.room, roletest.RemoveOf(c.bea.Leaf(c.room))), leftOnly)
		c.denies(c.laptop, earlier, pending)
	})
	c.Run("P-LV-06 a client has one SelfRemove in an epoch, and then no Remove", func(t *testing.T) {
		c.denies(c.laptop, c.laptop.Bundle(c.room, roletest.RemoveOf(c.laptop.Leaf(c.room))), "a change of this client waits already")
		c.denies(c.alice, c.alice.Bundle(c.room, roletest.RemoveOf(c.laptop.Leaf(c.room))), "a change of this client waits already")
		second := copyOf(t, &leave.Message) // says the same in other words
		second.Public.Content.AuthenticatedData = octets(t, &wire.SafeAAD{Items: []wire.ComponentData{{ID: mimi.FrankAADComponent}}})
		c.bob.Resign(c.room, second)
		c.refuses(c.bob, &mimi.UpdateRequest{Message: *second}, mimi.UpdateInvalidProposal, "two SelfRemoves")
	})
	c.Run("P-UP-13 nothing new goes to a provider whose only participant has left", func(t *testing.T) {
		some = c.alice.Commit(c.room)
		c.cathy.Do(c.room, c.cathy.Leave(c.room))
		before := len(c.arrivals(c.cathy))
		c.alice.Send(c.room, "who is still here?")
		c.Sync()
		if n := len(c.arrivals(c.cathy)); n != before {
			t.Errorf("%d items after the leave", n-before)
		}
		if n := len(c.c().Store.Log(c.room)); n != 0 {
			t.Error("c.example has a log")
		}
		if got := c.bea.Texts; !slices.Equal(got, []string{"who is still here?"}) {
			t.Errorf("Bea got %q", got)
		}
	})
	c.Run("P-LV-03 P-UP-32 the next commit has to hold what waits", func(t *testing.T) {
		c.denies(c.alice, without, pending)
		c.denies(c.alice, some, pending)
		c.alice.Do(c.room, c.alice.Commit(c.room))
		c.agree(c.alice, c.bea)
	})
	c.Run("P-LV-04 the leavers' providers get the commit, and nothing after it", func(t *testing.T) {
		for _, d := range []*roletest.Device{c.bob, c.laptop, c.cathy} {
			if !d.Groups[c.room].Removed() {
				t.Errorf("%s did not get it", d.Client.Client)
			}
		}
		before := len(c.Calls(mimi.Notify))
		c.alice.Do(c.room, c.alice.Remove(c.room, c.bea.User))
		c.alice.Send(c.room, "alone")
		c.Sync()
		for _, call := range c.Calls(mimi.Notify)[before:] {
			if call.To == c.cathy.Home.URI {
				t.Error("c.example is still told")
			}
		}
	})
	c.Run("P-UP-13 nothing at all once the last user of a provider is out", func(t *testing.T) {
		if !slices.Equal(c.head().Destinations, []string{"a.example"}) {
			t.Errorf("destinations: %v", c.head().Destinations)
		}
	})
}

// info is the GroupInfo of the present epoch by a member, whether or not the hub gives it.
func (c *cast) info(by *roletest.Device) *wire.GroupInfo {
	c.T.Helper()
	info, err := by.Groups[c.room].GroupInfo(by.Leaf(c.room))
	if err != nil {
		c.T.Fatal(err)
	}
	return info
}

func TestRemovedUsers(t *testing.T) {
	c := newCast(t)
	c.gather(c.bob, c.cathy)
	text := c.bob.Message(c.room, "sealed before")
	c.alice.Do(c.room, c.alice.Remove(c.room, c.bob.User))
	c.Run("P-UP-12 who was removed cannot send, at the old epoch or the new one", func(t *testing.T) {
		c.silences(c.bob, text, mimi.SubmitNotAllowed)
		text.Message.Private.Epoch++
		c.silences(c.bob, text, mimi.SubmitNotAllowed)
	})
	c.Run("P-UP-34 a provider without participants learns no more than of a room that is not", func(t *testing.T) {
		future := c.alice.Commit(c.room)
		c.unchanged(func() {
			_, err := c.hub.Hub.Update(t.Context(), c.b().URI, c.room, future)
			c.failsWith(err, mimi.NotFound)
			_, none := c.hub.Hub.Update(t.Context(), c.b().URI, c.alice.RoomURI("none"), future)
			if err == nil || none == nil || err.Error() != none.Error() {
				t.Errorf("%v and %v", err, none)
			}
		})
	})
	c.Run("P-UP-14 who was removed cannot commit", func(t *testing.T) {
		c := newCast(t)
		c.gather(c.bob, c.bea)
		future := c.bob.Commit(c.room)
		c.alice.Do(c.room, c.alice.Remove(c.room, c.bob.User))
		c.refuses(c.bob, copyOf(t, future), mimi.UpdateWrongEpoch, "")
		future.Message.Public.Content.Epoch++
		c.denies(c.bob, future, "the sender is not a client of the provider that handed it in")
		console := c.Device("b.example", "bob", "console")
		state := c.alice.Groups[c.room].Public()
		c.denies(console, console.JoinWith(c.room, &mimi.GroupInfoRatchetTree{GroupInfo: *c.info(c.alice),
			Tree: wire.RatchetTreeOption{Representation: wire.FullTree, Tree: state.Tree()}}, nil),
			"the committer is not a participant who may act")
	})
	c.Run("P-NT-26 X-SR-09 the commit that removes somebody goes to that user's provider, and nothing after it", func(t *testing.T) {
		if !c.bob.Groups[c.room].Removed() || !c.laptop.Groups[c.room].Removed() {
			t.Error("did not come")
		}
		before := len(c.arrivals(c.bob))
		c.alice.Send(c.room, "without Bob")
		c.alice.Do(c.room, c.alice.Commit(c.room))
		if n := len(c.arrivals(c.bob)); n != before {
			t.Errorf("%d further items", n-before)
		}
	})
}

// What waits never makes the next commit impossible.
func TestWhatMayWait(t *testing.T) {
	c := newCast(t)
	c.gather(c.adam, c.bob)
	c.alice.Do(c.room, c.alice.Commit(c.room, c.moved(c.alice, c.adam.User, policy.RoleAdmin)))
	const byCommit = "changes of this kind are made by a commit"
	c.Run("additions, roles and metadata do not wait", func(t *testing.T) {
		kp := c.alice.Claim(c.room, c.cathy.User)[0]
		for _, p := range []wire.Proposal{
			c.Listed(c.cathy.User, policy.RoleMember), roletest.AddOf(&kp), c.moved(c.alice, c.bob.User, policy.RoleAdmin),
			c.Component(mimi.RoomMetadataComponent, &mimi.RoomMetadata{Room: c.room.String(), Name: "other"}),
			c.unlisted(c.alice, c.bob.User),
		} {
			c.denies(c.alice, c.alice.Bundle(c.room, p), byCommit)
		}
	})
	c.Run("of a removal by an admin and the client's own both may wait; one of them is committed", func(t *testing.T) {
		without := c.alice.Commit(c.room)
		c.adam.Do(c.room, c.adam.Bundle(c.room, roletest.RemoveOf(c.laptop.Leaf(c.room))))
		c.denies(c.alice, c.alice.Bundle(c.room, roletest.RemoveOf(c.laptop.Leaf(c.room))), "a change of this client waits already")
		c.laptop.Do(c.room, c.laptop.Bundle(c.room, roletest.SelfRemove()))
		c.denies(c.alice, without, pending)
		c.alice.Do(c.room, c.alice.Commit(c.room))
		if !c.laptop.Groups[c.room].Removed() {
			t.Error("the laptop is still in")
		}
		c.agree(c.alice, c.adam, c.bob)
	})
	c.Run("an Update waits; its owner commits without it, everybody else with it", func(t *testing.T) {
		propose := func() *mimi.UpdateRequest {
			m, _, err := c.bob.Groups[c.room].ProposeUpdate(c.bob.Leaf(c.room), nil, c.bob.AAD(c.room), c.Now())
			if err != nil {
				t.Fatal(err)
			}
			return &mimi.UpdateRequest{Message: *m}
		}
		without := c.alice.Commit(c.room)
		c.bob.Do(c.room, propose())
		c.denies(c.bob, propose(), "a change of this client waits already")
		c.denies(c.alice, without, pending)
		c.bob.Do(c.room, c.bob.Commit(c.room))
		c.bob.Do(c.room, propose())
		c.alice.Do(c.room, c.alice.Commit(c.room))
		c.agree(c.alice, c.adam, c.bob)
	})
	c.Run("a removal outweighs an Update", func(t *testing.T) {
		m, _, err := c.bob.Groups[c.room].ProposeUpdate(c.bob.Leaf(c.room), nil, c.bob.AAD(c.room), c.Now())
		if err != nil {
			t.Fatal(err)
		}
		c.bob.Do(c.room, &mimi.UpdateRequest{Message: *m})
		c.alice.Do(c.room, c.alice.Remove(c.room, c.bob.User))
		c.agree(c.alice, c.adam)
	})
}

func TestExternalCommitDuringALeave(t *testing.T) {
	c := newCast(t)
	c.gather(c.bob, c.cathy)
	leave := c.bob.Leave(c.room)
	c.bob.Do(c.room, leave)
	c.Pass(time.Second)
	tablet := c.Device("c.example", "cathy", "tablet")
	c.Run("P-GI-15 an external commit that leaves a SelfRemove out is refused", func(t *testing.T) {
		state := tablet.Info(c.room)
		state.Pending = nil
		c.denies(tablet, tablet.JoinWith(c.room, state, nil), pending)
	})
	var stapled []wire.Message
	c.Run("P-NT-20 what the commit could not hold comes again from the hub, stapled to it", func(t *testing.T) {
		tablet.Do(c.room, tablet.Join(c.room, nil))
		stapled = c.item(0).ExternalProposals
		if len(stapled) != 2 { // the laptop, and the list entry
			t.Fatalf("%d proposals are stapled", len(stapled))
		}
		for i, p := range stapled {
			if p.Public.Content.Epoch != c.epoch() || p.Public.Content.Sender.Type != wire.ExternalSenderType {
				t.Errorf("proposal %d is of epoch %d, from a sender of type %d", i, p.Public.Content.Epoch, p.Public.Content.Sender.Type)
			}
		}
		if p := stapled[0].Public.Content.Proposal; p.Type != wire.RemoveProposal || p.Remove != uint32(c.laptop.Leaf(c.room)) {
			t.Errorf("the first is %+v", p)
		}
		if p := stapled[1].Public.Content.Proposal; p.Type != wire.AppDataUpdateProposal {
			t.Errorf("the second is %+v", p)
		}
	})
	c.Run("P-NT-19 the hub's proposals reach everybody", func(t *testing.T) {
		for _, d := range []*roletest.Device{c.alice, c.cathy, tablet, c.laptop} {
			if n := len(d.Groups[c.room].Public().Pending()); n != len(stapled) {
				t.Errorf("%s waits with %d proposals", d.Client.Client, n)
			}
		}
		state := tablet.Info(c.room)
		if len(state.Pending) != len(stapled) || state.Pending[0].AcceptedAt != c.item(0).Timestamp {
			t.Errorf("the GroupInfo tells of %d proposals", len(state.Pending))
		}
	})
	c.Run("P-LV-07 the leave stays in force and is completed by the next commit", func(t *testing.T) {
		c.silences(c.laptop, c.laptop.Message(c.room, "still here"), mimi.SubmitNotAllowed)
		c.alice.Do(c.room, c.alice.Commit(c.room))
		if !c.laptop.Groups[c.room].Removed() || c.alice.State(c.room).Role(c.bob.User) != 0 {
			t.Error("Bob is still in the room")
		}
		c.agree(c.alice, c.cathy, tablet)
	})
	c.Run("P-NT-20 an ordinary commit has nothing stapled to it", func(t *testing.T) {
		if n := len(c.item(0).ExternalProposals); n != 0 {
			t.Errorf("%d proposals", n)
		}
	})
	c.Run("P-GI-14 nothing of a former epoch waits", func(t *testing.T) {
		if n := len(tablet.Info(c.room).Pending); n != 0 {
			t.Errorf("%d proposals", n)
		}
	})
}
