package policy

import (
	"parley/mls/wire"
	"parley/syntax"
)

// ExtendedCapabilities lists what members must, by default do, or must not understand (§7.1). Each list is a set: duplicates are
// tolerated.
type ExtendedCapabilities struct {
	Versions     []wire.ProtocolVersion
	Suites       []wire.CipherSuite
	Extensions   []wire.ExtensionType
	Proposals    []wire.ProposalType
	Credentials  []wire.CredentialType
	WireFormats  []wire.WireFormat // A-R7
	Components   []wire.ComponentID
	SafeAAD      []wire.ComponentID
	MediaTypes   []wire.MediaType
	ContentTypes []uint8
}

func (v *ExtendedCapabilities) Syntax(c *syntax.Codec) {
	syntax.U16s(c, &v.Versions)
	syntax.U16s(c, &v.Suites)
	syntax.U16s(c, &v.Extensions)
	syntax.U16s(c, &v.Proposals)
	syntax.U16s(c, &v.Credentials)
	syntax.U16s(c, &v.WireFormats)
	syntax.U16s(c, &v.Components)
	syntax.U16s(c, &v.SafeAAD)
	syntax.Structs(c, &v.MediaTypes)
	syntax.Vector(c, &v.ContentTypes, syntax.U8[uint8])
}

// PendingStrategy says when pending proposals are committed (§7.1, A-R8). It is a closed code.
type PendingStrategy uint8

const (
	PendingUnspecified     PendingStrategy = 0
	PendingImmediateCommit PendingStrategy = 1
	PendingRandomDelay     PendingStrategy = 2
)

// PendingProposalPolicy is the strategy with its delays.
type PendingProposalPolicy struct {
	Strategy     PendingStrategy
	MinimumDelay uint64 // PendingRandomDelay: ms
	MaximumDelay uint64 // PendingRandomDelay: ms
}

func (v *PendingProposalPolicy) Syntax(c *syntax.Codec) {
	syntax.Closed(c, &v.Strategy, PendingUnspecified, PendingRandomDelay)
	if v.Strategy == PendingRandomDelay {
		syntax.U64(c, &v.MinimumDelay)
		syntax.U64(c, &v.MaximumDelay)
	}
}

// Times is MinDefaultMaxTime; seconds (A-R27).
type Times struct{ Minimum, Default, Maximum uint64 }

func (v *Times) Syntax(c *syntax.Codec) {
	syntax.U64(c, &v.Minimum)
	syntax.U64(c, &v.Default)
	syntax.U64(c, &v.Maximum)
}

func (v *Times) inOrder() bool { return v.Minimum <= v.Default && v.Default <= v.Maximum }

// MessagePolicy bounds application messages (§7.1).
type MessagePolicy struct {
	EpochTolerance uint8 // past epochs whose messages are still accepted
	PadTo          uint16
	MaxSkip        uint32 // generations
}

func (v *MessagePolicy) Syntax(c *syntax.Codec) {
	syntax.U8(c, &v.EpochTolerance)
	syntax.U16(c, &v.PadTo)
	syntax.U32(c, &v.MaxSkip)
}

// OperationalParameters is the mls_operational_policy component and its update (§7.1). Times are seconds except those in
// PendingProposalPolicy (A-R27).
type OperationalParameters struct {
	Mandatory             ExtendedCapabilities
	Default               ExtendedCapabilities
	Forbidden             ExtendedCapabilities
	HandshakeFormats      []wire.WireFormat
	ExternalProposals     bool
	ExternalCommits       bool
	Pending               PendingProposalPolicy
	LeafUpdate            Times
	Messages              MessagePolicy
	MaxKeyPackageLifetime uint64
	MaxCredentialLifetime uint64
	ResumptionPSKLifetime uint64
	SenderKeyPairLifetime Times
	MaxKeyPairs           uint32
	BufferTime            Times
	MaxBufferedMessages   uint32
}

func (v *OperationalParameters) Syntax(c *syntax.Codec) {
	v.Mandatory.Syntax(c)
	v.Default.Syntax(c)
	v.Forbidden.Syntax(c)
	syntax.U16s(c, &v.HandshakeFormats)
	syntax.Bool(c, &v.ExternalProposals)
	syntax.Bool(c, &v.ExternalCommits)
	v.Pending.Syntax(c)
	v.LeafUpdate.Syntax(c)
	v.Messages.Syntax(c)
	syntax.U64(c, &v.MaxKeyPackageLifetime)
	syntax.U64(c, &v.MaxCredentialLifetime)
	syntax.U64(c, &v.ResumptionPSKLifetime)
	v.SenderKeyPairLifetime.Syntax(c)
	syntax.U32(c, &v.MaxKeyPairs)
	v.BufferTime.Syntax(c)
	syntax.U32(c, &v.MaxBufferedMessages)
}

// Validate checks that all times are in order.
func (v *OperationalParameters) Validate() error {
	if v.Pending.MinimumDelay > v.Pending.MaximumDelay ||
		!v.LeafUpdate.inOrder() || !v.SenderKeyPairLifetime.inOrder() || !v.BufferTime.inOrder() {
		return ErrTimes
	}
	return nil
}
