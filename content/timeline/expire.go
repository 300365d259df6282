package timeline

import (
	"slices"
	"time"

	"parley/content"
)

// Seen notes that this user has read a message on this device. Where a message expires some time after it was read, the time
// starts with the first reading on any device (A-C16); other devices tell by a status report. Roots are the messages that look
// different now.
func (t *Timeline) Seen(id content.MessageID, at time.Time) []content.MessageID {
	it := t.items[t.root(id)]
	if it == nil || !it.read.IsZero() && !at.Before(it.read) {
		return nil
	}
	it.read = at
	return []content.MessageID{it.root}
}

// expiry is when a strand expires, as far as that is known. A sender's own copy counts from the hub's time.
func (t *Timeline) expiry(p place) (at time.Time, found bool) {
	base := p.strand.base(p.item)
	e := base.Message.Expires
	switch {
	case e == nil:
		return time.Time{}, false
	case !e.Relative:
		return time.Unix(int64(e.Time), 0), true
	case base.Sender == t.config.Self:
		return time.UnixMilli(int64(base.Accepted)).Add(time.Duration(e.Time) * time.Second), true
	case p.item.read.IsZero():
		return time.Time{}, false
	}
	return p.item.read.Add(time.Duration(e.Time) * time.Second), true
}

// Gone is a message that has expired.
type Gone struct {
	Root  content.MessageID
	Erase []Erasure
}

// Expire erases what has expired by now; it stays so whatever the clock says later.
func (t *Timeline) Expire(now time.Time) []Gone {
	var list []Gone
	t.expiring = slices.DeleteFunc(t.expiring, func(it *item) bool {
		if t.items[it.root] != it {
			return true // part of another item now
		}
		waits := false
		for _, p := range it.places {
			if at, found := t.expiry(p); found && !now.Before(at) {
				p.strand.expired = true
			} else if p.strand.base(it).Message.Expires != nil {
				waits = true
			}
		}
		if erased := t.erase(it); len(erased) > 0 {
			list = append(list, Gone{it.root, erased})
		}
		it.expiring = waits
		return !waits
	})
	return list
}

// NextExpiry is when Expire has something to do next, as far as that is known.
func (t *Timeline) NextExpiry() (at time.Time, found bool) {
	for _, it := range t.expiring {
		for _, p := range it.places {
			next, known := t.expiry(p)
			if known && !p.strand.expired && (!found || next.Before(at)) {
				at, found = next, true
			}
		}
	}
	return at, found
}
