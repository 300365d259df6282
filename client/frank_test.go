package client_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"parley/client"
	"parley/content"
	"parley/mimi"
	"parley/storetest/roletest"
	"parley/syntax"
)

// tampering stands between a client and its provider, as a follower that lies would.
type tampering struct {
	client.Provider
	change func(items []*mimi.FanoutMessage)
}

func (p *tampering) Events(ctx context.Context, after client.Cursor, wait time.Duration) ([]client.Event, error) {
	events, err := p.Provider.Events(ctx, after, wait)
	if err != nil || p.change == nil {
		return events, err
	}
	var items []*mimi.FanoutMessage
	var at []int
	for i := range events {
		item := new(mimi.FanoutMessage)
		if syntax.Unmarshal(events[i].Body, item) == nil && item.Frank != nil {
			items, at = append(items, item), append(at, i)
		}
	}
	p.change(items)
	for k, i := range at {
		if events[i].Body, err = syntax.Marshal(items[k]); err != nil {
			return nil, err
		}
		events[i].Timestamp = items[k].Timestamp
	}
	return events, nil
}

// franks lists the franks of a person's messages by text.
func (c *circle) franks(p *roletest.Person) map[string]*client.Franked {
	c.T.Helper()
	entries, err := p.Timeline(c.T.Context(), c.room, 0, 1000)
	c.must(err)
	out := make(map[string]*client.Franked)
	for _, e := range entries {
		if e.Kind == client.EntryMessage {
			out[e.Text] = e.Franked
		}
	}
	return out
}

func (c *circle) says(p *roletest.Person, text string) {
	c.T.Helper()
	_, err := p.Say(c.T.Context(), c.room, text)
	c.must(err)
}

func TestFranks(t *testing.T) {
	c := newCircle(t)
	lie := new(tampering)
	c.cathy.Between = func(p client.Provider) client.Provider {
		lie.Provider = p
		return lie
	}
	c.cathy.Reopen()
	before := len(c.bob.Asked)
	c.says(c.bob, "hello")
	c.Work()
	sent := since(c.bob, before, mimi.SubmitMessage)[0].Message.Message.Private
	entries, err := c.cathy.Timeline(t.Context(), c.room, 0, 1000)
	c.must(err)
	last := entries[len(entries)-1]
	message, err := content.Decode(last.Content)
	c.must(err)
	data := append(append([]byte(nil), last.Franked.Frame...), last.Content...)
	c.Run("P-FR-01 P-FR-02 the tag is the HMAC with the salt over the application data, framing included", func(t *testing.T) {
		tag, found := mimi.FrankingTagOf(sent.AuthenticatedData)
		if !found || tag != mimi.NewFrankingTag(message.Salt[:], data) {
			t.Error("another tag")
		}
		if len(last.Franked.Frame) == 0 || tag == mimi.NewFrankingTag(message.Salt[:], last.Content) {
			t.Error("the framing is not in it")
		}
	})
	c.Run("P-FR-03 sender and room stand in the content", func(t *testing.T) {
		sender, named := message.Sender()
		at, placed := message.Room()
		if !named || !placed || sender != c.bob.Device.User.String() || at != c.room.String() {
			t.Errorf("%q %q", sender, at)
		}
	})
	c.Run("P-FR-04 the tag is the only item of SafeAAD, in clear, 36 octets with it", func(t *testing.T) {
		if aad := sent.AuthenticatedData; len(aad) != 36 || !bytes.HasPrefix(aad, []byte{35, 0x00, 0x20, 32}) {
			t.Errorf("%x", aad)
		}
	})
	c.Run("P-FR-15 P-FR-16 a frank that the hub made verifies, at the sender's other devices too", func(t *testing.T) {
		for _, p := range []*roletest.Person{c.alice, c.bob, c.laptop, c.cathy} {
			if f := c.franks(p)["hello"]; f == nil || f.Problem != "" || f.Doubt != "" || f.Frank == nil {
				t.Errorf("%s: %+v", p.Device.Client.Client, f)
			}
		}
	})
	c.Run("P-FR-18 what a report needs is there after a restart", func(t *testing.T) {
		c.cathy.Reopen()
		entries, err := c.cathy.Timeline(t.Context(), c.room, 0, 1000)
		c.must(err)
		r, err := c.cathy.NewReport(c.room, entries[len(entries)-1:], "x", false)
		c.must(err)
		if len(r.Messages) != 1 || !bytes.Equal(r.Messages[0].Content, data) || r.Messages[0].AcceptedAt != last.Time ||
			r.Abuser != c.bob.Device.User.String() {
			t.Errorf("%+v", r)
		}
	})
	n := 0
	spoiled := func(t *testing.T, problem string, change func(*mimi.FanoutMessage)) {
		t.Helper()
		n++
		text := "message " + string(rune('a'+n))
		lie.change = func(items []*mimi.FanoutMessage) {
			for _, i := range items {
				change(i)
			}
		}
		c.says(c.bob, text)
		c.Work()
		lie.change = nil
		f, there := c.franks(c.cathy)[text]
		if !there || f == nil || f.Problem != problem {
			t.Errorf("shown %v: %+v, want %q", there, f, problem)
		}
		if f := c.franks(c.alice)[text]; f == nil || f.Problem != "" {
			t.Errorf("at Alice, whose provider does not lie: %+v", f)
		}
	}
	c.Run("P-FR-15 C-TS-07 a follower that changes the time is found out", func(t *testing.T) {
		spoiled(t, client.ProblemSignature, func(m *mimi.FanoutMessage) { m.Timestamp++ })
		spoiled(t, client.ProblemSignature, func(m *mimi.FanoutMessage) { m.Timestamp -= 60_000 })
	})
	c.Run("P-FR-15 an altered frank is found out", func(t *testing.T) {
		spoiled(t, client.ProblemSignature, func(m *mimi.FanoutMessage) { m.Frank.ServerFrank[0] ^= 1 })
		spoiled(t, client.ProblemSignature, func(m *mimi.FanoutMessage) { m.Frank.Signature[0] ^= 1 })
	})
	c.Run("P-FR-14 a frank of another suite is ignored", func(t *testing.T) {
		spoiled(t, client.ProblemSuite, func(m *mimi.FanoutMessage) { m.Frank.Suite = 2 })
	})
	c.Run("a frank that was taken away is missed, and the message is shown", func(t *testing.T) {
		spoiled(t, client.ProblemNone, func(m *mimi.FanoutMessage) { m.Frank = nil })
	})
	c.Run("A-40 franks that were swapped between two messages of one sender raise a doubt", func(t *testing.T) {
		swapped := false
		lie.change = func(items []*mimi.FanoutMessage) {
			if len(items) != 2 {
				return
			}
			swapped = true
			items[0].Frank, items[1].Frank = items[1].Frank, items[0].Frank
			items[0].Timestamp, items[1].Timestamp = items[1].Timestamp, items[0].Timestamp
		}
		// The hub takes both before Cathy looks, with some time between.
		c.says(c.bob, "first of two")
		_, err := c.bob.Flush(t.Context())
		c.must(err)
		c.Pass(time.Second)
		c.says(c.bob, "second of two")
		_, err = c.bob.Flush(t.Context())
		c.must(err)
		c.Work()
		lie.change = nil
		one, two := c.franks(c.cathy)["first of two"], c.franks(c.cathy)["second of two"]
		if !swapped || one == nil || two == nil || one.Problem != "" || two.Problem != "" {
			t.Fatalf("swapped %v: %+v, %+v: by the rules of the draft both are good", swapped, one, two)
		}
		if one.Doubt == "" && two.Doubt == "" {
			t.Error("no doubt")
		}
		if f := c.franks(c.alice)["second of two"]; f.Doubt != "" {
			t.Errorf("at Alice: %+v", f)
		}
	})
	c.Run("reports are of others' messages, of one user", func(t *testing.T) {
		var bobs, alices client.Entry
		c.says(c.alice, "by Alice")
		c.Work()
		entries, err := c.cathy.Timeline(t.Context(), c.room, 0, 1000)
		c.must(err)
		for _, e := range entries {
			if e.Kind == client.EntryMessage && e.User == c.bob.Device.User.String() {
				bobs = e
			}
			if e.Kind == client.EntryMessage && e.User == c.alice.Device.User.String() {
				alices = e
			}
		}
		for name, list := range map[string][]client.Entry{"nothing": nil, "two users": {bobs, alices}, "no message": entries[:1]} {
			if _, err := c.cathy.NewReport(c.room, list, "", false); err == nil {
				t.Errorf("%s: a report", name)
			}
		}
		if _, err := c.bob.NewReport(c.room, []client.Entry{bobs}, "", false); err == nil {
			t.Error("of oneself")
		}
		bobs.Franked = nil
		if r, err := c.cathy.NewReport(c.room, []client.Entry{bobs}, "note", true); err != nil || len(r.Messages) != 0 || r.Reporter != "" || len(r.Note) <= len("note") {
			t.Errorf("without a frank: %+v, %v", r, err)
		}
	})
}

// A member that lies in its franking tag gets a frank, since the hub cannot see into the message; receivers do.
func TestLyingTag(t *testing.T) {
	c := newCircle(t)
	mallory := c.Device("b.example", "mallory", "phone")
	c.want(c.alice.Add(t.Context(), c.room, mallory.User))
	c.Work()
	c.Sync()
	c.Run("P-FR-16 a tag that is not the message's is found out", func(t *testing.T) {
		data := mallory.Content(c.room, roletest.Claim{Salt: 9, Text: "harmless"})
		aad, err := mimi.FrankAuthenticatedData(mimi.NewFrankingTag(make([]byte, 16), []byte("something else")))
		c.must(err)
		answer := mallory.Submit(c.room, mallory.Franked(c.room, data, aad))
		if answer.Frank == nil {
			t.Fatal("not franked")
		}
		c.Work()
		if f := c.franks(c.alice)["harmless"]; f == nil || f.Problem != client.ProblemTag {
			t.Errorf("%+v", f)
		}
	})
	c.Run("P-FR-19 a message that was submitted for another user than it names is found out", func(t *testing.T) {
		mick := c.Device("b.example", "mick", "phone")
		c.want(c.alice.Add(t.Context(), c.room, mick.User))
		c.Work()
		c.Sync()
		r := mallory.Franked(c.room, mallory.Content(c.room, roletest.Claim{Salt: 10, Text: "submitted for Mick"}), nil)
		r.SendingURI = mick.User.String()
		if answer := mick.Submit(c.room, r); answer.Code != mimi.SubmitAccepted {
			t.Fatalf("%+v", answer)
		}
		c.Work()
		if f := c.franks(c.alice)["submitted for Mick"]; f == nil || f.Problem != client.ProblemSignature {
			t.Errorf("%+v", f)
		}
	})
}
