package content

import (
	"time"

	"parley/uri"
)

// maxAhead is how far the hub's clock may be ahead of ours (A-C15).
const maxAhead = 5 * time.Minute

// firstSyntax is 2024-01-01: no message in this format is older (draft-ietf-mimi-content-08 §9.1, A-C2).
const firstSyntax = 1704067200 * 1000 // milliseconds

// CheckAccepted holds the accepted time, in milliseconds since 1970, of a message that has just come against our clock and the
// time at which the room was created, zero where that is not known (§9.1). It is a rule for live delivery, not for stored
// messages.
func CheckAccepted(millis uint64, now, created time.Time) error {
	if latest := now.Add(maxAhead).UnixMilli(); latest < 0 || millis > uint64(latest) {
		return ErrFuture
	}
	if millis < firstSyntax || !created.IsZero() && created.UnixMilli() > int64(millis) {
		return ErrPast
	}
	return nil
}

// Position is the place of a message in its room and topic: by the hub's accepted time, of messages with the same time by
// the lower ID (§3.4, §5.11).
type Position struct {
	Accepted uint64 // milliseconds since 1970
	ID       MessageID
}

// Compare orders positions.
func (p Position) Compare(q Position) int {
	if p.Accepted != q.Accepted {
		if p.Accepted < q.Accepted {
			return -1
		}
		return 1
	}
	return p.ID.Compare(q.ID)
}

// CheckSend finds what must not be sent, though a receiver would let it pass: no or another origin than that of sender and
// room (C-EXT-08), extension keys that nobody registered (§8.2.1), floating point numbers (§6.2), a null body that deletes
// nothing, references to parts that cannot be shown (§4.4), and all that Validate finds.
func (m Message) CheckSend(sender uri.User, room uri.Room) error {
	if err := m.Validate(); err != nil {
		return err
	}
	for _, key := range []int64{KeySender, KeyRoom} {
		if _, found := m.textOf(key); !found {
			return ErrNoOrigin
		}
	}
	if err := m.CheckOrigin(sender, room); err != nil {
		return err
	}
	for _, e := range m.Extensions {
		if e.Key.Text == "" && e.Key.Int > KeyRoom {
			return ErrUnregistered
		}
		if e.Value.float() {
			return ErrFloat
		}
	}
	if m.Body.Body == nil && m.Replaces == nil {
		return ErrEmpty
	}
	return m.Body.checkReferences()
}

func (p Part) checkReferences() error {
	for _, container := range p.All() {
		text, ok := containerText(container)
		if !ok {
			continue
		}
		for _, index := range References(text) {
			target, found := p.At(index)
			if !found || !target.leaf() {
				return ErrReference
			}
		}
	}
	return nil
}

// leaf reports whether the part is a single or an external part.
func (p Part) leaf() bool {
	switch p.Body.(type) {
	case Single, External:
		return true
	}
	return false
}

// float reports whether there is a floating point number in the item. Typed arrays (tags 80 to 87) are octets to us.
func (v Value) float() bool {
	r := &reader{data: []byte(v.encoded)}
	for r.err == nil && r.left() > 0 {
		major, info, arg := r.head()
		switch major {
		case majorBytes, majorText:
			r.take(arg)
		case majorSimple:
			if info >= 25 && info <= 27 {
				return true
			}
		}
	}
	return false
}

// Receipted reports whether a recipient tells the sender that the message has been delivered and read: what is shown to the
// user by itself. Reports are never answered by reports (C-ST-09), nor are deletions and reactions.
func (m Message) Receipted() bool {
	if m.Body.Body == nil || m.Body.Disposition == DispositionReaction {
		return false
	}
	single, ok := m.Body.Body.(Single)
	return !ok || mediaName(single.ContentType) != StatusMediaType
}
