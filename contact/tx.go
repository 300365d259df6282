package contact

import (
	"context"
	"time"

	"parley/consent"
	"parley/uri"
)

// Side says what an entry is to its owner.
type Side uint8

// The sides.
const (
	Incoming Side = iota // the owner is the target, the other one the requester
	Outgoing             // the owner is the requester
	Block                // the owner does not want to hear of the other one: a user, or a whole provider
)

// Entry is one matter of a user of this provider.
type Entry struct {
	Owner  uri.User
	Side   Side
	Other  string   // URI of a user; with Block also of a provider
	Room   uri.Room // zero: every room
	Record consent.Record

	// Outgoing: what came with the last grant and was not used yet, and the hash of that grant.
	Packages [][]byte
	Sum      [32]byte
}

// Errand is something that has to be told.
type Errand struct {
	ID uint64 // in the order in which they were made; 0: not stored yet
	// To is the other user's provider; zero: the devices of User.
	To     uri.Provider
	User   uri.User
	Silent bool // there is nothing to tell, which is not to be seen from outside
	Due    time.Time
	Tries  int
	Body   []byte // encoded mimi.ConsentEntry
}

// Tx is one transaction of contact's part of a store.
type Tx interface {
	// Known reports whether the provider has such a user.
	Known(user uri.User) (bool, error)
	// Entries lists the entries of an owner with another one, by room.
	Entries(owner uri.User, side Side, other string) ([]Entry, error)
	// List lists all entries of an owner, by side, other and room.
	List(owner uri.User) ([]Entry, error)
	// Put replaces the entry with the same owner, side, other and room. One whose record stands at None is deleted, and a Block is
	// set with Refused.
	Put(e Entry) error
	// Waiting counts the Incoming entries that are Asked by users of a provider.
	Waiting(requesters uri.Provider) (int, error)
	// Expire deletes the entries that were Asked before a time and have no answer, and returns how many.
	Expire(before time.Time) (int, error)
	// Errands lists up to limit errands, ascending by ID.
	Errands(limit int) ([]Errand, error)
	// PutErrand adds an errand with ID 0, puts off another one, and with the zero Due deletes it.
	PutErrand(e Errand) error
}

// Store runs transactions, see hub.Store.
type Store struct {
	Update func(ctx context.Context, f func(Tx) error) error
	View   func(ctx context.Context, f func(Tx) error) error
}
