// Package schedule derives the secrets of MLS: the key schedule (RFC 9420 §8), pre-shared keys (§8.4), transcript hashes (§8.2), the
// exporter (§8.5), the secret tree with its ratchets (§9) and the exporter tree of mls-extensions §4.4.
//
// Invariants:
//   - A secret from which others were derived is overwritten as soon as they exist (§9.2).
//   - Reading a key for a received message changes nothing; only Consume does, after decryption and signature were good. So a
//     refused message leaves the state as it was.
//   - No input makes a ratchet step further than its limit.
//   - The saved form never holds a key that was used, so that a restart cannot replay.
//
// Values are for one goroutine at a time. The package does no I/O.
package schedule
