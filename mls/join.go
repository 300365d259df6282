package mls

import (
	"bytes"
	"crypto"
	"slices"
	"time"

	"parley/mls/internal/schedule"
	"parley/mls/internal/tree"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

// CreateParams says what a new group is.
type CreateParams struct {
	GroupID    []byte
	Bundle     *KeyPackageBundle // whose leaf becomes leaf 0; its suite is the group's
	Signer     crypto.Signer
	Extensions wire.Extensions // of the GroupContext
	From       *Predecessor    // the group that this one continues; nil: none
}

func newGroup(cfg *Config, public *PublicGroup) *Group {
	return &Group{cfg: cfg, public: public, updates: map[string]*ownUpdate{}, stored: map[string][]byte{}}
}

// Create makes a group of one member (RFC 9420 §11). The epoch secret is random.
func Create(cfg *Config, p CreateParams, now time.Time) (*Group, error) {
	s, err := cfg.Suites.Lookup(p.Bundle.KeyPackage.Suite)
	if err != nil {
		return nil, because(RuleSuite, err)
	}
	leaf := p.Bundle.KeyPackage.Leaf
	t, err := tree.New(s, &leaf, cfg.treeLimits())
	if err != nil {
		return nil, treeError(err)
	}
	public := &PublicGroup{cfg: cfg, suite: s, tree: t, context: &wire.GroupContext{
		Version: wire.MLS10, Suite: s.ID(), GroupID: p.GroupID, TreeHash: t.Hash(), Extensions: p.Extensions,
	}}
	if err := public.checkContext(now); err != nil {
		return nil, err
	}
	if err := public.checkTree(now); err != nil {
		return nil, err
	}
	secret, err := suite.Random(s.HashSize())
	if err != nil {
		return nil, because(RuleRandom, err)
	}
	epoch, err := schedule.Fresh(s, secret)
	if err != nil {
		return nil, because(RuleSecret, err)
	}
	if public.octets, err = marshal(public.context); err != nil {
		return nil, err
	}
	public.tag = epoch.ConfirmationTag(nil)
	if public.interim, err = schedule.InterimHash(s, nil, public.tag); err != nil {
		return nil, because(RuleEncoding, err)
	}
	g := newGroup(cfg, public)
	if err := g.enter(epoch, []joiner{{OwnLeaf{p.Bundle, p.Signer}, 0, nil}}, 0); err != nil {
		return nil, err
	}
	return g, g.succeed(p.From)
}

// joiner is an own leaf on its way in.
type joiner struct {
	OwnLeaf
	leaf       LeafIndex
	pathSecret []byte
}

// enter gives a new group its first epoch here and its own leaves.
func (g *Group) enter(epoch *schedule.Epoch, joiners []joiner, signer LeafIndex) error {
	s, t := g.public.suite, g.public.tree
	for _, j := range joiners {
		public, err := s.SignaturePublicKey(j.Signer.Public())
		if err != nil || !bytes.Equal(public, j.Bundle.KeyPackage.Leaf.SignatureKey) {
			return broken(RuleOwnLeaf)
		}
		keys, err := t.KeysFromWelcome(j.leaf, j.Bundle.LeafKey, j.pathSecret, signer)
		if err != nil {
			return because(RuleWelcome, err)
		}
		g.own = append(g.own, &ownLeaf{j.leaf, j.Signer, keys})
	}
	slices.SortFunc(g.own, func(a, b *ownLeaf) int { return int(int64(a.leaf) - int64(b.leaf)) })
	encryption, err := epoch.TakeEncryptionSecret()
	if err != nil {
		return because(RuleSecret, err)
	}
	g.epoch = epoch
	g.messages = schedule.NewSecretTree(s, encryption, t.Leaves(), g.cfg.ratchetLimits())
	return nil
}

// JoinParams is what a Welcome's receiver has.
type JoinParams struct {
	Welcome *wire.Welcome
	// Own are the KeyPackages of this client that the Welcome may name. All that it names become own leaves.
	Own []OwnLeaf
	// Tree is the tree when the GroupInfo does not bring it.
	Tree *wire.RatchetTree
	// Predecessor finds the group which a Welcome says that its group continues, as it was in the epoch named. It may be nil; the
	// secret is then asked of Config.PSK, and the caller checks what Predecessor.Usage demands.
	Predecessor func(groupID []byte, epoch uint64) *Group
}

// Join enters a group by a Welcome and checks everything that can be checked (RFC 9420 §12.4.3.1). It also returns the GroupInfo. The
// bundles' private keys are copied; their owner wipes those that are not of last resort.
func Join(cfg *Config, p JoinParams, now time.Time) (*Group, *wire.GroupInfo, error) {
	s, err := cfg.Suites.Lookup(p.Welcome.Suite)
	if err != nil {
		return nil, nil, because(RuleSuite, err)
	}
	secrets, joiners, err := openSecrets(s, &p)
	defer wipeSecrets(secrets)
	if err != nil {
		return nil, nil, err
	}
	g := newGroup(cfg, nil)
	from, err := predecessor(&p, secrets[0].PSKs)
	if err != nil {
		return nil, nil, err
	}
	psk, err := pskSecret(s, secrets[0].PSKs, func(id *wire.PreSharedKeyID) ([]byte, bool) {
		if from != nil && continues(id) {
			return from.Group.ResumptionPSK(id.Epoch)
		}
		return g.psk(id)
	})
	if err != nil {
		return nil, nil, err
	}
	defer suite.Wipe(psk)
	info, err := openInfo(s, p.Welcome, secrets[0].JoinerSecret, psk)
	if err != nil {
		return nil, nil, err
	}
	if g.public, err = followInfo(cfg, info, p.Tree, now); err != nil {
		return nil, nil, err
	}
	if slices.ContainsFunc(secrets[0].PSKs, func(id wire.PreSharedKeyID) bool { return continues(&id) }) && info.Context.Epoch != 1 {
		return nil, nil, broken(RuleWelcome) // a successor begins with its first commit
	}
	if from != nil {
		if err := from.check(g.public); err != nil {
			return nil, nil, err
		}
	}
	if err := g.findOwn(joiners); err != nil {
		return nil, nil, err
	}
	epoch, err := schedule.FromJoiner(s, secrets[0].JoinerSecret, psk, g.public.octets)
	if err != nil {
		return nil, nil, because(RuleSecret, err)
	}
	if !epoch.VerifyConfirmation(g.public.context.ConfirmedTranscriptHash, g.public.tag) {
		epoch.Wipe()
		return nil, nil, broken(RuleConfirm)
	}
	if err := g.enter(epoch, joiners, LeafIndex(info.Signer)); err != nil {
		epoch.Wipe()
		return nil, nil, err
	}
	return g, info, nil
}

// followInfo starts the public group of a GroupInfo whose tree is beside it or in it.
func followInfo(cfg *Config, info *wire.GroupInfo, t *wire.RatchetTree, now time.Time) (*PublicGroup, error) {
	if t != nil {
		return NewPublicGroup(cfg, info, t, now)
	}
	data, ok := info.Extensions.Find(wire.RatchetTreeExtension)
	if !ok {
		return nil, broken(RuleTree)
	}
	s, err := cfg.Suites.Lookup(info.Context.Suite)
	if err != nil {
		return nil, because(RuleSuite, err)
	}
	nodes, err := tree.Parse(s, data, cfg.treeLimits())
	if err != nil {
		return nil, because(RuleTree, err)
	}
	return newPublicGroup(cfg, info, nodes, now)
}

// openSecrets decrypts the GroupSecrets of every own KeyPackage that the Welcome names.
func openSecrets(s *suite.Suite, p *JoinParams) (all []*wire.GroupSecrets, joiners []joiner, err error) {
	for _, own := range p.Own {
		ref, err := s.KeyPackageRef(&own.Bundle.KeyPackage)
		if err != nil {
			return all, nil, err
		}
		at := slices.IndexFunc(p.Welcome.Secrets, func(e wire.EncryptedGroupSecrets) bool { return bytes.Equal(e.NewMember, ref) })
		if at < 0 {
			continue
		}
		if own.Bundle.KeyPackage.Suite != s.ID() {
			return all, nil, broken(RuleWelcome)
		}
		plain, err := s.DecryptWithLabel(own.Bundle.InitKey, "Welcome", p.Welcome.EncryptedGroupInfo, p.Welcome.Secrets[at].Secrets)
		if err != nil {
			return all, nil, because(RuleWelcome, err)
		}
		secrets := new(wire.GroupSecrets)
		if err := syntax.Unmarshal(plain, secrets); err != nil {
			return all, nil, because(RuleWelcome, err)
		}
		all = append(all, secrets)
		if !bytes.Equal(secrets.JoinerSecret, all[0].JoinerSecret) || len(secrets.PSKs) != len(all[0].PSKs) {
			return all, nil, broken(RuleWelcome)
		}
		j := joiner{OwnLeaf: own}
		if secrets.PathSecret != nil {
			j.pathSecret = *secrets.PathSecret
		}
		joiners = append(joiners, j)
	}
	if len(all) == 0 {
		return all, nil, broken(RuleWelcome)
	}
	return all, joiners, checkWelcomePSKs(s, all[0].PSKs)
}

// checkWelcomePSKs checks the form of the pre-shared keys of a Welcome (RFC 9420 §12.4.3.1): one at most starts a successor group, and
// none stands twice.
func checkWelcomePSKs(s *suite.Suite, ids []wire.PreSharedKeyID) error {
	successors := 0
	seen := map[string]bool{}
	for i := range ids {
		if len(ids[i].Nonce) != s.HashSize() {
			return broken(RulePSKForm)
		}
		if continues(&ids[i]) {
			successors++
		}
		octets, err := marshal(&ids[i])
		if err != nil {
			return err
		}
		if seen[string(octets)] {
			return broken(RulePSKTwice)
		}
		seen[string(octets)] = true
	}
	if successors > 1 {
		return broken(RulePSKForm)
	}
	return nil
}

func wipeSecrets(all []*wire.GroupSecrets) {
	for _, s := range all {
		suite.Wipe(s.JoinerSecret)
		if s.PathSecret != nil {
			suite.Wipe(*s.PathSecret)
		}
	}
}

func openInfo(s *suite.Suite, w *wire.Welcome, joinerSecret, psk []byte) (*wire.GroupInfo, error) {
	secret := schedule.Welcome(s, joinerSecret, psk)
	defer suite.Wipe(secret)
	key, nonce := schedule.WelcomeKey(s, secret)
	defer suite.Wipe(key)
	aead, err := s.AEAD(key)
	if err != nil {
		return nil, because(RuleSecret, err)
	}
	plain, err := aead.Open(nil, nonce, w.EncryptedGroupInfo, nil)
	if err != nil {
		return nil, because(RuleWelcome, err)
	}
	info := new(wire.GroupInfo)
	if err := syntax.Unmarshal(plain, info); err != nil {
		return nil, because(RuleWelcome, err)
	}
	if info.Context.Suite != s.ID() {
		return nil, broken(RuleWelcome)
	}
	return info, nil
}

// findOwn finds the leaves of the own KeyPackages in the tree.
func (g *Group) findOwn(joiners []joiner) error {
	for i := range joiners {
		want, err := marshal(&joiners[i].Bundle.KeyPackage.Leaf)
		if err != nil {
			return err
		}
		at, ok := g.public.Find(joiners[i].Bundle.KeyPackage.Leaf.SignatureKey)
		if !ok {
			return broken(RuleWelcome)
		}
		got, err := marshal(g.public.Leaf(at))
		if err != nil {
			return err
		}
		if !bytes.Equal(want, got) {
			return broken(RuleWelcome)
		}
		joiners[i].leaf = at
	}
	return nil
}

// ExternalJoinParams is what an external committer has (RFC 9420 §12.4.3.2).
type ExternalJoinParams struct {
	GroupInfo *wire.GroupInfo
	Tree      *wire.RatchetTree // when the GroupInfo does not bring it
	Bundle    *KeyPackageBundle // gives the new leaf; its HPKE keys are not used
	Signer    crypto.Signer
	// Pending are the proposals that wait at the hub; SelfRemoves among them are committed (mls-extensions §6.3).
	Pending []*wire.Message
	// Remove is the leaf of this client that the new one replaces; nil: none.
	Remove *LeafIndex
	// ByValue are further proposals: pre-shared keys and component data.
	ByValue []wire.Proposal
	AAD     []byte
}

// ExternalJoin makes the commit by which a client enters on its own. The group stands in the epoch before it and becomes usable when
// the commit comes back through Process.
func ExternalJoin(cfg *Config, p ExternalJoinParams, now time.Time) (*Group, *CommitResult, error) {
	public, err := followInfo(cfg, p.GroupInfo, p.Tree, now)
	if err != nil {
		return nil, nil, err
	}
	key, err := externalPub(p.GroupInfo)
	if err != nil {
		return nil, nil, err
	}
	s := public.suite
	kem, init, err := s.ExternalInit(key)
	if err != nil {
		return nil, nil, because(RuleExternalInit, err)
	}
	defer suite.Wipe(init)
	if public, err = takeSelfRemoves(public, p.Pending, now); err != nil {
		return nil, nil, err
	}
	g := newGroup(cfg, public)
	c := &committing{group: g, public: public, signer: p.Signer, opt: &CommitOptions{AAD: p.AAD}, now: now}
	c.sender = wire.Sender{Type: wire.NewMemberCommitSender}
	c.format = wire.PublicMessageFormat
	c.init = func() ([]byte, error) { return init, nil }
	values := []wire.Proposal{{Type: wire.ExternalInitProposal, ExternalInit: kem}}
	if p.Remove != nil {
		values = append(values, wire.Proposal{Type: wire.RemoveProposal, Remove: uint32(*p.Remove)})
	}
	values = append(values, p.ByValue...)
	for i := range values {
		c.list = append(c.list, Proposed{Proposal: &values[i], Sender: c.sender})
	}
	for i := range public.pending {
		at := LeafIndex(public.pending[i].Sender.Index)
		if p.Remove == nil || *p.Remove != at {
			c.list = append(c.list, public.proposed(&public.pending[i]))
		}
	}
	leaf := p.Bundle.KeyPackage.Leaf
	result, _, err := g.commit(c, author{external: true}, &leaf)
	if err != nil {
		return nil, nil, err
	}
	return g, result, nil
}

func takeSelfRemoves(g *PublicGroup, pending []*wire.Message, now time.Time) (*PublicGroup, error) {
	for _, m := range pending {
		if m.Public == nil || m.Public.Content.Proposal == nil || m.Public.Content.Proposal.Type != wire.SelfRemoveProposal {
			continue
		}
		staged, err := g.Process(m, now)
		if err != nil {
			return nil, err
		}
		g = staged.Next()
	}
	return g, nil
}
