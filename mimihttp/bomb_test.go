package mimihttp_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"

	"parley/mimi"
	"parley/mimihttp"
	"parley/mimitest"
	"parley/mls/wire"
	"parley/syntax"
)

const bombSize = 2 << 20

// bombs are bodies of two megabytes whose elements are as small as they can be, so that they would take many times that in memory.
func bombs(t testing.TB) map[string]mimitest.Sample {
	t.Helper()
	update := decoded[mimi.UpdateRequest](t, sample(t, mimi.Update))
	update.Tree = wire.RatchetTreeOption{Representation: wire.TreeFromDeliveryService}
	commit, err := syntax.Marshal(update)
	if err != nil {
		t.Fatal(err)
	}
	withTree := append(commit[:len(commit)-1:len(commit)-1], byte(wire.FullTree))
	leaf, err := syntax.Marshal(&wire.Node{Leaf: &wire.LeafNode{Source: wire.UpdateSource}})
	if err != nil {
		t.Fatal(err)
	}
	update.Message.Public.Content.Commit = &wire.Commit{}
	head, err := syntax.Marshal(&update.Message)
	if err != nil {
		t.Fatal(err)
	}
	public := update.Message.Public
	tail, err := syntax.Marshal(&opaques{public.Auth.Signature, public.Auth.ConfirmationTag, public.MembershipTag})
	if err != nil {
		t.Fatal(err)
	}
	head = head[:len(head)-len(tail)-2] // without the empty commit, a vector and an absent path
	proposal := &wire.Message{Version: wire.MLS10, Format: wire.PublicMessageFormat, Public: &wire.PublicMessage{Content: wire.FramedContent{
		Sender: wire.Sender{Type: wire.MemberSender}, Type: wire.ProposalContent, Proposal: &wire.Proposal{Type: wire.SelfRemoveProposal}}}}
	small, err := syntax.Marshal(proposal)
	if err != nil {
		t.Fatal(err)
	}
	km := sample(t, mimi.KeyMaterial)
	var request mimi.KeyMaterialRequest
	if err := syntax.Unmarshal(km.Body, &request); err != nil {
		t.Fatal(err)
	}
	request.Suites = make([]wire.CipherSuite, 25_000)
	suites, err := syntax.Marshal(&request)
	if err != nil {
		t.Fatal(err)
	}
	item := append(make([]byte, 8), 0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0) // a PrivateMessage of empty fields, no frank
	return map[string]mimitest.Sample{
		"a million blank leaves": {Endpoint: mimi.Update, Target: mimitest.Room, Body: vector(withTree, []byte{0})},
		"a million tiny leaves":  {Endpoint: mimi.Update, Target: mimitest.Room, Body: vector(withTree, append([]byte{1}, leaf...))},
		"tiny proposals":         {Endpoint: mimi.Update, Target: mimitest.Room, Body: vector(head, []byte{1, 0, 10})},
		"tiny references":        {Endpoint: mimi.Update, Target: mimitest.Room, Body: vector(head, []byte{2, 0})},
		"more tiny proposals":    {Endpoint: mimi.Update, Target: mimitest.Room, Body: vector(small, small)},
		"tiny items":             {Endpoint: mimi.Notify, Target: mimitest.Room, Body: bytes.Repeat(item, bombSize/len(item))},
		"many suites":            {Endpoint: mimi.KeyMaterial, Target: km.Target, Body: append(suites, 0)},
	}
}

type opaques [][]byte

func (v *opaques) Syntax(c *syntax.Codec) {
	for i := range *v {
		syntax.Opaque(c, &(*v)[i])
	}
}

// vector appends a vector of copies of one element, up to the bomb's size.
func vector(head, element []byte) []byte {
	n := (bombSize - len(head)) / len(element)
	out := binary.BigEndian.AppendUint32(append([]byte(nil), head...), uint32(n*len(element))|0x80000000)
	return append(out, bytes.Repeat(element, n)...)
}

// hand gives a request to a handler without a network between. All its limits are the one given, 0 means the defaults.
func (w *world) hand(s mimitest.Sample, body io.Reader, length, limit int64) (status int, reason string) {
	w.t.Helper()
	server := mimihttp.NewServer(mimihttp.ServerConfig{
		Tenant: func(string) (*mimihttp.Tenant, bool) { return w.tenant("a.example", &w.service), true },
		Limits: mimihttp.BodyLimits{KeyMaterial: limit, Update: limit, SubmitMessage: limit, Notify: limit, GroupInfo: limit,
			RequestConsent: limit, UpdateConsent: limit, ReportAbuse: limit},
	})
	r := httptest.NewRequest(http.MethodPost, "https://a.example"+mimitest.Path(s.Endpoint, s.Target), body)
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{w.peer.Leaf}}
	r.Header["From"] = []string{"mimi@b.example"}
	r.ContentLength = length
	rec := httptest.NewRecorder()
	server.ServeHTTP(rec, r)
	return rec.Code, rec.Body.String()
}

// throw hands a body over and also returns how many octets were allocated on the way.
func (w *world) throw(s mimitest.Sample) (status int, reason string, allocated uint64) {
	w.t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	status, reason = w.hand(s, bytes.NewReader(s.Body), int64(len(s.Body)), 0)
	runtime.ReadMemStats(&after)
	return status, reason, after.TotalAlloc - before.TotalAlloc
}

func TestBombs(t *testing.T) {
	w := newWorld(t, nil)
	for name, s := range bombs(t) {
		const times = 4
		status, reason, allocated := w.throw(s)
		if status != http.StatusBadRequest || reason == "" {
			t.Errorf("%s: status %d %q", name, status, reason)
		}
		const slack = 256 << 10 // what any request costs, and what the smallest limits allow
		if most := times*uint64(len(s.Body)) + slack; allocated > most {
			t.Errorf("%s: %d octets allocated for a body of %d (%.1f times)", name, allocated, len(s.Body), float64(allocated)/float64(len(s.Body)))
		}
		t.Logf("%s: %q, %.2f times the body", name, reason, float64(allocated)/float64(len(s.Body)))
	}
	if calls := w.service.Calls(); len(calls) != 0 {
		t.Errorf("the service was called: %v", calls)
	}
}

func BenchmarkMillionLeaves(b *testing.B) {
	w := newWorld(b, nil)
	s := bombs(b)["a million blank leaves"]
	b.SetBytes(int64(len(s.Body)))
	b.ReportAllocs()
	for b.Loop() {
		if status, _, _ := w.throw(s); status != http.StatusBadRequest {
			b.Fatal(status)
		}
	}
}
