package bench

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"parley/client"
)

// ledger knows what was sent and holds against it what every device read. It is safe for concurrent use.
type ledger struct {
	seed uint64
	size int // octets of a body

	mu      sync.Mutex
	lanes   []*lane
	moved   chan struct{} // closed and replaced when something was delivered
	verdict Verdict
	log     []delivery
	keep    bool // deliveries are noted in log
}

// lane is what one device sends into one room.
type lane struct {
	number int
	sent   []time.Time
	views  []*view
}

// delivered counts the messages of a lane that came to others than their sender.
func (l *ledger) delivered(n *lane) (sum int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, v := range n.views {
		if !v.echo {
			sum += v.seen
		}
	}
	return sum
}

// view is what one device saw of a lane. Views of the sender itself are the echoes of its messages.
type view struct {
	lane  *lane
	echo  bool
	count []uint8
	last  int // number of the newest message seen
	seen  int
}

// delivery is one message opened at one device that is not its sender.
type delivery struct {
	at      time.Time
	latency time.Duration
}

// Verdict is what the ledger found. Everything but the first two must be 0.
type Verdict struct {
	Sent      int `json:"sent"`
	Delivered int `json:"delivered"` // opened and equal to what was sent, at devices other than the sender's
	Lost      int `json:"lost"`      // never seen at a device that should have it
	Doubled   int `json:"doubled"`
	Reordered int `json:"reordered"` // seen after a later one of the same sender
	Wrong     int `json:"wrong"`     // something that was not sent
	Gaps      int `json:"gaps"`      // entries that a device could not read
	Refused   int `json:"refused"`   // messages that a provider refused for good
	Disagreed int `json:"disagreed"` // rooms whose devices did not see the same order
}

// Good reports whether nothing went wrong.
func (v Verdict) Good() bool {
	return v.Lost+v.Doubled+v.Reordered+v.Wrong+v.Gaps+v.Refused+v.Disagreed == 0
}

func newLedger(seed uint64, size int) *ledger {
	return &ledger{seed: seed, size: size, moved: make(chan struct{})}
}

func (l *ledger) lane() *lane {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := &lane{number: len(l.lanes)}
	l.lanes = append(l.lanes, n)
	return n
}

func (l *ledger) view(of *lane, echo bool) *view {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := &view{lane: of, echo: echo, last: -1}
	of.views = append(of.views, v)
	return v
}

// body is the text of a message: which one it is, and filling that nobody else sends.
func (l *ledger) body(lane, number int) string {
	head := fmt.Sprintf("%d %d ", lane, number)
	var key [32]byte
	binary.BigEndian.PutUint64(key[:], l.seed)
	binary.BigEndian.PutUint64(key[8:], uint64(lane))
	binary.BigEndian.PutUint64(key[16:], uint64(number))
	filling := make([]byte, max(0, l.size-len(head))*3/4+3)
	if _, err := rand.NewChaCha8(key).Read(filling); err != nil {
		return head // it never fails; a body without filling would be found at the receiver
	}
	text := head + base64.StdEncoding.EncodeToString(filling)
	return text[:max(l.size, len(head))]
}

// send notes a message and returns its text.
func (l *ledger) send(n *lane, at time.Time) string {
	l.mu.Lock()
	number := len(n.sent)
	n.sent = append(n.sent, at)
	l.verdict.Sent++
	l.mu.Unlock()
	return l.body(n.number, number)
}

// sheet is what one device reads: views by lane, and the order of its room. The ledger's lock guards it.
type sheet struct {
	ledger  *ledger
	views   map[int]*view
	windows map[int]chan<- struct{} // of senders that go on when this device has read
	order   [sha256.Size]byte       // over everything read, in order
}

func (l *ledger) sheet() *sheet {
	return &sheet{ledger: l, views: make(map[int]*view), windows: make(map[int]chan<- struct{})}
}

func (s *sheet) add(v *view) {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	s.views[v.lane.number] = v
}

// frees lets the sender of a lane go on for each message that is read here.
func (s *sheet) frees(n *lane, window chan<- struct{}) {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	s.windows[n.number] = window
}

func (s *sheet) digest() [sha256.Size]byte {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	return s.order
}

// read holds one timeline entry against the ledger.
func (s *sheet) read(e *client.Entry, now time.Time) {
	l := s.ledger
	var want string
	lane, number, good := parse(e.Text)
	if e.Kind == client.EntryMessage && good {
		want = l.body(lane, number) // outside of the lock: it is most of the work
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch e.Kind {
	case client.EntryMessage:
	case client.EntryGap:
		l.verdict.Gaps++
		return
	default:
		return
	}
	v := s.views[lane]
	if !good || v == nil || e.Text != want || number >= len(v.lane.sent) || e.Own != v.echo || e.Unverified != "" {
		l.verdict.Wrong++
		return
	}
	s.order = sha256.Sum256(append(s.order[:], e.Text...))
	if !l.take(v, number, now) {
		return
	}
	select {
	case s.windows[lane] <- struct{}{}:
	default: // nobody waits for this device, or the window is open all the same
	}
}

// parse reads which message a text says it is.
func parse(text string) (lane, number int, ok bool) {
	head, rest, ok := strings.Cut(text, " ")
	tail, _, also := strings.Cut(rest, " ")
	if !ok || !also {
		return 0, 0, false
	}
	lane, err := strconv.Atoi(head)
	if err != nil || lane < 0 {
		return 0, 0, false
	}
	number, err = strconv.Atoi(tail)
	return lane, number, err == nil && number >= 0
}

// take counts a message that is what was sent, and reports whether it is new. The ledger is locked.
func (l *ledger) take(v *view, number int, now time.Time) bool {
	for len(v.count) <= number {
		v.count = append(v.count, 0)
	}
	if v.count[number]++; v.count[number] > 1 {
		l.verdict.Doubled++
		return false
	}
	v.seen++
	if number < v.last {
		l.verdict.Reordered++
	}
	v.last = max(v.last, number)
	if !v.echo {
		l.verdict.Delivered++
		if l.keep {
			l.log = append(l.log, delivery{now, now.Sub(v.lane.sent[number])})
		}
	}
	close(l.moved)
	l.moved = make(chan struct{})
	return true
}

// counts tells how much was sent and delivered, and gives a channel that is closed when that changes.
func (l *ledger) counts() (sent, delivered int, moved <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.verdict.Sent, l.verdict.Delivered, l.moved
}

// missing counts what has not come to a device that should have it.
func (l *ledger) missing() (n int, moved <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, lane := range l.lanes {
		for _, v := range lane.views {
			n += len(lane.sent) - v.seen
		}
	}
	return n, l.moved
}

// record begins to note deliveries, or ends it and returns what was noted.
func (l *ledger) record(on bool) []delivery {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.log
	l.keep, l.log = on, nil
	return out
}

// close counts what is lost.
func (l *ledger) close() Verdict {
	lost, _ := l.missing()
	l.mu.Lock()
	defer l.mu.Unlock()
	v := l.verdict
	v.Lost = lost
	return v
}
