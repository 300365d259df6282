package mls

import (
	"bytes"
	"crypto"
	"time"

	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

// KeyPackageParams says what a new KeyPackage holds.
type KeyPackageParams struct {
	Suite          wire.CipherSuite
	Suites         *suite.Table  // as Config.Suites
	Signer         crypto.Signer // Ed25519 or ECDSA, as the suite demands
	Credential     wire.Credential
	Lifetime       wire.Lifetime
	Capabilities   wire.Capabilities // zero: DefaultCapabilities of the suite
	LeafExtensions wire.Extensions
	Extensions     wire.Extensions
	Grease         bool // scatter random values that receivers ignore (RFC 9420 §13.5, mls-extensions §5.1)
}

// KeyPackageBundle is a KeyPackage with its two private HPKE keys. It is a syntax.Value, so that it can be stored.
type KeyPackageBundle struct {
	KeyPackage wire.KeyPackage
	InitKey    []byte // private
	LeafKey    []byte // private
}

// Syntax codes the bundle for storage; it never travels.
func (b *KeyPackageBundle) Syntax(c *syntax.Codec) {
	b.KeyPackage.Syntax(c)
	syntax.Opaque(c, &b.InitKey)
	syntax.Opaque(c, &b.LeafKey)
}

// Ref returns the KeyPackageRef (RFC 9420 §5.2). The suite is looked up in the table, if one is given.
func (b *KeyPackageBundle) Ref(in ...*suite.Table) ([]byte, error) {
	s, err := suite.Lookup(b.KeyPackage.Suite, in...)
	if err != nil {
		return nil, because(RuleSuite, err)
	}
	return s.KeyPackageRef(&b.KeyPackage)
}

// Wipe overwrites the private keys. The owner of a KeyPackage that is not a last resort calls it after joining
// (RFC 9420 §16.8).
func (b *KeyPackageBundle) Wipe() {
	suite.Wipe(b.InitKey)
	suite.Wipe(b.LeafKey)
}

// DefaultCapabilities returns what a leaf of this engine understands besides the defaults of RFC 9420: the extensions
// app_data_dictionary, supported_wire_formats and required_wire_formats, the proposals AppDataUpdate, AppEphemeral and SelfRemove
// (X-NEG-04), the credentials basic and x509. KeyPackageParams.Grease adds GREASE.
func DefaultCapabilities(suites ...wire.CipherSuite) wire.Capabilities {
	return wire.Capabilities{
		Versions:    []wire.ProtocolVersion{wire.MLS10},
		Suites:      suites,
		Extensions:  []wire.ExtensionType{wire.AppDataDictionaryExtension, wire.SupportedWireFormatsExtension, wire.RequiredWireFormatsExtension},
		Proposals:   []wire.ProposalType{wire.AppDataUpdateProposal, wire.AppEphemeralProposal, wire.SelfRemoveProposal},
		Credentials: []wire.CredentialType{wire.BasicCredential, wire.X509Credential},
	}
}

// LeafComponents returns the app_data_dictionary extension of a leaf that supports the given components; app_components and
// safe_aad are always among them (X-DIC-04).
func LeafComponents(supported ...wire.ComponentID) (wire.Extension, error) {
	list := wire.ComponentsList{IDs: append([]wire.ComponentID{wire.AppComponentsComponent, wire.SafeAADComponent}, supported...)}
	components, err := marshal(&list)
	if err != nil {
		return wire.Extension{}, err
	}
	aad, err := marshal(&wire.ComponentsList{})
	if err != nil {
		return wire.Extension{}, err
	}
	dictionary := wire.AppDataDictionary{}
	dictionary = dictionary.With(wire.AppComponentsComponent, components)
	dictionary = dictionary.With(wire.SafeAADComponent, aad)
	data, err := marshal(&dictionary)
	return wire.Extension{Type: wire.AppDataDictionaryExtension, Data: data}, err
}

// NewKeyPackage makes a KeyPackage with fresh HPKE keys (RFC 9420 §10).
func NewKeyPackage(p KeyPackageParams) (*KeyPackageBundle, error) {
	s, err := p.Suites.Lookup(p.Suite)
	if err != nil {
		return nil, because(RuleSuite, err)
	}
	public, err := s.SignaturePublicKey(p.Signer.Public())
	if err != nil {
		return nil, because(RuleSuite, err)
	}
	if p.Capabilities.Versions == nil {
		p.Capabilities = DefaultCapabilities(p.Suite)
	}
	if p.Grease {
		if p, err = p.greased(); err != nil {
			return nil, err
		}
	}
	b := &KeyPackageBundle{KeyPackage: wire.KeyPackage{
		Version:    wire.MLS10,
		Suite:      p.Suite,
		Extensions: p.Extensions,
		Leaf: wire.LeafNode{
			SignatureKey: public,
			Credential:   p.Credential,
			Capabilities: p.Capabilities,
			Source:       wire.KeyPackageSource,
			Lifetime:     p.Lifetime,
			Extensions:   p.LeafExtensions,
		},
	}}
	kp := &b.KeyPackage
	if b.InitKey, kp.InitKey, err = s.GenerateKeyPair(); err != nil {
		return nil, because(RuleRandom, err)
	}
	if b.LeafKey, kp.Leaf.EncryptionKey, err = s.GenerateKeyPair(); err != nil {
		return nil, because(RuleRandom, err)
	}
	if err := signLeaf(s, p.Signer, &kp.Leaf, nil, 0); err != nil {
		return nil, err
	}
	if kp.Signature, err = signValue(s, p.Signer, "KeyPackageTBS", &wire.KeyPackageTBS{KeyPackage: kp}); err != nil {
		return nil, err
	}
	return b, nil
}

// ValidateKeyPackage checks a KeyPackage outside of any group (RFC 9420 §10.1, §7.3) with the leaf use UseKeyPackage.
func ValidateKeyPackage(cfg *Config, kp *wire.KeyPackage, now time.Time) error {
	s, err := cfg.Suites.Lookup(kp.Suite)
	if err != nil {
		return because(RuleSuite, err)
	}
	if err := cfg.checkKeyPackage(s, kp); err != nil {
		return err
	}
	return cfg.checkLeaf(s, LeafCheck{Use: UseKeyPackage, Leaf: &kp.Leaf, Now: now}, &needs{}, nil, 0)
}

// checkKeyPackage checks what is around the leaf (RFC 9420 §10.1).
func (c *Config) checkKeyPackage(s *suite.Suite, kp *wire.KeyPackage) error {
	if kp.Version != wire.MLS10 || kp.Suite != s.ID() || bytes.Equal(kp.InitKey, kp.Leaf.EncryptionKey) {
		return broken(RuleKeyPackage)
	}
	if len(kp.Extensions) > c.limits().Extensions {
		return broken(RuleLimit)
	}
	if err := checkLastResort(kp); err != nil {
		return err
	}
	return verifyValue(s, kp.Leaf.SignatureKey, "KeyPackageTBS", &wire.KeyPackageTBS{KeyPackage: kp}, kp.Signature, RuleKeyPackage)
}

// checkLastResort refuses a last_resort_key_package component with content (mls-extensions §6.4) and a malformed dictionary.
func checkLastResort(kp *wire.KeyPackage) error {
	dictionary, _, err := dictionaryOf(kp.Extensions)
	if err != nil {
		return err
	}
	if data, ok := dictionary.Find(wire.LastResortComponent); ok && len(data) > 0 {
		return broken(RuleKeyPackage)
	}
	return nil
}

// IsLastResort reports whether the KeyPackage may be used more than once (mls-extensions §6.4), in the present form or the older
// one (A-X5).
func IsLastResort(kp *wire.KeyPackage) bool {
	if data, ok := kp.Extensions.Find(wire.OldLastResortExtension); ok && len(data) == 0 {
		return true
	}
	dictionary, _, err := dictionaryOf(kp.Extensions)
	if err != nil {
		return false
	}
	data, ok := dictionary.Find(wire.LastResortComponent)
	return ok && len(data) == 0
}

func signLeaf(s *suite.Suite, signer crypto.Signer, leaf *wire.LeafNode, groupID []byte, index LeafIndex) (err error) {
	leaf.Signature, err = signValue(s, signer, "LeafNodeTBS", &wire.LeafNodeTBS{Node: leaf, GroupID: groupID, Leaf: uint32(index)})
	return err
}

func signValue(s *suite.Suite, signer crypto.Signer, label string, v syntax.Value) ([]byte, error) {
	data, err := marshal(v)
	if err != nil {
		return nil, err
	}
	signature, err := s.SignWithLabel(signer, label, data)
	return signature, because(RuleSignature, err)
}

func verifyValue(s *suite.Suite, public []byte, label string, v syntax.Value, signature []byte, rule string) error {
	data, err := marshal(v)
	if err != nil {
		return err
	}
	return because(rule, s.VerifyWithLabel(public, label, data, signature))
}

func marshal(v syntax.Value) ([]byte, error) {
	data, err := syntax.Marshal(v)
	return data, because(RuleEncoding, err)
}
