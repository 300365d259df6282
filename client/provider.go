package client

import (
	"context"
	"errors"
	"time"

	"parley/mimi"
	"parley/mls"
	"parley/mls/wire"
	"parley/uri"
)

// Cursor is a place in the device's inbox.
type Cursor uint64

// Event is one entry of the inbox: a mimi.FanoutMessage of a room.
type Event struct {
	Cursor    Cursor
	Room      uri.Room
	Timestamp uint64 // milliseconds since 1970, the hub's acceptance time
	Body      []byte // mimi.FanoutMessage
	Consent   bool   // Body is a mimi.ConsentEntry, and there is no room
}

// Provider is the device's own provider: the client API over HTTPS, or a simulated one.
type Provider interface {
	// PublishKeyPackages adds packages to the device's stock and returns how many are unclaimed then. An empty list asks only.
	PublishKeyPackages(ctx context.Context, packages []wire.KeyPackage) (available int, err error)
	CreateRoom(ctx context.Context, room uri.Room, info *wire.GroupInfo, tree *wire.RatchetTree) error
	KeyMaterial(ctx context.Context, target uri.User, r *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error)
	Update(ctx context.Context, room uri.Room, r *mimi.UpdateRequest) (*mimi.UpdateRoomResponse, error)
	// SubmitMessages sends messages of a room, at most MostTogether and about MostTogetherSize octets, in their order. The answers are
	// those of the first messages; an error comes without any. What has no answer may have been taken all the same.
	SubmitMessages(ctx context.Context, room uri.Room, requests []*mimi.SubmitMessageRequest) ([]*mimi.SubmitMessageResponse, error)
	GroupInfo(ctx context.Context, room uri.Room, r *mimi.GroupInfoRequest) (*mimi.GroupInfoResponse, error)
	// Events returns what follows the cursor, oldest first; it may wait up to wait when there is nothing.
	Events(ctx context.Context, after Cursor, wait time.Duration) ([]Event, error)
	// Ack says that everything up to the cursor is stored here.
	Ack(ctx context.Context, cursor Cursor) error
}

// Bounds of what is sent in one request. A single message may be longer.
const (
	MostTogether     = 64
	MostTogetherSize = 512 << 10
)

// RetryError is what a Provider returns when the same octets may succeed later: the provider, the room's hub or a target provider
// could not be reached or was busy. Every other error is a definite refusal.
type RetryError struct {
	After   time.Duration // 0: the client chooses
	Waiting string        // domain of the provider that does not answer, "" when it is not known
	Err     error
}

func (e *RetryError) Error() string {
	if e.Waiting != "" {
		return "waiting for provider " + e.Waiting
	}
	return "waiting for the provider"
}

func (e *RetryError) Unwrap() error { return e.Err }

// Store keeps a client's records. A Commit is durable and all or nothing when it returns nil; after an error the client is
// unusable and is opened anew.
type Store interface {
	Load(ctx context.Context, prefix string) ([]mls.Record, error) // by ascending key
	Commit(ctx context.Context, changes mls.Delta) error
}

// Errors of what a person asked for.
var (
	ErrNoRoom      = errors.New("client: not in that room")
	ErrHaveRoom    = errors.New("client: in that room already")
	ErrParticipant = errors.New("client: already a participant")
	ErrStranger    = errors.New("client: not a participant")
	ErrBroken      = errors.New("client: a store failure came before; open the client again")
	ErrNoAccount   = errors.New("client: the store holds no account")
	// ErrAuthorities means that the validator did not know a provider's authorities.
	ErrAuthorities = errors.New("client: a provider's authorities are not known yet")
)
