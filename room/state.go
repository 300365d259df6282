package room

import (
	"parley/credential"
	"parley/mimi"
	"parley/mls"
	"parley/mls/wire"
	"parley/policy"
	"parley/syntax"
	"parley/uri"
)

// State is a room's state read out of a group's components.
type State struct {
	Room         uri.Room
	Participants mimi.ParticipantList
	Metadata     mimi.RoomMetadata
	Roles        policy.RoleData
	Base         policy.BaseRoomPolicy
}

// Read reads the state of a group; an error means that the group is not a room.
func Read(g *mls.PublicGroup) (*State, error) {
	var s State
	for id, value := range map[wire.ComponentID]checked{
		mimi.ParticipantListComponent: &s.Participants,
		mimi.RoomMetadataComponent:    &s.Metadata,
		policy.RolesComponent:         &s.Roles,
		policy.BaseRoomComponent:      &s.Base,
	} {
		data, ok := g.Component(id)
		if !ok {
			return nil, broken("the group lacks a component of a room")
		}
		if err := syntax.Unmarshal(data, value); err != nil {
			return nil, broken("a component of the room is malformed")
		}
		if err := value.Validate(); err != nil {
			return nil, broken("a component of the room is not valid")
		}
	}
	at, err := uri.ParseRoom(s.Metadata.Room)
	if err != nil {
		return nil, broken("the room's metadata names no room")
	}
	s.Room = at
	return &s, nil
}

// Role is the role of a user, 0 for one who is not in the list.
func (s *State) Role(user uri.User) uint32 {
	i, found := s.Participants.Find(user.String())
	if !found {
		return 0
	}
	return s.Participants.Participants[i].Role
}

// MayHaveLeaves reports whether the user may have devices in the group (P-RS-09).
func (s *State) MayHaveLeaves(user uri.User) bool {
	role := s.Role(user)
	return role != 0 && role != policy.BannedRole
}

// UserOf is the user of a leaf by its credential.
func UserOf(leaf *wire.LeafNode) (uri.User, error) {
	if leaf == nil {
		return uri.User{}, broken("there is no such leaf")
	}
	id, err := credential.Parse(leaf.Credential)
	if err != nil {
		return uri.User{}, broken("a leaf's credential names no user")
	}
	return id.User, nil
}

// LeavesOf lists the leaves of some users. It reads every leaf and so belongs to the rare steps: removals, bans and leaves.
func LeavesOf(g *mls.PublicGroup, users map[uri.User]bool) map[uri.User][]mls.LeafIndex {
	out := make(map[uri.User][]mls.LeafIndex)
	for i, leaf := range g.All() {
		if user, err := UserOf(leaf); err == nil && users[user] {
			out[user] = append(out[user], i)
		}
	}
	return out
}

// Refusal is a rule of the room that a handshake breaks. Its text is safe for peers.
type Refusal struct{ Reason string }

func (e *Refusal) Error() string { return e.Reason }

func broken(reason string) error { return &Refusal{reason} }
