package policy

import (
	"bytes"

	"parley/mls/wire"
	"parley/syntax"
)

// Components of the room policy in the GroupContext. The numbers are suggestions of the draft.
const (
	OperationalComponent        wire.ComponentID = 0x0024
	RolesComponent              wire.ComponentID = 0x0025
	PreAuthComponent            wire.ComponentID = 0x0026
	BaseRoomComponent           wire.ComponentID = 0x0027
	StatusNotificationComponent wire.ComponentID = 0x0028
	JoinLinkComponent           wire.ComponentID = 0x0029
	JoinLinksComponent          wire.ComponentID = 0x002a
	LinkPreviewComponent        wire.ComponentID = 0x002b
	AssetComponent              wire.ComponentID = 0x002c
	LoggingComponent            wire.ComponentID = 0x002d
	HistoryComponent            wire.ComponentID = 0x002e
	BotComponent                wire.ComponentID = 0x002f
	ExpirationComponent         wire.ComponentID = 0x0030
)

// Invalid is a rule that a well-formed policy component breaks. It never holds data of users.
type Invalid string

func (e Invalid) Error() string { return "policy: " + string(e) }

// The rules that Validate and Apply check.
const (
	ErrDuplicateRole Invalid = "two roles have one index"
	ErrBannedRole    Invalid = "role 1 of a room that bans is not the banned role"
	ErrRoleBounds    Invalid = "minimum is above maximum"
	ErrPreAuthRole   Invalid = "preauthorized role differs from the roles list"
	ErrParentRoom    Invalid = "parent room and its flag disagree"
	ErrProxy         Invalid = "link preview proxy is missing or not one"
	ErrAutodetect    Invalid = "autodetection of links cannot be required"
	ErrDownloadType  Invalid = "download types contradict each other"
	ErrAssetHub      Invalid = "uploads to the hub name exactly one provider"
	ErrLoggingClient Invalid = "logging is required and nobody logs"
	ErrHistoryRole   Invalid = "role cannot share history"
	ErrBotRole       Invalid = "bot outside of the room has a role"
	ErrExpiration    Invalid = "expiration bounds contradict each other"
	ErrMissingMedia  Invalid = "permitted media type is absent"
	ErrTimes         Invalid = "minimum, default and maximum time are not in order"
	ErrLinkIndex     Invalid = "index is outside of the list of links"
	ErrLinkTwice     Invalid = "link is removed twice"
)

// Optionality says whether something may, must or must not be done (§6; the draft also calls required "mandatory", A-R1). It is a
// closed code.
type Optionality uint8

const (
	Optional  Optionality = 0
	Required  Optionality = 1
	Forbidden Optionality = 2
)

func optionality(c *syntax.Codec, v *Optionality) { syntax.Closed(c, v, Optional, Forbidden) }

// RoleChange lists the roles to which a holder of the capability may move somebody from one role (§3). 0 stands for not being in
// the room.
type RoleChange struct {
	From    uint32
	Targets []uint32
}

func (v *RoleChange) Syntax(c *syntax.Codec) {
	syntax.U32(c, &v.From)
	syntax.U32s(c, &v.Targets)
}

// Role is one role of a room (§3). A minimum of 0 and a nil maximum are no bound. Active participants are those with a client in
// the group (A-R21).
type Role struct {
	Index         uint32 // 0: whoever is not in the participant list; 1: banned, if the room bans
	Name          string
	Description   string
	Capabilities  []Capability
	Minimum       uint32
	Maximum       *uint32
	MinimumActive uint32
	MaximumActive *uint32
	Changes       []RoleChange
}

// BannedRole is the index of the role of banned users, and its name (R-ROL-10).
const (
	BannedRole     uint32 = 1
	BannedRoleName string = "banned"
)

func (v *Role) Syntax(c *syntax.Codec) {
	syntax.U32(c, &v.Index)
	syntax.Text(c, &v.Name)
	syntax.Text(c, &v.Description)
	syntax.U16s(c, &v.Capabilities)
	syntax.U32(c, &v.Minimum)
	syntax.Optional(c, &v.Maximum, syntax.U32[uint32])
	syntax.U32(c, &v.MinimumActive)
	syntax.Optional(c, &v.MaximumActive, syntax.U32[uint32])
	syntax.Structs(c, &v.Changes)
}

// Has reports whether the role lists the capability.
func (v *Role) Has(capability Capability) bool {
	for _, x := range v.Capabilities {
		if x == capability {
			return true
		}
	}
	return false
}

// MayMove reports whether the role's holders may move somebody from one role to another (R-ROL-06).
func (v *Role) MayMove(from, to uint32) bool {
	for _, change := range v.Changes {
		if change.From != from {
			continue
		}
		for _, target := range change.Targets {
			if target == to {
				return true
			}
		}
	}
	return false
}

// RoleData is the roles_list component and its update, which replaces it (§3).
type RoleData struct{ Roles []Role }

func (v *RoleData) Syntax(c *syntax.Codec) { syntax.Structs(c, &v.Roles) }

// Find returns the role with an index.
func (v *RoleData) Find(index uint32) (*Role, bool) {
	for i := range v.Roles {
		if v.Roles[i].Index == index {
			return &v.Roles[i], true
		}
	}
	return nil, false
}

// Validate checks that indices are unique (R-ROL-03), bounds are in order, and that banning would not put anybody into a role 1
// that means something else (R-ROL-10); without a role 1 the capability has no effect. Role changes may name roles that do not
// exist; they are harmless (A-R14).
func (v *RoleData) Validate() error {
	seen := make(map[uint32]bool, len(v.Roles))
	bans := false
	for i := range v.Roles {
		r := &v.Roles[i]
		if seen[r.Index] {
			return ErrDuplicateRole
		}
		seen[r.Index] = true
		if above(r.Minimum, r.Maximum) || above(r.MinimumActive, r.MaximumActive) {
			return ErrRoleBounds
		}
		bans = bans || r.Has(CanBan) || r.Has(CanUnban)
	}
	if !bans {
		return nil
	}
	if r, found := v.Find(BannedRole); found && r.Name != BannedRoleName {
		return ErrBannedRole
	}
	return nil
}

func above(minimum uint32, maximum *uint32) bool { return maximum != nil && minimum > *maximum }

// Claim is one thing that a credential must say (§4, A-R28, A-83).
type Claim struct {
	Credential wire.CredentialType
	ID         []byte
	Value      []byte
}

func (v *Claim) Syntax(c *syntax.Codec) {
	syntax.U16(c, &v.Credential)
	syntax.Opaque(c, &v.ID)
	syntax.Opaque(c, &v.Value)
}

// PreAuthEntry gives a role to whoever has all of the claims (§4). The wire holds the whole role (A-R6).
type PreAuthEntry struct {
	Claims []Claim
	Role   Role
}

func (v *PreAuthEntry) Syntax(c *syntax.Codec) {
	syntax.Structs(c, &v.Claims)
	v.Role.Syntax(c)
}

// PreAuthData is the preauth_list component and its update, which replaces it (§4). The first entry that matches counts.
type PreAuthData struct{ Entries []PreAuthEntry }

func (v *PreAuthData) Syntax(c *syntax.Codec) { syntax.Structs(c, &v.Entries) }

// ValidateAgainst checks that every entry's role is octet by octet the one of the roles list (A-R6).
func (v *PreAuthData) ValidateAgainst(roles *RoleData) error {
	for i := range v.Entries {
		want, found := roles.Find(v.Entries[i].Role.Index)
		if !found {
			return ErrPreAuthRole
		}
		a, err := syntax.Marshal(want)
		if err != nil {
			return err
		}
		b, err := syntax.Marshal(&v.Entries[i].Role)
		if err != nil {
			return err
		}
		if !bytes.Equal(a, b) {
			return ErrPreAuthRole
		}
	}
	return nil
}

// BaseRoomPolicy is the base_room_policy component and its update, which replaces it (§5).
type BaseRoomPolicy struct {
	FixedMembership   bool
	ParentDependent   bool
	ParentRoom        []string // none or one room URI (A-R4)
	MultiDevice       bool
	MaxClients        *uint32 // nil: no limit
	MaxUsers          *uint32 // nil: no limit; banned users do not count
	PseudonymsAllowed bool
	Persistent        bool
	Discoverable      bool
	Components        []wire.ComponentID // every other policy component in force
}

func (v *BaseRoomPolicy) Syntax(c *syntax.Codec) {
	syntax.Bool(c, &v.FixedMembership)
	syntax.Bool(c, &v.ParentDependent)
	syntax.Texts(c, &v.ParentRoom)
	syntax.Bool(c, &v.MultiDevice)
	syntax.Optional(c, &v.MaxClients, syntax.U32[uint32])
	syntax.Optional(c, &v.MaxUsers, syntax.U32[uint32])
	syntax.Bool(c, &v.PseudonymsAllowed)
	syntax.Bool(c, &v.Persistent)
	syntax.Bool(c, &v.Discoverable)
	syntax.U16s(c, &v.Components)
}

// Validate checks that there is one parent exactly when the room depends on one (R-BAS-08).
func (v *BaseRoomPolicy) Validate() error {
	want := 0
	if v.ParentDependent {
		want = 1
	}
	if len(v.ParentRoom) != want {
		return ErrParentRoom
	}
	return nil
}
