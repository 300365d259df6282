// Package timeline is what a conversation shows: from the messages of one room, whatever order they come in, to what stands on
// the screen at a given time. Edits are applied, deleted and expired messages are gone, reactions are counted, replies find
// what they quote, threads are put together, and reports become ticks (draft-ietf-mimi-content-08 §3.4, §4.1, §5, §9.3,
// draft-mahy-mimi-message-status-01 §3).
//
// Invariants:
//   - What is shown is a function of the set of messages and reports, of the reading marks and of the time, not of the order of
//     arrival. Only the limits (maxVersions and its neighbours) are exempt: they keep what a hostile sender can fill.
//   - IDs are computed from the octets that came. Content that somebody swapped has another ID, so no reply quotes it (C-REP-05).
//   - Nobody but its author edits a message; nobody deletes another's without the right to (§9.3). Of the author's edits only the
//     body counts, unless the room gives more (A-C11). A deletion is final (A-C14).
//   - What cannot take effect is kept and told (Refused), never applied; an action on a message that is not here waits for it.
//   - A version whose content is gone stays as a stub, so that a repeat of it is known and replies say what became of it.
//
// A Timeline may hold a whole room or a part of it: what it has not seen is unknown to it. It is a plain value machine: no I/O,
// no clock, no goroutines; it is not safe for concurrent use.
package timeline
