// Package contact is the role of a provider in which its users say who may contact them, and ask others for that
// (draft-ietf-mimi-protocol-06 §5.7, §8).
//
// The provider is both sides: for its users as targets it keeps who asked and what was answered, and decides on claims of KeyPackages;
// for its users as requesters it keeps what they have asked for and what came back. Both are entries of one table and follow one
// state machine, package consent.
//
// What has to be told, to another provider or to a user's own devices, is an errand: it is stored in the transaction that made it
// necessary, and Step runs it until it is done. So an answer never waits for another provider, and says nothing of who read what.
//
// Invariants:
//   - Consent messages go to the other user's provider and nowhere else (P-CO-01). Errands for one provider run in their order.
//   - Nobody learns from an answer, nor from what it took to make it, whether a user exists where the provider hides that: a request
//     reads and writes the same for everybody (P-CO-08), and so does a verdict of Check that is no consent (P-KM-20).
//   - KeyPackages of a grant are given out once, and only for rooms whose hub this provider is (P-CO-12, A-52).
//   - Nobody learns that a user was asked, looked at the request, or refused it (P-CO-14), unless that user says so.
//
// The package starts no goroutine and reads the clock it was given. It must not import another role, a store, or the network.
package contact
