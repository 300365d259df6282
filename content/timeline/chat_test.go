package timeline_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/content"
	"parley/content/timeline"
	"parley/uri"
)

var start = time.UnixMilli(1_800_000_000_000)

// chat is a room and a timeline that sees it as Alice.
type chat struct {
	*testing.T
	*timeline.Timeline
	room              uri.Room
	alice, bob, cathy uri.User
	now               time.Time
	salts             uint64
	rights            timeline.Rights
}

func newChat(t *testing.T) *chat {
	c := &chat{T: t, rights: timeline.Usual}
	c.setUp(t)
	return c
}

func (c *chat) setUp(t testing.TB) {
	t.Helper()
	c.now = start
	var err error
	if c.room, err = uri.ParseRoom("mimi://hub.example/r/room"); err != nil {
		t.Fatal(err)
	}
	for name, into := range map[string]*uri.User{"alice": &c.alice, "bob": &c.bob, "cathy": &c.cathy} {
		if *into, err = uri.ParseUser("mimi://a.example/u/" + name); err != nil {
			t.Fatal(err)
		}
	}
	c.Timeline = timeline.New(c.config())
}

func (c *chat) users() []uri.User { return []uri.User{c.alice, c.bob, c.cathy} }

func (c *chat) config() timeline.Config { return timeline.Config{Room: c.room, Self: c.alice} }

// reset forgets everything; what was sent can be added in another order.
func (c *chat) reset() { c.Timeline = timeline.New(c.config()) }

func (c *chat) salt() (s [16]byte) {
	c.salts++
	binary.BigEndian.PutUint64(s[:], c.salts)
	return s
}

// sent is a message of the wire.
type sent struct {
	timeline.Event
	content.Message
	ID content.MessageID
}

// make encodes a message a second after the last one, without adding it.
func (c *chat) make(from uri.User, m content.Message) sent {
	c.Helper()
	return c.encode(c.T, from, m)
}

func (c *chat) encode(t testing.TB, from uri.User, m content.Message) sent {
	t.Helper()
	c.now = c.now.Add(time.Second)
	m.Salt = c.salt()
	encoded, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	e := timeline.Event{Encoded: encoded, Accepted: uint64(c.now.UnixMilli()), Sender: from, Rights: c.rights}
	return sent{e, m, content.ID(from, c.room, encoded, m.Salt)}
}

func (c *chat) add(s sent) timeline.Change {
	c.Helper()
	change, err := c.Add(s.Event)
	if err != nil {
		c.Fatal(err)
	}
	if change.ID != s.ID {
		c.Fatalf("ID %s", change.ID)
	}
	return change
}

func (c *chat) send(from uri.User, m content.Message) sent {
	c.Helper()
	s := c.make(from, m)
	c.add(s)
	return s
}

func (c *chat) text(from uri.User, text string) content.Message {
	return content.NewText([16]byte{}, from, c.room, text)
}

func (c *chat) say(from uri.User, text string) sent {
	c.Helper()
	return c.send(from, c.text(from, text))
}

func (c *chat) reply(from uri.User, to content.MessageID, text string) content.Message {
	return content.NewReply([16]byte{}, from, c.room, to, nil, text)
}

func (c *chat) reaction(from uri.User, to content.MessageID, text string) content.Message {
	m := c.text(from, text)
	m.Body.Disposition, m.InReplyTo = content.DispositionReaction, &to
	return m
}

func (c *chat) edit(from uri.User, of sent, text string) content.Message {
	return content.NewEdit([16]byte{}, from, c.room, of.ID, of.Message, c.text(from, text).Body)
}

func (c *chat) deletion(from uri.User, of sent) content.Message {
	return content.NewDelete([16]byte{}, from, c.room, of.ID, of.Message)
}

// screen is everything that is shown, in short.
func (c *chat) screen() string {
	var lines []string
	for m := range c.Messages(c.now) {
		lines = append(lines, line(m))
	}
	return strings.Join(lines, "\n")
}

func line(m timeline.Message) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:", m.Sender.Name())
	switch m.State {
	case timeline.Deleted:
		fmt.Fprintf(&b, " deleted by %s", m.DeletedBy.Name())
	default:
		fmt.Fprintf(&b, " %s", m.Text)
	}
	if m.Edited {
		b.WriteString(" (edited)")
	}
	if !m.Whole {
		b.WriteString(" (original not seen)")
	}
	if len(m.Topic) > 0 {
		fmt.Fprintf(&b, " #%s", m.Topic)
	}
	if q := m.Quote; q != nil {
		switch q.State {
		case timeline.QuotePresent:
			fmt.Fprintf(&b, " > %s: %s", q.Sender.Name(), q.Text)
			if q.Older {
				b.WriteString(" (older)")
			}
		default:
			fmt.Fprintf(&b, " > %s", map[timeline.QuoteState]string{timeline.QuoteAbsent: "absent", timeline.QuoteDeleted: "deleted",
				timeline.QuoteExpired: "expired", timeline.QuoteRefused: "refused", timeline.QuoteLoop: "loop"}[q.State])
		}
	}
	for _, r := range m.Reactions {
		var who []string
		for _, by := range r.By {
			name := by.User.Name()
			if by.Older {
				name += " (older)"
			}
			who = append(who, name)
		}
		fmt.Fprintf(&b, " [%s %d %s]", r.Text, r.Users(), strings.Join(who, ","))
	}
	for _, r := range m.Refused {
		fmt.Fprintf(&b, " {%s: %v}", r.Sender.Name(), r.Reason)
	}
	for _, err := range m.Violations {
		fmt.Fprintf(&b, " !%v", err)
	}
	return b.String()
}

func (c *chat) shows(want ...string) {
	c.Helper()
	if got := c.screen(); got != strings.Join(want, "\n") {
		c.Errorf("shown\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// everyOrder adds the messages in every order and requires the same screen.
func (c *chat) everyOrder(all []sent, want ...string) {
	c.Helper()
	permute(len(all), func(order []int) {
		c.reset()
		for _, n := range order {
			if _, err := c.Add(all[n].Event); err != nil {
				c.Fatal(err)
			}
		}
		if got := c.screen(); got != strings.Join(want, "\n") {
			c.Fatalf("in order %v shown\n%s\nwant\n%s", order, got, strings.Join(want, "\n"))
		}
	})
}

func permute(n int, visit func([]int)) {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	var step func(int)
	step = func(k int) {
		if k == n {
			visit(slices.Clone(order))
			return
		}
		for i := k; i < n; i++ {
			order[k], order[i] = order[i], order[k]
			step(k + 1)
			order[k], order[i] = order[i], order[k]
		}
	}
	step(0)
}
