package mimihttp_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"parley/mimi"
	"parley/mimihttp"
	"parley/mimitest"
	"parley/syntax"
)

// bad is a peer that offers submitMessage and treats the request as it likes.
func bad(t *testing.T, protocols []string, serve http.HandlerFunc) *world {
	w := newWorld(t, nil)
	cert := w.authority.For(t, "a.example")
	s := &http.Server{
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*cert}, NextProtos: protocols},
		ErrorLog:  discard(),
		Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == wellKnown {
				if _, err := fmt.Fprint(rw, submitOnly("https://a.example/s/{x}")); err != nil {
					t.Error(err)
				}
				return
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				t.Error(err)
			}
			serve(rw, r)
		}),
	}
	w.serve("a.example:443", s)
	return w
}

func TestPeersThatDoNotAnswer(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	drip := func(rw http.ResponseWriter, r *http.Request) {
		rw.WriteHeader(http.StatusOK)
		for tick := time.NewTicker(time.Second); ; {
			select {
			case <-tick.C:
			case <-r.Context().Done():
				tick.Stop()
				return
			}
			if _, err := rw.Write([]byte{0}); err != nil {
				return
			}
			if err := http.NewResponseController(rw).Flush(); err != nil {
				return
			}
		}
	}
	for name, serve := range map[string]http.HandlerFunc{"never": hang, "octet by octet": drip} {
		for _, protocol := range []string{"h2", "http/1.1"} {
			t.Run(name+" over "+protocol, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := bad(t, []string{protocol}, serve)
					c := w.client(func(c *mimihttp.ClientConfig) { c.Timeout = 0 })
					began := time.Now()
					err := send(t, c)
					var failure *mimi.Error
					if !errors.As(err, &failure) || failure.Code != mimi.Unavailable || failure.Err == nil {
						t.Errorf("got %v", err)
					}
					if took := time.Since(began); took != 30*time.Second {
						t.Errorf("cut after %v", took)
					}
					c.Close()
				})
			})
		}
	}
}

// counted counts the connections that are open.
type counted struct {
	net.Conn
	open *atomic.Int64
	once sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}

// However many requests wait for a peer, the connections to it are few; and where it speaks HTTP/2, the limit costs nothing.
func TestConnectionsAreFew(t *testing.T) {
	for _, protocol := range []string{"h2", "http/1.1"} {
		t.Run(protocol, func(t *testing.T) {
			const requests = 60
			entered, release := make(chan struct{}, requests), make(chan struct{})
			w := bad(t, []string{protocol}, func(rw http.ResponseWriter, r *http.Request) {
				entered <- struct{}{}
				select {
				case <-release:
				case <-r.Context().Done():
				}
				rw.WriteHeader(http.StatusTeapot)
			})
			var open, most atomic.Int64
			c := w.client(func(c *mimihttp.ClientConfig) {
				c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
					conn, err := w.net.Dial(ctx, network, address)
					if err != nil {
						return nil, err
					}
					if n := open.Add(1); n > most.Load() {
						most.Store(n)
					}
					return &counted{Conn: conn, open: &open}, nil
				}
			})
			request, at := new(mimi.SubmitMessageRequest), room(t, mimitest.Room)
			if err := syntax.Unmarshal(sample(t, mimi.SubmitMessage).Body, request); err != nil {
				t.Fatal(err)
			}
			var all sync.WaitGroup
			for range requests {
				all.Go(func() {
					var failure *mimi.Error
					if _, err := c.SubmitMessage(t.Context(), at, request); !errors.As(err, &failure) || failure.Detail != "peer answered 418" {
						t.Errorf("got %v", err)
					}
				})
			}
			if protocol == "h2" {
				for range requests { // all at once
					<-entered
				}
			}
			close(release)
			all.Wait()
			if n := most.Load(); n > 16 {
				t.Errorf("%d connections at once", n)
			}
		})
	}
}
