package timeline

import (
	"time"

	"parley/content"
	"parley/uri"
)

// Rights are what the room lets the sender of a message do, at the time of the message. Bit n is capability 0x0104+n of the
// registry of draft-ietf-mimi-room-policy-03 §10.2.
type Rights uint16

// The rights that decide what a message does to others.
const (
	Reply Rights = 1 << iota
	React
	EditReaction
	DeleteOwnReaction
	DeleteOtherReaction
	EditOwnMessage
	DeleteOwnMessage
	DeleteOtherMessage
	StartTopic
	ReplyInTopic
	EditOwnTopic
	EditOtherTopic
)

// Usual are the rights of somebody in a room without a policy on them.
const Usual = Reply | React | EditReaction | DeleteOwnReaction | EditOwnMessage | DeleteOwnMessage | StartTopic | ReplyInTopic

func (r Rights) has(all Rights) bool { return r&all == all }

// Error says why a message is discarded or has no effect. It holds no content.
type Error string

// Reasons to discard a message, besides those of package content.
const (
	ErrDuplicate Error = "timeline: message seen before"
	ErrMember    Error = "timeline: sender is no member of the room"
)

// Reasons for which a message that is kept has no effect.
const (
	ErrAuthor Error = "timeline: only the author may do that"
	ErrRight  Error = "timeline: the room's policy does not allow that"
	ErrTarget Error = "timeline: not something to react to"
	ErrGone   Error = "timeline: what it is about has been deleted or has expired"
)

func (e Error) Error() string { return string(e) }

// Event is a message as it came out of the group.
type Event struct {
	Encoded  []byte // MIMI content without framing
	Accepted uint64 // hub's time in milliseconds since 1970
	Sender   uri.User
	Client   uri.Client
	Leaf     uint32
	Rights   Rights
}

// Version is one message of the wire: an original, an edit, a deletion or a reaction.
type Version struct {
	ID       content.MessageID
	Accepted uint64
	Sender   uri.User
	Client   uri.Client
	Leaf     uint32
	Rights   Rights
	Message  content.Message
	// Erased says that the content is gone: extensions and body of Message are empty, but for the body's disposition.
	Erased bool
}

// Position is the version's place in the room's order.
func (v *Version) Position() content.Position {
	return content.Position{Accepted: v.Accepted, ID: v.ID}
}

// Derived are the values of the version that do not travel in it (draft-ietf-mimi-content-08 §4.6); group is the MLS group ID.
func (v *Version) Derived(room uri.Room, group []byte) content.Derived {
	return content.Derived{ID: v.ID, Accepted: content.AcceptedAt(v.Accepted), Group: group, Leaf: v.Leaf,
		Client: v.Client.String(), User: v.Sender.String(), Room: room.String()}
}

func (v *Version) deletes() bool {
	return !v.Erased && v.Message.Replaces != nil && v.Message.Body.Body == nil
}

// reacts reports whether the version is, or was, a reaction.
func (v *Version) reacts() bool {
	return v.Message.InReplyTo != nil && v.Message.Body.Disposition == content.DispositionReaction
}

// erase drops the content and returns where its external parts lie.
func (v *Version) erase() Erasure {
	e := Erasure{ID: v.ID}
	for _, p := range v.Message.Body.All() {
		if external, ok := p.Body.(content.External); ok {
			e.URLs = append(e.URLs, external.URL)
		}
	}
	v.Message.Body = content.Part{Disposition: v.Message.Body.Disposition}
	v.Message.Extensions = nil
	v.Message.Salt = [16]byte{}
	v.Erased = true
	return e
}

// Erasure names content to remove wherever it is stored: the octets of a version and what was cached of its external parts.
type Erasure struct {
	ID   content.MessageID
	URLs []string
}

// Kind is what an event turned out to be.
type Kind uint8

// The kinds.
const (
	KindMessage Kind = iota
	KindEdit
	KindDeletion
	KindReaction
	KindReport
)

// Change is what an event did.
type Change struct {
	Kind  Kind
	ID    content.MessageID
	Roots []content.MessageID // messages that look different now; what quotes them does, too (see Answers)
	Erase []Erasure
	// Refused is why the event has no effect, as far as can be told now.
	Refused error
}

// Config is what a timeline has to know of its room and its user.
type Config struct {
	Room     uri.Room
	Created  time.Time // of the room; zero: not known
	Self     uri.User
	Receiver content.Receiver
	Expiry   *content.ExpiryRule // nil: no policy
	// Member reports whether somebody is or was a member. It is asked for history that MLS has not checked; nil: all are.
	Member func(uri.User) bool
}
