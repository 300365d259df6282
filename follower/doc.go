// Package follower is a provider's role beside the hub of a room: it passes its clients' requests up and takes the hub's news down to
// their inboxes (draft-ietf-mimi-protocol-06 §5.2 to §5.6). The hub's own provider is a follower like the others.
//
// Invariants:
//   - Only the hub of a room, by its authenticated domain, may bring news of it (P-NT-13, P-NT-14).
//   - A request to notify is stored whole, in order, in one transaction, before it is acknowledged (P-NT-04, P-NT-29, promise D4).
//   - Each MLSMessage of a room reaches an inbox once, however it was batched or repeated (P-NT-12).
//   - A Welcome goes to the clients whose KeyPackages it names and to nobody else (P-NT-17).
//   - A request goes up in the name of the authenticated client that made it, and of nobody else.
//
// Who is in a room is learned from Welcomes and from the clients' own external commits; the hub's judgement stays the hub's.
//
// The package starts no goroutine and reads the clock that it was given. It must not import room, policy, another role, a store, or
// the network.
package follower
