package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"

	lib "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"parley/uri"
)

// conn is one connection with its prepared statements and what it remembers of the names in the database. It is used by one goroutine
// at a time.
//
// It speaks to the driver without database/sql: the pool there buys nothing for connections that are never shared, and costs half of a
// short query.
type conn struct {
	driver driver.Conn
	stmts  map[string]*stmt
	rooms  names[uri.Room]
	users  names[uri.Client]
	next   block           // delivery numbers that are reserved for this process
	groups map[int64]group // by room; of the writer, which is the only one to change them; nil for the others
	serial uint64          // tells records apart that expire in the same millisecond
}

type stmt struct {
	s    driver.Stmt
	args []driver.NamedValue
	dest row
}

// row is one row of a result. Octets and texts in it are copies, the row itself is overwritten by the next use of its statement.
type row []driver.Value

// The statements of a transaction run to their end whatever becomes of the caller: a context that could be cancelled would cost a
// goroutine for each of them, and an interrupt would roll a whole group back.
var background = context.Background()

// connect opens a connection with pragmas.
func connect(ctx context.Context, path string, pragmas ...string) (*conn, error) {
	q := url.Values{"_dqs": {"0"}, "_defensive": {"1"}}
	for _, p := range pragmas {
		q.Add("_pragma", p)
	}
	u := url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: q.Encode()}
	connector, err := lib.NewConnector(u.String())
	if err != nil {
		return nil, fmt.Errorf("sqlite: connect: %w", err)
	}
	d, err := connector.Connect(ctx)
	if err != nil {
		return nil, unreadable(err)
	}
	return &conn{driver: d, stmts: make(map[string]*stmt)}, nil
}

func (c *conn) close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.s.Close())
	}
	return errors.Join(append(errs, c.driver.Close())...)
}

// script runs statements without arguments one after the other.
func (c *conn) script(text string) error {
	_, err := c.driver.(driver.ExecerContext).ExecContext(background, text, nil)
	return err
}

// prepare binds args to the statement of a query, which is prepared once per connection.
func (c *conn) prepare(query string, args []any) (*stmt, error) {
	s, ok := c.stmts[query]
	if !ok {
		prepared, err := c.driver.Prepare(query)
		if err != nil {
			return nil, err
		}
		s = &stmt{s: prepared}
		c.stmts[query] = s
	}
	s.args = s.args[:0]
	for i, a := range args {
		s.args = append(s.args, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
	return s, nil
}

// exec runs a statement and returns how many rows it changed. Arguments are int64, string, []byte or nil.
func (c *conn) exec(query string, args ...any) (int64, error) {
	s, err := c.prepare(query, args)
	if err != nil {
		return 0, err
	}
	r, err := s.s.(driver.StmtExecContext).ExecContext(background, s.args)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// each calls f for every row of a query until it returns false.
func (c *conn) each(f func(row) (more bool, err error), query string, args ...any) (err error) {
	s, err := c.prepare(query, args)
	if err != nil {
		return err
	}
	rows, err := s.s.(driver.StmtQueryContext).QueryContext(background, s.args)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if s.dest == nil {
		s.dest = make(row, len(rows.Columns()))
	}
	for {
		if err := rows.Next(s.dest); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if more, err := f(s.dest); err != nil || !more {
			return err
		}
	}
}

// one returns the first row of a query; ok is false when there is none.
func (c *conn) one(query string, args ...any) (first row, ok bool, err error) {
	err = c.each(func(r row) (bool, error) {
		first, ok = r, true
		return false, nil
	}, query, args...)
	return first, ok, err
}

// number returns the first column of the first row, 0 for NULL and for no row.
func (c *conn) number(query string, args ...any) (int64, error) {
	r, ok, err := c.one(query, args...)
	if err != nil || !ok || r[0] == nil {
		return 0, err
	}
	return r.int(0), nil
}

func (r row) int(i int) int64 {
	n, ok := r[i].(int64)
	if !ok {
		return 0
	}
	return n
}

func (r row) uint(i int) uint64 { return uint64(r.int(i)) }

func (r row) text(i int) string {
	s, ok := r[i].(string)
	if !ok {
		return ""
	}
	return s
}

// octets returns a blob, nil for NULL and not nil for an empty one.
func (r row) octets(i int) []byte {
	b, ok := r[i].([]byte)
	if ok && b == nil {
		return []byte{}
	}
	return b
}

// primary returns SQLite's primary result code of err, 0 when err does not come from SQLite.
func primary(err error) int {
	var e *lib.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff
}

// classify turns an error of the engine into one that a caller can act on.
func classify(err error) error {
	switch primary(err) {
	case codes.SQLITE_FULL:
		return fmt.Errorf("%w: %w", ErrFull, err)
	case codes.SQLITE_IOERR, codes.SQLITE_CORRUPT, codes.SQLITE_NOTADB, codes.SQLITE_CANTOPEN, codes.SQLITE_READONLY,
		codes.SQLITE_NOMEM:
		return fmt.Errorf("%w: %w", ErrStopped, err)
	}
	return err
}
