package client_test

import (
	"testing"
	"time"

	"parley/client"
)

func TestKeep(t *testing.T) {
	c := newCircle(t)
	ctx := t.Context()
	for _, text := range []string{"the red house", "a blue house", "red wine", "HOUSE of Red cards"} {
		c.sent(c.alice.Say(ctx, c.room, text))
	}
	hits := func(query string, limit int) (out []string) {
		c.T.Helper()
		found, err := c.bob.Search(ctx, query, limit)
		c.must(err)
		for _, f := range found {
			out = append(out, f.Entry.Text)
		}
		return out
	}
	c.Run("search finds all words, the latest first, and nothing that was erased", func(t *testing.T) {
		if got := hits("red house", 10); len(got) != 2 || got[0] != "HOUSE of Red cards" || got[1] != "the red house" {
			t.Errorf("%q", got)
		}
		if got := hits("red", 1); len(got) != 1 || got[0] != "HOUSE of Red cards" {
			t.Errorf("%q", got)
		}
		if got := hits(" ", 10); got != nil {
			t.Errorf("%q", got)
		}
		list, err := c.alice.Messages(ctx, c.room, 10)
		c.must(err)
		c.sent(c.alice.Delete(ctx, c.room, list[0].ID))
		if got := hits("red house", 10); len(got) != 1 {
			t.Errorf("%q", got)
		}
	})
	c.Run("a draft and the mute survive a restart", func(t *testing.T) {
		c.must(c.bob.SetDraft(ctx, c.room, "half a thought"))
		c.must(c.bob.Mute(ctx, c.room, true))
		c.bob.Reopen()
		draft, err := c.bob.Draft(ctx, c.room)
		if err != nil || draft != "half a thought" || !c.bob.Muted(c.room) {
			t.Errorf("%q, %t, %v", draft, c.bob.Muted(c.room), err)
		}
		c.must(c.bob.SetDraft(ctx, c.room, ""))
		if draft, err := c.bob.Draft(ctx, c.room); draft != "" || err != nil {
			t.Errorf("%q, %v", draft, err)
		}
	})
	c.Run("a blocked user is neither shown, counted, found nor reported to", func(t *testing.T) {
		c.bob.Receipts = client.Receipts{Delivered: true, Read: true}
		c.bob.Reopen()
		c.must(c.bob.Block(ctx, c.cathy.Device.User, true))
		c.bob.Reopen()
		c.must(c.bob.MarkRead(ctx, c.room, 1<<40))
		c.chores()
		c.Pass(10 * time.Second)
		before := len(c.bob.Asked)
		c.sent(c.cathy.Say(ctx, c.room, "do you hear me, red house?"))
		c.chores()
		if n, _ := c.bob.Unread(c.room); n != 0 || len(hits("hear", 10)) != 0 || c.reports(c.bob, before) != 0 {
			t.Errorf("%d unread, %q found, %d reports", n, hits("hear", 10), c.reports(c.bob, before))
		}
		for _, line := range c.screen(c.bob) {
			if line == "cathy: do you hear me, red house?" {
				t.Error("shown")
			}
		}
		c.must(c.bob.Block(ctx, c.cathy.Device.User, false))
		if n, _ := c.bob.Unread(c.room); n != 1 || len(hits("hear", 10)) != 1 {
			t.Errorf("%d unread afterwards", n)
		}
	})
	c.Run("a room of strangers is held apart until it is accepted", func(t *testing.T) {
		c.bob.HoldStrangers = true
		c.bob.Reopen()
		eve := c.Person("c.example", "eve", "phone")
		theirs := eve.Device.RoomURI("trap")
		c.must(eve.Create(ctx, theirs, "Trap"))
		c.want(eve.Add(ctx, theirs, c.bob.Device.User))
		c.Work()
		before := len(c.bob.Asked)
		_, err := eve.Say(ctx, theirs, "buy now")
		c.must(err)
		c.Work()
		c.chores()
		if n, _ := c.bob.Unread(theirs); !c.bob.Requested(theirs) || n != 0 || c.reports(c.bob, before) != 0 || len(hits("buy", 10)) != 0 {
			t.Errorf("held %t, %d unread, %d reports", c.bob.Requested(theirs), n, c.reports(c.bob, before))
		}
		c.bob.Reopen()
		c.must(c.bob.Accept(ctx, theirs))
		if n, _ := c.bob.Unread(theirs); c.bob.Requested(theirs) || n != 1 {
			t.Errorf("%d unread", n)
		}
		// Alice is no stranger.
		other := c.alice.Device.RoomURI("other")
		c.must(c.alice.Create(ctx, other, "Other"))
		c.want(c.alice.Add(ctx, other, c.bob.Device.User))
		c.Work()
		if r, ok := c.bob.Room(other); !ok || !r.Active() || c.bob.Requested(other) {
			t.Error("a friend's room is held apart")
		}
	})
}
