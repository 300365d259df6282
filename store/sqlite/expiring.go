package sqlite

import (
	"encoding/binary"
	"time"
)

// expiring is a table of what is recognised by a SHA-256 and forgotten after a time. Such records are the most numerous of a provider,
// and nearly all are written once, never found again, and deleted. So the table is ordered by the end of life, where records are
// added and deleted side by side, and only an index of short entries has the random order of hashes.
type expiring struct {
	find   string // by prefix and rest
	insert string // due, prefix, rest and what follows
	remove string // by prefix and rest
	sweep  string // all that are due before a number
}

var (
	hubAnswers   = answerTable("hub_answer")
	claimAnswers = answerTable("claim_answer")
)

func answerTable(name string) expiring {
	return expiring{
		find:   "SELECT octets FROM " + name + " WHERE prefix = ? AND rest = ?",
		insert: "INSERT OR IGNORE INTO " + name + "(due, prefix, rest, octets) VALUES(?, ?, ?, ?)",
		remove: "DELETE FROM " + name + " WHERE prefix = ? AND rest = ?",
		sweep:  "DELETE FROM " + name + " WHERE due < ?",
	}
}

// sum is a hash as it is stored.
type sum [32]byte

func (s *sum) prefix() int64 { return int64(binary.BigEndian.Uint64(s[:8])) }
func (s *sum) rest() []byte  { return s[8:] }

const (
	dueBits = 20
	maxTime = 1<<42 - 1 // ms; later times count as this one, in the year 2109
)

// dueAt is the smallest number of what is due at a time.
func dueAt(millis int64) int64 { return min(max(millis, 0), maxTime) << dueBits }

// insertDue gives a record a number of its time that is still free.
func (c *conn) insertDue(query string, millis int64, args ...any) error {
	all := append([]any{nil}, args...)
	for range 1 << dueBits {
		c.serial++
		all[0] = dueAt(millis) | int64(c.serial&(1<<dueBits-1))
		if n, err := c.exec(query, all...); err != nil || n == 1 {
			return err
		}
	}
	return errRange
}

// answers are the answers of one role within a transaction. What was looked for and not found needs no deletion before it is saved.
type answers struct {
	c      *conn
	table  *expiring
	absent sum
	looked bool
}

func (a *answers) Answer(request [32]byte) ([]byte, bool, error) {
	key := sum(request)
	r, ok, err := a.c.one(a.table.find, key.prefix(), key.rest())
	if err != nil {
		return nil, false, err
	}
	if !ok {
		a.absent, a.looked = key, true
		return nil, false, nil
	}
	return r.octets(0), true, nil
}

func (a *answers) SaveAnswer(request [32]byte, octets []byte, expires time.Time) error {
	key := sum(request)
	if !a.looked || a.absent != key {
		if _, err := a.c.exec(a.table.remove, key.prefix(), key.rest()); err != nil {
			return err
		}
	}
	a.looked = false
	return a.c.insertDue(a.table.insert, millis(expires), key.prefix(), key.rest(), filled(octets))
}

func (a *answers) expire(now time.Time) (int, error) {
	n, err := a.c.exec(a.table.sweep, dueAt(millis(now)))
	return int(n), err
}
