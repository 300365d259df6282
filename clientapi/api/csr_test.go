package api

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"testing"

	"parley/mls/suite"
	"parley/mls/wire"
)

func signer(t testing.TB, id wire.CipherSuite) crypto.Signer {
	t.Helper()
	s, err := suite.Lookup(id)
	if err != nil {
		t.Fatal(err)
	}
	key, err := s.GenerateSignatureKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestSigningRequest(t *testing.T) {
	for _, id := range suite.All() {
		key := signer(t, id)
		der, err := SigningRequest(key)
		if err != nil {
			t.Fatal(err)
		}
		public, err := CheckSigningRequest(der, id)
		if err != nil || !key.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(public) {
			t.Errorf("suite %d: %v", id, err)
		}
		for i := 0; i < len(der) && id <= 2; i += 3 {
			forged := append([]byte(nil), der...)
			forged[i] ^= 1
			if got, err := CheckSigningRequest(forged, id); err == nil && !key.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(got) {
				t.Fatalf("suite %d: octet %d changed and another key was accepted", id, i)
			}
		}
	}
}

func TestSigningRequestRefuses(t *testing.T) {
	ed, ec := signer(t, 1), signer(t, 2)
	good, err := SigningRequest(ed)
	if err != nil {
		t.Fatal(err)
	}
	other, err := SigningRequest(ec)
	if err != nil {
		t.Fatal(err)
	}
	weak, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	weakRequest, err := SigningRequest(weak)
	if err != nil {
		t.Fatal(err)
	}
	forged := append([]byte(nil), good...)
	forged[len(forged)-1] ^= 1
	for name, c := range map[string]struct {
		der  []byte
		id   wire.CipherSuite
		want error
	}{
		"nothing":            {nil, 1, ErrCSR},
		"cut":                {good[:len(good)-1], 1, ErrCSR},
		"trailing octet":     {append(append([]byte(nil), good...), 0), 1, ErrCSR},
		"forged":             {forged, 1, ErrCSR},
		"unknown suite":      {good, 0x7777, ErrSuite},
		"other scheme":       {good, 2, ErrKey},
		"the other way":      {other, 1, ErrKey},
		"scheme of no suite": {weakRequest, 1, ErrKey},
	} {
		if _, err := CheckSigningRequest(c.der, c.id); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func FuzzCheckSigningRequest(f *testing.F) {
	good, err := SigningRequest(signer(f, 1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, der []byte) {
		if key, err := CheckSigningRequest(der, 1); (key == nil) != (err != nil) {
			t.Fatalf("key %v, error %v", key, err)
		}
	})
}
