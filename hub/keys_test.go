package hub_test

import (
	"testing"

	"parley/hub"
	"parley/mimi"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/storetest/roletest"
)

// key makes a further key of the hub.
func (c *cast) key(id wire.CipherSuite) hub.Key {
	c.T.Helper()
	s, err := suite.Lookup(id)
	if err != nil {
		c.T.Fatal(err)
	}
	key, err := s.GenerateSignatureKey()
	if err != nil {
		c.T.Fatal(err)
	}
	public, err := s.SignaturePublicKey(key.Public())
	if err != nil {
		c.T.Fatal(err)
	}
	cred, err := c.hub.CA.IssueProvider(key.Public(), c.Now(), 1<<40)
	if err != nil {
		c.T.Fatal(err)
	}
	return hub.Key{Signer: key, Sender: wire.ExternalSender{SignatureKey: public, Credential: cred}}
}

// A room keeps the key that it was made with for life, whatever the key for new rooms is; a suite without a key has no rooms here.
func TestKeys(t *testing.T) {
	c := newCast(t)
	c.gather(c.bob, c.cathy)
	old := c.hub.HubConfig.Keys[0]
	fresh := c.key(roletest.Suite)
	with := func(keys ...hub.Key) {
		c.hub.HubConfig.Keys = keys
		c.hub.Restart()
	}
	create := func(name string, sender wire.ExternalSender) error {
		c.T.Helper()
		before := c.hub.Sender
		c.hub.Sender = sender
		defer func() { c.hub.Sender = before }()
		at := c.alice.RoomURI(name)
		_, info, tree := c.alice.NewGroup(at, nil)
		_, err := c.hub.Hub.CreateRoom(c.T.Context(), c.alice.User, at, info, &tree)
		return err
	}
	with(c.key(suite.P256AES128), fresh, old)
	c.Run("the hub signs in an old room as before", func(t *testing.T) {
		c.bob.Do(c.room, c.bob.Leave(c.room))
		tablet := c.Device("c.example", "cathy", "tablet")
		tablet.Do(c.room, tablet.Join(c.room, nil)) // the hub seals the state, and signs anew what waits
		if n := len(c.item(0).ExternalProposals); n == 0 {
			t.Error("the hub has signed nothing")
		}
		c.alice.Do(c.room, c.alice.Commit(c.room))
		if !c.bob.Groups[c.room].Removed() {
			t.Error("Bob is still in the room")
		}
	})
	c.Run("a new room has the first key of its suite, and no other", func(t *testing.T) {
		if err := create("new", fresh.Sender); err != nil {
			t.Error(err)
		}
		c.failsWith(create("other", old.Sender), mimi.Forbidden)
	})
	c.Run("without a key of its suite there is no room", func(t *testing.T) {
		with(c.key(suite.P256AES128))
		c.failsWith(create("none", old.Sender), mimi.Forbidden)
	})
}
