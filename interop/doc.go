// Command interop lets the MLS working group's interop test runner talk to Parley's MLS engine: it serves the gRPC service
// mls_client.MLSClient, one process for any number of clients of a test.
//
// It is a module of its own, so that gRPC is no dependency of Parley. The messages of the service are written by hand from its
// description (codec.go): nothing is generated, and nothing of the working group's repository is needed to build it.
//
// It holds keys of test groups in memory, speaks without TLS, and belongs on loopback.
package main
