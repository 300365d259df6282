package client

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"parley/content"
	"parley/content/timeline"
	"parley/mls"
	"parley/mls/wire"
	"parley/policy"
	"parley/syntax"
	"parley/uri"
)

// Bounds of what of a room is held in memory. The rest is looked up when something refers to it.
const (
	tailMessages = 256  // at the start,
	tailBlocks   = 4    // in so many blocks of the log at most
	mostLoaded   = 8192 // then the view is dropped and built anew from its tail
	mostRefs     = 256  // edits, reactions and replies of one message that are looked up
)

// talk is what a room's log shows, and what is kept beside it.
type talk struct {
	savedTalk
	view    *timeline.Timeline // nil: not loaded
	seqs    map[content.MessageID]uint64
	asked   map[content.MessageID]bool
	rights  map[uri.User]timeline.Rights
	people  int
	rules   content.StatusRules
	expiry  *content.ExpiryRule
	ruled   uint64 // one more than the epoch that rights, rules and expiry are of
	batch   content.StatusBatch
	changed bool   // savedTalk is to be written
	mine    uint64 // acceptance time of the last own message that came back
	taken   uint64 // of the last one that all providers have taken, as far as known
	asOf    uint64 // mine when the hub was asked
	lanes   []Lane // the hub's outbox for the room
}

// savedTalk is what is stored of it.
type savedTalk struct {
	ReadTo   uint64 `json:"read_to"`          // the first entry that was not read
	Unread   int    `json:"unread,omitempty"` // messages of others from ReadTo on
	Mentions int    `json:"mentions,omitempty"`
	Muted    bool   `json:"muted,omitempty"`
	Request  bool   `json:"request,omitempty"` // from a stranger, not accepted yet
	Expiring bool   `json:"expiring,omitempty"`
	Shared   uint64 `json:"shared,omitempty"` // how many entries another device has shared
}

const keyTalks = "talk/"

func (r *Room) talkRecord() (mls.Record, error) {
	text, err := json.Marshal(r.talk.savedTalk)
	return mls.Record{Key: r.under("talk", "state"), Value: text}, err
}

// loadTalks reads what stands beside the logs: read marks, and the statuses that are still to be reported.
func (c *Client) loadTalks(ctx context.Context) error {
	rooms := make(map[string]*Room)
	for _, r := range c.rooms {
		rooms[r.under("talk", "state")] = r
		rooms[r.under("due", "")] = r
	}
	records, err := c.cfg.Store.Load(ctx, keyTalks)
	if err != nil {
		return err
	}
	for _, rec := range records {
		if r := rooms[rec.Key]; r != nil {
			if err := json.Unmarshal(rec.Value, &r.talk.savedTalk); err != nil {
				return fmt.Errorf("client: stored read marks: %w", err)
			}
		}
	}
	if records, err = c.cfg.Store.Load(ctx, "due/"); err != nil {
		return err
	}
	const name = 2 * len(content.MessageID{})
	for _, rec := range records {
		if len(rec.Key) < name {
			continue
		}
		of, name := rec.Key[:len(rec.Key)-name], rec.Key[len(rec.Key)-name:]
		id, err := hex.DecodeString(name)
		if r := rooms[of]; r != nil && err == nil && len(rec.Value) == 1 {
			r.talk.batch.Note(content.MessageID(id), content.Status(rec.Value[0]))
		}
	}
	return nil
}

// component reads a component of the room's policy into v; found is false when the room has none, or none that can be read.
func (r *Room) component(id wire.ComponentID, v syntax.Value) (found bool) {
	if r.group == nil {
		return false
	}
	data, ok := r.group.Public().Component(id)
	return ok && syntax.Unmarshal(data, v) == nil
}

// rule reads what the room's policy says in this epoch: everybody's rights, reports, expiry.
func (c *Client) rule(r *Room) {
	t := &r.talk
	if r.group == nil || t.ruled == r.Epoch()+1 {
		return
	}
	t.ruled = r.Epoch() + 1
	t.rights = make(map[uri.User]timeline.Rights)
	var roles policy.RoleData
	ruled := r.component(policy.RolesComponent, &roles)
	if list, err := participants(r.group.Public()); err == nil {
		t.people = len(list.Participants)
		for _, p := range list.Participants {
			user, err := uri.ParseUser(p.User)
			if err != nil {
				continue
			}
			t.rights[user] = timeline.Usual
			if ruled {
				t.rights[user] = rightsOf(&roles, p.Role)
			}
		}
	}
	t.rules = content.StatusRules{TellDelivery: c.cfg.Receipts.Delivered, TellRead: c.cfg.Receipts.Read, Crowded: t.people > crowd}
	var status policy.StatusNotificationPolicy
	if r.component(policy.StatusNotificationComponent, &status) {
		t.rules.Delivery, t.rules.Read = content.Optionality(status.Delivery), content.Optionality(status.Read)
	}
	var expiring policy.MessageExpiration
	var rule *content.ExpiryRule
	if r.component(policy.ExpirationComponent, &expiring) {
		rule = &content.ExpiryRule{Need: content.Optionality(expiring.Expiring), Least: expiring.Minimum, Most: expiring.Maximum, Default: expiring.Default}
	}
	if (rule == nil) != (t.expiry == nil) || rule != nil && !rule.Equal(*t.expiry) {
		t.view = nil // it was made under other rules
	}
	t.expiry = rule
}

// rightsOf are the capabilities of a role from 0x0104 on, as bits (draft-ietf-mimi-room-policy-03 §10.2).
func rightsOf(roles *policy.RoleData, index uint32) (out timeline.Rights) {
	role, ok := roles.Find(index)
	if !ok {
		return 0
	}
	for _, c := range role.Capabilities {
		if c >= policy.CanReply && c <= policy.CanEditOtherTopic {
			out |= 1 << (c - policy.CanReply)
		}
	}
	return out
}

// open loads the end of a room's log into a view, unless there is one.
func (c *Client) open(ctx context.Context, r *Room) error {
	c.rule(r)
	t := &r.talk
	if t.view != nil && len(t.seqs) < mostLoaded {
		return nil
	}
	t.view = timeline.New(timeline.Config{Room: r.URI, Self: c.self.User, Receiver: c.cfg.Receiver, Expiry: t.expiry})
	t.seqs, t.asked = make(map[content.MessageID]uint64), make(map[content.MessageID]bool)
	var tail []Entry
	messages := 0
	for n, end := 0, r.entries; n < tailBlocks && messages < tailMessages && end > 0; n++ {
		from := (end - 1) / logBlock * logBlock
		list, err := c.Timeline(ctx, r.URI, from, int(end-from))
		if err != nil {
			return err
		}
		for _, e := range list {
			if e.Kind == EntryMessage && e.Act != ActReport {
				messages++
			}
		}
		tail, end = append(list, tail...), from
	}
	if messages < tailMessages && t.Shared > 0 {
		old, err := c.shared(ctx, r, tailMessages)
		if err != nil {
			return err
		}
		tail = append(old, tail...)
	}
	for k := range tail {
		t.feed(&tail[k])
	}
	return c.openExpiring(ctx, r)
}

// openExpiring loads what expires, however long ago it came, and when it was read.
func (c *Client) openExpiring(ctx context.Context, r *Room) error {
	if !r.talk.Expiring {
		return nil
	}
	records, err := c.cfg.Store.Load(ctx, r.under("exp", ""))
	if err != nil {
		return err
	}
	for _, rec := range records {
		raw, err := hex.DecodeString(rec.Key[len(r.under("exp", "")):])
		if err != nil || len(raw) != len(content.MessageID{}) {
			continue
		}
		id := content.MessageID(raw)
		if err := c.pull(ctx, r, id); err != nil {
			return err
		}
		if len(rec.Value) == 8 {
			r.talk.view.Seen(id, time.UnixMilli(int64(binary.BigEndian.Uint64(rec.Value))))
		}
	}
	return nil
}

// feed gives a stored entry to the view. What the view does not want was told when it came.
func (t *talk) feed(e *Entry) {
	user, err := uri.ParseUser(e.User)
	if err != nil {
		return
	}
	switch {
	case e.Kind == EntryReport:
		if report, err := content.DecodeStatus(e.Content); err == nil {
			t.view.Report(user, e.Time, report)
		}
		return
	case e.Kind != EntryMessage || len(e.MessageID) != len(content.MessageID{}):
		return
	}
	id := content.MessageID(e.MessageID)
	if _, known := t.seqs[id]; known {
		return
	}
	device, err := uri.ParseClient(e.Client)
	if err != nil {
		return
	}
	if e.Stub != nil {
		_, err = t.view.AddErased(e.Stub.version(id, e, user, device))
	} else {
		_, err = t.view.Add(timeline.Event{Encoded: e.Content, Accepted: e.Time, Sender: user, Client: device, Leaf: e.Leaf, Rights: timeline.Rights(e.Rights)})
	}
	if err == nil || errors.Is(err, timeline.ErrDuplicate) {
		t.seqs[id] = e.Seq
	}
}

func (s *Stub) version(id content.MessageID, e *Entry, user uri.User, device uri.Client) timeline.Version {
	v := timeline.Version{ID: id, Accepted: e.Time, Sender: user, Client: device, Leaf: e.Leaf, Rights: timeline.Rights(e.Rights), Erased: true}
	v.Message.Replaces, v.Message.InReplyTo = reference(s.Replaces), reference(s.InReplyTo)
	v.Message.Topic, v.Message.Expires, v.Message.Body.Disposition = s.Topic, s.Expires, s.Disposition
	return v
}

func reference(raw []byte) *content.MessageID {
	if len(raw) != len(content.MessageID{}) {
		return nil
	}
	id := content.MessageID(raw)
	return &id
}

// stub drops the content of an entry.
func (e *Entry) erase() {
	if m, err := content.Decode(e.Content); err == nil {
		e.Stub = &Stub{Topic: m.Topic, Expires: m.Expires, Disposition: m.Body.Disposition}
		if m.Replaces != nil {
			e.Stub.Replaces = m.Replaces[:]
		}
		if m.InReplyTo != nil {
			e.Stub.InReplyTo = m.InReplyTo[:]
		}
	} else if e.Stub == nil {
		e.Stub = new(Stub)
	}
	e.Content, e.Text = nil, ""
}

// index keys: where a version stands, and what refers to it.
func (r *Room) midKey(id content.MessageID) string { return r.under("mid", id.String()) }

func (r *Room) refKey(to content.MessageID, seq uint64) string {
	return r.under("ref", fmt.Sprintf("%s/%016x", to, seq))
}

// index notes where a message stands.
func (r *Room) index(d *mls.Delta, e *Entry, m *content.Message) {
	id := content.MessageID(e.MessageID)
	d.Put(r.midKey(id), binary.BigEndian.AppendUint64(nil, e.Seq))
	for _, to := range []*content.MessageID{m.Replaces, m.InReplyTo} {
		if to != nil {
			d.Put(r.refKey(*to, e.Seq), []byte{1})
		}
	}
	if m.Expires != nil && m.Replaces == nil {
		d.Put(r.under("exp", id.String()), []byte{1})
		r.talk.Expiring, r.talk.changed = true, true
	}
}

// seqOf finds where a version stands.
func (c *Client) seqOf(ctx context.Context, r *Room, id content.MessageID) (seq uint64, found bool, err error) {
	if seq, found = r.talk.seqs[id]; found {
		return seq, true, nil
	}
	records, err := c.cfg.Store.Load(ctx, r.midKey(id))
	if err != nil || len(records) == 0 || len(records[0].Value) != 8 {
		return 0, false, err
	}
	return binary.BigEndian.Uint64(records[0].Value), true, nil
}

// pull brings a message into the view that is not among the last ones, with what edits it, deletes it and reacts to it.
func (c *Client) pull(ctx context.Context, r *Room, id content.MessageID) error {
	t := &r.talk
	if t.asked[id] {
		return nil
	}
	t.asked[id] = true
	var seqs []uint64
	if seq, found, err := c.seqOf(ctx, r, id); err != nil {
		return err
	} else if found {
		seqs = append(seqs, seq)
	}
	prefix := r.under("ref", id.String()+"/")
	records, err := c.cfg.Store.Load(ctx, prefix)
	if err != nil {
		return err
	}
	for _, rec := range records[:min(len(records), mostRefs)] {
		var seq uint64
		if _, err := fmt.Sscanf(rec.Key[len(prefix):], "%016x", &seq); err == nil {
			seqs = append(seqs, seq)
		}
	}
	for _, seq := range seqs {
		e, found, err := c.entry(ctx, r, seq)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		t.feed(&e)
		if m, err := content.Decode(e.Content); err == nil && m.Replaces != nil && *m.Replaces != id {
			if err := c.pull(ctx, r, *m.Replaces); err != nil {
				return err
			}
		}
	}
	return nil
}

// Messages returns the last messages of a room as they look now, oldest first, at most limit of those that are at hand. What was
// deleted is among them; what has expired is not.
func (c *Client) Messages(ctx context.Context, at uri.Room, limit int) ([]timeline.Message, error) {
	r, err := c.opened(ctx, at)
	if err != nil {
		return nil, err
	}
	var out []timeline.Message
	for m := range r.talk.view.Before(content.Position{Accepted: 1<<64 - 1}, c.cfg.Now()) {
		if len(out) == limit {
			break
		}
		if c.blocked[m.Sender.String()] {
			continue
		}
		out = append(out, m)
	}
	slices.Reverse(out)
	for k, m := range out {
		if m.Quote == nil || m.Quote.State != timeline.QuoteAbsent || r.talk.asked[m.Quote.ID] {
			continue
		}
		if err := c.pull(ctx, r, m.Quote.ID); err != nil {
			return nil, err
		}
		if again, found := r.talk.view.Message(m.ID, c.cfg.Now()); found {
			out[k] = again
		}
	}
	return out, nil
}

// Message returns the message that a version belongs to, as it looks now.
func (c *Client) Message(ctx context.Context, at uri.Room, id content.MessageID) (m timeline.Message, found bool, err error) {
	r, err := c.opened(ctx, at)
	if err != nil {
		return timeline.Message{}, false, err
	}
	if err := c.pull(ctx, r, id); err != nil {
		return timeline.Message{}, false, err
	}
	m, found = r.talk.view.Message(id, c.cfg.Now())
	return m, found, nil
}

// Thread returns the messages of a topic that are at hand, in the room's order.
func (c *Client) Thread(ctx context.Context, at uri.Room, topic []byte) ([]timeline.Message, error) {
	r, err := c.opened(ctx, at)
	if err != nil {
		return nil, err
	}
	return slices.Collect(r.talk.view.Thread(topic, c.cfg.Now())), nil
}

// Topics returns the topics of the messages at hand, in the order of their first messages.
func (c *Client) Topics(ctx context.Context, at uri.Room) ([][]byte, error) {
	r, err := c.opened(ctx, at)
	if err != nil {
		return nil, err
	}
	return r.talk.view.Topics(c.cfg.Now()), nil
}

// opened is a room with its view.
func (c *Client) opened(ctx context.Context, at uri.Room) (*Room, error) {
	r, ok := c.rooms[at]
	if !ok {
		return nil, ErrNoRoom
	}
	return r, c.open(ctx, r)
}

// openFor opens a room's view, and brings what a message is about into it.
func (c *Client) openFor(ctx context.Context, r *Room, m *content.Message) error {
	if err := c.open(ctx, r); err != nil {
		return err
	}
	for _, to := range []*content.MessageID{m.Replaces, m.InReplyTo} {
		if to == nil {
			continue
		}
		if err := c.pull(ctx, r, *to); err != nil {
			return err
		}
	}
	return nil
}
