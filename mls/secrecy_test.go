package mls_test

import (
	"bytes"
	"crypto"
	"fmt"
	"io"
	"slices"
	"testing"

	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
)

// watcher remembers the secrets that a group held at one time: the octets themselves and what they were.
type watcher struct {
	m      *member
	held   []mls.Secret
	copies [][]byte
}

func watch(m *member) *watcher {
	w := &watcher{m: m, held: mls.Secrets(m.group)}
	for _, s := range w.held {
		w.copies = append(w.copies, bytes.Clone(s.Octets))
	}
	return w
}

// check requires that what the group holds no more is overwritten in memory and gone from the records.
func (w *watcher) check() {
	w.m.t.Helper()
	live, moved := map[*byte]bool{}, map[string]bool{}
	for _, s := range mls.Secrets(w.m.group) {
		live[&s.Octets[0]] = true
		moved[string(s.Octets)] = true // the key of an Update becomes that of the leaf
	}
	for i, s := range w.held {
		if live[&s.Octets[0]] {
			continue
		}
		if !bytes.Equal(s.Octets, make([]byte, len(s.Octets))) {
			w.m.t.Fatalf("%s: %s is still in memory", w.m.name, s.Path)
		}
		if len(w.copies[i]) >= 16 && !moved[string(w.copies[i])] && w.m.records.holds(w.copies[i]) {
			w.m.t.Fatalf("%s: %s is still stored", w.m.name, s.Path)
		}
	}
}

func (s store) holds(secret []byte) bool {
	for _, v := range s {
		if bytes.Contains(v, secret) {
			return true
		}
	}
	return false
}

// Secrets that are used or replaced are overwritten in memory and deleted from the records, at each step of a group's life.
func TestSecretsAreDeleted(t *testing.T) {
	for _, private := range []bool{false, true} {
		t.Run(fmt.Sprint("private handshakes ", private), func(t *testing.T) {
			t.Parallel()
			r := newRoom(t, &mls.Config{EncryptHandshakes: private}, suite.X25519AES128, nil)
			r.members[0].watched = true
			r.add(r.members[0], 3, mls.CommitOptions{})
			for _, x := range r.members {
				x.watched = true
			}
			for round := range 3 {
				r.talk()
				r.update(r.members[1], nil)
				r.update(r.members[2], nil)
				r.commit(r.members[round], mls.CommitOptions{})
				late := r.say(r.members[3], []byte("late"))
				r.commit(r.members[3], mls.CommitOptions{})
				r.open(r.members[0], late)
				r.reloadAll() // secrets that were loaded are overwritten too
				r.talk()
				exportOnce(t, r.members[1])
				replaceCommit(t, r.members[2])
			}
			gone := r.members[3]
			w := watch(gone)
			r.commit(r.members[0], mls.CommitOptions{ByValue: []wire.Proposal{{Type: wire.RemoveProposal, Remove: uint32(gone.leaf())}}})
			w.check()
			if left := mls.Secrets(gone.group); len(left) > 0 {
				t.Errorf("a removed member holds %s", left[0].Path)
			}
			w = watch(r.members[1])
			r.members[1].save(r.members[1].group.Forget(), nil)
			w.check()
			if left := mls.Secrets(r.members[1].group); len(left) > 0 || len(r.members[1].records) > 0 {
				t.Errorf("%d secrets and %d records are left", len(left), len(r.members[1].records))
			}
		})
	}
}

func exportOnce(t *testing.T, x *member) {
	t.Helper()
	x.step(func() (mls.Delta, error) {
		_, d, err := x.group.SafeExport(0x8001)
		return d, err
	})
	_, _, err := x.group.SafeExport(0x8001)
	wantRule(t, err, mls.RuleSecret)
}

// replaceCommit makes two commits of which the second replaces the first, and drops that one.
func replaceCommit(t *testing.T, x *member) {
	t.Helper()
	for range 2 {
		x.step(func() (mls.Delta, error) {
			_, d, err := x.group.Commit(mls.CommitOptions{Leaf: x.leaf()}, start)
			return d, err
		})
	}
	x.step(func() (mls.Delta, error) { return x.group.DropPendingCommit(), nil })
	x.agreeStored(&mls.Config{})
}

// What was staged and is dropped is overwritten, and the group's own secrets are not.
func TestDiscardedSecretsAreOverwritten(t *testing.T) {
	r := newRoom(t, &mls.Config{}, suite.X25519AES128, nil)
	r.add(r.members[0], 3, mls.CommitOptions{})
	by, x := r.members[1], r.members[2]
	r.update(x, nil) // the staged commit takes an own Update too
	result, d, err := by.group.Commit(mls.CommitOptions{Leaf: by.leaf()}, start)
	by.save(d, err)
	for _, m := range []*member{x, by} { // somebody else's commit, and an own one
		before := m.dump()
		staged, err := m.group.Process(copyMessage(t, result.Message), start)
		if err != nil {
			t.Fatal(err)
		}
		live := map[*byte]bool{}
		for _, s := range mls.Secrets(m.group) {
			live[&s.Octets[0]] = true
		}
		held := mls.Secrets(staged)
		fresh := 0
		staged.Discard()
		for _, s := range held {
			if live[&s.Octets[0]] {
				continue
			}
			fresh++
			if !bytes.Equal(s.Octets, make([]byte, len(s.Octets))) {
				t.Errorf("%s: %s is still in memory", m.name, s.Path)
			}
		}
		if fresh == 0 && m == x {
			t.Error("nothing was staged")
		}
		if at := before.differs(m.dump()); at != "" {
			t.Errorf("%s: record %s changed", m.name, at)
		}
	}
	r.deliver(result.Message)
	r.talk()
}

// Two groups made of the same public values have nothing secret in common.
func TestCreationIsRandom(t *testing.T) {
	b, signer := newBundle(t, suite.X25519AES128, "creator")
	var first []mls.Secret
	for i := range 2 {
		g, err := mls.Create(&mls.Config{}, mls.CreateParams{GroupID: []byte("same"), Bundle: b, Signer: signer}, start)
		if err != nil {
			t.Fatal(err)
		}
		secrets := mls.Secrets(g)
		if i == 0 {
			first = secrets
			continue
		}
		for _, s := range secrets {
			if bytes.HasSuffix([]byte(s.Path), []byte("private")) {
				continue // the leaf's own key, which is the same
			}
			if slices.ContainsFunc(first, func(o mls.Secret) bool { return bytes.Equal(o.Octets, s.Octets) }) {
				t.Errorf("%s is the same in both groups", s.Path)
			}
		}
	}
}

// A message opens once, also after a restart, and a refused one costs its key nothing.
func TestReplay(t *testing.T) {
	r := newRoom(t, &mls.Config{}, suite.X25519AES128, nil)
	r.add(r.members[0], 2, mls.CommitOptions{})
	x, y := r.members[1], r.members[2]
	var sent []*wire.Message
	for i := range 5 {
		sent = append(sent, r.say(x, []byte{byte(i)}))
	}
	for _, i := range []int{2, 0, 4, 1, 3} {
		bad := copyMessage(t, sent[i])
		bad.Private.Ciphertext[0] ^= 1
		before := y.dump()
		_, _, err := y.group.Open(bad.Private)
		wantRule(t, err, mls.RuleDecrypt)
		if at := before.differs(y.dump()); at != "" {
			t.Fatalf("record %s changed", at)
		}
		if got := r.open(y, sent[i]); got.Generation != uint32(i) {
			t.Fatalf("generation %d, want %d", got.Generation, i)
		}
		for range 2 {
			_, d, err := y.group.Open(copyMessage(t, sent[i]).Private)
			wantRule(t, err, mls.RuleDecrypt)
			if len(d) > 0 {
				t.Fatal("a replay changes records")
			}
			y.reload(r.cfg)
		}
	}
	// a past epoch as well
	late := r.say(x, []byte("late"))
	r.commit(r.members[0], mls.CommitOptions{})
	r.open(y, late)
	y.reload(r.cfg)
	_, _, err := y.group.Open(copyMessage(t, late).Private)
	wantRule(t, err, mls.RuleDecrypt)
}

// No generation of a ratchet is used twice, whenever a sender restarts. A send whose delta was not stored never left.
func TestNoKeyTwice(t *testing.T) {
	for _, private := range []bool{false, true} {
		r := newRoom(t, &mls.Config{EncryptHandshakes: private}, suite.X25519AES128, nil)
		r.add(r.members[0], 1, mls.CommitOptions{})
		x, y := r.members[0], r.members[1]
		seen := map[string]bool{}
		for i := range 40 {
			if i%7 == 3 { // the store fails: the ciphertext is dropped and the group loaded again
				if _, _, err := x.group.Seal(x.leaf(), nil, []byte("lost")); err != nil {
					t.Fatal(err)
				}
				x.reload(r.cfg)
			}
			if i%5 == 0 {
				x.reload(r.cfg)
			}
			switch i % 4 {
			case 1:
				r.update(x, nil)
			case 3:
				if i%8 == 3 {
					r.commit(x, mls.CommitOptions{})
				}
			}
			got := r.open(y, r.say(x, []byte("x")))
			use := fmt.Sprint(got.Epoch, " ", got.Generation)
			if seen[use] {
				t.Fatalf("epoch and generation %s twice", use)
			}
			seen[use] = true
		}
	}
}

// failing is a signer that fails from its nth signature on, as one in a remote agent may.
type failing struct {
	crypto.Signer
	left *int
}

func (f failing) Sign(r io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if *f.left--; *f.left < 0 {
		return nil, fmt.Errorf("agent is gone")
	}
	return f.Signer.Sign(r, digest, opts)
}

// A signer that fails in the middle of any step leaves the group as it was.
func TestFailingSigner(t *testing.T) {
	for _, private := range []bool{false, true} {
		cfg := &mls.Config{EncryptHandshakes: private}
		r := newRoom(t, cfg, suite.X25519AES128, nil)
		r.add(r.members[0], 2, mls.CommitOptions{})
		x := r.members[0]
		left := 1 << 20
		for key, signer := range x.signers {
			x.signers[key] = failing{signer, &left}
		}
		x.reload(cfg)
		b, _ := newBundle(t, suite.X25519AES128, "new")
		kp := b.KeyPackage
		add := []wire.Proposal{{Type: wire.AddProposal, Add: &kp}}
		steps := map[string]func() error{
			"seal":    func() error { _, _, err := x.group.Seal(x.leaf(), nil, []byte("x")); return err },
			"propose": func() error { _, _, err := x.group.Propose(x.leaf(), add[0], nil, start); return err },
			"update":  func() error { _, _, err := x.group.ProposeUpdate(x.leaf(), nil, nil, start); return err },
			"info":    func() error { _, err := x.group.GroupInfo(x.leaf()); return err },
			"commit": func() error {
				_, _, err := x.group.Commit(mls.CommitOptions{Leaf: x.leaf(), ByValue: add, TreeInWelcome: true}, start)
				return err
			},
		}
		for name, f := range steps {
			for n := range 5 {
				before := x.dump()
				left = n
				err := f()
				if err == nil {
					if n == 0 {
						t.Errorf("%s needs no signature", name)
					}
					x.reload(cfg) // as after a step that was not stored
					break
				}
				if at := before.differs(x.dump()); at != "" {
					t.Errorf("%s fails at signature %d: record %s changed", name, n, at)
				}
			}
		}
		left = 1 << 20
		r.talk()
	}
}
