package room

import (
	"errors"

	"parley/mimi"
	"parley/mls"
	"parley/mls/wire"
	"parley/policy"
	"parley/syntax"
	"parley/uri"
)

// Components is the logic of the room's components (mls-extensions §4.7): the participant list follows its updates, the others are
// replaced as a whole. Hub and clients put it into mls.Config.
func Components() map[wire.ComponentID]mls.Component {
	return map[wire.ComponentID]mls.Component{
		mimi.FrankingAgentComponent:   keepAgent,
		mimi.ParticipantListComponent: updateParticipants,
		mimi.RoomMetadataComponent:    replace(func() checked { return new(mimi.RoomMetadata) }),
		policy.RolesComponent:         replace(func() checked { return new(policy.RoleData) }),
		policy.BaseRoomComponent:      replace(func() checked { return new(policy.BaseRoomPolicy) }),
	}
}

type checked interface {
	syntax.Value
	Validate() error
}

var (
	errRemove = errors.New("room: the room's state cannot do without this component")
	errMany   = errors.New("room: at most one update of this component in a commit")
)

// replace is the logic of a component whose update is its whole new value; one update a commit (P-RM-01, P-RM-02).
func replace(fresh func() checked) mls.Component {
	return func(_ []byte, _ bool, updates [][]byte) ([]byte, error) {
		switch {
		case len(updates) == 0:
			return nil, errRemove
		case len(updates) > 1:
			return nil, errMany
		}
		v := fresh()
		if err := syntax.Unmarshal(updates[0], v); err != nil {
			return nil, err
		}
		return updates[0], v.Validate()
	}
}

// updateParticipants applies all list updates of a commit at once.
func updateParticipants(current []byte, _ bool, updates [][]byte) ([]byte, error) {
	if len(updates) == 0 {
		return nil, errRemove
	}
	var list mimi.ParticipantList
	if err := syntax.Unmarshal(current, &list); err != nil {
		return nil, err
	}
	parsed := make([]mimi.ParticipantListUpdate, len(updates))
	for i, u := range updates {
		if err := syntax.Unmarshal(u, &parsed[i]); err != nil {
			return nil, err
		}
	}
	next, err := list.Apply(parsed...)
	if err != nil {
		return nil, err
	}
	return syntax.Marshal(&next)
}

// inUse lists the components whose state the room keeps, ascending.
func inUse() []wire.ComponentID {
	return []wire.ComponentID{mimi.FrankingAgentComponent, mimi.ParticipantListComponent, mimi.RoomMetadataComponent,
		policy.RolesComponent, policy.BaseRoomComponent}
}

// mediaType is the type of MIMI content. Rooms name it and look no further into content, which servers never see.
const mediaType = "application/mimi-content"

// mediaTypes is the content_media_types list of rooms and leaves (X-CMT-01, X-CMT-03).
func mediaTypes() wire.MediaTypeList {
	return wire.MediaTypeList{Types: []wire.MediaType{{Type: []byte(mediaType)}}}
}

// LeafExtensions is what a leaf of this implementation says about components (X-DIC-04, X-NEG-01): those of rooms, SafeAAD with the
// franking item, and the media types it reads.
func LeafExtensions() (wire.Extensions, error) {
	media := mediaTypes()
	supported := append([]wire.ComponentID{
		wire.AppComponentsComponent, wire.SafeAADComponent, wire.ContentMediaTypesComponent}, inUse()...)
	return dictionary(map[wire.ComponentID]syntax.Value{
		wire.AppComponentsComponent:     &wire.ComponentsList{IDs: supported},
		wire.SafeAADComponent:           &wire.ComponentsList{IDs: []wire.ComponentID{mimi.FrankAADComponent}},
		wire.ContentMediaTypesComponent: &media,
	})
}

func dictionary(entries map[wire.ComponentID]syntax.Value) (wire.Extensions, error) {
	var d wire.AppDataDictionary
	for id, value := range entries {
		data, err := syntax.Marshal(value)
		if err != nil {
			return nil, err
		}
		d = d.With(id, data)
	}
	data, err := syntax.Marshal(&d)
	if err != nil {
		return nil, err
	}
	return wire.Extensions{{Type: wire.AppDataDictionaryExtension, Data: data}}, nil
}

// Template is the GroupContext of a new room: required capabilities, the room's state with its creator as owner, and the hub as
// external sender (P-RS-05).
func Template(at uri.Room, name string, creator uri.User, hub wire.ExternalSender) (wire.Extensions, error) {
	roles, base, media := policy.GroupRoles(), policy.GroupBase(), mediaTypes()
	base.Components = []wire.ComponentID{policy.RolesComponent}
	state, err := dictionary(map[wire.ComponentID]syntax.Value{
		wire.AppComponentsComponent:     &wire.ComponentsList{IDs: inUse()},
		wire.SafeAADComponent:           &wire.ComponentsList{IDs: []wire.ComponentID{mimi.FrankAADComponent}},
		wire.ContentMediaTypesComponent: &media,
		mimi.FrankingAgentComponent:     agentOf(hub),
		mimi.ParticipantListComponent: &mimi.ParticipantList{
			Participants: []mimi.Participant{{User: creator.String(), Role: policy.RoleOwner}}},
		mimi.RoomMetadataComponent: &mimi.RoomMetadata{Room: at.String(), Name: name},
		policy.RolesComponent:      &roles,
		policy.BaseRoomComponent:   &base,
	})
	if err != nil {
		return nil, err
	}
	required, err := syntax.Marshal(&wire.RequiredCapabilities{
		Extensions:  []wire.ExtensionType{wire.AppDataDictionaryExtension},
		Proposals:   []wire.ProposalType{wire.AppDataUpdateProposal, wire.SelfRemoveProposal},
		Credentials: []wire.CredentialType{wire.X509Credential},
	})
	if err != nil {
		return nil, err
	}
	senders, err := syntax.Marshal(&wire.ExternalSenders{Senders: []wire.ExternalSender{hub}})
	if err != nil {
		return nil, err
	}
	out := wire.Extensions{{Type: wire.RequiredCapabilitiesExtension, Data: required}, {Type: wire.ExternalSendersExtension, Data: senders}}
	return append(out, state...), nil
}

// EmptyAAD is authenticated data that says nothing: an empty SafeAAD where the group uses it (X-AAD-02), nothing elsewhere.
func EmptyAAD(context *wire.GroupContext) ([]byte, error) {
	data, ok := context.Extensions.Find(wire.AppDataDictionaryExtension)
	if !ok {
		return nil, nil
	}
	var d wire.AppDataDictionary
	if err := syntax.Unmarshal(data, &d); err != nil {
		return nil, err
	}
	if _, used := d.Find(wire.SafeAADComponent); !used {
		return nil, nil
	}
	return syntax.Marshal(&wire.SafeAAD{})
}

// RemoveFromList proposes to take the participants with the given indices out of the list.
func RemoveFromList(indices ...uint32) (wire.Proposal, error) {
	return ListUpdate(mimi.ParticipantListUpdate{Removed: indices})
}

// ListUpdate proposes a change of the participant list.
func ListUpdate(u mimi.ParticipantListUpdate) (wire.Proposal, error) {
	octets, err := syntax.Marshal(&u)
	if err != nil {
		return wire.Proposal{}, err
	}
	return wire.Proposal{Type: wire.AppDataUpdateProposal, AppDataUpdate: &wire.AppDataUpdate{
		Component: mimi.ParticipantListComponent, Operation: wire.UpdateAppData, Update: octets}}, nil
}
