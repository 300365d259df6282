package mimihttp_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"parley/mimihttp"
	"parley/mimitest"
)

func TestCertificateFiles(t *testing.T) {
	authority := mimitest.NewAuthority(t)
	certFile, keyFile := filepath.Join(t.TempDir(), "cert"), filepath.Join(t.TempDir(), "key")
	if _, err := mimihttp.LoadCertificateFiles(certFile, keyFile); err == nil {
		t.Fatal("loaded files that are not there")
	}
	at := time.Now()
	write := func(name, kind string, der []byte) {
		t.Helper()
		if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		at = at.Add(time.Second) // file systems have coarse clocks
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	key := func(c *tls.Certificate) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	first, second := authority.For(t, "a.example"), authority.For(t, "a.example")
	write(certFile, "CERTIFICATE", first.Certificate[0])
	write(keyFile, "PRIVATE KEY", key(first))
	files, err := mimihttp.LoadCertificateFiles(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	shows := func(want *tls.Certificate) {
		t.Helper()
		got, err := files.GetCertificate(nil)
		if err != nil || !bytes.Equal(got.Certificate[0], want.Certificate[0]) {
			t.Errorf("another certificate is shown, %v", err)
		}
	}
	shows(first)
	write(certFile, "CERTIFICATE", second.Certificate[0])
	shows(first) // the key has not followed yet
	write(keyFile, "PRIVATE KEY", key(second))
	shows(second)
	if err := os.Remove(keyFile); err != nil {
		t.Fatal(err)
	}
	shows(second)
}
