package room

import (
	"bytes"
	"slices"

	"parley/mimi"
	"parley/mls"
	"parley/mls/wire"
	"parley/policy"
	"parley/syntax"
	"parley/uri"
)

// leafOf is the leaf of whoever made a proposal; nil for the hub.
func (j *judgement) leafOf(p *mls.Proposed) *wire.LeafNode {
	if p.Sender.Type == wire.NewMemberCommitSender {
		_, leaf := j.staged.Committer()
		return leaf
	}
	return p.SenderLeaf
}

// joins reports whether a proposal is one with which a user from outside comes in: the init of the commit, and the own place in the
// list (P-ND-03).
func (j *judgement) joins(p *mls.Proposed) bool {
	if !j.joiner || p.Sender.Type != wire.NewMemberCommitSender {
		return false
	}
	switch p.Proposal.Type {
	case wire.ExternalInitProposal:
		return true
	case wire.AppDataUpdateProposal:
		return p.Proposal.AppDataUpdate.Component == mimi.ParticipantListComponent
	}
	return false
}

// policy judges a change of the room's policy by the capability that its component needs. What nobody has a number for in the draft
// needs those of A-R11.
func (j *judgement) policy(actor uri.User, u *wire.AppDataUpdate) error {
	if u.Operation != wire.UpdateAppData {
		return broken("a component of the policy cannot be removed")
	}
	switch u.Component {
	case policy.RolesComponent:
		return j.decide(actor, true, policy.Use(policy.CanChangeRoleDefinitions)) // R-ROL-09
	case policy.PreAuthComponent:
		return j.decide(actor, true, policy.Use(policy.CanChangePreauthorizedUserList)) // R-PRE-06
	case policy.OperationalComponent:
		return j.decide(actor, true, policy.Use(policy.CanChangeMLSOperationalPolicies))
	case policy.BaseRoomComponent:
		return j.base(actor, u)
	}
	if !slices.Contains(policy.IDs(), u.Component) {
		return broken("this component of the room cannot be changed")
	}
	return j.decide(actor, true, policy.Use(policy.CanChangeOtherPolicyAttribute))
}

// base judges a change of the base policy: what says how people come in needs one capability, the rest another (R-BAS-16, A-R11).
func (j *judgement) base(actor uri.User, u *wire.AppDataUpdate) error {
	var next policy.BaseRoomPolicy
	if err := syntax.Unmarshal(u.Update, &next); err != nil {
		return broken("an update of the base policy is malformed")
	}
	old := j.before.Base
	if next.FixedMembership != old.FixedMembership || next.ParentDependent != old.ParentDependent ||
		!slices.Equal(next.ParentRoom, old.ParentRoom) {
		if err := j.decide(actor, true, policy.Use(policy.CanChangeRoomMembershipStyle)); err != nil {
			return err
		}
	}
	next.FixedMembership, next.ParentDependent, next.ParentRoom = old.FixedMembership, old.ParentDependent, old.ParentRoom
	a, err := syntax.Marshal(&old)
	if err != nil {
		return err
	}
	b, err := syntax.Marshal(&next)
	if err != nil {
		return err
	}
	if bytes.Equal(a, b) {
		return nil
	}
	return j.decide(actor, true, policy.Use(policy.CanChangeOtherPolicyAttribute))
}

// together refuses changes that may not stand in one commit (P-PL-10): roles with the list, preauthorisation with anything of the list
// but removals.
func (j *judgement) together() error {
	roles, pre, list, comes := false, false, false, false
	for _, p := range j.staged.Proposals() {
		u := p.Proposal.AppDataUpdate
		if u == nil {
			continue
		}
		switch u.Component {
		case policy.RolesComponent:
			roles = true
		case policy.PreAuthComponent:
			pre = true
		case mimi.ParticipantListComponent:
			update, err := listUpdate(u)
			if err != nil {
				return err
			}
			list = true
			comes = comes || update != nil && len(update.Added)+len(update.Changed) > 0
		}
	}
	switch {
	case roles && list:
		return broken("roles and participants do not change in one commit") // R-ROL-08
	case pre && comes:
		return broken("the preauthorised people change together with removals only") // R-PRE-05
	}
	return nil
}

// roles holds the result against the bounds of roles (R-ROL-04, R-ROL-05, R-ROL-12). A bound that was broken before the commit, and
// not by it, does not stop the room.
func (j *judgement) roles() error {
	was, err := j.counts(j.before, j.staged.From())
	if err != nil {
		return err
	}
	is, err := j.counts(j.after, j.staged.Next())
	if err != nil {
		return err
	}
	for index := range is {
		if _, known := j.after.Roles.Find(index); !known {
			return broken("a participant has a role that does not exist")
		}
	}
	for i := range j.after.Roles.Roles {
		r := &j.after.Roles.Roles[i]
		a, b := was[r.Index], is[r.Index]
		switch {
		case r.Maximum != nil && b.users > *r.Maximum && b.users > a.users:
			return broken("as many participants have the role as may have it")
		case b.users < r.Minimum && b.users < a.users:
			return broken("too few participants would have the role")
		case r.MaximumActive != nil && b.active > *r.MaximumActive && b.active > a.active:
			return broken("as many participants with clients have the role as may have it")
		case b.active < r.MinimumActive && b.active < a.active:
			return broken("too few participants with clients would have the role")
		}
	}
	return nil
}

// held is how many participants have a role, and how many of them have a client in the group (A-R21).
type held struct{ users, active uint32 }

// counts reads every leaf, but only for a room that bounds the active participants of a role.
func (j *judgement) counts(s *State, g *mls.PublicGroup) (map[uint32]held, error) {
	active := make(map[uri.User]bool)
	if j.boundsActive() {
		for _, leaf := range g.All() {
			user, err := UserOf(leaf)
			if err != nil {
				return nil, err
			}
			active[user] = true
		}
	}
	out := make(map[uint32]held)
	for _, p := range s.Participants.Participants {
		h := out[p.Role]
		h.users++
		if user, err := uri.ParseUser(p.User); err == nil && active[user] {
			h.active++
		}
		out[p.Role] = h
	}
	return out, nil
}

func (j *judgement) boundsActive() bool {
	for i := range j.after.Roles.Roles {
		if r := &j.after.Roles.Roles[i]; r.MinimumActive > 0 || r.MaximumActive != nil {
			return true
		}
	}
	return false
}

// leaves holds every leaf that a commit brings against the operational policy (R-OPR-06, R-OPR-08).
func (j *judgement) leaves() error {
	o := j.after.Operational
	if o == nil {
		return nil
	}
	var list []*wire.LeafNode
	for _, change := range slices.Concat(j.staged.Added(), j.staged.Updated()) {
		list = append(list, change.After)
	}
	if j.staged.HasPath() {
		_, leaf := j.staged.Committer()
		list = append(list, leaf)
	}
	for _, leaf := range list {
		if leaf.Source == wire.KeyPackageSource && o.MaxKeyPackageLifetime > 0 &&
			leaf.Lifetime.NotAfter-leaf.Lifetime.NotBefore > o.MaxKeyPackageLifetime {
			return broken("a KeyPackage lives longer than the room allows")
		}
		if err := understands(leaf, &o.Mandatory, &o.Forbidden); err != nil {
			return err
		}
	}
	return nil
}

// understands holds a leaf's capabilities against what members must and must not understand.
func understands(leaf *wire.LeafNode, must, never *policy.ExtendedCapabilities) error {
	c := &leaf.Capabilities
	components, err := componentsOf(leaf)
	if err != nil {
		return broken("a leaf's components are malformed")
	}
	for _, rule := range []struct{ lacks, has bool }{
		bounds(c.Versions, must.Versions, never.Versions),
		bounds(c.Suites, must.Suites, never.Suites),
		bounds(c.Extensions, must.Extensions, never.Extensions),
		bounds(c.Proposals, must.Proposals, never.Proposals),
		bounds(c.Credentials, must.Credentials, never.Credentials),
		bounds(components, must.Components, never.Components),
	} {
		if rule.lacks {
			return broken("a client lacks what members have to understand here")
		}
		if rule.has {
			return broken("a client understands what members may not understand here")
		}
	}
	return nil
}

func bounds[T comparable](have, must, never []T) (out struct{ lacks, has bool }) {
	for _, x := range must {
		out.lacks = out.lacks || !slices.Contains(have, x)
	}
	for _, x := range never {
		out.has = out.has || slices.Contains(have, x)
	}
	return out
}

func componentsOf(leaf *wire.LeafNode) ([]wire.ComponentID, error) {
	data, ok := leaf.Extensions.Find(wire.AppDataDictionaryExtension)
	if !ok {
		return nil, nil
	}
	var d wire.AppDataDictionary
	if err := syntax.Unmarshal(data, &d); err != nil {
		return nil, err
	}
	if data, ok = d.Find(wire.AppComponentsComponent); !ok {
		return nil, nil
	}
	var list wire.ComponentsList
	err := syntax.Unmarshal(data, &list)
	return list.IDs, err
}
