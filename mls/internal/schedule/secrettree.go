package schedule

import (
	"errors"
	"maps"
	"slices"
	"strconv"

	"parley/mls/internal/state"
	"parley/mls/suite"
	"parley/syntax"
)

// Ratchet is one of the two ratchets of a sender.
type Ratchet uint8

const (
	Handshake Ratchet = iota
	Application
)

// ratchetLabels is constant: the labels of RFC 9420 §9, by Ratchet.
var ratchetLabels = [2]string{"handshake", "application"}

// Limits bound what a received message can cost. A zero field means its default.
type Limits struct {
	MaxSkip uint32 // generations that a ratchet steps forward for one message; default 1,000
	Keep    int    // keys kept per ratchet for messages that come late, the newest ones; default 32
}

const (
	defaultMaxSkip = 1000
	defaultKeep    = 32
)

// Reasons for which there is no key.
var (
	ErrTooFar = errors.New("schedule: generation is too far ahead")
	ErrUsed   = errors.New("schedule: key was used or dropped")
	ErrLeaf   = errors.New("schedule: no such leaf")
)

// SecretTree gives the keys of one epoch's messages (RFC 9420 §9).
type SecretTree struct {
	suite    *suite.Suite
	limits   Limits
	nodes    *nodes
	ratchets map[ratchetID]*ratchet
	dirty    map[ratchetID]bool
	get      func(key string) ([]byte, bool)
	prefix   string
}

type ratchetID struct {
	leaf uint32
	kind Ratchet
}

func (id ratchetID) key() string {
	return "r/" + strconv.FormatUint(uint64(id.leaf), 16) + "/" + strconv.Itoa(int(id.kind))
}

// ratchet is the state of one sender's ratchet: the secret of generation next, and the keys of earlier ones that did not come.
type ratchet struct {
	secret  []byte
	next    uint32
	skipped []messageKey // ascending generations
}

type messageKey struct {
	generation uint32
	key, nonce []byte
}

func (v *messageKey) Syntax(c *syntax.Codec) {
	syntax.U32(c, &v.generation)
	syntax.Opaque(c, &v.key)
	syntax.Opaque(c, &v.nonce)
}

func (v *ratchet) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &v.secret)
	syntax.U32(c, &v.next)
	syntax.Structs(c, &v.skipped)
}

// NewSecretTree starts from the epoch's encryption secret, which becomes the tree's and is overwritten with its first use.
func NewSecretTree(s *suite.Suite, encryptionSecret []byte, leaves uint32, l Limits) *SecretTree {
	return &SecretTree{suite: s, limits: l.filled(), nodes: newNodes(s, encryptionSecret, leaves),
		ratchets: make(map[ratchetID]*ratchet), dirty: make(map[ratchetID]bool)}
}

// LoadSecretTree reads a tree back; records are fetched when they are needed.
func LoadSecretTree(s *suite.Suite, leaves uint32, l Limits, prefix string, get func(key string) ([]byte, bool)) *SecretTree {
	return &SecretTree{suite: s, limits: l.filled(), nodes: loadNodes(s, leaves, prefix+"n/", get),
		ratchets: make(map[ratchetID]*ratchet), dirty: make(map[ratchetID]bool), get: get, prefix: prefix}
}

func (l Limits) filled() Limits {
	if l.MaxSkip == 0 {
		l.MaxSkip = defaultMaxSkip
	}
	if l.Keep == 0 {
		l.Keep = defaultKeep
	}
	return l
}

// Use is a key that was looked at and not used up yet.
type Use struct {
	id      ratchetID
	key     messageKey
	late    bool       // one of the skipped keys
	from    uint32     // keys of earlier generations are the ratchet's own
	after   *ratchet   // the ratchet once the key is used, when it is not a late one
	started bool       // the ratchets of the leaf do not exist yet
	others  [2][]byte  // with started: first secrets of both ratchets
	change  nodeChange // with started: what that does to the tree
}

// Key and Nonce are the message's, before the reuse guard. They share memory with the use.
func (u *Use) Key() []byte   { return u.key.key }
func (u *Use) Nonce() []byte { return u.key.nonce }

// Next takes the next key of an own leaf for sending. The caller stores the delta before the ciphertext leaves.
func (t *SecretTree) Next(leaf uint32, r Ratchet) (generation uint32, key, nonce []byte, err error) {
	current, err := t.current(ratchetID{leaf, r})
	if err != nil {
		return 0, nil, nil, err
	}
	u, err := t.Peek(leaf, r, current)
	if err != nil {
		return 0, nil, nil, err
	}
	key, nonce = append([]byte(nil), u.key.key...), append([]byte(nil), u.key.nonce...)
	t.Consume(u)
	return current, key, nonce, nil
}

func (t *SecretTree) current(id ratchetID) (uint32, error) {
	r, err := t.ratchet(id)
	if err != nil || r == nil {
		return 0, err
	}
	return r.next, nil
}

// ratchet returns a ratchet that was started already, nil otherwise.
func (t *SecretTree) ratchet(id ratchetID) (*ratchet, error) {
	if r, ok := t.ratchets[id]; ok {
		return r, nil
	}
	if t.get == nil {
		return nil, nil
	}
	octets, ok := t.get(t.prefix + id.key())
	if !ok {
		return nil, nil
	}
	r := new(ratchet)
	if err := syntax.Unmarshal(append([]byte(nil), octets...), r); err != nil {
		return nil, ErrSaved
	}
	t.ratchets[id] = r
	return r, nil
}

// Peek derives the key of a received message and changes nothing. ErrUsed: replayed, or too late. ErrTooFar: the generation is
// beyond the limit.
func (t *SecretTree) Peek(leaf uint32, kind Ratchet, generation uint32) (*Use, error) {
	u := &Use{id: ratchetID{leaf, kind}}
	r, err := t.ratchet(u.id)
	if err != nil {
		return nil, err
	}
	if r == nil {
		if r, err = t.start(u); err != nil {
			return nil, err
		}
	}
	if generation < r.next {
		return u, u.fromSkipped(r, generation)
	}
	if generation-r.next > t.limits.MaxSkip || generation == 1<<32-1 {
		u.Discard()
		return nil, ErrTooFar
	}
	t.advance(u, r, generation)
	return u, nil
}

// start derives the first secrets of a leaf's ratchets from the tree.
func (t *SecretTree) start(u *Use) (*ratchet, error) {
	secret, change := t.nodes.leaf(u.id.leaf)
	if secret == nil {
		return nil, ErrLeaf
	}
	u.started, u.change = true, change
	for i, label := range ratchetLabels {
		u.others[i] = t.suite.ExpandWithLabel(secret, label, nil, t.suite.HashSize())
	}
	suite.Wipe(secret)
	return &ratchet{secret: u.others[u.id.kind]}, nil
}

func (u *Use) fromSkipped(r *ratchet, generation uint32) error {
	i, ok := r.find(generation)
	if !ok {
		return ErrUsed
	}
	u.late, u.key = true, r.skipped[i]
	return nil
}

func (r *ratchet) find(generation uint32) (int, bool) {
	return slices.BinarySearchFunc(r.skipped, generation, func(k messageKey, g uint32) int {
		return int(int64(k.generation) - int64(g))
	})
}

// advance steps a copy of the ratchet to behind the generation. Keys on the way are derived only as far as they will be kept.
func (t *SecretTree) advance(u *Use, r *ratchet, generation uint32) {
	u.from = r.next
	after := &ratchet{secret: append([]byte(nil), r.secret...), next: r.next, skipped: slices.Clone(r.skipped)}
	for after.next < generation {
		if generation-after.next <= uint32(t.limits.Keep) {
			after.skipped = append(after.skipped, t.keyOf(after.secret, after.next))
		}
		t.step(after)
	}
	u.key = t.keyOf(after.secret, generation)
	t.step(after)
	u.after = after
}

func (t *SecretTree) keyOf(secret []byte, generation uint32) messageKey {
	return messageKey{
		generation: generation,
		key:        t.suite.DeriveTreeSecret(secret, "key", generation, t.suite.KeySize()),
		nonce:      t.suite.DeriveTreeSecret(secret, "nonce", generation, t.suite.NonceSize()),
	}
}

func (t *SecretTree) step(r *ratchet) {
	next := t.suite.DeriveTreeSecret(r.secret, "secret", r.next, t.suite.HashSize())
	suite.Wipe(r.secret)
	r.secret = next
	r.next++
}

// Consume uses the key up: it and everything that could derive it again are overwritten. A use is consumed once, before the next
// Peek of the same sender is consumed.
func (t *SecretTree) Consume(u *Use) {
	if u.started {
		t.nodes.apply(u.change)
		for kind := range u.others {
			id := ratchetID{u.id.leaf, Ratchet(kind)}
			t.ratchets[id] = &ratchet{secret: u.others[kind]}
			t.dirty[id] = true
		}
	}
	r := t.ratchets[u.id]
	if u.late {
		if i, ok := r.find(u.key.generation); ok {
			r.skipped = slices.Delete(slices.Clone(r.skipped), i, i+1)
		}
	} else {
		suite.Wipe(r.secret)
		*r = *u.after
		for len(r.skipped) > t.limits.Keep {
			r.skipped[0].wipe()
			r.skipped = r.skipped[1:]
		}
	}
	u.key.wipe()
	t.dirty[u.id] = true
}

// Discard overwrites what was derived for a use that is not consumed.
func (u *Use) Discard() {
	for _, secret := range u.others {
		suite.Wipe(secret)
	}
	for _, secret := range u.change.add {
		suite.Wipe(secret)
	}
	if u.late {
		return // the key is the ratchet's own
	}
	u.key.wipe()
	if u.after == nil {
		return
	}
	suite.Wipe(u.after.secret)
	for i := range u.after.skipped {
		if u.after.skipped[i].generation >= u.from {
			u.after.skipped[i].wipe()
		}
	}
}

func (k *messageKey) wipe() {
	suite.Wipe(k.key)
	suite.Wipe(k.nonce)
}

// TakeDelta returns what changed since the last call.
func (t *SecretTree) TakeDelta(prefix string) (state.Delta, error) {
	d := t.nodes.takeDelta(prefix + "n/")
	ids := slices.SortedFunc(maps.Keys(t.dirty), func(a, b ratchetID) int {
		if a.leaf != b.leaf {
			return int(int64(a.leaf) - int64(b.leaf))
		}
		return int(a.kind) - int(b.kind)
	})
	for _, id := range ids {
		octets, err := syntax.Marshal(t.ratchets[id])
		if err != nil {
			return nil, err
		}
		d.Put(prefix+id.key(), octets)
	}
	clear(t.dirty)
	return d, nil
}

// MarkAll makes the next TakeDelta return everything that is held in memory.
func (t *SecretTree) MarkAll() {
	t.nodes.dirtyAll()
	for id := range t.ratchets {
		t.dirty[id] = true
	}
}

// Wipe overwrites all secrets; the tree gives no key afterwards.
func (t *SecretTree) Wipe() {
	t.nodes.wipe()
	for _, r := range t.ratchets {
		suite.Wipe(r.secret)
		for i := range r.skipped {
			r.skipped[i].wipe()
		}
	}
	clear(t.ratchets)
	t.get = nil
}
