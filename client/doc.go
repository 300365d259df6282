// Package client is one device of one user: its keys, its rooms, its timeline and its durable outbox.
//
// It is the only role that sees plaintext. The terminal client, gateways, the simulator and the load generator all use it. It
// follows draft-ietf-mimi-protocol-06 §3 (flows), RFC 9420 and draft-ietf-mimi-content.
//
// How it works: what a person asks for becomes an Intent, which is stored before anything else happens. Flush works the intents
// off, room by room and in order; Receive works the inbox off. A client changes epoch only through its inbox, its own commits
// included (design decision 7b): the answer to an update tells its fate and no more.
//
// What a conversation shows is content/timeline's business: the package keeps each room's log in the store, holds its tail in a view, looks
// up what that refers to, and erases from the log what was deleted or has expired.
//
// Invariants:
//   - MLS state, decrypted content and the inbox cursor change in one write set (promises D5): a message is either in the timeline
//     with its key gone, or will be delivered again with its key still there.
//   - No ciphertext leaves before the ratchet that made it is stored: a crash never reuses a nonce.
//   - A request whose fate is unknown is repeated octet for octet, so that the hub recognises it (A-22, P-SM-13).
//   - Nothing that was refused is shown as sent.
//   - A message is shown as somebody's only when leaf credential, sender URI and room URI inside the content agree (P-FR-17); others are
//     discarded and leave a gap that says why.
//   - How far a message has come is told from evidence only: the hub's answer, the hub's word on its outbox, the person's own report.
//
// A Client is for one goroutine at a time. It starts none, holds no lock, and reads the clock that it was given.
//
// The package must not import net, net/http, a store or another role.
package client
