package hub_test

import (
	"slices"
	"testing"

	"parley/storetest/roletest"
	"parley/uri"
)

// cast is the example of mimi-protocol §3: Alice and Adam at A, which is the hub, Bob with two devices and Bea at B, Cathy at C.
type cast struct {
	*roletest.World
	alice, adam, bob, laptop, bea, cathy *roletest.Device
	room                                 uri.Room
}

// newCast makes the world with a room that holds Alice only.
func newCast(t *testing.T) *cast {
	t.Helper()
	w := roletest.New(t, "a.example", "b.example", "c.example")
	c := &cast{
		World: w,
		alice: w.Device("a.example", "alice", "phone"), adam: w.Device("a.example", "adam", "phone"),
		bob: w.Device("b.example", "bob", "phone"), laptop: w.Device("b.example", "bob", "laptop"),
		bea: w.Device("b.example", "bea", "phone"), cathy: w.Device("c.example", "cathy", "phone"),
	}
	c.room = c.alice.Create("clubhouse")
	return c
}

// gather adds users to the room as members.
func (c *cast) gather(devices ...*roletest.Device) *cast {
	c.T.Helper()
	var users []uri.User
	for _, d := range devices {
		users = append(users, d.User)
	}
	c.alice.Do(c.room, c.alice.Add(c.room, users...))
	return c
}

// agree fails the test unless the devices are in one epoch with one secret.
func (c *cast) agree(devices ...*roletest.Device) {
	c.T.Helper()
	want := devices[0].Groups[c.room]
	for _, d := range devices[1:] {
		got := d.Groups[c.room]
		if got == nil || got.Public().Epoch() != want.Public().Epoch() ||
			!slices.Equal(got.EpochAuthenticator(), want.EpochAuthenticator()) {
			c.T.Errorf("%s is not where %s is", d.Client.Client, devices[0].Client.Client)
		}
	}
}

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
