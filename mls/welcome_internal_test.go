package mls

import (
	"errors"
	"testing"
	"time"

	"parley/mls/internal/tree"
	"parley/mls/suite"
	"parley/mls/wire"
)

// forgedWelcome is a Welcome whose maker changed the GroupInfo and signed it again, with the tree that belongs to it.
func forgedWelcome(t *testing.T, change func(info *wire.GroupInfo), secrets func(c *committing)) JoinParams {
	t.Helper()
	s, err := suite.Lookup(suite.X25519AES128)
	check(t, err)
	b, signer := testBundle(t, s)
	g, err := Create(&Config{}, CreateParams{GroupID: []byte("g"), Bundle: b, Signer: signer}, time.Time{})
	check(t, err)
	x, xSigner := testBundle(t, s)
	c := &committing{group: g, public: g.public, signer: signer, opt: &CommitOptions{}, format: wire.PublicMessageFormat}
	c.sender = wire.Sender{Type: wire.MemberSender}
	c.list = []Proposed{{Proposal: &wire.Proposal{Type: wire.AddProposal, Add: &x.KeyPackage}, Sender: c.sender}}
	c.init = func() ([]byte, error) { return g.epoch.InitSecret(), nil }
	check(t, c.prepare(author{}, g.public.Leaf(0)))
	result, _, err := c.finish()
	check(t, err)
	if secrets != nil {
		secrets(c)
	}
	change(result.GroupInfo)
	result.GroupInfo.Signature, err = signValue(s, signer, "GroupInfoTBS", &wire.GroupInfoTBS{GroupInfo: result.GroupInfo})
	check(t, err)
	w, err := c.welcome(result.GroupInfo)
	check(t, err)
	nodes := c.next.Tree()
	return JoinParams{Welcome: w, Tree: &nodes, Own: []OwnLeaf{{x, xSigner}}}
}

// Whoever makes a Welcome is a member and can sign what it likes; the joiner still checks it all.
func TestForgedWelcome(t *testing.T) {
	nonce := make([]byte, 32)
	successor := wire.PreSharedKeyID{Type: wire.ResumptionPSK, Usage: wire.BranchUsage, GroupID: []byte("old"), Nonce: nonce}
	same := func(*wire.GroupInfo) {}
	for name, c := range map[string]struct {
		rule    string
		change  func(*wire.GroupInfo)
		secrets func(*committing)
	}{
		"right":            {"", same, nil},
		"confirmation tag": {RuleConfirm, func(i *wire.GroupInfo) { i.ConfirmationTag[0] ^= 1 }, nil},
		"transcript":       {RuleConfirm, func(i *wire.GroupInfo) { i.Context.ConfirmedTranscriptHash[0] ^= 1 }, nil},
		"epoch":            {RuleConfirm, func(i *wire.GroupInfo) { i.Context.Epoch++ }, nil},
		"tree hash":        {RuleTree, func(i *wire.GroupInfo) { i.Context.TreeHash[0] ^= 1 }, nil},
		"another suite":    {RuleWelcome, func(i *wire.GroupInfo) { i.Context.Suite = suite.P256AES128 }, nil},
		"no signer":        {RuleGroupInfo, func(i *wire.GroupInfo) { i.Signer = 5 }, nil},
		"path secret":      {RuleWelcome, same, func(c *committing) { c.path.SecretFor(1)[0] ^= 1 }},
		"unknown key":      {RulePSK, same, func(c *committing) { c.plan.psks = []wire.PreSharedKeyID{{Type: wire.ExternalPSK, Nonce: nonce}} }},
		"key twice": {RulePSKTwice, same, func(c *committing) {
			c.plan.psks = []wire.PreSharedKeyID{{Type: 1, Nonce: nonce}, {Type: 1, Nonce: nonce}}
		}},
		"nonce of a key":        {RulePSKForm, same, func(c *committing) { c.plan.psks = []wire.PreSharedKeyID{{Type: 1}} }},
		"two predecessors":      {RulePSKForm, same, func(c *committing) { c.plan.psks = []wire.PreSharedKeyID{successor, {Type: 2, Usage: 2, Nonce: nonce}} }},
		"malformed dictionary":  {RuleDictionary, func(i *wire.GroupInfo) { i.Context.Extensions = wire.Extensions{{Type: 6, Data: []byte{1}}} }, nil},
		"capability nobody has": {RuleLeafCapabilities, func(i *wire.GroupInfo) { i.Context.Extensions = wire.Extensions{{Type: 0xf00d}} }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := Join(&Config{}, forgedWelcome(t, c.change, c.secrets), time.Time{})
			var broken *Error
			if c.rule == "" && err != nil || c.rule != "" && (!errors.As(err, &broken) || broken.Rule != c.rule) {
				t.Errorf("%v, want %q", err, c.rule)
			}
		})
	}
}

// A successor of another group begins with its first epoch (RFC 9420 §12.4.3.1).
func TestSuccessorBeginsAtOne(t *testing.T) {
	psk := []byte("resumption of the old group")
	cfg := &Config{PSK: func(*wire.PreSharedKeyID) ([]byte, bool) { return psk, true }}
	ids := []wire.PreSharedKeyID{{Type: wire.ResumptionPSK, Usage: wire.ReInitUsage, GroupID: []byte("old"), Nonce: make([]byte, 32)}}
	for _, epoch := range []uint64{1, 2} {
		p := forgedWelcome(t, func(i *wire.GroupInfo) { i.Context.Epoch = epoch }, func(c *committing) {
			c.plan.psks = ids
			var err error
			c.psk, err = pskSecret(c.public.suite, ids, func(*wire.PreSharedKeyID) ([]byte, bool) { return append([]byte(nil), psk...), true })
			check(t, err)
		})
		_, _, err := Join(cfg, p, time.Time{})
		var broken *Error
		want := map[uint64]string{1: RuleConfirm, 2: RuleWelcome}[epoch] // the tag is that of an epoch without the key
		if !errors.As(err, &broken) || broken.Rule != want {
			t.Errorf("epoch %d: %v, want %q", epoch, err, want)
		}
	}
}

// A joiner that finds another leaf of its own in the tree than the one it offered does not come in with keys that do not fit.
func TestOtherLeafInTree(t *testing.T) {
	var offered *KeyPackageBundle
	p := forgedWelcome(t, func(*wire.GroupInfo) {}, func(c *committing) {
		// the joiner published two KeyPackages under one signature key; the one is added, the other is welcomed
		offered, _ = testBundle(t, c.public.suite)
		offered.KeyPackage.Leaf.SignatureKey = c.plan.packages[0].Leaf.SignatureKey
		ref, err := offered.Ref()
		check(t, err)
		c.plan.packages[0], c.plan.added[0].KeyPackageRef = &offered.KeyPackage, ref
	})
	p.Own[0].Bundle = offered
	_, _, err := Join(&Config{}, p, time.Time{})
	var broken *Error
	if !errors.As(err, &broken) || broken.Rule != RuleWelcome {
		t.Errorf("%v, want %q", err, RuleWelcome)
	}
}

// A tree whose parent nodes nobody below them made is refused, though its hash is right and a member signed it (RFC 9420 §7.9.2).
func TestParentsOfNobody(t *testing.T) {
	h := newHall(t, 4, true)
	info, err := h.member(t, 0).GroupInfo(0)
	check(t, err)
	w := h.public.Tree()
	_, err = NewPublicGroup(&Config{}, info, &w, time.Time{})
	var broken *Error
	if !errors.As(err, &broken) || broken.Rule != RuleTree || !errors.Is(err, tree.ErrParentHash) {
		t.Errorf("%v, want %q", err, RuleTree)
	}
}
