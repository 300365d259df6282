package content

import "parley/uri"

// Media types that every receiver understands (draft-ietf-mimi-content-08 §7.1).
const (
	TypePlain    = "text/plain;charset=utf-8"
	TypeMarkdown = "text/markdown;variant=GFM-MIMI"
)

// The constructors put the sender and the room in (C-EXT-08): both must be those of the MLS leaf and of the group. salt is
// 16 random octets that no other message has.

// NewText is a plain text message.
func NewText(salt [16]byte, sender uri.User, room uri.Room, text string) Message {
	return newMessage(salt, sender, room, plain(DispositionRender, text))
}

// NewMessage is a message with any body.
func NewMessage(salt [16]byte, sender uri.User, room uri.Room, body Part) Message {
	return newMessage(salt, sender, room, body)
}

// NewReply answers the message with the ID to, which should be the latest version of it (§4.1). It stays in the topic.
func NewReply(salt [16]byte, sender uri.User, room uri.Room, to MessageID, topic []byte, text string) Message {
	m := NewText(salt, sender, room, text)
	m.InReplyTo, m.Topic = &to, topic
	return m
}

// NewReaction reacts to the message with the ID to. The reaction is one character as a user sees it: several reactions are
// several messages or parts (§5.3).
func NewReaction(salt [16]byte, sender uri.User, room uri.Room, to MessageID, reaction string) (Message, error) {
	if clusters(reaction) != 1 {
		return Message{}, ErrReaction
	}
	m := newMessage(salt, sender, room, plain(DispositionReaction, reaction))
	m.InReplyTo = &to
	return m, nil
}

// NewEdit gives target a new body. targetID is the ID of target; target may itself be an edit. All but the body is that of
// the target, because not even its author may change more (§9.3, A-C11).
func NewEdit(salt [16]byte, sender uri.User, room uri.Room, targetID MessageID, target Message, body Part) Message {
	m := newMessage(salt, sender, room, body)
	first := First(targetID, target)
	m.Replaces, m.Topic, m.Expires, m.InReplyTo = &first, target.Topic, target.Expires, target.InReplyTo
	return m
}

// NewDelete deletes target, which may be an edit or a reaction (§5.6, §5.7). The disposition is the target's (A-C13).
func NewDelete(salt [16]byte, sender uri.User, room uri.Room, targetID MessageID, target Message) Message {
	return NewEdit(salt, sender, room, targetID, target, Part{Disposition: target.Body.Disposition})
}

// First is the ID that edits and deletions name: that of the first version, as far as m tells (A-C10).
func First(id MessageID, m Message) MessageID {
	if m.Replaces != nil {
		return *m.Replaces
	}
	return id
}

func newMessage(salt [16]byte, sender uri.User, room uri.Room, body Part) Message {
	return Message{Salt: salt, Body: body, Extensions: []Extension{
		{Key{Int: KeySender}, TextValue(sender.String())},
		{Key{Int: KeyRoom}, TextValue(room.String())},
	}}
}

func plain(d Disposition, text string) Part {
	return Part{Disposition: d, Body: Single{TypePlain, []byte(text)}}
}
