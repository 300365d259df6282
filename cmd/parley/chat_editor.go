package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
)

// editor is the bottom row of a terminal in raw mode: a prompt and the line that is being typed. What is printed meanwhile goes
// above it. The line never takes more than one row; a longer one scrolls sideways, so that what is on the screen is known whatever
// the width of the characters is.
//
// One goroutine reads keys (readLine); any may print.
type editor struct {
	out     io.Writer
	columns func() int

	mu      sync.Mutex
	prompt  string
	line    []rune
	pos     int // in line
	left    int // first rune shown
	pasting bool
	history [][]rune
	at      int // in history while going through it; len(history): the new line
	draft   []rune
	err     error // of out; the first one
}

const maxHistory = 200

// errInterrupted is Ctrl-C on an empty line.
var errInterrupted = errors.New("interrupted")

// Sequences that every terminal since the VT100 understands.
const (
	eraseRow    = "\r\x1b[K"
	eraseScreen = "\x1b[2J\x1b[H"
	pasteOn     = "\x1b[?2004h"
	pasteOff    = "\x1b[?2004l"
)

// setPrompt changes what stands before the line.
func (e *editor) setPrompt(prompt string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.prompt != prompt {
		e.prompt = prompt
		e.draw()
	}
}

// print puts finished lines above the input line.
func (e *editor) print(lines ...string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.write(eraseRow + strings.Join(lines, "\r\n") + "\r\n")
	e.draw()
	return e.err
}

// redraw is for when the terminal's size has changed.
func (e *editor) redraw() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.draw()
}

// begin shows the prompt; end takes it away.
func (e *editor) begin() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.write(pasteOn)
	e.draw()
}

func (e *editor) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.write(eraseRow + pasteOff)
}

func (e *editor) write(s string) {
	if e.err == nil {
		_, e.err = io.WriteString(e.out, s)
	}
}

// draw writes the row anew and puts the cursor into its place. The last column stays free: terminals differ in what they do there.
func (e *editor) draw() {
	columns := max(e.columns(), 16)
	prompt := cut(e.prompt, columns/2)
	room := columns - cellsOf(prompt) - 1
	e.left = min(e.left, e.pos)
	for widthOf(e.line[e.left:e.pos]) >= room {
		e.left++
	}
	end, used := e.left, 0
	for end < len(e.line) && used+shownCells(e.line[end]) < room {
		used += shownCells(e.line[end])
		end++
	}
	row := eraseRow + prompt + shown(e.line[e.left:end]) + "\r"
	if n := cellsOf(prompt) + widthOf(e.line[e.left:e.pos]); n > 0 {
		row += fmt.Sprintf("\x1b[%dC", n)
	}
	e.write(row)
}

// A line break, which a pasted text may have, is shown as a sign.
const breakSign = '⏎'

func shown(line []rune) string { return strings.ReplaceAll(string(line), "\n", string(breakSign)) }

func shownCells(r rune) int {
	if r == '\n' {
		return 1
	}
	return cells(r)
}

func widthOf(line []rune) (n int) {
	for _, r := range line {
		n += shownCells(r)
	}
	return n
}

// readLine returns the next line, without its end: io.EOF after Ctrl-D on an empty one, errInterrupted after Ctrl-C on an empty one.
func (e *editor) readLine(in *bufio.Reader) (string, error) {
	for {
		k, err := readKey(in)
		if err != nil {
			return "", err
		}
		e.mu.Lock()
		line, done, err := e.press(k)
		if err == nil && (done || in.Buffered() == 0) { // a long paste is drawn once
			e.draw()
			err = e.err
		}
		e.mu.Unlock()
		if done || err != nil {
			return line, err
		}
	}
}

// press does what a key says.
func (e *editor) press(k key) (line string, done bool, err error) {
	switch {
	case k == keyPasteOn, k == keyPasteOff:
		e.pasting = k == keyPasteOn
	case e.pasting:
		e.insertPasted(k)
	case k == keyEnter:
		return e.enter(), true, nil
	case k == keyInterrupt && len(e.line) == 0:
		return "", true, errInterrupted
	case k == keyInterrupt:
		e.set(nil)
	case k == keyEnd4 && len(e.line) == 0:
		return "", true, io.EOF
	case k == keyClear:
		e.write(eraseScreen)
	case k >= 0:
		if !harmful(rune(k)) {
			e.insert(rune(k))
		}
	default:
		e.edit(k)
	}
	return "", false, nil
}

func (e *editor) insertPasted(k key) {
	switch {
	case k == keyEnter, k == '\n':
		e.insert('\n')
	case k == keyTab:
		e.insert(' ')
	case k >= 0 && !harmful(rune(k)):
		e.insert(rune(k))
	}
}

func (e *editor) insert(r rune) {
	e.line = slices.Insert(e.line, e.pos, r)
	e.pos++
}

func (e *editor) set(line []rune) { e.line, e.pos, e.left = line, len(line), 0 }

// enter ends the line and keeps it for the arrow keys.
func (e *editor) enter() string {
	text := string(e.line)
	if strings.TrimSpace(text) != "" && (len(e.history) == 0 || string(e.history[len(e.history)-1]) != text) {
		e.history = append(e.history, e.line)
		e.history = e.history[max(len(e.history)-maxHistory, 0):]
	}
	e.at = len(e.history)
	e.set(nil)
	return text
}

// edit moves and deletes.
func (e *editor) edit(k key) {
	switch k {
	case keyLeft:
		e.pos = e.before()
	case keyRight:
		e.pos = e.after()
	case keyHome:
		e.pos = 0
	case keyEnd:
		e.pos = len(e.line)
	case keyWordLeft:
		e.pos = e.word()
	case keyWordRight:
		for e.pos < len(e.line) && e.line[e.pos] == ' ' {
			e.pos++
		}
		for e.pos < len(e.line) && e.line[e.pos] != ' ' {
			e.pos++
		}
	case keyBackspace:
		e.remove(e.before(), e.pos)
	case keyDelete, keyEnd4:
		e.remove(e.pos, e.after())
	case keyDeleteWord:
		e.remove(e.word(), e.pos)
	case keyDeleteBefore:
		e.remove(0, e.pos)
	case keyDeleteAfter:
		e.remove(e.pos, len(e.line))
	case keyUp:
		e.recall(e.at - 1)
	case keyDown:
		e.recall(e.at + 1)
	}
}

// before is the place before the character on the left, its combining marks included.
func (e *editor) before() int {
	p := e.pos
	for p > 0 {
		if p--; shownCells(e.line[p]) > 0 {
			break
		}
	}
	return p
}

func (e *editor) after() int {
	p := min(e.pos+1, len(e.line))
	for p < len(e.line) && shownCells(e.line[p]) == 0 {
		p++
	}
	return p
}

// word is the beginning of the word on the left.
func (e *editor) word() int {
	p := e.pos
	for p > 0 && e.line[p-1] == ' ' {
		p--
	}
	for p > 0 && e.line[p-1] != ' ' {
		p--
	}
	return p
}

func (e *editor) remove(from, to int) {
	e.line = slices.Delete(e.line, from, to)
	e.pos = from
}

// recall shows an older line, or the new one behind the newest.
func (e *editor) recall(at int) {
	if at < 0 || at > len(e.history) || at == e.at {
		return
	}
	if e.at == len(e.history) {
		e.draft = slices.Clone(e.line)
	}
	if e.at = at; at == len(e.history) {
		e.set(slices.Clone(e.draft))
		return
	}
	e.set(slices.Clone(e.history[at]))
}

// key is a character, or one of the constants below, which are negative.
type key rune

const (
	keyNone key = -1 - iota
	keyEnter
	keyTab
	keyInterrupt
	keyEnd4 // Ctrl-D, "end of transmission"
	keyClear
	keyLeft
	keyRight
	keyUp
	keyDown
	keyHome
	keyEnd
	keyWordLeft
	keyWordRight
	keyBackspace
	keyDelete
	keyDeleteWord
	keyDeleteBefore
	keyDeleteAfter
	keyPasteOn
	keyPasteOff
)

// readKey reads one key as a terminal sends it.
func readKey(in *bufio.Reader) (key, error) {
	r, _, err := in.ReadRune()
	if err != nil {
		return keyNone, err
	}
	if r == 0x1b {
		return readEscape(in)
	}
	if k, ok := controls()[r]; ok {
		return k, nil
	}
	if r < 0x20 {
		return keyNone, nil
	}
	return key(r), nil
}

func controls() map[rune]key {
	return map[rune]key{
		'\r': keyEnter, '\n': keyEnter, '\t': keyTab, 0x7f: keyBackspace, 0x08: keyBackspace,
		0x01: keyHome, 0x02: keyLeft, 0x03: keyInterrupt, 0x04: keyEnd4, 0x05: keyEnd, 0x06: keyRight,
		0x0b: keyDeleteAfter, 0x0c: keyClear, 0x0e: keyDown, 0x10: keyUp, 0x15: keyDeleteBefore, 0x17: keyDeleteWord,
	}
}

// readEscape reads what follows an escape. Nothing that arrived with it means the key of that name, which does nothing here.
func readEscape(in *bufio.Reader) (key, error) {
	if in.Buffered() == 0 {
		return keyNone, nil
	}
	c, err := in.ReadByte()
	if err != nil {
		return keyNone, err
	}
	switch c {
	case 'b':
		return keyWordLeft, nil
	case 'f':
		return keyWordRight, nil
	case 0x7f:
		return keyDeleteWord, nil
	case '[', 'O':
	default:
		return keyNone, nil
	}
	var sequence []byte
	for len(sequence) < 16 {
		c, err := in.ReadByte()
		if err != nil {
			return keyNone, err
		}
		sequence = append(sequence, c)
		if c >= 0x40 && c <= 0x7e {
			break
		}
	}
	if k, ok := sequences()[string(sequence)]; ok {
		return k, nil
	}
	return keyNone, nil
}

func sequences() map[string]key {
	return map[string]key{
		"A": keyUp, "B": keyDown, "C": keyRight, "D": keyLeft, "H": keyHome, "F": keyEnd,
		"1~": keyHome, "7~": keyHome, "4~": keyEnd, "8~": keyEnd, "3~": keyDelete,
		"1;5D": keyWordLeft, "1;5C": keyWordRight, "1;3D": keyWordLeft, "1;3C": keyWordRight,
		"200~": keyPasteOn, "201~": keyPasteOff,
	}
}
