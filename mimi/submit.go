package mimi

import (
	"parley/mls/wire"
	"parley/syntax"
	"parley/uri"
)

// SubmitMessageRequest brings an application message to the hub (§5.4).
type SubmitMessageRequest struct {
	Protocol   Protocol
	Message    wire.Message // a PrivateMessage with application data
	SendingURI string       // the user for whom the provider sends
}

func (v *SubmitMessageRequest) Syntax(c *syntax.Codec) {
	syntax.Closed(c, &v.Protocol, MLS10, MLS10)
	v.Message.Syntax(c)
	if c.Err() == nil && (v.Message.Private == nil || v.Message.ContentType() != wire.ApplicationContent) {
		c.Fail(syntax.ErrValue)
	}
	syntax.Text(c, &v.SendingURI)
}

// Validate checks that the sender is a user or a pseudonym.
func (v *SubmitMessageRequest) Validate() error {
	u, err := uri.Parse(v.SendingURI)
	if err != nil || (u.Kind() != uri.KindUser && u.Kind() != uri.KindPseudonym) {
		return ErrIdentifier
	}
	return nil
}

// SubmitMessageResponse is the hub's verdict on an application message (§5.4). The code selects the fields.
type SubmitMessageResponse struct {
	Protocol     Protocol
	Code         SubmitResponseCode
	AcceptedAt   uint64 // SubmitAccepted: ms
	Frank        *Frank // SubmitAccepted: nil when the room does not frank
	CurrentEpoch uint64 // SubmitEpochTooOld
}

func (v *SubmitMessageResponse) Syntax(c *syntax.Codec) {
	syntax.Closed(c, &v.Protocol, MLS10, MLS10)
	syntax.Closed(c, &v.Code, SubmitAccepted, SubmitEpochTooOld)
	switch v.Code {
	case SubmitAccepted:
		syntax.U64(c, &v.AcceptedAt)
		syntax.OptionalStruct(c, &v.Frank)
	case SubmitEpochTooOld:
		syntax.U64(c, &v.CurrentEpoch)
	}
}
