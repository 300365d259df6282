package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

// Server plays the clients of a test. Its calls are made one at a time.
type Server struct {
	mu      sync.Mutex
	last    uint32
	states  map[uint32]*client
	waiting map[uint32]*client // transactions and groups that wait for their successor
	signers map[uint32]crypto.Signer
}

// client is a member of one group, or somebody on the way in.
type client struct {
	cfg      *mls.Config
	psks     map[string][]byte
	identity []byte
	group    *mls.Group // nil while the client has only a KeyPackage
	pending  *wire.Message
	key      mls.OwnLeaf // of the KeyPackage that it joins with
}

// NewServer makes a server without clients.
func NewServer() *Server {
	return &Server{states: map[uint32]*client{}, waiting: map[uint32]*client{}, signers: map[uint32]crypto.Signer{}}
}

var (
	errUnknown = errors.New("no such state, transaction or signer")
	errFormat  = errors.New("a message of another kind")
	errMember  = errors.New("no such member")
	errSuite   = errors.New("no such cipher suite")
	errKind    = errors.New("no such kind of proposal")
)

// pastEpochs is how many epochs back a test may refer to a resumption secret.
const pastEpochs = 64

func newClient(identity []byte, encrypt bool) *client {
	c := &client{psks: map[string][]byte{}, identity: identity}
	c.cfg = &mls.Config{EncryptHandshakes: encrypt, Limits: mls.Limits{PastEpochs: pastEpochs}, PSK: func(id *wire.PreSharedKeyID) ([]byte, bool) {
		secret, ok := c.psks[string(id.ID)]
		return secret, ok && id.Type == wire.ExternalPSK
	}}
	return c
}

func (s *Server) next() uint32 {
	s.last++
	return s.last
}

// enter gives a client that is in a group its number.
func (s *Server) enter(c *client) uint32 {
	id := s.next()
	s.states[id] = c
	return id
}

func (s *Server) member(id uint32) (*client, error) {
	c, ok := s.states[id]
	if !ok {
		return nil, errUnknown
	}
	return c, nil
}

// take takes a client that waits, once.
func (s *Server) take(id uint32) (*client, error) {
	c, ok := s.waiting[id]
	if !ok {
		return nil, errUnknown
	}
	delete(s.waiting, id)
	return c, nil
}

func (c *client) leaf() mls.LeafIndex {
	if own := c.group.OwnLeaves(); len(own) > 0 {
		return own[0]
	}
	return math.MaxUint32
}

func decode[T any, P interface {
	*T
	syntax.Value
}](data []byte) (*T, error) {
	v := P(new(T))
	return (*T)(v), syntax.Unmarshal(data, v)
}

// tree reads a tree that may be absent.
func tree(data []byte) (*wire.RatchetTree, error) {
	if len(data) == 0 {
		return nil, nil
	}
	return decode[wire.RatchetTree](data)
}

func framed(format wire.WireFormat, fill func(*wire.Message)) ([]byte, error) {
	m := &wire.Message{Version: wire.MLS10, Format: format}
	fill(m)
	return syntax.Marshal(m)
}

// keyPackage makes a KeyPackage for the client to join with.
func (c *client) keyPackage(id wire.CipherSuite) ([]byte, error) {
	suite, err := suite.Lookup(id)
	if err != nil {
		return nil, err
	}
	signer, err := suite.GenerateSignatureKey()
	if err != nil {
		return nil, err
	}
	b, err := mls.NewKeyPackage(mls.KeyPackageParams{
		Suite: id, Signer: signer, Credential: wire.Credential{Type: wire.BasicCredential, Identity: c.identity},
		Lifetime: wire.Lifetime{NotAfter: math.MaxUint64},
	})
	if err != nil {
		return nil, err
	}
	c.key = mls.OwnLeaf{Bundle: b, Signer: signer}
	return framed(wire.KeyPackageFormat, func(m *wire.Message) { m.KeyPackage = &b.KeyPackage })
}

func keyPackageOf(data []byte) (*wire.KeyPackage, error) {
	m, err := decode[wire.Message](data)
	if err != nil {
		return nil, err
	}
	if m.KeyPackage == nil {
		return nil, errFormat
	}
	return m.KeyPackage, nil
}

// rawKey is a private signature key as transcripts have it.
func rawKey(key crypto.Signer) ([]byte, error) {
	switch k := key.(type) {
	case ed25519.PrivateKey:
		return k.Seed(), nil
	case *ecdsa.PrivateKey:
		return k.Bytes()
	}
	return nil, errSuite
}

func suiteID(n uint32) (wire.CipherSuite, error) {
	if n > math.MaxUint16 {
		return 0, errSuite
	}
	return wire.CipherSuite(n), nil
}

func (s *Server) name(*Empty) (*NameResponse, error) { return &NameResponse{"parley"}, nil }

func (s *Server) suites(*Empty) (*SuitesResponse, error) {
	a := &SuitesResponse{}
	for _, id := range suite.All() {
		a.Suites = append(a.Suites, uint32(id))
	}
	return a, nil
}

func (s *Server) createGroup(q *CreateGroupRequest) (*StateResponse, error) {
	id, err := suiteID(q.Suite)
	if err != nil {
		return nil, err
	}
	c := newClient(q.Identity, q.Encrypt)
	if _, err := c.keyPackage(id); err != nil {
		return nil, err
	}
	c.group, err = mls.Create(c.cfg, mls.CreateParams{GroupID: q.GroupID, Bundle: c.key.Bundle, Signer: c.key.Signer}, time.Now())
	if err != nil {
		return nil, err
	}
	return &StateResponse{State: s.enter(c)}, nil
}

func (s *Server) createKeyPackage(q *KeyPackageRequest) (*KeyPackageResponse, error) {
	id, err := suiteID(q.Suite)
	if err != nil {
		return nil, err
	}
	c := newClient(q.Identity, false)
	a := &KeyPackageResponse{}
	if a.KeyPackage, err = c.keyPackage(id); err != nil {
		return nil, err
	}
	if a.Signature, err = rawKey(c.key.Signer); err != nil {
		return nil, err
	}
	a.InitKey, a.LeafKey = c.key.Bundle.InitKey, c.key.Bundle.LeafKey
	a.Transaction = s.next()
	s.waiting[a.Transaction] = c
	return a, nil
}

// joinBy joins by a Welcome; old is the group that the new one continues, if the caller has one.
func (c *client) joinBy(welcome, treeData []byte, old *mls.Group) (*mls.Group, error) {
	m, err := decode[wire.Message](welcome)
	if err != nil {
		return nil, err
	}
	if m.Welcome == nil {
		return nil, errFormat
	}
	p := mls.JoinParams{Welcome: m.Welcome, Own: []mls.OwnLeaf{c.key}}
	if p.Tree, err = tree(treeData); err != nil {
		return nil, err
	}
	if old != nil {
		p.Predecessor = func([]byte, uint64) *mls.Group { return old }
	}
	g, _, err := mls.Join(c.cfg, p, time.Now())
	return g, err
}

func (s *Server) join(q *JoinRequest) (*StateResponse, error) {
	c, err := s.take(q.Transaction)
	if err != nil {
		return nil, err
	}
	c.cfg.EncryptHandshakes = q.Encrypt
	if c.group, err = c.joinBy(q.Welcome, q.Tree, nil); err != nil {
		return nil, err
	}
	return &StateResponse{s.enter(c), c.group.EpochAuthenticator()}, nil
}

func (s *Server) externalJoin(q *ExternalJoinRequest) (*ExternalJoinResponse, error) {
	info, err := groupInfoOf(q.GroupInfo)
	if err != nil {
		return nil, err
	}
	c := newClient(q.Identity, q.Encrypt)
	if _, err := c.keyPackage(info.Context.Suite); err != nil {
		return nil, err
	}
	p := mls.ExternalJoinParams{GroupInfo: info, Bundle: c.key.Bundle, Signer: c.key.Signer}
	if p.Tree, err = tree(q.Tree); err != nil {
		return nil, err
	}
	for _, psk := range q.PSKs {
		c.psks[string(psk.ID)] = psk.Secret
		proposal, err := pskProposal(info.Context.Suite, wire.PreSharedKeyID{Type: wire.ExternalPSK, ID: psk.ID})
		if err != nil {
			return nil, err
		}
		p.ByValue = append(p.ByValue, *proposal)
	}
	if q.RemovePrior {
		if p.Remove, err = prior(info, p.Tree, q.Identity); err != nil {
			return nil, err
		}
	}
	g, result, err := mls.ExternalJoin(c.cfg, p, time.Now())
	if err != nil {
		return nil, err
	}
	c.group = g
	a := &ExternalJoinResponse{}
	if a.Commit, err = syntax.Marshal(result.Message); err != nil {
		return nil, err
	}
	if err := c.process(a.Commit); err != nil {
		return nil, err
	}
	a.State, a.Authenticator = s.enter(c), g.EpochAuthenticator()
	return a, nil
}

// prior finds the leaf that somebody had before.
func prior(info *wire.GroupInfo, t *wire.RatchetTree, identity []byte) (*mls.LeafIndex, error) {
	if t == nil {
		data, ok := info.Extensions.Find(wire.RatchetTreeExtension)
		if !ok {
			return nil, errMember
		}
		var err error
		if t, err = tree(data); err != nil {
			return nil, err
		}
	}
	for i, n := range t.Nodes {
		if n != nil && n.Leaf != nil && bytes.Equal(n.Leaf.Credential.Identity, identity) {
			leaf := mls.LeafIndex(i / 2)
			return &leaf, nil
		}
	}
	return nil, errMember
}

func groupInfoOf(data []byte) (*wire.GroupInfo, error) {
	m, err := decode[wire.Message](data)
	if err != nil {
		return nil, err
	}
	if m.GroupInfo == nil {
		return nil, errFormat
	}
	return m.GroupInfo, nil
}

func (c *client) treeOctets() ([]byte, error) {
	t := c.group.Public().Tree()
	return syntax.Marshal(&t)
}

func (s *Server) groupInfo(q *GroupInfoRequest) (*GroupInfoResponse, error) {
	c, err := s.member(q.State)
	if err != nil {
		return nil, err
	}
	t, err := c.treeOctets()
	if err != nil {
		return nil, err
	}
	a := &GroupInfoResponse{}
	var inside wire.Extensions
	if q.ExternalTree {
		a.Tree = t
	} else {
		inside = append(inside, wire.Extension{Type: wire.RatchetTreeExtension, Data: t})
	}
	info, err := c.group.GroupInfo(c.leaf(), inside...)
	if err != nil {
		return nil, err
	}
	a.GroupInfo, err = framed(wire.GroupInfoFormat, func(m *wire.Message) { m.GroupInfo = info })
	return a, err
}

func (s *Server) stateAuth(q *StateRequest) (*OctetsResponse, error) {
	c, err := s.member(q.State)
	if err != nil {
		return nil, err
	}
	return &OctetsResponse{c.group.EpochAuthenticator()}, nil
}

func (s *Server) export(q *ExportRequest) (*OctetsResponse, error) {
	c, err := s.member(q.State)
	if err != nil {
		return nil, err
	}
	secret, err := c.group.Export(q.Label, q.Context, int(min(q.Length, math.MaxUint16)))
	return &OctetsResponse{secret}, err
}

func (s *Server) protect(q *ProtectRequest) (*OctetsResponse, error) {
	c, err := s.member(q.State)
	if err != nil {
		return nil, err
	}
	m, _, err := c.group.Seal(c.leaf(), q.AuthenticatedData, q.Plaintext)
	if err != nil {
		return nil, err
	}
	octets, err := syntax.Marshal(m)
	return &OctetsResponse{octets}, err
}

func (s *Server) unprotect(q *UnprotectRequest) (*UnprotectResponse, error) {
	c, err := s.member(q.State)
	if err != nil {
		return nil, err
	}
	m, err := decode[wire.Message](q.Ciphertext)
	if err != nil {
		return nil, err
	}
	if m.Private == nil {
		return nil, errFormat
	}
	got, _, err := c.group.Open(m.Private)
	if err != nil {
		return nil, err
	}
	return &UnprotectResponse{got.AuthenticatedData, got.Data}, nil
}

func (s *Server) storePSK(q *StorePSKRequest) (*Empty, error) {
	c, ok := s.states[q.StateOrTransaction]
	if !ok {
		c, ok = s.waiting[q.StateOrTransaction]
	}
	if !ok {
		return nil, errUnknown
	}
	c.psks[string(q.ID)] = slices.Clone(q.Secret)
	return &Empty{}, nil
}

func (s *Server) free(q *StateRequest) (*Empty, error) {
	if _, err := s.member(q.State); err != nil {
		return nil, err
	}
	delete(s.states, q.State)
	return &Empty{}, nil
}

// process has a client take a handshake.
func (c *client) process(data []byte) error {
	m, err := decode[wire.Message](data)
	if err != nil {
		return err
	}
	staged, err := c.group.Process(m, time.Now())
	if err != nil {
		return err
	}
	_, err = staged.Apply()
	return err
}
