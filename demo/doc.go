// Package demo plays the example of draft-ietf-mimi-protocol-06 §3 with real processes: three providers on loopback, federated over
// mutual TLS, and the chat clients of three people. Every step is checked by what the receivers decrypted.
//
// It starts the parley binary itself, as an operator and three people would, and knows the inside of none of it: configuration files,
// commands and their JSON output are all it uses. The ladder that it prints comes from the traces of the servers' TLS sockets.
package demo
