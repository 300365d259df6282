// Package gatewayd composes a gateway process: connectors, the clients of their native users, the journal. Run owns all goroutines:
// one per connector, one for each network's events, and two per native user, whose client is a device of its own.
//
// That each native user has a device of its own is the simple shape: in a room with n native users the gateway decrypts n times and
// keeps n inboxes. mls.Group can hold several own leaves; client cannot yet.
//
// The process is a client of its provider and nothing more: it must not import the provider's side.
package gatewayd
