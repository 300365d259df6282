// Package gateway is the MIMI Gateway Function (draft-ietf-mimi-protocol-06 §2 allows a client to stand for users of another system):
// it lets users of an ordinary chat network take part in MIMI rooms as users of its provider.
//
// The gateway is the MLS client of its native users. Their keys lie in its own store, so messages are not end-to-end to the person:
// the provider marks the credentials, and clients show the mark (design decision 8).
//
// A network is spoken by a Native; the packages below this one have one each. What the network can carry is declared in its
// Capabilities and nowhere else: `parley gateway explain` prints them, and a test per cell keeps them honest.
//
// How a message goes in: the connector calls Host.Ingest, which returns after the event is in the journal; Inward then acts on it as
// the native user's client, in the order of each conversation. How one goes out: the client's timeline is the queue; Outward delivers
// its entries in order and moves a mark in the same store.
//
// Invariants:
//   - An event that Ingest took is never lost and acts once: the native id is remembered, and sending it is one write with the mark
//     that it was sent. Ingest fails rather than dropping.
//   - A message is given to a network once, whoever of its users received it. After a crash at the worst moment it is given again
//     under the same id with Again set; a network without ids may then show it twice.
//   - Nothing that came from a network goes back to it (loop guard): its users' names say where they belong.
//   - What was not delivered is reported to its sender by an error status; a delivery or reading report is passed on only when the
//     network gave one.
//   - No native user and no room can take more than its budget.
//
// The package starts no goroutines. It must not import a server role or the provider's side.
package gateway
