package client_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"parley/client"
	"parley/clientapi/api"
	apiclient "parley/clientapi/client"
	"parley/mimitest"
)

// wires is a network of pipes in which every connection breaks after some octets, while it is bad.
type wires struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	mu     sync.Mutex
	random *rand.Rand // nil: the network is good
	broken atomic.Int64
}

func (w *wires) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	w.mu.Lock()
	limit := int64(1 << 40)
	if w.random != nil {
		limit = 2500 + w.random.Int64N(12000) // the handshake takes about 2000
	}
	w.mu.Unlock()
	left := new(atomic.Int64)
	left.Store(limit)
	select {
	case w.conns <- &fragile{Conn: far, left: left, broken: &w.broken}:
		return &fragile{Conn: near, left: left, broken: &w.broken}, nil
	case <-w.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (w *wires) Accept() (net.Conn, error) {
	select {
	case c := <-w.conns:
		return c, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

func (w *wires) Close() error {
	w.once.Do(func() { close(w.closed) })
	return nil
}

func (w *wires) Addr() net.Addr { return &net.UnixAddr{Name: "wires"} }

func (w *wires) set(random *rand.Rand) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.random = random
}

// fragile is one end of a connection that breaks in the middle of a write.
type fragile struct {
	net.Conn
	left, broken *atomic.Int64
}

func (f *fragile) Write(p []byte) (int, error) {
	left := f.left.Add(-int64(len(p)))
	if left >= 0 {
		return f.Conn.Write(p)
	}
	f.broken.Add(1)
	n, err := f.Conn.Write(p[:max(0, int64(len(p))+left)])
	if err == nil {
		err = errors.New("connection lost")
	}
	return n, errors.Join(err, f.Conn.Close())
}

// A client follows its inbox over connections that keep breaking, in the middle of events, acknowledgements and handshakes, and is
// restarted now and then with the cursor that it has stored. Every event is handed over once and in order, and acknowledged.
func TestExactlyOnceOverABadNetwork(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { exactlyOnce(t, seed) })
		})
	}
}

func exactlyOnce(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	w := newWorld(t)
	ca := mimitest.NewAuthority(t)
	net := &wires{conns: make(chan net.Conn), closed: make(chan struct{})}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(seed%2 == 0)
	s := &http.Server{
		Handler: w.server().Handler(), Protocols: protocols, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*ca.For(t, "a.example")}},
	}
	go func() {
		if err := s.ServeTLS(net, "", ""); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	transport, closeIdle, err := apiclient.HTTP(apiclient.HTTPConfig{Origin: "https://a.example", Roots: ca.Pool(), Dial: net.dial})
	must(t, err)
	c, _ := w.enrolled(transport)
	closeIdle()

	const count = 60
	var want []string
	for i := range count {
		want = append(want, fmt.Sprintf("%d %s", i, strings.Repeat("x", random.IntN(900))))
	}
	net.set(random)
	go func() {
		sizes := rand.New(rand.NewPCG(seed, 2))
		for rest := want; len(rest) > 0; {
			n := min(1+sizes.IntN(9), len(rest))
			w.inbox.put(api.Fanout, rest[:n]...)
			rest = rest[n:]
			<-time.After(time.Duration(len(rest)%7) * time.Second)
		}
	}()

	var got []string
	stored := client.Cursor(0)
	for restarts := 0; len(got) < count && restarts < 500; restarts++ {
		until := min(count, len(got)+1+int(seed+uint64(restarts))%40)
		err := c.Follow(t.Context(), apiclient.Follow{After: stored, Handle: func(e client.Event) error {
			got, stored = append(got, string(e.Body)), e.Cursor
			if len(got) == until {
				return errEnough // the process ends after it has stored the event
			}
			return nil
		}})
		if !errors.Is(err, errEnough) && len(got) < count {
			t.Fatal(err)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d of %d events, or not in order", len(got), count)
	}
	if net.broken.Load() == 0 {
		t.Error("no connection broke")
	}
	net.set(nil)
	closeIdle()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if err := c.Ack(ctx, stored); err != nil || w.inbox.acknowledged() != uint64(stored) {
		t.Errorf("acknowledged %d of %d, %v", w.inbox.acknowledged(), stored, err)
	}
	closeIdle()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	<-time.After(time.Minute)
}
