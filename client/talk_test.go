package client_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/client"
	"parley/content"
	"parley/content/timeline"
	"parley/mimi"
	"parley/storetest/roletest"
)

// screen is what a person sees of the room.
func (c *circle) screen(p *roletest.Person) (out []string) {
	c.T.Helper()
	list, err := p.Messages(c.T.Context(), c.room, 100)
	c.must(err)
	for _, m := range list {
		line := m.Sender.Name() + ": " + m.Text
		if m.State == timeline.Deleted {
			line = m.Sender.Name() + " deleted by " + m.DeletedBy.Name()
		}
		if m.Edited {
			line += " (edited)"
		}
		for _, r := range m.Reactions {
			line += fmt.Sprintf(" [%s %d]", r.Text, r.Users())
		}
		if m.Quote != nil {
			line += " > " + m.Quote.Text
		}
		if len(m.Topic) > 0 {
			line += " #" + string(m.Topic)
		}
		out = append(out, line)
	}
	return out
}

func (c *circle) everybody() []*roletest.Person {
	return []*roletest.Person{c.alice, c.bob, c.laptop, c.cathy}
}

// shows demands the same screen of everybody, also after a restart.
func (c *circle) shows(want ...string) {
	c.T.Helper()
	c.Work()
	for range 2 {
		for _, p := range c.everybody() {
			if got := c.screen(p); !slices.Equal(got, want) {
				c.T.Errorf("%s sees %q, not %q", p.Device.Client.Client, got, want)
			}
			p.Reopen()
		}
	}
}

func (c *circle) sent(s client.Sent, err error) content.MessageID {
	c.T.Helper()
	c.must(err)
	c.Work()
	c.Pass(time.Second) // of messages with the same time the lower ID comes first
	return s.ID
}

func TestTalk(t *testing.T) {
	c := newCircle(t)
	ctx := t.Context()
	one := c.sent(c.alice.Say(ctx, c.room, "one"))
	c.shows("alice: one")
	c.Run("a reply, a reaction and an edit reach everybody", func(t *testing.T) {
		c.sent(c.bob.Reply(ctx, c.room, one, "two"))
		c.sent(c.cathy.React(ctx, c.room, one, "\u2764"))
		c.Work()
		c.sent(c.alice.Edit(ctx, c.room, one, "ONE"))
		c.shows("alice: ONE (edited) [\u2764 1]", "bob: two > one")
	})
	c.Run("a reaction is taken back", func(t *testing.T) {
		_, err := c.cathy.Unreact(ctx, c.room, one, "")
		c.must(err)
		c.shows("alice: ONE (edited)", "bob: two > one")
		if _, err := c.cathy.Unreact(ctx, c.room, one, ""); err != client.ErrNoMessage {
			t.Errorf("twice: %v", err)
		}
	})
	c.Run("the other device of a user can edit, too; others cannot", func(t *testing.T) {
		two := c.sent(c.bob.Say(ctx, c.room, "from the phone"))
		c.Work()
		c.sent(c.laptop.Edit(ctx, c.room, two, "from the laptop"))
		c.shows("alice: ONE (edited)", "bob: two > one", "bob: from the laptop (edited)")
		if _, err := c.cathy.Edit(ctx, c.room, two, "mine"); err != timeline.ErrAuthor {
			t.Errorf("%v", err)
		}
	})
	c.Run("a deleted message is gone from the disk as well", func(t *testing.T) {
		secret := c.sent(c.alice.Say(ctx, c.room, "SECRET-WORDS"))
		c.Work()
		c.sent(c.alice.Delete(ctx, c.room, secret))
		c.shows("alice: ONE (edited)", "bob: two > one", "bob: from the laptop (edited)", "alice deleted by alice")
		for _, p := range c.everybody() {
			for key, value := range p.Disk {
				if bytes.Contains(value, []byte("SECRET-WORDS")) || bytes.Contains(value, []byte("U0VDUkVULVdPUkRT")) {
					t.Errorf("%s still has it in %s", p.Device.Client.Client, key)
				}
			}
			entries, err := p.Timeline(ctx, c.room, 0, 1000)
			c.must(err)
			for _, e := range entries {
				if bytes.Equal(e.MessageID, secret[:]) && (e.Stub == nil || e.Content != nil) {
					t.Errorf("%s keeps the content", p.Device.Client.Client)
				}
			}
		}
		if _, err := c.bob.Reply(ctx, c.room, secret, "too late"); err != timeline.ErrGone {
			t.Errorf("%v", err)
		}
	})
	c.Run("topics, Markdown, parts", func(t *testing.T) {
		c.sent(c.alice.Post(ctx, c.room, client.Outgoing{Text: "head", Topic: []byte("plans")}))
		c.sent(c.bob.Post(ctx, c.room, client.Outgoing{Text: "hi " + content.Mention(c.alice.Device.User, "alice"), Markdown: true}))
		c.Work()
		if _, n := c.alice.Unread(c.room); n != 1 {
			t.Errorf("%d mentions", n)
		}
		list, err := c.cathy.Thread(ctx, c.room, []byte("plans"))
		if err != nil || len(list) != 1 || list[0].Text != "head" {
			t.Errorf("%v, %v", list, err)
		}
		body := content.Beside(content.Part{Body: content.Single{ContentType: "application/vnd.example", Content: []byte{1}}},
			content.Part{Disposition: content.DispositionRender, Body: content.Single{ContentType: content.TypePlain, Content: []byte("for all")}})
		c.sent(c.alice.Post(ctx, c.room, client.Outgoing{Body: &body}))
		c.Work()
		if got := c.screen(c.bob); got[len(got)-1] != "alice: for all" {
			t.Errorf("%q", got)
		}
	})
}

func TestDiscarded(t *testing.T) {
	c := newCircle(t)
	put := func(m content.Message) {
		encoded, err := m.Encode()
		c.must(err)
		c.want(c.bob.Send(t.Context(), c.room, encoded, nil))
		c.Work()
	}
	discarded := func(reason string) {
		c.T.Helper()
		entries, err := c.alice.Timeline(c.T.Context(), c.room, 0, 1000)
		c.must(err)
		last := entries[len(entries)-1]
		if last.Kind != client.EntryGap || !strings.Contains(last.Reason, reason) || last.Text != "" || last.Content != nil {
			c.T.Errorf("%+v", last)
		}
		if got := c.screen(c.alice); len(got) != 0 {
			c.T.Errorf("shown: %q", got)
		}
	}
	c.Run("C-EXT-09 another sender's name is discarded", func(t *testing.T) {
		put(content.NewText([16]byte{1}, c.alice.Device.User, c.room, "I am Alice"))
		discarded("differs from MLS")
	})
	c.Run("C-EXT-09 a message for another room is discarded", func(t *testing.T) {
		put(content.NewText([16]byte{2}, c.bob.Device.User, c.alice.Device.RoomURI("elsewhere"), "for elsewhere"))
		discarded("differs from MLS")
	})
	c.Run("P-FR-17 a message is shown as its author's only where sender and room agree", func(t *testing.T) {
		put(content.NewText([16]byte{3}, c.bob.Device.User, c.room, "mine"))
		if got := c.screen(c.alice); !slices.Equal(got, []string{"bob: mine"}) {
			t.Errorf("%q", got)
		}
	})
	c.Run("the same message again is discarded", func(t *testing.T) {
		put(content.NewText([16]byte{3}, c.bob.Device.User, c.room, "mine"))
		if got := c.screen(c.alice); len(got) != 1 {
			t.Errorf("%q", got)
		}
	})
}

// reports are the requests by which a person reported statuses since there were that many.
func (c *circle) reports(p *roletest.Person, before int) int {
	return len(since(p, before, mimi.SubmitMessage))
}

func (c *circle) chores() {
	c.T.Helper()
	for _, p := range c.everybody() {
		_, err := p.Chores(c.T.Context())
		c.must(err)
	}
	c.Work()
}

func TestReceipts(t *testing.T) {
	c := newCircle(t)
	for _, p := range []*roletest.Person{c.bob, c.laptop, c.cathy} {
		p.Receipts = client.Receipts{Delivered: true, Read: true}
		p.Reopen()
	}
	ctx := t.Context()
	states := func(id content.MessageID) string {
		c.T.Helper()
		d, err := c.alice.Delivery(ctx, c.room, id)
		c.must(err)
		var out []string
		for _, x := range d {
			out = append(out, x.User.Name()+" "+string(x.State))
		}
		return strings.Join(out, ", ")
	}
	first, err := c.alice.Say(ctx, c.room, "one")
	c.must(err)
	one := first.ID
	if got := states(one); got != "bob waiting, cathy waiting" {
		t.Errorf("before it is sent: %s", got)
	}
	c.Work()
	if got := states(one); got != "bob accepted by hub, cathy accepted by hub" {
		t.Errorf("after it came back: %s", got)
	}
	c.Run("delivered, then read, from what the others report", func(t *testing.T) {
		c.chores()
		if got := states(one); got != "bob delivered, cathy delivered" {
			t.Errorf("%s", got)
		}
		c.Pass(6 * time.Second)
		r, _ := c.bob.Unread(c.room)
		l, _ := c.laptop.Unread(c.room)
		if r != 1 || l != 1 {
			t.Errorf("%d and %d unread", r, l)
		}
		c.must(c.bob.MarkRead(ctx, c.room, 1<<40))
		c.chores()
		if got := states(one); got != "bob read, cathy delivered" {
			t.Errorf("%s", got)
		}
		c.alice.Reopen()
		if got := states(one); got != "bob read, cathy delivered" {
			t.Errorf("after a restart: %s", got)
		}
	})
	c.Run("what one device has read the other one knows", func(t *testing.T) {
		if n, _ := c.laptop.Unread(c.room); n != 0 {
			t.Errorf("%d unread", n)
		}
	})
	c.Run("at most one report for a room in five seconds, however many messages", func(t *testing.T) {
		c.Pass(10 * time.Second)
		before := len(c.cathy.Asked)
		for n := range 20 {
			_, err := c.alice.Say(ctx, c.room, fmt.Sprintf("message %d", n))
			c.must(err)
			c.Work()
			c.chores()
		}
		if n := c.reports(c.cathy, before); n != 1 {
			t.Errorf("%d reports at once", n)
		}
		c.cathy.Reopen() // what waits survives
		c.Pass(6 * time.Second)
		c.chores()
		if n := c.reports(c.cathy, before); n != 2 {
			t.Errorf("%d reports in the end", n)
		}
		list, err := c.alice.Messages(ctx, c.room, 1)
		c.must(err)
		if got := states(list[0].ID); got != "bob delivered, cathy delivered" {
			t.Errorf("%s", got)
		}
	})
	c.Run("who does not want to tell does not", func(t *testing.T) {
		c.cathy.Receipts = client.Receipts{}
		c.cathy.Reopen()
		before := len(c.cathy.Asked)
		quiet := c.sent(c.alice.Say(ctx, c.room, "quiet"))
		c.Work()
		c.Pass(6 * time.Second)
		c.must(c.cathy.MarkRead(ctx, c.room, 1<<40))
		c.chores()
		if n := c.reports(c.cathy, before); n != 0 {
			t.Errorf("%d reports", n)
		}
		if got := states(quiet); got != "bob delivered, cathy accepted by hub" {
			t.Errorf("%s", got)
		}
	})
}

func TestExpiry(t *testing.T) {
	c := newCircle(t)
	ctx := t.Context()
	until := uint32(c.Now().Add(time.Hour).Unix())
	c.sent(c.alice.Post(ctx, c.room, client.Outgoing{Text: "BURNS-AT", Expires: &content.Expires{Time: until}}))
	c.sent(c.alice.Post(ctx, c.room, client.Outgoing{Text: "BURNS-READ", Expires: &content.Expires{Relative: true, Time: 60}}))
	c.shows("alice: BURNS-AT", "alice: BURNS-READ")
	c.must(c.bob.MarkRead(ctx, c.room, 1<<40))
	c.bob.Reopen()
	c.Pass(2 * time.Minute)
	c.chores()
	if got := c.screen(c.bob); !slices.Equal(got, []string{"alice: BURNS-AT"}) {
		t.Errorf("%q", got)
	}
	if got := c.screen(c.cathy); len(got) != 2 {
		t.Errorf("unread, and gone: %q", got)
	}
	c.Pass(2 * time.Hour)
	c.bob.Reopen()
	c.chores()
	if got := c.screen(c.bob); len(got) != 0 {
		t.Errorf("%q", got)
	}
	entries, err := c.bob.Timeline(ctx, c.room, 0, 1000)
	c.must(err)
	for _, e := range entries {
		if strings.Contains(e.Text+string(e.Content), "BURNS") {
			t.Errorf("still on the disk: %q", e.Text)
		}
	}
}

// TestFarBack edits what is far behind the part of the log that is held in memory.
func TestFarBack(t *testing.T) {
	c := newCircle(t)
	ctx := t.Context()
	old := c.sent(c.alice.Say(ctx, c.room, "old"))
	for n := range 530 {
		_, err := c.alice.Say(ctx, c.room, fmt.Sprint(n))
		c.must(err)
	}
	c.Work()
	c.alice.Reopen()
	c.bob.Reopen()
	c.sent(c.alice.Edit(ctx, c.room, old, "new"))
	c.Work()
	m, found, err := c.bob.Message(ctx, c.room, old)
	if err != nil || !found || m.Text != "new" || !m.Whole {
		t.Errorf("%+v, %t, %v", m, found, err)
	}
	c.sent(c.bob.Reply(ctx, c.room, old, "to old"))
	c.Work()
	c.cathy.Reopen()
	if got := c.screen(c.cathy); got[len(got)-1] != "bob: to old > new" {
		t.Errorf("%q", got[len(got)-1])
	}
}

func TestIntentNumbers(t *testing.T) {
	c := newCircle(t)
	first, err := c.alice.Say(t.Context(), c.room, "one")
	c.must(err)
	c.Work()
	c.alice.Reopen()
	second, err := c.alice.Say(t.Context(), c.room, "two")
	c.must(err)
	if second.Intent <= first.Intent {
		t.Errorf("%d after %d", second.Intent, first.Intent)
	}
}
