package api

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"

	"parley/mls/suite"
	"parley/mls/wire"
)

// What can be wrong with a signing request.
var (
	ErrSuite = errors.New("clientapi: the cipher suite is not known")
	ErrCSR   = errors.New("clientapi: the signing request is malformed or not signed by its own key")
	ErrKey   = errors.New("clientapi: the key does not have the suite's signature scheme")
)

// SigningRequest proves to the provider that the client holds the key: a PKCS #10 request (RFC 2986) in DER, without names.
// Which names the certificate gets is the provider's business.
func SigningRequest(key crypto.Signer) ([]byte, error) {
	return x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
}

// CheckSigningRequest returns the public key of a request whose signature that key made and which fits the suite.
func CheckSigningRequest(der []byte, id wire.CipherSuite) (crypto.PublicKey, error) {
	s, err := suite.Lookup(id)
	if err != nil {
		return nil, ErrSuite
	}
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, ErrCSR
	}
	// Before the signature: only keys of known schemes are worth computing with.
	if _, err := s.SignaturePublicKey(request.PublicKey); err != nil {
		return nil, ErrKey
	}
	if err := request.CheckSignature(); err != nil {
		return nil, ErrCSR
	}
	return request.PublicKey, nil
}
