package demo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"parley/provider/lab"
)

// event is a line of `parley chat --json` (doc/chat.md), as far as the demo looks at it.
type event struct {
	Type   string `json:"type"`
	Room   string `json:"room"`
	Name   string `json:"name"`
	User   string `json:"user"`
	Text   string `json:"text"`
	Fate   string `json:"fate"`
	Reason string `json:"reason"`
	Own    bool   `json:"own"`
	Online bool   `json:"online"`
	Epoch  uint64 `json:"epoch"`
	// Gateway is the provider whose gateway holds the user's keys.
	Gateway string `json:"gateway"`
	Found   struct {
		Matches []struct {
			User string `json:"user"`
		} `json:"matches"`
		Asked []string `json:"asked"`
	} `json:"found"`
	Consent struct {
		Said     string `json:"said"`
		Incoming bool   `json:"incoming"`
	} `json:"consent"`
}

// device is one device of a person: a `parley chat` process.
type device struct {
	name   string // as in the story
	user   string // URI
	home   *lab.Server
	dir    string
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	exited chan error
	errs   bytes.Buffer

	mu     sync.Mutex
	seen   []event
	looked int           // events that expect has passed
	more   chan struct{} // one waiting token: something was seen
}

// enrol makes the user at its provider and registers a device.
func (d *demo) enrol(ctx context.Context, home *lab.Server, user, name string) (*device, error) {
	out, err := lab.Execute(ctx, d.cfg.Binary, "user", "add", user, "--config", home.Config, "--json")
	if err != nil {
		return nil, err
	}
	var invited struct{ User, Code string }
	if err := json.Unmarshal(out, &invited); err != nil {
		return nil, fmt.Errorf("parley user add: %w", err)
	}
	p := &device{name: name, user: invited.User, home: home, dir: filepath.Join(d.cfg.Dir, name), more: make(chan struct{}, 1)}
	_, err = lab.Execute(ctx, d.cfg.Binary, "chat", "enrol", "--provider", "https://"+home.Client, "--ca", home.LabCA, "--code", invited.Code, "--dir", p.dir,
		"--hybrid", hybrid)
	return p, err
}

// start opens the chat.
func (p *device) start(binary string) error {
	p.cmd = exec.Command(binary, "chat", "--dir", p.dir, "--json", "--follow", "--hybrid", hybrid)
	p.cmd.Stderr = &p.errs
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.exited = make(chan error, 1)
	go func() {
		read := p.read(out)
		p.exited <- errors.Join(read, p.cmd.Wait())
	}()
	return nil
}

func (p *device) read(out io.Reader) error {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return fmt.Errorf("%s said %q", p.name, lines.Text())
		}
		p.mu.Lock()
		p.seen = append(p.seen, e)
		p.mu.Unlock()
		select {
		case p.more <- struct{}{}:
		default:
		}
	}
	return lines.Err()
}

// say types a line.
func (p *device) say(line string) error {
	if _, err := io.WriteString(p.stdin, line+"\n"); err != nil {
		return fmt.Errorf("%s cannot type: %w: %s", p.name, err, lastLine(p.errs.Bytes()))
	}
	return nil
}

// expectWithin is how long a step may take.
const expectWithin = 15 * time.Second

// expect waits for an event among those that no earlier expect has passed.
func (p *device) expect(ctx context.Context, what string, fits func(event) bool) (event, error) {
	ctx, cancel := context.WithTimeout(ctx, expectWithin)
	defer cancel()
	for {
		if e, ok, err := p.next(fits); ok || err != nil {
			return e, err
		}
		select {
		case <-p.more:
		case err := <-p.exited:
			p.exited <- err
			if _, ok, _ := p.next(fits); !ok {
				return event{}, fmt.Errorf("%s ended before %s: %s", p.name, what, lastLine(p.errs.Bytes()))
			}
		case <-ctx.Done():
			return event{}, fmt.Errorf("%s did not see %s; the last it saw: %+v", p.name, what, p.last())
		}
	}
}

// next passes events up to the first that fits. What failed for good is not waited for.
func (p *device) next(fits func(event) bool) (event, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.looked < len(p.seen) {
		e := p.seen[p.looked]
		p.looked++
		switch {
		case fits(e):
			return e, true, nil
		case e.Fate == "failed", e.Type == "error", e.Type == "gap":
			return event{}, false, fmt.Errorf("%s was told: %s %s", p.name, e.Type, e.Reason)
		}
	}
	return event{}, false, nil
}

func (p *device) last() event {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.seen) == 0 {
		return event{}
	}
	return p.seen[len(p.seen)-1]
}

// saw reports whether the device ever showed a text.
func (p *device) saw(text string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.seen {
		if e.Text == text {
			return true
		}
	}
	return false
}

func lastLine(text []byte) []byte {
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return lines[len(lines)-1]
}

// stopWithin is how long a chat may take to close before it is killed.
const stopWithin = 10 * time.Second

// stop closes the chat.
func (p *device) stop() error {
	if p.cmd == nil || p.cmd.Process == nil {
		return nil
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return nil // it has ended
	}
	timer := time.NewTimer(stopWithin)
	defer timer.Stop()
	select {
	case <-p.exited:
		p.cmd = nil
		return nil
	case <-timer.C:
		return errors.Join(fmt.Errorf("the chat of %s did not end in %v", p.name, stopWithin), p.cmd.Process.Kill())
	}
}
