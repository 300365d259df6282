package sqlite

import (
	"time"

	"parley/inbox"
	"parley/uri"
)

type inboxTx struct{ c *conn }

func (t *inboxTx) Read(client uri.Client, after inbox.Cursor, limit, maxBytes int) ([]inbox.Entry, error) {
	n, ok, err := t.c.client(client)
	if err != nil || !ok {
		return nil, err
	}
	var out []inbox.Entry
	size, more := 0, false
	err = t.c.each(func(r row) (bool, error) {
		body := r.octets(3)
		if size += len(body); len(out) == limit || len(out) > 0 && size > maxBytes {
			more = true
			return false, nil
		}
		room, err := t.c.roomName(r.int(1))
		out = append(out, inbox.Entry{Cursor: inbox.Cursor(r.uint(0)), Room: room, Timestamp: r.uint(2), Body: body})
		return true, err
	}, `SELECT entry.body, body.room, body.timestamp, body.octets FROM entry JOIN body ON body.id = entry.body
		WHERE entry.client = ? AND entry.body > ? ORDER BY entry.body LIMIT ? + 0`, n, int64(after), int64(limit)+1)
	if len(out) > 0 {
		out[len(out)-1].Last = !more
	}
	return out, err
}

func (t *inboxTx) Acked(client uri.Client) (inbox.Cursor, error) {
	n, ok, err := t.c.client(client)
	if err != nil || !ok {
		return 0, err
	}
	acked, err := t.c.number("SELECT acked FROM inbox WHERE client = ?", n)
	return inbox.Cursor(acked), err
}

func (t *inboxTx) Ack(client uri.Client, cursor inbox.Cursor) error {
	n, ok, err := t.c.client(client)
	if err != nil || !ok {
		return err
	}
	until := whole(uint64(cursor))
	r, ok, err := t.c.one(`SELECT (SELECT acked FROM inbox WHERE client = ?1), (SELECT max(body) FROM entry WHERE client = ?1),
		(SELECT count(*) FROM entry WHERE client = ?1 AND body <= ?2)`, n, until)
	if err != nil || !ok {
		return err
	}
	acked, newest, entries := r.int(0), r.int(1), r.int(2)
	if until = min(until, max(acked, newest)); until <= acked {
		return nil
	}
	if entries > 0 {
		if err := t.remove(n, until, entries); err != nil {
			return err
		}
	}
	_, err = t.c.exec("INSERT INTO inbox VALUES(?, ?) ON CONFLICT(client) DO UPDATE SET acked = excluded.acked", n, until)
	return err
}

// remove deletes a client's entries up to a number, and the bodies that no other inbox points to.
func (t *inboxTx) remove(client, until, entries int64) error {
	const those = "id IN (SELECT body FROM entry WHERE client = ? AND body <= ?)"
	last, err := t.c.exec("DELETE FROM body WHERE uses = 1 AND "+those, client, until)
	if err != nil {
		return err
	}
	if last < entries {
		if _, err := t.c.exec("UPDATE body SET uses = uses - 1 WHERE "+those, client, until); err != nil {
			return err
		}
	}
	_, err = t.c.exec("DELETE FROM entry WHERE client = ? AND body <= ?", client, until)
	return err
}

// Expire looks at no inbox unless a body has expired; then it jumps from inbox to inbox and reads the old end of each. All entries of a
// body expire at once.
func (t *inboxTx) Expire(before time.Time) (int, error) {
	newest, err := t.c.number("SELECT max(id) FROM body WHERE arrived < ?", millis(before))
	if err != nil || newest == 0 {
		return 0, err
	}
	n, err := t.c.exec(`DELETE FROM entry WHERE (client, body) IN (
		WITH RECURSIVE inbox(id) AS (
			SELECT min(client) FROM entry
			UNION ALL
			SELECT (SELECT min(client) FROM entry WHERE client > inbox.id) FROM inbox WHERE id IS NOT NULL)
		SELECT e.client, e.body FROM inbox CROSS JOIN entry AS e ON e.client = inbox.id AND e.body <= ?1
			CROSS JOIN body ON body.id = e.body WHERE body.arrived < ?2)`, newest, millis(before))
	if err != nil {
		return 0, err
	}
	_, err = t.c.exec("DELETE FROM body WHERE arrived < ?", millis(before))
	return int(n), err
}

func (t *inboxTx) Depth(client uri.Client) (int, error) {
	n, ok, err := t.c.client(client)
	if err != nil || !ok {
		return 0, err
	}
	depth, err := t.c.number("SELECT count(*) FROM entry WHERE client = ?", n)
	return int(depth), err
}
