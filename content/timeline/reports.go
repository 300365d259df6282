package timeline

import (
	"slices"
	"strings"
	"time"

	"parley/content"
	"parley/uri"
)

// maxWaiting bounds the statuses of messages that are not here which are kept for one reporter (C-ST-09).
const maxWaiting = 4096

// Receipt is what one user reported on a message. It is that user's claim.
type Receipt struct {
	User   uri.User
	Status content.Status
	Older  bool // on an earlier version than the one shown
}

// Report takes in a status report that came by itself, not in a message (A-C9). Roots are the messages that look different now.
func (t *Timeline) Report(from uri.User, accepted uint64, report content.StatusReport) []content.MessageID {
	return t.report(from, content.Position{Accepted: accepted, ID: content.MessageID{0xff}}, report)
}

func (t *Timeline) report(from uri.User, at content.Position, report content.StatusReport) []content.MessageID {
	var roots []content.MessageID
	for _, e := range report.Known() {
		if !t.note(from, at, e) {
			continue
		}
		root := t.root(e.ID)
		if from == t.config.Self && e.Status == content.StatusRead {
			it := t.item(root)
			if read := time.UnixMilli(int64(at.Accepted)); it.read.IsZero() || read.Before(it.read) {
				it.read = read
			}
		}
		if _, known := t.items[root]; known && !slices.Contains(roots, root) {
			roots = append(roots, root)
		}
	}
	return roots
}

// note keeps one status; kept is false if there are too many that wait for their message.
func (t *Timeline) note(from uri.User, at content.Position, e content.StatusEntry) (kept bool) {
	users := t.status[e.ID]
	k := users[from]
	if k == nil {
		if _, seen := t.seen[e.ID]; !seen {
			if t.waiting[from] >= maxWaiting {
				return false
			}
			t.waiting[from]++
		}
		if users == nil {
			users = map[uri.User]*content.StatusKept{}
			t.status[e.ID] = users
		}
		k = &content.StatusKept{}
		users[from] = k
	}
	k.Note(e.Status, at)
	return true
}

// arrived makes room for further statuses that wait.
func (t *Timeline) arrived(id content.MessageID) {
	for from := range t.status[id] {
		t.waiting[from]--
	}
}

// Receipts are the statuses that the room's other users reported on a message, by user: on the shown version, or else on the last
// one before it that the user reported on.
func (t *Timeline) Receipts(id content.MessageID) []Receipt {
	it := t.items[t.root(id)]
	if it == nil || len(it.places) == 0 {
		return nil
	}
	p := it.first()
	current := p.strand.current(it)
	versions := slices.Clone(p.strand.versions)
	slices.Reverse(versions)
	at := slices.Index(versions, current)
	var list []Receipt
	told := map[uri.User]bool{p.strand.author: true}
	for _, v := range versions[max(at, 0):] {
		for user, kept := range t.status[v.ID] {
			if status, known := kept.Status(); known && !told[user] {
				told[user] = true
				list = append(list, Receipt{user, status, v != current})
			}
		}
	}
	slices.SortFunc(list, func(x, y Receipt) int { return strings.Compare(x.User.Key(), y.User.Key()) })
	return list
}
