package mimi

import (
	"parley/mls/wire"
	"parley/syntax"
)

// The structures of minimal metadata rooms (§6.1), for whoever has to read or write them. The draft gives them no credential type and no
// key management, so rooms that ask for them are refused (A-60, P-MM-01); a leaf that has one carries it as the unknown content of its
// credential. The signature key has a length like every other one in the drafts.

// PseudonymousCredential stands for a client in one room. Both pseudonyms are URIs of random names at the user's provider.
type PseudonymousCredential struct {
	Client string
	User   string // the same for all clients of a user in the room, and its entry in the participant list
	Key    []byte // the leaf's signature key
	Link   []byte // an IdentityLink, encrypted for the participants
}

func (v *PseudonymousCredential) Syntax(c *syntax.Codec) {
	syntax.Text(c, &v.Client)
	syntax.Text(c, &v.User)
	syntax.Opaque(c, &v.Key)
	syntax.Opaque(c, &v.Link)
}

// Signed is what the client's real credential signs, with SignWithLabel and the label PseudonymLabel.
func (v *PseudonymousCredential) Signed() *PseudonymousCredentialTBS {
	return &PseudonymousCredentialTBS{Client: v.Client, User: v.User, Key: v.Key}
}

// PseudonymLabel is the label of the signature in an IdentityLink.
const PseudonymLabel = "PseudonymousCredentialTBS"

// PseudonymousCredentialTBS is a PseudonymousCredential without the link.
type PseudonymousCredentialTBS struct {
	Client string
	User   string
	Key    []byte
}

func (v *PseudonymousCredentialTBS) Syntax(c *syntax.Codec) {
	syntax.Text(c, &v.Client)
	syntax.Text(c, &v.User)
	syntax.Opaque(c, &v.Key)
}

// IdentityLink (IdentityLinkTBE in the draft) tells participants who is behind a pseudonym, with that client's own signature.
type IdentityLink struct {
	Signature  []byte
	Credential wire.Credential
}

func (v *IdentityLink) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &v.Signature)
	v.Credential.Syntax(c)
}
