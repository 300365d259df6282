package credential_test

import (
	"testing"

	"parley/credential"
	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/uri"

	"crypto/x509"
)

func TestMultiCredentialRows(t *testing.T) {
	t.Run("X-MC-02 multi-credentials are read and never believed", func(t *testing.T) {
		s, err := suite.Lookup(suite.X25519AES128)
		if err != nil {
			t.Fatal(err)
		}
		signer, err := s.GenerateSignatureKey()
		if err != nil {
			t.Fatal(err)
		}
		public, err := s.SignaturePublicKey(signer.Public())
		if err != nil {
			t.Fatal(err)
		}
		b := wire.CredentialBinding{Suite: s.ID(), Credential: wire.Credential{
			Type: wire.BasicCredential, Identity: []byte("mimi://a.example/d/alice/phone"),
		}}
		if err := mls.SignBinding(&b, signer, public); err != nil {
			t.Fatal(err)
		}
		validate := credential.Validator(func(uri.Provider) *x509.CertPool { return nil }, credential.AllowBasicInTests())
		leaf := &wire.LeafNode{SignatureKey: public, Credential: b.Credential}
		if err := validate(mls.LeafCheck{Use: mls.UseKeyPackage, Leaf: leaf, Now: t0}); err != nil {
			t.Fatalf("the binding's credential alone: %v", err)
		}
		for _, kind := range []wire.CredentialType{wire.MultiCredential, wire.WeakMultiCredential} {
			if leaf.Credential, err = wire.NewMultiCredential(kind, []wire.CredentialBinding{b}); err != nil {
				t.Fatal(err)
			}
			if err := validate(mls.LeafCheck{Use: mls.UseKeyPackage, Leaf: leaf, Now: t0}); err == nil {
				t.Errorf("type %d is believed", kind)
			}
		}
	})
}
