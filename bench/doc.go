// Package bench measures two federated providers that run as processes of the built binary, and kills them. The load comes from real
// devices in this process: real MLS, TLS on every hop, every message opened and compared with what was sent.
//
// What it measures of the servers comes from the kernel (/proc: CPU time, memory, octets written) and from their own /metrics. The
// devices keep their records in memory and their CPU time is not counted; they compete for the same cores, so that rates and latencies
// are those of providers and devices together.
//
// Crash is the test of the promise that a message is accepted once, kept, and delivered once and in order, whatever dies.
package bench
