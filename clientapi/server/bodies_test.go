package server_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"parley/clientapi/api"
	"parley/identity"
	"parley/mimi"
	"parley/mls/wire"
	"parley/syntax"
	"parley/uri"
)

func TestHostileBodiesCallNothing(t *testing.T) {
	w := newWorld(t)
	ts := w.serve(w.server(), false)
	routes := 0
	for _, a := range w.asks() {
		if a.hostile == nil {
			continue
		}
		routes++
		for name, body := range a.hostile {
			a.body = body
			response, answer := do(t, ts.Client(), a.request(t, ts.URL))
			var e api.Error
			if err := json.Unmarshal(answer, &e); err != nil || e.Code != api.BadRequest || response.StatusCode != 400 || e.Detail == "" {
				t.Errorf("%s, %s: status %d %s", a, name, response.StatusCode, answer)
			}
			if strings.Contains(strings.ToLower(string(answer)), canary) {
				t.Errorf("%s, %s: the answer repeats the request: %s", a, name, answer)
			}
			if calls := w.taken(); len(calls) != 0 {
				t.Errorf("%s, %s: called %q", a, name, calls)
			}
		}
	}
	want := 0
	for _, r := range api.Routes() {
		if r.Body != "" {
			want++
		}
	}
	if routes != want {
		t.Errorf("%d routes with a body, of %d", routes, want)
	}
	if log := w.logged(); log != "" {
		t.Errorf("logged: %s", log)
	}
}

func TestTooLongBodies(t *testing.T) {
	w := newWorld(t)
	ts := w.serve(w.server(), true)
	for i, route := range api.Routes() {
		if route.Body == "" {
			continue
		}
		for name, size := range map[string]int64{"one octet too many": route.Limit + 1, "twice": 2 * route.Limit} {
			for _, declared := range []bool{true, false} {
				if !declared && size > 600<<10 {
					continue // TestBodiesAllocateAtMostFourTimesTheirSize sends these, without a network
				}
				a := w.asks()[i]
				a.body = nil
				r := a.request(t, ts.URL)
				r.Body, r.ContentLength = io.NopCloser(io.LimitReader(zeros{}, size)), -1
				if declared {
					r.ContentLength = size
				}
				response, body := do(t, ts.Client(), r)
				t.Run(a.String()+" "+name, func(t *testing.T) { refusal(t, response, body, api.TooLarge) })
				if calls := w.taken(); len(calls) != 0 {
					t.Errorf("%s, %s: called %q", a, name, calls)
				}
			}
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A body that was announced and does not come ends the request and calls nothing.
func TestBodyThatEndsEarly(t *testing.T) {
	w := newWorld(t)
	ts := w.serve(w.server(), false)
	for _, a := range w.asks() {
		if a.body == nil {
			continue
		}
		r := a.request(t, ts.URL)
		r.ContentLength = int64(len(a.body)) + 1
		var head bytes.Buffer
		r.Body = io.NopCloser(bytes.NewReader(a.body))
		// net/http would notice, so the request is written by hand.
		must(t, r.Header.Write(&head))
		dialer := &net.Dialer{}
		plain := httptest.NewServer(ts.Config.Handler)
		conn, err := dialer.DialContext(t.Context(), "tcp", plain.Listener.Addr().String())
		must(t, err)
		text := a.method + " " + r.URL.RequestURI() + " HTTP/1.1\r\nHost: a.example\r\n" + head.String()
		text += "Content-Length: " + strconv.Itoa(len(a.body)+1) + "\r\n\r\n" + string(a.body)
		_, err = conn.Write([]byte(text))
		must(t, err)
		must(t, conn.(*net.TCPConn).CloseWrite())
		answer, err := io.ReadAll(conn)
		must(t, err)
		if !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") {
			t.Errorf("%s: %s", a, answer)
		}
		must(t, conn.Close())
		plain.Close()
		if calls := w.taken(); len(calls) != 0 {
			t.Errorf("%s: called %q", a, calls)
		}
	}
}

// throw hands a request to the handler without a network between and returns how many octets were allocated on the way.
func throw(t testing.TB, h http.Handler, a ask, body io.Reader, length int64) (status int, allocated uint64) {
	t.Helper()
	r := a.request(t, "https://a.example")
	r.Body, r.ContentLength = io.NopCloser(body), length
	rec := httptest.NewRecorder()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	h.ServeHTTP(rec, r)
	runtime.ReadMemStats(&after)
	return rec.Code, after.TotalAlloc - before.TotalAlloc
}

// slack is what any request costs, and what the smallest limits allow.
const slack = 256 << 10

func TestBodiesAllocateAtMostFourTimesTheirSize(t *testing.T) {
	w := newWorld(t)
	h := w.server().Handler()
	for i, route := range api.Routes() {
		if route.Body == "" {
			continue
		}
		a := w.asks()[i]
		for name, body := range bombs(t, a, route.Limit) {
			status, allocated := throw(t, h, a, bytes.NewReader(body), int64(len(body)))
			if status != http.StatusBadRequest {
				t.Errorf("%s, %s: status %d", a, name, status)
			}
			t.Logf("%s, %s: %.2f times %d octets", a, name, float64(allocated)/float64(len(body)), len(body))
			if most := 4*uint64(len(body)) + slack; allocated > most {
				t.Errorf("%s, %s: %d octets allocated for %d (%.1f times)", a, name, allocated, len(body), float64(allocated)/float64(len(body)))
			}
		}
		// What is announced and does not come costs nothing.
		status, allocated := throw(t, h, a, bytes.NewReader([]byte{1}), route.Limit)
		if status != http.StatusBadRequest || allocated > 2*slack {
			t.Errorf("%s, announced only: status %d, %d octets", a, status, allocated)
		}
		status, allocated = throw(t, h, a, zeros{}, route.Limit+1)
		if status != http.StatusRequestEntityTooLarge || allocated > slack {
			t.Errorf("%s, announced too long: status %d, %d octets", a, status, allocated)
		}
		status, allocated = throw(t, h, a, zeros{}, -1)
		if most := 4*uint64(route.Limit) + slack; status != http.StatusRequestEntityTooLarge || allocated > most {
			t.Errorf("%s, without end: status %d, %d octets", a, status, allocated)
		}
	}
	if calls := w.taken(); len(calls) != 0 {
		t.Errorf("called %q", calls)
	}
}

// bombs are bodies as long as the route takes them whose parts are as small as they can be.
func bombs(t testing.TB, a ask, limit int64) map[string][]byte {
	t.Helper()
	n := int(limit)
	out := map[string][]byte{"zeros": make([]byte, n), "ones": bytes.Repeat([]byte{1}, n), "ff": bytes.Repeat([]byte{0xff}, n)}
	if a.kind == api.TypeJSON {
		out["brackets"] = append([]byte(`{"a":`), bytes.Repeat([]byte{'['}, n-5)...)
		out["numbers"] = []byte(`{"device":[` + strings.Repeat("1,", (n-16)/2) + `1]}`)
		out["members"] = []byte(`{` + strings.Repeat(`"":1,`, (n-16)/5) + `"":1}`)
		out["one text"] = []byte(`{"device":"` + strings.Repeat("a", n-16) + `"}`)
		out["escapes"] = []byte(`{"device":"` + strings.Repeat(`\n`, (n-16)/2) + `"}`)
		out["octets"] = []byte(`{"csr":"` + base64.StdEncoding.EncodeToString(make([]byte, (n-64)*3/4)) + `"}`)
		return out
	}
	if a.path == api.PathKeyPackages {
		small := a.body[4 : 4+(len(a.body)-4)/2]
		count := (n - 4) / len(small)
		out["more KeyPackages than allowed"] = vector(nil, small, count)
	}
	if a.path == api.PathRooms {
		var r api.CreateRoom
		must(t, syntax.Unmarshal(a.body, &r))
		group, err := syntax.Marshal(&r.GroupInfo)
		must(t, err)
		out["blank leaves"] = vector(group, []byte{0}, n-len(group)-4)
	}
	if a.path == api.PathUpdate {
		var r mimi.UpdateRequest
		must(t, syntax.Unmarshal(a.body, &r))
		r.Tree = wire.RatchetTreeOption{Representation: wire.TreeFromDeliveryService}
		head, err := syntax.Marshal(&r)
		must(t, err)
		head[len(head)-1] = byte(wire.FullTree)
		leaf, err := syntax.Marshal(&wire.Node{Leaf: &wire.LeafNode{Source: wire.UpdateSource}})
		must(t, err)
		leaf = append([]byte{1}, leaf...)
		out["millions of blank leaves"] = vector(head, []byte{0}, n-len(head)-4)
		out["small leaves"] = vector(head, leaf, (n-len(head)-4)/len(leaf))
	}
	return out
}

// vector appends a vector of copies of one element.
func vector(head, element []byte, n int) []byte {
	out := binary.BigEndian.AppendUint32(append([]byte(nil), head...), uint32(n*len(element))|0x80000000)
	return append(out, bytes.Repeat(element, n)...)
}

func TestTooManyKeyPackages(t *testing.T) {
	w := newWorld(t)
	ts := w.serve(w.server(), false)
	a := w.asks()[4]
	var r api.KeyPackages
	must(t, syntax.Unmarshal(a.body, &r))
	one := r.KeyPackages[0]
	for n, code := range map[int]api.Code{0: api.BadRequest, 1: "", api.MaxKeyPackages: "", api.MaxKeyPackages + 1: api.BadRequest} {
		r.KeyPackages = nil
		for range n {
			r.KeyPackages = append(r.KeyPackages, one)
		}
		var err error
		a.body, err = syntax.Marshal(&r)
		must(t, err)
		response, body := do(t, ts.Client(), a.request(t, ts.URL))
		if code != "" {
			refusal(t, response, body, code)
		} else if response.StatusCode != 200 {
			t.Errorf("%d KeyPackages: status %d %s", n, response.StatusCode, body)
		}
		if calls := w.taken(); (len(calls) == 0) != (code != "") {
			t.Errorf("%d KeyPackages: called %q", n, calls)
		}
	}
}

func TestKeysProveThemselves(t *testing.T) {
	w := newWorld(t)
	ts := w.serve(w.server(), false)
	good := csr(t, 1)
	forged := append([]byte(nil), good...)
	forged[len(forged)-1] ^= 1
	for name, c := range map[string]struct {
		suite uint16
		csr   []byte
	}{
		"no request": {1, nil}, "not a request": {1, []byte("x")}, "forged": {1, forged}, "key of another suite": {2, good},
		"unknown suite": {99, good}, "trailing octets": {1, append(append([]byte(nil), good...), 0)},
	} {
		for _, at := range []int{0, 1} {
			a := w.asks()[at]
			if at == 0 {
				a.body = object(t, api.EnrolRequest{Code: code, Device: "x", Suite: c.suite, CSR: append([]byte{}, c.csr...)})
			} else {
				a.body = object(t, api.RenewRequest{Suite: c.suite, CSR: append([]byte{}, c.csr...)})
			}
			response, body := do(t, ts.Client(), a.request(t, ts.URL))
			t.Run(name, func(t *testing.T) { refusal(t, response, body, api.BadRequest) })
			if calls := w.taken(); len(calls) != 0 {
				t.Errorf("%s, %s: called %q", a, name, calls)
			}
		}
	}
}

// A function that answers neither way is a failure of ours and no panic.
func TestNoAnswerIsAFailure(t *testing.T) {
	w := newWorld(t)
	s := w.server()
	s.Update = func(context.Context, identity.Device, uri.Room, *mimi.UpdateRequest) (*mimi.UpdateRoomResponse, error) {
		return nil, nil
	}
	s.Self = func(context.Context, identity.Device) (*api.Self, error) { return nil, nil }
	ts := w.serve(s, false)
	for _, i := range []int{2, 8} {
		response, body := do(t, ts.Client(), w.asks()[i].request(t, ts.URL))
		refusal(t, response, body, api.Internal)
	}
}
