package sqlite

import (
	"parley/outbox"
	"parley/uri"
)

type deskTx struct{ c *conn }

func (t *deskTx) Stopped(destination string, room uri.Room, limit int) ([]outbox.Lane, error) {
	var out []outbox.Lane
	err := t.c.each(func(r row) (bool, error) {
		room, err := t.c.roomName(r.int(1))
		out = append(out, outbox.Lane{
			Destination: r.text(0), Room: room, First: sequenceOf(r.int(2)), Last: sequenceOf(r.int(3)),
			Tries: int(r.int(4)), Refusals: int(r.int(5)), Next: timeOf(r.int(6)), Since: timeOf(r.int(7)), Parked: true,
		})
		return true, err
	}, `SELECT destination, room, first, last, tries, refusals, next, since FROM lane
		WHERE parked = 1 AND (destination, uri) > (?1, ?2) ORDER BY destination, uri LIMIT ?3 + 0`, destination, room.String(), int64(limit))
	return out, err
}

func (t *deskTx) Parked(destination string, room uri.Room, sequence uint64, limit int) ([]outbox.Parked, error) {
	var out []outbox.Parked
	err := t.c.each(func(r row) (bool, error) {
		p := outbox.Parked{Destination: r.text(0), Sequence: r.uint(2), Reason: r.text(3), At: timeOf(r.int(4)), Handshake: r.int(5) != 0, Body: r.octets(6)}
		var err error
		p.Room, err = t.c.roomName(r.int(1))
		out = append(out, p)
		return true, err
	}, `SELECT p.destination, p.room, p.sequence, p.reason, p.at, p.handshake, p.octets FROM parked AS p JOIN room ON room.id = p.room
		WHERE (p.destination, room.uri, p.sequence) > (?1, ?2, ?3 + 0) ORDER BY p.destination, room.uri, p.sequence LIMIT ?4 + 0`,
		destination, room.String(), whole(sequence), int64(limit))
	return out, err
}

func (t *deskTx) Unpark(destination string, room uri.Room, sequence uint64) (bool, error) {
	number, ok, err := t.c.room(room)
	if err != nil || !ok {
		return false, err
	}
	n, err := t.c.exec("DELETE FROM parked WHERE room = ? AND destination = ? AND sequence = ? + 0", number, destination, whole(sequence))
	return n > 0, err
}

func (t *deskTx) Waiting(room uri.Room) ([]outbox.Waiting, error) {
	number, ok, err := t.c.room(room)
	if err != nil || !ok {
		return nil, err
	}
	var out []outbox.Waiting
	err = t.c.each(func(r row) (bool, error) {
		out = append(out, outbox.Waiting{Body: r.octets(8), Lane: outbox.Lane{
			Destination: r.text(0), Room: room, First: sequenceOf(r.int(1)), Last: sequenceOf(r.int(2)),
			Tries: int(r.int(3)), Refusals: int(r.int(4)), Next: timeOf(r.int(5)), Since: timeOf(r.int(6)), Parked: r.int(7) != 0,
		}})
		return true, nil
	}, `SELECT lane.destination, lane.first, lane.last, lane.tries, lane.refusals, lane.next, lane.since, lane.parked, log.octets
		FROM lane JOIN log ON log.place = lane.first WHERE lane.room = ? ORDER BY lane.destination`, number)
	return out, err
}
