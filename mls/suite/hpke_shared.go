package suite

import (
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"encoding/binary"
	"slices"

	"parley/mls/wire"
)

// sharedInfo is the size of a context, in octets, from which sealing the same to many is worth the code below. A Welcome that brings the tree
// seals to each newcomer with the whole encrypted GroupInfo as context (RFC 9420 §12.4.3.1); crypto/hpke hashes it for each of them, which
// is quadratic in the newcomers.
const sharedInfo = 1 << 12

// sharedSender seals to many keys in HPKE's base mode (RFC 9180 §5.1) with one info, which is hashed once. It does what crypto/hpke does, for
// the KEMs over a single curve; the tests open everything with crypto/hpke.
type sharedSender struct {
	suite   *Suite
	curve   ecdh.Curve
	kemID   []byte // suite_id of the KEM (RFC 9180 §4.1)
	hpkeID  []byte // suite_id of HPKE (RFC 9180 §5.1)
	context []byte // key_schedule_context (RFC 9180 §5.1)
}

// newSharedSender returns nil for KEMs that it does not know.
func newSharedSender(s *Suite, info []byte) *sharedSender {
	kem := s.kem().ID()
	h := &sharedSender{suite: s, curve: curveOf(kem)}
	if h.curve == nil {
		return nil
	}
	h.kemID = binary.BigEndian.AppendUint16([]byte("KEM"), kem)
	h.hpkeID = []byte("HPKE")
	for _, id := range []uint16{kem, s.kdf().ID(), s.aead().ID()} {
		h.hpkeID = binary.BigEndian.AppendUint16(h.hpkeID, id)
	}
	const modeBase = 0
	h.context = slices.Concat([]byte{modeBase}, h.extract(h.hpkeID, nil, "psk_id_hash", nil), h.extract(h.hpkeID, nil, "info_hash", info))
	return h
}

// curveOf returns the curve of a DHKEM (RFC 9180 §7.1), nil for others.
func curveOf(kem uint16) ecdh.Curve {
	switch kem {
	case 0x0010:
		return ecdh.P256()
	case 0x0011:
		return ecdh.P384()
	case 0x0012:
		return ecdh.P521()
	case 0x0020:
		return ecdh.X25519()
	}
	return nil
}

// hpkeVersion stands before every label (RFC 9180 §4).
const hpkeVersion = "HPKE-v1"

// extract is LabeledExtract (RFC 9180 §4).
func (h *sharedSender) extract(id, salt []byte, label string, ikm []byte) []byte {
	return h.suite.MAC(salt, []byte(hpkeVersion), id, []byte(label), ikm)
}

// expand is LabeledExpand (RFC 9180 §4).
func (h *sharedSender) expand(id, secret []byte, label string, info []byte, n int) ([]byte, error) {
	full := binary.BigEndian.AppendUint16(nil, uint16(n))
	full = slices.Concat(full, []byte(hpkeVersion), id, []byte(label), info)
	out, err := hkdf.Expand(h.suite.newHash, secret, string(full), n)
	if err != nil {
		return nil, ErrHPKE
	}
	return out, nil
}

// seal encapsulates to a public key (RFC 9180 §4.1) and encrypts the one message of the context.
func (h *sharedSender) seal(public, plaintext []byte) (wire.HPKECiphertext, error) {
	var none wire.HPKECiphertext
	receiver, err := h.curve.NewPublicKey(public)
	if err != nil {
		return none, ErrHPKE
	}
	ephemeral, err := h.curve.GenerateKey(rand.Reader)
	if err != nil {
		return none, ErrHPKE
	}
	dh, err := ephemeral.ECDH(receiver)
	if err != nil {
		return none, ErrHPKE
	}
	defer Wipe(dh)
	enc := ephemeral.PublicKey().Bytes()
	prk := h.extract(h.kemID, nil, "eae_prk", dh)
	defer Wipe(prk)
	shared, err := h.expand(h.kemID, prk, "shared_secret", slices.Concat(enc, public), h.suite.HashSize())
	if err != nil {
		return none, err
	}
	defer Wipe(shared)
	secret := h.extract(h.hpkeID, shared, "secret", nil)
	defer Wipe(secret)
	key, err := h.expand(h.hpkeID, secret, "key", h.context, h.suite.KeySize())
	if err != nil {
		return none, err
	}
	defer Wipe(key)
	nonce, err := h.expand(h.hpkeID, secret, "base_nonce", h.context, h.suite.NonceSize())
	if err != nil {
		return none, err
	}
	aead, err := h.suite.AEAD(key)
	if err != nil {
		return none, ErrHPKE
	}
	return wire.HPKECiphertext{KEMOutput: enc, Ciphertext: aead.Seal(nil, nonce, plaintext, nil)}, nil
}
