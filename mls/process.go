package mls

import (
	"bytes"
	"encoding/hex"
	"slices"
	"time"

	"parley/mls/internal/schedule"
	"parley/mls/internal/tree"
	"parley/mls/suite"
	"parley/mls/wire"
)

// GroupStaged is what a checked proposal or commit would do to a member. Exactly one of Apply and Discard is called, before anything
// else is done with the group.
type GroupStaged struct {
	*Staged
	group *Group
	use   *schedule.Use // of an encrypted message
	mine  bool          // an own message that came back
	next  *nextEpoch    // of a commit
	over  bool
}

// nextEpoch is the secret part of what a commit leads to; epoch is nil when the commit removes all own leaves.
type nextEpoch struct {
	epoch *schedule.Epoch
	own   []*ownLeaf
}

// Mine reports whether the message is one that this group made itself.
func (s *GroupStaged) Mine() bool { return s.mine }

// Process checks a proposal or a commit completely: format, membership tag, signature, all rules, and for a commit the path and the
// confirmation tag (RFC 9420 §12.4.2). Nothing of the group has changed when it returns, with or without an error.
func (g *Group) Process(m *wire.Message, now time.Time) (*GroupStaged, error) {
	s := &GroupStaged{group: g}
	content, err := s.signed(m)
	if err != nil {
		return nil, err
	}
	own, err := g.isPending(m)
	if err != nil {
		return nil, err
	}
	s.mine = s.mine || own
	plain := m
	if m.Public == nil {
		plain = nil
	}
	if s.Staged, err = g.public.stage(content, plain, now); err == nil && s.Kind() == wire.CommitContent {
		err = s.stageSecrets(own)
	}
	if err != nil {
		s.drop()
		return nil, err
	}
	return s, nil
}

func (g *Group) isPending(m *wire.Message) (bool, error) {
	if g.pending == nil || m.ContentType() != wire.CommitContent {
		return false, nil
	}
	hash, err := messageHash(g.public.suite, m)
	return err == nil && bytes.Equal(hash, g.pending.hash), err
}

// signed returns the signed content of a message after the checks that need secrets.
func (s *GroupStaged) signed(m *wire.Message) (*framed, error) {
	switch {
	case m.Public != nil:
		f, err := authenticated(m.Public)
		if err != nil {
			return nil, err
		}
		return f, s.group.checkMembership(f, m.Public.MembershipTag)
	case m.Private != nil && m.Private.Type != wire.ApplicationContent:
		ac, err := s.decrypt(m)
		if err != nil {
			return nil, err
		}
		return frame(ac)
	case m.Semi != nil:
		return s.signedSemiPrivate(m)
	}
	return nil, broken(RuleFormat)
}

// checkMembership checks the membership tag of a member's message (RFC 9420 §6.2). A message of another group or epoch is left to the
// common checks, which name that as the reason.
func (g *Group) checkMembership(f *framed, tag []byte) error {
	content := &f.Content
	here := bytes.Equal(content.GroupID, g.public.GroupID()) && content.Epoch == g.public.Epoch()
	if !here || content.Sender.Type != wire.MemberSender {
		return nil
	}
	if g.epoch == nil {
		return broken(RuleState)
	}
	tbm, err := f.tbm(g.public.octets)
	if err != nil {
		return err
	}
	if !g.epoch.VerifyMembership(tag, tbm...) {
		return broken(RuleMembership)
	}
	return nil
}

func (s *GroupStaged) decrypt(m *wire.Message) (*wire.AuthenticatedContent, error) {
	g := s.group
	if !bytes.Equal(m.Private.GroupID, g.public.GroupID()) {
		return nil, broken(RuleGroupID)
	}
	if m.Private.Epoch != g.public.Epoch() {
		return nil, broken(RuleEpoch)
	}
	if g.epoch == nil {
		return nil, broken(RuleState)
	}
	if mine, err := g.sentContent(m); mine != nil || err != nil {
		s.mine = true
		return mine, err
	}
	o, err := g.cryptor().open(m.Private)
	if err != nil {
		return nil, err
	}
	s.use = o.use
	return o.content, nil
}

// sentContent finds an own encrypted handshake again, whose key was used up by sending it.
func (g *Group) sentContent(m *wire.Message) (*wire.AuthenticatedContent, error) {
	hash, err := messageHash(g.public.suite, m)
	if err != nil {
		return nil, err
	}
	octets, ok := g.stored[keySent+hex.EncodeToString(hash)]
	if !ok {
		return nil, nil
	}
	content := new(wire.AuthenticatedContent)
	return content, load(octets, content)
}

// stageSecrets makes the secret part of the next epoch.
func (s *GroupStaged) stageSecrets(own bool) (err error) {
	g := s.group
	s.next = &nextEpoch{}
	removed := func(leaf LeafIndex) bool {
		return slices.ContainsFunc(s.plan.removed, func(c LeafChange) bool { return c.Index == leaf })
	}
	stay := slices.DeleteFunc(slices.Clone(g.own), func(o *ownLeaf) bool { return removed(o.leaf) })
	if own {
		s.next.epoch = g.pending.epoch
		if s.next.own, err = s.ownAfterOwn(stay); err != nil {
			return err
		}
		return s.confirm()
	}
	if g.epoch == nil {
		return broken(RuleState)
	}
	if len(stay) == 0 {
		return nil
	}
	if slices.ContainsFunc(stay, func(o *ownLeaf) bool { return !s.External() && o.leaf == s.plan.by.leaf }) {
		return broken(RuleOwnMessage) // the commit was made by an own leaf, but its secrets are gone
	}
	commit, err := s.openPath(stay)
	if err != nil {
		return err
	}
	defer suite.Wipe(commit)
	if err := s.derive(commit); err != nil {
		return err
	}
	return s.confirm()
}

func (s *GroupStaged) confirm() error {
	if !s.next.epoch.VerifyConfirmation(s.Staged.next.context.ConfirmedTranscriptHash, s.Staged.next.tag) {
		return broken(RuleConfirm)
	}
	return nil
}

// ownAfterOwn returns the own leaves after an own commit: the committer has the keys of its path, the others those of it that lie
// above them.
func (s *GroupStaged) ownAfterOwn(stay []*ownLeaf) ([]*ownLeaf, error) {
	g, t := s.group, s.Staged.next.tree
	p := g.pending
	if s.External() {
		return []*ownLeaf{{p.leaf, p.signer, p.keys}}, nil
	}
	var out []*ownLeaf
	for _, o := range stay {
		if o.leaf == p.leaf && p.keys != nil {
			out = append(out, &ownLeaf{o.leaf, p.signer, p.keys})
			continue
		}
		next, err := s.afterProposals(o)
		if err != nil {
			return nil, err
		}
		next.keys = next.keys.Retain(t)
		if p.keys != nil {
			next.keys = next.keys.Share(p.keys)
		}
		out = append(out, next)
	}
	return out, nil
}

// afterProposals returns an own leaf with the key of the Update by which the commit's proposals replaced it, if they did.
func (s *GroupStaged) afterProposals(o *ownLeaf) (*ownLeaf, error) {
	next := &ownLeaf{o.leaf, o.signer, o.keys}
	for i := range s.list {
		p := &s.list[i]
		if p.Proposal.Type != wire.UpdateProposal || LeafIndex(p.Sender.Index) != o.leaf {
			continue
		}
		u := s.group.updates[string(p.Ref)]
		if u == nil {
			return nil, broken(RuleOwnLeaf) // its key is not here
		}
		next.keys = o.keys.WithLeaf(u.public, u.private)
		key := p.Proposal.Update.SignatureKey
		if next.signer = u.signer; u.signer != nil {
			return next, nil
		}
		if next.signer = o.signer; bytes.Equal(key, p.SenderLeaf.SignatureKey) {
			return next, nil
		}
		var err error
		next.signer, err = s.group.signer(key)
		return next, err
	}
	return next, nil
}

// openPath recovers the commit secret with the own leaf that learns most, and gives the others their part (RFC 9420 §7.5).
func (s *GroupStaged) openPath(stay []*ownLeaf) (commitSecret []byte, err error) {
	g, t, path := s.group, s.Staged.next.tree, s.content.Content.Commit.Path
	next := make([]*ownLeaf, len(stay))
	for i, o := range stay {
		if next[i], err = s.afterProposals(o); err != nil {
			return nil, err
		}
	}
	s.next.own = next
	if path == nil {
		for _, o := range next {
			o.keys = o.keys.Retain(t)
		}
		return make([]byte, g.public.suite.HashSize()), nil
	}
	context, err := s.plan.provisional(t.Hash())
	if err != nil {
		return nil, err
	}
	first := deepest(next, s.plan.by.leaf)
	keys, commitSecret, err := t.OpenPath(s.plan.tree, first.keys, s.plan.by.leaf, path, context, s.plan.joiners)
	if err != nil {
		return nil, because(RulePath, err)
	}
	first.keys = keys
	for _, o := range next {
		o.keys = shareKeys(t, o.keys, keys)
	}
	return commitSecret, nil
}

// derive computes the next epoch's secrets (RFC 9420 §8).
func (s *GroupStaged) derive(commitSecret []byte) error {
	g := s.group
	c := g.public.suite
	context := s.Staged.next.octets
	psk, err := pskSecret(c, s.plan.psks, g.psk)
	if err != nil {
		return err
	}
	defer suite.Wipe(psk)
	init := bytes.Clone(g.epoch.InitSecret())
	if s.External() {
		private, _, err := g.epoch.ExternalKeyPair()
		if err != nil {
			return because(RuleSecret, err)
		}
		defer suite.Wipe(private)
		if init, err = c.OpenExternalInit(private, s.plan.kem); err != nil {
			return because(RuleExternalInit, err)
		}
	}
	defer suite.Wipe(init)
	joiner := schedule.Joiner(c, init, commitSecret, context)
	defer suite.Wipe(joiner)
	s.next.epoch, err = schedule.FromJoiner(c, joiner, psk, context)
	return because(RuleSecret, err)
}

// Discard drops what was staged and overwrites its secrets. The group is as it was.
func (s *GroupStaged) Discard() {
	if s.over {
		return
	}
	s.over = true
	s.drop()
}

func (s *GroupStaged) drop() {
	if s.use != nil {
		s.use.Discard()
	}
	if s.next == nil {
		return
	}
	if pending := s.group.pending; s.next.epoch != nil && (pending == nil || s.next.epoch != pending.epoch) {
		s.next.epoch.Wipe() // an own commit stays until it is dropped by its owner
	}
	tree.RetireAll(keysOf(s.next.own), s.group.liveKeys())
}

// liveKeys are all keys that the group holds.
func (g *Group) liveKeys() []*tree.Keys {
	keys := keysOf(g.own)
	if g.pending != nil && g.pending.keys != nil {
		keys = append(keys, g.pending.keys)
	}
	return keys
}

func keysOf(own []*ownLeaf) []*tree.Keys {
	keys := make([]*tree.Keys, len(own))
	for i, o := range own {
		keys[i] = o.keys
	}
	return keys
}
