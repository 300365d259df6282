package policy

import "parley/mls/wire"

// Roles of the rooms that Parley makes. Index 0 is whoever is not in the participant list and is never stored (R-ROL-02).
const (
	RoleMember  uint32 = 2
	RoleAdmin   uint32 = 3
	RoleOwner   uint32 = 4
	RoleSpeaker uint32 = 5 // of a moderated room
)

// outsider is the index that stands for not being in the room in lists of role changes.
const outsider uint32 = 0

// Kind names a ready-made policy.
type Kind string

const (
	DirectMessage Kind = "direct"
	PrivateGroup  Kind = "group"
	Moderated     Kind = "moderated"
	Community     Kind = "community"
	Announcement  Kind = "announcement"
	Managed       Kind = "managed"
)

// Kinds lists the ready-made policies, with what they are in plain words.
func Kinds() []struct {
	Kind  Kind
	Words string
} {
	return []struct {
		Kind  Kind
		Words string
	}{
		{DirectMessage, "a conversation of fixed people, one for each set of them"},
		{PrivateGroup, "members add others; admins also remove, ban and name; the owner makes admins"},
		{Moderated, "members read; moderators give and take the word; people come in by invitation or join link"},
		{Community, "everybody may come in and write; admins moderate"},
		{Announcement, "everybody may come in and read; admins write"},
		{Managed, "a private group whose messages are logged, as everybody is told"},
	}
}

// Ready makes a ready-made policy. loggers are the users who log a managed room; the other kinds have none.
func Ready(kind Kind, loggers ...string) (p *Policy, creator uint32, known bool) {
	p, creator = &Policy{Roles: GroupRoles(), Base: GroupBase()}, RoleOwner
	switch kind {
	case DirectMessage:
		p.Roles, creator = directRoles(), RoleMember
		p.Base.FixedMembership = true
	case PrivateGroup:
	case Moderated:
		p.Roles = moderatedRoles()
		p.JoinLink, p.JoinLinks = &JoinLinkPolicy{MultiUser: true, Expiration: 7 * 24 * 3600}, &JoinLinksData{}
	case Community:
		p.Roles = openRoles(true)
		p.Base.Persistent, p.Base.Discoverable = true, true
	case Announcement:
		p.Roles = openRoles(false)
		p.Base.Persistent, p.Base.Discoverable = true, true
		p.Status = &StatusNotificationPolicy{Delivery: Forbidden, Read: Forbidden}
	case Managed:
		p.Logging = &LoggingPolicy{Logging: Required, Clients: loggers}
	default:
		return nil, 0, false
	}
	p.List()
	return p, creator, true
}

// List makes the base policy list the other components in force.
func (p *Policy) List() {
	p.Base.Components = nil
	for _, c := range p.Components() {
		if c.ID != BaseRoomComponent {
			p.Base.Components = append(p.Base.Components, c.ID)
		}
	}
}

// talk is what everybody may who takes part in a conversation.
func talk() []Capability {
	return []Capability{
		CanAddOwnClient, CanRemoveOwnClient, CanSendMessage, CanReceiveMessage, CanCopyMessage, CanReportAbuse, CanReply, CanReact,
		CanEditReaction, CanDeleteOwnReaction, CanEditOwnMessage, CanDeleteOwnMessage, CanStartTopic, CanReplyInTopic,
	}
}

// listen is what everybody may who reads only.
func listen() []Capability {
	return []Capability{
		CanAddOwnClient, CanRemoveOwnClient, CanRemoveSelf, CanReceiveMessage, CanCopyMessage, CanReportAbuse,
	}
}

// govern is what those may who look after a room.
func govern() []Capability {
	return append(talk(), CanAddParticipant, CanRemoveSelf, CanRemoveParticipant, CanBan, CanUnban, CanKick, CanChangeUserRole,
		CanDeleteOtherMessage, CanChangeRoomName, CanChangeRoomDescription, CanChangeRoomAvatar, CanChangeRoomSubject,
		CanChangeRoomMood)
}

// rule is what an owner may besides.
func rule() []Capability {
	return append(govern(), CanChangeRoleDefinitions, CanChangePreauthorizedUserList, CanChangeRoomMembershipStyle,
		CanChangeOtherPolicyAttribute, CanChangeMLSOperationalPolicies, CanDestroyRoom, CanSendMLSReinitProposal)
}

func role(index uint32, name string, capabilities []Capability, changes ...RoleChange) Role {
	return Role{Index: index, Name: name, Capabilities: sorted(capabilities), Changes: changes}
}

func from(index uint32, targets ...uint32) RoleChange {
	return RoleChange{From: index, Targets: targets}
}

// GroupRoles are the roles of an ordinary group: members talk, add others and leave, admins also remove, ban and name, the owner
// also makes admins and rules.
func GroupRoles() RoleData {
	return RoleData{Roles: []Role{
		role(BannedRole, BannedRoleName, nil),
		role(RoleMember, "member", append(talk(), CanAddParticipant, CanRemoveSelf),
			from(outsider, RoleMember), from(RoleMember, outsider)),
		role(RoleAdmin, "admin", govern(),
			from(outsider, RoleMember, BannedRole), from(BannedRole, outsider, RoleMember), from(RoleMember, outsider, BannedRole),
			from(RoleAdmin, outsider)),
		role(RoleOwner, "owner", rule(),
			from(outsider, RoleMember, RoleAdmin, BannedRole), from(BannedRole, outsider, RoleMember),
			from(RoleMember, outsider, RoleAdmin, BannedRole), from(RoleAdmin, outsider, RoleMember, BannedRole),
			from(RoleOwner, outsider)),
	}}
}

// directRoles are those of a conversation in which nobody is more than another.
func directRoles() RoleData {
	return RoleData{Roles: []Role{role(RoleMember, "member",
		append(talk(), CanChangeRoomName, CanChangeRoomDescription, CanChangeRoomAvatar, CanChangeRoomSubject, CanChangeRoomMood))}}
}

// moderatedRoles give the word to speakers; moderators make them.
func moderatedRoles() RoleData {
	moves := func(own uint32, more ...uint32) []RoleChange {
		return []RoleChange{
			from(outsider, append([]uint32{RoleMember, RoleSpeaker, BannedRole}, more...)...),
			from(BannedRole, outsider, RoleMember),
			from(RoleMember, append([]uint32{outsider, RoleSpeaker, BannedRole}, more...)...),
			from(RoleSpeaker, append([]uint32{outsider, RoleMember, BannedRole}, more...)...),
			from(own, outsider),
		}
	}
	owner := append(moves(RoleOwner, RoleAdmin), from(RoleAdmin, outsider, RoleMember, BannedRole))
	return RoleData{Roles: []Role{
		role(outsider, "outside", []Capability{CanUseJoinCode}, from(outsider, RoleMember)),
		role(BannedRole, BannedRoleName, nil),
		role(RoleMember, "listener", listen(), from(RoleMember, outsider)),
		role(RoleAdmin, "moderator", govern(), moves(RoleAdmin)...),
		role(RoleOwner, "owner", rule(), owner...),
		role(RoleSpeaker, "speaker", append(talk(), CanRemoveSelf), from(RoleSpeaker, outsider)),
	}}
}

// openRoles let everybody in; members write where they may.
func openRoles(write bool) RoleData {
	out := GroupRoles()
	member := listen()
	if write {
		member = append(talk(), CanRemoveSelf)
	} else {
		member = append(member, CanReact, CanEditReaction, CanDeleteOwnReaction)
	}
	out.Roles[1] = role(RoleMember, "member", member, from(RoleMember, outsider))
	outside := role(outsider, "outside", []Capability{CanOpenJoin}, from(outsider, RoleMember))
	out.Roles = append([]Role{outside}, out.Roles...)
	return out
}

func sorted(list []Capability) []Capability {
	out := append([]Capability(nil), list...)
	for i := 1; i < len(out); i++ {
		for j := i; j > 0 && out[j-1] > out[j]; j-- {
			out[j-1], out[j] = out[j], out[j-1]
		}
	}
	return out
}

// GroupBase is the base policy of an ordinary group.
func GroupBase() BaseRoomPolicy {
	return BaseRoomPolicy{MultiDevice: true, Components: []wire.ComponentID{RolesComponent}}
}
