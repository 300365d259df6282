// Package identity is the identity function of a provider: which users it has, which devices speak for them, and which certificate
// authorities other providers vouch for.
//
// It implements the provider's half of draft-mahy-mimi-identity and of protocol.md 1.20 (P-CR-05, P-CR-07): a device exists because
// somebody held a one-time code, and its credential is issued at that moment by the provider's own CA.
//
// Invariants:
//   - Codes and tokens are stored as SHA-256 only; both are random values of at least 100 bits, so a plain hash is enough.
//   - A code makes at most one device. A client URI is never given twice, not even after its device was revoked.
//   - The set of authorities of a peer is pinned when it is first seen. A set that shares no certificate with the pinned one does
//     not replace it: it is kept aside as a change and an operator decides.
//
// The package holds no key: whoever composes it passes a function that issues. It starts no goroutine, reads no clock of its own and
// must not import other roles, storage or HTTP.
package identity
