package render

import (
	"strconv"
	"strings"

	"golang.org/x/net/html"

	"parley/content"
)

// HTML is the tree of a text in HTML: what the tree has a kind for, without attributes but for the targets of links and the
// references and names of images. embeds are the indexes of the parts that the text may show (content.Shown).
func HTML(source string, embeds ...int) *Node {
	if len(source) > maxSource {
		return Plain(content.Text(content.Message{Body: content.Part{Body: content.Single{ContentType: content.TypeHTML, Content: []byte(source)}}}))
	}
	doc := &Node{Kind: Document}
	m := &markup{builder: builder{embeds: embeds}, open: []element{{node: doc}}}
	m.read(html.NewTokenizer(strings.NewReader(strings.ToValidUTF8(source, "\ufffd"))))
	return doc
}

// element is a tag that is open, with the node that it made.
type element struct {
	name string
	node *Node
}

type markup struct {
	builder
	open []element // the first is the document
	skip string    // element that is left out with all in it
	deep int       // elements of that name that are open
	code *Node     // preformatted text that is open
}

func (m *markup) read(z *html.Tokenizer) {
	for {
		switch z.Next() {
		case html.ErrorToken:
			return // the end; a tag that is cut off shows nothing
		case html.TextToken:
			if m.skip == "" {
				m.words(string(z.Text()))
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			token := z.Token()
			m.start(token)
		case html.EndTagToken:
			name, _ := z.TagName()
			m.end(string(name))
		}
	}
}

func (m *markup) top() *Node { return m.open[len(m.open)-1].node }

// start opens an element. Unknown ones leave no trace but their text.
func (m *markup) start(t html.Token) {
	if m.skip != "" {
		if t.Data == m.skip && t.Type == html.StartTagToken {
			m.deep++
		}
		return
	}
	if unseen(t.Data) {
		if t.Type == html.StartTagToken || rawText(t.Data) {
			m.skip, m.deep = t.Data, 1
		}
		return
	}
	if m.code != nil {
		if t.Data == "br" {
			m.code.Text += "\n"
		}
		return // in preformatted text nothing else has form
	}
	switch t.Data {
	case "br":
		m.add(m.top(), Node{Kind: Break})
		return
	case "hr":
		m.block(element{name: ""}, Node{Kind: Rule})
		return
	case "img":
		m.image(m.top(), attribute(t, "src"), attribute(t, "alt"))
		return
	}
	node, known := m.element(t)
	if !known || len(m.open) > maxDepth {
		return
	}
	if node.Kind.inline() {
		if m.top().Kind == Mono {
			return
		}
		if added := m.add(m.top(), node); added != nil {
			m.open = append(m.open, element{t.Data, added})
		}
		return
	}
	m.block(element{name: t.Data}, node)
}

// block closes what a block cannot stand in, and opens it if it has a name.
func (m *markup) block(e element, node Node) {
	for len(m.open) > 1 && (m.top().Kind.inline() || m.top().Kind == Paragraph || m.top().Kind == Heading) {
		m.pop()
	}
	if node.Kind == Item || node.Kind == Row || node.Kind == Cell {
		m.closeSibling(node.Kind)
	}
	if e.node = m.add(m.top(), node); e.node == nil || e.name == "" {
		return
	}
	m.open = append(m.open, e)
	if node.Kind == Code {
		m.code = e.node
	}
}

// closeSibling closes an item, row or cell that its follower closes, if there is one in the same list or table.
func (m *markup) closeSibling(kind Kind) {
	for n := len(m.open) - 1; n > 0; n-- {
		at := m.open[n].node.Kind
		if at == kind {
			m.popTo(n)
			return
		}
		if at == List || at == Table || kind == Cell && at == Row {
			return
		}
	}
}

// element is the node that a tag makes.
func (m *markup) element(t html.Token) (Node, bool) {
	switch name := t.Data; name {
	case "p", "div", "section", "article", "header", "footer", "main", "aside", "nav", "address", "figure", "figcaption", "center",
		"dl", "dt", "dd", "caption", "details", "summary", "fieldset", "legend":
		return Node{Kind: Paragraph}, true
	case "h1", "h2", "h3", "h4", "h5", "h6":
		return Node{Kind: Heading, Level: int(name[1] - '0')}, true
	case "blockquote":
		return Node{Kind: Quote}, true
	case "ul":
		return Node{Kind: List}, true
	case "ol":
		start, err := strconv.ParseInt(attribute(t, "start"), 10, 32)
		if err != nil || start < 0 {
			start = 1
		}
		return Node{Kind: List, Ordered: true, Level: int(start)}, true
	case "li":
		return Node{Kind: Item}, m.within(List)
	case "pre":
		return Node{Kind: Code}, true
	case "table":
		return Node{Kind: Table}, true
	case "tr":
		return Node{Kind: Row}, m.within(Table)
	case "td", "th":
		if !m.within(Row) {
			return Node{}, false
		}
		return Node{Kind: Cell}, true
	case "b", "strong":
		return Node{Kind: Strong}, true
	case "i", "em", "cite", "dfn", "var":
		return Node{Kind: Emphasis}, true
	case "s", "strike", "del":
		return Node{Kind: Strike}, true
	case "code", "tt", "kbd", "samp":
		return Node{Kind: Mono}, true
	case "a":
		target, ok := safeTarget(attribute(t, "href"))
		return Node{Kind: Link, Target: target}, ok && !m.within(Link)
	}
	return Node{}, false
}

// within reports whether a node of the kind is open, in the same table.
func (m *markup) within(kind Kind) bool {
	for n := len(m.open) - 1; n > 0; n-- {
		switch at := m.open[n].node.Kind; at {
		case kind:
			return true
		case Table:
			return false
		}
	}
	return false
}

// end closes the innermost open element of that name, and what is open in it. One that stands in no table cell of its own does not
// close the cell.
func (m *markup) end(name string) {
	if m.skip != "" {
		if name == m.skip {
			if m.deep--; m.deep == 0 {
				m.skip = ""
			}
		}
		return
	}
	for n := len(m.open) - 1; n > 0; n-- {
		if m.open[n].name == name {
			m.popTo(n)
			return
		}
		if m.open[n].node.Kind == Cell && name != "tr" && name != "table" {
			return
		}
	}
}

func (m *markup) popTo(n int) {
	for len(m.open) > n {
		m.pop()
	}
}

func (m *markup) pop() {
	if m.top() == m.code {
		m.code = nil
	}
	m.open = m.open[:len(m.open)-1]
}

// words adds text. White space is one space, except in preformatted text.
func (m *markup) words(s string) {
	if m.code != nil {
		m.code.Text += Visible(s)
		return
	}
	words := strings.Join(strings.Fields(s), " ")
	const space = " \t\r\n\f"
	switch {
	case s == "":
		return
	case words == "":
		words = " "
	default:
		if strings.Contains(space, s[:1]) {
			words = " " + words
		}
		if strings.Contains(space, s[len(s)-1:]) {
			words += " "
		}
	}
	top := m.top()
	if top.Kind == Mono {
		top.Text += Visible(words)
		return
	}
	if last := len(top.Children) - 1; last < 0 || !top.Children[last].Kind.inline() {
		words = strings.TrimLeft(words, " ") // at the start of a block
	}
	m.text(top, words)
}

func attribute(t html.Token, name string) string {
	for _, a := range t.Attr {
		if a.Namespace == "" && a.Key == name {
			return a.Val
		}
	}
	return ""
}

// unseen are the elements whose content is no text for people.
func unseen(name string) bool {
	switch name {
	case "template", "object", "applet", "svg", "math", "audio", "video", "canvas", "select", "datalist", "frameset":
		return true
	}
	return rawText(name)
}

// rawText are the elements whose content the tokenizer reads as text, even when they say that they have none.
func rawText(name string) bool {
	switch name {
	case "script", "style", "title", "textarea", "iframe", "noembed", "noframes", "noscript", "xmp", "plaintext":
		return true
	}
	return false
}
