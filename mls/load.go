package mls

import (
	"bytes"
	"crypto"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"parley/mls/internal/schedule"
	"parley/mls/internal/tree"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

// Records of a member beside those of the public group.
const (
	keyMember     = "m"  // memberHeader
	keyOwn        = "k/" // k/LEAF/NODE: private keys of an own leaf
	keyUpdate     = "u/" // u/REF: an own Update that waits
	keySent       = "s/" // s/HASH: an own private proposal that has not come back; s/leave/LEAF: the SelfRemove of the epoch
	keyCommit     = "c/" // the own commit that has not come back
	keyOrigin     = "o"  // origin
	keyEpoch      = "e/" // e/EPOCH/...
	epochKeys     = "k/" // the secrets of the epoch, gone when it is past
	epochMessages = "m/" // its secret tree
	epochPast     = "p"  // pastHeader
)

// ofMember tells the member's own records from those of the public group and from other people's.
func ofMember(key string) bool {
	if key == keyMember || key == keyOrigin {
		return true
	}
	for _, prefix := range []string{keyOwn, keyUpdate, keySent, keyCommit, keyEpoch} {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

func epochPrefix(epoch uint64) string { return fmt.Sprintf("%s%016x/", keyEpoch, epoch) }

func ownPrefix(leaf LeafIndex) string { return fmt.Sprintf("%s%d/", keyOwn, leaf) }

type memberHeader struct {
	own  []uint32
	past []uint64
	live uint8 // the epoch's secrets are here
}

func (v *memberHeader) Syntax(c *syntax.Codec) {
	syntax.U32s(c, &v.own)
	syntax.Vector(c, &v.past, func(c *syntax.Codec, e *uint64) { syntax.U64(c, e) })
	syntax.Closed(c, &v.live, 0, 1)
}

type savedUpdate struct {
	leaf            uint32
	public, private []byte
}

func (v *savedUpdate) Syntax(c *syntax.Codec) {
	syntax.U32(c, &v.leaf)
	syntax.Opaque(c, &v.public)
	syntax.Opaque(c, &v.private)
}

type commitHeader struct {
	hash []byte
	leaf uint32
	key  []byte // signature key of the committer's new leaf
	path uint8
}

func (v *commitHeader) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &v.hash)
	syntax.U32(c, &v.leaf)
	syntax.Opaque(c, &v.key)
	syntax.Closed(c, &v.path, 0, 1)
}

type pastHeader struct {
	context    wire.GroupContext
	width      uint32
	senderData []byte
	resumption []byte
	leaves     []pastLeaf
}

type pastLeaf struct {
	at   uint32
	leaf *wire.LeafNode
}

func (v *pastLeaf) Syntax(c *syntax.Codec) {
	syntax.U32(c, &v.at)
	syntax.OptionalStruct(c, &v.leaf)
}

func (v *pastHeader) Syntax(c *syntax.Codec) {
	v.context.Syntax(c)
	syntax.U32(c, &v.width)
	syntax.Opaque(c, &v.senderData)
	syntax.Opaque(c, &v.resumption)
	syntax.Structs(c, &v.leaves)
}

// keep notes which secret records exist, so that they can be deleted, and overwrites loaded ones that were replaced.
func (g *Group) keep(d Delta) Delta {
	for _, r := range d {
		suite.Wipe(g.stored[r.Key])
		if r.Value == nil {
			delete(g.stored, r.Key)
			continue
		}
		g.stored[r.Key] = nil
	}
	return d
}

// deleteStored deletes the secret records under a prefix.
func (g *Group) deleteStored(prefix string) Delta {
	var d Delta
	for _, key := range slices.Sorted(maps.Keys(g.stored)) {
		if strings.HasPrefix(key, prefix) {
			d.Delete(key)
		}
	}
	return g.keep(d)
}

// mergeDelta joins deltas of which the later wins.
func mergeDelta(parts ...Delta) Delta {
	var out Delta
	at := map[string]int{}
	for _, d := range parts {
		for _, r := range d {
			if i, ok := at[r.Key]; ok {
				out[i] = r
				continue
			}
			at[r.Key] = len(out)
			out = append(out, r)
		}
	}
	return out
}

func (g *Group) memberHeader() *memberHeader {
	h := &memberHeader{}
	for _, o := range g.own {
		h.own = append(h.own, uint32(o.leaf))
	}
	for _, e := range g.past {
		h.past = append(h.past, e.context.Epoch)
	}
	if g.epoch != nil {
		h.live = 1
	}
	return h
}

// Save returns all records of the group. It is written once, after Create, Join or ExternalJoin; from then on deltas carry the changes.
func (g *Group) Save() (Delta, error) {
	public, err := g.public.Save()
	if err != nil {
		return nil, err
	}
	d := deltaBuilder{Delta: public}
	var secrets deltaBuilder
	for _, key := range slices.Sorted(maps.Keys(g.stored)) {
		if value := g.stored[key]; value != nil {
			secrets.Put(key, bytes.Clone(value))
		}
	}
	secrets.put(keyMember, g.memberHeader())
	for _, o := range g.own {
		secrets.append(o.keys.Delta(ownPrefix(o.leaf), nil))
	}
	for ref, u := range g.updates {
		secrets.put(keyUpdate+hex.EncodeToString([]byte(ref)), &savedUpdate{uint32(u.leaf), u.public, u.private})
	}
	if g.origin != nil {
		secrets.put(keyOrigin, g.origin)
	}
	if g.epoch != nil {
		prefix := epochPrefix(g.public.Epoch())
		secrets.check(g.epoch.Save(prefix+epochKeys, &secrets.Delta))
		g.messages.MarkAll()
		secrets.append(g.messages.TakeDelta(prefix + epochMessages))
	}
	for _, e := range g.past {
		secrets.put(epochPrefix(e.context.Epoch)+epochPast, e.header())
		e.messages.MarkAll()
		secrets.append(e.messages.TakeDelta(epochPrefix(e.context.Epoch) + epochMessages))
	}
	if g.pending != nil {
		secrets.append(g.pending.save())
	}
	if secrets.err != nil {
		return nil, secrets.err
	}
	return append(d.Delta, mergeDelta(g.keepLoaded(mergeDelta(secrets.Delta)))...), nil
}

// keepLoaded is keep without overwriting: the values stay in use.
func (g *Group) keepLoaded(d Delta) Delta {
	for _, r := range d {
		if _, known := g.stored[r.Key]; !known && r.Value != nil {
			g.stored[r.Key] = nil
		}
	}
	return d
}

func (d *deltaBuilder) check(err error) {
	if err != nil {
		d.fail(because(RuleEncoding, err))
	}
}

func (p *pendingCommit) save() (Delta, error) {
	var d deltaBuilder
	h := commitHeader{hash: p.hash, leaf: uint32(p.leaf), key: p.key}
	if p.keys != nil {
		h.path = 1
		d.append(p.keys.Delta(keyCommit+"n/", nil))
	}
	d.put(keyCommit+"h", &h)
	d.check(p.epoch.Save(keyCommit+epochKeys, &d.Delta))
	return d.Delta, d.err
}

func (e *pastEpoch) header() *pastHeader {
	h := &pastHeader{context: *e.context, width: e.width, senderData: e.senderData, resumption: e.resumption}
	for _, at := range slices.Sorted(maps.Keys(e.leaves)) {
		h.leaves = append(h.leaves, pastLeaf{uint32(at), e.leaves[at]})
	}
	return h
}

func (e *pastEpoch) senderDataKey(s *suite.Suite) func([]byte) (key, nonce []byte) {
	return func(ciphertext []byte) (key, nonce []byte) {
		return schedule.SenderDataKey(s, e.senderData, ciphertext)
	}
}

// Forget overwrites all secrets and returns the deletion of all records. The group is not used afterwards.
func (g *Group) Forget() Delta {
	var d Delta
	d.Delete(keyHeader)
	for _, change := range g.public.tree.Diff(nil) {
		d.Delete(keyNode + strconv.FormatUint(uint64(change.At), 10))
	}
	for i := range g.public.pending {
		d.Delete(pendingKey(i))
	}
	d = append(d, g.deleteStored("")...)
	if g.pending != nil {
		g.pending.wipe(nil)
		g.pending = nil
	}
	if g.epoch != nil {
		g.epoch.Wipe()
		g.messages.Wipe()
		g.epoch, g.messages = nil, nil
	}
	for _, e := range g.past {
		e.wipe()
	}
	for _, u := range g.updates {
		suite.Wipe(u.private)
	}
	for _, o := range g.own {
		o.keys.Retire(nil)
	}
	d = append(d, g.forgetOrigin()...)
	g.own, g.past, g.updates = nil, nil, nil
	return d
}

// LoadGroup reads a group back from the records that Save and deltas wrote; other keys are passed over. signerOf returns the key that
// signs for an own leaf, by its public signature key.
func LoadGroup(cfg *Config, records []Record, signerOf func(signatureKey []byte) crypto.Signer) (*Group, error) {
	public, err := LoadPublicGroup(cfg, records)
	if err != nil {
		return nil, err
	}
	g := &Group{cfg: cfg, public: public, updates: map[string]*ownUpdate{}, signerOf: signerOf, stored: map[string][]byte{}}
	for _, r := range records {
		if ofMember(r.Key) {
			g.stored[r.Key] = bytes.Clone(r.Value)
		}
	}
	octets, ok := g.stored[keyMember]
	if !ok {
		return nil, broken(RuleStored)
	}
	var header memberHeader
	if err := load(octets, &header); err != nil {
		return nil, err
	}
	if err := g.loadOwn(&header, records); err != nil {
		return nil, err
	}
	if err := g.loadEpochs(&header); err != nil {
		return nil, err
	}
	if err := g.loadUpdates(); err != nil {
		return nil, err
	}
	if octets, ok := g.get(keyOrigin); ok {
		g.origin = new(origin)
		if err := load(octets, g.origin); err != nil {
			return nil, err
		}
	}
	return g, g.loadCommit(records)
}

func (g *Group) get(key string) ([]byte, bool) {
	value, ok := g.stored[key]
	return value, ok && value != nil
}

func (g *Group) signer(public []byte) (crypto.Signer, error) {
	if g.signerOf == nil {
		return nil, broken(RuleOwnLeaf)
	}
	signer := g.signerOf(public)
	if signer == nil {
		return nil, broken(RuleOwnLeaf)
	}
	return signer, nil
}

func (g *Group) loadOwn(h *memberHeader, records []Record) error {
	for _, at := range h.own {
		leaf := LeafIndex(at)
		node := g.public.Leaf(leaf)
		if node == nil {
			return broken(RuleStored)
		}
		signer, err := g.signer(node.SignatureKey)
		if err != nil {
			return err
		}
		keys, err := tree.LoadKeys(leaf, ownPrefix(leaf), records)
		if err != nil {
			return because(RuleStored, err)
		}
		g.own = append(g.own, &ownLeaf{leaf, signer, keys})
	}
	return nil
}

func (g *Group) loadEpochs(h *memberHeader) error {
	s, limits := g.public.suite, g.cfg.ratchetLimits()
	if h.live == 1 {
		prefix := epochPrefix(g.public.Epoch())
		var err error
		if g.epoch, err = loadEpochSecrets(s, prefix+epochKeys, g.get); err != nil {
			return err
		}
		g.messages = schedule.LoadSecretTree(s, g.public.tree.Leaves(), limits, prefix+epochMessages, g.get)
	}
	for _, epoch := range h.past {
		octets, ok := g.get(epochPrefix(epoch) + epochPast)
		if !ok {
			return broken(RuleStored)
		}
		var v pastHeader
		if err := load(octets, &v); err != nil {
			return err
		}
		needs, err := needsOf(v.context.Extensions)
		if err != nil {
			return err
		}
		e := &pastEpoch{
			context: &v.context, needs: needs, leaves: map[LeafIndex]*wire.LeafNode{}, width: v.width,
			senderData: v.senderData, resumption: v.resumption,
			messages: schedule.LoadSecretTree(s, v.width, limits, epochPrefix(epoch)+epochMessages, g.get),
		}
		for _, l := range v.leaves {
			e.leaves[LeafIndex(l.at)] = l.leaf
		}
		g.past = append(g.past, e)
	}
	return nil
}

func (g *Group) loadUpdates() error {
	for _, key := range slices.Sorted(maps.Keys(g.stored)) {
		text, ok := strings.CutPrefix(key, keyUpdate)
		if !ok {
			continue
		}
		ref, err := hex.DecodeString(text)
		if err != nil {
			return broken(RuleStored)
		}
		var v savedUpdate
		if err := load(g.stored[key], &v); err != nil {
			return err
		}
		g.updates[string(ref)] = &ownUpdate{leaf: LeafIndex(v.leaf), public: v.public, private: v.private}
	}
	return nil
}

func (g *Group) loadCommit(records []Record) error {
	octets, ok := g.get(keyCommit + "h")
	if !ok {
		return nil
	}
	var h commitHeader
	if err := load(octets, &h); err != nil {
		return err
	}
	p := &pendingCommit{hash: h.hash, leaf: LeafIndex(h.leaf), key: h.key}
	var err error
	if p.signer, err = g.signer(h.key); err != nil {
		return err
	}
	if p.epoch, err = loadEpochSecrets(g.public.suite, keyCommit+epochKeys, g.get); err != nil {
		return err
	}
	if h.path == 1 {
		if p.keys, err = tree.LoadKeys(p.leaf, keyCommit+"n/", records); err != nil {
			return because(RuleStored, err)
		}
	}
	g.pending = p
	return nil
}
