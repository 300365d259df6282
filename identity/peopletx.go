package identity

import (
	"time"

	"parley/mimi"
	"parley/uri"
)

// Pending is an address that a user claims and has not proven yet.
type Pending struct {
	User    uri.User
	Type    mimi.SearchType
	Key     string
	Value   string
	Code    Hash
	Sent    time.Time
	Expires time.Time
	Tries   int // wrong codes so far
}

// Change is a line of the history of addresses.
type Change struct {
	At   time.Time
	User uri.User
	Type mimi.SearchType
	Key  string
	What ChangeKind
}

// ChangeKind is what happened to an address.
type ChangeKind uint8

// The changes.
const (
	Gained    ChangeKind = iota + 1 // the user has it from now on
	Withdrawn                       // the user gave it up
	Lost                            // somebody else has proven that it is theirs now
)

// Found is a hit of a search: an entry and the reach of its person.
type Found struct {
	User   uri.User
	Entry  Entry
	Person Reach
}

// PendingTx is the part of PeopleTx that keeps unproven addresses, one per user, type and key.
type PendingTx interface {
	PutPending(p Pending) error
	Pending(u uri.User, t mimi.SearchType, key string) (Pending, bool, error)
	PendingOf(u uri.User) ([]Pending, error) // by type and key
	DeletePending(u uri.User, t mimi.SearchType, key string) error
	ExpirePending(now time.Time) (int, error) // deletes those that cannot be proven any more at now
}

// ChangeTx is the part of PeopleTx that keeps the history.
type ChangeTx interface {
	AddChange(c Change) error
	Changes(u uri.User, limit int) ([]Change, error) // the latest first
	DeleteChanges(u uri.User) error
	ExpireChanges(before time.Time) (int, error)
}

// PeopleTx is what People needs of a store within one transaction.
type PeopleTx interface {
	PendingTx
	ChangeTx

	Person(u uri.User) (Person, bool, error) // entries in the order in which they were put
	PutPerson(p Person) error                // in place of what was known of the user
	DeletePerson(u uri.User) error
	// Find returns entries of exactly that type, name and key, by user. It costs as much whether there are any or not.
	Find(t mimi.SearchType, name, key string, limit int) ([]Found, error)
	// Scan returns entries whose folded value contains part, by user. It looks at every entry.
	Scan(part string, limit int) ([]Found, error)
	// Strangers lists users that are no persons yet, by URI.
	Strangers(limit int) ([]uri.User, error)
}
