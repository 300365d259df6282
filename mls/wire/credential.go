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

// CredentialBinding is one credential of a multi-credential: its holder's statement that the leaf's signature key is its own
// (mls-extensions §6.5).
type CredentialBinding struct {
	Suite      CipherSuite
	Credential Credential
	Key        []byte // the credential's signature key, of Suite
	Signature  []byte // by Key, over a CredentialBindingTBS
}

func (v *CredentialBinding) Syntax(c *syntax.Codec) {
	v.unsigned(c)
	syntax.Opaque(c, &v.Signature)
}

func (v *CredentialBinding) unsigned(c *syntax.Codec) {
	syntax.U16(c, &v.Suite)
	v.Credential.Syntax(c)
	syntax.Opaque(c, &v.Key)
}

// CredentialBindingTBS is what a binding's signature covers. LeafKey is the signature key of the leaf that has the credential.
type CredentialBindingTBS struct {
	Binding *CredentialBinding
	LeafKey []byte
}

func (v *CredentialBindingTBS) Syntax(c *syntax.Codec) {
	v.Binding.unsigned(c)
	syntax.Opaque(c, &v.LeafKey)
}

// MultiCredentialContent is the content of credentials of the types MultiCredential and WeakMultiCredential
// (mls-extensions §6.5), which Credential carries as Unknown.
type MultiCredentialContent struct{ Bindings []CredentialBinding }

func (v *MultiCredentialContent) Syntax(c *syntax.Codec) { syntax.Structs(c, &v.Bindings) }

// NewMultiCredential returns a credential of one of the two types.
func NewMultiCredential(t CredentialType, bindings []CredentialBinding) (Credential, error) {
	if t != MultiCredential && t != WeakMultiCredential {
		return Credential{}, syntax.ErrValue
	}
	octets, err := syntax.Marshal(&MultiCredentialContent{Bindings: bindings})
	if err != nil {
		return Credential{}, err
	}
	// Unknown is an opaque<V>, and so is the vector of bindings: its length is written with the credential.
	var content rawVector
	err = syntax.Unmarshal(octets, &content)
	return Credential{Type: t, Unknown: content.octets}, err
}

// Bindings decodes the bindings of a multi-credential; ErrValue for other types.
func (v *Credential) Bindings() ([]CredentialBinding, error) {
	if v.Type != MultiCredential && v.Type != WeakMultiCredential {
		return nil, syntax.ErrValue
	}
	octets, err := syntax.Marshal(&rawVector{v.Unknown})
	if err != nil {
		return nil, err
	}
	var content MultiCredentialContent
	err = syntax.Unmarshal(octets, &content)
	return content.Bindings, err
}

// rawVector is a vector as an octet string.
type rawVector struct{ octets []byte }

func (v *rawVector) Syntax(c *syntax.Codec) { syntax.Opaque(c, &v.octets) }

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
