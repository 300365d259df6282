// Package storetest is the conformance suite of the stores: what every role may rely on in its Tx, for each implementation. A store's
// tests call Run; a store that keeps its state also shows that it does, through Stores.Reopen.
//
// It is test-only and knows no store.
package storetest
