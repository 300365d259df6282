// Package content is the MIMI message format: what stands inside an MLS application message. It encodes and decodes
// draft-ietf-mimi-content-08 (container, nested parts, message ID, derived values), the status reports of
// draft-mahy-mimi-message-status-01 and the application framing of draft-ietf-mls-extensions §6.2.4 around them.
//
// Invariants:
//   - Only deterministic CBOR (RFC 8949 §4.2.1) with the restrictions of draft-ietf-mimi-content-08 §6 decodes, so whatever
//     decodes re-encodes to the same octets. A message ID is a hash of octets: two encodings of one message would have two
//     IDs and let a sender defeat duplicate and loop checks (A-C6).
//   - Encode refuses what Decode would refuse: there is one set of rules, and every encoding is read back.
//   - Unknown dispositions, languages, media types and extension keys are kept, never an error (§9.1).
//   - Message IDs are computed over the octets that were received and with the URIs as they were written (A-C3), over the
//     inner content only when application framing is on (A-C5).
//   - Depth, number of parts and size are bounded before anything is allocated for them.
//   - An Error is a reason code; it never holds content.
//
// Decoded octet strings share memory with the input; the caller keeps the input unchanged while the value lives.
//
// What a conversation shows of its messages is the matter of content/timeline, Markdown and HTML made safe that of content/render;
// both build on this package, and whoever only reads and writes messages links neither.
//
// The package is pure: no I/O of its own, no clock, no randomness (the caller brings salts, keys and times). It imports uri and
// syntax.
package content
