package sqlite

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"parley/follower"
	"parley/uri"
)

// followerTx is one transaction of the follower. What was looked for and not found needs no deletion before it is stored.
type followerTx struct {
	c      *conn
	room   uri.Room
	absent sum
	looked bool
}

const removeSeen = "DELETE FROM seen WHERE prefix = ? AND room = ? AND rest = ?"

func (t *followerTx) Seen(room uri.Room, hash [32]byte) (bool, error) {
	n, ok, err := t.c.room(room)
	if err != nil {
		return false, err
	}
	key := sum(hash)
	if ok {
		if _, ok, err = t.c.one("SELECT 1 FROM seen WHERE prefix = ? AND room = ? AND rest = ?", key.prefix(), n, key.rest()); err != nil {
			return false, err
		}
	}
	if !ok {
		t.room, t.absent, t.looked = room, key, true
	}
	return ok, nil
}

func (t *followerTx) Deliver(item follower.Item, hash [32]byte, inboxes []uri.Client) error {
	n, err := t.c.newRoom(item.Room)
	if err != nil {
		return err
	}
	key := sum(hash)
	if !t.looked || t.absent != key || t.room != item.Room {
		if _, err := t.c.exec(removeSeen, key.prefix(), n, key.rest()); err != nil {
			return err
		}
	}
	t.looked = false
	err = t.c.insertDue("INSERT OR IGNORE INTO seen(due, room, prefix, rest) VALUES(?, ?, ?, ?)", int64(item.Arrived), n, key.prefix(), key.rest())
	if err != nil || len(inboxes) == 0 {
		return err
	}
	id, err := t.c.delivery()
	if err != nil {
		return err
	}
	_, err = t.c.exec("INSERT INTO body(id, uses, room, timestamp, octets, arrived) VALUES(?, ?, ?, ?, ?, ?)",
		id, int64(len(inboxes)), n, int64(item.Timestamp), filled(item.Body), int64(item.Arrived))
	if err != nil {
		return err
	}
	return t.point(id, inboxes)
}

// entryRows is how many entries one statement writes.
const entryRows = 32

var insertEntries = func() (out [entryRows + 1]string) {
	for n := 1; n <= entryRows; n++ {
		rows := make([]string, n)
		for i := range rows {
			rows[i] = fmt.Sprintf("(?%d, ?1)", i+2)
		}
		out[n] = "INSERT INTO entry(client, body) VALUES " + strings.Join(rows, ", ")
	}
	return out
}()

// point puts an entry for a body into each inbox.
func (t *followerTx) point(body int64, inboxes []uri.Client) error {
	args := make([]any, 1, 1+min(len(inboxes), entryRows))
	args[0] = body
	for i, client := range inboxes {
		n, err := t.c.newClient(client)
		if err != nil {
			return err
		}
		args = append(args, n)
		if i < len(inboxes)-1 && len(args) <= entryRows {
			continue
		}
		if _, err := t.c.exec(insertEntries[len(args)-1], args...); err != nil {
			return err
		}
		args = args[:1]
	}
	return nil
}

func (t *followerTx) Members(room uri.Room) ([]uri.Client, error) {
	n, ok, err := t.c.room(room)
	if err != nil || !ok {
		return nil, err
	}
	var numbers []int64
	err = t.c.each(func(r row) (bool, error) {
		numbers = append(numbers, r.int(0))
		return true, nil
	}, "SELECT client FROM member WHERE room = ?", n)
	if err != nil {
		return nil, err
	}
	out := make([]uri.Client, len(numbers))
	for i, n := range numbers {
		if out[i], err = t.c.clientName(n); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(out, func(a, b uri.Client) int { return cmp.Compare(a.String(), b.String()) })
	return out, nil
}

func (t *followerTx) SetMember(room uri.Room, client uri.Client, member bool) error {
	if !member {
		r, ok, err := t.c.room(room)
		if err != nil || !ok {
			return err
		}
		n, ok, err := t.c.client(client)
		if err != nil || !ok {
			return err
		}
		_, err = t.c.exec("DELETE FROM member WHERE room = ? AND client = ?", r, n)
		return err
	}
	r, err := t.c.newRoom(room)
	if err != nil {
		return err
	}
	n, err := t.c.newClient(client)
	if err != nil {
		return err
	}
	_, err = t.c.exec("INSERT INTO member VALUES(?, ?) ON CONFLICT DO NOTHING", r, n)
	return err
}

func (t *followerTx) Forget(client uri.Client) error {
	n, ok, err := t.c.client(client)
	if err != nil || !ok {
		return err
	}
	_, err = t.c.exec("DELETE FROM member WHERE client = ?", n)
	return err
}

func (t *followerTx) ClientOf(ref []byte) (uri.Client, bool, error) {
	n, err := t.c.number("SELECT client FROM package WHERE ref = ? AND taken = 1", ref)
	if err != nil || n == 0 {
		return uri.Client{}, false, err
	}
	client, err := t.c.clientName(n)
	return client, err == nil, err
}

func (t *followerTx) Expire(before time.Time) (int, error) {
	n, err := t.c.exec("DELETE FROM seen WHERE due < ?", dueAt(millis(before)))
	return int(n), err
}
