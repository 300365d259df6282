// Package keypkg keeps the KeyPackages of a provider's clients: published by their owners, handed out at most once each to whoever
// may add them to a room (draft-ietf-mimi-protocol-06 §5.2; RFC 9420 §10, §16.8).
//
// Invariants:
//   - A KeyPackage is handed out at most once, ever (P-KM-11, promise D8). Last-resort KeyPackages are not taken.
//   - Nothing is reserved before form, caller, signature, credential, consent and rate have been judged (P-KM-21).
//   - The same request again gets the same answer for AnswerLife and consumes nothing.
//
// A claim is one transaction after a look for an earlier answer. The package starts no goroutine and reads the clock that it was
// given. It must not import another role, a store, or the network.
package keypkg
