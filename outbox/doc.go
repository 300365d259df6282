// Package outbox sends what a hub has accepted to the providers of the participants, one ordered lane for each destination and room
// (draft-ietf-mimi-protocol-06 §5.5; decisions ).
//
// Invariants:
//   - At most one batch of a lane is on its way (D4, A-36). Its octets were fixed before it was first sent and stay the same until the
//     destination takes them or refuses them for good.
//   - A batch is split only after a definite refusal, never after a failure that leaves its fate open.
//   - Nothing is given up silently: what cannot be delivered is parked with an alarm. Items are never reordered.
//   - A destination that fails is asked by one lane at a time and never holds up the others (P-NT-08).
//
// One round of sending is a snapshot (Next), the call to the peer, and one transaction (Done). A crash in either gap sends the same
// octets again, which the destination recognises (P-NT-10).
//
// The package starts no goroutine, reads the clock that it was given and takes jitter as a value. It must not import another role,
// room, a store, or the network.
package outbox
