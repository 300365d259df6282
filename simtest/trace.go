package simtest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"strings"
	"time"
)

// line is one exchange or event of a history.
type line struct {
	at       time.Duration
	from, to string
	text     string
}

// trace is what happened, and a sum over it.
type trace struct {
	lines []line
	sum   hash.Hash
}

func newTrace() *trace { return &trace{sum: sha256.New()} }

func (t *trace) add(l line) {
	t.lines = append(t.lines, l)
	var at [8]byte
	binary.BigEndian.PutUint64(at[:], uint64(l.at))
	for _, part := range []string{string(at[:]), l.from, l.to, l.text, "\n"} {
		t.sum.Write([]byte(part))
	}
}

// say notes what went from one process to another, or what one did by itself.
func (w *World) say(from, to *process, format string, args ...any) {
	l := line{at: w.now, text: fmt.Sprintf(format, args...)}
	if from != nil {
		l.from = from.name
	}
	if to != nil {
		l.to = to.name
	}
	w.trace.add(l)
}

// String is the line as in a dialogue.
func (l line) String() string {
	who := l.from
	if l.to != "" {
		who = fmt.Sprintf("%-8s -> %-8s", l.from, l.to)
	}
	return fmt.Sprintf("%10.3fs  %-20s %s", l.at.Seconds(), who, l.text)
}

// dull are exchanges that say nothing in most histories.
func (l line) dull() bool {
	for _, word := range []string{"events", "ack", "publish"} {
		if l.text == word || strings.HasPrefix(l.text, word+",") || strings.HasPrefix(l.text, "answer to "+word+":") {
			return true
		}
	}
	return false
}

// dialogue is the end of the history, without what is dull.
func (t *trace) dialogue(limit int) string {
	var out []string
	for i := len(t.lines) - 1; i >= 0 && len(out) < limit; i-- {
		if !t.lines[i].dull() {
			out = append(out, t.lines[i].String())
		}
	}
	var b strings.Builder
	for i := len(out) - 1; i >= 0; i-- {
		b.WriteString(out[i])
		b.WriteByte('\n')
	}
	return b.String()
}
