// Package server serves the client-to-provider API of parley/clientapi/api over HTTP.
//
// It decodes, authenticates the client, calls the function that the composer put into the Server, and encodes. It decides nothing:
// whether a client may do something is the business of the roles.
//
// Invariants:
//   - No handler but enrol runs before the token was checked, and no body is read before that.
//   - A body is limited before it is read and decoded to its last octet, strictly; otherwise nothing is called. A claimed length
//     allocates nothing.
//   - An answer of success is sent after the function returned, and functions return after the change is durable.
//   - A stream has one writer, the handler's goroutine, and holds one reading of the inbox at most. A client that takes nothing
//     for StallAfter is cut off and resumes from its cursor. A client has MaxHeld streams and held polls; a further one ends the
//     oldest.
//   - What is logged names the route and the failure, never a user, a room, a client, a token or a code.
//
// The package must not import storage or composers.
package server
