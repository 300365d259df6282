package schedule

import (
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

type confirmedInput struct{ content *wire.AuthenticatedContent }

func (v *confirmedInput) Syntax(c *syntax.Codec) {
	syntax.U16(c, &v.content.Format)
	v.content.Content.Syntax(c)
	syntax.Opaque(c, &v.content.Auth.Signature)
}

type interimInput struct{ tag []byte }

func (v *interimInput) Syntax(c *syntax.Codec) { syntax.Opaque(c, &v.tag) }

// ConfirmedHash appends a commit to the transcript (RFC 9420 §8.2); interim is that of the epoch in which it was sent.
func ConfirmedHash(s *suite.Suite, interim []byte, commit *wire.AuthenticatedContent) ([]byte, error) {
	octets, err := syntax.Marshal(&confirmedInput{commit})
	if err != nil {
		return nil, err
	}
	return s.Hash(interim, octets), nil
}

// InterimHash appends the confirmation tag (RFC 9420 §8.2).
func InterimHash(s *suite.Suite, confirmed, confirmationTag []byte) ([]byte, error) {
	octets, err := syntax.Marshal(&interimInput{confirmationTag})
	if err != nil {
		return nil, err
	}
	return s.Hash(confirmed, octets), nil
}
