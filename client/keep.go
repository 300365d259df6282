package client

import (
	"context"
	"strings"

	"parley/mls"
	"parley/uri"
)

const keyBlocked = "block/"

// loadBlocked reads whose messages are not shown.
func (c *Client) loadBlocked(ctx context.Context) error {
	records, err := c.cfg.Store.Load(ctx, keyBlocked)
	if err != nil {
		return err
	}
	c.blocked = make(map[string]bool, len(records))
	for _, rec := range records {
		c.blocked[strings.TrimPrefix(rec.Key, keyBlocked)] = true
	}
	return nil
}

// Block hides what a user writes on this device, in all rooms, or shows it again. The user's messages are kept, are not counted as unread,
// found or reported, and nothing tells the user. That the user cannot add this one to rooms is a matter of the provider's block list.
func (c *Client) Block(ctx context.Context, user uri.User, blocked bool) error {
	name := user.String()
	rec := mls.Record{Key: keyBlocked + name}
	if blocked {
		rec.Value = []byte{1}
	}
	if err := c.commit(ctx, mls.Delta{rec}); err != nil {
		return err
	}
	delete(c.blocked, name)
	if blocked {
		c.blocked[name] = true
	}
	for _, r := range c.Rooms() {
		if err := c.moveRead(ctx, r, r.talk.ReadTo, nil); err != nil {
			return err
		}
	}
	return nil
}

// Blocked reports whether a user's messages are hidden.
func (c *Client) Blocked(user uri.User) bool { return c.blocked[user.String()] }

// Mute says that the person is not to be told of what comes in a room, or is again. It is for the app: nothing else changes.
func (c *Client) Mute(ctx context.Context, at uri.Room, muted bool) error {
	r, ok := c.rooms[at]
	if !ok {
		return ErrNoRoom
	}
	r.talk.Muted = muted
	return c.saveTalk(ctx, r, nil)
}

// Muted reports whether a room is muted.
func (c *Client) Muted(at uri.Room) bool {
	r, ok := c.rooms[at]
	return ok && r.talk.Muted
}

// SetDraft keeps what was typed and not sent in a room, "" forgets it.
func (c *Client) SetDraft(ctx context.Context, at uri.Room, text string) error {
	r, ok := c.rooms[at]
	if !ok {
		return ErrNoRoom
	}
	rec := mls.Record{Key: r.under("draft", "text")}
	if text != "" {
		rec.Value = []byte(text)
	}
	return c.commit(ctx, mls.Delta{rec})
}

// Draft is what was typed and not sent in a room.
func (c *Client) Draft(ctx context.Context, at uri.Room) (string, error) {
	r, ok := c.rooms[at]
	if !ok {
		return "", ErrNoRoom
	}
	records, err := c.cfg.Store.Load(ctx, r.under("draft", "text"))
	if err != nil || len(records) == 0 {
		return "", err
	}
	return string(records[0].Value), nil
}

// Requested reports whether a room came from strangers and was not accepted yet. It is held apart: nothing in it counts as unread or is
// reported, and Search leaves it out.
func (c *Client) Requested(at uri.Room) bool {
	r, ok := c.rooms[at]
	return ok && r.talk.Request
}

// Accept takes a room from strangers among the others. Writing in it does the same. To decline it, Leave.
func (c *Client) Accept(ctx context.Context, at uri.Room) error {
	r, ok := c.rooms[at]
	if !ok {
		return ErrNoRoom
	}
	if !r.talk.Request {
		return nil
	}
	r.talk.Request = false
	return c.moveRead(ctx, r, r.talk.ReadTo, nil)
}

// strange decides, when somebody has added this device to a room, whether it is held apart: where nobody in it is in another room with
// this user. A room of the user's own other devices never is.
func (s *step) strange() {
	c, r := s.client, s.room
	if !c.cfg.HoldStrangers || r == nil || !r.Active() {
		return
	}
	friends := make(map[uri.User]bool)
	for _, other := range c.rooms {
		if other == r || other.talk.Request || other.group == nil {
			continue
		}
		if people, err := other.People(); err == nil {
			for _, p := range people {
				friends[p.User] = true
			}
		}
	}
	people, err := r.People()
	if err != nil {
		return
	}
	for _, p := range people {
		if p.User != c.self.User && friends[p.User] {
			return
		}
	}
	r.talk.Request, r.talk.changed = true, true
}
