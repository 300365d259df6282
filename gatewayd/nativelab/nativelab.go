// Package nativelab runs servers of other chat networks as processes on loopback, and plain users of them: for demonstrations and
// tests of gateways. The servers are those of Debian (ngircd, prosody); Missing says which packages are not there.
//
// Every process is stopped by its id. The package must not import anything of Parley.
package nativelab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Missing names the Debian packages, of those that the networks need, that are not installed.
func Missing(networks ...string) (packages []string) {
	for _, n := range networks {
		switch n {
		case "irc":
			if _, err := find("ngircd"); err != nil {
				packages = append(packages, "ngircd")
			}
		case "xmpp":
			if _, err := find("prosody"); err != nil {
				packages = append(packages, "prosody")
			}
		}
	}
	return packages
}

// find looks where Debian puts servers, too.
func find(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/usr/bin"} {
		if path := filepath.Join(dir, name); isFile(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed", name)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// Process is a server that runs.
type Process struct {
	command string
	args    []string
	address string // it answers there once it is up
	log     string
	cmd     *exec.Cmd
}

const (
	startWithin = 20 * time.Second
	pollEvery   = 10 * time.Millisecond
)

// Start runs the server and waits until it takes connections.
func (p *Process) Start(ctx context.Context) error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	cmd := exec.Command(p.command, p.args...)
	cmd.Stdout, cmd.Stderr = log, log
	err = cmd.Start()
	if err := errors.Join(err, log.Close()); err != nil {
		return err
	}
	p.cmd = cmd
	var closed error
	err = Await(ctx, func() bool {
		conn, err := net.Dial("tcp", p.address)
		if err != nil {
			return false
		}
		closed = conn.Close()
		return true
	}, p.command+" does not take connections; "+p.log+" says why")
	if err != nil {
		return errors.Join(err, p.Kill())
	}
	return closed
}

// Await waits until something of another process is so. The error has the words given.
func Await(ctx context.Context, so func() bool, otherwise string) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.New(otherwise)
		}
	}
	return nil
}

// Kill ends the server at once and waits until it is gone. Without a process it does nothing.
func (p *Process) Kill() error {
	if p == nil || p.cmd == nil {
		return nil
	}
	cmd := p.cmd
	p.cmd = nil
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return err
	}
	return nil
}

// Port takes a free port of loopback. Another process could take it before the server does; the server then says so.
func Port() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
