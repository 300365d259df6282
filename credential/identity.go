package credential

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/x509"

	"parley/mls/wire"
	"parley/uri"
)

const (
	maxCertificates = 8
	maxCertificate  = 16 << 10 // octets
)

// Identity is whom a client's credential names. It is comparable.
type Identity struct {
	User      uri.User      // zero when the credential names a pseudonym
	Pseudonym uri.Pseudonym // zero when the credential names a user
	Client    uri.Client
	Gateway   bool // the key is held by a gateway of the provider, not by a device of the user
}

// Participant is the text by which a room's participant list knows the user: the user's URI or the pseudonym's.
func (i Identity) Participant() string {
	if i.User.IsZero() {
		return i.Pseudonym.String()
	}
	return i.User.String()
}

// Provider is the provider of client and user.
func (i Identity) Provider() uri.Provider { return i.Client.Provider() }

// Parse returns whom a client's credential names. It trusts the certificate: use it on leaves that a Validator has passed.
func Parse(c wire.Credential) (Identity, error) {
	cert, _, err := certificates(c)
	if err != nil {
		return Identity{}, err
	}
	return identityOf(cert)
}

func identityOf(cert *x509.Certificate) (Identity, error) {
	n, err := namesOf(cert)
	if err != nil {
		return Identity{}, err
	}
	if len(n.clients) != 1 || len(n.users)+len(n.pseudonyms) != 1 || len(n.providers) != 0 {
		return Identity{}, ErrNames
	}
	i := Identity{Client: n.clients[0], Gateway: hasGatewayMark(cert)}
	owner := uri.Provider{}
	if len(n.users) == 1 {
		i.User = n.users[0]
		owner = i.User.Provider()
		// The two-segment form says whose client it is; a certificate must not say two things (P-CR-02).
		if named, ok := i.Client.NamedUser(); ok && named != i.User {
			return Identity{}, ErrNames
		}
	} else {
		i.Pseudonym = n.pseudonyms[0]
		owner = i.Pseudonym.Provider()
	}
	if owner != i.Client.Provider() {
		return Identity{}, ErrProvider
	}
	return i, nil
}

// ParseSender returns the provider that the credential of an external sender names: the hub (P-CR-09). It trusts the certificate.
func ParseSender(c wire.Credential) (uri.Provider, error) {
	cert, _, err := certificates(c)
	if err != nil {
		return uri.Provider{}, err
	}
	return senderOf(cert)
}

func senderOf(cert *x509.Certificate) (uri.Provider, error) {
	n, err := namesOf(cert)
	if err != nil {
		return uri.Provider{}, err
	}
	if len(n.providers) != 1 || len(n.clients)+len(n.users)+len(n.pseudonyms) != 0 {
		return uri.Provider{}, ErrSenderName
	}
	return n.providers[0], nil
}

// certificates parses the chain of a credential, the leaf's own first.
func certificates(c wire.Credential) (*x509.Certificate, []*x509.Certificate, error) {
	if c.Type != wire.X509Credential {
		return nil, nil, ErrType
	}
	if len(c.Certificates) == 0 || len(c.Certificates) > maxCertificates {
		return nil, nil, ErrChain
	}
	chain := make([]*x509.Certificate, len(c.Certificates))
	for i, der := range c.Certificates {
		if len(der) > maxCertificate {
			return nil, nil, ErrChain
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, nil, ErrCertificate
		}
		chain[i] = cert
	}
	leaf := chain[0]
	if leaf.IsCA || leaf.KeyUsage != 0 && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return nil, nil, ErrCertificate
	}
	return leaf, chain[1:], nil
}

// publicKey is the form in which MLS has the key: raw Ed25519, uncompressed point for ECDSA (RFC 9420 §5.1.1).
func publicKey(key any) ([]byte, error) {
	switch k := key.(type) {
	case ed25519.PublicKey:
		return k, nil
	case *ecdsa.PublicKey:
		b, err := k.Bytes()
		if err != nil {
			return nil, ErrKeyType
		}
		return b, nil
	}
	return nil, ErrKeyType
}
