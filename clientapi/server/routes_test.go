package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/clientapi/api"
	"parley/clientapi/server"
	"parley/mimi"
	"parley/uri"
)

// do sends a request and reads the answer; of a stream only what comes at once.
func do(t testing.TB, c *http.Client, r *http.Request) (*reply, []byte) {
	t.Helper()
	response, err := c.Do(r)
	must(t, err)
	defer response.Body.Close()
	head := &reply{response.StatusCode, response.Header}
	if response.Header.Get("Content-Type") == api.TypeStream {
		return head, nil
	}
	body, err := io.ReadAll(response.Body)
	must(t, err)
	return head, body
}

// reply is the head of an answer.
type reply struct {
	StatusCode int
	Header     http.Header
}

// refusal requires a typed error and returns it.
func refusal(t testing.TB, response *reply, body []byte, code api.Code) *api.Error {
	t.Helper()
	var e api.Error
	if err := json.Unmarshal(body, &e); err != nil || response.Header.Get("Content-Type") != api.TypeJSON {
		t.Fatalf("status %d with the body %q", response.StatusCode, body)
	}
	if e.Code != code || response.StatusCode != code.Status() || e.Detail == "" {
		t.Fatalf("status %d %s %q, want %s", response.StatusCode, e.Code, e.Detail, code)
	}
	return &e
}

func TestEveryRoute(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		w := newWorld(t)
		ts := w.serve(w.server(), h2)
		asks := w.asks()
		if len(asks) != len(api.Routes()) {
			t.Fatalf("%d requests for %d routes", len(asks), len(api.Routes()))
		}
		for i, route := range api.Routes() {
			a := asks[i]
			if a.method != route.Method || a.path != route.Path || a.kind != route.Body {
				t.Fatalf("%s is not for %s %s", a, route.Method, route.Path)
			}
			response, body := do(t, ts.Client(), a.request(t, ts.URL))
			status := http.StatusOK
			if route.Answer == "" {
				status = http.StatusNoContent
			}
			if response.StatusCode != status || response.Header.Get("Content-Type") != a.answer || a.answer != route.Answer {
				t.Errorf("%s: status %d %s %q", a, response.StatusCode, response.Header.Get("Content-Type"), body)
			}
			if calls := w.taken(); len(calls) == 0 || calls[0] != a.call {
				t.Errorf("%s called %q, want %q", a, calls, a.call)
			}
			if response.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s may be cached", a)
			}
		}
	}
}

func TestRoutesRefuse(t *testing.T) {
	w := newWorld(t)
	ts := w.serve(w.server(), false)
	for i, route := range api.Routes() {
		a := w.asks()[i]
		change := func(name string, code api.Code, change func(*http.Request)) {
			t.Run(a.String()+" "+name, func(t *testing.T) {
				r := a.request(t, ts.URL)
				change(r)
				response, body := do(t, ts.Client(), r)
				refusal(t, response, body, code)
				if code == api.Unauthenticated && response.Header.Get("WWW-Authenticate") != "Bearer" {
					t.Error("no WWW-Authenticate")
				}
				if calls := w.taken(); len(calls) != 0 {
					t.Errorf("called %q", calls)
				}
			})
		}
		query := func(add string) func(*http.Request) {
			return func(r *http.Request) { r.URL.RawQuery = strings.Trim(r.URL.RawQuery+"&"+add, "&") }
		}
		if !route.Open {
			for name, value := range map[string][]string{
				"without token": nil, "empty token": {"Bearer "}, "other token": {"Bearer X" + token}, "other scheme": {"Basic " + token},
				"two tokens": {"Bearer " + token, "Bearer " + token}, "token alone": {token}, "trailing space": {"Bearer " + token + "\t x"},
			} {
				change(name, api.Unauthenticated, func(r *http.Request) { r.Header["Authorization"] = value })
			}
		}
		change("unknown parameter", api.BadRequest, query("x=1"))
		change("malformed query", api.BadRequest, query("a=%zz"))
		for _, p := range route.Params {
			change(p+" twice", api.BadRequest, query(p+"="+a.query.Get(p)))
			change(p+" is nonsense", api.BadRequest, func(r *http.Request) {
				q := r.URL.Query()
				q.Set(p, "http://a.example/x")
				r.URL.RawQuery = q.Encode()
			})
		}
		if slices.Contains(route.Params, api.ParamRoom) || slices.Contains(route.Params, api.ParamUser) {
			change("without parameter", api.BadRequest, func(r *http.Request) { r.URL.RawQuery = "" })
		}
		if route.Body == "" {
			change("with a body", api.BadRequest, func(r *http.Request) {
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader("x")), 1
			})
		} else {
			for name, kind := range map[string]string{"no type": "", "other type": "text/plain", "malformed type": "application/"} {
				change(name, api.BadRequest, func(r *http.Request) { r.Header.Set("Content-Type", kind) })
			}
		}
		change("other method", api.BadMethod, func(r *http.Request) { r.Method = http.MethodPut })
		change("other path", api.NotFound, func(r *http.Request) { r.URL.Path += "/" })
		change("escaped path", api.NotFound, func(r *http.Request) {
			r.URL.RawPath = strings.Replace(r.URL.Path, "client", "c%6cient", 1)
		})
	}
	for _, bad := range []string{"after=-1", "after=1x", "after=9223372036854775808", "after=", "wait=-1", "wait=56", "wait=99999999999", "wait=1.5"} {
		r := w.asks()[11].request(t, ts.URL)
		r.URL.RawQuery = bad
		response, body := do(t, ts.Client(), r)
		refusal(t, response, body, api.BadRequest)
	}
}

func TestBadMethodNamesTheGoodOnes(t *testing.T) {
	w := newWorld(t)
	ts := w.serve(w.server(), false)
	r, err := http.NewRequest(http.MethodDelete, ts.URL+api.PathKeyPackages, nil)
	must(t, err)
	response, _ := do(t, ts.Client(), r)
	allow := response.Header.Values("Allow")
	slices.Sort(allow)
	if !slices.Equal(allow, []string{"GET", "POST"}) {
		t.Errorf("Allow: %q", allow)
	}
}

func TestFailures(t *testing.T) {
	peer, err := uri.ProviderFromDomain("b.example")
	must(t, err)
	of := func(code mimi.Code) error {
		return fmt.Errorf("asking: %w", server.FromPeer(peer, &mimi.Error{Code: code, Detail: "no", RetryAfter: time.Second}))
	}
	for name, c := range map[string]struct {
		fail    error
		code    api.Code
		after   int
		waiting string
	}{
		"refused":            {mimi.Errorf(mimi.Forbidden, "not yours"), api.Forbidden, 0, ""},
		"bad":                {mimi.Errorf(mimi.BadRequest, "bad"), api.BadRequest, 0, ""},
		"not found":          {mimi.Errorf(mimi.NotFound, "no such room"), api.NotFound, 0, ""},
		"too large":          {mimi.Errorf(mimi.TooLarge, "long"), api.TooLarge, 0, ""},
		"not served":         {mimi.Errorf(mimi.Misdirected, "not here"), api.NotFound, 0, ""},
		"busy":               {&mimi.Error{Code: mimi.TooMany, Detail: "slow down", RetryAfter: 1500 * time.Millisecond}, api.TooMany, 2, ""},
		"unavailable":        {&mimi.Error{Code: mimi.Unavailable, Detail: "down", RetryAfter: time.Minute}, api.Unavailable, 60, ""},
		"wait for years":     {&mimi.Error{Code: mimi.Unavailable, Detail: "down", RetryAfter: 1 << 62}, api.Unavailable, api.MaxRetryAfter, ""},
		"full":               {mimi.Errorf(mimi.OutOfStorage, "full"), api.OutOfStorage, 0, ""},
		"store failed":       {&mimi.Error{Code: mimi.Internal, Err: errSecret}, api.Internal, 0, ""},
		"unexpected":         {errSecret, api.Internal, 0, ""},
		"composer's refusal": {&api.Error{Code: api.Conflict, Detail: "name taken"}, api.Conflict, 0, ""},
		"peer is down":       {of(mimi.Unavailable), api.PeerUnreachable, 1, "b.example"},
		"peer failed":        {of(mimi.Internal), api.PeerUnreachable, 1, "b.example"},
		"peer knows us not":  {of(mimi.NotAuthenticated), api.PeerUnreachable, 1, "b.example"},
		"peer is busy":       {of(mimi.TooMany), api.TooMany, 1, "b.example"},
		"peer is full":       {of(mimi.OutOfStorage), api.OutOfStorage, 1, "b.example"},
		"peer refuses":       {of(mimi.Forbidden), api.Forbidden, 1, ""},
		"peer has it not":    {of(mimi.NotFound), api.NotFound, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			ts := w.serve(w.server(), false)
			w.failWith(c.fail)
			for _, a := range w.asks() {
				response, body := do(t, ts.Client(), a.request(t, ts.URL))
				check(t, a, response, body, c.code, c.after, c.waiting)
			}
			if log := w.logged(); strings.Contains(strings.ToLower(log), canary) {
				t.Errorf("the log tells on people: %s", log)
			} else if (c.code == api.Internal) != strings.Contains(log, "client request failed") {
				t.Errorf("logged: %q", log)
			}
		})
	}
}

func check(t *testing.T, a ask, response *reply, body []byte, code api.Code, after int, waiting string) {
	t.Helper()
	var e api.Error
	if err := json.Unmarshal(body, &e); err != nil {
		t.Errorf("%s: status %d %q", a, response.StatusCode, body)
	}
	if e.Code != code || response.StatusCode != code.Status() || e.RetryAfter != after || e.Waiting != waiting {
		t.Errorf("%s: status %d, %+v", a, response.StatusCode, e)
	}
	if header := response.Header.Get("Retry-After"); (after > 0) != (header != "") {
		t.Errorf("%s: Retry-After %q", a, header)
	}
	if strings.Contains(string(body), errSecret.Error()) {
		t.Errorf("%s tells the cause: %s", a, body)
	}
}
