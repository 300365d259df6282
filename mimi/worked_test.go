package mimi_test

import (
	"crypto/ed25519"
	"strconv"
	"testing"

	"parley/mimi"
	"parley/mimitest/wirecase"
	"parley/mls/suite"
	"parley/mls/wire"
)

func worked() map[string]func(*testing.T, wirecase.Case) {
	return map[string]func(*testing.T, wirecase.Case){
		"KeyMaterialRequestSignature": func(t *testing.T, c wirecase.Case) {
			s := readSignature(t, c)
			var tbs mimi.KeyMaterialRequestTBS
			wirecase.Decode(t, s.TBS, &tbs)
			r := tbs.Request
			if err := r.Sign(s.key()); err != nil {
				t.Fatal(err)
			}
			s.same(t, r.Signature)
			if err := r.Verify(); err != nil {
				t.Fatal(err)
			}
		},
		"GroupInfoRequestSignature": groupInfoRequestSignature,
		"GroupInfoResponseSignature": func(t *testing.T, c wirecase.Case) {
			s := readSignature(t, c)
			var tbs mimi.GroupInfoResponseTBS
			wirecase.Decode(t, s.TBS, &tbs)
			r := tbs.Response
			if err := r.Sign(s.key()); err != nil {
				t.Fatal(err)
			}
			s.same(t, r.Signature)
			if err := r.Verify(); err != nil {
				t.Fatal(err)
			}
		},
		"FrankingIntegritySignature": func(t *testing.T, c wirecase.Case) {
			s := readSignature(t, c)
			var tbs mimi.FrankingIntegrityTBS
			wirecase.Decode(t, s.TBS, &tbs)
			frank := mimi.Frank{ServerFrank: tbs.ServerFrank, Suite: tbs.Suite, Signature: wirecase.Bytes(t, s.signature)}
			if err := frank.Verify(s.key().Public().(ed25519.PublicKey), &tbs.Context); err != nil {
				t.Fatal(err)
			}
			frank.Signature[0] ^= 1
			if frank.Verify(s.key().Public().(ed25519.PublicKey), &tbs.Context) == nil {
				t.Fatal("a changed signature verifies")
			}
		},
		"GroupInfoEncryption":  groupInfoEncryption,
		"FrankingTag":          frankingTag,
		"ServerFrank":          serverFrank,
		"FrankSwap":            frankSwap,
		"ParticipantListApply": participantListApply,
	}
}

type signatureCase struct {
	TBS   string
	Other string `json:"tbs_other_reading"`
	Label string
	Seed  string `json:"private_seed"`

	signature, otherSignature string
	t                         *testing.T
}

func readSignature(t *testing.T, c wirecase.Case) *signatureCase {
	s := &signatureCase{t: t}
	wirecase.Into(t, c.Inputs, s)
	var out struct {
		Signature string
		Other     string `json:"signature_other_reading"`
	}
	wirecase.Into(t, c.Outputs, &out)
	s.signature, s.otherSignature = out.Signature, out.Other
	return s
}

func (s *signatureCase) key() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(wirecase.Bytes(s.t, s.Seed))
}

func (s *signatureCase) same(t *testing.T, got []byte) {
	t.Helper()
	if wirecase.Hex(got) != s.signature {
		t.Fatalf("signature %x, want %s", got, s.signature)
	}
}

func groupInfoRequestSignature(t *testing.T, c wirecase.Case) {
	s := readSignature(t, c)
	var tbs mimi.GroupInfoRequestTBS
	wirecase.Decode(t, s.TBS, &tbs)
	r := tbs.Request
	if tbs.JoiningCode != nil {
		r.JoiningCode = *tbs.JoiningCode
	}
	if err := r.Sign(s.key()); err != nil {
		t.Fatal(err)
	}
	s.same(t, r.Signature)
	for _, signature := range []string{s.signature, s.otherSignature} {
		r.Signature = wirecase.Bytes(t, signature)
		if err := r.Verify(); err != nil {
			t.Fatal(err)
		}
		r.Signature[5] ^= 1
		if r.Verify() == nil {
			t.Fatal("a changed signature verifies")
		}
	}
}

func groupInfoEncryption(t *testing.T, c wirecase.Case) {
	var in struct {
		Context, Plaintext string
		Private            string           `json:"receiver_private_key"`
		Public             string           `json:"receiver_public_key"`
		Suite              wire.CipherSuite `json:"cipher_suite"`
	}
	var out struct {
		KEM        string `json:"kem_output"`
		Ciphertext string
		Other      string `json:"ciphertext_other_reading"`
	}
	wirecase.Into(t, c.Inputs, &in)
	wirecase.Into(t, c.Outputs, &out)
	room := string(wirecase.Bytes(t, in.Context))
	private := wirecase.Bytes(t, in.Private)
	for _, ciphertext := range []string{out.Ciphertext, out.Other} {
		ct := wire.HPKECiphertext{KEMOutput: wirecase.Bytes(t, out.KEM), Ciphertext: wirecase.Bytes(t, ciphertext)}
		v, err := mimi.DecryptGroupInfo(in.Suite, private, room, ct)
		if err != nil {
			t.Fatal(err)
		}
		if wirecase.Encode(v) != in.Plaintext {
			t.Fatal("plaintext differs")
		}
		if _, err := mimi.DecryptGroupInfo(in.Suite, private, room+"x", ct); err == nil {
			t.Fatal("opened for another room")
		}
	}
	var inside mimi.GroupInfoRatchetTree
	wirecase.Decode(t, in.Plaintext, &inside)
	request := &mimi.GroupInfoRequest{Suite: in.Suite, PublicKey: wirecase.Bytes(t, in.Public)}
	sealed, err := mimi.EncryptGroupInfo(request, room, &inside)
	if err != nil {
		t.Fatal(err)
	}
	s, err := suite.Lookup(in.Suite)
	if err != nil {
		t.Fatal(err)
	}
	// What is emitted opens under the first reading, not only under our fallback.
	plain, err := s.DecryptWithLabel(private, mimi.LabelGroupInfoEncryption, []byte(room), sealed)
	if err != nil || wirecase.Hex(plain) != in.Plaintext {
		t.Fatalf("sealed under another reading: %v", err)
	}
}

func tagOf(t *testing.T, s string) (tag [32]byte) {
	t.Helper()
	if copy(tag[:], wirecase.Bytes(t, s)) != len(tag) {
		t.Fatal("tag is too short")
	}
	return tag
}

func frankingTag(t *testing.T, c wirecase.Case) {
	var in struct {
		Salt string
		Data string `json:"application_data"`
	}
	var out struct {
		Tag string `json:"franking_tag"`
		AAD string `json:"authenticated_data"`
	}
	wirecase.Into(t, c.Inputs, &in)
	wirecase.Into(t, c.Outputs, &out)
	tag := mimi.NewFrankingTag(wirecase.Bytes(t, in.Salt), wirecase.Bytes(t, in.Data))
	if wirecase.Hex(tag[:]) != out.Tag {
		t.Fatalf("tag %x", tag)
	}
	aad, err := mimi.FrankAuthenticatedData(tag)
	if err != nil || wirecase.Hex(aad) != out.AAD {
		t.Fatalf("authenticated data %x, %v", aad, err)
	}
	if found, ok := mimi.FrankingTagOf(aad); !ok || found != tag {
		t.Fatal("tag is not found in the authenticated data")
	}
}

func milliseconds(t *testing.T, s string) uint64 {
	t.Helper()
	v, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func serverFrank(t *testing.T, c wirecase.Case) {
	var in struct {
		Tag      string `json:"franking_tag"`
		Sender   string `json:"sender_uri"`
		Room     string `json:"room_uri"`
		Accepted string `json:"accepted_timestamp"`
		HubKey   string `json:"hub_key"`
	}
	var out struct {
		Context string
		Frank   string `json:"server_frank"`
	}
	wirecase.Into(t, c.Inputs, &in)
	wirecase.Into(t, c.Outputs, &out)
	context := &mimi.FrankingContext{Sender: in.Sender, Room: in.Room, AcceptedAt: milliseconds(t, in.Accepted)}
	if wirecase.Encode(context) != out.Context {
		t.Fatal("context differs")
	}
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	hubKey := wirecase.Bytes(t, in.HubKey)
	frank, err := mimi.NewFrank(1, key, hubKey, tagOf(t, in.Tag), context)
	if err != nil {
		t.Fatal(err)
	}
	if wirecase.Hex(frank.ServerFrank[:]) != out.Frank {
		t.Fatalf("server frank %x", frank.ServerFrank)
	}
	if !frank.IsOf(hubKey, tagOf(t, in.Tag), context) {
		t.Fatal("the hub does not know its frank")
	}
	if err := frank.Verify(key.Public().(ed25519.PublicKey), context); err != nil {
		t.Fatal(err)
	}
	later := *context
	later.AcceptedAt++
	if frank.IsOf(hubKey, tagOf(t, in.Tag), &later) || frank.Verify(key.Public().(ed25519.PublicKey), &later) == nil {
		t.Fatal("frank holds for another timestamp")
	}
}

type frankJSON struct {
	Frank struct {
		Server    string           `json:"server_frank"`
		Suite     wire.CipherSuite `json:"franking_signature_ciphersuite"`
		Signature string           `json:"franking_integrity_signature"`
	}
	Accepted string `json:"accepted_timestamp"`
}

func frankSwap(t *testing.T, c wirecase.Case) {
	var in struct {
		Messages []struct {
			Salt   string
			Data   string `json:"application_data"`
			Sender string `json:"sender_uri"`
			Room   string `json:"room_uri"`
		}
		Honest, Swapped []frankJSON
		HubKey          string `json:"hub_key"`
		PublicKey       string `json:"franking_public_key"`
	}
	var out struct {
		HonestHub   []bool `json:"honest_hub_valid"`
		SwappedSign []bool `json:"swapped_signature_valid"`
		SwappedHub  []bool `json:"swapped_hub_valid"`
	}
	wirecase.Into(t, c.Inputs, &in)
	wirecase.Into(t, c.Outputs, &out)
	for i, m := range in.Messages {
		tag := mimi.NewFrankingTag(wirecase.Bytes(t, m.Salt), wirecase.Bytes(t, m.Data))
		check := func(f frankJSON) (signed, hub bool) {
			context := &mimi.FrankingContext{Sender: m.Sender, Room: m.Room, AcceptedAt: milliseconds(t, f.Accepted)}
			frank := mimi.Frank{ServerFrank: tagOf(t, f.Frank.Server), Suite: f.Frank.Suite, Signature: wirecase.Bytes(t, f.Frank.Signature)}
			return frank.Verify(wirecase.Bytes(t, in.PublicKey), context) == nil, frank.IsOf(wirecase.Bytes(t, in.HubKey), tag, context)
		}
		if _, hub := check(in.Honest[i]); hub != out.HonestHub[i] {
			t.Fatalf("message %d: honest frank at the hub %v", i, hub)
		}
		if signed, hub := check(in.Swapped[i]); signed != out.SwappedSign[i] || hub != out.SwappedHub[i] {
			t.Fatalf("message %d: swapped frank signed %v, at the hub %v", i, signed, hub)
		}
	}
}

func participantListApply(t *testing.T, c wirecase.Case) {
	var in struct {
		Before  string   `json:"before_hex"`
		Updates []string `json:"updates_hex"`
	}
	var out struct {
		Valid  bool
		After  string `json:"after_hex"`
		Reason string
	}
	wirecase.Into(t, c.Inputs, &in)
	wirecase.Into(t, c.Outputs, &out)
	var before mimi.ParticipantList
	wirecase.Decode(t, in.Before, &before)
	updates := make([]mimi.ParticipantListUpdate, len(in.Updates))
	for i, hex := range in.Updates {
		wirecase.Decode(t, hex, &updates[i])
	}
	after, err := before.Apply(updates...)
	if wirecase.Encode(&before) != in.Before {
		t.Fatal("the list before was changed")
	}
	if !out.Valid {
		want := map[string]error{"index out of range": mimi.ErrIndex, "user touched twice in one commit": mimi.ErrTouchedTwice,
			"role 0 is never stored": mimi.ErrRoleZero}[out.Reason]
		if err != want {
			t.Fatalf("got %v, want: %s", err, out.Reason)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if wirecase.Encode(&after) != out.After {
		t.Fatalf("got %s", wirecase.Encode(&after))
	}
}
