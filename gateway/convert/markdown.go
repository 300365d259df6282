package convert

import (
	"strconv"
	"strings"

	"parley/content/render"
)

// markdown writes a tree as GFM-MIMI that reads back as the same words.
func markdown(doc *render.Node) string { return strings.TrimSpace(mdBlocks(doc, "\n\n")) }

func mdBlocks(n *render.Node, between string) string {
	var parts []string
	var line strings.Builder
	end := func() {
		if text := strings.Trim(line.String(), " \n"); text != "" {
			parts = append(parts, guardLines(text))
		}
		line.Reset()
	}
	for _, c := range n.Children {
		if inline(c.Kind) {
			mdInline(&line, c)
			continue
		}
		end()
		if text := mdBlock(c); text != "" {
			parts = append(parts, text)
		}
	}
	end()
	return strings.Join(parts, between)
}

func mdBlock(n *render.Node) string {
	switch n.Kind {
	case render.Heading:
		text := strings.ReplaceAll(mdBlocks(n, " "), "\n", " ")
		if text == "" {
			return ""
		}
		return strings.Repeat("#", min(max(n.Level, 1), 6)) + " " + text
	case render.Quote:
		return prefix("> ", "> ", mdBlocks(n, "\n\n"))
	case render.List:
		return mdList(n)
	case render.Item:
		return mdItem("- ", n)
	case render.Code:
		fence := strings.Repeat("`", max(3, longest(n.Text, '`')+1))
		return fence + "\n" + strings.TrimRight(n.Text, "\n") + "\n" + fence
	case render.Rule:
		return "***"
	case render.Table:
		return mdTable(n)
	case render.File:
		return guardLines(escape(n.Text))
	}
	return mdBlocks(n, "\n\n")
}

func mdList(n *render.Node) string {
	var items []string
	number := n.Level
	for _, c := range n.Children {
		mark := "- "
		if n.Ordered {
			mark = strconv.Itoa(number) + ". "
			number++
		}
		items = append(items, mdItem(mark, c))
	}
	return strings.Join(items, "\n")
}

func mdItem(mark string, n *render.Node) string {
	indent := strings.Repeat(" ", len(mark))
	switch taskOf(n) {
	case render.TaskOpen:
		mark += "[ ] "
	case render.TaskDone:
		mark += "[x] "
	}
	if n.Kind != render.Item {
		return prefix(mark, indent, mdBlock(n))
	}
	return prefix(mark, indent, mdBlocks(n, "\n\n"))
}

// mdTable writes a table; its first row becomes the head, because GFM has no table without one.
func mdTable(n *render.Node) string {
	var lines []string
	for at, row := range n.Children {
		line, rule := "|", "|"
		for _, cell := range row.Children {
			text := strings.ReplaceAll(strings.ReplaceAll(mdBlocks(cell, " "), "\n", " "), "|", `\|`)
			line += " " + text + " |"
			rule += " --- |"
		}
		if lines = append(lines, line); at == 0 {
			lines = append(lines, rule)
		}
	}
	return strings.Join(lines, "\n")
}

func mdInline(to *strings.Builder, n *render.Node) {
	switch n.Kind {
	case render.Text:
		to.WriteString(strings.ReplaceAll(escape(n.Text), "\n", "  \n"))
	case render.Break:
		to.WriteString("  \n")
	case render.Mono:
		to.WriteString(mono(n.Text))
	case render.Strong:
		wrapMark(to, "**", n)
	case render.Emphasis:
		wrapMark(to, "*", n)
	case render.Strike:
		wrapMark(to, "~~", n)
	case render.Image:
		to.WriteString(escape(imageText(n.Text)))
	case render.Link:
		mdLink(to, n)
	default:
		mdInlines(to, n)
	}
}

func mdInlines(to *strings.Builder, n *render.Node) {
	for _, c := range n.Children {
		if inline(c.Kind) {
			mdInline(to, c)
		} else {
			to.WriteString(strings.ReplaceAll(mdBlock(c), "\n", " "))
		}
	}
}

// wrapMark puts marks around what is in a form; white space stays outside, where marks would not count.
func wrapMark(to *strings.Builder, mark string, n *render.Node) {
	var inner strings.Builder
	mdInlines(&inner, n)
	text := inner.String()
	trimmed := strings.Trim(text, " \n\t")
	if trimmed == "" {
		to.WriteString(text)
		return
	}
	at := strings.Index(text, trimmed)
	to.WriteString(text[:at] + mark + trimmed + mark + text[at+len(trimmed):])
}

func mdLink(to *strings.Builder, n *render.Node) {
	words := wordsOf(n)
	if words == n.Target || words == "" {
		to.WriteString("<" + n.Target + ">")
		return
	}
	var inner strings.Builder
	mdInlines(&inner, n)
	to.WriteString("[" + inner.String() + "](<" + n.Target + ">)")
}

func mono(text string) string {
	text = strings.ReplaceAll(text, "\n", " ")
	if strings.TrimSpace(text) == "" {
		return escape(text)
	}
	fence := strings.Repeat("`", longest(text, '`')+1)
	if strings.HasPrefix(text, "`") || strings.HasSuffix(text, "`") || strings.HasPrefix(text, " ") && strings.HasSuffix(text, " ") {
		text = " " + text + " "
	}
	return fence + text + fence
}

// longest is the longest run of a character.
func longest(s string, c byte) int {
	most, run := 0, 0
	for n := range len(s) {
		if s[n] != c {
			run = 0
			continue
		}
		run++
		most = max(most, run)
	}
	return most
}

// escape makes text that Markdown shows as it is, as long as no line starts with it. What has no meaning within a line stays
// readable.
func escape(s string) string {
	var b strings.Builder
	for n := range len(s) {
		switch c := s[n]; c {
		case '\\', '`', '*', '_', '[', ']', '<', '~':
			b.WriteByte('\\')
		case '&':
			if n+1 < len(s) && (s[n+1] == '#' || letter(s[n+1])) {
				b.WriteByte('\\')
			}
		}
		b.WriteByte(s[n])
	}
	return b.String()
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func digit(c byte) bool  { return c >= '0' && c <= '9' }

// guardLines escapes what would begin a block at the start of a line.
func guardLines(text string) string {
	lines := strings.Split(text, "\n")
	for n, line := range lines {
		lines[n] = guardLine(line)
	}
	return strings.Join(lines, "\n")
}

func guardLine(line string) string {
	line = strings.TrimLeft(line, " \t")
	if line == "" {
		return line
	}
	switch c := line[0]; {
	case strings.IndexByte("#>+-=|:", c) >= 0:
		return `\` + line
	case digit(c):
		n := 0
		for n < len(line) && digit(line[n]) {
			n++
		}
		if n < len(line) && (line[n] == '.' || line[n] == ')') {
			return line[:n] + `\` + line[n:]
		}
	}
	return line
}
