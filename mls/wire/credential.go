package wire

import "parley/syntax"

// Credential binds an identity to a signature key (RFC 9420 §5.3). Exactly the field of its type is used.
type Credential struct {
	Type         CredentialType
	Identity     []byte   // BasicCredential
	Certificates [][]byte // X509Credential: DER, the leaf's own first
	Unknown      []byte   // any other type: its content, whatever it means
}

func (v *Credential) Syntax(c *syntax.Codec) {
	syntax.U16(c, &v.Type)
	switch v.Type {
	case BasicCredential:
		syntax.Opaque(c, &v.Identity)
	case X509Credential:
		syntax.Opaques(c, &v.Certificates)
	default:
		syntax.Opaque(c, &v.Unknown)
	}
}

// ExternalSender is somebody outside of the group who may send proposals to it (RFC 9420 §12.1.8.1): in MIMI the hub.
type ExternalSender struct {
	SignatureKey []byte
	Credential   Credential
}

func (v *ExternalSender) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &v.SignatureKey)
	v.Credential.Syntax(c)
}

// ExternalSenders is the content of the external_senders extension.
type ExternalSenders struct{ Senders []ExternalSender }

func (v *ExternalSenders) Syntax(c *syntax.Codec) { syntax.Structs(c, &v.Senders) }

// Extension is a typed octet string in a GroupContext, GroupInfo, KeyPackage or LeafNode (RFC 9420 §13.4).
type Extension struct {
	Type ExtensionType
	Data []byte
}

func (v *Extension) Syntax(c *syntax.Codec) {
	syntax.U16(c, &v.Type)
	syntax.Opaque(c, &v.Data)
}

// Extensions is a list of extensions in wire order.
type Extensions []Extension

// Syntax codes the list and refuses a type that stands in it twice (RFC 9420 §13.4).
func (v *Extensions) Syntax(c *syntax.Codec) {
	syntax.Structs(c, (*[]Extension)(v))
	if c.Err() != nil {
		return
	}
	for i, x := range *v {
		for _, y := range (*v)[:i] {
			if x.Type == y.Type {
				c.Fail(syntax.ErrValue)
				return
			}
		}
	}
}

// Find returns the content of the extension of the given type.
func (v Extensions) Find(t ExtensionType) (data []byte, ok bool) {
	for _, e := range v {
		if e.Type == t {
			return e.Data, true
		}
	}
	return nil, false
}

// With returns a copy of the list in which the extension of type t has the content data: in its place when it was there,
// at the end otherwise (X-ADU-07).
func (v Extensions) With(t ExtensionType, data []byte) Extensions {
	out := append(Extensions(nil), v...)
	for i := range out {
		if out[i].Type == t {
			out[i].Data = data
			return out
		}
	}
	return append(out, Extension{Type: t, Data: data})
}

// RequiredCapabilities is the content of the required_capabilities extension (RFC 9420 §11.1).
type RequiredCapabilities struct {
	Extensions  []ExtensionType
	Proposals   []ProposalType
	Credentials []CredentialType
}

func (v *RequiredCapabilities) Syntax(c *syntax.Codec) {
	syntax.U16s(c, &v.Extensions)
	syntax.U16s(c, &v.Proposals)
	syntax.U16s(c, &v.Credentials)
}

// Capabilities is what a leaf's owner understands (RFC 9420 §7.2).
type Capabilities struct {
	Versions    []ProtocolVersion
	Suites      []CipherSuite
	Extensions  []ExtensionType
	Proposals   []ProposalType
	Credentials []CredentialType
}

func (v *Capabilities) Syntax(c *syntax.Codec) {
	syntax.U16s(c, &v.Versions)
	syntax.U16s(c, &v.Suites)
	syntax.U16s(c, &v.Extensions)
	syntax.U16s(c, &v.Proposals)
	syntax.U16s(c, &v.Credentials)
}

// Lifetime is when a KeyPackage may be used, in seconds since the UNIX epoch, both ends included (RFC 9420 §7.2).
type Lifetime struct {
	NotBefore uint64
	NotAfter  uint64
}

func (v *Lifetime) Syntax(c *syntax.Codec) {
	syntax.U64(c, &v.NotBefore)
	syntax.U64(c, &v.NotAfter)
}
