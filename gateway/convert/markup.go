package convert

import (
	"html"
	"strconv"
	"strings"

	"parley/content/render"
)

// tags is a network that shows some HTML.
type tags struct {
	// of gives the tags of forms, start and end. A form without tags is lost.
	of map[render.Kind][2]string
	// empty is how an element without content ends: XML wants a slash.
	empty string
	rich  bool // headings, rules, tables and lines of code have tags
}

// XHTML is a tree as the content of a body of XHTML-IM (XEP-0071): well-formed XML.
func XHTML(doc *render.Node, names Names) (string, Losses) {
	return markup(doc, names, tags{empty: "/", of: map[render.Kind][2]string{
		render.Strong: {"<strong>", "</strong>"}, render.Emphasis: {"<em>", "</em>"},
		render.Strike: {`<span style="text-decoration: line-through">`, "</span>"},
		render.Mono:   {`<span style="font-family: monospace">`, "</span>"},
	}}, Loss{Heading, true}, Loss{Rule, true}, Loss{Table, true}, Loss{Code, true})
}

// Matrix is a tree as the formatted_body of a Matrix message (client-server API, m.room.message, org.matrix.custom.html).
func Matrix(doc *render.Node, names Names) (string, Losses) {
	return markup(doc, names, tags{rich: true, of: map[render.Kind][2]string{
		render.Strong: {"<strong>", "</strong>"}, render.Emphasis: {"<em>", "</em>"},
		render.Strike: {"<del>", "</del>"}, render.Mono: {"<code>", "</code>"},
	}})
}

func markup(doc *render.Node, names Names, t tags, losses ...Loss) (string, Losses) {
	w := &markupWriter{tags: t, names: names, possible: append(losses, Loss{Task, true}, Loss{Image, true}, Loss{File, true}, Loss{Mention, true})}
	w.children(doc, false)
	return w.String(), w.losses
}

type markupWriter struct {
	strings.Builder
	tags
	names    Names
	possible []Loss
	losses   Losses
	links    int
}

func (w *markupWriter) lose(f Form) {
	for _, l := range w.possible {
		if l.Form == f {
			w.losses = w.losses.With(l)
		}
	}
}

func (w *markupWriter) text(s string) {
	for n, line := range strings.Split(s, "\n") {
		if n > 0 {
			w.WriteString("<br" + w.empty + ">")
		}
		w.WriteString(html.EscapeString(line))
	}
}

func (w *markupWriter) wrap(tag string, n *render.Node, tight bool) {
	w.WriteString("<" + tag + ">")
	w.children(n, tight)
	w.WriteString("</" + tag + ">")
}

// children writes what is in a block. In a tight place paragraphs have no tags; two of them are parted by a line end.
func (w *markupWriter) children(n *render.Node, tight bool) {
	for at, c := range n.Children {
		if tight && at > 0 && c.Kind == render.Paragraph {
			w.WriteString("<br" + w.empty + ">")
		}
		w.node(c, tight)
	}
}

func (w *markupWriter) node(n *render.Node, tight bool) {
	if inline(n.Kind) {
		w.inline(n)
		return
	}
	switch n.Kind {
	case render.Paragraph:
		if tight {
			w.children(n, true)
		} else {
			w.wrap("p", n, true)
		}
	case render.Quote:
		w.wrap("blockquote", n, false)
	case render.List:
		w.list(n)
	case render.Item:
		w.item(n)
	case render.File:
		w.lose(File)
		w.WriteString("<p>")
		w.text(n.Text)
		w.WriteString("</p>")
	case render.Heading, render.Rule, render.Code, render.Table:
		w.large(n)
	default:
		w.children(n, tight)
	}
}

// large writes the blocks that only some networks have.
func (w *markupWriter) large(n *render.Node) {
	w.lose(map[render.Kind]Form{render.Heading: Heading, render.Rule: Rule, render.Code: Code, render.Table: Table}[n.Kind])
	code := strings.TrimRight(n.Text, "\n")
	switch {
	case n.Kind == render.Heading && w.rich:
		w.wrap("h"+strconv.Itoa(min(max(n.Level, 1), 6)), n, true)
	case n.Kind == render.Heading:
		w.WriteString("<p><strong>")
		w.children(n, true)
		w.WriteString("</strong></p>")
	case n.Kind == render.Rule && w.rich:
		w.WriteString("<hr" + w.empty + ">")
	case n.Kind == render.Rule:
		w.WriteString("<p>---</p>")
	case n.Kind == render.Code && w.rich:
		w.WriteString("<pre><code>" + html.EscapeString(code) + "\n</code></pre>")
	case n.Kind == render.Code:
		w.WriteString("<p>" + w.of[render.Mono][0])
		w.text(strings.ReplaceAll(code, "  ", "\u00a0 ")) // white space is not kept otherwise
		w.WriteString(w.of[render.Mono][1] + "</p>")
	default:
		w.table(n)
	}
}

func (w *markupWriter) list(n *render.Node) {
	tag, start := "ul", ""
	if n.Ordered {
		tag = "ol"
		if n.Level != 1 && w.rich {
			start = ` start="` + strconv.Itoa(n.Level) + `"`
		}
	}
	w.WriteString("<" + tag + start + ">")
	for _, c := range n.Children {
		w.item(c)
	}
	w.WriteString("</" + tag + ">")
}

func (w *markupWriter) item(n *render.Node) {
	w.WriteString("<li>")
	switch taskOf(n) {
	case render.TaskOpen:
		w.lose(Task)
		w.WriteString("[ ] ")
	case render.TaskDone:
		w.lose(Task)
		w.WriteString("[x] ")
	}
	if n.Kind == render.Item {
		w.children(n, true)
	} else {
		w.node(n, true)
	}
	w.WriteString("</li>")
}

func (w *markupWriter) table(n *render.Node) {
	if w.rich {
		w.WriteString("<table>")
	} else {
		w.WriteString("<p>")
	}
	for at, row := range n.Children {
		switch {
		case w.rich:
			w.WriteString("<tr>")
		case at > 0:
			w.WriteString("<br" + w.empty + ">")
		}
		for k, cell := range row.Children {
			switch {
			case w.rich && row.Head:
				w.wrap("th", cell, true)
			case w.rich:
				w.wrap("td", cell, true)
			default:
				if k > 0 {
					w.WriteString(" | ")
				}
				w.children(cell, true)
			}
		}
		if w.rich {
			w.WriteString("</tr>")
		}
	}
	if w.rich {
		w.WriteString("</table>")
	} else {
		w.WriteString("</p>")
	}
}

func (w *markupWriter) inline(n *render.Node) {
	switch n.Kind {
	case render.Text:
		w.text(n.Text)
	case render.Break:
		w.WriteString("<br" + w.empty + ">")
	case render.Mono:
		w.WriteString(w.of[n.Kind][0])
		w.text(n.Text)
		w.WriteString(w.of[n.Kind][1])
	case render.Strong, render.Emphasis, render.Strike:
		w.WriteString(w.of[n.Kind][0])
		w.children(n, true)
		w.WriteString(w.of[n.Kind][1])
	case render.Image:
		w.lose(Image)
		w.text(imageText(n.Text))
	case render.Link:
		w.link(n)
	default:
		w.children(n, true)
	}
}

func (w *markupWriter) link(n *render.Node) {
	name, mention := nameOf(n, w.names)
	target := n.Target
	switch {
	case mention && name.Link == "":
		w.lose(Mention)
		w.text("@" + Line(name.Text))
		return
	case mention:
		target = name.Link
	}
	if w.links > 0 {
		w.children(n, true)
		return
	}
	w.links++
	w.WriteString(`<a href="` + html.EscapeString(target) + `">`)
	if mention {
		w.text(Line(name.Text))
	} else {
		w.children(n, true)
	}
	w.WriteString("</a>")
	w.links--
}
