// Package policy holds the room policy of draft-ietf-mimi-room-policy-03: the GroupContext components with their wire form, the
// capabilities of roles, and the decision who may do what.
//
// Each component has one Syntax method for both directions, and Validate where a well-formed value can still be invalid. Repairs of
// the draft's syntax are named by their A-Rn at the type.
//
// Invariants:
//   - What decodes re-encodes to the same octets; unknown capabilities are kept and grant nothing.
//   - Verdicts are pure functions of the state before a change and the change itself: no clock, no I/O, so that hub and members
//     decide alike (A-R25).
//   - Errors name the rule and never a user.
//
// The package imports syntax, uri and mls/wire only.
package policy
