package mimi

import (
	"parley/mls/wire"
	"parley/syntax"
)

// UpdateRequest brings a proposal or a commit, with all that belongs to it, to the hub: the draft's HandshakeBundle (§5.3). It has
// no protocol octet. The message's content type selects the fields.
type UpdateRequest struct {
	Message       wire.Message           // a PublicMessage, or a SemiPrivateMessage, with a proposal or a commit
	Welcome       *wire.Welcome          // commit; nil when nobody was added
	GroupInfo     GroupInfoOption        // commit
	Tree          wire.RatchetTreeOption // commit
	MoreProposals []wire.Message         // proposal: further ones that belong together with it
}

func (v *UpdateRequest) Syntax(c *syntax.Codec) {
	v.Message.Syntax(c)
	if c.Err() != nil {
		return
	}
	if v.Message.Public == nil && v.Message.Semi == nil {
		c.Fail(syntax.ErrValue)
		return
	}
	switch v.Message.ContentType() {
	case wire.CommitContent:
		syntax.OptionalStruct(c, &v.Welcome)
		v.GroupInfo.Syntax(c)
		treeOption(c, &v.Tree)
	case wire.ProposalContent:
		proposals(c, &v.MoreProposals)
	default:
		c.Fail(syntax.ErrValue)
	}
}

// IsCommit reports whether the request starts a new epoch.
func (v *UpdateRequest) IsCommit() bool { return v.Message.ContentType() == wire.CommitContent }

// Validate checks what a request must fulfil by itself: the GroupInfo must not carry the tree, which has its own place.
func (v *UpdateRequest) Validate() error {
	if !v.IsCommit() {
		return nil
	}
	return v.GroupInfo.Validate()
}

// GroupInfoForm tells in which form a GroupInfo is given (§5.3). It is a closed code.
type GroupInfoForm uint8

const (
	FullGroupInfo    GroupInfoForm = 1
	PartialGroupInfo GroupInfoForm = 2
)

// GroupInfoOption is the GroupInfo of a commit's new epoch, whole or without what the hub can compute (§5.3).
type GroupInfoOption struct {
	Form    GroupInfoForm
	Full    *wire.GroupInfo        // FullGroupInfo
	Partial *wire.PartialGroupInfo // PartialGroupInfo
}

func (v *GroupInfoOption) Syntax(c *syntax.Codec) {
	syntax.Closed(c, &v.Form, FullGroupInfo, PartialGroupInfo)
	switch v.Form {
	case FullGroupInfo:
		selected(c, &v.Full)
	case PartialGroupInfo:
		selected(c, &v.Partial)
	}
}

// Validate refuses a GroupInfo that carries the tree, and a partial one that says it did or does: the tree is conveyed beside
// it (§5.3).
func (v *GroupInfoOption) Validate() error {
	switch {
	case v.Full != nil:
		if _, found := v.Full.Extensions.Find(wire.RatchetTreeExtension); found {
			return ErrEmbeddedTree
		}
	case v.Partial != nil:
		return ValidatePartialGroupInfo(v.Partial)
	}
	return nil
}

// ValidatePartialGroupInfo checks that the signed GroupInfo has no ratchet_tree extension, and never had one to remove.
func ValidatePartialGroupInfo(p *wire.PartialGroupInfo) error {
	_, found := p.Extensions.Find(wire.RatchetTreeExtension)
	if found || p.Presence == wire.RatchetTreePresent || p.Presence == wire.RatchetTreeRemoved {
		return ErrEmbeddedTree
	}
	return nil
}

// UpdateRoomResponse is the hub's verdict on an update (§5.3). The code selects the fields.
type UpdateRoomResponse struct {
	Code             UpdateResponseCode
	Description      string   // for people and logs; A-32 defines prefixes
	AcceptedAt       uint64   // UpdateSuccess: ms
	CurrentEpoch     uint64   // UpdateWrongEpoch
	InvalidProposals [][]byte // UpdateInvalidProposal: ProposalRefs; empty when it came by value
}

func (v *UpdateRoomResponse) Syntax(c *syntax.Codec) {
	syntax.Closed(c, &v.Code, UpdateSuccess, UpdateInvalidProposal)
	syntax.Text(c, &v.Description)
	switch v.Code {
	case UpdateSuccess:
		syntax.U64(c, &v.AcceptedAt)
	case UpdateWrongEpoch:
		syntax.U64(c, &v.CurrentEpoch)
	case UpdateInvalidProposal:
		syntax.Opaques(c, &v.InvalidProposals)
	}
}
