// Package credential holds the X.509 credentials of MLS leaves and of external senders in MIMI (draft-mahy-mimi-identity,
// draft-ietf-mimi-protocol-06 §4.2; rows P-CR).
//
// Parse reads who a credential names; it decides nothing. Validator is the one judge for all six ways by which a leaf enters a
// group. CA issues: every provider runs one for the clients of its users and one credential for its hub.
//
// Rules of a client's certificate: its subjectAltName has exactly one client URI and exactly one user or pseudonym URI, of one
// provider; its key is the leaf's signature key; its chain ends in a CA for which that very provider vouches. A hub's certificate
// has exactly one provider URI instead. A private, non-critical extension marks keys that a gateway holds, so that members can
// show it.
//
// Invariants:
//   - The user of a client comes from the certificate and never from the client's URI (A-14, P-CR-02).
//   - Roots are asked for the provider of the certificate's own URIs, so no provider can vouch for another's users (P-CR-05).
//   - Time is given by the caller. A leaf that is met in a tree on joining is judged at the time of its issue: it may be stale,
//     which is to be shown, not refused, because a clock in that verdict would split the room.
//   - Basic credentials are refused unless a test asks for them by name (P-CR-06).
//   - Errors name the rule and never the identity.
//
// The package imports uri, mls/wire and mls (LeafCheck). It does no I/O; issuing takes randomness from crypto/rand.
package credential
