package archtest

import (
	"strings"
	"testing"
)

// planted is a source with at most one fault, and a piece of the message that must name it.
type planted struct {
	name    string
	pkg     string
	file    string
	source  string
	message string // empty: the source is fine
}

func TestPlantedFaults(t *testing.T) {
	long := "package hub\n" + strings.Repeat("// line\n", MaxLines+1)
	cases := []planted{
		// ranks
		{"lower rank", "hub", "a.go", `package hub; import _ "parley/room"`, ""},
		{"upward", "room", "a.go", `package room; import _ "parley/hub"`, "R1 must not know R2"},
		{"same rank, listed", "room", "a.go", `package room; import _ "parley/mimi"`, ""},
		{"same rank, order reversed", "mimi", "a.go", `package mimi; import _ "parley/room"`, "both are R1"},
		{"consent and room", "consent", "a.go", `package consent; import _ "parley/room"`, "both are R1"},
		{"roles do not meet", "hub", "a.go", `package hub; import _ "parley/inbox"`, "both are R2"},
		{"stores do not meet", "store/sqlite", "a.go", `package sqlite; import _ "parley/store/memory"`, "both are R3"},
		{"mls and its parts", "mls", "a.go", `package mls; import _ "parley/mls/internal/tree"`, ""},
		{"adapter to gateway", "gateway/irc", "a.go", `package irc; import _ "parley/gateway"`, ""},
		{"gateway to adapter", "gateway", "a.go", `package gateway; import _ "parley/gateway/irc"`, "both are R3"},
		{"demo runs providers", "demo", "a.go", `package demo; import _ "parley/provider"`, ""},
		{"composers stay apart", "provider", "a.go", `package provider; import _ "parley/gatewayd"`, "both are R4"},
		{"unknown package", "warehouse", "a.go", `package warehouse`, "add it to internal/archtest/ladder.go"},
		{"import of an unknown package", "hub", "a.go", `package hub; import _ "parley/warehouse"`, "not on the ladder"},
		{"forbidden edge", "hub", "a.go", `package hub; import _ "parley/content"`, "never sees decrypted content"},
		{"forbidden edge of a family", "store/sqlite", "a.go", `package sqlite; import _ "parley/content"`, "never sees decrypted content"},
		// beside the ladder
		{"test-only in the product", "hub", "a.go", `package hub; import _ "parley/storetest"`, "stay out of the product"},
		{"test-only in a test", "hub", "a_test.go", `package hub; import _ "parley/storetest"`, ""},
		{"test-only in test-only", "simtest", "a.go", `package simtest; import _ "parley/storetest"`, ""},
		{"tests climb", "hub", "a_test.go", `package hub; import _ "parley/store/memory"`, ""},
		{"nobody links the command", "simtest", "a.go", `package simtest; import _ "parley/cmd/parley"`, "driven as a binary"},
		{"tooling in the product", "hub", "a.go", `package hub; import _ "parley/internal/speccheck"`, "do not import each other"},
		{"product in tooling", "internal/speccheck", "a.go", `package speccheck; import _ "parley/uri"`, "do not import each other"},
		// imports from outside
		{"net", "mls", "a.go", `package mls; import _ "net"`, "no sockets"},
		{"net/http", "mimi", "a.go", `package mimi; import _ "net/http"`, "no sockets"},
		{"net/url computes", "uri", "a.go", `package uri; import _ "net/url"`, ""},
		{"os", "content", "a.go", `package content; import _ "os"`, "no files"},
		{"sql", "room", "a.go", `package room; import _ "database/sql"`, "no storage"},
		{"sync", "policy", "a.go", `package policy; import _ "sync/atomic"`, "no shared state"},
		{"log", "policy", "a.go", `package policy; import _ "log/slog"`, "does not log"},
		{"weak randomness", "mls", "a.go", `package mls; import _ "math/rand/v2"`, "crypto packages"},
		{"sync in a script", "hub", "a.go", `package hub; import _ "sync"`, ""},
		{"net in a script", "hub", "a.go", `package hub; import _ "net/http"`, "no sockets"},
		{"net in a driver", "mimihttp", "a.go", `package mimihttp; import _ "net/http"`, ""},
		{"a listed module", "content", "a.go", `package content; import _ "github.com/fxamacker/cbor/v2"`, ""},
		{"an unlisted module", "mls", "a.go", `package mls; import _ "github.com/fxamacker/cbor/v2"`, "ThirdParty"},
		{"tests may touch files", "mls", "a_test.go", `package mls; import _ "os"`, ""},
		// clocks and goroutines
		{"time as a value", "room", "a.go", `package room; import "time"; func f(t time.Time) time.Time { return t.Add(time.Second) }`, ""},
		{"Now", "room", "a.go", `package room; import "time"; func f() time.Time { return time.Now() }`, "time.Now"},
		{"Now as a value", "hub", "a.go", `package hub; import "time"; func f() func() time.Time { return time.Now }`, "time.Now"},
		{"Now under another name", "hub", "a.go", `package hub; import clock "time"; func f() clock.Time { return clock.Now() }`, "time.Now"},
		{"hidden by a variable", "hub", "a.go", `package hub; type c struct{}; func (c) Now() int { return 0 }; func f(time c) int { return time.Now() }`, ""},
		{"timeout in a script", "hub", "a.go", `package hub; import "context"; func f(c context.Context) { _, _ = context.WithTimeout(c, 1) }`, "context.WithTimeout"},
		{"Now in a driver", "mimihttp", "a.go", `package mimihttp; import "time"; func f() time.Time { return time.Now() }`, ""},
		{"goroutine in a script", "outbox", "a.go", `package outbox; func f() { go f() }`, "go statement"},
		{"goroutine in a composer", "provider", "a.go", `package provider; func f() { go f() }`, ""},
		{"Sleep", "provider", "a.go", `package provider; import "time"; func f() { time.Sleep(1) }`, "time.Sleep"},
		{"Sleep in a test", "hub", "a_test.go", `package hub; import "time"; func f() { time.Sleep(1) }`, "time.Sleep"},
		{"skipped verification", "mimihttp", "a_test.go", `package mimihttp; import "crypto/tls"; func f() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }`, "InsecureSkipVerify"},
		{"skipped verification by field", "mimihttp", "a.go", `package mimihttp; import "crypto/tls"; func f(c *tls.Config) { c.InsecureSkipVerify = true }`, "InsecureSkipVerify"},
		{"a comment is no use", "mimihttp", "a.go", "package mimihttp // never InsecureSkipVerify", ""},
		// state
		{"variable", "mls", "a.go", `package mls; var cache = map[int]int{}`, "package variable cache"},
		{"sentinel", "mls", "a.go", `package mls; import "errors"; var ErrEpoch = errors.New("epoch")`, ""},
		{"assertion", "mls", "a.go", `package mls; var _ error = e{}; type e struct{}; func (e) Error() string { return "" }`, ""},
		{"declared table", "mls", "a.go", "package mls\n// suites is constant.\nvar suites = []int{1, 2, 3}\n", ""},
		{"written table", "mls", "a.go", "package mls\n// suites is constant.\nvar suites = []int{1}\nfunc f() { suites[0] = 2 }\n", "writes to package variable suites"},
		{"written from a sibling file", "mls", "b.go", `package mls; func f() { suites = nil }`, "writes to package variable suites"},
		{"deleted from", "mls", "a.go", "package mls\n// suites is constant.\nvar suites = map[int]int{}\nfunc f() { delete(suites, 1) }\n", "writes to package variable suites"},
		{"copied over", "mls", "b.go", `package mls; func f(b []byte) { copy(label[:], b) }`, "writes to package variable label"},
		{"local copies", "mls", "a.go", `package mls; func f(b []byte, m map[int]int) { c := make([]byte, 2); copy(c[1:], b); delete(m, 1); clear(m) }`, ""},
		{"local writes", "mls", "a.go", `package mls; type s struct{ n []int }; func (x *s) f(y map[int]int) { x.n[0]++; y[1] = 2; z := 1; z = 2; _ = z }`, ""},
		{"variable in a script", "hub", "a.go", `package hub; var table = []int{1}`, ""},
		// panics, names, size
		{"panic", "mimihttp", "a.go", `package mimihttp; func f() { panic("x") }`, "panic in f"},
		{"panic in a method", "mls", "a.go", `package mls; type T[P any] struct{}; func (t *T[P]) M() { panic("x") }`, "panic in T.M"},
		{"panic allowed", "store/memory", "a.go", `package memory; func reenter() { panic("x") }`, ""},
		{"panic in a composer", "demo", "a.go", `package demo; func f() { panic("x") }`, ""},
		{"a method called panic", "hub", "a.go", `package hub; type t struct{}; func (t) panic() {}; func f(x t) { x.panic() }`, ""},
		{"nameless package", "mls/internal/util", "a.go", `package util`, "named after nothing"},
		{"nameless file", "hub", "helpers.go", `package hub`, "named after nothing"},
		{"long file", "hub", "a.go", long, "split it by idea"},
		{"broken file", "hub", "a.go", `package`, "does not parse"},
		{"eight methods", "hub", "a.go", `package hub; type Tx interface { A(); B(); C(); D(); E(); F(); G(); H() }`, ""},
		{"nine methods", "hub", "a.go", `package hub; type Tx interface { A(); B(); C(); D(); E(); F(); G(); H(); I() }`, "interface Tx has 9 methods"},
		{"a method per endpoint", "mimi", "a.go", `package mimi; type Service interface { A(); B(); C(); D(); E(); F(); G(); H(); I(); J() }`, ""},
		{"generator", "mls", "gen.go", "//go:build ignore\n\npackage main\n\nimport _ \"os\"\n", ""},
		{"other build tag", "mls", "f.go", "//go:build faults\n\npackage mls\n\nimport _ \"os\"\n", "no files"},
	}
	rules := Parley()
	rules.Panics = map[string]string{"store/memory:reenter": "planted"}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := rules.Check([]File{{Package: c.pkg, Name: c.file, Test: strings.HasSuffix(c.file, "_test.go"), Source: c.source}})
			switch {
			case c.message == "" && len(got) > 0:
				t.Errorf("refused: %v", got)
			case c.message != "" && len(got) != 1:
				t.Errorf("want one violation with %q, got %v", c.message, got)
			case c.message != "" && !strings.Contains(got[0].String(), c.message):
				t.Errorf("got %q, want a mention of %q", got[0], c.message)
			}
		})
	}
}

func TestViolationsNameTheLine(t *testing.T) {
	got := Parley().Check([]File{{Package: "hub", Name: "a.go", Source: "package hub\n\nfunc f() {\n\tgo f()\n}\n"}})
	if len(got) != 1 || got[0].Where != "hub/a.go:4" {
		t.Errorf("got %v", got)
	}
}
