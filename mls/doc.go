// Package mls is a Messaging Layer Security engine: RFC 9420 with the parts of draft-ietf-mls-extensions that MIMI needs
// (application data dictionary, AppDataUpdate, AppEphemeral, SafeAAD, SelfRemove, component negotiation, content advertisement).
//
// PublicGroup is what anybody can hold who sees the handshakes, such as a MIMI hub: the tree, the GroupContext, the proposals of
// the epoch. It has no secrets, never changes and may be read by any number of goroutines. Group is a member: the same public
// value plus secrets, with one or more own leaves. Both judge a message by one and the same function, so that a hub refuses what
// the members would refuse.
//
// Every change has two steps. Process checks a message completely and returns what would happen (Staged, GroupStaged); nothing of
// the group has changed by then, and nothing has if it fails. Next or Apply takes the step.
//
// Storage is never called. Each step returns a Delta, the records that it changed; the caller writes them in its own transaction
// before anything that the step made leaves the process. A caller that cannot write a delta drops the value and loads it again.
// Deleting used secrets is part of the delta, and the memory that held them is overwritten.
//
// Time is always given by the caller. The zero time means "no opinion": lifetimes are then not checked, which is right for a
// member that catches up with commits that its hub accepted long ago (RFC 9420 §7.3 leaves the check to the receiver).
//
// A commit takes all proposals that wait, as far as one commit can hold them, so that nobody can keep the members from committing by
// proposing nonsense. A group that continues another one (ReInit, branch) is made with CreateParams.From, and joiners hold it against
// the old group (JoinParams.Predecessor).
//
// Application components get a Scope, whose signatures, decryptions and exports carry their ID. KeyPackageParams.Grease scatters GREASE.
// SemiPrivateMessage, which a hub can read beside the members, is off unless Config.SemiPrivate is set; a hub opens it with
// PublicGroup.ProcessSemiPrivate. Large trees are streamed (WriteTree, ReadPublicGroup), and Config.Verified spares signatures that were
// checked before.
//
// Invariants:
//   - a commit that fails leaves the group byte for byte as it was, and the right commit still applies;
//   - the epoch secret of a new group is random, and the first commit of a one-member group has a path (RFC 9420 §11);
//   - no key and nonce are used twice, and no message opens twice, also across Save and Load;
//   - what is not understood (extensions, credentials, components) is kept as bytes; proposals of unknown types are kept while
//     they are pending and refused in a commit, because nobody here could apply them.
//
// The package imports syntax, mls/wire, mls/suite and the two packages below mls/internal; no network, no storage, no clock. It
// has not been audited.
package mls
