package render

import (
	"html"
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// grammar is GFM-MIMI: CommonMark with tables, task lists and strikethrough, without blocks of HTML and without links that are not
// marked as such; those in angle brackets are (A-C24). Tags within a line are recognised, so that they can be shown as they are (draft-ietf-mimi-content-08 §7.1.1).
func grammar() parser.Parser {
	return parser.NewParser(
		parser.WithBlockParsers(
			util.Prioritized(parser.NewSetextHeadingParser(), 100),
			util.Prioritized(parser.NewThematicBreakParser(), 200),
			util.Prioritized(parser.NewListParser(), 300),
			util.Prioritized(parser.NewListItemParser(), 400),
			util.Prioritized(parser.NewCodeBlockParser(), 500),
			util.Prioritized(parser.NewATXHeadingParser(), 600),
			util.Prioritized(parser.NewFencedCodeBlockParser(), 700),
			util.Prioritized(parser.NewBlockquoteParser(), 800),
			util.Prioritized(parser.NewParagraphParser(), 1000),
		),
		parser.WithInlineParsers(
			util.Prioritized(extension.NewTaskCheckBoxParser(), 0),
			util.Prioritized(parser.NewCodeSpanParser(), 100),
			util.Prioritized(parser.NewLinkParser(), 200),
			util.Prioritized(parser.NewAutoLinkParser(), 300),
			util.Prioritized(parser.NewRawHTMLParser(), 400),
			util.Prioritized(parser.NewEmphasisParser(), 500),
			util.Prioritized(extension.NewStrikethroughParser(), 500),
		),
		parser.WithParagraphTransformers(
			util.Prioritized(parser.LinkReferenceParagraphTransformer, 100),
			util.Prioritized(extension.NewTableParagraphTransformer(), 200),
		),
		parser.WithASTTransformers(util.Prioritized(extension.NewTableASTTransformer(), 0)),
	)
}

// Markdown is the tree of a text in GFM-MIMI. Tags of HTML are text in it. embeds are the indexes of the parts that the text may
// show (content.Shown).
func Markdown(source string, embeds ...int) *Node {
	source = Visible(source)
	if heavy(source) {
		return Plain(source) // as good as any other form, says the section
	}
	m := &markdown{builder: builder{embeds: embeds}, source: []byte(source)}
	doc := &Node{Kind: Document}
	m.children(doc, grammar().Parse(text.NewReader(m.source)), 1)
	return doc
}

const (
	maxMarks  = 4000  // characters that may begin or end something within a line
	maxNested = 64    // quotes and lists that one line opens
	maxCells  = 50000 // of a table, the parser fills short rows up
)

// heavy reports whether a text may take the parser long: its time grows with the square of what is open at once.
func heavy(source string) bool {
	if len(source) > maxSource {
		return true
	}
	marks := 0
	for _, c := range []byte(source) {
		switch c {
		case '[', ']', '*', '_', '~', '`', '<':
			marks++
		}
	}
	if marks > maxMarks {
		return true
	}
	lines, bars := 0, 0
	for line := range strings.SplitSeq(source, "\n") {
		if nested(line) > maxNested {
			return true
		}
		lines++
		bars = max(bars, strings.Count(line, "|"))
	}
	return bars > 0 && (bars+1)*lines > maxCells
}

// nested is how many quotes and list items a line may open, or more.
func nested(line string) int {
	count := 0
	for n := 0; n < len(line); n++ {
		switch c := line[n]; {
		case c == '>':
			count++
		case strings.IndexByte("-+*.)", c) >= 0:
			if n+1 == len(line) || line[n+1] == ' ' || line[n+1] == '\t' {
				count++
			}
		case c != ' ' && c != '\t' && (c < '0' || c > '9'):
			return count
		}
	}
	return count
}

type markdown struct {
	builder
	source []byte
}

func (m *markdown) children(to *Node, from ast.Node, depth int) {
	for n := from.FirstChild(); n != nil; n = n.NextSibling() {
		m.node(to, n, depth)
	}
}

// node adds what a node of goldmark's tree is. What is too deep gives its text only.
func (m *markdown) node(to *Node, n ast.Node, depth int) {
	if depth > maxDepth || m.nodes >= maxNodes {
		m.flatten(to, n)
		return
	}
	switch n := n.(type) {
	case *ast.Text:
		m.line(to, n)
	case *ast.String:
		m.text(to, string(n.Value))
	case *ast.RawHTML:
		m.text(to, string(n.Segments.Value(m.source)))
	case *ast.CodeSpan:
		m.add(to, Node{Kind: Mono, Text: strings.ReplaceAll(m.raw(n), "\n", " ")})
	case *ast.AutoLink:
		m.autolink(to, n)
	case *ast.Image:
		m.image(to, unescape(string(n.Destination)), m.words(n))
	case *ast.Link:
		m.link(to, n, depth)
	case *ast.CodeBlock:
		m.add(to, Node{Kind: Code, Text: string(n.Lines().Value(m.source))})
	case *ast.FencedCodeBlock:
		m.add(to, Node{Kind: Code, Text: string(n.Lines().Value(m.source))})
	case *extast.TaskCheckBox:
		m.task(to, n)
	case *ast.LinkReferenceDefinition:
		// It shows nothing.
	default:
		m.container(to, n, depth)
	}
}

func (m *markdown) container(to *Node, n ast.Node, depth int) {
	node := Node{Kind: Paragraph}
	switch n := n.(type) {
	case *ast.Heading:
		node = Node{Kind: Heading, Level: n.Level}
	case *ast.Blockquote:
		node.Kind = Quote
	case *ast.List:
		node = Node{Kind: List, Ordered: n.IsOrdered(), Level: n.Start}
	case *ast.ListItem:
		node.Kind = Item
	case *ast.ThematicBreak:
		node.Kind = Rule
	case *ast.Emphasis:
		node.Kind = Emphasis
		if n.Level == 2 {
			node.Kind = Strong
		}
	case *extast.Strikethrough:
		node.Kind = Strike
	case *extast.Table:
		node.Kind = Table
	case *extast.TableHeader:
		node = Node{Kind: Row, Head: true}
	case *extast.TableRow:
		node.Kind = Row
	case *extast.TableCell:
		node.Kind = Cell
	}
	if added := m.add(to, node); added != nil {
		m.children(added, n, depth+1)
	}
}

// line adds a piece of text, and the break that ends it.
func (m *markdown) line(to *Node, n *ast.Text) {
	value := string(n.Segment.Value(m.source))
	if !n.IsRaw() {
		value = unescape(value)
	}
	m.text(to, value)
	switch {
	case n.HardLineBreak():
		m.add(to, Node{Kind: Break})
	case n.SoftLineBreak():
		m.text(to, "\n")
	}
}

func (m *markdown) autolink(to *Node, n *ast.AutoLink) {
	label, target := string(n.Label(m.source)), string(n.URL(m.source))
	if n.AutoLinkType == ast.AutoLinkEmail && !strings.HasPrefix(strings.ToLower(target), "mailto:") {
		target = "mailto:" + target
	}
	address, ok := safeTarget(target)
	if !ok {
		m.text(to, "<"+label+">")
		return
	}
	if link := m.add(to, Node{Kind: Link, Target: address}); link != nil {
		m.text(link, label)
	}
}

// link adds a link, or only its text if it leads nowhere safe.
func (m *markdown) link(to *Node, n *ast.Link, depth int) {
	address, ok := safeTarget(unescape(string(n.Destination)))
	if !ok {
		m.children(to, n, depth+1)
		return
	}
	link := m.add(to, Node{Kind: Link, Target: address})
	if link == nil {
		return
	}
	m.children(link, n, depth+1)
	if len(link.Children) == 0 {
		m.text(link, address)
	}
}

// task marks the item that the check box stands in; elsewhere it is text.
func (m *markdown) task(to *Node, n *extast.TaskCheckBox) {
	mark, state := "[ ] ", TaskOpen
	if n.IsChecked {
		mark, state = "[x] ", TaskDone
	}
	if to.Kind != Paragraph {
		m.text(to, mark)
		return
	}
	to.Task = state
}

// raw is the text of the pieces of a code span.
func (m *markdown) raw(n ast.Node) string {
	var b strings.Builder
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		switch c := c.(type) {
		case *ast.Text:
			b.Write(c.Segment.Value(m.source))
		case *ast.String:
			b.Write(c.Value)
		}
	}
	return b.String()
}

// words is the text of everything below a node.
func (m *markdown) words(n ast.Node) string {
	flat := &Node{}
	counted := &markdown{source: m.source}
	counted.flatten(flat, n)
	var b strings.Builder
	for _, c := range flat.Children {
		b.WriteString(c.Text)
	}
	return b.String()
}

// flatten adds the text below a node without its form. It does not recurse: the tree may be very deep.
func (m *markdown) flatten(to *Node, n ast.Node) {
	for at := n; at != nil; {
		switch leaf := at.(type) {
		case *ast.Text:
			m.line(to, leaf)
		case *ast.AutoLink:
			m.text(to, string(leaf.Label(m.source)))
		case *ast.RawHTML:
			m.text(to, string(leaf.Segments.Value(m.source)))
		case *ast.CodeBlock:
			m.text(to, string(leaf.Lines().Value(m.source)))
		case *ast.FencedCodeBlock:
			m.text(to, string(leaf.Lines().Value(m.source)))
		}
		if at.FirstChild() != nil {
			at = at.FirstChild()
			continue
		}
		for at != n && at.NextSibling() == nil {
			at = at.Parent()
			if at != n && at.Type() == ast.TypeBlock {
				m.text(to, "\n")
			}
		}
		if at == n {
			return
		}
		at = at.NextSibling()
	}
}

// unescape resolves the backslashes and character references of Markdown.
func unescape(s string) string {
	if !strings.ContainsAny(s, `\&`) {
		return s
	}
	var b strings.Builder
	for n := 0; n < len(s); {
		switch {
		case s[n] == '\\' && n+1 < len(s) && util.IsPunct(s[n+1]):
			b.WriteByte(s[n+1])
			n += 2
		case s[n] == '&':
			character, length := reference(s[n:])
			b.WriteString(character)
			n += length
		default:
			b.WriteByte(s[n])
			n++
		}
	}
	return b.String()
}

// reference is the character reference that s starts with and its length; if there is none it is the ampersand.
func reference(s string) (character string, length int) {
	end := strings.IndexByte(s[:min(len(s), 40)], ';')
	if end < 2 {
		return "&", 1
	}
	name := s[1:end]
	if name[0] == '#' {
		if character = html.UnescapeString(s[:end+1]); len(name) < 9 && character != s[:end+1] && !strings.HasSuffix(character, ";") {
			return character, end + 1
		}
		return "&", 1
	}
	if entity, found := util.LookUpHTML5EntityByName(name); found {
		return string(entity.Characters), end + 1
	}
	return "&", 1
}
