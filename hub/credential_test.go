package hub_test

import (
	"testing"
	"time"

	"parley/mimi"
	"parley/mls"
	"parley/mls/wire"
	"parley/policy"
	"parley/room"
	"parley/storetest/roletest"
)

// Every way by which a leaf comes in is guarded by the one validator, also when a member and its provider guard nothing.
func TestLeavesAreJudged(t *testing.T) {
	c := newCast(t)
	for _, d := range []*roletest.Device{c.alice, c.bob, c.laptop} {
		d.MLS = c.credulous()
	}
	c.room = c.alice.Create("den")
	c.gather(c.bob)
	impostor := roletest.New(t, "b.example").Device("b.example", "bea", "phone") // of an authority that says to be B's
	const notAccepted = "credential is not accepted"
	forged := func(d *roletest.Device, by *roletest.Device) *mls.KeyPackageBundle { // d's identity with by's key
		return by.Package(func(p *mls.KeyPackageParams) { p.Credential = d.Credential })
	}
	bad := map[string]*mls.KeyPackageBundle{"another authority": impostor.Package(nil), "another key": forged(c.bea, c.cathy)}

	c.Run("P-CR-08 a published KeyPackage", func(t *testing.T) {
		for name, bundle := range bad {
			_, err := c.b().Packages.Publish(t.Context(), c.bea.User, c.bea.Client.Client, []wire.KeyPackage{bundle.KeyPackage})
			c.failsWith(err, mimi.BadRequest)
			t.Log(name)
		}
	})
	c.Run("P-CR-05 an added client whose chain does not lead to its provider", func(t *testing.T) {
		strict := c.b().PackagesConfig
		c.b().PackagesConfig.Validate = acceptAll
		c.b().Restart()
		for name, bundle := range bad {
			if _, err := c.b().Packages.Publish(t.Context(), c.bea.User, c.bea.Client.Client, []wire.KeyPackage{bundle.KeyPackage}); err != nil {
				t.Fatal(err)
			}
			var last wire.KeyPackage // the good ones come first
			for kps := c.alice.Claim(c.room, c.bea.User); len(kps) > 0; kps = c.alice.Claim(c.room, c.bea.User) {
				last = kps[0]
			}
			r := c.alice.Commit(c.room, c.Listed(c.bea.User, policy.RoleMember), roletest.AddOf(&last))
			c.refuses(c.alice, r, mimi.UpdateInvalidProposal, notAccepted)
			t.Log(name)
		}
		c.b().PackagesConfig = strict
		c.b().Restart()
	})
	c.Run("P-CR-08 an Update that changes who the client is", func(t *testing.T) {
		for name, renewal := range map[string]*mls.Renewal{
			"another user":      {Credential: &c.bea.Credential, Signer: c.bea.Key},
			"another authority": {Credential: &impostor.Credential, Signer: impostor.Key},
			"another key":       {Signer: c.cathy.Key},
		} {
			m, _, err := c.bob.Groups[c.room].ProposeUpdate(c.bob.Leaf(c.room), renewal, c.bob.AAD(c.room), c.Now())
			if err != nil {
				t.Fatal(name, err)
			}
			c.refuses(c.bob, &mimi.UpdateRequest{Message: *m}, mimi.UpdateInvalidProposal, notAccepted)
			result, _, err := c.bob.Groups[c.room].Commit(mls.CommitOptions{
				Leaf: c.bob.Leaf(c.room), AAD: c.bob.AAD(c.room), Renewal: renewal}, c.Now())
			if err != nil {
				t.Fatal(name, err)
			}
			c.refuses(c.bob, roletest.Request(result), mimi.UpdateInvalidProposal, notAccepted)
		}
	})
	c.Run("P-CR-08 an Update to a new key of the same client", func(t *testing.T) {
		again := c.reborn(c.bob)
		result, _, err := c.bob.Groups[c.room].Commit(mls.CommitOptions{Leaf: c.bob.Leaf(c.room), AAD: c.bob.AAD(c.room),
			Renewal: &mls.Renewal{Credential: &again.Credential, Signer: again.Key}}, c.Now())
		if err != nil {
			t.Fatal(err)
		}
		c.bob.Do(c.room, roletest.Request(result))
		c.agree(c.alice, c.bob, c.laptop)
	})
	c.Run("P-CR-05 an external commit", func(t *testing.T) {
		c.alice.Do(c.room, c.alice.Commit(c.room, c.Listed(c.bea.User, policy.RoleMember)))
		state := c.bea.Info(c.room)
		c.bea.MLS = c.credulous()
		for name, bundle := range bad {
			key := impostor.Key
			if name == "another key" {
				key = c.cathy.Key
			}
			r := c.bea.JoinWith(c.room, state, func(p *mls.ExternalJoinParams) { p.Bundle, p.Signer = bundle, key })
			c.refuses(c.bea, r, mimi.UpdateInvalidProposal, notAccepted)
			t.Log(name)
		}
		c.bea.Do(c.room, c.bea.JoinWith(c.room, state, nil))
		c.agree(c.alice, c.bea)
	})
	c.Run("P-CR-05 the first leaf of a new room", func(t *testing.T) {
		at := c.alice.RoomURI("new")
		extensions, err := room.Template(at, "new", c.alice.User, c.hub.Sender)
		if err != nil {
			t.Fatal(err)
		}
		stranger := roletest.New(t, "a.example").Device("a.example", "alice", "phone")
		stranger.MLS = c.credulous()
		stranger.MLS.ValidateSender = nil
		_, info, tree := stranger.NewGroup(at, extensions)
		_, err = c.hub.Hub.CreateRoom(t.Context(), c.alice.User, at, info, &tree)
		c.failsWith(err, mimi.BadRequest)
	})
	c.Run("P-CR-09 an external sender that is not the provider it says to be", func(t *testing.T) {
		at := c.alice.RoomURI("new")
		stranger := roletest.New(t, "a.example").Provider("a.example").Sender
		stranger.SignatureKey = c.hub.Sender.SignatureKey
		c.alice.MLS.ValidateSender = nil
		extensions, err := room.Template(at, "new", c.alice.User, stranger)
		if err != nil {
			t.Fatal(err)
		}
		_, info, tree := c.alice.NewGroup(at, extensions)
		_, err = c.hub.Hub.CreateRoom(t.Context(), c.alice.User, at, info, &tree)
		c.failsWith(err, mimi.BadRequest)
	})
	c.Run("P-CR-06 a basic credential", func(t *testing.T) {
		at := c.alice.RoomURI("new")
		basic := c.Device("a.example", "alice", "basic")
		basic.MLS = c.credulous()
		basic.Credential = wire.Credential{Type: wire.BasicCredential, Identity: []byte(basic.Client.Client.String())}
		extensions, err := room.Template(at, "new", c.alice.User, c.hub.Sender)
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range extensions { // so that only the hub's own rule is left
			if x.Type == wire.RequiredCapabilitiesExtension {
				extensions[i].Data = octets(t, &wire.RequiredCapabilities{})
			}
		}
		_, info, tree := basic.NewGroup(at, extensions)
		_, err = c.hub.Hub.CreateRoom(t.Context(), c.alice.User, at, info, &tree)
		c.failsWith(err, mimi.BadRequest)
	})
}

// A newcomer judges the tree that it is given, whatever hub and members think.
func TestNewcomersJudgeTheTree(t *testing.T) {
	c := newCast(t)
	c.Run("P-CR-05 a leaf in the tree of a Welcome", func(t *testing.T) {
		for _, p := range []*roletest.Provider{c.hub, c.b(), c.c()} {
			p.HubConfig.MLS = c.credulous()
			p.PackagesConfig.Validate = acceptAll
			p.Restart()
		}
		for _, d := range []*roletest.Device{c.alice, c.bob, c.laptop, c.bea} {
			d.MLS = c.credulous()
		}
		c.room = c.alice.Create("den")
		impostor := roletest.New(t, "b.example").Device("b.example", "bea", "phone")
		c.bea.Key, c.bea.Public, c.bea.Credential = impostor.Key, impostor.Public, impostor.Credential
		c.alice.Do(c.room, c.alice.Commit(c.room, c.Listed(c.bea.User, policy.RoleMember)))
		c.hub.HubConfig.ValidateCredential = nil
		c.hub.Restart()
		c.bea.Do(c.room, c.bea.Join(c.room, nil))
		c.cathy.Lax = true
		c.alice.Do(c.room, c.alice.Add(c.room, c.cathy.User))
		if c.cathy.Groups[c.room] != nil || len(c.cathy.Refused) != 1 {
			t.Errorf("Cathy is in, or was not asked: %v", c.cathy.Refused)
		}
	})
}

func acceptAll(*wire.KeyPackage, time.Time) error { return nil }
