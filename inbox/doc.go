// Package inbox is the ordered, durable queue of one client at its provider: what the follower put there, until the client says that it
// is stored on the device.
//
// Invariants:
//   - Entries of one client have growing cursors and are read in that order. Reading deletes nothing.
//   - An acknowledgement deletes exactly the entries up to its cursor; it never goes back. A client that reads from the last cursor
//     that it has stored gets every entry once (promise D5).
//   - A body is stored once per provider, however many inboxes point to it.
//
// Each operation is one transaction. The package starts no goroutine and reads the clock that it was given. It must not import
// another role, a store, or the network.
package inbox
