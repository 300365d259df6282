// Package device keeps the records of one client device in a SQLite file: account, keys, groups, timelines, outbox.
//
// A Commit is durable when it returns (synchronous=FULL). The file holds the device's private keys and plaintext, so it is made for
// its owner only (mode 0600). A lock keeps a second process out: two processes with one set of keys would use a key twice.
//
// The package must not import the provider's side.
package device

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	lib "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"parley/client"
	"parley/mls"
)

// ErrInUse means that another process has the device's store open.
var ErrInUse = errors.New("device: the store is in use by another process")

// Store is an open file. It implements client.Store and is used by one goroutine at a time.
type Store struct{ db *sql.DB }

var _ client.Store = (*Store)(nil)

// The version is written at each opening: an exclusive lock is taken by the first write and not by a read.
const schema = `CREATE TABLE IF NOT EXISTS record (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
PRAGMA user_version = 1`

// Open opens or creates the store at path.
func Open(ctx context.Context, path string) (*Store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("device: create the directory of the store: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("device: create the store: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("device: create the store: %w", err)
	}
	q := url.Values{"_pragma": {"busy_timeout(0)", "locking_mode(exclusive)", "journal_mode(wal)", "synchronous(full)", "trusted_schema(off)", "secure_delete(on)"}}
	u := url.URL{Scheme: "file", Opaque: url.PathEscape(path), RawQuery: q.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, fmt.Errorf("device: open the store: %w", err)
	}
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return nil, errors.Join(opened(err), db.Close())
	}
	return &Store{db}, nil
}

func opened(err error) error {
	var e *lib.Error
	if errors.As(err, &e) && e.Code()&0xff == codes.SQLITE_BUSY {
		return ErrInUse
	}
	return fmt.Errorf("device: open the store: %w", err)
}

// Close releases the file.
func (s *Store) Close() error { return s.db.Close() }

// Load returns the records whose keys begin with prefix, by ascending key.
func (s *Store) Load(ctx context.Context, prefix string) (out []mls.Record, err error) {
	rows, err := s.db.QueryContext(ctx, `SELECT key, value FROM record WHERE key >= ?1 AND key < ?2 ORDER BY key`, prefix, end(prefix))
	if err != nil {
		return nil, fmt.Errorf("device: read: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r mls.Record
		if err := rows.Scan(&r.Key, &r.Value); err != nil {
			return nil, fmt.Errorf("device: read: %w", err)
		}
		if r.Value == nil {
			r.Value = []byte{} // the driver has no empty value; nil would delete
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// end is the first text behind all that begin with prefix; keys are printable ASCII.
func end(prefix string) string { return prefix + "\x7f" }

// Commit writes and deletes records in one transaction.
func (s *Store) Commit(ctx context.Context, changes mls.Delta) (err error) {
	if len(changes) == 0 {
		return nil
	}
	// A transaction that was begun is ended here and not by its context, so that the outcome is known.
	tx, err := s.db.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return fmt.Errorf("device: write: %w", err)
	}
	for _, r := range changes {
		if r.Value == nil {
			_, err = tx.Exec(`DELETE FROM record WHERE key = ?1`, r.Key)
		} else {
			_, err = tx.Exec(`INSERT INTO record (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value`, r.Key, r.Value)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("device: write: %w", err), tx.Rollback())
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("device: write: %w", err)
	}
	return nil
}
