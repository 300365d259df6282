package hub_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"parley/hub"
	"parley/mimi"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/room"
	"parley/storetest/roletest"
	"parley/syntax"
	"parley/uri"
)

// with replaces components of the template, or drops those with nil data; the lists of components in use stay.
func with(changes map[wire.ComponentID][]byte) roletest.Offer {
	return func(at uri.Room, name string, creator uri.User, sender wire.ExternalSender) (wire.Extensions, error) {
		list, err := room.Template(at, name, creator, sender)
		if err != nil {
			return nil, err
		}
		data, _ := list.Find(wire.AppDataDictionaryExtension)
		var before, after wire.AppDataDictionary
		if err := syntax.Unmarshal(data, &before); err != nil {
			return nil, err
		}
		for _, e := range before.Entries {
			if changed, ok := changes[e.ID]; !ok {
				after = after.With(e.ID, e.Data)
			} else if changed != nil {
				after = after.With(e.ID, changed)
			}
		}
		octets, err := syntax.Marshal(&after)
		if err != nil {
			return nil, err
		}
		out := slices.Clone(list)
		for i := range out {
			if out[i].Type == wire.AppDataDictionaryExtension {
				out[i].Data = octets
			}
		}
		return out, nil
	}
}

func TestFranking(t *testing.T) {
	c := newCast(t)
	c.gather(c.bob, c.cathy)
	data := c.bob.Content(c.room, roletest.Claim{Salt: 1, Text: "hello"})
	request := c.bob.Franked(c.room, data, nil)
	answer := c.bob.Submit(c.room, request)
	if answer.Code != mimi.SubmitAccepted || answer.Frank == nil {
		t.Fatalf("%+v", answer)
	}
	context := mimi.FrankingContext{Sender: c.bob.User.String(), Room: c.room.String(), AcceptedAt: answer.AcceptedAt}
	tag := mimi.NewFrankingTag(append([]byte{1}, make([]byte, 15)...), data)
	key := c.hub.Sender.SignatureKey
	c.Run("P-FR-08 the signature covers frank, suite, sender, room and time, with the agent's key", func(t *testing.T) {
		if err := answer.Frank.Verify(key, &context); err != nil {
			t.Fatal(err)
		}
		other := *answer.Frank
		other.ServerFrank[5] ^= 1
		if other.Verify(key, &context) == nil {
			t.Error("frank")
		}
		for name, change := range map[string]func(*mimi.FrankingContext){
			"sender": func(v *mimi.FrankingContext) { v.Sender = c.cathy.User.String() },
			"room":   func(v *mimi.FrankingContext) { v.Room += "x" },
			"time":   func(v *mimi.FrankingContext) { v.AcceptedAt++ },
		} {
			changed := context
			change(&changed)
			if answer.Frank.Verify(key, &changed) == nil {
				t.Error(name)
			}
		}
		if answer.Frank.Verify(c.bob.Home.Sender.SignatureKey, &context) == nil {
			t.Error("key")
		}
	})
	c.Run("P-FR-07 server_frank is the HMAC with the hub_key over tag and context", func(t *testing.T) {
		keys := c.hubKeys()
		if len(keys) != 1 || !answer.Frank.IsOf(keys[0].Secret, tag, &context) {
			t.Errorf("%d keys", len(keys))
		}
		if len(keys[0].Secret) != 32 || answer.Frank.IsOf(make([]byte, 32), tag, &context) {
			t.Error("any key does")
		}
	})
	c.Run("P-FR-09 the suite is the group's", func(t *testing.T) {
		if answer.Frank.Suite != roletest.Suite {
			t.Errorf("suite %d", answer.Frank.Suite)
		}
	})
	c.Run("P-NT-23 the item carries the answer's frank, and none when there is none", func(t *testing.T) {
		item := c.item(0)
		if item.Frank == nil || *frankOctets(t, item.Frank) != *frankOctets(t, answer.Frank) || item.Timestamp != answer.AcceptedAt {
			t.Errorf("item %+v", item.Frank)
		}
		c.bob.Send(c.room, "without a tag")
		if c.item(0).Frank != nil {
			t.Error("franked without a tag")
		}
	})
	c.Run("P-FR-10 the fanout does not name the sender", func(t *testing.T) {
		log := c.log()
		for _, i := range log[len(log)-2:] {
			if bytes.Contains(i.Body, []byte(c.bob.User.String())) || bytes.Contains(i.Body, []byte("bob")) {
				t.Error("the sender stands in the item")
			}
		}
	})
	c.Run("P-SM-13 the same request again gets the same frank", func(t *testing.T) {
		c.Pass(time.Minute)
		again := c.bob.Submit(c.room, request)
		if again.AcceptedAt != answer.AcceptedAt || *frankOctets(t, again.Frank) != *frankOctets(t, answer.Frank) {
			t.Errorf("%+v", again)
		}
	})
	c.Run("P-FR-19 the hub binds the user for whom the message was submitted", func(t *testing.T) {
		forged := c.bob.Content(c.room, roletest.Claim{Salt: 2, Text: "I am Cathy", Sender: c.cathy.User})
		got := c.bob.Submit(c.room, c.bob.Franked(c.room, forged, nil))
		asBob := mimi.FrankingContext{Sender: c.bob.User.String(), Room: c.room.String(), AcceptedAt: got.AcceptedAt}
		asCathy := asBob
		asCathy.Sender = c.cathy.User.String()
		if got.Frank.Verify(key, &asBob) != nil || got.Frank.Verify(key, &asCathy) == nil {
			t.Error("the frank is not the submitter's")
		}
	})
	c.Run("P-FR-06 a frank is for the version of the room that accepted the message", func(t *testing.T) {
		c.alice.Do(c.room, c.alice.Commit(c.room))
		got := c.bob.Submit(c.room, c.bob.Franked(c.room, c.bob.Content(c.room, roletest.Claim{Salt: 3}), nil))
		if got.Code != mimi.SubmitAccepted || got.Frank == nil {
			t.Errorf("after a commit: %+v", got)
		}
		r := c.bob.Franked(c.room, c.bob.Content(c.room, roletest.Claim{Salt: 4}), nil)
		r.SendingURI = "mimi://b.example/u/nobody"
		c.refusesMessage(c.bob.Home, r)
	})
	c.Run("P-FR-05 authenticated data that is no SafeAAD is refused", func(t *testing.T) {
		good := c.bob.Franked(c.room, c.bob.Content(c.room, roletest.Claim{Salt: 5}), nil)
		item := append([]byte{0x00, 0x20, 32}, tag[:]...)
		for name, aad := range map[string][]byte{
			"empty": {}, "not framed": item, "twice": append(append([]byte{0x40, 70}, item...), item...),
			"unsorted": append(append([]byte{38}, 0x80, 1, 0), item...), "trailing": append(append([]byte{35}, item...), 0),
		} {
			bad := *good
			private := *good.Message.Private
			private.AuthenticatedData = aad
			bad.Message.Private = &private
			if got := c.bob.Submit(c.room, &bad); got.Code != mimi.SubmitNotAllowed {
				t.Errorf("%s: %+v", name, got)
			}
		}
	})
	c.Run("P-FR-20 each message is franked with the hub_key of its time, and old keys are kept", func(t *testing.T) {
		frank := func(salt byte) (*mimi.Frank, [32]byte, mimi.FrankingContext) {
			data := c.bob.Content(c.room, roletest.Claim{Salt: salt})
			got := c.bob.Submit(c.room, c.bob.Franked(c.room, data, nil))
			return got.Frank, mimi.NewFrankingTag(append([]byte{salt}, make([]byte, 15)...), data),
				mimi.FrankingContext{Sender: c.bob.User.String(), Room: c.room.String(), AcceptedAt: got.AcceptedAt}
		}
		before, beforeTag, beforeContext := frank(10)
		c.Pass(hub.HubKeyLife)
		c.sweep()
		after, afterTag, afterContext := frank(11)
		keys := c.hubKeys()
		if len(keys) != 2 || bytes.Equal(keys[0].Secret, keys[1].Secret) {
			t.Fatalf("%d keys", len(keys))
		}
		if !before.IsOf(keys[0].Secret, beforeTag, &beforeContext) || before.IsOf(keys[1].Secret, beforeTag, &beforeContext) ||
			!after.IsOf(keys[1].Secret, afterTag, &afterContext) || after.IsOf(keys[0].Secret, afterTag, &afterContext) {
			t.Error("not the key of its time")
		}
		c.sweep()
		if len(c.hubKeys()) != 2 {
			t.Error("renewed too early, or the old key is gone")
		}
		c.Pass(hub.HubKeyKept + time.Hour)
		c.sweep()
		if keys := c.hubKeys(); len(keys) != 2 || keys[0].From <= beforeContext.AcceptedAt {
			t.Errorf("%d keys, the first one still there", len(keys))
		}
	})
	c.Run("a hub that starts anew franks with the same key", func(t *testing.T) {
		before := len(c.hubKeys())
		c.hub.Restart()
		if got := c.bob.Submit(c.room, c.bob.Franked(c.room, c.bob.Content(c.room, roletest.Claim{Salt: 20}), nil)); got.Frank == nil {
			t.Error("not franked")
		}
		if len(c.hubKeys()) != before {
			t.Error("another key")
		}
	})
}

func TestUnfrankedRooms(t *testing.T) {
	none, err := syntax.Marshal(&wire.ComponentsList{})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []struct {
		name  string
		offer roletest.Offer
		tag   bool
		frank bool
	}{
		{"agent and tag", nil, true, true},
		{"agent, no tag", nil, false, false},
		{"no agent, tag", with(map[wire.ComponentID][]byte{mimi.FrankingAgentComponent: nil}), true, false},
		{"no agent, no tag", with(map[wire.ComponentID][]byte{mimi.FrankingAgentComponent: nil}), false, false},
		{"the tag is not among the items of SafeAAD", with(map[wire.ComponentID][]byte{wire.SafeAADComponent: none}), true, false},
	} {
		t.Run("P-SM-06 "+k.name, func(t *testing.T) {
			c := castIn(t, k.offer)
			c.gather(c.bob)
			aad := c.bob.AAD(c.room)
			if k.tag {
				aad = nil
			}
			got := c.bob.Submit(c.room, c.bob.Franked(c.room, c.bob.Content(c.room, roletest.Claim{Salt: 1}), aad))
			if got.Code != mimi.SubmitAccepted || (got.Frank != nil) != k.frank || (c.item(0).Frank != nil) != k.frank {
				t.Errorf("answer %+v, item %+v", got, c.item(0).Frank)
			}
		})
	}
}

func TestAgentOfNewRooms(t *testing.T) {
	c := newCast(t)
	agent := func(key []byte, cred wire.Credential) []byte {
		out, err := syntax.Marshal(&mimi.FrankingAgentData{SignatureKey: key, Credential: cred})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	other, err := suite.Lookup(2)
	if err != nil {
		t.Fatal(err)
	}
	key, err := other.GenerateSignatureKey()
	if err != nil {
		t.Fatal(err)
	}
	public, err := other.SignaturePublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	refused := func(t *testing.T, data []byte) {
		t.Helper()
		n++
		offer := with(map[wire.ComponentID][]byte{mimi.FrankingAgentComponent: data})
		if code := c.tryCreate("agent"+string(rune('a'+n)), offer); code == nil {
			t.Error("the room was created")
		}
	}
	c.Run("P-FR-11 the agent's key is of the suite's signature scheme", func(t *testing.T) {
		refused(t, agent(public, c.hub.Sender.Credential))
	})
	c.Run("P-FR-13 the agent is the hub", func(t *testing.T) {
		refused(t, agent(c.bob.Home.Sender.SignatureKey, c.bob.Home.Sender.Credential))
	})
	c.Run("P-FR-12 the agent stays for the life of the group", func(t *testing.T) {
		c.gather(c.bob)
		for name, u := range map[string]*wire.AppDataUpdate{
			"replaced": {Component: mimi.FrankingAgentComponent, Operation: wire.UpdateAppData,
				Update: agent(c.hub.Sender.SignatureKey, c.hub.Sender.Credential)},
			"removed": {Component: mimi.FrankingAgentComponent, Operation: wire.RemoveAppData},
		} {
			r := c.alice.Raw(c.room, wire.Proposal{Type: wire.AppDataUpdateProposal, AppDataUpdate: u})
			if answer := c.alice.Update(c.room, r); answer.Code != mimi.UpdateInvalidProposal || answer.Description == "" {
				t.Errorf("%s: %+v", name, answer)
			}
		}
	})
}

func frankOctets(t testing.TB, f *mimi.Frank) *string {
	t.Helper()
	octets, err := syntax.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	s := string(octets)
	return &s
}

func (c *cast) hubKeys() (keys []hub.HubKey) {
	c.T.Helper()
	err := c.hub.HubConfig.Cases.View(c.T.Context(), func(tx hub.CaseTx) (err error) {
		keys, err = tx.HubKeys()
		return err
	})
	if err != nil {
		c.T.Fatal(err)
	}
	return keys
}

func (c *cast) sweep() {
	c.T.Helper()
	if _, err := c.hub.Hub.SweepCases(c.T.Context()); err != nil {
		c.T.Fatal(err)
	}
}

// tryCreate makes a room of a kind that the hub would otherwise take.
func (c *cast) tryCreate(name string, offer roletest.Offer) error {
	c.T.Helper()
	at := c.alice.RoomURI(name)
	extensions, err := offer(at, name, c.alice.User, c.hub.Sender)
	if err != nil {
		c.T.Fatal(err)
	}
	_, info, tree := c.alice.NewGroup(at, extensions)
	c.hub.Hub.Offer(offer)
	defer c.hub.Hub.Offer(room.Template)
	_, err = c.hub.Hub.CreateRoom(c.T.Context(), c.alice.User, at, info, &tree)
	return err
}
