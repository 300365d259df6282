package policy

import "fmt"

// Denied says which capability an action lacked. Its text is the machine-readable prefix of A-32 and holds no data of users.
type Denied struct {
	Capability Capability
	Reason     string // for people
}

func (e *Denied) Error() string {
	return fmt.Sprintf("policy:%#04x %s", uint16(e.Capability), e.Reason)
}

// Actor is who does something: a role, and whether the actor is the one to whom it is done.
type Actor struct {
	Role uint32
	Self bool
}

// Decide applies the roles of a room to one action. It is the only judge: hub and clients call it with the same arguments and so
// reach the same verdict.
func (v *RoleData) Decide(actor Actor, action Action) error {
	role, found := v.Find(actor.Role)
	if !found || actor.Role == outsider || actor.Role == BannedRole {
		return &Denied{action.capability(actor), "not a participant who may act"}
	}
	need := action.capability(actor)
	if !role.Has(need) {
		return &Denied{need, "the role lacks the capability"}
	}
	if !action.moves || actor.Self && action.To == outsider {
		return nil
	}
	if !role.MayMove(action.From, action.To) {
		return &Denied{need, "the role may not make this change of role"}
	}
	return nil
}

// Action is one thing that is done in a room.
type Action struct {
	need     Capability // when it does not depend on the actor
	moves    bool       // From and To are roles of a participant
	From, To uint32
}

// Use is an action that asks for one capability and nothing else.
func Use(c Capability) Action { return Action{need: c} }

// Move is a change of somebody's role; 0 as From adds and as To removes (R-ROL-06).
func Move(from, to uint32) Action { return Action{moves: true, From: from, To: to} }

func (a Action) capability(actor Actor) Capability {
	switch {
	case !a.moves:
		return a.need
	case a.To == BannedRole:
		return CanBan
	case a.From == BannedRole:
		return CanUnban
	case a.From == outsider:
		return CanAddParticipant
	case a.To == outsider && actor.Self:
		return CanRemoveSelf
	case a.To == outsider:
		return CanRemoveParticipant
	case actor.Self:
		return CanChangeOwnRole
	}
	return CanChangeUserRole
}
