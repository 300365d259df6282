package sqlite

import (
	"errors"
	"math"
	"time"
)

// errMissing means that a row is not there that another row names.
var errMissing = errors.New("sqlite: a row is missing")

// errRange means that a number is larger than the schema can hold.
var errRange = errors.New("sqlite: a number is out of range")

// A place is a room's number and a sequence in one integer, so that the log is one table in the order of its key.
const placeBits = 32

func place(room int64, sequence uint64) (int64, error) {
	if room >= 1<<(62-placeBits) || sequence >= 1<<placeBits {
		return 0, errRange
	}
	return room<<placeBits | int64(sequence), nil
}

func sequenceOf(place int64) uint64 { return uint64(place) & (1<<placeBits - 1) }

// block is a range of delivery numbers that are reserved in the database and not used yet. Numbers that are lost with a process or an
// undone transaction are never used.
type block struct{ last, end int64 }

const blockSize = 1024

// delivery returns a number larger than every one before it, also those of deleted deliveries.
func (c *conn) delivery() (int64, error) {
	if c.next.last == c.next.end {
		end, err := c.number("UPDATE counter SET value = value + 1024 WHERE name = 'delivery' RETURNING value")
		if err != nil {
			return 0, err
		}
		if end < blockSize {
			return 0, errMissing
		}
		c.next = block{end - blockSize, end}
	}
	c.next.last++
	return c.next.last, nil
}

// forward lets delivery numbers go on from the time of day, unless they are ahead of it. A database that comes from a backup would otherwise
// give numbers again that clients have seen, and what they stand for now would be passed over. There are 1024 for each millisecond, far
// more than are ever used, and they stay below 2^53 until the year 2248, so that every JSON reader keeps them.
func (c *conn) forward(now time.Time) error {
	_, err := c.exec("UPDATE counter SET value = max(value, ?) WHERE name = 'delivery'", max(now.UnixMilli(), 0)*blockSize)
	return err
}

// millis is a time as it is stored, 0 for none. Parts of a millisecond are dropped.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func timeOf(millis int64) time.Time {
	if millis == 0 {
		return time.Time{}
	}
	return time.UnixMilli(millis)
}

// filled makes octets that are not NULL.
func filled(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func whole(n uint64) int64 { return int64(min(n, math.MaxInt64)) }
