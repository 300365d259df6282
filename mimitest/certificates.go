package mimitest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"testing"
	"time"
)

// Authority issues TLS certificates for tests.
type Authority struct {
	Cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority makes an authority that is valid for a year around now.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: now.AddDate(0, -6, 0), NotAfter: now.AddDate(0, 6, 0),
	}
	key := newKey(t)
	return &Authority{Cert: sign(t, template, template, key, key), key: key}
}

// Pool holds the authority.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.Cert)
	return pool
}

// Wish is what a certificate shall have. The zero value of a field means what is right.
type Wish struct {
	DNS                 []string
	IPs                 []net.IP
	Usages              []x509.ExtKeyUsage // default: server and client
	NotBefore, NotAfter time.Time          // default: from an hour ago for a month
	SelfSigned          bool
}

// For issues a certificate for one domain.
func (a *Authority) For(t testing.TB, domain string) *tls.Certificate {
	t.Helper()
	return a.Issue(t, Wish{DNS: []string{domain}})
}

// Issue issues the certificate that is wished for.
func (a *Authority) Issue(t testing.TB, w Wish) *tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: w.DNS, IPAddresses: w.IPs, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: w.Usages, NotBefore: w.NotBefore, NotAfter: w.NotAfter, BasicConstraintsValid: true,
	}
	if template.ExtKeyUsage == nil {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	}
	if w.NotBefore.IsZero() {
		template.NotBefore = time.Now().Add(-time.Hour)
	}
	if w.NotAfter.IsZero() {
		template.NotAfter = time.Now().AddDate(0, 1, 0)
	}
	key := newKey(t)
	parent, signer := a.Cert, a.key
	if w.SelfSigned {
		parent, signer = template, key
	}
	leaf := sign(t, template, parent, key, signer)
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t testing.TB, template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
