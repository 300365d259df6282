package mimitest

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// A conn is one end of a connection in memory. Writes never block: net.Pipe has no buffer, so that two ends which both write, as in a
// TLS handshake that fails, would wait for each other.
type conn struct {
	in, out *stream
	local   address
	remote  address
}

func newConn(near, far address) (net.Conn, net.Conn) {
	a, b := newStream(), newStream()
	return &conn{in: a, out: b, local: near, remote: far}, &conn{in: b, out: a, local: far, remote: near}
}

// stream is one direction.
type stream struct {
	mu       sync.Mutex
	change   *sync.Cond
	data     []byte
	closed   bool // by the writer: what is buffered can still be read
	broken   bool // by the reader
	deadline time.Time
	timer    *time.Timer
}

func newStream() *stream {
	s := new(stream)
	s.change = sync.NewCond(&s.mu)
	return s
}

func (s *stream) read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.broken:
			return 0, net.ErrClosed
		case !s.deadline.IsZero() && !time.Now().Before(s.deadline):
			return 0, os.ErrDeadlineExceeded
		case len(s.data) > 0 || len(p) == 0:
			n := copy(p, s.data)
			s.data = s.data[n:]
			return n, nil
		case s.closed:
			return 0, io.EOF
		}
		s.change.Wait()
	}
}

func (s *stream) write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.broken {
		return 0, io.ErrClosedPipe
	}
	s.data = append(s.data, p...)
	s.change.Broadcast()
	return len(p), nil
}

func (s *stream) set(f func(*stream)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
	s.change.Broadcast()
}

func (s *stream) setDeadline(t time.Time) {
	s.set(func(s *stream) {
		if s.timer != nil {
			s.timer.Stop()
			s.timer = nil
		}
		s.deadline = t
		if !t.IsZero() {
			s.timer = time.AfterFunc(time.Until(t), func() { s.set(func(*stream) {}) })
		}
	})
}

func (c *conn) Read(p []byte) (int, error)  { return c.in.read(p) }
func (c *conn) Write(p []byte) (int, error) { return c.out.write(p) }

func (c *conn) Close() error {
	c.in.setDeadline(time.Time{})
	c.out.set(func(s *stream) { s.closed = true })
	c.in.set(func(s *stream) { s.broken = true })
	return nil
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// SetReadDeadline bounds reads.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.in.setDeadline(t)
	return nil
}

// SetWriteDeadline has nothing to bound.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline bounds reads.
func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }
