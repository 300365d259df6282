package sqlite

import (
	"cmp"
	"slices"
	"time"

	"parley/outbox"
)

type outboxTx struct {
	c       *conn
	waiting []string // destinations of lanes that are not parked, ascending; nil when that has to be read
}

// Due asks destination by destination, so that what waits for those that are busy costs nothing, however much it is. As soon as there
// are enough, a later destination is asked only for lanes that come before the last of them.
func (t *outboxTx) Due(now time.Time, busy []string, limit int) ([]outbox.Lane, error) {
	destinations, err := t.destinations()
	if err != nil {
		return nil, err
	}
	var out []outbox.Lane
	until := millis(now)
	for _, d := range destinations {
		if slices.Contains(busy, d) {
			continue
		}
		if out, err = t.lanes(out, dueLanes, d, until, limit); err != nil {
			return nil, err
		}
		slices.SortStableFunc(out, func(a, b outbox.Lane) int { // equal ones are in the order of destination and room already
			return cmp.Compare(millis(a.Next), millis(b.Next))
		})
		if len(out) >= limit {
			out = out[:limit]
			until = min(until, millis(out[limit-1].Next)-1)
		}
	}
	return out, nil
}

func (t *outboxTx) Delayed(destination string, now time.Time, limit int) ([]outbox.Lane, error) {
	return t.lanes(nil, delayedLanes, destination, millis(now), limit)
}

const (
	laneColumns  = "SELECT room, first, last, tries, refusals, next, since FROM lane WHERE parked = 0 AND destination = ?"
	dueLanes     = laneColumns + " AND next <= ? ORDER BY next, uri LIMIT ? + 0"
	delayedLanes = laneColumns + " AND next > ? ORDER BY next, uri LIMIT ? + 0"
)

// lanes appends lanes of one destination.
func (t *outboxTx) lanes(out []outbox.Lane, query, destination string, at int64, limit int) ([]outbox.Lane, error) {
	err := t.c.each(func(r row) (bool, error) {
		room, err := t.c.roomName(r.int(0))
		out = append(out, outbox.Lane{
			Destination: destination, Room: room, First: sequenceOf(r.int(1)), Last: sequenceOf(r.int(2)),
			Tries: int(r.int(3)), Refusals: int(r.int(4)), Next: timeOf(r.int(5)), Since: timeOf(r.int(6)),
		})
		return true, err
	}, query, destination, at, int64(limit))
	return out, err
}

// destinations jumps from one destination to the next.
func (t *outboxTx) destinations() ([]string, error) {
	if t.waiting != nil {
		return t.waiting, nil
	}
	out := []string{}
	for last := ""; ; {
		r, _, err := t.c.one("SELECT min(destination) FROM lane WHERE parked = 0 AND destination > ?", last)
		if err != nil {
			return nil, err
		}
		if r.null(0) {
			t.waiting = out
			return out, nil
		}
		last = r.text(0)
		out = append(out, last)
	}
}

func (t *outboxTx) NextDue(now time.Time) (time.Time, error) {
	destinations, err := t.destinations()
	if err != nil {
		return time.Time{}, err
	}
	var first int64
	for _, d := range destinations {
		next, err := t.c.number("SELECT min(next) FROM lane WHERE parked = 0 AND destination = ? AND next > ?", d, millis(now))
		if err != nil {
			return time.Time{}, err
		}
		if next != 0 && (first == 0 || next < first) {
			first = next
		}
	}
	return timeOf(first), nil
}

func (t *outboxTx) Batch(lane outbox.Lane) ([]outbox.Item, error) {
	n, ok, err := t.c.room(lane.Room)
	if err != nil || !ok {
		return nil, err
	}
	var out []outbox.Item
	err = t.c.each(func(r row) (bool, error) {
		out = append(out, outbox.Item{Sequence: sequenceOf(r.int(0)), Handshake: r.int(1) != 0, Body: r.octets(2)})
		return true, nil
	}, `SELECT log.place, log.handshake, log.octets FROM lane JOIN log ON log.place BETWEEN lane.first AND lane.last
		WHERE lane.room = ?1 AND lane.destination = ?2 AND (lane.gaps = 0 OR NOT EXISTS (
			SELECT 1 FROM lane_gap AS g WHERE g.room = ?1 AND g.destination = ?2 AND g.first <= log.place AND g.last >= log.place))
		ORDER BY log.place`, n, lane.Destination)
	return out, err
}

func (t *outboxTx) Save(lane outbox.Lane) error {
	t.waiting = nil
	l, ok, err := t.c.lane(lane.Room, lane.Destination)
	if err != nil || !ok {
		return err
	}
	last := l.last
	if lane.Last < sequenceOf(last) {
		if last, err = t.shrunk(&l, lane.Last); err != nil {
			return err
		}
	}
	_, err = t.c.exec("UPDATE lane SET last = ?, tries = ?, refusals = ?, next = ?, parked = ? WHERE room = ? AND destination = ?",
		last, int64(lane.Tries), int64(lane.Refusals), millis(lane.Next), flag(lane.Parked), l.room, l.destination)
	return err
}

// shrunk is the last place of a batch that is to end at a sequence, or with its first item.
func (t *outboxTx) shrunk(l *laneState, until uint64) (last int64, err error) {
	last = l.first
	err = l.items(t.c, span{l.first, l.last}, func(place, _ int64) bool {
		if sequenceOf(place) <= until {
			last = place
		}
		return sequenceOf(place) < until
	})
	return last, err
}

func (t *outboxTx) Advance(lane outbox.Lane, now time.Time, maxBytes, maxItems int) error {
	t.waiting = nil
	n, ok, err := t.c.room(lane.Room)
	if err != nil || !ok {
		return err
	}
	done := span{}
	if done.first, err = place(n, lane.First); err != nil {
		return err
	}
	if done.last, err = place(n, lane.Last); err != nil {
		return err
	}
	// Nearly always the batch is all there is.
	idle, err := t.c.exec("DELETE FROM lane WHERE room = ? AND destination = ? AND newest <= ? AND first >= ? AND gaps = 0",
		n, lane.Destination, done.last, done.first)
	if err != nil {
		return err
	}
	if idle == 0 {
		l, ok, err := t.c.lane(lane.Room, lane.Destination)
		if err != nil || !ok {
			return err
		}
		if err := t.freeze(&l, max(done.last+1, l.first), now, maxBytes, maxItems); err != nil {
			return err
		}
		done.first = min(done.first, l.first)
	}
	return trim(t.c, n, done)
}

// freeze makes what waits from a place on the next batch.
func (t *outboxTx) freeze(l *laneState, from int64, now time.Time, maxBytes, maxItems int) error {
	var batch span
	var items, size int64
	err := l.items(t.c, span{from, l.newest}, func(place, octets int64) bool {
		size += octets
		if items > 0 && (size > int64(maxBytes) || items == int64(maxItems)) {
			return false
		}
		if items == 0 {
			batch.first = place
		}
		batch.last = place
		items++
		return true
	})
	if err != nil {
		return err
	}
	if items == 0 {
		return removeLane(t.c, l)
	}
	if l.gaps {
		if _, err := t.c.exec("DELETE FROM lane_gap WHERE room = ? AND destination = ? AND last < ?", l.room, l.destination, batch.first); err != nil {
			return err
		}
	}
	_, err = t.c.exec(`UPDATE lane SET first = ?1, last = ?2, tries = 0, refusals = 0, next = ?3, since = ?3, parked = 0
		WHERE room = ?4 AND destination = ?5`, batch.first, batch.last, millis(now), l.room, l.destination)
	return err
}

func (t *outboxTx) Drop(lane outbox.Lane, sequence uint64, reason string, now time.Time) error {
	t.waiting = nil
	l, ok, err := t.c.lane(lane.Room, lane.Destination)
	if err != nil || !ok {
		return err
	}
	at, err := place(l.room, sequence)
	if err != nil {
		return err
	}
	found := false
	stay := l // of the batch
	stay.first, stay.last = 0, 0
	err = l.items(t.c, span{l.first, l.last}, func(place, _ int64) bool {
		switch {
		case place == at:
			found = true
		case stay.first == 0:
			stay.first, stay.last = place, place
		default:
			stay.last = place
		}
		return true
	})
	if err != nil || !found {
		return err
	}
	_, err = t.c.exec(`INSERT INTO parked SELECT ?1, ?2, ?3, ?4, ?5, handshake, octets FROM log WHERE place = ?6`,
		l.room, l.destination, int64(sequence), reason, millis(now), at)
	if err != nil {
		return err
	}
	if err := addGap(t.c, l.room, l.destination, span{at, at}); err != nil {
		return err
	}
	if stay.first == 0 {
		return nil // Advance follows
	}
	_, err = t.c.exec("UPDATE lane SET first = ?, last = ? WHERE room = ? AND destination = ?", stay.first, stay.last, l.room, l.destination)
	if err != nil {
		return err
	}
	return trim(t.c, l.room, span{at, at})
}

func (t *outboxTx) Backlogs() ([]outbox.Backlog, error) {
	var out []outbox.Backlog
	err := t.c.each(func(r row) (bool, error) {
		out = append(out, outbox.Backlog{
			Destination: r.text(0), Lanes: int(r.int(1)), Items: int(r.int(2)), Oldest: timeOf(r.int(3)), Parked: int(r.int(4)),
		})
		return true, nil
	}, `SELECT destination, count(*), sum(newest - first + 1 - CASE gaps WHEN 0 THEN 0 ELSE (
			SELECT coalesce(sum(g.last - g.first + 1), 0) FROM lane_gap AS g
			WHERE g.room = lane.room AND g.destination = lane.destination AND g.first >= lane.first) END), min(since), sum(parked)
		FROM lane GROUP BY destination ORDER BY destination`)
	return out, err
}
