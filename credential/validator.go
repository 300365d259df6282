package credential

import (
	"bytes"
	"crypto/x509"
	"time"

	"parley/mls"
	"parley/mls/wire"
	"parley/uri"
)

// Roots returns the authorities that a provider vouches for, for its clients and its hub; nil when the provider is unknown. It
// is called with providers that a certificate claims. The pool must not change afterwards; rotation returns another one that
// holds old and new (P-CR-07).
type Roots func(p uri.Provider) *x509.CertPool

// Option relaxes a Validator.
type Option func(*validator)

// AllowBasicInTests lets basic credentials pass whose identity is a client URI of two segments. Such a credential proves nothing:
// whoever has a key may claim any name. It exists for tests and vectors.
func AllowBasicInTests() Option { return func(v *validator) { v.basic = true } }

type validator struct {
	roots Roots
	basic bool
}

// Validator returns the judge of leaf credentials for mls.Config.ValidateLeaf. It is safe for concurrent use when roots is.
//
// It requires the names of a client (P-CR-04), that the certificate's key is the leaf's, a chain to the user's own provider
// (P-CR-05), validity at check.Now, and the same identity as the leaf that is replaced, gateway mark included (P-CR-08). Validity
// is not asked of leaves met in a tree (UseWelcomeTree) and when check.Now is zero: then the certificate must have been valid
// when it was issued. See Stale.
func Validator(roots Roots, options ...Option) func(mls.LeafCheck) error {
	v := validator{roots: roots}
	for _, o := range options {
		o(&v)
	}
	return v.leaf
}

func (v *validator) leaf(check mls.LeafCheck) error {
	now := check.Now
	if check.Use == mls.UseWelcomeTree {
		now = time.Time{}
	}
	identity, err := v.identity(check.Leaf, now)
	if err != nil {
		return err
	}
	if check.Previous == nil {
		return nil
	}
	before, err := v.parse(check.Previous.Credential)
	if err != nil {
		return err
	}
	if before != identity {
		return ErrIdentity
	}
	return nil
}

func (v *validator) identity(leaf *wire.LeafNode, now time.Time) (Identity, error) {
	if v.basic && leaf.Credential.Type == wire.BasicCredential {
		return ParseBasic(leaf.Credential)
	}
	cert, others, err := certificates(leaf.Credential)
	if err != nil {
		return Identity{}, err
	}
	identity, err := identityOf(cert)
	if err != nil {
		return Identity{}, err
	}
	if err := matchKey(cert, leaf.SignatureKey); err != nil {
		return Identity{}, err
	}
	return identity, v.chain(cert, others, identity.Provider(), now)
}

func (v *validator) parse(c wire.Credential) (Identity, error) {
	if v.basic && c.Type == wire.BasicCredential {
		return ParseBasic(c)
	}
	return Parse(c)
}

// SenderValidator returns the judge of external senders for mls.Config.ValidateSender: the credential names one provider, is for
// the sender's key and leads to an authority of that provider (P-CR-09). Whether it is the hub of the room is for the caller. A
// zero time asks for validity at the time of issue only.
func SenderValidator(roots Roots) func(wire.ExternalSender, time.Time) error {
	v := validator{roots: roots}
	return func(s wire.ExternalSender, now time.Time) error {
		cert, others, err := certificates(s.Credential)
		if err != nil {
			return err
		}
		p, err := senderOf(cert)
		if err != nil {
			return err
		}
		if err := matchKey(cert, s.SignatureKey); err != nil {
			return err
		}
		return v.chain(cert, others, p, now)
	}
}

// ParseBasic reads the identity of a basic credential as AllowBasicInTests accepts it.
func ParseBasic(c wire.Credential) (Identity, error) {
	if c.Type != wire.BasicCredential {
		return Identity{}, ErrType
	}
	client, err := uri.ParseClient(string(c.Identity))
	if err != nil {
		return Identity{}, ErrNames
	}
	user, ok := client.NamedUser()
	if !ok {
		return Identity{}, ErrNames
	}
	return Identity{User: user, Client: client}, nil
}

// Stale reports whether a leaf's certificate is outside of its validity: such a member is shown as unverified now (P-CR-08). A
// credential that does not parse is stale.
func Stale(c wire.Credential, now time.Time) bool {
	cert, _, err := certificates(c)
	return err != nil || now.Before(cert.NotBefore) || now.After(cert.NotAfter)
}

func matchKey(cert *x509.Certificate, signatureKey []byte) error {
	key, err := publicKey(cert.PublicKey)
	if err != nil {
		return err
	}
	if !bytes.Equal(key, signatureKey) {
		return ErrKeyMismatch
	}
	return nil
}

// chain verifies up to an authority of p. The zero time stands for the time of the certificate's issue.
func (v *validator) chain(cert *x509.Certificate, others []*x509.Certificate, p uri.Provider, now time.Time) error {
	roots := v.roots(p)
	if roots == nil {
		return ErrUnknownCA
	}
	if now.IsZero() {
		now = cert.NotBefore
	}
	if now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		return ErrExpired
	}
	intermediates := x509.NewCertPool()
	for _, c := range others {
		intermediates.AddCert(c)
	}
	_, err := cert.Verify(x509.VerifyOptions{
		Roots:         roots,
		Intermediates: intermediates,
		CurrentTime:   now,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		return ErrUntrusted
	}
	return nil
}
