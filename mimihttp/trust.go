package mimihttp

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// TrustMode is the way in which a peer's certificate is judged.
type TrustMode uint8

const (
	// WebPKIAnyEKU trusts the usual authorities, and takes a certificate for servers also from a client: public authorities stop
	// issuing certificates for clients.
	WebPKIAnyEKU TrustMode = iota
	// WebPKIStrict trusts the usual authorities and demands the extended key usage of the role.
	WebPKIStrict
	// PrivateCA trusts the authorities in Roots only, for either role.
	PrivateCA
	// PinnedSPKI trusts as PrivateCA does (or, without Roots, the usual authorities) and demands in addition that the certificate's
	// key is one of Pins. A self-signed certificate is put into Roots.
	PinnedSPKI
)

// String is the mode's name in configuration.
func (m TrustMode) String() string {
	names := [...]string{"webpki-any-eku", "webpki-strict", "private-ca", "pinned-spki"}
	if int(m) < len(names) {
		return names[m]
	}
	return "unknown"
}

// ParseTrustMode reads the name of a mode.
func ParseTrustMode(name string) (TrustMode, error) {
	for m := WebPKIAnyEKU; m <= PinnedSPKI; m++ {
		if m.String() == name {
			return m, nil
		}
	}
	return 0, fmt.Errorf("mimihttp: unknown trust mode %q", name)
}

// Trust says how one peer's certificates are judged. It must not change while it is in use: replace it. The zero value is
// WebPKIAnyEKU with the system's authorities.
type Trust struct {
	Mode  TrustMode
	Roots *x509.CertPool // nil: those of the system; PrivateCA needs one
	Pins  [][32]byte     // PinnedSPKI: SHA-256 of SubjectPublicKeyInfo, see Pin
}

// Pin is the hash by which PinnedSPKI knows a certificate's key.
func Pin(cert *x509.Certificate) [32]byte { return sha256.Sum256(cert.RawSubjectPublicKeyInfo) }

// The reasons for which a certificate is refused.
var (
	ErrNoCertificate = errors.New("mimihttp: no certificate")
	ErrName          = errors.New("mimihttp: certificate is not for this provider")
	ErrExpired       = errors.New("mimihttp: certificate is outside of its validity")
	ErrChain         = errors.New("mimihttp: certificate chain does not verify")
	ErrPin           = errors.New("mimihttp: certificate is not the pinned one")
	ErrTrust         = errors.New("mimihttp: trust is not configured")
)

// role is what a certificate is used for.
type role uint8

const (
	clientRole role = iota
	serverRole
)

// Validate finds configurations that could never verify anything, or too much.
func (t *Trust) Validate() error {
	switch {
	case t.Mode > PinnedSPKI,
		t.Mode == PrivateCA && t.Roots == nil,
		t.Mode == PinnedSPKI && len(t.Pins) == 0,
		t.Mode != PinnedSPKI && len(t.Pins) > 0:
		return ErrTrust
	}
	return nil
}

// verify judges the certificates of a connection, the peer's own first, for a provider's domain.
func (t *Trust) verify(chain []*x509.Certificate, domain string, as role, now time.Time) error {
	if err := t.Validate(); err != nil {
		return err
	}
	if len(chain) == 0 {
		return ErrNoCertificate
	}
	leaf := chain[0]
	if !names(leaf, domain) {
		return ErrName
	}
	if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		return ErrExpired
	}
	if t.Mode == PinnedSPKI && !slices.Contains(t.Pins, Pin(leaf)) {
		return ErrPin
	}
	intermediates := x509.NewCertPool()
	for _, c := range chain[1:] {
		intermediates.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: t.Roots, Intermediates: intermediates, CurrentTime: now, KeyUsages: t.usages(as),
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrChain, err)
	}
	return nil
}

func (t *Trust) usages(as role) []x509.ExtKeyUsage {
	switch {
	case as == serverRole:
		return []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	case t.Mode == WebPKIStrict:
		return []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	return []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
}

// names reports whether the certificate has the domain itself among its DNS names. A wildcard names hosts, not a provider, and an
// address is no provider either (P-TR-10).
func names(cert *x509.Certificate, domain string) bool {
	if net.ParseIP(domain) != nil {
		return false
	}
	for _, name := range cert.DNSNames {
		if strings.EqualFold(strings.TrimSuffix(name, "."), domain) {
			return true
		}
	}
	return false
}

// delegated judges a host to which the peer's directory delegates. Chain, host name and validity have been verified by crypto/tls
// with Roots; what is left is the pin.
func (t *Trust) delegated(chain []*x509.Certificate) error {
	if len(chain) == 0 {
		return ErrNoCertificate
	}
	if t.Mode == PinnedSPKI && !slices.Contains(t.Pins, Pin(chain[0])) {
		return ErrPin
	}
	return nil
}
