package client

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"parley/client"
	"parley/clientapi/api"
	"parley/credential"
	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
	"parley/uri"
)

// Enrolment is what a person has to bring along.
type Enrolment struct {
	Code   string // one-time code from the provider's operator
	Device string // the client's name among its user's clients: 1-32 of a-z 0-9 -
	Suite  wire.CipherSuite
	Signer crypto.Signer // the client's signature key; nil: a fresh one is made
	Now    time.Time     // at which the credential is judged; zero: time.Now
}

// Enrolled is a new client. Whoever gets it stores Account (client.SaveAccount) and Token before anything else: there is no other
// copy, and the code is spent.
type Enrolled struct {
	Account     *client.Account
	Token       string
	Provider    uri.Provider
	Authorities []api.Authority // see Roots
}

// What can be wrong with a provider's answer to Enrol or Renew. The code is spent then.
var (
	ErrNames      = errors.New("clientapi: the provider's answer names another client than the one asked for")
	ErrCredential = errors.New("clientapi: the provider's certificate is not one for this client")
	ErrSuite      = errors.New("clientapi: the provider has no hub key for this cipher suite")
)

// Enrol makes a client of a one-time code. After a *client.RetryError the code may be spent; if a repetition says so, another code
// and another device name are needed.
func Enrol(ctx context.Context, t Transport, e Enrolment) (*Enrolled, error) {
	s, err := suite.Lookup(e.Suite)
	if err != nil {
		return nil, err
	}
	if e.Signer == nil {
		if e.Signer, err = s.GenerateSignatureKey(); err != nil {
			return nil, err
		}
	}
	csr, err := api.SigningRequest(e.Signer)
	if err != nil {
		return nil, err
	}
	c := New(t, uri.Provider{}, "")
	request := &api.EnrolRequest{Code: e.Code, Device: e.Device, Suite: uint16(e.Suite), CSR: csr}
	var answer api.EnrolResponse
	if err := c.askJSON(ctx, &Request{Method: "POST", Path: api.PathEnrol}, request, &answer); err != nil {
		return nil, err
	}
	return e.accept(s, &answer)
}

// accept checks what the provider made of the request.
func (e *Enrolment) accept(s *suite.Suite, answer *api.EnrolResponse) (*Enrolled, error) {
	a := &client.Account{Suite: e.Suite, Signer: e.Signer}
	p, err := uri.ParseProvider(answer.Provider.URI)
	if err != nil {
		return nil, ErrNames
	}
	if a.User, err = uri.ParseUser(answer.User); err != nil {
		return nil, ErrNames
	}
	if a.Client, err = uri.ParseClient(answer.Client); err != nil {
		return nil, ErrNames
	}
	if wanted, err := uri.NewClient(p, a.User.Name(), e.Device); err != nil || wanted != a.Client || answer.Token == "" {
		return nil, ErrNames
	}
	a.Credential = wire.Credential{Type: wire.X509Credential, Certificates: answer.Certificates}
	if err := e.check(s, a, answer.Provider.Authorities); err != nil {
		return nil, err
	}
	if a.HubSender, err = hubSender(&answer.Provider, e.Suite); err != nil {
		return nil, err
	}
	return &Enrolled{Account: a, Token: answer.Token, Provider: p, Authorities: answer.Provider.Authorities}, nil
}

// check judges the credential as every member of a room will (P-CR-04, P-CR-05).
func (e *Enrolment) check(s *suite.Suite, a *client.Account, authorities []api.Authority) error {
	roots, err := Roots(authorities)
	if err != nil {
		return err
	}
	now := e.Now
	if now.IsZero() {
		now = time.Now()
	}
	return judge(s, a.Signer, a.User, a.Client, a.Credential, roots, now)
}

func judge(s *suite.Suite, key crypto.Signer, user uri.User, client uri.Client, c wire.Credential, roots credential.Roots, now time.Time) error {
	id, err := credential.Parse(c)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCredential, err)
	}
	if id.User != user || id.Client != client {
		return ErrNames
	}
	public, err := s.SignaturePublicKey(key.Public())
	if err != nil {
		return err
	}
	leaf := &wire.LeafNode{SignatureKey: public, Credential: c}
	if err := credential.Validator(roots)(mls.LeafCheck{Use: mls.UseKeyPackage, Leaf: leaf, Now: now}); err != nil {
		return fmt.Errorf("%w: %w", ErrCredential, err)
	}
	return nil
}

func hubSender(p *api.Provider, id wire.CipherSuite) (wire.ExternalSender, error) {
	var sender wire.ExternalSender
	for _, s := range p.ExternalSenders {
		for _, of := range s.Suites {
			if wire.CipherSuite(of) != id {
				continue
			}
			if err := syntax.Unmarshal(s.Sender, &sender); err != nil {
				return sender, fmt.Errorf("%w: %w", errAnswer, err)
			}
			return sender, nil
		}
	}
	return sender, ErrSuite
}

// Renew asks for a credential of key, which may be the account's own or a fresh one, and returns the account with it. The caller
// stores that, publishes KeyPackages with it and updates its leaves. roots are those of Roots.
func (c *Client) Renew(ctx context.Context, a *client.Account, key crypto.Signer, roots credential.Roots, now time.Time) (*client.Account, error) {
	s, err := suite.Lookup(a.Suite)
	if err != nil {
		return nil, err
	}
	csr, err := api.SigningRequest(key)
	if err != nil {
		return nil, err
	}
	var answer api.RenewResponse
	request := &api.RenewRequest{Suite: uint16(a.Suite), CSR: csr}
	if err := c.askJSON(ctx, &Request{Method: "POST", Path: api.PathCredential}, request, &answer); err != nil {
		return nil, err
	}
	renewed := *a
	renewed.Signer = key
	renewed.Credential = wire.Credential{Type: wire.X509Credential, Certificates: answer.Certificates}
	if err := judge(s, key, a.User, a.Client, renewed.Credential, roots, now); err != nil {
		return nil, err
	}
	return &renewed, nil
}

// Roots makes the authorities that a provider reports usable for credential.Validator.
func Roots(list []api.Authority) (credential.Roots, error) {
	pools := make(map[uri.Provider]*x509.CertPool, len(list))
	for _, a := range list {
		p, err := uri.ParseProvider(a.Provider)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errAnswer, err)
		}
		pool := x509.NewCertPool()
		for _, der := range a.Certificates {
			cert, err := x509.ParseCertificate(der)
			if err != nil {
				return nil, fmt.Errorf("%w: %w", errAnswer, err)
			}
			pool.AddCert(cert)
		}
		pools[p] = pool
	}
	return func(p uri.Provider) *x509.CertPool { return pools[p] }, nil
}
