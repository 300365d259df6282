package lab

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"testing"
	"time"

	"parley/uri"
)

func TestIssuedCertificateServesBothSidesAndTheAuthorityIsKept(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	a, err := OpenAuthority(dir, now)
	if err != nil {
		t.Fatal(err)
	}
	again, err := OpenAuthority(dir, now)
	if err != nil {
		t.Fatal(err)
	}
	if !again.Certificate.Equal(a.Certificate) {
		t.Fatal("a second authority was made")
	}
	p, err := uri.ProviderFromDomain("a.example")
	if err != nil {
		t.Fatal(err)
	}
	files, err := again.Issue(dir, p, now)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(files.Certificate, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.Certificate)
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		o := x509.VerifyOptions{Roots: roots, DNSName: "a.example", KeyUsages: []x509.ExtKeyUsage{usage}, CurrentTime: now}
		if _, err := pair.Leaf.Verify(o); err != nil {
			t.Errorf("usage %d: %v", usage, err)
		}
	}
	if info, err := os.Stat(files.Key); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("key file: %v, %v", info.Mode(), err)
	}
}

func TestOpenAuthorityRefusesAForeignKey(t *testing.T) {
	one, two, now := t.TempDir(), t.TempDir(), time.Now()
	a, err := OpenAuthority(one, now)
	if err != nil {
		t.Fatal(err)
	}
	b, err := OpenAuthority(two, now)
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(b.Files.Key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.Files.Key, key, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenAuthority(one, now); err == nil {
		t.Fatal("a key of another authority was accepted")
	}
}
