package provider

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"parley/credential"
	"parley/hub"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/uri"
)

// AuthorityLife is how long the authority of a provider's users is valid.
const AuthorityLife = 10 * 365 * 24 * time.Hour

const (
	pemCertificate = "CERTIFICATE"
	pemPrivateKey  = "PRIVATE KEY"
)

// KeyFiles names the files of a provider's own keys.
type KeyFiles struct {
	// CACertificate holds the provider's CA set: the first certificate is the one that issues, the others are still or already vouched
	// for while the authority is replaced.
	CACertificate string
	CAKey         string
	// Hub holds the keys with which the hub signs, each followed by its certificate by the CA. New rooms get the first key that their
	// cipher suite can use, the others are of rooms that exist.
	Hub string
}

// Keys are what a provider signs with.
type Keys struct {
	CA *credential.CA
	// Authorities is the CA set, the issuing one first.
	Authorities []*x509.Certificate
	Hub         []HubKey
}

// HubKey is a key with which the hub signs.
type HubKey struct {
	// Key has the public side as it stands in the external_senders of rooms. It stays the same octets for the life of the file: rooms
	// and devices compare it.
	hub.Key
	// Suites are the cipher suites of new rooms that get the key.
	Suites []wire.CipherSuite
}

// signers are the keys for the hub.
func (k *Keys) signers() []hub.Key {
	out := make([]hub.Key, len(k.Hub))
	for i := range k.Hub {
		out[i] = k.Hub[i].Key
	}
	return out
}

// Pool holds the CA set.
func (k *Keys) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range k.Authorities {
		pool.AddCert(c)
	}
	return pool
}

// KeyError is a file of keys that cannot be used.
type KeyError struct {
	File string
	Err  error
	Fix  string // what to do, if that is known
}

func (e *KeyError) Error() string {
	if e.Fix == "" {
		return e.File + ": " + e.Err.Error()
	}
	return e.File + ": " + e.Err.Error() + "; " + e.Fix
}

func (e *KeyError) Unwrap() error { return e.Err }

// InitKeys makes the files that are missing, with mode 0600 for keys, and adds the hub's keys that are missing for a cipher suite. It
// returns the names of the files that it wrote; what is in them stays.
func InitKeys(f KeyFiles, p uri.Provider, now time.Time) (made []string, err error) {
	for _, name := range []string{f.CACertificate, f.CAKey, f.Hub} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return nil, err
		}
	}
	cert, key := exists(f.CACertificate), exists(f.CAKey)
	if cert != key {
		have, lacks := f.CACertificate, f.CAKey
		if key {
			have, lacks = lacks, have
		}
		return nil, &KeyError{lacks, fs.ErrNotExist,
			"restore it from a backup, or remove " + have + " if no device has enrolled yet"}
	}
	if !cert {
		if err := initCA(f, p, now); err != nil {
			return nil, err
		}
		made = append(made, f.CAKey, f.CACertificate)
	}
	ca, set, err := loadCA(f, p)
	if err != nil {
		return made, err
	}
	wrote, err := initHub(f.Hub, &Keys{CA: ca, Authorities: set}, now)
	if wrote {
		made = append(made, f.Hub)
	}
	return made, err
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

func initCA(f KeyFiles, p uri.Provider, now time.Time) error {
	ca, err := credential.NewCA(p, now, AuthorityLife)
	if err != nil {
		return err
	}
	key, err := ca.KeyPEM()
	if err != nil {
		return err
	}
	if err := writeNew(f.CAKey, key, 0o600); err != nil {
		return err
	}
	return writeNew(f.CACertificate, ca.CertPEM(), 0o644)
}

// initHub makes a key of the hub for each signature scheme of the offered suites that has none yet. The certificates live as long as the
// authority.
func initHub(file string, k *Keys, now time.Time) (wrote bool, err error) {
	var text []byte
	if exists(file) {
		if text, err = read(file); err != nil {
			return false, err
		}
		if err := k.loadHub(file, text); err != nil {
			return false, err
		}
	}
	had := text
	for _, id := range suite.All() {
		if k.serves(id) {
			continue
		}
		key, octets, err := newHubKey(id, k.CA, now)
		if err != nil {
			return false, err
		}
		text = append(text, octets...)
		k.Hub = append(k.Hub, *key)
	}
	switch {
	case len(text) == len(had):
		return false, nil
	case had == nil:
		return true, writeNew(file, text, 0o600)
	}
	// Beside it, then in its place: a crash leaves the old file or the new one.
	fresh := file + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if err := writeNew(fresh, text, 0o600); err != nil {
		return false, err
	}
	return true, errors.Join(os.Rename(fresh, file), syncDir(file))
}

// serves reports whether new rooms of a suite have a hub.
func (k *Keys) serves(id wire.CipherSuite) bool {
	return slices.ContainsFunc(k.Hub, func(h HubKey) bool { return slices.Contains(h.Suites, id) })
}

// Missing lists the offered suites whose new rooms would have no hub.
func (k *Keys) Missing() []wire.CipherSuite {
	return slices.DeleteFunc(suite.All(), k.serves)
}

func newHubKey(id wire.CipherSuite, ca *credential.CA, now time.Time) (*HubKey, []byte, error) {
	s, err := suite.Lookup(id)
	if err != nil {
		return nil, nil, err
	}
	key, err := s.GenerateSignatureKey()
	if err != nil {
		return nil, nil, err
	}
	der, err := s.MarshalSignatureKey(key)
	if err != nil {
		return nil, nil, err
	}
	cred, err := ca.IssueProvider(key.Public(), now, AuthorityLife)
	if err != nil {
		return nil, nil, err
	}
	var text bytes.Buffer
	if err := pem.Encode(&text, &pem.Block{Type: pemPrivateKey, Bytes: der}); err != nil {
		return nil, nil, err
	}
	for _, c := range cred.Certificates {
		if err := pem.Encode(&text, &pem.Block{Type: pemCertificate, Bytes: c}); err != nil {
			return nil, nil, err
		}
	}
	suites, public, err := suitesOf(key)
	return &HubKey{hub.Key{Signer: key, Sender: wire.ExternalSender{SignatureKey: public, Credential: cred}}, suites}, text.Bytes(), err
}

// writeNew writes a file that did not exist, durably.
func writeNew(name string, data []byte, mode os.FileMode) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return syncDir(name)
}

// syncDir makes a name durable.
func syncDir(name string) error {
	dir, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// LoadKeys reads the files. Errors are KeyErrors.
func LoadKeys(f KeyFiles, p uri.Provider) (*Keys, error) {
	ca, set, err := loadCA(f, p)
	if err != nil {
		return nil, err
	}
	k := &Keys{CA: ca, Authorities: set}
	text, err := read(f.Hub)
	if err != nil {
		return nil, err
	}
	if err := k.loadHub(f.Hub, text); err != nil {
		return nil, err
	}
	return k, nil
}

const initFirst = "`parley ca init` makes it"

func loadCA(f KeyFiles, p uri.Provider) (*credential.CA, []*x509.Certificate, error) {
	cert, err := read(f.CACertificate)
	if err != nil {
		return nil, nil, err
	}
	key, err := read(f.CAKey)
	if err != nil {
		return nil, nil, err
	}
	ca, err := credential.ParseCA(cert, key)
	if err != nil {
		return nil, nil, &KeyError{f.CACertificate, err, "it has to fit " + f.CAKey}
	}
	if ca.Provider != p {
		return nil, nil, &KeyError{f.CACertificate, credential.ErrForeign, "its provider is " + ca.Provider.Domain() + ", not domain of the configuration"}
	}
	set, err := ParseAuthorities(p, cert)
	if err != nil {
		return nil, nil, &KeyError{f.CACertificate, err, ""}
	}
	return ca, set, nil
}

func read(name string) ([]byte, error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &KeyError{name, fs.ErrNotExist, initFirst}
	}
	if err != nil {
		return nil, &KeyError{name, bare(err), ""}
	}
	return text, nil
}

// bare strips the path that os puts into its errors.
func bare(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// ErrNoAuthority means that a PEM text holds no authority.
var ErrNoAuthority = errors.New("provider: the file holds no certificate of an authority")

// ParseAuthorities reads a CA set of a provider from PEM. Every certificate has to name the provider.
func ParseAuthorities(p uri.Provider, text []byte) ([]*x509.Certificate, error) {
	var set []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		c, err := authority(p, block.Bytes)
		if block.Type != pemCertificate || err != nil {
			return nil, fmt.Errorf("%w of %s: %w", ErrNoAuthority, p.Domain(), err)
		}
		set = append(set, c)
	}
	if len(set) == 0 {
		return nil, ErrNoAuthority
	}
	return set, nil
}

// authority reads one certificate of a provider's CA set.
func authority(p uri.Provider, der []byte) (*x509.Certificate, error) {
	of, c, err := credential.ParseAuthority(pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: der}))
	if err != nil {
		return nil, err
	}
	if of != p {
		return nil, credential.ErrForeign
	}
	return c, nil
}

var (
	errHubKey  = errors.New("provider: the file does not hold a private key and its certificate")
	errNoSuite = errors.New("provider: no cipher suite has the key's signature scheme")
)

func (k *Keys) loadHub(file string, text []byte) error {
	wrong := func(err error) error {
		return &KeyError{file, err, "restore it from a backup; a new one does not fit the rooms that exist"}
	}
	block, rest := pem.Decode(text)
	for block != nil {
		if block.Type != pemPrivateKey {
			return wrong(errHubKey)
		}
		der := block.Bytes
		cred := wire.Credential{Type: wire.X509Credential}
		for block, rest = pem.Decode(rest); block != nil && block.Type == pemCertificate; block, rest = pem.Decode(rest) {
			cred.Certificates = append(cred.Certificates, block.Bytes)
		}
		key, err := k.hubKey(der, cred)
		if err != nil {
			return wrong(err)
		}
		key.Suites = slices.DeleteFunc(key.Suites, k.serves)
		k.Hub = append(k.Hub, *key)
	}
	if len(k.Hub) == 0 {
		return wrong(errHubKey)
	}
	return nil
}

func (k *Keys) hubKey(der []byte, cred wire.Credential) (*HubKey, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errHubKey
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errHubKey
	}
	suites, public, err := suitesOf(signer)
	if err != nil {
		return nil, err
	}
	sender := wire.ExternalSender{SignatureKey: public, Credential: cred}
	if of, err := credential.ParseSender(cred); err != nil || of != k.CA.Provider {
		return nil, errHubKey
	}
	pool := k.Pool()
	if err := credential.SenderValidator(func(uri.Provider) *x509.CertPool { return pool })(sender, time.Time{}); err != nil {
		return nil, err
	}
	return &HubKey{hub.Key{Signer: signer, Sender: sender}, suites}, nil
}

// suitesOf returns the suites that have the key's signature scheme, and the key as it stands on the wire.
func suitesOf(key crypto.Signer) (ids []wire.CipherSuite, public []byte, err error) {
	for _, id := range suite.All() {
		s, err := suite.Lookup(id)
		if err != nil {
			return nil, nil, err
		}
		if octets, err := s.SignaturePublicKey(key.Public()); err == nil {
			ids, public = append(ids, id), octets
		}
	}
	if len(ids) == 0 {
		return nil, nil, errNoSuite
	}
	return ids, public, nil
}
