package main

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"parley/provider"
)

// Two strangers become peers with two files and two fingerprints.
func TestPeering(t *testing.T) {
	l := newPlace(t)
	configs := map[string]string{"a": l.config("a", ""), "b": l.config("b", "")}
	l.replace("b.toml", "[federation]\n", "[federation]\nauthority = \"b.example\"\n") // whatever its port is
	offers, fingerprints := map[string]string{}, map[string]string{}
	for _, letter := range []string{"a", "b"} {
		parley(t, "ca", "init", "--config", configs[letter]).must(t)
		offers[letter] = l.path(letter + ".offer")
		r := parley(t, "peer", "offer", "--abuse", "abuse@"+letter+".example", "--tls-ca", l.path("tls/lab-ca.crt"), "--out", offers[letter],
			"--config", configs[letter]).must(t)
		_, fingerprints[letter], _ = strings.Cut(strings.TrimSpace(r.out), "fingerprint ")
	}
	before := l.read("a.toml")
	t.Run("an offer is shown first", func(t *testing.T) {
		r := parley(t, "peer", "add", offers["b"], "--config", configs["a"]).must(t)
		for _, want := range []string{"b.example", fingerprints["b"], "abuse@b.example", "Nothing was changed"} {
			if !strings.Contains(r.out, want) {
				t.Errorf("%q is not in %q", want, r.out)
			}
		}
		parley(t, "peer", "add", offers["b"], "--fingerprint", fingerprints["a"], "--config", configs["a"]).fails(t, exitFailed, "was changed, or is another one")
		if l.read("a.toml") != before {
			t.Error("the configuration was changed")
		}
	})
	t.Run("what is not right is refused", func(t *testing.T) {
		parley(t, "peer", "add", offers["a"], "--config", configs["a"]).fails(t, exitFailed, "our own offer")
		good := l.read("b.offer")
		signed := decode[struct {
			Offer     []byte `json:"parley_peering_offer"`
			Signature []byte `json:"signature"`
		}](t, good)
		other := strings.Replace(string(signed.Offer), "abuse@b.example", "abuse@x.example", 1)
		for name, text := range map[string]string{
			"changed":  strings.Replace(good, base64.StdEncoding.EncodeToString(signed.Offer), base64.StdEncoding.EncodeToString([]byte(other)), 1),
			"cut":      good[:len(good)/2],
			"trailing": good + "{}",
			"empty":    "",
			"long":     good + strings.Repeat(" ", 70_000),
			"other":    `{"parley_peering_offer":"e30=","signature":""}`,
		} {
			file := l.write("bad.offer", text)
			if r := parley(t, "peer", "add", file, "--config", configs["a"]); r.code != exitFailed || !strings.Contains(r.errs, "offer") {
				t.Errorf("%s: %d %q", name, r.code, r.errs)
			}
		}
		parley(t, "peer", "offer", "--config", configs["a"]).fails(t, exitUsage, "--abuse")
		parley(t, "peer", "offer", "--abuse", "x", "--config", configs["a"]).fails(t, exitFailed, "--tls-ca")
	})
	parley(t, "peer", "add", offers["a"], "--fingerprint", fingerprints["a"], "--config", configs["b"]).must(t)
	running := serving(t, configs["b"])
	t.Run("the peers reach each other", func(t *testing.T) {
		r := parley(t, "peer", "add", offers["b"], "--fingerprint", strings.ToUpper(fingerprints["b"]), "--dial", running.at("federation"), "--config", configs["a"]).must(t)
		if !strings.Contains(r.out, "parley peer doctor b.example") {
			t.Errorf("%q", r.out)
		}
		for _, name := range []string{"b.example-tls.crt", "b.example-users.crt"} {
			if info, err := os.Stat(filepath.Join(l.path("a"), "peers", name)); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v", name, err)
			}
		}
		if !strings.HasPrefix(l.read("a.toml"), strings.TrimRight(before, "\n")) {
			t.Error("more than the end of the configuration was changed")
		}
		parley(t, "check", "--config", configs["a"]).must(t)
		if r := parley(t, "peer", "doctor", "b.example", "--config", configs["a"]); r.code != 0 {
			t.Errorf("%s%s", r.out, r.errs)
		}
		parley(t, "peer", "add", offers["b"], "--config", configs["a"]).fails(t, exitFailed, "is a peer already")
	})
	if _, err := provider.ParseAuthorities(mustUser(t, "mimi://b.example/u/x").Provider(), []byte(l.read("a/peers/b.example-users.crt"))); err != nil {
		t.Error(err)
	}
}
