package mimi

import (
	"parley/syntax"
	"parley/uri"
)

// Participant is a user in a room and the role that the user has there.
type Participant struct {
	User string
	Role uint32 // index into roles_list; 0 is never stored
}

func (v *Participant) Syntax(c *syntax.Codec) {
	syntax.Text(c, &v.User)
	syntax.U32(c, &v.Role)
}

// ParticipantList is the participant_list component (§7.5). The position of an entry is its index.
type ParticipantList struct{ Participants []Participant }

func (v *ParticipantList) Syntax(c *syntax.Codec) { syntax.Structs(c, &v.Participants) }

// Validate checks that every user stands in the list once, with a role (P-PL-01, P-PL-07). Whether the role exists is for
// package policy.
func (v *ParticipantList) Validate() error {
	seen := make(map[string]bool, len(v.Participants))
	for _, p := range v.Participants {
		key, err := userKey(p.User)
		switch {
		case err != nil:
			return err
		case seen[key]:
			return ErrDuplicateUser
		case p.Role == 0:
			return ErrRoleZero
		}
		seen[key] = true
	}
	return nil
}

// Find returns the index of a user, compared as A-85 says.
func (v *ParticipantList) Find(user string) (index uint32, found bool) {
	key, err := userKey(user)
	if err != nil {
		return 0, false
	}
	for i, p := range v.Participants {
		if k, err := userKey(p.User); err == nil && k == key {
			return uint32(i), true
		}
	}
	return 0, false
}

// RoleChange gives the participant at an index another role.
type RoleChange struct{ User, Role uint32 }

func (v *RoleChange) Syntax(c *syntax.Codec) {
	syntax.U32(c, &v.User)
	syntax.U32(c, &v.Role)
}

// ParticipantListUpdate changes the participant list (§7.5). Its indices address the list as it was when the epoch began.
type ParticipantListUpdate struct {
	Changed []RoleChange
	Removed []uint32
	Added   []Participant
}

func (v *ParticipantListUpdate) Syntax(c *syntax.Codec) {
	syntax.Structs(c, &v.Changed)
	syntax.U32s(c, &v.Removed)
	syntax.Structs(c, &v.Added)
}

// Apply returns the list after all updates of one commit, in commit order: role changes, then removals, then additions at the end,
// with all indices meaning the list at the start of the epoch. A user who is touched twice, an index outside of the list
// and role 0 make the commit invalid (P-PL-03..05, P-PL-09). The receiver is not changed.
func (v *ParticipantList) Apply(updates ...ParticipantListUpdate) (ParticipantList, error) {
	a := application{before: v.Participants, touched: make([]bool, len(v.Participants)), removed: make([]bool, len(v.Participants))}
	a.after = append(a.after, v.Participants...)
	for i := range updates {
		if err := a.indices(&updates[i]); err != nil {
			return ParticipantList{}, err
		}
	}
	kept := a.after[:0:0]
	for i, p := range a.after {
		if !a.removed[i] {
			kept = append(kept, p)
		}
	}
	kept, err := a.additions(kept, updates)
	if err != nil {
		return ParticipantList{}, err
	}
	return ParticipantList{Participants: kept}, nil
}

type application struct {
	before, after    []Participant
	touched, removed []bool
}

func (a *application) touch(index uint32) error {
	if uint64(index) >= uint64(len(a.before)) {
		return ErrIndex
	}
	if a.touched[index] {
		return ErrTouchedTwice
	}
	a.touched[index] = true
	return nil
}

func (a *application) indices(u *ParticipantListUpdate) error {
	for _, change := range u.Changed {
		if err := a.touch(change.User); err != nil {
			return err
		}
		if change.Role == 0 {
			return ErrRoleZero
		}
		a.after[change.User].Role = change.Role
	}
	for _, index := range u.Removed {
		if err := a.touch(index); err != nil {
			return err
		}
		a.removed[index] = true
	}
	return nil
}

// additions appends the added users. A user who is in the list already, or leaves it by this commit, cannot be added by it.
func (a *application) additions(list []Participant, updates []ParticipantListUpdate) ([]Participant, error) {
	added := 0
	for i := range updates {
		added += len(updates[i].Added)
	}
	if added == 0 {
		return list, nil
	}
	seen := make(map[string]bool, len(a.before)+added)
	touched := make(map[string]bool, added)
	for i, p := range a.before {
		key, err := userKey(p.User)
		if err != nil {
			return nil, err
		}
		seen[key] = true
		touched[key] = a.touched[i]
	}
	for i := range updates {
		for _, p := range updates[i].Added {
			key, err := userKey(p.User)
			switch {
			case err != nil:
				return nil, err
			case touched[key]:
				return nil, ErrTouchedTwice
			case seen[key]:
				return nil, ErrDuplicateUser
			case p.Role == 0:
				return nil, ErrRoleZero
			}
			seen[key], touched[key] = true, true
			list = append(list, p)
		}
	}
	return list, nil
}

// userKey is what participants are compared by: users and pseudonyms, normalised.
func userKey(s string) (string, error) {
	u, err := uri.Parse(s)
	if err != nil || (u.Kind() != uri.KindUser && u.Kind() != uri.KindPseudonym) {
		return "", ErrIdentifier
	}
	return u.Key(), nil
}
