package consent

import (
	"time"

	"parley/mimi"
)

// Standing is how far a matter has come.
type Standing uint8

// The standings.
const (
	None    Standing = iota // nobody has said anything, or what was said is over
	Asked                   // the requester waits for an answer
	Granted                 // the target consents
	Refused                 // the target does not, whether it was asked or not
)

// String is the standing's word.
func (s Standing) String() string {
	words := [...]string{"none", "asked", "granted", "refused"}
	if int(s) < len(words) {
		return words[s]
	}
	return "unknown"
}

// Record is one matter: one requester, one target, one scope. The zero value is one that nobody has touched.
type Record struct {
	Standing Standing
	At       time.Time // of the last change, for Asked: of the last request
}

// AskedFor is how long a request waits for an answer (P-CO-18).
const AskedFor = 30 * 24 * time.Hour

// Expired reports whether the record says nothing any more.
func (r Record) Expired(now time.Time) bool {
	return r.Standing == None || r.Standing == Asked && now.Sub(r.At) >= AskedFor
}

// Apply returns the record after an operation, and whether people are to be told of it. Who may do what is for the caller: request and
// cancel are the requester's, grant and revoke the target's.
func (r Record) Apply(op mimi.ConsentOperation, now time.Time) (next Record, news bool) {
	if r.Expired(now) {
		r = Record{}
	}
	switch op {
	case mimi.ConsentRequest:
		switch r.Standing {
		case None:
			return Record{Asked, now}, true
		case Asked:
			return Record{Asked, now}, false // once is enough
		}
	case mimi.ConsentCancel:
		if r.Standing == Asked {
			return Record{}, true
		}
	case mimi.ConsentGrant:
		return Record{Granted, now}, r.Standing != Granted
	case mimi.ConsentRevoke:
		return Record{Refused, now}, r.Standing != Refused
	}
	return r, false // P-CO-07, P-CO-15
}

// Rule is what a provider does where its users have said nothing.
type Rule string

// The rules.
const (
	Open Rule = "open" // everybody may contact its users
	Own  Rule = "own"  // its own users may contact each other, others have to ask
	Ask  Rule = "ask"  // everybody has to ask
)

// Valid reports whether it is one of the rules.
func (r Rule) Valid() bool { return r == Open || r == Own || r == Ask }

// Matter is all that decides whether a requester gets KeyPackages of a target for a room.
type Matter struct {
	Blocked bool   // the target's list of who is not to contact it has the requester, or its provider
	Every   Record // for every room
	Room    Record // for the room
	Local   bool   // both are of one provider
	Rule    Rule
}

// Decide gives the verdict as keyMaterial has it: success, noConsent, or noConsentForThisRoom, where the target has refused the room
// only.
func (m Matter) Decide() mimi.KeyMaterialUserCode {
	switch {
	case m.Blocked:
		return mimi.KeyMaterialNoConsent
	case m.Room.Standing == Granted:
		return mimi.KeyMaterialSuccess
	case m.Room.Standing == Refused:
		return mimi.KeyMaterialNoConsentInThisRoom
	case m.Every.Standing == Granted:
		return mimi.KeyMaterialSuccess
	case m.Every.Standing == Refused:
		return mimi.KeyMaterialNoConsent
	case m.Rule == Open, m.Rule == Own && m.Local:
		return mimi.KeyMaterialSuccess
	}
	return mimi.KeyMaterialNoConsent
}
