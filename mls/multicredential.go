package mls

import (
	"crypto"

	"parley/mls/suite"
	"parley/mls/wire"
)

// SignBinding signs a binding of a multi-credential for the leaf that will have the given signature key (mls-extensions §6.5). Suite
// and Credential are set already; Key and Signature are filled in.
func SignBinding(b *wire.CredentialBinding, signer crypto.Signer, leafKey []byte) error {
	s, err := suite.Lookup(b.Suite)
	if err != nil {
		return because(RuleSuite, err)
	}
	if b.Key, err = s.SignaturePublicKey(signer.Public()); err != nil {
		return because(RuleSuite, err)
	}
	b.Signature, err = signValue(s, signer, "CredentialBindingTBS", &wire.CredentialBindingTBS{Binding: b, LeafKey: leafKey})
	return err
}

// VerifyBinding checks the signature of a binding for the leaf that has the given signature key. Whether Key belongs to Credential, and
// Credential to whom it says, is for the caller to judge, as for the credential of a leaf.
func VerifyBinding(b *wire.CredentialBinding, leafKey []byte) error {
	s, err := suite.Lookup(b.Suite)
	if err != nil {
		return because(RuleSuite, err)
	}
	return verifyValue(s, b.Key, "CredentialBindingTBS", &wire.CredentialBindingTBS{Binding: b, LeafKey: leafKey}, b.Signature, RuleSignature)
}
