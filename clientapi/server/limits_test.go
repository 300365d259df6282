package server_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/clientapi/api"
	"parley/clientapi/server"
	"parley/identity"
	"parley/uri"
)

// answers sends a request and returns its status, later.
func (l *lab) answers(r *http.Request) <-chan int {
	out := make(chan int, 1)
	go func() {
		response, err := l.client.Do(r)
		if err != nil {
			out <- -1
			return
		}
		defer response.Body.Close()
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			out <- -1
			return
		}
		out <- response.StatusCode
	}()
	synctest.Wait()
	return out
}

func (l *lab) self(as string) *http.Request {
	r, err := http.NewRequest("GET", l.origin+api.PathSelf, nil)
	must(l.t, err)
	r.Header.Set("Authorization", "Bearer "+as)
	return r
}

// blocking makes Self wait until its channel is closed or its time is over, and gives every token a client of its own.
func blocking(s *server.Server) (release chan struct{}) {
	release = make(chan struct{})
	s.Self = func(ctx context.Context, d identity.Device) (*api.Self, error) {
		select {
		case <-release:
			return new(api.Self), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	s.Authenticate = func(_ context.Context, t string) (d identity.Device, err error) {
		p, err := uri.ProviderFromDomain("a.example")
		if err != nil {
			return d, err
		}
		if d.Client, err = uri.NewClient(p, "user", strings.ToLower(t)); err != nil {
			return d, err
		}
		d.User, err = uri.NewUser(p, "user")
		return d, err
	}
	return release
}

func TestRequestsAtOnce(t *testing.T) {
	var release chan struct{}
	bubble(t, func(s *server.Server) {
		release = blocking(s)
		s.InFlight = 20
	}, func(l *lab) {
		var waiting []<-chan int
		for range 16 {
			waiting = append(waiting, l.answers(l.self("greedy")))
		}
		if status := <-l.answers(l.self("greedy")); status != 429 {
			l.t.Errorf("one client's 17th request: status %d", status)
		}
		for _, other := range []string{"a", "b", "c", "d"} {
			waiting = append(waiting, l.answers(l.self(other)))
		}
		if status := <-l.answers(l.self("e")); status != 503 {
			l.t.Errorf("the 21st request: status %d", status)
		}
		close(release)
		for _, w := range waiting {
			if status := <-w; status != 200 {
				l.t.Errorf("status %d", status)
			}
		}
		for range 30 { // all places are free again
			if status := <-l.answers(l.self("greedy")); status != 200 {
				l.t.Fatalf("status %d", status)
			}
		}
	})
}

// Streams and held polls take none of the places of requests, and have a bound of their own.
func TestHeldAtOnce(t *testing.T) {
	bubble(t, func(s *server.Server) { s.InFlight, s.Held = 1, 2 }, func(l *lab) {
		one, two := l.open(""), l.open("")
		if got := <-l.poll("?wait=5"); !strings.HasPrefix(got, "503 ") || !strings.Contains(got, "retry_after") {
			l.t.Errorf("a third: %s", got)
		}
		if status := <-l.answers(l.self(token)); status != 200 {
			l.t.Errorf("a request beside them: status %d", status)
		}
		one.close()
		if got := <-l.poll("?wait=5"); got != "" {
			l.t.Errorf("after one ended: %s", got)
		}
		two.close()
	})
}

func TestCallThatTakesTooLong(t *testing.T) {
	bubble(t, func(s *server.Server) { blocking(s) }, func(l *lab) {
		start := time.Now()
		status := <-l.answers(l.self("x"))
		if took := time.Since(start); status != 503 || took != server.CallTimeout {
			l.t.Errorf("status %d after %v", status, took)
		}
	})
}

// trickle is a body that never ends.
type trickle struct{ sent bool }

func (b *trickle) Read(p []byte) (int, error) {
	if b.sent {
		pass(time.Hour)
	}
	b.sent = true
	return copy(p, "x"), nil
}

func TestBodyThatDoesNotCome(t *testing.T) {
	bubble(t, nil, func(l *lab) {
		r, err := http.NewRequest("POST", l.origin+api.PathMessages+"?room=mimi://a.example/r/x", io.NopCloser(new(trickle)))
		must(l.t, err)
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", api.TypeTLS)
		start := time.Now()
		status := <-l.answers(r)
		if took := time.Since(start); took > server.ReadTimeout+10*time.Second {
			l.t.Errorf("status %d after %v", status, took)
		}
		if calls := l.taken(); len(calls) != 0 {
			l.t.Errorf("called %q", calls)
		}
		pass(2 * time.Hour)
	})
}

// A function that takes longer than the body may still answers: the body's deadline does not outlive the body.
func TestCallThatTakesLongerThanItsBodyMay(t *testing.T) {
	bubble(t, func(s *server.Server) {
		s.Ack = func(ctx context.Context, _ identity.Device, _ uint64) error {
			select {
			case <-time.After(server.ReadTimeout + 5*time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}, func(l *lab) {
		a := l.asks()[13]
		if status := <-l.answers(a.request(l.t, l.origin)); status != 204 {
			l.t.Errorf("status %d", status)
		}
	})
}

// Nothing is reported as done before the function that makes it durable has returned.
func TestAcknowledgedAfterTheFunctionOnly(t *testing.T) {
	var release chan error
	bubble(t, func(s *server.Server) {
		release = make(chan error)
		s.Ack = func(context.Context, identity.Device, uint64) error { return <-release }
	}, func(l *lab) {
		a := l.asks()[13]
		for _, c := range []struct {
			err    error
			status int
		}{{nil, 204}, {errSecret, 500}} {
			answer := l.answers(a.request(l.t, l.origin))
			pass(time.Second)
			select {
			case status := <-answer:
				l.t.Fatalf("status %d before anything was stored", status)
			default:
			}
			release <- c.err
			if status := <-answer; status != c.status {
				l.t.Errorf("status %d, want %d", status, c.status)
			}
		}
	})
}
