package mls

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hpke"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/mls/internal/schedule"
	"parley/mls/internal/state"
	"parley/mls/internal/tree"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

// hall is a group of any size in suite 1 without the cost of its history: the keys of all nodes are known, so that any member can be
// made. Its parent hashes are not right, which only joiners look at.
type hall struct {
	suite   *suite.Suite
	records []Record
	public  *PublicGroup
	signers []crypto.Signer
	nodes   map[tree.NodeIndex][2][]byte // public and private keys
	epoch   []byte
}

type savedPair [2][]byte

func (v *savedPair) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &v[0])
	syntax.Opaque(c, &v[1])
}

// newHall makes a group of n; warm: no node is blank, as when everybody has committed.
func newHall(tb testing.TB, n int, warm bool) *hall {
	tb.Helper()
	s, err := suite.Lookup(suite.X25519AES128)
	if err != nil {
		tb.Fatal(err)
	}
	h := &hall{suite: s, nodes: map[tree.NodeIndex][2][]byte{}, epoch: s.Hash([]byte("epoch"))}
	width := uint32(1)
	for int(width) < n {
		width *= 2
	}
	w := wire.RatchetTree{Nodes: make([]*wire.Node, 2*n-1)}
	for i := range w.Nodes {
		at := tree.NodeIndex(i)
		leaf, isLeaf := at.Leaf()
		if !isLeaf && !warm || !isLeaf && int(rightmost(at)) >= n {
			continue
		}
		private, public, err := s.DeriveKeyPair(s.Hash(fmt.Append(nil, i)))
		if err != nil {
			tb.Fatal(err)
		}
		h.nodes[at] = [2][]byte{public, private}
		if !isLeaf {
			w.Nodes[i] = &wire.Node{Parent: &wire.ParentNode{EncryptionKey: public, ParentHash: s.Hash(public)}}
			continue
		}
		signer := ed25519.NewKeyFromSeed(s.Hash(fmt.Append(nil, "signer ", i)))
		h.signers = append(h.signers, signer)
		node := &wire.LeafNode{
			EncryptionKey: public, SignatureKey: signer.Public().(ed25519.PublicKey), Source: wire.CommitSource, ParentHash: make([]byte, 32),
			Credential:   wire.Credential{Type: wire.BasicCredential, Identity: fmt.Appendf(nil, "member %4d", leaf)},
			Capabilities: DefaultCapabilities(s.ID()),
		}
		if err := signLeaf(s, signer, node, []byte("hall"), leaf); err != nil {
			tb.Fatal(err)
		}
		w.Nodes[i] = &wire.Node{Leaf: node}
	}
	for w.Nodes[len(w.Nodes)-1] == nil {
		w.Nodes = w.Nodes[:len(w.Nodes)-1]
	}
	h.load(tb, &w)
	return h
}

// rightmost is the last leaf below a node.
func rightmost(at tree.NodeIndex) tree.LeafIndex {
	for {
		right, ok := at.Right()
		if !ok {
			leaf, _ := at.Leaf()
			return leaf
		}
		at = right
	}
}

func (h *hall) load(tb testing.TB, w *wire.RatchetTree) {
	tb.Helper()
	nodes, err := tree.FromWire(h.suite, w, tree.Limits{})
	if err != nil {
		tb.Fatal(err)
	}
	epoch, err := schedule.Fresh(h.suite, append([]byte(nil), h.epoch...))
	if err != nil {
		tb.Fatal(err)
	}
	header := publicHeader{context: wire.GroupContext{
		Version: wire.MLS10, Suite: h.suite.ID(), GroupID: []byte("hall"), Epoch: 7, TreeHash: nodes.Hash(), ConfirmedTranscriptHash: make([]byte, 32),
	}}
	header.tag = epoch.ConfirmationTag(header.context.ConfirmedTranscriptHash)
	if header.interim, err = schedule.InterimHash(h.suite, header.context.ConfirmedTranscriptHash, header.tag); err != nil {
		tb.Fatal(err)
	}
	var d deltaBuilder
	d.put(keyHeader, &header)
	d.append(nodes.Delta(keyNode, nil))
	if d.err != nil {
		tb.Fatal(d.err)
	}
	h.records = d.Delta
	if h.public, err = LoadPublicGroup(&Config{}, h.records); err != nil {
		tb.Fatal(err)
	}
}

// member makes the member at a leaf.
func (h *hall) member(tb testing.TB, leaf LeafIndex) *Group {
	tb.Helper()
	g := newGroup(h.public.cfg, h.public)
	var records []state.Record
	for at, pair := range h.nodes {
		if at.Covers(leaf) {
			octets, err := syntax.Marshal(&savedPair{pair[0], pair[1]})
			if err != nil {
				tb.Fatal(err)
			}
			records = append(records, state.Record{Key: fmt.Sprint("k/", at), Value: octets})
		}
	}
	keys, err := tree.LoadKeys(leaf, "k/", records)
	if err != nil {
		tb.Fatal(err)
	}
	g.own = []*ownLeaf{{leaf, h.signers[leaf], keys}}
	if g.epoch, err = schedule.Fresh(h.suite, append([]byte(nil), h.epoch...)); err != nil {
		tb.Fatal(err)
	}
	encryption, err := g.epoch.TakeEncryptionSecret()
	if err != nil {
		tb.Fatal(err)
	}
	g.messages = schedule.NewSecretTree(h.suite, encryption, h.public.tree.Leaves(), schedule.Limits{})
	return g
}

// primitives are the operations of the standard library that a step cannot do without, on inputs of the usual sizes.
type primitives struct {
	tb        testing.TB
	kem       hpke.KEM
	private   hpke.PrivateKey
	enc, box  []byte
	signer    ed25519.PrivateKey
	text, sig []byte
	node      [100]byte
}

func newPrimitives(tb testing.TB) *primitives {
	p := &primitives{tb: tb, kem: hpke.DHKEM(ecdh.X25519()), signer: ed25519.NewKeyFromSeed(make([]byte, 32)), text: make([]byte, 300)}
	var err error
	p.private, err = p.kem.GenerateKey()
	p.check(err)
	p.enc, p.box = p.seal()
	p.sig = ed25519.Sign(p.signer, p.text)
	return p
}

func (p *primitives) check(err error) {
	if err != nil {
		p.tb.Fatal(err)
	}
}

func (p *primitives) seal() (enc, box []byte) {
	enc, sender, err := hpke.NewSender(p.private.PublicKey(), hpke.HKDFSHA256(), hpke.AES128GCM(), make([]byte, 200))
	p.check(err)
	box, err = sender.Seal(nil, make([]byte, 32))
	p.check(err)
	return enc, box
}

func (p *primitives) open() {
	r, err := hpke.NewRecipient(p.enc, p.private, hpke.HKDFSHA256(), hpke.AES128GCM(), make([]byte, 200))
	p.check(err)
	_, err = r.Open(nil, p.box)
	p.check(err)
}

func (p *primitives) derive() {
	_, err := p.kem.DeriveKeyPair(make([]byte, 32))
	p.check(err)
}

func (p *primitives) generate() {
	_, err := p.kem.GenerateKey()
	p.check(err)
}

func (p *primitives) generateSigner() {
	_, _, err := ed25519.GenerateKey(nil)
	p.check(err)
}

func (p *primitives) sign(n int) { ed25519.Sign(p.signer, make([]byte, n)) }

func (p *primitives) verify() {
	if !ed25519.Verify(p.signer.Public().(ed25519.PublicKey), p.text, p.sig) {
		p.tb.Fatal("signature")
	}
}

func (p *primitives) expand() {
	_, err := hkdf.Expand(sha256.New, p.text[:32], "MLS 1.0 some label", 32)
	p.check(err)
}

func (p *primitives) hash() { sha256.Sum256(p.node[:]) }

func (p *primitives) aead(n int) {
	block, err := aes.NewCipher(p.text[:16])
	p.check(err)
	gcm, err := cipher.NewGCM(block)
	p.check(err)
	gcm.Seal(nil, p.text[:12], make([]byte, n), p.text[:80])
}

func times(n int, f func()) {
	for range n {
		f()
	}
}

// measure runs a step for the benchmark, and then the step and its floor by turns: the ratio of the fastest of each is the metric
// x-floor. A prepared input is made outside of what is measured.
func measure(b *testing.B, prepare func(), step, floor func()) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		if prepare != nil {
			b.StopTimer()
			prepare()
			b.StartTimer()
		}
		step()
	}
	fastest := [2]time.Duration{1 << 62, 1 << 62}
	for began := time.Now(); time.Since(began) < time.Second; {
		if prepare != nil {
			prepare()
		}
		for i, f := range []func(){step, floor} {
			from := time.Now()
			f()
			fastest[i] = min(fastest[i], time.Since(from))
		}
	}
	b.ReportMetric(float64(fastest[0])/float64(fastest[1]), "x-floor")
	b.ReportMetric(float64(fastest[0].Nanoseconds()), "min-ns")
	b.ReportMetric(float64(fastest[1].Nanoseconds()), "floor-ns")
}

func check(tb testing.TB, err error) {
	if err != nil {
		tb.Fatal(err)
	}
}

func BenchmarkKeyPackage(b *testing.B) {
	s, err := suite.Lookup(suite.X25519AES128)
	check(b, err)
	p := newPrimitives(b)
	measure(b, nil, func() {
		signer, err := s.GenerateSignatureKey()
		check(b, err)
		_, err = NewKeyPackage(KeyPackageParams{
			Suite: s.ID(), Signer: signer, Credential: wire.Credential{Type: wire.BasicCredential, Identity: []byte("x")}, Lifetime: wire.Lifetime{NotAfter: 1},
		})
		check(b, err)
	}, func() {
		p.generateSigner()
		times(2, p.generate)
		times(2, func() { p.sign(300) })
	})
}

func BenchmarkEncrypt1KB(b *testing.B) {
	g, p, text := newHall(b, 1000, true).member(b, 0), newPrimitives(b), make([]byte, 1024)
	measure(b, nil, func() {
		_, _, err := g.Seal(0, nil, text)
		check(b, err)
	}, func() {
		p.sign(1200)
		times(5, p.expand)
		p.aead(1100)
		p.aead(12)
	})
}

func BenchmarkDecrypt1KB(b *testing.B) {
	h := newHall(b, 1000, true)
	from, to, p, text := h.member(b, 500), h.member(b, 0), newPrimitives(b), make([]byte, 1024)
	p.text = make([]byte, 1200)
	p.sig = ed25519.Sign(p.signer, p.text)
	var m *wire.Message
	measure(b, func() {
		var err error
		m, _, err = from.Seal(500, nil, text)
		check(b, err)
	}, func() {
		_, _, err := to.Open(m.Private)
		check(b, err)
	}, func() {
		p.verify()
		times(5, p.expand)
		p.aead(1100)
		p.aead(12)
	})
}

// levels is the height of a tree of n leaves.
func levels(n int) int {
	l := 0
	for 1<<l < n {
		l++
	}
	return l
}

func BenchmarkCommit(b *testing.B) {
	for _, kind := range []string{"warm", "cold"} {
		b.Run(kind+"/1000", func(b *testing.B) {
			h := newHall(b, 1000, kind == "warm")
			g, p, l := h.member(b, 500), newPrimitives(b), levels(1000)
			seals := l
			if kind == "cold" {
				seals = 999
			}
			measure(b, nil, func() {
				_, _, err := g.Commit(CommitOptions{Leaf: 500}, time.Time{})
				check(b, err)
			}, func() {
				p.generate()
				times(l, p.derive)
				times(seals, func() { p.seal() })
				times(3, func() { p.sign(300) }) // leaf, content and GroupInfo
				p.derive()                       // external_pub
				times(2*l, p.hash)
			})
		})
	}
}

func BenchmarkProcessCommit(b *testing.B) {
	for _, c := range []struct {
		kind string
		n    int
	}{{"warm", 1000}, {"warm", 10000}, {"cold", 1000}} {
		b.Run(fmt.Sprintf("%s/%d", c.kind, c.n), func(b *testing.B) {
			h := newHall(b, c.n, c.kind == "warm")
			// the committer's sibling learns the whole path
			octets, g, p, l := h.commit(b, 500), h.member(b, 501), newPrimitives(b), levels(c.n)
			long := newPrimitives(b)
			long.text = octets
			long.sig = ed25519.Sign(long.signer, long.text)
			measure(b, nil, func() {
				m := new(wire.Message)
				check(b, syntax.Unmarshal(octets, m))
				staged, err := g.Process(m, time.Time{})
				check(b, err)
				staged.Discard()
			}, func() {
				// the signature, the membership tag and the transcript cover the whole commit
				long.verify()
				sha256.Sum256(octets)
				sha256.Sum256(octets)
				p.verify()
				p.open()
				times(l, p.derive)
				times(2*l, p.hash)
			})
		})
	}
}

// commit is a commit of a member, as it travels.
func (h *hall) commit(tb testing.TB, leaf LeafIndex) []byte {
	tb.Helper()
	result, _, err := h.member(tb, leaf).Commit(CommitOptions{Leaf: leaf}, time.Time{})
	check(tb, err)
	octets, err := syntax.Marshal(result.Message)
	check(tb, err)
	return octets
}

func BenchmarkHubCommit(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprintf("warm/%d", n), func(b *testing.B) {
			h := newHall(b, n, true)
			octets, p, l := h.commit(b, 500), newPrimitives(b), levels(n)
			measure(b, nil, func() {
				m := new(wire.Message)
				check(b, syntax.Unmarshal(octets, m))
				_, err := h.public.Process(m, time.Time{})
				check(b, err)
			}, func() {
				times(2, p.verify)
				times(2*l, p.hash)
			})
		})
	}
}

// founding is a group of one whose creator is about to add everybody.
type founding struct {
	group  *Group
	adds   []wire.Proposal
	joiner OwnLeaf
}

func found(tb testing.TB, n int) *founding {
	tb.Helper()
	s, err := suite.Lookup(suite.X25519AES128)
	check(tb, err)
	bundle := func(name string) OwnLeaf {
		signer, err := s.GenerateSignatureKey()
		check(tb, err)
		b, err := NewKeyPackage(KeyPackageParams{
			Suite: s.ID(), Signer: signer, Credential: wire.Credential{Type: wire.BasicCredential, Identity: []byte(name)}, Lifetime: wire.Lifetime{NotAfter: 1},
		})
		check(tb, err)
		return OwnLeaf{b, signer}
	}
	creator := bundle("creator")
	f := &founding{}
	f.group, err = Create(&Config{}, CreateParams{GroupID: []byte("g"), Bundle: creator.Bundle, Signer: creator.Signer}, time.Time{})
	check(tb, err)
	for i := range n - 1 {
		f.joiner = bundle(fmt.Sprintf("member %4d", i))
		f.adds = append(f.adds, wire.Proposal{Type: wire.AddProposal, Add: &f.joiner.Bundle.KeyPackage})
	}
	return f
}

func BenchmarkAddMembers(b *testing.B) {
	for _, c := range []struct {
		tree string
		n    int
	}{{"beside", 1000}, {"beside", 5000}, {"inside", 1000}} {
		b.Run(fmt.Sprintf("tree-%s/%d", c.tree, c.n), func(b *testing.B) {
			n := c.n
			f, p := found(b, n), newPrimitives(b)
			measure(b, nil, func() {
				_, _, err := f.group.Commit(CommitOptions{ByValue: f.adds, TreeInWelcome: c.tree == "inside"}, time.Time{})
				check(b, err)
			}, func() {
				times(n-1, func() { p.verify(); p.verify(); p.seal() })
				times(levels(n), p.derive)
				times(3, func() { p.sign(300) })
				times(2*n, p.hash)
			})
		})
	}
}

func BenchmarkJoin(b *testing.B) {
	for _, n := range []int{1000, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			f, p := found(b, n), newPrimitives(b)
			result, _, err := f.group.Commit(CommitOptions{ByValue: f.adds, TreeInWelcome: true}, time.Time{})
			check(b, err)
			octets, err := syntax.Marshal(result.Welcome)
			check(b, err)
			measure(b, nil, func() {
				w := new(wire.Welcome)
				check(b, syntax.Unmarshal(octets, w))
				_, _, err := Join(f.group.cfg, JoinParams{Welcome: w, Own: []OwnLeaf{f.joiner}}, time.Time{})
				check(b, err)
			}, func() {
				times(n+1, p.verify)
				times(2*n, p.hash)
				p.open()
				times(levels(n), p.derive)
			})
		})
	}
}

// A commit writes what it changed: the records of its path and of the epoch, not those of the tree.
func TestCommitWritesItsPath(t *testing.T) {
	for _, n := range []int{1000, 4000} {
		h := newHall(t, n, true)
		octets, g, l := h.commit(t, 500), h.member(t, 501), levels(n)
		m := new(wire.Message)
		check(t, syntax.Unmarshal(octets, m))
		staged, err := h.public.Process(m, time.Time{})
		check(t, err)
		if got := len(staged.Delta()); got > l+2 {
			t.Errorf("%d members: the hub writes %d records", n, got)
		}
		if got := treeRecords(staged.Delta()); got != l+1 {
			t.Errorf("%d members: the hub writes %d nodes, the path has %d", n, got, l+1)
		}
		mine, err := g.Process(m, time.Time{})
		check(t, err)
		d, err := mine.Apply()
		check(t, err)
		if got := len(d); got > 3*l+16 {
			t.Errorf("%d members: a member writes %d records", n, got)
		}
	}
}

func treeRecords(d Delta) (n int) {
	for _, r := range d {
		if strings.HasPrefix(r.Key, keyNode) {
			n++
		}
	}
	return n
}
