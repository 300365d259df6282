package mls

import (
	"bytes"
	"crypto"
	"testing"
	"time"

	"parley/mls/internal/schedule"
	"parley/mls/suite"
	"parley/mls/wire"
)

// eavesdropper has what a hub sees of a new group: the GroupContexts of its first epochs, its confirmation tags and one ciphertext.
type eavesdropper struct {
	suite    *suite.Suite
	contexts [][]byte // encoded, by epoch
	hashes   [][]byte // confirmed transcript hashes
	tags     [][]byte
	message  *wire.PrivateMessage // of epoch 1
}

// constants are secrets that a careless creator might start from.
func (e *eavesdropper) constants() [][]byte {
	zero := make([]byte, e.suite.HashSize())
	ones := bytes.Repeat([]byte{0xff}, len(zero))
	return [][]byte{zero, ones, e.suite.Hash(e.contexts[0]), e.suite.Hash(nil), e.suite.Extract(zero, zero)}
}

// epochs are the first epochs that follow from known constants: as an epoch secret, as a joiner secret, and through the key
// schedule as init and commit secrets.
func (e *eavesdropper) epochs(t *testing.T) []*schedule.Epoch {
	t.Helper()
	var out []*schedule.Epoch
	add := func(epoch *schedule.Epoch, err error) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, epoch)
	}
	for _, a := range e.constants() {
		add(schedule.Fresh(e.suite, bytes.Clone(a)))
		for _, b := range e.constants() {
			add(schedule.FromJoiner(e.suite, a, b, e.contexts[0]))
			add(schedule.FromJoiner(e.suite, schedule.Joiner(e.suite, a, b, e.contexts[0]), e.constants()[0], e.contexts[0]))
		}
	}
	return out
}

// broken tells which epochs the eavesdropper can compute: a guess shows itself right by the confirmation tag.
func (e *eavesdropper) broken(t *testing.T) (first, second bool) {
	t.Helper()
	for _, guess := range e.epochs(t) {
		first = first || guess.VerifyConfirmation(e.hashes[0], e.tags[0])
		for _, commit := range e.constants() {
			next, err := schedule.FromJoiner(e.suite, schedule.Joiner(e.suite, guess.InitSecret(), commit, e.contexts[1]), e.constants()[0], e.contexts[1])
			if err != nil {
				t.Fatal(err)
			}
			if !next.VerifyConfirmation(e.hashes[1], e.tags[1]) {
				continue
			}
			second = true
			encryption, err := next.TakeEncryptionSecret()
			if err != nil {
				t.Fatal(err)
			}
			x := &cryptor{suite: e.suite, sender: next.SenderDataKey, messages: schedule.NewSecretTree(e.suite, encryption, 2, schedule.Limits{}),
				own: func(uint32) bool { return false }}
			if _, err := x.open(e.message); err != nil {
				t.Fatalf("the epoch is known, but its message does not open: %v", err)
			}
		}
	}
	return first, second
}

func testBundle(t *testing.T, s *suite.Suite) (*KeyPackageBundle, crypto.Signer) {
	t.Helper()
	signer, err := s.GenerateSignatureKey()
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewKeyPackage(KeyPackageParams{
		Suite: s.ID(), Signer: signer, Credential: wire.Credential{Type: wire.BasicCredential, Identity: []byte("x")},
		Lifetime: wire.Lifetime{NotAfter: 1 << 40},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b, signer
}

// observe creates a group, adds somebody, sends a message, and returns what can be seen of that. spoil changes the creator's group
// before anything happens.
func observe(t *testing.T, noPath bool, spoil func(*Group)) *eavesdropper {
	t.Helper()
	s, err := suite.Lookup(suite.X25519AES128)
	if err != nil {
		t.Fatal(err)
	}
	b, signer := testBundle(t, s)
	g, err := Create(&Config{}, CreateParams{GroupID: []byte("g"), Bundle: b, Signer: signer}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if spoil != nil {
		spoil(g)
	}
	e := &eavesdropper{suite: s}
	see := func() {
		context, err := marshal(g.public.context)
		if err != nil {
			t.Fatal(err)
		}
		e.contexts, e.tags = append(e.contexts, context), append(e.tags, g.public.tag)
		e.hashes = append(e.hashes, g.public.context.ConfirmedTranscriptHash)
	}
	see()
	other, _ := testBundle(t, s)
	result, _, err := g.Commit(CommitOptions{NoPath: noPath, ByValue: []wire.Proposal{{Type: wire.AddProposal, Add: &other.KeyPackage}}}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	staged, err := g.Process(result.Message, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if spoil == nil && !staged.HasPath() {
		t.Error("the first commit of a creator has no path")
	}
	if _, err := staged.Apply(); err != nil {
		t.Fatal(err)
	}
	see()
	m, _, err := g.Seal(0, nil, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	e.message = m.Private
	return e
}

// weaken replaces the secrets of a new group by ones that follow from public values, which is what other libraries did.
func weaken(t *testing.T) func(*Group) {
	return func(g *Group) {
		s := g.public.suite
		context, err := marshal(g.public.context)
		if err != nil {
			t.Fatal(err)
		}
		zero := make([]byte, s.HashSize())
		if g.epoch, err = schedule.FromJoiner(s, schedule.Joiner(s, zero, zero, context), zero, context); err != nil {
			t.Fatal(err)
		}
		g.public.tag = g.epoch.ConfirmationTag(nil)
		g.public.octets = context
		if g.public.interim, err = schedule.InterimHash(s, nil, g.public.tag); err != nil {
			t.Fatal(err)
		}
	}
}

// Nobody computes the first epochs of a group from what is public. The attack is tried on a weakened group first, to know that it
// works.
func TestPublicEpochSecret(t *testing.T) {
	if first, _ := observe(t, false, weaken(t)).broken(t); !first {
		t.Fatal("the attack does not find a weak first epoch")
	}
	for _, noPath := range []bool{false, true} {
		if first, second := observe(t, noPath, nil).broken(t); first || second {
			t.Errorf("no path %v: first epoch %v, second epoch %v", noPath, first, second)
		}
	}
	// Even a weak creator's group heals with its first commit, because that has a path.
	if _, second := observe(t, true, weaken(t)).broken(t); second {
		t.Error("the first commit brings nothing random")
	}
	// the attack on the second epoch works where a commit has no path
	e := observe(t, true, func(g *Group) {
		weaken(t)(g)
		b, _ := testBundle(t, g.public.suite)
		edit := g.public.tree.Edit() // a second member, so that the path may be left out
		edit.Add(&b.KeyPackage.Leaf)
		var err error
		if g.public.tree, err = edit.Tree(); err != nil {
			t.Fatal(err)
		}
		g.public.census.count(&b.KeyPackage.Leaf, 1)
		g.public.context.TreeHash = g.public.tree.Hash()
		weaken(t)(g)
	})
	if !e.secondKnown(t) {
		t.Error("the attack does not find a weak second epoch")
	}
}

// secondKnown reports whether the second epoch can be computed.
func (e *eavesdropper) secondKnown(t *testing.T) bool {
	t.Helper()
	for _, guess := range e.epochs(t) {
		next, err := schedule.FromJoiner(e.suite, schedule.Joiner(e.suite, guess.InitSecret(), e.constants()[0], e.contexts[1]), e.constants()[0], e.contexts[1])
		if err != nil {
			t.Fatal(err)
		}
		if next.VerifyConfirmation(e.hashes[1], e.tags[1]) {
			return true
		}
	}
	return false
}
