package room

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"

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
	policy.Policy

	byUser map[uri.User]uint32 // the list's roles, so that a judgement of a large room stays linear; nil: look in the list
}

// Read reads the state of a group; an error means that the group is not a room.
func Read(g *mls.PublicGroup) (*State, error) { return read(g.Component) }

// ReadContext reads the state of a group of which only the context is known.
func ReadContext(c *wire.GroupContext) (*State, error) {
	data, ok := c.Extensions.Find(wire.AppDataDictionaryExtension)
	var d wire.AppDataDictionary
	if !ok || syntax.Unmarshal(data, &d) != nil {
		return nil, broken("the group lacks a component of a room")
	}
	return read(d.Find)
}

func read(component func(wire.ComponentID) ([]byte, bool)) (*State, error) {
	var s State
	for id, value := range map[wire.ComponentID]checked{
		mimi.ParticipantListComponent: &s.Participants,
		mimi.RoomMetadataComponent:    &s.Metadata,
	} {
		data, ok := component(id)
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
	p, err := policy.Read(component)
	if errors.Is(err, policy.ErrComponentMissing) {
		return nil, broken("the group lacks a component of a room")
	}
	if err != nil {
		return nil, broken("a component of the room is malformed")
	}
	if err := p.Validate(); err != nil {
		return nil, broken("the room's policy is not valid: " + err.Error())
	}
	s.Policy = *p
	if s.Room, err = uri.ParseRoom(s.Metadata.Room); err != nil {
		return nil, broken("the room's metadata names no room")
	}
	s.byUser = make(map[uri.User]uint32, len(s.Participants.Participants))
	for _, p := range s.Participants.Participants {
		if user, err := uri.ParseUser(p.User); err == nil {
			s.byUser[user] = p.Role
		}
	}
	return &s, nil
}

// Role is the role of a user, 0 for one who is not in the list.
func (s *State) Role(user uri.User) uint32 {
	if s.byUser != nil {
		return s.byUser[user]
	}
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

// FixedName is the name of the room of a set of fixed people: their hub keeps one room for each set, because rooms of one name are
// one room (R-BAS-04, A-R18).
func FixedName(people ...uri.User) string {
	texts := make([]string, len(people))
	for i, u := range people {
		texts[i] = u.String()
	}
	slices.Sort(texts)
	h := sha256.New()
	for _, t := range slices.Compact(texts) {
		sum := sha256.Sum256([]byte(t))
		h.Write(sum[:])
	}
	return "fixed-" + hex.EncodeToString(h.Sum(nil)[:20])
}

// Entry is the role in which somebody comes in who is not in the list: because the credential is listed beforehand, because the room is
// open, or with a code (R-CAP-04 to R-CAP-06). byCode says that the code alone lets the user in; whether it was used up is for the hub.
func (s *State) Entry(c wire.Credential, code string) (role uint32, byCode, ok bool) {
	match := s.Match(claimsOf(&wire.LeafNode{Credential: c}))
	if match != 0 && policy.Decide(&s.Policy, policy.Actor{Self: true, Match: match}, policy.Move(0, match)) == nil {
		return match, false, true
	}
	if role, ok = s.Open(); ok {
		return role, false, true
	}
	role, ok = s.ByCode(code)
	return role, true, ok
}

// Founding is what the room would be made of as a new room of a kind.
func (s *State) Founding(kind policy.Kind, creator uri.User) (Founding, error) {
	f := Founding{Room: s.Room, Name: s.Metadata.Name, Creator: creator, Kind: kind}
	if s.Base.FixedMembership {
		for _, u := range s.members() {
			if u != creator {
				f.People = append(f.People, u)
			}
		}
	}
	if s.Logging != nil {
		for _, text := range s.Logging.Clients {
			u, err := uri.ParseUser(text)
			if err != nil {
				return f, broken("who logs the room is no user")
			}
			f.Loggers = append(f.Loggers, u)
		}
	}
	if s.Base.ParentDependent {
		parent, err := uri.ParseRoom(s.Base.ParentRoom[0])
		if err != nil {
			return f, broken("the room on which this one depends is none")
		}
		f.Parent = parent
	}
	return f, nil
}

// Named reports whether a room of fixed people has the name of its people (R-BAS-04).
func (s *State) Named() bool {
	return !s.Base.FixedMembership || s.Room.Name() == FixedName(s.members()...)
}

// members are the users of the list who are not banned.
func (s *State) members() (out []uri.User) {
	for _, p := range s.Participants.Participants {
		if user, err := uri.ParseUser(p.User); err == nil && p.Role != policy.BannedRole {
			out = append(out, user)
		}
	}
	return out
}
