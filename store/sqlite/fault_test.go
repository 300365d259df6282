package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"parley/follower"
	"parley/hub"
	"parley/inbox"
	"parley/uri"
)

// started is a store whose Run ends as the test wants.
type started struct {
	*Store
	path string
	end  context.CancelFunc
	done chan error
}

func start(t *testing.T, path string, o Options) *started {
	t.Helper()
	s, err := Open(t.Context(), path, o)
	check1(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	out := &started{s, path, cancel, make(chan error, 1)}
	go func() { out.done <- s.Run(ctx) }()
	t.Cleanup(cancel)
	return out
}

// close ends Run and returns what it returned.
func (s *started) close(t *testing.T) error {
	t.Helper()
	s.end()
	err := <-s.done
	check1(t, s.Close())
	return err
}

func room(tb testing.TB, n int) uri.Room {
	r, err := uri.ParseRoom(fmt.Sprintf("mimi://hub.example/r/%d", n))
	return must(tb, r, err)
}

// put makes a room; the error is the store's.
func put(tb testing.TB, s *Store, n int) error {
	r := room(tb, n)
	return s.Hub().Update(tb.Context(), func(tx hub.Tx) error { return tx.SaveHead(r, 0, hub.Head{Version: 1}) })
}

func has(tb testing.TB, s *Store, n int) (ok bool) {
	tb.Helper()
	check1(tb, s.Hub().View(tb.Context(), func(tx hub.Tx) (err error) {
		_, ok, err = tx.Head(room(tb, n))
		return err
	}))
	return ok
}

// group holds the writer while the requests come in, so that all but the first are one group, and returns their errors.
func group1(t *testing.T, s *Store, requests ...func(*conn) error) []error {
	t.Helper()
	running, release := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		check1(t, s.update(t.Context(), func(*conn) error { close(running); <-release; return nil }))
	})
	<-running
	errs := make([]error, len(requests))
	for i, r := range requests {
		queued := len(s.requests)
		all.Go(func() { errs[i] = s.update(t.Context(), r) })
		for len(s.requests) == queued { // they come in order
			runtime.Gosched()
		}
	}
	close(release)
	all.Wait()
	return errs
}

func TestGroup(t *testing.T) {
	mine := errors.New("mine")
	write := func(n int) func(*conn) error {
		return func(c *conn) error { return newHubTx(c).SaveHead(room(t, n), 0, hub.Head{Version: 1}) }
	}
	s, _ := running(t, filepath.Join(t.TempDir(), "parley.db"), Options{})
	_, before := s.Stats()
	errs := group1(t, s,
		write(1),
		func(c *conn) error { return errors.Join(write(2)(c), mine) },
		write(3),
		func(c *conn) error { return errors.Join(write(4)(c), func() error { panic("content of a message") }()) },
		write(3), // made by the third
		write(5))
	_, after := s.Stats()
	if after-before != 2 {
		t.Errorf("%d commits, want one for the first request and one for all others", after-before)
	}
	for i, want := range []error{nil, mine, nil, errPanic, hub.ErrConflict, nil} {
		if !errors.Is(errs[i], want) {
			t.Errorf("request %d: got %v, want %v", i, errs[i], want)
		}
	}
	if strings.Contains(errs[3].Error(), "content of a message") {
		t.Error("the error repeats what was in the panic")
	}
	for n, want := range map[int]bool{1: true, 2: false, 3: true, 4: false, 5: true} {
		if got := has(t, s, n); got != want {
			t.Errorf("room %d is stored: %v, want %v", n, got, want)
		}
	}
}

func TestCancelledWhileItWaits(t *testing.T) {
	s, _ := running(t, filepath.Join(t.TempDir(), "parley.db"), Options{})
	ctx, cancel := context.WithCancel(t.Context())
	var given error
	ran := false
	group1(t, s, func(*conn) error { return nil }, func(*conn) error { return nil })
	hold, release := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		check1(t, s.update(t.Context(), func(*conn) error { close(hold); <-release; return nil }))
	})
	<-hold
	all.Go(func() { given = s.update(ctx, func(*conn) error { ran = true; return nil }); close(release) })
	for len(s.requests) == 0 {
		runtime.Gosched()
	}
	cancel()
	all.Wait()
	check1(t, put(t, s, 1)) // comes after it
	if !errors.Is(given, context.Canceled) || ran {
		t.Errorf("got %v, and the request ran: %v", given, ran)
	}
	ctx, cancel = context.WithCancel(t.Context())
	err := s.update(ctx, func(c *conn) error {
		cancel()
		return newHubTx(c).SaveHead(room(t, 2), 0, hub.Head{Version: 1})
	})
	if err != nil || !has(t, s, 2) {
		t.Errorf("a request that had begun: %v", err)
	}
}

// A store whose COMMIT fails accepts nothing: neither the group, nor anything after it.
func TestFailedCommit(t *testing.T) {
	broken := errors.New("no fsync")
	fail := false
	s := start(t, filepath.Join(t.TempDir(), "parley.db"), Options{commit: func() error {
		if fail {
			return broken
		}
		return nil
	}})
	check1(t, put(t, s.Store, 1))
	write := func(n int) func(*conn) error {
		return func(c *conn) error {
			fail = n > 1
			return newHubTx(c).SaveHead(room(t, n), 0, hub.Head{Version: 1})
		}
	}
	for i, err := range group1(t, s.Store, write(2), write(3), write(4)) {
		if !errors.Is(err, ErrStopped) || !errors.Is(err, broken) {
			t.Errorf("request %d of the group: %v, want ErrStopped with its cause", i, err)
		}
	}
	stopped(t, s, broken)
	s = start(t, s.path, Options{})
	for n, want := range map[int]bool{1: true, 2: false, 3: false, 4: false, 5: false} {
		if got := has(t, s.Store, n); got != want {
			t.Errorf("room %d is stored: %v, want %v", n, got, want)
		}
	}
	check1(t, put(t, s.Store, 2))
	check1(t, s.close(t))
}

// stopped checks that nothing is accepted or told any more.
func stopped(t *testing.T, s *started, cause error) {
	t.Helper()
	if err := s.Err(); !errors.Is(err, ErrStopped) {
		t.Fatalf("the store goes on: %v", errors.Join(err, s.close(t)))
	}
	if err := <-s.done; !errors.Is(err, ErrStopped) || cause != nil && !errors.Is(err, cause) {
		t.Errorf("Run returned %v", err)
	}
	if err := put(t, s.Store, 5); !errors.Is(err, ErrStopped) {
		t.Errorf("Update after the failure: %v, want ErrStopped", err)
	}
	if err := s.Hub().View(t.Context(), func(hub.Tx) error { return nil }); !errors.Is(err, ErrStopped) {
		t.Errorf("View after the failure: %v, want ErrStopped", err)
	}
	if err := s.Checkpoints(t.Context()); err != nil {
		t.Errorf("Checkpoints after the failure: %v", err)
	}
	check1(t, s.Close())
}

func TestFullDisk(t *testing.T) {
	s := start(t, filepath.Join(t.TempDir(), "parley.db"), Options{})
	check1(t, put(t, s.Store, 1))
	limit := func(pages int64) {
		check1(t, s.update(t.Context(), func(c *conn) error {
			_, err := c.number(fmt.Sprintf("PRAGMA max_page_count = %d", pages))
			return err
		}))
	}
	limit(100)
	client, err := uri.ParseClient("mimi://b.example/d/bob/phone")
	check1(t, err)
	deliver := func(n int) error {
		return s.Follower().Update(t.Context(), func(tx follower.Tx) error {
			return tx.Deliver(follower.Item{Room: room(t, 1), Timestamp: uint64(n), Body: make([]byte, 50_000)}, [32]byte{byte(n)}, []uri.Client{client})
		})
	}
	taken := 0
	for ; taken < 50; taken++ {
		if err = deliver(taken); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrFull) || errors.Is(err, ErrStopped) {
		t.Fatalf("after %d bodies: %v, want ErrFull", taken, err)
	}
	if err := s.Err(); err != nil {
		t.Fatalf("a full disk stopped the store: %v", err)
	}
	errs := group1(t, s.Store, func(c *conn) error { return newHubTx(c).SaveHead(room(t, 2), 0, hub.Head{Version: 1}) },
		func(c *conn) error {
			_, err := c.exec("INSERT INTO log(place, handshake, octets) VALUES(1, 0, zeroblob(200000))")
			return err
		})
	if !errors.Is(errs[0], ErrFull) || !errors.Is(errs[1], ErrFull) || has(t, s.Store, 2) {
		t.Errorf("a group with one that is too large: %v", errs)
	}
	depth := func() (n int) {
		check1(t, s.Inbox().View(t.Context(), func(tx inbox.Tx) (err error) { n, err = tx.Depth(client); return err }))
		return n
	}
	if got := depth(); got != taken {
		t.Errorf("%d entries, want the %d that were acknowledged", got, taken)
	}
	if !has(t, s.Store, 1) {
		t.Error("an earlier room is gone")
	}
	limit(10_000) // somebody made room
	check1(t, deliver(taken))
	if got := depth(); got != taken+1 {
		t.Errorf("%d entries, want %d", got, taken+1)
	}
	check1(t, s.close(t))
}

// A number that was taken in an undone transaction is free again together with its block; none is given twice.
func TestDeliveryNumbers(t *testing.T) {
	s, _ := running(t, filepath.Join(t.TempDir(), "parley.db"), Options{})
	client, err := uri.ParseClient("mimi://b.example/d/bob/phone")
	check1(t, err)
	deliver := func(many int, end error) error {
		return s.Follower().Update(t.Context(), func(tx follower.Tx) error {
			for i := range many {
				err := tx.Deliver(follower.Item{Room: room(t, 1), Body: []byte("x")}, [32]byte{byte(i), byte(i >> 8)}, []uri.Client{client})
				if err != nil {
					return err
				}
			}
			return end
		})
	}
	undo := errors.New("undo")
	for range 3 {
		if err := deliver(2, undo); !errors.Is(err, undo) {
			t.Fatal(err)
		}
		check1(t, deliver(blockSize+3, nil))
	}
	if got, want := rows(t, s, "entry"), int64(3*(blockSize+3)); got != want {
		t.Errorf("%d entries, want %d", got, want)
	}
}
