// Package upstream holds the failing examples of the reports beside it. Each test shows a defect of the draft in the draft's own formulas, and
// passes as long as the defect is there.
package upstream_test

import (
	"bytes"
	"crypto/x509"
	"net/http"
	"testing"
	"time"

	"parley/mimi"
	"parley/mimitest"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/storetest/roletest"
	"parley/syntax"
)

func must[T any](t *testing.T, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func encode(t *testing.T, v syntax.Value) []byte {
	t.Helper()
	out, err := syntax.Marshal(v)
	return must(t, out, err)
}

// Two franks are swapped: receivers see nothing, the hub knows neither message any more.
func TestA40(t *testing.T) {
	s, err := suite.Lookup(suite.X25519AES128)
	must(t, s, err)
	agent, err := s.GenerateSignatureKey()
	must(t, agent, err)
	public, err := s.SignaturePublicKey(agent.Public())
	must(t, public, err)
	hubKey := bytes.Repeat([]byte{7}, 32)
	type message struct {
		content []byte
		tag     [32]byte
		context mimi.FrankingContext
		frank   *mimi.Frank
	}
	accept := func(text string, salt byte, at uint64) message {
		m := message{content: []byte(text), context: mimi.FrankingContext{
			Sender: "mimi://b.example/u/bob", Room: "mimi://a.example/r/clubhouse", AcceptedAt: at}}
		m.tag = mimi.NewFrankingTag(bytes.Repeat([]byte{salt}, 16), m.content)
		frank, err := mimi.NewFrank(s.ID(), agent, hubKey, m.tag, &m.context)
		m.frank = must(t, frank, err)
		return m
	}
	one, two := accept("one", 1, 1_800_000_000_000), accept("two", 2, 1_800_000_005_000)
	one.frank, two.frank = two.frank, one.frank                                                     // the follower
	one.context.AcceptedAt, two.context.AcceptedAt = two.context.AcceptedAt, one.context.AcceptedAt // the same
	for i, m := range []message{one, two} {
		tag := mimi.NewFrankingTag(bytes.Repeat([]byte{byte(i + 1)}, 16), m.content)
		if tag != m.tag || m.frank.Verify(public, &m.context) != nil {
			t.Errorf("%s: the receiver has noticed", m.content)
		}
		if m.frank.IsOf(hubKey, m.tag, &m.context) {
			t.Errorf("%s: the hub takes the report", m.content)
		}
	}
}

// One signature is good for every room.
func TestA46(t *testing.T) {
	s, err := suite.Lookup(suite.X25519AES128)
	must(t, s, err)
	key, err := s.GenerateSignatureKey()
	must(t, key, err)
	r := &mimi.GroupInfoRequest{Protocol: mimi.MLS10, Suite: s.ID(), PublicKey: bytes.Repeat([]byte{1}, 32),
		Credential: wire.Credential{Type: wire.BasicCredential, Identity: []byte("mimi://b.example/d/bob/phone")}}
	if err := r.Sign(key); err != nil {
		t.Fatal(err)
	}
	signed := encode(t, &mimi.GroupInfoRequestTBS{Request: *r})
	for _, room := range []string{"mimi://a.example/r/clubhouse", "mimi://a.example/r/board"} {
		if bytes.Contains(signed, []byte(room)) || bytes.Contains(signed, []byte("/r/")) {
			t.Error("a room is signed")
		}
		if err := r.Verify(); err != nil { // POST /groupInfo/{room} with the same octets
			t.Errorf("%s: %v", room, err)
		}
	}
}

// A request is the same octets each time, and nothing in them gets old.
func TestA22(t *testing.T) {
	s, err := suite.Lookup(suite.X25519AES128)
	must(t, s, err)
	key, err := s.GenerateSignatureKey()
	must(t, key, err)
	ask := func() []byte {
		r := &mimi.KeyMaterialRequest{Protocol: mimi.MLS10, RequestingUser: "mimi://b.example/u/bob", TargetUser: "mimi://c.example/u/cathy",
			Room: "mimi://a.example/r/clubhouse", Suites: []wire.CipherSuite{s.ID()},
			Credential: wire.Credential{Type: wire.BasicCredential, Identity: []byte("mimi://b.example/d/bob/phone")}}
		if err := r.Sign(key); err != nil {
			t.Fatal(err)
		}
		if err := r.Verify(); err != nil { // which knows no time
			t.Fatal(err)
		}
		return encode(t, r)
	}
	if !bytes.Equal(ask(), ask()) {
		t.Error("two requests differ")
	}
}

// Two leaves in one commit, by the list at the start of the epoch and by the running list.
func TestA55(t *testing.T) {
	var list mimi.ParticipantList
	for _, name := range []string{"alice", "bob", "cathy", "dave", "eve", "frank"} {
		list.Participants = append(list.Participants, mimi.Participant{User: "mimi://a.example/u/" + name, Role: 2})
	}
	bob, eve := mimi.ParticipantListUpdate{Removed: []uint32{1}}, mimi.ParticipantListUpdate{Removed: []uint32{4}}
	start, err := list.Apply(bob, eve)
	must(t, start, err)
	first, err := list.Apply(bob)
	must(t, first, err)
	running, err := first.Apply(eve)
	must(t, running, err)
	if bytes.Equal(encode(t, &start), encode(t, &running)) {
		t.Fatal("both readings agree")
	}
	if _, there := start.Find("mimi://a.example/u/eve"); there {
		t.Error("by the start of the epoch eve is still there")
	}
	if _, there := running.Find("mimi://a.example/u/frank"); there {
		t.Error("by the running list it is not frank who is gone")
	}
}

// Three inputs to one signature.
func TestA47(t *testing.T) {
	for _, code := range [][]byte{[]byte("key"), nil} {
		r := mimi.GroupInfoRequest{Protocol: mimi.MLS10, Suite: 1, SignatureKey: []byte{1}, PublicKey: []byte{2}, JoiningCode: code,
			Credential: wire.Credential{Type: wire.BasicCredential, Identity: []byte("x")}}
		given := append([]byte{}, code...)
		absent := encode(t, &mimi.GroupInfoRequestTBS{Request: r})
		present := encode(t, &mimi.GroupInfoRequestTBS{Request: r, JoiningCode: &given})
		whole := encode(t, &r)
		plain := whole[:len(whole)-1] // the request without its signature, here empty
		if bytes.Equal(present, plain) || bytes.Equal(absent, present) || len(code) > 0 && bytes.Equal(absent, plain) {
			t.Errorf("code %q: two readings agree", code)
		}
	}
}

// Numbers that mean two things, and an octet that is there or not.
func TestA38(t *testing.T) {
	for content, format := range map[wire.ContentType]wire.WireFormat{
		wire.ApplicationContent: wire.PublicMessageFormat, wire.ProposalContent: wire.PrivateMessageFormat, wire.CommitContent: wire.WelcomeFormat,
	} {
		if uint16(content) != uint16(format) {
			t.Errorf("content type %d is no wire format", content)
		}
	}
	for _, s := range mimitest.Samples(t) {
		if s.Endpoint != mimi.Update {
			continue
		}
		if err := syntax.Unmarshal(s.Body, new(mimi.UpdateRequest)); err != nil {
			t.Fatal(err)
		}
		if syntax.Unmarshal(append([]byte{byte(mimi.MLS10)}, s.Body...), new(mimi.UpdateRequest)) == nil {
			t.Error("a protocol octet does not matter")
		}
	}
}

// A host that the directory names is not the provider.
func TestA04(t *testing.T) {
	authority := mimitest.NewAuthority(t)
	cert := authority.For(t, "mimi.example.com")
	verify := func(name string) error {
		_, err := cert.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: authority.Pool(), CurrentTime: time.Now()})
		return err
	}
	if verify("mimi.example.com") != nil {
		t.Error("the certificate is not that of the URL's host")
	}
	if verify("a.example") == nil {
		t.Error("the certificate authenticates the provider")
	}
	r, err := http.NewRequest(http.MethodPost, "https://mimi.example.com/v1/update/mimi%3A%2F%2Fa.example%2Fr%2Fclubhouse", nil)
	if must(t, r, err).Host != "mimi.example.com" {
		t.Error("Host names the provider")
	}
}

// After an external commit one client of a user who has left is still a member.
func TestA58(t *testing.T) {
	w := roletest.New(t, "a.example", "b.example", "c.example")
	alice, cathy := w.Device("a.example", "alice", "phone"), w.Device("c.example", "cathy", "phone")
	bob, laptop := w.Device("b.example", "bob", "phone"), w.Device("b.example", "bob", "laptop")
	at := alice.Create("clubhouse")
	alice.Do(at, alice.Add(at, bob.User, cathy.User))
	bob.Do(at, bob.Leave(at))
	tablet := w.Device("c.example", "cathy", "tablet")
	tablet.Do(at, tablet.Join(at, nil))
	if n := len(alice.Leaves(at, bob.User)); n != 1 {
		t.Fatalf("%d clients of Bob", n)
	}
	if laptop.Groups[at].Removed() {
		t.Error("the laptop is out")
	}
	// What the draft does not ask for: the hub has proposed the rest again.
	if len(alice.Groups[at].Public().Pending()) == 0 {
		t.Fatal("nothing waits")
	}
	alice.Do(at, alice.Commit(at))
	if n := len(alice.Leaves(at, bob.User)); n != 0 {
		t.Errorf("%d clients of Bob", n)
	}
}
