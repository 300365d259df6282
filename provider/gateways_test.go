package provider

import (
	"testing"

	"parley/uri"
)

func TestNamesOfGateways(t *testing.T) {
	p, err := uri.ProviderFromDomain("a.example")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"irc.bob": true, "xmpp.romeo-x.example": true, "webhook.7": true, "ircbob": false, "irc": false,
		"bob.irc": false, "i.rc": false, "alice": false} {
		user, err := uri.NewUser(p, name)
		if err != nil {
			t.Fatal(err)
		}
		if ofGateway(user) != want {
			t.Errorf("%s: a gateway's is %v", name, !want)
		}
	}
}
