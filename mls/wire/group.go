package wire

import "parley/syntax"

// GroupContext is the state that all members agree on (RFC 9420 §8.1).
type GroupContext struct {
	Version                 ProtocolVersion
	Suite                   CipherSuite
	GroupID                 []byte
	Epoch                   uint64
	TreeHash                []byte
	ConfirmedTranscriptHash []byte
	Extensions              Extensions
}

func (v *GroupContext) Syntax(c *syntax.Codec) {
	syntax.U16(c, &v.Version)
	syntax.U16(c, &v.Suite)
	syntax.Opaque(c, &v.GroupID)
	syntax.U64(c, &v.Epoch)
	syntax.Opaque(c, &v.TreeHash)
	syntax.Opaque(c, &v.ConfirmedTranscriptHash)
	v.Extensions.Syntax(c)
}

// GroupInfo is what a joiner needs besides the tree (RFC 9420 §12.4.3).
type GroupInfo struct {
	Context         GroupContext
	Extensions      Extensions
	ConfirmationTag []byte
	Signer          uint32 // leaf index
	Signature       []byte
}

func (v *GroupInfo) Syntax(c *syntax.Codec) {
	v.unsigned(c)
	syntax.Opaque(c, &v.Signature)
}

func (v *GroupInfo) unsigned(c *syntax.Codec) {
	v.Context.Syntax(c)
	v.Extensions.Syntax(c)
	syntax.Opaque(c, &v.ConfirmationTag)
	syntax.U32(c, &v.Signer)
}

// GroupInfoTBS is what a GroupInfo's signature covers.
type GroupInfoTBS struct{ GroupInfo *GroupInfo }

func (v *GroupInfoTBS) Syntax(c *syntax.Codec) { v.GroupInfo.unsigned(c) }

// ExternalPub is the content of the external_pub extension: the key to which an external committer encapsulates
// (RFC 9420 §12.4.3.2).
type ExternalPub struct{ Key []byte }

func (v *ExternalPub) Syntax(c *syntax.Codec) { syntax.Opaque(c, &v.Key) }

// GroupSecrets is what a Welcome gives to one joiner (RFC 9420 §12.4.3.1).
type GroupSecrets struct {
	JoinerSecret []byte
	PathSecret   *[]byte
	PSKs         []PreSharedKeyID
}

func (v *GroupSecrets) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &v.JoinerSecret)
	syntax.Optional(c, &v.PathSecret, syntax.Opaque[[]byte])
	syntax.Structs(c, &v.PSKs)
}

// EncryptedGroupSecrets is GroupSecrets sealed to one KeyPackage (RFC 9420 §12.4.3.1).
type EncryptedGroupSecrets struct {
	NewMember []byte // KeyPackageRef
	Secrets   HPKECiphertext
}

func (v *EncryptedGroupSecrets) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &v.NewMember)
	v.Secrets.Syntax(c)
}

// Welcome lets the owners of the KeyPackages it names into a group (RFC 9420 §12.4.3.1).
type Welcome struct {
	Suite              CipherSuite
	Secrets            []EncryptedGroupSecrets
	EncryptedGroupInfo []byte
}

func (v *Welcome) Syntax(c *syntax.Codec) {
	syntax.U16(c, &v.Suite)
	syntax.Structs(c, &v.Secrets)
	syntax.Opaque(c, &v.EncryptedGroupInfo)
}

// TreeRepresentation tells how a ratchet tree is conveyed (ratchet-tree-options §3). It is a closed code.
type TreeRepresentation uint8

const (
	FullTree                TreeRepresentation = 1
	TreeAtURI               TreeRepresentation = 2
	TreeOutOfBand           TreeRepresentation = 3
	TreeFromDeliveryService TreeRepresentation = 4
)

// RatchetTreeOption is a ratchet tree or the way to get it (ratchet-tree-options §3, A-30, A-X11, A-X12).
type RatchetTreeOption struct {
	Representation TreeRepresentation
	Tree           RatchetTree // FullTree
	URL            string      // TreeAtURI
}

func (v *RatchetTreeOption) Syntax(c *syntax.Codec) {
	syntax.Closed(c, &v.Representation, FullTree, TreeFromDeliveryService)
	switch v.Representation {
	case FullTree:
		v.Tree.Syntax(c)
	case TreeAtURI:
		syntax.Text(c, &v.URL)
	}
}

// TreePresence tells whether the GroupInfo had a ratchet_tree extension (ratchet-tree-options §4). It is a closed code.
type TreePresence uint8

const (
	NoRatchetTree      TreePresence = 0
	RatchetTreePresent TreePresence = 1
	RatchetTreeRemoved TreePresence = 2
	RatchetTreeAdded   TreePresence = 3
)

// PartialGroupInfo is the part of a GroupInfo that a hub cannot compute itself (ratchet-tree-options §4).
type PartialGroupInfo struct {
	Presence   TreePresence
	Extensions Extensions
	Signature  []byte
}

func (v *PartialGroupInfo) Syntax(c *syntax.Codec) {
	syntax.Closed(c, &v.Presence, NoRatchetTree, RatchetTreeAdded)
	v.Extensions.Syntax(c)
	syntax.Opaque(c, &v.Signature)
}
