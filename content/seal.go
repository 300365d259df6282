package content

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"io"
	"time"
)

// Invalid reports whether the sender's time for the content is over (draft-ietf-mimi-content-08 §4.5).
func (e External) Invalid(now time.Time) bool {
	return e.Expires != 0 && now.Unix() >= int64(e.Expires)
}

// Seal encrypts plain with AES-128-GCM for upload and returns the external part that describes what is to lie at the URL:
// algorithm, keys, size and hash are filled in, the rest is as in e. Key and nonce have to be random and of this content only.
//
// With room for 16 more octets behind it, plain is encrypted in place.
func (e External) Seal(key [16]byte, nonce [12]byte, plain []byte) (External, []byte, error) {
	e.AEAD, e.Key, e.Nonce = AEADAES128GCM, key[:], nonce[:]
	aead, err := e.aead()
	if err != nil {
		return External{}, nil, err
	}
	sealed := aead.Seal(plain[:0], e.Nonce, plain, e.AAD)
	sum := sha256.Sum256(sealed)
	e.Hash, e.ContentHash, e.Size = HashSHA256, sum[:], uint64(len(sealed))
	return e, sealed, nil
}

// Open returns the content that was fetched from the URL: the hash is compared before anything is decrypted. The octets are
// decrypted in place, and are lost if that fails.
func (e External) Open(octets []byte) ([]byte, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	if e.Size != 0 && e.Size != uint64(len(octets)) {
		return nil, ErrContentHash
	}
	if sum := digest(e.Hash, octets); subtle.ConstantTimeCompare(sum, e.ContentHash) != 1 {
		return nil, ErrContentHash
	}
	if e.AEAD == AEADNone {
		return octets, nil
	}
	aead, err := e.aead()
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(octets[:0], e.Nonce, octets, e.AAD)
	if err != nil {
		return nil, ErrDecrypt
	}
	return plain, nil
}

func (e External) aead() (cipher.AEAD, error) {
	if e.AEAD != AEADAES128GCM && e.AEAD != AEADAES256GCM || !e.keysFit() {
		return nil, ErrExternal
	}
	block, err := aes.NewCipher(e.Key)
	if err != nil {
		return nil, ErrExternal
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, ErrExternal
	}
	return aead, nil
}

func digest(algorithm uint8, octets []byte) []byte {
	switch algorithm {
	case HashSHA256:
		sum := sha256.Sum256(octets)
		return sum[:]
	case HashSHA384:
		sum := sha512.Sum384(octets)
		return sum[:]
	case HashSHA512:
		sum := sha512.Sum512(octets)
		return sum[:]
	}
	return nil
}

// MostOctets is how much may be read from the URL before it is given up: the size that the sender tells, and limit where that
// is less or not told (C-XP-11).
func (e External) MostOctets(limit uint64) uint64 {
	if e.Size == 0 || e.Size > limit {
		return limit
	}
	return e.Size
}

// Read reads the content from what the URL gave, and opens it. It reads no more than MostOctets and one octet, by which it knows that
// there is too much; limit is of what is held in memory.
func (e External) Read(from io.Reader, limit uint64) ([]byte, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	most := min(e.MostOctets(limit), 1<<62)
	octets, err := io.ReadAll(io.LimitReader(from, int64(most)+1))
	if err != nil {
		return nil, err
	}
	if uint64(len(octets)) > most {
		return nil, ErrSize
	}
	return e.Open(octets)
}
