package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// result is what a command left behind.
type result struct {
	code      int
	out, errs string
}

// parley runs a command line in this process.
func parley(t testing.TB, args ...string) result {
	t.Helper()
	return parleyWith(t.Context(), new(shared), args...)
}

func parleyWith(ctx context.Context, errs *shared, args ...string) result {
	var out bytes.Buffer
	code := run(ctx, args, strings.NewReader(""), &out, errs)
	return result{code, out.String(), errs.String()}
}

// shared is a buffer that a running command writes while a test reads.
type shared struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// must requires success.
func (r result) must(t testing.TB) result {
	t.Helper()
	if r.code != 0 {
		t.Fatalf("exit code %d: %s%s", r.code, r.out, r.errs)
	}
	return r
}

// fails requires an exit code and words on standard error.
func (r result) fails(t testing.TB, code int, say ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d: %s%s", r.code, code, r.out, r.errs)
	}
	for _, s := range say {
		if !strings.Contains(r.errs, s) {
			t.Errorf("%q is not in %q", s, r.errs)
		}
	}
}

func decode[T any](t testing.TB, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %q", err, text)
	}
	return v
}

// place is a directory with the TLS certificates of a.example and b.example.
type place struct {
	t   testing.TB
	dir string
}

func newPlace(t testing.TB) *place {
	t.Helper()
	l := &place{t, t.TempDir()}
	parley(t, "certs", "--dir", filepath.Join(l.dir, "tls"), "a.example", "b.example").must(t)
	return l
}

func (l *place) path(name string) string { return filepath.Join(l.dir, name) }

func (l *place) write(name, text string) string {
	l.t.Helper()
	if err := os.WriteFile(l.path(name), []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
	return l.path(name)
}

// config writes the configuration of a provider whose listeners take any port; more is put behind it.
func (l *place) config(letter, more string) string {
	l.t.Helper()
	return l.write(letter+".toml", fmt.Sprintf(`domain = "%[1]s.example"
data = "%[1]s"

[federation]
listen = "127.0.0.1:0"
certificate_file = "tls/%[1]s.example.crt"
key_file = "tls/%[1]s.example.key"

[client]
listen = "127.0.0.1:0"

[admin]
listen = "127.0.0.1:0"
`, letter)+more)
}

const peerB = `
[[peer]]
domain = "b.example"
trust = "private-ca"
ca_file = "tls/lab-ca.crt"
`

// ready is a lab whose provider a has its keys.
func ready(t testing.TB) (l *place, config string) {
	t.Helper()
	l = newPlace(t)
	config = l.config("a", peerB)
	parley(t, "ca", "init", "--config", config).must(t)
	return l, config
}
