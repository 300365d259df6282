package room

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"parley/credential"
	"parley/mimi"
	"parley/mls"
	"parley/mls/wire"
	"parley/syntax"
	"parley/uri"
)

// agentOf is the franking agent of a new room (§5.4.1): the hub, with the key with which it is the group's external sender. The key's
// scheme is that of the group's suite in both places (P-FR-11), and the labels keep the signatures apart.
func agentOf(hub wire.ExternalSender) *mimi.FrankingAgentData {
	return &mimi.FrankingAgentData{SignatureKey: hub.SignatureKey, Credential: hub.Credential}
}

var errAgent = errors.New("room: the franking agent stays as it is for the life of the group")

// keepAgent is the logic of the franking_agent component: it may be added to a group that has none. Another agent comes with another
// group, by ReInit (P-FR-12).
func keepAgent(_ []byte, present bool, updates [][]byte) ([]byte, error) {
	if present || len(updates) != 1 {
		return nil, errAgent
	}
	return updates[0], syntax.Unmarshal(updates[0], new(mimi.FrankingAgentData))
}

// FrankingAgent is the agent whose franks the members of a group take; nil in a group that does not frank. A group franks when its
// context names an agent and lets messages carry a frank_aad item. The agent's key has to fit the suite (P-FR-11), and its
// credential has to be of the provider of the room (P-FR-13); validate judges a credential that is not an external sender's too, which
// the engine has judged already.
func FrankingAgent(g *mls.PublicGroup, validate func(wire.ExternalSender, time.Time) error, now time.Time) *mimi.FrankingAgentData {
	agent := new(mimi.FrankingAgentData)
	if !component(g, mimi.FrankingAgentComponent, agent) {
		return nil
	}
	var items wire.ComponentsList
	if !component(g, wire.SafeAADComponent, &items) || !slices.Contains(items.IDs, mimi.FrankAADComponent) {
		return nil
	}
	var metadata mimi.RoomMetadata
	if !component(g, mimi.RoomMetadataComponent, &metadata) {
		return nil
	}
	at, err := uri.ParseRoom(metadata.Room)
	if err != nil {
		return nil
	}
	if of, err := credential.ParseSender(agent.Credential); err != nil || of != at.Provider() {
		return nil
	}
	if _, err := g.Suite().ParseSignaturePublicKey(agent.SignatureKey); err != nil {
		return nil
	}
	own := wire.ExternalSender{SignatureKey: agent.SignatureKey, Credential: agent.Credential}
	same := func(s wire.ExternalSender) bool {
		return bytes.Equal(s.SignatureKey, own.SignatureKey) &&
			slices.EqualFunc(s.Credential.Certificates, own.Credential.Certificates, bytes.Equal)
	}
	if !slices.ContainsFunc(g.ExternalSenders(), same) && validate != nil && validate(own, now) != nil {
		return nil
	}
	return agent
}

func component(g *mls.PublicGroup, id wire.ComponentID, v syntax.Value) bool {
	data, ok := g.Component(id)
	return ok && syntax.Unmarshal(data, v) == nil
}
