// Package api is the wire form of the client-to-provider API: the routes, the bodies and the errors that
// parley/clientapi/server serves and parley/clientapi/client calls. The same text for readers is doc/client-api.md.
//
// MIMI leaves this interface to each provider (ARCH "Client", protocol.md part 4). Parley carries the draft's own structures as
// octets of package syntax, so that a client needs one codec, and everything else as JSON.
//
// Invariants:
//   - Every request but Enrol carries a bearer token that names exactly one device.
//   - A room or user URI travels in the query, never in the path: no path cleaning can change it.
//   - An event has a cursor; cursors of one device only grow; an event is sent again until its cursor was acknowledged.
//   - A body that does not decode to the last octet is refused and nothing is stored.
//
// The package must not import net/http (it is linked into the WebAssembly client), storage or any role.
package api
