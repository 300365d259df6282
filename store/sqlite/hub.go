package sqlite

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"parley/hub"
	"parley/mls"
	"parley/uri"
)

// hubTx is one transaction of the hub. Of the room that it works on it keeps what Head read, and the length of the log until the
// head is written anyway, or until the end.
type hubTx struct {
	answers
	at       uri.Room
	number   int64
	appended uint64
	unsaved  bool
	group    *group // as it is stored; nil when that is not known
}

// group is the part of a head that changes with a commit and not with a message.
type group struct {
	id             []byte
	epoch, epochAt uint64
	destinations   []string
}

func (g *group) equal(other *group) bool {
	return g.epoch == other.epoch && g.epochAt == other.epochAt && bytes.Equal(g.id, other.id) && slices.Equal(g.destinations, other.destinations)
}

func newHubTx(c *conn) *hubTx { return &hubTx{answers: answers{c: c, table: &hubAnswers}} }

func (t *hubTx) Head(room uri.Room) (hub.Head, bool, error) {
	if err := t.finish(); err != nil {
		return hub.Head{}, false, err
	}
	n, ok, err := t.c.room(room)
	if err != nil || !ok {
		return hub.Head{}, false, err
	}
	r, ok, err := t.c.one("SELECT version, sequence, timestamp, appended FROM head WHERE room = ?", n)
	if err != nil {
		return hub.Head{}, false, err
	}
	t.at, t.number, t.appended, t.group = room, n, 0, nil
	if !ok {
		return hub.Head{}, false, nil
	}
	t.appended = r.uint(3)
	h := hub.Head{Version: r.uint(0), Sequence: r.uint(1), Timestamp: r.uint(2)}
	if h.Version == 0 {
		return hub.Head{}, false, nil
	}
	if t.group, err = t.c.group(n); err != nil {
		return hub.Head{}, false, err
	}
	h.GroupID, h.Epoch, h.EpochAt = slices.Clone(t.group.id), t.group.epoch, t.group.epochAt
	h.Destinations = slices.Clone(t.group.destinations)
	return h, true, nil
}

// group reads what it can from memory: the writer knows that nobody else has changed it.
func (c *conn) group(room int64) (*group, error) {
	if g, ok := c.groups[room]; ok {
		return &g, nil
	}
	r, ok, err := c.one("SELECT group_id, epoch, epoch_at, destinations FROM head_group WHERE room = ?", room)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errMissing
	}
	g := group{id: r.octets(0), epoch: r.uint(1), epochAt: r.uint(2), destinations: strings.Fields(r.text(3))}
	c.remember(room, &g)
	return &g, nil
}

func (c *conn) remember(room int64, g *group) {
	if c.groups == nil {
		return
	}
	if len(c.groups) >= remembered {
		clear(c.groups)
	}
	c.groups[room] = *g
}

const (
	insertHead = `INSERT INTO head(version, sequence, timestamp, appended, room) VALUES(?, ?, ?, coalesce(?, 0), ?)
		ON CONFLICT(room) DO UPDATE SET version = excluded.version, sequence = excluded.sequence, timestamp = excluded.timestamp,
			appended = max(appended, excluded.appended)
		WHERE version = 0`
	updateHead = `UPDATE head SET version = ?, sequence = ?, timestamp = ?, appended = coalesce(?, appended) WHERE room = ? AND version = ?`
)

func (t *hubTx) SaveHead(room uri.Room, old uint64, h hub.Head) error {
	n, ok, err := t.c.room(room)
	if err != nil {
		return err
	}
	if !ok {
		if old != 0 {
			return hub.ErrConflict
		}
		if n, err = t.c.newRoom(room); err != nil {
			return err
		}
	}
	var appended any
	if t.at == room && t.unsaved {
		appended = int64(t.appended)
	}
	query, args := insertHead, []any{int64(h.Version), int64(h.Sequence), int64(h.Timestamp), appended, n}
	if old != 0 {
		query, args = updateHead, append(args, int64(old))
	}
	changed, err := t.c.exec(query, args...)
	if err != nil {
		return err
	}
	if changed == 0 {
		return hub.ErrConflict
	}
	if appended != nil {
		t.unsaved = false
	}
	return t.saveGroup(room, n, &group{h.GroupID, h.Epoch, h.EpochAt, h.Destinations})
}

func (t *hubTx) saveGroup(room uri.Room, number int64, g *group) error {
	if t.at == room && t.group != nil && t.group.equal(g) {
		return nil
	}
	stored := group{slices.Clone(g.id), g.epoch, g.epochAt, slices.Clone(g.destinations)}
	_, err := t.c.exec(`INSERT INTO head_group VALUES(?, ?, ?, ?, ?) ON CONFLICT(room) DO UPDATE SET group_id = excluded.group_id,
		epoch = excluded.epoch, epoch_at = excluded.epoch_at, destinations = excluded.destinations`,
		number, filled(g.id), int64(g.epoch), int64(g.epochAt), strings.Join(g.destinations, " "))
	if err != nil {
		return err
	}
	t.c.remember(number, &stored)
	if t.at == room {
		t.group = &stored
	}
	return nil
}

// finish writes the length of a log to which something was appended without its head.
func (t *hubTx) finish() error {
	if !t.unsaved {
		return nil
	}
	t.unsaved = false
	_, err := t.c.exec(`INSERT INTO head VALUES(?1, 0, 0, 0, ?2)
		ON CONFLICT(room) DO UPDATE SET appended = excluded.appended`, t.number, int64(t.appended))
	return err
}

func (t *hubTx) Records(room uri.Room, prefix string) ([]mls.Record, error) {
	n, ok, err := t.c.room(room)
	if err != nil || !ok {
		return nil, err
	}
	query, args := "SELECT key, octets FROM record WHERE room = ? AND key >= ? ORDER BY key", []any{n, []byte(prefix)}
	if end := behind(prefix); end != nil {
		query, args = "SELECT key, octets FROM record WHERE room = ? AND key >= ? AND key < ? ORDER BY key", append(args, end)
	}
	var out []mls.Record
	err = t.c.each(func(r row) (bool, error) {
		out = append(out, mls.Record{Key: string(r.octets(0)), Value: r.octets(1)})
		return true, nil
	}, query, args...)
	return out, err
}

// behind is the first key after all that begin with prefix, nil if there is none.
func behind(prefix string) []byte {
	end := []byte(prefix)
	for len(end) > 0 && end[len(end)-1] == 0xff {
		end = end[:len(end)-1]
	}
	if len(end) == 0 {
		return nil
	}
	end[len(end)-1]++
	return end
}

func (t *hubTx) PutRecords(room uri.Room, changes mls.Delta) error {
	if len(changes) == 0 {
		return nil
	}
	n, err := t.c.newRoom(room)
	if err != nil {
		return err
	}
	for _, r := range changes {
		if r.Value == nil {
			_, err = t.c.exec("DELETE FROM record WHERE room = ? AND key = ?", n, []byte(r.Key))
		} else {
			_, err = t.c.exec(`INSERT INTO record(room, key, octets) VALUES(?, ?, ?)
				ON CONFLICT(room, key) DO UPDATE SET octets = excluded.octets`, n, []byte(r.Key), r.Value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *hubTx) Append(room uri.Room, item hub.Item) error {
	if err := t.enter(room); err != nil {
		return err
	}
	if item.Sequence != t.appended+1 {
		return hub.ErrConflict // a log has no gaps
	}
	at, err := place(t.number, item.Sequence)
	if err != nil {
		return err
	}
	t.appended, t.unsaved = item.Sequence, true
	if len(item.Destinations) == 0 {
		return nil
	}
	if _, err := t.c.exec("INSERT INTO log(place, handshake, octets) VALUES(?, ?, ?)", at, flag(item.Handshake), filled(item.Body)); err != nil {
		return err
	}
	return enqueue(t.c, room, t.number, at, item)
}

// enter reads how long a room's log is, unless that is known.
func (t *hubTx) enter(room uri.Room) error {
	if t.at == room {
		return nil
	}
	if err := t.finish(); err != nil {
		return err
	}
	n, err := t.c.newRoom(room)
	if err != nil {
		return err
	}
	appended, err := t.c.number("SELECT appended FROM head WHERE room = ?", n)
	t.at, t.number, t.appended, t.group = room, n, uint64(appended), nil
	return err
}

func (t *hubTx) Expire(now time.Time) (int, error) { return t.expire(now) }
