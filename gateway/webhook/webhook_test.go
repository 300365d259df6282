package webhook

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/content"
	"parley/content/render"
	"parley/gateway"
	"parley/gateway/convert"
	"parley/gateway/gatewaytest"
	"parley/uri"
)

// TestMain holds the tests to what the connector declares.
func TestMain(m *testing.M) { os.Exit(gatewaytest.Main(m, Capabilities())) }

const secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

// world is a system with a connector: a real HTTP server that judges what it gets by its own code.
type world struct {
	t      *testing.T
	hook   *Webhook
	in     string
	got    chan Outgoing
	events chan gateway.Event

	mu     sync.Mutex
	status int
	fail   error
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, got: make(chan Outgoing, 100), events: make(chan gateway.Event, 100), status: 204}
	system := httptest.NewServer(http.HandlerFunc(w.take))
	t.Cleanup(system.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	w.in = "http://" + address + "/events"
	if w.hook, err = New(Config{URL: system.URL, Listen: address, Secret: secret, AllowPrivate: true}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- w.hook.Run(ctx, &gateway.Host{Ingest: func(_ context.Context, e *gateway.Event) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if e.ID == "" {
				return gateway.ErrEvent
			}
			if w.fail == nil {
				w.events <- *e
			}
			return w.fail
		}})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	deadline := time.Now().Add(10 * time.Second)
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
			return w
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func (w *world) take(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	key, err2 := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || err2 != nil {
		rw.WriteHeader(500)
		return
	}
	want := "v1," + base64.StdEncoding.EncodeToString(mac(key, r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp"), body))
	var o Outgoing
	if json.Unmarshal(body, &o) != nil || r.Header.Get("webhook-signature") != want || r.Header.Get("webhook-id") == "" {
		rw.WriteHeader(401)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got <- o
	rw.WriteHeader(w.status)
}

func (w *world) answer(status int, fail error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status, w.fail = status, fail
}

// send posts with headers that change may spoil.
func (w *world) send(t *testing.T, body string, change func(http.Header)) int {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, w.in, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	key, err := parseSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	sign(r.Header, key, "msg-1", time.Now(), []byte(body))
	if change != nil {
		change(r.Header)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode
}

func user(t *testing.T, s string) uri.User {
	t.Helper()
	u, err := uri.ParseUser(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestOut(t *testing.T) {
	w := newWorld(t)
	alice := user(t, "mimi://a.example/u/alice")
	for _, c := range []struct {
		feature gateway.Feature
		change  func(*gateway.Envelope)
		fits    func(Outgoing) bool
	}{
		{gateway.Text, func(e *gateway.Envelope) {}, func(o Outgoing) bool {
			return o.Verb == "say" && o.Plain == "hi" && o.HTML == "" && o.From == alice.String() && o.To == "7" && o.Notice != ""
		}},
		{gateway.Formatting, func(e *gateway.Envelope) { e.Doc = render.Markdown("**b**") }, func(o Outgoing) bool {
			return o.Plain == "b" && o.HTML == "<p><strong>b</strong></p>"
		}},
		{gateway.Mentions, func(e *gateway.Envelope) { e.Doc = render.Markdown("[@Bob](mimi://b.example/u/bob)") }, func(o Outgoing) bool {
			return o.HTML == `<p><a href="mimi://b.example/u/bob">@Bob</a></p>`
		}},
		{gateway.LongText, func(e *gateway.Envelope) { e.Doc = render.Plain(strings.Repeat("x", 60000)) }, func(o Outgoing) bool { return len(o.Plain) == 60000 }},
		{gateway.Replies, func(e *gateway.Envelope) { e.Target.Native = "m1" }, func(o Outgoing) bool { return o.Verb == "say" && o.Target == "m1" }},
		{gateway.Edits, func(e *gateway.Envelope) { e.Verb, e.Target.Native = gateway.Edit, "m1" }, func(o Outgoing) bool { return o.Verb == "edit" && o.Target == "m1" && o.Plain == "hi" }},
		{gateway.Deletions, func(e *gateway.Envelope) { e.Verb, e.Target.Native = gateway.Delete, "m1" }, func(o Outgoing) bool { return o.Verb == "delete" && o.Target == "m1" }},
		{gateway.Reactions, func(e *gateway.Envelope) { e.Verb, e.Emoji, e.Target.Native = gateway.React, "👍", "m1" }, func(o Outgoing) bool { return o.Verb == "react" && o.Emoji == "👍" }},
		{gateway.Files, func(e *gateway.Envelope) {
			e.Doc, _ = convert.Doc(content.Message{Body: content.Part{Disposition: content.DispositionAttachment, Body: content.External{ContentType: "a/b", URL: "https://x.example", Description: "plan"}}})
		}, func(o Outgoing) bool { return o.Plain == "[attachment: plan]" }},
		{gateway.Delivered, func(e *gateway.Envelope) { e.Verb, e.Report = gateway.Report, reported(gateway.IsDelivered) }, reports("delivered")},
		{gateway.Read, func(e *gateway.Envelope) { e.Verb, e.Report = gateway.Report, reported(gateway.IsRead) }, reports("read")},
		{gateway.Failures, func(e *gateway.Envelope) { e.Verb, e.Reason = gateway.Failure, "no such user" }, func(o Outgoing) bool { return o.Verb == "failure" && o.Reason == "no such user" }},
		{gateway.Groups, func(e *gateway.Envelope) { e.Place = gateway.Place{Group: "club"} }, func(o Outgoing) bool {
			return o.Group == "club" && o.To == "" && len(o.People) == 1 && o.People[0].Native == "7"
		}},
		{gateway.Joins, func(e *gateway.Envelope) { e.Verb = gateway.Enter }, func(o Outgoing) bool { return o.Verb == "enter" }},
		{gateway.Topics, func(e *gateway.Envelope) { e.Verb, e.Title = gateway.Rename, "new" }, func(o Outgoing) bool { return o.Verb == "rename" && o.Title == "new" }},
	} {
		t.Run(string(c.feature), func(t *testing.T) {
			gatewaytest.Proves(t, c.feature, gatewaytest.Out)
			e := &gateway.Envelope{ID: "id", Verb: gateway.Say, From: alice, Place: gateway.Place{With: "7"}, Doc: render.Plain("hi"), Time: time.Now(),
				Crowd: []gateway.Person{{User: user(t, "mimi://b.example/u/webhook.7"), Native: "7"}}}
			c.change(e)
			if out := w.hook.Deliver(t.Context(), e); out.Fate != gateway.Accepted {
				t.Fatalf("%+v", out)
			}
			if o := <-w.got; !c.fits(o) {
				t.Errorf("%+v", o)
			}
		})
	}
	t.Run("fates", func(t *testing.T) {
		gatewaytest.Proves(t, gateway.Failures, gatewaytest.In)
		for status, fate := range map[int]gateway.Fate{200: gateway.Accepted, 400: gateway.Refused, 404: gateway.Refused, 429: gateway.Retry, 408: gateway.Retry,
			500: gateway.Retry, 503: gateway.Retry, 302: gateway.Retry} {
			w.answer(status, nil)
			e := &gateway.Envelope{ID: "id", Verb: gateway.Say, Place: gateway.Place{With: "7"}, Doc: render.Plain("hi")}
			if out := w.hook.Deliver(t.Context(), e); out.Fate != fate {
				t.Errorf("%d: fate %d", status, out.Fate)
			}
		}
	})
}

func reported(s gateway.Status) []gateway.Reported {
	return []gateway.Reported{{Target: gateway.Reference{Native: "m1"}, Status: s}}
}

func reports(status string) func(Outgoing) bool {
	return func(o Outgoing) bool {
		return o.Verb == "report" && len(o.Reports) == 1 && o.Reports[0] == Report{"m1", status}
	}
}

func TestIn(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		feature gateway.Feature
		body    string
		want    gateway.Event
	}{
		{gateway.Text, `{"verb":"say","from":"7","to":"mimi://a.example/u/alice","text":"a *b*"}`, gateway.Event{Verb: gateway.Say, To: "mimi://a.example/u/alice", Text: gateway.Said{Type: content.TypePlain, Text: "a *b*"}}},
		{gateway.Formatting, `{"verb":"say","from":"7","to":"x","html":"<b>a</b>"}`, gateway.Event{Verb: gateway.Say, To: "x", Text: gateway.Said{Type: content.TypeMarkdown, Text: "**a**"}}},
		{gateway.Mentions, `{"verb":"say","from":"7","to":"x","html":"<a href='mimi://b.example/u/bob'>Bob</a>"}`, gateway.Event{Verb: gateway.Say, To: "x", Text: gateway.Said{Type: content.TypeMarkdown, Text: "[Bob](<mimi://b.example/u/bob>)"}}},
		{gateway.LongText, `{"verb":"say","from":"7","to":"x","text":"` + strings.Repeat("y", 40000) + `"}`, gateway.Event{Verb: gateway.Say, To: "x", Text: gateway.Said{Type: content.TypePlain, Text: strings.Repeat("y", 40000)}}},
		{gateway.Replies, `{"verb":"say","from":"7","to":"x","text":"a","target":"m1"}`, gateway.Event{Verb: gateway.Say, To: "x", Target: "m1", Text: gateway.Said{Type: content.TypePlain, Text: "a"}}},
		{gateway.Edits, `{"verb":"edit","from":"7","to":"x","text":"a","target":"m1"}`, gateway.Event{Verb: gateway.Edit, To: "x", Target: "m1", Text: gateway.Said{Type: content.TypePlain, Text: "a"}}},
		{gateway.Deletions, `{"verb":"delete","from":"7","to":"x","target":"m1"}`, gateway.Event{Verb: gateway.Delete, To: "x", Target: "m1", Text: gateway.Said{Type: content.TypePlain}}},
		{gateway.Reactions, `{"verb":"react","from":"7","to":"x","target":"m1","emoji":"👍"}`, gateway.Event{Verb: gateway.React, To: "x", Target: "m1", Emoji: "👍", Text: gateway.Said{Type: content.TypePlain}}},
		{gateway.Delivered, `{"verb":"report","from":"7","to":"x","target":"m1","status":"delivered"}`, gateway.Event{Verb: gateway.Report, To: "x", Target: "m1", Status: gateway.IsDelivered, Text: gateway.Said{Type: content.TypePlain}}},
		{gateway.Read, `{"verb":"report","from":"7","to":"x","target":"m1","status":"read"}`, gateway.Event{Verb: gateway.Report, To: "x", Target: "m1", Status: gateway.IsRead, Text: gateway.Said{Type: content.TypePlain}}},
		{gateway.Groups, `{"verb":"say","from":"7","group":"club","text":"a"}`, gateway.Event{Verb: gateway.Say, Group: "club", Text: gateway.Said{Type: content.TypePlain, Text: "a"}}},
		{gateway.Joins, `{"verb":"leave","from":"7","group":"club"}`, gateway.Event{Verb: gateway.Leave, Group: "club", Text: gateway.Said{Type: content.TypePlain}}},
	} {
		t.Run(string(c.feature), func(t *testing.T) {
			gatewaytest.Proves(t, c.feature, gatewaytest.In)
			if status := w.send(t, c.body, nil); status != 204 {
				t.Fatal(status)
			}
			c.want.ID, c.want.From = "msg-1", "7"
			if got := <-w.events; got != c.want {
				t.Errorf("%+v\nwant %+v", got, c.want)
			}
		})
	}
	const good = `{"verb":"say","from":"7","to":"x","text":"a"}`
	for name, c := range map[string]struct {
		body   string
		change func(http.Header)
		status int
	}{
		"no signature":         {good, func(h http.Header) { h.Del(headerSignature) }, 401},
		"another's signature":  {good, func(h http.Header) { h.Set(headerSignature, "v1,"+base64.StdEncoding.EncodeToString(make([]byte, 32))) }, 401},
		"another version":      {good, func(h http.Header) { h.Set(headerSignature, strings.Replace(h.Get(headerSignature), "v1", "v2", 1)) }, 401},
		"another id":           {good, func(h http.Header) { h.Set(headerID, "msg-2") }, 401},
		"an old time":          {good, func(h http.Header) { h.Set(headerTime, strconv.FormatInt(time.Now().Add(-time.Hour).Unix(), 10)) }, 401},
		"an id with a dot":     {good, func(h http.Header) { h.Set(headerID, "a.b") }, 401},
		"too long":             {`{"verb":"say","from":"7","to":"x","text":"` + strings.Repeat("y", mostBody) + `"}`, nil, 413},
		"no JSON":              {`hello`, nil, 400},
		"an unknown member":    {`{"verb":"say","from":"7","to":"x","text":"a","admin":true}`, nil, 400},
		"two values":           {good + good, nil, 400},
		"an unknown verb":      {`{"verb":"ban","from":"7","to":"x"}`, nil, 400},
		"nothing said":         {`{"verb":"say","from":"7","to":"x","text":" "}`, nil, 400},
		"more than one digest": {good, func(h http.Header) { h.Set(headerSignature, "v1,eA== "+h.Get(headerSignature)) }, 204},
	} {
		t.Run(name, func(t *testing.T) {
			if status := w.send(t, c.body, c.change); status != c.status {
				t.Errorf("%d, want %d", status, c.status)
			}
		})
	}
	for fail, status := range map[error]int{gateway.ErrFlood: 429, gateway.ErrEvent: 400, io.ErrClosedPipe: 503} {
		w.answer(204, fail)
		if got := w.send(t, good, nil); got != status {
			t.Errorf("%v: %d, want %d", fail, got, status)
		}
	}
}

func TestConfiguration(t *testing.T) {
	for _, c := range []Config{{URL: "https://x.example", Secret: "short"}, {URL: "https://x.example", Secret: "whsec_eA=="}, {URL: "http://x.example", Secret: secret},
		{URL: "file:///etc", Secret: secret, AllowPrivate: true}} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}

func TestPrivateAddressesAreNotConnectedTo(t *testing.T) {
	for _, address := range []string{"127.0.0.1:443", "[::1]:443", "10.0.0.1:443", "192.168.1.1:443", "169.254.169.254:80", "[fe80::1]:443", "[fd00::1]:443",
		"0.0.0.0:443", "[::ffff:127.0.0.1]:443", "224.0.0.1:443", "nonsense"} {
		if publicOnly("tcp", address, nil) == nil {
			t.Errorf("%s was taken", address)
		}
	}
	if err := publicOnly("tcp", "93.184.216.34:443", nil); err != nil {
		t.Error(err)
	}
	hook, err := New(Config{URL: "https://localhost:1/", Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	if out := hook.Deliver(t.Context(), &gateway.Envelope{ID: "x", Verb: gateway.Say, Doc: render.Plain("x")}); out.Fate != gateway.Refused {
		t.Errorf("%+v", out)
	}
}

func FuzzVerify(f *testing.F) {
	f.Add("msg-1", "1", "v1,eA==", []byte("{}"))
	f.Fuzz(func(t *testing.T, id, timestamp, signature string, body []byte) {
		h := http.Header{}
		h.Set(headerID, id)
		h.Set(headerTime, timestamp)
		h.Set(headerSignature, signature)
		if _, err := verify(h, bytes.Repeat([]byte{7}, 32), time.Unix(1, 0), body); err == nil {
			t.Fatal("a signature was guessed")
		}
	})
}
