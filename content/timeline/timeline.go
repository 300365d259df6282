package timeline

import (
	"time"

	"parley/content"
	"parley/uri"
)

// Timeline is the state of one room's conversation.
type Timeline struct {
	config   Config
	items    map[content.MessageID]*item
	replaced map[content.MessageID]content.MessageID // version to the one it names, or to an earlier one on the way
	versions map[content.MessageID]*Version          // those that are kept
	seen     map[content.MessageID]struct{}
	places   []place // of all items that are shown by themselves, in order
	topics   map[string]*thread
	status   map[content.MessageID]map[uri.User]*content.StatusKept
	waiting  map[uri.User]int // statuses of messages not seen, by reporter
	expiring []*item
}

// New is an empty timeline.
func New(c Config) *Timeline {
	return &Timeline{
		config:   c,
		items:    map[content.MessageID]*item{},
		replaced: map[content.MessageID]content.MessageID{},
		versions: map[content.MessageID]*Version{},
		seen:     map[content.MessageID]struct{}{},
		topics:   map[string]*thread{},
		status:   map[content.MessageID]map[uri.User]*content.StatusKept{},
		waiting:  map[uri.User]int{},
	}
}

// Receive takes in a message that has just come. Beyond Add it holds the message's times against the clock. An error says why the
// message is to be discarded and logged (draft-ietf-mimi-content-08 §9.1).
func (t *Timeline) Receive(e Event, now time.Time) (Change, error) {
	v, err := t.read(e)
	if err != nil {
		return Change{}, err
	}
	if err := content.CheckAccepted(e.Accepted, now, t.config.Created); err != nil {
		return Change{}, err
	}
	if err := v.Message.CheckExpires(now); err != nil {
		return Change{}, err
	}
	return t.insert(v)
}

// Add takes in a stored message, or one of a history that somebody shared. An error says why it is to be discarded.
func (t *Timeline) Add(e Event) (Change, error) {
	v, err := t.read(e)
	if err != nil {
		return Change{}, err
	}
	return t.insert(v)
}

// AddErased takes in the stub of a version that this client has erased. Its ID is believed.
func (t *Timeline) AddErased(stub Version) (Change, error) {
	if _, known := t.seen[stub.ID]; known {
		return Change{}, ErrDuplicate
	}
	stub.erase()
	return t.insert(&stub)
}

func (t *Timeline) read(e Event) (*Version, error) {
	m, err := content.Decode(e.Encoded)
	if err != nil {
		return nil, err
	}
	id, err := m.ID(e.Encoded, e.Sender, t.config.Room)
	if err != nil {
		return nil, err
	}
	if t.config.Member != nil && !t.config.Member(e.Sender) {
		return nil, ErrMember
	}
	if _, known := t.seen[id]; known {
		return nil, ErrDuplicate
	}
	return &Version{ID: id, Accepted: e.Accepted, Sender: e.Sender, Client: e.Client, Leaf: e.Leaf, Rights: e.Rights, Message: m}, nil
}

func (t *Timeline) insert(v *Version) (Change, error) {
	report, found, err := v.Message.Status()
	if err != nil {
		return Change{}, err
	}
	if found && !v.Erased {
		t.seen[v.ID] = struct{}{}
		return Change{Kind: KindReport, ID: v.ID, Roots: t.report(v.Sender, v.Position(), report)}, nil
	}
	if v.Message.Replaces != nil {
		if err := t.join(v.ID, *v.Message.Replaces); err != nil {
			return Change{}, err
		}
	}
	t.seen[v.ID] = struct{}{}
	t.arrived(v.ID)
	it := t.item(t.root(v.ID))
	it.take(v)
	t.keep(it, v)
	change := Change{ID: v.ID, Kind: kindOf(v), Roots: []content.MessageID{it.root}}
	if to := v.Message.InReplyTo; to != nil {
		target := t.item(t.root(*to))
		target.answers = append(target.answers, v)
		if v.reacts() {
			change.Roots = append(change.Roots, target.root)
		}
	}
	t.settle(it)
	change.Erase = t.erase(it)
	change.Refused = t.refusal(it, v)
	return change, nil
}

func kindOf(v *Version) Kind {
	switch {
	case v.deletes():
		return KindDeletion
	case v.Message.Replaces != nil:
		return KindEdit
	case v.reacts():
		return KindReaction
	}
	return KindMessage
}

// keep remembers the version, and forgets the one that it pushed out of its strand.
func (t *Timeline) keep(it *item, v *Version) {
	t.versions[v.ID] = v
	for _, dropped := range it.dropped {
		delete(t.versions, dropped.ID)
	}
	it.dropped = nil
}

// item is the one with the given root, which is made if nothing is known of it.
func (t *Timeline) item(root content.MessageID) *item {
	it := t.items[root]
	if it == nil {
		it = &item{root: root}
		t.items[root] = it
	}
	return it
}

// root follows replaces to the first version, or to the one that is not here (A-C10). Ways are shortened as they are walked.
func (t *Timeline) root(id content.MessageID) content.MessageID {
	for {
		next, found := t.replaced[id]
		if !found {
			return id
		}
		if further, found := t.replaced[next]; found {
			t.replaced[id] = further
		}
		id = next
	}
}

// join makes what was known as versions of id versions of what id replaces. A version that would replace itself is refused.
func (t *Timeline) join(id, replaces content.MessageID) error {
	root := t.root(replaces)
	if root == id {
		return content.ErrLoop
	}
	t.replaced[id] = root
	from := t.items[id]
	if from == nil {
		return nil
	}
	delete(t.items, id)
	t.unplace(from)
	into := t.item(root)
	into.absorb(from)
	for _, dropped := range into.dropped {
		delete(t.versions, dropped.ID)
	}
	into.dropped = nil
	return nil
}
