package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/clientapi/api"
	"parley/clientapi/server"
	"parley/mimitest"
)

// lab is a server and its client in one bubble of virtual time. Their connections are net.Pipe: what is not read is not written.
type lab struct {
	*world
	t      *testing.T
	s      *server.Server
	http   *http.Server
	client *http.Client
	origin string
}

// bubble runs a test over HTTP/1.1 and over HTTP/2.
func bubble(t *testing.T, change func(*server.Server), test func(*lab)) {
	t.Helper()
	for _, h2 := range []bool{false, true} {
		t.Run("HTTP/2 "+strconv.FormatBool(h2), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &lab{world: newWorld(t), t: t, origin: "https://a.example"}
				l.s = l.server()
				if change != nil {
					change(l.s)
				}
				l.start(h2)
				defer func() {
					l.client.CloseIdleConnections()
					if err := l.http.Close(); err != nil {
						t.Error(err)
					}
					pass(10 * time.Second)
				}()
				test(l)
			})
		})
	}
}

func (l *lab) start(h2 bool) {
	ca := mimitest.NewAuthority(l.t)
	cert := ca.For(l.t, "a.example")
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!h2)
	protocols.SetHTTP2(h2)
	pipes := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	l.http = &http.Server{
		Handler: l.s.Handler(), Protocols: protocols, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*cert}},
	}
	go func() {
		if err := l.http.ServeTLS(pipes, "", ""); err != http.ErrServerClosed {
			l.t.Error(err)
		}
	}()
	l.client = &http.Client{Transport: &http.Transport{
		DialContext:     pipes.dial,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: ca.Pool()},
		Protocols:       protocols,
	}}
}

type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

// pass lets virtual time go by.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// reader is one open stream.
type reader struct {
	l     *lab
	body  io.Reader
	r     *bufio.Reader
	close func()
}

// open opens a stream; after is a query.
func (l *lab) open(after string) *reader {
	l.t.Helper()
	ctx, cancel := context.WithCancel(l.t.Context())
	r, err := http.NewRequestWithContext(ctx, "GET", l.origin+api.PathStream+after, nil)
	must(l.t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := l.client.Do(r)
	must(l.t, err)
	end := func() {
		cancel()
		must(l.t, response.Body.Close())
		synctest.Wait()
	}
	if response.StatusCode != 200 || response.Header.Get("Content-Type") != api.TypeStream {
		end()
		l.t.Fatalf("status %d", response.StatusCode)
	}
	return &reader{l, response.Body, bufio.NewReaderSize(response.Body, 512), end}
}

// next requires an event with a body.
func (r *reader) next(body string) uint64 {
	r.l.t.Helper()
	e, err := api.ReadFrame(r.r)
	if err != nil || e == nil || string(e.Body) != body {
		r.l.t.Fatalf("read %v, %v; want %q", e, err, body)
	}
	return e.Cursor
}

func (r *reader) beat() {
	r.l.t.Helper()
	if e, err := api.ReadFrame(r.r); e != nil || err != nil {
		r.l.t.Fatalf("read %v, %v; want a heartbeat", e, err)
	}
}

// ended requires a clean end.
func (r *reader) ended() {
	r.l.t.Helper()
	if e, err := api.ReadFrame(r.r); err != io.EOF {
		r.l.t.Fatalf("read %v, %v; want the end", e, err)
	}
	r.close()
}
