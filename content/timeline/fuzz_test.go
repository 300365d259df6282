package timeline_test

import (
	"math/rand"
	"testing"
	"time"

	"parley/content"
	"parley/content/timeline"
	"parley/uri"
)

// script turns octets into messages that refer to each other in all the ways there are.
func script(c *chat, data []byte) []sent {
	users := []uri.User{c.alice, c.bob, c.cathy}
	rights := []timeline.Rights{timeline.Usual, timeline.Usual, timeline.Usual, 0, ^timeline.Rights(0), timeline.DeleteOtherMessage, timeline.EditOtherTopic, timeline.EditOwnMessage}
	next := func() int {
		if len(data) == 0 {
			return 0
		}
		b := data[0]
		data = data[1:]
		return int(b)
	}
	var all []sent
	earlier := func() sent {
		if len(all) == 0 {
			return sent{ID: content.MessageID{1, 2, 3}}
		}
		return all[next()%len(all)]
	}
	for len(data) > 0 && len(all) < 40 {
		from := users[next()%len(users)]
		c.rights = rights[next()%len(rights)]
		var m content.Message
		switch next() % 8 {
		case 0, 1:
			m = c.text(from, string(rune('a'+len(all)%26)))
			m.Topic = []byte{"\x00xy"[next()%3]}[:next()%2]
		case 2:
			m = c.reply(from, earlier().ID, "reply")
		case 3:
			m = c.reaction(from, earlier().ID, []string{"\u2764", "\U0001F973", "no reaction"}[next()%3])
		case 4:
			m = c.edit(from, earlier(), "edit")
			m.Topic = []byte{"xy"[next()%2]}
		case 5:
			of := earlier()
			m = c.edit(from, of, "edit of an edit")
			m.Replaces, m.InReplyTo = &of.ID, &earlier().Event2().ID
		case 6:
			m = c.deletion(from, earlier())
		case 7:
			m = content.NewStatus([16]byte{}, from, c.room, content.StatusReport{{ID: earlier().ID, Status: content.Status(next() % 9)}, {ID: earlier().ID, Status: content.StatusRead}})
		}
		if next()%8 == 0 {
			m.Expires = &content.Expires{Relative: next()%2 == 0, Time: 60}
		}
		all = append(all, c.make(from, m))
		if next()%4 == 0 {
			all[len(all)-1].Accepted = all[next()%len(all)].Accepted
		}
	}
	return all
}

// Event2 lets a value be addressed.
func (s sent) Event2() *sent { return &s }

func play(t *testing.T, data []byte, seed int64) {
	c := newChat(t)
	all := script(c, data)
	var want string
	for n := range 4 {
		order := make([]int, len(all))
		for k := range order {
			order[k] = k
		}
		if n > 0 {
			order = rand.New(rand.NewSource(seed + int64(n))).Perm(len(all))
		}
		c.reset()
		for _, k := range order {
			change, err := c.Add(all[k].Event)
			if err == content.ErrLoop {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if change.Kind != timeline.KindReport && len(change.Roots) == 0 {
				t.Fatal("a change without roots")
			}
		}
		got := c.screen() + receipts(c, all)
		if n == 0 {
			want = got
		}
		if got != want {
			t.Fatalf("in order\n%s\n\nin order %v\n%s", want, order, got)
		}
		for m := range c.Messages(c.now) {
			if c.Ancestors(m.ID, 100, c.now); m.State != timeline.Present && m.Body.Body != nil {
				t.Fatal("content of a deleted message")
			}
			if again, found := c.Message(m.ID, c.now); !found || again.Root != m.Root {
				t.Fatal("not found by its ID")
			}
		}
	}
	for _, s := range all {
		c.Seen(s.ID, c.now)
	}
	c.Expire(c.now.Add(400 * 24 * time.Hour))
	for m := range c.Messages(c.now) {
		if !m.Expires.IsZero() {
			t.Fatal("an expired message")
		}
	}
	if _, found := c.NextExpiry(); found {
		t.Fatal("something is left to expire")
	}
}

func receipts(c *chat, all []sent) string {
	var out string
	for _, s := range all {
		for _, r := range c.Receipts(s.ID) {
			out += "\n" + s.ID.String()[:6] + r.User.Name() + string(rune('0'+r.Status))
		}
	}
	return out
}

func TestAnyOrder(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	for seed := range int64(300) {
		data := make([]byte, random.Intn(200))
		random.Read(data)
		play(t, data, seed)
	}
}

func FuzzTimeline(f *testing.F) {
	f.Add([]byte("0123456789abcdef"), int64(1))
	f.Add([]byte{0, 0, 0, 0, 0, 1, 1, 0, 6, 0, 1, 1}, int64(2))
	f.Fuzz(func(t *testing.T, data []byte, seed int64) { play(t, data, seed) })
}
