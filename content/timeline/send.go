package timeline

import (
	"time"

	"parley/content"
)

// Answerable is the version that a reply or a reaction to a message names, the latest one (§4.1), and the topic that a reply stays
// in. What is not here, is gone, or replies to itself cannot be replied to, and there is no reaction to a reaction.
func (t *Timeline) Answerable(id content.MessageID, now time.Time) (to content.MessageID, topic []byte, err error) {
	it := t.items[t.root(id)]
	if it == nil || len(it.places) == 0 {
		return content.MessageID{}, nil, ErrTarget
	}
	p := it.first()
	switch state, _ := t.state(p, now); {
	case state != Present:
		return content.MessageID{}, nil, ErrGone
	case t.loops(it):
		return content.MessageID{}, nil, content.ErrLoop
	}
	m, shown := t.message(p, now)
	if !shown {
		return content.MessageID{}, nil, ErrTarget
	}
	return m.ID, m.Topic, nil
}

// Editable is what content.NewEdit and content.NewDelete take to change a message: its first version, or the first that is known,
// with the topic that it is in now. rights are those that this user has now; deleting is asked with null set.
func (t *Timeline) Editable(id content.MessageID, null bool, rights Rights, now time.Time) (target content.MessageID, m content.Message, err error) {
	it := t.items[t.root(id)]
	if it == nil || len(it.places) == 0 {
		return content.MessageID{}, content.Message{}, ErrTarget
	}
	p := it.first()
	if state, _ := t.state(p, now); state != Present {
		return content.MessageID{}, content.Message{}, ErrGone
	}
	base := p.strand.base(it)
	own := base.Sender == t.config.Self
	need, other := editRight(base), Rights(0)
	if null {
		need, other = DeleteOwnMessage, DeleteOtherMessage
		if base.reacts() {
			need, other = DeleteOwnReaction, DeleteOtherReaction
		}
	}
	switch {
	case other != 0 && rights.has(other), own && rights.has(need):
	case own:
		return content.MessageID{}, content.Message{}, ErrRight
	default:
		return content.MessageID{}, content.Message{}, ErrAuthor
	}
	m = base.Message
	m.Topic = []byte(p.topic)
	if p.topic == "" {
		m.Topic = nil
	}
	return base.ID, m, nil
}
