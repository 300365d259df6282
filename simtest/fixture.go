package simtest

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"testing"
	"testing/cryptotest"
	"time"

	"parley/client"
	"parley/credential"
	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/room"
	"parley/syntax"
	"parley/uri"
)

// suiteID is the cipher suite of all groups of a simulation: the cheapest.
const suiteID wire.CipherSuite = 1

// start is the virtual time 0.
var start = time.UnixMilli(1_790_000_000_123).UTC() // constant

// life is that of all certificates.
const life = 365 * 24 * time.Hour

// people are the users of a simulation by provider. Each may have two devices.
var people = []struct{ domain, name string }{ // constant
	{"a.example", "alice"}, {"b.example", "bob"}, {"c.example", "cathy"},
	{"a.example", "adam"}, {"b.example", "bea"}, {"c.example", "carl"},
}

var devices = []string{"phone", "laptop"} // constant

// fixture is what all histories share, because making it is slow: the keys and certificates of providers and devices. It depends on
// nothing but this code.
type fixture struct {
	authorities []*authority
	accounts    map[string][]*client.Account // by user name, in the order of devices
	pools       map[uri.Provider]*x509.CertPool
	verdicts    map[[32]byte]error // of the validator of leaves
}

// made is the fixture of this test binary.
var made *fixture

// newFixture makes the fixture at its first use.
func newFixture(t *testing.T) *fixture {
	t.Helper()
	if made != nil {
		return made
	}
	cryptotest.SetGlobalRandom(t, 0)
	f := &fixture{
		accounts: make(map[string][]*client.Account), pools: make(map[uri.Provider]*x509.CertPool), verdicts: make(map[[32]byte]error),
	}
	for _, domain := range []string{"a.example", "b.example", "c.example"} {
		a, err := newAuthority(domain)
		if err != nil {
			t.Fatal(err)
		}
		f.authorities = append(f.authorities, a)
		f.pools[a.uri] = x509.NewCertPool()
		f.pools[a.uri].AddCert(a.ca.Cert)
	}
	for _, person := range people {
		for _, name := range devices {
			a, err := f.newAccount(person.domain, person.name, name)
			if err != nil {
				t.Fatal(err)
			}
			f.accounts[person.name] = append(f.accounts[person.name], a)
		}
	}
	made = f
	return f
}

func newAuthority(domain string) (*authority, error) {
	p, err := uri.ProviderFromDomain(domain)
	if err != nil {
		return nil, err
	}
	a := &authority{uri: p}
	if a.ca, err = credential.NewCA(p, start, 10*life); err != nil {
		return nil, err
	}
	if a.signer, a.sender.SignatureKey, err = newKey(); err != nil {
		return nil, err
	}
	a.sender.Credential, err = a.ca.IssueProvider(a.signer.Public(), start, life)
	return a, err
}

func newKey() (key crypto.Signer, public []byte, err error) {
	s, err := suite.Lookup(suiteID)
	if err != nil {
		return nil, nil, err
	}
	if key, err = s.GenerateSignatureKey(); err != nil {
		return nil, nil, err
	}
	public, err = s.SignaturePublicKey(key.Public())
	return key, public, err
}

func (f *fixture) authority(domain string) *authority {
	for _, a := range f.authorities {
		if a.uri.Domain() == domain {
			return a
		}
	}
	return nil
}

func (f *fixture) newAccount(domain, user, device string) (*client.Account, error) {
	home := f.authority(domain)
	out := &client.Account{Suite: suiteID, HubSender: home.sender}
	var err error
	if out.User, err = uri.NewUser(home.uri, user); err != nil {
		return nil, err
	}
	if out.Client, err = uri.NewClient(home.uri, user, device); err != nil {
		return nil, err
	}
	if out.Signer, _, err = newKey(); err != nil {
		return nil, err
	}
	out.Credential, err = home.ca.IssueClient(out.User, out.Client, out.Signer.Public(), start, life, false)
	return out, err
}

func (f *fixture) roots(p uri.Provider) *x509.CertPool { return f.pools[p] }

// mls is the configuration that hubs and devices share.
func (f *fixture) mls() *mls.Config {
	return &mls.Config{
		ValidateLeaf:   f.validate,
		ValidateSender: credential.SenderValidator(f.roots),
		Components:     room.Components(),
	}
}

// validateRequest judges the credential of a signed request.
func (f *fixture) validateRequest(c wire.Credential, key []byte, now time.Time) error {
	leaf := &wire.LeafNode{Credential: c, SignatureKey: key}
	return f.validate(mls.LeafCheck{Use: mls.UseKeyPackage, Leaf: leaf, Now: now})
}

// validate is the validator of leaves. Its verdicts are kept by everything that they depend on, the time by the hour: verifying the
// same dozen of certificates again and again would be a third of a history's cost.
func (f *fixture) validate(check mls.LeafCheck) error {
	h := sha256.New()
	fmt.Fprintln(h, check.Use, check.Now.IsZero(), check.Now.Unix()/3600)
	for _, leaf := range []*wire.LeafNode{check.Leaf, check.Previous} {
		if leaf == nil {
			continue
		}
		octets, err := syntax.Marshal(&leaf.Credential)
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "%x %x\n", octets, leaf.SignatureKey)
	}
	key := [32]byte(h.Sum(nil))
	verdict, known := f.verdicts[key]
	if !known {
		verdict = credential.Validator(f.roots)(check)
		f.verdicts[key] = verdict
	}
	return verdict
}
