package hub_test

import (
	"bytes"
	"strings"
	"sync"
	"testing"

	"parley/hub"
	"parley/mimi"
	"parley/mls/wire"
	"parley/policy"
	"parley/storetest/roletest"
	"parley/syntax"
)

// removes changes a proposal message of a device into a valid one that removes another leaf.
func (c *cast) removes(by *roletest.Device, leaf uint32) wire.Message {
	c.T.Helper()
	m := by.Bundle(c.room, roletest.RemoveOf(by.Leaf(c.room))).Message
	m.Public.Content.Proposal.Remove = leaf
	by.Resign(c.room, &m)
	return m
}

func TestUpdateRows(t *testing.T) {
	c := newCast(t)
	c.gather(c.bob, c.cathy)
	c.Run("P-UP-01 one commit with what belongs to it, or proposals", func(t *testing.T) {
		commit, bundle := c.alice.Commit(c.room), c.cathy.Bundle(c.room, roletest.SelfRemove())
		mixed := copyOf(t, bundle)
		mixed.MoreProposals = []wire.Message{commit.Message}
		if _, err := syntax.Marshal(mixed); err == nil {
			t.Error("a bundle with a commit can be encoded")
		}
		for name, body := range map[string][]byte{
			"commit and proposals": append(octets(t, commit), octets(t, &bundle.Message)...),
			"commit alone":         octets(t, &commit.Message),
			"proposals and rest":   append(octets(t, bundle), 0),
			"welcome":              octets(t, &wire.Message{Version: wire.MLS10, Format: wire.WelcomeFormat, Welcome: &wire.Welcome{}}),
			"nothing":              nil,
		} {
			if err := syntax.Unmarshal(body, new(mimi.UpdateRequest)); err == nil {
				t.Errorf("%s: decodes", name)
			}
		}
		c.alice.Do(c.room, commit)
		c.agree(c.alice, c.bob, c.laptop, c.cathy)
	})
	c.Run("P-UP-02 R-OPR-03 a handshake that is encrypted is refused", func(t *testing.T) {
		for _, kind := range []wire.ContentType{wire.CommitContent, wire.ProposalContent} {
			r := &mimi.UpdateRequest{Message: wire.Message{Version: wire.MLS10, Format: wire.PrivateMessageFormat, Private: &wire.PrivateMessage{
				GroupID: c.head().GroupID, Epoch: c.epoch(), Type: kind, Ciphertext: []byte("x")}}}
			c.unchanged(func() {
				_, err := c.hub.Hub.Update(t.Context(), c.bob.Home.URI, c.room, r)
				c.failsWith(err, mimi.BadRequest)
			})
			if err := syntax.Unmarshal(octets(t, &r.Message), new(mimi.UpdateRequest)); err == nil {
				t.Error("decodes")
			}
		}
	})
	c.Run("P-UP-03 an application message is refused", func(t *testing.T) {
		private := c.bob.Message(c.room, "hello").Message
		public := copyOf(t, &c.bob.Commit(c.room).Message)
		content := &public.Public.Content
		content.Type, content.Application, content.Commit = wire.ApplicationContent, []byte("hello"), nil
		c.bob.Resign(c.room, public)
		for _, m := range []wire.Message{private, *public} {
			c.unchanged(func() {
				_, err := c.hub.Hub.Update(t.Context(), c.bob.Home.URI, c.room, &mimi.UpdateRequest{Message: m})
				c.failsWith(err, mimi.BadRequest)
			})
			if err := syntax.Unmarshal(octets(t, &m), new(mimi.UpdateRequest)); err == nil {
				t.Error("decodes")
			}
		}
	})
	c.Run("P-UP-05 another epoch is answered with the hub's", func(t *testing.T) {
		old := c.bob.Commit(c.room)
		bundle := c.cathy.Bundle(c.room, roletest.SelfRemove())
		c.alice.Do(c.room, c.alice.Commit(c.room))
		future := c.bob.Commit(c.room)
		future.Message.Public.Content.Epoch++
		c.bob.Resign(c.room, &future.Message)
		late := c.cathy.Bundle(c.room, roletest.SelfRemove())
		late.MoreProposals = []wire.Message{bundle.Message}
		for name, r := range map[string]*mimi.UpdateRequest{"before": old, "after": future, "proposal": bundle, "one of two": late} {
			by := c.bob
			if !r.IsCommit() {
				by = c.cathy
			}
			if answer := c.refuses(by, r, mimi.UpdateWrongEpoch, ""); answer.CurrentEpoch != c.epoch() {
				t.Errorf("%s: told epoch %d, is %d", name, answer.CurrentEpoch, c.epoch())
			}
		}
	})
	c.Run("P-UP-06 the answer's time is the clock's in ms and that of the item", func(t *testing.T) {
		c.Pass(1500 * 1e6)
		answer := c.alice.Do(c.room, c.alice.Commit(c.room))
		if want := uint64(c.Now().UnixMilli()); answer.AcceptedAt != want {
			t.Errorf("accepted at %d, want %d", answer.AcceptedAt, want)
		}
		if got := c.cathy.Got[len(c.cathy.Got)-1].Timestamp; got != answer.AcceptedAt {
			t.Errorf("the item says %d, the answer %d", got, answer.AcceptedAt)
		}
	})
	c.Run("P-UP-07 what the role does not allow is not allowed", func(t *testing.T) {
		c.denies(c.bob, c.bob.Remove(c.room, c.cathy.User), "policy:0x0001")
		c.denies(c.bob, c.bob.Commit(c.room, c.Component(mimi.RoomMetadataComponent,
			&mimi.RoomMetadata{Room: c.room.String(), Name: "taken over"})), "policy:0x0300")
		c.denies(c.bob, c.bob.Commit(c.room, c.List(mimi.ParticipantListUpdate{
			Changed: []mimi.RoleChange{{User: c.bob.Index(c.room, c.bob.User), Role: policy.RoleAdmin}}})), "policy:0x0010")
	})
	c.Run("P-UP-08 invalid proposals are named", func(t *testing.T) {
		bad := c.removes(c.bob, 77)
		answer := c.refuses(c.bob, &mimi.UpdateRequest{Message: bad}, mimi.UpdateInvalidProposal, "")
		if len(answer.InvalidProposals) != 1 || !bytes.Equal(answer.InvalidProposals[0], c.ref(&bad)) {
			t.Errorf("got %x, want %x", answer.InvalidProposals, c.ref(&bad))
		}
		commit := c.bob.Commit(c.room) // by value there is no reference to name
		commit.Message.Public.Content.Commit.Proposals = []wire.ProposalOrRef{{Proposal: &wire.Proposal{Type: wire.RemoveProposal, Remove: 77}}}
		c.bob.Resign(c.room, &commit.Message)
		if answer := c.refuses(c.bob, commit, mimi.UpdateInvalidProposal, ""); len(answer.InvalidProposals) != 0 {
			t.Errorf("got %x", answer.InvalidProposals)
		}
	})
	c.Run("P-UP-09 all of a bundle or nothing", func(t *testing.T) {
		bad := c.removes(c.bob, 77)
		good := c.bob.Bundle(c.room, roletest.SelfRemove()).Message
		for _, r := range []*mimi.UpdateRequest{
			{Message: good, MoreProposals: []wire.Message{bad}}, {Message: bad, MoreProposals: []wire.Message{good}},
		} {
			answer := c.refuses(c.bob, r, mimi.UpdateInvalidProposal, "")
			if len(answer.InvalidProposals) != 1 || !bytes.Equal(answer.InvalidProposals[0], c.ref(&bad)) {
				t.Errorf("got %x, want %x", answer.InvalidProposals, c.ref(&bad))
			}
		}
		if waits := c.laptop.Info(c.room).Pending; len(waits) != 0 {
			t.Errorf("%d proposals wait", len(waits))
		}
		c.alice.Do(c.room, c.alice.Commit(c.room)) // which holds none of them
	})
	c.Run("descriptions are bounded and start with their reason", func(t *testing.T) {
		answer := c.bob.Update(c.room, c.bob.Remove(c.room, c.cathy.User))
		if len(answer.Description) > 1024 || strings.Contains(answer.Description, "cathy") {
			t.Errorf("%q", answer.Description)
		}
	})
}

func TestOneCommitPerEpoch(t *testing.T) {
	c := newCast(t)
	c.gather(c.bob, c.cathy)
	c.Run("P-UP-04 the second commit of an epoch is told the epoch, and everybody converges", func(t *testing.T) {
		first, second := c.alice.Commit(c.room), c.bob.Commit(c.room)
		c.alice.Do(c.room, first)
		c.refuses(c.bob, second, mimi.UpdateWrongEpoch, "")
		c.bob.Do(c.room, c.bob.Commit(c.room))
		c.agree(c.alice, c.bob, c.laptop, c.cathy)
	})
	c.Run("P-UP-04 two hub values on one store accept one of many commits at once", func(t *testing.T) {
		nodes := []*hub.Hub{c.hub.Hub, hub.New(c.hub.HubConfig)}
		for range 5 {
			devices := []*roletest.Device{c.alice, c.bob, c.laptop, c.cathy}
			before := c.epoch()
			var wg sync.WaitGroup
			var accepted, wrong int
			var mu sync.Mutex
			for i, d := range devices {
				r := d.Commit(c.room)
				wg.Add(1)
				go func() {
					defer wg.Done()
					answer, err := nodes[i%len(nodes)].Update(t.Context(), d.Home.URI, c.room, r)
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err != nil:
						t.Error(err)
					case answer.Code == mimi.UpdateSuccess:
						accepted++
					case answer.Code == mimi.UpdateWrongEpoch && answer.CurrentEpoch == before+1:
						wrong++
					}
				}()
			}
			wg.Wait()
			if accepted != 1 || wrong != len(devices)-1 || c.epoch() != before+1 {
				t.Fatalf("%d accepted, %d refused, epoch %d after %d", accepted, wrong, c.epoch(), before)
			}
			c.Sync()
			c.agree(devices...)
		}
	})
}
