// Package suite holds the cipher suites of MLS (RFC 9420 §5.1, §17.1) and the labelled operations that the protocol builds from
// them.
//
// All suites stand in one table; adding one is adding a row. The primitives are those of the standard library; the content
// encryption of suite 3 is golang.org/x/crypto's.
//
// Invariants:
//   - A Suite is immutable and safe for concurrent use.
//   - Tags are compared in constant time.
//   - No error of this package contains a key, a plaintext or a ciphertext.
//
// Private HPKE keys are octet strings in the form of RFC 9180 §7.1.2, so that they can be stored and overwritten with Wipe.
// Signature keys are crypto.Signer values, so that they may live in an agent or an HSM.
//
// The package imports mls/wire and syntax, and no other package of this module.
package suite
