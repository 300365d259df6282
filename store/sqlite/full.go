package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
)

// roomNeeded is how much of the disk has to be free before the store counts as able to write again, so that it does not go back and
// forth with every message.
const roomNeeded = 1 << 20

// Full reports that a write failed for lack of space since Probe last succeeded. Writes are tried all the same.
func (s *Store) Full() bool { return s.full.Load() }

// Probe finds out whether a full store can write again: there is some space, and a small write is on disk. ErrFull says that it cannot.
func (s *Store) Probe(ctx context.Context) error {
	free, known := freeSpace(filepath.Dir(s.path))
	if known && free < roomNeeded {
		return fmt.Errorf("%w: %d octets are free", ErrFull, free)
	}
	err := s.update(ctx, func(c *conn) error {
		_, err := c.exec("UPDATE counter SET value = value + 1024 WHERE name = 'delivery'")
		return err
	})
	if err == nil {
		s.full.Store(false)
	}
	return err
}
