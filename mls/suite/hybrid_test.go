package suite_test

import (
	"bytes"
	"errors"
	"testing"

	"parley/mls/suite"
	"parley/mls/wire"
)

func withAll(t testing.TB) *suite.Table {
	t.Helper()
	var points []suite.Point
	for _, h := range suite.Hybrids() {
		points = append(points, suite.Point{Hybrid: h})
	}
	table, err := (*suite.Table)(nil).With(points...)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestHybridTable(t *testing.T) {
	table := withAll(t)
	if got, want := len(table.All()), len(suite.All())+len(suite.Hybrids()); got != want {
		t.Fatalf("%d suites, want %d", got, want)
	}
	for _, h := range suite.Hybrids() {
		s, err := table.Hybrid(h)
		if err != nil || !s.PostQuantum() || s.ID() < suite.FirstPrivate {
			t.Errorf("%s: %v", h, err)
		}
		if _, err := suite.Lookup(s.ID()); !errors.Is(err, suite.ErrUnknown) {
			t.Errorf("%s is on by default: %v", h, err)
		}
		if _, err := (*suite.Table)(nil).Hybrid(h); !errors.Is(err, suite.ErrUnknown) {
			t.Errorf("%s is on by default: %v", h, err)
		}
	}
	for _, id := range suite.All() {
		if s, err := table.Lookup(id); err != nil || s.PostQuantum() {
			t.Errorf("suite %d: %v", id, err)
		}
	}
	for name, points := range map[string][]suite.Point{
		"no such hybrid":    {{Hybrid: "MLKEM512-X25519"}},
		"registered number": {{Hybrid: suite.MLKEM768X25519, ID: 1}},
		"not private":       {{Hybrid: suite.MLKEM768X25519, ID: 0xefff}},
		"twice":             {{Hybrid: suite.MLKEM768X25519}, {Hybrid: suite.MLKEM768X25519}},
		"one number":        {{Hybrid: suite.MLKEM768X25519, ID: 0xf100}, {Hybrid: suite.MLKEM768P256, ID: 0xf100}},
	} {
		if _, err := (*suite.Table)(nil).With(points...); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// What is sealed opens with the key alone, and neither half of a ciphertext may change.
func TestHybridHPKE(t *testing.T) {
	table := withAll(t)
	for _, h := range suite.Hybrids() {
		t.Run(string(h), func(t *testing.T) {
			s, err := table.Hybrid(h)
			if err != nil {
				t.Fatal(err)
			}
			private, public, err := s.DeriveKeyPair([]byte("some input key material of 48 octets or about so"))
			if err != nil {
				t.Fatal(err)
			}
			again, _, err := s.DeriveKeyPair([]byte("some input key material of 48 octets or about so"))
			if err != nil || !bytes.Equal(private, again) {
				t.Errorf("the same input gives another key: %v", err)
			}
			ct, err := s.EncryptWithLabel(public, "a label", []byte("context"), []byte("secret"))
			if err != nil {
				t.Fatal(err)
			}
			open := func(ct wire.HPKECiphertext) bool {
				got, err := s.DecryptWithLabel(private, "a label", []byte("context"), ct)
				return err == nil && string(got) == "secret"
			}
			if !open(ct) {
				t.Fatal("does not open")
			}
			for _, at := range []int{0, len(ct.KEMOutput) - 1} {
				bad := wire.HPKECiphertext{KEMOutput: bytes.Clone(ct.KEMOutput), Ciphertext: ct.Ciphertext}
				bad.KEMOutput[at] ^= 1
				if open(bad) {
					t.Errorf("opens with octet %d of the encapsulation changed", at)
				}
			}
			if err := s.CheckPublicKey(public[:len(public)-1]); err == nil {
				t.Error("a short public key passes")
			}
			kem, secret, err := s.ExternalInit(public)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := s.OpenExternalInit(private, kem); err != nil || !bytes.Equal(got, secret) {
				t.Errorf("external init: %v", err)
			}
		})
	}
}
