package policy

import (
	"fmt"
	"strings"
)

// Word is a capability with what it lets people do, in plain words.
type Word struct {
	Capability Capability
	Words      string
	Reserved   bool // grants nothing (R-CAP-21)
}

// Words lists the registry, ascending.
func Words() []Word { return append([]Word(nil), registry...) }

// registry is constant: the capability registry of §10.2. 0x0505 and 0x0600 are reserved in the draft and effective for us (A-R11).
var registry = []Word{
	{CanAddParticipant, "add people", false},
	{CanRemoveParticipant, "remove people", false},
	{CanAddOwnClient, "bring in an own further device", false},
	{CanRemoveOwnClient, "take an own device out", false},
	{CanOpenJoin, "come in without being asked", false},
	{CanJoinIfPreauthorized, "come in when listed beforehand", false},
	{CanRemoveSelf, "leave", false},
	{CanCreateJoinCode, "make join links", true},
	{CanDeleteJoinCode, "delete join links", true},
	{CanUseJoinCode, "come in with a join link", false},
	{CanBan, "ban people", false},
	{CanUnban, "lift bans", false},
	{CanKick, "take others' devices out", false},
	{CanKnock, "ask to come in", true},
	{CanAcceptKnock, "let in who asks", true},
	{CanChangeUserRole, "change others' roles", false},
	{CanChangeOwnRole, "change the own role", false},
	{CanCreateSubgroup, "make a room below this one", true},
	{CanSendMessage, "write", false},
	{CanReceiveMessage, "read", false},
	{CanCopyMessage, "copy messages", false},
	{CanReportAbuse, "report abuse", false},
	{CanReply, "reply", false},
	{CanReact, "react", false},
	{CanEditReaction, "change an own reaction", false},
	{CanDeleteOwnReaction, "delete an own reaction", false},
	{CanDeleteOtherReaction, "delete others' reactions", false},
	{CanEditOwnMessage, "edit own messages", false},
	{CanDeleteOwnMessage, "delete own messages", false},
	{CanDeleteOtherMessage, "delete others' messages", false},
	{CanStartTopic, "start topics", false},
	{CanReplyInTopic, "reply in topics", false},
	{CanEditOwnTopic, "edit own topics", false},
	{CanEditOtherTopic, "edit others' topics", false},
	{CanSendDirectMessage, "write to one person", true},
	{CanTargetMessage, "address a message to some people", true},
	{CanUploadImage, "send pictures", false},
	{CanUploadAudio, "send sound", false},
	{CanUploadVideo, "send films", false},
	{CanUploadAttachment, "send files", false},
	{CanDownloadImage, "get pictures", false},
	{CanDownloadAudio, "get sound", false},
	{CanDownloadVideo, "get films", false},
	{CanDownloadAttachment, "get files", false},
	{CanSendLink, "send links", false},
	{CanSendLinkPreview, "send previews of links", false},
	{CanFollowLink, "follow links", false},
	{CanCopyLink, "copy links", false},
	{CanChangeRoomName, "change the room's name", false},
	{CanChangeRoomDescription, "change the room's description", false},
	{CanChangeRoomAvatar, "change the room's picture", false},
	{CanChangeRoomSubject, "change the room's topic", false},
	{CanChangeRoomMood, "change the room's mood", false},
	{CanChangeOwnName, "change the own name", true},
	{CanChangeOwnPresence, "change the own presence", true},
	{CanChangeOwnMood, "change the own mood", true},
	{CanChangeOwnAvatar, "change the own picture", true},
	{CanStartCall, "start calls", false},
	{CanJoinCall, "join calls", false},
	{CanSendAudio, "speak in calls", false},
	{CanReceiveAudio, "listen in calls", false},
	{CanSendVideo, "show oneself in calls", false},
	{CanReceiveVideo, "see others in calls", false},
	{CanShareScreen, "share a screen in calls", false},
	{CanViewScreen, "see a shared screen", false},
	{CanCreateRoom, "make rooms", true},
	{CanDestroyRoom, "end the room", false},
	{CanChangeRoomMembershipStyle, "change how people come in", false},
	{CanChangeRoleDefinitions, "change what roles may do", false},
	{CanChangePreauthorizedUserList, "change who may come in beforehand", false},
	{CanChangeOtherPolicyAttribute, "change other rules of the room", false},
	{CanChangeMLSOperationalPolicies, "change the technical rules of the room", false},
	{CanSendMLSReinitProposal, "move the room to a new group", false},
	{CanSendMLSUpdateProposal, "propose new keys", true},
	{CanSendMLSPSKProposal, "propose a shared secret", true},
	{CanSendMLSExternalProposal, "propose from outside", true},
	{CanSendMLSExternalCommit, "commit from outside", true},
}

// Grants reports whether the capability lets its holder do something: it is assigned and not reserved.
func (c Capability) Grants() bool {
	for i := range registry {
		if registry[i].Capability == c {
			return !registry[i].Reserved
		}
	}
	return false
}

// Words says what the capability lets its holder do; "" for one that is not in the registry.
func (c Capability) Words() string {
	for i := range registry {
		if registry[i].Capability == c {
			return registry[i].Words
		}
	}
	return ""
}

// Explain puts a refusal that begins with a capability into words for people; other texts stay as they are.
func Explain(description string) string {
	var number uint16
	var rest string
	if n, err := fmt.Sscanf(description, "policy:0x%x", &number); err != nil || n != 1 {
		return description
	}
	words := Capability(number).Words()
	if _, rest, _ = strings.Cut(description, " "); words == "" {
		return description
	}
	return fmt.Sprintf("you may not %s in this room: %s (policy:%#04x)", words, rest, number)
}
