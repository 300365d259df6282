package client_test

import (
	"context"
	"crypto"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http/httptest"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"parley/client"
	"parley/clientapi/api"
	apiclient "parley/clientapi/client"
	"parley/clientapi/server"
	"parley/credential"
	"parley/identity"
	"parley/mimi"
	"parley/mimitest"
	"parley/mimitest/wirecase"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/store/memory"
	"parley/syntax"
	"parley/uri"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is the provider a.example with real accounts and a real CA; its roles are played by functions that keep what they get.
type world struct {
	t        testing.TB
	provider uri.Provider
	accounts *identity.Accounts
	ca       *credential.CA
	inbox    inbox

	mu     sync.Mutex
	got    []any // the requests
	to     []string
	fail   error
	change func(*api.EnrolResponse) // spoils the answer to an enrolment

	answers int // how many messages of a request get a verdict
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, answers: api.MaxMessages}
	var err error
	w.provider, err = uri.ProviderFromDomain("a.example")
	must(t, err)
	store := new(memory.Identity)
	w.accounts = &identity.Accounts{Provider: w.provider, Update: store.Update, View: store.View, Now: time.Now}
	w.ca, err = credential.NewCA(w.provider, time.Now(), 365*24*time.Hour)
	must(t, err)
	return w
}

func (w *world) invite() string {
	w.t.Helper()
	_, code, err := w.accounts.Invite(w.t.Context(), "alice")
	must(w.t, err)
	return code
}

func (w *world) enrol(ctx context.Context, r *api.EnrolRequest, key crypto.PublicKey) (*api.EnrolResponse, error) {
	e, err := w.accounts.Enrol(ctx, r.Code, r.Device)
	switch {
	case errors.Is(err, identity.ErrCode):
		return nil, &api.Error{Code: api.NotFound, Detail: "the code is not valid"}
	case err != nil:
		return nil, &api.Error{Code: api.Conflict, Detail: "the name is taken"}
	}
	c, err := w.ca.IssueClient(e.Device.User, e.Device.Client, key, time.Now(), 30*24*time.Hour, false)
	if err != nil {
		return nil, err
	}
	answer := &api.EnrolResponse{
		User: e.Device.User.String(), Client: e.Device.Client.String(), Token: e.Token, Certificates: c.Certificates, Provider: w.about(),
	}
	if w.change != nil {
		w.change(answer)
	}
	return answer, nil
}

func (w *world) about() api.Provider {
	hub, err := syntax.Marshal(&wire.ExternalSender{SignatureKey: []byte{1}, Credential: wire.Credential{Type: wire.BasicCredential}})
	must(w.t, err)
	var suites []uint16
	for _, id := range suite.All() {
		suites = append(suites, uint16(id))
	}
	return api.Provider{
		URI:             w.provider.String(),
		ExternalSenders: []api.ExternalSender{{Suites: []uint16{0x7777}}, {Suites: suites, Sender: hub}},
		Authorities:     []api.Authority{{Provider: w.provider.String(), Certificates: [][]byte{w.ca.Cert.Raw}}},
	}
}

func (w *world) renew(_ context.Context, d identity.Device, _ *api.RenewRequest, key crypto.PublicKey) (*api.RenewResponse, error) {
	c, err := w.ca.IssueClient(d.User, d.Client, key, time.Now(), 30*24*time.Hour, false)
	return &api.RenewResponse{Certificates: c.Certificates}, err
}

func (w *world) note(to string, request any) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.to, w.got = append(w.to, to), append(w.got, request)
	return w.fail
}

func (w *world) failWith(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fail = err
}

func (w *world) server() *server.Server {
	return &server.Server{
		Authenticate: w.accounts.Authenticate, Enrol: w.enrol, Renew: w.renew,
		Self: func(_ context.Context, d identity.Device) (*api.Self, error) {
			return &api.Self{Client: d.Client.String(), Acknowledged: w.inbox.acknowledged()}, w.note("", nil)
		},
		Authorities: func(_ context.Context, p uri.Provider) (*api.Authorities, error) {
			return &api.Authorities{Authorities: w.about().Authorities}, w.note(p.String(), nil)
		},
		PublishKeyPackages: func(_ context.Context, _ identity.Device, r *api.KeyPackages) error { return w.note("", r.KeyPackages) },
		CountKeyPackages: func(context.Context, identity.Device) (*api.KeyPackageCount, error) {
			return &api.KeyPackageCount{Available: 7}, nil
		},
		CreateRoom: func(_ context.Context, _ identity.Device, room uri.Room, r *api.CreateRoom) (*api.RoomCreated, error) {
			return &api.RoomCreated{Room: room.String()}, w.note(room.String(), r)
		},
		KeyMaterial: func(_ context.Context, _ identity.Device, u uri.User, r *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error) {
			return &mimi.KeyMaterialResponse{Protocol: mimi.MLS10, Status: mimi.KeyMaterialNoConsent, User: u.String()}, w.note(u.String(), r)
		},
		Update: func(_ context.Context, _ identity.Device, room uri.Room, r *mimi.UpdateRequest) (*mimi.UpdateRoomResponse, error) {
			return &mimi.UpdateRoomResponse{AcceptedAt: 8}, w.note(room.String(), r)
		},
		SubmitMessages: func(_ context.Context, _ identity.Device, room uri.Room, r []*mimi.SubmitMessageRequest) ([]*mimi.SubmitMessageResponse, error) {
			answers := []*mimi.SubmitMessageResponse{{Protocol: mimi.MLS10, AcceptedAt: 9}}
			return slices.Repeat(answers, min(w.answers, len(r))), w.note(room.String(), r)
		},
		GroupInfo: func(_ context.Context, _ identity.Device, room uri.Room, r *mimi.GroupInfoRequest) (*mimi.GroupInfoResponse, error) {
			return &mimi.GroupInfoResponse{Protocol: mimi.MLS10, Room: room.String(), Status: mimi.GroupInfoNotAuthorized}, w.note(room.String(), r)
		},
		Events: func(_ context.Context, _ identity.Device, after *uint64, limit int) ([]api.Event, bool, error) {
			events, more := w.inbox.read(after, limit)
			return events, more, nil
		},
		Ack:  func(_ context.Context, _ identity.Device, cursor uint64) error { return w.inbox.ack(cursor) },
		Wake: func(identity.Device) (<-chan struct{}, func()) { return w.inbox.wake() },
		Log:  slog.New(slog.DiscardHandler),
	}
}

// serve starts the provider and returns a way to it.
func (w *world) serve() (apiclient.Transport, *httptest.Server) {
	w.t.Helper()
	ts := httptest.NewUnstartedServer(w.server().Handler())
	ts.EnableHTTP2 = true
	ts.Config.ErrorLog = log.New(io.Discard, "", 0)
	ts.StartTLS()
	transport, closeIdle, err := apiclient.HTTP(apiclient.HTTPConfig{Origin: ts.URL, Roots: rootsOf(ts)})
	must(w.t, err)
	w.t.Cleanup(func() {
		closeIdle()
		ts.Close()
	})
	return transport, ts
}

// enrolled makes a client.
func (w *world) enrolled(t apiclient.Transport) (*apiclient.Client, *apiclient.Enrolled) {
	w.t.Helper()
	e, err := apiclient.Enrol(w.t.Context(), t, apiclient.Enrolment{Code: w.invite(), Device: "phone", Suite: 1})
	must(w.t, err)
	return apiclient.New(t, e.Provider, e.Token), e
}

// inbox is an inbox with gaps in its cursors. The zero value is ready.
type inbox struct {
	mu     sync.Mutex
	events []api.Event
	last   uint64
	acked  uint64
	acks   []uint64
	wakers []chan struct{}
}

func (b *inbox) put(kind api.Kind, bodies ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, body := range bodies {
		b.last += 3
		b.events = append(b.events, api.Event{Cursor: b.last, Room: mimitest.Room, Kind: kind, Timestamp: 5, Body: []byte(body)})
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
		from = max(from, *after)
	}
	for _, e := range b.events {
		if e.Cursor > from && len(out) == limit {
			return out, true
		}
		if e.Cursor > from {
			out = append(out, e)
		}
	}
	return out, false
}

func (b *inbox) ack(cursor uint64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.acked = max(b.acked, cursor)
	b.acks = append(b.acks, cursor)
	return nil
}

func (b *inbox) acknowledged() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.acked
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

// sample decodes a request of the wire vectors.
func sample[T any, P interface {
	*T
	syntax.Value
}](t testing.TB, e mimi.Endpoint) P {
	t.Helper()
	for _, s := range mimitest.Samples(t) {
		if s.Endpoint == e {
			v := P(new(T))
			must(t, syntax.Unmarshal(s.Body, v))
			return v
		}
	}
	t.Fatal("no sample")
	return nil
}

func keyPackage(t testing.TB) wire.KeyPackage {
	t.Helper()
	for _, c := range wirecase.Load(t, "key-material") {
		var r mimi.KeyMaterialResponse
		if c.Structure != "KeyMaterialResponse" || c.Fields == nil || syntax.Unmarshal(wirecase.Bytes(t, c.Hex), &r) != nil {
			continue
		}
		for _, of := range r.Clients {
			if of.KeyPackage != nil {
				return *of.KeyPackage
			}
		}
	}
	t.Fatal("no KeyPackage")
	return wire.KeyPackage{}
}

// same requires equal encodings.
func same(t testing.TB, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(encoding(t, got), encoding(t, want)) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func encoding(t testing.TB, v any) any {
	t.Helper()
	s, ok := v.(syntax.Value)
	if !ok {
		return v
	}
	octets, err := syntax.Marshal(s)
	must(t, err)
	return octets
}

func room(t testing.TB) uri.Room {
	t.Helper()
	r, err := uri.ParseRoom(mimitest.Room)
	must(t, err)
	return r
}

// retry requires a failure that may pass.
func retry(t testing.TB, err error, waiting string) *client.RetryError {
	t.Helper()
	var r *client.RetryError
	if !errors.As(err, &r) || r.Waiting != waiting {
		t.Fatalf("%v (%+v), want to wait for %q", err, r, waiting)
	}
	return r
}

// refused requires a definite refusal.
func refused(t testing.TB, err error, code api.Code) {
	t.Helper()
	var e *api.Error
	var r *client.RetryError
	if errors.As(err, &r) || !errors.As(err, &e) || e.Code != code {
		t.Fatalf("%v, want the refusal %s", err, code)
	}
}

func suiteOf(t testing.TB, id wire.CipherSuite) *suite.Suite {
	t.Helper()
	s, err := suite.Lookup(id)
	must(t, err)
	return s
}
