package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"parley/provider"
)

func TestCommandLines(t *testing.T) {
	if r := parley(t).must(t); !strings.Contains(r.out, "parley serve") {
		t.Errorf("help %q", r.out)
	}
	if v := decode[versionInfo](t, parley(t, "version", "--json").must(t).out); v.Go == "" || v.Version == "" {
		t.Errorf("version %+v", v)
	}
	for _, args := range [][]string{
		{"nonsense"}, {"serve", "now"}, {"serve", "--colour"}, {"user", "add"}, {"user", "add", "a", "b"}, {"user", "nonsense"}, {"certs"},
		{"peer", "accept"}, {"ca", "nonsense"}, {"user", "revoke"}, {"user", "remove", "a", "b"}, {"outbox", "nonsense"}, {"outbox", "retry"},
		{"outbox", "drop"}, {"outbox", "list", "x"},
	} {
		parley(t, args...).fails(t, exitUsage, "--help")
	}
	parley(t, "certs", "--dir", t.TempDir(), "a b").fails(t, exitUsage, "not a domain name")
	for _, args := range [][]string{{"serve"}, {"check"}, {"ca", "init"}, {"user", "add", "x"}, {"user", "list"},
		{"user", "revoke", "x/y"}, {"user", "remove", "x"}, {"peer", "list"}, {"peer", "accept", "b.example"}, {"outbox", "list"},
		{"outbox", "retry", "x"}, {"outbox", "drop", "x"}} {
		r := parley(t, append(args, "--config", t.TempDir()+"/none.toml")...)
		if r.code != exitConfig || !strings.Contains(r.errs+r.out, "--config") {
			t.Errorf("%v: %d %q", args, r.code, r.errs)
		}
	}
}

// Every command says what it is for and shows one that works.
func TestHelp(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Name() == "help" || c.Name() == "completion" {
			return
		}
		if c.Short == "" {
			t.Errorf("%s has no summary", c.CommandPath())
		}
		if len(c.Commands()) == 0 && !strings.Contains(c.Example, c.CommandPath()) {
			t.Errorf("%s has no example of its own", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(rootCommand())
}

func TestCA(t *testing.T) {
	l := newPlace(t)
	config := l.config("a", peerB)
	first := decode[caResult](t, parley(t, "ca", "init", "--json", "--config", config).must(t).out)
	if len(first.Made) != 3 || first.Domain != "a.example" {
		t.Errorf("%+v", first)
	}
	for _, file := range []string{"a/ca.key", "a/hub.key"} {
		if info, err := os.Stat(l.path(file)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", file, info.Mode(), err)
		}
	}
	before := l.read("a/ca.key") + l.read("a/ca.crt") + l.read("a/hub.key")
	again := parley(t, "ca", "init", "--config", config).must(t)
	if strings.Count(again.out, "was there") != 3 || l.read("a/ca.key")+l.read("a/ca.crt")+l.read("a/hub.key") != before {
		t.Errorf("the second time: %q", again.out)
	}
	one := strings.SplitAfter(l.read("a/hub.key"), "-----END CERTIFICATE-----\n")[0]
	l.write("a/hub.key", one)
	if r := parley(t, "check", "--config", config).must(t); !strings.Contains(r.out, "no key for new rooms of cipher suites [2 5 7]") {
		t.Errorf("check of one key: %q", r.out)
	}
	added := decode[caResult](t, parley(t, "ca", "init", "--json", "--config", config).must(t).out)
	if len(added.Made) != 0 || len(added.Added) != 1 || !strings.HasPrefix(l.read("a/hub.key"), one) {
		t.Errorf("%+v", added)
	}
	if r := parley(t, "check", "--config", config).must(t); r.out != config+": ok\n" {
		t.Errorf("check of all keys: %q", r.out)
	}
	l.write("a/hub.key", one)
	if r := parley(t, "ca", "init", "--config", config).must(t); !strings.Contains(r.out, "keys added "+l.path("a/hub.key")) {
		t.Errorf("%q", r.out)
	}
	l.remove("a/hub.key")
	if r := parley(t, "ca", "init", "--config", config).must(t); strings.Count(r.out, "was there") != 2 {
		t.Errorf("what is missing: %q", r.out)
	}
	l.remove("a/ca.key")
	parley(t, "ca", "init", "--config", config).fails(t, exitFailed, "ca.key", "backup")
}

func TestCerts(t *testing.T) {
	l := newPlace(t)
	ca := l.read("tls/lab-ca.crt")
	r := decode[certsResult](t, parley(t, "certs", "--json", "--dir", l.path("tls"), "c.example").must(t).out)
	if r.Authority.Certificate != l.path("tls/lab-ca.crt") || r.Certificates["c.example"].Key != l.path("tls/c.example.key") || l.read("tls/lab-ca.crt") != ca {
		t.Errorf("%+v", r)
	}
}

var code = regexp.MustCompile(`^[A-Z2-7]{5}(-[A-Z2-7]{1,5})+$`)

func TestUsersOffline(t *testing.T) {
	l := newPlace(t)
	config := l.config("a", peerB)
	parley(t, "user", "add", "alice", "--config", config).fails(t, exitFailed, "parley ca init")
	parley(t, "ca", "init", "--config", config).must(t)
	if r := parley(t, "user", "add", "alice", "--config", config).must(t); !strings.Contains(r.out, "mimi://a.example/u/alice") {
		t.Errorf("%q", r.out)
	}
	one := decode[provider.Invitation](t, parley(t, "user", "add", "bob", "--json", "--config", config).must(t).out)
	two := decode[provider.Invitation](t, parley(t, "user", "add", "bob", "--json", "--config", config).must(t).out)
	if one.User != two.User || one.Code == two.Code || !code.MatchString(one.Code) || one.Expires.Before(time.Now()) {
		t.Errorf("%+v, %+v", one, two)
	}
	parley(t, "user", "add", "Bob Builder", "--config", config).fails(t, exitUsage, "1 to 64 of a-z")
	users := decode[[]provider.UserEntry](t, parley(t, "user", "list", "--json", "--config", config).must(t).out)
	if len(users) != 2 || users[0].User != "mimi://a.example/u/alice" || users[1].User != "mimi://a.example/u/bob" {
		t.Errorf("%+v", users)
	}
	if peers := decode[[]provider.PeerEntry](t, parley(t, "peer", "list", "--json", "--config", config).must(t).out); len(peers) != 1 ||
		peers[0] != (provider.PeerEntry{Domain: "b.example", Configured: true}) {
		t.Errorf("%+v", peers)
	}
	parley(t, "peer", "accept", "b.example", "--config", config).fails(t, exitFailed, "parley peer list")
	parley(t, "peer", "accept", "b_", "--config", config).fails(t, exitUsage, "domain name")
}

// process is a `parley serve` within this process.
type process struct {
	t     testing.TB
	errs  shared
	stop  context.CancelFunc
	ended chan result
}

func serving(t testing.TB, config string) *process {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{t: t, stop: cancel, ended: make(chan result, 1)}
	go func() { p.ended <- parleyWith(ctx, &p.errs, "serve", "--config", config) }()
	t.Cleanup(func() { p.end() })
	return p
}

// end stops the process and returns how it ended.
func (p *process) end() result {
	p.stop()
	r := <-p.ended
	p.ended <- r
	return r
}

// at waits until the provider runs and returns one of its addresses from the log.
func (p *process) at(side string) string {
	p.t.Helper()
	want := regexp.MustCompile(`msg="provider runs".* ` + side + `=(\S+)`)
	limit, tick := time.After(10*time.Second), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for {
		if m := want.FindStringSubmatch(p.errs.String()); m != nil {
			return m[1]
		}
		select {
		case <-tick.C:
		case r := <-p.ended:
			p.ended <- r
			p.t.Fatalf("ended: %+v", r)
		case <-limit:
			p.t.Fatalf("does not run: %s", p.errs.String())
		}
	}
}

func get(t testing.TB, url string) (int, string) {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestServe(t *testing.T) {
	l, config := ready(t)
	l.append("a.toml", "\n[log]\nformat = \"text\"\nlevel = \"debug\"\ntrace_file = \"a/trace.json\"\n")
	p := serving(t, config)
	if status, body := get(t, "http://"+p.at("admin")+"/readyz"); status != 200 {
		t.Errorf("readyz: %d %q", status, body)
	}
	for _, file := range []string{"a/admin.sock", "a/parley.db", "a/trace.json"} {
		if info, err := os.Stat(l.path(file)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v", file, err)
		}
	}
	// Users are administered through the socket meanwhile, and still there afterwards.
	made := decode[provider.Invitation](t, parley(t, "user", "add", "alice", "--json", "--config", config).must(t).out)
	if !code.MatchString(made.Code) {
		t.Errorf("%+v", made)
	}
	if r := parley(t, "user", "list", "--config", config).must(t); r.out != "mimi://a.example/u/alice\n" {
		t.Errorf("%q", r.out)
	}
	parley(t, "user", "add", "Alice", "--config", config).fails(t, exitUsage, "1 to 64 of a-z")
	parley(t, "peer", "accept", "b.example", "--config", config).fails(t, exitFailed, "parley peer list")

	// A second one on the same data is refused, whatever its ports are.
	parley(t, "serve", "--config", config).fails(t, exitFailed, "in use", "stop it first")
	// One that cannot reach the socket says so and does not touch the store.
	elsewhere := l.write("elsewhere.toml", strings.Replace(l.read("a.toml"), "[admin]\n", "[admin]\nsocket = \"other.sock\"\n", 1))
	parley(t, "user", "list", "--config", elsewhere).fails(t, exitFailed, "admin.socket")
	// A port that is taken is an error with the port.
	l.write("b.toml", strings.Replace(l.read("a.toml"), "a.example\"\ndata = \"a\"", "a.example\"\ndata = \"second\"", 1))
	l.replace("b.toml", "[client]\nlisten = \"127.0.0.1:0\"", fmt.Sprintf("[client]\nlisten = %q", p.at("client")))
	parley(t, "ca", "init", "--config", l.path("b.toml")).must(t)
	parley(t, "serve", "--config", l.path("b.toml")).fails(t, exitFailed, "client listener", p.at("client"))

	if r := p.end(); r.code != 0 || r.out != "" {
		t.Errorf("ended with %d: %s", r.code, r.errs)
	}
	if !strings.Contains(p.errs.String(), `msg="provider ended"`) {
		t.Error("the log has no end")
	}
	if _, err := os.Stat(l.path("a/admin.sock")); !os.IsNotExist(err) {
		t.Errorf("the socket is left: %v", err)
	}
	if r := parley(t, "user", "list", "--config", config).must(t); r.out != "mimi://a.example/u/alice\n" {
		t.Errorf("after the end: %q", r.out)
	}
	if strings.Contains(p.errs.String(), "alice") {
		t.Error("the log names a user")
	}
}
