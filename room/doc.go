// Package room is what a MIMI room is on top of its MLS group: the components of the GroupContext, who may change what, and the
// hub's view of what was accepted and not yet committed (draft-ietf-mimi-protocol-06 §5.3, §7; draft-ietf-mimi-room-policy-03).
//
// It is the one judge of handshakes for hub and clients: both stage a message with package mls and give the result to Judge.
//
// Invariants:
//   - Room state lives in GroupContext components only; State is derived from them and can be rebuilt (design decision 7c).
//   - Every leaf belongs to a participant who is not banned, and a participant who leaves or is banned takes all leaves along in the
//     same commit (P-UP-10, P-UP-11, P-RS-09).
//   - A leave that the hub has accepted takes effect at once, before its commit (P-RS-01).
//
// The package is pure: no I/O, no clock, no goroutine. It must not import a role.
package room
