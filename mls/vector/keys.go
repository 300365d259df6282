package vector

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"

	"parley/mls/suite"
)

// signer makes a key of the raw private key of a vector; others' ECDSA keys may lack leading zeros.
func signer(s *suite.Suite, raw []byte) (crypto.Signer, error) {
	if len(raw) >= ed25519.SeedSize {
		key := ed25519.NewKeyFromSeed(raw[:ed25519.SeedSize])
		if _, err := s.SignaturePublicKey(key.Public()); err == nil {
			return key, nil
		}
	}
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		size := (curve.Params().BitSize + 7) / 8
		if len(raw) > size {
			continue
		}
		key, err := ecdsa.ParseRawPrivateKey(curve, append(make([]byte, size-len(raw)), raw...))
		if err != nil {
			continue
		}
		if _, err := s.SignaturePublicKey(key.Public()); err == nil {
			return key, nil
		}
	}
	return nil, suite.ErrSignatureKey
}

// newSigner makes a signature key and both of its raw forms.
func newSigner(s *suite.Suite) (key crypto.Signer, private, public octets, err error) {
	if key, err = s.GenerateSignatureKey(); err != nil {
		return nil, nil, nil, err
	}
	if public, err = s.SignaturePublicKey(key.Public()); err != nil {
		return nil, nil, nil, err
	}
	switch k := key.(type) {
	case ed25519.PrivateKey:
		return key, octets(k.Seed()), public, nil
	case *ecdsa.PrivateKey:
		raw, err := k.Bytes()
		return key, raw, public, err
	}
	return nil, nil, nil, suite.ErrSignatureKey
}

// fits checks that a private key belongs to a public one.
func fits(s *suite.Suite, private, public []byte) error {
	key, err := signer(s, private)
	if err != nil {
		return err
	}
	got, err := s.SignaturePublicKey(key.Public())
	if err != nil {
		return err
	}
	return same("public signature key", got, public)
}

// fitsHPKE checks that a private HPKE key belongs to a public one: what is sealed to one opens with the other.
func fitsHPKE(s *suite.Suite, private, public []byte) error {
	ct, err := s.EncryptWithLabel(public, "check", nil, []byte("text"))
	if err != nil {
		return err
	}
	_, err = s.DecryptWithLabel(private, "check", nil, ct)
	return err
}
