package hub_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"parley/mimi"
	"parley/mls/wire"
	"parley/policy"
	"parley/room"
	"parley/storetest/roletest"
	"parley/uri"
)

// TestHistories drives rooms through what their owner, an admin and members do and try, and looks at the room after every step.
func TestHistories(t *testing.T) {
	for seed := range uint64(4) {
		h := &history{cast: newCast(t), rng: rand.New(rand.NewPCG(seed, 1))}
		h.gather(h.adam, h.bob, h.bea)
		h.alice.Do(h.room, h.alice.Commit(h.room, h.moved(h.alice, h.adam.User, policy.RoleAdmin)))
		h.Run("P-RS-09 P-RS-04 P-UP-04 whatever happens, every client is a participant's, and members and joiners alone commit", func(t *testing.T) {
			for range 25 {
				h.step()
				h.look()
			}
			if h.accepted < 5 || h.refused < 3 {
				t.Errorf("%d changes, %d refusals: too little happened", h.accepted, h.refused)
			}
		})
	}
}

type history struct {
	*cast
	rng               *rand.Rand
	accepted, refused int
}

// step has a random member try something with a random user.
func (h *history) step() {
	actors := []*roletest.Device{h.alice, h.adam, h.bob, h.bea, h.cathy}
	by := actors[h.rng.IntN(len(actors))]
	if g := by.Groups[h.room]; g == nil || g.Removed() {
		by = h.alice
	}
	target := actors[h.rng.IntN(len(actors))].User
	state := by.State(h.room)
	role := state.Role(target)
	var r *mimi.UpdateRequest
	switch n := h.rng.IntN(7); {
	case target == h.alice.User:
		r = by.Commit(h.room)
	case role == 0 && n < 5:
		for _, d := range actors[1:] {
			if d.User == target {
				d.Publish(2)
			}
		}
		r = by.Commit(h.room, h.Listed(target, uint32(1+h.rng.IntN(4))))
	case role == 0:
		kp := h.cathy.Package(nil)
		r = by.Commit(h.room, roletest.AddOf(&kp.KeyPackage)) // a ghost
	case target == by.User:
		r = by.Commit(h.room, h.moved(by, target, uint32(1+h.rng.IntN(4))))
	case n < 2:
		r = by.Commit(h.room, append(h.removals(by, target), h.unlisted(by, target))...)
	case n < 4:
		r = by.Commit(h.room, append(h.removals(by, target), h.moved(by, target, policy.BannedRole))...)
	case n < 5:
		r = by.Commit(h.room, h.unlisted(by, target))
	default:
		r = by.Commit(h.room, h.moved(by, target, uint32(1+h.rng.IntN(4))))
	}
	if answer := by.Update(h.room, r); answer.Code == mimi.UpdateSuccess {
		h.accepted++
		h.Sync()
	} else {
		h.refused++
	}
}

// look holds the room against what is always so.
func (h *history) look() {
	h.T.Helper()
	group := h.alice.Groups[h.room].Public()
	state := h.alice.State(h.room)
	for _, leaf := range group.All() {
		if user, err := room.UserOf(leaf); err != nil || !state.MayHaveLeaves(user) {
			h.T.Errorf("a client of %v is in, whose role is %d", user, state.Role(user))
		}
	}
	epochs := make(map[uint64]bool)
	for _, item := range h.log() {
		var m mimi.FanoutMessage
		if err := mimi.Limits(len(item.Body)).Unmarshal(item.Body, &m); err != nil {
			h.T.Fatal(err)
		}
		p := m.Message.Public
		if p == nil || p.Content.Type != wire.CommitContent {
			continue
		}
		if s := p.Content.Sender.Type; s != wire.MemberSender && s != wire.NewMemberCommitSender {
			h.T.Errorf("a commit by a sender of type %d", s)
		}
		if epochs[p.Content.Epoch] {
			h.T.Errorf("two commits of epoch %d", p.Content.Epoch)
		}
		epochs[p.Content.Epoch] = true
	}
}

func TestLeaveWithoutCommitter(t *testing.T) {
	c := newCast(t)
	c.gather(c.bob, c.cathy)
	c.Run("P-LV-09 a leave stays in force at the hub while nobody commits", func(t *testing.T) {
		text := c.laptop.Message(c.room, "I am still here")
		c.bob.Do(c.room, c.bob.Leave(c.room))
		c.Pass(time.Hour)
		before := len(c.arrivals(c.bob))
		c.cathy.Send(c.room, "nobody commits")
		c.Sync()
		if n := len(c.arrivals(c.bob)) - before; n != 0 {
			t.Errorf("%d items came to who has left", n)
		}
		c.silences(c.laptop, text, mimi.SubmitNotAllowed)
		c.alice.Do(c.room, c.alice.Commit(c.room))
		c.agree(c.alice, c.cathy)
	})
}

func TestMembershipWaitsForTheCommit(t *testing.T) {
	c := newCast(t)
	c.gather(c.bob)
	c.Run("P-RS-02 an added client is no member before its commit, a listed user without clients sends nothing", func(t *testing.T) {
		kp := c.alice.Claim(c.room, c.bea.User)[0]
		c.denies(c.alice, c.alice.Bundle(c.room, c.Listed(c.bea.User, policy.RoleMember), roletest.AddOf(&kp)), "changes of this kind are made by a commit")
		c.alice.Do(c.room, c.alice.Commit(c.room, c.Listed(c.bea.User, policy.RoleMember)))
		text := c.bob.Message(c.room, "in another's name")
		text.SendingURI = c.bea.User.String()
		c.silences(c.bea, text, mimi.SubmitNotAllowed)
	})
	c.Run("R-OPR-02 a commit that refers to what never came is refused", func(t *testing.T) {
		lost := c.bob.Bundle(c.room, roletest.SelfRemove())
		group := c.alice.Groups[c.room]
		staged, err := group.Process(&lost.Message, c.Now())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := staged.Apply(); err != nil {
			t.Fatal(err)
		}
		c.refuses(c.alice, c.alice.Commit(c.room), mimi.UpdateInvalidProposal, "proposal type or reference not known")
	})
}

func TestBansDoNotCount(t *testing.T) {
	two := uint32(2)
	c := castIn(t, roletest.Policy(func(_ *policy.RoleData, b *policy.BaseRoomPolicy) { b.MaxUsers = &two }))
	c.Run("R-BAS-11 banned users are not among those who fill a room", func(t *testing.T) {
		users := []uri.User{c.bob.User, c.adam.User}
		for _, user := range users {
			c.alice.Do(c.room, c.alice.Commit(c.room, c.Listed(user, policy.BannedRole)))
		}
		c.gather(c.bea)
		c.denies(c.alice, c.alice.Add(c.room, c.cathy.User), "the room has as many participants")
	})
}

func TestPartialGroupInfo(t *testing.T) {
	c := newCast(t)
	c.gather(c.bob)
	c.Run("P-UP-19 a partial GroupInfo says that no tree was in it", func(t *testing.T) {
		for _, presence := range []wire.TreePresence{wire.RatchetTreePresent, wire.RatchetTreeRemoved} {
			commit := c.bob.Commit(c.room)
			commit.GroupInfo.Partial.Presence = presence
			c.denies(c.bob, commit, mimi.ReasonBadGroupInfo)
		}
		c.bob.Do(c.room, c.bob.Commit(c.room))
	})
}
