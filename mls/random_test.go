package mls_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
)

// history is a random life of a group in which everybody processes everything.
type history struct {
	*room
	rand   *rand.Rand
	most   int // leaves
	nonce  byte
	late   []lateMessage
	counts map[string]int
}

// lateMessage is one that some have not opened yet.
type lateMessage struct {
	message *wire.Message
	epoch   uint64
	text    string
	readers []*member
}

func newHistory(t *testing.T, seed uint64, most int) *history {
	h := &history{rand: rand.New(rand.NewPCG(seed, 1)), most: most, counts: map[string]int{}}
	cfg := &mls.Config{PSK: onePSK, EncryptHandshakes: seed%3 == 2}
	h.room = newRoom(t, cfg, suite.X25519AES128, componentsContext(t, testComponent))
	h.light = true
	return h
}

func (h *history) pick() *member { return h.members[h.rand.IntN(len(h.members))] }

func (h *history) pickLeaf(x *member) mls.LeafIndex {
	own := x.group.OwnLeaves()
	return own[h.rand.IntN(len(own))]
}

// leaving reports whether a waiting proposal removes a leaf.
func (h *history) leaving(leaf mls.LeafIndex) bool {
	return slices.ContainsFunc(h.members[0].group.Public().Pending(), func(p mls.Pending) bool {
		return p.Proposal.Type == wire.RemoveProposal && p.Proposal.Remove == uint32(leaf) ||
			p.Proposal.Type == wire.SelfRemoveProposal && p.Sender.Index == uint32(leaf)
	})
}

// stayer returns a leaf that no proposal removes.
func (h *history) stayer() (*member, mls.LeafIndex, bool) {
	for range 20 {
		x := h.pick()
		if leaf := h.pickLeaf(x); !h.leaving(leaf) {
			return x, leaf, true
		}
	}
	return nil, 0, false
}

func (h *history) send(x *member, f func() (*wire.Message, mls.Delta, error)) {
	h.t.Helper()
	m, d, err := f()
	x.save(d, err)
	h.deliver(m)
}

// proposals sends a few proposals.
func (h *history) proposals() {
	for range h.rand.IntN(4) {
		x, leaf, ok := h.stayer()
		if !ok {
			return
		}
		var p wire.Proposal
		switch h.rand.IntN(7) {
		case 0, 1, 2:
			h.counts["update"]++
			h.send(x, func() (*wire.Message, mls.Delta, error) {
				return x.group.ProposeUpdate(leaf, h.renewal(x), h.aad(), start)
			})
			continue
		case 3:
			if len(h.members) < 4 {
				continue
			}
			h.counts["leave"]++
			p = wire.Proposal{Type: wire.SelfRemoveProposal}
		case 4:
			y, gone, ok := h.stayer()
			if !ok || y == x || len(h.members) < 4 {
				continue
			}
			h.counts["remove"]++
			p = wire.Proposal{Type: wire.RemoveProposal, Remove: uint32(gone)}
		case 5:
			h.counts["psk"]++
			p = h.psk()
		default:
			h.counts["component"]++
			p = h.component()
		}
		h.send(x, func() (*wire.Message, mls.Delta, error) { return x.group.Propose(leaf, p, h.aad(), start) })
	}
}

func (h *history) component() wire.Proposal {
	h.nonce++
	return wire.Proposal{Type: wire.AppDataUpdateProposal, AppDataUpdate: &wire.AppDataUpdate{
		Component: testComponent, Operation: wire.UpdateAppData, Update: []byte{h.nonce},
	}}
}

// psk is an external key, or the resumption key of this epoch or of one before, which only those know who were there.
func (h *history) psk() wire.Proposal {
	p := pskProposal()
	h.nonce++
	p.PSK.Nonce[0] = h.nonce
	return p
}

// renewal changes an own leaf now and then.
func (h *history) renewal(x *member) *mls.Renewal {
	if h.rand.IntN(3) > 0 {
		return nil
	}
	h.counts["new signer"]++
	_, signer := x.bundle(h.suite)
	return &mls.Renewal{Signer: signer}
}

// newcomers makes Adds of clients with one leaf or several.
func (h *history) newcomers() (adds []wire.Proposal, joining []*member, own [][]mls.OwnLeaf) {
	for range h.rand.IntN(4) {
		x := h.newMember()
		var leaves []mls.OwnLeaf
		for range 1 + h.rand.IntN(3)*h.rand.IntN(2) {
			if h.hub.Members()+len(adds) >= h.most {
				break
			}
			b, signer := x.bundle(h.suite)
			adds = append(adds, wire.Proposal{Type: wire.AddProposal, Add: &b.KeyPackage})
			leaves = append(leaves, mls.OwnLeaf{Bundle: b, Signer: signer})
		}
		if len(leaves) > 0 {
			h.counts["add"]++
			h.counts["own leaves"] += len(leaves)
			joining, own = append(joining, x), append(own, leaves)
		}
	}
	return adds, joining, own
}

func (h *history) commitSomething() {
	x, leaf, ok := h.stayer()
	if !ok {
		h.externalCommit()
		return
	}
	opt := mls.CommitOptions{Leaf: leaf, AAD: h.aad(), NoPath: h.rand.IntN(4) == 0, TreeInWelcome: h.rand.IntN(2) == 0}
	adds, joining, own := h.newcomers()
	opt.ByValue = adds
	if y, gone, ok := h.stayer(); ok && len(h.members) > 3 && y != x && h.rand.IntN(3) == 0 {
		h.counts["remove"]++
		opt.ByValue = append(opt.ByValue, wire.Proposal{Type: wire.RemoveProposal, Remove: uint32(gone)})
	}
	if h.rand.IntN(4) == 0 {
		h.counts["psk"]++
		opt.ByValue = append(opt.ByValue, h.psk())
	}
	if len(joining) == 0 && h.rand.IntN(4) == 0 { // who joins does not know it
		h.counts["resumption"]++
		p := h.psk()
		p.PSK = &wire.PreSharedKeyID{Type: wire.ResumptionPSK, Usage: wire.ApplicationUsage, GroupID: h.hub.GroupID(), Epoch: h.hub.Epoch(), Nonce: p.PSK.Nonce}
		opt.ByValue = append(opt.ByValue, p)
	}
	if !opt.NoPath {
		opt.Renewal = h.renewal(x)
	}
	result, d, err := x.group.Commit(opt, start)
	x.save(d, err)
	if h.rand.IntN(5) == 0 {
		x.reload(h.cfg)
	}
	h.deliver(result.Message)
	for i, y := range joining {
		h.join(y, result, own[i], opt.TreeInWelcome)
	}
}

// externalCommit lets somebody in from outside: a new client, or one that lost its state and replaces its leaf.
func (h *history) externalCommit() {
	helper := h.pick()
	info, err := helper.group.GroupInfo(helper.leaf())
	if err != nil {
		h.t.Fatal(err)
	}
	tree := h.hub.Tree()
	p := mls.ExternalJoinParams{GroupInfo: info, Tree: &tree, AAD: h.aad()}
	for _, w := range h.hub.Pending() {
		p.Pending = append(p.Pending, w.Message)
	}
	x := h.newMember()
	if y := h.pick(); len(y.group.OwnLeaves()) == 1 && y != helper && h.rand.IntN(2) == 0 {
		h.counts["resync"]++
		x = y
		leaf := y.leaf()
		p.Remove = &leaf
		h.members = slices.DeleteFunc(h.members, func(m *member) bool { return m == y })
		h.late = nil // it lost the keys of what it did not read
		x.records = store{}
	} else if h.hub.Members() >= h.most {
		return
	}
	h.counts["external"]++
	if h.rand.IntN(3) == 0 {
		p.ByValue = append(p.ByValue, h.psk(), h.component())
	}
	p.Bundle, p.Signer = x.bundle(h.suite)
	var result *mls.CommitResult
	if x.group, result, err = mls.ExternalJoin(h.cfg, p, start); err != nil {
		h.t.Fatal(err)
	}
	x.save(x.group.Save())
	h.members = append(h.members, x)
	h.deliver(result.Message)
}

// chat has somebody say something, which everybody reads at once or later.
func (h *history) chat() {
	x := h.pick()
	m, d, err := x.group.Seal(h.pickLeaf(x), h.aad(), fmt.Append(nil, "said in ", h.hub.Epoch()))
	x.save(d, err)
	l := lateMessage{message: m, epoch: h.hub.Epoch(), text: fmt.Sprint("said in ", h.hub.Epoch())}
	for _, y := range h.members {
		if y != x {
			l.readers = append(l.readers, y)
		}
	}
	h.late = append(h.late, l)
}

// read opens some of what was not read yet; what is too old is refused.
func (h *history) read() {
	var kept []lateMessage
	for _, l := range h.late {
		var waiting []*member
		for _, y := range l.readers {
			if y.group.Removed() {
				continue
			}
			old := h.hub.Epoch()-l.epoch > 2
			if !old && h.rand.IntN(2) == 0 {
				waiting = append(waiting, y)
				continue
			}
			got, d, err := y.group.Open(copyMessage(h.t, l.message).Private)
			if old {
				wantRule(h.t, err, mls.RuleEpoch)
				h.counts["too late"]++
				continue
			}
			y.save(d, err)
			h.counts["read"]++
			if string(got.Data) != l.text || got.Epoch != l.epoch {
				h.t.Fatalf("%s read %q", y.name, got.Data)
			}
		}
		if len(waiting) > 0 {
			l.readers = waiting
			kept = append(kept, l)
		}
	}
	h.late = kept
}

func (h *history) play(epochs int) {
	for i := range epochs {
		h.proposals()
		h.chat()
		h.read()
		if h.rand.IntN(6) == 0 && !h.cfg.EncryptHandshakes {
			h.externalCommit()
		} else {
			h.commitSomething()
		}
		h.pick().reload(h.cfg)
		h.read()
		if i%16 == 0 {
			h.agreeStored()
		}
	}
	h.agreeStored()
	h.talk()
}

// Everybody can follow everybody through all that a group can do: no private key is lost, no view differs, nothing that was
// stored is stale.
func TestRandomHistories(t *testing.T) {
	type size struct{ leaves, epochs int }
	sizes := []size{{32, 16}, {5, 234}, {5, 250}} // every third history has encrypted handshakes
	if *long {
		sizes = append(slices.Repeat([]size{{64, 500}}, 4), slices.Repeat([]size{{16, 1000}}, 9)...)
	}
	for seed, size := range sizes {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			h := newHistory(t, uint64(seed), size.leaves)
			h.play(size.epochs)
			t.Logf("%d leaves of %d clients at epoch %d: %v", h.hub.Members(), len(h.members), h.hub.Epoch(), h.counts)
		})
	}
}

// Each of eight members commits in turn, twice: all know the keys that they need.
func TestEveryoneCommits(t *testing.T) {
	r := newRoom(t, &mls.Config{}, suite.X25519AES128, nil)
	r.add(r.members[0], 7, mls.CommitOptions{})
	for range 2 {
		for _, x := range slices.Clone(r.members) {
			r.commit(x, mls.CommitOptions{})
		}
	}
	r.talk()
}
