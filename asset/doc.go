// Package asset keeps the files that a provider's users upload, for as long as its operator allows, and the keys of the provider's
// Oblivious HTTP gateway (draft-ietf-mimi-protocol-06 §5.10).
//
// A file comes in chunks of a fixed size, each one durable before it is acknowledged, so that an upload goes on where it was cut. What
// is stored was encrypted by the client: the provider knows owner, size and times. Whoever knows an asset's name may read it; the name
// is random and of 128 bits, and what it names is of use with the key only, which travels end to end.
//
// Every operation is one transaction, with at most one operation on the blobs before or after it. A crash between the two leaves a blob
// that no record counts, which the next try replaces, or a record whose blobs are partly gone, which the next sweep finishes.
//
// The package must not import content, another role, or a store.
package asset
