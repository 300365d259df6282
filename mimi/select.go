package mimi

import (
	"parley/mls/wire"
	"parley/syntax"
)

// selected codes a body that a selector has chosen: made when decoding, required when encoding.
func selected[T any, P interface {
	*T
	syntax.Value
}](c *syntax.Codec, v **T) {
	if c.Err() != nil {
		return
	}
	if *v == nil {
		if !c.Decoding() {
			c.Fail(syntax.ErrValue)
			return
		}
		*v = new(T)
	}
	P(*v).Syntax(c)
}

// proposals codes a vector of MLSMessages that are proposals, in the clear or in SemiPrivateMessages; anything else is refused (§5.3,
// §5.5). It bounds their
// number because the smallest one takes far less on the wire than in memory.
func proposals(c *syntax.Codec, v *[]wire.Message) {
	n := 0
	syntax.Vector(c, v, func(c *syntax.Codec, m *wire.Message) {
		if n++; n > MaxProposals {
			c.Fail(syntax.ErrLimit)
			return
		}
		m.Syntax(c)
		if c.Err() == nil && (m.Public == nil && m.Semi == nil || m.ContentType() != wire.ProposalContent) {
			c.Fail(syntax.ErrValue)
		}
	})
}

// MaxProposals is how many further proposals an update or a fanout message may carry.
const MaxProposals = 4096
