package main

import (
	"bytes"
	"slices"
	"time"

	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

// newMemberProposal has an outsider propose to be added (RFC 9420 §12.1.8). The engine itself never asks in like that, so that the message is
// made here.
func (s *Server) newMemberProposal(q *NewMemberRequest) (*NewMemberResponse, error) {
	info, err := groupInfoOf(q.GroupInfo)
	if err != nil {
		return nil, err
	}
	c := newClient(q.Identity, false)
	if _, err := c.keyPackage(info.Context.Suite); err != nil {
		return nil, err
	}
	content := wire.FramedContent{
		GroupID: info.Context.GroupID, Epoch: info.Context.Epoch, Sender: wire.Sender{Type: wire.NewMemberProposalSender}, Type: wire.ProposalContent,
		Proposal: &wire.Proposal{Type: wire.AddProposal, Add: &c.key.Bundle.KeyPackage},
	}
	tbs, err := syntax.Marshal(&wire.FramedContentTBS{Format: wire.PublicMessageFormat, Content: &content})
	if err != nil {
		return nil, err
	}
	of, err := suite.Lookup(info.Context.Suite)
	if err != nil {
		return nil, err
	}
	public := &wire.PublicMessage{Content: content}
	if public.Auth.Signature, err = of.SignWithLabel(c.key.Signer, "FramedContentTBS", tbs); err != nil {
		return nil, err
	}
	a := &NewMemberResponse{InitKey: c.key.Bundle.InitKey, LeafKey: c.key.Bundle.LeafKey}
	if a.Proposal, err = framed(wire.PublicMessageFormat, func(m *wire.Message) { m.Public = public }); err != nil {
		return nil, err
	}
	if a.Signature, err = rawKey(c.key.Signer); err != nil {
		return nil, err
	}
	a.Transaction = s.next()
	s.waiting[a.Transaction] = c
	return a, nil
}

func (s *Server) createSigner(q *KeyPackageRequest) (*SignerResponse, error) {
	id, err := suiteID(q.Suite)
	if err != nil {
		return nil, err
	}
	of, err := suite.Lookup(id)
	if err != nil {
		return nil, err
	}
	key, err := of.GenerateSignatureKey()
	if err != nil {
		return nil, err
	}
	public, err := of.SignaturePublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	a := &SignerResponse{Signer: s.next()}
	s.signers[a.Signer] = key
	a.Sender, err = syntax.Marshal(&wire.ExternalSender{
		SignatureKey: public, Credential: wire.Credential{Type: wire.BasicCredential, Identity: q.Identity},
	})
	return a, err
}

// addSigner proposes the group's extensions with one more external sender.
func (s *Server) addSigner(q *AddSignerRequest) (*OctetsResponse, error) {
	c, err := s.member(q.State)
	if err != nil {
		return nil, err
	}
	sender, err := decode[wire.ExternalSender](q.Sender)
	if err != nil {
		return nil, err
	}
	g := c.group.Public()
	senders := wire.ExternalSenders{Senders: append(slices.Clone(g.ExternalSenders()), *sender)}
	data, err := syntax.Marshal(&senders)
	if err != nil {
		return nil, err
	}
	var list []*Extension
	for _, e := range g.Context().Extensions {
		if e.Type != wire.ExternalSendersExtension {
			list = append(list, &Extension{uint32(e.Type), e.Data})
		}
	}
	list = append(list, &Extension{uint32(wire.ExternalSendersExtension), data})
	return s.propose(q.State, &Description{Kind: []byte("groupContextExtensions"), Extensions: list})
}

func (s *Server) signerProposal(q *SignerProposalRequest) (*OctetsResponse, error) {
	key, ok := s.signers[q.Signer]
	if !ok || q.Description == nil {
		return nil, errUnknown
	}
	info, err := groupInfoOf(q.GroupInfo)
	if err != nil {
		return nil, err
	}
	t, err := tree(q.Tree)
	if err != nil || t == nil {
		return nil, errFormat
	}
	g, err := mls.NewPublicGroup(&mls.Config{}, info, t, time.Now())
	if err != nil {
		return nil, err
	}
	public, err := g.Suite().SignaturePublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	index := slices.IndexFunc(g.ExternalSenders(), func(e wire.ExternalSender) bool { return bytes.Equal(e.SignatureKey, public) })
	if index < 0 {
		return nil, errUnknown
	}
	p, err := q.Description.proposal(g)
	if err != nil {
		return nil, err
	}
	m, err := g.ProposeExternal(uint32(index), key, *p, nil)
	if err != nil {
		return nil, err
	}
	octets, err := syntax.Marshal(m)
	return &OctetsResponse{octets}, err
}
