// Package mimi holds what providers say to each other: the structures of draft-ietf-mimi-protocol-06 §5 and §7, their codes, the
// endpoint table, the labels that are signed, and Service, the interface that stands for one provider as another one sees it.
//
// Every structure has one Syntax method for both directions. Decoding checks form; Validate, where a structure has it, checks
// what one value must fulfil by itself. What needs a room, a user or a clock is decided by the roles (room, hub, follower,
// keypkg).
//
// Invariants:
//   - What decodes re-encodes to the same octets. Identifiers are plain strings with the text that came: signatures, hashes and
//     forwarding need it verbatim. Parse them with package uri before they are compared.
//   - Codes of the protocol are closed sets and an unknown value does not decode; registries (suites, credentials,
//     components, extensions, proposals) keep unknown values.
//   - A handshake message is a PublicMessage, an application message a PrivateMessage, so the content type selects the form of
//     a structure wherever the draft selects by a path that not every message has.
//   - Timestamps are milliseconds since the UNIX epoch, set by the hub.
//
// Decisions on gaps of the draft are named by their A-nn where they apply.
//
// The package imports syntax, uri, mls/wire and mls/suite only; it does no I/O, reads no clock and starts no goroutine.
package mimi
