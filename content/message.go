package content

import (
	"time"

	"parley/uri"
)

// MediaType is the media type of an encoded Message (draft-ietf-mimi-content-08 §8.1).
const MediaType = "application/mimi-content"

const (
	maxTopic     = 4096                 // octets, §9.1
	defaultLimit = 64 << 10             // octets of one message, A-C7
	messageItems = 7                    // elements of the outer array, §4.1; there is no lastSeen (A-C25)
	maxExpiry    = 366 * 24 * time.Hour // A-C15
)

// Message is a MIMI message (draft-ietf-mimi-content-08 §4.1). Nil and empty stand for the null forms of the wire.
type Message struct {
	Salt       [16]byte   // random and fresh for every message, edits and resends too
	Replaces   *MessageID // the first version of the message that this one edits or deletes
	Topic      []byte     // at most 4096 octets; empty: no topic
	Expires    *Expires
	InReplyTo  *MessageID
	Extensions []Extension // ascending by encoded key when decoded; Encode puts them in order
	Body       Part
}

// Expires says when a message vanishes: at Time in seconds since 1970, or Time seconds after it was read.
type Expires struct {
	Relative bool
	Time     uint32
}

// Limits bounds what is decoded beyond the limits of the draft. The zero value stands for the defaults.
type Limits struct {
	Size int // octets of the encoded message; 0: 64 KiB
}

// Decode reads a message with the default limits. It accepts deterministic encodings only.
func Decode(data []byte) (Message, error) { return Limits{}.Decode(data) }

// Decode reads a message within the limits.
func (l Limits) Decode(data []byte) (Message, error) {
	most := l.Size
	if most == 0 {
		most = defaultLimit
	}
	if len(data) > most {
		return Message{}, ErrSize
	}
	return decode(data)
}

func decode(data []byte) (Message, error) {
	r := &reader{data: data}
	var m Message
	r.fields(messageItems)
	r.fixed(m.Salt[:])
	m.Replaces = r.reference()
	m.Topic = r.bytes()
	if len(m.Topic) > maxTopic {
		r.fail(ErrSize)
	}
	m.Expires = r.expires()
	m.InReplyTo = r.reference()
	m.Extensions = r.extensions()
	m.Body = r.part(1)
	if err := r.end(); err != nil {
		return Message{}, err
	}
	return m, nil
}

// Encode writes the message. What Decode would refuse, whatever its size, is refused here with the same error.
func (m Message) Encode() ([]byte, error) {
	b := make([]byte, 0, 128+len(m.Topic)+m.Body.size())
	b = appendHead(b, majorArray, messageItems)
	b = appendBytes(b, m.Salt[:])
	b = appendReference(b, m.Replaces)
	b = appendBytes(b, m.Topic)
	b = appendExpires(b, m.Expires)
	b = appendReference(b, m.InReplyTo)
	b = appendExtensions(b, m.Extensions)
	b = m.Body.append(b)
	if _, err := decode(b); err != nil {
		return nil, err
	}
	return b, nil
}

func (r *reader) fixed(dst []byte) {
	if n := r.expect(majorBytes); r.err == nil && n != uint64(len(dst)) {
		r.fail(ErrShape)
	}
	copy(dst, r.take(uint64(len(dst))))
}

// reference reads the ID of another message or null. An ID of an unknown algorithm makes the message invalid (§9.1).
func (r *reader) reference() *MessageID {
	if r.null() {
		return nil
	}
	var id MessageID
	r.fixed(id[:])
	if r.err == nil && !id.Known() {
		r.fail(ErrHash)
	}
	return &id
}

func appendReference(b []byte, id *MessageID) []byte {
	if id == nil {
		return append(b, octetNull)
	}
	return appendBytes(b, id[:])
}

func (r *reader) expires() *Expires {
	if r.null() {
		return nil
	}
	r.fields(2)
	return &Expires{Relative: r.bool(), Time: uint32(r.uint(1<<32 - 1))}
}

func appendExpires(b []byte, e *Expires) []byte {
	if e == nil {
		return append(b, octetNull)
	}
	b = appendBool(appendHead(b, majorArray, 2), e.Relative)
	return appendHead(b, majorUint, uint64(e.Time))
}

// Extension is the value of an extension.
func (m Message) Extension(k Key) (Value, bool) {
	for _, e := range m.Extensions {
		if e.Key == k {
			return e.Value, true
		}
	}
	return Value{}, false
}

// Sender is the sender's user URI as written in extension 1. It is a claim until CheckOrigin.
func (m Message) Sender() (string, bool) { return m.textOf(KeySender) }

// Room is the room URI as written in extension 2. It is a claim until CheckOrigin.
func (m Message) Room() (string, bool) { return m.textOf(KeyRoom) }

func (m Message) textOf(key int64) (string, bool) {
	v, found := m.Extension(Key{Int: key})
	if !found {
		return "", false
	}
	return v.Text()
}

// CheckOrigin holds the claims of extensions 1 and 2, where present, against the user of the sender's MLS leaf and the room
// of the group: a message that claims another origin is discarded (§9.1, A-C4).
func (m Message) CheckOrigin(sender uri.User, room uri.Room) error {
	if claim, found := m.Sender(); found && !uri.Equal(claim, sender.String()) {
		return ErrOrigin
	}
	if claim, found := m.Room(); found && !uri.Equal(claim, room.String()) {
		return ErrOrigin
	}
	return nil
}

// CheckExpires refuses an expiry more than 366 days from now, in either direction (§9.1, A-C15). It is a rule for live
// delivery, not for stored messages.
func (m Message) CheckExpires(now time.Time) error {
	if m.Expires == nil {
		return nil
	}
	away := time.Duration(m.Expires.Time) * time.Second
	if !m.Expires.Relative {
		away = time.Unix(int64(m.Expires.Time), 0).Sub(now).Abs()
	}
	if away > maxExpiry {
		return ErrExpires
	}
	return nil
}

// Validate finds what a decoder lets pass but must not be produced nor acted upon: the reserved extension key, and external
// parts that cannot be fetched and verified. A receiver still shows such a message, it only processes nothing automatically.
func (m Message) Validate() error {
	if _, found := m.Extension(Key{}); found {
		return ErrReserved
	}
	for _, p := range m.Body.All() {
		if external, ok := p.Body.(External); ok {
			if err := external.Validate(); err != nil {
				return err
			}
		}
	}
	return nil
}
