package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"parley/asset"
	"parley/contact"
	"parley/follower"
	"parley/hub"
	"parley/identity"
	"parley/inbox"
	"parley/keypkg"
	"parley/outbox"
	"parley/uri"
)

// Stores is an empty store, by role.
type Stores struct {
	Hub         hub.Store
	Outbox      outbox.Store
	Follower    follower.Store
	Inbox       inbox.Store
	KeyPackages keypkg.Store
	// Accounts runs a transaction of the accounts; keypkg.Tx.Clients answers from them.
	Accounts func(ctx context.Context, f func(identity.Tx) error) error
	// Pins runs a transaction of the pinned authorities.
	Pins func(ctx context.Context, f func(identity.PinTx) error) error
	// People runs a transaction of the addresses and profiles.
	People func(ctx context.Context, f func(identity.PeopleTx) error) error
	// Contact knows the users of Accounts.
	Contact contact.Store
	Cases   hub.Cases
	Assets  asset.Store
	// Reopen closes the store and opens the same state again; nil when the store forgets.
	Reopen func(t *testing.T) Stores
}

// Run checks every method of every Tx. open gives an empty store for each test; it ends with the test's Cleanup.
func Run(t *testing.T, open func(t *testing.T) Stores) {
	groups := []struct {
		name  string
		tests []test
	}{
		{"hub", hubTests()},
		{"outbox", outboxTests()},
		{"lanes", laneTests()},
		{"operators' view of the outbox", deskTests()},
		{"follower and inbox", followerTests()},
		{"KeyPackages", packageTests()},
		{"accounts", accountTests()},
		{"people", peopleTests()},
		{"contact", contactTests()},
		{"abuse reports", caseTests()},
		{"assets", assetTests()},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for _, one := range g.tests {
				t.Run(one.name, func(t *testing.T) {
					f := &fixture{T: t, Stores: open(t)}
					one.run(f)
				})
			}
		})
	}
}

type test struct {
	name string
	run  func(f *fixture)
}

// fixture is one test on one store.
type fixture struct {
	*testing.T
	Stores
}

// errAbort makes a transaction fail on purpose.
var errAbort = errors.New("storetest: abort")

func must[T any](f *fixture, v T, err error) T {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
	return v
}

func (f *fixture) ok(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) hub(do func(tx hub.Tx))           { f.Helper(); f.ok(run(f, f.Hub.Update, do)) }
func (f *fixture) outbox(do func(tx outbox.Tx))     { f.Helper(); f.ok(run(f, f.Outbox.Update, do)) }
func (f *fixture) follower(do func(tx follower.Tx)) { f.Helper(); f.ok(run(f, f.Follower.Update, do)) }
func (f *fixture) inbox(do func(tx inbox.Tx))       { f.Helper(); f.ok(run(f, f.Inbox.Update, do)) }
func (f *fixture) packages(do func(tx keypkg.Tx))   { f.Helper(); f.ok(run(f, f.KeyPackages.Update, do)) }

// run carries a failure of do out of the transaction as an error: a store may run do on a goroutine of its own, where the test must
// not be ended.
func run[T any](f *fixture, update func(context.Context, func(T) error) error, do func(tx T)) error {
	return update(f.Context(), func(tx T) (err error) {
		defer func() {
			switch cause := recover().(type) {
			case nil:
			case failure:
				err = cause.error
			default:
				panic(cause)
			}
		}()
		do(tx)
		return nil
	})
}

type failure struct{ error }

// get unwraps the result of a Tx method; the transaction fails with the error.
func get[T any](v T, err error) T {
	check(err)
	return v
}

func check(err error) {
	if err != nil {
		panic(failure{err})
	}
}

func same[T comparable](what string, got, want T) {
	if got != want {
		panic(failure{fmt.Errorf("%s: got %v, want %v", what, got, want)})
	}
}

func sameList[T comparable](what string, got, want []T) {
	if !slices.Equal(got, want) {
		panic(failure{fmt.Errorf("%s: got %v, want %v", what, got, want)})
	}
}

func (f *fixture) room(name string) uri.Room {
	return must2(f, uri.ParseRoom, "mimi://hub.example/r/"+name)
}

func (f *fixture) user(name string) uri.User {
	return must2(f, uri.ParseUser, "mimi://c.example/u/"+name)
}

func (f *fixture) client(user, device string) uri.Client {
	return must2(f, uri.ParseClient, "mimi://c.example/d/"+user+"/"+device)
}

func must2[T any](f *fixture, parse func(string) (T, error), s string) T {
	f.Helper()
	v, err := parse(s)
	return must(f, v, err)
}

// at is a time, s seconds into the test's world, in whole milliseconds as stores keep them.
func at(s int) time.Time { return time.UnixMilli(1_800_000_000_000 + int64(s)*1000) }

func ms(t time.Time) uint64 { return uint64(t.UnixMilli()) }
