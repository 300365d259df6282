package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/provider"
	"parley/uri"
)

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name    string
		spoil   func(l *place)
		more    string // of the configuration
		file    string
		key     string
		say     string
		fix     string
		warning bool
	}{
		{name: "certificate is missing", spoil: func(l *place) { l.remove("tls/a.example.crt") },
			file: "tls/a.example.crt", key: "federation.certificate_file", say: "cannot be read", fix: "parley certs"},
		{name: "certificate's key is missing", spoil: func(l *place) { l.remove("tls/a.example.key") },
			file: "tls/a.example.key", key: "federation.key_file", say: "cannot be read", fix: "parley certs"},
		{name: "certificate and key do not fit", spoil: func(l *place) { l.copy("tls/b.example.key", "tls/a.example.key") },
			file: "tls/a.example.crt", key: "federation.certificate_file", say: "private key does not match"},
		{name: "certificate is no PEM", spoil: func(l *place) { l.write("tls/a.example.crt", "x") },
			file: "tls/a.example.crt", key: "federation.certificate_file", say: "cannot be used"},
		{name: "certificate of another domain", spoil: func(l *place) { l.certificate(x509.Certificate{DNSNames: []string{"*.a.example", "c.example"}}) },
			file: "tls/a.example.crt", key: "federation.certificate_file", say: "does not have the DNS name a.example", fix: "wildcard"},
		{name: "certificate has expired", spoil: func(l *place) { l.certificate(x509.Certificate{NotAfter: time.Now().Add(-time.Minute)}) },
			file: "tls/a.example.crt", key: "federation.certificate_file", say: "has expired", fix: "renew"},
		{name: "certificate is of the future", spoil: func(l *place) { l.certificate(x509.Certificate{NotBefore: time.Now().Add(time.Hour)}) },
			file: "tls/a.example.crt", key: "federation.certificate_file", say: "is not valid before", fix: "clock"},
		{name: "certificate ends soon", spoil: func(l *place) { l.certificate(x509.Certificate{NotAfter: time.Now().Add(24 * time.Hour)}) },
			file: "tls/a.example.crt", key: "federation.certificate_file", say: "expires on", fix: "renew", warning: true},
		{name: "certificate is for clients only", spoil: func(l *place) {
			l.certificate(x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
		}, file: "tls/a.example.crt", key: "federation.certificate_file", say: "is not for servers"},
		{name: "certificate is for servers only", spoil: func(l *place) {
			l.certificate(x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
		}, file: "tls/a.example.crt", key: "federation.certificate_file", say: "is not for clients", warning: true},
		{name: "key is open to everybody", spoil: func(l *place) { l.chmod("tls/a.example.key", 0o644) },
			file: "tls/a.example.key", key: "federation.key_file", say: "open to everybody (mode 0644)", fix: "chmod 600"},
		{name: "key is open to its group", spoil: func(l *place) { l.chmod("tls/a.example.key", 0o640) },
			file: "tls/a.example.key", key: "federation.key_file", say: "open to its group", fix: "chmod 600", warning: true},
		{name: "CA key is open to everybody", spoil: func(l *place) { l.chmod("a/ca.key", 0o604) },
			file: "a/ca.key", key: "identity.ca_key_file", say: "open to everybody"},
		{name: "data is open", spoil: func(l *place) { l.chmod("a", 0o755) }, file: "a.toml", key: "data", say: "open to others", fix: "chmod 700", warning: true},
		{name: "data is a file", spoil: func(l *place) { l.remove("a"); l.write("a", "") }, file: "a.toml", key: "data", say: "not a directory"},
		{name: "nothing was made yet", spoil: func(l *place) { l.remove("a") }, file: "a.toml", key: "data", say: "does not exist", fix: "parley ca init"},
		{name: "CA is missing", spoil: func(l *place) { l.remove("a/ca.crt") },
			file: "a/ca.crt", key: "identity.ca_certificate_file", say: "does not exist", fix: "parley ca init"},
		{name: "CA and key do not fit", spoil: func(l *place) { l.copy("tls/lab-ca.key", "a/ca.key") },
			file: "a/ca.crt", key: "identity.ca_certificate_file", say: "cannot be used", fix: "ca.key"},
		{name: "CA of another provider", spoil: func(l *place) { l.other("b.example") },
			file: "a/ca.crt", key: "identity.ca_certificate_file", say: "cannot be used", fix: "b.example"},
		{name: "hub key is missing", spoil: func(l *place) { l.remove("a/hub.key") },
			file: "a/hub.key", key: "identity.hub_key_file", say: "does not exist", fix: "parley ca init"},
		{name: "hub key is garbage", spoil: func(l *place) { l.write("a/hub.key", "x") },
			file: "a/hub.key", key: "identity.hub_key_file", say: "private key and its certificate", fix: "backup"},
		{name: "hub key of another CA", spoil: func(l *place) { l.remove("a/ca.crt"); l.remove("a/ca.key"); l.other("a.example") },
			file: "a/hub.key", key: "identity.hub_key_file", say: "cannot be used", fix: "backup"},
		{name: "client certificate names nothing", more: "", spoil: func(l *place) {
			l.certificate(x509.Certificate{DNSNames: []string{}})
			l.copy("tls/a.example.crt", "tls/c.crt")
			l.copy("tls/a.example.key", "tls/c.key")
			l.replace("a.toml", "[client]\n", "[client]\ncertificate_file = \"tls/c.crt\"\nkey_file = \"tls/c.key\"\n")
		}, file: "tls/c.crt", key: "client.certificate_file", say: "names no host"},
		{name: "trace in no directory", more: "[log]\ntrace_file = \"no/t.json\"\n", file: "a.toml", key: "log.trace_file", say: "does not exist", fix: "mkdir"},
		{name: "admin is open", spoil: func(l *place) { l.replace("a.toml", "[admin]\nlisten = \"127.0.0.1:0\"", "[admin]\nlisten = \":0\"") },
			file: "a.toml", key: "admin.listen", say: "open to the network", warning: true},
		{name: "nobody to talk to", spoil: func(l *place) { l.replace("a.toml", peerB, "") }, file: "a.toml", key: "", say: "nobody can federate", warning: true},
		{name: "peer's CA is missing", spoil: func(l *place) { l.remove("tls/lab-ca.crt") }, file: "tls/lab-ca.crt", key: "peer[0].ca_file", say: "cannot be read"},
		{name: "peer's CA is empty", spoil: func(l *place) { l.write("tls/lab-ca.crt", "") }, file: "tls/lab-ca.crt", key: "peer[0].ca_file", say: "holds no certificate"},
		{name: "peer's CA is a key", spoil: func(l *place) { l.copy("tls/lab-ca.key", "tls/lab-ca.crt") },
			file: "tls/lab-ca.crt", key: "peer[0].ca_file", say: "not a certificate"},
		{name: "peer's authorities are ours", more: "authorities_file = \"a/ca.crt\"\n", file: "a/ca.crt", key: "peer[0].authorities_file", say: "cannot be used"},
		{name: "peer's authorities are missing", more: "authorities_file = \"x\"\n", file: "x", key: "peer[0].authorities_file", say: "cannot be used"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, config := ready(t)
			l.append("a.toml", c.more)
			if c.spoil != nil {
				c.spoil(l)
			}
			r := parley(t, "check", "--json", "--config", config)
			got := decode[checkResult](t, r.out)
			match := func(p problem) bool {
				return p.File == l.path(c.file) && p.Key == c.key && strings.Contains(p.Problem, c.say) && strings.Contains(p.Fix, c.fix) &&
					p.Warning == c.warning
			}
			if !slices.ContainsFunc(got.Problems, match) {
				t.Errorf("found %v", got.Problems)
			}
			if code := map[bool]int{true: 0, false: exitConfig}[c.warning]; r.code != code || got.OK != c.warning {
				t.Errorf("exit code %d, ok %v: %s", r.code, got.OK, r.errs)
			}
			if c.warning {
				return
			}
			// What check refuses, serve refuses for the same reason, before it does anything.
			parley(t, "serve", "--config", config).fails(t, exitConfig, c.say)
		})
	}
}

func TestCheckOfGoodAndBadFiles(t *testing.T) {
	l, config := ready(t)
	if r := parley(t, "check", "--config", config).must(t); r.out != config+": ok\n" || r.errs != "" {
		t.Errorf("%q, %q", r.out, r.errs)
	}
	l.append("a.toml", "colour = 1\n")
	r := parley(t, "check", "--config", config)
	if r.code != exitConfig || !strings.Contains(r.out, "a.toml:19: peer.colour: unknown key") {
		t.Errorf("%d: %q", r.code, r.out)
	}
	parley(t, "check", "--config", l.path("none.toml")).fails(t, exitConfig)
	if got := decode[checkResult](t, parley(t, "check", "--json", "--config", config).out); got.OK || len(got.Problems) != 1 || got.Problems[0].Line != 19 {
		t.Errorf("%+v", got)
	}
}

func (l *place) remove(name string) {
	l.t.Helper()
	if err := os.RemoveAll(l.path(name)); err != nil {
		l.t.Fatal(err)
	}
}

func (l *place) chmod(name string, mode os.FileMode) {
	l.t.Helper()
	if err := os.Chmod(l.path(name), mode); err != nil {
		l.t.Fatal(err)
	}
}

func (l *place) read(name string) string {
	l.t.Helper()
	text, err := os.ReadFile(l.path(name))
	if err != nil {
		l.t.Fatal(err)
	}
	return string(text)
}

func (l *place) copy(from, to string) { l.write(to, l.read(from)) }

func (l *place) append(name, text string) { l.write(name, l.read(name)+text) }

func (l *place) replace(name, old, new string) {
	l.t.Helper()
	text := l.read(name)
	if !strings.Contains(text, old) {
		l.t.Fatalf("%q is not in %s", old, name)
	}
	l.write(name, strings.Replace(text, old, new, 1))
}

// certificate replaces a's TLS certificate by one that differs from a good one in the fields that are set.
func (l *place) certificate(wish x509.Certificate) {
	l.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		l.t.Fatal(err)
	}
	if wish.DNSNames == nil {
		wish.DNSNames = []string{"a.example"}
	}
	if wish.NotAfter.IsZero() {
		wish.NotAfter = time.Now().Add(30 * 24 * time.Hour)
	}
	wish.SerialNumber = big.NewInt(1)
	der, err := x509.CreateCertificate(rand.Reader, &wish, &wish, key.Public(), key)
	if err != nil {
		l.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		l.t.Fatal(err)
	}
	l.write("tls/a.example.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	l.write("tls/a.example.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

// other puts the CA of another making into a's place.
func (l *place) other(domain string) {
	l.t.Helper()
	p, err := uri.ProviderFromDomain(domain)
	if err != nil {
		l.t.Fatal(err)
	}
	made := provider.KeyFiles{CACertificate: l.path("other/ca.crt"), CAKey: l.path("other/ca.key"), Hub: l.path("other/hub.key")}
	if _, err := provider.InitKeys(made, p, time.Now()); err != nil {
		l.t.Fatal(err)
	}
	l.copy("other/ca.crt", "a/ca.crt")
	l.copy("other/ca.key", "a/ca.key")
}
