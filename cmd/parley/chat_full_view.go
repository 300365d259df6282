package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"parley/content"
)

// fullModel is the screen: a list of rooms, the messages of one of them, and the line that is being typed.
type fullModel struct {
	out           chan<- string
	color         bool
	columns, rows int
	snap          snapshot
	input         []rune
	at            int // of the cursor in input
	history       []string
	past          int // place in history, len: none

	typed    int                // changes of input so far
	selected *content.MessageID // nil: none
	mode     string             // what the line is for: "", reply, edit, react
	about    chatRow            // message of mode
	back     int                // rows scrolled back
}

func newFullModel(out chan<- string, color bool) *fullModel {
	return &fullModel{out: out, color: color, columns: 80, rows: 24}
}

// Init implements tea.Model.
func (m *fullModel) Init() tea.Cmd { return nil }

// Update implements tea.Model.
func (m *fullModel) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.columns, m.rows = max(msg.Width, 20), max(msg.Height, 6)
	case snapshot:
		m.enterRoom(msg)
	case draftTick:
		if int(msg) == m.typed {
			m.send(draftMark + m.snap.room + " " + m.draft())
		}
	case tea.PasteMsg:
		m.insert(strings.ReplaceAll(strings.ReplaceAll(msg.Content, "\r\n", "\n"), "\r", "\n"))
		return m, m.later()
	case tea.KeyPressMsg:
		before := string(m.input)
		cmd := m.key(msg)
		if string(m.input) != before {
			cmd = tea.Batch(cmd, m.later())
		}
		return m, cmd
	}
	return m, nil
}

// draftMark begins what is no line but a draft to keep. It cannot be typed.
const draftMark = "\x00"

// draftTick says that nobody has typed for a while since the change with that number.
type draftTick int

// later stores the draft when nobody types any more.
func (m *fullModel) later() tea.Cmd {
	m.typed++
	n := m.typed
	return tea.Tick(draftPause, func(time.Time) tea.Msg { return draftTick(n) })
}

// draft is what is typed and worth keeping: not what belongs to a message that is selected only here.
func (m *fullModel) draft() string {
	if m.mode != "" {
		return ""
	}
	return string(m.input)
}

// enterRoom takes a new picture. Another room brings what was typed there and not sent.
func (m *fullModel) enterRoom(snap snapshot) {
	other := snap.room != m.snap.room
	if other && m.snap.room != "" && len(m.input) > 0 {
		m.send(draftMark + m.snap.room + " " + m.draft())
	}
	m.snap = snap
	if other {
		m.clear()
		m.input = []rune(snap.draft)
		m.at = len(m.input)
	}
}

func (m *fullModel) insert(text string) {
	r := []rune(text)
	m.input = slices.Insert(m.input, m.at, r...)
	m.at += len(r)
}

// key does what a key says.
func (m *fullModel) key(k tea.KeyPressMsg) tea.Cmd {
	name := k.String()
	if m.selected != nil && len(m.input) == 0 && m.mode == "" && m.act(name) {
		return nil
	}
	switch name {
	case "ctrl+c", "ctrl+d":
		if name == "ctrl+c" && (len(m.input) > 0 || m.mode != "") {
			m.clear()
			return nil
		}
		if len(m.input) == 0 {
			return tea.Quit
		}
	case "esc":
		m.selected, m.back = nil, 0
		m.clear()
	case "enter":
		return m.enter()
	case "alt+enter", "shift+enter", "ctrl+j":
		m.insert("\n")
	case "tab":
		m.nextRoom()
	case "pgup":
		m.back += m.rows / 2
	case "pgdown":
		m.back = max(m.back-m.rows/2, 0)
	case "up", "down":
		m.vertical(name == "up")
	default:
		m.edit(name, k.Text)
	}
	return nil
}

// edit changes the line.
func (m *fullModel) edit(name, text string) {
	switch name {
	case "left", "ctrl+b":
		m.at = max(m.at-1, 0)
	case "right", "ctrl+f":
		m.at = min(m.at+1, len(m.input))
	case "home", "ctrl+a":
		m.at = 0
	case "end", "ctrl+e":
		m.at = len(m.input)
	case "backspace", "ctrl+h":
		if m.at > 0 {
			m.input = slices.Delete(m.input, m.at-1, m.at)
			m.at--
		}
	case "delete":
		if m.at < len(m.input) {
			m.input = slices.Delete(m.input, m.at, m.at+1)
		}
	case "ctrl+u":
		m.input, m.at = m.input[m.at:], 0
	case "ctrl+k":
		m.input = m.input[:m.at]
	case "ctrl+w":
		from := m.at
		for from > 0 && m.input[from-1] == ' ' {
			from--
		}
		for from > 0 && m.input[from-1] != ' ' {
			from--
		}
		m.input = slices.Delete(m.input, from, m.at)
		m.at = from
	default:
		m.insert(strings.Map(func(r rune) rune {
			if harmful(r) {
				return -1
			}
			return r
		}, text))
	}
}

// clear empties the line and what it was for.
func (m *fullModel) clear() { m.input, m.at, m.mode, m.past = nil, 0, "", len(m.history) }

// enter sends the line.
func (m *fullModel) enter() tea.Cmd {
	text := string(m.input)
	if strings.TrimSpace(text) == "" {
		return nil
	}
	line := text
	switch m.mode {
	case "reply", "edit", "react":
		line = "/" + m.mode + " " + m.about.id.String() + " " + text
	default:
		m.history = append(m.history, text)
		if strings.TrimSpace(text) == "/quit" {
			return tea.Quit
		}
	}
	m.send(line)
	m.clear()
	m.selected, m.back = nil, 0
	if m.snap.room != "" {
		m.send(draftMark + m.snap.room + " ") // it is no draft any more
	}
	return nil
}

// send hands a line on. The channel is long; should it be full all the same, the line stays where it is.
func (m *fullModel) send(line string) {
	select {
	case m.out <- line:
	default:
	}
}

func (m *fullModel) nextRoom() {
	for i, r := range m.snap.rooms {
		if r.current || i == len(m.snap.rooms)-1 {
			m.send(fmt.Sprintf("/room %d", m.snap.rooms[(i+1)%len(m.snap.rooms)].number))
			m.selected, m.back = nil, 0
			return
		}
	}
}

// vertical moves through messages when nothing is typed, and through what was typed otherwise.
func (m *fullModel) vertical(up bool) {
	if len(m.input) > 0 && m.past == len(m.history) || m.mode != "" {
		return
	}
	var ids []content.MessageID
	for _, r := range m.snap.rows {
		if r.id != nil {
			ids = append(ids, *r.id)
		}
	}
	at := len(ids)
	if m.selected != nil {
		if i := slices.Index(ids, *m.selected); i >= 0 {
			at = i
		}
	}
	if up {
		at = max(at-1, 0)
	} else {
		at++
	}
	if m.selected = nil; at < len(ids) {
		m.selected = &ids[at]
	}
}

// chosen is the selected message.
func (m *fullModel) chosen() (chatRow, bool) {
	for _, r := range m.snap.rows {
		if r.id != nil && m.selected != nil && *r.id == *m.selected {
			return r, true
		}
	}
	return chatRow{}, false
}

// act does what a key says about the selected message.
func (m *fullModel) act(key string) bool {
	row, ok := m.chosen()
	if !ok {
		return false
	}
	switch key {
	case "r", "enter":
		m.mode, m.about = "reply", row
	case "e":
		m.mode, m.about = "edit", row
		m.input = []rune(row.text)
		m.at = len(m.input)
	case "+":
		m.mode, m.about = "react", row
	case "-":
		m.send("/unreact " + row.id.String())
	case "d":
		m.send("/delete " + row.id.String())
		m.selected = nil
	case "i":
		m.send("/delivery " + row.id.String())
		m.selected = nil
	default:
		return false
	}
	return true
}

const sideColumns = 20

// View implements tea.Model.
func (m *fullModel) View() tea.View {
	side := 0
	if m.columns >= 80 && len(m.snap.rooms) > 1 {
		side = sideColumns
	}
	height := m.rows - 3
	left, right := m.side(side, height), m.pane(m.columns-side-1, height)
	var b strings.Builder
	b.WriteString(m.paintLine("\x1b[7m", pad(cut(" "+m.header(), m.columns), m.columns)) + "\n")
	for i := range height {
		if side > 0 {
			b.WriteString(left[i])
		}
		b.WriteString(right[i] + "\n")
	}
	b.WriteString(m.paintLine(dim, cut(m.hint(), m.columns)) + "\n")
	prompt := "> "
	line, x := m.inputLine(m.columns - cellsOf(prompt) - 1)
	b.WriteString(prompt + line)
	v := tea.NewView(b.String())
	v.AltScreen = true
	v.Cursor = tea.NewCursor(cellsOf(prompt)+x, m.rows-1)
	return v
}

func (m *fullModel) paintLine(look, text string) string {
	if look == plain || text == "" || !m.color && look != "\x1b[7m" {
		return text
	}
	return look + text + normal
}

func pad(text string, columns int) string {
	return text + strings.Repeat(" ", max(columns-cellsOf(text), 0))
}

func (m *fullModel) header() string {
	title := m.snap.title
	if title == "" {
		title = "no room: /new NAME makes one"
		if len(m.snap.rooms) > 0 {
			title = "no room is chosen: Tab or /room N"
		}
	}
	other := 0
	for _, r := range m.snap.rooms {
		if !r.current {
			other += r.unread
		}
	}
	if other > 0 {
		title += fmt.Sprintf("  (%d unread elsewhere)", other)
	}
	return title + " · " + cleanLine(m.snap.status)
}

// hint says what can be done, or what is going on.
func (m *fullModel) hint() string {
	switch {
	case m.mode == "reply":
		return "reply to: " + cut(cleanLine(m.about.text), 40) + " (Esc gives up)"
	case m.mode == "edit":
		return "change the message (Esc gives up)"
	case m.mode == "react":
		return "react with one emoji to: " + cut(cleanLine(m.about.text), 30) + " (Esc gives up)"
	case m.selected != nil:
		return "r reply  e edit  d delete  + react  - take reaction back  i delivery  Esc back"
	case m.snap.typing != "":
		return m.snap.typing
	case m.back > 0:
		return "scrolled back; PgDn goes on"
	}
	return "↑ choose a message  Tab next room  /help  Ctrl-C ends"
}

// side is the list of rooms.
func (m *fullModel) side(columns, height int) []string {
	out := make([]string, height)
	for i := range out {
		text := ""
		look := plain
		if i < len(m.snap.rooms) {
			r := m.snap.rooms[i]
			text = fmt.Sprintf("%d %s", r.number, r.name)
			if r.unread > 0 {
				text = fmt.Sprintf("%d %s (%d)", r.number, cut(r.name, columns-9), r.unread)
			}
			if r.current {
				text = "▸" + text
			} else {
				text = " " + text
			}
		}
		out[i] = m.paintLine(look, pad(cut(text, columns-2), columns-2)) + "│ "
	}
	return out
}

// pane is the end of the room's messages, or what is around the selected one.
func (m *fullModel) pane(columns, height int) []string {
	var lines []string
	focus := -1
	for _, r := range m.snap.rows {
		own := r.lines(columns)
		look := r.look
		if r.id != nil && m.selected != nil && *r.id == *m.selected {
			look, focus = "\x1b[7m", len(lines)
		}
		for _, l := range own {
			lines = append(lines, m.paintLine(look, l))
		}
	}
	end := len(lines) - m.back
	if focus >= 0 {
		end = min(len(lines), max(focus+height/2, height))
	}
	end = max(min(end, len(lines)), min(height, len(lines)))
	lines = lines[max(end-height, 0):end]
	return append(make([]string, max(height-len(lines), 0)), lines...)
}

// inputLine is the part of the line around the cursor, and where in it the cursor stands.
func (m *fullModel) inputLine(columns int) (text string, x int) {
	visible := make([]rune, len(m.input))
	for i, r := range m.input {
		if visible[i] = r; r == '\n' {
			visible[i] = '⏎'
		}
	}
	from := 0
	for cellsOf(string(visible[from:m.at])) >= columns {
		from++
	}
	to := from
	for to < len(visible) && cellsOf(string(visible[from:to+1])) <= columns {
		to++
	}
	return string(visible[from:to]), cellsOf(string(visible[from:m.at]))
}
