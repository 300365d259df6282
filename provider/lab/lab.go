// Package lab makes a private certificate authority and TLS certificates of providers, and runs providers as processes on one machine:
// for laboratories, demonstrations, measurements and tests. Real providers get their certificates from a public authority or from one
// that their peers agreed on.
//
// It must not import anything of Parley but uri.
package lab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"parley/uri"
)

// Life is how long the certificates are valid.
const Life = 365 * 24 * time.Hour

// Files are the paths of a certificate and its key.
type Files struct {
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

// Authority is a private CA.
type Authority struct {
	Files       Files
	Certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// OpenAuthority reads the CA of a directory, or makes it when there is none.
func OpenAuthority(dir string, now time.Time) (*Authority, error) {
	a := &Authority{Files: Files{filepath.Join(dir, "lab-ca.crt"), filepath.Join(dir, "lab-ca.key")}}
	certificate, err := readPEM(a.Files.Certificate, "CERTIFICATE")
	if errors.Is(err, fs.ErrNotExist) {
		return a, a.create(dir, now)
	}
	if err != nil {
		return nil, err
	}
	key, err := readPEM(a.Files.Key, "PRIVATE KEY")
	if err != nil {
		return nil, err
	}
	if a.Certificate, err = x509.ParseCertificate(certificate); err != nil {
		return nil, fmt.Errorf("%s: %w", a.Files.Certificate, err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.Files.Key, err)
	}
	ec, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !ec.PublicKey.Equal(a.Certificate.PublicKey) {
		return nil, fmt.Errorf("%s does not belong to %s", a.Files.Key, a.Files.Certificate)
	}
	a.key = ec
	return a, nil
}

func (a *Authority) create(dir string, now time.Time) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Parley lab CA"},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(10 * Life),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	certificate, key, err := issue(template, nil, nil)
	if err != nil {
		return err
	}
	a.Certificate, a.key = certificate, key
	return writeFiles(a.Files, certificate, key)
}

// Issue writes a certificate with the provider's domain as DNS name, for both sides of a connection. It replaces an earlier one.
// Loopback addresses are named too, so that a client may connect without DNS.
func (a *Authority) Issue(dir string, p uri.Provider, now time.Time) (Files, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Files{}, err
	}
	domain := p.Domain()
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: domain},
		DNSNames:              []string{domain},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(Life),
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	certificate, key, err := issue(template, a.Certificate, a.key)
	if err != nil {
		return Files{}, err
	}
	files := Files{filepath.Join(dir, domain+".crt"), filepath.Join(dir, domain+".key")}
	return files, writeFiles(files, certificate, key)
}

// issue signs template with the parent's key, or with its own when parent is nil.
func issue(template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return nil, nil, err
	}
	if parent == nil {
		parent, parentKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		return nil, nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	return certificate, key, err
}

func writeFiles(f Files, certificate *x509.Certificate, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := os.WriteFile(f.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		return err
	}
	return os.WriteFile(f.Certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw}), 0o644)
}

func readPEM(path, kind string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("%s: no PEM block %q", path, kind)
	}
	return block.Bytes, nil
}
