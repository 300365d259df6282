//go:build !faults

package simtest

import (
	"context"
	"testing"

	"parley/client"
	"parley/policy"
	"parley/room"
	"parley/uri"
)

// wants has a device wish something for the room.
func (s *stage) wants(who string, wish func(ctx context.Context, c *client.Client) (uint64, error)) {
	s.does(who, func(ctx context.Context, c *client.Client) error {
		_, err := wish(ctx, c)
		return err
	})
}

func (s *stage) user(name string) uri.User { return s.device(name).account.User }

func (s *stage) moves(who, whom string, role uint32) {
	s.wants(who, func(ctx context.Context, c *client.Client) (uint64, error) {
		return c.SetRole(ctx, s.room, s.user(whom), role)
	})
}

func (s *stage) kicks(who, whom string) {
	s.wants(who, func(ctx context.Context, c *client.Client) (uint64, error) { return c.Kick(ctx, s.room, s.user(whom)) })
}

func (s *stage) joins(who, code string) {
	s.wants(who, func(ctx context.Context, c *client.Client) (uint64, error) { return c.JoinWith(ctx, s.room, code) })
}

// state is the room as a device sees it.
func (s *stage) state(of string) *room.State {
	r, ok := s.device(of).client.Room(s.room)
	if !ok {
		s.fail("story", "%s does not know the room", of)
		return new(room.State)
	}
	state, err := r.State()
	if err != nil {
		s.fail("story", "%s: %v", of, err)
		return new(room.State)
	}
	return state
}

// role fails the story unless a user has the role, as a device sees it.
func (s *stage) role(of, whom string, want uint32) {
	if got := s.state(of).Role(s.user(whom)); got != want {
		s.fail("story", "%s has role %d and not %d", whom, got, want)
	}
}

// founds makes a room of a kind, in which the story goes on.
func (s *stage) founds(who string, kind policy.Kind, people ...uri.User) {
	name := "of-" + string(kind)
	if kind == policy.DirectMessage {
		name = room.FixedName(append(people, s.user(who))...)
	}
	at, err := uri.NewRoom(s.device(who).home.uri, name)
	if err != nil {
		s.fail("story", "%v", err)
		return
	}
	s.room = at
	s.does(who, func(ctx context.Context, c *client.Client) error {
		return c.CreateAs(ctx, at, client.Plan{Name: name, Kind: kind, People: people})
	})
}

// TestGovernedStories plays the flows of membership over the simulated network.
func TestGovernedStories(t *testing.T) {
	t.Run("made an admin, banned by one, let in again", func(t *testing.T) {
		playStory(t, seldom, func(s *stage) {
			s.then(func() { s.adds("alice", "bob") })
			s.then(func() { s.adds("alice", "cathy") })
			s.then(func() { s.moves("alice", "cathy", policy.RoleAdmin) })
			s.then(func() { s.moves("cathy", "bob", policy.BannedRole) })
			s.then(func() {
				s.members("alice", "cathy")
				s.role("alice", "bob", policy.BannedRole)
				s.joins("bob", "")
			})
			s.then(func() {
				s.members("alice", "cathy")
				s.moves("cathy", "bob", policy.RoleMember)
			})
			s.then(func() {
				s.members("alice", "cathy")
				s.joins("bob", "")
			})
			s.then(func() { s.members("alice", "bob", "cathy") })
		})
	})
	t.Run("kicked, and in again", func(t *testing.T) {
		playStory(t, seldom, func(s *stage) {
			s.then(func() { s.adds("alice", "bob") })
			s.then(func() { s.writes("bob") })
			s.then(func() { s.kicks("alice", "bob") })
			s.then(func() {
				s.members("alice")
				s.role("alice", "bob", policy.RoleMember)
				s.joins("bob", "")
			})
			s.then(func() { s.members("alice", "bob") })
		})
	})
	t.Run("a name and a topic at the same time", func(t *testing.T) {
		playStory(t, seldom, func(s *stage) {
			name, topic := "Card Club", "bridge"
			s.then(func() { s.adds("alice", "bob") })
			s.then(func() { s.moves("alice", "bob", policy.RoleAdmin) })
			s.then(func() {
				s.wants("alice", func(ctx context.Context, c *client.Client) (uint64, error) {
					return c.Change(ctx, s.room, client.Change{Name: &name})
				})
				s.wants("bob", func(ctx context.Context, c *client.Client) (uint64, error) {
					return c.Change(ctx, s.room, client.Change{Topic: &topic})
				})
			})
			s.then(func() {
				if m := s.state("bob").Metadata; m.Name != name || m.Subject != topic {
					s.fail("story", "the room is %q about %q", m.Name, m.Subject)
				}
			})
		})
	})
	t.Run("everybody comes into a community at once", func(t *testing.T) {
		playStory(t, seldom, func(s *stage) {
			s.then(func() { s.founds("alice", policy.Community) })
			s.then(func() {
				s.joins("bob", "")
				s.joins("cathy", "")
			})
			s.then(func() { s.members("alice", "bob", "cathy") })
		})
	})
	t.Run("with a join link", func(t *testing.T) {
		playStory(t, seldom, func(s *stage) {
			s.then(func() { s.founds("alice", policy.Moderated) })
			s.then(func() {
				s.wants("alice", func(ctx context.Context, c *client.Client) (uint64, error) {
					return c.Change(ctx, s.room, client.Change{AddLinks: []string{"sesame"}})
				})
			})
			s.then(func() {
				s.joins("bob", "sesame")
				s.joins("cathy", "barley")
			})
			s.then(func() {
				s.members("alice", "bob")
				s.moves("alice", "bob", policy.RoleSpeaker) // who listens does not write, and everybody's last words are heard
			})
			s.then(func() { s.role("bob", "bob", policy.RoleSpeaker) })
		})
	})
	t.Run("a conversation of two", func(t *testing.T) {
		playStory(t, seldom, func(s *stage) {
			s.then(func() { s.founds("alice", policy.DirectMessage, s.user("bob")) })
			s.then(func() { s.joins("bob", "") })
			s.then(func() { s.leaves("bob") })
			s.then(func() { s.members("alice", "bob") })
		})
	})
	t.Run("an account that its hub takes out", func(t *testing.T) {
		playStory(t, seldom, func(s *stage) {
			s.then(func() { s.adds("alice", "bob") })
			s.then(func() { s.adds("alice", "cathy") })
			s.then(func() {
				p := s.device("alice").home
				s.spawn(&p.process, func() {
					if err := p.hub.Expel(context.Background(), s.room, s.user("bob")); err != nil {
						s.fail("story", "%v", err)
					}
				})
			})
			s.then(func() {
				s.members("alice", "cathy")
				s.role("cathy", "bob", 0)
			})
		})
	})
}
