package hub

import (
	"context"
	"errors"
	"time"

	"parley/mls"
	"parley/uri"
)

// Head is what a hub has to read of a room for every request: neither the participants nor the tree.
type Head struct {
	Version   uint64 // grows with every change of the room; the compare-and-swap
	GroupID   []byte
	Epoch     uint64
	EpochAt   uint64 // ms: acceptance time of the commit that began the epoch
	Sequence  uint64 // of the last log entry; gapless
	Timestamp uint64 // ms: of the last log entry; never decreases (P-SM-15)
	// Destinations are the domains of the providers with active participants, ascending; the hub's own is one like the others.
	Destinations []string
}

// Item is one entry of a room's log: a mimi.FanoutMessage and to whom it goes.
type Item struct {
	Sequence     uint64
	Timestamp    uint64 // ms
	Handshake    bool
	Body         []byte   // encoded mimi.FanoutMessage
	Destinations []string // domains, ascending
}

// ErrConflict is what SaveHead returns when the room has changed since its head was read; the operation starts again.
var ErrConflict = errors.New("hub: the room has changed")

// Tx is one transaction of the hub's part of a store. All methods see the transaction's own writes. Reads outside of Update may
// come from a snapshot.
type Tx interface {
	// Head returns the head of a room; ok is false for a room that does not exist.
	Head(room uri.Room) (h Head, ok bool, err error)
	// SaveHead replaces the head that has version old; old 0 makes a new room. ErrConflict when another version is there.
	SaveHead(room uri.Room, old uint64, h Head) error
	// Records returns the room's records whose keys begin with prefix, by ascending key.
	Records(room uri.Room, prefix string) ([]mls.Record, error)
	// PutRecords writes and deletes records of the room.
	PutRecords(room uri.Room, changes mls.Delta) error
	// Append adds an item to the room's log and, for each destination, to the outbox lane (destination, room). A lane that was idle
	// gets the item as its frozen batch.
	Append(room uri.Room, item Item) error
	// Answer returns the answer that was given to the request with this hash.
	Answer(request [32]byte) (answer []byte, ok bool, err error)
	// SaveAnswer keeps an answer until expires.
	SaveAnswer(request [32]byte, answer []byte, expires time.Time) error
	// Expire deletes answers that ended before now, and returns how many.
	Expire(now time.Time) (int, error)
}

// Store runs transactions. Update is durable when it returns nil; its function may run twice and acts through Tx only. View reads
// one snapshot.
type Store struct {
	Update func(ctx context.Context, f func(Tx) error) error
	View   func(ctx context.Context, f func(Tx) error) error
}
