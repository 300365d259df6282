// Package mimihttp carries mimi.Service between providers: HTTP over TLS 1.3 with a certificate on both sides
// (draft-ietf-mimi-protocol-06 §4.1, §5.1). Server is an http.Handler in front of the services of one or more providers; Client is
// one peer as seen from one provider and implements mimi.Service.
//
// Who calls is decided by the client certificate. The From header only says which identity of the certificate is meant, and the Host
// header (in HTTP/2 :authority) which of the providers served here is called. Both are checked, and the peer must be
// known, before a body is read.
//
// Trust in a peer's certificate is a value per peer (Trust, A-03). The listener asks for a client certificate without demanding one,
// because the directory is public; every other route demands one that verifies.
//
// Protocol verdicts travel inside 200; other status codes mean that the request as a whole was refused. They map to
// mimi.Error one to one.
//
// A client repeats nothing by itself, except once after an endpoint has moved (P-DIR-09): repeating the same octets is the business
// of whoever keeps them.
//
// Invariants:
//   - No endpoint URL is known but from the peer's directory, and a body goes only to a server whose certificate verified.
//   - A request that does not decode to its last octet reaches no service.
//   - What a body may cost in memory is bounded by its length, and its length by the endpoint.
//   - Log records hold providers, endpoints, sizes and reasons; never an identifier of a user or a room.
package mimihttp
