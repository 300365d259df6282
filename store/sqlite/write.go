package sqlite

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"

	codes "modernc.org/sqlite/lib"
)

// request is one Update on its way through the writer.
type request struct {
	ctx   context.Context
	run   func(*conn) error
	taken atomic.Bool // by the writer, which then answers; or by a caller that gave up before
	err   error
	done  chan struct{}
}

// errReadOnly is what a write in a View returns.
var errReadOnly = errors.New("sqlite: a view cannot write")

// errPanic is what becomes of a request that panics. The others of its group do not notice.
var errPanic = errors.New("sqlite: a transaction panicked")

// update runs f in the next group and returns after the group's COMMIT, or with f's error and nothing written.
//
// When ctx ends before the writer has come to f, f never runs and ctx's error is returned. Once it runs, update waits for the verdict.
func (s *Store) update(ctx context.Context, f func(*conn) error) error {
	if err := s.Err(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	r := &request{ctx: ctx, run: f, done: make(chan struct{})}
	select {
	case s.requests <- r:
	case <-s.stopped:
		return s.stopError()
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		if r.taken.CompareAndSwap(false, true) {
			return ctx.Err()
		}
	case <-s.stopped:
		if r.taken.CompareAndSwap(false, true) { // it came into the queue behind Run's last look
			return s.stopError()
		}
	}
	<-r.done
	return r.err
}

func (s *Store) stopError() error {
	if err := s.Err(); err != nil {
		return err
	}
	return ErrStopped
}

// view runs f on a snapshot.
func (s *Store) view(ctx context.Context, f func(*conn) error) (err error) {
	if err := s.Err(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	var c *conn
	select {
	case c = <-s.readers:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.failed:
		return s.stopError()
	}
	defer func() { s.readers <- c }()
	if _, err := c.exec("BEGIN"); err != nil {
		return s.judge(err)
	}
	defer func() { // also when f panics: the connection goes to the next reader
		if _, end := c.exec("ROLLBACK"); end != nil {
			err = s.judge(errors.Join(err, end))
		}
	}()
	if err = f(c); primary(err) == codes.SQLITE_READONLY {
		return errReadOnly
	}
	return s.judge(err)
}

// judge stops the store on an error of the engine after which nothing is certain.
func (s *Store) judge(err error) error {
	if err = classify(err); errors.Is(err, ErrStopped) {
		s.fail(err)
	}
	return err
}

// Run is the one writer. It returns when ctx ends, after the requests that it took, or with the I/O error that stopped the store;
// then nothing is accepted any more.
func (s *Store) Run(ctx context.Context) error {
	defer close(s.stopped)
	group := make([]*request, 0, s.options.Group)
	for {
		select {
		case <-ctx.Done():
			s.fail(ErrStopped)
			s.refuse()
			return nil
		case <-s.failed:
			s.refuse()
			return s.Err()
		case r := <-s.requests:
			group = s.gather(append(group[:0], r))
		}
		s.commitGroup(group)
		clear(group)
	}
}

// gather adds what else is waiting, so that one fsync serves all of it.
func (s *Store) gather(group []*request) []*request {
	for len(group) < s.options.Group {
		select {
		case r := <-s.requests:
			group = append(group, r)
		default:
			return group
		}
	}
	return group
}

// refuse answers what is still queued.
func (s *Store) refuse() {
	for {
		select {
		case r := <-s.requests:
			if r.taken.CompareAndSwap(false, true) {
				r.err = s.Err()
				close(r.done)
			}
		default:
			return
		}
	}
}

// commitGroup runs a group in one transaction and answers everybody after the COMMIT. Whose caller has given up is left out.
func (s *Store) commitGroup(group []*request) {
	n := 0
	for _, r := range group {
		if r.taken.CompareAndSwap(false, true) {
			group[n] = r
			n++
		}
	}
	if group = group[:n]; n == 0 {
		return
	}
	s.turn.Lock()
	err := s.transact(group)
	s.turn.Unlock()
	if err != nil {
		s.writer.forget()
		if err = s.judge(err); errors.Is(err, ErrFull) {
			s.full.Store(true)
		}
	}
	for _, r := range group {
		if r.err == nil {
			r.err = err
		}
		close(r.done)
	}
	if err != nil {
		return
	}
	s.groups.Add(1)
	s.commits.Add(uint64(n))
	select {
	case s.written <- struct{}{}:
	default:
	}
}

// transact runs a group. A request that fails undoes itself; a failure of the engine, or of the COMMIT, undoes the group and is
// returned.
//
// Requests hardly ever fail after they have written something, and savepoints would be a fifth of all statements. So the group is run
// without them; when that goes wrong it is undone and run again with them (a closure may run twice).
func (s *Store) transact(group []*request) error {
	w := s.writer
	if _, err := w.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	good, err := together(w, group)
	switch {
	case err != nil:
		return errors.Join(err, rollback(w))
	case good:
	case len(group) == 1:
		w.forget()
		return rollback(w)
	default:
		if err := again(w, group); err != nil {
			return errors.Join(err, rollback(w))
		}
	}
	if err := s.commit(); err != nil {
		return errors.Join(err, rollback(w))
	}
	return nil
}

// commit is the moment of acceptance. Whatever goes wrong here other than a full disk stops the store: after a failed fsync the
// kernel may have dropped the dirty pages, and a second fsync that succeeds says nothing about them (promises.md 1.1).
func (s *Store) commit() error {
	err := error(nil)
	if s.options.commit != nil {
		err = s.options.commit()
	}
	if err == nil {
		_, err = s.writer.exec("COMMIT")
	}
	if err == nil || errors.Is(classify(err), ErrFull) {
		return err
	}
	return fmt.Errorf("%w: commit: %w", ErrStopped, err)
}

// together runs the requests one after the other; good is false when one of them has failed and has to be undone. An error is one of
// the engine.
func together(w *conn, group []*request) (good bool, err error) {
	for _, r := range group {
		w.wrote = false
		if r.err = call(w, r); r.err == nil {
			continue
		}
		if engine(r.err) {
			return false, r.err // SQLite may have rolled the transaction back already
		}
		if w.wrote {
			return false, nil
		}
	}
	return true, nil
}

// again begins the transaction anew and runs each request in a savepoint.
func again(w *conn, group []*request) error {
	w.forget()
	for _, statement := range []string{"ROLLBACK", "BEGIN IMMEDIATE"} {
		if _, err := w.exec(statement); err != nil {
			return err
		}
	}
	for _, r := range group {
		if err := savepoint(w, r); err != nil {
			return err
		}
	}
	return nil
}

// savepoint runs one of several requests. An error of the request undoes the request only; an error of the engine is returned and
// undoes the group.
func savepoint(w *conn, r *request) error {
	if _, err := w.exec("SAVEPOINT request"); err != nil {
		return err
	}
	if r.err = call(w, r); r.err != nil {
		if engine(r.err) {
			return r.err // SQLite may have rolled the transaction back already
		}
		w.forget()
		if _, err := w.exec("ROLLBACK TO request"); err != nil {
			return err
		}
	}
	_, err := w.exec("RELEASE request")
	return err
}

// engine reports whether the database has failed, and not the request.
func engine(err error) bool {
	return errors.Is(err, ErrFull) || errors.Is(err, ErrStopped)
}

// call runs a request. A panic becomes an error with the stack: one caller's mistake does not end the process and everybody's work.
func call(w *conn, r *request) (err error) {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	defer func() {
		if recover() != nil { // the value may contain what a user sent
			err = fmt.Errorf("%w\n%s", errPanic, debug.Stack())
		}
	}()
	return classify(r.run(w))
}

// rollback ends a transaction that SQLite may have ended itself.
func rollback(w *conn) error {
	if _, err := w.exec("ROLLBACK"); err != nil && primary(err) != codes.SQLITE_ERROR { // no transaction is active
		return err
	}
	return nil
}
