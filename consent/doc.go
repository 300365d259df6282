// Package consent is the state machine of consent: may one user be contacted by another, in one room or in every room
// (draft-ietf-mimi-protocol-06 §5.7, §8)?
//
// A Record is what is known for one requester, one target and one scope. The providers of both sides keep one, and both follow the same
// rules: the requester asks and gives up asking, the target gives consent and takes it back, in any order and without having been
// asked (P-CO-10, P-CO-15).
//
// Invariants:
//   - Consent that was refused stays refused until the target gives it, however often it is asked for.
//   - What one scope says never widens another: a room's record decides for that room, the one for every room for all others (P-CO-09).
//   - A block decides before everything else.
//
// The package is pure: time is passed in. It must not import anything but mimi.
package consent
