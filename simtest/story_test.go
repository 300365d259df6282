//go:build !faults

package simtest

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/client"
	"parley/mls"
	"parley/uri"
)

// Stories are mistakes that seeds found, told again: who does what, and what happens to which request. Seeds change their histories
// with every change of the simulator; stories do not. Each is played with several seeds, because the moments still differ.

// How often a story is played: often when everything hangs on milliseconds.
const (
	seldom = 2
	often  = 15
)

// stage is where a story happens: everybody has a device, and alice has room r1.
type stage struct {
	*World
	room uri.Room
}

func (s *stage) device(name string) *device {
	for _, d := range s.devices {
		if d.name == name {
			return d
		}
	}
	s.fail("story", "there is no %s", name)
	return s.devices[0]
}

// then adds a step that begins when everything has come to rest.
func (s *stage) then(step func()) { s.story = append(s.story, step) }

// does has a device do something next.
func (s *stage) does(name string, do func(ctx context.Context, c *client.Client) error) {
	d := s.device(name)
	d.todo = append(d.todo, action{func(ctx context.Context, d *device) error {
		err := do(ctx, d.client)
		if err != nil {
			s.fail("story", "%s: %v", name, err)
		}
		return err
	}})
	s.ring(&d.bell)
}

func (s *stage) adds(who, whom string) {
	s.does(who, func(ctx context.Context, c *client.Client) error {
		_, err := c.Add(ctx, s.room, s.device(whom).account.User)
		return err
	})
}

func (s *stage) removes(who, whom string) {
	s.does(who, func(ctx context.Context, c *client.Client) error {
		_, err := c.Remove(ctx, s.room, s.device(whom).account.User)
		return err
	})
}

func (s *stage) leaves(who string) {
	s.does(who, func(ctx context.Context, c *client.Client) error {
		_, err := c.Leave(ctx, s.room)
		return err
	})
}

func (s *stage) writes(who string) {
	d := s.device(who)
	d.todo = append(d.todo, action{func(ctx context.Context, d *device) error {
		r, ok := d.client.Room(s.room)
		if !ok {
			s.fail("story", "%s is not in the room", who)
			return nil
		}
		return s.writeIn(ctx, d, r)
	}})
	s.ring(&d.bell)
}

// members fails the story unless exactly these devices are in the room.
func (s *stage) members(names ...string) {
	l := s.audit.rooms[s.room]
	in := l.epochs[l.group.Epoch()].clients
	if len(in) != len(names) {
		s.fail("story", "%d devices are in the room: %v", len(in), in)
	}
	for _, name := range names {
		if l.current(s.device(name).account.Client.String()) == nil {
			s.fail("story", "%s is not in the room", name)
		}
	}
}

// playStory plays a story with several seeds.
func playStory(t *testing.T, times uint64, story func(s *stage)) {
	t.Helper()
	for seed := range times {
		w := &World{Seed: seed}
		w.tell = func(w *World) {
			alice := w.devices[0]
			at, err := uri.NewRoom(alice.home.uri, "r1")
			if err != nil {
				t.Fatal(err)
			}
			s := &stage{w, at}
			s.does("alice", func(ctx context.Context, c *client.Client) error { return c.Create(ctx, at, "r1") })
			story(s)
		}
		if r := w.Run(t); r.Failure != nil {
			report(t, r)
			return
		}
	}
}

// from reports whether a message is a request of a device or provider of some kind.
func (m *message) isFrom(name, what string) bool {
	return m.from.name == name && strings.HasPrefix(m.what, what)
}

func TestStories(t *testing.T) {
	t.Run("a commit that arrives twice at once is accepted twice alike", func(t *testing.T) {
		playStory(t, often, func(s *stage) {
			s.then(func() {
				s.meddle = func(m *message) *fate {
					if !m.isFrom("alice", "update") {
						return nil
					}
					return &fate{twice: true, gap: s.between(0, 3*time.Millisecond)}
				}
				s.adds("alice", "bob")
				s.adds("alice", "cathy")
			})
			s.then(func() { s.members("alice", "bob", "cathy") })
		})
	})
	t.Run("an external commit takes a leaver along", func(t *testing.T) {
		playStory(t, seldom, func(s *stage) {
			s.then(func() { s.adds("alice", "bob") })
			s.then(func() {
				// Nobody gets a commit through but the new device, until it is in.
				s.meddle = func(m *message) *fate {
					return &fate{lost: m.isFrom("alice", "update")}
				}
				s.leaves("bob")
				s.after(2*time.Second, func() {
					s.enrol("alice", 1)
					s.does("alice2", func(ctx context.Context, c *client.Client) error {
						_, err := c.Join(ctx, s.room)
						return err
					})
				})
				s.after(20*time.Second, func() { s.meddle = nil })
			})
			s.then(func() { s.members("alice", "alice2") })
		})
	})
	t.Run("who was removed can be added again by the same device", func(t *testing.T) {
		playStory(t, seldom, func(s *stage) {
			s.then(func() { s.adds("alice", "bob") })
			s.then(func() { s.writes("bob") })
			s.then(func() { s.removes("alice", "bob") })
			s.then(func() { s.adds("alice", "bob") })
			s.then(func() { s.members("alice", "bob") })
		})
	})
	t.Run("leaving twice is leaving", func(t *testing.T) {
		playStory(t, seldom, func(s *stage) {
			s.then(func() {
				s.leaves("alice")
				s.leaves("alice")
			})
		})
	})
	t.Run("after a restart what was sent comes before what was wished earlier", func(t *testing.T) {
		playStory(t, seldom, func(s *stage) {
			s.then(func() { s.adds("alice", "bob") })
			s.then(func() { s.adds("alice", "cathy") })
			s.then(func() {
				// The claim fails until bob's leave has come and its commit was sent; the answer to that never comes.
				s.meddle = func(m *message) *fate {
					switch {
					case m.isFrom("alice", "keyMaterial"):
						return &fate{lost: true}
					case m.isFrom("alice", "update"):
						s.after(time.Second, func() {
							s.device("alice").crash("in the story")
							s.meddle = func(m *message) *fate { // she hears nothing before she has tried the next thing
								if m.isFrom("alice", "update") {
									s.meddle = nil
								}
								return &fate{lost: m.isFrom("alice", "events")}
							}
						})
						return &fate{unanswered: true}
					case m.isFrom("cathy", "update"):
						return &fate{lost: true}
					}
					return nil
				}
				s.adds("alice", "bea")
				s.after(time.Second, func() { s.leaves("bob") })
			})
			s.then(func() { s.members("alice", "bea", "cathy") })
		})
	})
	t.Run("a message that has to be sealed again does not stand in its commit's way", func(t *testing.T) {
		playStory(t, seldom, func(s *stage) {
			for _, who := range []string{"bob", "cathy", "adam"} {
				s.then(func() { s.adds("alice", who) })
			}
			s.then(func() {
				// bob's message is on its way for long, while the room moves two epochs on and adam leaves. Nobody but bob gets the
				// commit of that through.
				first := true
				s.meddle = func(m *message) *fate {
					switch {
					case first && m.isFrom("bob", "submit"):
						first = false
						return &fate{lost: true}
					case m.isFrom("bob", "update"):
						s.after(5*time.Second, func() { s.meddle = nil })
					case m.local && strings.HasSuffix(m.what, "commit of epoch 5"):
						return &fate{lost: true}
					}
					return nil
				}
				s.writes("bob")
				s.writes("bob")
				s.after(time.Second, func() { s.adds("alice", "bea") })
				s.after(3*time.Second, func() { s.adds("alice", "carl") })
				s.after(6*time.Second, func() { s.leaves("adam") })
			})
			s.then(func() {
				s.members("alice", "bea", "bob", "carl", "cathy")
			})
		})
	})
	t.Run("a crash between a leave and the wish to commit it loses nothing", func(t *testing.T) {
		playStory(t, seldom, func(s *stage) {
			s.then(func() { s.adds("alice", "bob") })
			s.then(func() {
				s.device("alice").disk.fatal = func(changes mls.Delta) bool {
					wish := slices.ContainsFunc(changes, func(r mls.Record) bool { return bytes.Contains(r.Value, []byte(`"kind":"commit"`)) })
					if wish {
						s.device("alice").disk.fatal = nil
					}
					return wish
				}
				s.leaves("bob")
			})
			s.then(func() { s.members("alice") })
		})
	})
	t.Run("a device joins while somebody leaves", func(t *testing.T) {
		playStory(t, seldom, func(s *stage) {
			s.then(func() { s.adds("alice", "bob") })
			s.then(func() {
				left := false
				// bob's leave comes between what alice's new device was told and its commit; nobody else commits it.
				s.meddle = func(m *message) *fate {
					switch {
					case m.isFrom("alice2", "update"):
						return &fate{lost: !s.audit.leaving(s.room, s.device("bob"))}
					case m.isFrom("alice2", "groupInfo") && !left:
						left = true
						s.leaves("bob")
					case m.isFrom("alice", "update"):
						return &fate{lost: true}
					}
					return nil
				}
				s.enrol("alice", 1)
				s.does("alice2", func(ctx context.Context, c *client.Client) error {
					_, err := c.Join(ctx, s.room)
					return err
				})
				s.after(30*time.Second, func() { s.meddle = nil })
			})
			s.then(func() { s.members("alice", "alice2") })
		})
	})
	t.Run("a Welcome overtakes a device's own joining", func(t *testing.T) {
		playStory(t, seldom, func(s *stage) {
			for _, who := range []string{"cathy", "adam", "bob"} {
				s.then(func() { s.adds("alice", who) })
			}
			s.then(func() {
				s.meddle = func(m *message) *fate { return &fate{lost: m.isFrom("bob2", "update")} }
				s.enrol("bob", 1)
				s.does("bob2", func(ctx context.Context, c *client.Client) error {
					_, err := c.Join(ctx, s.room)
					return err
				})
				// The tree into which bob2 is welcomed is smaller than the one that it wanted to join.
				for i, who := range []string{"cathy", "adam", "bob"} {
					s.after(time.Duration(2+i)*time.Second, func() { s.removes("alice", who) })
				}
				s.after(6*time.Second, func() { s.adds("alice", "bob") })
				s.after(30*time.Second, func() { s.meddle = nil })
			})
			s.then(func() { s.members("alice", "bob", "bob2") })
		})
	})
	t.Run("somebody leaves who is just being removed", func(t *testing.T) {
		playStory(t, seldom, func(s *stage) {
			s.then(func() { s.adds("alice", "bob") })
			s.then(func() {
				s.meddle = func(m *message) *fate { return &fate{lost: m.isFrom("alice", "update")} }
				s.removes("alice", "bob")
				s.after(time.Second, func() { s.leaves("bob") })
				s.after(10*time.Second, func() { s.meddle = nil })
			})
			s.then(func() { s.members("alice") })
		})
	})
}
