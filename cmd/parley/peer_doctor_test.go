package main

import (
	"strings"
	"testing"

	"parley/mimihttp"
	"parley/provider"
)

func TestPeerDoctor(t *testing.T) {
	l := newPlace(t)
	config := l.config("a", `
[[peer]]
domain = "b.example"
dial = "127.0.0.1:1"
trust = "private-ca"
ca_file = "tls/lab-ca.crt"
`)
	parley(t, "ca", "init", "--config", config).must(t)
	r := parley(t, "peer", "doctor", "b.example", "--json", "--config", config)
	got := decode[doctorResult](t, r.out)
	if r.code != exitFailed || got.OK || len(got.Checks) != 8 {
		t.Fatalf("%d %+v", r.code, got)
	}
	for _, c := range got.Checks {
		want := map[string]string{mimihttp.StepAddress: "ok", mimihttp.StepConnect: "failed", "queue": "ok"}[c.Step]
		if want == "" {
			want = "skipped"
		}
		if c.Verdict != want || (want == "failed") != (c.Cure != "") {
			t.Errorf("%+v", c)
		}
	}
	if r := parley(t, "peer", "doctor", "b.example", "--config", config); !strings.Contains(r.out, "firewalls") {
		t.Errorf("%q", r.out)
	}
	parley(t, "peer", "doctor", "c.example", "--config", config).fails(t, exitFailed, "add a [[peer]]")
	parley(t, "peer", "doctor", "not a domain", "--config", config).fails(t, exitUsage, "not a domain name")
}

func TestUserAddress(t *testing.T) {
	_, config := ready(t)
	parley(t, "user", "add", "alice", "--config", config).must(t)
	p := decode[provider.PersonEntry](t, parley(t, "user", "address", "alice", "phone", "+4930123456", "--reach", "b.example", "--json", "--config", config).must(t).out)
	if n := len(p.Addresses); n != 3 || p.Addresses[n-1].Value != "+4930123456" || p.Addresses[n-1].Reach != "b.example" || p.Addresses[n-1].Proof != "issuer" {
		t.Errorf("%+v", p)
	}
	r := parley(t, "user", "show", "alice", "--config", config).must(t)
	for _, want := range []string{"alice", "+4930123456", "by issuer", "for b.example", "gained"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("%q is not in %q", want, r.out)
		}
	}
	parley(t, "user", "address", "alice", "phone", "+4930123456", "--withdraw", "--config", config).must(t)
	parley(t, "user", "address", "alice", "phone", "+4930123456", "--withdraw", "--config", config).fails(t, exitFailed, "no such address")
	parley(t, "user", "address", "alice", "phone", "12", "--config", config).fails(t, exitUsage, "country code")
	parley(t, "user", "address", "alice", "shoe", "43", "--config", config).fails(t, exitUsage, "country code")
	parley(t, "user", "address", "alice", "email", "a@b.example", "--reach", "", "--config", config).fails(t, exitUsage, "--reach")
	parley(t, "user", "address", "bob", "email", "a@b.example", "--config", config).fails(t, exitFailed, "parley user list")
	parley(t, "user", "show", "bob", "--config", config).fails(t, exitFailed, "parley user list")
}
