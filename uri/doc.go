// Package uri holds the names of MIMI: mimi:// identifiers of providers, users, clients, rooms, groups, teams and pseudonyms,
// each as its own type, and the URL templates of a provider's directory.
//
// Sources: draft-ietf-mimi-protocol-06 §3 and §5.1, draft-mahy-mimi-identity for the kinds p and t; the grammar is ours
// because the scheme has no ABNF (P-CR-01..03, decisions A-06..A-09, A-14, A-85).
//
//	mimi://<host>[/<kind>/<segment>[/<segment>]]    kind: u user, d client, r room, g group, t team, p pseudonym
//
// Invariants:
//   - A value holds the normalised text only: scheme and host in lower case, escapes of unreserved characters resolved, hex
//     digits of the other escapes in upper case. So two values are == exactly when the texts are equal in the sense of A-85,
//     values can be map keys, and Key and String agree.
//   - A text that was received and is covered by a signature or a hash is kept as it came by whoever received it (the wire
//     structs hold strings): String is not a substitute for those octets.
//   - The zero value of each type names nothing; IsZero reports it and String is empty.
//   - Errors never repeat the identifier, because errors end up in logs. Hash gives the label to log instead.
//
// The package imports the standard library only, does no I/O and knows no wire format.
package uri
