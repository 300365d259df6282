//go:build unix

package mls

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hpke"
	"crypto/sha256"
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

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

// measure runs a step for the benchmark, and then the step and its floor by turns. The metric x-floor is the ratio of their processor
// time, garbage collection included, which other load on the machine disturbs least: the median of the turns. An input is prepared
// outside of what is measured.
func measure(b *testing.B, prepare func(), step, floor func()) {
	b.Helper()
	b.ReportAllocs()
	once := func(f func()) time.Duration {
		began := processorTime(b)
		f()
		return processorTime(b) - began
	}
	for b.Loop() {
		if prepare != nil {
			b.StopTimer()
			prepare()
			b.StartTimer()
		}
		step()
	}
	var ratios, steps, floors []float64
	for began := time.Now(); len(ratios) < 3 || time.Since(began) < time.Second; {
		var spent [2]time.Duration
		for spent[1] < 2*time.Millisecond {
			if prepare != nil {
				prepare()
			}
			spent[0] += once(step)
			spent[1] += once(floor)
			steps = append(steps, 0)
		}
		ratios = append(ratios, float64(spent[0])/float64(spent[1]))
		floors = append(floors, float64(spent[1])/float64(len(steps)))
		steps = steps[:0]
	}
	slices.Sort(ratios)
	slices.Sort(floors)
	b.ReportMetric(ratios[len(ratios)/2], "x-floor")
	b.ReportMetric(floors[len(floors)/2], "floor-cpu-ns")
	b.ReportMetric(ratios[len(ratios)/2]*floors[len(floors)/2], "cpu-ns")
}

// processorTime is what the process has used so far, on all cores.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	check(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
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

func BenchmarkCommit(b *testing.B) {
	for _, c := range []struct {
		kind string
		n    int
	}{{"warm", 1000}, {"cold", 1000}, {"cold", 5000}} {
		b.Run(fmt.Sprintf("%s/%d", c.kind, c.n), func(b *testing.B) {
			h := newHall(b, c.n, c.kind == "warm")
			g, p, l := h.member(b, 500), newPrimitives(b), levels(c.n)
			seals := l
			if c.kind == "cold" {
				seals = c.n - 1
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

// BenchmarkJoinKnown joins a group whose leaves were all checked before.
func BenchmarkJoinKnown(b *testing.B) {
	const n = 1000
	f, p := found(b, n), newPrimitives(b)
	result, _, err := f.group.Commit(CommitOptions{ByValue: f.adds, TreeInWelcome: true}, time.Time{})
	check(b, err)
	octets, err := syntax.Marshal(result.Welcome)
	check(b, err)
	known := map[[32]byte]bool{}
	cfg := &Config{Verified: &VerifiedLeaves{
		Known:    func(k [32]byte) bool { return known[k] },
		Remember: func(k [32]byte) { known[k] = true },
	}}
	join := func() {
		w := new(wire.Welcome)
		check(b, syntax.Unmarshal(octets, w))
		_, _, err := Join(cfg, JoinParams{Welcome: w, Own: []OwnLeaf{f.joiner}}, time.Time{})
		check(b, err)
	}
	join()
	measure(b, nil, join, func() {
		p.verify()
		times(3*n, p.hash)
		p.open()
		times(levels(n), p.derive)
	})
}

// BenchmarkOwnLeaves processes a commit as the owner of one leaf and of 200, among 1,000 members.
func BenchmarkOwnLeaves(b *testing.B) {
	for _, own := range []int{1, 200} {
		b.Run(fmt.Sprint(own), func(b *testing.B) {
			h := newHall(b, 1000, true)
			octets, g, p, l := h.commit(b, 500), h.member(b, 501), newPrimitives(b), levels(1000)
			for i := range LeafIndex(own - 1) {
				g.own = append(g.own, h.member(b, 600+i).own[0])
			}
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

// memoryOf returns what a follower's view of a warm group of n takes in memory and on disk, in octets per member.
func memoryOf(tb testing.TB, n int) (memory, stored float64) {
	tb.Helper()
	h := newHall(tb, n, true)
	records := make([]Record, len(h.records))
	total := 0
	for i, r := range h.records { // as they come from a database: nothing else holds them
		records[i] = Record{Key: r.Key, Value: append([]byte(nil), r.Value...)}
		total += len(r.Key) + len(r.Value)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	g, err := LoadPublicGroup(&Config{}, records)
	check(tb, err)
	for i := range records {
		records[i].Value = nil
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(g)
	runtime.KeepAlive(h)
	runtime.KeepAlive(records)
	return (float64(after.HeapAlloc) - float64(before.HeapAlloc) + float64(total)) / float64(n), float64(total) / float64(n)
}

func BenchmarkMemory(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				memory, stored := memoryOf(b, n)
				b.ReportMetric(memory, "memory-B/member")
				b.ReportMetric(stored, "stored-B/member")
			}
		})
	}
}

// A member costs 0.6 KB at most, two nodes of the tree and their places in the indices of keys.
func TestMemoryPerMember(t *testing.T) {
	if memory, _ := memoryOf(t, 1000); memory > 600 {
		t.Errorf("%.0f octets per member", memory)
	}
}
