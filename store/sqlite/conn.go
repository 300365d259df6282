package sqlite

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	codes "modernc.org/sqlite/lib"

	"parley/uri"
)

// conn is one connection with its prepared statements and what it remembers of the names in the database. It is used by one goroutine
// at a time. Its statements run to their end whatever becomes of the caller: an interrupt would roll a whole group back.
type conn struct {
	db     *database
	stmts  map[string]*statement
	rooms  names[uri.Room]
	users  names[uri.Client]
	next   block           // delivery numbers that are reserved for this process
	groups map[int64]group // by room; of the writer, which is the only one to change them; nil for the others
	serial uint64          // tells records apart that expire in the same millisecond
	wrote  bool            // a statement was run that may have changed something since this was set to false
}

// row is one row of a result. Octets and texts in it are copies; the row itself is overwritten by the next use of its statement.
type row []value

type value struct {
	null   bool
	number int64
	text   string
	octets []byte
}

// connect opens a connection and gives it its pragmas.
func connect(ctx context.Context, path string, pragmas ...string) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	db, err := openDatabase((&url.URL{Scheme: "file", Opaque: url.PathEscape(path)}).String())
	if err != nil {
		return nil, unreadable(err)
	}
	c := &conn{db: db, stmts: make(map[string]*statement)}
	for _, p := range pragmas {
		if err := c.script("PRAGMA " + p); err != nil {
			return nil, errors.Join(unreadable(err), c.close())
		}
	}
	return c, nil
}

func (c *conn) close() error {
	for _, s := range c.stmts {
		s.close()
	}
	return c.db.close()
}

// script runs statements without arguments one after the other.
func (c *conn) script(text string) error { return c.db.script(text) }

// prepare binds args to the statement of a query, which is prepared once per connection.
func (c *conn) prepare(query string, args []any) (*statement, error) {
	s, ok := c.stmts[query]
	if !ok {
		var err error
		if s, err = c.db.prepare(query); err != nil {
			return nil, err
		}
		c.stmts[query] = s
	}
	c.wrote = c.wrote || s.writes
	return s, s.bind(args)
}

// exec runs a statement and returns how many rows it changed. Arguments are int64, string, []byte or nil.
func (c *conn) exec(query string, args ...any) (int64, error) {
	s, err := c.prepare(query, args)
	if err != nil {
		return 0, err
	}
	defer s.reset()
	if _, err := s.step(); err != nil {
		return 0, err
	}
	return c.db.changes(), nil
}

// each calls f for every row of a query until it returns false.
func (c *conn) each(f func(row) (more bool, err error), query string, args ...any) error {
	s, err := c.prepare(query, args)
	if err != nil {
		return err
	}
	defer s.reset()
	for {
		ok, err := s.step()
		if err != nil || !ok {
			return err
		}
		if more, err := f(s.dest); err != nil || !more {
			return err
		}
	}
}

// one returns the first row of a query; ok is false when there is none.
func (c *conn) one(query string, args ...any) (first row, ok bool, err error) {
	s, err := c.prepare(query, args)
	if err != nil {
		return nil, false, err
	}
	defer s.reset()
	ok, err = s.step()
	return s.dest, ok, err
}

// number returns the first column of the first row, 0 for NULL and for no row.
func (c *conn) number(query string, args ...any) (int64, error) {
	r, ok, err := c.one(query, args...)
	if err != nil || !ok {
		return 0, err
	}
	return r.int(0), nil
}

func (r row) null(i int) bool     { return r[i].null }
func (r row) int(i int) int64     { return r[i].number }
func (r row) uint(i int) uint64   { return uint64(r[i].number) }
func (r row) text(i int) string   { return r[i].text }
func (r row) octets(i int) []byte { return r[i].octets } // nil for NULL, not nil for an empty one

// primary returns SQLite's primary result code of err, 0 when err does not come from SQLite.
func primary(err error) int32 {
	var f *failure
	if !errors.As(err, &f) {
		return 0
	}
	return f.code & 0xff
}

// classify turns an error of the engine into one that a caller can act on.
func classify(err error) error {
	var f *failure
	if errors.As(err, &f) && f.code == codes.SQLITE_IOERR_SHMSIZE { // the index of the log cannot grow
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	switch primary(err) {
	case codes.SQLITE_FULL:
		return fmt.Errorf("%w: %w", ErrFull, err)
	case codes.SQLITE_IOERR, codes.SQLITE_CORRUPT, codes.SQLITE_NOTADB, codes.SQLITE_CANTOPEN, codes.SQLITE_READONLY,
		codes.SQLITE_NOMEM:
		return fmt.Errorf("%w: %w", ErrStopped, err)
	}
	return err
}
