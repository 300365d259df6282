package room_test

import (
	"errors"
	"testing"
	"time"

	"parley/mimi"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/room"
	"parley/storetest/roletest"
	"parley/syntax"
)

func octetsOf(t *testing.T, v syntax.Value) []byte {
	t.Helper()
	out, err := syntax.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestFrankingAgent(t *testing.T) {
	w := roletest.New(t, "a.example", "b.example")
	alice := w.Device("a.example", "alice", "phone")
	hub, other := w.Provider("a.example").Sender, w.Provider("b.example").Sender
	// agentIn is the agent of a group whose dictionary was changed.
	agentIn := func(t *testing.T, change func(d wire.AppDataDictionary) wire.AppDataDictionary, validate func(wire.ExternalSender, time.Time) error) *mimi.FrankingAgentData {
		at := alice.RoomURI("x")
		extensions, err := room.Template(at, "x", alice.User, hub)
		if err != nil {
			t.Fatal(err)
		}
		for i := range extensions {
			if extensions[i].Type == wire.AppDataDictionaryExtension && change != nil {
				var d wire.AppDataDictionary
				if err := syntax.Unmarshal(extensions[i].Data, &d); err != nil {
					t.Fatal(err)
				}
				d = change(d)
				extensions[i].Data = octetsOf(t, &d)
			}
		}
		group, _, _ := alice.NewGroup(at, extensions)
		return room.FrankingAgent(group.Public(), validate, w.Now())
	}
	agent := func(key []byte, c wire.Credential) func(wire.AppDataDictionary) wire.AppDataDictionary {
		data := octetsOf(t, &mimi.FrankingAgentData{SignatureKey: key, Credential: c})
		return func(d wire.AppDataDictionary) wire.AppDataDictionary {
			return d.With(mimi.FrankingAgentComponent, data)
		}
	}
	t.Run("a room of the template has its hub", func(t *testing.T) {
		got := agentIn(t, nil, func(wire.ExternalSender, time.Time) error { return errors.New("the engine has judged it") })
		if got == nil || string(got.SignatureKey) != string(hub.SignatureKey) {
			t.Errorf("%+v", got)
		}
	})
	t.Run("P-FR-13 an agent of another domain than the hub's is none", func(t *testing.T) {
		if agentIn(t, agent(other.SignatureKey, other.Credential), nil) != nil {
			t.Error("taken")
		}
	})
	t.Run("P-FR-13 an agent that is no external sender is judged by its certificate", func(t *testing.T) {
		change := agent(other.SignatureKey, hub.Credential)
		if agentIn(t, change, w.MLS().ValidateSender) != nil {
			t.Error("a key that is not the certificate's")
		}
		if agentIn(t, change, func(wire.ExternalSender, time.Time) error { return nil }) == nil {
			t.Error("a good one is refused")
		}
	})
	t.Run("P-FR-11 an agent with a key of another signature scheme is none", func(t *testing.T) {
		s, err := suite.Lookup(2)
		if err != nil {
			t.Fatal(err)
		}
		key, err := s.GenerateSignatureKey()
		if err != nil {
			t.Fatal(err)
		}
		public, err := s.SignaturePublicKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		if agentIn(t, agent(public, hub.Credential), nil) != nil {
			t.Error("taken")
		}
	})
	t.Run("P-FR-05 without SafeAAD there is nothing to frank", func(t *testing.T) {
		for name, change := range map[string]func(wire.AppDataDictionary) wire.AppDataDictionary{
			"no safe_aad": func(d wire.AppDataDictionary) wire.AppDataDictionary { return d.Without(wire.SafeAADComponent) },
			"no frank_aad in it": func(d wire.AppDataDictionary) wire.AppDataDictionary {
				return d.With(wire.SafeAADComponent, octetsOf(t, &wire.ComponentsList{}))
			},
			"no agent": func(d wire.AppDataDictionary) wire.AppDataDictionary { return d.Without(mimi.FrankingAgentComponent) },
		} {
			if agentIn(t, change, nil) != nil {
				t.Errorf("%s: an agent", name)
			}
		}
	})
	t.Run("P-FR-12 an agent is added to a group without one, and stays", func(t *testing.T) {
		update := room.Components()[mimi.FrankingAgentComponent]
		data := octetsOf(t, &mimi.FrankingAgentData{SignatureKey: hub.SignatureKey, Credential: hub.Credential})
		if got, err := update(nil, false, [][]byte{data}); err != nil || string(got) != string(data) {
			t.Errorf("added: %v", err)
		}
		for name, c := range map[string]struct {
			present bool
			updates [][]byte
		}{
			"replaced": {true, [][]byte{data}}, "removed": {true, nil}, "twice": {false, [][]byte{data, data}}, "garbage": {false, [][]byte{{1}}},
		} {
			if _, err := update(data, c.present, c.updates); err == nil {
				t.Errorf("%s: taken", name)
			}
		}
	})
}
