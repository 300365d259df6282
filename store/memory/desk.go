package memory

import (
	"slices"

	"parley/outbox"
	"parley/uri"
)

type deskTx struct{ *tx }

func (t *deskTx) Stopped(destination string, room uri.Room, limit int) ([]outbox.Lane, error) {
	var out []outbox.Lane
	for _, key := range sortedBy(t.lanes, compareLanes) {
		if l := t.lanes[key]; l.parked && len(out) < limit && compareLanes(key, laneKey{destination, room}) > 0 {
			out = append(out, view(key, l))
		}
	}
	return out, nil
}

func (t *deskTx) Parked(destination string, room uri.Room, sequence uint64, limit int) ([]outbox.Parked, error) {
	var out []outbox.Parked
	after := laneKey{destination, room}
	for _, key := range sortedBy(t.parked, compareLanes) {
		place := compareLanes(key, after)
		for _, p := range t.parked[key] {
			if len(out) == limit || place < 0 || place == 0 && p.Sequence <= sequence {
				continue
			}
			item := t.logs[key.room][p.Sequence-1]
			out = append(out, outbox.Parked{Destination: key.destination, Room: key.room, Sequence: p.Sequence,
				Handshake: item.Handshake, Reason: p.Reason, At: p.At, Body: item.Body})
		}
	}
	return out, nil
}

func (t *deskTx) Unpark(destination string, room uri.Room, sequence uint64) (bool, error) {
	key := laneKey{destination, room}
	all := t.parked[key]
	i := slices.IndexFunc(all, func(p Parked) bool { return p.Sequence == sequence })
	if i < 0 {
		return false, nil
	}
	if len(all) == 1 {
		return true, drop(t.tx, t.parked, key)
	}
	return true, put(t.tx, t.parked, key, slices.Delete(slices.Clone(all), i, i+1))
}

func (t *deskTx) Waiting(room uri.Room) ([]outbox.Waiting, error) {
	var out []outbox.Waiting
	for _, key := range sortedBy(t.lanes, compareLanes) {
		l := t.lanes[key]
		if key.room == room && l.frozen > 0 {
			out = append(out, outbox.Waiting{Lane: view(key, l), Body: t.logs[room][l.queue[0]-1].Body})
		}
	}
	return out, nil
}
