package content

import (
	"time"
)

// StatusRules decide which statuses are sent to a room.
type StatusRules struct {
	// Delivery and Read are the room's policy (draft-ietf-mimi-room-policy-03 §6.1).
	Delivery, Read Optionality
	// TellDelivery and TellRead are the user's wish where the policy leaves it open.
	TellDelivery, TellRead bool
	// Crowded is set in rooms with more participants than the app wants to report to; then only what is required is sent (A-C27).
	Crowded bool
}

// Send reports whether a status is sent. That a message was delivered or could not be read by the app falls under delivery, what
// the user did with it under read. Unknown statuses are not sent.
func (r StatusRules) Send(s Status) bool {
	policy, wish := r.Read, r.TellRead
	switch {
	case s > StatusError:
		return false
	case s == StatusDelivered || s == StatusError:
		policy, wish = r.Delivery, r.TellDelivery
	}
	return policy.holds(wish && !r.Crowded)
}

const (
	batchInterval = 5 * time.Second // between two reports to a room, A-C27
	batchEntries  = 256             // of one report
)

// StatusBatch gathers the statuses that one client wants to report to one room into few reports. The zero value is empty. The
// rules are the caller's: what is noted is sent.
type StatusBatch struct {
	last    time.Time
	status  map[MessageID]Status
	waiting []MessageID // in the order in which they were noted first
}

// Note takes a status in. Of one message only the last status is sent, a read that waits is not undone by a delivered.
func (b *StatusBatch) Note(id MessageID, s Status) {
	before, found := b.status[id]
	if !found {
		b.waiting = append(b.waiting, id)
		before = s
	}
	if b.status == nil {
		b.status = map[MessageID]Status{}
	}
	b.status[id] = before.Next(s)
}

// Due is when Take has something to give; found is false while nothing waits. It may lie in the past.
func (b *StatusBatch) Due() (at time.Time, found bool) {
	if len(b.waiting) == 0 {
		return time.Time{}, false
	}
	if b.last.IsZero() {
		return time.Time{}, true
	}
	return b.last.Add(batchInterval), true
}

// Take gives the next report of at most 256 entries, nil if none is due.
func (b *StatusBatch) Take(now time.Time) StatusReport {
	if due, found := b.Due(); !found || now.Before(due) {
		return nil
	}
	n := min(len(b.waiting), batchEntries)
	report := make(StatusReport, 0, n)
	for _, id := range b.waiting[:n] {
		report = append(report, StatusEntry{id, b.status[id]})
		delete(b.status, id)
	}
	b.waiting = append(b.waiting[:0], b.waiting[n:]...)
	b.last = now
	return report
}

// StatusKept is what is known of one message and one reporting user: the report that counts, whatever order the reports come
// in (C-ST-05). The zero value knows nothing.
type StatusKept struct {
	known     bool
	deleted   bool
	delivered Position // of the last delivered, zero: none
	other     Position // of the last other status
	status    Status   // that other status
}

// Note takes in the status of a report that stands at the given position of the room.
func (k *StatusKept) Note(s Status, at Position) {
	switch {
	case s > StatusError:
		return
	case s == StatusDeleted:
		k.deleted = true
	case s == StatusDelivered:
		if k.delivered.Compare(at) < 0 {
			k.delivered = at
		}
	case k.other.Compare(at) < 0:
		k.other, k.status = at, s
	}
	k.known = true
}

// Status is the status that counts: deleted for good, then the last one in the room's order, but never delivered after read.
// It is the user's claim (draft-mahy-mimi-message-status-01 §6).
func (k StatusKept) Status() (s Status, known bool) {
	switch {
	case !k.known:
		return StatusUnread, false
	case k.deleted:
		return StatusDeleted, true
	case k.other == Position{}:
		return StatusDelivered, true
	case k.status != StatusRead && k.other.Compare(k.delivered) < 0:
		return StatusDelivered, true
	}
	return k.status, true
}
