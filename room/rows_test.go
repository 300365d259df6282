package room_test

import (
	"bytes"
	"testing"

	"parley/mimi"
	"parley/mls/wire"
	"parley/policy"
	"parley/room"
	"parley/storetest/roletest"
	"parley/syntax"
	"parley/uri"
)

func TestRows(t *testing.T) {
	w := roletest.New(t, "a.example")
	alice := w.Device("a.example", "alice", "phone")
	hub := w.Provider("a.example").Sender
	t.Run("R-FRK-01 a frank in the authenticated data has 32 octets, and the agent stands in 0x0021", func(t *testing.T) {
		for n, valid := range map[int]bool{31: false, 32: true, 33: false} {
			if err := syntax.Unmarshal(make([]byte, n), new(mimi.FrankAAD)); (err == nil) != valid {
				t.Errorf("%d octets: %v", n, err)
			}
		}
		extensions, err := room.Template(alice.RoomURI("x"), "x", alice.User, hub)
		if err != nil {
			t.Fatal(err)
		}
		data, _ := extensions.Find(wire.AppDataDictionaryExtension)
		var d wire.AppDataDictionary
		if err := syntax.Unmarshal(data, &d); err != nil {
			t.Fatal(err)
		}
		if _, there := d.Find(0x0021); !there || mimi.FrankingAgentComponent != 0x0021 || mimi.FrankAADComponent != 0x0020 {
			t.Error("no agent, or other numbers")
		}
	})
	t.Run("R-PRE-02 a claim is one name of the certificate, or a whole extension, octet by octet", func(t *testing.T) {
		claim, err := room.NameClaim(alice.User.String())
		if err != nil {
			t.Fatal(err)
		}
		entry := func(change func(*policy.Claim)) (uint32, bool) {
			c := policy.Claim{Credential: claim.Credential, ID: bytes.Clone(claim.ID), Value: bytes.Clone(claim.Value)}
			change(&c)
			s := room.State{}
			s.Roles.Roles = []policy.Role{{Index: 2, Capabilities: []policy.Capability{policy.CanJoinIfPreauthorized}}}
			s.PreAuth = &policy.PreAuthData{Entries: []policy.PreAuthEntry{{Claims: []policy.Claim{c}, Role: s.Roles.Roles[0]}}}
			role, _, ok := s.Entry(alice.Credential, "")
			return role, ok
		}
		if role, ok := entry(func(*policy.Claim) {}); !ok || role != 2 {
			t.Errorf("%d, %v", role, ok)
		}
		for name, change := range map[string]func(*policy.Claim){
			"another name":        func(c *policy.Claim) { c.Value[len(c.Value)-1] ^= 1 },
			"the start of a name": func(c *policy.Claim) { c.Value = c.Value[:len(c.Value)-1] },
			"another extension":   func(c *policy.Claim) { c.ID[len(c.ID)-1]++ },
			"no identifier":       func(c *policy.Claim) { c.ID = []byte("x") },
			"another credential":  func(c *policy.Claim) { c.Credential = wire.BasicCredential },
			"nothing":             func(c *policy.Claim) { c.Value = nil },
		} {
			if _, ok := entry(change); ok {
				t.Errorf("%s matches", name)
			}
		}
	})
	t.Run("R-BAS-04 the name of fixed people depends on who they are, and on nothing else", func(t *testing.T) {
		bob, err := uri.ParseUser("mimi://b.example/u/bob")
		if err != nil {
			t.Fatal(err)
		}
		carol, err := uri.ParseUser("mimi://b.example/u/carol")
		if err != nil {
			t.Fatal(err)
		}
		name := room.FixedName(alice.User, bob)
		if room.FixedName(bob, alice.User) != name || room.FixedName(bob, alice.User, bob) != name {
			t.Error("the order or a repetition counts")
		}
		if room.FixedName(alice.User, carol) == name || room.FixedName(alice.User, bob, carol) == name || room.FixedName(alice.User) == name {
			t.Error("others have the same name")
		}
	})
	t.Run("a policy without a name is none", func(t *testing.T) {
		if _, err := room.New(room.Founding{Room: alice.RoomURI("x"), Creator: alice.User, Kind: "club"}, hub); err == nil {
			t.Error("made")
		}
	})
}

func TestComponentLogic(t *testing.T) {
	for id, logic := range room.Components() {
		if id == mimi.FrankingAgentComponent {
			continue // TestFrankingAgent
		}
		for name, updates := range map[string][][]byte{"removed": nil, "garbage": {{0xff}}} {
			if _, err := logic(nil, false, updates); err == nil {
				t.Errorf("%#04x: %s is taken", id, name)
			}
		}
		if id == mimi.ParticipantListComponent {
			continue // several updates of a commit are one
		}
		if _, err := logic(nil, true, [][]byte{{0}, {0}}); err == nil {
			t.Errorf("%#04x: two updates are taken", id)
		}
	}
}
