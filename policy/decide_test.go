package policy_test

import (
	"errors"
	"slices"
	"testing"

	"parley/mls/wire"
	"parley/policy"
	"parley/syntax"
)

// with is a policy of one role that has a capability and may make some changes, besides the banned role, a plain one and outside.
func with(c policy.Capability, changes ...policy.RoleChange) *policy.Policy {
	return &policy.Policy{Roles: policy.RoleData{Roles: []policy.Role{
		{Index: 0, Name: "outside"},
		{Index: 1, Name: policy.BannedRoleName},
		{Index: 2, Name: "plain"},
		{Index: 3, Name: "actor", Capabilities: []policy.Capability{c}, Changes: changes},
	}}}
}

// acts are the capabilities that are used by a change of somebody's role; everything else is a plain use.
func acts() map[policy.Capability]struct {
	action  policy.Action
	self    bool
	match   uint32
	changes []policy.RoleChange
} {
	type act = struct {
		action  policy.Action
		self    bool
		match   uint32
		changes []policy.RoleChange
	}
	to := func(from uint32, targets ...uint32) []policy.RoleChange {
		return []policy.RoleChange{{From: from, Targets: targets}}
	}
	return map[policy.Capability]act{
		policy.CanAddParticipant:    {policy.Move(0, 2), false, 0, to(0, 2)},
		policy.CanRemoveParticipant: {policy.Move(2, 0), false, 0, to(2, 0)},
		policy.CanRemoveSelf:        {policy.Move(3, 0), true, 0, to(3, 0)},
		policy.CanBan:               {policy.Move(2, 1), false, 0, to(2, 1)},
		policy.CanUnban:             {policy.Move(1, 2), false, 0, to(1, 2)},
		policy.CanChangeUserRole:    {policy.Move(2, 3), false, 0, to(2, 3)},
		policy.CanChangeOwnRole:     {policy.Move(3, 2), true, 2, nil},
	}
}

// TestCapabilities has a permitted and a refused case for every capability of the registry.
func TestCapabilities(t *testing.T) {
	entries := []policy.Capability{policy.CanOpenJoin, policy.CanJoinIfPreauthorized, policy.CanUseJoinCode}
	for _, word := range policy.Words() {
		c := word.Capability
		if word.Words == "" {
			t.Errorf("%#04x has no words", c)
		}
		if slices.Contains(entries, c) {
			continue // of whoever is outside: TestEntry
		}
		a, moves := acts()[c]
		if !moves {
			a.action = policy.Use(c)
		}
		rule := "R-CAP-01 counts only through the actor's role"
		if word.Reserved {
			rule = "R-CAP-21 is reserved and grants nothing"
		}
		t.Run(rule+": "+word.Words, func(t *testing.T) {
			actor := policy.Actor{Role: 3, Self: a.self, Match: a.match}
			if err := policy.Decide(with(c, a.changes...), actor, a.action); (err == nil) == word.Reserved {
				t.Errorf("with it: %v", err)
			}
			other := policy.CanReply
			if c == other {
				other = policy.CanReact
			}
			var denied *policy.Denied
			if err := policy.Decide(with(other, a.changes...), actor, a.action); !errors.As(err, &denied) || denied.Capability != c {
				t.Errorf("without it: %v", err)
			}
			for _, role := range []uint32{0, 1, 2, 9} {
				actor.Role = role
				if policy.Decide(with(c, a.changes...), actor, a.action) == nil {
					t.Errorf("role %d does it", role)
				}
			}
		})
	}
	t.Run("R-ROL-11 a capability that is not in the registry grants nothing", func(t *testing.T) {
		for _, c := range []policy.Capability{0xf123, 0x0700} {
			if policy.Decide(with(c), policy.Actor{Role: 3}, policy.Use(c)) == nil {
				t.Errorf("%#04x", c)
			}
		}
		role := policy.RoleData{Roles: []policy.Role{{Index: 2, Capabilities: []policy.Capability{0xf123}}}}
		octets, err := syntax.Marshal(&role)
		if err != nil {
			t.Fatal(err)
		}
		var back policy.RoleData
		if err := syntax.Unmarshal(octets, &back); err != nil || !back.Roles[0].Has(0xf123) {
			t.Errorf("not kept: %v", err)
		}
	})
}

func TestExplain(t *testing.T) {
	for in, want := range map[string]string{
		(&policy.Denied{Capability: policy.CanBan, Reason: "the role lacks the capability"}).Error(): "you may not ban people in this room: the role lacks the capability (policy:0x000a)",
		"policy:0xf123 x":           "policy:0xf123 x",
		"the room has no such role": "the room has no such role",
		"policy:":                   "policy:",
	} {
		if got := policy.Explain(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestMoves(t *testing.T) {
	move := func(c policy.Capability, actor policy.Actor, a policy.Action, changes ...policy.RoleChange) error {
		actor.Role = 3
		return policy.Decide(with(c, changes...), actor, a)
	}
	other, self := policy.Actor{}, policy.Actor{Self: true}
	to := func(from uint32, targets ...uint32) policy.RoleChange {
		return policy.RoleChange{From: from, Targets: targets}
	}
	for name, c := range map[string]struct {
		got  error
		want bool
	}{
		"R-ROL-06 R-CAP-02 an addition needs its entry from 0":     {move(policy.CanAddParticipant, other, policy.Move(0, 3), to(0, 2)), false},
		"R-CAP-02 who is in does not add oneself":                  {move(policy.CanAddParticipant, self, policy.Move(0, 2), to(0, 2)), false},
		"R-CAP-07 a removal needs its entry to 0":                  {move(policy.CanRemoveParticipant, other, policy.Move(2, 0), to(3, 0)), false},
		"R-CAP-07 removing others is not removing oneself":         {move(policy.CanRemoveParticipant, self, policy.Move(3, 0), to(3, 0)), false},
		"R-CAP-09 leaving needs its entry from the own role to 0":  {move(policy.CanRemoveSelf, self, policy.Move(3, 0), to(2, 0)), false},
		"R-CAP-09 leaving is not removing others":                  {move(policy.CanRemoveSelf, other, policy.Move(2, 0), to(2, 0)), false},
		"R-CAP-11 a change of role needs its entry":                {move(policy.CanChangeUserRole, other, policy.Move(2, 3), to(2, 0)), false},
		"R-CAP-11 and is for others only":                          {move(policy.CanChangeUserRole, self, policy.Move(3, 2), to(3, 2)), false},
		"R-CAP-12 the own role only to what was authorised":        {move(policy.CanChangeOwnRole, policy.Actor{Self: true, Match: 3}, policy.Move(3, 2), to(3, 2)), false},
		"R-CAP-12 the list of the own role is not asked":           {move(policy.CanChangeOwnRole, policy.Actor{Self: true, Match: 2}, policy.Move(3, 2)), true},
		"R-CAP-13 a ban needs its entry to 1":                      {move(policy.CanBan, other, policy.Move(2, 1), to(2, 0)), false},
		"R-CAP-13 banning somebody who is not in the room":         {move(policy.CanBan, other, policy.Move(0, 1), to(0, 1)), true},
		"R-CAP-14 lifting a ban needs its entry from 1":            {move(policy.CanUnban, other, policy.Move(1, 2), to(2, 1)), false},
		"R-CAP-14 and another capability than a plain change does": {move(policy.CanChangeUserRole, other, policy.Move(1, 2), to(1, 2)), false},
		"R-CAP-13 and so does a ban":                               {move(policy.CanChangeUserRole, other, policy.Move(2, 1), to(2, 1)), false},
	} {
		t.Run(name, func(t *testing.T) {
			if (c.got == nil) != c.want {
				t.Errorf("%v", c.got)
			}
		})
	}
	t.Run("R-BAS-03 in a room of fixed people nobody comes, goes or is banned", func(t *testing.T) {
		for c, a := range acts() {
			p := with(c, a.changes...)
			p.Base.FixedMembership = true
			err := policy.Decide(p, policy.Actor{Role: 3, Self: a.self, Match: a.match}, a.action)
			if stays := c == policy.CanChangeUserRole || c == policy.CanChangeOwnRole; (err == nil) != stays {
				t.Errorf("%s: %v", c.Words(), err)
			}
		}
		p := with(policy.CanRemoveOwnClient)
		p.Base.FixedMembership = true
		if err := policy.Decide(p, policy.Actor{Role: 3, Self: true}, policy.Use(policy.CanRemoveOwnClient)); err != nil {
			t.Errorf("own devices: %v", err)
		}
	})
}

func TestEntry(t *testing.T) {
	room := func(change func(*policy.Policy)) *policy.Policy {
		p := with(policy.CanReply)
		p.Roles.Roles[0].Changes = []policy.RoleChange{{From: 0, Targets: []uint32{2}}}
		change(p)
		return p
	}
	open := room(func(p *policy.Policy) { p.Roles.Roles[0].Capabilities = []policy.Capability{policy.CanOpenJoin} })
	code := room(func(p *policy.Policy) {
		p.Roles.Roles[0].Capabilities = []policy.Capability{policy.CanUseJoinCode}
		p.JoinLinks = &policy.JoinLinksData{Links: []string{"secret"}}
	})
	listed := room(func(p *policy.Policy) {
		p.Roles.Roles[3].Capabilities = []policy.Capability{policy.CanJoinIfPreauthorized}
	})
	stranger := policy.Actor{Self: true}
	enters := func(p *policy.Policy, a policy.Actor, to uint32) bool {
		return policy.Decide(p, a, policy.Move(0, to)) == nil
	}
	t.Run("R-CAP-04 openly, in a role of the list of role 0, and for oneself", func(t *testing.T) {
		if !enters(open, stranger, 2) {
			t.Error("refused")
		}
		if enters(open, stranger, 3) || enters(open, stranger, 1) || enters(open, policy.Actor{}, 2) || enters(room(func(*policy.Policy) {}), stranger, 2) {
			t.Error("let in")
		}
		if role, ok := open.Open(); !ok || role != 2 {
			t.Errorf("%d, %v", role, ok)
		}
		open.Base.FixedMembership = true
		if enters(open, stranger, 2) {
			t.Error("let in among fixed people")
		}
		open.Base.FixedMembership = false
	})
	t.Run("R-CAP-05 when listed beforehand, in the role of the entry, which has to allow it", func(t *testing.T) {
		if !enters(listed, policy.Actor{Self: true, Match: 3}, 3) {
			t.Error("refused, though the list of changes is not asked")
		}
		if enters(listed, stranger, 3) || enters(listed, policy.Actor{Self: true, Match: 3}, 2) || enters(listed, policy.Actor{Self: true, Match: 2}, 2) {
			t.Error("let in")
		}
	})
	t.Run("R-CAP-06 with a code of the list, in a role of the list of role 0", func(t *testing.T) {
		if !enters(code, stranger, 2) || enters(code, stranger, 3) {
			t.Error("the role")
		}
		if role, ok := code.ByCode("secret"); !ok || role != 2 {
			t.Errorf("%d, %v", role, ok)
		}
		for _, wrong := range []string{"", "other"} {
			if _, ok := code.ByCode(wrong); ok {
				t.Errorf("%q is taken", wrong)
			}
		}
		code.JoinLinks.Links = nil
		if _, ok := code.ByCode("secret"); ok || enters(code, stranger, 2) {
			t.Error("a revoked code is taken")
		}
	})
	entry := func(role uint32, values ...string) policy.PreAuthEntry {
		e := policy.PreAuthEntry{Role: policy.Role{Index: role}}
		for _, v := range values {
			e.Claims = append(e.Claims, policy.Claim{Value: []byte(v)})
		}
		return e
	}
	match := func(has []string, entries ...policy.PreAuthEntry) uint32 {
		p := policy.Policy{PreAuth: &policy.PreAuthData{Entries: entries}}
		return p.Match(func(c *policy.Claim) bool { return slices.Contains(has, string(c.Value)) })
	}
	t.Run("R-PRE-02 all claims of an entry have to be there", func(t *testing.T) {
		if match([]string{"a"}, entry(2, "a", "b")) != 0 || match([]string{"b", "a"}, entry(2, "a", "b")) != 2 {
			t.Error("a claim is missing or not seen")
		}
	})
	t.Run("R-PRE-03 the first entry that fits counts", func(t *testing.T) {
		if got := match([]string{"a", "b"}, entry(4, "c"), entry(2, "a"), entry(3, "b")); got != 2 {
			t.Errorf("role %d", got)
		}
	})
	t.Run("R-PRE-08 an entry without claims fits nobody", func(t *testing.T) {
		if match([]string{"a"}, entry(2)) != 0 {
			t.Error("everybody")
		}
	})
}

func TestPolicyAsAWhole(t *testing.T) {
	ready := func(change func(*policy.Policy)) error {
		p, _, known := policy.Ready(policy.Managed, "mimi://a.example/u/log")
		if !known {
			t.Fatal("no such kind")
		}
		change(p)
		return p.Validate()
	}
	zero := uint32(0)
	for name, c := range map[string]struct {
		got, want error
	}{
		"R-BAS-15 a component that is not listed": {ready(func(p *policy.Policy) { p.Base.Components = p.Base.Components[1:] }), policy.ErrComponentList},
		"R-BAS-15 a listed one that is not there": {ready(func(p *policy.Policy) { p.Logging = nil }), policy.ErrComponentList},
		"R-ROL-03 two roles of one index":         {ready(func(p *policy.Policy) { p.Roles.Roles[0].Index = 2 }), policy.ErrDuplicateRole},
		"R-ROL-10 a ban without a banned role":    {ready(func(p *policy.Policy) { p.Roles.Roles[0].Name = "guests" }), policy.ErrBannedRole},
		"R-BAS-02 fixed people, and who may add":  {ready(func(p *policy.Policy) { p.Base.FixedMembership = true }), policy.ErrFixedAdd},
		"R-BAS-08 a parent without its flag":      {ready(func(p *policy.Policy) { p.Base.ParentRoom = []string{"mimi://a.example/r/x"} }), policy.ErrParentRoom},
		"R-BAS-08 the flag without a parent":      {ready(func(p *policy.Policy) { p.Base.ParentDependent = true }), policy.ErrParentRoom},
		"R-CAP-04 an open door in another role":   {ready(func(p *policy.Policy) { p.Roles.Roles[1].Capabilities = []policy.Capability{policy.CanOpenJoin} }), policy.ErrOpenJoinRole},
		"R-LOG-02 logging without a logger":       {ready(func(p *policy.Policy) { p.Logging.Clients = nil }), policy.ErrLoggingClient},
		"R-JLP-02 two links where one is kept": {ready(func(p *policy.Policy) {
			p.JoinLink, p.JoinLinks = &policy.JoinLinkPolicy{OnRequest: true}, &policy.JoinLinksData{Links: []string{"a", "b"}}
			p.Base.Components = append(p.Base.Components, policy.JoinLinkComponent, policy.JoinLinksComponent)
		}), policy.ErrLinkCount},
		"R-HIS-02 a sharer without clients": {ready(func(p *policy.Policy) {
			p.Roles.Roles[1].MaximumActive = &zero
			p.History = &policy.HistoryPolicy{Roles: []uint32{policy.RoleMember}}
			p.Base.Components = append(p.Base.Components, policy.HistoryComponent)
		}), policy.ErrHistoryRole},
		"outside may do more than come in": {ready(func(p *policy.Policy) {
			p.Roles.Roles = append(p.Roles.Roles, policy.Role{Index: 0, Capabilities: []policy.Capability{policy.CanSendMessage}})
		}), policy.ErrRoleZeroRights},
	} {
		t.Run(name, func(t *testing.T) {
			if !errors.Is(c.got, c.want) {
				t.Errorf("%v, want %v", c.got, c.want)
			}
		})
	}
	for _, k := range policy.Kinds() {
		t.Run("ready-made: "+string(k.Kind), func(t *testing.T) {
			p, creator, known := policy.Ready(k.Kind, "mimi://a.example/u/log")
			if !known || k.Words == "" {
				t.Fatal("not known")
			}
			if err := p.Validate(); err != nil {
				t.Error(err)
			}
			if _, there := p.Roles.Find(creator); !there {
				t.Error("the creator has no role")
			}
			for _, c := range p.Components() { // what is made can be written and read
				if _, err := syntax.Marshal(c.Value); err != nil {
					t.Errorf("%#04x: %v", c.ID, err)
				}
			}
		})
	}
	t.Run("a policy is read from its components", func(t *testing.T) {
		p, _, _ := policy.Ready(policy.Moderated)
		read := func(without wire.ComponentID) (*policy.Policy, error) {
			return policy.Read(func(id wire.ComponentID) ([]byte, bool) {
				for _, c := range p.Components() {
					if c.ID == id && id != without {
						octets, err := syntax.Marshal(c.Value)
						return octets, err == nil
					}
				}
				return nil, false
			})
		}
		back, err := read(0)
		if err != nil || back.JoinLink == nil || back.Logging != nil || len(back.Roles.Roles) != len(p.Roles.Roles) {
			t.Errorf("%+v, %v", back, err)
		}
		for _, id := range []wire.ComponentID{policy.RolesComponent, policy.BaseRoomComponent} {
			if _, err := read(id); !errors.Is(err, policy.ErrComponentMissing) {
				t.Errorf("without %#04x: %v", id, err)
			}
		}
	})
}
