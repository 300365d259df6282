package mimi_test

import (
	"errors"
	"strings"
	"testing"

	"parley/mimi"
	"parley/mimitest/wirecase"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
	"parley/syntax/syntaxtest"
)

func list(users ...string) *mimi.ParticipantList {
	var out mimi.ParticipantList
	for i, u := range users {
		out.Participants = append(out.Participants, mimi.Participant{User: "mimi://" + u, Role: uint32(i + 2)})
	}
	return &out
}

func names(l mimi.ParticipantList) string {
	var out []string
	for _, p := range l.Participants {
		out = append(out, strings.TrimPrefix(p.User, "mimi://"))
	}
	return strings.Join(out, " ")
}

func TestParticipantListRows(t *testing.T) {
	six := list("a.example/u/0", "a.example/u/1", "a.example/u/2", "a.example/u/3", "a.example/u/4", "a.example/u/5")
	added := func(user string) mimi.ParticipantListUpdate {
		return mimi.ParticipantListUpdate{Added: []mimi.Participant{{User: "mimi://" + user, Role: 2}}}
	}
	refused := func(t *testing.T, want error, updates ...mimi.ParticipantListUpdate) {
		t.Helper()
		if _, err := six.Apply(updates...); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	t.Run("P-PL-01 one role per user", func(t *testing.T) {
		twice := list("a.example/u/x", "A.EXAMPLE/u/%78")
		if err := twice.Validate(); !errors.Is(err, mimi.ErrDuplicateUser) {
			t.Errorf("equal users in one list: %v", err)
		}
		refused(t, mimi.ErrDuplicateUser, added("A.example/u/0"))
		refused(t, mimi.ErrTouchedTwice, added("a.example/u/x"), added("a.example/u/x"))
	})
	t.Run("P-PL-03 R-PL-01 changes, then removals, then additions at the end", func(t *testing.T) {
		after, err := six.Apply(mimi.ParticipantListUpdate{
			Changed: []mimi.RoleChange{{User: 5, Role: 9}},
			Removed: []uint32{0, 3},
			Added:   []mimi.Participant{{User: "mimi://b.example/u/x", Role: 2}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := names(after), "a.example/u/1 a.example/u/2 a.example/u/4 a.example/u/5 b.example/u/x"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if after.Participants[3].Role != 9 {
			t.Error("role change hit somebody else")
		}
	})
	t.Run("P-PL-04 indices address the list", func(t *testing.T) {
		refused(t, mimi.ErrIndex, mimi.ParticipantListUpdate{Removed: []uint32{6}})
		refused(t, mimi.ErrIndex, mimi.ParticipantListUpdate{Changed: []mimi.RoleChange{{User: 1 << 31, Role: 2}}})
	})
	t.Run("P-PL-05 a user is touched once per commit", func(t *testing.T) {
		refused(t, mimi.ErrTouchedTwice, mimi.ParticipantListUpdate{Changed: []mimi.RoleChange{{User: 1, Role: 3}}, Removed: []uint32{1}})
		refused(t, mimi.ErrTouchedTwice, mimi.ParticipantListUpdate{Removed: []uint32{1}}, mimi.ParticipantListUpdate{Removed: []uint32{1}})
		refused(t, mimi.ErrTouchedTwice, mimi.ParticipantListUpdate{Removed: []uint32{1}}, added("a.example/u/1"))
	})
	t.Run("P-PL-09 all indices mean the list at the start of the epoch", func(t *testing.T) {
		for _, order := range [][]uint32{{2, 5}, {5, 2}} {
			after, err := six.Apply(mimi.ParticipantListUpdate{Removed: order[:1]}, mimi.ParticipantListUpdate{Removed: order[1:]})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := names(after), "a.example/u/0 a.example/u/1 a.example/u/3 a.example/u/4"; got != want {
				t.Errorf("order %v: got %s, want %s", order, got, want)
			}
		}
	})
	t.Run("role 0 is not stored", func(t *testing.T) {
		zero := mimi.ParticipantList{Participants: []mimi.Participant{{User: "mimi://a.example/u/x"}}}
		if err := zero.Validate(); !errors.Is(err, mimi.ErrRoleZero) {
			t.Errorf("got %v", err)
		}
		refused(t, mimi.ErrRoleZero, mimi.ParticipantListUpdate{Added: []mimi.Participant{{User: "mimi://b.example/u/x"}}})
	})
	t.Run("only users and pseudonyms", func(t *testing.T) {
		refused(t, mimi.ErrIdentifier, added("a.example/r/room"))
		if _, found := six.Find("mimi://a.example/r/0"); found {
			t.Error("found a room")
		}
		if i, found := six.Find("mimi://A.example/u/%34"); !found || i != 4 {
			t.Errorf("found %d, %v", i, found)
		}
	})
}

func TestRoomMetadataRows(t *testing.T) {
	good := mimi.RoomMetadata{Room: "mimi://a.example/r/x", Avatar: "https://a.example/x"}
	t.Run("P-RM-03 texts without NUL, https avatar, valid UTF-8", func(t *testing.T) {
		if err := good.Validate(); err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			change func(*mimi.RoomMetadata)
			want   error
		}{
			"nul in name":         {func(m *mimi.RoomMetadata) { m.Name = "a\x00b" }, mimi.ErrNUL},
			"nul in description":  {func(m *mimi.RoomMetadata) { m.Descriptions = []mimi.RoomDescription{{Content: "\x00"}} }, mimi.ErrNUL},
			"http avatar":         {func(m *mimi.RoomMetadata) { m.Avatar = "http://a.example/x" }, mimi.ErrAvatar},
			"avatar without host": {func(m *mimi.RoomMetadata) { m.Avatar = "https:///x" }, mimi.ErrAvatar},
			"user for room":       {func(m *mimi.RoomMetadata) { m.Room = "mimi://a.example/u/x" }, mimi.ErrIdentifier},
			"no avatar":           {func(m *mimi.RoomMetadata) { m.Avatar = "" }, nil},
		} {
			m := good
			c.change(&m)
			if err := m.Validate(); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
		}
		bad := good
		bad.Name = "\xff"
		if _, err := syntax.Marshal(&bad); !errors.Is(err, syntax.ErrUTF8) {
			t.Errorf("bad UTF-8: %v", err)
		}
	})
}

func TestUnknownProtocol(t *testing.T) {
	request := firstCase(t, "key-material", "KeyMaterialRequest")
	request[0] = 2
	t.Run("A-78 unknown protocol is answered when the head can be read", func(t *testing.T) {
		if err := syntax.Unmarshal(request, new(mimi.KeyMaterialRequest)); err == nil {
			t.Fatal("decoded an unknown protocol")
		}
		answer, ok := mimi.AnswerUnknownProtocol(append(request, 1, 2, 3)) // what follows the head is of the unknown protocol
		if !ok || answer.Status != mimi.KeyMaterialIncompatible || len(answer.Clients) != 0 || answer.User == "" {
			t.Fatalf("answer %+v, %v", answer, ok)
		}
		if _, ok := mimi.AnswerUnknownProtocol(request[:20]); ok {
			t.Error("answered a head that ends early")
		}
		request[0] = 1
		if _, ok := mimi.AnswerUnknownProtocol(request); ok {
			t.Error("answered a known protocol")
		}
	})
	t.Run("A-79 status 0 and 4 are no answers", func(t *testing.T) {
		for _, status := range []byte{0, 4, 255} {
			if err := syntax.Unmarshal([]byte{1, 0, status}, new(mimi.GroupInfoResponse)); !errors.Is(err, syntax.ErrValue) {
				t.Errorf("status %d: %v", status, err)
			}
		}
	})
}

func TestWorkedSizes(t *testing.T) {
	aad, err := mimi.FrankAuthenticatedData([32]byte{})
	if err != nil || len(aad) != 36 || wirecase.Hex(aad[:4]) != "23002020" {
		t.Errorf("P-FR-04: %x, %v", aad, err)
	}
	context := &mimi.FrankingContext{Sender: "mimi://b.example/u/bob", Room: "mimi://a.example/r/clubhouse"}
	if data, err := syntax.Marshal(context); err != nil || len(data) != 60 {
		t.Errorf("context of %d octets, %v", len(data), err)
	}
	for _, unsorted := range [][]byte{
		{6, 0x00, 0x21, 0, 0x00, 0x20, 0}, // descending
		{6, 0x00, 0x20, 0, 0x00, 0x20, 0}, // twice
	} {
		if _, found := mimi.FrankingTagOf(unsorted); found {
			t.Errorf("found a tag in %x", unsorted)
		}
	}
}

func TestSignaturesOfEverySuite(t *testing.T) {
	for _, id := range suite.All() {
		s, err := suite.Lookup(id)
		if err != nil {
			t.Fatal(err)
		}
		key, err := s.GenerateSignatureKey()
		if err != nil {
			t.Fatal(err)
		}
		r := &mimi.KeyMaterialRequest{Protocol: mimi.MLS10, RequestingUser: "mimi://a.example/u/x", TargetUser: "mimi://b.example/u/y",
			Room: "mimi://a.example/r/z", Suites: []wire.CipherSuite{id, 0xfafa}, Credential: wire.Credential{Type: wire.BasicCredential}}
		if err := r.Sign(key); err != nil {
			t.Fatal(err)
		}
		t.Run("A-20 any listed suite that fits the key verifies", func(t *testing.T) {
			other := *r
			other.Suites = []wire.CipherSuite{0xfafa, id}
			if err := r.Verify(); err != nil {
				t.Fatal(err)
			}
			if other.Verify() == nil {
				t.Fatal("signature holds for other suites")
			}
			other.Suites = []wire.CipherSuite{0xfafa}
			if other.Verify() == nil {
				t.Fatal("verified without a known suite")
			}
		})
		for name, change := range map[string]func(*mimi.KeyMaterialRequest){
			"room": func(r *mimi.KeyMaterialRequest) { r.Room += "x" }, "target": func(r *mimi.KeyMaterialRequest) { r.TargetUser += "x" },
			"key": func(r *mimi.KeyMaterialRequest) { r.SignatureKey = append([]byte{1}, r.SignatureKey...) },
		} {
			changed := *r
			change(&changed)
			if changed.Verify() == nil {
				t.Errorf("suite %d: signature holds with another %s", id, name)
			}
		}
		sealAndOpen(t, s)
	}
}

func sealAndOpen(t *testing.T, s *suite.Suite) {
	t.Helper()
	key, err := s.GenerateSignatureKey()
	if err != nil {
		t.Fatal(err)
	}
	public, err := s.SignaturePublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	private, hpkePublic, err := s.GenerateKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	const room = "mimi://a.example/r/z"
	hub := wire.ExternalSender{SignatureKey: public, Credential: wire.Credential{Type: wire.BasicCredential, Identity: []byte("hub")}}
	senders, err := syntax.Marshal(&wire.ExternalSenders{Senders: []wire.ExternalSender{hub}})
	if err != nil {
		t.Fatal(err)
	}
	inside := &mimi.GroupInfoRatchetTree{Tree: wire.RatchetTreeOption{Representation: wire.TreeFromDeliveryService}}
	inside.GroupInfo.Context.Version = wire.MLS10
	inside.GroupInfo.Context.Extensions = wire.Extensions{{Type: wire.ExternalSendersExtension, Data: senders}}
	request := &mimi.GroupInfoRequest{Suite: s.ID(), PublicKey: hpkePublic}
	response, err := mimi.SealGroupInfoResponse(request, room, hub, key, inside)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := response.Open(room, private); err != nil {
		t.Fatal(err)
	}
	t.Run("P-GI-10 a response with a changed signature is refused", func(t *testing.T) {
		bad := *response
		bad.Signature = append([]byte(nil), response.Signature...)
		bad.Signature[len(bad.Signature)-1] ^= 1
		if _, err := bad.Open(room, private); !errors.Is(err, mimi.ErrSignature) {
			t.Fatalf("got %v", err)
		}
		if _, err := response.Open(room+"2", private); !errors.Is(err, mimi.ErrRoom) {
			t.Fatalf("another room: %v", err)
		}
	})
	t.Run("P-GI-11 hub_sender is an external sender of the group", func(t *testing.T) {
		stranger := *inside
		stranger.GroupInfo.Context.Extensions = nil
		bad, err := mimi.SealGroupInfoResponse(request, room, hub, key, &stranger)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bad.Open(room, private); !errors.Is(err, mimi.ErrHubSender) {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("P-GI-12 the GroupInfo holds no tree", func(t *testing.T) {
		full := *inside
		full.GroupInfo.Extensions = wire.Extensions{{Type: wire.RatchetTreeExtension, Data: []byte{0}}}
		bad, err := mimi.SealGroupInfoResponse(request, room, hub, key, &full)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bad.Open(room, private); !errors.Is(err, mimi.ErrEmbeddedTree) {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("P-GI-09 a refusal ends after its status", func(t *testing.T) {
		data, err := syntax.Marshal(&mimi.GroupInfoResponse{Protocol: mimi.MLS10, Room: room, Status: mimi.GroupInfoNotAuthorized, Suite: 1})
		if err != nil || len(data) != 1+1+len(room)+1 {
			t.Fatalf("%d octets, %v", len(data), err)
		}
	})
}

func TestTinyTreeNodes(t *testing.T) {
	leaf := &wire.Node{Leaf: &wire.LeafNode{Source: wire.UpdateSource}}
	tree := &wire.RatchetTreeOption{Representation: wire.FullTree, Tree: wire.RatchetTree{Nodes: []*wire.Node{leaf}}}
	option, err := syntax.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	welcome, err := syntax.Marshal(&wire.Message{Version: wire.MLS10, Format: wire.WelcomeFormat, Welcome: &wire.Welcome{Suite: 1}})
	if err != nil {
		t.Fatal(err)
	}
	body := append(append(make([]byte, 8), welcome...), option...)
	if err := syntax.Unmarshal(body, new(mimi.NotifyBody)); !errors.Is(err, syntax.ErrValue) {
		t.Errorf("a leaf without keys decodes: %v", err)
	}
}

func TestEndpoints(t *testing.T) {
	var members []string
	for _, e := range mimi.Endpoints() {
		info := e.Info()
		if info.Member == "" || info.Method == "" || info.Variable == "" || e.String() != info.Member {
			t.Errorf("endpoint %d is not described", e)
		}
		members = append(members, info.Member)
	}
	want := "keyMaterial update notify submitMessage groupInfo requestConsent updateConsent identifierQuery reportAbuse proxyDownload"
	if got := strings.Join(members, " "); got != want {
		t.Errorf("members %s", got)
	}
	if (mimi.Endpoint(200)).String() != "" {
		t.Error("an unknown endpoint has a name")
	}
}

func TestErrors(t *testing.T) {
	cause := errors.New("cause")
	err := &mimi.Error{Code: mimi.TooMany, Detail: "slow down", Err: cause}
	if err.Error() != "mimi: too many requests: slow down" || !errors.Is(err, cause) || !err.Temporary() {
		t.Errorf("%v", err)
	}
	if mimi.Errorf(mimi.Forbidden, "no").Temporary() || mimi.Code(99).String() != "unknown" {
		t.Error("codes")
	}
}

// A value that a caller filled wrongly is refused instead of written in a form that nobody can read.
func TestEncodingRefusals(t *testing.T) {
	for name, v := range map[string]syntax.Value{
		"no key package":    &mimi.ClientKeyMaterial{Status: mimi.ClientSuccess},
		"no group info":     &mimi.GroupInfoOption{Form: mimi.FullGroupInfo},
		"no form":           &mimi.GroupInfoOption{},
		"no message":        &mimi.UpdateRequest{},
		"no items":          &mimi.NotifyBody{},
		"refusal to sign":   &mimi.GroupInfoResponseTBS{Response: mimi.GroupInfoResponse{Protocol: 1, Status: mimi.GroupInfoNoSuchRoom}},
		"unknown operation": &mimi.ConsentEntry{Operation: 9},
	} {
		if _, err := syntax.Marshal(v); err == nil {
			t.Errorf("%s: encoded", name)
		}
	}
}

func firstCase(t testing.TB, file, structure string) []byte {
	t.Helper()
	return seeds(t, file, structure)[0]
}

func seeds(t testing.TB, file, structure string) [][]byte {
	var out [][]byte
	for _, c := range wirecase.Load(t, file) {
		if c.Structure == structure && c.Inputs == nil {
			out = append(out, wirecase.Bytes(t, c.Hex))
		}
	}
	return out
}

func FuzzKeyMaterialRequest(f *testing.F) {
	syntaxtest.RoundTrip[mimi.KeyMaterialRequest](f, seeds(f, "key-material", "KeyMaterialRequest")...)
}

func FuzzKeyMaterialResponse(f *testing.F) {
	syntaxtest.RoundTrip[mimi.KeyMaterialResponse](f, seeds(f, "key-material", "KeyMaterialResponse")...)
}

func FuzzUpdateRequest(f *testing.F) {
	syntaxtest.RoundTrip[mimi.UpdateRequest](f, seeds(f, "update", "UpdateRequest")...)
}

func FuzzUpdateRoomResponse(f *testing.F) {
	syntaxtest.RoundTrip[mimi.UpdateRoomResponse](f, seeds(f, "update", "UpdateRoomResponse")...)
}

func FuzzSubmitMessageRequest(f *testing.F) {
	syntaxtest.RoundTrip[mimi.SubmitMessageRequest](f, seeds(f, "submit", "SubmitMessageRequest")...)
}

func FuzzSubmitMessageResponse(f *testing.F) {
	syntaxtest.RoundTrip[mimi.SubmitMessageResponse](f, seeds(f, "submit", "SubmitMessageResponse")...)
}

func FuzzNotifyBody(f *testing.F) {
	syntaxtest.RoundTrip[mimi.NotifyBody](f, seeds(f, "notify", "NotifyBody")...)
}

func FuzzGroupInfoRequest(f *testing.F) {
	syntaxtest.RoundTrip[mimi.GroupInfoRequest](f, seeds(f, "group-info", "GroupInfoRequest")...)
}

func FuzzGroupInfoResponse(f *testing.F) {
	syntaxtest.RoundTrip[mimi.GroupInfoResponse](f, seeds(f, "group-info", "GroupInfoResponse")...)
}

func FuzzGroupInfoRatchetTree(f *testing.F) {
	syntaxtest.RoundTrip[mimi.GroupInfoRatchetTree](f, seeds(f, "group-info", "GroupInfoRatchetTreeTBE")...)
}

func FuzzConsentEntry(f *testing.F) {
	syntaxtest.RoundTrip[mimi.ConsentEntry](f, seeds(f, "consent", "ConsentEntry")...)
}

func FuzzIdentifierRequest(f *testing.F) {
	syntaxtest.RoundTrip[mimi.IdentifierRequest](f, seeds(f, "identifier-query", "IdentifierRequest")...)
}

func FuzzIdentifierResponse(f *testing.F) {
	syntaxtest.RoundTrip[mimi.IdentifierResponse](f, seeds(f, "identifier-query", "IdentifierResponse")...)
}

func FuzzAbuseReport(f *testing.F) {
	syntaxtest.RoundTrip[mimi.AbuseReport](f, seeds(f, "abuse", "AbuseReport")...)
}

func FuzzParticipantList(f *testing.F) {
	syntaxtest.RoundTrip[mimi.ParticipantList](f, seeds(f, "room-state", "ParticipantListData")...)
}

func FuzzParticipantListUpdate(f *testing.F) {
	syntaxtest.RoundTrip[mimi.ParticipantListUpdate](f, seeds(f, "room-state", "ParticipantListUpdate")...)
}

func FuzzRoomMetadata(f *testing.F) {
	syntaxtest.RoundTrip[mimi.RoomMetadata](f, seeds(f, "room-state", "RoomMetaData")...)
}

// FuzzFranking feeds one input to every structure of franking.
func FuzzFranking(f *testing.F) {
	for _, structure := range []string{"Frank", "FrankAAD", "FrankingAgentData", "ServerFrankingContext", "FrankingIntegrityTBS"} {
		for _, s := range seeds(f, "franking", structure) {
			f.Add(s)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		syntaxtest.Check[mimi.Frank](t, data)
		syntaxtest.Check[mimi.FrankAAD](t, data)
		syntaxtest.Check[mimi.FrankingAgentData](t, data)
		syntaxtest.Check[mimi.FrankingContext](t, data)
		syntaxtest.Check[mimi.FrankingIntegrityTBS](t, data)
	})
}
