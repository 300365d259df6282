package schedule

import (
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

type opaque []byte

func (v *opaque) Syntax(c *syntax.Codec) { syntax.Opaque(c, (*[]byte)(v)) }

// ConfirmedHash appends a commit to the transcript (RFC 9420 §8.2); interim is that of the epoch in which it was sent, content the
// encoded FramedContent.
func ConfirmedHash(s *suite.Suite, interim []byte, format wire.WireFormat, content, signature []byte) ([]byte, error) {
	signed, err := syntax.Marshal((*opaque)(&signature))
	if err != nil {
		return nil, err
	}
	return s.Hash(interim, []byte{byte(format >> 8), byte(format)}, content, signed), nil
}

// InterimHash appends the confirmation tag (RFC 9420 §8.2).
func InterimHash(s *suite.Suite, confirmed, confirmationTag []byte) ([]byte, error) {
	octets, err := syntax.Marshal((*opaque)(&confirmationTag))
	if err != nil {
		return nil, err
	}
	return s.Hash(confirmed, octets), nil
}
