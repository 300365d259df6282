package mls_test

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
	"time"

	"parley/internal/vectors"
	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
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

// passive is a case of the MLS working group's passive-client files: a client that only joins and listens.
type passive struct {
	CipherSuite   wire.CipherSuite `json:"cipher_suite"`
	PSKs          []passivePSK     `json:"external_psks"`
	KeyPackage    octets           `json:"key_package"`
	Signer        octets           `json:"signature_priv"`
	LeafKey       octets           `json:"encryption_priv"`
	InitKey       octets           `json:"init_priv"`
	Welcome       octets           `json:"welcome"`
	Tree          octets           `json:"ratchet_tree"`
	Authenticator octets           `json:"initial_epoch_authenticator"`
	Epochs        []passiveEpoch   `json:"epochs"`
}

type passivePSK struct {
	ID  octets `json:"psk_id"`
	PSK octets `json:"psk"`
}

type passiveEpoch struct {
	Proposals     []octets `json:"proposals"`
	Commit        octets   `json:"commit"`
	Authenticator octets   `json:"epoch_authenticator"`
}

func TestPassiveClient(t *testing.T) {
	for _, name := range []string{"passive-client-welcome", "passive-client-handling-commit", "passive-client-random"} {
		t.Run(name, func(t *testing.T) {
			ran, other := 0, map[wire.CipherSuite]int{}
			for i, c := range readVectors[passive](t, name+".json") {
				s, err := suite.Lookup(c.CipherSuite)
				if err != nil {
					other[c.CipherSuite]++
					continue
				}
				ran++
				t.Run(fmt.Sprintf("case %d suite %d", i, c.CipherSuite), func(t *testing.T) {
					t.Parallel()
					c.play(t, s)
				})
			}
			t.Logf("%d cases ran; of suites that are not offered: %v", ran, other)
			if ran == 0 {
				t.Error("no case ran")
			}
		})
	}
}

func readVectors[T any](t testing.TB, name string) []T {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(vectors.Dir(t, "mls"), name))
	if err != nil {
		t.Fatal(err)
	}
	var cases []T
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

// config is that of a client who keeps the resumption secrets of its past, which the cases need.
func (c *passive) config() *mls.Config {
	return &mls.Config{
		PSK: func(id *wire.PreSharedKeyID) ([]byte, bool) {
			for _, p := range c.PSKs {
				if id.Type == wire.ExternalPSK && bytes.Equal(p.ID, id.ID) {
					return p.PSK, true
				}
			}
			return nil, false
		},
		Limits: mls.Limits{PastEpochs: 2},
	}
}

// play joins and takes all commits; after each step the group is loaded again from its records.
func (c *passive) play(t *testing.T, s *suite.Suite) {
	cfg := c.config()
	b := &mls.KeyPackageBundle{KeyPackage: *decode[wire.Message](t, c.KeyPackage).KeyPackage, InitKey: c.InitKey, LeafKey: c.LeafKey}
	m := newMember(t, "passive client")
	signer := rawSigner(t, s.ID(), c.Signer)
	m.signers[string(b.KeyPackage.Leaf.SignatureKey)] = signer
	p := mls.JoinParams{Welcome: decode[wire.Message](t, c.Welcome).Welcome, Own: []mls.OwnLeaf{{Bundle: b, Signer: signer}}}
	if len(c.Tree) > 0 {
		p.Tree = decode[wire.RatchetTree](t, c.Tree)
	}
	var err error
	if m.group, _, err = mls.Join(cfg, p, time.Time{}); err != nil {
		t.Fatal(err)
	}
	m.save(m.group.Save())
	same(t, "initial authenticator", m.group.EpochAuthenticator(), c.Authenticator)
	m.reload(cfg)
	for i, e := range c.Epochs {
		for _, octets := range append(e.Proposals, e.Commit) {
			staged, err := m.group.Process(decode[wire.Message](t, octets), time.Time{})
			if err != nil {
				t.Fatalf("epoch %d: %v", i, err)
			}
			m.save(staged.Apply())
		}
		same(t, fmt.Sprint("authenticator ", i), m.group.EpochAuthenticator(), e.Authenticator)
		if i%8 == 0 {
			m.agreeStored(cfg)
			m.reload(cfg)
		}
	}
}

func same(t testing.TB, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Fatalf("%s: %x, want %x", what, got, want)
	}
}

func decode[T any, P interface {
	*T
	syntax.Value
}](t testing.TB, data []byte) *T {
	t.Helper()
	v := P(new(T))
	if err := syntax.Unmarshal(bytes.Clone(data), v); err != nil {
		t.Fatal(err)
	}
	return (*T)(v)
}

// rawSigner makes a key of the raw private key that the vectors give.
func rawSigner(t testing.TB, id wire.CipherSuite, raw []byte) crypto.Signer {
	t.Helper()
	switch id {
	case suite.X25519AES128, suite.X25519ChaCha20:
		return ed25519.NewKeyFromSeed(raw[:ed25519.SeedSize])
	}
	curve := map[wire.CipherSuite]elliptic.Curve{
		suite.P256AES128: elliptic.P256(), suite.P384AES256: elliptic.P384(), suite.P521AES256: elliptic.P521(),
	}[id]
	size := (curve.Params().BitSize + 7) / 8
	key, err := ecdsa.ParseRawPrivateKey(curve, append(make([]byte, size-len(raw)), raw...))
	if err != nil {
		t.Fatal(err)
	}
	return key
}
