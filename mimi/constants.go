package mimi

import "parley/mls/wire"

// WellKnown is the name under /.well-known/ of a provider's directory (draft-ietf-mimi-protocol-06 §5.1). It is not registered.
const WellKnown = "mimi-protocol-directory"

// Labels of SignWithLabel and EncryptWithLabel, without the "MLS 1.0 " that RFC 9420 puts before them. None is registered.
const (
	LabelKeyMaterialRequest  = "KeyMaterialRequestTBS"
	LabelGroupInfoRequest    = "GroupInfoRequestTBS"
	LabelGroupInfoResponse   = "GroupInfoResponseTBS"
	LabelFrankingIntegrity   = "FrankingIntegrityTBS"
	LabelGroupInfoEncryption = "GroupInfo and ratchet_tree encryption"
)

// Components that the protocol draft assigns (§10.2). Those of the room policy are in package policy.
const (
	FrankAADComponent        wire.ComponentID = 0x0020 // an item of SafeAAD
	FrankingAgentComponent   wire.ComponentID = 0x0021 // GroupContext; also called franking_signature_key
	ParticipantListComponent wire.ComponentID = 0x0022 // GroupContext
	RoomMetadataComponent    wire.ComponentID = 0x0023 // GroupContext
)

// Protocol is the end-to-end protocol of a room. It is a closed code.
type Protocol uint8

// MLS10 is MLS 1.0, the only protocol there is.
const MLS10 Protocol = 1
