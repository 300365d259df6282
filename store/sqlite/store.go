package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	codes "modernc.org/sqlite/lib"
)

// Options tune a store. The zero value is what a provider should use.
type Options struct {
	Readers int // connections for View; 0 means 4
	Group   int // most requests in one COMMIT; 0 means 256
	// Now is the clock, looked at once; nil means time.Now.
	Now func() time.Time

	// commit stands between a group and its COMMIT; tests put faults there.
	commit func() error
	// passive and restart are walPassive and walRestart for tests; 0 means those.
	passive, restart int64
}

// ErrInUse means that another process, or another value in this one, has the store open.
var ErrInUse = errors.New("sqlite: the store is in use by another process")

// ErrStopped is returned for everything after an I/O error or after Close. What was acknowledged before is on disk.
var ErrStopped = errors.New("sqlite: the store has stopped")

// ErrFull means that the disk is full: nothing of the request was stored, and a later one may succeed.
var ErrFull = errors.New("sqlite: no space left for the store")

// Store is one open database. Its methods may be called from any goroutine; writes need a running Run.
type Store struct {
	// Accounts knows the users, their devices and the pinned authorities.
	Accounts Identity

	options Options
	path    string
	lock    *conn // holds the file lock

	writer   *conn
	keeper   *conn      // checkpoints and nothing else
	turn     sync.Mutex // the writer's, or the keeper's when it makes the log start anew
	readers  chan *conn
	requests chan *request
	written  chan struct{} // one waiting token: something was committed since the last checkpoint
	failed   chan struct{} // closed when broken is set
	stopped  chan struct{} // closed when Run has returned
	broken   atomic.Pointer[error]
	full     atomic.Bool // see Full
	commits  atomic.Uint64
	groups   atomic.Uint64
}

// What each kind of connection is told. Only the keeper moves pages from the log into the database; only the writer needs a large
// cache, since readers find the same pages in the kernel's.
var (
	all    = []string{"journal_mode(wal)", "synchronous(full)", "wal_autocheckpoint(0)", "trusted_schema(off)", "cell_size_check(on)", "temp_store(memory)"}
	writer = append(all[:len(all):len(all)], "busy_timeout(10000)", "cache_size(-16384)")
	keeper = append(all[:len(all):len(all)], "busy_timeout(100)", "cache_size(-256)") // the writer waits for it
	reader = append(all[:len(all):len(all)], "busy_timeout(10000)", "cache_size(-2048)", "query_only(on)")
)

// Open opens or creates the database at path, brings its schema up to date and checks its integrity. A damaged database is an
// error, it is never repaired by deleting (promises.md 1.1).
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	if o.Readers <= 0 {
		o.Readers = 4
	}
	if o.Group <= 0 {
		o.Group = 256
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.passive <= 0 || o.restart <= 0 {
		o.passive, o.restart = walPassive, walRestart
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("sqlite: create the directory of the store: %w", err)
	}
	if err := fastSync(); err != nil {
		return nil, err
	}
	s := &Store{
		options:  o,
		path:     path,
		readers:  make(chan *conn, o.Readers),
		requests: make(chan *request, 4*o.Group),
		written:  make(chan struct{}, 1),
		failed:   make(chan struct{}),
		stopped:  make(chan struct{}),
	}
	s.Accounts.store = s
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.release())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) (err error) {
	if err := s.takeLock(ctx); err != nil {
		return err
	}
	// Before anything else: asking for the log is a write already, and a file that is not ours is not to be written to.
	if err := s.inspect(ctx); err != nil {
		return err
	}
	if s.writer, err = connect(ctx, s.path, writer...); err != nil {
		return err
	}
	s.writer.groups = make(map[int64]group)
	if err := migrate(s.writer); err != nil {
		return err
	}
	if err := check(s.writer); err != nil {
		return err
	}
	if err := s.writer.forward(s.options.Now()); err != nil {
		if err = classify(err); !errors.Is(err, ErrFull) { // of a full disk nobody gets a number either
			return err
		}
	}
	if s.keeper, err = connect(ctx, s.path, keeper...); err != nil {
		return err
	}
	for range s.options.Readers {
		r, err := connect(ctx, s.path, reader...)
		if err != nil {
			return err
		}
		s.readers <- r
	}
	return nil
}

// takeLock holds an exclusive transaction on a file beside the database: the operating system drops it with the process, so a
// crash never leaves it behind.
func (s *Store) takeLock(ctx context.Context) (err error) {
	if s.lock, err = connect(ctx, s.path+".lock", "busy_timeout(0)"); err != nil {
		return err
	}
	if err := s.lock.script("BEGIN EXCLUSIVE"); err != nil {
		if primary(err) == codes.SQLITE_BUSY {
			return ErrInUse
		}
		return fmt.Errorf("sqlite: lock: %w", err)
	}
	return nil
}

// Close releases the store. It is called after Run and Checkpoints have returned.
func (s *Store) Close() error {
	s.fail(ErrStopped)
	for range s.options.Readers { // views that still run come to their end
		if err := (<-s.readers).close(); err != nil {
			return errors.Join(err, s.release())
		}
	}
	return s.release()
}

func (s *Store) release() error {
	var errs []error
	for len(s.readers) > 0 {
		errs = append(errs, (<-s.readers).close())
	}
	for _, c := range []*conn{s.keeper, s.writer, s.lock} { // the lock goes last
		if c != nil {
			errs = append(errs, c.close())
		}
	}
	return errors.Join(errs...)
}

// Err returns why the store has stopped, nil while it works.
func (s *Store) Err() error {
	if err := s.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// Stats counts what was committed since Open: requests, and the groups they were committed in.
func (s *Store) Stats() (requests, groups uint64) { return s.commits.Load(), s.groups.Load() }

func (s *Store) fail(err error) {
	if s.broken.CompareAndSwap(nil, &err) {
		close(s.failed)
	}
}
