package demo

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// request is a line of a server's trace (provider.TraceLine).
type request struct {
	Time     time.Time `json:"time"`
	Side     string    `json:"side"`
	From     string    `json:"from"`
	To       string    `json:"to"`
	Endpoint string    `json:"endpoint"`
	Epoch    *uint64   `json:"epoch"`
	Request  int64     `json:"request_octets"`
	Answer   int64     `json:"answer_octets"`
	Status   int       `json:"status"`
	Micros   int64     `json:"micros"`
	Reason   string    `json:"reason"`
}

// requests reads what the servers took at their sockets between two times, in order. A line that is still being written is left for
// the next look.
func (d *demo) requests(from, to time.Time) ([]request, error) {
	var out []request
	for _, s := range d.servers {
		text, err := os.ReadFile(s.Trace)
		if err != nil {
			return nil, err
		}
		lines := bufio.NewScanner(bytes.NewReader(text[:bytes.LastIndexByte(text, '\n')+1]))
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var r request
			if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
				return nil, fmt.Errorf("%s: %w", s.Trace, err)
			}
			if r.Side == "server" && !r.Time.Before(from) && r.Time.Before(to) {
				out = append(out, r)
			}
		}
		if err := lines.Err(); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(out, func(a, b request) int { return a.Time.Compare(b.Time) })
	return out, nil
}

// column is the width of a provider's column in the ladder.
const column = 30

// ladder draws requests as arrows between the columns of the providers.
func (d *demo) ladder(w io.Writer, list []request) error {
	at := map[string]int{}
	for i, s := range d.servers {
		at[s.Domain] = i * column
	}
	for _, r := range list {
		from, known := at[r.From]
		to, there := at[r.To]
		if !known || !there {
			continue // refused before it had a name; the servers' logs tell more
		}
		if _, err := fmt.Fprintf(w, "      %s  %s\n", arrow(from, to, r.Endpoint, (len(d.servers)-1)*column+1), details(&r)); err != nil {
			return err
		}
	}
	return nil
}

func details(r *request) string {
	text := fmt.Sprintf("%6d -> %d octets", r.Request, r.Answer)
	if r.Epoch != nil {
		text += fmt.Sprintf(", epoch %d", *r.Epoch)
	}
	if r.Status/100 != 2 {
		text += fmt.Sprintf(", status %d %s", r.Status, r.Reason)
	}
	return text
}

// arrow draws a call from one column to another, with the name of the endpoint on it.
func arrow(from, to int, name string, width int) string {
	line := []rune(strings.Repeat(" ", width))
	left, right := min(from, to), max(from, to)
	for i := left; i <= right; i++ {
		line[i] = '-'
	}
	line[from] = '|'
	if to > from {
		line[to] = '>'
	} else {
		line[to] = '<'
	}
	label := []rune(" " + name + " ")
	copy(line[left+(right-left-len(label))/2+1:], label)
	return string(line)
}

// heads prints the names of the columns.
func (d *demo) heads(w io.Writer) error {
	var b strings.Builder
	for _, s := range d.servers {
		fmt.Fprintf(&b, "%-*s", column, s.Domain)
	}
	_, err := fmt.Fprintf(w, "      %s\n", strings.TrimRight(b.String(), " "))
	return err
}
