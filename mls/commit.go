package mls

import (
	"crypto"
	"slices"
	"time"

	"parley/mls/internal/schedule"
	"parley/mls/internal/tree"
	"parley/mls/suite"
	"parley/mls/wire"
)

// CommitOptions says what a commit does. All proposals that wait are in it, except Updates of the committer, those that another
// waiting proposal makes pointless, and those that no commit could hold beside the others.
type CommitOptions struct {
	Leaf    LeafIndex // the own leaf that commits
	ByValue []wire.Proposal
	AAD     []byte
	// Renewal changes the committer's leaf; it needs a path.
	Renewal *Renewal
	// NoPath leaves the path out where the proposals allow it: cheaper, but nothing heals. The commit of a lone member has one all
	// the same.
	NoPath bool
	// InfoExtensions stand in the GroupInfo beside external_pub.
	InfoExtensions wire.Extensions
	// TreeInWelcome puts the tree into the Welcome's GroupInfo. MIMI conveys it beside the Welcome.
	TreeInWelcome bool
}

// CommitResult is what a commit gives to others.
type CommitResult struct {
	Message   *wire.Message
	Welcome   *wire.Welcome   // nil when nobody was added
	GroupInfo *wire.GroupInfo // of the next epoch, with external_pub, without the tree
}

// pendingCommit is an own commit that has not come back. It holds all secrets of the epoch that it begins.
type pendingCommit struct {
	hash   []byte // of the message
	leaf   LeafIndex
	key    []byte        // signature key of the committer's new leaf
	signer crypto.Signer // for it
	epoch  *schedule.Epoch
	keys   *tree.Keys // nil without a path
}

func (p *pendingCommit) wipe(kept *tree.Keys) {
	p.epoch.Wipe()
	if p.keys != nil {
		p.keys.Retire(kept)
	}
}

// Commit makes a commit. The group stays in its epoch until the commit comes back through Process; a later Commit replaces it. The
// delta holds the secrets of the next epoch and must be durable before the message leaves.
func (g *Group) Commit(opt CommitOptions, now time.Time) (*CommitResult, Delta, error) {
	o, err := g.member(opt.Leaf)
	if err != nil {
		return nil, nil, err
	}
	c := &committing{group: g, public: g.public, signer: o.signer, from: o.leaf, opt: &opt, now: now}
	c.sender = wire.Sender{Type: wire.MemberSender, Index: uint32(o.leaf)}
	own := g.public.Leaf(o.leaf)
	given := make([]Proposed, len(opt.ByValue))
	for i := range opt.ByValue {
		given[i] = Proposed{Proposal: &opt.ByValue[i], Sender: c.sender, SenderLeaf: own}
	}
	if given, err = g.fromOrigin(given, c.sender); err != nil {
		return nil, nil, err
	}
	if c.list, c.plan, err = g.choose(o.leaf, given, now); err != nil {
		return nil, nil, err
	}
	c.init = func() ([]byte, error) { return g.epoch.InitSecret(), nil }
	c.format = g.public.handshakeFormat()
	return g.commit(c, author{leaf: o.leaf}, own)
}

// committing is a commit in the making, by a member or by an external joiner.
type committing struct {
	group  *Group
	public *PublicGroup
	signer crypto.Signer // of the message
	sender wire.Sender
	from   LeafIndex
	list   []Proposed
	format wire.WireFormat
	init   func() ([]byte, error) // the init secret, shared with its owner
	opt    *CommitOptions
	now    time.Time

	plan    *plan
	path    *tree.Path
	tree    *tree.Tree
	leaf    crypto.Signer // signs for the committer's new leaf
	content *framed
	next    *PublicGroup
	epoch   *schedule.Epoch
	joiner  []byte
	psk     []byte
}

// commit makes the message and keeps it as the group's pending commit.
func (g *Group) commit(c *committing, by author, template *wire.LeafNode) (*CommitResult, Delta, error) {
	defer c.wipe()
	var result *CommitResult
	var d Delta
	err := c.prepare(by, template)
	if err == nil {
		result, d, err = c.finish()
	}
	if err != nil {
		if c.epoch != nil {
			c.epoch.Wipe()
		}
		if c.path != nil {
			c.path.Keys().Retire(nil)
		}
		return nil, nil, err
	}
	hash, err := messageHash(c.public.suite, result.Message)
	if err != nil {
		return nil, nil, err
	}
	d = append(d, g.dropPending()...)
	at := c.plan.by.leaf
	g.pending = &pendingCommit{hash: hash, leaf: at, key: c.next.Leaf(at).SignatureKey, signer: c.leaf, epoch: c.epoch}
	if c.path != nil {
		g.pending.keys = c.path.Keys()
	}
	saved, err := g.pending.save()
	if err != nil {
		return nil, nil, err
	}
	return result, mergeDelta(d, g.keep(saved)), nil
}

func (c *committing) wipe() {
	suite.Wipe(c.joiner)
	suite.Wipe(c.psk)
	if c.path != nil {
		c.path.Wipe()
	}
}

// prepare plans the proposals and makes the path.
func (c *committing) prepare(by author, template *wire.LeafNode) (err error) {
	p := c.public
	if c.plan == nil {
		if c.plan, err = p.plan(c.list, by, c.now); err != nil {
			return err
		}
	}
	c.tree, c.leaf = c.plan.tree, c.signer
	// A lone creator's commit always brings fresh randomness, so that a weak start cannot reach those who join (RFC 9420 §11).
	if c.opt.NoPath && !c.plan.path && p.Members() > 1 {
		if c.opt.Renewal != nil {
			return broken(RulePathMissing)
		}
		return nil
	}
	node := *template
	if c.leaf, err = c.opt.Renewal.apply(p.suite, &node, c.signer); err != nil {
		return err
	}
	at := c.plan.by.leaf
	c.tree, c.path, err = c.plan.tree.NewPath(at, &node, func(leaf *wire.LeafNode) error {
		return signLeaf(p.suite, c.leaf, leaf, p.GroupID(), at)
	})
	if err != nil {
		return treeError(err)
	}
	use := UseCommitPath
	if by.external {
		use = UseExternalCommit
	}
	check := LeafCheck{Use: use, Leaf: c.path.Leaf(), Previous: c.plan.previous, Now: c.now, GroupContext: c.plan.context}
	if err := p.cfg.checkLeaf(p.suite, check, c.plan.needs, p.GroupID(), at); err != nil {
		return err
	}
	c.plan.countPath(c.path.Leaf())
	return nil
}

// finish seals the path, derives the next epoch and frames the message.
func (c *committing) finish() (*CommitResult, Delta, error) {
	commit := &wire.Commit{}
	for i := range c.list {
		if c.list[i].Ref != nil {
			commit.Proposals = append(commit.Proposals, wire.ProposalOrRef{Reference: c.list[i].Ref})
		} else {
			commit.Proposals = append(commit.Proposals, wire.ProposalOrRef{Proposal: c.list[i].Proposal})
		}
	}
	if c.path != nil {
		context, err := c.plan.provisional(c.tree.Hash())
		if err != nil {
			return nil, nil, err
		}
		if commit.Path, err = c.path.Seal(context, c.plan.joiners, c.public.cfg.parallel); err != nil {
			return nil, nil, because(RulePath, err)
		}
	}
	if err := c.public.checkAAD(c.opt.AAD); err != nil {
		return nil, nil, err
	}
	var err error
	c.content, err = signContent(c.public.suite, c.signer, c.format, wire.FramedContent{
		GroupID:           c.public.context.GroupID,
		Epoch:             c.public.context.Epoch,
		Sender:            c.sender,
		AuthenticatedData: c.opt.AAD,
		Type:              wire.CommitContent,
		Commit:            commit,
	}, c.public.octets)
	if err != nil {
		return nil, nil, err
	}
	if err := c.derive(); err != nil {
		return nil, nil, err
	}
	return c.results()
}

// derive computes the next epoch and the confirmation tag (RFC 9420 §12.4.1).
func (c *committing) derive() error {
	p := c.public
	confirmed, err := c.content.confirmedHash(p.suite, p.interim)
	if err != nil {
		return err
	}
	context := *c.plan.context
	context.TreeHash, context.ConfirmedTranscriptHash = c.tree.Hash(), confirmed
	encoded, err := marshal(&context)
	if err != nil {
		return err
	}
	if c.psk, err = pskSecret(p.suite, c.plan.psks, c.group.psk); err != nil {
		return err
	}
	init, err := c.init()
	if err != nil {
		return err
	}
	secret := make([]byte, p.suite.HashSize())
	if c.path != nil {
		secret = c.path.CommitSecret()
	}
	c.joiner = schedule.Joiner(p.suite, init, secret, encoded)
	if c.epoch, err = schedule.FromJoiner(p.suite, c.joiner, c.psk, encoded); err != nil {
		return because(RuleSecret, err)
	}
	tag := c.epoch.ConfirmationTag(confirmed)
	c.content.Auth.ConfirmationTag = tag
	interim, err := schedule.InterimHash(p.suite, confirmed, tag)
	if err != nil {
		return because(RuleEncoding, err)
	}
	c.next, err = p.finish(c.plan, c.tree, confirmed, tag, interim)
	return err
}

// results frames the message last: that may use up a generation of a ratchet, and signers can fail.
func (c *committing) results() (*CommitResult, Delta, error) {
	r := &CommitResult{}
	var d Delta
	var err error
	if r.GroupInfo, err = signedInfo(c.next, c.epoch, c.leaf, c.plan.by.leaf, c.opt.InfoExtensions); err != nil {
		return nil, nil, err
	}
	if r.Welcome, err = c.welcome(r.GroupInfo); err != nil {
		return nil, nil, err
	}
	if c.sender.Type == wire.MemberSender {
		r.Message, d, err = c.group.frame(c.content)
	} else {
		r.Message = publicMessage(c.content, nil)
	}
	return r, d, err
}

// welcome seals the way in to those who were added (RFC 9420 §12.4.3.1).
func (c *committing) welcome(info *wire.GroupInfo) (*wire.Welcome, error) {
	if len(c.plan.packages) == 0 {
		return nil, nil
	}
	s := c.public.suite
	if c.opt.TreeInWelcome {
		t := c.next.Tree()
		data, err := marshal(&t)
		if err != nil {
			return nil, err
		}
		more := append(slices.Clone(info.Extensions), wire.Extension{Type: wire.RatchetTreeExtension, Data: data})
		if info, err = c.next.signInfo(c.leaf, c.plan.by.leaf, more); err != nil {
			return nil, err
		}
	}
	secret := schedule.Welcome(s, c.joiner, c.psk)
	defer suite.Wipe(secret)
	key, nonce := schedule.WelcomeKey(s, secret)
	defer suite.Wipe(key)
	aead, err := s.AEAD(key)
	if err != nil {
		return nil, because(RuleSecret, err)
	}
	plain, err := marshal(info)
	if err != nil {
		return nil, err
	}
	w := &wire.Welcome{Suite: s.ID(), EncryptedGroupInfo: aead.Seal(nil, nonce, plain, nil)}
	w.Secrets = make([]wire.EncryptedGroupSecrets, len(c.plan.packages))
	purpose, err := s.Purpose("Welcome", w.EncryptedGroupInfo)
	if err != nil {
		return nil, because(RuleWelcome, err)
	}
	return w, c.public.cfg.each(len(w.Secrets), func(i int) error {
		var err error
		w.Secrets[i], err = c.secretsFor(i, purpose)
		return err
	})
}

func (c *committing) secretsFor(i int, purpose *suite.Purpose) (wire.EncryptedGroupSecrets, error) {
	out := wire.EncryptedGroupSecrets{NewMember: c.plan.added[i].KeyPackageRef}
	secrets := wire.GroupSecrets{JoinerSecret: c.joiner, PSKs: c.plan.psks}
	if c.path != nil {
		if p := c.path.SecretFor(c.plan.joiners[i]); p != nil {
			secrets.PathSecret = &p
		}
	}
	plain, err := marshal(&secrets)
	if err != nil {
		return out, err
	}
	defer suite.Wipe(plain)
	out.Secrets, err = purpose.Encrypt(c.plan.packages[i].InitKey, plain)
	return out, because(RuleWelcome, err)
}

// messageHash is by what an own message is known when it comes back.
func messageHash(s *suite.Suite, m *wire.Message) ([]byte, error) {
	octets, err := marshal(m)
	if err != nil {
		return nil, err
	}
	return s.Hash(octets), nil
}

// DropPendingCommit forgets an own commit that was refused or overtaken, and overwrites its secrets.
func (g *Group) DropPendingCommit() Delta { return g.dropPending() }

func (g *Group) dropPending() Delta {
	if g.pending == nil {
		return nil
	}
	g.pending.wipe(nil)
	g.pending = nil
	return g.deleteStored(keyCommit)
}
