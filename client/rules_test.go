package client_test

import (
	"testing"

	"parley/client"
	"parley/content"
	"parley/content/timeline"
	"parley/mls/wire"
	"parley/policy"
	"parley/room"
	"parley/storetest/roletest"
	"parley/syntax"
)

func TestRules(t *testing.T) {
	w := roletest.New(t, "a.example")
	alice := w.Device("a.example", "alice", "phone")
	at := alice.RoomURI("ruled")
	rules := func(receipts client.Receipts, more map[wire.ComponentID]syntax.Value) (content.StatusRules, *content.ExpiryRule, timeline.Rights) {
		extensions, err := room.Template(at, "Ruled", alice.User, alice.Home.Sender)
		if err != nil {
			t.Fatal(err)
		}
		err = roletest.Components(extensions, func(d *wire.AppDataDictionary) error {
			for id, v := range more {
				if err := roletest.Set(d, id, v); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		group, _, _ := alice.NewGroup(at, extensions)
		return client.Ruled(alice.User, receipts, at, group)
	}
	status := func(delivery, read policy.Optionality) map[wire.ComponentID]syntax.Value {
		return map[wire.ComponentID]syntax.Value{policy.StatusNotificationComponent: &policy.StatusNotificationPolicy{Delivery: delivery, Read: read}}
	}
	both := client.Receipts{Delivered: true, Read: true}
	for _, c := range []struct {
		what            string
		receipts        client.Receipts
		more            map[wire.ComponentID]syntax.Value
		delivered, read bool
	}{
		{"no policy, and the person tells", both, nil, true, true},
		{"no policy, and the person does not tell", client.Receipts{}, nil, false, false},
		{"optional", client.Receipts{Delivered: true}, status(policy.Optional, policy.Optional), true, false},
		{"forbidden, whatever the person wants", both, status(policy.Forbidden, policy.Forbidden), false, false},
		{"required, whatever the person wants", client.Receipts{}, status(policy.Required, policy.Required), true, true},
		{"required and forbidden", client.Receipts{Read: true}, status(policy.Required, policy.Forbidden), true, false},
	} {
		got, _, _ := rules(c.receipts, c.more)
		if got.Send(content.StatusDelivered) != c.delivered || got.Send(content.StatusRead) != c.read {
			t.Errorf("%s: %+v", c.what, got)
		}
	}
	hour := uint32(3600)
	_, expiry, rights := rules(both, map[wire.ComponentID]syntax.Value{policy.ExpirationComponent: &policy.MessageExpiration{
		Expiring: policy.Required, Minimum: 60, Maximum: 86400, Default: &hour}})
	if expiry == nil || expiry.Need != content.Required || expiry.Initial() == nil || expiry.Initial().Time != hour {
		t.Errorf("%+v", expiry)
	}
	// Owners of the template's rooms delete others' messages and do not edit others' topics.
	if want := timeline.Usual | timeline.DeleteOtherMessage; rights != want {
		t.Errorf("rights %b, want %b", rights, want)
	}
	// Without the capability to react there is no right to.
	_, _, rights = rules(both, map[wire.ComponentID]syntax.Value{policy.RolesComponent: &policy.RoleData{Roles: []policy.Role{
		{Index: policy.RoleOwner, Name: "owner", Capabilities: []policy.Capability{policy.CanSendMessage, policy.CanReply}}}}})
	if rights != timeline.Reply {
		t.Errorf("rights %b", rights)
	}
}
