// Package device runs one client device: it reads the event stream, works events and outbox off, keeps KeyPackages in stock, learns
// and pins the authorities of other providers, and hands news to its owner. The chat command, the demo and the load generator are
// owners.
//
// One goroutine (Run) owns the client; a second one reads events ahead, at most two batches. Everything else goes through Do.
//
// The package knows the provider only through client.Provider and two functions; it must not import the provider's side.
package device
