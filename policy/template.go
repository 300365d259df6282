package policy

// Roles of the room that Parley makes. Index 0 is whoever is not in the participant list and is never stored (R-ROL-02).
const (
	RoleMember uint32 = 2
	RoleAdmin  uint32 = 3
	RoleOwner  uint32 = 4
)

// outsider is the index that stands for not being in the room in lists of role changes.
const outsider uint32 = 0

// GroupRoles are the roles of an ordinary group: members talk, add others and leave, admins also remove, ban and name, the owner
// also makes admins.
func GroupRoles() RoleData {
	talk := []Capability{
		CanAddParticipant, CanAddOwnClient, CanRemoveOwnClient, CanRemoveSelf,
		CanSendMessage, CanReceiveMessage, CanCopyMessage, CanReportAbuse, CanReply, CanReact, CanEditReaction,
		CanDeleteOwnReaction, CanEditOwnMessage, CanDeleteOwnMessage, CanStartTopic, CanReplyInTopic,
	}
	govern := append(append([]Capability(nil), talk...), CanRemoveParticipant, CanBan, CanUnban, CanKick, CanChangeUserRole,
		CanDeleteOtherMessage, CanChangeRoomName, CanChangeRoomDescription, CanChangeRoomAvatar, CanChangeRoomSubject,
		CanChangeRoomMood)
	return RoleData{Roles: []Role{
		{Index: BannedRole, Name: BannedRoleName},
		{Index: RoleMember, Name: "member", Capabilities: sorted(talk), Changes: []RoleChange{
			{From: outsider, Targets: []uint32{RoleMember}},
			{From: RoleMember, Targets: []uint32{outsider}},
		}},
		{Index: RoleAdmin, Name: "admin", Capabilities: sorted(govern), Changes: []RoleChange{
			{From: outsider, Targets: []uint32{RoleMember, BannedRole}},
			{From: BannedRole, Targets: []uint32{outsider, RoleMember}},
			{From: RoleMember, Targets: []uint32{outsider, BannedRole}},
		}},
		{Index: RoleOwner, Name: "owner", Capabilities: sorted(govern), Changes: []RoleChange{
			{From: outsider, Targets: []uint32{RoleMember, RoleAdmin, BannedRole}},
			{From: BannedRole, Targets: []uint32{outsider, RoleMember}},
			{From: RoleMember, Targets: []uint32{outsider, RoleAdmin, BannedRole}},
			{From: RoleAdmin, Targets: []uint32{outsider, RoleMember, BannedRole}},
		}},
	}}
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
func GroupBase() BaseRoomPolicy { return BaseRoomPolicy{MultiDevice: true} }
