package mls_test

import (
	"bytes"
	"fmt"
	"testing"

	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
)

// Messages of the last epochs open, judged by the leaves of their epoch; older ones do not, and nothing of older epochs is kept.
func TestPastEpochs(t *testing.T) {
	for _, keep := range []int{-1, 1, 3} {
		t.Run(fmt.Sprint("keep ", keep), func(t *testing.T) {
			r := newTestRoom(t, &mls.Config{Limits: mls.Limits{PastEpochs: keep}}, 4, nil)
			x, y, gone := r.members[1], r.members[2], r.members[3]
			var late []*wire.Message
			const epochs = 5
			for i := range epochs {
				late = append(late, r.say(x, []byte{byte(i)}))
				if i == epochs-2 {
					late = append(late, r.say(gone, []byte("before I was removed")))
				}
				// the sender gets a new signature key, so that its old messages verify by its old leaf only
				_, signer := x.bundle(r.suite)
				r.commit(x, mls.CommitOptions{Renewal: &mls.Renewal{Signer: signer}})
				if i == epochs-2 {
					r.byValue(r.members[0], false, remove(gone.leaf()))
					late = append(late, r.say(x, []byte("between")))
				}
			}
			y.reload(r.cfg)
			now := y.group.Public().Epoch()
			opened := 0
			for _, m := range late {
				old := now - m.Private.Epoch
				if old > uint64(max(keep, 0)) {
					_, _, err := y.group.Open(copyMessage(t, m).Private)
					wantRule(t, err, mls.RuleEpoch)
					continue
				}
				got := r.open(y, m)
				opened++
				if got.Epoch != m.Private.Epoch || got.Leaf == nil {
					t.Errorf("%+v", got)
				}
			}
			if keep == 3 && opened != 4 {
				t.Errorf("%d opened", opened)
			}
			for key := range y.records {
				var epoch uint64
				if n, _ := fmt.Sscanf(key, "e/%016x/", &epoch); n == 1 && now-epoch > uint64(max(keep, 0)) {
					t.Errorf("record %s of an epoch that is over", key)
				}
			}
		})
	}
}

// A past epoch's message is judged by the leaves of then: a newcomer cannot speak in the past of a leaf that it took over.
func TestPastLeaf(t *testing.T) {
	r := newTestRoom(t, &mls.Config{}, 3, nil)
	y, gone := r.members[1], r.members[2]
	at := gone.leaf()
	m := r.say(gone, []byte("x"))
	r.byValue(r.members[0], false, remove(at))
	r.add(r.members[0], 1, mls.CommitOptions{})
	if r.members[2].leaf() != at {
		t.Fatal("the leaf was not taken over")
	}
	got := r.open(y, m)
	if got.Index != at || !bytes.Equal(got.Leaf.Credential.Identity, []byte(gone.name)) {
		t.Errorf("%+v", got)
	}
}

// What a leaf says besides its keys stays through the owner's own commits and Updates, and what nobody here understands is kept
// octet for octet.
func TestLeafContentStays(t *testing.T) {
	r := newTestRoom(t, &mls.Config{}, 2, nil)
	x := r.newMember()
	strange := wire.Extension{Type: 0xf0f0, Data: []byte{9, 8, 7}}
	b, signer := x.bundle(r.suite, func(p *mls.KeyPackageParams) {
		p.LeafExtensions = append(p.LeafExtensions, strange, wire.Extension{Type: wire.ApplicationIDExtension, Data: []byte("id")})
		p.Capabilities = mls.DefaultCapabilities(r.suite)
		p.Capabilities.Extensions = append(p.Capabilities.Extensions, 0xf0f0, 0x1a1a)
		p.Capabilities.Suites = append(p.Capabilities.Suites, 0x2a2a)
	})
	result := r.commit(r.members[0], mls.CommitOptions{ByValue: []wire.Proposal{{Type: wire.AddProposal, Add: &b.KeyPackage}}})
	r.join(x, result, []mls.OwnLeaf{{Bundle: b, Signer: signer}}, false)
	want := b.KeyPackage.Leaf
	check := func(what string) {
		t.Helper()
		for _, g := range []*mls.PublicGroup{r.hub, r.members[0].group.Public(), x.group.Public()} {
			leaf := g.Leaf(x.leaf())
			same(t, what+": extensions", encode(t, &leaf.Extensions), encode(t, &want.Extensions))
			same(t, what+": capabilities", encode(t, &leaf.Capabilities), encode(t, &want.Capabilities))
			same(t, what+": credential", encode(t, &leaf.Credential), encode(t, &want.Credential))
		}
	}
	check("joined")
	r.commit(x, mls.CommitOptions{})
	check("own commit")
	r.update(x, nil)
	r.commit(r.members[0], mls.CommitOptions{})
	check("Update")
	r.reloadAll()
	check("loaded")
	changed := wire.Extensions{strange}
	r.commit(x, mls.CommitOptions{Renewal: &mls.Renewal{Extensions: &changed}})
	want.Extensions = changed
	check("renewed")
}

// A credential type that this engine does not know is carried through trees, commits and records, byte for byte.
func TestUnknownCredential(t *testing.T) {
	caps := mls.DefaultCapabilities(suite.X25519AES128)
	caps.Credentials = append(caps.Credentials, 0xf0c0)
	unknown := func(text string) func(p *mls.KeyPackageParams) {
		return func(p *mls.KeyPackageParams) {
			p.Capabilities = caps
			if text != "" {
				p.Credential = wire.Credential{Type: 0xf0c0, Unknown: []byte(text)}
			}
		}
	}
	x := newMember(t, "creator")
	b, signer := x.bundle(suite.X25519AES128, unknown("what"))
	r := &room{t: t, cfg: &mls.Config{}, suite: suite.X25519AES128, records: store{}, members: []*member{x}}
	var err error
	if x.group, err = mls.Create(r.cfg, mls.CreateParams{GroupID: []byte("g"), Bundle: b, Signer: signer}, start); err != nil {
		t.Fatal(err)
	}
	x.save(x.group.Save())
	r.follow(x)
	y := newMember(t, "other")
	b, signer = y.bundle(suite.X25519AES128, unknown(""))
	result := r.commit(x, mls.CommitOptions{ByValue: []wire.Proposal{{Type: wire.AddProposal, Add: &b.KeyPackage}}})
	r.join(y, result, []mls.OwnLeaf{{Bundle: b, Signer: signer}}, false)
	r.commit(x, mls.CommitOptions{})
	r.reloadAll()
	r.commit(y, mls.CommitOptions{})
	if got := y.group.Public().Leaf(0).Credential; got.Type != 0xf0c0 || string(got.Unknown) != "what" {
		t.Errorf("%+v", got)
	}
}

// A proposal of an unknown type waits as it came and cannot be committed.
func TestUnknownProposalWaits(t *testing.T) {
	f := newFixture(t)
	p := wire.Proposal{Type: 0xf0a0, Unknown: []byte("body")}
	m, err := f.forge(wire.FramedContent{Type: wire.ProposalContent, Proposal: &p})
	if err != nil {
		t.Fatal(err)
	}
	f.deliver(m)
	f.listener.reload(f.cfg)
	pending := f.listener.group.Public().Pending()
	if len(pending) != 1 {
		t.Fatalf("%d wait", len(pending))
	}
	same(t, "message", encode(t, pending[0].Message), encode(t, m))
	wantRule(t, f.commitRefs(f.lastRef()), mls.RuleProposalUnknown)
}
