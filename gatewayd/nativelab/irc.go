package nativelab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Of the link that an IRC server of the laboratory takes.
const (
	IRCLinkName     = "gw.parley.example"
	IRCLinkPassword = "link-of-the-lab"
)

// IRC is ngIRCd.
type IRC struct {
	Process
	Address string
}

// NewIRC writes the configuration of a server into dir. Start runs it.
func NewIRC(dir string) (*IRC, error) {
	path, err := find("ngircd")
	if err != nil {
		return nil, err
	}
	address, err := Port()
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "ngircd.conf")
	text := fmt.Sprintf("[Global]\nName = irc.native.example\nAdminInfo1 = laboratory\nAdminEMail = nobody@native.example\nInfo = laboratory\nListen = 127.0.0.1\n"+
		"Ports = %s\nMotdPhrase = laboratory\n[Limits]\nMaxConnectionsIP = 0\nMaxPenaltyTime = 0\n[Options]\nPAM = no\nIdent = no\nDNS = no\n"+
		"[Server]\nName = %s\nMyPassword = %s\nPeerPassword = %s\nPassive = yes\n", port, IRCLinkName, IRCLinkPassword, IRCLinkPassword)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil { // ngIRCd gives up root before it reads it again
		return nil, err
	}
	return &IRC{Process{command: path, args: []string{"-n", "-f", config}, address: address, log: filepath.Join(dir, "ngircd.log")}, address}, nil
}

// IRCUser is a user with a plain connection. It answers pings, and keeps what it was sent.
type IRCUser struct {
	conn net.Conn

	mu   sync.Mutex
	seen []string
	more chan struct{}
	gone error
}

// Join connects a user and waits until the server has welcomed it.
func (s *IRC) Join(ctx context.Context, nick string) (*IRCUser, error) {
	conn, err := net.Dial("tcp", s.Address)
	if err != nil {
		return nil, err
	}
	u := &IRCUser{conn: conn, more: make(chan struct{}, 1)}
	go u.read()
	if err := errors.Join(u.Say("NICK "+nick), u.Say("USER "+nick+" 0 * :"+nick)); err != nil {
		return nil, err
	}
	_, err = u.Expect(ctx, " 376 ")
	return u, err
}

func (u *IRCUser) read() {
	lines := bufio.NewScanner(u.conn)
	var err error
	for err == nil && lines.Scan() {
		if token, ping := strings.CutPrefix(lines.Text(), "PING "); ping {
			err = u.Say("PONG " + token)
		}
		u.note(lines.Text(), nil)
	}
	u.note("", errors.Join(err, lines.Err(), net.ErrClosed))
}

func (u *IRCUser) note(line string, gone error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if line != "" {
		u.seen = append(u.seen, line)
	}
	u.gone = gone
	select {
	case u.more <- struct{}{}:
	default:
	}
}

// Say sends a line.
func (u *IRCUser) Say(line string) error {
	_, err := u.conn.Write([]byte(line + "\r\n"))
	return err
}

// Seen are all lines so far.
func (u *IRCUser) Seen() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]string(nil), u.seen...)
}

// expectWithin is how long something may take to come.
const expectWithin = 30 * time.Second

// Expect waits until a line with a text in it has come.
func (u *IRCUser) Expect(ctx context.Context, text string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, expectWithin)
	defer cancel()
	for {
		u.mu.Lock()
		seen, gone := u.seen, u.gone
		u.mu.Unlock()
		for _, line := range seen {
			if strings.Contains(line, text) {
				return line, nil
			}
		}
		if gone != nil {
			return "", fmt.Errorf("the connection ended before %q: %w", text, gone)
		}
		select {
		case <-u.more:
		case <-ctx.Done():
			return "", fmt.Errorf("%q did not come; the last lines: %q", text, seen[max(0, len(seen)-5):])
		}
	}
}

// Close ends the connection.
func (u *IRCUser) Close() error { return u.conn.Close() }
