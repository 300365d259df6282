package wire

import "parley/syntax"

// ExternalReceiver is somebody outside of the group who reads its handshakes: in MIMI the hub (draft-mahy-mls-semiprivatemessage §3).
type ExternalReceiver struct {
	Key        []byte // HPKE public key
	Credential Credential
}

func (v *ExternalReceiver) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &v.Key)
	v.Credential.Syntax(c)
}

// ExternalReceivers is the data of the external_receivers component of a GroupContext (A-X6, A-X7).
type ExternalReceivers struct{ Receivers []ExternalReceiver }

func (v *ExternalReceivers) Syntax(c *syntax.Codec) { syntax.Structs(c, &v.Receivers) }

// PerMessageKeyAndNonces is what an external receiver gets instead of the sender data (semiprivatemessage §3.1).
type PerMessageKeyAndNonces struct {
	Key        []byte
	Nonce      []byte // before the reuse guard
	ReuseGuard [4]byte
	Leaf       uint32 // the sender's
}

func (v *PerMessageKeyAndNonces) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &v.Key)
	syntax.Opaque(c, &v.Nonce)
	syntax.Fixed(c, v.ReuseGuard[:])
	syntax.U32(c, &v.Leaf)
}

// SemiPrivateMessageContext is the context of the encryption to an external receiver (semiprivatemessage §3.1).
type SemiPrivateMessageContext struct {
	GroupID            []byte
	Epoch              uint64
	PartialContextHash []byte
}

func (v *SemiPrivateMessageContext) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &v.GroupID)
	syntax.U64(c, &v.Epoch)
	syntax.Opaque(c, &v.PartialContextHash)
}

// KeyForExternalReceiver is a PerMessageKeyAndNonces sealed to the receiver of which Ref is the hash (A-X8).
type KeyForExternalReceiver struct {
	Ref []byte
	Key HPKECiphertext
}

func (v *KeyForExternalReceiver) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &v.Ref)
	v.Key.Syntax(c)
}

// SemiPrivateMessage is an encrypted handshake that external receivers can read too (semiprivatemessage §3.1).
type SemiPrivateMessage struct {
	SemiPrivateContentAAD
	EncryptedSenderData []byte
	Ciphertext          []byte
}

func (v *SemiPrivateMessage) Syntax(c *syntax.Codec) {
	v.SemiPrivateContentAAD.Syntax(c)
	syntax.Opaque(c, &v.EncryptedSenderData)
	syntax.Opaque(c, &v.Ciphertext)
}

// SemiPrivateContentAAD is the associated data of a SemiPrivateMessage's ciphertext: all that stands before it in the message.
type SemiPrivateContentAAD struct {
	GroupID            []byte
	Epoch              uint64
	Type               ContentType // ProposalContent or CommitContent
	AuthenticatedData  []byte
	PartialContextHash []byte
	Keys               []KeyForExternalReceiver
	ContentHash        []byte // of the FramedContentTBS
}

func (v *SemiPrivateContentAAD) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &v.GroupID)
	syntax.U64(c, &v.Epoch)
	syntax.Closed(c, &v.Type, ProposalContent, CommitContent)
	syntax.Opaque(c, &v.AuthenticatedData)
	syntax.Opaque(c, &v.PartialContextHash)
	syntax.Structs(c, &v.Keys)
	syntax.Opaque(c, &v.ContentHash)
}
