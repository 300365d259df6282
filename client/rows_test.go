package client_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"parley/client"
	"parley/content"
	"parley/mimi"
	"parley/mls/wire"
	"parley/room"
	"parley/storetest/roletest"
	"parley/syntax"
	"parley/uri"
)

// circle is Alice at A, Bob with two devices at B and Cathy at C, all with real clients, in a room of A.
type circle struct {
	*roletest.World
	alice, bob, laptop, cathy *roletest.Person
	room                      uri.Room
}

func newCircle(t *testing.T) *circle {
	t.Helper()
	w := roletest.New(t, "a.example", "b.example", "c.example")
	c := &circle{World: w,
		alice: w.Person("a.example", "alice", "phone"), bob: w.Person("b.example", "bob", "phone"),
		laptop: w.Person("b.example", "bob", "laptop"), cathy: w.Person("c.example", "cathy", "phone"),
	}
	c.room = c.alice.Device.RoomURI("clubhouse")
	c.must(c.alice.Create(t.Context(), c.room, "Clubhouse"))
	for _, p := range []*roletest.Person{c.bob, c.cathy} {
		c.want(c.alice.Add(t.Context(), c.room, p.Device.User))
		c.Work()
	}
	c.agree(c.alice, c.bob, c.laptop, c.cathy)
	return c
}

func (c *circle) must(err error) {
	c.T.Helper()
	if err != nil {
		c.T.Fatal(err)
	}
}

func (c *circle) want(_ uint64, err error) {
	c.T.Helper()
	c.must(err)
}

func (c *circle) send(by *roletest.Person, text string) {
	c.T.Helper()
	message := content.NewText([16]byte{byte(len(text))}, by.Device.User, c.room, text)
	encoded, err := message.Encode()
	c.must(err)
	c.want(by.Send(c.T.Context(), c.room, encoded, nil))
}

func (c *circle) agree(people ...*roletest.Person) {
	c.T.Helper()
	first, _ := people[0].Room(c.room)
	for _, p := range people[1:] {
		r, ok := p.Room(c.room)
		if !ok || !r.Active() || r.Epoch() != first.Epoch() || !slices.Equal(r.Authenticator(), first.Authenticator()) {
			c.T.Errorf("%s is not where the first is", p.Device.Client.Client)
		}
	}
}

// texts are the messages that a person can read, in order.
func (c *circle) texts(p *roletest.Person) (out []string) {
	c.T.Helper()
	entries, err := p.Timeline(c.T.Context(), c.room, 0, 1000)
	c.must(err)
	for _, e := range entries {
		if e.Kind == client.EntryMessage {
			out = append(out, e.Text)
		}
		if e.Kind == client.EntryGap {
			c.T.Errorf("%s has a gap: %s", p.Device.Client.Client, e.Reason)
		}
	}
	return out
}

// asked are the requests of a person since there were that many.
func since(p *roletest.Person, before int, kinds ...mimi.Endpoint) (out []roletest.Asked) {
	for _, a := range p.Asked[before:] {
		if slices.Contains(kinds, a.What) {
			out = append(out, a)
		}
	}
	return out
}

func TestRows(t *testing.T) {
	c := newCircle(t)
	dora := c.Person("c.example", "dora", "phone")
	c.Run("P-KM-02 the claim for an addition names the room", func(t *testing.T) {
		before := len(c.bob.Asked)
		c.want(c.bob.Add(t.Context(), c.room, dora.Device.User))
		c.Work()
		asked := since(c.bob, before, mimi.KeyMaterial, mimi.Update)
		if len(asked) != 2 || asked[0].Claim == nil || asked[0].Claim.Room != c.room.String() || asked[1].Room != c.room {
			t.Fatalf("%d requests", len(asked))
		}
		c.agree(c.alice, c.bob, dora)
	})
	c.Run("P-NT-24 the own message comes back and is shown once", func(t *testing.T) {
		c.send(c.bob, "hello")
		c.Work()
		for _, p := range []*roletest.Person{c.alice, c.bob, c.laptop, c.cathy} {
			if got := c.texts(p); !slices.Equal(got, []string{"hello"}) {
				t.Errorf("%s reads %q", p.Device.Client.Client, got)
			}
		}
	})
	leave := len(c.bob.Asked)
	c.want(c.bob.Leave(t.Context(), c.room))
	if _, err := c.bob.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	bundle := since(c.bob, leave, mimi.Update)[0].Update
	c.Run("P-LV-01 a leave proposes the removal of all own devices and of the list entry, in one bundle", func(t *testing.T) {
		var kinds []wire.ProposalType
		all := append([]wire.Message{bundle.Message}, bundle.MoreProposals...)
		for _, m := range all {
			kinds = append(kinds, m.Public.Content.Proposal.Type)
		}
		if !slices.Equal(kinds, []wire.ProposalType{wire.SelfRemoveProposal, wire.RemoveProposal, wire.AppDataUpdateProposal}) {
			t.Fatalf("%v", kinds)
		}
		var update mimi.ParticipantListUpdate
		c.must(syntax.Unmarshal(all[2].Public.Content.Proposal.AppDataUpdate.Update, &update))
		if len(update.Removed) != 1 || len(update.Added)+len(update.Changed) != 0 {
			t.Errorf("%+v", update)
		}
	})
	c.Run("P-LV-06 the SelfRemove is in the clear, and one for each epoch", func(t *testing.T) {
		if bundle.Message.Public == nil {
			t.Error("encrypted")
		}
		c.Settle()
		if _, err := c.bob.Receive(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		before := len(c.bob.Asked)
		c.want(c.bob.Leave(t.Context(), c.room))
		for range 2 {
			if _, err := c.bob.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(since(c.bob, before, mimi.Update)); n != 0 {
			t.Errorf("%d further requests", n)
		}
	})
	tablet := c.Person("c.example", "cathy", "tablet")
	c.Run("P-ND-01 a new device gets the GroupInfo and commits itself in, through its own provider", func(t *testing.T) {
		before := len(c.Calls(mimi.Update))
		c.want(tablet.Join(t.Context(), c.room))
		if _, err := tablet.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		asked := since(tablet, 0, mimi.GroupInfo, mimi.Update)
		if len(asked) != 2 || asked[0].What != mimi.GroupInfo || asked[1].Update.Message.Public.Content.Sender.Type != wire.NewMemberCommitSender {
			t.Fatalf("%+v", asked)
		}
		if call := c.Calls(mimi.Update)[before]; call.From != tablet.Device.Home.URI || call.To != c.room.Provider() {
			t.Errorf("went from %v to %v", call.From, call.To)
		}
	})
	c.Run("P-GI-15 with the SelfRemoves that wait, by reference", func(t *testing.T) {
		references := 0
		for _, p := range since(tablet, 0, mimi.Update)[0].Update.Message.Public.Content.Commit.Proposals {
			if p.Reference != nil {
				references++
			}
		}
		if references != 1 { // Bob's phone; the laptop's Remove cannot be in it
			t.Errorf("%d references", references)
		}
	})
	c.Run("P-SM-14 who has seen a leave commits it before sending", func(t *testing.T) {
		c.Settle()
		if _, err := c.cathy.Receive(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		before := len(c.cathy.Asked)
		c.send(c.cathy, "after the leave")
		c.Work()
		asked := since(c.cathy, before, mimi.Update, mimi.SubmitMessage)
		var kinds []mimi.Endpoint
		for _, a := range asked {
			kinds = append(kinds, a.What)
		}
		if i := slices.Index(kinds, mimi.SubmitMessage); i < 0 {
			t.Fatal("not sent")
		} else if sent := asked[i].Message.Message.Private.Epoch; sent != c.epochWithout(c.cathy, c.bob.Device.User) {
			t.Errorf("sent in epoch %d", sent)
		}
		if r, _ := c.bob.Room(c.room); r.Active() {
			t.Error("Bob is still in the room")
		}
		c.agree(c.alice, c.cathy, tablet, dora)
		for _, p := range []*roletest.Person{c.alice, tablet, dora} {
			if got := c.texts(p); got[len(got)-1] != "after the leave" {
				t.Errorf("%s reads %q", p.Device.Client.Client, got)
			}
		}
		if got := c.texts(c.laptop); slices.Contains(got, "after the leave") {
			t.Error("the laptop reads on")
		}
	})
}

func TestCommitFirst(t *testing.T) {
	c := newCircle(t)
	c.Run("P-SM-14 also when the message was written before the leave came, and the client was started anew", func(t *testing.T) {
		c.send(c.cathy, "written before")
		c.want(c.bob.Leave(t.Context(), c.room))
		if _, err := c.bob.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.Settle()
		if _, err := c.cathy.Receive(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		c.cathy.Reopen()
		c.Pass(time.Minute) // so that only the client's own rule makes it wait
		before := len(c.cathy.Asked)
		for range 3 {
			if _, err := c.cathy.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		asked := since(c.cathy, before, mimi.Update, mimi.SubmitMessage)
		if len(asked) == 0 || asked[0].What != mimi.Update {
			t.Fatalf("%d requests, the first for %v", len(asked), asked[0].What)
		}
		c.Work()
		c.agree(c.alice, c.cathy)
		if got := c.texts(c.alice); !slices.Equal(got, []string{"written before"}) {
			t.Errorf("Alice reads %q", got)
		}
	})
}

// epochWithout is the person's epoch, in which a user must not be a participant.
func (c *circle) epochWithout(p *roletest.Person, user uri.User) uint64 {
	c.T.Helper()
	r, _ := p.Room(c.room)
	people, err := r.People()
	c.must(err)
	for _, person := range people {
		if person.User == user {
			c.T.Errorf("%s is still a participant", user)
		}
	}
	return r.Epoch()
}

func TestAnotherHub(t *testing.T) {
	c := newCircle(t)
	other := c.Provider("b.example")
	tablet := c.Person("c.example", "cathy", "tablet")
	// forge answers with a group that is complete, but whose external sender is the given one.
	forge := func(t *testing.T, sender *roletest.Provider, name uri.Room) {
		mallory := c.Device("a.example", "mallory", "phone")
		extensions, err := room.Template(name, "Clubhouse", c.cathy.Device.User, sender.Sender)
		c.must(err)
		tablet.Tamper = func(r *mimi.GroupInfoRequest, answer *mimi.GroupInfoResponse) {
			_, info, tree := mallory.NewGroup(name, extensions)
			forged, err := mimi.SealGroupInfoResponse(r, c.room.String(), sender.Sender, sender.HubConfig.Keys[0].Signer, &mimi.GroupInfoRatchetTree{
				GroupInfo: *info, Tree: wire.RatchetTreeOption{Representation: wire.FullTree, Tree: tree}})
			c.must(err)
			*answer = *forged
		}
		before := len(tablet.Asked)
		c.want(tablet.Join(t.Context(), c.room))
		c.Work()
		if n := len(since(tablet, before, mimi.Update)); n != 0 {
			t.Errorf("%d commits for the forged room", n)
		}
		if r, ok := tablet.Room(c.room); ok && r.Active() {
			t.Error("in the room")
		}
	}
	c.Run("P-GI-11 an answer from another hub than the room's is refused", func(t *testing.T) {
		forge(t, other, c.room)
	})
	c.Run("P-GI-11 an answer whose hub_sender is not in the group is refused, even when it is the hub's own", func(t *testing.T) {
		hub := c.Provider("a.example")
		stray := c.Device("a.example", "stray", "key")
		sender, err := hub.CA.IssueProvider(stray.Key.Public(), roletest.Start, time.Hour)
		c.must(err)
		tablet.Tamper = func(_ *mimi.GroupInfoRequest, answer *mimi.GroupInfoResponse) {
			answer.HubSender = wire.ExternalSender{SignatureKey: stray.Public, Credential: sender}
			c.must(answer.Sign(stray.Key))
		}
		before := len(tablet.Asked)
		c.want(tablet.Join(t.Context(), c.room))
		c.Work()
		if n := len(since(tablet, before, mimi.Update)); n != 0 {
			t.Errorf("%d commits", n)
		}
	})
	c.Run("the room's own answer for another room is refused", func(t *testing.T) {
		forge(t, c.Provider("a.example"), c.alice.Device.RoomURI("other"))
	})
	c.Run("and the honest one lets the device in", func(t *testing.T) {
		tablet.Tamper = nil
		c.want(tablet.Join(t.Context(), c.room))
		c.Work()
		c.agree(c.alice, tablet)
	})
}

// TestRestart plays the example with every client opened anew from its disk after each step.
func TestRestart(t *testing.T) {
	c := newCircle(t)
	everybody := []*roletest.Person{c.alice, c.bob, c.laptop, c.cathy}
	steps := []func(ctx context.Context){
		func(context.Context) { c.send(c.alice, "one") },
		func(ctx context.Context) { c.want(c.bob.Leave(ctx, c.room)) },
		func(context.Context) { c.send(c.cathy, "two") },
		func(ctx context.Context) { c.want(c.alice.Add(ctx, c.room, c.bob.Device.User)) },
		func(context.Context) { c.send(c.laptop, "three") },
	}
	for _, step := range steps {
		step(t.Context())
		for _, p := range everybody {
			p.Reopen()
		}
		c.Work()
		for _, p := range everybody {
			p.Reopen()
		}
	}
	c.agree(everybody...)
	if got := c.texts(c.alice); !slices.Equal(got, []string{"one", "two", "three"}) {
		t.Errorf("Alice reads %q", got)
	}
}
