// Package simtest runs whole federations in one goroutine: providers with their real roles on the memory store, real clients with real
// MLS, links that lose, repeat, delay and reorder what they carry, processes that crash anywhere. A seed decides everything, so a
// seed replays a history octet for octet (doc/design: the same code simulated and real).
//
// How it works. A World has a heap of (virtual time, number, function). Every operation in flight is a coroutine (iter.Pull), which
// runs until it waits for the network, a disk or a clock; then the heap's first entry goes on. Roles keep their straight-line form
// and never know. Each transaction waits a moment before it runs, so that operations meet between two transactions of each other.
// A crash unwinds the process's coroutines and fences its store; what they had committed stays.
//
// What it knows. The package holds no protocol logic: it wires roles, passes octets and breaks things. What is right it learns from
// an audit of the hubs' logs by a public MLS group of its own, and from what clients show to people. So a role that forgets its
// part fails here: the planted faults (build tag faults, see the Planted variables of the roles) each make a checker fail.
//
// A failing seed prints its number and the last exchanges as a dialogue. `make sim SEED=n` replays it, `make sim SEEDS=n` plays
// more than each test run does (ARGS='-timeout 2h' when many), ARGS=-v tells what happened how often. What seeds have found is told
// again in TestStories, because seeds change their histories with every change of this package.
//
// The package is imported by tests only. It must not import composers or sockets.
package simtest
