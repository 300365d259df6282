package suite

import (
	"crypto/hkdf"
	"crypto/hmac"
	"hash"

	"parley/mls/wire"
	"parley/syntax"
)

// labelPrefix stands before every label (RFC 9420 §5.1.2, §8).
const labelPrefix = "MLS 1.0 "

// Wipe overwrites a secret that is no longer needed. It cannot reach copies that the runtime made when a slice grew; secrets of
// this module never grow.
func Wipe(b []byte) { clear(b) }

func (s *Suite) newHash() hash.Hash { return s.hash.New() }

// Hash returns the hash of the concatenated parts.
func (s *Suite) Hash(parts ...[]byte) []byte {
	h := s.newHash()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// MAC returns HMAC of the concatenated parts.
func (s *Suite) MAC(key []byte, parts ...[]byte) []byte {
	m := hmac.New(s.newHash, key)
	for _, p := range parts {
		m.Write(p)
	}
	return m.Sum(nil)
}

// VerifyMAC compares a MAC in constant time.
func (s *Suite) VerifyMAC(key, data, tag []byte) bool { return SameTag(s.MAC(key, data), tag) }

// SameTag compares two tags in constant time.
func SameTag(a, b []byte) bool { return hmac.Equal(a, b) }

// Extract is KDF.Extract of RFC 9420 §8.
func (s *Suite) Extract(salt, ikm []byte) []byte {
	// HKDF-Extract is HMAC(salt, ikm) (RFC 5869 §2.2); an absent salt is a string of zeros, which HMAC pads an empty key to.
	return s.MAC(salt, ikm)
}

type kdfLabel struct {
	length  uint16
	label   []byte
	context []byte
}

func (v *kdfLabel) Syntax(c *syntax.Codec) {
	syntax.U16(c, &v.length)
	syntax.Opaque(c, &v.label)
	syntax.Opaque(c, &v.context)
}

// ExpandWithLabel derives n octets from a secret (RFC 9420 §8). n is at most 255 times the hash size; the protocol asks for far
// less, so a larger n is a programming error and gives nil.
func (s *Suite) ExpandWithLabel(secret []byte, label string, context []byte, n int) []byte {
	info, err := syntax.Marshal(&kdfLabel{uint16(n), []byte(labelPrefix + label), context})
	if err != nil || n > 1<<16-1 {
		return nil
	}
	out, err := hkdf.Expand(s.newHash, secret, string(info), n)
	if err != nil {
		return nil
	}
	return out
}

// DeriveSecret derives a secret of the hash's size (RFC 9420 §8).
func (s *Suite) DeriveSecret(secret []byte, label string) []byte {
	return s.ExpandWithLabel(secret, label, nil, s.HashSize())
}

// DeriveTreeSecret derives n octets of the secret tree for one generation (RFC 9420 §9).
func (s *Suite) DeriveTreeSecret(secret []byte, label string, generation uint32, n int) []byte {
	context := []byte{byte(generation >> 24), byte(generation >> 16), byte(generation >> 8), byte(generation)}
	return s.ExpandWithLabel(secret, label, context, n)
}

type refHashInput struct{ label, value []byte }

func (v *refHashInput) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &v.label)
	syntax.Opaque(c, &v.value)
}

// RefHash is the hash by which objects are referred to (RFC 9420 §5.2). The label is used as it is.
func (s *Suite) RefHash(label string, value []byte) []byte {
	input, err := syntax.Marshal(&refHashInput{[]byte(label), value})
	if err != nil {
		return nil // only for a value of a gibibyte, which no decoder lets in
	}
	return s.Hash(input)
}

// KeyPackageRef is the reference of a KeyPackage (RFC 9420 §5.2).
func (s *Suite) KeyPackageRef(kp *wire.KeyPackage) ([]byte, error) {
	octets, err := syntax.Marshal(kp)
	if err != nil {
		return nil, err
	}
	return s.RefHash("MLS 1.0 KeyPackage Reference", octets), nil
}

// ProposalRef is the reference of a proposal that was sent on its own (RFC 9420 §5.2).
func (s *Suite) ProposalRef(ac *wire.AuthenticatedContent) ([]byte, error) {
	octets, err := syntax.Marshal(ac)
	if err != nil {
		return nil, err
	}
	return s.RefHash("MLS 1.0 Proposal Reference", octets), nil
}
