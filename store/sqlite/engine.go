package sqlite

import (
	"fmt"
	"math"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite"
	c "modernc.org/sqlite/lib"
)

// This file is all that touches SQLite itself: its C interface, as modernc.org/sqlite translates it. Going through database/sql and
// the driver would cost about a third of a short query in copies of column names, boxed values and locks that a connection of one
// goroutine does not need.
//
// Memory of C is reached through pointers that the collector does not know, and octets of Go are copied before C sees them.

// failure is an error of SQLite with its extended result code.
type failure struct {
	code int32
	text string
}

func (f *failure) Error() string { return fmt.Sprintf("sqlite: %s (%d)", f.text, f.code) }

// database is one open connection.
type database struct {
	tls *libc.TLS
	db  uintptr
}

// openDatabase opens or creates the database that a file: URI names.
func openDatabase(uri string) (*database, error) {
	d := &database{tls: libc.NewTLS()}
	name, err := libc.CString(uri)
	if err != nil {
		return nil, fmt.Errorf("sqlite: open: %w", err)
	}
	defer libc.Xfree(d.tls, name)
	// No mutex: one goroutine at a time uses a connection.
	const flags = c.SQLITE_OPEN_READWRITE | c.SQLITE_OPEN_CREATE | c.SQLITE_OPEN_URI | c.SQLITE_OPEN_NOMUTEX | c.SQLITE_OPEN_EXRESCODE
	out := d.tls.Alloc(8)
	defer d.tls.Free(8)
	rc := c.Xsqlite3_open_v2(d.tls, name, out, flags, 0)
	d.db = *(*uintptr)(pointer(out))
	if rc != c.SQLITE_OK {
		err := d.failure(rc)
		if d.db != 0 {
			c.Xsqlite3_close_v2(d.tls, d.db)
		}
		d.tls.Close()
		return nil, err
	}
	return d, nil
}

func (d *database) close() error {
	rc := c.Xsqlite3_close(d.tls, d.db)
	if rc != c.SQLITE_OK {
		return d.failure(rc)
	}
	d.tls.Close()
	return nil
}

func (d *database) failure(rc int32) error {
	text := libc.GoString(c.Xsqlite3_errstr(d.tls, rc))
	if d.db != 0 && c.Xsqlite3_extended_errcode(d.tls, d.db) == rc {
		text = libc.GoString(c.Xsqlite3_errmsg(d.tls, d.db))
	}
	return &failure{rc, text}
}

// script runs statements without arguments one after the other.
func (d *database) script(text string) error {
	sql, err := libc.CString(text)
	if err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	defer libc.Xfree(d.tls, sql)
	if rc := c.Xsqlite3_exec(d.tls, d.db, sql, 0, 0, 0); rc != c.SQLITE_OK {
		return d.failure(rc)
	}
	return nil
}

// statement is a prepared statement with the memory of C that its arguments are in.
type statement struct {
	d       *database
	handle  uintptr
	writes  bool     // it may change the database
	buffers []buffer // by argument
	dest    row
}

type buffer struct {
	at   uintptr
	size int
}

// The smallest memory for an argument, and the largest that a statement keeps between its uses.
const (
	leastBuffer = 64
	keptBuffer  = 64 << 10
)

func (d *database) prepare(query string) (*statement, error) {
	sql, err := libc.CString(query)
	if err != nil {
		return nil, fmt.Errorf("sqlite: prepare: %w", err)
	}
	defer libc.Xfree(d.tls, sql)
	out := d.tls.Alloc(8)
	defer d.tls.Free(8)
	if rc := c.Xsqlite3_prepare_v3(d.tls, d.db, sql, -1, c.SQLITE_PREPARE_PERSISTENT, out, 0); rc != c.SQLITE_OK {
		return nil, d.failure(rc)
	}
	s := &statement{d: d, handle: *(*uintptr)(pointer(out))}
	s.writes = c.Xsqlite3_stmt_readonly(d.tls, s.handle) == 0
	s.buffers = make([]buffer, c.Xsqlite3_bind_parameter_count(d.tls, s.handle))
	s.dest = make(row, c.Xsqlite3_column_count(d.tls, s.handle))
	return s, nil
}

func (s *statement) close() {
	c.Xsqlite3_finalize(s.d.tls, s.handle) // its result is that of the last use, which was seen then
	for _, b := range s.buffers {
		libc.Xfree(s.d.tls, b.at)
	}
}

// bind sets the arguments: int64, string, []byte or nil.
func (s *statement) bind(args []any) error {
	if len(args) != len(s.buffers) {
		return fmt.Errorf("sqlite: %d arguments for %d parameters", len(args), len(s.buffers))
	}
	for i, a := range args {
		var rc int32
		n := int32(i + 1)
		switch v := a.(type) {
		case int64:
			rc = c.Xsqlite3_bind_int64(s.d.tls, s.handle, n, v)
		case string:
			at, err := s.memory(i, len(v))
			if err != nil {
				return err
			}
			copy(octetsAt(at, int32(len(v))), v)
			rc = c.Xsqlite3_bind_text(s.d.tls, s.handle, n, at, int32(len(v)), 0)
		case []byte:
			if v == nil {
				rc = c.Xsqlite3_bind_null(s.d.tls, s.handle, n)
				break
			}
			at, err := s.memory(i, len(v))
			if err != nil {
				return err
			}
			copy(octetsAt(at, int32(len(v))), v)
			rc = c.Xsqlite3_bind_blob(s.d.tls, s.handle, n, at, int32(len(v)), 0)
		case nil:
			rc = c.Xsqlite3_bind_null(s.d.tls, s.handle, n)
		default:
			return fmt.Errorf("sqlite: an argument of type %T", a)
		}
		if rc != c.SQLITE_OK {
			return s.d.failure(rc)
		}
	}
	return nil
}

// memory returns room for the octets of an argument, which stays as it is until the statement is used again.
func (s *statement) memory(i, size int) (uintptr, error) {
	b := &s.buffers[i]
	if size > math.MaxInt32 {
		return 0, &failure{c.SQLITE_TOOBIG, "string or blob too big"}
	}
	if b.at != 0 && b.size >= size {
		return b.at, nil
	}
	libc.Xfree(s.d.tls, b.at)
	*b = buffer{}
	at := libc.Xmalloc(s.d.tls, libc.Tsize_t(max(size, leastBuffer)))
	if at == 0 {
		return 0, &failure{c.SQLITE_NOMEM, "out of memory"}
	}
	*b = buffer{at, max(size, leastBuffer)}
	return at, nil
}

// step runs the statement to its next row, which it copies to dest; false at the end.
func (s *statement) step() (bool, error) {
	switch rc := c.Xsqlite3_step(s.d.tls, s.handle); rc {
	case c.SQLITE_ROW:
		for i := range s.dest {
			s.column(i)
		}
		return true, nil
	case c.SQLITE_DONE:
		return false, nil
	default:
		return false, s.d.failure(rc)
	}
}

// column copies one column of the current row.
func (s *statement) column(i int) {
	n, v := int32(i), &s.dest[i]
	*v = value{}
	switch c.Xsqlite3_column_type(s.d.tls, s.handle, n) {
	case c.SQLITE_INTEGER:
		v.number = c.Xsqlite3_column_int64(s.d.tls, s.handle, n)
	case c.SQLITE_NULL:
		v.null = true
	case c.SQLITE_TEXT:
		at := c.Xsqlite3_column_text(s.d.tls, s.handle, n)
		v.text = string(octetsAt(at, c.Xsqlite3_column_bytes(s.d.tls, s.handle, n)))
	default:
		at := c.Xsqlite3_column_blob(s.d.tls, s.handle, n)
		v.octets = append([]byte{}, octetsAt(at, c.Xsqlite3_column_bytes(s.d.tls, s.handle, n))...)
	}
}

// reset ends a use of the statement. What it returned was an error of that use and is known.
func (s *statement) reset() {
	c.Xsqlite3_reset(s.d.tls, s.handle)
	for i := range s.buffers {
		if b := &s.buffers[i]; b.size > keptBuffer {
			c.Xsqlite3_bind_null(s.d.tls, s.handle, int32(i+1))
			libc.Xfree(s.d.tls, b.at)
			*b = buffer{}
		}
	}
}

// changes is how many rows the last statement inserted, updated or deleted.
func (d *database) changes() int64 { return c.Xsqlite3_changes64(d.tls, d.db) }

// octetsAt is memory of C as a slice, valid until C changes it.
func octetsAt(at uintptr, n int32) []byte {
	if at == 0 || n <= 0 {
		return nil
	}
	return unsafe.Slice((*byte)(pointer(at)), n)
}

// pointer turns an address in the memory of C into a pointer.
func pointer(at uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&at)) }

// fastSync makes commits use fdatasync where there is one: half the time on Linux and as durable, since it writes a file's new size.
func fastSync() error {
	if _, err := lib.Fdatasync(true); err != nil && err != lib.ErrFdatasyncUnavailable {
		return fmt.Errorf("sqlite: %w", err)
	}
	return nil
}
