package outbox

import (
	"context"
	"time"

	"parley/uri"
)

// Lane is the ordered queue of what one room has for one destination. Its batch was frozen before it was first sent: the same
// octets are sent until the destination takes them (D4).
type Lane struct {
	Destination string // domain
	Room        uri.Room
	First, Last uint64 // log sequences of the frozen batch, both included
	Tries       int    // how often the batch was sent
	Refusals    int    // how often the batch, as it is now, was refused for good
	Next        time.Time
	Since       time.Time // when the batch was frozen; for the first one of an idle lane the item's timestamp
	Parked      bool      // a handshake was refused for good: nothing goes out until an operator acts
}

// Item is one entry of a batch.
type Item struct {
	Sequence  uint64
	Handshake bool
	Body      []byte // encoded mimi.FanoutMessage
}

// Backlog tells how a destination stands.
type Backlog struct {
	Destination string
	Lanes       int
	Items       int
	Oldest      time.Time
	Parked      int
}

// Tx is one transaction of the outbox's part of a store.
type Tx interface {
	// Due lists lanes with a batch that are not parked and whose Next is not after now, by ascending Next, destination and room, at
	// most limit; lanes of the destinations in busy (ascending) are left out.
	Due(now time.Time, busy []string, limit int) ([]Lane, error)
	// Delayed lists lanes of one destination with a batch that are not parked and whose Next is after now, by ascending Next and room,
	// at most limit.
	Delayed(destination string, now time.Time, limit int) ([]Lane, error)
	// NextDue returns the earliest Next after now of the lanes that are not parked; zero when there is none.
	NextDue(now time.Time) (time.Time, error)
	// Batch returns the items of the lane's frozen batch in order.
	Batch(lane Lane) ([]Item, error)
	// Save writes a lane's Tries, Refusals, Next, Parked and a Last that became smaller: what is behind it waits again.
	Save(lane Lane) error
	// Advance deletes the frozen batch and freezes the next one: what waits, up to maxBytes of bodies and maxItems but at least one
	// item. The new batch has no tries and no refusals, is due at now and has now as Since. A lane without more becomes idle.
	Advance(lane Lane, now time.Time, maxBytes, maxItems int) error
	// Drop moves the item out of the lane into the list of parked items that operators see. When it was the whole batch, Advance
	// follows in the same transaction.
	Drop(lane Lane, sequence uint64, reason string, now time.Time) error
	// Backlogs summarises by destination.
	Backlogs() ([]Backlog, error)
}

// Store runs transactions, see hub.Store.
type Store struct {
	Update func(ctx context.Context, f func(Tx) error) error
	View   func(ctx context.Context, f func(Tx) error) error
	// For operators; nil where there are none.
	Desk     func(ctx context.Context, f func(DeskTx) error) error
	ViewDesk func(ctx context.Context, f func(DeskTx) error) error
}
