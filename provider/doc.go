// Package provider composes one MIMI provider: its roles on one store, the listeners in front of them, and the workers behind.
//
// New opens everything that can fail: keys, store, listeners. Run serves until its context ends and then stops from outside to
// inside: listeners, requests, workers, store, and last the operators' side, so that readiness can be watched going away. All
// goroutines of the process that live longer than a request are in one group; when one of them fails, everything stops and Run
// returns its error. A store that has stopped is such a failure: nothing can be promised any more (promise D1).
//
// Whose service is called is decided in two places only: As binds what this provider offers to an authenticated caller, and
// peers.For finds how another provider is reached. A provider reaches itself by a function call, the others over HTTPS.
//
// Invariants:
//   - A peer is known by configuration or refused; a user's certificate is judged by the CA set of the user's own provider, which is
//     configured or was learned from that provider's directory and pinned (P-CR-05, P-CR-07, A-86).
//   - At most one batch of a lane is on its way; the outbox sees to that, workers only carry.
//   - Log records and metrics hold providers, endpoints, sizes and reasons; never an identifier of a user, a device or a room.
//
// It must not import client or content: a provider holds no group secrets and sees no plaintext.
package provider
