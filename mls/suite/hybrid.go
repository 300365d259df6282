package suite

import (
	"cmp"
	"crypto"
	"crypto/elliptic"
	"crypto/hpke"
	"errors"
	"slices"

	"parley/mls/wire"
)

// Hybrid names a key encapsulation that joins ML-KEM with an elliptic curve: who breaks one of the two has nothing. Signatures stay
// classical, so that a hybrid suite protects what is recorded today, not against a forger of tomorrow.
type Hybrid string

// The hybrids of the standard library (crypto/hpke).
const (
	MLKEM768X25519 Hybrid = "MLKEM768-X25519"
	MLKEM768P256   Hybrid = "MLKEM768-P256"
	MLKEM1024P384  Hybrid = "MLKEM1024-P384"
)

// The range of private numbers (RFC 9420 §17.1). IANA has assigned none to hybrids yet (A-X21).
const (
	FirstPrivate wire.CipherSuite = 0xf000
	LastPrivate  wire.CipherSuite = 0xffff
)

// hybridSeed is the length of a hybrid's private key, a seed for both parts.
const hybridSeed = 32

type hybrid struct {
	name Hybrid
	row  Suite
}

// hybrids is constant. The numbers are those that are used unless others are agreed on.
var hybrids = []hybrid{
	{MLKEM768X25519, Suite{
		id: 0xf701, name: "MLS_128_MLKEM768X25519_AES256GCM_SHA384_Ed25519", hash: crypto.SHA384,
		kem: hpke.MLKEM768X25519, kdf: hpke.HKDFSHA384, aead: hpke.AES256GCM,
		keySize: aes256KeySize, private: hybridSeed, content: gcm, signature: ed25519Scheme{},
	}},
	{MLKEM768P256, Suite{
		id: 0xf702, name: "MLS_128_MLKEM768P256_AES256GCM_SHA384_P256", hash: crypto.SHA384,
		kem: hpke.MLKEM768P256, kdf: hpke.HKDFSHA384, aead: hpke.AES256GCM,
		keySize: aes256KeySize, private: hybridSeed, content: gcm, signature: ecdsaScheme{elliptic.P256(), crypto.SHA256},
	}},
	{MLKEM1024P384, Suite{
		id: 0xf703, name: "MLS_256_MLKEM1024P384_AES256GCM_SHA384_P384", hash: crypto.SHA384,
		kem: hpke.MLKEM1024P384, kdf: hpke.HKDFSHA384, aead: hpke.AES256GCM,
		keySize: aes256KeySize, private: hybridSeed, content: gcm, signature: ecdsaScheme{elliptic.P384(), crypto.SHA384},
	}},
}

// Hybrids lists the hybrids that there are.
func Hybrids() []Hybrid {
	out := make([]Hybrid, len(hybrids))
	for i := range hybrids {
		out[i] = hybrids[i].name
	}
	return out
}

// What can be wrong with a Point.
var (
	ErrHybrid = errors.New("suite: there is no hybrid of this name")
	ErrPoint  = errors.New("suite: the number is not a private one, or is taken")
)

// Point gives a hybrid suite its number. 0 is the one that Parley uses.
type Point struct {
	Hybrid Hybrid
	ID     wire.CipherSuite
}

// With returns a table that has hybrid suites besides those of t. All who meet in a group must have agreed on the numbers.
func (t *Table) With(points ...Point) (*Table, error) {
	next := &Table{slices.Clone(t.all())}
	for _, p := range points {
		at := slices.IndexFunc(hybrids, func(h hybrid) bool { return h.name == p.Hybrid })
		if at < 0 {
			return nil, ErrHybrid
		}
		row := hybrids[at].row
		if p.ID != 0 {
			row.id = p.ID
		}
		if _, err := next.Lookup(row.id); err == nil || row.id < FirstPrivate {
			return nil, ErrPoint
		}
		next.rows = append(next.rows, &row)
	}
	slices.SortFunc(next.rows, func(a, b *Suite) int { return cmp.Compare(a.id, b.id) })
	return next, nil
}

// Hybrid returns the suite of a hybrid; ErrUnknown when it is not offered.
func (t *Table) Hybrid(name Hybrid) (*Suite, error) {
	for _, h := range hybrids {
		if h.name != name {
			continue
		}
		for _, s := range t.all() {
			if s.name == h.row.name {
				return s, nil
			}
		}
	}
	return nil, ErrUnknown
}

// PostQuantum reports whether the suite's key encapsulation is a hybrid with ML-KEM.
func (s *Suite) PostQuantum() bool {
	for i := range hybrids {
		if hybrids[i].row.name == s.name {
			return true
		}
	}
	return false
}
