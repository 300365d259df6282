package provider

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"
)

// door bounds the connections of a listener before anybody knows who is there: how many are open, and how many of them are still in
// their TLS handshake, over all and from one address. What is too much is closed at once, without an answer: it has cost an accept.
//
// A handshake ends with the listener's own time limit, so those who hold places have to come again and again.
type door struct {
	net.Listener
	limits  *Limits
	refused func(reason string)

	mu     sync.Mutex
	guests crowd
	by     map[netip.Prefix]*crowd
}

// crowd counts connections.
type crowd struct{ open, shaking int }

func newDoor(l net.Listener, limits *Limits, refused func(reason string)) *door {
	return &door{Listener: l, limits: limits, refused: refused, by: make(map[netip.Prefix]*crowd)}
}

// Accept implements net.Listener.
func (d *door) Accept() (net.Conn, error) {
	for {
		conn, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := origin(conn.RemoteAddr())
		reason := d.enter(from)
		if reason == "" {
			return &guest{Conn: conn, door: d, from: from, shaking: true}, nil
		}
		d.refused(reason)
		if err := conn.Close(); err != nil {
			d.refused("close")
		}
	}
}

// origin is the address that counts as one: of IPv6 the network that one customer usually has.
func origin(a net.Addr) netip.Prefix {
	at, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Prefix{}
	}
	ip := at.Addr().Unmap().WithZone("")
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	prefix, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}

// enter takes a place, or says why there is none.
func (d *door) enter(from netip.Prefix) (reason string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	own := d.by[from]
	if own == nil {
		own = new(crowd)
	}
	switch {
	case d.guests.open >= d.limits.Connections:
		return "connections"
	case own.open >= d.limits.ConnectionsPerAddress:
		return "connections_per_address"
	case d.guests.shaking >= d.limits.Handshakes:
		return "handshakes"
	case own.shaking >= d.limits.HandshakesPerAddress:
		return "handshakes_per_address"
	}
	d.by[from] = own
	for _, c := range []*crowd{&d.guests, own} {
		c.open++
		c.shaking++
	}
	return ""
}

// count is what stands open now.
func (d *door) count() crowd {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.guests
}

// guest is one connection that was let in.
type guest struct {
	net.Conn
	door *door
	from netip.Prefix

	shaking, gone bool // guarded by the door's lock
}

// Close implements net.Conn.
func (g *guest) Close() error {
	g.note(true)
	return g.Conn.Close()
}

// note says that the handshake is over, and perhaps the connection.
func (g *guest) note(gone bool) {
	d := g.door
	d.mu.Lock()
	defer d.mu.Unlock()
	own := d.by[g.from]
	if g.shaking {
		g.shaking = false
		d.guests.shaking--
		own.shaking--
	}
	if gone && !g.gone {
		g.gone = true
		d.guests.open--
		if own.open--; own.open == 0 {
			delete(d.by, g.from)
		}
	}
}

// shaken is the http.Server's ConnState: its first word behind "new" comes after the handshake.
func shaken(conn net.Conn, state http.ConnState) {
	if state == http.StateNew {
		return
	}
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	if g, ok := conn.(*guest); ok {
		g.note(false)
	}
}
