package timeline_test

import (
	"slices"
	"testing"
	"time"

	"parley/content"
	"parley/content/timeline"
)

func TestReactions(t *testing.T) {
	const heart, party = "\u2764", "\U0001F973"
	t.Run("C-REA-03 several reactions, in several messages or one", func(t *testing.T) {
		c := newChat(t)
		first := c.make(c.bob, c.text(c.bob, "one"))
		both, err := content.NewReactions([16]byte{}, c.cathy, c.room, first.ID, heart, party)
		if err != nil {
			t.Fatal(err)
		}
		all := []sent{first, c.make(c.cathy, both), c.make(c.alice, c.reaction(c.alice, first.ID, party)),
			c.make(c.alice, c.reaction(c.alice, first.ID, party+"\ufe0f"))}
		c.everyOrder(all, "bob: one ["+heart+" 1 cathy] ["+party+" 2 cathy,alice,alice]")
	})
	t.Run("C-REA-04 a reaction that is not one character is a reply", func(t *testing.T) {
		c := newChat(t)
		first := c.say(c.bob, "one")
		c.send(c.cathy, c.reaction(c.cathy, first.ID, heart+party))
		c.send(c.cathy, c.reaction(c.cathy, first.ID, "well done"))
		c.send(c.cathy, c.reaction(c.cathy, first.ID, "e"+string(slices.Repeat([]rune{0x301}, 100))))
		if got := slices.Collect(c.Messages(c.now)); len(got) != 4 || got[0].Reactions != nil || got[1].Text != "Reaction: "+heart+party ||
			got[1].Quote.Root != first.ID || got[2].Text != "Reaction: well done" {
			t.Errorf("%s", c.screen())
		}
	})
	t.Run("C-REA-05 images and files react, too", func(t *testing.T) {
		c := newChat(t)
		first := c.say(c.bob, "one")
		image := c.reaction(c.cathy, first.ID, "")
		image.Body.Body = content.Single{ContentType: "image/png", Content: []byte("png")}
		c.send(c.cathy, image)
		c.send(c.alice, image2(c, image))
		rocket := c.reaction(c.cathy, first.ID, "")
		rocket.Body.Body = content.External{ContentType: "image/gif", URL: "https://a.example/rocket.gif"}
		c.send(c.cathy, rocket)
		m, _ := c.Message(first.ID, c.now)
		if len(m.Reactions) != 2 || m.Reactions[0].Users() != 2 || m.Reactions[0].Part.Body.(content.Single).ContentType != "image/png" ||
			m.Reactions[1].Part.Body.(content.External).URL == "" {
			t.Errorf("%+v", m.Reactions)
		}
		sound := c.reaction(c.cathy, first.ID, "")
		sound.Body.Body = content.Single{ContentType: "audio/x-unknown", Content: []byte("x")}
		c.send(c.cathy, sound)
		if got := slices.Collect(c.Messages(c.now)); len(got) != 2 || got[1].Text != "[unsupported message]" {
			t.Errorf("%s", c.screen())
		}
	})
	t.Run("C-REA-06 an unlike takes one's own reaction back", func(t *testing.T) {
		c := newChat(t)
		first := c.make(c.bob, c.text(c.bob, "one"))
		like := c.make(c.cathy, c.reaction(c.cathy, first.ID, heart))
		unlike, forged := c.make(c.cathy, c.deletion(c.cathy, like)), c.make(c.bob, c.deletion(c.bob, like))
		c.everyOrder([]sent{first, like, unlike}, "bob: one")
		c.everyOrder([]sent{first, like, forged}, "bob: one ["+heart+" 1 cathy]")
		c.everyOrder([]sent{first, unlike}, "bob: one")
		m, _ := c.Message(first.ID, c.now)
		if m.Reactions != nil {
			t.Error("counted without the reaction")
		}
	})
	t.Run("C-REA-07 a reaction belongs to a version and says so after an edit", func(t *testing.T) {
		c := newChat(t)
		first := c.make(c.bob, c.text(c.bob, "one"))
		like, edit := c.make(c.cathy, c.reaction(c.cathy, first.ID, heart)), c.make(c.bob, c.edit(c.bob, first, "two"))
		later := c.make(c.alice, c.reaction(c.alice, edit.ID, heart))
		c.everyOrder([]sent{first, like, edit, later}, "bob: two (edited) ["+heart+" 2 cathy (older),alice]")
	})
	t.Run("to what cannot be reacted to", func(t *testing.T) {
		c := newChat(t)
		first := c.make(c.bob, c.text(c.bob, "one"))
		like := c.make(c.cathy, c.reaction(c.cathy, first.ID, heart))
		likeOfLike := c.make(c.alice, c.reaction(c.alice, like.ID, heart))
		c.everyOrder([]sent{first, like, likeOfLike}, "bob: one ["+heart+" 1 cathy]")
		if m, found := c.Message(like.ID, c.now); !found || m.Reactions != nil || m.Quote.Root != first.ID {
			t.Errorf("%+v", m.Reactions)
		}
		c.everyOrder([]sent{like})
		brief := c.reaction(c.cathy, first.ID, heart)
		brief.Expires = &content.Expires{Time: uint32(c.now.Add(time.Minute).Unix())}
		c.reset()
		c.add(first)
		c.send(c.cathy, brief)
		c.shows("bob: one [" + heart + " 1 cathy]")
		c.now = c.now.Add(time.Minute)
		c.shows("bob: one")
		c.everyOrder([]sent{first, like, c.make(c.bob, c.deletion(c.bob, first))}, "bob: deleted by bob")
		c.reset()
		c.add(first)
		c.add(like)
		if got := c.add(likeOfLike).Refused; got != timeline.ErrTarget {
			t.Errorf("%v", got)
		}
		c.send(c.bob, c.deletion(c.bob, first))
		if got := c.add(c.make(c.alice, c.reaction(c.alice, first.ID, heart))).Refused; got != timeline.ErrGone {
			t.Errorf("%v", got)
		}
		if _, _, err := c.Answerable(first.ID, c.now); err != timeline.ErrGone {
			t.Errorf("%v", err)
		}
		if _, _, err := c.Answerable(like.ID, c.now); err != timeline.ErrTarget {
			t.Errorf("%v", err)
		}
		if _, _, err := c.Answerable(content.MessageID{1}, c.now); err != timeline.ErrTarget {
			t.Errorf("%v", err)
		}
	})
	t.Run("an edit makes no reaction of a message, nor the other way round", func(t *testing.T) {
		c := newChat(t)
		first, second := c.make(c.bob, c.text(c.bob, "one")), c.make(c.cathy, c.reply(c.cathy, content.MessageID{1}, "two"))
		edit := c.edit(c.cathy, second, heart)
		edit.Body.Disposition, edit.InReplyTo = content.DispositionReaction, &first.ID
		c.everyOrder([]sent{first, second, c.make(c.cathy, edit)}, "bob: one", "cathy: Reaction: "+heart+" (edited) > absent")
		like := c.make(c.cathy, c.reaction(c.cathy, first.ID, heart))
		c.everyOrder([]sent{first, like, c.make(c.cathy, c.edit(c.cathy, like, party))}, "bob: one ["+party+" 1 cathy]")
	})
	t.Run("rights", func(t *testing.T) {
		c := newChat(t)
		first := c.make(c.bob, c.text(c.bob, "one"))
		like := c.make(c.cathy, c.reaction(c.cathy, first.ID, heart))
		c.rights = timeline.Usual &^ (timeline.React | timeline.EditReaction | timeline.DeleteOwnReaction)
		other := c.make(c.cathy, c.reaction(c.cathy, first.ID, party))
		edit, unlike := c.make(c.cathy, c.edit(c.cathy, like, party)), c.make(c.cathy, c.deletion(c.cathy, like))
		c.everyOrder([]sent{first, like, other, edit, unlike}, "bob: one ["+heart+" 1 cathy]")
		c.reset()
		c.add(first)
		c.add(like)
		for _, s := range []sent{other, edit, unlike} {
			if got := c.add(s).Refused; got != timeline.ErrRight {
				t.Errorf("%v", got)
			}
		}
	})
}

// image2 is the same reaction by Alice.
func image2(c *chat, m content.Message) content.Message {
	m.Extensions = c.text(c.alice, "").Extensions
	return m
}

func TestTopics(t *testing.T) {
	in := func(c *chat, m content.Message, topic string) content.Message {
		m.Topic = []byte(topic)
		return m
	}
	thread := func(c *chat, topic []byte) (list []string) {
		for m := range c.Thread(topic, c.now) {
			list = append(list, m.Text)
		}
		return list
	}
	t.Run("C-ORD-02 a topic is in the room's order", func(t *testing.T) {
		c := newChat(t)
		a, b := c.make(c.bob, in(c, c.text(c.bob, "a"), "x")), c.make(c.cathy, in(c, c.text(c.cathy, "b"), "x"))
		twin := c.make(c.alice, in(c, c.text(c.alice, "c"), "x"))
		other := c.make(c.alice, in(c, c.text(c.alice, "d"), "y"))
		twin.Accepted = b.Accepted
		want := []string{"a", "b", "c"}
		if twin.ID.Compare(b.ID) < 0 {
			want = []string{"a", "c", "b"}
		}
		permute(4, func(order []int) {
			c.reset()
			for _, n := range order {
				c.add([]sent{a, b, twin, other}[n])
			}
			if got := thread(c, []byte("x")); !slices.Equal(got, want) {
				t.Fatalf("in order %v: %v", order, got)
			}
		})
		if got := c.Topics(c.now); len(got) != 2 || string(got[0]) != "x" || string(got[1]) != "y" {
			t.Errorf("%s", got)
		}
	})
	t.Run("C-TPC-01 a topic by the ID of its first message", func(t *testing.T) {
		c := newChat(t)
		first := c.say(c.bob, "head")
		reply := c.reply(c.cathy, first.ID, "tail")
		reply.Topic = content.TopicOf(first.ID)
		second := c.send(c.cathy, reply)
		if got := thread(c, content.TopicOf(first.ID)); !slices.Equal(got, []string{"head", "tail"}) {
			t.Errorf("%v", got)
		}
		if _, topic, err := c.Answerable(second.ID, c.now); err != nil || !slices.Equal(topic, content.TopicOf(first.ID)) {
			t.Errorf("%x, %v", topic, err)
		}
	})
	t.Run("C-TPC-02 start, reply and edit by right", func(t *testing.T) {
		const violation = " !timeline: the room's policy does not allow that"
		c := newChat(t)
		with := func(r timeline.Rights, m content.Message, from string) sent {
			c.rights = r
			if from == "bob" {
				return c.make(c.bob, m)
			}
			return c.make(c.cathy, m)
		}
		no := timeline.Usual &^ (timeline.StartTopic | timeline.ReplyInTopic)
		early := with(no|timeline.ReplyInTopic, in(c, c.text(c.bob, "early"), "x"), "bob")
		starts := with(no|timeline.StartTopic, in(c, c.text(c.bob, "starts"), "x"), "bob")
		joins := with(no|timeline.ReplyInTopic, in(c, c.text(c.cathy, "joins"), "x"), "cathy")
		again := with(no|timeline.StartTopic, in(c, c.text(c.bob, "again"), "x"), "bob")
		c.everyOrder([]sent{early, starts, joins, again}, "bob: early"+violation, "bob: starts #x", "cathy: joins #x", "bob: again"+violation)
		c.everyOrder([]sent{early, joins}, "bob: early"+violation, "cathy: joins"+violation)

		first := with(timeline.Usual, in(c, c.text(c.bob, "one"), "x"), "bob")
		own := with(timeline.Usual|timeline.EditOwnTopic, in(c, c.edit(c.bob, first, "two"), "y"), "bob")
		not := with(timeline.Usual, in(c, c.edit(c.bob, first, "three"), "z"), "bob")
		c.everyOrder([]sent{first, own}, "bob: two (edited) #y")
		c.everyOrder([]sent{first, not}, "bob: three (edited) #x")
		moderator := with(timeline.Usual|timeline.EditOtherTopic, in(c, c.edit(c.cathy, first, "moved"), "m"), "cathy")
		c.everyOrder([]sent{first, own, moderator}, "bob: two (edited) #m")
		later := with(timeline.Usual, c.edit(c.bob, first, "typo"), "bob")
		c.everyOrder([]sent{first, moderator, later}, "bob: typo (edited) #m")
		nobody := with(timeline.Usual, in(c, c.edit(c.cathy, first, "moved"), "m"), "cathy")
		c.everyOrder([]sent{first, nobody}, "bob: one #x {cathy: timeline: only the author may do that}")
		back := with(timeline.Usual|timeline.EditOtherTopic, in(c, c.edit(c.cathy, first, ""), "x"), "cathy")
		c.everyOrder([]sent{first, moderator, back}, "bob: one #x")
		if _, m, err := c.Editable(first.ID, false, timeline.Usual, c.now); err != timeline.ErrAuthor || m.Topic != nil {
			t.Errorf("%v", err)
		}
	})
}

func TestExpiry(t *testing.T) {
	c := newChat(t)
	expiring := func(relative bool, seconds uint32) content.Message {
		m := c.text(c.bob, "secret")
		m.Expires = &content.Expires{Relative: relative, Time: seconds}
		return m
	}
	t.Run("C-XPR-01 absolute at that second, relative after reading, without anybody doing anything", func(t *testing.T) {
		c.reset()
		at := start.Add(time.Hour)
		c.send(c.bob, expiring(false, uint32(at.Unix())))
		for _, look := range []struct {
			now  time.Time
			want int
		}{{start, 1}, {at.Add(-time.Millisecond), 1}, {at, 0}, {at.Add(time.Hour), 0}} {
			if got := len(slices.Collect(c.Messages(look.now))); got != look.want {
				t.Errorf("%v: %d", look.now.Sub(at), got)
			}
		}
		c.reset()
		unread := c.send(c.bob, expiring(true, 60))
		if got := len(slices.Collect(c.Messages(start.Add(1000 * time.Hour)))); got != 1 {
			t.Error("an unread message vanished")
		}
		if _, found := c.NextExpiry(); found {
			t.Error("the clock runs before it was read")
		}
		c.Seen(unread.ID, at)
		c.Seen(unread.ID, at.Add(time.Second)) // the first reading counts
		if next, found := c.NextExpiry(); !found || !next.Equal(at.Add(time.Minute)) {
			t.Errorf("%v, %v", next, found)
		}
		if len(slices.Collect(c.Messages(at.Add(59*time.Second)))) != 1 || len(slices.Collect(c.Messages(at.Add(time.Minute)))) != 0 {
			t.Error("not a minute after it was read")
		}
	})
	t.Run("read on another device, and one's own", func(t *testing.T) {
		c.reset()
		s := c.send(c.bob, expiring(true, 60))
		c.send(c.cathy, content.NewStatus([16]byte{}, c.cathy, c.room, content.StatusReport{{ID: s.ID, Status: content.StatusRead}}))
		if _, found := c.NextExpiry(); found {
			t.Error("another user's reading counts")
		}
		c.send(c.alice, content.NewStatus([16]byte{}, c.alice, c.room, content.StatusReport{{ID: s.ID, Status: content.StatusRead}}))
		if next, found := c.NextExpiry(); !found || !next.Equal(c.now.Add(time.Minute)) {
			t.Errorf("%v", next)
		}
		c.reset()
		m := expiring(true, 60)
		m.Extensions = c.text(c.alice, "").Extensions
		c.send(c.alice, m)
		if next, found := c.NextExpiry(); !found || !next.Equal(c.now.Add(time.Minute)) {
			t.Errorf("own copy: %v", next)
		}
	})
	t.Run("C-XPR-03 what has expired is erased and can be reported", func(t *testing.T) {
		c.reset()
		s := c.send(c.bob, expiring(false, uint32(start.Add(time.Hour).Unix())))
		edit := c.send(c.bob, c.edit(c.bob, s, "changed"))
		answer := c.send(c.cathy, c.reply(c.cathy, s.ID, "answer"))
		c.send(c.cathy, c.reaction(c.cathy, s.ID, "\u2764"))
		if c.Expire(start) != nil {
			t.Error("too early")
		}
		gone := c.Expire(start.Add(time.Hour))
		if len(gone) != 1 || gone[0].Root != s.ID || len(gone[0].Erase) != 2 {
			t.Fatalf("%+v", gone)
		}
		var batch content.StatusBatch
		batch.Note(gone[0].Root, content.StatusExpired)
		if report := batch.Take(c.now); len(report) != 1 || report[0] != (content.StatusEntry{ID: s.ID, Status: content.StatusExpired}) {
			t.Errorf("%v", report)
		}
		if c.Expire(start.Add(2*time.Hour)) != nil {
			t.Error("twice")
		}
		c.now = start // the clock goes back, the message does not come back
		c.shows("cathy: answer > expired")
		if m, found := c.Message(edit.ID, c.now); !found || m.State != timeline.Expired || m.Body.Body != nil || m.Text != "" {
			t.Errorf("%+v", m)
		}
		if change := c.add(c.make(c.bob, c.edit(c.bob, s, "again"))); len(change.Erase) != 1 || change.Refused != timeline.ErrGone {
			t.Errorf("%+v", change)
		}
		if _, _, err := c.Editable(answer.ID, false, timeline.Usual, c.now); err != timeline.ErrAuthor {
			t.Errorf("%v", err)
		}
	})
	t.Run("C-XPR-04 the room's policy on expiry", func(t *testing.T) {
		const violation = " !content: expiry against the policy of the room"
		hour, most := uint32(3600), uint32(86400)
		for _, rule := range []struct {
			need               content.Optionality
			none, short, inner bool
			initial            uint32
		}{{content.Optional, true, false, true, 0}, {content.Required, false, false, true, most}, {content.Forbidden, true, false, false, 0}} {
			config := c.config()
			config.Expiry = &content.ExpiryRule{Need: rule.need, Least: hour, Most: most}
			for n, m := range []struct {
				e  *content.Expires
				ok bool
			}{
				{nil, rule.none}, {&content.Expires{Relative: true, Time: hour - 1}, rule.short}, {&content.Expires{Relative: true, Time: hour}, rule.inner},
				{&content.Expires{Relative: true, Time: most}, rule.inner}, {&content.Expires{Relative: true, Time: most + 1}, false},
				{&content.Expires{Time: uint32(c.now.Unix()) + 2*hour}, rule.inner}, {&content.Expires{Time: uint32(c.now.Unix())}, false},
			} {
				c.Timeline = timeline.New(config)
				message := c.text(c.bob, "secret")
				message.Expires = m.e
				c.send(c.bob, message)
				want := "bob: secret"
				if !m.ok {
					want += violation
				}
				got := ""
				for m := range c.Messages(time.Unix(0, 0)) {
					got = line(m)
				}
				if got != want {
					t.Errorf("%d, case %d: %s", rule.need, n, got)
				}
			}
			if e := config.Expiry.Initial(); (e == nil) != (rule.initial == 0) || e != nil && *e != (content.Expires{Relative: true, Time: rule.initial}) {
				t.Errorf("%d: %+v", rule.need, e)
			}
			config.Expiry.Default = &hour
			if e := config.Expiry.Initial(); (e == nil) != (rule.need == content.Forbidden) || e != nil && e.Time != hour {
				t.Errorf("%d: %+v", rule.need, e)
			}
		}
	})
}

func TestReceipts(t *testing.T) {
	report := func(c *chat, from string, entries ...content.StatusEntry) content.Message {
		u := c.bob
		if from == "cathy" {
			u = c.cathy
		}
		return content.NewStatus([16]byte{}, u, c.room, entries)
	}
	t.Run("C-ST-05 what counts, whatever order reports come in", func(t *testing.T) {
		c := newChat(t)
		s := c.make(c.alice, c.text(c.alice, "one"))
		entry := func(st content.Status) content.StatusEntry { return content.StatusEntry{ID: s.ID, Status: st} }
		all := []sent{s, c.make(c.bob, report(c, "bob", entry(content.StatusDelivered))), c.make(c.bob, report(c, "bob", entry(content.StatusRead))),
			c.make(c.bob, report(c, "bob", entry(content.StatusDelivered))), c.make(c.cathy, report(c, "cathy", entry(content.StatusDelivered)))}
		permute(len(all), func(order []int) {
			c.reset()
			for _, n := range order {
				c.add(all[n])
			}
			if got := c.Receipts(s.ID); !slices.Equal(got, []timeline.Receipt{{User: c.bob, Status: content.StatusRead}, {User: c.cathy, Status: content.StatusDelivered}}) {
				t.Fatalf("%v: %v", order, got)
			}
		})
		c.shows("alice: one")
	})
	t.Run("C-ST-09 a report on an unknown message is kept", func(t *testing.T) {
		c := newChat(t)
		s := c.make(c.alice, c.text(c.alice, "one"))
		c.send(c.bob, report(c, "bob", content.StatusEntry{ID: s.ID, Status: content.StatusRead}))
		if got := c.Receipts(s.ID); got != nil {
			t.Errorf("%v", got)
		}
		c.add(s)
		if got := c.Receipts(s.ID); len(got) != 1 || got[0].Status != content.StatusRead {
			t.Errorf("%v", got)
		}
		// Not without limit.
		for n := range 10000 {
			c.Report(c.bob, uint64(n), content.StatusReport{{ID: content.MessageID{1, byte(n >> 8), byte(n), 1}, Status: content.StatusRead}})
		}
		late := c.make(c.alice, c.text(c.alice, "two"))
		c.Report(c.bob, 1, content.StatusReport{{ID: late.ID, Status: content.StatusRead}})
		c.Report(c.cathy, 1, content.StatusReport{{ID: late.ID, Status: content.StatusRead}})
		c.add(late)
		if got := c.Receipts(late.ID); len(got) != 1 || got[0].User != c.cathy {
			t.Errorf("%v", got)
		}
		if roots := c.Report(c.bob, 2, content.StatusReport{{ID: late.ID, Status: content.StatusRead}}); !slices.Equal(roots, []content.MessageID{late.ID}) {
			t.Errorf("%v", roots)
		}
	})
	t.Run("C-ST-04 one report for several messages, and a later one", func(t *testing.T) {
		c := newChat(t)
		a, b := c.say(c.alice, "a"), c.say(c.alice, "b")
		c.send(c.bob, report(c, "bob", content.StatusEntry{ID: a.ID, Status: content.StatusDelivered}, content.StatusEntry{ID: b.ID, Status: content.StatusDelivered}))
		c.send(c.bob, report(c, "bob", content.StatusEntry{ID: b.ID, Status: content.StatusRead}))
		if x, y := c.Receipts(a.ID), c.Receipts(b.ID); len(x) != 1 || x[0].Status != content.StatusDelivered || len(y) != 1 || y[0].Status != content.StatusRead {
			t.Errorf("%v, %v", x, y)
		}
	})
	t.Run("C-ST-08 a report is its sender's claim and no more", func(t *testing.T) {
		c := newChat(t)
		s := c.say(c.alice, "one")
		for _, st := range []content.Status{content.StatusDeleted, content.StatusExpired, content.StatusHidden, content.StatusError} {
			c.send(c.bob, report(c, "bob", content.StatusEntry{ID: s.ID, Status: st}))
		}
		c.send(c.alice, content.NewStatus([16]byte{}, c.alice, c.room, content.StatusReport{{ID: s.ID, Status: content.StatusRead}}))
		c.shows("alice: one")
		if got := c.Receipts(s.ID); len(got) != 1 || got[0].User != c.bob {
			t.Errorf("%v", got)
		}
	})
	t.Run("C-ST-10 entries of unknown algorithms count nothing", func(t *testing.T) {
		c := newChat(t)
		if roots := c.Report(c.bob, 1, content.StatusReport{{ID: content.MessageID{7}, Status: content.StatusRead}}); roots != nil {
			t.Errorf("%v", roots)
		}
	})
	t.Run("on versions", func(t *testing.T) {
		c := newChat(t)
		first := c.say(c.alice, "one")
		c.send(c.bob, report(c, "bob", content.StatusEntry{ID: first.ID, Status: content.StatusRead}))
		edit := c.send(c.alice, c.edit(c.alice, first, "two"))
		c.send(c.cathy, report(c, "cathy", content.StatusEntry{ID: edit.ID, Status: content.StatusDelivered}))
		if got := c.Receipts(first.ID); !slices.Equal(got, []timeline.Receipt{{User: c.bob, Status: content.StatusRead, Older: true},
			{User: c.cathy, Status: content.StatusDelivered}}) {
			t.Errorf("%v", got)
		}
	})
}
