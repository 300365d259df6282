package credential

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"time"
)

// Forge signs names that IssueClient would refuse. The issuer's limits on names are the receiver's to check.
func Forge(ca *CA, public crypto.PublicKey, from, until time.Time, uris ...string) ([]byte, error) {
	template, err := newTemplate(from, until, uris...)
	if err != nil {
		return nil, err
	}
	return x509.CreateCertificate(rand.Reader, template, ca.Cert, public, ca.Key)
}
