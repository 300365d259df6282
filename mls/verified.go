package mls

import (
	"crypto/sha256"

	"parley/mls/suite"
	"parley/mls/wire"
)

// VerifiedLeaves remembers leaves whose signature verified. Both functions may be called by several goroutines at once; what is remembered, how
// long and by which locks is the owner's matter. Only the signature is left out when a leaf is known: lifetime, capabilities and credential are
// judged each time, since they depend on the time and the group.
type VerifiedLeaves struct {
	Known    func(leaf [sha256.Size]byte) bool
	Remember func(leaf [sha256.Size]byte)
}

// verifyLeaf checks the signature of a leaf (RFC 9420 §7.3), or finds that it was checked. What is looked up is a hash of all that the check
// depends on: suite, label, key, what was signed (with group and index, where they count), and signature.
func (c *Config) verifyLeaf(s *suite.Suite, leaf *wire.LeafNode, tbs *wire.LeafNodeTBS) error {
	signed, err := marshal(tbs)
	if err != nil {
		return err
	}
	if c.Verified == nil {
		return because(RuleLeafSignature, s.VerifyWithLabel(leaf.SignatureKey, "LeafNodeTBS", signed, leaf.Signature))
	}
	key := verifiedKey(s, leaf, signed)
	if c.Verified.Known(key) {
		return nil
	}
	if err := s.VerifyWithLabel(leaf.SignatureKey, "LeafNodeTBS", signed, leaf.Signature); err != nil {
		return because(RuleLeafSignature, err)
	}
	c.Verified.Remember(key)
	return nil
}

// verifiedKey hashes the lengths too, so that no two checks have one key.
func verifiedKey(s *suite.Suite, leaf *wire.LeafNode, signed []byte) [sha256.Size]byte {
	h := sha256.New()
	id, n := uint16(s.ID()), uint32(len(signed))
	h.Write([]byte{byte(id >> 8), byte(id), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	h.Write(signed) // the signature key is in it
	h.Write(leaf.Signature)
	return [sha256.Size]byte(h.Sum(nil))
}
