package bench

import (
	"testing"
	"time"

	"parley/client"
)

// room is a ledger with one sender, its echo and one reader.
func room(t *testing.T, sent int) (l *ledger, n *lane, echo, reader *sheet, texts []string) {
	t.Helper()
	l = newLedger(7, 64)
	n, echo, reader = l.lane(), l.sheet(), l.sheet()
	echo.add(l.view(n, true))
	reader.add(l.view(n, false))
	for range sent {
		texts = append(texts, l.send(n, time.Now()))
	}
	return l, n, echo, reader, texts
}

func message(text string, own bool) *client.Entry {
	return &client.Entry{Kind: client.EntryMessage, Text: text, Own: own}
}

func TestLedgerFinds(t *testing.T) {
	now := time.Now()
	both := func(echo, reader *sheet, texts ...string) {
		for _, text := range texts {
			echo.read(message(text, true), now)
			reader.read(message(text, false), now)
		}
	}
	for _, c := range []struct {
		name string
		do   func(l *ledger, echo, reader *sheet, texts []string)
		want Verdict
	}{
		{"nothing when all is well", func(_ *ledger, echo, reader *sheet, x []string) { both(echo, reader, x...) },
			Verdict{Sent: 3, Delivered: 3}},
		{"a message that never came", func(_ *ledger, echo, reader *sheet, x []string) {
			both(echo, reader, x[0], x[1])
			echo.read(message(x[2], true), now)
		}, Verdict{Sent: 3, Delivered: 2, Lost: 1}},
		{"an echo that never came", func(_ *ledger, echo, reader *sheet, x []string) {
			both(echo, reader, x[0], x[1])
			reader.read(message(x[2], false), now)
		}, Verdict{Sent: 3, Delivered: 3, Lost: 1}},
		{"a message that came twice", func(_ *ledger, echo, reader *sheet, x []string) {
			both(echo, reader, x...)
			reader.read(message(x[0], false), now)
		}, Verdict{Sent: 3, Delivered: 3, Doubled: 1}},
		{"another order", func(_ *ledger, echo, reader *sheet, x []string) { both(echo, reader, x[1], x[0], x[2]) },
			Verdict{Sent: 3, Delivered: 3, Reordered: 2}},
		{"changed text", func(_ *ledger, echo, reader *sheet, x []string) {
			both(echo, reader, x...)
			reader.read(message(x[0]+"!", false), now)
		}, Verdict{Sent: 3, Delivered: 3, Wrong: 1}},
		{"a message that nobody sent", func(l *ledger, echo, reader *sheet, x []string) {
			both(echo, reader, x...)
			reader.read(message(l.body(0, 3), false), now)
		}, Verdict{Sent: 3, Delivered: 3, Wrong: 1}},
		{"a message in another's name", func(_ *ledger, echo, reader *sheet, x []string) {
			both(echo, reader, x...)
			reader.read(message(x[0], true), now)
		}, Verdict{Sent: 3, Delivered: 3, Wrong: 1}},
		{"what could not be read", func(_ *ledger, echo, reader *sheet, x []string) {
			both(echo, reader, x...)
			reader.read(&client.Entry{Kind: client.EntryGap}, now)
		}, Verdict{Sent: 3, Delivered: 3, Gaps: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, _, echo, reader, texts := room(t, 3)
			c.do(l, echo, reader, texts)
			if got := l.close(); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			if bad := c.want != (Verdict{Sent: 3, Delivered: 3}); c.want.Good() == bad {
				t.Error("Good says otherwise")
			}
		})
	}
}

func TestDevicesThatReadInOneOrderAgree(t *testing.T) {
	now := time.Now()
	_, _, echo, reader, texts := room(t, 2)
	echo.read(message(texts[0], true), now)
	reader.read(message(texts[0], false), now)
	if echo.digest() != reader.digest() {
		t.Error("the same order, and yet they differ")
	}
	echo.read(message(texts[1], true), now)
	if echo.digest() == reader.digest() {
		t.Error("one has read more, and yet they agree")
	}
}

func TestBodiesHaveTheSizeAndAreAllDifferent(t *testing.T) {
	l := newLedger(1, 256)
	seen := make(map[string]bool)
	for i := range 100 {
		text := l.body(i%3, i)
		if len(text) != 256 || seen[text] {
			t.Fatalf("%d octets, seen before: %v", len(text), seen[text])
		}
		seen[text] = true
	}
	if other := newLedger(2, 256); other.body(0, 0) == l.body(0, 0) {
		t.Error("another seed gives the same text")
	}
}

func TestQuantiles(t *testing.T) {
	var times []time.Duration
	for i := range 100 {
		times = append(times, time.Duration(i+1)*time.Millisecond)
	}
	for q, want := range map[float64]float64{0.5: 50, 0.95: 95, 0.99: 99, 1: 100, 0: 1} {
		if got := quantile(times, q); got != want {
			t.Errorf("%v: %v, want %v", q, got, want)
		}
	}
	if quantile(nil, 0.5) != 0 {
		t.Error("quantile of nothing")
	}
}
