package provider

import (
	"context"
	"errors"

	"parley/store/memory"
)

// ErrStoreInUse means that another process has the store open.
var ErrStoreInUse = errors.New("provider: the store is in use by another process")

// OpenSQLite opens or creates the embedded store.
//
// INTERIM, NOT DURABLE: until store/sqlite has its role stores, this is the memory store and forgets everything with the process.
func OpenSQLite(context.Context, string) (*Store, error) { return MemoryStore(memory.New()), nil }
