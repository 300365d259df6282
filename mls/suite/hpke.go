package suite

import (
	"crypto/hpke"
	"crypto/rand"
	"errors"

	"parley/mls/wire"
	"parley/syntax"
)

// ErrHPKE means that a key is not one of the suite, or that a ciphertext does not open.
var ErrHPKE = errors.New("suite: HPKE operation failed")

// exportLabel is the exporter context of an external init (RFC 9420 §8.3).
const exportLabel = labelPrefix + "external init secret"

type encryptContext struct{ label, context []byte }

func (v *encryptContext) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &v.label)
	syntax.Opaque(c, &v.context)
}

func encryptInfo(label string, context []byte) ([]byte, error) {
	return syntax.Marshal(&encryptContext{[]byte(labelPrefix + label), context})
}

// publicKey and privateKey read HPKE keys; a private key that lost leading zeros, as P-521 keys of others do, is padded.
func (s *Suite) publicKey(public []byte) (hpke.PublicKey, error) {
	key, err := s.kem().NewPublicKey(public)
	if err != nil {
		return nil, ErrHPKE
	}
	return key, nil
}

func (s *Suite) privateKey(private []byte) (hpke.PrivateKey, error) {
	if len(private) == 0 || len(private) > s.private {
		return nil, ErrHPKE
	}
	padded := make([]byte, s.private)
	defer Wipe(padded)
	copy(padded[s.private-len(private):], private)
	key, err := s.kem().NewPrivateKey(padded)
	if err != nil {
		return nil, ErrHPKE
	}
	return key, nil
}

// CheckPublicKey refuses octets that are not a public HPKE key of the suite.
func (s *Suite) CheckPublicKey(public []byte) error {
	_, err := s.publicKey(public)
	return err
}

// EncryptWithLabel seals plaintext to a public key (RFC 9420 §5.1.3).
func (s *Suite) EncryptWithLabel(public []byte, label string, context, plaintext []byte) (wire.HPKECiphertext, error) {
	p, err := s.Purpose(label, context)
	if err != nil {
		return wire.HPKECiphertext{}, err
	}
	return p.Encrypt(public, plaintext)
}

// Purpose is a label and a context under which much is sealed to many; it may be used by any number of goroutines.
type Purpose struct {
	suite  *Suite
	info   []byte
	shared *sharedSender // of a long info
}

// Purpose encodes a label and a context once.
func (s *Suite) Purpose(label string, context []byte) (*Purpose, error) {
	info, err := encryptInfo(label, context)
	p := &Purpose{suite: s, info: info}
	if err == nil && len(info) >= sharedInfo {
		p.shared = newSharedSender(s, info)
	}
	return p, err
}

// Encrypt is EncryptWithLabel.
func (p *Purpose) Encrypt(public, plaintext []byte) (wire.HPKECiphertext, error) {
	if p.shared != nil {
		return p.shared.seal(public, plaintext)
	}
	s, info := p.suite, p.info
	key, err := s.publicKey(public)
	if err != nil {
		return wire.HPKECiphertext{}, err
	}
	enc, sender, err := hpke.NewSender(key, s.kdf(), s.aead(), info)
	if err != nil {
		return wire.HPKECiphertext{}, ErrHPKE
	}
	sealed, err := sender.Seal(nil, plaintext)
	if err != nil {
		return wire.HPKECiphertext{}, ErrHPKE
	}
	return wire.HPKECiphertext{KEMOutput: enc, Ciphertext: sealed}, nil
}

// DecryptWithLabel opens what EncryptWithLabel sealed.
func (s *Suite) DecryptWithLabel(private []byte, label string, context []byte, ct wire.HPKECiphertext) ([]byte, error) {
	key, err := s.privateKey(private)
	if err != nil {
		return nil, err
	}
	info, err := encryptInfo(label, context)
	if err != nil {
		return nil, err
	}
	recipient, err := hpke.NewRecipient(ct.KEMOutput, key, s.kdf(), s.aead(), info)
	if err != nil {
		return nil, ErrHPKE
	}
	plaintext, err := recipient.Open(nil, ct.Ciphertext)
	if err != nil {
		return nil, ErrHPKE
	}
	return plaintext, nil
}

// DeriveKeyPair derives an HPKE key pair from input key material (RFC 9180 §7.1.3).
func (s *Suite) DeriveKeyPair(ikm []byte) (private, public []byte, err error) {
	key, err := s.kem().DeriveKeyPair(ikm)
	return keyPair(key, err)
}

// GenerateKeyPair makes an HPKE key pair.
func (s *Suite) GenerateKeyPair() (private, public []byte, err error) {
	key, err := s.kem().GenerateKey()
	return keyPair(key, err)
}

func keyPair(key hpke.PrivateKey, err error) (private, public []byte, _ error) {
	if err != nil {
		return nil, nil, ErrHPKE
	}
	if private, err = key.Bytes(); err != nil {
		return nil, nil, ErrHPKE
	}
	return private, key.PublicKey().Bytes(), nil
}

// ExternalInit makes the init secret of an external commit to a group's external_pub key (RFC 9420 §8.3).
func (s *Suite) ExternalInit(public []byte) (kemOutput, initSecret []byte, err error) {
	key, err := s.publicKey(public)
	if err != nil {
		return nil, nil, err
	}
	enc, sender, err := hpke.NewSender(key, s.kdf(), s.aead(), nil)
	if err != nil {
		return nil, nil, ErrHPKE
	}
	secret, err := sender.Export(exportLabel, s.HashSize())
	if err != nil {
		return nil, nil, ErrHPKE
	}
	return enc, secret, nil
}

// OpenExternalInit recovers the init secret of an external commit.
func (s *Suite) OpenExternalInit(private, kemOutput []byte) (initSecret []byte, err error) {
	key, err := s.privateKey(private)
	if err != nil {
		return nil, err
	}
	recipient, err := hpke.NewRecipient(kemOutput, key, s.kdf(), s.aead(), nil)
	if err != nil {
		return nil, ErrHPKE
	}
	secret, err := recipient.Export(exportLabel, s.HashSize())
	if err != nil {
		return nil, ErrHPKE
	}
	return secret, nil
}

// Random returns n random octets.
func Random(n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		return nil, err
	}
	return b, nil
}
