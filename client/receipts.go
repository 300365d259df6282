package client

import (
	"context"
	"encoding/binary"
	"strings"
	"time"

	"parley/content"
	"parley/mls"
	"parley/uri"
)

// Receipts are the statuses that a person lets others know where the room's policy leaves it open.
type Receipts struct {
	Delivered bool // a message came to a device
	Read      bool // it was seen
}

// crowd is the number of participants above which only reports that the room requires are sent (A-C27).
const crowd = 50

// received does what the arrival of a message entails: it counts as unread, it is reported as delivered.
func (s *step) received(e *Entry, m *content.Message) {
	t := &s.room.talk
	if e.Own {
		t.mine = s.event.Timestamp
	}
	if report, found, err := m.Status(); found && err == nil {
		s.seenElsewhere(e, report)
		return
	}
	if e.Own || e.User == s.client.self.User.String() || e.Act != ActSay {
		return
	}
	if e.Stub != nil || s.client.blocked[e.User] || t.Request {
		return
	}
	t.Unread, t.changed = t.Unread+1, true
	if strings.Contains(e.Text, s.client.self.User.String()) || mentions(m, s.client.self.User) {
		t.Mentions++
	}
	s.report1(content.MessageID(e.MessageID), content.StatusDelivered, m)
}

// mentions tells whether a text links to a user (draft-ietf-mimi-content-08 §5.4).
func mentions(m *content.Message, user uri.User) bool {
	for _, p := range m.Body.All() {
		if single, ok := p.Body.(content.Single); ok && strings.HasPrefix(single.ContentType, "text/") &&
			strings.Contains(string(single.Content), user.String()) {
			return true
		}
	}
	return false
}

// report1 notes a status that is to be reported, within the write set.
func (s *step) report1(id content.MessageID, status content.Status, m *content.Message) {
	t := &s.room.talk
	if t.Request || !m.Receipted() || !t.rules.Send(status) {
		return
	}
	t.batch.Note(id, status)
	s.delta.Put(s.room.under("due", id.String()), []byte{byte(status)})
}

// report takes in a status report that came without a message around it (A-C9).
func (s *step) report(ctx context.Context, e *Entry, encoded []byte, from uri.User) {
	report, err := content.DecodeStatus(encoded)
	if err != nil {
		s.discard(e, "the message's content is malformed")
		return
	}
	if err := s.client.open(ctx, s.room); err != nil {
		s.keep(err)
		return
	}
	s.room.talk.view.Report(from, s.event.Timestamp, report)
	e.Kind, e.Act, e.Content = EntryReport, ActReport, encoded
	s.seenElsewhere(e, report)
	s.add(*e)
}

// seenElsewhere moves the read mark to where another device of this user has read.
func (s *step) seenElsewhere(e *Entry, report content.StatusReport) {
	if e.User != s.client.self.User.String() || e.Own {
		return
	}
	t := &s.room.talk
	to := t.ReadTo
	for _, x := range report {
		if seq, known := t.seqs[x.ID]; known && x.Status == content.StatusRead {
			to = max(to, seq+1)
		}
	}
	if to > t.ReadTo {
		s.readTo = to // counted anew once the entry stands in the log
	}
}

// Unread tells how many messages of others were not read in a room, and how many of them mention this user.
func (c *Client) Unread(at uri.Room) (messages, mentions int) {
	r, ok := c.rooms[at]
	if !ok {
		return 0, 0
	}
	return r.talk.Unread, r.talk.Mentions
}

// ReadTo is the number of the first entry of a room's log that was not read.
func (c *Client) ReadTo(at uri.Room) uint64 {
	if r, ok := c.rooms[at]; ok {
		return r.talk.ReadTo
	}
	return 0
}

// MarkRead notes that the person has seen a room's log before an entry. What the room's policy and the person allow is told to the
// others, and to the person's other devices, with the next report.
func (c *Client) MarkRead(ctx context.Context, at uri.Room, before uint64) error {
	r, err := c.opened(ctx, at)
	if err != nil {
		return err
	}
	before = min(before, r.entries)
	t := &r.talk
	if before <= t.ReadTo {
		return nil
	}
	list, err := c.Timeline(ctx, at, t.ReadTo, int(before-t.ReadTo))
	if err != nil {
		return err
	}
	var d mls.Delta
	now := c.cfg.Now()
	for _, e := range list {
		if !c.counts(&e) {
			continue
		}
		id := content.MessageID(e.MessageID)
		m, err := content.Decode(e.Content)
		if err != nil {
			continue
		}
		if m.Expires != nil && m.Expires.Relative {
			t.view.Seen(id, now)
			d.Put(r.under("exp", id.String()), binary.BigEndian.AppendUint64(nil, uint64(now.UnixMilli())))
		}
		if !t.Request && m.Receipted() && t.rules.Send(content.StatusRead) {
			t.batch.Note(id, content.StatusRead)
			d.Put(r.under("due", id.String()), []byte{byte(content.StatusRead)})
		}
	}
	return c.moveRead(ctx, r, before, d)
}

// counts reports whether an entry is a message that can be unread.
func (c *Client) counts(e *Entry) bool {
	return e.Kind == EntryMessage && e.Act == ActSay && !e.Own && e.User != c.self.User.String() && e.Stub == nil && !c.blocked[e.User]
}

// moveRead sets the read mark and counts what stands behind it.
func (c *Client) moveRead(ctx context.Context, r *Room, to uint64, d mls.Delta) error {
	t := &r.talk
	rest, err := c.Timeline(ctx, r.URI, to, int(r.entries-to))
	if err != nil {
		return err
	}
	t.ReadTo, t.Unread, t.Mentions = to, 0, 0
	if t.Request {
		rest = nil // held apart
	}
	for k := range rest {
		e := &rest[k]
		if !c.counts(e) {
			continue
		}
		t.Unread++
		if m, err := content.Decode(e.Content); err == nil && mentions(&m, c.self.User) {
			t.Mentions++
		}
	}
	return c.saveTalk(ctx, r, d)
}

func (c *Client) saveTalk(ctx context.Context, r *Room, d mls.Delta) error {
	rec, err := r.talkRecord()
	if err != nil {
		return err
	}
	if err := c.commit(ctx, append(d, rec)); err != nil {
		return err
	}
	r.talk.changed = false
	return nil
}

// Chores does what the clock asks for: it erases what has expired and puts reports into the outbox that are due, at most one for each
// room in five seconds (A-C27). It returns when there will be something to do next, the zero time when nothing waits.
func (c *Client) Chores(ctx context.Context) (next time.Time, err error) {
	if c.broken != nil {
		return time.Time{}, c.broken
	}
	now := c.cfg.Now()
	for _, r := range c.roomsWith(func(r *Room) bool {
		_, waits := r.talk.batch.Due()
		return waits || r.talk.Expiring
	}) {
		if r.talk.Expiring {
			at, err := c.expire(ctx, r, now)
			if err != nil {
				return time.Time{}, err
			}
			if !at.IsZero() {
				next = earlier(next, at)
			}
		}
		at, err := c.reportDue(ctx, r, now)
		if err != nil {
			return time.Time{}, err
		}
		if !at.IsZero() {
			next = earlier(next, at)
		}
	}
	return next, nil
}

// reportDue puts the room's report into the outbox when its time has come.
func (c *Client) reportDue(ctx context.Context, r *Room, now time.Time) (next time.Time, err error) {
	t := &r.talk
	due, waits := t.batch.Due()
	if !waits || !r.Active() || t.Request {
		return time.Time{}, nil
	}
	if due.After(now) {
		return due, nil
	}
	c.rule(r)
	report := t.batch.Take(now)
	var d mls.Delta
	kept := report[:0:0]
	for _, e := range report {
		d.Delete(r.under("due", e.ID.String()))
		if t.rules.Send(e.Status) { // the policy may have changed since
			kept = append(kept, e)
		}
	}
	if len(kept) == 0 {
		return time.Time{}, c.commit(ctx, d)
	}
	salt, err := newSalt()
	if err != nil {
		return time.Time{}, err
	}
	if _, err := c.submit(ctx, r, content.NewStatus(salt, c.self.User, r.URI, kept), d); err != nil {
		return time.Time{}, err
	}
	next, _ = t.batch.Due()
	return next, nil
}

// expire erases what has expired in a room.
func (c *Client) expire(ctx context.Context, r *Room, now time.Time) (next time.Time, err error) {
	if err := c.open(ctx, r); err != nil {
		return time.Time{}, err
	}
	var d mls.Delta
	for _, gone := range r.talk.view.Expire(now) {
		for _, x := range gone.Erase {
			if err := c.erase(ctx, r, &d, x.ID); err != nil {
				return time.Time{}, err
			}
		}
	}
	if len(d) > 0 {
		if err := c.commit(ctx, d); err != nil {
			return time.Time{}, err
		}
	}
	next, _ = r.talk.view.NextExpiry()
	return next, nil
}

// erase removes the content of a stored version.
func (c *Client) erase(ctx context.Context, r *Room, d *mls.Delta, id content.MessageID) error {
	seq, found, err := c.seqOf(ctx, r, id)
	if err != nil || !found {
		return err
	}
	e, found, err := c.entry(ctx, r, seq)
	if err != nil || !found || e.Stub != nil {
		return err
	}
	e.erase()
	d.Delete(r.under("exp", id.String()))
	return r.write(d, &e)
}
