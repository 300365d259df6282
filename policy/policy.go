package policy

import (
	"parley/mls/wire"
	"parley/syntax"
)

// Policy is a room's whole policy. Roles and base policy are in every room; nil means that a room does not have the component.
type Policy struct {
	Roles       RoleData
	Base        BaseRoomPolicy
	Operational *OperationalParameters
	PreAuth     *PreAuthData
	Status      *StatusNotificationPolicy
	JoinLink    *JoinLinkPolicy
	JoinLinks   *JoinLinksData
	LinkPreview *LinkPreviewPolicy
	Asset       *AssetPolicy
	Logging     *LoggingPolicy
	History     *HistoryPolicy
	Bots        *BotPolicy
	Expiration  *MessageExpiration
}

// Component is one component of a policy.
type Component struct {
	ID    wire.ComponentID
	Value syntax.Value
}

// entry ties a component to its place in a Policy.
type entry struct {
	id    wire.ComponentID
	get   func(*Policy) syntax.Value // nil: the policy lacks it
	fresh func(*Policy) syntax.Value // a new value in its place
}

// at is the entry of a component that a room may lack.
func at[T any, P interface {
	*T
	syntax.Value
}](id wire.ComponentID, field func(*Policy) *P) entry {
	return entry{id,
		func(p *Policy) syntax.Value {
			if v := *field(p); v != nil {
				return v
			}
			return nil
		},
		func(p *Policy) syntax.Value {
			v := P(new(T))
			*field(p) = v
			return v
		}}
}

// entries are the components in the order of their numbers.
func entries() []entry {
	return []entry{
		at(OperationalComponent, func(p *Policy) **OperationalParameters { return &p.Operational }),
		{RolesComponent, func(p *Policy) syntax.Value { return &p.Roles }, func(p *Policy) syntax.Value { return &p.Roles }},
		at(PreAuthComponent, func(p *Policy) **PreAuthData { return &p.PreAuth }),
		{BaseRoomComponent, func(p *Policy) syntax.Value { return &p.Base }, func(p *Policy) syntax.Value { return &p.Base }},
		at(StatusNotificationComponent, func(p *Policy) **StatusNotificationPolicy { return &p.Status }),
		at(JoinLinkComponent, func(p *Policy) **JoinLinkPolicy { return &p.JoinLink }),
		at(JoinLinksComponent, func(p *Policy) **JoinLinksData { return &p.JoinLinks }),
		at(LinkPreviewComponent, func(p *Policy) **LinkPreviewPolicy { return &p.LinkPreview }),
		at(AssetComponent, func(p *Policy) **AssetPolicy { return &p.Asset }),
		at(LoggingComponent, func(p *Policy) **LoggingPolicy { return &p.Logging }),
		at(HistoryComponent, func(p *Policy) **HistoryPolicy { return &p.History }),
		at(BotComponent, func(p *Policy) **BotPolicy { return &p.Bots }),
		at(ExpirationComponent, func(p *Policy) **MessageExpiration { return &p.Expiration }),
	}
}

// IDs lists all policy components that this package knows, ascending.
func IDs() (out []wire.ComponentID) {
	for _, e := range entries() {
		out = append(out, e.id)
	}
	return out
}

// Components lists what the policy has, ascending.
func (p *Policy) Components() (out []Component) {
	for _, e := range entries() {
		if v := e.get(p); v != nil {
			out = append(out, Component{e.id, v})
		}
	}
	return out
}

// Read makes a policy of components; find returns the octets of one. Roles and base policy must be there.
func Read(find func(wire.ComponentID) ([]byte, bool)) (*Policy, error) {
	p := new(Policy)
	for _, e := range entries() {
		data, ok := find(e.id)
		if !ok {
			if e.id == RolesComponent || e.id == BaseRoomComponent {
				return nil, ErrComponentMissing
			}
			continue
		}
		if err := syntax.Unmarshal(data, e.fresh(p)); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Further rules of a policy as a whole.
const (
	ErrComponentMissing Invalid = "roles and base policy are missing"
	ErrComponentList    Invalid = "the base policy does not list the components that are in force"
	ErrFixedAdd         Invalid = "a role may add people to a room of fixed membership"
	ErrOpenJoinRole     Invalid = "only whoever is outside can join openly"
	ErrRoleZeroRights   Invalid = "whoever is outside may only join"
	ErrLinkCount        Invalid = "the room keeps one join link at most"
)

// listed reports whether the base policy names exactly the other components in force; the order does not matter (R-BAS-15, A-84).
func (p *Policy) listed() bool {
	want := make(map[wire.ComponentID]bool)
	for _, c := range p.Components() {
		want[c.ID] = c.ID != BaseRoomComponent
	}
	have := make(map[wire.ComponentID]bool)
	for _, id := range p.Base.Components {
		if !want[id] {
			return false
		}
		have[id] = true
	}
	for id, wanted := range want {
		if wanted && !have[id] {
			return false
		}
	}
	return true
}

// Validate checks each component and how they fit together.
func (p *Policy) Validate() error {
	for _, c := range p.Components() {
		if v, ok := c.Value.(interface{ Validate() error }); ok {
			if err := v.Validate(); err != nil {
				return err
			}
		}
	}
	if !p.listed() {
		return ErrComponentList
	}
	if p.PreAuth != nil {
		if err := p.PreAuth.ValidateAgainst(&p.Roles); err != nil {
			return err
		}
	}
	if p.History != nil && p.History.Sharing != Forbidden {
		if err := p.History.ValidateAgainst(&p.Roles); err != nil {
			return err
		}
	}
	if p.JoinLink != nil && p.JoinLink.OnRequest && p.JoinLinks != nil && len(p.JoinLinks.Links) > 1 {
		return ErrLinkCount // R-JLP-02
	}
	return p.roles()
}

// roles checks what may stand in which role (R-BAS-02, R-CAP-04).
func (p *Policy) roles() error {
	for i := range p.Roles.Roles {
		r := &p.Roles.Roles[i]
		if r.Index == outsider {
			for _, c := range r.Capabilities {
				if c != CanOpenJoin && c != CanUseJoinCode && c.Grants() {
					return ErrRoleZeroRights
				}
			}
			continue
		}
		if r.Has(CanOpenJoin) {
			return ErrOpenJoinRole
		}
		if p.Base.FixedMembership && r.Index != BannedRole && r.Has(CanAddParticipant) {
			return ErrFixedAdd
		}
	}
	return nil
}
