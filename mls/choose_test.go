package mls_test

import (
	"errors"
	"testing"

	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
)

// Proposals that no commit can hold, or not together, do not keep the members from committing, and the good ones among them count.
func TestBadProposalsDoNotBlock(t *testing.T) {
	cfg := &mls.Config{PSK: onePSK, Components: map[wire.ComponentID]mls.Component{
		testComponent: func(_ []byte, _ bool, updates [][]byte) ([]byte, error) {
			if len(updates) != 1 {
				return nil, errors.New("one at a time")
			}
			return updates[0], nil
		},
	}}
	extension := func(e wire.Extension) func(r *room) wire.Proposal {
		return func(r *room) wire.Proposal { return extensions(append(r.hub.Context().Extensions, e)...) }
	}
	always := func(p wire.Proposal) func(*room) wire.Proposal { return func(*room) wire.Proposal { return p } }
	unknownPSK := pskProposal()
	unknownPSK.PSK = &wire.PreSharedKeyID{Type: wire.ExternalPSK, ID: []byte("who knows"), Nonce: make([]byte, 32)}
	b, _ := newBundle(t, suite.X25519AES128, "x", func(p *mls.KeyPackageParams) {
		p.Credential = wire.Credential{Type: wire.MultiCredential}
		p.Capabilities = mls.DefaultCapabilities(suite.X25519AES128)
		p.Capabilities.Credentials = append(p.Capabilities.Credentials, wire.MultiCredential)
	})
	kinds := map[string][]func(*room) wire.Proposal{
		"unknown type":         {always(wire.Proposal{Type: 0xf0f0})},
		"unknown key":          {always(unknownPSK)},
		"two of a kind":        {extension(wire.Extension{Type: 1}), extension(wire.Extension{Type: 2})},
		"an extension too new": {extension(wire.Extension{Type: 0xf00d})},
		"ReInit among others":  {always(reinit(wire.MLS10)), always(component(testComponent, 3))},
		"refused together":     {always(component(testComponent, 1)), always(component(testComponent, 2))},
		"mixed":                {always(component(testComponent, 1)), always(component(wire.AppComponentsComponent, 3))},
		"a credential":         {always(wire.Proposal{Type: wire.AddProposal, Add: &b.KeyPackage})},
	}
	for name, list := range kinds {
		t.Run(name, func(t *testing.T) {
			r := newTestRoom(t, cfg, 3, componentsContext(t, testComponent))
			for _, make := range list {
				r.propose(r.members[1], make(r))
			}
			r.propose(r.members[2], pskProposal())
			r.update(r.members[2], nil)
			result := r.commit(r.members[0], mls.CommitOptions{AAD: r.aad()})
			if n := len(result.Message.Public.Content.Commit.Proposals); n < 1 || name != "ReInit among others" && n < 2 {
				t.Errorf("%d proposals were committed", n)
			}
			if name != "ReInit among others" {
				r.talk()
			}
		})
	}
}

// Many bad proposals cost a bounded number of attempts.
func TestManyBadProposals(t *testing.T) {
	attempts := 0
	cfg := &mls.Config{Components: map[wire.ComponentID]mls.Component{
		testComponent: func(_ []byte, _ bool, updates [][]byte) ([]byte, error) {
			attempts++
			return nil, errors.New("no")
		},
	}}
	r := newTestRoom(t, cfg, 2, componentsContext(t, testComponent))
	r.light = true
	for i := range 200 {
		r.propose(r.members[1], component(testComponent, byte(i)))
	}
	attempts = 0
	r.commit(r.members[0], mls.CommitOptions{AAD: r.aad()})
	if attempts > 64 {
		t.Errorf("%d attempts", attempts)
	}
	r.talk()
}

// A proposal that removes the committer is not passed over, and one that is given has to be in the commit.
func TestChoiceIsHonest(t *testing.T) {
	r := newTestRoom(t, &mls.Config{}, 3, nil)
	x := r.members[1]
	_, _, err := x.group.Commit(mls.CommitOptions{Leaf: x.leaf(), ByValue: []wire.Proposal{remove(77)}}, start)
	wantRule(t, err, mls.RuleRemoveBlank)
	r.propose(r.members[0], wire.Proposal{Type: 0xf0f0})
	_, _, err = x.group.Commit(mls.CommitOptions{Leaf: x.leaf(), ByValue: []wire.Proposal{remove(77)}}, start)
	wantRule(t, err, mls.RuleRemoveBlank)
	r.propose(r.members[0], remove(x.leaf()))
	_, _, err = x.group.Commit(mls.CommitOptions{Leaf: x.leaf()}, start)
	var broken *mls.Error
	if !errors.As(err, &broken) {
		t.Errorf("%v", err)
	}
	r.commit(r.members[2], mls.CommitOptions{})
	if !x.group.Removed() {
		t.Error("still there")
	}
}
