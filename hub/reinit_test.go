package hub_test

import (
	"testing"

	"parley/mimi"
	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/storetest/roletest"
)

const nextGroup = "sixteen octets and more"

// closing is the ReInit of a room, changed by f.
func (c *cast) closing(f func(*wire.ReInit)) wire.Proposal {
	r := &wire.ReInit{
		GroupID: []byte(nextGroup), Version: wire.MLS10, Suite: roletest.Suite,
		Extensions: c.alice.Groups[c.room].Public().Context().Extensions,
	}
	if f != nil {
		f(r)
	}
	return wire.Proposal{Type: wire.ReInitProposal, ReInit: r}
}

func TestReInitRules(t *testing.T) {
	c := newCast(t)
	c.gather(c.bob)
	c.Run("P-RS-11 who may close a room's group, and for what", func(t *testing.T) {
		for reason, p := range map[string]wire.Proposal{
			"a ReInit keeps the room's state":                            c.closing(func(r *wire.ReInit) { r.Extensions = nil }),
			"a ReInit names a new group":                                 c.closing(func(r *wire.ReInit) { r.GroupID = c.alice.Groups[c.room].Public().GroupID() }),
			"a device in the room does not understand that cipher suite": c.closing(func(r *wire.ReInit) { r.Suite = suite.P256AES128 }),
		} {
			c.denies(c.alice, c.alice.Commit(c.room, p), reason)
		}
		c.denies(c.alice, c.alice.Bundle(c.room, c.closing(nil)), "a ReInit is made by a commit")
		c.denies(c.bob, c.bob.Commit(c.room, c.closing(nil)), "")
	})
	c.Run("P-RS-11 a closed group takes nothing but its successor", func(t *testing.T) {
		early, late := c.bob.Message(c.room, "sealed before"), c.bob.Commit(c.room)
		tablet := c.Device("a.example", "alice", "tablet")
		c.alice.Do(c.room, c.alice.Commit(c.room, c.closing(nil)))
		c.refuses(c.bob, late, mimi.UpdateWrongEpoch, "")
		if answer := c.bob.Submit(c.room, early); answer.Code != mimi.SubmitAccepted {
			t.Errorf("what was sealed before the close: %d", answer.Code) // within the tolerance of P-SM-09
		}
		r, _ := tablet.InfoRequest()
		_, err := c.hub.Hub.GroupInfo(t.Context(), c.hub.URI, c.room, r)
		c.failsWith(err, mimi.Unavailable)
	})
	c.Run("P-RS-11 a successor is the one that was announced", func(t *testing.T) {
		old := c.alice.Groups[c.room]
		packages := c.alice.Claim(c.room, c.bob.User)
		stranger := c.bea.Package(nil)
		for name, bad := range map[string]*mimi.UpdateRequest{
			"another group":  c.successor(old, packages, func(p *mls.CreateParams) { p.GroupID, p.From = []byte("another group of theirs"), nil }),
			"another state":  c.successor(old, packages, func(p *mls.CreateParams) { p.Extensions, p.From = p.Extensions[:1], nil }),
			"nobody came in": c.successor(old, append(packages, stranger.KeyPackage), func(*mls.CreateParams) {}),
			"unclaimed":      c.successor(old, []wire.KeyPackage{c.bob.Package(nil).KeyPackage}, func(*mls.CreateParams) {}),
		} {
			t.Log(name)
			c.refuses(c.alice, bad, mimi.UpdateNotAllowed, "")
		}
		good := c.successor(old, packages, func(*mls.CreateParams) {})
		partial := *good
		partial.Tree = wire.RatchetTreeOption{Representation: wire.TreeFromDeliveryService}
		c.refuses(c.alice, &partial, mimi.UpdateNotAllowed, "")
		c.refuses(c.bob, good, mimi.UpdateNotAllowed, "") // Alice's, by another provider
		before := c.head()
		if answer := c.alice.Update(c.room, good); answer.Code != mimi.UpdateSuccess {
			t.Fatalf("%+v", answer)
		}
		after := c.head()
		if string(after.GroupID) != nextGroup || after.Epoch != 1 || after.Sequence != before.Sequence+2 || after.Timestamp < before.Timestamp {
			t.Errorf("%+v", after)
		}
		if answer := c.alice.Update(c.room, good); answer.Code != mimi.UpdateSuccess || c.head().Version != after.Version {
			t.Errorf("a repetition: %+v", answer)
		}
		c.refuses(c.alice, c.successor(old, packages, func(*mls.CreateParams) {}), mimi.UpdateWrongEpoch, "") // a second one
	})
}

// successor is Alice's request that hands in a successor of a closed group.
func (c *cast) successor(old *mls.Group, packages []wire.KeyPackage, change func(*mls.CreateParams)) *mimi.UpdateRequest {
	c.T.Helper()
	check := func(err error) {
		c.T.Helper()
		if err != nil {
			c.T.Fatal(err)
		}
	}
	p := mls.CreateParams{
		GroupID: []byte(nextGroup), Bundle: c.alice.Package(nil), Signer: c.alice.Key, Extensions: old.Public().ReInit().Extensions,
		From: &mls.Predecessor{Group: old, Usage: wire.ReInitUsage},
	}
	change(&p)
	g, err := mls.Create(c.MLS(), p, c.Now())
	check(err)
	var adds []wire.Proposal
	for i := range packages {
		adds = append(adds, wire.Proposal{Type: wire.AddProposal, Add: &packages[i]})
	}
	aad := c.alice.AAD(c.room)
	if len(p.Extensions) == 1 {
		aad = nil // without a dictionary
	}
	made, _, err := g.Commit(mls.CommitOptions{ByValue: adds, AAD: aad}, c.Now())
	check(err)
	staged, err := g.Process(made.Message, c.Now())
	check(err)
	defer staged.Discard()
	return &mimi.UpdateRequest{
		Message: *made.Message, Welcome: made.Welcome, GroupInfo: mimi.GroupInfoOption{Form: mimi.FullGroupInfo, Full: made.GroupInfo},
		Tree: wire.RatchetTreeOption{Representation: wire.FullTree, Tree: staged.Next().Tree()},
	}
}
