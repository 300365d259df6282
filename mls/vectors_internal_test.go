package mls

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
	"parley/mimitest/wirecase"
	"parley/mls/internal/schedule"
	"parley/mls/internal/tree"
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

// eachVector runs the cases of offered suites and says which were not.
func eachVector[T any](t *testing.T, name string, suiteOf func(*T) wire.CipherSuite, f func(*testing.T, *suite.Suite, *T)) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(vectors.Dir(t, "mls"), name))
	if err != nil {
		t.Fatal(err)
	}
	var cases []T
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	ran, other := 0, map[wire.CipherSuite]int{}
	for i := range cases {
		s, err := suite.Lookup(suiteOf(&cases[i]))
		if err != nil {
			other[suiteOf(&cases[i])]++
			continue
		}
		ran++
		t.Run(fmt.Sprintf("case %d suite %d", i, s.ID()), func(t *testing.T) { f(t, s, &cases[i]) })
	}
	t.Logf("%d cases ran; of suites that are not offered: %v", ran, other)
	if ran != len(suite.All()) {
		t.Errorf("%d cases ran, %d suites are offered", ran, len(suite.All()))
	}
}

func decodeTest[T any, P interface {
	*T
	syntax.Value
}](t *testing.T, data []byte) *T {
	t.Helper()
	v := P(new(T))
	if err := syntax.Unmarshal(bytes.Clone(data), v); err != nil {
		t.Fatal(err)
	}
	return (*T)(v)
}

// rawSigner makes a key of the raw private key that the vectors give.
func rawSigner(t *testing.T, id wire.CipherSuite, raw []byte) crypto.Signer {
	t.Helper()
	curve := map[wire.CipherSuite]elliptic.Curve{
		suite.P256AES128: elliptic.P256(), suite.P384AES256: elliptic.P384(), suite.P521AES256: elliptic.P521(),
	}[id]
	if curve == nil {
		return ed25519.NewKeyFromSeed(raw[:ed25519.SeedSize])
	}
	size := (curve.Params().BitSize + 7) / 8
	key, err := ecdsa.ParseRawPrivateKey(curve, append(make([]byte, size-len(raw)), raw...))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

type welcomeCase struct {
	CipherSuite wire.CipherSuite `json:"cipher_suite"`
	InitKey     octets           `json:"init_priv"`
	Signer      octets           `json:"signer_pub"`
	KeyPackage  octets           `json:"key_package"`
	Welcome     octets           `json:"welcome"`
}

// The Welcome of these cases leads to no tree, so the steps of Join are taken one by one.
func TestWelcomeVectors(t *testing.T) {
	eachVector(t, "welcome.json", func(c *welcomeCase) wire.CipherSuite { return c.CipherSuite },
		func(t *testing.T, s *suite.Suite, c *welcomeCase) {
			b := &KeyPackageBundle{KeyPackage: *decodeTest[wire.Message](t, c.KeyPackage).KeyPackage, InitKey: c.InitKey}
			p := JoinParams{Welcome: decodeTest[wire.Message](t, c.Welcome).Welcome, Own: []OwnLeaf{{Bundle: b}}}
			secrets, _, err := openSecrets(s, &p)
			if err != nil {
				t.Fatal(err)
			}
			psk, err := pskSecret(s, secrets[0].PSKs, func(*wire.PreSharedKeyID) ([]byte, bool) { return nil, false })
			if err != nil {
				t.Fatal(err)
			}
			info, err := openInfo(s, p.Welcome, secrets[0].JoinerSecret, psk)
			if err != nil {
				t.Fatal(err)
			}
			if err := verifyValue(s, c.Signer, "GroupInfoTBS", &wire.GroupInfoTBS{GroupInfo: info}, info.Signature, RuleGroupInfo); err != nil {
				t.Fatal(err)
			}
			context, err := marshal(&info.Context)
			if err != nil {
				t.Fatal(err)
			}
			epoch, err := schedule.FromJoiner(s, secrets[0].JoinerSecret, psk, context)
			if err != nil {
				t.Fatal(err)
			}
			if !epoch.VerifyConfirmation(info.Context.ConfirmedTranscriptHash, info.ConfirmationTag) {
				t.Error("confirmation tag")
			}
		})
}

type protectionCase struct {
	CipherSuite wire.CipherSuite `json:"cipher_suite"`
	GroupID     octets           `json:"group_id"`
	Epoch       uint64           `json:"epoch"`
	TreeHash    octets           `json:"tree_hash"`
	Confirmed   octets           `json:"confirmed_transcript_hash"`
	Private     octets           `json:"signature_priv"`
	Public      octets           `json:"signature_pub"`
	Encryption  octets           `json:"encryption_secret"`
	SenderData  octets           `json:"sender_data_secret"`
	Membership  octets           `json:"membership_key"`

	Proposal        octets `json:"proposal"`
	ProposalPrivate octets `json:"proposal_priv"`
	ProposalPublic  octets `json:"proposal_pub"`
	Commit          octets `json:"commit"`
	CommitPrivate   octets `json:"commit_priv"`
	CommitPublic    octets `json:"commit_pub"`
	Application     octets `json:"application"`
	AppPrivate      octets `json:"application_priv"`
}

// group is a member of the vectors' group of two, in which leaf 1 sends.
func (c *protectionCase) group(t *testing.T, s *suite.Suite, own LeafIndex) *Group {
	t.Helper()
	leaf := func(key []byte) *wire.LeafNode {
		_, public, err := s.GenerateKeyPair()
		if err != nil {
			t.Fatal(err)
		}
		return &wire.LeafNode{EncryptionKey: public, SignatureKey: key, Source: wire.KeyPackageSource}
	}
	nodes, err := tree.New(s, leaf([]byte("somebody else")), tree.Limits{})
	if err == nil {
		nodes, _, err = nodes.Add(leaf(c.Public))
	}
	if err != nil {
		t.Fatal(err)
	}
	context := &wire.GroupContext{
		Version: wire.MLS10, Suite: s.ID(), GroupID: c.GroupID, Epoch: c.Epoch, TreeHash: c.TreeHash, ConfirmedTranscriptHash: c.Confirmed,
	}
	octets, err := marshal(context)
	if err != nil {
		t.Fatal(err)
	}
	g := newGroup(&Config{}, &PublicGroup{
		cfg: &Config{}, suite: s, context: context, octets: octets, tree: nodes, needs: &needs{}, census: newCensus(),
	})
	g.own = []*ownLeaf{{leaf: own, signer: rawSigner(t, s.ID(), c.Private)}}
	var secrets []byte
	for _, secret := range [][]byte{c.SenderData, nil, nil, nil, nil, c.Membership, nil, nil, nil} {
		if secrets, err = syntax.Append(secrets, (*savedSecret)(&secret)); err != nil {
			t.Fatal(err)
		}
	}
	if g.epoch, err = schedule.LoadEpoch(s, "", func(key string) ([]byte, bool) { return secrets, key == "secrets" }); err != nil {
		t.Fatal(err)
	}
	g.messages = schedule.NewSecretTree(s, bytes.Clone(c.Encryption), 2, schedule.Limits{})
	return g
}

type savedSecret []byte

func (v *savedSecret) Syntax(c *syntax.Codec) { syntax.Opaque(c, (*[]byte)(v)) }

// signed makes the checks of Process up to the signature; what the vectors propose is nonsense in their group.
func (c *protectionCase) signed(t *testing.T, g *Group, m *wire.Message) *framed {
	t.Helper()
	staged := &GroupStaged{group: g}
	ac, err := staged.signed(m)
	if err != nil {
		t.Fatal(err)
	}
	public, _, err := g.public.senderKey(ac.AuthenticatedContent)
	if err != nil {
		t.Fatal(err)
	}
	if err := ac.verify(g.public.suite, public, g.public.octets); err != nil {
		t.Fatal(err)
	}
	if staged.use != nil {
		g.messages.Consume(staged.use)
	}
	return ac
}

func TestMessageProtectionVectors(t *testing.T) {
	eachVector(t, "message-protection.json", func(c *protectionCase) wire.CipherSuite { return c.CipherSuite },
		func(t *testing.T, s *suite.Suite, c *protectionCase) {
			for _, m := range []struct {
				content, private, public []byte
				value                    func(*wire.FramedContent) syntax.Value
			}{
				{c.Proposal, c.ProposalPrivate, c.ProposalPublic, func(f *wire.FramedContent) syntax.Value { return f.Proposal }},
				{c.Commit, c.CommitPrivate, c.CommitPublic, func(f *wire.FramedContent) syntax.Value { return f.Commit }},
			} {
				for _, octets := range [][]byte{m.private, m.public} {
					// each was made as the first message of its sender
					ac := c.signed(t, c.group(t, s, 0), decodeTest[wire.Message](t, octets))
					checkContent(t, m.value(&ac.Content), m.content)
				}
			}
			got, _, err := c.group(t, s, 0).Open(decodeTest[wire.Message](t, c.AppPrivate).Private)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Data, c.Application) {
				t.Fatalf("%x, want %x", got.Data, c.Application)
			}
			c.protect(t, c.group(t, s, 1), c.group(t, s, 0))
		})
}

func checkContent(t *testing.T, v syntax.Value, want []byte) {
	t.Helper()
	got, err := syntax.Marshal(v)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%x, %v; want %x", got, err, want)
	}
}

// protect has the sender send the vectors' contents itself.
func (c *protectionCase) protect(t *testing.T, sender, receiver *Group) {
	proposal, commit := decodeTest[wire.Proposal](t, c.Proposal), decodeTest[wire.Commit](t, c.Commit)
	for _, format := range []wire.WireFormat{wire.PublicMessageFormat, wire.PrivateMessageFormat} {
		for _, content := range []wire.FramedContent{
			{Type: wire.ProposalContent, Proposal: proposal},
			{Type: wire.CommitContent, Commit: commit},
		} {
			content.GroupID, content.Epoch, content.Sender = c.GroupID, c.Epoch, wire.Sender{Type: wire.MemberSender, Index: 1}
			ac, err := signContent(sender.public.suite, sender.own[0].signer, format, content, sender.public.octets)
			if err != nil {
				t.Fatal(err)
			}
			ac.Auth.ConfirmationTag = []byte("a tag")
			m, _, err := sender.frame(ac)
			if err != nil {
				t.Fatal(err)
			}
			octets, err := syntax.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			got := c.signed(t, receiver, decodeTest[wire.Message](t, octets))
			want, err := syntax.Marshal(&ac.Content)
			if err != nil {
				t.Fatal(err)
			}
			checkContent(t, &got.Content, want)
		}
	}
	m, _, err := sender.Seal(1, nil, c.Application)
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := receiver.Open(m.Private); err != nil || !bytes.Equal(got.Data, c.Application) {
		t.Fatal(err)
	}
}

// The project's own cases of AppDataUpdate name the components of the group beside the dictionary.
func TestAppDataUpdateVectors(t *testing.T) {
	for _, c := range wirecase.Load(t, "mls-extensions") {
		if c.Structure != "AppDataUpdateApply" {
			continue
		}
		t.Run(c.Name, func(t *testing.T) { checkUpdates(t, c) })
	}
}

func checkUpdates(t *testing.T, c wirecase.Case) {
	var in struct {
		Before  octets             `json:"before_hex"`
		Known   []wire.ComponentID `json:"app_components"`
		Updates []octets           `json:"updates_hex"`
	}
	var out struct {
		Valid bool
		After octets `json:"after_hex"`
	}
	wirecase.Into(t, c.Inputs, &in)
	wirecase.Into(t, c.Outputs, &out)
	var list []Proposed
	for _, u := range in.Updates {
		list = append(list, Proposed{Proposal: &wire.Proposal{Type: wire.AppDataUpdateProposal, AppDataUpdate: decodeTest[wire.AppDataUpdate](t, u)}})
	}
	got, err := applyVector(*decodeTest[wire.AppDataDictionary](t, in.Before), wire.ComponentsList{IDs: in.Known}, list)
	if !out.Valid {
		if err == nil {
			t.Error("accepted")
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	checkContent(t, &got, out.After)
}

func applyVector(dictionary wire.AppDataDictionary, known wire.ComponentsList, list []Proposed) (wire.AppDataDictionary, error) {
	groups, err := gatherUpdates(list)
	if err != nil {
		return dictionary, err
	}
	cfg := &Config{}
	for _, g := range groups {
		if !known.Has(g.id) {
			return dictionary, broken(RuleComponentUnknown)
		}
		if dictionary, err = cfg.applyUpdates(dictionary, g); err != nil {
			return dictionary, err
		}
	}
	return dictionary, nil
}

// A GroupInfo rebuilt from its parts carries the signature of the whole (A-X13, A-X14).
func TestPartialGroupInfoVectors(t *testing.T) {
	ran := 0
	for _, c := range wirecase.Load(t, "update") {
		if c.Structure != "PartialGroupInfoRebuild" {
			continue
		}
		ran++
		t.Run("X-PGI-02 "+c.Name, func(t *testing.T) { checkRebuild(t, c) })
	}
	if ran == 0 {
		t.Error("no case")
	}
}

func checkRebuild(t *testing.T, c wirecase.Case) {
	var in struct {
		Partial octets `json:"partialGroupInfo"`
		Context octets `json:"group_context"`
		Tag     octets `json:"confirmation_tag"`
		Key     octets `json:"signer_public_key"`
	}
	var out struct{ GroupInfo octets }
	wirecase.Into(t, c.Inputs, &in)
	wirecase.Into(t, c.Outputs, &out)
	context := decodeTest[wire.GroupContext](t, in.Context)
	s, err := suite.Lookup(context.Suite)
	if err != nil {
		t.Fatal(err)
	}
	_, public, err := s.GenerateKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := tree.New(s, &wire.LeafNode{EncryptionKey: public, SignatureKey: in.Key, Source: wire.KeyPackageSource}, tree.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	g := &PublicGroup{cfg: &Config{}, suite: s, context: context, octets: in.Context, tree: nodes, tag: in.Tag}
	partial := decodeTest[wire.PartialGroupInfo](t, in.Partial)
	info, err := g.CompleteGroupInfo(partial, 0)
	if err != nil {
		t.Fatal(err)
	}
	checkContent(t, info, out.GroupInfo)
	partial.Extensions[0].Data[3] ^= 1
	if _, err := g.CompleteGroupInfo(partial, 0); err == nil {
		t.Error("a changed extension passes")
	}
	partial.Extensions[0].Data[3] ^= 1
	for _, p := range []wire.TreePresence{wire.RatchetTreePresent, wire.RatchetTreeRemoved, wire.RatchetTreeAdded} {
		partial.Presence = p
		if _, err := g.CompleteGroupInfo(partial, 0); err == nil {
			t.Errorf("presence %d passes", p)
		}
	}
}
