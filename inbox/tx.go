package inbox

import (
	"context"
	"time"

	"parley/uri"
)

// Cursor is a place in one client's inbox. Later entries have larger cursors; 0 is before the first.
type Cursor uint64

// Entry is one entry of an inbox.
type Entry struct {
	Cursor    Cursor
	Room      uri.Room
	Timestamp uint64 // ms
	Body      []byte // encoded mimi.FanoutMessage
	Last      bool   // nothing is behind it: what a reading leaves out for its limits needs no other one to be known
}

// Tx is one transaction of the inbox's part of a store. The follower's Deliver writes the entries.
type Tx interface {
	// Read returns up to limit entries after the cursor, ascending, and at most maxBytes of bodies but at least one entry.
	Read(client uri.Client, after Cursor, limit, maxBytes int) ([]Entry, error)
	// Acked is the cursor up to which the client has stored everything.
	Acked(client uri.Client) (Cursor, error)
	// Ack deletes the entries up to the cursor; a smaller cursor than before changes nothing, one beyond the newest entry counts as
	// that. Bodies that nobody needs any more go too. Cursors are never used again, also when the inbox is empty.
	Ack(client uri.Client, cursor Cursor) error
	// Expire deletes entries that arrived before the time, and returns how many.
	Expire(before time.Time) (int, error)
	// Depth is the number of entries that wait.
	Depth(client uri.Client) (int, error)
}

// Store runs transactions, see hub.Store.
type Store struct {
	Update func(ctx context.Context, f func(Tx) error) error
	View   func(ctx context.Context, f func(Tx) error) error
}
