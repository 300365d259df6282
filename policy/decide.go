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
	Role uint32 // 0: not in the participant list
	Self bool
	// Match is the role of the first entry of the preauthorisation list that fits the actor's credential; 0: none does.
	Match uint32
}

// Decide applies a room's policy to one action. It is the only judge: hub and clients call it with the same arguments, the policy
// before the change, and so reach the same verdict (A-R16, A-R25).
func Decide(p *Policy, actor Actor, action Action) error {
	need := action.capability(actor)
	if !need.Grants() {
		return &Denied{need, "nothing is done with this capability"}
	}
	if p.Base.FixedMembership && action.moves && (passing(action.From) || passing(action.To)) {
		return &Denied{need, "the people of this room are fixed"} // R-BAS-03, A-R19
	}
	if actor.Role == outsider {
		return p.decideEntry(actor, action)
	}
	role, found := p.Roles.Find(actor.Role)
	if !found || actor.Role == BannedRole {
		return &Denied{need, "not a participant who may act"}
	}
	if !role.Has(need) {
		return &Denied{need, "the role lacks the capability"}
	}
	switch {
	case !action.moves:
		return nil
	case need == CanAddParticipant && actor.Self:
		return &Denied{need, "who is in the room does not add oneself"}
	case need == CanChangeOwnRole:
		if action.To != actor.Match {
			return &Denied{need, "nobody has authorised this role for you"} // R-CAP-12
		}
		return nil
	case !role.MayMove(action.From, action.To):
		return &Denied{need, "the role may not make this change of role"}
	}
	return nil
}

// Decide judges by roles alone what no other component bears on.
func (v *RoleData) Decide(actor Actor, action Action) error {
	return Decide(&Policy{Roles: *v}, actor, action)
}

// passing reports whether a role stands for not taking part.
func passing(role uint32) bool { return role == outsider || role == BannedRole }

// decideEntry judges somebody who comes from outside: openly, because the list of preauthorised people says so, or with a join code
// (R-CAP-04 to R-CAP-06). That the code is a good one is for the hub to see.
func (p *Policy) decideEntry(actor Actor, action Action) error {
	need := action.capability(actor)
	if !action.moves || action.From != outsider || !actor.Self || passing(action.To) {
		return &Denied{need, "not a participant who may act"}
	}
	if actor.Match != 0 && actor.Match == action.To {
		if role, found := p.Roles.Find(action.To); found && role.Has(CanJoinIfPreauthorized) {
			return nil
		}
	}
	outside, found := p.Roles.Find(outsider)
	if !found {
		return &Denied{CanOpenJoin, "nobody comes in from outside"}
	}
	open := outside.Has(CanOpenJoin)
	code := outside.Has(CanUseJoinCode) && p.JoinLinks != nil && len(p.JoinLinks.Links) > 0
	if !open && !code {
		return &Denied{CanOpenJoin, "nobody comes in from outside"}
	}
	if !outside.MayMove(outsider, action.To) {
		return &Denied{CanOpenJoin, "whoever comes in does not get this role"}
	}
	return nil
}

// Open reports whether everybody may come in, and in which role (R-CAP-04).
func (p *Policy) Open() (role uint32, open bool) {
	outside, found := p.Roles.Find(outsider)
	if !found || !outside.Has(CanOpenJoin) {
		return 0, false
	}
	return p.entryRole(outside)
}

// ByCode reports whether a code of the join links lets somebody in, and in which role (R-CAP-06, A-R15).
func (p *Policy) ByCode(code string) (role uint32, known bool) {
	outside, found := p.Roles.Find(outsider)
	if !found || !outside.Has(CanUseJoinCode) || p.JoinLinks == nil || code == "" {
		return 0, false
	}
	for _, link := range p.JoinLinks.Links {
		if link == code {
			return p.entryRole(outside)
		}
	}
	return 0, false
}

// entryRole is the first role that whoever comes in gets.
func (p *Policy) entryRole(outside *Role) (uint32, bool) {
	for _, change := range outside.Changes {
		if change.From != outsider {
			continue
		}
		for _, to := range change.Targets {
			if _, exists := p.Roles.Find(to); exists && !passing(to) {
				return to, true
			}
		}
	}
	return 0, false
}

// Match returns the role of the first preauthorisation entry that fits; has reports whether a claim is in the credential (R-PRE-02,
// R-PRE-03). An entry without claims fits nobody (R-PRE-08).
func (p *Policy) Match(has func(*Claim) bool) (role uint32) {
	if p.PreAuth == nil {
		return 0
	}
	for i := range p.PreAuth.Entries {
		entry := &p.PreAuth.Entries[i]
		fits := len(entry.Claims) > 0
		for k := range entry.Claims {
			fits = fits && has(&entry.Claims[k])
		}
		if fits {
			return entry.Role.Index
		}
	}
	return 0
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
	case a.From == outsider && actor.Self && actor.Role == outsider:
		return CanOpenJoin
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
