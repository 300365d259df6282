package mimi

import (
	"crypto"
	"crypto/hmac"
	"crypto/sha256"

	"parley/mls/suite"
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

// NewFrankingTag binds a sender to application data: key is the salt of the content inside, data is the application_data whole, with
// its framing when the group has one (P-FR-01, P-FR-02).
func NewFrankingTag(salt, applicationData []byte) [32]byte {
	return hmacSHA256(salt, applicationData)
}

// FrankAuthenticatedData is the authenticated_data of a message with this tag and no other SafeAAD item (P-FR-04).
func FrankAuthenticatedData(tag [32]byte) ([]byte, error) {
	return syntax.Marshal(&wire.SafeAAD{Items: []wire.ComponentData{{ID: FrankAADComponent, Data: tag[:]}}})
}

// FrankingTagOf finds the tag in a message's authenticated_data.
func FrankingTagOf(authenticatedData []byte) (tag [32]byte, found bool) {
	var safe wire.SafeAAD
	if err := syntax.Unmarshal(authenticatedData, &safe); err != nil {
		return tag, false
	}
	for _, item := range safe.Items {
		var frank FrankAAD
		if item.ID == FrankAADComponent && syntax.Unmarshal(item.Data, &frank) == nil {
			return frank.Tag, true
		}
	}
	return tag, false
}

// NewFrank makes the hub's frank of a message that it accepted (P-FR-07, P-FR-08). hubKey is secret and never leaves the hub; key
// is the franking agent's, of the room's suite.
func NewFrank(id wire.CipherSuite, key crypto.Signer, hubKey []byte, tag [32]byte, context *FrankingContext, in ...*suite.Table) (*Frank, error) {
	server, err := serverFrank(hubKey, tag, context)
	if err != nil {
		return nil, err
	}
	f := &Frank{ServerFrank: server, Suite: id}
	f.Signature, err = sign(id, key, LabelFrankingIntegrity, f.tbs(context), in...)
	return f, err
}

// Verify checks a frank's signature as a receiver can: the context is rebuilt from the content and the fanout's timestamp
// (P-FR-15). It does not show that the frank belongs to this message.
func (v *Frank) Verify(agentKey []byte, context *FrankingContext, in ...*suite.Table) error {
	return verify(v.Suite, agentKey, LabelFrankingIntegrity, v.tbs(context), v.Signature, in...)
}

// IsOf reports whether the hub with hubKey made the frank for this tag and context.
func (v *Frank) IsOf(hubKey []byte, tag [32]byte, context *FrankingContext) bool {
	server, err := serverFrank(hubKey, tag, context)
	return err == nil && hmac.Equal(server[:], v.ServerFrank[:])
}

func (v *Frank) tbs(context *FrankingContext) *FrankingIntegrityTBS {
	return &FrankingIntegrityTBS{ServerFrank: v.ServerFrank, Suite: v.Suite, Context: *context}
}

func serverFrank(hubKey []byte, tag [32]byte, context *FrankingContext) ([32]byte, error) {
	data, err := syntax.Append(tag[:], context)
	if err != nil {
		return [32]byte{}, err
	}
	return hmacSHA256(hubKey, data), nil
}

func hmacSHA256(key, data []byte) (out [32]byte) {
	mac := hmac.New(sha256.New, key)
	mac.Write(data)
	mac.Sum(out[:0])
	return out
}
