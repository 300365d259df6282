package client_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/client"
	"parley/clientapi/api"
	apiclient "parley/clientapi/client"
	"parley/clientapi/server"
	"parley/mimi"
	"parley/mimitest"
	"parley/mls/wire"
	"parley/syntax"
	"parley/uri"
)

func rootsOf(ts *httptest.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ts.Certificate())
	return pool
}

// Every request of the interface arrives as it was given, and its answer comes back.
func TestProvider(t *testing.T) {
	w := newWorld(t)
	transport, _ := w.serve()
	c, e := w.enrolled(transport)
	ctx, at := t.Context(), room(t)
	last := func() any {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.got[len(w.got)-1]
	}

	available, err := c.PublishKeyPackages(ctx, nil)
	if err != nil || available != 7 || len(w.got) != 0 {
		t.Errorf("counting: %d, %v", available, err)
	}
	kp := keyPackage(t)
	available, err = c.PublishKeyPackages(ctx, []wire.KeyPackage{kp, kp})
	must(t, err)
	if got := last().([]wire.KeyPackage); available != 7 || len(got) != 2 {
		t.Errorf("%d available, %d published", available, len(got))
	}
	many := make([]wire.KeyPackage, 2*api.MaxKeyPackages+1)
	for i := range many {
		many[i] = kp
	}
	_, err = c.PublishKeyPackages(ctx, many)
	must(t, err)
	if got := last().([]wire.KeyPackage); len(got) != 1 {
		t.Errorf("%d in the last of three requests", len(got))
	}

	info := &wire.GroupInfo{Context: wire.GroupContext{Version: wire.MLS10, Suite: 1, GroupID: []byte{5}}, Signature: []byte{6}}
	tree := &wire.RatchetTree{Nodes: []*wire.Node{{Leaf: &kp.Leaf}}}
	must(t, c.CreateRoom(ctx, at, info, tree))
	same(t, last(), &api.CreateRoom{GroupInfo: *info, Tree: *tree})

	km := sample[mimi.KeyMaterialRequest](t, mimi.KeyMaterial)
	target, err := uri.ParseUser(km.TargetUser)
	must(t, err)
	kmAnswer, err := c.KeyMaterial(ctx, target, km)
	must(t, err)
	same(t, last(), km)
	same(t, kmAnswer, &mimi.KeyMaterialResponse{Protocol: mimi.MLS10, Status: mimi.KeyMaterialNoConsent, User: target.String()})

	update := sample[mimi.UpdateRequest](t, mimi.Update)
	updated, err := c.Update(ctx, at, update)
	must(t, err)
	same(t, last(), update)
	same(t, updated, &mimi.UpdateRoomResponse{AcceptedAt: 8})

	submit := sample[mimi.SubmitMessageRequest](t, mimi.SubmitMessage)
	batch := slices.Repeat([]*mimi.SubmitMessageRequest{submit}, api.MaxMessages+1)
	submitted, err := c.SubmitMessages(ctx, at, batch)
	must(t, err)
	if got := last().([]*mimi.SubmitMessageRequest); len(got) != api.MaxMessages || len(submitted) != api.MaxMessages {
		t.Errorf("%d messages came, %d verdicts", len(got), len(submitted))
	}
	same(t, last().([]*mimi.SubmitMessageRequest)[1], submit)
	same(t, submitted[1], &mimi.SubmitMessageResponse{Protocol: mimi.MLS10, AcceptedAt: 9})
	w.answers = 1
	if submitted, err = c.SubmitMessages(ctx, at, batch[:3]); err != nil || len(submitted) != 1 {
		t.Errorf("%d verdicts, %v", len(submitted), err)
	}
	w.answers = 0
	_, err = c.SubmitMessages(ctx, at, batch[:3])
	retry(t, err, "a.example")

	gi := sample[mimi.GroupInfoRequest](t, mimi.GroupInfo)
	giAnswer, err := c.GroupInfo(ctx, at, gi)
	must(t, err)
	same(t, last(), gi)
	same(t, giAnswer, &mimi.GroupInfoResponse{Protocol: mimi.MLS10, Room: at.String(), Status: mimi.GroupInfoNotAuthorized})

	self, err := c.Self(ctx)
	if err != nil || self.Client != e.Account.Client.String() {
		t.Errorf("self: %+v, %v", self, err)
	}
	list, err := c.Authorities(ctx, w.provider)
	if err != nil || len(list) != 1 || w.to[len(w.to)-1] != w.provider.String() {
		t.Errorf("authorities: %+v, %v", list, err)
	}
	if _, err := c.Authorities(ctx, uri.Provider{}); err != nil || w.to[len(w.to)-1] != "" {
		t.Errorf("all authorities: %v", err)
	}
}

func TestEventsOverPolls(t *testing.T) {
	w := newWorld(t)
	transport, _ := w.serve()
	c, _ := w.enrolled(transport)
	ctx := t.Context()
	w.inbox.put(9, "of a later version") // kinds that are not known are passed over
	w.inbox.put(api.Fanout, "one")
	w.inbox.put(9, "of a later version")
	w.inbox.put(api.Fanout, "two")
	events, err := c.Events(ctx, 0, 0)
	must(t, err)
	if len(events) != 2 || string(events[0].Body) != "one" || events[0].Cursor != 6 || events[0].Room != room(t) || events[0].Timestamp != 5 {
		t.Fatalf("%+v", events)
	}
	must(t, c.Ack(ctx, events[0].Cursor))
	if w.inbox.acknowledged() != 6 {
		t.Errorf("acknowledged up to %d", w.inbox.acknowledged())
	}
	if events, err = c.Events(ctx, 6, 0); err != nil || len(events) != 1 || string(events[0].Body) != "two" {
		t.Errorf("%+v, %v", events, err)
	}
	w.inbox.put(9, "of a later version")
	if events, err = c.Events(ctx, 12, 999*time.Millisecond); err != nil || len(events) != 0 {
		t.Errorf("only unknown kinds: %+v, %v", events, err)
	}
	w.inbox.events[1].Room = "https://a.example" // such an event moves the cursor and says nothing
	w.inbox.acked = 0
	if events, err = c.Events(ctx, 3, 0); err != nil || len(events) != 2 || events[0].Body != nil || events[0].Cursor != 6 {
		t.Errorf("event of no room: %+v, %v", events, err)
	}
}

func TestRefusalsAndFailures(t *testing.T) {
	w := newWorld(t)
	transport, _ := w.serve()
	c, _ := w.enrolled(transport)
	ctx, at := t.Context(), room(t)
	elsewhere, err := uri.ParseRoom("mimi://b.example/r/x")
	must(t, err)
	submit := sample[mimi.SubmitMessageRequest](t, mimi.SubmitMessage)

	w.failWith(mimi.Errorf(mimi.Forbidden, "not a participant"))
	_, err = c.SubmitMessages(ctx, at, []*mimi.SubmitMessageRequest{submit})
	refused(t, err, api.Forbidden)

	down := &mimi.Error{Code: mimi.Unavailable, Detail: "down", RetryAfter: 90 * time.Second}
	w.failWith(server.FromPeer(elsewhere.Provider(), down))
	_, err = c.SubmitMessages(ctx, elsewhere, []*mimi.SubmitMessageRequest{submit})
	if r := retry(t, err, "b.example"); r.After != 90*time.Second {
		t.Errorf("after %v", r.After)
	}
	w.failWith(down)
	_, err = c.SubmitMessages(ctx, at, []*mimi.SubmitMessageRequest{submit})
	retry(t, err, "a.example")

	w.failWith(&mimi.Error{Code: mimi.TooMany, Detail: "slow down", RetryAfter: time.Second})
	if r := retry(t, c.CreateRoom(ctx, at, new(wire.GroupInfo), new(wire.RatchetTree)), "a.example"); r.After != time.Second {
		t.Errorf("after %v", r.After)
	}

	w.failWith(errors.New("disk"))
	_, err = c.SubmitMessages(ctx, at, []*mimi.SubmitMessageRequest{submit})
	retry(t, err, "a.example")

	stranger := apiclient.New(transport, w.provider, "other")
	_, err = stranger.Events(ctx, 0, 0)
	refused(t, err, api.Unauthenticated)

	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := c.SubmitMessages(cancelled, at, []*mimi.SubmitMessageRequest{submit}); !errors.Is(err, context.Canceled) || errors.As(err, new(*client.RetryError)) {
		t.Errorf("cancelled: %v", err)
	}
}

// answer is a Transport that gives one answer.
func answer(status int, after, body string) apiclient.Transport {
	return func(context.Context, *apiclient.Request) (*apiclient.Response, error) {
		return &apiclient.Response{Status: status, RetryAfter: after, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

func TestWhatIsDefinite(t *testing.T) {
	verdict := mimi.SubmitMessageResponse{Protocol: mimi.MLS10, AcceptedAt: 9}
	accepted, err := syntax.Marshal(&api.MessagesSubmitted{Answers: []mimi.SubmitMessageResponse{verdict}})
	must(t, err)
	twice, err := syntax.Marshal(&api.MessagesSubmitted{Answers: []mimi.SubmitMessageResponse{verdict, verdict}})
	must(t, err)
	for name, c := range map[string]struct {
		transport apiclient.Transport
		definite  api.Code // "": may pass
		after     time.Duration
		waiting   string
	}{
		"refused":                {answer(403, "", `{"code":"forbidden","detail":"no"}`), api.Forbidden, 0, ""},
		"refused by a proxy":     {answer(413, "", "<html>"), api.TooLarge, 0, ""},
		"refused without words":  {answer(404, "", ""), api.NotFound, 0, ""},
		"unknown refusal":        {answer(418, "", ""), api.BadRequest, 0, ""},
		"new code":               {answer(422, "", `{"code":"new","detail":"no"}`), "new", 0, ""},
		"too many":               {answer(429, "7", `{"code":"too_many","retry_after":5}`), "", 7 * time.Second, "a.example"},
		"too many, body only":    {answer(429, "", `{"code":"too_many","retry_after":5}`), "", 5 * time.Second, "a.example"},
		"request timeout":        {answer(408, "", ""), "", 0, "a.example"},
		"too early":              {answer(425, "", ""), "", 0, "a.example"},
		"internal":               {answer(500, "", `{"code":"internal"}`), "", 0, "a.example"},
		"bad gateway":            {answer(502, "", "<html>"), "", 0, "a.example"},
		"peer does not answer":   {answer(502, "3", `{"code":"peer_unreachable","waiting":"b.example"}`), "", 3 * time.Second, "b.example"},
		"waiting for nonsense":   {answer(502, "", `{"code":"peer_unreachable","waiting":"b example\n"}`), "", 0, "a.example"},
		"wait for years":         {answer(503, "999999999", ""), "", time.Hour, "a.example"},
		"wait for longer":        {answer(503, "", `{"code":"unavailable","retry_after":99999999}`), "", time.Hour, "a.example"},
		"wait for the past":      {answer(503, "-4", `{"code":"unavailable","retry_after":-5}`), "", 0, "a.example"},
		"redirect":               {answer(307, "", ""), "", 0, "a.example"},
		"informational":          {answer(102, "", ""), "", 0, "a.example"},
		"answer cut":             {answer(200, "", string(accepted[:len(accepted)-1])), "", 0, "a.example"},
		"answer with a tail":     {answer(200, "", string(accepted)+"x"), "", 0, "a.example"},
		"more verdicts":          {answer(200, "", string(twice)), "", 0, "a.example"},
		"no verdict":             {answer(200, "", "\x00"), "", 0, "a.example"},
		"empty answer":           {answer(200, "", ""), "", 0, "a.example"},
		"answer is too long":     {endless, "", 0, "a.example"},
		"error is too long":      {answer(403, "", `{"code":"forbidden","detail":"`+strings.Repeat("x", api.MaxJSON)+`"}`), api.Forbidden, 0, ""},
		"body breaks off":        {broken, "", 0, "a.example"},
		"no connection":          {unreachable, "", 0, "a.example"},
		"error without a status": {answer(0, "", ""), "", 0, "a.example"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := uri.ProviderFromDomain("a.example")
			must(t, err)
			_, err = apiclient.New(c.transport, p, "x").SubmitMessages(t.Context(), room(t),
				[]*mimi.SubmitMessageRequest{sample[mimi.SubmitMessageRequest](t, mimi.SubmitMessage)})
			if c.definite != "" {
				refused(t, err, c.definite)
				return
			}
			if r := retry(t, err, c.waiting); r.After != c.after {
				t.Errorf("after %v, want %v", r.After, c.after)
			}
		})
	}
}

func broken(context.Context, *apiclient.Request) (*apiclient.Response, error) {
	body := io.MultiReader(strings.NewReader("x"), errorReader{})
	return &apiclient.Response{Status: 200, Body: io.NopCloser(body)}, nil
}

func endless(context.Context, *apiclient.Request) (*apiclient.Response, error) {
	return &apiclient.Response{Status: 200, Body: io.NopCloser(zeros{})}, nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

type errorReader struct{}

func (errorReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func unreachable(context.Context, *apiclient.Request) (*apiclient.Response, error) {
	return nil, errors.New("connection refused")
}

// A provider that says nothing is waited for a minute; then the request may be repeated.
func TestSilentProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := func(ctx context.Context, _ *apiclient.Request) (*apiclient.Response, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		p, err := uri.ProviderFromDomain("a.example")
		must(t, err)
		c, start := apiclient.New(silent, p, "x"), time.Now()
		retry(t, c.Ack(t.Context(), 1), "a.example")
		if took := time.Since(start); took != apiclient.Timeout {
			t.Errorf("took %v", took)
		}
		start = time.Now()
		_, err = c.Events(t.Context(), 0, time.Hour)
		retry(t, err, "a.example")
		if took := time.Since(start); took != apiclient.Timeout+api.MaxWait*time.Second {
			t.Errorf("poll took %v", took)
		}
	})
}

func TestEventsOutOfOrderAreNotTaken(t *testing.T) {
	for _, cursors := range [][]uint64{{5}, {4}, {7, 7}, {7, 6}} {
		var list api.Events
		for _, n := range cursors {
			list.Events = append(list.Events, api.Event{Cursor: n, Room: mimitest.Room, Kind: api.Fanout})
		}
		body, err := syntax.Marshal(&list)
		must(t, err)
		_, err = apiclient.New(answer(200, "", string(body)), uri.Provider{}, "x").Events(t.Context(), 5, 0)
		retry(t, err, "")
	}
}

func TestHTTPTrustsItsRootsOnly(t *testing.T) {
	w := newWorld(t)
	_, ts := w.serve()
	other := mimitest.NewAuthority(t)
	transport, closeIdle, err := apiclient.HTTP(apiclient.HTTPConfig{Origin: ts.URL, Roots: other.Pool()})
	must(t, err)
	defer closeIdle()
	_, err = apiclient.Enrol(t.Context(), transport, apiclient.Enrolment{Code: w.invite(), Device: "phone", Suite: 1})
	retry(t, err, "")
	var verification *tls.CertificateVerificationError
	if !errors.As(err, &verification) {
		t.Errorf("%v", err)
	}
	if strings.Contains(errors.Unwrap(err).Error(), ts.URL) {
		t.Errorf("the error names the URL: %v", errors.Unwrap(err))
	}
}

func TestReadRoots(t *testing.T) {
	w := newWorld(t)
	_, ts := w.serve()
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.pem"), filepath.Join(dir, "bad.pem")
	must(t, os.WriteFile(good, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ts.Certificate().Raw}), 0o600))
	must(t, os.WriteFile(bad, []byte("no certificate"), 0o600))
	roots, err := apiclient.ReadRoots(good)
	must(t, err)
	transport, closeIdle, err := apiclient.HTTP(apiclient.HTTPConfig{Origin: ts.URL + "/", Roots: roots})
	must(t, err)
	defer closeIdle()
	w.enrolled(transport)
	if _, err := apiclient.ReadRoots(bad); !errors.Is(err, apiclient.ErrRoots) {
		t.Errorf("a file without certificates: %v", err)
	}
	if _, err := apiclient.ReadRoots(filepath.Join(dir, "none.pem")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestOrigin(t *testing.T) {
	for _, origin := range []string{
		"", "a.example", "http://a.example", "https://", "https://a.example/path", "https://a.example?x=1", "https://a.example?", "https://a.example#x",
		"https://user@a.example", "https:a.example", "https://a.example:x",
	} {
		if _, _, err := apiclient.HTTP(apiclient.HTTPConfig{Origin: origin}); !errors.Is(err, apiclient.ErrOrigin) {
			t.Errorf("%q: %v", origin, err)
		}
	}
}

// A redirect would carry the token to whom it names.
func TestRedirectsAreNotFollowed(t *testing.T) {
	asked := make(chan string, 9)
	ts := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer ts.Close()
	transport, closeIdle, err := apiclient.HTTP(apiclient.HTTPConfig{Origin: ts.URL, Roots: rootsOf(ts)})
	must(t, err)
	defer closeIdle()
	retry(t, apiclient.New(transport, uri.Provider{}, "token").Ack(t.Context(), 1), "")
	if len(asked) != 1 || <-asked != api.PathAck {
		t.Error("followed")
	}
}

// The request goes out as it was made: octets, type, token.
func TestHTTPCarriesTheRequest(t *testing.T) {
	var got *http.Request
	var body []byte
	ts := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			t.Error(err)
		}
		w.Header().Set("Retry-After", "4")
		w.WriteHeader(http.StatusTeapot)
	}))
	defer ts.Close()
	transport, closeIdle, err := apiclient.HTTP(apiclient.HTTPConfig{Origin: ts.URL, Roots: rootsOf(ts)})
	must(t, err)
	defer closeIdle()
	response, err := transport(t.Context(), &apiclient.Request{Method: "POST", Path: "/p", Query: "a=%2F", Token: "T", Type: "x/y", Body: []byte{0, 255}})
	must(t, err)
	must(t, response.Body.Close())
	if response.Status != 418 || response.RetryAfter != "4" {
		t.Errorf("%+v", response)
	}
	if got.Method != "POST" || got.RequestURI != "/p?a=%2F" || got.Header.Get("Authorization") != "Bearer T" ||
		got.Header.Get("Content-Type") != "x/y" || !bytes.Equal(body, []byte{0, 255}) {
		t.Errorf("%s %s %v %x", got.Method, got.RequestURI, got.Header, body)
	}
}
