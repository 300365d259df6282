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
		mimi.FrankingAgentComponent:        keepAgent,
		mimi.ParticipantListComponent:      updateParticipants,
		mimi.RoomMetadataComponent:         replace[mimi.RoomMetadata](),
		policy.OperationalComponent:        replace[policy.OperationalParameters](),
		policy.RolesComponent:              replace[policy.RoleData](),
		policy.PreAuthComponent:            replace[policy.PreAuthData](),
		policy.BaseRoomComponent:           replace[policy.BaseRoomPolicy](),
		policy.StatusNotificationComponent: replace[policy.StatusNotificationPolicy](),
		policy.JoinLinkComponent:           replace[policy.JoinLinkPolicy](),
		policy.JoinLinksComponent:          updateLinks,
		policy.LinkPreviewComponent:        replace[policy.LinkPreviewPolicy](),
		policy.AssetComponent:              replace[policy.AssetPolicy](),
		policy.LoggingComponent:            replace[policy.LoggingPolicy](),
		policy.HistoryComponent:            replace[policy.HistoryPolicy](),
		policy.BotComponent:                replace[policy.BotPolicy](),
		policy.ExpirationComponent:         replace[policy.MessageExpiration](),
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
func replace[T any, P interface {
	*T
	syntax.Value
}]() mls.Component {
	return func(_ []byte, _ bool, updates [][]byte) ([]byte, error) {
		switch {
		case len(updates) == 0:
			return nil, errRemove
		case len(updates) > 1:
			return nil, errMany
		}
		v := P(new(T))
		if err := syntax.Unmarshal(updates[0], v); err != nil {
			return nil, err
		}
		if c, ok := any(v).(checked); ok {
			return updates[0], c.Validate()
		}
		return updates[0], nil
	}
}

// updateLinks applies the one update that is a difference (R-JL-01).
func updateLinks(current []byte, present bool, updates [][]byte) ([]byte, error) {
	switch {
	case len(updates) == 0:
		return nil, errRemove
	case len(updates) > 1:
		return nil, errMany
	}
	var links policy.JoinLinksData
	if present {
		if err := syntax.Unmarshal(current, &links); err != nil {
			return nil, err
		}
	}
	var update policy.JoinLinksUpdate
	if err := syntax.Unmarshal(updates[0], &update); err != nil {
		return nil, err
	}
	next, err := links.Apply(&update)
	if err != nil {
		return nil, err
	}
	return syntax.Marshal(&next)
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

// kept lists the components that every room has, ascending.
func kept() []wire.ComponentID {
	return []wire.ComponentID{mimi.FrankingAgentComponent, mimi.ParticipantListComponent, mimi.RoomMetadataComponent}
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
		wire.AppComponentsComponent, wire.SafeAADComponent, wire.ContentMediaTypesComponent}, append(kept(), policy.IDs()...)...)
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

// Founding is what a new room is made of.
type Founding struct {
	Room    uri.Room
	Name    string
	Creator uri.User
	Kind    policy.Kind
	// People are the others of a conversation with fixed people.
	People []uri.User
	// Loggers are the users who log a managed room.
	Loggers []uri.User
	// Parent is the room on whose people this one depends; the zero value is none.
	Parent uri.Room
}

var errKind = errors.New("room: there is no policy of that name")

// Template is the GroupContext of a new private group.
func Template(at uri.Room, name string, creator uri.User, hub wire.ExternalSender) (wire.Extensions, error) {
	return New(Founding{Room: at, Name: name, Creator: creator, Kind: policy.PrivateGroup}, hub)
}

// New is the GroupContext of a new room: required capabilities, the room's state, and the hub as external sender (P-RS-05).
func New(f Founding, hub wire.ExternalSender) (wire.Extensions, error) {
	return NewWith(f, nil, hub)
}

// NewWith is New with a policy that was changed; change may be nil. Hubs take such rooms only where their operator offers them.
func NewWith(f Founding, change func(*policy.Policy), hub wire.ExternalSender) (wire.Extensions, error) {
	var loggers []string
	for _, u := range f.Loggers {
		loggers = append(loggers, u.String())
	}
	p, role, known := policy.Ready(f.Kind, loggers...)
	if !known {
		return nil, errKind
	}
	if f.Parent != (uri.Room{}) {
		p.Base.ParentDependent, p.Base.ParentRoom = true, []string{f.Parent.String()}
	}
	if change != nil {
		change(p)
		p.List()
	}
	list := []mimi.Participant{{User: f.Creator.String(), Role: role}}
	for _, u := range f.People {
		list = append(list, mimi.Participant{User: u.String(), Role: policy.RoleMember})
	}
	return extensions(&State{Room: f.Room, Participants: mimi.ParticipantList{Participants: list},
		Metadata: mimi.RoomMetadata{Room: f.Room.String(), Name: f.Name}, Policy: *p}, hub)
}

// extensions is the GroupContext of a new room with a state.
func extensions(s *State, hub wire.ExternalSender) (wire.Extensions, error) {
	media, used := mediaTypes(), kept()
	entries := map[wire.ComponentID]syntax.Value{
		wire.SafeAADComponent:           &wire.ComponentsList{IDs: []wire.ComponentID{mimi.FrankAADComponent}},
		wire.ContentMediaTypesComponent: &media,
		mimi.FrankingAgentComponent:     agentOf(hub),
		mimi.ParticipantListComponent:   &s.Participants,
		mimi.RoomMetadataComponent:      &s.Metadata,
	}
	for _, c := range s.Policy.Components() {
		entries[c.ID] = c.Value
		used = append(used, c.ID)
	}
	entries[wire.AppComponentsComponent] = &wire.ComponentsList{IDs: used}
	state, err := dictionary(entries)
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
