package hub_test

import (
	"slices"
	"testing"

	"parley/storetest/roletest"
)

// TestExample plays mimi-protocol §3.
func TestExample(t *testing.T) {
	c := newCast(t)
	c.alice.Do(c.room, c.alice.Add(c.room, c.bob.User))
	c.agree(c.alice, c.bob, c.laptop)
	c.bob.Do(c.room, c.bob.Add(c.room, c.cathy.User))
	c.agree(c.alice, c.bob, c.laptop, c.cathy)

	c.cathy.Send(c.room, "hello")
	c.Sync()
	for _, d := range []*roletest.Device{c.alice, c.bob, c.laptop} {
		if !slices.Equal(d.Texts, []string{"hello"}) {
			t.Errorf("%s got %q", d.Client.Client, d.Texts)
		}
	}

	c.bob.Do(c.room, c.bob.Leave(c.room))
	c.alice.Do(c.room, c.alice.Commit(c.room))
	if !c.bob.Groups[c.room].Removed() || !c.laptop.Groups[c.room].Removed() {
		t.Error("Bob is still in the group")
	}
	c.agree(c.alice, c.cathy)

	tablet := c.Device("c.example", "cathy", "tablet")
	tablet.Do(c.room, tablet.Join(c.room, nil))
	c.agree(c.alice, c.cathy, tablet)
	tablet.Send(c.room, "from my tablet")
	c.Sync()
	if got := c.alice.Texts; !slices.Equal(got, []string{"hello", "from my tablet"}) {
		t.Errorf("Alice got %q", got)
	}
	if got := c.bob.Texts; len(got) != 1 {
		t.Errorf("Bob got %q", got)
	}
}
