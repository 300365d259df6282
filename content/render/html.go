package render

import (
	"html"
	"strconv"
	"strings"
)

// HTML is the tree as a fragment of HTML that is safe to put into a page: it has no scripts, styles, forms, frames, ids or event
// handlers, all tags are closed, links say nothing about where they were followed from, and pictures come from o.Image only.
//
// Links whose text is not their target carry data-parley-link="differs" or "downgraded", for the app to ask before it follows them;
// mentions carry data-parley-mention, with the value "self" if they are of this user.
func (n *Node) HTML(o Options) string {
	w := &htmlWriter{options: o}
	w.node(n, false)
	return w.String()
}

type htmlWriter struct {
	strings.Builder
	options Options
	links   int // links are not put into links
}

func (w *htmlWriter) text(s string) { w.WriteString(html.EscapeString(s)) }

func (w *htmlWriter) wrap(tag string, n *Node, tight bool) {
	w.WriteString("<" + tag + ">")
	w.children(n, tight)
	w.WriteString("</" + tag + ">")
}

func (w *htmlWriter) children(n *Node, tight bool) {
	for _, c := range n.Children {
		w.node(c, tight)
	}
}

// node writes a node; in a tight place paragraphs have no tags.
func (w *htmlWriter) node(n *Node, tight bool) {
	if n.Kind.inline() {
		w.inline(n)
		return
	}
	switch n.Kind {
	case Document:
		w.children(n, false)
	case Paragraph:
		switch {
		case len(n.Children) == 0:
		case tight:
			w.children(n, true)
		default:
			w.wrap("p", n, true)
		}
	case Heading:
		w.wrap("h"+strconv.Itoa(min(max(n.Level, 1), 6)), n, true)
	case Quote:
		w.wrap("blockquote", n, false)
	case List:
		w.list(n)
	case Item:
		w.item(n)
	case Code:
		w.WriteString("<pre><code>")
		w.text(n.Text)
		w.WriteString("</code></pre>")
	case Rule:
		w.WriteString("<hr>")
	case Table:
		w.wrap("table", n, true)
	case Row:
		w.row(n)
	case Cell:
		w.wrap("td", n, true)
	case File:
		w.WriteString(`<p class="parley-file" data-parley-part="` + strconv.Itoa(n.Level) + `">`)
		w.text(n.Text)
		w.WriteString("</p>")
	}
}

func (w *htmlWriter) list(n *Node) {
	tag := "ul"
	if n.Ordered {
		tag = "ol"
	}
	w.WriteString("<" + tag)
	if n.Ordered && n.Level != 1 && n.Level >= 0 {
		w.WriteString(` start="` + strconv.Itoa(n.Level) + `"`)
	}
	w.WriteString(">")
	w.children(n, true)
	w.WriteString("</" + tag + ">")
}

func (w *htmlWriter) item(n *Node) {
	w.WriteString("<li>")
	switch n.taskState() {
	case TaskOpen:
		w.WriteString("\u2610 ")
	case TaskDone:
		w.WriteString("\u2611 ")
	}
	w.children(n, len(n.Children) < 2 || n.Children[1].Kind == List)
	w.WriteString("</li>")
}

// taskState is the check box of an item, which stands in its first paragraph.
func (n *Node) taskState() Task {
	if n.Task == TaskNone && len(n.Children) > 0 {
		return n.Children[0].Task
	}
	return n.Task
}

func (w *htmlWriter) row(n *Node) {
	tag := "td"
	if n.Head {
		tag = "th"
	}
	w.WriteString("<tr>")
	for _, c := range n.Children {
		if c.Kind == Cell {
			w.wrap(tag, c, true)
		} else {
			w.node(c, true)
		}
	}
	w.WriteString("</tr>")
}

func (w *htmlWriter) inline(n *Node) {
	switch n.Kind {
	case Text:
		w.text(n.Text)
	case Break:
		w.WriteString("<br>")
	case Emphasis:
		w.wrap("em", n, true)
	case Strong:
		w.wrap("strong", n, true)
	case Strike:
		w.wrap("del", n, true)
	case Mono:
		w.WriteString("<code>")
		w.text(n.Text)
		w.WriteString("</code>")
	case Link:
		w.link(n)
	case Image:
		w.picture(n)
	}
}

func (w *htmlWriter) link(n *Node) {
	if w.links > 0 {
		w.children(n, true)
		return
	}
	w.WriteString(`<a href="`)
	w.text(n.Target)
	w.WriteString(`" rel="noopener noreferrer nofollow" referrerpolicy="no-referrer"`)
	if m, ok := w.options.mention(n); ok {
		value := ""
		if m.Self {
			value = "self"
		}
		w.WriteString(` data-parley-mention="` + value + `">@`)
		w.text(m.Name)
		w.WriteString("</a>")
		return
	}
	switch w.options.verdict(n) {
	case LinkDiffers:
		w.WriteString(` data-parley-link="differs"`)
	case LinkDowngraded:
		w.WriteString(` data-parley-link="downgraded"`)
	}
	w.WriteString(">")
	w.links++
	w.children(n, true)
	w.links--
	w.WriteString("</a>")
}

func (w *htmlWriter) picture(n *Node) {
	if w.options.Image != nil {
		if address, ok := w.options.Image(n.Level); ok {
			w.WriteString(`<img src="`)
			w.text(address)
			w.WriteString(`" alt="`)
			w.text(n.Text)
			w.WriteString(`">`)
			return
		}
	}
	w.text(imageText(n.Text))
}
