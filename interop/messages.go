package main

// The messages of the service mls_client.MLSClient. Names follow this project; what counts on the wire are the numbers.

// Empty is a message without fields.
type Empty struct{}

// NameResponse names the implementation.
type NameResponse struct {
	Name string `pb:"1"`
}

// SuitesResponse lists cipher suites.
type SuitesResponse struct {
	Suites []uint32 `pb:"1"`
}

// CreateGroupRequest makes a group of one.
type CreateGroupRequest struct {
	GroupID  []byte `pb:"1"`
	Suite    uint32 `pb:"2"`
	Encrypt  bool   `pb:"3"`
	Identity []byte `pb:"4"`
}

// StateResponse names a group of a client, with its epoch authenticator where the call has one.
type StateResponse struct {
	State         uint32 `pb:"1"`
	Authenticator []byte `pb:"2"`
}

// KeyPackageRequest asks for a KeyPackage.
type KeyPackageRequest struct {
	Suite    uint32 `pb:"1"`
	Identity []byte `pb:"2"`
}

// KeyPackageResponse has the private keys too, for transcripts of tests.
type KeyPackageResponse struct {
	Transaction uint32 `pb:"1"`
	KeyPackage  []byte `pb:"2"`
	InitKey     []byte `pb:"3"`
	LeafKey     []byte `pb:"4"`
	Signature   []byte `pb:"5"`
}

// JoinRequest joins by a Welcome.
type JoinRequest struct {
	Transaction uint32 `pb:"1"`
	Welcome     []byte `pb:"2"`
	Encrypt     bool   `pb:"3"`
	Identity    []byte `pb:"4"`
	Tree        []byte `pb:"5"`
}

// PSK is an external pre-shared key.
type PSK struct {
	ID     []byte `pb:"1"`
	Secret []byte `pb:"2"`
}

// ExternalJoinRequest joins by an external commit.
type ExternalJoinRequest struct {
	GroupInfo   []byte `pb:"1"`
	Tree        []byte `pb:"2"`
	Encrypt     bool   `pb:"3"`
	Identity    []byte `pb:"4"`
	RemovePrior bool   `pb:"5"`
	PSKs        []*PSK `pb:"6"`
}

// ExternalJoinResponse has the commit.
type ExternalJoinResponse struct {
	State         uint32 `pb:"1"`
	Commit        []byte `pb:"2"`
	Authenticator []byte `pb:"3"`
}

// GroupInfoRequest asks for a GroupInfo, with the tree inside or beside.
type GroupInfoRequest struct {
	State        uint32 `pb:"1"`
	ExternalTree bool   `pb:"2"`
}

// GroupInfoResponse answers.
type GroupInfoResponse struct {
	GroupInfo []byte `pb:"1"`
	Tree      []byte `pb:"2"`
}

// StateRequest names a group of a client.
type StateRequest struct {
	State uint32 `pb:"1"`
}

// OctetsResponse has one value.
type OctetsResponse struct {
	Octets []byte `pb:"1"`
}

// ExportRequest asks for an exported secret.
type ExportRequest struct {
	State   uint32 `pb:"1"`
	Label   string `pb:"2"`
	Context []byte `pb:"3"`
	Length  uint32 `pb:"4"`
}

// ProtectRequest seals application data.
type ProtectRequest struct {
	State             uint32 `pb:"1"`
	AuthenticatedData []byte `pb:"2"`
	Plaintext         []byte `pb:"3"`
}

// UnprotectRequest opens it.
type UnprotectRequest struct {
	State      uint32 `pb:"1"`
	Ciphertext []byte `pb:"2"`
}

// UnprotectResponse has what was inside.
type UnprotectResponse struct {
	AuthenticatedData []byte `pb:"1"`
	Plaintext         []byte `pb:"2"`
}

// StorePSKRequest gives a client a pre-shared key, for a group or for one that it will join.
type StorePSKRequest struct {
	StateOrTransaction uint32 `pb:"1"`
	ID                 []byte `pb:"2"`
	Secret             []byte `pb:"3"`
}

// AddRequest proposes to add somebody.
type AddRequest struct {
	State      uint32 `pb:"1"`
	KeyPackage []byte `pb:"2"`
}

// RemoveRequest proposes to remove somebody.
type RemoveRequest struct {
	State   uint32 `pb:"1"`
	Removed []byte `pb:"2"`
}

// ExternalPSKRequest proposes an external pre-shared key.
type ExternalPSKRequest struct {
	State uint32 `pb:"1"`
	ID    []byte `pb:"2"`
}

// ResumptionPSKRequest proposes the resumption secret of an epoch.
type ResumptionPSKRequest struct {
	State uint32 `pb:"1"`
	Epoch uint64 `pb:"2"`
}

// Extension is one extension.
type Extension struct {
	Type uint32 `pb:"1"`
	Data []byte `pb:"2"`
}

// ExtensionsRequest proposes other extensions of the group.
type ExtensionsRequest struct {
	State      uint32       `pb:"1"`
	Extensions []*Extension `pb:"2"`
}

// Description says what a proposal by value is; Kind is one of add, remove, externalPSK, resumptionPSK, groupContextExtensions, reinit.
type Description struct {
	Kind       []byte       `pb:"1"`
	KeyPackage []byte       `pb:"2"`
	Removed    []byte       `pb:"3"`
	PSKID      []byte       `pb:"4"`
	Epoch      uint64       `pb:"5"`
	Extensions []*Extension `pb:"6"`
	GroupID    []byte       `pb:"7"`
	Suite      uint32       `pb:"8"`
}

// CommitRequest asks for a commit.
type CommitRequest struct {
	State        uint32         `pb:"1"`
	ByReference  [][]byte       `pb:"2"`
	ByValue      []*Description `pb:"3"`
	ForcePath    bool           `pb:"4"`
	ExternalTree bool           `pb:"5"`
}

// CommitResponse has the commit and what newcomers need.
type CommitResponse struct {
	Commit  []byte `pb:"1"`
	Welcome []byte `pb:"2"`
	Tree    []byte `pb:"3"`
}

// HandleCommitRequest has a client take a commit and the proposals that it refers to.
type HandleCommitRequest struct {
	State     uint32   `pb:"1"`
	Proposals [][]byte `pb:"2"`
	Commit    []byte   `pb:"3"`
}

// ReInitRequest proposes a ReInit.
type ReInitRequest struct {
	State      uint32       `pb:"1"`
	Suite      uint32       `pb:"2"`
	GroupID    []byte       `pb:"3"`
	Extensions []*Extension `pb:"4"`
}

// ReInitResponse names a group that waits for its successor.
type ReInitResponse struct {
	ReInit        uint32 `pb:"1"`
	KeyPackage    []byte `pb:"2"`
	Authenticator []byte `pb:"3"`
}

// ReInitWelcomeRequest makes the successor.
type ReInitWelcomeRequest struct {
	ReInit       uint32   `pb:"1"`
	KeyPackages  [][]byte `pb:"2"`
	ForcePath    bool     `pb:"3"`
	ExternalTree bool     `pb:"4"`
}

// SubgroupResponse has a new group and what others need to join it.
type SubgroupResponse struct {
	State         uint32 `pb:"1"`
	Welcome       []byte `pb:"2"`
	Tree          []byte `pb:"3"`
	Authenticator []byte `pb:"4"`
}

// HandleReInitWelcomeRequest joins the successor.
type HandleReInitWelcomeRequest struct {
	ReInit  uint32 `pb:"1"`
	Welcome []byte `pb:"2"`
	Tree    []byte `pb:"3"`
}

// BranchRequest makes a branch with some members.
type BranchRequest struct {
	State        uint32       `pb:"1"`
	GroupID      []byte       `pb:"2"`
	Extensions   []*Extension `pb:"3"`
	KeyPackages  [][]byte     `pb:"4"`
	ForcePath    bool         `pb:"5"`
	ExternalTree bool         `pb:"6"`
}

// HandleBranchRequest joins a branch.
type HandleBranchRequest struct {
	State       uint32 `pb:"1"`
	Transaction uint32 `pb:"2"`
	Welcome     []byte `pb:"3"`
	Tree        []byte `pb:"4"`
}

// NewMemberRequest has an outsider propose to be added.
type NewMemberRequest struct {
	GroupInfo []byte `pb:"1"`
	Identity  []byte `pb:"2"`
}

// NewMemberResponse has the proposal and the private keys.
type NewMemberResponse struct {
	Transaction uint32 `pb:"1"`
	Proposal    []byte `pb:"2"`
	InitKey     []byte `pb:"3"`
	LeafKey     []byte `pb:"4"`
	Signature   []byte `pb:"5"`
}

// SignerResponse names an external signer.
type SignerResponse struct {
	Signer uint32 `pb:"1"`
	Sender []byte `pb:"2"`
}

// AddSignerRequest proposes to let an external signer in.
type AddSignerRequest struct {
	State  uint32 `pb:"1"`
	Sender []byte `pb:"2"`
}

// SignerProposalRequest has an external signer propose.
type SignerProposalRequest struct {
	Signer      uint32       `pb:"1"`
	Index       uint32       `pb:"2"`
	GroupInfo   []byte       `pb:"3"`
	Tree        []byte       `pb:"4"`
	Description *Description `pb:"5"`
}
