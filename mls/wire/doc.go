// Package wire holds the structures of MLS: RFC 9420 and the extensions of draft-ietf-mls-extensions and
// draft-ietf-mls-ratchet-tree-options that MIMI uses, and the SemiPrivateMessage of draft-mahy-mls-semiprivatemessage.
//
// Each type has one Syntax method for both directions. The package checks form only; what a value means in a group is
// decided in package mls.
//
// Invariants:
//   - What decodes re-encodes to the same octets, unknown registry values included. Unknown proposals and credentials are kept
//     as one opaque<V>, the form that every registered one except AppDataUpdate, AppEphemeral and SelfRemove starts with; other
//     bodies cannot be delimited by a receiver that does not know them.
//   - Closed codes (content type, sender type, leaf node source, node type) refuse unknown values; registries (versions,
//     suites, extensions, proposals, credentials, components) keep them.
//   - Decoded octet strings share memory with the input.
//
// The package imports syntax only.
package wire
