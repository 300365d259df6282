package sqlite

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"parley/hub"
	"parley/mls"
	"parley/outbox"
	"parley/uri"
)

// The test binary runs again as a process of its own, to be killed: with this variable set to the path of a store it writes there and
// says what was acknowledged.
const childVariable = "PARLEY_SQLITE_TEST_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childVariable); path != "" {
		fmt.Println(child(path))
		os.Exit(1) // it never ends by itself
	}
	os.Exit(m.Run())
}

const crashRooms = 8

// child appends to the logs of some rooms, each room in a goroutine, for ever.
func child(path string) error {
	ctx := context.Background()
	s, err := Open(ctx, path, Options{})
	if err != nil {
		return err
	}
	fmt.Println("open")
	errs := make(chan error, crashRooms+2)
	go func() { errs <- s.Run(ctx) }()
	go func() { errs <- s.Checkpoints(ctx) }()
	var output sync.Mutex
	for n := range crashRooms {
		go func() {
			for {
				sequence, err := crashWrite(ctx, s, n)
				if err != nil {
					errs <- err
					return
				}
				output.Lock()
				_, err = fmt.Println("ack", n, sequence)
				output.Unlock()
				if err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	return <-errs
}

func crashRoom(n int) (uri.Room, error) {
	return uri.ParseRoom(fmt.Sprintf("mimi://hub.example/r/%d", n))
}

// crashWrite writes one message to everything that one transaction touches.
func crashWrite(ctx context.Context, s *Store, n int) (sequence uint64, err error) {
	room, err := crashRoom(n)
	if err != nil {
		return 0, err
	}
	err = s.Hub().Update(ctx, func(tx hub.Tx) error {
		h, _, err := tx.Head(room)
		if err != nil {
			return err
		}
		h.Sequence++
		sequence = h.Sequence
		return errors.Join(
			tx.Append(room, hub.Item{Sequence: sequence, Body: crashBody(n, sequence), Destinations: []string{"a.example", "b.example"}}),
			tx.SaveHead(room, h.Version, hub.Head{Version: h.Version + 1, Sequence: sequence}),
			tx.PutRecords(room, mls.Delta{{Key: fmt.Sprint("record/", sequence%64), Value: crashBody(n, sequence)}}))
	})
	return sequence, err
}

func crashBody(n int, sequence uint64) []byte {
	return []byte(strings.Repeat(fmt.Sprintf("message %d of room %d. ", sequence, n), 30))
}

// After each SIGKILL at a moment nobody chose, everything acknowledged is there and no transaction by half.
func TestKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "parley.db")
	rounds, acks := 5, 300
	if race {
		rounds, acks = 2, 50
	}
	acked := make([]uint64, crashRooms)
	for round := range rounds {
		runUntilKilled(t, path, acks+round*37, acked)
		s := start(t, path, Options{})
		for n, last := range acked {
			verifyRoom(t, s.Store, n, last)
		}
		check1(t, s.close(t))
	}
}

// runUntilKilled starts a process on the store and kills it after some acknowledgements; those that were on their way count too.
func runUntilKilled(t *testing.T, path string, acks int, acked []uint64) {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(os.Environ(), childVariable+"="+path)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	check1(t, err)
	check1(t, c.Start())
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "open" {
		t.Fatalf("the process says %q, %v", lines.Text(), lines.Err())
	}
	if _, err := Open(t.Context(), path, Options{}); !errors.Is(err, ErrInUse) {
		t.Errorf("while another process has the store: %v, want ErrInUse", err)
	}
	for count := 0; lines.Scan(); {
		var n int
		var sequence uint64
		if _, err := fmt.Sscanf(lines.Text(), "ack %d %d", &n, &sequence); errors.Is(err, io.ErrUnexpectedEOF) {
			break // cut off by the kill
		} else if err != nil {
			t.Fatalf("the process says %q", lines.Text())
		}
		acked[n] = max(acked[n], sequence)
		if count++; count == acks {
			check1(t, c.Process.Kill())
		}
	}
	check1(t, lines.Err())
	var killed *exec.ExitError
	if err := c.Wait(); !errors.As(err, &killed) || killed.Exited() {
		t.Errorf("the process ended by itself: %v", err)
	}
}

func verifyRoom(t *testing.T, s *Store, n int, last uint64) {
	t.Helper()
	room, err := crashRoom(n)
	check1(t, err)
	var sequence uint64
	check1(t, s.Hub().View(t.Context(), func(tx hub.Tx) error {
		h, _, err := tx.Head(room)
		if err != nil {
			return err
		}
		sequence = h.Sequence
		if sequence < last {
			t.Errorf("room %d ends at %d, but %d was acknowledged", n, sequence, last)
		}
		if sequence == 0 {
			return nil
		}
		r, err := tx.Records(room, fmt.Sprint("record/", sequence%64))
		if err == nil && (len(r) == 0 || string(r[0].Value) != string(crashBody(n, sequence))) {
			t.Errorf("room %d has a head without its record", n)
		}
		return err
	}))
	if sequence == 0 {
		return
	}
	for _, destination := range []string{"a.example", "b.example"} {
		verifyLane(t, s, outbox.Lane{Destination: destination, Room: room, Last: sequence}, n, sequence)
	}
	check1(t, s.Hub().Update(t.Context(), func(tx hub.Tx) error { // the next sequence follows
		return tx.Append(room, hub.Item{Sequence: sequence + 1, Body: crashBody(n, sequence+1), Destinations: []string{"a.example", "b.example"}})
	}))
	check1(t, s.Hub().Update(t.Context(), func(tx hub.Tx) error {
		h, _, err := tx.Head(room)
		if err != nil {
			return err
		}
		return errors.Join(tx.SaveHead(room, h.Version, hub.Head{Version: h.Version + 1, Sequence: sequence + 1}),
			tx.PutRecords(room, mls.Delta{{Key: fmt.Sprint("record/", (sequence+1)%64), Value: crashBody(n, sequence+1)}}))
	}))
}

// verifyLane reads a lane to its end: every message since the start is in it, once and in order.
func verifyLane(t *testing.T, s *Store, lane outbox.Lane, n int, last uint64) {
	t.Helper()
	var next uint64 = 1
	undo := errors.New("undo")
	err := s.Outbox().Update(t.Context(), func(tx outbox.Tx) error {
		for {
			items, err := tx.Batch(lane)
			if err != nil {
				return err
			}
			if len(items) == 0 {
				return undo
			}
			for _, item := range items {
				if item.Sequence != next || string(item.Body) != string(crashBody(n, next)) {
					t.Errorf("room %d to %s: item %d, want %d", n, lane.Destination, item.Sequence, next)
					return undo
				}
				next++
			}
			lane.First, lane.Last = items[0].Sequence, items[len(items)-1].Sequence
			if err := tx.Advance(lane, lane.Since, 1<<20, 1000); err != nil {
				return err
			}
		}
	})
	if !errors.Is(err, undo) {
		t.Fatal(err)
	}
	if next != last+1 {
		t.Errorf("room %d to %s ends with %d, want %d", n, lane.Destination, next-1, last)
	}
}
