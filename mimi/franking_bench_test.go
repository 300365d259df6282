package mimi_test

import (
	"testing"

	"parley/mimi"
	"parley/mls/suite"
	"parley/mls/wire"
)

// BenchmarkFrank is the hub's work for one frank, and a receiver's, by cipher suite.
func BenchmarkFrank(b *testing.B) {
	for _, id := range []wire.CipherSuite{suite.X25519AES128, 2} {
		s, err := suite.Lookup(id)
		if err != nil {
			b.Fatal(err)
		}
		key, err := s.GenerateSignatureKey()
		if err != nil {
			b.Fatal(err)
		}
		public, err := s.SignaturePublicKey(key.Public())
		if err != nil {
			b.Fatal(err)
		}
		context := &mimi.FrankingContext{Sender: "mimi://a.example/u/alice", Room: "mimi://a.example/r/clubhouse", AcceptedAt: 1}
		frank, err := mimi.NewFrank(id, key, make([]byte, 32), [32]byte{1}, context)
		if err != nil {
			b.Fatal(err)
		}
		b.Run("make "+s.String(), func(b *testing.B) {
			for b.Loop() {
				if _, err := mimi.NewFrank(id, key, make([]byte, 32), [32]byte{1}, context); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("verify "+s.String(), func(b *testing.B) {
			for b.Loop() {
				if err := frank.Verify(public, context); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
