// Package speccheck answers two questions from one `go test -json` stream:
// which tests ran and how they ended ([Render]), and which requirement rows of
// doc/spec/index.tsv they prove ([Tally]).
//
// A row is proven when a subtest whose name carries its id ran and passed, and
// no test that carries it failed. A skipped test proves nothing.
//
// The package reads streams and returns values; its command
// (internal/speccheck/cmd/speccheck) owns files and exit codes.
package speccheck
