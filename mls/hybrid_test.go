package mls_test

import (
	"bytes"
	"fmt"
	"testing"

	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
)

// hybridTable has every hybrid besides the suites of RFC 9420.
func hybridTable(t testing.TB) *suite.Table {
	t.Helper()
	var points []suite.Point
	for _, h := range suite.Hybrids() {
		points = append(points, suite.Point{Hybrid: h})
	}
	table, err := (*suite.Table)(nil).With(points...)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// hybridSuites runs the test for each hybrid.
func hybridSuites(t *testing.T, f func(t *testing.T, id wire.CipherSuite)) {
	for _, h := range suite.Hybrids() {
		s, err := hybridTable(t).Hybrid(h)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(string(h), func(t *testing.T) {
			t.Parallel()
			f(t, s.ID())
		})
	}
}

func TestLifeOfAHybridGroup(t *testing.T) {
	hybridSuites(t, func(t *testing.T, id wire.CipherSuite) {
		for _, private := range []bool{false, true} {
			live(t, &mls.Config{Suites: hybridTable(t), EncryptHandshakes: private, PadTo: 64}, id)
		}
	})
}

func TestExternalJoinOfAHybridGroup(t *testing.T) {
	hybridSuites(t, func(t *testing.T, id wire.CipherSuite) { joinByCommit(t, &mls.Config{Suites: hybridTable(t)}, id) })
}

// A group moves from a classical suite to a hybrid one; whoever has no hybrid suites stays out.
func TestReInitToHybrid(t *testing.T) {
	hybridSuites(t, func(t *testing.T, id wire.CipherSuite) {
		cfg := &mls.Config{Suites: hybridTable(t)}
		r := newRoom(t, cfg, suite.X25519AES128, nil)
		r.add(r.members[0], 2, mls.CommitOptions{})
		next := &wire.ReInit{GroupID: []byte("the next group"), Version: wire.MLS10, Suite: id}
		r.commit(r.members[1], mls.CommitOptions{ByValue: []wire.Proposal{{Type: wire.ReInitProposal, ReInit: next}}})
		s, err := r.continueWith(r.members, wire.ReInitUsage, mls.CreateParams{GroupID: next.GroupID}, id)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range r.members[1:] {
			g, err := s.join(m, always(m.group))
			if err != nil {
				t.Fatal(err)
			}
			if !g.Public().Suite().PostQuantum() || !bytes.Equal(g.EpochAuthenticator(), s.created.EpochAuthenticator()) {
				t.Error("not in the same epoch of a hybrid group")
			}
		}
		classical := &mls.Config{}
		_, _, err = mls.Join(classical, mls.JoinParams{Welcome: s.result.Welcome, Tree: &s.tree, Own: []mls.OwnLeaf{s.own[r.members[1]]}}, start)
		wantRule(t, err, mls.RuleSuite)
	})
}

// Hybrid suites are there for those who ask for them and for nobody else.
func TestHybridsAreOffByDefault(t *testing.T) {
	hybridSuites(t, func(t *testing.T, id wire.CipherSuite) {
		b, signer := newBundle(t, id, "somebody")
		_, err := mls.Create(&mls.Config{}, mls.CreateParams{GroupID: []byte("x"), Bundle: b, Signer: signer}, start)
		wantRule(t, err, mls.RuleSuite)
		wantRule(t, mls.ValidateKeyPackage(&mls.Config{}, &b.KeyPackage, start), mls.RuleSuite)
		if err := mls.ValidateKeyPackage(&mls.Config{Suites: hybridTable(t)}, &b.KeyPackage, start); err != nil {
			t.Error(err)
		}
		_, err = mls.NewKeyPackage(mls.KeyPackageParams{Suite: id, Signer: signer})
		wantRule(t, err, mls.RuleSuite)
	})
}

// Others' numbers for the same suites can be used.
func TestHybridCodePoint(t *testing.T) {
	table, err := (*suite.Table)(nil).With(suite.Point{Hybrid: suite.MLKEM768X25519, ID: 0xf0f1})
	if err != nil {
		t.Fatal(err)
	}
	s, err := table.Lookup(0xf0f1)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := s.GenerateSignatureKey()
	if err != nil {
		t.Fatal(err)
	}
	b, err := mls.NewKeyPackage(mls.KeyPackageParams{Suite: 0xf0f1, Suites: table, Signer: signer, Credential: wire.Credential{Type: wire.BasicCredential}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Ref(table); err != nil {
		t.Error(err)
	}
	if _, err := b.Ref(); fmt.Sprint(err) == "<nil>" {
		t.Error("known without the table")
	}
	g, err := mls.Create(&mls.Config{Suites: table}, mls.CreateParams{GroupID: []byte("x"), Bundle: b, Signer: signer}, start)
	if err != nil || g.Public().Context().Suite != 0xf0f1 {
		t.Error(err)
	}
}
