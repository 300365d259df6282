package room

import (
	"bytes"

	"parley/credential"
	"parley/mls"
	"parley/mls/wire"
	"parley/policy"
	"parley/syntax"
	"parley/uri"
)

// reInit judges the proposal that closes the room's group and announces another one: who may (canSendMLSReinitProposal), that the state of
// the room goes on unchanged, and that every device understands the new suite, so that nobody is shut out.
func (j *judgement) reInit(actor uri.User, r *wire.ReInit) error {
	if err := j.decide(actor, false, policy.Use(policy.CanSendMLSReinitProposal)); err != nil {
		return err
	}
	if j.staged.Kind() != wire.CommitContent {
		return broken("a ReInit is made by a commit")
	}
	from := j.staged.From()
	if !sameExtensions(r.Extensions, from.Context().Extensions) {
		return broken("a ReInit keeps the room's state")
	}
	if bytes.Equal(r.GroupID, from.GroupID()) || len(r.GroupID) < 16 {
		return broken("a ReInit names a new group")
	}
	for _, leaf := range from.All() {
		if !Understands(leaf, r.Suite) {
			return broken("a device in the room does not understand that cipher suite")
		}
	}
	return nil
}

// Understands reports whether a device can be in a group of a cipher suite.
func Understands(leaf *wire.LeafNode, id wire.CipherSuite) bool {
	for _, s := range leaf.Capabilities.Suites {
		if s == id {
			return true
		}
	}
	return false
}

func sameExtensions(a, b wire.Extensions) bool {
	x, err := syntax.Marshal(&a)
	if err != nil {
		return false
	}
	y, err := syntax.Marshal(&b)
	return err == nil && bytes.Equal(x, y)
}

// Succeeds reports whether a group is the one that the ReInit of a closed one announced (RFC 9420 §11.2).
func Succeeds(old, next *mls.PublicGroup) bool {
	r, context := old.ReInit(), next.Context()
	return r != nil && bytes.Equal(r.GroupID, context.GroupID) && r.Version == context.Version && r.Suite == context.Suite &&
		sameExtensions(r.Extensions, context.Extensions)
}

// JudgeSuccessor decides who may be in the successor: devices that were in the old group, whose users still take part. gone are users
// whose leave the hub has accepted.
func JudgeSuccessor(old, next *mls.PublicGroup, gone map[uri.User]bool) error {
	state, err := Read(next)
	if err != nil {
		return err
	}
	was := make(map[uri.Client]bool)
	for _, leaf := range old.All() {
		id, err := credential.Parse(leaf.Credential)
		if err != nil {
			return broken("a leaf's credential names no user")
		}
		was[id.Client] = true
	}
	for _, leaf := range next.All() {
		id, err := credential.Parse(leaf.Credential)
		if err != nil || !was[id.Client] {
			return broken("the successor brings in a device that was not in the room")
		}
		if !state.MayHaveLeaves(id.User) || gone[id.User] {
			return broken("the successor brings in somebody who is not a participant")
		}
		delete(was, id.Client) // once
	}
	return nil
}
