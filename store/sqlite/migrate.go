package sqlite

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"

	codes "modernc.org/sqlite/lib"
)

// applicationID marks our files ("Prly"), so that another program's database is refused and not written to.
const applicationID = 0x50726c79

//go:embed schema.sql
var schema string

//go:embed people.sql
var peopleSchema string

//go:embed contact.sql
var contactSchema string

//go:embed arrived.sql
var arrivedSchema string

//go:embed asset.sql
var assetSchema string

// migrations take the schema from version i to i+1; they only ever grow. The first one is the whole schema.
var migrations = []string{schema, peopleSchema, contactSchema, arrivedSchema, assetSchema}

// ErrNewer means that a newer parley wrote the database.
var ErrNewer = errors.New("sqlite: the store was written by a newer version of parley")

// ErrForeign means that the file belongs to another program, or is no database.
var ErrForeign = errors.New("sqlite: the file is not a store of parley")

// ErrDamaged means that the database is damaged: a backup has to take its place. It is never repaired by deleting.
var ErrDamaged = errors.New("sqlite: the store is damaged; restore a backup")

// inspect refuses files that this version must not write to. A file that is not there, or empty, is a new store.
func (s *Store) inspect(ctx context.Context) (err error) {
	info, err := os.Stat(s.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	if info.Size() == 0 {
		return nil
	}
	c, err := connect(ctx, s.path, "query_only(on)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	_, err = version(c)
	return err
}

// version returns the version of the schema in a file that is ours or empty.
func version(c *conn) (int, error) {
	id, err := c.number("PRAGMA application_id")
	if err != nil {
		return 0, unreadable(err)
	}
	version, err := c.number("PRAGMA user_version")
	if err != nil {
		return 0, unreadable(err)
	}
	switch {
	case id == applicationID && version > int64(len(migrations)):
		return 0, ErrNewer
	case id == applicationID:
		return int(version), nil
	case id != 0 || version != 0:
		return 0, ErrForeign
	}
	tables, err := c.number("SELECT count(*) FROM sqlite_schema")
	if err != nil {
		return 0, unreadable(err)
	}
	if tables > 0 {
		return 0, ErrForeign
	}
	return 0, nil
}

func unreadable(err error) error {
	switch primary(err) {
	case codes.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w", ErrForeign, err)
	case codes.SQLITE_CORRUPT:
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return fmt.Errorf("sqlite: open: %w", err)
}

func migrate(c *conn) error {
	from, err := version(c)
	if err != nil {
		return err
	}
	for ; from < len(migrations); from++ {
		step := fmt.Sprintf("BEGIN IMMEDIATE; PRAGMA application_id=%d; %s; PRAGMA user_version=%d; COMMIT",
			applicationID, migrations[from], from+1)
		if err := c.script(step); err != nil {
			return fmt.Errorf("sqlite: migrate to version %d: %w", from+1, err)
		}
	}
	return nil
}

func check(c *conn) error {
	verdict, ok, err := c.one("PRAGMA quick_check(1)")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if !ok || verdict.text(0) != "ok" {
		return ErrDamaged
	}
	return nil
}

// Check reads the whole database and compares every index with its table. It runs beside everything else, on a snapshot.
func (s *Store) Check(ctx context.Context) error {
	err := s.view(ctx, func(c *conn) error {
		verdict, ok, err := c.one("PRAGMA integrity_check(1)")
		if err == nil && (!ok || verdict.text(0) != "ok") {
			return ErrDamaged
		}
		return err
	})
	if errors.Is(err, ErrDamaged) {
		s.fail(err)
	}
	return err
}
