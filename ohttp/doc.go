// Package ohttp is Oblivious HTTP (RFC 9458) with the binary form of HTTP messages that it carries (RFC 9292).
//
// A client encapsulates a request for a gateway and hands it to a relay: the relay learns who asks and not for what, the gateway what
// is asked for and not by whom. Parley uses it to fetch assets (draft-ietf-mimi-protocol-06 §5.10.3).
//
// The package is pure: octets go in and out, HPKE comes from crypto/hpke. Sending, serving and whom to trust are the business of
// mimihttp. It must not import net/http.
package ohttp
