package content_test

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"parley/content"
)

func TestSeal(t *testing.T) {
	base := content.External{ContentType: "image/png", URL: "https://a.example/x"}
	t.Run("C-XP-05 AES-128-GCM", func(t *testing.T) {
		// Test case 2 of the GCM submission to NIST: all zero.
		want := unhex(t, "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf")
		e, sealed, err := base.Seal([16]byte{}, [12]byte{}, make([]byte, 16))
		if err != nil || !bytes.Equal(sealed, want) {
			t.Fatalf("%x, %v", sealed, err)
		}
		if e.AEAD != 1 || e.Size != 32 || e.Validate() != nil {
			t.Errorf("%+v", e)
		}
		if plain, err := e.Open(bytes.Clone(want)); err != nil || !bytes.Equal(plain, make([]byte, 16)) {
			t.Errorf("%x, %v", plain, err)
		}
	})
	t.Run("C-XP-08 the hash is of the octets at the URL and comes first", func(t *testing.T) {
		e, sealed, err := base.Seal([16]byte{1}, [12]byte{2}, []byte("secret"))
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(sealed); !bytes.Equal(sum[:], e.ContentHash) || bytes.Contains(sealed, []byte("secret")) {
			t.Errorf("hash %x", e.ContentHash)
		}
		for n := range sealed {
			flipped := bytes.Clone(sealed)
			flipped[n] ^= 1
			kept := bytes.Clone(flipped)
			if _, err := e.Open(flipped); err != content.ErrContentHash {
				t.Fatalf("octet %d: %v", n, err)
			}
			if !bytes.Equal(flipped, kept) {
				t.Fatalf("octet %d: decrypted before it was verified", n)
			}
		}
		if _, err := e.Open(sealed[:len(sealed)-1]); err != content.ErrContentHash {
			t.Errorf("cut: %v", err)
		}
		longer := e
		longer.Size++
		if _, err := longer.Open(bytes.Clone(sealed)); err != content.ErrContentHash {
			t.Errorf("other size: %v", err)
		}
		wrongKey := e
		wrongKey.Key = make([]byte, 16)
		if _, err := wrongKey.Open(bytes.Clone(sealed)); err != content.ErrDecrypt {
			t.Errorf("other key: %v", err)
		}
		wrongAAD := e
		wrongAAD.AAD = []byte{1}
		if _, err := wrongAAD.Open(bytes.Clone(sealed)); err != content.ErrDecrypt {
			t.Errorf("other aad: %v", err)
		}
	})
	t.Run("C-XP-09 nothing unverified is opened", func(t *testing.T) {
		e, sealed, err := base.Seal([16]byte{1}, [12]byte{2}, []byte("secret"))
		if err != nil {
			t.Fatal(err)
		}
		e.Hash, e.ContentHash = content.HashNone, nil
		if _, err := e.Open(sealed); err != content.ErrUnverifiable {
			t.Errorf("no hash: %v", err)
		}
	})
	t.Run("algorithms", func(t *testing.T) {
		plain := []byte("public")
		sum := sha256.Sum256(plain)
		open := base
		open.Hash, open.ContentHash = content.HashSHA256, sum[:]
		if got, err := open.Open(plain); err != nil || string(got) != "public" {
			t.Errorf("not encrypted: %q, %v", got, err)
		}
		for _, hash := range []struct {
			algorithm uint8
			sum       string
		}{
			{content.HashSHA384, "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"},
			{content.HashSHA512, "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
		} {
			open.Hash, open.ContentHash = hash.algorithm, unhex(t, hash.sum)
			if got, err := open.Open([]byte("abc")); err != nil || string(got) != "abc" {
				t.Errorf("hash %d: %q, %v", hash.algorithm, got, err)
			}
		}
		unknown := base
		unknown.AEAD, unknown.Hash, unknown.ContentHash = 99, content.HashSHA256, sum[:]
		if _, err := unknown.Open(plain); err != content.ErrExternal {
			t.Errorf("unknown algorithm: %v", err)
		}
	})
	t.Run("in place", func(t *testing.T) {
		buffer := append(make([]byte, 0, 32), "0123456789abcdef"...)
		e, sealed, err := base.Seal([16]byte{1}, [12]byte{2}, buffer)
		if err != nil || &sealed[0] != &buffer[0] {
			t.Fatal("not in place", err)
		}
		if plain, err := e.Open(sealed); err != nil || &plain[0] != &buffer[0] || string(plain) != "0123456789abcdef" {
			t.Errorf("%q, %v", plain, err)
		}
	})
	t.Run("C-XP-11 no more is read than the size or the limit", func(t *testing.T) {
		e, sealed, err := base.Seal([16]byte{1}, [12]byte{2}, []byte("0123456789"))
		if err != nil || e.Size != 26 {
			t.Fatal(e.Size, err)
		}
		if plain, err := e.Read(bytes.NewReader(bytes.Clone(sealed)), 1000); err != nil || string(plain) != "0123456789" {
			t.Errorf("%q, %v", plain, err)
		}
		unknown := e
		unknown.Size = 0
		for name, c := range map[string]struct {
			e     content.External
			limit uint64
			most  int
		}{"size": {e, 1000, 27}, "limit": {e, 20, 21}, "unknown size": {unknown, 1000, 1001}} {
			body := &endless{start: bytes.Clone(sealed)}
			if _, err := c.e.Read(body, c.limit); err != content.ErrSize || body.read > c.most {
				t.Errorf("%s: %d octets, %v", name, body.read, err)
			}
		}
		if _, err := e.Read(bytes.NewReader(sealed[:20]), 1000); err != content.ErrContentHash {
			t.Errorf("cut: %v", err)
		}
		none := e
		none.ContentHash = nil
		body := &endless{}
		if _, err := none.Read(body, 1000); err != content.ErrUnverifiable || body.read != 0 {
			t.Errorf("read though it cannot be verified: %v", err)
		}
	})
	t.Run("most octets", func(t *testing.T) {
		for size, want := range map[uint64]uint64{0: 100, 99: 99, 100: 100, 101: 100, 1<<64 - 1: 100} {
			if got := (content.External{Size: size}).MostOctets(100); got != want {
				t.Errorf("size %d: %d", size, got)
			}
		}
	})
}

// endless is a body that never ends.
type endless struct {
	start []byte
	read  int
}

func (e *endless) Read(p []byte) (int, error) {
	for n := range p {
		p[n] = 'x'
	}
	copy(p, e.start[min(e.read, len(e.start)):])
	e.read += len(p)
	return len(p), nil
}
