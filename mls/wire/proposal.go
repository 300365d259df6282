package wire

import "parley/syntax"

// Proposal is one proposed change (RFC 9420 §12.1). Exactly the field of its type is set; SelfRemove has none.
type Proposal struct {
	Type          ProposalType
	Add           *KeyPackage
	Update        *LeafNode
	Remove        uint32 // leaf index
	PSK           *PreSharedKeyID
	ReInit        *ReInit
	ExternalInit  []byte     // KEM output
	Extensions    Extensions // GroupContextExtensionsProposal
	AppDataUpdate *AppDataUpdate
	AppEphemeral  *AppEphemeral
	Unknown       []byte // any other type: its content as one opaque<V>
}

func (v *Proposal) Syntax(c *syntax.Codec) {
	syntax.U16(c, &v.Type)
	switch v.Type {
	case AddProposal:
		structure(c, &v.Add)
	case UpdateProposal:
		structure(c, &v.Update)
	case RemoveProposal:
		syntax.U32(c, &v.Remove)
	case PreSharedKeyProposal:
		structure(c, &v.PSK)
	case ReInitProposal:
		structure(c, &v.ReInit)
	case ExternalInitProposal:
		syntax.Opaque(c, &v.ExternalInit)
	case GroupContextExtensionsProposal:
		v.Extensions.Syntax(c)
	case AppDataUpdateProposal:
		structure(c, &v.AppDataUpdate)
	case AppEphemeralProposal:
		structure(c, &v.AppEphemeral)
	case SelfRemoveProposal:
	default:
		syntax.Opaque(c, &v.Unknown)
	}
}

// structure codes the selected body of a union: made when decoding, required when encoding.
func structure[T any, P interface {
	*T
	syntax.Value
}](c *syntax.Codec, v **T) {
	if *v == nil {
		if !c.Decoding() {
			c.Fail(syntax.ErrValue)
			return
		}
		*v = syntax.New[T](c)
	}
	P(*v).Syntax(c)
}

// ReInit closes a group in favour of a successor (RFC 9420 §12.1.5).
type ReInit struct {
	GroupID    []byte
	Version    ProtocolVersion
	Suite      CipherSuite
	Extensions Extensions
}

func (v *ReInit) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &v.GroupID)
	syntax.U16(c, &v.Version)
	syntax.U16(c, &v.Suite)
	v.Extensions.Syntax(c)
}

// PSKType is the kind of a pre-shared key (RFC 9420 §8.4; application: mls-extensions §4.5). It is a closed code.
type PSKType uint8

const (
	ExternalPSK    PSKType = 1
	ResumptionPSK  PSKType = 2
	ApplicationPSK PSKType = 3
)

// ResumptionUsage is what a resumption PSK is used for (RFC 9420 §8.4). It is a closed code.
type ResumptionUsage uint8

const (
	ApplicationUsage ResumptionUsage = 1
	ReInitUsage      ResumptionUsage = 2
	BranchUsage      ResumptionUsage = 3
)

// PreSharedKeyID names a pre-shared key (RFC 9420 §8.4).
type PreSharedKeyID struct {
	Type      PSKType
	ID        []byte          // ExternalPSK, ApplicationPSK
	Component ComponentID     // ApplicationPSK
	Usage     ResumptionUsage // ResumptionPSK
	GroupID   []byte          // ResumptionPSK
	Epoch     uint64          // ResumptionPSK
	Nonce     []byte
}

func (v *PreSharedKeyID) Syntax(c *syntax.Codec) {
	syntax.Closed(c, &v.Type, ExternalPSK, ApplicationPSK)
	switch v.Type {
	case ExternalPSK:
		syntax.Opaque(c, &v.ID)
	case ResumptionPSK:
		syntax.Closed(c, &v.Usage, ApplicationUsage, BranchUsage)
		syntax.Opaque(c, &v.GroupID)
		syntax.U64(c, &v.Epoch)
	case ApplicationPSK:
		syntax.U16(c, &v.Component)
		syntax.Opaque(c, &v.ID)
	}
	syntax.Opaque(c, &v.Nonce)
}

// ProposalOrRef is an element of a Commit: a proposal by value, or the reference of one sent before (RFC 9420 §12.4).
type ProposalOrRef struct {
	Proposal  *Proposal
	Reference []byte
}

func (v *ProposalOrRef) Syntax(c *syntax.Codec) {
	kind := uint8(2)
	if v.Proposal != nil {
		kind = 1
	}
	syntax.Closed(c, &kind, 1, 2)
	switch {
	case c.Err() != nil:
	case kind == 1:
		structure(c, &v.Proposal)
	default:
		syntax.Opaque(c, &v.Reference)
	}
}

// Commit starts a new epoch (RFC 9420 §12.4).
type Commit struct {
	Proposals []ProposalOrRef
	Path      *UpdatePath
}

func (v *Commit) Syntax(c *syntax.Codec) {
	syntax.Structs(c, &v.Proposals)
	syntax.OptionalStruct(c, &v.Path)
}
