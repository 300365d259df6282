package main

import (
	"bufio"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// glass is a terminal as far as the editor uses one: rows above, the row of the cursor, and nothing below it.
type glass struct {
	t     testing.TB
	width int
	above []string
	row   []rune // one per column; 0 is the right half of a wide character
	x     int
	paste bool
}

func (g *glass) Write(p []byte) (int, error) {
	s := string(p)
	for s != "" {
		s = s[g.take(s):]
	}
	return len(p), nil
}

// take does what the first thing in s says and returns its length.
func (g *glass) take(s string) int {
	for sequence, do := range map[string]func(){
		"\r": func() { g.x = 0 },
		"\n": func() {
			if g.x != 0 {
				g.t.Errorf("a line feed without a carriage return: raw mode makes stairs of it")
			}
			g.above, g.row = append(g.above, g.text()), nil
		},
		"\x1b[K":  func() { g.row = g.row[:min(g.x, len(g.row))] },
		"\x1b[2J": func() { g.above, g.row = nil, nil },
		"\x1b[H":  func() { g.x = 0 },
		pasteOn:   func() { g.paste = true },
		pasteOff:  func() { g.paste = false },
		dim:       func() {},
		alert:     func() {},
		normal:    func() {},
	} {
		if strings.HasPrefix(s, sequence) {
			do()
			return len(sequence)
		}
	}
	if rest, ok := strings.CutPrefix(s, "\x1b["); ok {
		if n, _, ok := strings.Cut(rest, "C"); ok {
			if columns, err := strconv.Atoi(n); err == nil {
				g.x += columns
				return len("\x1b[C") + len(n)
			}
		}
	}
	r := []rune(s)[0]
	if harmful(r) {
		g.t.Errorf("%U reached the terminal", r)
	}
	g.put(r)
	return len(string(r))
}

func (g *glass) put(r rune) {
	n := cells(r)
	if g.x+n > g.width {
		g.t.Errorf("the row is full at %q", r)
		return
	}
	for len(g.row) < g.x+n {
		g.row = append(g.row, ' ')
	}
	for i := range n {
		g.row[g.x+i] = 0
	}
	if n > 0 {
		g.row[g.x] = r
	}
	g.x += n
}

func (g *glass) text() string { return strings.ReplaceAll(string(g.row), "\x00", "") }

// typing is an editor on a glass whose keys come from the test.
type typing struct {
	*editor
	glass *glass
	keys  *io.PipeWriter
	lines chan string
	ended chan error
}

func newTyping(t testing.TB, width int) *typing {
	g := &glass{t: t, width: width}
	r, w := io.Pipe()
	y := &typing{&editor{out: g, columns: func() int { return g.width }, prompt: "room> "}, g, w, make(chan string, 64), make(chan error, 1)}
	y.begin()
	go func() {
		in := bufio.NewReader(r)
		for {
			line, err := y.readLine(in)
			if err != nil {
				y.ended <- err
				return
			}
			y.lines <- line
		}
	}()
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return y
}

// press sends keys and waits until they are worked off: a pipe's write returns when all was read, and the row is drawn when nothing
// is left to read. The no-op key behind them makes sure of it.
func (y *typing) press(keys string) {
	for _, k := range []string{keys, "\x00"} {
		if _, err := io.WriteString(y.keys, k); err != nil {
			y.glass.t.Fatal(err)
		}
	}
	y.mu.Lock()
	defer y.mu.Unlock()
}

func (y *typing) shows(t testing.TB, row string, cursor int) {
	t.Helper()
	y.mu.Lock()
	defer y.mu.Unlock()
	if got := y.glass.text(); got != row || y.glass.x != cursor {
		t.Errorf("the row is %q with the cursor at %d; want %q at %d", got, y.glass.x, row, cursor)
	}
}

func TestEditorEdits(t *testing.T) {
	for _, c := range []struct{ name, keys, want string }{
		{"typing", "hello", "hello"},
		{"backspace", "helk\x7flo", "hello"},
		{"left and insert", "hllo\x1b[D\x1b[D\x1b[De", "hello"},
		{"home, end", "ell\x01h\x05o", "hello"},
		{"home, end as sequences", "ell\x1b[Hh\x1b[Fo", "hello"},
		{"delete", "hxello\x01\x1b[C\x1b[3~", "hello"},
		{"word away", "hello world\x17\x7f", "hello"},
		{"words left and right", "say it\x1bbhello \x1bf now", "say hello it now"},
		{"kill before and after", "xxhello\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D\x15\x05yy\x1b[D\x1b[D\x0b", "hello"},
		{"wide characters", "日本\x1b[D語\x1b[C\x7f", "日語"},
		{"combining marks go with their letter", "ae\u0301\x7fb", "ab"},
		{"moving over combining marks", "e\u0301x\x1b[D\x1b[Da", "ae\u0301x"},
		{"up brings the last line", "\x1b[A", "before"},
		{"down brings the new one back", "new\x1b[A\x1b[Bx", "newx"},
		{"Ctrl-C clears", "oops\x03fine", "fine"},
		{"unknown sequences do nothing", "a\x1b[99Xb\x1b[1;2Pc\x1bZd", "abcd"},
		{"a lone escape does nothing", "a\x1b", "a"},
		{"controls and directions are not typed", "a\x00\x1f\u202eb\u0085c", "abc"},
		{"a paste of lines is one line", "\x1b[200~one\rtwo\tx\x03\x1b[201~!", "one\ntwo x!"},
		{"a paste cannot press keys", "\x1b[200~a\x7f\x15b\x1b[201~", "ab"},
	} {
		t.Run(c.name, func(t *testing.T) {
			y := newTyping(t, 80)
			y.press("before\r")
			<-y.lines
			y.press(c.keys)
			y.press("\r")
			if got := <-y.lines; got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			y.shows(t, "room> ", 6)
		})
	}
}

func TestEditorEnds(t *testing.T) {
	for keys, want := range map[string]error{"\x04": io.EOF, "\x03": errInterrupted, "x\x03\x03": errInterrupted, "x\x7f\x04": io.EOF} {
		y := newTyping(t, 80)
		if _, err := io.WriteString(y.keys, keys); err != nil {
			t.Fatal(err)
		}
		if err := <-y.ended; !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", keys, err, want)
		}
	}
	y := newTyping(t, 80)
	y.press("ab\x01\x04") // not the end: the line is not empty
	y.shows(t, "room> b", 6)
}

func TestPrintingLeavesTheLineAlone(t *testing.T) {
	y := newTyping(t, 40)
	y.press("half a li")
	y.shows(t, "room> half a li", 15)
	if err := y.print("12:00 bob@b.example: hi", "      │ there"); err != nil {
		t.Fatal(err)
	}
	y.shows(t, "room> half a li", 15)
	y.setPrompt("room (offline)> ")
	y.press("ne\x1b[D")
	y.shows(t, "room (offline)> half a line", 26)
	if want := []string{"12:00 bob@b.example: hi", "      │ there"}; !slices.Equal(y.glass.above, want) {
		t.Errorf("above the line: %q", y.glass.above)
	}
	y.press("\x0c")
	y.shows(t, "room (offline)> half a line", 26)
	if len(y.glass.above) != 0 {
		t.Errorf("Ctrl-L left %q", y.glass.above)
	}
}

func TestLongLinesScroll(t *testing.T) {
	y := newTyping(t, 20) // 13 columns for the line, one of them for the cursor
	y.press("abcdefghijklmnopqrstuvwxyz")
	y.shows(t, "room> opqrstuvwxyz", 18)
	y.press("\x01")
	y.shows(t, "room> abcdefghijkl", 6)
	y.press("\x05\x15日本語日本語日本語")
	y.shows(t, "room> 日本語日本語", 18)
	y.glass.width = 16
	y.redraw()
	y.shows(t, "room> 語日本語", 14)
	y.setPrompt("a very long name of a room> ")
	y.shows(t, "a very …日本語", 14)
}

func TestEditorReportsATerminalThatIsGone(t *testing.T) {
	r, w := io.Pipe()
	if err := errors.Join(r.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	e := &editor{out: w, columns: func() int { return 80 }}
	if err := e.print("x"); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("%v", err)
	}
}
