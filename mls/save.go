package mls

import (
	"bytes"
	"fmt"
	"strings"

	"parley/mls/internal/schedule"
	"parley/mls/internal/tree"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

// Records of a public group: one for its header, one for each node of the tree and one for each pending proposal, so that a commit
// writes what it changed and nothing else.
const (
	keyHeader  = "g"
	keyNode    = "t/"
	keyPending = "p/"
)

// publicHeader is what changes with every epoch.
type publicHeader struct {
	context wire.GroupContext
	tag     []byte
	interim []byte
	reinit  *wire.ReInit
}

func (v *publicHeader) Syntax(c *syntax.Codec) {
	v.context.Syntax(c)
	syntax.Opaque(c, &v.tag)
	syntax.Opaque(c, &v.interim)
	syntax.OptionalStruct(c, &v.reinit)
}

// savedPending is the stored form of a pending proposal. One that came in the clear is kept as it came, because others get it again.
type savedPending struct {
	ref      []byte
	message  *wire.Message
	format   wire.WireFormat
	sender   wire.Sender
	proposal wire.Proposal
}

func (v *savedPending) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &v.ref)
	syntax.OptionalStruct(c, &v.message)
	if v.message != nil || c.Err() != nil {
		return
	}
	syntax.U16(c, &v.format)
	v.sender.Syntax(c)
	v.proposal.Syntax(c)
}

func pendingKey(index int) string { return fmt.Sprintf("%s%04x", keyPending, index) }

func (d *deltaBuilder) header(g *PublicGroup) {
	d.put(keyHeader, &publicHeader{context: *g.context, tag: g.tag, interim: g.interim, reinit: g.reinit})
}

func (d *deltaBuilder) pending(index int, p *Pending) {
	saved := savedPending{ref: p.Ref, message: p.Message, format: p.Format, sender: p.Sender}
	if p.Message == nil {
		saved.proposal = *p.Proposal
	}
	d.put(pendingKey(index), &saved)
}

// deltaBuilder gathers records and keeps the first error.
type deltaBuilder struct {
	Delta
	err error
}

func (d *deltaBuilder) put(key string, v syntax.Value) {
	octets, err := marshal(v)
	if err != nil {
		d.fail(err)
		return
	}
	d.Put(key, octets)
}

func (d *deltaBuilder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

func (d *deltaBuilder) append(more Delta, err error) {
	if err != nil {
		d.fail(because(RuleEncoding, err))
		return
	}
	d.Delta = append(d.Delta, more...)
}

// Save returns all records of the group.
func (g *PublicGroup) Save() (Delta, error) {
	var d deltaBuilder
	d.header(g)
	d.append(g.tree.Delta(keyNode, nil))
	for i := range g.pending {
		d.pending(i, &g.pending[i])
	}
	return d.Delta, d.err
}

// changes returns the records that lead from g to next, which a proposal or a commit made of it.
func (g *PublicGroup) changes(next *PublicGroup) (Delta, error) {
	var d deltaBuilder
	if next.context == g.context {
		for i := len(g.pending); i < len(next.pending); i++ {
			d.pending(i, &next.pending[i])
		}
		return d.Delta, d.err
	}
	d.header(next)
	d.append(next.tree.Delta(keyNode, g.tree))
	for i := range g.pending {
		d.Delete(pendingKey(i))
	}
	return d.Delta, d.err
}

// LoadPublicGroup reads a group back from the records that Save and deltas wrote; other keys are passed over. The records are trusted
// as far as their writer was: signatures were checked then, the tree is held against its hash again.
func LoadPublicGroup(cfg *Config, records []Record) (*PublicGroup, error) {
	var header *publicHeader
	pending := map[string]*savedPending{}
	for _, r := range records {
		switch {
		case r.Key == keyHeader:
			header = new(publicHeader)
			if err := load(r.Value, header); err != nil {
				return nil, err
			}
		case strings.HasPrefix(r.Key, keyPending):
			p := new(savedPending)
			if err := load(r.Value, p); err != nil {
				return nil, err
			}
			pending[r.Key] = p
		}
	}
	if header == nil {
		return nil, broken(RuleStored)
	}
	s, err := cfg.Suites.Lookup(header.context.Suite)
	if err != nil {
		return nil, because(RuleSuite, err)
	}
	t, err := tree.Load(s, keyNode, records, cfg.treeLimits())
	if err != nil {
		return nil, because(RuleStored, err)
	}
	if !bytes.Equal(t.Hash(), header.context.TreeHash) {
		return nil, broken(RuleStored)
	}
	g := &PublicGroup{
		cfg: cfg, suite: s, context: &header.context, tree: t, tag: header.tag, interim: header.interim, reinit: header.reinit,
		census: newCensus(),
	}
	if g.needs, err = needsOf(g.context.Extensions); err != nil {
		return nil, err
	}
	if g.octets, err = marshal(g.context); err != nil {
		return nil, err
	}
	for _, leaf := range t.All() {
		g.census.count(leaf, 1)
	}
	for i := range len(pending) {
		p, ok := pending[pendingKey(i)]
		if !ok {
			return nil, broken(RuleStored)
		}
		g.pending = append(g.pending, p.restore())
	}
	return g, nil
}

func (v *savedPending) restore() Pending {
	p := Pending{Ref: v.ref, Message: v.message, Format: v.format, Sender: v.sender, Proposal: &v.proposal}
	if v.message != nil && v.message.Public != nil {
		content := &v.message.Public.Content
		p.Format, p.Sender, p.Proposal = v.message.Format, content.Sender, content.Proposal
	}
	return p
}

// load decodes a stored value. The octets may be the caller's, which are not to be overwritten with the secrets in them.
func load(octets []byte, v syntax.Value) error {
	return because(RuleStored, syntax.Unmarshal(bytes.Clone(octets), v))
}

// loadEpochSecrets reads the secrets of an epoch back.
func loadEpochSecrets(s *suite.Suite, prefix string, get func(string) ([]byte, bool)) (*schedule.Epoch, error) {
	e, err := schedule.LoadEpoch(s, prefix, get)
	return e, because(RuleStored, err)
}
