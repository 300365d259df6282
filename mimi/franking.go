package mimi

import (
	"parley/mls/wire"
	"parley/syntax"
)

// Frank is the hub's proof that it accepted a message (§5.4.1.2).
type Frank struct {
	ServerFrank [32]byte // HMAC that only the hub can check
	Suite       wire.CipherSuite
	Signature   []byte // of FrankingIntegrityTBS, which does not cover the franking tag
}

func (v *Frank) Syntax(c *syntax.Codec) {
	syntax.Fixed(c, v.ServerFrank[:])
	syntax.U16(c, &v.Suite)
	syntax.Opaque(c, &v.Signature)
}

// FrankAAD is the data of the frank_aad item in SafeAAD (§5.4.1.1).
type FrankAAD struct{ Tag [32]byte }

func (v *FrankAAD) Syntax(c *syntax.Codec) { syntax.Fixed(c, v.Tag[:]) }

// FrankingAgentData is the franking_agent component and its update: whose key signs franks (§5.4.1, A-42).
type FrankingAgentData struct {
	SignatureKey []byte
	Credential   wire.Credential
}

func (v *FrankingAgentData) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &v.SignatureKey)
	v.Credential.Syntax(c)
}

// FrankingContext is the draft's ServerFrankingContext: what a frank binds besides the tag.
type FrankingContext struct {
	Sender     string
	Room       string
	AcceptedAt uint64 // ms
}

func (v *FrankingContext) Syntax(c *syntax.Codec) {
	syntax.Text(c, &v.Sender)
	syntax.Text(c, &v.Room)
	syntax.U64(c, &v.AcceptedAt)
}

// FrankingIntegrityTBS is what a frank's signature covers.
type FrankingIntegrityTBS struct {
	ServerFrank [32]byte
	Suite       wire.CipherSuite
	Context     FrankingContext
}

func (v *FrankingIntegrityTBS) Syntax(c *syntax.Codec) {
	syntax.Fixed(c, v.ServerFrank[:])
	syntax.U16(c, &v.Suite)
	v.Context.Syntax(c)
}
