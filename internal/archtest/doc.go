// Package archtest enforces Parley's architecture: the import ladder of
// ARCHITECTURE.md, the purity of the lower ranks, and a few words that must
// appear nowhere.
//
// The rules are data (ladder.go) and are checked against parsed sources, so
// that files excluded by the current build tags are judged as well. The engine
// has no opinion about packages that do not exist yet; a package that exists
// but is not on the ladder is an error, because its place is a decision.
//
// Everything here works on [File] values. Only the test reads the real tree.
package archtest
