package memory

import (
	"maps"
	"slices"
	"strings"
	"time"

	"parley/hub"
	"parley/mls"
	"parley/uri"
)

type answerKey struct {
	role    byte // 'h' hub, 'k' KeyPackages
	request [32]byte
}

type answer struct {
	octets  []byte
	expires time.Time
}

func (t *tx) answer(key answerKey) ([]byte, bool, error) {
	a, ok := t.answers[key]
	return a.octets, ok, nil
}

func (t *tx) expireAnswers(role byte, now time.Time) (int, error) {
	n := 0
	for key, a := range t.answers {
		if key.role != role || !a.expires.Before(now) {
			continue
		}
		if err := drop(t, t.answers, key); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

type hubTx struct{ *tx }

func (t *hubTx) Head(room uri.Room) (hub.Head, bool, error) {
	h, ok := t.heads[room]
	h.Destinations = slices.Clone(h.Destinations)
	return h, ok, nil
}

func (t *hubTx) SaveHead(room uri.Room, old uint64, h hub.Head) error {
	if t.heads[room].Version != old {
		return hub.ErrConflict
	}
	h.Destinations, h.GroupID = slices.Clone(h.Destinations), slices.Clone(h.GroupID)
	return put(t.tx, t.heads, room, h)
}

func (t *hubTx) Records(room uri.Room, prefix string) ([]mls.Record, error) {
	var out []mls.Record
	for key, value := range t.records[room] {
		if strings.HasPrefix(key, prefix) {
			out = append(out, mls.Record{Key: key, Value: value})
		}
	}
	slices.SortFunc(out, func(a, b mls.Record) int { return strings.Compare(a.Key, b.Key) })
	return out, nil
}

func (t *hubTx) PutRecords(room uri.Room, changes mls.Delta) error {
	if t.records[room] == nil {
		if err := put(t.tx, t.records, room, make(map[string][]byte)); err != nil {
			return err
		}
	}
	table := t.records[room]
	for _, c := range changes {
		var err error
		if c.Value == nil {
			err = drop(t.tx, table, c.Key)
		} else {
			err = put(t.tx, table, c.Key, slices.Clone(c.Value))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *hubTx) Append(room uri.Room, item hub.Item) error {
	if item.Sequence != uint64(len(t.logs[room]))+1 {
		return hub.ErrConflict // a log has no gaps
	}
	item.Body, item.Destinations = slices.Clone(item.Body), slices.Clone(item.Destinations)
	if err := put(t.tx, t.logs, room, append(slices.Clip(t.logs[room]), item)); err != nil {
		return err
	}
	for _, destination := range item.Destinations {
		if err := t.enqueue(laneKey{destination, room}, item); err != nil {
			return err
		}
	}
	return nil
}

func (t *hubTx) Answer(request [32]byte) ([]byte, bool, error) {
	return t.answer(answerKey{'h', request})
}

func (t *hubTx) SaveAnswer(request [32]byte, octets []byte, expires time.Time) error {
	return put(t.tx, t.answers, answerKey{'h', request}, answer{slices.Clone(octets), expires})
}

func (t *hubTx) Expire(now time.Time) (int, error) { return t.expireAnswers('h', now) }

// Log returns a room's log, for the checkers of tests.
func (s *Store) Log(room uri.Room) []hub.Item {
	s.enter()
	defer s.mu.Unlock()
	return slices.Clone(s.state.logs[room])
}

// Rooms returns the heads of all rooms, for the checkers of tests.
func (s *Store) Rooms() map[uri.Room]hub.Head {
	s.enter()
	defer s.mu.Unlock()
	return maps.Clone(s.state.heads)
}
