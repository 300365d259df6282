// Package vector checks and makes test vectors in the JSON format of the MLS working group, all sixteen kinds of files.
//
// A kind is the name of its file without ".json". What is made is random except where the format asks for something else, so that each
// run gives vectors that nobody has seen before.
//
// The checks are those that the format's description asks for. Whatever can be checked through the exported API of mls is; the rest uses
// the packages below mls/internal.
//
// The package imports mls, what is below it, and syntax. It is pure: no files, no clock.
package vector
