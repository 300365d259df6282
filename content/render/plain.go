package render

import (
	"strconv"
	"strings"
)

// PlainText is the tree as plain text, for terminals and notifications. Links whose text is not their target are followed by it.
func (n *Node) PlainText(o Options) string {
	return strings.TrimSpace(plainWriter{o}.blocks(n, false))
}

type plainWriter struct{ options Options }

// blocks writes the children of a block. Those within a line that stand between blocks are a block together.
func (w plainWriter) blocks(n *Node, tight bool) string {
	var parts []string
	var line strings.Builder
	end := func() {
		if text := strings.TrimSpace(line.String()); text != "" {
			parts = append(parts, text)
		}
		line.Reset()
	}
	for _, c := range n.Children {
		if c.Kind.inline() {
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

func (w plainWriter) block(n *Node) string {
	switch n.Kind {
	case Quote:
		return prefix("> ", "> ", w.blocks(n, false))
	case List:
		return w.list(n)
	case Item:
		return w.item("- ", n)
	case Code:
		return strings.TrimRight(n.Text, "\n")
	case Rule:
		return "---"
	case Table:
		return w.blocks(n, true)
	case Row:
		var cells []string
		for _, c := range n.Children {
			cells = append(cells, strings.ReplaceAll(w.blocks(&Node{Children: []*Node{c}}, true), "\n", " "))
		}
		return strings.Join(cells, " | ")
	case File:
		return n.Text
	}
	return w.blocks(n, n.Kind != Document)
}

func (w plainWriter) list(n *Node) string {
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

func (w plainWriter) item(mark string, n *Node) string {
	indent := strings.Repeat(" ", len(mark))
	switch n.taskState() {
	case TaskOpen:
		mark += "[ ] "
	case TaskDone:
		mark += "[x] "
	}
	text := w.blocks(n, true)
	if n.Kind != Item {
		text = w.block(n)
	}
	return prefix(mark, indent, text)
}

// prefix puts something in front of the first line and of the others.
func prefix(first, others, text string) string {
	return first + strings.ReplaceAll(text, "\n", "\n"+others)
}

func (w plainWriter) inline(to *strings.Builder, n *Node) {
	switch n.Kind {
	case Text, Mono:
		to.WriteString(n.Text)
	case Break:
		to.WriteByte('\n')
	case Image:
		to.WriteString(imageText(n.Text))
	case Link:
		if m, ok := w.options.mention(n); ok {
			to.WriteString("@" + m.Name)
			return
		}
		w.inlines(to, n)
		if w.options.verdict(n) != LinkSame {
			to.WriteString(" (" + n.Target + ")")
		}
	default:
		w.inlines(to, n)
	}
}

// inlines writes what stands within a line; a block that came in there is put into the line.
func (w plainWriter) inlines(to *strings.Builder, n *Node) {
	for _, c := range n.Children {
		if c.Kind.inline() {
			w.inline(to, c)
		} else {
			to.WriteString(w.block(c))
		}
	}
}
