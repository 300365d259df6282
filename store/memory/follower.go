package memory

import (
	"slices"
	"time"

	"parley/follower"
	"parley/inbox"
	"parley/uri"
)

type seenKey struct {
	room uri.Room
	sum  [32]byte
}

// body is an item that inboxes point to.
type body struct {
	item follower.Item
	uses int
}

// queue is one client's inbox.
type queue struct {
	last    inbox.Cursor // of the newest entry that ever was
	acked   inbox.Cursor
	entries []pointer
}

type pointer struct {
	cursor inbox.Cursor
	body   uint64
}

type followerTx struct{ *tx }

func (t *followerTx) Seen(room uri.Room, sum [32]byte) (bool, error) {
	_, ok := t.seen[seenKey{room, sum}]
	return ok, nil
}

func (t *followerTx) Deliver(item follower.Item, sum [32]byte, inboxes []uri.Client) error {
	if err := put(t.tx, t.seen, seenKey{item.Room, sum}, item.Arrived); err != nil || len(inboxes) == 0 {
		return err
	}
	last := t.lastBody
	t.undo = append(t.undo, func() { t.state.lastBody = last })
	t.state.lastBody++
	item.Body = slices.Clone(item.Body)
	if err := put(t.tx, t.bodies, t.lastBody, body{item, len(inboxes)}); err != nil {
		return err
	}
	for _, client := range inboxes {
		q := t.inboxes[client]
		q.last++
		q.entries = append(slices.Clip(q.entries), pointer{q.last, t.lastBody})
		if err := put(t.tx, t.inboxes, client, q); err != nil {
			return err
		}
	}
	return nil
}

func (t *followerTx) Members(room uri.Room) ([]uri.Client, error) {
	return sortedBy(t.members[room], byText[uri.Client]), nil
}

func (t *followerTx) SetMember(room uri.Room, client uri.Client, member bool) error {
	if t.members[room] == nil {
		if err := put(t.tx, t.members, room, make(map[uri.Client]bool)); err != nil {
			return err
		}
	}
	if member {
		return put(t.tx, t.members[room], client, true)
	}
	return drop(t.tx, t.members[room], client)
}

func (t *followerTx) Forget(client uri.Client) error {
	for room := range t.members {
		if err := drop(t.tx, t.members[room], client); err != nil {
			return err
		}
	}
	return nil
}

func (t *followerTx) ClientOf(ref []byte) (uri.Client, bool, error) {
	p, ok := t.packages[string(ref)]
	if !ok || !p.taken {
		return uri.Client{}, false, nil
	}
	return p.client, true, nil
}

func (t *followerTx) Expire(before time.Time) (int, error) {
	n := 0
	for key, at := range t.seen {
		if !time.UnixMilli(int64(at)).Before(before) {
			continue
		}
		if err := drop(t.tx, t.seen, key); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

type inboxTx struct{ *tx }

func (t *inboxTx) Read(client uri.Client, after inbox.Cursor, limit, maxBytes int) ([]inbox.Entry, error) {
	var out []inbox.Entry
	size := 0
	for _, p := range t.inboxes[client].entries {
		if p.cursor <= after {
			continue
		}
		item := t.bodies[p.body].item
		size += len(item.Body)
		if len(out) == limit || len(out) > 0 && size > maxBytes {
			return out, nil
		}
		out = append(out, inbox.Entry{Cursor: p.cursor, Room: item.Room, Timestamp: item.Timestamp, Body: item.Body})
	}
	if len(out) > 0 {
		out[len(out)-1].Last = true
	}
	return out, nil
}

func (t *inboxTx) Acked(client uri.Client) (inbox.Cursor, error) { return t.inboxes[client].acked, nil }

func (t *inboxTx) Ack(client uri.Client, cursor inbox.Cursor) error {
	q := t.inboxes[client]
	cursor = min(cursor, q.last)
	if cursor <= q.acked {
		return nil
	}
	n := 0
	for n < len(q.entries) && q.entries[n].cursor <= cursor {
		if err := t.release(q.entries[n].body); err != nil {
			return err
		}
		n++
	}
	q.acked, q.entries = cursor, q.entries[n:]
	return put(t.tx, t.inboxes, client, q)
}

// release drops one use of a body, and the body with its last use.
func (t *inboxTx) release(id uint64) error {
	b := t.bodies[id]
	if b.uses--; b.uses > 0 {
		return put(t.tx, t.bodies, id, b)
	}
	return drop(t.tx, t.bodies, id)
}

func (t *inboxTx) Expire(before time.Time) (int, error) {
	n := 0
	for _, client := range sortedBy(t.inboxes, byText[uri.Client]) {
		q := t.inboxes[client]
		var kept []pointer
		for _, p := range q.entries {
			if time.UnixMilli(int64(t.bodies[p.body].item.Arrived)).Before(before) {
				if err := t.release(p.body); err != nil {
					return n, err
				}
				n++
				continue
			}
			kept = append(kept, p)
		}
		if len(kept) == len(q.entries) {
			continue
		}
		q.entries = kept
		if err := put(t.tx, t.inboxes, client, q); err != nil {
			return n, err
		}
	}
	return n, nil
}

func (t *inboxTx) Depth(client uri.Client) (int, error) { return len(t.inboxes[client].entries), nil }

// Bodies is how many bodies are stored, for the checkers of tests.
func (s *Store) Bodies() int {
	s.enter()
	defer s.mu.Unlock()
	return len(s.state.bodies)
}
