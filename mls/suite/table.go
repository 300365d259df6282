package suite

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/elliptic"
	"crypto/hpke"
	_ "crypto/sha256" // SHA-256 of suites 1 to 3
	_ "crypto/sha512" // SHA-384 and SHA-512 of suites 5 and 7
	"errors"

	"golang.org/x/crypto/chacha20poly1305"

	"parley/mls/wire"
)

// The suites of RFC 9420 §17.1 that are offered. Suites 4 and 6 need X448 and Ed448, which the standard library lacks.
const (
	X25519AES128    wire.CipherSuite = 1
	P256AES128      wire.CipherSuite = 2
	X25519ChaCha20  wire.CipherSuite = 3
	P521AES256      wire.CipherSuite = 5
	P384AES256      wire.CipherSuite = 7
	aes128KeySize                    = 16
	aes256KeySize                    = 32
	aeadNonceSize                    = 12
	chacha20KeySize                  = chacha20poly1305.KeySize
)

// ErrUnknown means that a cipher suite is not in the table.
var ErrUnknown = errors.New("suite: cipher suite is not offered")

// Suite is one cipher suite.
type Suite struct {
	id        wire.CipherSuite
	name      string
	hash      crypto.Hash
	kem       func() hpke.KEM
	kdf       func() hpke.KDF
	aead      func() hpke.AEAD
	keySize   int
	private   int // octets of a private HPKE key
	content   func(key []byte) (cipher.AEAD, error)
	signature scheme
}

// table is constant.
var table = []*Suite{
	{
		id: X25519AES128, name: "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519", hash: crypto.SHA256,
		kem: func() hpke.KEM { return hpke.DHKEM(ecdh.X25519()) }, kdf: hpke.HKDFSHA256, aead: hpke.AES128GCM,
		keySize: aes128KeySize, private: 32, content: gcm, signature: ed25519Scheme{},
	},
	{
		id: P256AES128, name: "MLS_128_DHKEMP256_AES128GCM_SHA256_P256", hash: crypto.SHA256,
		kem: func() hpke.KEM { return hpke.DHKEM(ecdh.P256()) }, kdf: hpke.HKDFSHA256, aead: hpke.AES128GCM,
		keySize: aes128KeySize, private: 32, content: gcm, signature: ecdsaScheme{elliptic.P256(), crypto.SHA256},
	},
	{
		id: X25519ChaCha20, name: "MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519", hash: crypto.SHA256,
		kem: func() hpke.KEM { return hpke.DHKEM(ecdh.X25519()) }, kdf: hpke.HKDFSHA256, aead: hpke.ChaCha20Poly1305,
		keySize: chacha20KeySize, private: 32, content: chacha20poly1305.New, signature: ed25519Scheme{},
	},
	{
		id: P521AES256, name: "MLS_256_DHKEMP521_AES256GCM_SHA512_P521", hash: crypto.SHA512,
		kem: func() hpke.KEM { return hpke.DHKEM(ecdh.P521()) }, kdf: hpke.HKDFSHA512, aead: hpke.AES256GCM,
		keySize: aes256KeySize, private: 66, content: gcm, signature: ecdsaScheme{elliptic.P521(), crypto.SHA512},
	},
	{
		id: P384AES256, name: "MLS_256_DHKEMP384_AES256GCM_SHA384_P384", hash: crypto.SHA384,
		kem: func() hpke.KEM { return hpke.DHKEM(ecdh.P384()) }, kdf: hpke.HKDFSHA384, aead: hpke.AES256GCM,
		keySize: aes256KeySize, private: 48, content: gcm, signature: ecdsaScheme{elliptic.P384(), crypto.SHA384},
	},
}

// Table is a choice of cipher suites by number. It is immutable; nil is the table of the suites of RFC 9420.
type Table struct{ rows []*Suite }

func (t *Table) all() []*Suite {
	if t == nil {
		return table
	}
	return t.rows
}

// Lookup returns the suite of the given number; ErrUnknown when it is not offered.
func (t *Table) Lookup(id wire.CipherSuite) (*Suite, error) {
	for _, s := range t.all() {
		if s.id == id {
			return s, nil
		}
	}
	return nil, ErrUnknown
}

// All returns the numbers of the offered suites, ascending.
func (t *Table) All() []wire.CipherSuite {
	rows := t.all()
	ids := make([]wire.CipherSuite, len(rows))
	for i, s := range rows {
		ids[i] = s.id
	}
	return ids
}

// Lookup finds a suite in one of the given tables, or, without any, among those of RFC 9420.
func Lookup(id wire.CipherSuite, in ...*Table) (*Suite, error) {
	if len(in) == 0 {
		return (*Table)(nil).Lookup(id)
	}
	for _, t := range in {
		if s, err := t.Lookup(id); err == nil {
			return s, nil
		}
	}
	return nil, ErrUnknown
}

// All returns the numbers of the suites of RFC 9420 that are offered, ascending.
func All() []wire.CipherSuite { return (*Table)(nil).All() }

// ID is the suite's number.
func (s *Suite) ID() wire.CipherSuite { return s.id }

// String is the suite's registered name.
func (s *Suite) String() string { return s.name }

// HashSize is the output length of the hash and the KDF in octets.
func (s *Suite) HashSize() int { return s.hash.Size() }

// KeySize is the length of a content encryption key in octets.
func (s *Suite) KeySize() int { return s.keySize }

// NonceSize is the length of a content encryption nonce in octets.
func (s *Suite) NonceSize() int { return aeadNonceSize }

// AEAD returns the content encryption under a key of KeySize octets.
func (s *Suite) AEAD(key []byte) (cipher.AEAD, error) {
	if len(key) != s.keySize {
		return nil, errKeySize
	}
	return s.content(key)
}

func gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

var errKeySize = errors.New("suite: key has the wrong length")
