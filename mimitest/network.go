package mimitest

import (
	"context"
	"net"
	"sync"
)

// Network connects listeners and dialers by address without leaving the process. The zero value is ready.
type Network struct {
	mu        sync.Mutex
	listeners map[string]*listener
	dialed    []string
}

type listener struct {
	address string
	conns   chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

// Listen makes a listener; an address that is in use moves to the new one.
func (n *Network) Listen(address string) net.Listener {
	l := &listener{address: address, conns: make(chan net.Conn), closed: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners == nil {
		n.listeners = make(map[string]*listener)
	}
	n.listeners[address] = l
	return l
}

// Dial connects to a listener; it is refused when there is none.
func (n *Network) Dial(ctx context.Context, network, target string) (net.Conn, error) {
	n.mu.Lock()
	n.dialed = append(n.dialed, target)
	l := n.listeners[target]
	n.mu.Unlock()
	refused := &net.OpError{Op: "dial", Net: network, Err: net.ErrClosed}
	if l == nil {
		return nil, refused
	}
	near, far := newConn("client", address(l.address))
	select {
	case l.conns <- far:
		return near, nil
	case <-l.closed:
		return nil, refused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Dialed lists the addresses that were dialed, in order.
func (n *Network) Dialed() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.dialed...)
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return address(l.address) }

type address string

func (a address) Network() string { return "memory" }
func (a address) String() string  { return string(a) }
