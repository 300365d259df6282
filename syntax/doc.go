// Package syntax is the TLS presentation language of RFC 8446 §3 with the variable-size vectors and the optional type of
// RFC 9420 §2.1: the wire notation of MLS and of MIMI.
//
// A wire type has one description, its Syntax method, that both encodes and decodes:
//
//	func (f *Frank) Syntax(c *syntax.Codec) {
//		syntax.Fixed(c, f.ServerFrank[:])
//		syntax.U16(c, &f.Suite)
//		syntax.Opaque(c, &f.Signature)
//	}
//
// Invariants:
//   - Decoding is canonical: vector lengths are minimal, presence octets are 0 or 1, nothing trails. So what decodes
//     re-encodes to the same octets, and a signature over a decoded value can be checked over its re-encoding.
//   - Nothing is allocated from a claimed length: a length is compared with what is left of the input first, and the number
//     of vector elements in one message is bounded by Limits.
//   - Decoded octet strings share memory with the input. The caller keeps the input unchanged while the value lives.
//   - The first error stays; every later step does nothing. No input makes the package panic.
//
// The package imports the standard library only and knows no message of any protocol.
package syntax
