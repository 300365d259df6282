package nativelab

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// Of the XMPP server of the laboratory.
const (
	XMPPHost      = "localhost"
	XMPPRooms     = "rooms.localhost"
	XMPPComponent = "mimi.localhost"
	XMPPSecret    = "secret-of-the-lab"
	xmppPassword  = "pw"
)

// XMPP is Prosody.
type XMPP struct {
	Process
	Component string // host:port for components
	client    string
}

// NewXMPP writes the configuration of a server with the given users into dir. Start runs it.
func NewXMPP(dir string, users ...string) (*XMPP, error) {
	path, err := find("prosody")
	if err != nil {
		return nil, err
	}
	client, err := Port()
	if err != nil {
		return nil, err
	}
	component, err := Port()
	if err != nil {
		return nil, err
	}
	accounts := filepath.Join(dir, "prosody", XMPPHost, "accounts")
	if err := os.MkdirAll(accounts, 0o700); err != nil {
		return nil, err
	}
	for _, u := range users {
		if err := os.WriteFile(filepath.Join(accounts, u+".dat"), []byte(fmt.Sprintf("return { [\"password\"] = %q; };\n", xmppPassword)), 0o600); err != nil {
			return nil, err
		}
	}
	_, clientPort, err := net.SplitHostPort(client)
	if err != nil {
		return nil, err
	}
	_, componentPort, err := net.SplitHostPort(component)
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "prosody.cfg.lua")
	text := fmt.Sprintf(`run_as_root = true
pidfile = %q
data_path = %q
log = { info = "*console" }
interfaces = { "127.0.0.1" }
c2s_ports = { %s }
component_ports = { %s }
component_interfaces = { "127.0.0.1" }
modules_enabled = { "roster", "saslauth", "disco", "ping", "offline" }
modules_disabled = { "s2s", "tls", "http" }
authentication = "internal_plain"
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
VirtualHost %q
Component %q "muc"
  restrict_room_creation = false
Component %q
  component_secret = %q
`, filepath.Join(dir, "prosody.pid"), filepath.Join(dir, "prosody"), clientPort, componentPort, XMPPHost, XMPPRooms, XMPPComponent, XMPPSecret)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return &XMPP{Process{command: path, args: []string{"-F", "--config", config}, address: client, log: filepath.Join(dir, "prosody.log")}, component, client}, nil
}

// XMPPUser is a user with a plain connection. It keeps what it was sent as it came.
type XMPPUser struct {
	conn net.Conn

	mu     sync.Mutex
	seen   string
	passed int // octets before which Expect does not look again
	more   chan struct{}
	gone   error
	room   string
}

const streamHead = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='" + XMPPHost + "' version='1.0'>"

// Join connects a user and makes it present.
func (s *XMPP) Join(ctx context.Context, name string) (*XMPPUser, error) {
	conn, err := net.Dial("tcp", s.client)
	if err != nil {
		return nil, err
	}
	u := &XMPPUser{conn: conn, more: make(chan struct{}, 1)}
	go u.read()
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + name + "\x00" + xmppPassword))
	for _, step := range []struct{ say, expect string }{
		{streamHead, "</stream:features>"},
		{"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + plain + "</auth>", "<success"},
		{streamHead, "</stream:features>"},
		{"<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>lab</resource></bind></iq>", "type='result'"},
		{"<presence/>", "<presence"},
	} {
		if err := u.Say(step.say); err != nil {
			return nil, err
		}
		if _, err := u.Expect(ctx, step.expect); err != nil {
			return nil, err
		}
	}
	return u, nil
}

func (u *XMPPUser) read() {
	buffer := make([]byte, 64<<10)
	for {
		n, err := u.conn.Read(buffer)
		u.mu.Lock()
		u.seen += string(buffer[:n])
		if err != nil {
			u.gone = err
		}
		u.mu.Unlock()
		select {
		case u.more <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// Say sends octets.
func (u *XMPPUser) Say(stanza string) error {
	_, err := u.conn.Write([]byte(stanza))
	return err
}

// Seen is everything so far.
func (u *XMPPUser) Seen() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.seen
}

// Expect waits for a text behind what earlier calls have found, and returns the stanza-like piece with it: from the tag at the top level
// before it on, as far as it can be told.
func (u *XMPPUser) Expect(ctx context.Context, text string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, expectWithin)
	defer cancel()
	for {
		u.mu.Lock()
		rest, gone := u.seen[u.passed:], u.gone
		at := strings.Index(rest, text)
		if at >= 0 {
			u.passed += at + len(text)
		}
		u.mu.Unlock()
		switch {
		case at >= 0:
			return rest[max(strings.LastIndex(rest[:at], "<message "), 0) : at+len(text)], nil
		case gone != nil:
			return "", errors.Join(fmt.Errorf("the stream ended before %q", text), gone)
		}
		select {
		case <-u.more:
		case <-ctx.Done():
			return "", fmt.Errorf("%q did not come; the last: %q", text, rest[max(0, len(rest)-1500):])
		}
	}
}

// invitation is the address of a chat.
var invitation = regexp.MustCompile(`[a-z0-9-]+@rooms\.localhost`)

// Room enters the multi-user chat that the user was invited to, and returns its address.
func (u *XMPPUser) Room(ctx context.Context) (string, error) {
	err := Await(ctx, func() bool {
		u.room = invitation.FindString(u.Seen())
		return u.room != ""
	}, "no invitation has come")
	if err != nil {
		return "", err
	}
	if err := u.Say("<presence to='" + u.room + "/lab'><x xmlns='http://jabber.org/protocol/muc'/></presence>"); err != nil {
		return "", err
	}
	_, err = u.Expect(ctx, "<subject")
	return u.room, err
}

// SayInRoom writes to the chat that Room has entered. The text has no markup in it.
func (u *XMPPUser) SayInRoom(text string) error {
	return u.Say("<message to='" + u.room + "' type='groupchat' id='lab-" + strings.ToLower(rand.Text()) + "'><body>" + text + "</body></message>")
}

// Close ends the connection.
func (u *XMPPUser) Close() error { return u.conn.Close() }
