// Package irc joins an IRC network as a server (RFC 2813, as ngIRCd speaks it): users of MIMI are users on that server, rooms are
// channels, and conversations of two are private messages.
//
// What IRC has no words for is told in words: replies, corrections, deletions and reactions. It has no identity of its own: who has a
// nick speaks as its owner, so the network has to protect nicks for this to mean anything.
//
// That a message was taken is known by a PONG: the server answers in order, so what was sent before the PING was worked off. If the
// connection ends first the message is sent again, unless the network's log (log.go) says that it is there.
//
// Invariants:
//   - Nothing that was written elsewhere ends a line or begins a command: every parameter is cleaned where it is written.
//   - No line is longer than 512 octets with what the server puts in front of it.
//   - No nick of a user of MIMI is one that somebody on the network has.
//
// The package must not import mls, a store or a server role.
package irc
