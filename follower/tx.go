package follower

import (
	"context"
	"time"

	"parley/uri"
)

// Item is what a hub sent, stored once per provider.
type Item struct {
	Room      uri.Room
	Timestamp uint64 // ms: the hub's acceptance time, whatever it says
	Arrived   uint64 // ms by our own clock: what is kept for a time is kept from here on
	Body      []byte // encoded mimi.FanoutMessage
}

// Tx is one transaction of the follower's part of a store.
type Tx interface {
	// Seen reports whether an item with this hash of its MLSMessage came from the room's hub before (P-NT-12).
	Seen(room uri.Room, sum [32]byte) (bool, error)
	// Deliver stores the item, marks its hash as seen and puts a pointer into each inbox, in one order per inbox.
	Deliver(item Item, sum [32]byte, inboxes []uri.Client) error
	// Members lists the local clients to which the room's items go, ascending.
	Members(room uri.Room) ([]uri.Client, error)
	// SetMember adds a client to the room's delivery set or takes it out.
	SetMember(room uri.Room, client uri.Client, member bool) error
	// Forget takes a client out of every room's delivery set.
	Forget(client uri.Client) error
	// ClientOf names the client whose KeyPackage was handed out under this reference.
	ClientOf(ref []byte) (client uri.Client, ok bool, err error)
	// Expire forgets hashes of items that arrived before the time, and returns how many.
	Expire(before time.Time) (int, error)
}

// Store runs transactions, see hub.Store.
type Store struct {
	Update func(ctx context.Context, f func(Tx) error) error
	View   func(ctx context.Context, f func(Tx) error) error
}
