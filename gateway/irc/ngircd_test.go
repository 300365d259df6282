package irc

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/gateway"
	"parley/gateway/gatewaytest"
	"parley/uri"
)

// The tests of this file run against ngIRCd, from Debian.

const limit = 20 * time.Second // of one test

// ngircd is a server process.
type ngircd struct {
	t       *testing.T
	address string
	config  string
	cmd     *exec.Cmd
}

func startNgircd(t *testing.T) *ngircd {
	t.Helper()
	path, err := exec.LookPath("ngircd")
	if err != nil {
		path = "/usr/sbin/ngircd"
	}
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("ngircd is missing; scripts/deps installs it")
		}
		gatewaytest.Absent()
		t.Skip("no ngircd here (Debian package ngircd)")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &ngircd{t: t, address: l.Addr().String(), config: filepath.Join(t.TempDir(), "ngircd.conf")}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(n.address)
	text := fmt.Sprintf("[Global]\nName = irc.native.example\nAdminInfo1 = test\nAdminEMail = a@native.example\nInfo = test\nListen = 127.0.0.1\nPorts = %s\nMotdPhrase = hi\n"+
		"[Limits]\nMaxConnectionsIP = 0\nMaxPenaltyTime = 0\n[Options]\nPAM = no\nIdent = no\nDNS = no\n[Server]\nName = gw.parley.example\nMyPassword = linkpw\nPeerPassword = linkpw\nPassive = yes\n", port)
	if err := os.WriteFile(n.config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	n.start(path)
	t.Cleanup(n.stop)
	return n
}

func (n *ngircd) start(path string) {
	n.t.Helper()
	n.cmd = exec.Command(path, "-n", "-f", n.config)
	if err := n.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Logf("ngircd is process %d", n.cmd.Process.Pid)
	deadline := time.Now().Add(limit)
	for {
		conn, err := net.Dial("tcp", n.address)
		if err == nil {
			if err := conn.Close(); err != nil {
				n.t.Fatal(err)
			}
			return
		}
		if time.Now().After(deadline) {
			n.t.Fatal("ngircd does not listen")
		}
		<-time.After(10 * time.Millisecond)
	}
}

func (n *ngircd) stop() {
	if n.cmd == nil {
		return
	}
	if err := n.cmd.Process.Kill(); err != nil {
		n.t.Errorf("ngircd: %v", err)
	}
	if err := n.cmd.Wait(); err == nil {
		n.t.Error("ngircd had ended by itself")
	}
	n.cmd = nil
}

// person is a user of the network with a plain connection.
type person struct {
	t     *testing.T
	conn  net.Conn
	lines chan string
}

func (n *ngircd) person(nick string) *person {
	n.t.Helper()
	conn, err := net.Dial("tcp", n.address)
	if err != nil {
		n.t.Fatal(err)
	}
	p := &person{n.t, conn, make(chan string, 1000)}
	go func() {
		defer close(p.lines)
		lines := bufio.NewScanner(conn)
		for lines.Scan() {
			p.lines <- lines.Text()
		}
	}()
	n.t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			n.t.Log(err)
		}
	})
	p.say("NICK " + nick)
	p.say("USER " + nick + " 0 * :" + nick)
	p.expect(" 376 ")
	return p
}

func (p *person) say(line string) {
	p.t.Helper()
	if _, err := p.conn.Write([]byte(line + "\r\n")); err != nil {
		p.t.Fatal(err)
	}
}

// expect waits for a line with a text in it, and answers pings meanwhile.
func (p *person) expect(text string) string {
	p.t.Helper()
	deadline := time.After(limit)
	var seen []string
	for {
		select {
		case line, more := <-p.lines:
			if !more {
				p.t.Fatalf("the connection has ended before %q; seen %q", text, seen)
			}
			if token, ping := strings.CutPrefix(line, "PING "); ping {
				p.say("PONG " + token)
			}
			if strings.Contains(line, text) {
				return line
			}
			seen = append(seen, line)
		case <-deadline:
			p.t.Fatalf("nothing like %q was seen; seen %q", text, seen)
		}
	}
}

// desk is a host that keeps what it is given.
type desk struct {
	mu     sync.Mutex
	nicks  map[uri.User]string
	events chan gateway.Event
	fail   error
}

func (d *desk) host() *gateway.Host {
	return &gateway.Host{
		Ingest: func(_ context.Context, e *gateway.Event) error {
			d.mu.Lock()
			defer d.mu.Unlock()
			if d.fail != nil {
				return d.fail
			}
			d.events <- *e
			return nil
		},
		Ephemeral: func(context.Context, gateway.Signal) {},
		Alias: func(_ context.Context, u uri.User, _ int, _ func(byte) bool) (string, error) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.nicks[u] = u.Name()
			return u.Name(), nil
		},
	}
}

func (d *desk) expect(t *testing.T, fits func(gateway.Event) bool) gateway.Event {
	t.Helper()
	deadline := time.After(limit)
	var seen []gateway.Event
	for {
		select {
		case e := <-d.events:
			if fits(e) {
				return e
			}
			seen = append(seen, e)
		case <-deadline:
			t.Fatalf("no such event; seen %+v", seen)
		}
	}
}

// world is a network with a connector.
type world struct {
	*ngircd
	irc  *IRC
	desk *desk
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{ngircd: startNgircd(t), desk: &desk{nicks: map[uri.User]string{}, events: make(chan gateway.Event, 1000)}}
	w.irc = New(Config{Name: "gw.parley.example", Password: "linkpw", Info: "Parley", Address: w.address, NickLen: 9, Hold: 300 * time.Millisecond,
		Pause: 20 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.irc.Run(ctx, w.desk.host()) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	w.linked()
	return w
}

// linked waits until the link is up.
func (w *world) linked() {
	w.t.Helper()
	deadline := time.Now().Add(limit)
	for w.irc.Probe(w.t.Context()) != nil {
		if time.Now().After(deadline) {
			w.t.Fatal("no link")
		}
		<-time.After(10 * time.Millisecond)
	}
}

// online waits until the connector knows a nick.
func (w *world) online(nick string) {
	w.t.Helper()
	deadline := time.Now().Add(limit)
	for {
		if _, err := w.irc.Resolve(w.t.Context(), nick); err == nil {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("%s is not seen", nick)
		}
		<-time.After(5 * time.Millisecond)
	}
}
