package convert

import (
	"strconv"
	"strings"

	"parley/content/render"
	"parley/uri"
)

// Name is how a network calls somebody.
type Name struct {
	Text string // to show
	Link string // address on the network; empty: it has none
}

// Names gives the name of a user of the room on the network; ok is false for users who are not in the room. nil: nobody is.
type Names func(uri.User) (name Name, ok bool)

// dialect is a network that has lines of text with marks in them.
type dialect struct {
	// marks are what begins and ends a form. Where there is none the form is lost.
	marks map[render.Kind][2]string
	// fence stands before and after lines of code; empty: each line is Mono.
	fence string
	// call is what stands before a name that is mentioned.
	call string
}

// Plain is a tree as text without any markup, for networks that have none. Struck text keeps its marks: without them it would say
// the opposite.
func Plain(doc *render.Node, names Names) (string, Losses) {
	return write(doc, names, dialect{call: "@", marks: map[render.Kind][2]string{render.Strike: {"~", "~"}}},
		Loss{Strike, true}, Loss{Strong, false}, Loss{Emphasis, false}, Loss{Mono, false}, Loss{Code, false}, Loss{Heading, false}, Loss{Mention, true})
}

// Styled is a tree as XMPP's styled text (XEP-0393).
func Styled(doc *render.Node, names Names) (string, Losses) {
	return write(doc, names, dialect{call: "@", fence: "```", marks: map[render.Kind][2]string{
		render.Strong: {"*", "*"}, render.Emphasis: {"_", "_"}, render.Strike: {"~", "~"}, render.Mono: {"`", "`"}}},
		Loss{Heading, false}, Loss{Mention, true})
}

// Codes of IRC.
const (
	ircBold      = "\x02"
	ircColor     = "\x03"
	ircHexColor  = "\x04"
	ircReset     = "\x0f"
	ircMono      = "\x11"
	ircReverse   = "\x16"
	ircItalic    = "\x1d"
	ircStrike    = "\x1e"
	ircUnderline = "\x1f"
)

// IRC is a tree as lines with IRC's formatting codes. Names are called as they are: that is what a client highlights.
func IRC(doc *render.Node, names Names) (string, Losses) {
	return write(doc, names, dialect{marks: map[render.Kind][2]string{
		render.Strong: {ircBold, ircBold}, render.Emphasis: {ircItalic, ircItalic}, render.Strike: {ircStrike, ircStrike}, render.Mono: {ircMono, ircMono}}},
		Loss{Code, true}, Loss{Heading, false})
}

// write gives the text, and which of the losses there were: those named and those that all lines have.
func write(doc *render.Node, names Names, d dialect, losses ...Loss) (string, Losses) {
	w := &lines{dialect: d, names: names, possible: append(losses,
		Loss{List, true}, Loss{Task, true}, Loss{Rule, true}, Loss{Table, true}, Loss{Link, true}, Loss{Image, true}, Loss{File, true})}
	if d.fence == "" {
		w.possible = append(w.possible, Loss{Quote, true})
	}
	text := strings.TrimSpace(w.blocks(doc, false))
	return text, w.losses
}

type lines struct {
	dialect
	names    Names
	possible []Loss
	losses   Losses
	open     []render.Kind // marks that are open, the outermost first
}

func (w *lines) lose(f Form) {
	for _, l := range w.possible {
		if l.Form == f {
			w.losses = w.losses.With(l)
		}
	}
}

func inline(k render.Kind) bool { return k >= render.Text }

// blocks writes the children of a block. Those within a line that stand between blocks are a block together.
func (w *lines) blocks(n *render.Node, tight bool) string {
	var parts []string
	var line strings.Builder
	end := func() {
		if text := strings.Trim(line.String(), " \n"); text != "" {
			parts = append(parts, text)
		}
		line.Reset()
	}
	for _, c := range n.Children {
		if inline(c.Kind) {
			w.inline(&line, c)
			continue
		}
		end()
		if text := w.block(c); text != "" {
			parts = append(parts, text)
		}
	}
	end()
	if tight {
		return strings.Join(parts, "\n")
	}
	return strings.Join(parts, "\n\n")
}

func (w *lines) block(n *render.Node) string {
	switch n.Kind {
	case render.Quote:
		w.lose(Quote)
		return prefix("> ", "> ", w.blocks(n, false))
	case render.List:
		w.lose(List)
		return w.list(n)
	case render.Item:
		return w.item("- ", n)
	case render.Code:
		w.lose(Code)
		return w.code(strings.TrimRight(n.Text, "\n"))
	case render.Rule:
		w.lose(Rule)
		return "---"
	case render.Table:
		w.lose(Table)
		return w.blocks(n, true)
	case render.Row:
		var cells []string
		for _, c := range n.Children {
			cells = append(cells, strings.ReplaceAll(w.blocks(c, true), "\n", " "))
		}
		return strings.Join(cells, " | ")
	case render.File:
		w.lose(File)
		return n.Text
	case render.Heading:
		w.lose(Heading)
		if _, bold := w.marks[render.Strong]; bold {
			return w.blocks(&render.Node{Kind: render.Paragraph, Children: []*render.Node{{Kind: render.Strong, Children: n.Children}}}, true)
		}
	}
	return w.blocks(n, n.Kind != render.Document)
}

func (w *lines) code(text string) string {
	if w.fence != "" {
		return w.fence + "\n" + text + "\n" + w.fence
	}
	mark := w.marks[render.Mono]
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		if line != "" {
			line = mark[0] + line + mark[1]
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

func (w *lines) list(n *render.Node) string {
	var items []string
	number := n.Level
	for _, c := range n.Children {
		mark := "- "
		if n.Ordered {
			mark = strconv.Itoa(number) + ". "
			number++
		}
		items = append(items, w.item(mark, c))
	}
	return strings.Join(items, "\n")
}

func (w *lines) item(mark string, n *render.Node) string {
	indent := strings.Repeat(" ", len(mark))
	switch taskOf(n) {
	case render.TaskOpen:
		w.lose(Task)
		mark += "[ ] "
	case render.TaskDone:
		w.lose(Task)
		mark += "[x] "
	}
	if n.Kind != render.Item {
		return prefix(mark, indent, w.block(n))
	}
	return prefix(mark, indent, w.blocks(n, true))
}

// taskOf is the state of an item's check box, which may stand in its first paragraph.
func taskOf(n *render.Node) render.Task {
	if n.Task == render.TaskNone && len(n.Children) > 0 {
		return n.Children[0].Task
	}
	return n.Task
}

// prefix puts something in front of the first line and of the others.
func prefix(first, others, text string) string {
	return first + strings.ReplaceAll(text, "\n", "\n"+others)
}

// newline closes what is open and opens it again: no mark goes on over a line end, on any of these networks.
func (w *lines) newline(to *strings.Builder) {
	for n := len(w.open) - 1; n >= 0; n-- {
		to.WriteString(w.marks[w.open[n]][1])
	}
	to.WriteByte('\n')
	for _, k := range w.open {
		to.WriteString(w.marks[k][0])
	}
}

func (w *lines) text(to *strings.Builder, s string) {
	for n, line := range strings.Split(s, "\n") {
		if n > 0 {
			w.newline(to)
		}
		to.WriteString(line)
	}
}

func (w *lines) inline(to *strings.Builder, n *render.Node) {
	switch n.Kind {
	case render.Text:
		w.text(to, n.Text)
	case render.Break:
		w.newline(to)
	case render.Mono:
		w.lose(Mono)
		w.within(to, render.Mono, func() { w.text(to, n.Text) })
	case render.Strong, render.Emphasis, render.Strike:
		w.lose(map[render.Kind]Form{render.Strong: Strong, render.Emphasis: Emphasis, render.Strike: Strike}[n.Kind])
		w.within(to, n.Kind, func() { w.inlines(to, n) })
	case render.Image:
		w.lose(Image)
		w.text(to, imageText(n.Text))
	case render.Link:
		w.link(to, n)
	default:
		w.inlines(to, n)
	}
}

// within writes something inside of a form, unless that is open already: two of the same mark would close it.
func (w *lines) within(to *strings.Builder, k render.Kind, f func()) {
	mark, has := w.marks[k]
	for _, open := range w.open {
		has = has && open != k
	}
	if !has {
		f()
		return
	}
	to.WriteString(mark[0])
	w.open = append(w.open, k)
	f()
	w.open = w.open[:len(w.open)-1]
	to.WriteString(mark[1])
}

func (w *lines) link(to *strings.Builder, n *render.Node) {
	if name, ok := nameOf(n, w.names); ok {
		w.lose(Mention)
		to.WriteString(w.call + Line(name.Text))
		return
	}
	w.inlines(to, n)
	if words := wordsOf(n); render.Judge(words, n.Target) != render.LinkSame {
		w.lose(Link)
		to.WriteString(" (" + n.Target + ")")
	}
}

func (w *lines) inlines(to *strings.Builder, n *render.Node) {
	for _, c := range n.Children {
		if inline(c.Kind) {
			w.inline(to, c)
		} else {
			w.text(to, w.block(c))
		}
	}
}

// nameOf is the network's name for the user whom a link mentions.
func nameOf(link *render.Node, names Names) (Name, bool) {
	if names == nil || !strings.HasPrefix(link.Target, "mimi:") {
		return Name{}, false
	}
	user, err := uri.ParseUser(link.Target)
	if err != nil {
		return Name{}, false
	}
	return names(user)
}

func imageText(alt string) string {
	if alt == "" {
		return "[image]"
	}
	return "[image: " + alt + "]"
}

// wordsOf is the text below a node in one line.
func wordsOf(n *render.Node) string {
	var b strings.Builder
	walk(n, func(m *render.Node) {
		switch m.Kind {
		case render.Text, render.Mono, render.Code, render.File:
			b.WriteString(m.Text)
		case render.Image:
			b.WriteString(imageText(m.Text))
		case render.Break:
			b.WriteByte(' ')
		}
	})
	return b.String()
}

func walk(n *render.Node, visit func(*render.Node)) {
	visit(n)
	for _, c := range n.Children {
		walk(c, visit)
	}
}
