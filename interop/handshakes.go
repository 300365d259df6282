package main

import (
	"bytes"
	"math"
	"slices"
	"time"

	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

func pskProposal(id wire.CipherSuite, psk wire.PreSharedKeyID) (*wire.Proposal, error) {
	s, err := suite.Lookup(id)
	if err != nil {
		return nil, err
	}
	psk.Nonce, err = suite.Random(s.HashSize())
	return &wire.Proposal{Type: wire.PreSharedKeyProposal, PSK: &psk}, err
}

func extensionsOf(list []*Extension) (wire.Extensions, error) {
	out := wire.Extensions{}
	for _, e := range list {
		if e.Type > math.MaxUint16 {
			return nil, errKind
		}
		out = append(out, wire.Extension{Type: wire.ExtensionType(e.Type), Data: e.Data})
	}
	return out, nil
}

// proposal makes what a description says, in a group.
func (d *Description) proposal(g *mls.PublicGroup) (*wire.Proposal, error) {
	switch string(d.Kind) {
	case "add":
		kp, err := keyPackageOf(d.KeyPackage)
		return &wire.Proposal{Type: wire.AddProposal, Add: kp}, err
	case "remove":
		for i, leaf := range g.All() {
			if bytes.Equal(leaf.Credential.Identity, d.Removed) {
				return &wire.Proposal{Type: wire.RemoveProposal, Remove: uint32(i)}, nil
			}
		}
		return nil, errMember
	case "externalPSK":
		return pskProposal(g.Suite().ID(), wire.PreSharedKeyID{Type: wire.ExternalPSK, ID: d.PSKID})
	case "resumptionPSK":
		return pskProposal(g.Suite().ID(), wire.PreSharedKeyID{
			Type: wire.ResumptionPSK, Usage: wire.ApplicationUsage, GroupID: g.GroupID(), Epoch: d.Epoch,
		})
	case "groupContextExtensions":
		list, err := extensionsOf(d.Extensions)
		return &wire.Proposal{Type: wire.GroupContextExtensionsProposal, Extensions: list}, err
	case "reinit":
		list, err := extensionsOf(d.Extensions)
		if err != nil {
			return nil, err
		}
		id, err := suiteID(d.Suite)
		return &wire.Proposal{Type: wire.ReInitProposal, ReInit: &wire.ReInit{GroupID: d.GroupID, Version: wire.MLS10, Suite: id, Extensions: list}}, err
	}
	return nil, errKind
}

// propose makes a proposal message of a member.
func (s *Server) propose(state uint32, d *Description) (*OctetsResponse, error) {
	c, err := s.member(state)
	if err != nil {
		return nil, err
	}
	p, err := d.proposal(c.group.Public())
	if err != nil {
		return nil, err
	}
	m, _, err := c.group.Propose(c.leaf(), *p, nil, time.Now())
	if err != nil {
		return nil, err
	}
	octets, err := syntax.Marshal(m)
	return &OctetsResponse{octets}, err
}

func (s *Server) addProposal(q *AddRequest) (*OctetsResponse, error) {
	return s.propose(q.State, &Description{Kind: []byte("add"), KeyPackage: q.KeyPackage})
}

func (s *Server) removeProposal(q *RemoveRequest) (*OctetsResponse, error) {
	return s.propose(q.State, &Description{Kind: []byte("remove"), Removed: q.Removed})
}

func (s *Server) externalPSKProposal(q *ExternalPSKRequest) (*OctetsResponse, error) {
	return s.propose(q.State, &Description{Kind: []byte("externalPSK"), PSKID: q.ID})
}

func (s *Server) resumptionPSKProposal(q *ResumptionPSKRequest) (*OctetsResponse, error) {
	return s.propose(q.State, &Description{Kind: []byte("resumptionPSK"), Epoch: q.Epoch})
}

func (s *Server) extensionsProposal(q *ExtensionsRequest) (*OctetsResponse, error) {
	return s.propose(q.State, &Description{Kind: []byte("groupContextExtensions"), Extensions: q.Extensions})
}

func (s *Server) reInitProposal(q *ReInitRequest) (*OctetsResponse, error) {
	return s.propose(q.State, &Description{Kind: []byte("reinit"), Suite: q.Suite, GroupID: q.GroupID, Extensions: q.Extensions})
}

func (s *Server) updateProposal(q *StateRequest) (*OctetsResponse, error) {
	c, err := s.member(q.State)
	if err != nil {
		return nil, err
	}
	m, _, err := c.group.ProposeUpdate(c.leaf(), nil, nil, time.Now())
	if err != nil {
		return nil, err
	}
	octets, err := syntax.Marshal(m)
	return &OctetsResponse{octets}, err
}

func (s *Server) commit(q *CommitRequest) (*CommitResponse, error) {
	c, err := s.member(q.State)
	if err != nil {
		return nil, err
	}
	for _, p := range q.ByReference {
		if err := c.process(p); err != nil {
			return nil, err
		}
	}
	opt := mls.CommitOptions{Leaf: c.leaf(), NoPath: !q.ForcePath, TreeInWelcome: !q.ExternalTree}
	for _, d := range q.ByValue {
		p, err := d.proposal(c.group.Public())
		if err != nil {
			return nil, err
		}
		opt.ByValue = append(opt.ByValue, *p)
	}
	a, err := c.commit(opt)
	if err != nil || !q.ExternalTree {
		return a, err
	}
	a.Tree, err = c.treeAfter()
	return a, err
}

// commit makes a commit that waits.
func (c *client) commit(opt mls.CommitOptions) (*CommitResponse, error) {
	result, _, err := c.group.Commit(opt, time.Now())
	if err != nil {
		return nil, err
	}
	c.pending = result.Message
	a := &CommitResponse{}
	if a.Commit, err = syntax.Marshal(result.Message); err != nil {
		return nil, err
	}
	if result.Welcome != nil {
		a.Welcome, err = framed(wire.WelcomeFormat, func(m *wire.Message) { m.Welcome = result.Welcome })
	}
	return a, err
}

// treeAfter is the tree that the waiting commit leads to.
func (c *client) treeAfter() ([]byte, error) {
	staged, err := c.group.Process(c.pending, time.Now())
	if err != nil {
		return nil, err
	}
	t := staged.Next().Tree()
	staged.Discard()
	return syntax.Marshal(&t)
}

func (s *Server) handleCommit(q *HandleCommitRequest) (*StateResponse, error) {
	c, err := s.member(q.State)
	if err != nil {
		return nil, err
	}
	for _, m := range append(slices.Clone(q.Proposals), q.Commit) {
		if err := c.process(m); err != nil {
			return nil, err
		}
	}
	return &StateResponse{q.State, c.group.EpochAuthenticator()}, nil
}

func (s *Server) handlePending(q *StateRequest) (*StateResponse, error) {
	c, err := s.member(q.State)
	if err != nil {
		return nil, err
	}
	if c.pending == nil {
		return nil, errUnknown
	}
	staged, err := c.group.Process(c.pending, time.Now())
	if err != nil {
		return nil, err
	}
	if _, err := staged.Apply(); err != nil {
		return nil, err
	}
	c.pending = nil
	return &StateResponse{q.State, c.group.EpochAuthenticator()}, nil
}

// closed takes a client whose group is closed out of the members; it waits for the successor with a KeyPackage for it.
func (s *Server) closed(state uint32) (*ReInitResponse, error) {
	c, err := s.member(state)
	if err != nil {
		return nil, err
	}
	r := c.group.Public().ReInit()
	if r == nil {
		return nil, errKind
	}
	a := &ReInitResponse{Authenticator: c.group.EpochAuthenticator()}
	if a.KeyPackage, err = c.keyPackage(r.Suite); err != nil {
		return nil, err
	}
	a.ReInit = s.next()
	s.waiting[a.ReInit] = c
	delete(s.states, state)
	return a, nil
}

func (s *Server) handlePendingReInit(q *StateRequest) (*ReInitResponse, error) {
	if _, err := s.handlePending(q); err != nil {
		return nil, err
	}
	return s.closed(q.State)
}

func (s *Server) handleReInit(q *HandleCommitRequest) (*ReInitResponse, error) {
	if _, err := s.handleCommit(q); err != nil {
		return nil, err
	}
	return s.closed(q.State)
}

// found makes a group that continues the client's, and the commit that adds the others.
func (s *Server) found(c *client, p mls.CreateParams, others [][]byte, path, externalTree bool) (*SubgroupResponse, error) {
	p.Bundle, p.Signer = c.key.Bundle, c.key.Signer
	fresh := newClient(c.identity, c.cfg.EncryptHandshakes)
	fresh.psks = c.psks
	var err error
	if fresh.group, err = mls.Create(fresh.cfg, p, time.Now()); err != nil {
		return nil, err
	}
	opt := mls.CommitOptions{NoPath: !path, TreeInWelcome: !externalTree}
	for _, data := range others {
		kp, err := keyPackageOf(data)
		if err != nil {
			return nil, err
		}
		opt.ByValue = append(opt.ByValue, wire.Proposal{Type: wire.AddProposal, Add: kp})
	}
	made, err := fresh.commit(opt)
	if err != nil {
		return nil, err
	}
	a := &SubgroupResponse{State: s.enter(fresh), Welcome: made.Welcome}
	after, err := s.handlePending(&StateRequest{a.State})
	if err != nil {
		return nil, err
	}
	a.Authenticator = after.Authenticator
	if externalTree {
		a.Tree, err = fresh.treeOctets()
	}
	return a, err
}

func (s *Server) reInitWelcome(q *ReInitWelcomeRequest) (*SubgroupResponse, error) {
	c, err := s.take(q.ReInit)
	if err != nil {
		return nil, err
	}
	r := c.group.Public().ReInit()
	return s.found(c, mls.CreateParams{
		GroupID: r.GroupID, Extensions: r.Extensions, From: &mls.Predecessor{Group: c.group, Usage: wire.ReInitUsage},
	}, q.KeyPackages, q.ForcePath, q.ExternalTree)
}

// succeed joins a group that continues one of the client's.
func (s *Server) succeed(key mls.OwnLeaf, old *client, welcome, treeData []byte) (*StateResponse, error) {
	fresh := newClient(old.identity, old.cfg.EncryptHandshakes)
	fresh.psks, fresh.key = old.psks, key
	var err error
	if fresh.group, err = fresh.joinBy(welcome, treeData, old.group); err != nil {
		return nil, err
	}
	return &StateResponse{s.enter(fresh), fresh.group.EpochAuthenticator()}, nil
}

func (s *Server) handleReInitWelcome(q *HandleReInitWelcomeRequest) (*StateResponse, error) {
	c, err := s.take(q.ReInit)
	if err != nil {
		return nil, err
	}
	return s.succeed(c.key, c, q.Welcome, q.Tree)
}

func (s *Server) createBranch(q *BranchRequest) (*SubgroupResponse, error) {
	c, err := s.member(q.State)
	if err != nil {
		return nil, err
	}
	extensions, err := extensionsOf(q.Extensions)
	if err != nil {
		return nil, err
	}
	if _, err := c.keyPackage(c.group.Public().Suite().ID()); err != nil {
		return nil, err
	}
	return s.found(c, mls.CreateParams{
		GroupID: q.GroupID, Extensions: extensions, From: &mls.Predecessor{Group: c.group, Usage: wire.BranchUsage},
	}, q.KeyPackages, q.ForcePath, q.ExternalTree)
}

func (s *Server) handleBranch(q *HandleBranchRequest) (*StateResponse, error) {
	c, err := s.member(q.State)
	if err != nil {
		return nil, err
	}
	waiting, err := s.take(q.Transaction)
	if err != nil {
		return nil, err
	}
	return s.succeed(waiting.key, c, q.Welcome, q.Tree)
}
