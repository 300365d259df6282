// Package webhook joins a chat system of one's own over HTTP, signed in both directions as Standard Webhooks has it: the system gets a
// POST for each thing that users of MIMI do, and posts what its own users do. doc/gateway.md has the form of both; examples/webhook is a
// system in one file.
//
// Invariants:
//   - Nothing is taken whose signature is wrong, whose time is more than five minutes away, or that is larger than 128 KiB. A repeat
//     within that time changes nothing: the gateway knows its id.
//   - What was answered with 2xx is delivered, with another 4xx refused. Everything else is sent again under the same id, by which the
//     other side knows it.
//   - The gateway connects to no private address, after names were resolved, unless the configuration allows it; it follows no redirects.
//
// The package must not import mls, a store or a server role.
package webhook
