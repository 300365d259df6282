package mimi

import (
	"parley/mls/wire"
	"parley/syntax"
)

// GroupInfoRequest asks a hub for what an external joiner needs (§5.6). Signature covers the rest, by the joining client, in the
// form of GroupInfoRequestTBS.
type GroupInfoRequest struct {
	Protocol     Protocol
	Suite        wire.CipherSuite // of the signature and of the HPKE key
	SignatureKey []byte
	Credential   wire.Credential
	PublicKey    []byte // HPKE key to which the answer is encrypted
	JoiningCode  []byte // empty: none
	Signature    []byte
}

func (v *GroupInfoRequest) Syntax(c *syntax.Codec) {
	v.head(c)
	syntax.Opaque(c, &v.JoiningCode)
	syntax.Opaque(c, &v.Signature)
}

func (v *GroupInfoRequest) head(c *syntax.Codec) {
	syntax.Closed(c, &v.Protocol, MLS10, MLS10)
	syntax.U16(c, &v.Suite)
	syntax.Opaque(c, &v.SignatureKey)
	v.Credential.Syntax(c)
	syntax.Opaque(c, &v.PublicKey)
}

// GroupInfoRequestTBS is what a GroupInfoRequest's signature covers. In it the joining code is an optional, in the request a plain
// vector; an empty code is signed as absent.
type GroupInfoRequestTBS struct {
	Request     GroupInfoRequest // its head is used
	JoiningCode *[]byte
}

func (v *GroupInfoRequestTBS) Syntax(c *syntax.Codec) {
	v.Request.head(c)
	syntax.Optional(c, &v.JoiningCode, syntax.Opaque[[]byte])
}

// plainGroupInfoRequestTBS is the other reading of A-47: accepted, never produced.
type plainGroupInfoRequestTBS struct{ request *GroupInfoRequest }

func (v *plainGroupInfoRequestTBS) Syntax(c *syntax.Codec) {
	v.request.head(c)
	syntax.Opaque(c, &v.request.JoiningCode)
}

// GroupInfoResponse is a hub's answer to a GroupInfoRequest (§5.6). A refusal ends after its status.
type GroupInfoResponse struct {
	Protocol  Protocol
	Room      string
	Status    GroupInfoCode
	Suite     wire.CipherSuite    // GroupInfoSuccess
	HubSender wire.ExternalSender // GroupInfoSuccess
	Encrypted wire.HPKECiphertext // GroupInfoSuccess: a GroupInfoRatchetTreeTBE
	Signature []byte              // GroupInfoSuccess: by HubSender
}

func (v *GroupInfoResponse) Syntax(c *syntax.Codec) {
	v.unsigned(c)
	if v.Status == GroupInfoSuccess {
		syntax.Opaque(c, &v.Signature)
	}
}

func (v *GroupInfoResponse) unsigned(c *syntax.Codec) {
	syntax.Closed(c, &v.Protocol, MLS10, MLS10)
	syntax.Text(c, &v.Room)
	syntax.Closed(c, &v.Status, GroupInfoSuccess, GroupInfoNoSuchRoom)
	if v.Status != GroupInfoSuccess {
		return
	}
	syntax.U16(c, &v.Suite)
	v.HubSender.Syntax(c)
	v.Encrypted.Syntax(c)
}

// GroupInfoResponseTBS is what a successful GroupInfoResponse's signature covers; it exists for success only.
type GroupInfoResponseTBS struct{ Response GroupInfoResponse }

func (v *GroupInfoResponseTBS) Syntax(c *syntax.Codec) {
	v.Response.unsigned(c)
	if v.Response.Status != GroupInfoSuccess {
		c.Fail(syntax.ErrValue)
	}
}

// GroupInfoRatchetTree is the plaintext of a GroupInfoResponse: the draft's GroupInfoRatchetTreeTBE (§5.6).
type GroupInfoRatchetTree struct {
	GroupInfo wire.GroupInfo // of the current epoch, with external_pub, without ratchet_tree
	Tree      wire.RatchetTreeOption
	Pending   []PendingProposal // accepted in this epoch and not yet committed, in order
}

func (v *GroupInfoRatchetTree) Syntax(c *syntax.Codec) {
	v.GroupInfo.Syntax(c)
	treeOption(c, &v.Tree)
	syntax.Structs(c, &v.Pending)
}

// PendingProposal is a proposal that waits for a commit.
type PendingProposal struct {
	Proposal   wire.Message
	AcceptedAt uint64 // ms
}

func (v *PendingProposal) Syntax(c *syntax.Codec) {
	v.Proposal.Syntax(c)
	if c.Err() == nil && (v.Proposal.Public == nil || v.Proposal.ContentType() != wire.ProposalContent) {
		c.Fail(syntax.ErrValue)
	}
	syntax.U64(c, &v.AcceptedAt)
}
