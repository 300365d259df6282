package credential

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"time"

	"parley/mls/wire"
	"parley/uri"
)

// backdate is how long before its issue a certificate is valid, because clocks of peers differ.
const backdate = 10 * time.Minute

const (
	pemCertificate = "CERTIFICATE"
	pemPrivateKey  = "PRIVATE KEY"
)

// CA is a provider's authority for the credentials of its clients and its hub.
type CA struct {
	Provider uri.Provider
	Cert     *x509.Certificate
	Key      crypto.Signer
}

// NewCA makes a self-signed authority with an Ed25519 key, valid from shortly before now for life. It can certify names of its
// own provider only.
func NewCA(p uri.Provider, now time.Time, life time.Duration) (*CA, error) {
	if p.IsZero() {
		return nil, ErrForeign
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	template, err := newTemplate(now.Add(-backdate), now.Add(life), p.String())
	if err != nil {
		return nil, err
	}
	template.Subject = pkix.Name{CommonName: "MIMI clients of " + p.Domain()}
	template.ExtraExtensions[0].Critical = false
	template.IsCA = true
	template.KeyUsage = x509.KeyUsageCertSign
	template.PermittedDNSDomainsCritical = true
	template.PermittedURIDomains = []string{p.Domain()}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &CA{Provider: p, Cert: cert, Key: key}, nil
}

// newTemplate has what all certificates share: a random serial number, the validity, the names, the use for signatures.
func newTemplate(from, until time.Time, uris ...string) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	san, err := alternativeNames(uris...)
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber:          serial,
		NotBefore:             from,
		NotAfter:              until,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtraExtensions:       []pkix.Extension{san},
	}, nil
}

// IssueClient certifies that public is the signature key of the user's client; gateway says that a gateway of the provider holds
// the private key. The certificate ends with life or with the authority, whichever is first. The credential holds no root: peers
// have it.
func (ca *CA) IssueClient(user uri.User, client uri.Client, public crypto.PublicKey, now time.Time, life time.Duration, gateway bool) (wire.Credential, error) {
	if user.Provider() != ca.Provider || client.Provider() != ca.Provider {
		return wire.Credential{}, ErrForeign
	}
	if named, ok := client.NamedUser(); ok && named != user {
		return wire.Credential{}, ErrNames
	}
	var extra []pkix.Extension
	if gateway {
		extra = append(extra, gatewayMark())
	}
	return ca.issue(public, now, life, extra, client.String(), user.String())
}

// IssueProvider certifies the key with which the provider signs as the hub of its rooms.
func (ca *CA) IssueProvider(public crypto.PublicKey, now time.Time, life time.Duration) (wire.Credential, error) {
	return ca.issue(public, now, life, nil, ca.Provider.String())
}

func (ca *CA) issue(public crypto.PublicKey, now time.Time, life time.Duration, extra []pkix.Extension, uris ...string) (wire.Credential, error) {
	if _, err := publicKey(public); err != nil {
		return wire.Credential{}, err
	}
	if now.Before(ca.Cert.NotBefore) || !now.Before(ca.Cert.NotAfter) {
		return wire.Credential{}, ErrLifetime
	}
	from, until := now.Add(-backdate), now.Add(life)
	if from.Before(ca.Cert.NotBefore) {
		from = ca.Cert.NotBefore
	}
	if until.After(ca.Cert.NotAfter) {
		until = ca.Cert.NotAfter
	}
	template, err := newTemplate(from, until, uris...)
	if err != nil {
		return wire.Credential{}, err
	}
	template.ExtraExtensions = append(template.ExtraExtensions, extra...)
	der, err := x509.CreateCertificate(rand.Reader, template, ca.Cert, public, ca.Key)
	if err != nil {
		return wire.Credential{}, err
	}
	return wire.Credential{Type: wire.X509Credential, Certificates: [][]byte{der}}, nil
}

// CertPEM is the authority's certificate, which the provider publishes.
func (ca *CA) CertPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: ca.Cert.Raw})
}

// KeyPEM is the authority's private key, for the provider's own storage.
func (ca *CA) KeyPEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(ca.Key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemPrivateKey, Bytes: der}), nil
}

// ParseCA reads what CertPEM and KeyPEM wrote.
func ParseCA(certPEM, keyPEM []byte) (*CA, error) {
	p, cert, err := ParseAuthority(certPEM)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(keyPEM)
	if block == nil || block.Type != pemPrivateKey {
		return nil, ErrPEM
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, ErrPEM
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, ErrPEM
	}
	public, ok := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(key.Public()) {
		return nil, ErrKeyMismatch
	}
	return &CA{Provider: p, Cert: cert, Key: key}, nil
}

// ParseAuthority reads the published certificate of a provider's authority. Which provider it is for must be known from where it
// came: compare the result.
func ParseAuthority(certPEM []byte) (uri.Provider, *x509.Certificate, error) {
	block, _ := pem.Decode(certPEM)
	if block == nil || block.Type != pemCertificate {
		return uri.Provider{}, nil, ErrPEM
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil || !cert.IsCA {
		return uri.Provider{}, nil, ErrCertificate
	}
	p, err := senderOf(cert)
	return p, cert, err
}
