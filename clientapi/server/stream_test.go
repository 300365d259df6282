package server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/clientapi/api"
	"parley/clientapi/server"
	"parley/identity"
	"parley/syntax"
)

func TestStreamSendsWhatIsBehindTheCursor(t *testing.T) {
	bubble(t, nil, func(l *lab) {
		l.inbox.put([]byte("one"), []byte("two"), []byte("three"))
		all := l.open("?after=0")
		first := all.next("one")
		second := all.next("two")
		all.next("three")
		l.inbox.put([]byte("four"))
		all.next("four")
		later := l.open("?after=" + strconv.FormatUint(first, 10))
		later.next("two")
		later.next("three")
		l.inbox.ack(second)
		unacknowledged := l.open("")
		unacknowledged.next("three")
		unacknowledged.next("four")
		for _, r := range []*reader{all, later, unacknowledged} {
			r.close()
		}
		if n := l.inbox.watched(); n != 0 {
			l.t.Errorf("%d streams left", n)
		}
	})
}

func TestIdleStreamBeats(t *testing.T) {
	bubble(t, nil, func(l *lab) {
		start := time.Now()
		r := l.open("")
		for i := range 10 {
			r.beat()
			if at := time.Since(start); at != time.Duration(i+1)*api.Heartbeat*time.Second {
				l.t.Fatalf("heartbeat %d after %v", i+1, at)
			}
		}
		l.inbox.put([]byte("one"))
		r.next("one")
		r.close()
	})
}

// Many large events for a client that reads nothing: the stream holds one reading of the inbox and ends after StallAfter. The next
// one goes on behind what had come.
func TestClientThatDoesNotReadIsCutAndResumes(t *testing.T) {
	bubble(t, nil, func(l *lab) {
		const count, size = 60, 512 << 10
		for i := range count {
			l.inbox.put(bytes.Repeat([]byte{byte(i)}, size))
		}
		r := l.open("?after=0")
		synctest.Wait()
		l.taken()
		pass(server.StallAfter - time.Second)
		if n := l.inbox.watched(); n != 1 {
			l.t.Fatalf("cut too early")
		}
		pass(7 * time.Second) // crypto/tls tries for 5 s to say goodbye
		if n := l.inbox.watched(); n != 0 {
			l.t.Fatalf("the stream is still open")
		}
		if calls := l.taken(); len(calls) != 0 {
			l.t.Errorf("read on for a client that reads nothing: %q", calls)
		}
		var last uint64
		next := 0
		take := func(r *reader) {
			for {
				e, err := api.ReadFrame(r.r)
				if err != nil {
					return
				}
				if e.Cursor <= last || len(e.Body) != size || e.Body[0] != byte(next) {
					l.t.Fatalf("event %d after %d", e.Cursor, last)
				}
				last = e.Cursor
				if next++; next == count {
					return
				}
			}
		}
		take(r)
		r.close()
		if next == count {
			l.t.Fatal("nothing was left for the second stream")
		}
		r = l.open("?after=" + strconv.FormatUint(last, 10))
		take(r)
		r.close()
		if next != count {
			l.t.Errorf("%d of %d events came", next, count)
		}
	})
}

// A client that is slow and reads all the time gets an event that takes longer than StallAfter.
func TestSlowClientIsNotCut(t *testing.T) {
	bubble(t, nil, func(l *lab) {
		const size = 12 << 20 // more than the windows of HTTP/2 hold
		l.inbox.put(make([]byte, size))
		r := l.open("?after=0")
		start := time.Now()
		body := &slow{r: r.body, piece: 256 << 10, pause: server.StallAfter / 4}
		r.r.Reset(body)
		e, err := api.ReadFrame(r.r)
		if err != nil || len(e.Body) != size {
			l.t.Fatalf("%v after %v", err, time.Since(start))
		}
		if took := time.Since(start); took < 3*server.StallAfter {
			l.t.Errorf("took %v only", took)
		}
		r.close()
	})
}

// slow reads one piece after each pause.
type slow struct {
	r     io.Reader
	piece int
	pause time.Duration
	left  int
}

func (s *slow) Read(p []byte) (int, error) {
	if s.left == 0 {
		pass(s.pause)
		s.left = s.piece
	}
	n, err := s.r.Read(p[:min(len(p), s.left)])
	s.left -= n
	return n, err
}

func TestStreamsOfOneClient(t *testing.T) {
	bubble(t, nil, func(l *lab) {
		var open []*reader
		for range api.MaxHeld {
			open = append(open, l.open("?after=0"))
		}
		l.inbox.put([]byte("one"))
		for _, r := range open {
			r.next("one")
		}
		one := l.open("?after=0") // ends the oldest
		one.next("one")
		open[0].ended()
		poll := l.poll("?after=13&wait=50") // ends the next
		open[1].ended()
		l.inbox.put([]byte("two"))
		for _, r := range append(open[2:], one) {
			r.next("two")
			r.close()
		}
		if got := <-poll; got != "two" {
			l.t.Errorf("poll: %s", got)
		}
	})
}

// poll asks for events and returns their bodies, or the status.
func (l *lab) poll(query string) <-chan string {
	out := make(chan string, 1)
	r, err := http.NewRequest("GET", l.origin+api.PathEvents+query, nil)
	must(l.t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	go func() {
		response, err := l.client.Do(r)
		if err != nil {
			out <- err.Error()
			return
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		var events api.Events
		if err != nil || response.StatusCode != 200 || syntax.Unmarshal(body, &events) != nil {
			out <- strconv.Itoa(response.StatusCode) + " " + string(body)
			return
		}
		var all []string
		for _, e := range events.Events {
			all = append(all, string(e.Body))
		}
		if events.More {
			all = append(all, "and more")
		}
		out <- strings.Join(all, " ")
	}()
	synctest.Wait()
	return out
}

func TestPoll(t *testing.T) {
	bubble(t, nil, func(l *lab) {
		start := time.Now()
		expect := func(got <-chan string, want string, after time.Duration) {
			l.t.Helper()
			if text := <-got; text != want || time.Since(start) != after {
				l.t.Errorf("%q after %v, want %q after %v", text, time.Since(start), want, after)
			}
			start = time.Now()
		}
		expect(l.poll(""), "", 0)
		expect(l.poll("?wait=55"), "", 55*time.Second)
		waiting := l.poll("?wait=55")
		pass(7 * time.Second)
		l.inbox.put([]byte("one"))
		expect(waiting, "one", 7*time.Second)
		expect(l.poll("?wait=55"), "one", 0) // until it is acknowledged
		expect(l.poll("?after=13"), "", 0)
		l.inbox.ack(13)
		expect(l.poll(""), "", 0)
		for range api.MaxEvents + 1 {
			l.inbox.put([]byte("x"))
		}
		expect(l.poll("?wait=9"), strings.Repeat("x ", api.MaxEvents)+"and more", 0)
	})
}

func TestShutdownEndsStreamsAtOnce(t *testing.T) {
	stopping := make(chan struct{})
	bubble(t, func(s *server.Server) {
		stopping = make(chan struct{})
		s.Stopping = stopping
	}, func(l *lab) {
		l.inbox.put([]byte("one"))
		idle := l.open("?after=13")
		poll := l.poll("?after=13&wait=55")
		start := time.Now()
		close(stopping)
		idle.ended()
		if got := <-poll; got != "" {
			l.t.Errorf("poll: %s", got)
		}
		if took := time.Since(start); took != 0 {
			l.t.Errorf("took %v", took)
		}
		late := l.open("?after=0") // what is there is sent all the same
		late.next("one")
		late.ended()
		must(l.t, l.http.Shutdown(l.t.Context()))
		if took := time.Since(start); took > 2*time.Second { // HTTP/2 gives new streams a second
			l.t.Errorf("took %v", took)
		}
	})
}

// The server stops while there is always something to send.
func TestShutdownEndsABusyStream(t *testing.T) {
	var stopping chan struct{}
	bubble(t, func(s *server.Server) {
		stopping = make(chan struct{})
		s.Stopping = stopping
		s.Events = func(_ context.Context, _ identity.Device, after *uint64, _ int) ([]api.Event, bool, error) {
			return []api.Event{{Cursor: *after + 1, Kind: api.Fanout, Body: []byte("x")}}, true, nil
		}
	}, func(l *lab) {
		r := l.open("?after=0")
		r.next("x")
		close(stopping)
		for n := 0; ; n++ {
			if _, err := api.ReadFrame(r.r); err == io.EOF {
				break
			} else if err != nil {
				l.t.Fatal(err)
			}
			if n > 1<<20 {
				l.t.Fatal("does not end")
			}
		}
		r.close()
	})
}

func TestRevokedClientLosesItsStream(t *testing.T) {
	bubble(t, nil, func(l *lab) {
		start := time.Now()
		r := l.open("")
		r.beat()
		l.revoke()
		r.ended()
		if took := time.Since(start); took > 2*api.Heartbeat*time.Second {
			l.t.Errorf("took %v", took)
		}
	})
}

func TestStreamEndsWhenTheStoreFails(t *testing.T) {
	bubble(t, nil, func(l *lab) {
		r := l.open("")
		l.failWith(errSecret)
		l.inbox.put([]byte("one"))
		r.ended()
		if got := <-l.poll(""); !strings.HasPrefix(got, "500 ") || strings.Contains(got, errSecret.Error()) {
			l.t.Errorf("poll: %s", got)
		}
		if log := l.logged(); !strings.Contains(log, "event stream cut") || strings.Contains(strings.ToLower(log), canary) {
			l.t.Errorf("logged: %s", log)
		}
		l.failWith(nil)
		r = l.open("")
		r.next("one")
		r.close()
	})
}

// An event that no frame can hold is sent without its body instead of blocking the inbox for ever.
func TestTooLongEvent(t *testing.T) {
	bubble(t, nil, func(l *lab) {
		l.inbox.put(make([]byte, api.MaxFrame), []byte("two"))
		r := l.open("?after=0")
		r.next("")
		r.next("two")
		r.close()
		if log := l.logged(); !strings.Contains(log, "too long") || strings.Contains(strings.ToLower(log), canary) {
			l.t.Errorf("logged: %s", log)
		}
	})
}

func TestClientThatGoesAwayIsForgotten(t *testing.T) {
	bubble(t, nil, func(l *lab) {
		r := l.open("")
		ctx, cancel := context.WithCancel(l.t.Context())
		request, err := http.NewRequestWithContext(ctx, "GET", l.origin+api.PathEvents+"?wait=55", nil)
		must(l.t, err)
		request.Header.Set("Authorization", "Bearer "+token)
		done := make(chan error, 1)
		go func() {
			response, err := l.client.Do(request)
			if err == nil {
				err = response.Body.Close()
			}
			done <- err
		}()
		synctest.Wait()
		if n := l.inbox.watched(); n != 2 {
			l.t.Errorf("%d watch the inbox", n)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			l.t.Errorf("poll: %v", err)
		}
		r.close()
		if n := l.inbox.watched(); n != 0 {
			l.t.Errorf("%d watch the inbox of a client that is gone", n)
		}
	})
}
