package outbox_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"time"

	"parley/hub"
	"parley/mimi"
	"parley/mls/wire"
	"parley/outbox"
	"parley/store/memory"
	"parley/syntax"
	"parley/uri"
)

// lanes is an outbox on a memory store, with the hub's side of the store and peers that answer as they are told.
type lanes struct {
	*testing.T
	store  *memory.Store
	box    *outbox.Outbox
	cfg    outbox.Config
	now    time.Time
	alarms []outbox.Alarm
	next   map[uri.Room]uint64

	answer func(to uri.Provider, room uri.Room, body *mimi.NotifyBody) error
	sent   []sent
}

type sent struct {
	to   uri.Provider
	room uri.Room
	body []byte
	at   time.Time
}

func newLanes(t *testing.T) *lanes {
	l := &lanes{T: t, store: memory.New(), now: time.UnixMilli(1_800_000_000_000), next: make(map[uri.Room]uint64)}
	l.cfg = outbox.Config{Store: l.store.Outbox(), Now: func() time.Time { return l.now },
		Alarm: func(a outbox.Alarm) { l.alarms = append(l.alarms, a) }}
	l.restart()
	return l
}

func (l *lanes) restart() { l.box = outbox.New(l.cfg) }

func (l *lanes) room(name string) uri.Room {
	l.Helper()
	r, err := uri.ParseRoom("mimi://a.example/r/" + name)
	if err != nil {
		l.Fatal(err)
	}
	return r
}

// item is an application message; each n is another one.
func item(n uint64) *mimi.FanoutMessage {
	return &mimi.FanoutMessage{Timestamp: n, Message: wire.Message{Version: wire.MLS10, Format: wire.PrivateMessageFormat,
		Private: &wire.PrivateMessage{GroupID: []byte("g"), Type: wire.ApplicationContent, Ciphertext: binary.BigEndian.AppendUint64(nil, n)}}}
}

// put accepts items for a room, as a hub does, each in a transaction.
func (l *lanes) put(room uri.Room, handshake bool, n int, destinations ...string) {
	l.Helper()
	for range n {
		l.next[room]++
		seq := l.next[room]
		body, err := syntax.Marshal(item(seq))
		if err != nil {
			l.Fatal(err)
		}
		err = l.store.Hub().Update(l.Context(), func(tx hub.Tx) error {
			return tx.Append(room, hub.Item{Sequence: seq, Timestamp: seq, Handshake: handshake, Body: body, Destinations: destinations})
		})
		if err != nil {
			l.Fatal(err)
		}
	}
}

// peer is any destination.
type peer struct {
	mimi.Service
	lanes *lanes
	to    uri.Provider
}

func (p *peer) Notify(_ context.Context, room uri.Room, body *mimi.NotifyBody) error {
	encoded, err := syntax.Marshal(body)
	if err != nil {
		p.lanes.Fatal(err)
	}
	p.lanes.sent = append(p.lanes.sent, sent{p.to, room, encoded, p.lanes.now})
	if p.lanes.answer == nil {
		return nil
	}
	return p.lanes.answer(p.to, room, body)
}

func (l *lanes) peer(to uri.Provider) (mimi.Service, error) { return &peer{lanes: l, to: to}, nil }

// run sends what is due, and moves the time on to what will be, until nothing is left or the time limit is reached.
func (l *lanes) run(limit time.Duration) {
	l.Helper()
	end := l.now.Add(limit)
	for {
		did, next, err := l.box.Step(l.Context(), l.peer)
		switch {
		case err != nil:
			l.Fatal(err)
		case did:
		case next.IsZero() || next.After(end):
			return
		default:
			l.now = next
		}
	}
}

// taken are the sequences of the items that a destination got of a room, over all requests.
func (l *lanes) taken(to string, room uri.Room) (out []uint64) {
	l.Helper()
	for _, s := range l.sent {
		if s.to.Domain() != to || s.room != room {
			continue
		}
		var body mimi.NotifyBody
		if err := syntax.Unmarshal(s.body, &body); err != nil {
			l.Fatal(err)
		}
		for _, i := range body.Items {
			out = append(out, i.Timestamp)
		}
	}
	return out
}

func upTo(from, to uint64) (out []uint64) {
	for n := from; n <= to; n++ {
		out = append(out, n)
	}
	return out
}

var errLost = errors.New("connection lost") // constant

func TestOutboxRows(t *testing.T) {
	rows := []struct {
		name string
		run  func(l *lanes)
	}{
		{"P-NT-02 the order of acceptance, in as few requests as are allowed", func(l *lanes) {
			r := l.room("r")
			l.put(r, false, 100, "b.example")
			l.run(time.Hour)
			if got := l.taken("b.example", r); !slices.Equal(got, upTo(1, 100)) || len(l.sent) != 2 {
				l.Errorf("%d requests: %v", len(l.sent), got)
			}
		}},
		{"P-NT-02 one batch of a room and destination on its way, whatever the workers", func(l *lanes) {
			r := l.room("r")
			l.put(r, false, 3, "b.example")
			first, _, err := l.box.Next(l.Context())
			if err != nil || first == nil {
				l.Fatal(err)
			}
			for range 3 {
				if again, _, err := l.box.Next(l.Context()); again != nil || err != nil {
					l.Fatalf("a second one: %v, %v", again, err)
				}
			}
			if err := l.box.Done(l.Context(), first, nil); err != nil {
				l.Fatal(err)
			}
			if second, _, err := l.box.Next(l.Context()); second == nil || err != nil || len(second.Body.Items) != 2 {
				l.Errorf("%+v, %v", second, err)
			}
		}},
		{"P-NT-06 what fails is tried again, ever later, with the same octets", func(l *lanes) {
			r := l.room("r")
			failures := 8
			l.answer = func(uri.Provider, uri.Room, *mimi.NotifyBody) error {
				if failures--; failures < 0 {
					return nil
				}
				l.put(r, false, 1, "b.example") // what comes meanwhile does not change the batch
				return []error{errLost, mimi.Errorf(mimi.Internal, "no"), mimi.Errorf(mimi.Forbidden, "no"), mimi.Errorf(mimi.NotFound, "no")}[failures%4]
			}
			l.put(r, false, 1, "b.example")
			for range 9 {
				l.run(0)
				l.now = l.now.Add(10 * time.Minute)
			}
			for i, s := range l.sent[:9] {
				if !bytes.Equal(s.body, l.sent[0].body) {
					l.Errorf("try %d has other octets", i)
				}
			}
		}},
		{"P-NT-06 delays grow, with jitter, and are bounded", func(l *lanes) {
			l.answer = func(uri.Provider, uri.Room, *mimi.NotifyBody) error { return errLost }
			l.cfg.Jitter = func() float64 { return 0.5 }
			l.restart()
			l.put(l.room("r"), false, 1, "b.example")
			l.run(2 * time.Hour)
			last := time.Duration(0)
			for i := 1; i < len(l.sent); i++ {
				delay := l.sent[i].at.Sub(l.sent[i-1].at)
				if i < 8 && delay < last*3/2 || delay < last || delay > 5*time.Minute {
					l.Errorf("delay %d is %v after %v", i, delay, last)
				}
				last = delay
			}
			if last < 3*time.Minute || len(l.sent) < 20 || len(l.sent) > 200 {
				l.Errorf("%d tries, the last delay is %v", len(l.sent), last)
			}
		}},
		{"P-NT-06 a Retry-After is honoured, up to a day", func(l *lanes) {
			for _, tt := range []struct{ asked, least, most time.Duration }{
				{time.Hour, time.Hour, 2 * time.Hour}, {90 * 24 * time.Hour, 24 * time.Hour, 27 * time.Hour},
			} {
				l.sent = nil
				l.answer = func(uri.Provider, uri.Room, *mimi.NotifyBody) error {
					if len(l.sent) > 1 {
						return nil
					}
					return &mimi.Error{Code: mimi.Unavailable, RetryAfter: tt.asked}
				}
				l.put(l.room("r"), false, 1, "b.example")
				l.run(100 * 24 * time.Hour)
				if got := l.sent[1].at.Sub(l.sent[0].at); got < tt.least || got > tt.most {
					l.Errorf("asked for %v, came back after %v", tt.asked, got)
				}
			}
		}},
		{"P-NT-08 a destination that fails holds up nobody", func(l *lanes) {
			l.answer = func(to uri.Provider, _ uri.Room, _ *mimi.NotifyBody) error {
				if to.Domain() == "b.example" {
					return errLost
				}
				return nil
			}
			for i := range 20 {
				l.put(l.room(string(rune('a'+i))), false, 1, "b.example", "c.example")
			}
			l.run(0)
			for i := range 20 {
				if got := l.taken("c.example", l.room(string(rune('a'+i)))); !slices.Equal(got, upTo(1, 1)) {
					l.Errorf("room %d: %v", i, got)
				}
			}
			toB := 0
			for _, s := range l.sent {
				if s.to.Domain() == "b.example" {
					toB++
				}
			}
			if toB != 1 {
				l.Errorf("%d requests to the one that is down", toB)
			}
		}},
		{"P-NT-09 other rooms of a destination do not wait for an answer", func(l *lanes) {
			l.put(l.room("r"), false, 1, "b.example")
			l.put(l.room("s"), false, 1, "b.example")
			first, _, err := l.box.Next(l.Context())
			if err != nil {
				l.Fatal(err)
			}
			second, _, err := l.box.Next(l.Context())
			if err != nil || second == nil || second.Room == first.Room {
				l.Errorf("%+v, %v", second, err)
			}
		}},
		{"P-NT-10 a crash before the answer was noted sends the same octets again", func(l *lanes) {
			r := l.room("r")
			l.put(r, false, 5, "b.example")
			l.run(0)
			l.put(r, false, 5, "b.example")
			lost, _, err := l.box.Next(l.Context()) // sent, and then the process ends
			if err != nil {
				l.Fatal(err)
			}
			l.put(r, false, 5, "b.example")
			want, err := syntax.Marshal(lost.Body)
			if err != nil {
				l.Fatal(err)
			}
			l.restart()
			l.sent = nil
			l.run(0)
			if !bytes.Equal(l.sent[0].body, want) {
				l.Error("other octets")
			}
		}},
		{"P-NT-31 a backlog goes in order and in bounded requests", func(l *lanes) {
			r := l.room("r")
			l.cfg.MaxItems, l.cfg.MaxBytes = 50, 2000
			l.restart()
			l.put(r, false, 1000, "b.example")
			l.run(0)
			if got := l.taken("b.example", r); !slices.Equal(got, upTo(1, 1000)) {
				l.Errorf("%d items", len(got))
			}
			for _, s := range l.sent {
				if len(s.body) > 2000 {
					l.Errorf("a request of %d octets", len(s.body))
				}
			}
		}},
		{"P-NT-30 a handshake that is refused for good freezes its lane and raises the alarm; other rooms go on", func(l *lanes) {
			r, other := l.room("r"), l.room("s")
			l.answer = func(_ uri.Provider, room uri.Room, body *mimi.NotifyBody) error {
				if room == r && slices.ContainsFunc(body.Items, func(i mimi.FanoutMessage) bool { return i.Timestamp == 3 }) {
					return mimi.Errorf(mimi.BadRequest, "no")
				}
				return nil
			}
			l.put(r, false, 2, "b.example")
			l.put(r, true, 1, "b.example")
			l.put(r, false, 2, "b.example")
			l.put(other, false, 1, "b.example")
			l.run(time.Hour)
			if len(l.alarms) != 1 || l.alarms[0].Sequence != 3 || !l.alarms[0].Whole {
				l.Errorf("alarms: %+v", l.alarms)
			}
			if got := l.taken("b.example", r); slices.Contains(got, 4) && !slices.Contains(got, 3) {
				l.Errorf("sent: %v", got)
			}
			if got := l.taken("b.example", other); !slices.Equal(got, upTo(1, 1)) {
				l.Errorf("the other room: %v", got)
			}
		}},
		{"a message that is refused for good is parked alone", func(l *lanes) {
			r := l.room("r")
			var taken []uint64
			l.answer = func(_ uri.Provider, _ uri.Room, body *mimi.NotifyBody) error {
				if slices.ContainsFunc(body.Items, func(i mimi.FanoutMessage) bool { return i.Timestamp == 7 }) {
					return mimi.Errorf(mimi.BadRequest, "no")
				}
				for _, i := range body.Items {
					taken = append(taken, i.Timestamp)
				}
				return nil
			}
			l.put(r, false, 20, "b.example")
			l.run(2 * time.Hour)
			if want := append(upTo(1, 6), upTo(8, 20)...); !slices.Equal(taken, want) {
				l.Errorf("taken: %v", taken)
			}
			if len(l.alarms) != 1 || l.alarms[0].Sequence != 7 || l.alarms[0].Whole {
				l.Errorf("alarms: %+v", l.alarms)
			}
		}},
		{"a batch is split by a refusal, never by a failure that leaves its fate open", func(l *lanes) {
			r := l.room("r")
			l.put(r, false, 1, "b.example")
			l.run(0)
			l.put(r, false, 8, "b.example")
			l.answer = func(uri.Provider, uri.Room, *mimi.NotifyBody) error { return errLost }
			l.run(time.Hour)
			for _, s := range l.sent[2:] {
				if !bytes.Equal(s.body, l.sent[1].body) {
					l.Error("split")
				}
			}
		}},
		{"a Done that the store did not take sends the batch again", func(l *lanes) {
			r := l.room("r")
			l.put(r, false, 1, "b.example")
			s, _, err := l.box.Next(l.Context())
			if err != nil {
				l.Fatal(err)
			}
			l.store.Fault = func() memory.Outcome { return memory.Lost }
			if err := l.box.Done(l.Context(), s, nil); err == nil {
				l.Error("no error")
			}
			l.store.Fault = nil
			l.run(time.Minute)
			if got := l.taken("b.example", r); !slices.Equal(got, upTo(1, 1)) {
				l.Errorf("sent again: %v", got)
			}
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) { row.run(newLanes(t)) })
	}
}
