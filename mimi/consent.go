package mimi

import (
	"parley/mls/wire"
	"parley/syntax"
	"parley/uri"
)

// ConsentEntry asks for, gives or takes back the consent of a user to be contacted (§5.7).
type ConsentEntry struct {
	Operation   ConsentOperation
	Requester   string
	Target      string
	Room        *string           // nil: for every room
	KeyPackages []wire.KeyPackage // ConsentGrant: may be empty
	Extensions  wire.AppDataDictionary
}

func (v *ConsentEntry) Syntax(c *syntax.Codec) {
	syntax.Closed(c, &v.Operation, ConsentCancel, ConsentRevoke)
	syntax.Text(c, &v.Requester)
	syntax.Text(c, &v.Target)
	syntax.Optional(c, &v.Room, syntax.Text[string])
	if v.Operation == ConsentGrant {
		syntax.Structs(c, &v.KeyPackages)
	}
	v.Extensions.Syntax(c)
}

// Asks reports whether the entry goes to the target's provider, on requestConsent (P-CO-02); the others go to the requester's, on
// updateConsent (P-CO-03).
func (v *ConsentEntry) Asks() bool {
	return v.Operation == ConsentRequest || v.Operation == ConsentCancel
}

// Validate checks that requester and target are users, and the room is one.
func (v *ConsentEntry) Validate() error {
	if _, err := uri.ParseUser(v.Requester); err != nil {
		return ErrIdentifier
	}
	if _, err := uri.ParseUser(v.Target); err != nil {
		return ErrIdentifier
	}
	if v.Room == nil {
		return nil
	}
	if _, err := uri.ParseRoom(*v.Room); err != nil {
		return ErrIdentifier
	}
	return nil
}
