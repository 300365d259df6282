// Package mimitest holds what tests of the protocol between providers share: a network in memory, certificates of every kind of
// right and wrong, bodies of every endpoint and a service that records who called. It is imported by tests only.
package mimitest
