package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"text/template"
	"time"
)

// Plan says what to build.
type Plan struct {
	Binary  string   // path of parley
	Dir     string   // everything is written below it
	Domains []string // one provider each, all of them peers of each other
	Trace   bool     // each provider writes the trace of its TLS sockets
	Extra   string   // further lines of each configuration, in front of the peers
}

// Server is one provider: its files, its ports, its process. It is used by one goroutine at a time.
type Server struct {
	Domain     string
	Binary     string
	Dir        string // data
	Config     string // path of the configuration file
	Federation string // host:port
	Client     string
	Admin      string
	LabCA      string // certificate by which the TLS certificates of all are judged
	Cert, Key  string
	Trace      string // path; empty: none
	Log        string // path
	Extra      string
	Peers      []*Server

	cmd    *exec.Cmd
	exited chan struct{} // closed when the process has ended
	status error         // how it ended
}

// Socket is the path of the operator's socket.
func (s *Server) Socket() string { return filepath.Join(s.Dir, "admin.sock") }

// configText is the configuration of one provider. Loopback names have no DNS, so that each peer has a dial address.
var configText = template.Must(template.New("config").Parse(`# Written by parley for a laboratory on one machine.
domain = {{printf "%q" .Domain}}
data = {{printf "%q" .Dir}}

[federation]
listen = {{printf "%q" .Federation}}
certificate_file = {{printf "%q" .Cert}}
key_file = {{printf "%q" .Key}}

[client]
listen = {{printf "%q" .Client}}

[log]
{{if .Trace}}trace_file = {{printf "%q" .Trace}}
{{end}}
[admin]
listen = {{printf "%q" .Admin}}
{{.Extra}}
{{range .Peers}}
[[peer]]
domain = {{printf "%q" .Domain}}
dial = {{printf "%q" .Federation}}
trust = "private-ca"
ca_file = {{printf "%q" .LabCA}}
{{end}}`))

// Build makes certificates, configurations and keys of the providers of a plan. Nothing is started.
func Build(ctx context.Context, p Plan) ([]*Server, error) {
	dir, err := filepath.Abs(p.Dir)
	if err != nil {
		return nil, err
	}
	out, err := Execute(ctx, p.Binary, append([]string{"certs", "--json", "--dir", filepath.Join(dir, "lab")}, p.Domains...)...)
	if err != nil {
		return nil, err
	}
	var made struct {
		Authority    Files            `json:"authority"`
		Certificates map[string]Files `json:"certificates"`
	}
	if err := json.Unmarshal(out, &made); err != nil {
		return nil, fmt.Errorf("parley certs: %w", err)
	}
	addresses, err := Ports(3 * len(p.Domains))
	if err != nil {
		return nil, err
	}
	var servers []*Server
	for i, domain := range p.Domains {
		s := &Server{
			Domain: domain, Binary: p.Binary, Dir: filepath.Join(dir, domain), Config: filepath.Join(dir, domain+".toml"),
			Federation: addresses[3*i], Client: addresses[3*i+1], Admin: addresses[3*i+2],
			LabCA: made.Authority.Certificate, Cert: made.Certificates[domain].Certificate, Key: made.Certificates[domain].Key,
			Log: filepath.Join(dir, domain+".log"), Extra: p.Extra,
		}
		if p.Trace {
			s.Trace = filepath.Join(dir, domain+".trace")
		}
		servers = append(servers, s)
	}
	for _, s := range servers {
		s.Peers = slices.DeleteFunc(slices.Clone(servers), func(p *Server) bool { return p == s })
		if err := s.prepare(ctx); err != nil {
			return nil, err
		}
	}
	return servers, nil
}

func (s *Server) prepare(ctx context.Context) error {
	var text bytes.Buffer
	if err := configText.Execute(&text, s); err != nil {
		return err
	}
	if err := os.WriteFile(s.Config, text.Bytes(), 0o600); err != nil {
		return err
	}
	_, err := Execute(ctx, s.Binary, "ca", "init", "--config", s.Config)
	return err
}

// Execute runs a command of the binary and returns what it printed. An error has the last line of what it said.
func Execute(ctx context.Context, binary string, args ...string) ([]byte, error) {
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("parley %s: %w: %s", args[0], err, lastLine(errs.Bytes()))
	}
	return out.Bytes(), nil
}

func lastLine(text []byte) []byte {
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return lines[len(lines)-1]
}

// Ports below those that systems give to outgoing connections: a server that is started again must find its port free, although its
// peers and clients have tried to connect to it all the while.
const (
	lowPort  = 15000
	highPort = 30000
)

// Ports takes free loopback addresses. Another process could take one before the server does; the server then says so.
func Ports(n int) ([]string, error) {
	var out []string
	var open []net.Listener
	for tries := 0; len(out) < n; tries++ {
		port := lowPort + rand.IntN(highPort-lowPort)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil && tries < 100*n {
			continue
		}
		if err != nil {
			return nil, err
		}
		open, out = append(open, l), append(out, l.Addr().String())
	}
	var errs []error
	for _, l := range open {
		errs = append(errs, l.Close())
	}
	return out, errors.Join(errs...)
}

// readyWithin is how long a server may take to start.
const readyWithin = 20 * time.Second

// pollEvery is the pause between two looks at something that comes from another process.
const pollEvery = 10 * time.Millisecond

// Start runs the process and waits until the provider is ready. The process ends at the latest with this one where the system can do
// that.
func (s *Server) Start(ctx context.Context) error {
	log, err := os.OpenFile(s.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	cmd := exec.Command(s.Binary, "serve", "--config", s.Config)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = log, log, endWithParent()
	err = cmd.Start()
	if err := errors.Join(err, log.Close()); err != nil {
		return err
	}
	s.cmd, s.exited = cmd, make(chan struct{})
	go func() {
		s.status = cmd.Wait()
		close(s.exited)
	}()
	if err := s.ready(ctx); err != nil {
		return errors.Join(err, s.Kill())
	}
	return nil
}

func (s *Server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if answers(ctx, "http://"+s.Admin+"/readyz") {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.exited:
			return fmt.Errorf("%s did not start: %s", s.Domain, s.Said())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready after %v: %s", s.Domain, readyWithin, s.Said())
		}
	}
}

func answers(ctx context.Context, url string) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	r.Close = true // a connection to a process that is killed later would be reused by the next look
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return errors.Join(err, answer.Body.Close()) == nil && answer.StatusCode == http.StatusOK
}

// Said is the last line of the server's log.
func (s *Server) Said() string {
	text, err := os.ReadFile(s.Log)
	if err != nil {
		return err.Error()
	}
	return string(lastLine(text))
}

// Pid is the process's id; 0 when none runs.
func (s *Server) Pid() int {
	if s.cmd == nil {
		return 0
	}
	return s.cmd.Process.Pid
}

// Exited is closed when the process has ended, whatever the reason; nil when none was started.
func (s *Server) Exited() <-chan struct{} { return s.exited }

// stopWithin is how long a server may take to shut down before it is killed.
const stopWithin = 20 * time.Second

// Stop asks the process to end, as an operator would, and waits for it. Without a process it does nothing.
func (s *Server) Stop() error {
	if s.cmd == nil {
		return nil
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	timer := time.NewTimer(stopWithin)
	defer timer.Stop()
	select {
	case <-s.exited:
	case <-timer.C:
		return errors.Join(fmt.Errorf("%s did not shut down in %v", s.Domain, stopWithin), s.Kill())
	}
	s.cmd = nil
	if s.status != nil {
		return fmt.Errorf("%s ended badly: %w: %s", s.Domain, s.status, s.Said())
	}
	return nil
}

// Kill ends the process at once, by its id, as a crash would, and waits until it is gone. Without a process it does nothing.
func (s *Server) Kill() error {
	if s.cmd == nil {
		return nil
	}
	if err := s.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-s.exited
	s.cmd = nil
	return nil
}
