package sqlite

import (
	"fmt"
	"strings"

	"parley/hub"
	"parley/uri"
)

// A lane is one row, whatever waits in it: the log's entries from first to newest, except the ranges in lane_gap. Gaps are rare: they
// come from items that went to others only while the lane was not idle, and from items that were taken out.

// span is a range of places, both ends included.
type span struct{ first, last int64 }

// batchRows is how many lanes one statement writes.
const batchRows = 8

// enqueue puts an item that is in the log into the lanes of its destinations.
func enqueue(c *conn, room uri.Room, number, at int64, item hub.Item) error {
	for rest := item.Destinations; len(rest) > 0; {
		some := rest[:min(len(rest), batchRows)]
		rest = rest[len(some):]
		args := make([]any, 0, 4+batchRows)
		args = append(args, number, room.String(), at, int64(item.Timestamp))
		for _, d := range some {
			args = append(args, d)
		}
		n, err := c.exec(enqueueRows[len(some)], args...)
		if err != nil {
			return err
		}
		if int(n) == len(some) {
			continue
		}
		for _, d := range some {
			if err := enqueueBehindGap(c, number, d, at); err != nil {
				return err
			}
		}
	}
	return nil
}

// enqueueRows are the statements, by the number of lanes, that begin idle lanes with an item and make those longer that end with the
// item before.
var enqueueRows = func() (out [batchRows + 1]string) {
	for n := 1; n <= batchRows; n++ {
		rows := make([]string, n)
		for i := range rows {
			rows[i] = fmt.Sprintf("(?1, ?%d, ?2, ?3, ?3, ?3, 0, 0, 0, ?4, 0, 0)", 5+i)
		}
		out[n] = `INSERT INTO lane(room, destination, uri, first, last, newest, tries, refusals, next, since, parked, gaps) VALUES ` +
			strings.Join(rows, ", ") + ` ON CONFLICT(room, destination) DO UPDATE SET newest = excluded.newest WHERE newest = excluded.newest - 1`
	}
	return out
}()

// enqueueBehindGap makes a lane longer that does not hold the item before. Other lanes it leaves as they are.
func enqueueBehindGap(c *conn, number int64, destination string, at int64) error {
	newest, err := c.number("SELECT newest FROM lane WHERE room = ? AND destination = ?", number, destination)
	if err != nil || newest >= at {
		return err
	}
	if err := addGap(c, number, destination, span{newest + 1, at - 1}); err != nil {
		return err
	}
	_, err = c.exec("UPDATE lane SET newest = ? WHERE room = ? AND destination = ?", at, number, destination)
	return err
}

func addGap(c *conn, number int64, destination string, gap span) error {
	_, err := c.exec("INSERT INTO lane_gap VALUES(?, ?, ?, ?)", number, destination, gap.first, gap.last)
	if err != nil {
		return err
	}
	_, err = c.exec("UPDATE lane SET gaps = 1 WHERE room = ? AND destination = ?", number, destination)
	return err
}

// runs cuts the gaps out of a range.
func runs(c *conn, number int64, destination string, all span) ([]span, error) {
	var out []span
	err := c.each(func(r row) (bool, error) {
		gap := span{r.int(0), r.int(1)}
		if gap.first > all.first {
			out = append(out, span{all.first, gap.first - 1})
		}
		all.first = gap.last + 1
		return true, nil
	}, `SELECT first, last FROM lane_gap WHERE room = ? AND destination = ? AND last >= ? AND first <= ? ORDER BY first`,
		number, destination, all.first, all.last)
	if all.first <= all.last {
		out = append(out, all)
	}
	return out, err
}

// laneState is what operations on a lane read of it.
type laneState struct {
	room                int64
	destination         string
	first, last, newest int64
	gaps                bool
}

func (c *conn) lane(room uri.Room, destination string) (l laneState, ok bool, err error) {
	n, ok, err := c.room(room)
	if err != nil || !ok {
		return l, false, err
	}
	r, ok, err := c.one("SELECT first, last, newest, gaps FROM lane WHERE room = ? AND destination = ?", n, destination)
	if err != nil || !ok {
		return l, false, err
	}
	return laneState{n, destination, r.int(0), r.int(1), r.int(2), r.int(3) != 0}, true, nil
}

// items calls f for the places in a range that are in the lane, ascending, with the size of their octets.
func (l *laneState) items(c *conn, all span, f func(place, size int64) (more bool)) error {
	pieces := []span{all}
	if l.gaps {
		var err error
		if pieces, err = runs(c, l.room, l.destination, all); err != nil {
			return err
		}
	}
	more := true
	for _, p := range pieces {
		if !more {
			return nil
		}
		err := c.each(func(r row) (bool, error) {
			more = f(r.int(0), r.int(1))
			return more, nil
		}, "SELECT place, length(octets) FROM log WHERE place BETWEEN ? AND ? ORDER BY place", p.first, p.last)
		if err != nil {
			return err
		}
	}
	return nil
}

// trim deletes what no lane of the room holds any more from a range of the log.
func trim(c *conn, number int64, all span) error {
	_, err := c.exec(`DELETE FROM log WHERE place BETWEEN ?1 AND ?2 AND NOT EXISTS (
		SELECT 1 FROM lane WHERE lane.room = ?3 AND lane.first <= log.place AND lane.newest >= log.place AND (lane.gaps = 0 OR NOT EXISTS (
			SELECT 1 FROM lane_gap AS g WHERE g.room = ?3 AND g.destination = lane.destination AND g.first <= log.place AND g.last >= log.place)))`,
		all.first, all.last, number)
	return err
}

// removeLane makes a lane idle.
func removeLane(c *conn, l *laneState) error {
	if l.gaps {
		if _, err := c.exec("DELETE FROM lane_gap WHERE room = ? AND destination = ?", l.room, l.destination); err != nil {
			return err
		}
	}
	_, err := c.exec("DELETE FROM lane WHERE room = ? AND destination = ?", l.room, l.destination)
	return err
}
