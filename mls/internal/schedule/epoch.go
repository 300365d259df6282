package schedule

import (
	"errors"

	"parley/mls/internal/state"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

// PSK is a pre-shared key with its name.
type PSK struct {
	ID     wire.PreSharedKeyID
	Secret []byte
}

type pskLabel struct {
	id           wire.PreSharedKeyID
	index, count uint16
}

func (v *pskLabel) Syntax(c *syntax.Codec) {
	v.id.Syntax(c)
	syntax.U16(c, &v.index)
	syntax.U16(c, &v.count)
}

// ErrTooManyPSKs means that a list of pre-shared keys does not fit its 16-bit count.
var ErrTooManyPSKs = errors.New("schedule: too many pre-shared keys")

// PSKSecret combines pre-shared keys in order (RFC 9420 §8.4); without any it is a string of zeros.
func PSKSecret(s *suite.Suite, psks []PSK) ([]byte, error) {
	if len(psks) > 1<<16-1 {
		return nil, ErrTooManyPSKs
	}
	zero := make([]byte, s.HashSize())
	secret := zero
	for i, p := range psks {
		label, err := syntax.Marshal(&pskLabel{p.ID, uint16(i), uint16(len(psks))})
		if err != nil {
			return nil, err
		}
		extracted := s.Extract(zero, p.Secret)
		input := s.ExpandWithLabel(extracted, "derived psk", label, s.HashSize())
		secret = s.Extract(input, secret)
		suite.Wipe(extracted)
		suite.Wipe(input)
	}
	return secret, nil
}

// Joiner derives the joiner secret from the last epoch's init secret and the commit secret.
func Joiner(s *suite.Suite, init, commit, groupContext []byte) []byte {
	extracted := s.Extract(init, commit)
	defer suite.Wipe(extracted)
	return s.ExpandWithLabel(extracted, "joiner", groupContext, s.HashSize())
}

// Welcome derives the welcome secret; psk is the result of PSKSecret.
func Welcome(s *suite.Suite, joiner, psk []byte) []byte {
	member := s.Extract(joiner, psk)
	defer suite.Wipe(member)
	return s.DeriveSecret(member, "welcome")
}

// WelcomeKey derives the key under which a Welcome's GroupInfo is sealed (RFC 9420 §12.4.3.1).
func WelcomeKey(s *suite.Suite, welcome []byte) (key, nonce []byte) {
	return s.ExpandWithLabel(welcome, "key", nil, s.KeySize()), s.ExpandWithLabel(welcome, "nonce", nil, s.NonceSize())
}

// Epoch holds the secrets of one epoch, without those of its messages, which are the secret tree's.
type Epoch struct {
	suite   *suite.Suite
	secrets [secretCount][]byte
	export  *nodes // exporter tree of mls-extensions §4.4
}

type secretName int

const (
	senderData secretName = iota
	encryption
	exporter
	external
	confirm
	membership
	resumption
	authentication
	initial
	secretCount
)

// secretLabels is constant: the labels of RFC 9420 §8, by secretName.
var secretLabels = [secretCount]string{
	"sender data", "encryption", "exporter", "external", "confirm", "membership", "resumption", "authentication", "init",
}

// exportLeaves is the width of the exporter tree: one leaf for each component ID.
const exportLeaves = 1 << 16

// FromJoiner derives an epoch from its joiner secret.
func FromJoiner(s *suite.Suite, joiner, psk, groupContext []byte) (*Epoch, error) {
	member := s.Extract(joiner, psk)
	defer suite.Wipe(member)
	epochSecret := s.ExpandWithLabel(member, "epoch", groupContext, s.HashSize())
	return Fresh(s, epochSecret)
}

// ErrEpochSecret means that an epoch secret does not have the length of the suite's hash.
var ErrEpochSecret = errors.New("schedule: epoch secret has the wrong length")

// Fresh derives an epoch from its epoch secret, which it overwrites. A new group gives a random one (RFC 9420 §11).
func Fresh(s *suite.Suite, epochSecret []byte) (*Epoch, error) {
	if len(epochSecret) != s.HashSize() {
		return nil, ErrEpochSecret
	}
	e := &Epoch{suite: s}
	for i, label := range secretLabels {
		e.secrets[i] = s.DeriveSecret(epochSecret, label)
	}
	e.export = newNodes(s, s.DeriveSecret(epochSecret, "application_export"), exportLeaves)
	suite.Wipe(epochSecret)
	return e, nil
}

// ErrTaken means that a secret that exists once was asked for again.
var ErrTaken = errors.New("schedule: secret was taken already")

// TakeEncryptionSecret hands over the root of the secret tree; a second call fails.
func (e *Epoch) TakeEncryptionSecret() ([]byte, error) {
	secret := e.secrets[encryption]
	if secret == nil {
		return nil, ErrTaken
	}
	e.secrets[encryption] = nil
	return secret, nil
}

// InitSecret goes into the next epoch. It shares memory with the epoch.
func (e *Epoch) InitSecret() []byte { return e.secrets[initial] }

// ResumptionPSK is the epoch's resumption secret (RFC 9420 §8.6).
func (e *Epoch) ResumptionPSK() []byte { return e.secrets[resumption] }

// Authenticator is equal at two members exactly when they agree on the epoch (RFC 9420 §8.7). It is no secret.
func (e *Epoch) Authenticator() []byte { return e.secrets[authentication] }

// ConfirmationTag authenticates the group's history to its members (RFC 9420 §6.1).
func (e *Epoch) ConfirmationTag(confirmedTranscriptHash []byte) []byte {
	return e.suite.MAC(e.secrets[confirm], confirmedTranscriptHash)
}

// VerifyConfirmation checks a confirmation tag in constant time.
func (e *Epoch) VerifyConfirmation(confirmedTranscriptHash, tag []byte) bool {
	return e.suite.VerifyMAC(e.secrets[confirm], confirmedTranscriptHash, tag)
}

// MembershipTag shows that a PublicMessage comes from a member; tbm is AuthenticatedContentTBM in parts (RFC 9420 §6.2).
func (e *Epoch) MembershipTag(tbm ...[]byte) []byte {
	return e.suite.MAC(e.secrets[membership], tbm...)
}

// VerifyMembership checks a membership tag in constant time.
func (e *Epoch) VerifyMembership(tag []byte, tbm ...[]byte) bool {
	return suite.SameTag(e.MembershipTag(tbm...), tag)
}

// Export derives n octets for the application (RFC 9420 §8.5); nil when n is out of range.
func (e *Epoch) Export(label string, context []byte, n int) []byte {
	derived := e.suite.DeriveSecret(e.secrets[exporter], label)
	defer suite.Wipe(derived)
	return e.suite.ExpandWithLabel(derived, "exported", e.suite.Hash(context), n)
}

// SafeExport derives the secret of a component and forgets what led to it: a second call for the same component fails with
// ErrTaken (mls-extensions §4.4, A-X20).
func (e *Epoch) SafeExport(component wire.ComponentID) ([]byte, error) {
	secret, change := e.export.leaf(uint32(component))
	if secret == nil {
		return nil, ErrTaken
	}
	e.export.apply(change)
	return secret, nil
}

// ExternalKeyPair is the key pair to which external committers encapsulate (RFC 9420 §12.4.3.2).
func (e *Epoch) ExternalKeyPair() (private, public []byte, err error) {
	return e.suite.DeriveKeyPair(e.secrets[external])
}

// SenderDataKey derives the key of a message's sender data from a sample of its ciphertext (RFC 9420 §6.3.2).
func (e *Epoch) SenderDataKey(ciphertext []byte) (key, nonce []byte) {
	return SenderDataKey(e.suite, e.secrets[senderData], ciphertext)
}

// SenderDataKey derives from a sender data secret that the caller holds.
func SenderDataKey(s *suite.Suite, secret, ciphertext []byte) (key, nonce []byte) {
	sample := ciphertext[:min(len(ciphertext), s.HashSize())]
	return s.ExpandWithLabel(secret, "key", sample, s.KeySize()), s.ExpandWithLabel(secret, "nonce", sample, s.NonceSize())
}

// Wipe overwrites all secrets; the epoch is of no use afterwards.
func (e *Epoch) Wipe() {
	for _, secret := range e.secrets {
		suite.Wipe(secret)
	}
	e.export.wipe()
}

// Retire overwrites the epoch but for what messages that come late and later pre-shared keys need, which it returns.
func (e *Epoch) Retire() (senderDataSecret, resumptionPSK []byte) {
	senderDataSecret, resumptionPSK = e.secrets[senderData], e.secrets[resumption]
	e.secrets[senderData], e.secrets[resumption] = nil, nil
	e.Wipe()
	return senderDataSecret, resumptionPSK
}

// saved is the stored form of an epoch; secrets that were taken are empty.
type saved struct{ secrets [secretCount][]byte }

func (v *saved) Syntax(c *syntax.Codec) {
	for i := range v.secrets {
		syntax.Opaque(c, &v.secrets[i])
	}
}

// Save adds the whole epoch to a delta.
func (e *Epoch) Save(prefix string, d *state.Delta) error {
	octets, err := syntax.Marshal(&saved{e.secrets})
	if err != nil {
		return err
	}
	d.Put(prefix+"secrets", octets)
	e.export.dirtyAll()
	*d = append(*d, e.export.takeDelta(prefix+"x/")...)
	return nil
}

// TakeDelta returns what SafeExport changed since the last call.
func (e *Epoch) TakeDelta(prefix string) state.Delta { return e.export.takeDelta(prefix + "x/") }

// ErrSaved means that records do not hold an epoch.
var ErrSaved = errors.New("schedule: saved secrets are damaged")

// LoadEpoch reads an epoch back.
func LoadEpoch(s *suite.Suite, prefix string, get func(key string) ([]byte, bool)) (*Epoch, error) {
	octets, ok := get(prefix + "secrets")
	if !ok {
		return nil, ErrSaved
	}
	var v saved
	// The copy keeps the caller's octets from being overwritten with the secrets.
	if err := syntax.Unmarshal(append([]byte(nil), octets...), &v); err != nil {
		return nil, ErrSaved
	}
	if len(v.secrets[encryption]) == 0 {
		v.secrets[encryption] = nil // it was taken
	}
	return &Epoch{suite: s, secrets: v.secrets, export: loadNodes(s, exportLeaves, prefix+"x/", get)}, nil
}
