package hub_test

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"parley/hub"
	"parley/mimi"
	"parley/mls/wire"
	"parley/policy"
	"parley/store/memory"
	"parley/storetest/roletest"
	"parley/syntax"
)

func TestSubmit(t *testing.T) {
	c := newCast(t)
	c.gather(c.bob, c.cathy)
	c.Run("P-SM-01 a PrivateMessage with application data, nothing else", func(t *testing.T) {
		good := c.bob.Message(c.room, "hello")
		for _, kind := range []wire.ContentType{wire.ProposalContent, wire.CommitContent} {
			bad := *good
			private := *good.Message.Private
			private.Type = kind
			bad.Message.Private = &private
			c.undeliverable(&bad)
		}
		bad := *good
		bad.Message = *copyOf(t, &c.bob.Commit(c.room).Message)
		c.undeliverable(&bad)
		content := &bad.Message.Public.Content
		content.Type, content.Application, content.Commit = wire.ApplicationContent, []byte("hello"), nil
		c.undeliverable(&bad)
		if answer := c.bob.Submit(c.room, good); answer.Code != mimi.SubmitAccepted {
			t.Errorf("refused: %d", answer.Code)
		}
	})
	c.Run("P-SM-05 the answer's time is the clock's, in ms", func(t *testing.T) {
		c.Pass(777 * time.Millisecond)
		if got, want := c.bob.Send(c.room, "now").AcceptedAt, uint64(c.Now().UnixMilli()); got != want {
			t.Errorf("accepted at %d, want %d", got, want)
		}
	})
	c.Run("P-SM-02 the sender is an active participant", func(t *testing.T) {
		r := c.bob.Message(c.room, "for somebody else")
		r.SendingURI = c.bea.User.String()
		c.refusesMessage(c.bob.Home, r)
		c.alice.Do(c.room, c.alice.Commit(c.room, c.Listed(c.bea.User, policy.RoleMember)))
		r = c.bob.Message(c.room, "for somebody without a device here")
		r.SendingURI = c.bea.User.String()
		c.refusesMessage(c.bob.Home, r)
		r.SendingURI = "mimi://b.example/u/nobody"
		c.refusesMessage(c.bob.Home, r)
		for _, wrong := range []string{c.bob.Client.Client.String(), c.room.String(), "bob", ""} {
			r.SendingURI = wrong
			c.undeliverable(r)
		}
	})
	c.Run("P-SM-03 a provider submits for its own users", func(t *testing.T) {
		r := c.bob.Message(c.room, "hello")
		c.refusesMessage(c.c(), r)
		r.SendingURI = c.cathy.User.String()
		c.refusesMessage(c.bob.Home, r)
	})
	c.Run("P-SM-08 an epoch to come is not allowed", func(t *testing.T) {
		r := c.bob.Message(c.room, "hello")
		r.Message.Private.Epoch++
		c.silences(c.bob, r, mimi.SubmitNotAllowed)
	})
	c.Run("P-SM-10 the group is the room's", func(t *testing.T) {
		r := c.bob.Message(c.room, "hello")
		r.Message.Private.GroupID = flipped(r.Message.Private.GroupID)
		c.silences(c.bob, r, mimi.SubmitNotAllowed)
		other := c.alice.Create("other")
		own := c.alice.Message(other, "hello")
		c.silences(c.alice, own, mimi.SubmitNotAllowed)
		_, err := c.hub.Hub.SubmitMessage(t.Context(), c.hub.URI, c.alice.RoomURI("none"), own)
		c.failsWith(err, mimi.NotFound)
	})
	c.Run("P-SM-09 the epoch before is taken for a minute, in order", func(t *testing.T) {
		first, second, third := c.bob.Message(c.room, "1"), c.bob.Message(c.room, "2"), c.bob.Message(c.room, "3")
		c.alice.Do(c.room, c.alice.Commit(c.room))
		before := len(c.alice.Texts)
		c.Pass(time.Minute)
		for _, r := range []*mimi.SubmitMessageRequest{first, second} {
			if answer := c.bob.Submit(c.room, r); answer.Code != mimi.SubmitAccepted {
				t.Errorf("refused: %d", answer.Code)
			}
		}
		c.Sync()
		if got := c.alice.Texts[before:]; !slices.Equal(got, []string{"1", "2"}) {
			t.Errorf("Alice got %q", got)
		}
		c.Pass(time.Millisecond)
		c.silences(c.bob, third, mimi.SubmitEpochTooOld)
	})
	c.Run("P-SM-07 an epoch too old is answered with the present one", func(t *testing.T) {
		r := c.bob.Message(c.room, "1")
		c.alice.Do(c.room, c.alice.Commit(c.room))
		c.alice.Do(c.room, c.alice.Commit(c.room))
		if answer := c.silences(c.bob, r, mimi.SubmitEpochTooOld); answer.CurrentEpoch != c.epoch() {
			t.Errorf("told epoch %d, is %d", answer.CurrentEpoch, c.epoch())
		}
	})
	c.Run("P-SM-11 what was sealed arrives as it was sealed", func(t *testing.T) {
		r := c.bob.Message(c.room, "hello")
		c.bob.Submit(c.room, r)
		c.Sync()
		for _, d := range []*roletest.Device{c.alice, c.bob, c.laptop, c.cathy} {
			if got := d.Got[len(d.Got)-1]; !bytes.Equal(octets(t, &got.Message), octets(t, &r.Message)) {
				t.Errorf("%s got another one", d.Client.Client)
			}
		}
	})
	c.Run("P-SM-13 the same request again is answered as before, and delivered once", func(t *testing.T) {
		r := c.bob.Message(c.room, "once")
		answer := c.bob.Submit(c.room, r)
		c.Pass(time.Second)
		c.unchanged(func() {
			if again := c.bob.Submit(c.room, r); !bytes.Equal(octets(t, again), octets(t, answer)) {
				t.Errorf("got %+v, before %+v", again, answer)
			}
		})
		for range 3 {
			c.alice.Do(c.room, c.alice.Commit(c.room))
		}
		c.Pass(29 * 24 * time.Hour)
		c.hub.Restart()
		c.unchanged(func() {
			if again := c.bob.Submit(c.room, r); !bytes.Equal(octets(t, again), octets(t, answer)) {
				t.Errorf("after the epoch moved: got %+v, before %+v", again, answer)
			}
		})
	})
	c.Run("P-TR-17 a refused request may be accepted later: refusals are not kept", func(t *testing.T) {
		c.bea.Publish(1)
		c.alice.Do(c.room, c.alice.Commit(c.room, c.unlisted(c.alice, c.bea.User)))
		r := c.bob.Message(c.room, "hello")
		r.SendingURI = c.bea.User.String()
		c.refusesMessage(c.bob.Home, r)
		c.alice.Do(c.room, c.alice.Add(c.room, c.bea.User))
		if answer, err := c.hub.Hub.SubmitMessage(t.Context(), c.bob.Home.URI, c.room, r); err != nil || answer.Code != mimi.SubmitAccepted {
			t.Errorf("got %+v, %v", answer, err)
		}
	})
}

// undeliverable requires that a request has no encoded form and the hub refuses it as malformed.
func (c *cast) undeliverable(r *mimi.SubmitMessageRequest) {
	c.T.Helper()
	c.unchanged(func() {
		c.T.Helper()
		_, err := c.hub.Hub.SubmitMessage(c.T.Context(), c.bob.Home.URI, c.room, r)
		c.failsWith(err, mimi.BadRequest)
	})
	encoded, err := syntax.Marshal(r)
	if err != nil {
		return
	}
	back := new(mimi.SubmitMessageRequest)
	if err := syntax.Unmarshal(encoded, back); err == nil && back.Validate() == nil {
		c.T.Error("passes")
	}
}

// refusesMessage hands a request in as a provider, around that provider's own checks.
func (c *cast) refusesMessage(by *roletest.Provider, r *mimi.SubmitMessageRequest) {
	c.T.Helper()
	c.unchanged(func() {
		c.T.Helper()
		answer, err := c.hub.Hub.SubmitMessage(c.T.Context(), by.URI, c.room, r)
		if err != nil || answer.Code != mimi.SubmitNotAllowed {
			c.T.Errorf("got %+v, %v", answer, err)
		}
	})
}

func TestMutedRole(t *testing.T) {
	c := castIn(t, roletest.Policy(func(roles *policy.RoleData, _ *policy.BaseRoomPolicy) {
		member, _ := roles.Find(policy.RoleMember)
		member.Capabilities = without(member.Capabilities, policy.CanSendMessage)
	}))
	c.gather(c.bob)
	c.Run("P-SM-04 a role without canSendMessage sends nothing", func(t *testing.T) {
		c.silences(c.bob, c.bob.Message(c.room, "hello"), mimi.SubmitNotAllowed)
		c.alice.Do(c.room, c.alice.Commit(c.room, c.moved(c.alice, c.bob.User, policy.RoleAdmin)))
		c.bob.Send(c.room, "hello")
	})
}

func TestTimestamps(t *testing.T) {
	c := newCast(t)
	c.gather(c.bob)
	c.Run("P-SM-15 times of a room never go back, whatever the clock does", func(t *testing.T) {
		c.Pass(24 * time.Hour) // into the validity of all certificates
		steps := []time.Duration{time.Second, -time.Hour, 0, 30 * time.Minute, -time.Second, 2 * time.Hour}
		for i, step := range steps {
			c.Pass(step)
			c.bob.Send(c.room, fmt.Sprint(i))
			c.alice.Do(c.room, c.alice.Commit(c.room))
		}
		last := uint64(0)
		for i, item := range c.log() {
			if item.Timestamp < last || item.Sequence != uint64(i)+1 {
				t.Errorf("item %d: %d after %d", item.Sequence, item.Timestamp, last)
			}
			last = item.Timestamp
		}
	})
	c.Run("P-SM-15 nor with two hub values and many senders", func(t *testing.T) {
		nodes := []*hub.Hub{c.hub.Hub, hub.New(c.hub.HubConfig)}
		const each = 50
		var wg sync.WaitGroup
		for i, d := range []*roletest.Device{c.alice, c.bob, c.laptop} {
			var requests []*mimi.SubmitMessageRequest
			for n := range each {
				requests = append(requests, d.Message(c.room, fmt.Sprint(n)))
			}
			wg.Add(1)
			go func() {
				defer wg.Done()
				for _, r := range requests {
					c.Pass(time.Duration(i-1) * time.Millisecond)
					answer, err := nodes[i%2].SubmitMessage(t.Context(), d.Home.URI, c.room, r)
					if err != nil || answer.Code != mimi.SubmitAccepted {
						t.Errorf("got %+v, %v", answer, err)
						return
					}
				}
			}()
		}
		wg.Wait()
		c.Sync()
		last := uint64(0)
		for _, a := range c.bob.Got {
			if a.Timestamp < last {
				t.Fatalf("%d after %d", a.Timestamp, last)
			}
			last = a.Timestamp
		}
		if n := len(c.alice.Texts); n < 2*each {
			t.Errorf("Alice opened %d messages", n)
		}
	})
}

func TestSubmitTogether(t *testing.T) {
	c := newCast(t)
	c.gather(c.bob)
	together := func(requests ...*mimi.SubmitMessageRequest) []*mimi.SubmitMessageResponse {
		t.Helper()
		answers, err := c.hub.Hub.SubmitMessages(t.Context(), c.bob.Home.URI, c.room, requests)
		if err != nil {
			t.Fatal(err)
		}
		return answers
	}
	seal := func(texts ...string) (out []*mimi.SubmitMessageRequest) {
		for _, text := range texts {
			out = append(out, c.bob.Message(c.room, text))
		}
		return out
	}
	future := func(r *mimi.SubmitMessageRequest) *mimi.SubmitMessageRequest {
		bad := *r
		private := *r.Message.Private
		private.Epoch++
		bad.Message.Private = &private
		return &bad
	}
	c.Run("all are accepted in their order, in one transaction", func(t *testing.T) {
		before := len(c.log())
		answers := together(seal("1", "2", "3")...)
		c.Sync()
		if len(answers) != 3 || len(c.log()) != before+3 {
			t.Fatalf("%d answers, %d items", len(answers), len(c.log())-before)
		}
		if got := c.alice.Texts[len(c.alice.Texts)-3:]; !slices.Equal(got, []string{"1", "2", "3"}) {
			t.Errorf("Alice reads %q", got)
		}
		c.failing(memory.Lost) // one outcome: a second transaction would be stored
		if _, err := c.hub.Hub.SubmitMessages(t.Context(), c.bob.Home.URI, c.room, seal("4", "5")); err == nil {
			t.Error("accepted what is not durable")
		}
		if len(c.log()) != before+3 {
			t.Error("a part of what was not accepted is in the log")
		}
	})
	c.Run("nothing behind one that is not accepted", func(t *testing.T) {
		list := seal("6", "7", "8")
		list[1] = future(list[1])
		before := len(c.log())
		answers := together(list...)
		if len(answers) != 2 || answers[0].Code != mimi.SubmitAccepted || answers[1].Code != mimi.SubmitNotAllowed || len(c.log()) != before+1 {
			t.Errorf("%d answers, %d items", len(answers), len(c.log())-before)
		}
	})
	c.Run("what was accepted before gets its answer again, and what follows is taken", func(t *testing.T) {
		list := seal("9", "10", "11")
		first := together(list[:2]...)
		c.Pass(time.Second)
		before := len(c.log())
		answers := together(append(list, list[2])...)
		if len(answers) != 4 || len(c.log()) != before+1 {
			t.Fatalf("%d answers, %d items", len(answers), len(c.log())-before)
		}
		if answers[1].AcceptedAt != first[1].AcceptedAt || answers[2].AcceptedAt == first[1].AcceptedAt || answers[3].AcceptedAt != answers[2].AcceptedAt {
			t.Error("other times than before")
		}
	})
	c.Run("a malformed one ends the request; as the first it is refused", func(t *testing.T) {
		list := seal("12", "13")
		list[1].SendingURI = "bob"
		before := len(c.log())
		if answers := together(list...); len(answers) != 1 || len(c.log()) != before+1 {
			t.Errorf("%d answers, %d items", len(answers), len(c.log())-before)
		}
		for _, bad := range [][]*mimi.SubmitMessageRequest{list[1:], nil} {
			_, err := c.hub.Hub.SubmitMessages(t.Context(), c.bob.Home.URI, c.room, bad)
			c.failsWith(err, mimi.BadRequest)
		}
	})
}
