// Package memory keeps everything of a provider in memory: the fake of tests and the store of the simulator. It implements the Tx of
// every role with the same guarantees as the durable stores, except durability: a transaction is all or nothing, isolated, and
// visible to every later one.
//
// A transaction works on the state itself and notes how to undo each write; a failed one is undone. Every list is ordered, so that
// a run depends on its inputs only.
//
// The package must not import another store, HTTP, or a composer.
package memory
