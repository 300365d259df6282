package mimi

import (
	"parley/mls/wire"
	"parley/syntax"
	"parley/uri"
)

// AbusiveMessage is one reported message (§5.9). Content is its application_data octet by octet. A message without a frank
// cannot be an entry; it is named in the report's note.
type AbusiveMessage struct {
	Content    []byte
	Frank      Frank
	AcceptedAt uint64 // ms
}

func (v *AbusiveMessage) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &v.Content)
	v.Frank.Syntax(c)
	syntax.U64(c, &v.AcceptedAt)
}

// AbuseReport tells a hub of somebody's misconduct in one of its rooms (§5.9).
type AbuseReport struct {
	Reporter   string // may be empty
	Abuser     string
	Reason     AbuseReason
	Note       string
	Messages   []AbusiveMessage
	Extensions wire.AppDataDictionary
}

func (v *AbuseReport) Syntax(c *syntax.Codec) {
	syntax.Text(c, &v.Reporter)
	syntax.Text(c, &v.Abuser)
	syntax.U8(c, &v.Reason)
	syntax.Text(c, &v.Note)
	syntax.Structs(c, &v.Messages)
	v.Extensions.Syntax(c)
}

// Validate checks the identifiers. senderOf reads the sender from a message's content, which is not this package's to know; each
// reported message must be of the alleged abuser. A nil senderOf skips that.
func (v *AbuseReport) Validate(senderOf func(content []byte) (string, error)) error {
	if v.Reporter != "" {
		if _, err := uri.ParseUser(v.Reporter); err != nil {
			return ErrIdentifier
		}
	}
	if _, err := uri.Parse(v.Abuser); err != nil {
		return ErrIdentifier
	}
	if senderOf == nil {
		return nil
	}
	for i := range v.Messages {
		sender, err := senderOf(v.Messages[i].Content)
		if err != nil || !uri.Equal(sender, v.Abuser) {
			return ErrAllegedSender
		}
	}
	return nil
}
