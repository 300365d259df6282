package provider

import (
	"strings"

	"parley/uri"
)

// ofGateway reports whether a user is one of another system whose keys a gateway of ours holds. Their names begin with the system's
// name and a dot; nobody else can have a credential for such a name that is not marked, whoever got the code (design decision 8).
func ofGateway(user uri.User) bool {
	system, _, dotted := strings.Cut(user.Name(), ".")
	if !dotted {
		return false
	}
	switch system {
	case "irc", "xmpp", "sip", "ims", "matrix", "webhook", "sms", "mail":
		return true
	}
	return false
}
