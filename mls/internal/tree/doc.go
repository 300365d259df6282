// Package tree is the ratchet tree of MLS and TreeKEM on it (RFC 9420 §4, §7, Appendix C).
//
// A Tree is a value that never changes: Editor, NewPath and ApplyPath return a new one that shares every unchanged node with the
// old. Each node carries its subtree's hash, member count and resolution size, all set before the value is handed out, so a
// change costs new nodes and hashes on one path from leaf to root, and any number of goroutines may read any value.
//
// Invariants of every Tree:
//   - the width is a power of two, at most Limits.MaxLeaves, and the right half holds a member (a lone leaf excepted);
//   - unmerged leaves are sorted, are members below their node, and are listed by every non-blank node in between (§12.4.3.1);
//   - no encryption key stands in two nodes, no signature key in two leaves (§7.3, §12.4.3.1);
//   - a parent node that is not blank has a member below it.
//
// Parent hashes are checked by VerifyParentHashes, which a joiner calls once; changes made by this package keep them valid.
// Leaf signatures, credentials and capabilities are the caller's to check.
//
// Private keys stand apart in Keys, one value per own leaf. Nothing here imports storage, time or concurrency.
package tree
