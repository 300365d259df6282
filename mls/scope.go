package mls

import (
	"crypto"

	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

// Scope is what one application component may do with the private keys of a group (mls-extensions §4). All its operations carry the
// component's ID, so that no component can sign, decrypt or export in place of another: hand a component its Scope and nothing else.
//
// The key pairs offered are those of own leaves and the external one. The key pair of the root is not, since external_pub is the
// better one (mls-extensions §4.2).
type Scope struct {
	group *Group
	id    wire.ComponentID
}

// Scope returns the operations of a component. Component 0 is reserved and can do nothing.
func (g *Group) Scope(id wire.ComponentID) *Scope { return &Scope{g, id} }

// Component returns whose scope it is.
func (s *Scope) Component() wire.ComponentID { return s.id }

// Export is Group.SafeExport for the component.
func (s *Scope) Export() ([]byte, Delta, error) {
	if s.id == 0 {
		return nil, nil, broken(RuleComponentUnknown)
	}
	return s.group.SafeExport(s.id)
}

// Sign is SafeSignWithLabel with the signature key of an own leaf (mls-extensions §4.3).
func (s *Scope) Sign(leaf LeafIndex, label string, content []byte) ([]byte, error) {
	o, err := s.group.member(leaf)
	if err != nil {
		return nil, err
	}
	return SignForComponent(s.group.public.suite, o.signer, s.id, label, content)
}

// Decrypt is SafeDecryptWithLabel with the encryption key of an own leaf (mls-extensions §4.2).
func (s *Scope) Decrypt(leaf LeafIndex, label string, context []byte, ct wire.HPKECiphertext) ([]byte, error) {
	o, err := s.group.member(leaf)
	if err != nil {
		return nil, err
	}
	return s.decrypt(o.keys.Leaf(), label, context, ct)
}

// DecryptExternal is SafeDecryptWithLabel with the external key pair of the epoch, which all members have.
func (s *Scope) DecryptExternal(label string, context []byte, ct wire.HPKECiphertext) ([]byte, error) {
	if s.group.epoch == nil {
		return nil, broken(RuleState)
	}
	private, _, err := s.group.epoch.ExternalKeyPair()
	if err != nil {
		return nil, because(RuleSecret, err)
	}
	defer suite.Wipe(private)
	return s.decrypt(private, label, context, ct)
}

func (s *Scope) decrypt(private []byte, label string, context []byte, ct wire.HPKECiphertext) ([]byte, error) {
	full, err := operationLabel(s.id, label)
	if err != nil {
		return nil, err
	}
	plain, err := s.group.public.suite.DecryptWithLabel(private, full, context, ct)
	return plain, because(RuleDecrypt, err)
}

// SignForComponent is SafeSignWithLabel with a key outside of a group (mls-extensions §4.3).
func SignForComponent(s *suite.Suite, signer crypto.Signer, id wire.ComponentID, label string, content []byte) ([]byte, error) {
	full, err := operationLabel(id, label)
	if err != nil {
		return nil, err
	}
	signature, err := s.SignWithLabel(signer, full, content)
	return signature, because(RuleSignature, err)
}

// VerifyForComponent is SafeVerifyWithLabel: anybody may verify what any component signed.
func VerifyForComponent(s *suite.Suite, public []byte, id wire.ComponentID, label string, content, signature []byte) error {
	full, err := operationLabel(id, label)
	if err != nil {
		return err
	}
	return because(RuleSignature, s.VerifyWithLabel(public, full, content, signature))
}

// EncryptForComponent is SafeEncryptWithLabel: anybody may encrypt to any component. public is the encryption key of a leaf, the key in
// external_pub, or the init key of a KeyPackage.
func EncryptForComponent(s *suite.Suite, public []byte, id wire.ComponentID, label string, context, plaintext []byte) (wire.HPKECiphertext, error) {
	full, err := operationLabel(id, label)
	if err != nil {
		return wire.HPKECiphertext{}, err
	}
	ct, err := s.EncryptWithLabel(public, full, context, plaintext)
	return ct, because(RuleEncoding, err)
}

// operationLabel is a ComponentOperationLabel as the label of an operation (mls-extensions §4.1, A-X2, A-X4).
func operationLabel(id wire.ComponentID, label string) (string, error) {
	if id == 0 {
		return "", broken(RuleComponentUnknown)
	}
	operation := wire.NewComponentOperationLabel(id, label)
	octets, err := syntax.Marshal(&operation)
	return string(octets), because(RuleEncoding, err)
}
