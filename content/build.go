package content

import (
	"html"
	"strings"

	"parley/uri"
)

// Media types of text (draft-ietf-mimi-content-08 §7.1). Every receiver understands the first two.
const (
	TypePlain      = "text/plain;charset=utf-8"
	TypeMarkdown   = "text/markdown;variant=GFM-MIMI"
	TypeCommonMark = "text/markdown;variant=CommonMark"
	TypeHTML       = "text/html;charset=utf-8"
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

// NewReactions reacts with several characters at once, each in a part of its own (§5.3).
func NewReactions(salt [16]byte, sender uri.User, room uri.Room, to MessageID, reactions ...string) (Message, error) {
	if len(reactions) == 1 {
		return NewReaction(salt, sender, room, to, reactions[0])
	}
	parts := make([]Part, 0, len(reactions))
	for _, reaction := range reactions {
		if clusters(reaction) != 1 {
			return Message{}, ErrReaction
		}
		parts = append(parts, plain(DispositionReaction, reaction))
	}
	if len(parts) == 0 {
		return Message{}, ErrReaction
	}
	m := newMessage(salt, sender, room, Part{Disposition: DispositionReaction, Body: Multi{ProcessAll, parts}})
	m.InReplyTo = &to
	return m, nil
}

// NewSession invites to a conference at an absolute URL. Receivers ask their users before they join (§5.10).
func NewSession(salt [16]byte, sender uri.User, room uri.Room, url, description string) (Message, error) {
	if !absolute(url) {
		return Message{}, ErrURL
	}
	return newMessage(salt, sender, room, Part{Disposition: DispositionSession,
		Body: External{URL: url, Description: description}}), nil
}

// Beside offers a body in the sender's own media types beside the common one: apps of the same vendor show the first, all
// others the second, and it is one message with one ID (§7.2).
func Beside(own, common Part) Part {
	return Part{Disposition: common.Disposition, Body: Multi{ChooseOne, []Part{own, common}}}
}

// TopicOf is the topic of a thread that starts at the message with the ID (§5.11). A reply copies its topic from there on.
func TopicOf(first MessageID) []byte { return first[:] }

// Mention is a mention in Markdown; name is what the sender calls the user (§5.4). Without a name it expresses no preference.
func Mention(user uri.User, name string) string {
	if name == "" {
		return "<" + user.String() + ">"
	}
	return "[@" + EscapeMarkdown(name) + "](" + user.String() + ")"
}

// MentionHTML is a mention in HTML.
func MentionHTML(user uri.User, name string) string {
	if name == "" {
		name = user.String()
	} else {
		name = "@" + name
	}
	return `<a href="` + html.EscapeString(user.String()) + `">` + html.EscapeString(name) + "</a>"
}

// EscapeMarkdown makes Markdown that shows text as it is, in one line.
func EscapeMarkdown(text string) string {
	var out strings.Builder
	for _, r := range text {
		switch {
		case r == '\n' || r == '\r':
			r = ' '
		case r < 0x80 && !('0' <= r && r <= '9') && !('a' <= r|0x20 && r|0x20 <= 'z') && r > ' ':
			out.WriteByte('\\')
		}
		out.WriteRune(r)
	}
	return out.String()
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
