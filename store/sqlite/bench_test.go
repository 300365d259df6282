package sqlite

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"parley/follower"
	"parley/hub"
	"parley/inbox"
	"parley/mls"
	"parley/outbox"
	"parley/uri"
)

// path is one message's way through the stores of two providers: the hub at a.example, a follower and the receiver's client at b.example.
type path struct {
	hub, follower *Store
	rooms         []uri.Room
	clients       []uri.Client
	body, answer  []byte
	now           func() time.Time
	n             atomic.Uint64
}

const domain = "b.example"

func must[T any](tb testing.TB, v T, err error) T {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

func check1(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func newPath(tb testing.TB, rooms int) *path {
	p := &path{body: make([]byte, 700), answer: make([]byte, 32), now: time.Now}
	p.hub, _ = running(tb, filepath.Join(tb.TempDir(), "hub.db"), Options{})
	p.follower, _ = running(tb, filepath.Join(tb.TempDir(), "follower.db"), Options{})
	for i := range rooms {
		room, err := uri.ParseRoom(fmt.Sprintf("mimi://a.example/r/room-%06d", i))
		p.rooms = append(p.rooms, must(tb, room, err))
		client, err := uri.ParseClient(fmt.Sprintf("mimi://b.example/d/user-%06d/phone", i))
		p.clients = append(p.clients, must(tb, client, err))
	}
	check1(tb, p.hub.Hub().Update(tb.Context(), func(tx hub.Tx) error {
		for _, room := range p.rooms {
			if err := tx.SaveHead(room, 0, hub.Head{Version: 1, GroupID: make([]byte, 32), Destinations: []string{"a.example", domain}}); err != nil {
				return err
			}
			err := tx.PutRecords(room, mls.Delta{
				{Key: "person/mimi://a.example/u/alice", Value: make([]byte, 10)}, {Key: "person/mimi://b.example/u/bob", Value: make([]byte, 10)}})
			if err != nil {
				return err
			}
		}
		return nil
	}))
	check1(tb, p.follower.Follower().Update(tb.Context(), func(tx follower.Tx) error {
		for i := range rooms {
			if err := tx.SetMember(p.rooms[i], p.clients[i], true); err != nil {
				return err
			}
		}
		return nil
	}))
	return p
}

// accept is what hub.SubmitMessage does.
func (p *path) accept(ctx context.Context, room uri.Room, hash [32]byte) error {
	return p.hub.Hub().Update(ctx, func(tx hub.Tx) error {
		if _, ok, err := tx.Answer(hash); err != nil || ok {
			return err
		}
		h, _, err := tx.Head(room)
		if err != nil {
			return err
		}
		if _, err := tx.Records(room, "person/mimi://a.example/u/alice"); err != nil {
			return err
		}
		now := p.now()
		h.Sequence++
		h.Timestamp = uint64(now.UnixMilli())
		err = tx.Append(room, hub.Item{Sequence: h.Sequence, Timestamp: h.Timestamp, Body: p.body, Destinations: h.Destinations})
		if err != nil {
			return err
		}
		if err := tx.SaveHead(room, h.Version, h); err != nil {
			return err
		}
		return tx.SaveAnswer(hash, p.answer, now.Add(30*24*time.Hour))
	})
}

// send is what outbox.Next and Done do; it returns false when the lane is idle.
func (p *path) send(ctx context.Context, destination string, room uri.Room) (bool, error) {
	box := p.hub.Outbox()
	var lanes []outbox.Lane
	err := box.View(ctx, func(tx outbox.Tx) error {
		if _, err := tx.Due(p.now(), nil, 2); err != nil { // for its cost: the worker serves its own room
			return err
		}
		c := tx.(*outboxTx).c
		l, ok, err := c.lane(room, destination)
		if ok {
			lanes = append(lanes, outbox.Lane{Destination: destination, Room: room, First: sequenceOf(l.first), Last: sequenceOf(l.last)})
		}
		return err
	})
	if err != nil || len(lanes) == 0 {
		return false, err
	}
	err = box.View(ctx, func(tx outbox.Tx) error {
		items, err := tx.Batch(lanes[0])
		if err == nil && len(items) == 0 {
			return errMissing
		}
		return err
	})
	if err != nil {
		return false, err
	}
	return true, box.Update(ctx, func(tx outbox.Tx) error { return tx.Advance(lanes[0], p.now(), 1<<20, 100) })
}

// notify is what follower.Notify does.
func (p *path) notify(ctx context.Context, room uri.Room, hash [32]byte) error {
	return p.follower.Follower().Update(ctx, func(tx follower.Tx) error {
		members, err := tx.Members(room)
		if err != nil {
			return err
		}
		if seen, err := tx.Seen(room, hash); err != nil || seen {
			return err
		}
		return tx.Deliver(follower.Item{Room: room, Timestamp: uint64(p.now().UnixMilli()), Arrived: uint64(p.now().UnixMilli()), Body: p.body}, hash, members)
	})
}

// read is what inbox.Read and Ack do.
func (p *path) read(ctx context.Context, client uri.Client) error {
	box := p.follower.Inbox()
	var last inbox.Cursor
	err := box.View(ctx, func(tx inbox.Tx) error {
		from, err := tx.Acked(client)
		if err != nil {
			return err
		}
		entries, err := tx.Read(client, from, 256, 4<<20)
		if err != nil || len(entries) == 0 {
			return err
		}
		last = entries[len(entries)-1].Cursor
		_, err = tx.Read(client, last, 1, 1)
		return err
	})
	if err != nil {
		return err
	}
	return box.Update(ctx, func(tx inbox.Tx) error { return tx.Ack(client, last) })
}

func (p *path) hash() (h [32]byte) {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], p.n.Add(1))
	return sha256.Sum256(n[:])
}

// BenchmarkMessage is the store's part in one message; the metric is the CPU time of the whole process.
func BenchmarkMessage(b *testing.B) {
	for _, workers := range []int{1, 16, 128} {
		for _, stage := range []string{"accept", "accept+send", "notify", "notify+read", "all"} {
			b.Run(fmt.Sprintf("%s/%d", stage, workers), func(b *testing.B) { benchmarkMessage(b, stage, workers) })
		}
	}
}

func benchmarkMessage(b *testing.B, stage string, workers int) {
	p := newPath(b, 8*workers)
	var left atomic.Int64
	var all sync.WaitGroup
	left.Store(int64(b.N))
	b.ResetTimer()
	before, requests, groups, bytes, kept := cpu(b), p.requests(), p.groups(), written(b), p.kept(b)
	for w := range workers {
		all.Go(func() {
			for i := 0; left.Add(-1) >= 0; i++ {
				n := w + workers*(i%8)
				if err := p.message(b.Context(), stage, n); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/1000/float64(b.N), "cpu-us/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
	b.ReportMetric(float64(p.requests()-requests)/float64(max(1, p.groups()-groups)), "requests/commit")
	b.ReportMetric(float64(written(b)-bytes)/float64(b.N), "written-B/op")
	b.ReportMetric(float64(p.kept(b)-kept)/float64(b.N), "kept-B/op")
	b.ReportMetric(0, "ns/op")
}

func (p *path) message(ctx context.Context, stage string, n int) error {
	hash := p.hash()
	if stage == "accept" || stage == "accept+send" || stage == "all" {
		if err := p.accept(ctx, p.rooms[n], hash); err != nil {
			return err
		}
	}
	if stage == "accept+send" || stage == "all" {
		for _, d := range []string{"a.example", domain} {
			if _, err := p.send(ctx, d, p.rooms[n]); err != nil {
				return err
			}
		}
	}
	if stage == "notify" || stage == "notify+read" || stage == "all" {
		if err := p.notify(ctx, p.rooms[n], hash); err != nil {
			return err
		}
	}
	if stage == "notify+read" || stage == "all" {
		return p.read(ctx, p.clients[n])
	}
	return nil
}

func (p *path) requests() uint64 { return p.hub.commits.Load() + p.follower.commits.Load() }
func (p *path) groups() uint64   { return p.hub.groups.Load() + p.follower.groups.Load() }

// kept is how many octets of both databases are in use.
func (p *path) kept(tb testing.TB) (n int64) {
	for _, s := range []*Store{p.hub, p.follower} {
		check1(tb, s.view(tb.Context(), func(c *conn) error {
			pages, err := c.number("SELECT (page_count - freelist_count) * page_size FROM pragma_page_size, pragma_page_count, pragma_freelist_count")
			n += pages
			return err
		}))
	}
	return n
}

// written is how many octets the process has handed to the kernel; 0 where that is not known.
func written(tb testing.TB) (n int64) {
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0
	}
	if _, err := fmt.Sscanf(string(text), "rchar: %d\nwchar: %d", new(int64), &n); err != nil {
		tb.Fatal(err)
	}
	return n
}

func cpu(tb testing.TB) time.Duration {
	var u syscall.Rusage
	check1(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
