package provider_test

import (
	"testing"
	"time"

	"parley/client"
	"parley/mimi"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/uri"
)

// hybridWorld is three providers that offer a hybrid suite.
func hybridWorld(t *testing.T) (w *world, hybrid wire.CipherSuite) {
	t.Helper()
	table, err := (*suite.Table)(nil).With(suite.Point{Hybrid: suite.MLKEM768X25519})
	must(t, table, err)
	w = newWorld(t, "a.example", "b.example", "c.example")
	for _, n := range w.order {
		n.cfg.Suites = table
	}
	w.nodes["a.example"].onDisk()
	w.startAll()
	s, err := table.Hybrid(suite.MLKEM768X25519)
	return w, must(t, s, err).ID()
}

// gather makes a room at A with people of three providers.
func (w *world) gather(name string) (alice, bob, cathy *device, at uri.Room) {
	t := w.t
	t.Helper()
	alice = w.nodes["a.example"].enrol("alice-"+name, "phone")
	bob = w.nodes["b.example"].enrol("bob-"+name, "laptop")
	cathy = w.nodes["c.example"].enrol("cathy-"+name, "desk")
	at = newRoom(t, w.nodes["a.example"], name)
	if err := alice.Create(t.Context(), at, "Room"); err != nil {
		t.Fatal(err)
	}
	for _, d := range []*device{bob, cathy} {
		alice.brings(at, d)
		alice.sees(at, client.EntryJoined, d.Account().User)
		d.sees(at, client.EntryJoined, d.Account().User)
	}
	bob.sees(at, client.EntryJoined, cathy.Account().User)
	return alice, bob, cathy, at
}

// brings adds somebody. Providers that have just started may not know each other's authorities yet, and say no; then it is tried again.
func (d *device) brings(at uri.Room, other *device) {
	d.t.Helper()
	eventually(d.t, "somebody is added", func() bool {
		id, err := d.Add(d.t.Context(), at, other.Account().User)
		if err != nil {
			d.t.Fatal(err)
		}
		if _, err := d.Flush(d.t.Context()); err != nil {
			d.t.Fatal(err)
		}
		for _, i := range d.Intents() {
			if i.ID == id && i.Fate == client.Failed {
				return d.Forget(d.t.Context(), id) != nil
			}
		}
		return true
	})
}

func (d *device) moved(at uri.Room, to wire.CipherSuite) {
	d.t.Helper()
	d.until(at, "the move", func(e client.Entry) bool { return e.Kind == client.EntryMoved })
	if r, _ := d.Room(at); r.Suite() != to || r.Epoch() != 1 {
		d.t.Errorf("suite %d, epoch %d", r.Suite(), r.Epoch())
	}
}

// closes has a device close the room's group and see that it is closed.
func (d *device) closes(at uri.Room, to wire.CipherSuite) {
	d.t.Helper()
	if _, err := d.Move(d.t.Context(), at, to); err != nil {
		d.t.Fatal(err)
	}
	d.flush()
	d.waits(at)
}

// waits receives until the device wishes to make the successor.
func (d *device) waits(at uri.Room) {
	d.t.Helper()
	eventually(d.t, "the group is closed", func() bool {
		if _, err := d.Receive(d.t.Context(), time.Second); err != nil {
			d.t.Fatal(err)
		}
		for _, i := range d.Intents() {
			if i.Kind == client.SucceedRoom && i.Room == at.String() {
				return true
			}
		}
		return false
	})
}

func TestRoomMovesToAnotherSuite(t *testing.T) {
	t.Parallel()
	w, hybrid := hybridWorld(t)
	t.Run("P-RS-11 a room moves to a post-quantum suite over three providers", func(t *testing.T) {
		w.t = t
		alice, bob, cathy, at := w.gather("garden")
		bob.say(at, "before")
		bob.flush()
		alice.hears(at, "before")
		alice.closes(at, hybrid)
		// Bob has not seen it. What he says to the closed group is not lost.
		bob.say(at, "said to the closed group")
		bob.flush()
		alice.flush() // claims, and hands the successor in
		alice.moved(at, hybrid)
		bob.flush()
		bob.moved(at, hybrid)
		bob.flush()
		cathy.moved(at, hybrid)
		for _, d := range []*device{alice, cathy} {
			d.hears(at, "said to the closed group")
		}
		for _, d := range []*device{alice, bob, cathy} {
			text := "from " + d.Account().User.String()
			d.say(at, text)
			d.flush()
			for _, other := range []*device{alice, bob, cathy} {
				other.hears(at, text)
			}
		}
		a, _ := alice.Room(at)
		c, _ := cathy.Room(at)
		if string(a.Authenticator()) != string(c.Authenticator()) {
			t.Error("no agreement")
		}
		// Who comes later comes into the new group: a device by itself, a person by being added.
		tablet := w.nodes["a.example"].enrolIn(suite.X25519AES128, alice.Account().User.Name(), "tablet")
		if _, err := tablet.Join(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		tablet.flush()
		tablet.sees(at, client.EntryDevice, alice.Account().User)
		dave := w.nodes["b.example"].enrol("dave-garden", "phone")
		bob.sees(at, client.EntryDevice, alice.Account().User)
		if _, err := bob.Add(t.Context(), at, dave.Account().User); err != nil {
			t.Fatal(err)
		}
		bob.flush()
		dave.sees(at, client.EntryJoined, dave.Account().User)
		dave.say(at, "hello from dave")
		dave.flush()
		tablet.hears(at, "hello from dave")
	})
	t.Run("who may not", func(t *testing.T) {
		w.t = t
		alice, bob, _, at := w.gather("attic")
		if _, err := bob.Move(t.Context(), at, hybrid); err != nil {
			t.Fatal(err)
		}
		if _, err := bob.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if i := bob.Intents(); len(i) != 1 || i[0].Fate != client.Failed {
			t.Errorf("a member closes the room: %+v", i)
		}
		if _, err := alice.Move(t.Context(), at, suite.X25519AES128); err == nil {
			t.Error("a move to where the room is")
		}
		if _, err := alice.Move(t.Context(), at, suite.P256AES128); err == nil {
			t.Error("a move to a suite with other signatures")
		}
		alice.say(at, "still here")
		alice.flush()
		bob.hears(at, "still here")
	})
	t.Run("steps that crash go on", func(t *testing.T) {
		w.t = t
		alice, bob, cathy, at := w.gather("cellar")
		alice.closes(at, hybrid)
		alice.again() // has seen the closed group
		eventually(t, "after a restart", func() bool {
			for _, i := range alice.Intents() {
				if i.Kind == client.SucceedRoom {
					return true
				}
			}
			return false
		})
		alice.flush()
		alice.again() // has handed the successor in, and not seen it back
		for _, d := range []*device{alice, bob, cathy} {
			d.moved(at, hybrid)
			d.again() // has the new group
		}
		cathy.say(at, "after three restarts")
		cathy.flush()
		alice.hears(at, "after three restarts")
		bob.hears(at, "after three restarts")
	})
	t.Run("who is left out comes in by itself", func(t *testing.T) {
		w.t = t
		alice, bob, cathy, at := w.gather("porch")
		cathy.ask(mimi.ConsentRevoke, alice.Account().User, cathy.Account().User, uri.Room{}) // Alice may not bring her along
		alice.closes(at, hybrid)
		alice.flush()
		bob.moved(at, hybrid)
		eventually(t, "a wish to join", func() bool {
			if _, err := cathy.Receive(t.Context(), time.Second); err != nil {
				t.Fatal(err)
			}
			for _, i := range cathy.Intents() {
				if i.Kind == client.JoinRoom {
					return true
				}
			}
			return false
		})
		cathy.again()
		cathy.late = time.Minute
		cathy.flush()
		cathy.again() // on her way in
		cathy.sees(at, client.EntryDevice, cathy.Account().User)
		cathy.say(at, "let me in")
		cathy.flush()
		bob.hears(at, "let me in")
		if r, _ := cathy.Room(at); r.Suite() != hybrid {
			t.Errorf("suite %d", r.Suite())
		}
	})
	t.Run("another device takes over", func(t *testing.T) {
		w.t = t
		alice, bob, cathy, at := w.gather("loft")
		alice.closes(at, hybrid) // and is never seen again
		bob.waits(at)
		bob.late = time.Minute // his turn comes
		bob.flush()
		bob.moved(at, hybrid)
		cathy.moved(at, hybrid)
		cathy.say(at, "without alice")
		cathy.flush()
		bob.hears(at, "without alice")
		// Alice comes back with a successor of her own, too late.
		alice.flush()
		alice.moved(at, hybrid)
		alice.hears(at, "without alice")
	})
}
