package hub_test

import (
	"strings"
	"testing"

	"parley/mimi"
	"parley/mls"
	"parley/mls/wire"
	"parley/room"
	"parley/syntax"
	"parley/uri"
)

func TestMinimalMetadata(t *testing.T) {
	c := newCast(t)
	c.gather(c.bob, c.cathy)
	c.Run("P-MM-01 a room that demands another kind of credential is refused, with the reason", func(t *testing.T) {
		offer := func(at uri.Room, name string, creator uri.User, sender wire.ExternalSender) (wire.Extensions, error) {
			list, err := room.Template(at, name, creator, sender)
			for i := range list {
				if list[i].Type == wire.RequiredCapabilitiesExtension {
					list[i].Data = octets(t, &wire.RequiredCapabilities{
						Extensions:  []wire.ExtensionType{wire.AppDataDictionaryExtension},
						Proposals:   []wire.ProposalType{wire.AppDataUpdateProposal, wire.SelfRemoveProposal},
						Credentials: []wire.CredentialType{wire.X509Credential, 0xf00d},
					})
				}
			}
			return list, err
		}
		at := c.alice.RoomURI("minimal")
		extensions, err := offer(at, "minimal", c.alice.User, c.hub.Sender)
		if err != nil {
			t.Fatal(err)
		}
		bundle := c.alice.Package(func(p *mls.KeyPackageParams) {
			p.Capabilities = mls.DefaultCapabilities(p.Suite)
			p.Capabilities.Credentials = append(p.Capabilities.Credentials, 0xf00d)
		})
		group, err := mls.Create(c.MLS(), mls.CreateParams{GroupID: []byte("minimal"), Bundle: bundle, Signer: c.alice.Key, Extensions: extensions}, c.Now())
		if err != nil {
			t.Fatal(err)
		}
		info, err := group.GroupInfo(0)
		if err != nil {
			t.Fatal(err)
		}
		tree := group.Public().Tree()
		c.hub.Hub.Offer(offer)
		defer c.hub.Hub.Offer(room.Template)
		_, err = c.hub.Hub.CreateRoom(t.Context(), c.alice.User, at, info, &tree)
		if err == nil || !strings.Contains(err.Error(), "credential") {
			t.Errorf("%v", err)
		}
	})
	semi := func(kind wire.ContentType) wire.Message {
		return wire.Message{Version: wire.MLS10, Format: wire.SemiPrivateMessageFormat, Semi: &wire.SemiPrivateMessage{
			SemiPrivateContentAAD: wire.SemiPrivateContentAAD{GroupID: c.head().GroupID, Epoch: c.epoch(), Type: kind},
			Ciphertext:            []byte("x"), EncryptedSenderData: []byte("y")}}
	}
	c.Run("a SemiPrivateMessage is refused with the reason, and nothing is stored", func(t *testing.T) {
		for _, kind := range []wire.ContentType{wire.CommitContent, wire.ProposalContent} {
			r := &mimi.UpdateRequest{Message: semi(kind)}
			if kind == wire.CommitContent {
				r = c.bob.Commit(c.room)
				r.Message = semi(kind)
			}
			encoded := octets(t, r)
			if err := syntax.Unmarshal(encoded, new(mimi.UpdateRequest)); err != nil {
				t.Fatalf("kind %d does not decode: %v", kind, err)
			}
			c.refuses(c.bob, r, mimi.UpdateNotAllowed, "handshakes are PublicMessages here; SemiPrivateMessages are not served")
		}
	})
	c.Run("its fan-out round-trips", func(t *testing.T) {
		for _, kind := range []wire.ContentType{wire.CommitContent, wire.ProposalContent} {
			encoded := octets(t, &mimi.FanoutMessage{Timestamp: 1, Message: semi(kind)})
			var back mimi.FanoutMessage
			if err := syntax.Unmarshal(encoded, &back); err != nil || back.Message.Semi == nil || string(octets(t, &back)) != string(encoded) {
				t.Errorf("kind %d: %v", kind, err)
			}
		}
	})
}
