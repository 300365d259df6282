package keypkg

import (
	"context"
	"time"

	"parley/mls/wire"
	"parley/uri"
)

// Package is one published KeyPackage.
type Package struct {
	Ref       []byte
	Suite     wire.CipherSuite
	NotBefore time.Time
	NotAfter  time.Time
	Octets    []byte // encoded KeyPackage
}

// StockTx is the part of Tx for what clients have in stock.
type StockTx interface {
	// Publish adds packages to a client's stock. A reference that was ever published is left as it is.
	Publish(client uri.Client, packages []Package) error
	// Available lists packages of a client that were not handed out and may be used at now, the oldest first, at most limit.
	Available(client uri.Client, suite wire.CipherSuite, now time.Time, limit int) ([]Package, error)
	// Take hands a package out: true once for each reference, ever (P-KM-11). The reference stays known to follower.Tx.ClientOf until
	// the package expires.
	Take(ref []byte) (bool, error)
	// Count is the number of packages that were not handed out and may be used at now.
	Count(client uri.Client, now time.Time) (int, error)
	// Withdraw deletes all packages of a client, those that were handed out too, and returns how many.
	Withdraw(client uri.Client) (int, error)
}

// Tx is one transaction of the KeyPackage part of a store.
type Tx interface {
	StockTx

	// Clients lists the user's clients that take part, ascending; known is false for a user that does not exist.
	Clients(user uri.User) (clients []uri.Client, known bool, err error)
	// Answer returns the answer that was given to the request with this hash.
	Answer(request [32]byte) (answer []byte, ok bool, err error)
	// SaveAnswer keeps an answer until expires.
	SaveAnswer(request [32]byte, answer []byte, expires time.Time) error
	// Expire deletes packages and the answers of SaveAnswer that ended before now, and returns how many packages that were.
	Expire(now time.Time) (int, error)
}

// Store runs transactions, see hub.Store.
type Store struct {
	Update func(ctx context.Context, f func(Tx) error) error
	View   func(ctx context.Context, f func(Tx) error) error
}
