package mls

import (
	"slices"
	"time"

	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

// checkLeaf makes the checks of RFC 9420 §7.3 that need only the leaf and the group's demands n, then asks the caller. Uniqueness of
// keys is the tree's to check, credential types of the other members the census's.
func (c *Config) checkLeaf(s *suite.Suite, check LeafCheck, n *needs, groupID []byte, index LeafIndex) error {
	leaf := check.Leaf
	if err := c.checkLeafLimits(leaf); err != nil {
		return err
	}
	if !sourceFits(check.Use, leaf.Source) {
		return broken(RuleLeafSource)
	}
	tbs := wire.LeafNodeTBS{Node: leaf, GroupID: groupID, Leaf: uint32(index)}
	if err := c.verifyLeaf(s, leaf, &tbs); err != nil {
		return err
	}
	if (check.Use == UseKeyPackage || check.Use == UseAdd) && !lifetimeIncludes(leaf.Lifetime, check.Now) {
		return broken(RuleLeafLifetime)
	}
	if err := checkOwnCapabilities(s, leaf); err != nil {
		return err
	}
	if err := n.checkLeaf(leaf); err != nil {
		return err
	}
	if c.ValidateLeaf == nil {
		return nil
	}
	return because(RuleLeafCredential, c.ValidateLeaf(check))
}

func (c *Config) checkLeafLimits(leaf *wire.LeafNode) error {
	l, caps := c.limits(), &leaf.Capabilities
	longest := max(len(caps.Versions), len(caps.Suites), len(caps.Extensions), len(caps.Proposals), len(caps.Credentials))
	if len(leaf.Extensions) > l.Extensions || longest > l.Capabilities {
		return broken(RuleLimit)
	}
	return nil
}

func sourceFits(use LeafUse, source wire.LeafNodeSource) bool {
	switch use {
	case UseKeyPackage, UseAdd:
		return source == wire.KeyPackageSource
	case UseUpdate:
		return source == wire.UpdateSource
	case UseCommitPath, UseExternalCommit:
		return source == wire.CommitSource
	}
	return true
}

func lifetimeIncludes(l wire.Lifetime, now time.Time) bool {
	if now.IsZero() {
		return true
	}
	at := now.Unix()
	return at >= 0 && l.NotBefore <= uint64(at) && uint64(at) <= l.NotAfter
}

// checkOwnCapabilities checks that the leaf lists what it uses itself (RFC 9420 §7.2).
func checkOwnCapabilities(s *suite.Suite, leaf *wire.LeafNode) error {
	caps := &leaf.Capabilities
	ok := slices.Contains(caps.Versions, wire.MLS10) && slices.Contains(caps.Suites, s.ID()) &&
		slices.Contains(caps.Credentials, leaf.Credential.Type)
	for _, e := range leaf.Extensions {
		ok = ok && supportsExtension(caps, e.Type)
	}
	if !ok {
		return broken(RuleLeafCapabilities)
	}
	dictionary, _, err := dictionaryOf(leaf.Extensions)
	if err != nil {
		return err
	}
	_, err = mediaTypes(&dictionary)
	return err
}

func supportsExtension(caps *wire.Capabilities, t wire.ExtensionType) bool {
	return t.IsDefault() || slices.Contains(caps.Extensions, t)
}

func supportsProposal(caps *wire.Capabilities, t wire.ProposalType) bool {
	return t.IsDefault() || slices.Contains(caps.Proposals, t)
}

// needs is what a GroupContext demands of every member.
type needs struct {
	extensions  []wire.ExtensionType
	proposals   []wire.ProposalType
	credentials []wire.CredentialType
	components  []wire.ComponentID
	formats     []wire.WireFormat
	media       []wire.MediaType // of content_media_types; binds committers and senders (mls-extensions §6.2)
	receivers   []wire.ExternalReceiver
	safeAAD     bool // authenticated data is a SafeAAD (mls-extensions §4.9)
}

// needsOf collects what the extensions of a GroupContext demand: the types of required_capabilities (RFC 9420 §11.1), the
// extensions themselves (§12.1.7), components and wire formats (mls-extensions §5, §7.1).
func needsOf(list wire.Extensions) (*needs, error) {
	n := &needs{}
	required, err := requiredCapabilities(list)
	if err != nil {
		return nil, err
	}
	n.extensions, n.proposals, n.credentials = required.Extensions, required.Proposals, required.Credentials
	for _, e := range list {
		if !e.Type.IsDefault() {
			n.extensions = append(n.extensions, e.Type)
		}
	}
	dictionary, _, err := dictionaryOf(list)
	if err != nil {
		return nil, err
	}
	components, _, err := componentsList(&dictionary, wire.AppComponentsComponent)
	if err != nil {
		return nil, err
	}
	n.components = components.IDs
	_, n.safeAAD = dictionary.Find(wire.SafeAADComponent)
	if n.media, err = mediaTypes(&dictionary); err != nil {
		return nil, err
	}
	if n.receivers, err = externalReceivers(&dictionary); err != nil {
		return nil, err
	}
	if data, ok := list.Find(wire.RequiredWireFormatsExtension); ok {
		var formats wire.WireFormats
		if err := syntax.Unmarshal(data, &formats); err != nil {
			return nil, because(RuleContext, err)
		}
		n.formats = formats.Formats
	}
	return n, nil
}

func (n *needs) empty() bool {
	return len(n.extensions)+len(n.proposals)+len(n.credentials)+len(n.components)+len(n.formats) == 0
}

func (n *needs) equal(o *needs) bool {
	return slices.Equal(n.extensions, o.extensions) && slices.Equal(n.proposals, o.proposals) &&
		slices.Equal(n.credentials, o.credentials) && slices.Equal(n.components, o.components) && slices.Equal(n.formats, o.formats) &&
		n.safeAAD == o.safeAAD && sameMedia(n.media, o.media)
}

// checkLeaf reports whether a leaf fulfils the demands.
func (n *needs) checkLeaf(leaf *wire.LeafNode) error {
	if n.empty() {
		return nil
	}
	caps := &leaf.Capabilities
	for _, t := range n.extensions {
		if !supportsExtension(caps, t) {
			return broken(RuleLeafCapabilities)
		}
	}
	for _, t := range n.proposals {
		if !supportsProposal(caps, t) {
			return broken(RuleLeafCapabilities)
		}
	}
	for _, t := range n.credentials {
		if !slices.Contains(caps.Credentials, t) {
			return broken(RuleLeafCapabilities)
		}
	}
	if err := n.checkFormats(leaf); err != nil {
		return err
	}
	return n.checkComponents(leaf)
}

func (n *needs) checkFormats(leaf *wire.LeafNode) error {
	if len(n.formats) == 0 {
		return nil
	}
	var supported wire.WireFormats
	if data, ok := leaf.Extensions.Find(wire.SupportedWireFormatsExtension); ok {
		if err := syntax.Unmarshal(data, &supported); err != nil {
			return because(RuleLeafCapabilities, err)
		}
	}
	for _, f := range n.formats {
		if !f.IsDefault() && !slices.Contains(supported.Formats, f) {
			return broken(RuleLeafCapabilities)
		}
	}
	return nil
}

// checkComponents refuses a leaf that does not list a component which the group requires (mls-extensions §5, X-NEG-02).
func (n *needs) checkComponents(leaf *wire.LeafNode) error {
	if len(n.components) == 0 {
		return nil
	}
	dictionary, _, err := dictionaryOf(leaf.Extensions)
	if err != nil {
		return err
	}
	supported, _, err := componentsList(&dictionary, wire.AppComponentsComponent)
	if err != nil {
		return err
	}
	for _, id := range n.components {
		if !supported.Has(id) {
			return broken(RuleComponents)
		}
	}
	return nil
}

func requiredCapabilities(list wire.Extensions) (wire.RequiredCapabilities, error) {
	var required wire.RequiredCapabilities
	data, ok := list.Find(wire.RequiredCapabilitiesExtension)
	if !ok {
		return required, nil
	}
	err := syntax.Unmarshal(data, &required)
	return required, because(RuleContext, err)
}

// census counts what the members use and support, so that questions about everybody need no walk over the tree. It is copied
// before it is changed.
type census struct {
	members     int
	uses        map[wire.CredentialType]int
	credentials map[wire.CredentialType]int
	proposals   map[wire.ProposalType]int
}

func newCensus() *census {
	return &census{
		uses:        map[wire.CredentialType]int{},
		credentials: map[wire.CredentialType]int{},
		proposals:   map[wire.ProposalType]int{},
	}
}

func (s *census) clone() *census {
	return &census{s.members, cloneCounts(s.uses), cloneCounts(s.credentials), cloneCounts(s.proposals)}
}

func cloneCounts[T comparable](m map[T]int) map[T]int {
	out := make(map[T]int, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

// count adds a leaf (by 1) or takes it away (by -1).
func (s *census) count(leaf *wire.LeafNode, by int) {
	s.members += by
	change(s.uses, leaf.Credential.Type, by)
	for i, t := range leaf.Capabilities.Credentials {
		if !slices.Contains(leaf.Capabilities.Credentials[:i], t) {
			change(s.credentials, t, by)
		}
	}
	for i, t := range leaf.Capabilities.Proposals {
		if !slices.Contains(leaf.Capabilities.Proposals[:i], t) {
			change(s.proposals, t, by)
		}
	}
}

func change[T comparable](m map[T]int, key T, by int) {
	if m[key] += by; m[key] == 0 {
		delete(m, key)
	}
}

// checkCredentials checks that every credential type in use is supported by every member (RFC 9420 §7.3).
func (s *census) checkCredentials() error {
	for t := range s.uses {
		if s.credentials[t] != s.members {
			return broken(RuleCredentialType)
		}
	}
	return nil
}

// all reports whether every member lists the proposal type.
func (s *census) all(t wire.ProposalType) bool { return s.proposals[t] == s.members }
