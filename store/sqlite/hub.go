package sqlite

import (
	"strings"
	"time"

	"parley/hub"
	"parley/mls"
	"parley/uri"
)

// hubTx is one transaction of the hub. The length of the log of the room that it works on is kept until the room's head is written
// anyway, or until the end.
type hubTx struct {
	answers
	at       uri.Room
	number   int64
	appended uint64
	unsaved  bool
}

func newHubTx(c *conn) *hubTx { return &hubTx{answers: answers{c: c, table: &hubAnswers}} }

const selectHead = `SELECT version, group_id, epoch, epoch_at, sequence, timestamp, destinations, appended FROM head WHERE room = ?`

func (t *hubTx) Head(room uri.Room) (hub.Head, bool, error) {
	if err := t.finish(); err != nil {
		return hub.Head{}, false, err
	}
	n, ok, err := t.c.room(room)
	if err != nil || !ok {
		return hub.Head{}, false, err
	}
	r, ok, err := t.c.one(selectHead, n)
	if err != nil {
		return hub.Head{}, false, err
	}
	t.at, t.number, t.appended = room, n, 0
	if !ok {
		return hub.Head{}, false, nil
	}
	t.appended = r.uint(7)
	if r.int(0) == 0 {
		return hub.Head{}, false, nil
	}
	return hub.Head{
		Version: r.uint(0), GroupID: r.octets(1), Epoch: r.uint(2), EpochAt: r.uint(3), Sequence: r.uint(4), Timestamp: r.uint(5),
		Destinations: strings.Fields(r.text(6)),
	}, true, nil
}

const (
	insertHead = `INSERT INTO head(version, group_id, epoch, epoch_at, sequence, timestamp, destinations, appended, room)
		VALUES(?, ?, ?, ?, ?, ?, ?, coalesce(?, 0), ?)
		ON CONFLICT(room) DO UPDATE SET version = excluded.version, group_id = excluded.group_id, epoch = excluded.epoch,
			epoch_at = excluded.epoch_at, sequence = excluded.sequence, timestamp = excluded.timestamp,
			destinations = excluded.destinations, appended = max(appended, excluded.appended)
		WHERE version = 0`
	updateHead = `UPDATE head SET version = ?, group_id = ?, epoch = ?, epoch_at = ?, sequence = ?, timestamp = ?, destinations = ?,
		appended = coalesce(?, appended) WHERE room = ? AND version = ?`
)

func (t *hubTx) SaveHead(room uri.Room, old uint64, h hub.Head) error {
	var appended any
	if t.at == room && t.unsaved {
		appended = int64(t.appended)
	}
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
	args := []any{int64(h.Version), filled(h.GroupID), int64(h.Epoch), int64(h.EpochAt), int64(h.Sequence), int64(h.Timestamp),
		strings.Join(h.Destinations, " "), appended, n}
	query := insertHead
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
	return nil
}

// finish writes the length of a log to which something was appended without its head.
func (t *hubTx) finish() error {
	if !t.unsaved {
		return nil
	}
	t.unsaved = false
	_, err := t.c.exec(`INSERT INTO head VALUES(?1, 0, x'', 0, 0, 0, 0, '', ?2)
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
	if _, err := t.c.exec("INSERT INTO log VALUES(?, ?, ?)", at, flag(item.Handshake), filled(item.Body)); err != nil {
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
	t.at, t.number, t.appended = room, n, uint64(appended)
	return err
}

func (t *hubTx) Expire(now time.Time) (int, error) { return t.expire(now) }
