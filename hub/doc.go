// Package hub is the authority over the rooms of one provider: it orders what happens in them, applies their rules and promises
// delivery (draft-ietf-mimi-protocol-06 §5.2 to §5.6).
//
// An operation is a short list of transactions with at most one call to a peer between two; its comment names them and what a
// crash in a gap leaves. Costly work (MLS, signatures, policy) happens outside of transactions on a snapshot; the write transaction
// compares the room's version and writes.
//
// Invariants (promises D1 to D3):
//   - An acceptance is one durable transaction: log entry, sequence, timestamp, outbox lanes, the answer for retries.
//   - One commit per epoch. A byte-identical repetition gets the first answer for 30 days, whatever the epoch is by then.
//   - Sequences are gapless, timestamps never decrease within a room.
//   - The hub never holds a group secret; it never commits (P-RS-04).
//
// The package starts no goroutine and reads the clock it was given. It must not import another role, a store, or the network.
package hub
