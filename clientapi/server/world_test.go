package server_test

import (
	"bytes"
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"parley/clientapi/api"
	"parley/clientapi/server"
	"parley/identity"
	"parley/mimi"
	"parley/mimitest"
	"parley/mimitest/wirecase"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
	"parley/uri"
)

// Words that must not come up in a log.
const (
	token    = "CANARYTOKEN2345672345672345"
	code     = "CANARYCODE-2345672345672345"
	roomName = "canary-room"
	canary   = "canary"
)

// world is a server of a.example whose functions note that they were called.
type world struct {
	t     testing.TB
	inbox *inbox
	dev   identity.Device
	good  []ask // see asks

	mu      sync.Mutex
	calls   []string
	fail    error // what every function returns
	revoked bool
	log     bytes.Buffer
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, inbox: newInbox()}
	p, err := uri.ProviderFromDomain("a.example")
	must(t, err)
	w.dev.User, err = uri.NewUser(p, "canary-alice")
	must(t, err)
	w.dev.Client, err = uri.NewClient(p, "canary-alice", "canary-phone")
	must(t, err)
	return w
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Write takes the log.
func (w *world) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

func (w *world) logged() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

func (w *world) called(what ...string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, strings.Join(what, " "))
	return w.fail
}

func (w *world) taken() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() { w.calls = nil }()
	return w.calls
}

func (w *world) failWith(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fail = err
}

func (w *world) revoke() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.revoked = true
}

func (w *world) authenticate(_ context.Context, t string) (identity.Device, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t != token || w.revoked {
		return identity.Device{}, identity.ErrToken
	}
	return w.dev, nil
}

func (w *world) server() *server.Server {
	return &server.Server{
		Authenticate: w.authenticate,
		Enrol: func(_ context.Context, r *api.EnrolRequest, key crypto.PublicKey) (*api.EnrolResponse, error) {
			return &api.EnrolResponse{Token: token}, w.called("enrol", r.Code, r.Device, kind(key))
		},
		Renew: func(_ context.Context, d identity.Device, _ *api.RenewRequest, key crypto.PublicKey) (*api.RenewResponse, error) {
			return &api.RenewResponse{}, w.called("renew", d.Client.String(), kind(key))
		},
		Self: func(_ context.Context, d identity.Device) (*api.Self, error) {
			return &api.Self{Client: d.Client.String()}, w.called("self", d.Client.String())
		},
		Authorities: func(_ context.Context, p uri.Provider) (*api.Authorities, error) {
			return &api.Authorities{}, w.called("authorities", p.String())
		},
		PublishKeyPackages: func(_ context.Context, d identity.Device, r *api.KeyPackages) error {
			return w.called("publish", d.Client.String())
		},
		CountKeyPackages: func(_ context.Context, d identity.Device) (*api.KeyPackageCount, error) {
			return &api.KeyPackageCount{Available: 7}, w.called("count", d.Client.String())
		},
		CreateRoom: func(_ context.Context, d identity.Device, room uri.Room, r *api.CreateRoom) (*api.RoomCreated, error) {
			return &api.RoomCreated{Room: room.String()}, w.called("create", d.Client.String(), room.String())
		},
		KeyMaterial: func(ctx context.Context, d identity.Device, u uri.User, r *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error) {
			return &mimi.KeyMaterialResponse{Protocol: mimi.MLS10, Status: mimi.KeyMaterialNoConsent, User: u.String()}, w.called("keyMaterial", d.Client.String(), u.String())
		},
		Update: func(ctx context.Context, d identity.Device, room uri.Room, r *mimi.UpdateRequest) (*mimi.UpdateRoomResponse, error) {
			return &mimi.UpdateRoomResponse{AcceptedAt: 9}, w.called("update", d.Client.String(), room.String())
		},
		SubmitMessages: func(ctx context.Context, d identity.Device, room uri.Room, r []*mimi.SubmitMessageRequest) ([]*mimi.SubmitMessageResponse, error) {
			answers := []*mimi.SubmitMessageResponse{{Protocol: mimi.MLS10, AcceptedAt: 9}}
			return answers, w.called("submit", d.Client.String(), room.String(), strconv.Itoa(len(r)))
		},
		GroupInfo: func(ctx context.Context, d identity.Device, room uri.Room, r *mimi.GroupInfoRequest) (*mimi.GroupInfoResponse, error) {
			return &mimi.GroupInfoResponse{Protocol: mimi.MLS10, Room: room.String(), Status: mimi.GroupInfoNotAuthorized}, w.called("groupInfo", d.Client.String(), room.String())
		},
		Consent: func(_ context.Context, d identity.Device, r *mimi.ConsentEntry, tell bool) error {
			return w.called("consent", d.Client.String(), r.Requester, strconv.FormatBool(tell))
		},
		Consents: func(_ context.Context, d identity.Device) (*api.ConsentList, error) {
			return &api.ConsentList{}, w.called("consents", d.Client.String())
		},
		Block: func(_ context.Context, d identity.Device, r *api.Block) error {
			return w.called("block", d.Client.String(), r.Subject)
		},
		Report: func(_ context.Context, d identity.Device, room uri.Room, r *mimi.AbuseReport) error {
			return w.called("report", d.Client.String(), room.String())
		},
		Events: func(_ context.Context, d identity.Device, after *uint64, limit int) ([]api.Event, bool, error) {
			events, more := w.inbox.read(after, limit)
			return events, more, w.called("events", d.Client.String())
		},
		Ack: func(_ context.Context, d identity.Device, cursor uint64) error {
			if err := w.called("ack", d.Client.String()); err != nil {
				return err
			}
			w.inbox.ack(cursor)
			return nil
		},
		Lanes: func(_ context.Context, d identity.Device, room uri.Room) (*api.Lanes, error) {
			return &api.Lanes{}, w.called("lanes", d.Client.String(), room.String())
		},
		Person: func(_ context.Context, d identity.Device) (*api.Person, error) {
			return &api.Person{User: d.User.String()}, w.called("person", d.Client.String())
		},
		ChangePerson: func(_ context.Context, d identity.Device, r *api.PersonChange) (*api.Person, error) {
			return &api.Person{User: d.User.String()}, w.called("change", d.Client.String(), r.Action)
		},
		Find: func(_ context.Context, d identity.Device, r *mimi.IdentifierRequest) (*api.Found, error) {
			return &api.Found{Code: 1}, w.called("find", d.Client.String(), strconv.Itoa(len(r.Elements)))
		},
		Wake: func(identity.Device) (<-chan struct{}, func()) { return w.inbox.wake() },
		Log:  slog.New(slog.NewTextHandler(w, nil)),
	}
}

func kind(key crypto.PublicKey) string {
	for _, id := range []wire.CipherSuite{1, 2} {
		s, err := suite.Lookup(id)
		if err != nil {
			return err.Error()
		}
		if _, err := s.SignaturePublicKey(key); err == nil {
			return s.String()
		}
	}
	return "unknown key"
}

// serve starts the server on a socket with TLS.
func (w *world) serve(s *server.Server, h2 bool) *httptest.Server {
	w.t.Helper()
	ts := httptest.NewUnstartedServer(s.Handler())
	ts.EnableHTTP2 = h2
	ts.Config.ErrorLog = log.New(io.Discard, "", 0)
	ts.StartTLS()
	w.t.Cleanup(ts.Close)
	return ts
}

// inbox is an inbox whose cursors have gaps.
type inbox struct {
	mu     sync.Mutex
	events []api.Event
	last   uint64
	acked  uint64
	wakers []chan struct{}
}

func newInbox() *inbox { return &inbox{last: 10} }

func (b *inbox) put(bodies ...[]byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, body := range bodies {
		b.last += 3
		b.events = append(b.events, api.Event{Cursor: b.last, Room: "mimi://a.example/r/" + roomName, Kind: api.Fanout, Timestamp: 5, Body: body})
	}
	for _, w := range b.wakers {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}

func (b *inbox) read(after *uint64, limit int) (out []api.Event, more bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	from := b.acked
	if after != nil {
		from = *after
	}
	size := 0
	for _, e := range b.events {
		if e.Cursor <= from {
			continue
		}
		if size += len(e.Body); len(out) == limit || len(out) > 0 && size > 4<<20 {
			return out, true
		}
		out = append(out, e)
	}
	return out, false
}

func (b *inbox) ack(cursor uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.acked = max(b.acked, cursor)
}

func (b *inbox) wake() (<-chan struct{}, func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := make(chan struct{}, 1)
	b.wakers = append(b.wakers, c)
	return c, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.wakers = slices.DeleteFunc(b.wakers, func(o chan struct{}) bool { return o == c })
	}
}

func (b *inbox) watched() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.wakers)
}

// ask is a request that is right.
type ask struct {
	method, path string
	query        url.Values
	kind         string
	body         []byte
	hostile      map[string][]byte // bodies that are wrong
	call         string            // the first function called and its arguments, "" for those that call none or Events
	answer       string
}

func (a ask) String() string { return a.method + " " + a.path }

func (a ask) request(t testing.TB, origin string) *http.Request {
	t.Helper()
	target := origin + a.path
	if len(a.query) > 0 {
		target += "?" + a.query.Encode()
	}
	var body io.Reader
	if a.body != nil {
		body = bytes.NewReader(a.body)
	}
	r, err := http.NewRequest(a.method, target, body)
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	if a.kind != "" {
		r.Header.Set("Content-Type", a.kind)
	}
	return r
}

func csr(t testing.TB, id wire.CipherSuite) []byte {
	t.Helper()
	s, err := suite.Lookup(id)
	must(t, err)
	key, err := s.GenerateSignatureKey()
	must(t, err)
	der, err := api.SigningRequest(key)
	must(t, err)
	return der
}

func object(t testing.TB, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	must(t, err)
	return text
}

// asks is one right request for every route, in the order of api.Routes.
func (w *world) asks() []ask {
	if w.good == nil {
		w.good = w.makeAsks()
	}
	return slices.Clone(w.good)
}

func (w *world) makeAsks() []ask {
	t := w.t
	me, room := w.dev.Client.String(), "mimi://a.example/r/"+roomName
	inRoom := url.Values{"room": {room}}
	json1 := func(v any) ([]byte, map[string][]byte) {
		text := object(t, v)
		return text, hostileJSON(text)
	}
	enrol, badEnrol := json1(api.EnrolRequest{Code: code, Device: "canary-phone", Suite: 1, CSR: csr(t, 1)})
	renew, badRenew := json1(api.RenewRequest{Suite: 2, CSR: csr(t, 2)})
	change, badChange := json1(api.PersonChange{Action: api.PersonProve, Type: "phone", Value: "+4912345678"})
	query, err := syntax.Marshal(&mimi.IdentifierRequest{Elements: []mimi.QueryElement{{Type: mimi.SearchPhone, Value: "+4912345678"}}})
	must(t, err)
	consentAsk, err := syntax.Marshal(&mimi.ConsentEntry{Operation: mimi.ConsentRequest, Requester: "mimi://a.example/u/alice", Target: "mimi://b.example/u/bob"})
	must(t, err)
	abuse, err := syntax.Marshal(&mimi.AbuseReport{Abuser: "mimi://b.example/u/bob", Note: "look", Messages: make([]mimi.AbusiveMessage, 1)})
	must(t, err)
	block, badBlock := json1(api.Block{Subject: "mimi://c.example", Blocked: true})
	ack, badAck := json1(api.Ack{Cursor: 13})
	samples := make(map[mimi.Endpoint]mimitest.Sample)
	for _, s := range mimitest.Samples(t) {
		samples[s.Endpoint] = s
	}
	target := samples[mimi.KeyMaterial].Target
	packages, create := structures(t)
	tls := func(e mimi.Endpoint) ([]byte, map[string][]byte) { return samples[e].Body, samples[e].Hostile() }
	keyMaterial, badKeyMaterial := tls(mimi.KeyMaterial)
	update, badUpdate := tls(mimi.Update)
	submit, badSubmit := messages(t, samples[mimi.SubmitMessage])
	groupInfo, badGroupInfo := tls(mimi.GroupInfo)
	suite1, suite2 := kindOf(t, 1), kindOf(t, 2)
	return []ask{
		{"POST", api.PathEnrol, nil, api.TypeJSON, enrol, badEnrol, "enrol " + code + " canary-phone " + suite1, api.TypeJSON},
		{"POST", api.PathCredential, nil, api.TypeJSON, renew, badRenew, "renew " + me + " " + suite2, api.TypeJSON},
		{"GET", api.PathSelf, nil, "", nil, nil, "self " + me, api.TypeJSON},
		{"GET", api.PathAuthorities, url.Values{"provider": {"mimi://b.example"}}, "", nil, nil, "authorities mimi://b.example", api.TypeJSON},
		{"POST", api.PathKeyPackages, nil, api.TypeTLS, packages, mimitest.Sample{Body: packages}.Hostile(), "publish " + me, api.TypeJSON},
		{"GET", api.PathKeyPackages, nil, "", nil, nil, "count " + me, api.TypeJSON},
		{"POST", api.PathRooms, inRoom, api.TypeTLS, create, mimitest.Sample{Body: create}.Hostile(), "create " + me + " " + room, api.TypeJSON},
		{"POST", api.PathKeyMaterial, url.Values{"user": {target}}, api.TypeTLS, keyMaterial, badKeyMaterial, "keyMaterial " + me + " " + target, api.TypeTLS},
		{"POST", api.PathUpdate, inRoom, api.TypeTLS, update, badUpdate, "update " + me + " " + room, api.TypeTLS},
		{"POST", api.PathMessages, inRoom, api.TypeTLS, submit, badSubmit, "submit " + me + " " + room + " 2", api.TypeTLS},
		{"POST", api.PathGroupInfo, inRoom, api.TypeTLS, groupInfo, badGroupInfo, "groupInfo " + me + " " + room, api.TypeTLS},
		{"GET", api.PathEvents, url.Values{"after": {"3"}, "wait": {"0"}}, "", nil, nil, "events " + me, api.TypeTLS},
		{"GET", api.PathStream, url.Values{"after": {"3"}}, "", nil, nil, "events " + me, api.TypeStream},
		{"POST", api.PathAck, nil, api.TypeJSON, ack, badAck, "ack " + me, ""},
		{"POST", api.PathConsent, url.Values{"tell": {"1"}}, api.TypeTLS, consentAsk, mimitest.Sample{Body: consentAsk}.Hostile(), "consent " + me + " mimi://a.example/u/alice true", ""},
		{"GET", api.PathConsent, nil, "", nil, nil, "consents " + me, api.TypeJSON},
		{"POST", api.PathBlock, nil, api.TypeJSON, block, badBlock, "block " + me + " mimi://c.example", ""},
		{"POST", api.PathReport, inRoom, api.TypeTLS, abuse, mimitest.Sample{Body: abuse}.Hostile(), "report " + me + " " + room, ""},
		{"GET", api.PathLanes, inRoom, "", nil, nil, "lanes " + me + " " + room, api.TypeJSON},
		{"GET", api.PathPerson, nil, "", nil, nil, "person " + me, api.TypeJSON},
		{"POST", api.PathPerson, nil, api.TypeJSON, change, badChange, "change " + me + " prove", api.TypeJSON},
		{"POST", api.PathFind, nil, api.TypeTLS, query, mimitest.Sample{Body: query}.Hostile(), "find " + me + " 1", api.TypeJSON},
	}
}

// messages is a request with a message twice; and what must not pass as one.
func messages(t testing.TB, one mimitest.Sample) (body []byte, hostile map[string][]byte) {
	t.Helper()
	var r mimi.SubmitMessageRequest
	must(t, syntax.Unmarshal(one.Body, &r))
	encode := func(n int) []byte {
		body, err := syntax.Marshal(&api.SubmitMessages{Requests: slices.Repeat([]mimi.SubmitMessageRequest{r}, n)})
		must(t, err)
		return body
	}
	body = encode(2)
	hostile = mimitest.Sample{Body: body}.Hostile()
	hostile["no message"], hostile["too many messages"] = encode(0), encode(api.MaxMessages+1)
	return body, hostile
}

func kindOf(t testing.TB, id wire.CipherSuite) string {
	t.Helper()
	s, err := suite.Lookup(id)
	must(t, err)
	return s.String()
}

// structures returns encoded KeyPackages and an encoded CreateRoom, made of the wire vectors.
func structures(t testing.TB) (packages, create []byte) {
	t.Helper()
	for _, c := range wirecase.Load(t, "key-material") {
		var r mimi.KeyMaterialResponse
		if c.Structure != "KeyMaterialResponse" || c.Fields == nil || syntax.Unmarshal(wirecase.Bytes(t, c.Hex), &r) != nil {
			continue
		}
		for _, of := range r.Clients {
			if of.KeyPackage == nil {
				continue
			}
			var err error
			packages, err = syntax.Marshal(&api.KeyPackages{KeyPackages: []wire.KeyPackage{*of.KeyPackage, *of.KeyPackage}})
			must(t, err)
			leaf := of.KeyPackage.Leaf
			create, err = syntax.Marshal(&api.CreateRoom{
				GroupInfo: wire.GroupInfo{Context: wire.GroupContext{Version: wire.MLS10, Suite: 1, GroupID: bytes.Repeat([]byte{0x5a}, 16), TreeHash: bytes.Repeat([]byte{3}, 32)}, Signature: bytes.Repeat([]byte{7}, 64)},
				Tree:      wire.RatchetTree{Nodes: []*wire.Node{{Leaf: &leaf}}},
			})
			must(t, err)
			return packages, create
		}
	}
	t.Fatal("no KeyPackage among the vectors")
	return nil, nil
}

// hostileJSON returns texts that look like an object and must not be accepted.
func hostileJSON(good []byte) map[string][]byte {
	var members map[string]json.RawMessage
	if json.Unmarshal(good, &members) != nil {
		return nil
	}
	var name string
	for n := range members {
		name = max(name, n)
	}
	with := func(change func(map[string]json.RawMessage)) []byte {
		changed := make(map[string]json.RawMessage, len(members)+1)
		for n, v := range members {
			changed[n] = v
		}
		change(changed)
		text, err := json.Marshal(changed)
		if err != nil {
			return nil
		}
		return text
	}
	twice := append([]byte(`{"`+name+`":`+string(members[name])+`,`), good[1:]...)
	deep := append(append([]byte(`{"`+name+`":`), bytes.Repeat([]byte{'['}, 12_000)...), '}')
	return map[string][]byte{
		"empty": {}, "half": good[:len(good)/2], "last octet missing": good[:len(good)-1],
		"trailing octet": append(slices.Clone(good), 'x'), "second object": append(slices.Clone(good), good...),
		"trailing zero": append(slices.Clone(good), 0), "array": []byte("[]"), "null": []byte("null"), "text": []byte(`"x"`),
		"no members": []byte("{}"), "member twice": twice, "deep": deep, "zeros": make([]byte, 512),
		"unknown member":  with(func(m map[string]json.RawMessage) { m["x"] = []byte("1") }),
		"missing member":  with(func(m map[string]json.RawMessage) { delete(m, name) }),
		"null member":     with(func(m map[string]json.RawMessage) { m[name] = []byte("null") }),
		"object member":   with(func(m map[string]json.RawMessage) { m[name] = []byte("{}") }),
		"array member":    with(func(m map[string]json.RawMessage) { m[name] = []byte("[1]") }),
		"other type":      with(func(m map[string]json.RawMessage) { m[name] = []byte("true") }),
		"negative":        with(func(m map[string]json.RawMessage) { m[name] = []byte("-1") }),
		"other spelling":  bytes.Replace(good, []byte(`"`+name+`"`), []byte(`"`+strings.ToUpper(name)+`"`), 1),
		"not UTF-8":       bytes.Replace(good, []byte(`:`), []byte(":\"\xff\","), 1),
		"comment":         append([]byte("/**/"), good...),
		"byte order mark": append([]byte("\xef\xbb\xbf"), good...),
	}
}

var errSecret = errors.New("disk failure")
