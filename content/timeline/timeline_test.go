package timeline_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"parley/content"
	"parley/content/timeline"
	"parley/uri"
)

func TestReplies(t *testing.T) {
	t.Run("C-REP-01 a reply names the latest version", func(t *testing.T) {
		c := newChat(t)
		first := c.say(c.bob, "one")
		edit := c.send(c.bob, c.edit(c.bob, first, "two"))
		for _, id := range []content.MessageID{first.ID, edit.ID} {
			if to, _, err := c.Answerable(id, c.now); err != nil || to != edit.ID {
				t.Errorf("%s, %v", to, err)
			}
		}
		c.send(c.cathy, c.edit(c.cathy, first, "not his"))
		if to, _, err := c.Answerable(first.ID, c.now); err != nil || to != edit.ID {
			t.Errorf("%s, %v", to, err)
		}
	})
	t.Run("C-REP-02 no reply into a loop", func(t *testing.T) {
		c := newChat(t)
		all := loop(c)
		c.add(all[1])
		c.add(all[2])
		for _, s := range all[1:] {
			if _, _, err := c.Answerable(s.ID, c.now); err != content.ErrLoop {
				t.Errorf("%v", err)
			}
		}
		if to, _, err := c.Answerable(c.say(c.bob, "else").ID, c.now); err != nil || to == (content.MessageID{}) {
			t.Error(err)
		}
	})
	t.Run("C-REP-03 a loop of replies ends", func(t *testing.T) {
		c := newChat(t)
		all := loop(c)
		c.everyOrder(all[1:], "bob: edited (edited) (original not seen) > loop", "cathy: reply > loop")
		if got := c.Ancestors(all[1].ID, 100, c.now); len(got) != 1 || got[0].Text != "reply" {
			t.Errorf("%d ancestors", len(got))
		}
		// With the original it is none: an edit does not change what its message replies to.
		c.everyOrder(all, "bob: edited (edited)", "cathy: reply > bob: original (older)")
		self := c.make(c.bob, c.edit(c.bob, all[0], "x"))
		self.Message.InReplyTo = &all[0].ID
		c.reset()
		c.add(c.make(c.bob, self.Message))
		c.shows("bob: x (edited) (original not seen) > loop")
	})
	t.Run("C-REP-03 a forged store with a cycle ends", func(t *testing.T) {
		c := newChat(t)
		stub := func(id, to byte) {
			parent := content.MessageID{1, to}
			m := content.Message{InReplyTo: &parent}
			if _, err := c.AddErased(timeline.Version{ID: content.MessageID{1, id}, Accepted: 1, Sender: c.bob, Rights: timeline.Usual, Message: m}); err != nil {
				t.Fatal(err)
			}
		}
		for n := byte(1); n <= 5; n++ {
			stub(n, n%5+1)
		}
		stub(9, 1) // leads into the cycle
		if m, found := c.Message(content.MessageID{1, 3}, c.now); !found || m.Quote.State != timeline.QuoteLoop {
			t.Errorf("%v", found)
		}
		if got := len(c.Ancestors(content.MessageID{1, 9}, 1000, c.now)); got != 5 {
			t.Errorf("%d ancestors", got)
		}
	})
	t.Run("C-REP-04 a reply waits for what it is about", func(t *testing.T) {
		c := newChat(t)
		first := c.make(c.bob, c.text(c.bob, "question"))
		answer := c.send(c.cathy, c.reply(c.cathy, first.ID, "answer"))
		c.shows("cathy: answer > absent")
		change := c.add(first)
		if !slices.Equal(c.Answers(change.Roots[0]), []content.MessageID{answer.ID}) {
			t.Error("what has to be drawn again is not told")
		}
		c.shows("bob: question", "cathy: answer > bob: question")
	})
	t.Run("C-REP-05 a quote is of the version with that hash", func(t *testing.T) {
		c := newChat(t)
		first := c.make(c.bob, c.text(c.bob, "yes"))
		answer := c.make(c.cathy, c.reply(c.cathy, first.ID, "so be it"))
		swapped := c.make(c.bob, c.text(c.bob, "no"))
		swapped.Accepted = first.Accepted
		if _, err := c.Add(swapped.Event); err != nil { // history with other content in the place of first
			t.Fatal(err)
		}
		c.add(answer)
		c.shows("bob: no", "cathy: so be it > absent")
		c.reset()
		c.add(first)
		c.add(answer)
		c.send(c.bob, c.edit(c.bob, first, "never"))
		c.shows("bob: never (edited)", "cathy: so be it > bob: yes (older)")
	})
	t.Run("C-REP-06 replies hide what was deleted", func(t *testing.T) {
		c := newChat(t)
		first := c.make(c.bob, c.text(c.bob, "question"))
		all := []sent{first, c.make(c.cathy, c.reply(c.cathy, first.ID, "answer")), c.make(c.bob, c.deletion(c.bob, first))}
		c.everyOrder(all, "bob: deleted by bob", "cathy: answer > deleted")
		if m, _ := c.Message(all[1].ID, c.now); m.Quote.Text != "" || m.Quote.Body.Body != nil {
			t.Error("content in the quote")
		}
	})
	t.Run("without the right to", func(t *testing.T) {
		c := newChat(t)
		first := c.say(c.bob, "question")
		c.rights = timeline.Usual &^ timeline.Reply
		if change := c.add(c.make(c.cathy, c.reply(c.cathy, first.ID, "answer"))); change.Refused != timeline.ErrRight {
			t.Errorf("%v", change.Refused)
		}
		c.shows("bob: question", "cathy: answer !timeline: the room's policy does not allow that")
	})
}

// loop is an original, an edit of it that replies to a reply to the original, and that reply.
func loop(c *chat) []sent {
	original := c.make(c.bob, c.text(c.bob, "original"))
	reply := c.make(c.cathy, c.reply(c.cathy, original.ID, "reply"))
	edit := c.edit(c.bob, original, "edited")
	edit.InReplyTo = &reply.ID
	looping := c.make(c.bob, edit)
	looping.Accepted = original.Accepted + 1
	return []sent{original, looping, reply}
}

func TestEdits(t *testing.T) {
	t.Run("C-EDT-02 the latest version wins, whatever comes first, seen from the start or not", func(t *testing.T) {
		c := newChat(t)
		first := c.make(c.bob, c.text(c.bob, "one"))
		two, three := c.make(c.bob, c.edit(c.bob, first, "two")), c.make(c.bob, c.edit(c.bob, first, "three"))
		c.everyOrder([]sent{first, two, three}, "bob: three (edited)")
		c.everyOrder([]sent{two, three}, "bob: three (edited) (original not seen)")
		c.everyOrder([]sent{first, two}, "bob: two (edited)")
		twin := c.make(c.bob, c.edit(c.bob, first, "twin"))
		twin.Accepted = two.Accepted
		want := "bob: twin (edited)"
		if twin.ID.Compare(two.ID) < 0 {
			want = "bob: two (edited)"
		}
		c.everyOrder([]sent{first, two, twin}, want)
	})
	t.Run("an edit of an edit is one of the first version", func(t *testing.T) {
		c := newChat(t)
		first := c.make(c.bob, c.text(c.bob, "one"))
		two := c.make(c.bob, c.edit(c.bob, first, "two"))
		m := c.text(c.bob, "three")
		m.Replaces = &two.ID // not the first version, as it should be (A-C10)
		three := c.make(c.bob, m)
		m = c.text(c.bob, "four")
		m.Replaces = &three.ID
		four := c.make(c.bob, m)
		c.everyOrder([]sent{first, two, three, four}, "bob: four (edited)")
		c.everyOrder([]sent{two, three, four}, "bob: four (edited) (original not seen)")
		for _, s := range []sent{first, two, three, four} {
			if m, found := c.Message(s.ID, c.now); s.ID != first.ID && (!found || m.Root != first.ID || m.ID != four.ID) {
				t.Errorf("%s: %v", s.ID, found)
			}
		}
	})
	t.Run("C-EDT-03 nobody else edits or deletes", func(t *testing.T) {
		c := newChat(t)
		first := c.make(c.alice, c.text(c.alice, "mine"))
		edit, deletion := c.make(c.bob, c.edit(c.bob, first, "his")), c.make(c.bob, c.deletion(c.bob, first))
		const refused = " {bob: timeline: only the author may do that}"
		c.everyOrder([]sent{first, edit}, "alice: mine"+refused)
		c.everyOrder([]sent{first, deletion}, "alice: mine"+refused)
		c.reset()
		c.add(first)
		for _, s := range []sent{edit, deletion} {
			change := c.add(s)
			if change.Refused != timeline.ErrAuthor || slices.ContainsFunc(change.Erase, func(e timeline.Erasure) bool { return e.ID == first.ID }) {
				t.Errorf("%v", change.Refused)
			}
		}
		answer := c.make(c.cathy, c.reply(c.cathy, edit.ID, "really?"))
		c.add(answer)
		if m, _ := c.Message(answer.ID, c.now); m.Quote.State != timeline.QuoteRefused || m.Quote.Text != "" {
			t.Errorf("quotes a refused edit: %+v", m.Quote)
		}
		// Every right but that of deleting: nobody may edit another's text.
		c.rights = ^timeline.DeleteOtherMessage
		if change := c.add(c.make(c.bob, c.edit(c.bob, first, "his"))); change.Refused != timeline.ErrAuthor {
			t.Errorf("%v", change.Refused)
		}
		c.rights = timeline.Usual
		if m, _ := c.Message(first.ID, c.now); m.Text != "mine" || m.State != timeline.Present {
			t.Errorf("%q", m.Text)
		}
	})
	t.Run("edits of a message that is not here stand for themselves until it is", func(t *testing.T) {
		c := newChat(t)
		first := c.make(c.alice, c.text(c.alice, "mine"))
		his, hers := c.make(c.bob, c.edit(c.bob, first, "his")), c.make(c.alice, c.edit(c.alice, first, "hers"))
		c.everyOrder([]sent{his, hers}, "bob: his (edited) (original not seen)", "alice: hers (edited) (original not seen)")
		c.everyOrder([]sent{first, his, hers}, "alice: hers (edited) {bob: timeline: only the author may do that}")
	})
	t.Run("C-EDT-04 an edit changes the body and nothing else", func(t *testing.T) {
		c := newChat(t)
		question := c.make(c.cathy, c.text(c.cathy, "?"))
		m := c.reply(c.bob, question.ID, "one")
		m.Topic, m.Expires = []byte("here"), &content.Expires{Relative: true, Time: 60}
		first := c.make(c.bob, m)
		m = c.edit(c.bob, first, "two")
		m.Topic, m.Expires, m.InReplyTo = []byte("there"), nil, &first.ID
		m.Extensions = append(m.Extensions, content.Extension{Key: content.Key{Text: "x"}, Value: content.NullValue()})
		edit := c.make(c.bob, m)
		c.everyOrder([]sent{question, first, edit}, "cathy: ?", "bob: two (edited) #here > cathy: ?")
		if shown, _ := c.Message(first.ID, c.now); len(shown.Extensions) != 2 {
			t.Errorf("%d extensions", len(shown.Extensions))
		}
		c.Seen(first.ID, c.now)
		if shown, _ := c.Message(first.ID, c.now); !shown.Expires.Equal(c.now.Add(time.Minute)) {
			t.Errorf("expires %v", shown.Expires)
		}
	})
	t.Run("C-EDT-05 edited and deleted are told, and the versions", func(t *testing.T) {
		c := newChat(t)
		first := c.say(c.bob, "one")
		edit := c.send(c.bob, c.edit(c.bob, first, "two"))
		m, _ := c.Message(first.ID, c.now)
		if versions := c.Versions(edit.ID); !m.Edited || m.ID != edit.ID || len(versions) != 2 || versions[0].ID != first.ID {
			t.Errorf("%+v", m)
		}
		c.send(c.bob, c.deletion(c.bob, first))
		if m, _ := c.Message(first.ID, c.now); m.State != timeline.Deleted || m.DeletedBy != c.bob || m.Text != "" || m.Body.Body != nil {
			t.Errorf("%+v", m)
		}
	})
	t.Run("C-SEC-02 earlier versions and what refers to them", func(t *testing.T) {
		c := newChat(t)
		first := c.say(c.bob, "may I borow a pen?")
		c.send(c.cathy, c.reaction(c.cathy, first.ID, "\U0001F44D"))
		c.send(c.cathy, c.reply(c.cathy, first.ID, "sure"))
		c.send(c.bob, c.edit(c.bob, first, "may I borrow your car?"))
		c.shows("bob: may I borrow your car? (edited) [\U0001F44D 1 cathy (older)]", "cathy: sure > bob: may I borow a pen? (older)")
		if v := c.Versions(first.ID); len(v) != 2 || content.Text(v[0].Message) != "may I borow a pen?" {
			t.Errorf("%d versions", len(v))
		}
	})
	t.Run("rights of the author", func(t *testing.T) {
		c := newChat(t)
		first := c.make(c.bob, c.text(c.bob, "one"))
		two := c.make(c.bob, c.edit(c.bob, first, "two"))
		c.rights = timeline.Usual &^ (timeline.EditOwnMessage | timeline.DeleteOwnMessage)
		three, deletion := c.make(c.bob, c.edit(c.bob, first, "three")), c.make(c.bob, c.deletion(c.bob, first))
		const refused = " {bob: timeline: the room's policy does not allow that}"
		c.everyOrder([]sent{first, two, three, deletion}, "bob: two (edited)"+refused+refused)
		if _, _, err := c.Editable(first.ID, false, c.rights, c.now); err != timeline.ErrAuthor {
			t.Errorf("%v", err)
		}
	})
	t.Run("many edits", func(t *testing.T) {
		c := newChat(t)
		first := c.say(c.bob, "0")
		var last sent
		for range 1000 {
			last = c.send(c.bob, c.edit(c.bob, first, "more"))
		}
		m, _ := c.Message(first.ID, c.now)
		if n := len(c.Versions(first.ID)); n != 64 || m.ID != last.ID || c.Versions(first.ID)[0].ID != first.ID {
			t.Errorf("%d versions", n)
		}
		c.reset()
		for n := range 200 { // without the original the first edit stays, which tells the place
			s := c.make(c.bob, c.edit(c.bob, first, "more"))
			if n == 0 {
				last = s
			}
			c.add(s)
		}
		if v := c.Versions(first.ID); len(v) != 64 || v[0].ID != last.ID {
			t.Errorf("%d versions", len(v))
		}
	})
	t.Run("versions that replace each other in a forged store", func(t *testing.T) {
		c := newChat(t)
		for n := byte(1); n <= 3; n++ {
			replaces := content.MessageID{1, n%3 + 1}
			_, err := c.AddErased(timeline.Version{ID: content.MessageID{1, n}, Accepted: 1, Sender: c.bob, Rights: timeline.Usual,
				Message: content.Message{Replaces: &replaces}})
			if want := map[bool]error{true: content.ErrLoop}[n == 3]; err != want {
				t.Errorf("%d: %v", n, err)
			}
		}
		self := content.MessageID{1, 9}
		if _, err := c.AddErased(timeline.Version{ID: self, Message: content.Message{Replaces: &self}}); err != content.ErrLoop {
			t.Errorf("%v", err)
		}
	})
}

func TestDeletions(t *testing.T) {
	t.Run("C-DEL-02 a placeholder stays, content and files go", func(t *testing.T) {
		c := newChat(t)
		file := content.External{ContentType: "image/png", URL: "https://a.example/file", Hash: content.HashSHA256, ContentHash: make([]byte, 32)}
		first := c.send(c.bob, content.NewMessage([16]byte{}, c.bob, c.room, content.Part{Disposition: content.DispositionInline, Body: file}))
		edit := c.send(c.bob, c.edit(c.bob, first, "two"))
		change := c.add(c.make(c.bob, c.deletion(c.bob, first)))
		if len(change.Erase) != 2 || change.Erase[0].ID != first.ID || !slices.Equal(change.Erase[0].URLs, []string{file.URL}) || change.Erase[1].ID != edit.ID {
			t.Errorf("%+v", change.Erase)
		}
		for _, v := range c.Versions(first.ID) {
			if !v.Erased || v.Message.Body.Body != nil || v.Message.Extensions != nil {
				t.Errorf("%+v", v)
			}
		}
		c.shows("bob: deleted by bob")
		// What comes late is erased at once.
		if change := c.add(c.make(c.bob, c.edit(c.bob, first, "again"))); len(change.Erase) != 1 || change.Refused != timeline.ErrGone {
			t.Errorf("%+v", change)
		}
	})
	t.Run("stubs stand for what was erased", func(t *testing.T) {
		c := newChat(t)
		first := c.say(c.bob, "one")
		answer, deletion := c.make(c.cathy, c.reply(c.cathy, first.ID, "answer")), c.make(c.bob, c.deletion(c.bob, first))
		c.add(answer)
		c.add(deletion)
		want := c.screen()
		stubs := c.Versions(first.ID)
		c.reset()
		for _, stub := range stubs {
			if _, err := c.AddErased(stub); err != nil {
				t.Fatal(err)
			}
		}
		c.add(deletion)
		c.add(answer)
		c.shows(want)
		if _, err := c.Add(first.Event); err != timeline.ErrDuplicate {
			t.Errorf("%v", err)
		}
	})
	t.Run("C-DEL-03 others delete with the right to only", func(t *testing.T) {
		for _, r := range []struct {
			rights   timeline.Rights
			message  bool
			reaction bool
		}{{timeline.Usual, false, false}, {timeline.DeleteOtherMessage, true, false}, {timeline.DeleteOtherReaction, false, true},
			{^(timeline.DeleteOtherMessage | timeline.DeleteOtherReaction), false, false}} {
			c := newChat(t)
			first := c.make(c.bob, c.text(c.bob, "one"))
			like := c.make(c.bob, c.reaction(c.bob, first.ID, "\u2764"))
			c.rights = r.rights
			deleteMessage, deleteLike := c.make(c.cathy, c.deletion(c.cathy, first)), c.make(c.cathy, c.deletion(c.cathy, like))
			want := "bob: deleted by cathy"
			if !r.message {
				want = "bob: one [\u2764 1 bob] {cathy: timeline: only the author may do that}"
			}
			c.everyOrder([]sent{first, like, deleteMessage}, want)
			want = "bob: one"
			if !r.reaction {
				want = "bob: one [\u2764 1 bob]"
			}
			c.everyOrder([]sent{first, like, deleteLike}, want)
			c.reset()
			c.add(first)
			c.add(like)
			if _, _, err := c.Editable(first.ID, true, r.rights, c.now); (err == nil) != r.message {
				t.Errorf("rights %x: %v", r.rights, err)
			}
			if _, _, err := c.Editable(like.ID, true, r.rights, c.now); (err == nil) != r.reaction {
				t.Errorf("rights %x: %v", r.rights, err)
			}
		}
	})
	t.Run("a deletion is final, in whatever order", func(t *testing.T) {
		c := newChat(t)
		first := c.make(c.bob, c.text(c.bob, "one"))
		edit := c.make(c.bob, c.edit(c.bob, first, "two"))
		deletion := c.make(c.bob, c.deletion(c.bob, first))
		late := c.make(c.bob, c.edit(c.bob, first, "three"))
		undo := c.text(c.bob, "four")
		undo.Replaces = &deletion.ID // neither can the deletion be edited
		c.everyOrder([]sent{first, edit, deletion, late}, "bob: deleted by bob {bob: timeline: what it is about has been deleted or has expired}")
		c.everyOrder([]sent{first, deletion, c.make(c.bob, undo)}, "bob: deleted by bob {bob: timeline: what it is about has been deleted or has expired}")
		again := c.make(c.bob, c.deletion(c.bob, first))
		twice := c.deletion(c.bob, first)
		twice.Replaces = &again.ID
		c.everyOrder([]sent{first, deletion, again, c.make(c.bob, twice)}, "bob: deleted by bob")
		c.everyOrder([]sent{deletion})
	})
}

func TestOrigins(t *testing.T) {
	t.Run("C-ID-05 what was seen is a duplicate", func(t *testing.T) {
		c := newChat(t)
		first := c.say(c.bob, "one")
		for _, s := range []sent{first, c.send(c.bob, c.edit(c.bob, first, "two")), c.send(c.bob, c.deletion(c.bob, first)),
			c.send(c.bob, content.NewStatus([16]byte{}, c.bob, c.room, content.StatusReport{{ID: first.ID}}))} {
			again := s.Event
			again.Accepted++ // the same content in a new ciphertext
			if _, err := c.Add(again); err != timeline.ErrDuplicate {
				t.Errorf("%v", err)
			}
		}
		c.shows("bob: deleted by bob")
	})
	t.Run("C-EXT-09 another's name or room is discarded", func(t *testing.T) {
		c := newChat(t)
		forged := c.make(c.bob, c.text(c.alice, "I owe Bob a beer"))
		if _, err := c.Add(forged.Event); err != content.ErrOrigin {
			t.Errorf("%v", err)
		}
		elsewhere, err := uri.ParseRoom("mimi://hub.example/r/other")
		if err != nil {
			t.Fatal(err)
		}
		replayed := c.make(c.bob, content.NewText([16]byte{}, c.bob, elsewhere, "x"))
		if _, err := c.Add(replayed.Event); err != content.ErrOrigin {
			t.Errorf("%v", err)
		}
		c.shows()
	})
	t.Run("C-DER-03 history by somebody who was no member is discarded", func(t *testing.T) {
		c := newChat(t)
		config := c.config()
		config.Member = func(u uri.User) bool { return u != c.cathy }
		c.Timeline = timeline.New(config)
		c.say(c.bob, "one")
		if _, err := c.Add(c.make(c.cathy, c.text(c.cathy, "two")).Event); err != timeline.ErrMember {
			t.Errorf("%v", err)
		}
		c.shows("bob: one")
	})
	t.Run("C-DER-01 the derived values of a message", func(t *testing.T) {
		c := newChat(t)
		client, err := uri.ParseClient("mimi://a.example/d/bob/phone")
		if err != nil {
			t.Fatal(err)
		}
		s := c.make(c.bob, c.text(c.bob, "one"))
		s.Leaf, s.Client = 4, client
		c.add(s)
		got := c.Versions(s.ID)[0].Derived(c.room, []byte("group"))
		want := content.Derived{ID: s.ID, Accepted: content.AcceptedAt(s.Accepted), Group: []byte("group"), Leaf: 4,
			Client: client.String(), User: c.bob.String(), Room: c.room.String()}
		if encoded, err := got.Encode(); err != nil || len(encoded) == 0 {
			t.Error(err)
		}
		if got.ID != want.ID || got.Accepted != want.Accepted || got.Leaf != 4 || got.Client != want.Client || got.User != want.User ||
			got.Room != want.Room || string(got.Group) != "group" {
			t.Errorf("%+v", got)
		}
	})
	t.Run("C-SEC-01 each discard has one reason that holds no content", func(t *testing.T) {
		c := newChat(t)
		first := c.say(c.bob, "one")
		future, past, long := c.make(c.bob, c.text(c.bob, "x")), c.make(c.bob, c.text(c.bob, "x")), c.text(c.bob, "x")
		future.Accepted += 6 * 60 * 1000
		past.Accepted = 1644387225019
		long.Expires = &content.Expires{Relative: true, Time: 1 << 31}
		report := content.NewStatus([16]byte{}, c.bob, c.room, nil)
		report.Body.Body = content.Single{ContentType: content.StatusMediaType, Content: []byte{0xff}}
		for name, e := range map[string]timeline.Event{
			"future": future.Event, "past": past.Event, "expiry": c.make(c.bob, long).Event, "twice": first.Event,
			"forged": c.make(c.bob, c.text(c.alice, "x")).Event, "broken": {Encoded: []byte{0x87}, Sender: c.bob},
			"report": c.make(c.bob, report).Event,
		} {
			_, err := c.Receive(e, c.now)
			var format content.Error
			var reason timeline.Error
			if !errors.As(err, &format) && !errors.As(err, &reason) {
				t.Errorf("%s: %v", name, err)
			}
		}
		c.shows("bob: one")
	})
	t.Run("live times are not held against history", func(t *testing.T) {
		c := newChat(t)
		old := c.make(c.bob, c.text(c.bob, "old"))
		old.Accepted = 1644387225019
		if _, err := c.Receive(old.Event, c.now); err != content.ErrPast {
			t.Errorf("%v", err)
		}
		if _, err := c.Add(old.Event); err != nil {
			t.Error(err)
		}
		if _, err := c.Receive(c.make(c.bob, c.text(c.bob, "new")).Event, c.now); err != nil {
			t.Error(err)
		}
	})
	t.Run("C-PART-14 an empty message is kept and not shown", func(t *testing.T) {
		c := newChat(t)
		first := c.send(c.bob, content.NewMessage([16]byte{}, c.bob, c.room, content.Part{}))
		c.shows()
		c.send(c.bob, c.edit(c.bob, first, "filled"))
		c.shows("bob: filled (edited)")
	})
}
