// Package roletest is a small world for tests of the server roles: a few providers with real roles on memory stores, wired by
// mimi.Service calls that pass through encoding and decoding, and devices with real MLS groups. Everything happens in the caller's
// goroutine and at the world's own time; nothing is sent between hubs and followers until Settle.
//
// It holds no protocol logic of the roles. It is imported by tests only.
package roletest
