package timeline

import (
	"iter"
	"slices"
	"strings"
	"time"

	"parley/content"
	"parley/uri"
)

// State is what became of a message.
type State uint8

// The states. Deleted and expired ones have no content.
const (
	Present State = iota
	Deleted
	Expired
)

// Message is what is shown of a message.
type Message struct {
	Root   content.MessageID // first version: what edits and deletions name
	ID     content.MessageID // shown version: what replies and reactions name
	Sender uri.User
	Client uri.Client
	Leaf   uint32
	Place  content.Position // that of the first version known
	State  State

	DeletedBy uri.User // if deleted
	Edited    bool     // if present
	Whole     bool     // the original has been seen; otherwise Sender is whoever edits it
	Read      bool     // by this user

	Body       content.Part // of the shown version
	View       content.View
	Text       string              // as content.Text gives it; package render makes it fit for a terminal or a page
	Extensions []content.Extension // of the first version
	Topic      []byte              // empty: none
	Quote      *Quote              // nil: no reply
	Reactions  []Reaction          // in the order of the first of each
	Expires    time.Time           // zero: not, or not yet known
	// Violations say in what the message goes against the room's policy. It is shown, but has no such effect.
	Violations []error
	Refused    []Refusal // what others, or the author, tried on it without effect, in the room's order
}

// QuoteState says what is known of a message that is replied to.
type QuoteState uint8

// The states. Only a present message may be quoted.
const (
	QuotePresent QuoteState = iota
	QuoteAbsent             // not seen, or not any more
	QuoteDeleted
	QuoteExpired
	QuoteRefused // a version that its sender was not allowed to make
	QuoteLoop    // the replies lead back to this message
)

// Quote is what a message replies to: one version, bound by its hash.
type Quote struct {
	ID     content.MessageID
	State  QuoteState
	Root   content.MessageID
	Sender uri.User // if seen
	Body   content.Part
	Text   string
	Older  bool // there is a later version than the one that was replied to
}

// Refusal is something that somebody tried on a message without effect.
type Refusal struct {
	ID     content.MessageID
	Sender uri.User
	Kind   Kind
	Reason error
}

// Messages are all messages that are shown at a time, in the room's order.
func (t *Timeline) Messages(now time.Time) iter.Seq[Message] {
	return func(yield func(Message) bool) {
		for _, p := range t.places {
			if m, shown := t.message(p, now); shown && !yield(m) {
				return
			}
		}
	}
}

// Before are the messages in front of a position, the nearest first.
func (t *Timeline) Before(at content.Position, now time.Time) iter.Seq[Message] {
	end, _ := slices.BinarySearchFunc(t.places, place{at: at}, place.compare)
	return func(yield func(Message) bool) {
		for _, p := range slices.Backward(t.places[:end]) {
			if m, shown := t.message(p, now); shown && !yield(m) {
				return
			}
		}
	}
}

// Topics are the topics in which messages are shown, in the order of their first messages.
func (t *Timeline) Topics(now time.Time) [][]byte {
	var list [][]byte
	listed := map[string]bool{}
	for _, p := range t.places {
		if p.topic == "" || listed[p.topic] || !t.permitted(p) {
			continue
		}
		if _, shown := t.message(p, now); shown {
			listed[p.topic] = true
			list = append(list, []byte(p.topic))
		}
	}
	return list
}

// Thread are the messages of a topic, in the room's order (§5.11). Where the topic is the ID of a message without a topic (see
// content.TopicOf), that message is the head, which stands before them.
func (t *Timeline) Thread(topic []byte, now time.Time) iter.Seq[Message] {
	return func(yield func(Message) bool) {
		th := t.topics[string(topic)]
		if th == nil {
			return
		}
		if len(topic) == len(content.MessageID{}) {
			head, found := t.Message(content.MessageID(topic), now)
			if found && len(head.Topic) == 0 && !yield(head) {
				return
			}
		}
		for _, p := range th.places {
			if !t.permitted(p) {
				continue
			}
			if m, shown := t.message(p, now); shown && !yield(m) {
				return
			}
		}
	}
}

// Message is the message that the version with the given ID belongs to; reactions are found, too. Of a message whose original is
// not here and which several users edit it is the first.
func (t *Timeline) Message(id content.MessageID, now time.Time) (m Message, found bool) {
	it := t.items[t.root(id)]
	if it == nil || len(it.places) == 0 {
		return Message{}, false
	}
	return t.build(it.first(), now), true
}

// Ancestors are the messages that a message replies to, the nearest first, at most limit of them. They stop at what is not here
// and before they repeat themselves.
func (t *Timeline) Ancestors(id content.MessageID, limit int, now time.Time) []Message {
	var list []Message
	it := t.items[t.root(id)]
	passed := map[*item]bool{it: true}
	for it != nil && len(list) < limit {
		if it = t.parent(it); it == nil || len(it.places) == 0 || passed[it] {
			return list
		}
		passed[it] = true
		list = append(list, t.build(it.first(), now))
	}
	return list
}

// Answers are the roots of the messages that reply or react to a version of a message.
func (t *Timeline) Answers(id content.MessageID) []content.MessageID {
	it := t.items[t.root(id)]
	if it == nil {
		return nil
	}
	var list []content.MessageID
	listed := map[content.MessageID]bool{}
	for _, v := range it.answers {
		if root := t.root(v.ID); !listed[root] {
			listed[root] = true
			list = append(list, root)
		}
	}
	return list
}

// Versions are the versions of a message that are still here, by its author and in order (§9.3).
func (t *Timeline) Versions(id content.MessageID) []Version {
	it := t.items[t.root(id)]
	if it == nil || len(it.places) == 0 {
		return nil
	}
	first := it.first()
	var list []Version
	for _, v := range first.strand.versions {
		list = append(list, *v)
	}
	return list
}

// message is what is shown at a place; shown is false for what has no line of its own.
func (t *Timeline) message(p place, now time.Time) (m Message, shown bool) {
	base, current := p.strand.base(p.item), p.strand.current(p.item)
	state, _ := t.state(p, now)
	switch {
	case state == Expired:
		return Message{}, false
	case base.reacts():
		if _, regular := t.reactionsOf(current); state == Deleted || regular || current.Erased {
			return Message{}, false
		}
	case state == Present && current.Message.Body.Body == nil:
		return Message{}, false // empty (A-C12)
	}
	return t.build(p, now), true
}

func (t *Timeline) state(p place, now time.Time) (State, *Version) {
	if at, found := t.expiry(p); p.strand.expired || found && !now.Before(at) {
		return Expired, nil
	}
	if d := p.strand.deletion(p.item); d != nil {
		return Deleted, d
	}
	return Present, nil
}

func (t *Timeline) build(p place, now time.Time) Message {
	base, current := p.strand.base(p.item), p.strand.current(p.item)
	m := Message{
		Root: p.item.root, ID: current.ID, Sender: p.strand.author, Client: current.Client, Leaf: current.Leaf, Place: p.at,
		Whole: p.item.original != nil, Read: !p.item.read.IsZero(),
		Violations: t.violations(p), Refused: t.refused(p),
	}
	var by *Version
	if m.State, by = t.state(p, now); by != nil {
		m.DeletedBy = by.Sender
	}
	if at, found := t.expiry(p); found {
		m.Expires = at
	}
	if t.permitted(p) && p.topic != "" {
		m.Topic = []byte(p.topic)
	}
	if base.Message.InReplyTo != nil && (base.reacts() || base.Rights.has(Reply)) {
		m.Quote = t.quote(p.item, *base.Message.InReplyTo, now)
	}
	if m.State != Present {
		return m
	}
	m.Edited = current.Message.Replaces != nil
	m.Body, m.Extensions = current.Message.Body, base.Message.Extensions
	m.View = t.config.Receiver.View(m.Body)
	m.Text = t.text(current)
	m.Reactions = t.reactions(p, now)
	return m
}

// text is a version as plain text. One that was sent as a reaction says so, however it was edited since.
func (t *Timeline) text(v *Version) string {
	return strings.TrimSpace(t.config.Receiver.Text(v.Message))
}

// quote is what is shown of a message that an item replies to.
func (t *Timeline) quote(from *item, id content.MessageID, now time.Time) *Quote {
	q := &Quote{ID: id, Root: t.root(id), State: QuoteAbsent}
	v, it := t.versions[id], t.items[q.Root]
	if t.loops(from) {
		q.State = QuoteLoop
		return q
	}
	if v == nil || it == nil || v.deletes() {
		return q
	}
	q.Sender = v.Sender
	at := slices.IndexFunc(it.places, func(p place) bool { return p.strand.author == v.Sender })
	if at < 0 {
		q.State = QuoteRefused
		return q
	}
	p := it.places[at]
	base := p.strand.base(it)
	switch state, _ := t.state(p, now); {
	case state == Expired:
		q.State = QuoteExpired
	case state == Deleted:
		q.State = QuoteDeleted
	case v != base && !v.Rights.has(editRight(base)):
		q.State = QuoteRefused
	case v.Erased:
	default:
		q.State, q.Body, q.Text = QuotePresent, v.Message.Body, t.text(v)
		q.Older = p.strand.current(it) != v
	}
	return q
}

// violations are what a message does that its sender may not do (R-CAP-17) or that the room does not want.
func (t *Timeline) violations(p place) []error {
	var list []error
	base := p.strand.base(p.item)
	if base.Message.InReplyTo != nil && !base.reacts() && !base.Rights.has(Reply) || !t.permitted(p) {
		list = append(list, ErrRight)
	}
	if base.reacts() || t.config.Expiry == nil {
		return list
	}
	if err := t.config.Expiry.Check(base.Message.Expires, base.Accepted); err != nil {
		list = append(list, err)
	}
	return list
}

// refused are the edits and deletions of a message without effect.
func (t *Timeline) refused(p place) []Refusal {
	var tried []*Version
	add := func(v *Version) {
		if v.deletes() || v != p.strand.base(p.item) {
			tried = append(tried, v)
		}
	}
	for _, s := range p.item.strands {
		if s != p.strand && p.item.original == nil {
			continue // stands for itself
		}
		for _, v := range s.versions {
			add(v)
		}
		for _, v := range s.refused {
			add(v)
		}
	}
	for _, d := range p.item.deletions {
		add(d)
	}
	slices.SortFunc(tried, func(x, y *Version) int { return x.Position().Compare(y.Position()) })
	var list []Refusal
	for _, v := range tried {
		if reason := t.refusal(p.item, v); reason != nil {
			list = append(list, Refusal{v.ID, v.Sender, kindOf(v), reason})
		}
	}
	return list
}
