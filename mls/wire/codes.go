package wire

// ProtocolVersion is the MLS version (RFC 9420 §6).
type ProtocolVersion uint16

// MLS10 is the version of RFC 9420.
const MLS10 ProtocolVersion = 1

// CipherSuite is a value of the MLS cipher suite registry (RFC 9420 §17.1).
type CipherSuite uint16

// WireFormat tells what an MLSMessage holds (RFC 9420 §17.2).
type WireFormat uint16

const (
	PublicMessageFormat  WireFormat = 1
	PrivateMessageFormat WireFormat = 2
	WelcomeFormat        WireFormat = 3
	GroupInfoFormat      WireFormat = 4
	KeyPackageFormat     WireFormat = 5

	SemiPrivateMessageFormat WireFormat = 0xfafe // unassigned in the draft, a private value (A-X8)
)

// IsDefault reports whether every member understands the format without listing it (mls-extensions §5).
func (f WireFormat) IsDefault() bool { return f > 0 && f <= KeyPackageFormat }

// ContentType is what a framed message carries (RFC 9420 §6). It is a closed code.
type ContentType uint8

const (
	ApplicationContent ContentType = 1
	ProposalContent    ContentType = 2
	CommitContent      ContentType = 3
)

// SenderType says who signed a framed message (RFC 9420 §6). It is a closed code.
type SenderType uint8

const (
	MemberSender            SenderType = 1
	ExternalSenderType      SenderType = 2
	NewMemberProposalSender SenderType = 3
	NewMemberCommitSender   SenderType = 4
)

// LeafNodeSource says by what a leaf came into the tree (RFC 9420 §7.2). It is a closed code.
type LeafNodeSource uint8

const (
	KeyPackageSource LeafNodeSource = 1
	UpdateSource     LeafNodeSource = 2
	CommitSource     LeafNodeSource = 3
)

// ExtensionType is a value of the MLS extension registry.
type ExtensionType uint16

const (
	ApplicationIDExtension        ExtensionType = 0x0001
	RatchetTreeExtension          ExtensionType = 0x0002
	RequiredCapabilitiesExtension ExtensionType = 0x0003
	ExternalPubExtension          ExtensionType = 0x0004
	ExternalSendersExtension      ExtensionType = 0x0005
	AppDataDictionaryExtension    ExtensionType = 0x0006 // mls-extensions §7.1, suggested
	SupportedWireFormatsExtension ExtensionType = 0x0007 // suggested
	RequiredWireFormatsExtension  ExtensionType = 0x0008 // suggested
	OldLastResortExtension        ExtensionType = 0x000a // mls-extensions up to -06, still sent by others (A-X5)
	TreeSourceDomainsExtension    ExtensionType = 0xf4c0 // unassigned in the draft
)

// IsDefault reports whether every member understands the extension without listing it (RFC 9420 §7.2).
func (t ExtensionType) IsDefault() bool { return t > 0 && t < firstNonDefaultExtension }

// ProposalType is a value of the MLS proposal registry.
type ProposalType uint16

const (
	AddProposal                    ProposalType = 0x0001
	UpdateProposal                 ProposalType = 0x0002
	RemoveProposal                 ProposalType = 0x0003
	PreSharedKeyProposal           ProposalType = 0x0004
	ReInitProposal                 ProposalType = 0x0005
	ExternalInitProposal           ProposalType = 0x0006
	GroupContextExtensionsProposal ProposalType = 0x0007
	AppDataUpdateProposal          ProposalType = 0x0008 // mls-extensions §7.2, suggested; A-X16
	AppEphemeralProposal           ProposalType = 0x0009 // suggested
	SelfRemoveProposal             ProposalType = 0x000a // suggested
)

// IsDefault reports whether every member understands the proposal without listing it (RFC 9420 §7.2).
func (t ProposalType) IsDefault() bool { return t > 0 && t <= lastDefaultProposal }

// CredentialType is a value of the MLS credential registry.
type CredentialType uint16

const (
	BasicCredential     CredentialType = 1
	X509Credential      CredentialType = 2
	MultiCredential     CredentialType = 3 // mls-extensions, carried and never believed (X-MC-02)
	WeakMultiCredential CredentialType = 4
)

// ComponentID names an application component (mls-extensions §4.1). Values from 0x8000 are private. 6, which two drafts claim, is none of
// these (A-X1).
type ComponentID uint16

const (
	AppComponentsComponent     ComponentID = 0x0001
	SafeAADComponent           ComponentID = 0x0002
	ContentMediaTypesComponent ComponentID = 0x0003
	LastResortComponent        ComponentID = 0x0004
	AppAckComponent            ComponentID = 0x0005
	ExternalReceiversComponent ComponentID = 0x0008 // A-X6
)

// IsGREASE reports whether the value is one of the eight that senders scatter to keep receivers tolerant (A-X17).
func (id ComponentID) IsGREASE() bool {
	return isGREASE(uint16(id)) && id < 0x8000
}

func isGREASE(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }

const (
	firstNonDefaultExtension = AppDataDictionaryExtension
	lastDefaultProposal      = GroupContextExtensionsProposal
)
