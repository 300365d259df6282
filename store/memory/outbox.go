package memory

import (
	"cmp"
	"slices"
	"time"

	"parley/hub"
	"parley/outbox"
	"parley/uri"
)

type laneKey struct {
	destination string
	room        uri.Room
}

func compareLanes(a, b laneKey) int {
	return cmp.Or(cmp.Compare(a.destination, b.destination), byText(a.room, b.room))
}

// lane is a queue of log sequences; the first frozen ones are the batch.
type lane struct {
	queue           []uint64
	frozen          int
	tries, refusals int
	next, since     time.Time
	parked          bool
}

// Parked is an item that was taken out of its lane.
type Parked struct {
	Sequence uint64
	Reason   string
	At       time.Time
}

func (t *tx) enqueue(key laneKey, item hub.Item) error {
	l := t.lanes[key]
	if l.frozen == 0 {
		l = lane{frozen: 1, since: time.UnixMilli(int64(item.Timestamp)), parked: l.parked}
	}
	l.queue = append(slices.Clip(l.queue), item.Sequence)
	return put(t, t.lanes, key, l)
}

type outboxTx struct{ *tx }

func view(key laneKey, l lane) outbox.Lane {
	return outbox.Lane{
		Destination: key.destination, Room: key.room, First: l.queue[0], Last: l.queue[l.frozen-1],
		Tries: l.tries, Refusals: l.refusals, Next: l.next, Since: l.since, Parked: l.parked,
	}
}

func (t *outboxTx) Due(now time.Time, busy []string, limit int) ([]outbox.Lane, error) {
	var out []outbox.Lane
	for _, key := range sortedBy(t.lanes, compareLanes) {
		l := t.lanes[key]
		if l.frozen > 0 && !l.parked && !l.next.After(now) && !slices.Contains(busy, key.destination) {
			out = append(out, view(key, l))
		}
	}
	slices.SortStableFunc(out, func(a, b outbox.Lane) int { return a.Next.Compare(b.Next) })
	return out[:min(limit, len(out))], nil
}

func (t *outboxTx) NextDue(now time.Time) (time.Time, error) {
	var next time.Time
	for _, l := range t.lanes {
		if l.frozen > 0 && !l.parked && l.next.After(now) && (next.IsZero() || l.next.Before(next)) {
			next = l.next
		}
	}
	return next, nil
}

func (t *outboxTx) Delayed(destination string, now time.Time, limit int) ([]outbox.Lane, error) {
	var out []outbox.Lane
	for _, key := range sortedBy(t.lanes, compareLanes) {
		l := t.lanes[key]
		if key.destination == destination && l.frozen > 0 && !l.parked && l.next.After(now) {
			out = append(out, view(key, l))
		}
	}
	slices.SortStableFunc(out, func(a, b outbox.Lane) int { return a.Next.Compare(b.Next) })
	return out[:min(limit, len(out))], nil
}

func (t *outboxTx) Batch(v outbox.Lane) ([]outbox.Item, error) {
	l := t.lanes[laneKey{v.Destination, v.Room}]
	var out []outbox.Item
	for _, sequence := range l.queue[:l.frozen] {
		item := t.logs[v.Room][sequence-1]
		out = append(out, outbox.Item{Sequence: sequence, Handshake: item.Handshake, Body: item.Body})
	}
	return out, nil
}

func (t *outboxTx) Save(v outbox.Lane) error {
	key := laneKey{v.Destination, v.Room}
	l, ok := t.lanes[key]
	if !ok {
		return nil
	}
	l.tries, l.refusals, l.next, l.parked = v.Tries, v.Refusals, v.Next, v.Parked
	for l.frozen > 1 && l.queue[l.frozen-1] > v.Last {
		l.frozen--
	}
	return put(t.tx, t.lanes, key, l)
}

func (t *outboxTx) Advance(v outbox.Lane, now time.Time, maxBytes, maxItems int) error {
	key := laneKey{v.Destination, v.Room}
	l, ok := t.lanes[key]
	if !ok {
		return nil
	}
	rest := l.queue
	for len(rest) > 0 && rest[0] <= v.Last {
		rest = rest[1:]
	}
	if len(rest) == 0 {
		return drop(t.tx, t.lanes, key)
	}
	size, n := 0, 0
	for _, sequence := range rest {
		size += len(t.logs[v.Room][sequence-1].Body)
		if n > 0 && (size > maxBytes || n == maxItems) {
			break
		}
		n++
	}
	return put(t.tx, t.lanes, key, lane{queue: rest, frozen: n, next: now, since: now})
}

func (t *outboxTx) Drop(v outbox.Lane, sequence uint64, reason string, now time.Time) error {
	key := laneKey{v.Destination, v.Room}
	l := t.lanes[key]
	i := slices.Index(l.queue[:l.frozen], sequence)
	if i < 0 {
		return nil
	}
	l.queue = slices.Delete(slices.Clone(l.queue), i, i+1)
	l.frozen--
	if err := put(t.tx, t.lanes, key, l); err != nil {
		return err
	}
	return put(t.tx, t.parked, key, append(slices.Clip(t.parked[key]), Parked{sequence, reason, now}))
}

func (t *outboxTx) Backlogs() ([]outbox.Backlog, error) {
	var out []outbox.Backlog
	for _, key := range sortedBy(t.lanes, compareLanes) {
		l := t.lanes[key]
		if len(l.queue) == 0 {
			continue
		}
		if n := len(out); n == 0 || out[n-1].Destination != key.destination {
			out = append(out, outbox.Backlog{Destination: key.destination})
		}
		b := &out[len(out)-1]
		b.Lanes++
		b.Items += len(l.queue)
		if b.Oldest.IsZero() || l.since.Before(b.Oldest) {
			b.Oldest = l.since
		}
		if l.parked {
			b.Parked++
		}
	}
	return out, nil
}
