package suite_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"parley/internal/vectors"
	"parley/mls/suite"
	"parley/mls/wire"
)

// octets is a hexadecimal JSON text.
type octets []byte

func (o *octets) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	b, err := hex.DecodeString(s)
	*o = b
	return err
}

type basics struct {
	CipherSuite wire.CipherSuite `json:"cipher_suite"`
	RefHash     struct {
		Label      string
		Out, Value octets
	} `json:"ref_hash"`
	ExpandWithLabel struct {
		Secret, Context, Out octets
		Label                string
		Length               int
	} `json:"expand_with_label"`
	DeriveSecret struct {
		Secret, Out octets
		Label       string
	} `json:"derive_secret"`
	DeriveTreeSecret struct {
		Secret, Out octets
		Label       string
		Generation  uint32
		Length      int
	} `json:"derive_tree_secret"`
	SignWithLabel struct {
		Priv, Pub, Content, Signature octets
		Label                         string
	} `json:"sign_with_label"`
	EncryptWithLabel struct {
		Priv, Pub, Context, Plaintext, Ciphertext octets
		KEMOutput                                 octets `json:"kem_output"`
		Label                                     string
	} `json:"encrypt_with_label"`
}

// The vectors are those of the MLS working group.
func TestCryptoBasics(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(vectors.Dir(t, "mls"), "crypto-basics.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []basics
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, v := range cases {
		s, err := suite.Lookup(v.CipherSuite)
		if err != nil {
			t.Logf("suite %d is not offered", v.CipherSuite)
			continue
		}
		ran++
		t.Run(fmt.Sprint("suite ", v.CipherSuite), func(t *testing.T) { checkBasics(t, s, &v) })
	}
	if ran != len(suite.All()) {
		t.Errorf("%d suites ran, %d are offered", ran, len(suite.All()))
	}
}

func checkBasics(t *testing.T, s *suite.Suite, v *basics) {
	same := func(what string, got, want []byte) {
		t.Helper()
		if !bytes.Equal(got, want) {
			t.Errorf("%s: %x, want %x", what, got, want)
		}
	}
	same("RefHash", s.RefHash(v.RefHash.Label, v.RefHash.Value), v.RefHash.Out)
	x := v.ExpandWithLabel
	same("ExpandWithLabel", s.ExpandWithLabel(x.Secret, x.Label, x.Context, x.Length), x.Out)
	same("DeriveSecret", s.DeriveSecret(v.DeriveSecret.Secret, v.DeriveSecret.Label), v.DeriveSecret.Out)
	d := v.DeriveTreeSecret
	same("DeriveTreeSecret", s.DeriveTreeSecret(d.Secret, d.Label, d.Generation, d.Length), d.Out)

	w := v.SignWithLabel
	if err := s.VerifyWithLabel(w.Pub, w.Label, w.Content, w.Signature); err != nil {
		t.Errorf("the vector's signature: %v", err)
	}
	if s.VerifyWithLabel(w.Pub, w.Label+"x", w.Content, w.Signature) == nil {
		t.Error("the signature verifies under another label")
	}
	key := signer(t, v.CipherSuite, w.Priv)
	signature, err := s.SignWithLabel(key, w.Label, w.Content)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.VerifyWithLabel(w.Pub, w.Label, w.Content, signature); err != nil {
		t.Errorf("own signature under the vector's key: %v", err)
	}

	e := v.EncryptWithLabel
	got, err := s.DecryptWithLabel(e.Priv, e.Label, e.Context, wire.HPKECiphertext{KEMOutput: e.KEMOutput, Ciphertext: e.Ciphertext})
	if err != nil {
		t.Fatal(err)
	}
	same("DecryptWithLabel", got, e.Plaintext)
	sealed, err := s.EncryptWithLabel(e.Pub, e.Label, e.Context, e.Plaintext)
	if err != nil {
		t.Fatal(err)
	}
	if got, err = s.DecryptWithLabel(e.Priv, e.Label, e.Context, sealed); err != nil {
		t.Fatal(err)
	}
	same("own ciphertext", got, e.Plaintext)
	if _, err := s.DecryptWithLabel(e.Priv, e.Label, append([]byte{0}, e.Context...), sealed); err == nil {
		t.Error("opens under another context")
	}
}

// signer makes a key of the raw private key that the vectors give.
func signer(t *testing.T, id wire.CipherSuite, raw []byte) crypto.Signer {
	t.Helper()
	switch id {
	case suite.X25519AES128, suite.X25519ChaCha20:
		return ed25519.NewKeyFromSeed(raw[:ed25519.SeedSize])
	}
	curve := map[wire.CipherSuite]elliptic.Curve{
		suite.P256AES128: elliptic.P256(), suite.P384AES256: elliptic.P384(), suite.P521AES256: elliptic.P521(),
	}[id]
	size := (curve.Params().BitSize + 7) / 8
	padded := append(make([]byte, size-len(raw)), raw...)
	key, err := ecdsa.ParseRawPrivateKey(curve, padded)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
