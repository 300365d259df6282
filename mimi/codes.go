package mimi

// KeyMaterialUserCode tells how a claim of KeyPackages went for the user as a whole (§5.2). It is a closed code.
type KeyMaterialUserCode uint8

const (
	KeyMaterialSuccess             KeyMaterialUserCode = 0 // every client is represented with material
	KeyMaterialPartial             KeyMaterialUserCode = 1 // some clients with, some without
	KeyMaterialIncompatible        KeyMaterialUserCode = 2 // unknown protocol
	KeyMaterialNothingCompatible   KeyMaterialUserCode = 3
	KeyMaterialUserUnknown         KeyMaterialUserCode = 4
	KeyMaterialNoConsent           KeyMaterialUserCode = 5
	KeyMaterialNoConsentInThisRoom KeyMaterialUserCode = 6
	KeyMaterialUserDeleted         KeyMaterialUserCode = 7
)

// KeyMaterialClientCode tells how a claim went for one client (§5.2). It is a closed code.
type KeyMaterialClientCode uint8

const (
	ClientSuccess           KeyMaterialClientCode = 0
	ClientExhausted         KeyMaterialClientCode = 1
	ClientNothingCompatible KeyMaterialClientCode = 2
)

// UpdateResponseCode is a hub's verdict on an update (§5.3). It is a closed code.
type UpdateResponseCode uint8

const (
	UpdateSuccess         UpdateResponseCode = 0
	UpdateWrongEpoch      UpdateResponseCode = 1
	UpdateNotAllowed      UpdateResponseCode = 2
	UpdateInvalidProposal UpdateResponseCode = 3
)

// Prefixes of an UpdateRoomResponse's description, which tell apart what the codes cannot.
const (
	ReasonPendingProposals  = "pending-proposals"
	ReasonUnroutableWelcome = "unroutable-welcome"
	ReasonBadGroupInfo      = "bad-groupinfo"
	ReasonPolicy            = "policy:" // followed by the capability
	ReasonListBusy          = "list-busy"
)

// SubmitResponseCode is a hub's verdict on an application message (§5.4, A-41). It is a closed code.
type SubmitResponseCode uint8

const (
	SubmitAccepted    SubmitResponseCode = 0
	SubmitNotAllowed  SubmitResponseCode = 1
	SubmitEpochTooOld SubmitResponseCode = 2
)

// GroupInfoCode is a hub's verdict on a request for a GroupInfo (§5.6). It is a closed code; 0 is reserved.
type GroupInfoCode uint8

const (
	GroupInfoSuccess       GroupInfoCode = 1
	GroupInfoNotAuthorized GroupInfoCode = 2
	GroupInfoNoSuchRoom    GroupInfoCode = 3
)

// ConsentOperation is what a consent message does (§5.7). It is a closed code.
type ConsentOperation uint8

const (
	ConsentCancel  ConsentOperation = 0
	ConsentRequest ConsentOperation = 1
	ConsentGrant   ConsentOperation = 2
	ConsentRevoke  ConsentOperation = 3
)

// SearchType is what an identifier query searches by (§5.8). It is a closed code.
type SearchType uint8

const (
	SearchHandle       SearchType = 1
	SearchNick         SearchType = 2
	SearchEmail        SearchType = 3
	SearchPhone        SearchType = 4
	SearchPartialName  SearchType = 5
	SearchWholeProfile SearchType = 6
	SearchOIDCClaim    SearchType = 7
	SearchVCardField   SearchType = 8
)

// QueryCode tells how an identifier query went (§5.8). It is a closed code.
type QueryCode uint8

const (
	QuerySuccess          QueryCode = 0
	QueryNotFound         QueryCode = 1
	QueryAmbiguous        QueryCode = 2
	QueryForbidden        QueryCode = 3
	QueryUnsupportedField QueryCode = 4
)

// FieldSource says where the name of a profile field comes from (§5.8). It is a closed code.
type FieldSource uint8

const (
	FieldOIDCClaim  FieldSource = 7
	FieldVCardField FieldSource = 8
)

// AbuseReason classifies an abuse report (§5.9). The draft has no usable value besides 0, so the code is kept as it comes.
type AbuseReason uint8

// AbuseReserved is the reason that is sent; the note says more.
const AbuseReserved AbuseReason = 0
