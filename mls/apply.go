package mls

import (
	"slices"

	"parley/mls/internal/schedule"
	"parley/mls/internal/tree"
	"parley/mls/suite"
)

// Apply takes the step and overwrites the secrets that it ends. The delta must be durable before the group is used for anything that
// leaves the process. After an error the group is loaded again.
func (s *GroupStaged) Apply() (Delta, error) {
	if s.over {
		return nil, broken(RuleState)
	}
	s.over = true
	g := s.group
	if s.use != nil {
		g.messages.Consume(s.use)
	}
	if s.next != nil {
		secrets, err := s.advance()
		if err != nil {
			return nil, err
		}
		return append(slices.Clone(s.delta), secrets...), nil
	}
	d := slices.Clone(s.delta)
	if s.use != nil {
		taken, err := g.messages.TakeDelta(epochPrefix(g.public.Epoch()) + epochMessages)
		if err != nil {
			return nil, because(RuleEncoding, err)
		}
		d = append(d, g.keep(taken)...)
	}
	g.public = s.Staged.next
	return d, nil
}

// advance moves the member into the next epoch.
func (s *GroupStaged) advance() (Delta, error) {
	g := s.group
	var d deltaBuilder
	g.endEpoch(&d, s.Staged.next, s.next.epoch == nil)
	old := g.own
	g.public, g.own, g.epoch, g.messages = s.Staged.next, s.next.own, s.next.epoch, nil
	if g.pending != nil && g.pending.epoch == g.epoch {
		g.pending = nil // its secrets live on as those of the epoch
		d.append(g.deleteStored(keyCommit), nil)
	}
	d.append(g.dropPending(), nil)
	if g.epoch != nil {
		g.beginEpoch(&d)
	}
	g.replaceKeys(&d, old)
	for ref, u := range g.updates {
		suite.Wipe(u.private)
		delete(g.updates, ref)
	}
	d.append(g.forgetOrigin(), nil)
	d.append(g.deleteStored(keyUpdate), nil)
	d.append(g.deleteStored(keySent), nil)
	d.put(keyMember, g.memberHeader())
	if d.err != nil {
		return nil, d.err
	}
	return g.keep(mergeDelta(d.Delta)), nil
}

// endEpoch makes the present epoch a past one, and forgets the oldest beyond the limit; all of them when this client is gone.
func (g *Group) endEpoch(d *deltaBuilder, next *PublicGroup, gone bool) {
	if g.epoch == nil {
		return
	}
	prefix := epochPrefix(g.public.Epoch())
	past := g.retire(next)
	d.append(g.deleteStored(prefix+epochKeys), nil)
	// The ratchet of an encrypted commit was used up just now.
	d.append(past.messages.TakeDelta(prefix + epochMessages))
	g.keep(d.Delta)
	g.past = append(g.past, past)
	d.put(prefix+epochPast, past.header())
	g.keep(d.Delta)
	keep := max(g.cfg.limits().PastEpochs, 0)
	if gone {
		keep = 0 // nobody is left here to read late messages
	}
	for len(g.past) > keep {
		oldest := g.past[0]
		g.past = slices.Delete(g.past, 0, 1)
		d.append(g.deleteStored(epochPrefix(oldest.context.Epoch)), nil)
		oldest.wipe()
	}
}

// beginEpoch starts the secret tree and writes the epoch's secrets.
func (g *Group) beginEpoch(d *deltaBuilder) {
	prefix := epochPrefix(g.public.Epoch())
	encryption, err := g.epoch.TakeEncryptionSecret()
	if err != nil {
		d.fail(because(RuleSecret, err))
		return
	}
	g.messages = schedule.NewSecretTree(g.public.suite, encryption, g.public.tree.Leaves(), g.cfg.ratchetLimits())
	d.check(g.epoch.Save(prefix+epochKeys, &d.Delta))
	d.append(g.messages.TakeDelta(prefix + epochMessages))
}

// replaceKeys writes what changed in the own leaves' keys and overwrites the keys that are gone.
func (g *Group) replaceKeys(d *deltaBuilder, old []*ownLeaf) {
	before := map[LeafIndex]*tree.Keys{}
	for _, o := range old {
		before[o.leaf] = o.keys
	}
	for _, o := range g.own {
		d.append(o.keys.Delta(ownPrefix(o.leaf), before[o.leaf]))
		delete(before, o.leaf)
	}
	for _, o := range old {
		if before[o.leaf] != nil {
			d.append(g.deleteStored(ownPrefix(o.leaf)), nil)
		}
	}
	tree.RetireAll(keysOf(old), g.liveKeys())
}
