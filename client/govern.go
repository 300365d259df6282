package client

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"parley/mimi"
	"parley/mls/wire"
	"parley/policy"
	"parley/room"
	"parley/syntax"
	"parley/uri"
)

// Change is what is to be changed of a room; nil fields stay.
type Change struct {
	Name    *string `json:"name,omitempty"`
	Topic   *string `json:"topic,omitempty"`
	Picture *string `json:"picture,omitempty"` // an https URL, or nothing
	About   *string `json:"about,omitempty"`   // the description, in plain text

	AddLinks    []string `json:"add_links,omitempty"`
	RemoveLinks []string `json:"remove_links,omitempty"`
}

// SetRole asks for a participant to get another role.
func (c *Client) SetRole(ctx context.Context, at uri.Room, user uri.User, role uint32) (intent uint64, err error) {
	r, ok := c.rooms[at]
	if !ok || r.group == nil {
		return 0, ErrNoRoom
	}
	if _, there, err := c.listed(r, user); err != nil || !there && role != policy.BannedRole {
		return 0, first(err, ErrStranger)
	}
	return c.intend(ctx, &Intent{Kind: RoleUser, Room: at.String(), User: user.String(), Role: role})
}

// Ban asks for a user to be put out, with all devices, and kept out.
func (c *Client) Ban(ctx context.Context, at uri.Room, user uri.User) (intent uint64, err error) {
	return c.SetRole(ctx, at, user, policy.BannedRole)
}

// Unban asks for a ban to be lifted: the user is a member without devices then, who may come in again.
func (c *Client) Unban(ctx context.Context, at uri.Room, user uri.User) (intent uint64, err error) {
	return c.SetRole(ctx, at, user, policy.RoleMember)
}

// Kick asks for all devices of a participant to be taken out. The user stays a participant and may come in again.
func (c *Client) Kick(ctx context.Context, at uri.Room, user uri.User) (intent uint64, err error) {
	r, ok := c.rooms[at]
	if !ok || r.group == nil {
		return 0, ErrNoRoom
	}
	if _, there, err := c.listed(r, user); err != nil || !there {
		return 0, first(err, ErrStranger)
	}
	return c.intend(ctx, &Intent{Kind: KickUser, Room: at.String(), User: user.String()})
}

// Change asks for a room's name, topic, picture, description or join links to be changed.
func (c *Client) Change(ctx context.Context, at uri.Room, change Change) (intent uint64, err error) {
	r, ok := c.rooms[at]
	if !ok || r.group == nil {
		return 0, ErrNoRoom
	}
	return c.intend(ctx, &Intent{Kind: ChangeRoom, Room: at.String(), Change: &change})
}

// State is the room's state: people, roles, metadata and policy.
func (r *Room) State() (*room.State, error) {
	if r.group == nil {
		return nil, ErrNoRoom
	}
	return room.Read(r.group.Public())
}

// May reports what keeps a user from doing something in the room; nil: nothing does.
func (r *Room) May(user uri.User, action policy.Action, self bool) error {
	s, err := r.State()
	if err != nil {
		return err
	}
	return policy.Decide(&s.Policy, policy.Actor{Role: s.Role(user), Self: self}, action)
}

// buildRole changes a role; a ban takes all devices along in the same commit (P-UP-11).
func (c *Client) buildRole(ctx context.Context, r *Room, i *Intent) (bool, error) {
	user, err := uri.ParseUser(i.User)
	if err != nil {
		i.refused("not a user")
		return false, c.saveIntent(ctx, i, nil)
	}
	s, err := r.State()
	if err != nil {
		return false, err
	}
	if s.Role(user) == i.Role {
		i.Fate = Done // somebody else was faster
		return false, c.saveIntent(ctx, i, nil)
	}
	update := mimi.ParticipantListUpdate{Added: []mimi.Participant{{User: user.String(), Role: i.Role}}}
	if index, there := s.Participants.Find(user.String()); there {
		update = mimi.ParticipantListUpdate{Changed: []mimi.RoleChange{{User: index, Role: i.Role}}}
	} else if i.Role != policy.BannedRole {
		i.refused("no longer a participant")
		return false, c.saveIntent(ctx, i, nil)
	}
	list, err := room.ListUpdate(update)
	if err != nil {
		return false, err
	}
	proposals := []wire.Proposal{list}
	if i.Role == policy.BannedRole {
		return c.buildOut(ctx, r, i, user, proposals)
	}
	return c.buildCommit(ctx, r, i, proposals)
}

// buildKick takes devices out and leaves the list as it is.
func (c *Client) buildKick(ctx context.Context, r *Room, i *Intent) (bool, error) {
	user, err := uri.ParseUser(i.User)
	if err != nil {
		i.refused("not a user")
		return false, c.saveIntent(ctx, i, nil)
	}
	if len(leavesOf(r.group.Public(), user)) == 0 {
		i.Fate = Done
		return false, c.saveIntent(ctx, i, nil)
	}
	return c.buildOut(ctx, r, i, user, nil)
}

// buildOut commits proposals and the removal of all devices of a user.
func (c *Client) buildOut(ctx context.Context, r *Room, i *Intent, user uri.User, proposals []wire.Proposal) (bool, error) {
	leaves := leavesOf(r.group.Public(), user)
	if r.removalWaits(leaves...) && c.mustCommitFirst(r) {
		return false, c.commitPending(ctx, r, 0) // the user leaves: a commit cannot hold both
	}
	for _, leaf := range leaves {
		proposals = append(proposals, wire.Proposal{Type: wire.RemoveProposal, Remove: uint32(leaf)})
	}
	return c.buildCommit(ctx, r, i, proposals)
}

// buildChange makes the new metadata of what they are now, so that two who change different fields do not undo each other.
func (c *Client) buildChange(ctx context.Context, r *Room, i *Intent) (bool, error) {
	s, err := r.State()
	if err != nil {
		return false, err
	}
	if i.Change == nil {
		i.refused("nothing is to be changed")
		return false, c.saveIntent(ctx, i, nil)
	}
	var proposals []wire.Proposal
	next := s.Metadata
	i.Change.into(&next)
	if err := next.Validate(); err != nil {
		i.refused("this cannot stand in a room: " + err.Error())
		return false, c.saveIntent(ctx, i, nil)
	}
	if !sameOctets(&next, &s.Metadata) {
		p, err := replacing(mimi.RoomMetadataComponent, &next)
		if err != nil {
			return false, err
		}
		proposals = append(proposals, p)
	}
	if links := i.Change.links(s); len(links.Added)+len(links.Removed) > 0 {
		if s.JoinLinks == nil {
			i.refused("this room has no join links")
			return false, c.saveIntent(ctx, i, nil)
		}
		p, err := replacing(policy.JoinLinksComponent, &links)
		if err != nil {
			return false, err
		}
		proposals = append(proposals, p)
	}
	if len(proposals) == 0 {
		i.Fate = Done
		return false, c.saveIntent(ctx, i, nil)
	}
	return c.buildCommit(ctx, r, i, proposals)
}

func (v *Change) into(m *mimi.RoomMetadata) {
	for _, f := range []struct {
		to   *string
		from *string
	}{{&m.Name, v.Name}, {&m.Subject, v.Topic}, {&m.Avatar, v.Picture}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if v.About != nil {
		m.Descriptions = nil
		if *v.About != "" {
			m.Descriptions = []mimi.RoomDescription{{Content: *v.About}}
		}
	}
}

// links is the update by which the wanted links come and the others go; what is done already is left out.
func (v *Change) links(s *room.State) (out policy.JoinLinksUpdate) {
	var have []string
	if s.JoinLinks != nil {
		have = s.JoinLinks.Links
	}
	for i, link := range have {
		if slices.Contains(v.RemoveLinks, link) {
			out.Removed = append(out.Removed, uint32(i))
		}
	}
	for _, link := range v.AddLinks {
		if !slices.Contains(have, link) {
			out.Added = append(out.Added, link)
		}
	}
	return out
}

func sameOctets(a, b syntax.Value) bool {
	x, err := syntax.Marshal(a)
	if err != nil {
		return false
	}
	y, err := syntax.Marshal(b)
	return err == nil && string(x) == string(y)
}

func replacing(id wire.ComponentID, v syntax.Value) (wire.Proposal, error) {
	octets, err := syntax.Marshal(v)
	if err != nil {
		return wire.Proposal{}, fmt.Errorf("client: component: %w", err)
	}
	return wire.Proposal{Type: wire.AppDataUpdateProposal,
		AppDataUpdate: &wire.AppDataUpdate{Component: id, Operation: wire.UpdateAppData, Update: octets}}, nil
}

var errNoEntry = errors.New("the room does not let this user in")

// ownPlace is the proposal by which a user comes into the list with the first device (P-ND-03); none for one who is in it.
func (c *Client) ownPlace(context *wire.GroupContext, code string) ([]wire.Proposal, error) {
	s, err := room.ReadContext(context)
	if err != nil {
		return nil, err
	}
	if s.Role(c.self.User) != 0 {
		return nil, nil
	}
	role, _, ok := s.Entry(c.self.Credential, code)
	if !ok {
		return nil, errNoEntry
	}
	list, err := room.ListUpdate(mimi.ParticipantListUpdate{Added: []mimi.Participant{{User: c.self.User.String(), Role: role}}})
	return []wire.Proposal{list}, err
}
