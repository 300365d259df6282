package provider_test

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// call opens a connection from an address of this machine and says nothing.
func (n *node) call(listener, from string) net.Conn {
	n.world.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := d.DialContext(n.world.t.Context(), "tcp", n.address(listener))
	must(n.world.t, conn, err)
	n.world.t.Cleanup(func() {
		if err := conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			n.world.t.Error(err)
		}
	})
	return conn
}

// turnedAway reports whether the other side closes a connection, rather than wait for a handshake.
func turnedAway(t *testing.T, conn net.Conn, within time.Duration) bool {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	_, err := conn.Read(make([]byte, 1))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	if err == nil {
		t.Fatal("the provider speaks first")
	}
	return errors.Is(err, io.EOF) || strings.Contains(err.Error(), "reset")
}

// Strangers who open connections and say nothing are bounded, one address before all together; those who have shown who they are do not
// count, and places that become free are given again.
func TestStrangersAtTheDoor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "a.example")
	a := w.nodes["a.example"]
	a.cfg.Limits.Handshakes, a.cfg.Limits.HandshakesPerAddress = 5, 3
	a.start()
	var friends []*device
	for _, name := range []string{"1", "2", "3", "4", "5", "6"} {
		friends = append(friends, a.enrol("alice"+name, "phone"))
	}
	const long, short = 5 * time.Second, 20 * time.Millisecond
	first := []net.Conn{a.call("client", "127.0.0.2"), a.call("client", "127.0.0.2"), a.call("client", "127.0.0.2")}
	if !turnedAway(t, a.call("client", "127.0.0.2"), long) {
		t.Error("a fourth one of an address is let in")
	}
	for range 2 {
		if turnedAway(t, a.call("client", "127.0.0.3"), short) {
			t.Error("another address is turned away")
		}
	}
	if !turnedAway(t, a.call("client", "127.0.0.4"), long) {
		t.Error("a sixth one of all is let in")
	}
	for _, f := range friends {
		if _, err := f.api.Self(t.Context()); err != nil {
			t.Errorf("one who was there before: %v", err)
		}
	}
	if turnedAway(t, a.call("federation", "127.0.0.2"), short) {
		t.Error("the other listener has no places either")
	}
	_, body := a.get("/metrics")
	for _, want := range []string{
		`parley_connections_refused_total{listener="client",reason="handshakes_per_address"} 1`,
		`parley_connections_refused_total{listener="client",reason="handshakes"} 1`,
		`parley_handshakes{listener="client"} 5`, `parley_handshakes{listener="federation"} 1`,
	} {
		if !strings.Contains(body, "\n"+want+"\n") {
			t.Errorf("metrics lack %s", want)
		}
	}
	for _, conn := range first {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	eventually(t, "a free place", func() bool {
		_, body := a.get("/metrics")
		return strings.Contains(body, "\n"+`parley_handshakes{listener="client"} 2`+"\n")
	})
	if turnedAway(t, a.call("client", "127.0.0.2"), short) {
		t.Error("places that became free are not given again")
	}
	a.enrol("bob", "phone")
}

func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "a.example")
	a := w.nodes["a.example"]
	a.cfg.Limits.Connections, a.cfg.Limits.ConnectionsPerAddress = 3, 2
	a.start()
	const long, short = 5 * time.Second, 20 * time.Millisecond
	for _, c := range []struct {
		from    string
		refused bool
	}{{"127.0.0.2", false}, {"127.0.0.2", false}, {"127.0.0.2", true}, {"127.0.0.3", false}, {"127.0.0.3", true}} {
		within := short
		if c.refused {
			within = long
		}
		if turnedAway(t, a.call("federation", c.from), within) != c.refused {
			t.Errorf("from %s: turned away %v", c.from, !c.refused)
		}
	}
}
