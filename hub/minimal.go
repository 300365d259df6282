package hub

import (
	"errors"

	"parley/mls"
	"parley/mls/wire"
	"parley/syntax"
)

var errCredentials = errors.New("the room demands a kind of credential that is not served here; rooms with pseudonymous credentials " +
	"(minimal metadata) have no agreed credential type and no key management yet")

// checkCredentials refuses new rooms whose members need credentials that nobody here can judge. Minimal-metadata rooms would be such ones
// (§6.1), but their credential has no type yet: whatever a room means by another type, it is not served.
func checkCredentials(g *mls.PublicGroup) error {
	data, ok := g.Context().Extensions.Find(wire.RequiredCapabilitiesExtension)
	if !ok {
		return nil
	}
	var required wire.RequiredCapabilities
	if err := syntax.Unmarshal(data, &required); err != nil {
		return errCredentials
	}
	for _, c := range required.Credentials {
		if c != wire.X509Credential && c != wire.BasicCredential {
			return errCredentials
		}
	}
	return nil
}
