package schedule

import (
	"bytes"
	"errors"
	"testing"

	"parley/mls/suite"
)

const testLeaves = 8

func newTestTree(t testing.TB, l Limits) *SecretTree {
	return NewSecretTree(lookup(t, suite.X25519AES128), bytes.Repeat([]byte{5}, 32), testLeaves, l)
}

func peek(t *testing.T, tree *SecretTree, leaf uint32, generation uint32) *Use {
	t.Helper()
	u, err := tree.Peek(leaf, Application, generation)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func zero(b []byte) bool { return bytes.Equal(b, make([]byte, len(b))) }

// Generations may come in any order within the window, each once.
func TestOrder(t *testing.T) {
	tree := newTestTree(t, Limits{})
	want := map[uint32][]byte{}
	for g := uint32(0); g < 10; g++ {
		u := peek(t, newTestTree(t, Limits{}), 3, g)
		want[g] = bytes.Clone(u.Key())
	}
	for _, g := range []uint32{4, 0, 9, 3, 8, 1, 2, 7, 5, 6} {
		u := peek(t, tree, 3, g)
		same(t, "key", u.Key(), want[g])
		tree.Consume(u)
		if _, err := tree.Peek(3, Application, g); !errors.Is(err, ErrUsed) {
			t.Fatalf("generation %d twice: %v", g, err)
		}
	}
}

// A jump beyond the limit is refused without any derivation, and one within it costs at most one step per generation.
func TestGenerationLimit(t *testing.T) {
	tree := newTestTree(t, Limits{MaxSkip: 100, Keep: 4})
	tree.Consume(peek(t, tree, 3, 0))
	for _, g := range []uint32{102, 1 << 20, 1<<32 - 2, 1<<32 - 1} {
		if _, err := tree.Peek(3, Application, g); !errors.Is(err, ErrTooFar) {
			t.Fatalf("generation %d: %v", g, err)
		}
	}
	refused := testing.AllocsPerRun(10, func() {
		if _, err := tree.Peek(3, Application, 1<<31); err == nil {
			t.Error("accepted")
		}
	})
	near := testing.AllocsPerRun(10, func() { peek(t, tree, 3, 1).Discard() })
	far := testing.AllocsPerRun(10, func() { peek(t, tree, 3, 101).Discard() })
	if refused > 4 || far > 101*near {
		t.Errorf("allocations: %v refused, %v for one generation, %v for the farthest", refused, near, far)
	}
	u := peek(t, tree, 3, 101)
	tree.Consume(u)
	if kept := len(tree.ratchets[ratchetID{3, Application}].skipped); kept != 4 {
		t.Errorf("%d keys are kept", kept)
	}
	if _, err := tree.Peek(3, Application, 96); !errors.Is(err, ErrUsed) {
		t.Errorf("a key beyond those that are kept: %v", err)
	}
	tree.Consume(peek(t, tree, 3, 97))
	// the window moves with each message, however many were skipped before
	for g := uint32(200); g < 2000; g += 90 {
		tree.Consume(peek(t, tree, 3, g))
	}
	if kept := len(tree.ratchets[ratchetID{3, Application}].skipped); kept > 4 {
		t.Errorf("%d keys are kept", kept)
	}
}

// The other ratchet of the sender is not moved by a jump.
func TestRatchetsAreApart(t *testing.T) {
	tree := newTestTree(t, Limits{})
	tree.Consume(peek(t, tree, 3, 500))
	if next := tree.ratchets[ratchetID{3, Handshake}].next; next != 0 {
		t.Errorf("the handshake ratchet is at %d", next)
	}
}

func TestNoLeaf(t *testing.T) {
	tree := newTestTree(t, Limits{})
	for _, leaf := range []uint32{testLeaves, 1 << 31, 1<<32 - 1} {
		if _, err := tree.Peek(leaf, Application, 0); !errors.Is(err, ErrLeaf) {
			t.Errorf("leaf %d: %v", leaf, err)
		}
	}
}

// What was looked at and not used changes nothing, and leaves nothing behind.
func TestDiscard(t *testing.T) {
	tree := newTestTree(t, Limits{})
	before := disk{}
	take(t, tree, before)
	u := peek(t, tree, 3, 7)
	key, nonce, after, others := u.key.key, u.key.nonce, u.after.secret, u.others
	skipped := u.after.skipped
	u.Discard()
	for _, b := range [][]byte{key, nonce, after, others[0], others[1]} {
		if !zero(b) {
			t.Error("something derived is still in memory")
		}
	}
	for i := range skipped {
		if !zero(skipped[i].key) {
			t.Error("a skipped key is still in memory")
		}
	}
	tree.MarkAll()
	now := disk{}
	take(t, tree, now)
	if len(now) != len(before) {
		t.Errorf("%d records, %d before", len(now), len(before))
	}
	for key, v := range before {
		same(t, key, now[key], v)
	}
	// after a message that was used, a discarded late one stays available
	tree.Consume(peek(t, tree, 3, 7))
	late := peek(t, tree, 3, 2)
	want := bytes.Clone(late.Key())
	late.Discard()
	same(t, "late key", peek(t, tree, 3, 2).Key(), want)
}

func take(t *testing.T, tree *SecretTree, d disk) {
	t.Helper()
	delta, err := tree.TakeDelta("m/")
	if err != nil {
		t.Fatal(err)
	}
	d.take(delta)
}

// After each message neither memory nor disk holds what could derive its key again.
func TestForwardSecrecy(t *testing.T) {
	tree := newTestTree(t, Limits{Keep: 3})
	d := disk{}
	take(t, tree, d)
	for _, m := range []struct{ leaf, generation uint32 }{{3, 0}, {3, 1}, {3, 6}, {3, 4}, {0, 2}, {7, 0}, {7, 1}, {3, 7}, {0, 1}, {4, 50}} {
		// everything that is held now and leads to the key
		var old [][]byte
		for node, secret := range tree.nodes.secrets {
			if covers(node, m.leaf) {
				old = append(old, secret)
			}
		}
		if r := tree.ratchets[ratchetID{m.leaf, Application}]; r != nil && m.generation >= r.next {
			old = append(old, r.secret)
		}
		u := peek(t, tree, m.leaf, m.generation)
		key, nonce := u.Key(), u.Nonce()
		old = append(old, key)
		var copies [][]byte
		for _, b := range old {
			copies = append(copies, bytes.Clone(b))
		}
		tree.Consume(u)
		take(t, tree, d)
		if !zero(nonce) {
			t.Error("the nonce is still in memory")
		}
		for i, b := range old {
			if !zero(b) {
				t.Errorf("leaf %d generation %d: secret %d is still in memory", m.leaf, m.generation, i)
			}
			if d.holds(copies[i]) {
				t.Errorf("leaf %d generation %d: secret %d is still stored", m.leaf, m.generation, i)
			}
		}
	}
}

// covers reports whether a node lies above a leaf, or is its own.
func covers(node, leaf uint32) bool {
	level := 0
	for node>>level&1 == 1 {
		level++
	}
	return leaf>>level == node>>(level+1)
}

// After any step a tree loaded from its records gives and refuses the same keys.
func TestRestart(t *testing.T) {
	s := lookup(t, suite.X25519AES128)
	tree := newTestTree(t, Limits{})
	d := disk{}
	take(t, tree, d)
	steps := []uint32{3, 1, 0, 9, 9, 5, 3, 12}
	for i, g := range steps {
		tree = LoadSecretTree(s, testLeaves, Limits{}, "m/", d.get)
		u, err := tree.Peek(3, Application, g)
		used := false
		for _, before := range steps[:i] {
			used = used || before == g
		}
		if used != errors.Is(err, ErrUsed) || !used && err != nil {
			t.Fatalf("step %d, generation %d: %v", i, g, err)
		}
		if err == nil {
			same(t, "key", u.Key(), peek(t, newTestTree(t, Limits{}), 3, g).Key())
			tree.Consume(u)
			take(t, tree, d)
		}
	}
	seen := map[string]bool{}
	for range 5 {
		tree = LoadSecretTree(s, testLeaves, Limits{}, "m/", d.get)
		_, key, _, err := tree.Next(2, Application)
		if err != nil {
			t.Fatal(err)
		}
		if seen[string(key)] {
			t.Fatal("a key was given twice")
		}
		seen[string(key)] = true
		take(t, tree, d)
	}
}

func TestWipedTree(t *testing.T) {
	tree := newTestTree(t, Limits{})
	tree.Consume(peek(t, tree, 3, 5))
	r := tree.ratchets[ratchetID{3, Application}]
	held := [][]byte{r.secret}
	for i := range r.skipped {
		held = append(held, r.skipped[i].key, r.skipped[i].nonce)
	}
	for _, secret := range tree.nodes.secrets {
		held = append(held, secret)
	}
	tree.Wipe()
	for _, b := range held {
		if !zero(b) {
			t.Error("a secret is still in memory")
		}
	}
	if _, err := tree.Peek(3, Application, 6); err == nil {
		t.Error("a wiped tree gives a key")
	}
}

// Damaged records are refused and cause no panic.
func TestDamagedRecords(t *testing.T) {
	s := lookup(t, suite.X25519AES128)
	tree := newTestTree(t, Limits{})
	d := disk{}
	tree.Consume(peek(t, tree, 3, 5))
	take(t, tree, d)
	key := "m/" + ratchetID{3, Application}.key()
	whole := d[key]
	for n := range whole {
		d[key] = whole[:n]
		if _, err := LoadSecretTree(s, testLeaves, Limits{}, "m/", d.get).Peek(3, Application, 6); !errors.Is(err, ErrSaved) {
			t.Fatalf("%d octets: %v", n, err)
		}
	}
	if _, err := LoadEpoch(s, "", disk{}.get); !errors.Is(err, ErrSaved) {
		t.Error(err)
	}
	if _, err := LoadEpoch(s, "", disk{"secrets": {1}}.get); !errors.Is(err, ErrSaved) {
		t.Error(err)
	}
}
