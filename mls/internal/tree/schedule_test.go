package tree

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"parley/mls/internal/state"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

func x25519(t testing.TB) *suite.Suite {
	t.Helper()
	s, err := suite.Lookup(1)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// noSign stands for a signature where the test does not look at it.
func noSign(l *wire.LeafNode) error {
	l.Signature = []byte("signature")
	return nil
}

// newLeaf makes a leaf of its own for each name, and the private key of it.
func newLeaf(t testing.TB, s *suite.Suite, name string) (*wire.LeafNode, []byte) {
	t.Helper()
	ikm := sha256.Sum256([]byte(name))
	private, public, err := s.DeriveKeyPair(ikm[:])
	if err != nil {
		t.Fatal(err)
	}
	return &wire.LeafNode{
		EncryptionKey: public,
		SignatureKey:  []byte("signature key of " + name),
		Credential:    wire.Credential{Type: wire.BasicCredential, Identity: []byte(name)},
		Source:        wire.KeyPackageSource,
		Signature:     []byte("signature"),
	}, private
}

// naiveHash computes the tree hash of RFC 9420 §7.8 out of nothing but the array of nodes and the hash function.
func naiveHash(t testing.TB, s *suite.Suite, nodes []*wire.Node, at NodeIndex) []byte {
	t.Helper()
	var n *wire.Node
	if int(at) < len(nodes) {
		n = nodes[at]
	}
	opaque := func(b []byte) []byte { return append([]byte{byte(len(b))}, b...) }
	body := []byte{0}
	if n != nil {
		var v syntax.Value = n.Leaf
		if n.Leaf == nil {
			v = n.Parent
		}
		data, err := syntax.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		body = append([]byte{1}, data...)
	}
	left, isParent := at.Left()
	if !isParent {
		i := at / 2
		return s.Hash([]byte{1, byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)}, body)
	}
	right, _ := at.Right()
	return s.Hash([]byte{2}, body, opaque(naiveHash(t, s, nodes, left)), opaque(naiveHash(t, s, nodes, right)))
}

// crowd is a group of which all members' keys are known.
type crowd struct {
	t       *testing.T
	suite   *suite.Suite
	random  *rand.Rand
	tree    *Tree
	keys    map[LeafIndex]*Keys
	made    int
	stored  map[string][]byte // records of the tree
	commits int
}

func newCrowd(t *testing.T, seed uint64) *crowd {
	c := &crowd{t: t, suite: x25519(t), random: rand.New(rand.NewPCG(seed, 1)), keys: make(map[LeafIndex]*Keys),
		stored: make(map[string][]byte)}
	leaf, private := c.leaf()
	var err error
	if c.tree, err = New(c.suite, leaf, Limits{}); err != nil {
		t.Fatal(err)
	}
	if c.keys[0], err = c.tree.KeysFromWelcome(0, private, nil, 0); err != nil {
		t.Fatal(err)
	}
	c.store(nil)
	return c
}

func (c *crowd) leaf() (*wire.LeafNode, []byte) {
	c.made++
	return newLeaf(c.t, c.suite, fmt.Sprint("member ", c.made))
}

func (c *crowd) members() []LeafIndex {
	var out []LeafIndex
	for i := range c.tree.All() {
		out = append(out, i)
	}
	return out
}

// store applies the tree's delta to the records, as a caller would to its storage.
func (c *crowd) store(old *Tree) {
	d, err := c.tree.Delta("tree/", old)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, r := range d {
		if r.Value == nil {
			delete(c.stored, r.Key)
			continue
		}
		c.stored[r.Key] = r.Value
	}
}

func (c *crowd) records() []state.Record {
	var out []state.Record
	for k, v := range c.stored {
		out = append(out, state.Record{Key: k, Value: v})
	}
	return out
}

// commit makes one epoch: some updates, removes and adds, then a path of committer (an outsider when external) that all open.
func (c *crowd) commit(committer LeafIndex, updates, removes, adds int, withPath, external bool) {
	c.t.Helper()
	c.commits++
	old := c.tree
	e := old.Edit()
	others := slices.DeleteFunc(c.members(), func(i LeafIndex) bool { return i == committer && !external })
	c.random.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
	if external && removes >= len(others) {
		removes = len(others) - 1
	}
	updates, removes = min(updates, len(others)), min(removes, len(others))
	for _, i := range others[:updates] {
		leaf, private := c.leaf()
		e.Update(i, leaf)
		c.keys[i] = c.keys[i].WithLeaf(leaf.EncryptionKey, private)
	}
	for _, i := range others[len(others)-removes:] {
		e.Remove(i)
		delete(c.keys, i)
	}
	var added []LeafIndex
	privates := make(map[LeafIndex][]byte)
	for range adds {
		leaf, private := c.leaf()
		i := e.Add(leaf)
		added = append(added, i)
		privates[i] = private
	}
	provisional, err := e.Tree()
	if err != nil {
		c.t.Fatal(err)
	}
	if !withPath {
		c.tree = provisional
		for i, k := range c.keys {
			c.keys[i] = k.Retain(provisional)
		}
		c.welcome(privates, nil, committer)
		c.check(old)
		return
	}
	if external {
		committer = provisional.NextLeaf()
	}
	template := provisional.Leaf(committer)
	if external {
		template, _ = c.leaf()
	}
	next, path, err := provisional.NewPath(committer, template, noSign)
	if err != nil {
		c.t.Fatal(err)
	}
	context := next.Hash()
	up, err := path.Seal(context, added, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	applied, err := provisional.ApplyPath(committer, up, added)
	if err != nil {
		c.t.Fatal(err)
	}
	if !bytes.Equal(applied.Hash(), next.Hash()) {
		c.t.Fatal("committer and receivers disagree on the tree hash")
	}
	for i, k := range c.keys {
		if i == committer {
			continue
		}
		opened, secret, err := applied.OpenPath(provisional, k, committer, up, context, added)
		if err != nil {
			c.t.Fatalf("commit %d by %d: leaf %d of %d: %v", c.commits, committer, i, provisional.Members(), err)
		}
		if !bytes.Equal(secret, path.CommitSecret()) {
			c.t.Fatal("commit secrets differ")
		}
		c.keys[i] = opened
	}
	c.keys[committer] = path.Keys()
	c.tree = applied
	c.welcome(privates, path, committer)
	c.check(old)
}

func (c *crowd) welcome(privates map[LeafIndex][]byte, path *Path, signer LeafIndex) {
	c.t.Helper()
	for i, private := range privates {
		var secret []byte
		if path != nil {
			if secret = path.SecretFor(i); secret == nil {
				c.t.Fatal("no path secret for a new member")
			}
		}
		k, err := c.tree.KeysFromWelcome(i, private, secret, signer)
		if err != nil {
			c.t.Fatal(err)
		}
		c.keys[i] = k
	}
}

// check compares the tree with one made of its wire form, one made of its stored records, and a naive hash of it.
func (c *crowd) check(old *Tree) {
	c.t.Helper()
	w := c.tree.Wire()
	if naive := naiveHash(c.t, c.suite, w.Nodes, Root(c.tree.Leaves())); !bytes.Equal(naive, c.tree.Hash()) {
		c.t.Fatal("incremental hash is not the hash of the tree")
	}
	if err := c.tree.VerifyParentHashes(); err != nil {
		c.t.Fatal(err)
	}
	again := mustParse(c.t, c.suite, encode(c.t, c.tree))
	if !bytes.Equal(again.Hash(), c.tree.Hash()) || again.Members() != len(c.keys) {
		c.t.Fatal("tree does not survive the wire")
	}
	if a, b := c.tree.enc, again.enc; a.size != b.size || c.tree.sig.size != again.sig.size {
		c.t.Fatal("index of keys differs from a fresh one")
	}
	c.store(old)
	loaded, err := Load(c.suite, "tree/", c.records(), Limits{})
	if err != nil || !bytes.Equal(loaded.Hash(), c.tree.Hash()) {
		c.t.Fatalf("tree does not survive storage: %v", err)
	}
	for i, k := range c.keys {
		for at, p := range k.pairs {
			if !at.Covers(i) || !bytes.Equal([]byte(c.tree.root.find(at).key()), p.public) {
				c.t.Fatalf("leaf %d keeps a key that the tree has not", i)
			}
		}
	}
}

// Random schedules: everybody processes everything and all agree.
func TestSchedules(t *testing.T) {
	steps := 60
	if testing.Short() {
		steps = 15
	}
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			c := newCrowd(t, seed)
			for range steps {
				members := c.members()
				committer := members[c.random.IntN(len(members))]
				adds, removes := c.random.IntN(6), c.random.IntN(4)
				if len(members)+adds > 64 {
					adds, removes = 0, c.random.IntN(30)
				}
				external := c.random.IntN(8) == 0 && len(members) < 63
				if external {
					adds = 0
				}
				updates := c.random.IntN(3)
				withPath := external || c.random.IntN(5) > 0
				c.commit(committer, updates, removes, adds, withPath, external)
			}
			t.Logf("%d members, width %d", c.tree.Members(), c.tree.Leaves())
		})
	}
}

// The fault of mls.md §3.3: keys below the common ancestor are needed by later commits.
func TestEveryMemberCommitsInTurn(t *testing.T) {
	c := newCrowd(t, 9)
	c.commit(0, 0, 0, 7, true, false)
	for range 3 {
		for i := range LeafIndex(8) {
			c.commit(i, 0, 0, 0, true, false)
		}
	}
	for i, k := range c.keys {
		if len(k.pairs) != 4 {
			t.Errorf("leaf %d has %d keys in a warm tree of 8, wants its own and 3 above", i, len(k.pairs))
		}
	}
}

// A staged value that is dropped leaves the old one as it was, and one that is taken overwrites what it replaces.
func TestKeysRetire(t *testing.T) {
	c := newCrowd(t, 3)
	c.commit(0, 0, 0, 7, true, false)
	old := c.keys[5]
	held := make(map[NodeIndex][]byte)
	for at, p := range old.pairs {
		held[at] = p.private
	}
	copies := make(map[NodeIndex][]byte)
	for at, b := range held {
		copies[at] = slices.Clone(b)
	}
	next, path, err := c.tree.NewPath(1, c.tree.Leaf(1), noSign)
	if err != nil {
		t.Fatal(err)
	}
	up, err := path.Seal(nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	open := func() *Keys {
		k, _, err := next.OpenPath(c.tree, old, 1, up, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	dropped := open()
	root := dropped.pairs[7].private
	dropped.Retire(old)
	if !zero(root) {
		t.Error("dropped keys were not overwritten")
	}
	for at, b := range held {
		if !bytes.Equal(b, copies[at]) {
			t.Errorf("key of node %d changed by a dropped staging", at)
		}
	}
	taken := open()
	delta, err := taken.Delta("keys/", old)
	if err != nil {
		t.Fatal(err)
	}
	if len(delta) != 1 || delta[0].Key != "keys/7" {
		t.Errorf("delta of a commit in the other half: %v", delta)
	}
	old.Retire(taken)
	for at, b := range held {
		if shared := taken.pairs[at] != nil && !bytes.Equal(taken.pairs[at].private, root) && at != 7; shared == zero(b) {
			t.Errorf("node %d: shared %v, overwritten %v", at, shared, zero(b))
		}
	}
	secret := path.CommitSecret()
	path.Wipe()
	if !zero(secret) {
		t.Error("commit secret was not overwritten")
	}
}

func TestKeysSurviveStorage(t *testing.T) {
	c := newCrowd(t, 4)
	c.commit(0, 0, 0, 5, true, false)
	c.commit(3, 0, 0, 0, true, false)
	k := c.keys[2]
	d, err := k.Delta("k/", nil)
	if err != nil {
		t.Fatal(err)
	}
	d.Put("other", []byte{1})
	loaded, err := LoadKeys(2, "k/", d)
	if err != nil || len(loaded.pairs) != len(k.pairs) {
		t.Fatalf("%d of %d keys: %v", len(loaded.pairs), len(k.pairs), err)
	}
	for at, p := range k.pairs {
		if !bytes.Equal(loaded.pairs[at].private, p.private) || !bytes.Equal(loaded.pairs[at].public, p.public) {
			t.Errorf("key of node %d differs", at)
		}
	}
	for _, bad := range []string{"k/", "k/01", "k/-1", "k/x", "k/99999999999"} {
		if _, err := LoadKeys(2, "k/", []state.Record{{Key: bad, Value: []byte{0, 0}}}); err == nil {
			t.Errorf("key %q was taken", bad)
		}
	}
}

func zero(b []byte) bool {
	return !slices.ContainsFunc(b, func(x byte) bool { return x != 0 })
}
