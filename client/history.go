package client

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"time"

	"parley/content"
	"parley/mls"
	"parley/policy"
	"parley/uri"
)

// Entries that another device has shared stand in a log of their own, in front of what this device has seen: their numbers begin here.
const firstShared = 1 << 63

// mostHistory bounds how much of each room is shared.
const mostHistory = 100_000

// ShareHistory writes what this device has of its rooms, encrypted for a passphrase, for another device of the same user: messages and
// reports, no keys. Of each room it is as much as the room's history policy lets this user share (draft-ietf-mimi-room-policy-03 §6.6);
// without a policy, all. It returns how many entries it wrote.
func (c *Client) ShareHistory(ctx context.Context, w io.Writer, passphrase string) (entries int, err error) {
	return c.shareHistory(ctx, w, passphrase, exportRounds)
}

func (c *Client) shareHistory(ctx context.Context, w io.Writer, passphrase string, rounds int) (entries int, err error) {
	out, err := newExport(w, passphrase, rounds)
	if err != nil {
		return 0, err
	}
	for _, r := range c.Rooms() {
		since, ok := c.shareable(r)
		if !ok {
			continue
		}
		last := r.entries
		list, err := c.Timeline(ctx, r.URI, last-min(last, mostHistory), mostHistory)
		if err != nil {
			return entries, err
		}
		for _, e := range list {
			if e.Kind != EntryMessage && e.Kind != EntryReport || e.Time < since {
				continue
			}
			e.Franked = nil
			text, err := json.Marshal(e)
			if err != nil {
				return entries, err
			}
			if err := out.record(mls.Record{Key: r.URI.String(), Value: text}); err != nil {
				return entries, err
			}
			entries++
		}
	}
	return entries, out.close()
}

// shareable is the time since when a room's history may be shared by this user.
func (c *Client) shareable(r *Room) (since uint64, ok bool) {
	if r.group == nil || r.talk.Request {
		return 0, false
	}
	var rule policy.HistoryPolicy
	if !r.component(policy.HistoryComponent, &rule) {
		return 0, true
	}
	if rule.Sharing == policy.Forbidden {
		return 0, false
	}
	people, err := r.People()
	if err != nil {
		return 0, false
	}
	for _, p := range people {
		if p.User != c.self.User || len(rule.Roles) > 0 && !slices.Contains(rule.Roles, p.Role) {
			continue
		}
		if rule.MaxPeriod == 0 {
			return 0, true
		}
		return uint64(c.cfg.Now().Add(-time.Duration(rule.MaxPeriod) * time.Second).UnixMilli()), true
	}
	return 0, false
}

// TakeHistory takes in what another device of the same user has shared, of the rooms that this device is in. What is here already is not
// taken twice; what is not is marked as shared: its senders are vouched for by the other device, not by MLS. It returns how many entries
// are new.
func (c *Client) TakeHistory(ctx context.Context, from io.Reader, passphrase string) (entries int, err error) {
	all, err := readExport(from, passphrase)
	if err != nil {
		return 0, err
	}
	rooms := make(map[string]*Room)
	for _, r := range c.rooms {
		rooms[r.URI.String()] = r
	}
	var d mls.Delta
	touched := make(map[*Room]bool)
	seen := make(map[string]bool)
	for _, rec := range all {
		r := rooms[rec.Key]
		e, err := parseEntry(rec.Value)
		if r == nil || err != nil {
			continue
		}
		ok, err := c.takeEntry(ctx, r, &e, seen, &d)
		if err != nil {
			return entries, err
		}
		if ok {
			touched[r] = true
			entries++
		}
	}
	for r := range touched {
		r.talk.view = nil
		rec, err := r.talkRecord()
		if err != nil {
			return 0, err
		}
		d = append(d, rec)
	}
	return entries, c.commit(ctx, d)
}

// takeEntry takes one entry in, unless it is here, or is not what it says.
func (c *Client) takeEntry(ctx context.Context, r *Room, e *Entry, seen map[string]bool, d *mls.Delta) (bool, error) {
	if e.Kind != EntryMessage && e.Kind != EntryReport {
		return false, nil
	}
	sender, err := uri.ParseUser(e.User)
	if err != nil {
		return false, nil
	}
	e.Seq, e.Own, e.Shared = firstShared|r.talk.Shared, false, true
	if e.Kind == EntryMessage {
		id := reference(e.MessageID)
		if id == nil || seen[string(e.MessageID)] {
			return false, nil
		}
		seen[string(e.MessageID)] = true
		if _, here, err := c.seqOf(ctx, r, *id); err != nil || here {
			return false, err
		}
		var m content.Message
		if e.Stub == nil {
			if m, err = content.Decode(e.Content); err != nil {
				return false, nil
			}
			if computed, err := m.ID(e.Content, sender, r.URI); err != nil || computed != *id {
				return false, nil
			}
			e.Text = c.cfg.Receiver.Text(m)
		} else {
			m.Replaces, m.InReplyTo = reference(e.Stub.Replaces), reference(e.Stub.InReplyTo)
		}
		r.index(d, e, &m)
	}
	if err := r.write(d, e); err != nil {
		return false, err
	}
	r.talk.Shared++
	return true, nil
}

// shared returns the last entries that another device has shared, oldest first.
func (c *Client) shared(ctx context.Context, r *Room, most int) ([]Entry, error) {
	var out []Entry
	for n := r.talk.Shared - min(r.talk.Shared, uint64(most)); n < r.talk.Shared; n++ {
		e, found, err := c.entry(ctx, r, firstShared|n)
		if err != nil {
			return nil, err
		}
		if found {
			out = append(out, e)
		}
	}
	return out, nil
}

// beginning is the time of the first entry of a room's log, from which on this device has everything.
func (c *Client) beginning(ctx context.Context, r *Room) (uint64, error) {
	list, err := c.Timeline(ctx, r.URI, 0, 1)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	return list[0].Time, nil
}

// Missing tells since when this device has everything that was written in a room; what is older is not here because the device came in
// then, but for what another device has shared. before is how many entries of that there are.
func (c *Client) Missing(ctx context.Context, at uri.Room) (since time.Time, before uint64, err error) {
	r, ok := c.rooms[at]
	if !ok {
		return time.Time{}, 0, ErrNoRoom
	}
	first, err := c.beginning(ctx, r)
	return time.UnixMilli(int64(first)), r.talk.Shared, err
}
