package client

import (
	"context"
	"strings"

	"parley/uri"
)

// Found is a message that a search has found.
type Found struct {
	Room  uri.Room
	Entry Entry
}

// Search looks on this device for messages that contain all the words of a query, in the given rooms or in all of them, from the latest
// back; at most limit of each room. It reads the logs: there is no second copy of what was written, so what is erased is found no more.
// An edit is found as an entry of its own, see Entry.About.
func (c *Client) Search(ctx context.Context, query string, limit int, rooms ...uri.Room) ([]Found, error) {
	words := strings.Fields(strings.ToLower(query))
	if len(words) == 0 {
		return nil, nil
	}
	if len(rooms) == 0 {
		for _, r := range c.Rooms() {
			if !r.talk.Request {
				rooms = append(rooms, r.URI)
			}
		}
	}
	var out []Found
	for _, at := range rooms {
		r, ok := c.rooms[at]
		if !ok {
			return nil, ErrNoRoom
		}
		found, err := c.searchRoom(ctx, r, words, limit)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

func (c *Client) searchRoom(ctx context.Context, r *Room, words []string, limit int) (out []Found, err error) {
	for end := r.entries; end > 0 && len(out) < limit; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		from := (end - 1) / logBlock * logBlock
		list, err := c.Timeline(ctx, r.URI, from, int(end-from))
		if err != nil {
			return nil, err
		}
		for k := len(list) - 1; k >= 0 && len(out) < limit; k-- {
			if c.matches(&list[k], words) {
				out = append(out, Found{r.URI, list[k]})
			}
		}
		end = from
	}
	for n := r.talk.Shared; n > 0 && len(out) < limit; n-- {
		e, found, err := c.entry(ctx, r, firstShared|(n-1))
		if err != nil {
			return nil, err
		}
		if found && c.matches(&e, words) {
			out = append(out, Found{r.URI, e})
		}
	}
	return out, nil
}

func (c *Client) matches(e *Entry, words []string) bool {
	if e.Kind != EntryMessage || e.Act != ActSay && e.Act != ActEdit || e.Stub != nil || c.blocked[e.User] {
		return false
	}
	text := strings.ToLower(e.Text)
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}
