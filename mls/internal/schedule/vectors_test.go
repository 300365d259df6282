package schedule

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"parley/internal/vectors"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

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

// load reads a file of the MLS working group's vectors.
func load[T any](t *testing.T, name string) []T {
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

// each runs the cases of offered suites and says which were not.
func each[T any](t *testing.T, name string, suiteOf func(*T) wire.CipherSuite, f func(*testing.T, *suite.Suite, *T)) {
	t.Helper()
	ran, left := 0, 0
	cases := load[T](t, name)
	for i := range cases {
		id := suiteOf(&cases[i])
		s, err := suite.Lookup(id)
		if err != nil {
			left++
			continue
		}
		ran++
		t.Run(fmt.Sprintf("case %d suite %d", i, id), func(t *testing.T) { f(t, s, &cases[i]) })
	}
	t.Logf("%s: %d cases ran, %d are of suites that are not offered", name, ran, left)
	if ran == 0 {
		t.Error("no case ran")
	}
}

func same(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Fatalf("%s: %x, want %x", what, got, want)
	}
}

type scheduleCase struct {
	CipherSuite       wire.CipherSuite `json:"cipher_suite"`
	GroupID           octets           `json:"group_id"`
	InitialInitSecret octets           `json:"initial_init_secret"`
	Epochs            []struct {
		CommitSecret            octets `json:"commit_secret"`
		ConfirmationKey         octets `json:"confirmation_key"`
		ConfirmedTranscriptHash octets `json:"confirmed_transcript_hash"`
		EncryptionSecret        octets `json:"encryption_secret"`
		EpochAuthenticator      octets `json:"epoch_authenticator"`
		Exporter                struct {
			Context octets
			Label   string
			Length  int
			Secret  octets
		}
		ExporterSecret   octets `json:"exporter_secret"`
		ExternalPub      octets `json:"external_pub"`
		ExternalSecret   octets `json:"external_secret"`
		GroupContext     octets `json:"group_context"`
		InitSecret       octets `json:"init_secret"`
		JoinerSecret     octets `json:"joiner_secret"`
		MembershipKey    octets `json:"membership_key"`
		PSKSecret        octets `json:"psk_secret"`
		ResumptionPSK    octets `json:"resumption_psk"`
		SenderDataSecret octets `json:"sender_data_secret"`
		TreeHash         octets `json:"tree_hash"`
		WelcomeSecret    octets `json:"welcome_secret"`
	}
}

func TestKeySchedule(t *testing.T) {
	each(t, "key-schedule.json", func(c *scheduleCase) wire.CipherSuite { return c.CipherSuite },
		func(t *testing.T, s *suite.Suite, c *scheduleCase) {
			init := []byte(c.InitialInitSecret)
			for i, v := range c.Epochs {
				context, err := syntax.Marshal(&wire.GroupContext{Version: wire.MLS10, Suite: c.CipherSuite, GroupID: c.GroupID,
					Epoch: uint64(i), TreeHash: v.TreeHash, ConfirmedTranscriptHash: v.ConfirmedTranscriptHash})
				if err != nil {
					t.Fatal(err)
				}
				same(t, "group context", context, v.GroupContext)
				joiner := Joiner(s, init, v.CommitSecret, context)
				same(t, "joiner", joiner, v.JoinerSecret)
				same(t, "welcome", Welcome(s, joiner, v.PSKSecret), v.WelcomeSecret)
				e, err := FromJoiner(s, joiner, v.PSKSecret, context)
				if err != nil {
					t.Fatal(err)
				}
				for name, want := range map[secretName]octets{senderData: v.SenderDataSecret, encryption: v.EncryptionSecret,
					exporter: v.ExporterSecret, external: v.ExternalSecret, confirm: v.ConfirmationKey, membership: v.MembershipKey,
					resumption: v.ResumptionPSK, authentication: v.EpochAuthenticator, initial: v.InitSecret} {
					same(t, secretLabels[name], e.secrets[name], want)
				}
				same(t, "export", e.Export(v.Exporter.Label, v.Exporter.Context, v.Exporter.Length), v.Exporter.Secret)
				_, public, err := e.ExternalKeyPair()
				if err != nil {
					t.Fatal(err)
				}
				same(t, "external_pub", public, v.ExternalPub)
				init = e.InitSecret()
			}
		})
}

type secretTreeCase struct {
	CipherSuite wire.CipherSuite `json:"cipher_suite"`
	SenderData  struct {
		Secret octets `json:"sender_data_secret"`
		Cipher octets `json:"ciphertext"`
		Key    octets
		Nonce  octets
	} `json:"sender_data"`
	EncryptionSecret octets `json:"encryption_secret"`
	Leaves           [][]struct {
		Generation       uint32
		HandshakeKey     octets `json:"handshake_key"`
		HandshakeNonce   octets `json:"handshake_nonce"`
		ApplicationKey   octets `json:"application_key"`
		ApplicationNonce octets `json:"application_nonce"`
	}
}

func TestSecretTree(t *testing.T) {
	each(t, "secret-tree.json", func(c *secretTreeCase) wire.CipherSuite { return c.CipherSuite },
		func(t *testing.T, s *suite.Suite, c *secretTreeCase) {
			key, nonce := SenderDataKey(s, c.SenderData.Secret, c.SenderData.Cipher)
			same(t, "sender data key", key, c.SenderData.Key)
			same(t, "sender data nonce", nonce, c.SenderData.Nonce)
			tree := NewSecretTree(s, append([]byte(nil), c.EncryptionSecret...), uint32(len(c.Leaves)), Limits{})
			for leaf, generations := range c.Leaves {
				for _, g := range generations {
					checkUse(t, tree, uint32(leaf), Handshake, g.Generation, g.HandshakeKey, g.HandshakeNonce)
					checkUse(t, tree, uint32(leaf), Application, g.Generation, g.ApplicationKey, g.ApplicationNonce)
				}
			}
		})
}

func checkUse(t *testing.T, tree *SecretTree, leaf uint32, r Ratchet, generation uint32, key, nonce []byte) {
	t.Helper()
	u, err := tree.Peek(leaf, r, generation)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "key", u.Key(), key)
	same(t, "nonce", u.Nonce(), nonce)
	tree.Consume(u)
	if _, err := tree.Peek(leaf, r, generation); err == nil {
		t.Fatal("a used key was given again")
	}
}

type pskCase struct {
	CipherSuite wire.CipherSuite `json:"cipher_suite"`
	PSKs        []struct {
		ID    octets `json:"psk_id"`
		PSK   octets
		Nonce octets `json:"psk_nonce"`
	}
	Secret octets `json:"psk_secret"`
}

func TestPSKSecret(t *testing.T) {
	each(t, "psk_secret.json", func(c *pskCase) wire.CipherSuite { return c.CipherSuite },
		func(t *testing.T, s *suite.Suite, c *pskCase) {
			var psks []PSK
			for _, p := range c.PSKs {
				psks = append(psks, PSK{wire.PreSharedKeyID{Type: wire.ExternalPSK, ID: p.ID, Nonce: p.Nonce}, p.PSK})
			}
			got, err := PSKSecret(s, psks)
			if err != nil {
				t.Fatal(err)
			}
			same(t, "psk secret", got, c.Secret)
		})
}

type transcriptCase struct {
	CipherSuite      wire.CipherSuite `json:"cipher_suite"`
	Commit           octets           `json:"authenticated_content"`
	ConfirmationKey  octets           `json:"confirmation_key"`
	InterimBefore    octets           `json:"interim_transcript_hash_before"`
	ConfirmedAfter   octets           `json:"confirmed_transcript_hash_after"`
	InterimHashAfter octets           `json:"interim_transcript_hash_after"`
}

func TestTranscriptHashes(t *testing.T) {
	each(t, "transcript-hashes.json", func(c *transcriptCase) wire.CipherSuite { return c.CipherSuite },
		func(t *testing.T, s *suite.Suite, c *transcriptCase) {
			var ac wire.AuthenticatedContent
			if err := syntax.Unmarshal(c.Commit, &ac); err != nil {
				t.Fatal(err)
			}
			content, err := syntax.Marshal(&ac.Content)
			if err != nil {
				t.Fatal(err)
			}
			confirmed, err := ConfirmedHash(s, c.InterimBefore, ac.Format, content, ac.Auth.Signature)
			if err != nil {
				t.Fatal(err)
			}
			same(t, "confirmed", confirmed, c.ConfirmedAfter)
			if !s.VerifyMAC(c.ConfirmationKey, confirmed, ac.Auth.ConfirmationTag) {
				t.Error("confirmation tag")
			}
			interim, err := InterimHash(s, confirmed, ac.Auth.ConfirmationTag)
			if err != nil {
				t.Fatal(err)
			}
			same(t, "interim", interim, c.InterimHashAfter)
		})
}
