package suite

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"

	"parley/syntax"
)

var (
	// ErrSignature means that a signature does not verify, for whatever reason.
	ErrSignature = errors.New("suite: signature does not verify")
	// ErrSignatureKey means that a signature key is not one of the suite's scheme.
	ErrSignatureKey = errors.New("suite: not a signature key of this suite")
)

// scheme is a signature scheme (RFC 9420 §5.1.1).
type scheme interface {
	generate() (crypto.Signer, error)
	sign(key crypto.Signer, message []byte) ([]byte, error)
	verify(public crypto.PublicKey, message, signature []byte) bool
	marshal(public crypto.PublicKey) ([]byte, error)
	parse(public []byte) (crypto.PublicKey, error)
}

// signInput is SignContent of RFC 9420 §5.1.2, in memory of its exact size.
func signInput(label string, content [][]byte) ([]byte, error) {
	size := 0
	for _, part := range content {
		size += len(part)
	}
	out := make([]byte, 0, len(labelPrefix)+len(label)+size+8)
	full := []byte(labelPrefix + label)
	out, err := syntax.Append(out, (*opaque)(&full))
	if err != nil {
		return nil, err
	}
	if out, err = appendLength(out, size); err != nil {
		return nil, err
	}
	for _, part := range content {
		out = append(out, part...)
	}
	return out, nil
}

type opaque []byte

func (v *opaque) Syntax(c *syntax.Codec) { syntax.Opaque(c, (*[]byte)(v)) }

// appendLength appends the length of an opaque<V> (RFC 9420 §2.1.2), so that its content may follow in parts.
func appendLength(out []byte, n int) ([]byte, error) {
	switch {
	case n < 1<<6:
		return append(out, byte(n)), nil
	case n < 1<<14:
		return append(out, byte(n>>8)|0x40, byte(n)), nil
	case n <= syntax.MaxVector:
		return append(out, byte(n>>24)|0x80, byte(n>>16), byte(n>>8), byte(n)), nil
	}
	return nil, syntax.ErrTooLong
}

// SignWithLabel signs the parts of a content, one after the other (RFC 9420 §5.1.2).
func (s *Suite) SignWithLabel(key crypto.Signer, label string, content ...[]byte) ([]byte, error) {
	if key == nil {
		return nil, ErrSignatureKey
	}
	if _, err := s.signature.marshal(key.Public()); err != nil {
		return nil, err
	}
	input, err := signInput(label, content)
	if err != nil {
		return nil, err
	}
	return s.signature.sign(key, input)
}

// VerifyWithLabel checks a signature under a public key in wire form.
func (s *Suite) VerifyWithLabel(public []byte, label string, content, signature []byte) error {
	return s.VerifyParts(public, label, signature, content)
}

// VerifyParts is VerifyWithLabel for a content in parts.
func (s *Suite) VerifyParts(public []byte, label string, signature []byte, content ...[]byte) error {
	key, err := s.signature.parse(public)
	if err != nil {
		return err
	}
	input, err := signInput(label, content)
	if err != nil {
		return err
	}
	if !s.signature.verify(key, input, signature) {
		return ErrSignature
	}
	return nil
}

// GenerateSignatureKey makes a signature key of the suite's scheme.
func (s *Suite) GenerateSignatureKey() (crypto.Signer, error) { return s.signature.generate() }

// SignaturePublicKey returns the wire form of a public key: 32 octets of Ed25519, or an uncompressed point.
func (s *Suite) SignaturePublicKey(public crypto.PublicKey) ([]byte, error) {
	return s.signature.marshal(public)
}

// ParseSignaturePublicKey reads the wire form.
func (s *Suite) ParseSignaturePublicKey(public []byte) (crypto.PublicKey, error) {
	return s.signature.parse(public)
}

// MarshalSignatureKey returns a private key in PKCS#8; it fails for a key that lives elsewhere.
func (s *Suite) MarshalSignatureKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, ErrSignatureKey
	}
	return der, nil
}

// ParseSignatureKey reads PKCS#8.
func (s *Suite) ParseSignatureKey(der []byte) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, ErrSignatureKey
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, ErrSignatureKey
	}
	if _, err := s.signature.marshal(signer.Public()); err != nil {
		return nil, err
	}
	return signer, nil
}

type ed25519Scheme struct{}

func (ed25519Scheme) generate() (crypto.Signer, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return key, err
}

func (ed25519Scheme) sign(key crypto.Signer, message []byte) ([]byte, error) {
	return key.Sign(rand.Reader, message, crypto.Hash(0))
}

func (ed25519Scheme) verify(public crypto.PublicKey, message, signature []byte) bool {
	key, ok := public.(ed25519.PublicKey)
	return ok && len(signature) == ed25519.SignatureSize && ed25519.Verify(key, message, signature)
}

func (ed25519Scheme) marshal(public crypto.PublicKey) ([]byte, error) {
	key, ok := public.(ed25519.PublicKey)
	if !ok {
		return nil, ErrSignatureKey
	}
	return key, nil
}

func (ed25519Scheme) parse(public []byte) (crypto.PublicKey, error) {
	if len(public) != ed25519.PublicKeySize {
		return nil, ErrSignatureKey
	}
	return ed25519.PublicKey(public), nil
}

// ecdsaScheme signs the hash of the message; signatures are DER (RFC 9420 §5.1.1).
type ecdsaScheme struct {
	curve elliptic.Curve
	hash  crypto.Hash
}

func (e ecdsaScheme) generate() (crypto.Signer, error) {
	return ecdsa.GenerateKey(e.curve, rand.Reader)
}

func (e ecdsaScheme) digest(message []byte) []byte {
	h := e.hash.New()
	h.Write(message)
	return h.Sum(nil)
}

func (e ecdsaScheme) sign(key crypto.Signer, message []byte) ([]byte, error) {
	return key.Sign(rand.Reader, e.digest(message), e.hash)
}

func (e ecdsaScheme) verify(public crypto.PublicKey, message, signature []byte) bool {
	key, ok := public.(*ecdsa.PublicKey)
	return ok && ecdsa.VerifyASN1(key, e.digest(message), signature)
}

func (e ecdsaScheme) marshal(public crypto.PublicKey) ([]byte, error) {
	key, ok := public.(*ecdsa.PublicKey)
	if !ok || key.Curve != e.curve {
		return nil, ErrSignatureKey
	}
	octets, err := key.Bytes()
	if err != nil {
		return nil, ErrSignatureKey
	}
	return octets, nil
}

func (e ecdsaScheme) parse(public []byte) (crypto.PublicKey, error) {
	key, err := ecdsa.ParseUncompressedPublicKey(e.curve, public)
	if err != nil {
		return nil, ErrSignatureKey
	}
	return key, nil
}
