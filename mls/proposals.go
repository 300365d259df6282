package mls

import (
	"bytes"
	"time"

	"parley/mls/wire"
	"parley/syntax"
)

// Proposed is one proposal of a commit, or the proposal of a proposal message.
type Proposed struct {
	Ref        []byte // nil when it stands in the commit by value
	Proposal   *wire.Proposal
	Sender     wire.Sender
	SenderLeaf *wire.LeafNode // of a member
	format     wire.WireFormat
}

func (p *Proposed) by(i LeafIndex) bool {
	return p.Sender.Type == wire.MemberSender && LeafIndex(p.Sender.Index) == i
}

// target returns the leaf that a proposal changes or removes.
func (p *Proposed) target() (LeafIndex, bool) {
	switch p.Proposal.Type {
	case wire.RemoveProposal:
		return LeafIndex(p.Proposal.Remove), true
	case wire.UpdateProposal, wire.SelfRemoveProposal:
		return LeafIndex(p.Sender.Index), true
	}
	return 0, false
}

// externalMayPropose tells which proposals external senders may send (RFC 9420 §12.1.8, mls-extensions §4.7, §4.8).
func externalMayPropose(t wire.ProposalType) bool {
	switch t {
	case wire.AddProposal, wire.RemoveProposal, wire.PreSharedKeyProposal, wire.ReInitProposal,
		wire.GroupContextExtensionsProposal, wire.AppDataUpdateProposal, wire.AppEphemeralProposal:
		return true
	}
	return false
}

// mayStandInExternalCommit tells which proposals an external committer may include by value (RFC 9420 §12.4.3.2, mls-extensions §4.7).
func mayStandInExternalCommit(t wire.ProposalType) bool {
	switch t {
	case wire.ExternalInitProposal, wire.RemoveProposal, wire.PreSharedKeyProposal, wire.AppDataUpdateProposal, wire.AppEphemeralProposal:
		return true
	}
	return false
}

// needsPath tells whether a commit of this proposal must have a path (RFC 9420 §17.4, mls-extensions §4.7, §4.8, §6.3).
func needsPath(t wire.ProposalType) bool {
	switch t {
	case wire.AddProposal, wire.PreSharedKeyProposal, wire.ReInitProposal, wire.AppDataUpdateProposal, wire.AppEphemeralProposal:
		return false
	}
	return true
}

// checkProposal makes the checks of one proposal that do not depend on the others of a commit. context and n are those in which an
// added or updated leaf would live.
func (g *PublicGroup) checkProposal(p *Proposed, context *wire.GroupContext, n *needs, now time.Time) error {
	if err := checkProposer(p); err != nil {
		return err
	}
	switch p.Proposal.Type {
	case wire.AddProposal:
		return g.checkAdd(p.Proposal.Add, context, n, now)
	case wire.UpdateProposal:
		leaf := p.Proposal.Update
		if bytes.Equal(leaf.EncryptionKey, p.SenderLeaf.EncryptionKey) {
			return broken(RuleKeyReuse)
		}
		check := LeafCheck{Use: UseUpdate, Leaf: leaf, Previous: p.SenderLeaf, Now: now, GroupContext: context}
		return g.cfg.checkLeaf(g.suite, check, n, context.GroupID, LeafIndex(p.Sender.Index))
	case wire.RemoveProposal:
		if g.tree.Leaf(LeafIndex(p.Proposal.Remove)) == nil {
			return broken(RuleRemoveBlank)
		}
	case wire.PreSharedKeyProposal:
		return g.checkPSK(p.Proposal.PSK)
	case wire.ReInitProposal:
		if p.Proposal.ReInit.Version < g.context.Version {
			return broken(RuleReInitVersion)
		}
	case wire.GroupContextExtensionsProposal:
		return g.checkExtensions(p.Proposal.Extensions, now)
	case wire.SelfRemoveProposal:
		if p.format != wire.PublicMessageFormat {
			return broken(RuleSelfRemoveForm)
		}
		if !g.SupportedByAll(wire.SelfRemoveProposal) {
			return broken(RuleSelfRemoveSupport)
		}
	}
	return nil
}

// checkProposer checks that this kind of sender may send this kind of proposal at all (RFC 9420 §12.1.8).
func checkProposer(p *Proposed) error {
	t := p.Proposal.Type
	ok := true
	switch p.Sender.Type {
	case wire.MemberSender:
		ok = t != wire.ExternalInitProposal
	case wire.ExternalSenderType:
		ok = externalMayPropose(t)
	case wire.NewMemberProposalSender:
		ok = t == wire.AddProposal
	case wire.NewMemberCommitSender:
		ok = mayStandInExternalCommit(t)
	}
	if ok {
		return nil
	}
	if t == wire.ExternalInitProposal {
		return broken(RuleExternalInit)
	}
	return broken(RuleProposalSender)
}

func (g *PublicGroup) checkAdd(kp *wire.KeyPackage, context *wire.GroupContext, n *needs, now time.Time) error {
	if err := g.cfg.checkKeyPackage(g.suite, kp); err != nil {
		return err
	}
	check := LeafCheck{Use: UseAdd, Leaf: &kp.Leaf, Now: now, GroupContext: context}
	return g.cfg.checkLeaf(g.suite, check, n, nil, 0)
}

// checkPSK checks the form of a pre-shared key proposal (RFC 9420 §12.1.4). Only the first commit of a group can say that it continues
// another one.
func (g *PublicGroup) checkPSK(id *wire.PreSharedKeyID) error {
	if len(id.Nonce) != g.suite.HashSize() || continues(id) && g.context.Epoch > 0 {
		return broken(RulePSKForm)
	}
	return nil
}

// checkExtensions checks what a GroupContextExtensions proposal would set; whether the members support it is checked when it is
// applied, because the commit may remove some of them.
func (g *PublicGroup) checkExtensions(list wire.Extensions, now time.Time) error {
	if err := lockedDictionary(g.context.Extensions, list); err != nil {
		return err
	}
	trial := *g
	context := *g.context
	context.Extensions = list
	trial.context = &context
	before := g.context.Extensions
	if before == nil {
		before = wire.Extensions{}
	}
	return trial.adoptExtensions(before, now)
}

// checkComponents checks an AppDataUpdate or AppEphemeral that came as a message, as far as it can be known before the other
// proposals of a commit are: component logic gets all updates of a commit at once (mls-extensions §4.7).
func (g *PublicGroup) checkComponents(p *wire.Proposal) error {
	if p.AppDataUpdate == nil && p.AppEphemeral == nil {
		return nil
	}
	dictionary, _, err := dictionaryOf(g.context.Extensions)
	if err != nil {
		return err
	}
	known, err := knownComponents(&dictionary)
	if err != nil {
		return err
	}
	if p.AppEphemeral != nil {
		return g.cfg.checkEphemeral(known, p.AppEphemeral)
	}
	if !known(p.AppDataUpdate.Component) {
		return broken(RuleComponentUnknown)
	}
	_, present := dictionary.Find(p.AppDataUpdate.Component)
	if !present && p.AppDataUpdate.Operation == wire.RemoveAppData {
		return broken(RuleComponentAbsent)
	}
	return nil
}

// author is who makes a commit.
type author struct {
	external bool
	leaf     LeafIndex // of a member
}

// checkList checks the proposals of a commit against each other (RFC 9420 §12.2, mls-extensions §4.7, §6.3).
func (g *PublicGroup) checkList(list []Proposed, by author) error {
	if len(list) > g.cfg.limits().Proposals {
		return broken(RuleLimit)
	}
	var count [wire.SelfRemoveProposal + 1]int
	for i := range list {
		t := list[i].Proposal.Type
		if int(t) >= len(count) || t == 0 {
			return broken(RuleProposalUnknown)
		}
		count[t]++
		if err := checkPlace(&list[i], by); err != nil {
			return err
		}
	}
	switch {
	case count[wire.ReInitProposal] > 0 && len(list) > 1:
		return broken(RuleReInitAlone)
	case count[wire.GroupContextExtensionsProposal] > 1:
		return broken(RuleExtensionsTwice)
	case by.external && count[wire.ExternalInitProposal] != 1:
		return broken(RuleExternalInit)
	}
	if err := checkTargets(list); err != nil {
		return err
	}
	if err := checkTwice(list); err != nil {
		return err
	}
	if by.external {
		return g.checkExternalRemove(list)
	}
	return nil
}

// checkPlace checks a proposal's place in a commit: by value or by reference, and whose.
func checkPlace(p *Proposed, by author) error {
	t := p.Proposal.Type
	if by.external {
		switch {
		case p.Ref != nil && t != wire.SelfRemoveProposal, p.Ref == nil && !mayStandInExternalCommit(t) && t != wire.SelfRemoveProposal:
			return broken(RuleExternalCommit)
		}
	}
	switch t {
	case wire.UpdateProposal:
		if p.Ref == nil {
			return broken(RuleUpdateInline)
		}
		if p.by(by.leaf) && !by.external {
			return broken(RuleUpdateOwn)
		}
	case wire.ExternalInitProposal:
		if !by.external {
			return broken(RuleExternalInit)
		}
	case wire.SelfRemoveProposal:
		if p.Ref == nil {
			return broken(RuleSelfRemoveForm)
		}
		if p.by(by.leaf) && !by.external {
			return broken(RuleRemoveCommitter)
		}
	case wire.RemoveProposal:
		if LeafIndex(p.Proposal.Remove) == by.leaf && !by.external {
			return broken(RuleRemoveCommitter)
		}
	}
	return nil
}

// checkTargets refuses two changes of one leaf: Updates, Removes and SelfRemoves exclude each other (RFC 9420 §12.2, X-SR-07).
func checkTargets(list []Proposed) error {
	seen := map[LeafIndex]bool{}
	for i := range list {
		at, ok := list[i].target()
		if !ok {
			continue
		}
		if seen[at] {
			return broken(RuleLeafTwice)
		}
		seen[at] = true
	}
	return nil
}

// checkTwice refuses a pre-shared key that is used twice and two Adds of one client, by which its signature key is meant.
func checkTwice(list []Proposed) error {
	psks, clients := map[string]bool{}, map[string]bool{}
	for i := range list {
		p := list[i].Proposal
		switch p.Type {
		case wire.PreSharedKeyProposal:
			id, err := syntax.Marshal(p.PSK)
			if err != nil {
				return because(RuleEncoding, err)
			}
			if psks[string(id)] {
				return broken(RulePSKTwice)
			}
			psks[string(id)] = true
		case wire.AddProposal:
			key := string(p.Add.Leaf.SignatureKey)
			if clients[key] {
				return broken(RuleAddTwice)
			}
			clients[key] = true
		}
	}
	return nil
}

// checkExternalRemove allows one Remove in an external commit. That it removes the joiner itself is for the validator of the new
// leaf to say, which gets the removed one as Previous (P-ND-08).
func (g *PublicGroup) checkExternalRemove(list []Proposed) error {
	removes := 0
	for i := range list {
		if list[i].Proposal.Type == wire.RemoveProposal {
			removes++
		}
	}
	if removes > 1 {
		return broken(RuleExternalCommit)
	}
	return nil
}
