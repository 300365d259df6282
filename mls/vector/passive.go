package vector

import (
	"bytes"
	"crypto"
	"slices"
	"time"

	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

type passive struct {
	Suite         wire.CipherSuite `json:"cipher_suite"`
	PSKs          []externalPSK    `json:"external_psks"`
	KeyPackage    octets           `json:"key_package"`
	Signature     octets           `json:"signature_priv"`
	LeafKey       octets           `json:"encryption_priv"`
	InitKey       octets           `json:"init_priv"`
	Welcome       octets           `json:"welcome"`
	Tree          *octets          `json:"ratchet_tree"`
	Authenticator octets           `json:"initial_epoch_authenticator"`
	Epochs        []passiveEpoch   `json:"epochs"`
}

type externalPSK struct {
	ID  octets `json:"psk_id"`
	PSK octets `json:"psk"`
}

type passiveEpoch struct {
	Proposals     []octets `json:"proposals"`
	Commit        octets   `json:"commit"`
	Authenticator octets   `json:"epoch_authenticator"`
}

// config is that of a member who knows the case's pre-shared keys.
func (v *passive) config(s *suite.Suite) *mls.Config {
	return &mls.Config{Suites: tableOf(s), PSK: func(id *wire.PreSharedKeyID) ([]byte, bool) {
		for _, p := range v.PSKs {
			if id.Type == wire.ExternalPSK && bytes.Equal(p.ID, id.ID) {
				return p.PSK, true
			}
		}
		return nil, false
	}}
}

// tableOf is a table that has the suite.
func tableOf(s *suite.Suite) *suite.Table {
	var t *suite.Table
	for _, h := range suite.Hybrids() {
		if with, err := t.With(suite.Point{Hybrid: h, ID: s.ID()}); err == nil {
			if found, err := with.Lookup(s.ID()); err == nil && found.String() == s.String() {
				return with
			}
		}
	}
	return t
}

func verifyPassive(s *suite.Suite, v *passive) error {
	m, err := decode[wire.Message](v.KeyPackage)
	if err != nil {
		return err
	}
	if m.KeyPackage == nil {
		return mismatch("wire format of key_package")
	}
	kp := m.KeyPackage
	err = checks(fits(s, v.Signature, kp.Leaf.SignatureKey), fitsHPKE(s, v.LeafKey, kp.Leaf.EncryptionKey), fitsHPKE(s, v.InitKey, kp.InitKey))
	if err != nil {
		return err
	}
	key, err := signer(s, v.Signature)
	if err != nil {
		return err
	}
	welcome, err := decode[wire.Message](v.Welcome)
	if err != nil {
		return err
	}
	if welcome.Welcome == nil {
		return mismatch("wire format of welcome")
	}
	bundle := &mls.KeyPackageBundle{KeyPackage: *kp, InitKey: bytes.Clone(v.InitKey), LeafKey: bytes.Clone(v.LeafKey)}
	p := mls.JoinParams{Welcome: welcome.Welcome, Own: []mls.OwnLeaf{{Bundle: bundle, Signer: key}}}
	if v.Tree != nil && len(*v.Tree) > 0 {
		if p.Tree, err = decode[wire.RatchetTree](*v.Tree); err != nil {
			return err
		}
	}
	g, _, err := mls.Join(v.config(s), p, time.Time{})
	if err := checks(err); err != nil {
		return err
	}
	if err := same("initial_epoch_authenticator", g.EpochAuthenticator(), v.Authenticator); err != nil {
		return err
	}
	for i := range v.Epochs {
		if err := v.Epochs[i].follow(g); err != nil {
			return err
		}
	}
	return nil
}

func (e *passiveEpoch) follow(g *mls.Group) error {
	for _, text := range append(slices.Clone(e.Proposals), e.Commit) {
		m, err := decode[wire.Message](text)
		if err != nil {
			return err
		}
		if err := process(g, m); err != nil {
			return err
		}
	}
	return same("epoch_authenticator", g.EpochAuthenticator(), e.Authenticator)
}

func process(g *mls.Group, m *wire.Message) error {
	staged, err := g.Process(m, time.Time{})
	if err != nil {
		return err
	}
	_, err = staged.Apply()
	return err
}

// scene is a group in the making: everybody takes every message, the passive client's are written down.
type scene struct {
	suite   *suite.Suite
	cfg     *mls.Config
	random  random
	members []*mls.Group // without the passive client
	out     *passive
	epoch   passiveEpoch
}

// party is somebody who can come in.
type party struct {
	bundle *mls.KeyPackageBundle
	signer crypto.Signer
	raw    octets
}

func (c *scene) party() (*party, error) {
	key, raw, _, err := newSigner(c.suite)
	if err != nil {
		return nil, err
	}
	b, err := mls.NewKeyPackage(mls.KeyPackageParams{
		Suite: c.suite.ID(), Suites: c.cfg.Suites, Signer: key, Lifetime: wire.Lifetime{NotAfter: 1<<64 - 1},
		Credential: wire.Credential{Type: wire.BasicCredential, Identity: c.random.octets(8)},
	})
	return &party{b, key, raw}, err
}

// adds makes Add proposals of parties.
func adds(parties ...*party) []wire.Proposal {
	var out []wire.Proposal
	for _, p := range parties {
		out = append(out, wire.Proposal{Type: wire.AddProposal, Add: &p.bundle.KeyPackage})
	}
	return out
}

// newScene makes a group of some members, none of whom is the passive client.
func newScene(s *suite.Suite, private bool, psks int, members int) (*scene, error) {
	c := &scene{suite: s, out: &passive{Suite: s.ID(), PSKs: []externalPSK{}, Epochs: []passiveEpoch{}}}
	for range psks {
		c.out.PSKs = append(c.out.PSKs, externalPSK{c.random.octets(s.HashSize()), c.random.octets(s.HashSize())})
	}
	c.cfg = c.out.config(s)
	c.cfg.EncryptHandshakes = private
	founder, err := c.party()
	if err != nil {
		return nil, err
	}
	g, err := mls.Create(c.cfg, mls.CreateParams{GroupID: c.random.octets(16), Bundle: founder.bundle, Signer: founder.signer}, time.Time{})
	if err != nil {
		return nil, err
	}
	c.members = []*mls.Group{g}
	for len(c.members) < members {
		if _, err := c.add(c.members[0], false); err != nil {
			return nil, err
		}
	}
	return c, c.random.err
}

// psk is a proposal of one of the external keys.
func (c *scene) psk(i int) wire.Proposal {
	return wire.Proposal{Type: wire.PreSharedKeyProposal, PSK: &wire.PreSharedKeyID{
		Type: wire.ExternalPSK, ID: c.out.PSKs[i].ID, Nonce: c.random.octets(c.suite.HashSize()),
	}}
}

// commit has one commit and all take it. what is by value.
func (c *scene) commit(by *mls.Group, treeInside bool, what ...wire.Proposal) (*mls.CommitResult, error) {
	result, _, err := by.Commit(mls.CommitOptions{Leaf: by.OwnLeaves()[0], ByValue: what, TreeInWelcome: treeInside}, time.Time{})
	if err != nil {
		return nil, err
	}
	return result, c.deliver(result.Message)
}

func (c *scene) deliver(m *wire.Message) error {
	for _, g := range c.members {
		if err := process(g, m); err != nil {
			return err
		}
	}
	c.members = slices.DeleteFunc(c.members, (*mls.Group).Removed)
	if text := c.random.encode(m); m.ContentType() == wire.CommitContent {
		c.epoch.Commit, c.epoch.Authenticator = text, c.members[0].EpochAuthenticator()
		if c.epoch.Proposals == nil {
			c.epoch.Proposals = []octets{}
		}
		c.out.Epochs = append(c.out.Epochs, c.epoch)
		c.epoch = passiveEpoch{}
	} else {
		c.epoch.Proposals = append(c.epoch.Proposals, text)
	}
	return c.random.err
}

// propose has one propose and all take it.
func (c *scene) propose(by *mls.Group, p wire.Proposal) error {
	m, _, err := by.Propose(by.OwnLeaves()[0], p, nil, time.Time{})
	if err != nil {
		return err
	}
	return c.deliver(m)
}

// add brings a new member in.
func (c *scene) add(by *mls.Group, treeInside bool, more ...wire.Proposal) (*mls.Group, error) {
	x, err := c.party()
	if err != nil {
		return nil, err
	}
	result, err := c.commit(by, treeInside, append(adds(x), more...)...)
	if err != nil {
		return nil, err
	}
	tree := c.members[0].Public().Tree()
	g, _, err := mls.Join(c.cfg, mls.JoinParams{Welcome: result.Welcome, Tree: &tree, Own: []mls.OwnLeaf{{Bundle: x.bundle, Signer: x.signer}}}, time.Time{})
	if err != nil {
		return nil, err
	}
	c.members = append(c.members, g)
	return g, nil
}

// begin lets the passive client in; from here on it is written down what it gets.
func (c *scene) begin(treeInside bool, more ...wire.Proposal) error {
	x, err := c.party()
	if err != nil {
		return err
	}
	result, err := c.commit(c.members[0], treeInside, append(adds(x), more...)...)
	if err != nil {
		return err
	}
	v := c.out
	v.KeyPackage = c.random.encode(&wire.Message{Version: wire.MLS10, Format: wire.KeyPackageFormat, KeyPackage: &x.bundle.KeyPackage})
	v.Signature, v.LeafKey, v.InitKey = x.raw, x.bundle.LeafKey, x.bundle.InitKey
	v.Welcome = c.random.encode(&wire.Message{Version: wire.MLS10, Format: wire.WelcomeFormat, Welcome: result.Welcome})
	v.Tree = nil
	if !treeInside {
		tree := c.members[0].Public().Tree()
		text, err := syntax.Marshal(&tree)
		if err != nil {
			return err
		}
		v.Tree = (*octets)(&text)
	}
	v.Authenticator, v.Epochs = c.members[0].EpochAuthenticator(), []passiveEpoch{}
	return c.random.err
}

func makePassiveWelcome(s *suite.Suite) ([]any, error) {
	var out []any
	for _, inside := range []bool{true, false} {
		for psks := range 3 {
			c, err := newScene(s, false, psks, 3)
			if err != nil {
				return nil, err
			}
			var more []wire.Proposal
			for i := range psks {
				more = append(more, c.psk(i))
			}
			if err := c.begin(inside, more...); err != nil {
				return nil, err
			}
			out = append(out, c.out)
		}
	}
	return out, nil
}

// changes are the ways in which a group moves on; x is somebody who may be added.
func (c *scene) changes() []func(x *party) wire.Proposal {
	removed := func(*party) wire.Proposal {
		last := c.members[len(c.members)-1]
		return wire.Proposal{Type: wire.RemoveProposal, Remove: uint32(last.OwnLeaves()[0])}
	}
	return []func(*party) wire.Proposal{
		func(x *party) wire.Proposal { return adds(x)[0] },
		removed,
		func(*party) wire.Proposal { return c.psk(0) },
		func(*party) wire.Proposal {
			return wire.Proposal{Type: wire.GroupContextExtensionsProposal, Extensions: wire.Extensions{}}
		},
	}
}

func makePassiveCommit(s *suite.Suite) ([]any, error) {
	var out []any
	for _, private := range []bool{false, true} {
		for _, byReference := range []bool{false, true} {
			c, err := newScene(s, private, 1, 4)
			if err != nil {
				return nil, err
			}
			if err := c.begin(true); err != nil {
				return nil, err
			}
			if err := c.moveOn(byReference); err != nil {
				return nil, err
			}
			out = append(out, c.out)
		}
	}
	return out, nil
}

// moveOn makes each kind of change once, an empty commit, and an Update.
func (c *scene) moveOn(byReference bool) error {
	for _, change := range c.changes() {
		x, err := c.party()
		if err != nil {
			return err
		}
		var inline []wire.Proposal
		if p := change(x); byReference {
			err = c.propose(c.members[1], p)
		} else {
			inline = append(inline, p)
		}
		if err != nil {
			return err
		}
		if _, err := c.commit(c.members[0], false, inline...); err != nil {
			return err
		}
	}
	if _, err := c.commit(c.members[1], false); err != nil {
		return err
	}
	return c.update()
}

// update has one member update its leaf and another commit it.
func (c *scene) update() error {
	by := c.members[1]
	m, _, err := by.ProposeUpdate(by.OwnLeaves()[0], nil, nil, time.Time{})
	if err != nil {
		return err
	}
	if err := c.deliver(m); err != nil {
		return err
	}
	_, err = c.commit(c.members[0], false)
	return err
}

const randomEpochs = 20

func makePassiveRandom(s *suite.Suite) ([]any, error) {
	c, err := newScene(s, true, 1, 4)
	if err != nil {
		return nil, err
	}
	if err := c.begin(false); err != nil {
		return nil, err
	}
	for range randomEpochs {
		dice := c.random.octets(2)
		by := c.members[int(dice[0])%len(c.members)]
		switch {
		case dice[1]%4 == 0 && len(c.members) < 8:
			_, err = c.add(by, false)
		case dice[1]%4 == 1 && len(c.members) > 2:
			gone := c.members[len(c.members)-1]
			if gone == by {
				by = c.members[0]
			}
			_, err = c.commit(by, false, wire.Proposal{Type: wire.RemoveProposal, Remove: uint32(gone.OwnLeaves()[0])})
		case dice[1]%4 == 2:
			err = c.update()
		default:
			_, err = c.commit(by, false, c.psk(0))
		}
		if err != nil {
			return nil, err
		}
	}
	return []any{c.out}, c.random.err
}
