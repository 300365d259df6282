package wire

import "parley/syntax"

// Sender names who signed a framed message (RFC 9420 §6).
type Sender struct {
	Type  SenderType
	Index uint32 // MemberSender: leaf index; ExternalSenderType: index into external_senders
}

func (v *Sender) Syntax(c *syntax.Codec) {
	syntax.Closed(c, &v.Type, MemberSender, NewMemberCommitSender)
	if v.Type == MemberSender || v.Type == ExternalSenderType {
		syntax.U32(c, &v.Index)
	}
}

// FramedContent is what a message says and who says it in which epoch (RFC 9420 §6).
type FramedContent struct {
	GroupID           []byte
	Epoch             uint64
	Sender            Sender
	AuthenticatedData []byte
	Type              ContentType
	Application       []byte
	Proposal          *Proposal
	Commit            *Commit
}

func (v *FramedContent) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &v.GroupID)
	syntax.U64(c, &v.Epoch)
	v.Sender.Syntax(c)
	syntax.Opaque(c, &v.AuthenticatedData)
	syntax.Closed(c, &v.Type, ApplicationContent, CommitContent)
	if c.Err() == nil {
		v.body(c)
	}
}

func (v *FramedContent) body(c *syntax.Codec) {
	switch v.Type {
	case ApplicationContent:
		syntax.Opaque(c, &v.Application)
	case ProposalContent:
		structure(c, &v.Proposal)
	case CommitContent:
		structure(c, &v.Commit)
	}
}

// AuthData authenticates a FramedContent (RFC 9420 §6.1). Commits carry a confirmation tag, others do not.
type AuthData struct {
	Signature       []byte
	ConfirmationTag []byte
}

func (v *AuthData) code(c *syntax.Codec, t ContentType) {
	syntax.Opaque(c, &v.Signature)
	if t == CommitContent {
		syntax.Opaque(c, &v.ConfirmationTag)
	}
}

// FramedAuth is AuthData of content of the given type, on its own.
type FramedAuth struct {
	AuthData
	Type ContentType
}

func (v *FramedAuth) Syntax(c *syntax.Codec) { v.code(c, v.Type) }

// AuthenticatedContent is a message with its authentication, the same whichever way it was framed (RFC 9420 §6.1). Proposal
// references and transcript hashes are computed from it.
type AuthenticatedContent struct {
	Format  WireFormat
	Content FramedContent
	Auth    AuthData
}

func (v *AuthenticatedContent) Syntax(c *syntax.Codec) {
	syntax.U16(c, &v.Format)
	v.Content.Syntax(c)
	v.Auth.code(c, v.Content.Type)
}

// FramedContentTBS is what a message's signature covers (RFC 9420 §6.1). Context is set for members and new members' commits.
type FramedContentTBS struct {
	Format  WireFormat
	Content *FramedContent
	Context *GroupContext
}

func (v *FramedContentTBS) Syntax(c *syntax.Codec) {
	version := MLS10
	syntax.U16(c, &version)
	syntax.U16(c, &v.Format)
	v.Content.Syntax(c)
	switch v.Content.Sender.Type {
	case MemberSender, NewMemberCommitSender:
		structure(c, &v.Context)
	}
}

// AuthenticatedContentTBM is what a membership tag covers (RFC 9420 §6.2).
type AuthenticatedContentTBM struct {
	TBS  FramedContentTBS
	Auth AuthData
}

func (v *AuthenticatedContentTBM) Syntax(c *syntax.Codec) {
	v.TBS.Syntax(c)
	v.Auth.code(c, v.TBS.Content.Type)
}

// PublicMessage is a message in the clear (RFC 9420 §6.2). Members' messages carry a membership tag.
type PublicMessage struct {
	Content       FramedContent
	Auth          AuthData
	MembershipTag []byte
}

func (v *PublicMessage) Syntax(c *syntax.Codec) {
	v.Content.Syntax(c)
	if c.Err() != nil {
		return
	}
	v.Auth.code(c, v.Content.Type)
	if v.Content.Sender.Type == MemberSender {
		syntax.Opaque(c, &v.MembershipTag)
	}
}

// PrivateMessage is an encrypted message (RFC 9420 §6.3).
type PrivateMessage struct {
	GroupID             []byte
	Epoch               uint64
	Type                ContentType
	AuthenticatedData   []byte
	EncryptedSenderData []byte
	Ciphertext          []byte
}

func (v *PrivateMessage) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &v.GroupID)
	syntax.U64(c, &v.Epoch)
	syntax.Closed(c, &v.Type, ApplicationContent, CommitContent)
	syntax.Opaque(c, &v.AuthenticatedData)
	syntax.Opaque(c, &v.EncryptedSenderData)
	syntax.Opaque(c, &v.Ciphertext)
}

// PrivateContentAAD is the associated data of a PrivateMessage's ciphertext (RFC 9420 §6.3.1).
type PrivateContentAAD struct {
	GroupID           []byte
	Epoch             uint64
	Type              ContentType
	AuthenticatedData []byte
}

func (v *PrivateContentAAD) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &v.GroupID)
	syntax.U64(c, &v.Epoch)
	syntax.U8(c, &v.Type)
	syntax.Opaque(c, &v.AuthenticatedData)
}

// PrivateMessageContent is a PrivateMessage's plaintext (RFC 9420 §6.3.1): Content holds the body and its type, Padding the
// number of zero octets behind. A non-zero octet there is refused.
type PrivateMessageContent struct {
	Content *FramedContent
	Auth    AuthData
	Padding int
}

func (v *PrivateMessageContent) Syntax(c *syntax.Codec) {
	v.Content.body(c)
	if c.Err() != nil {
		return
	}
	v.Auth.code(c, v.Content.Type)
	if !c.Decoding() {
		for range v.Padding {
			syntax.U8(c, new(uint8))
		}
		return
	}
	for c.More() {
		var zero uint8
		syntax.Closed(c, &zero, 0, 0)
		v.Padding++
	}
}

// SenderData is what encrypted_sender_data hides (RFC 9420 §6.3.2).
type SenderData struct {
	Leaf       uint32
	Generation uint32
	ReuseGuard [4]byte
}

func (v *SenderData) Syntax(c *syntax.Codec) {
	syntax.U32(c, &v.Leaf)
	syntax.U32(c, &v.Generation)
	syntax.Fixed(c, v.ReuseGuard[:])
}

// SenderDataAAD is the associated data of encrypted_sender_data (RFC 9420 §6.3.2).
type SenderDataAAD struct {
	GroupID []byte
	Epoch   uint64
	Type    ContentType
}

func (v *SenderDataAAD) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &v.GroupID)
	syntax.U64(c, &v.Epoch)
	syntax.U8(c, &v.Type)
}

// Message is MLSMessage (RFC 9420 §6): exactly the field of its format is set. A format that is not known here is refused, because
// its end cannot be found.
type Message struct {
	Version    ProtocolVersion
	Format     WireFormat
	Public     *PublicMessage
	Private    *PrivateMessage
	Welcome    *Welcome
	GroupInfo  *GroupInfo
	KeyPackage *KeyPackage
	Semi       *SemiPrivateMessage
}

func (v *Message) Syntax(c *syntax.Codec) {
	syntax.U16(c, &v.Version)
	syntax.U16(c, &v.Format)
	if c.Err() != nil {
		return
	}
	if v.Version != MLS10 {
		c.Fail(syntax.ErrValue)
		return
	}
	switch v.Format {
	case PublicMessageFormat:
		structure(c, &v.Public)
	case PrivateMessageFormat:
		structure(c, &v.Private)
	case WelcomeFormat:
		structure(c, &v.Welcome)
	case GroupInfoFormat:
		structure(c, &v.GroupInfo)
	case KeyPackageFormat:
		structure(c, &v.KeyPackage)
	case SemiPrivateMessageFormat:
		structure(c, &v.Semi)
	default:
		c.Fail(syntax.ErrValue)
	}
}

// ContentType returns the content type of a framed message, 0 for the other formats.
func (v *Message) ContentType() ContentType {
	switch {
	case v.Public != nil:
		return v.Public.Content.Type
	case v.Private != nil:
		return v.Private.Type
	case v.Semi != nil:
		return v.Semi.Type
	}
	return 0
}
