package render

import (
	"strings"
	"unicode"

	"parley/content"
)

// Kind is what a node of the tree is.
type Kind uint8

// The kinds. From Text on they stand within a line; the others are blocks.
const (
	Document  Kind = iota
	Paragraph      // also what is in a list item or table cell without paragraphs of its own
	Heading        // Level 1 to 6
	Quote
	List // Ordered; Level is the first number then
	Item // Task
	Code // Text
	Rule
	Table
	Row // Head
	Cell
	File  // a part that is not text; Level is its index, Text what it is, Action what to do with it
	Text  // Text
	Break // a new line
	Emphasis
	Strong
	Strike
	Mono  // Text
	Link  // Target
	Image // Level is the index of the part, Text what is in the picture
)

func (k Kind) inline() bool { return k >= Text }

// Task is whether a list item has a check box.
type Task uint8

// The states of a check box.
const (
	TaskNone Task = iota
	TaskOpen
	TaskDone
)

// Node is a node of the tree, which belongs to its reader: nothing else refers to it.
type Node struct {
	Kind     Kind
	Level    int
	Ordered  bool
	Head     bool
	Task     Task
	Action   content.Action
	Text     string
	Target   string // absolute URL
	Children []*Node
}

const (
	maxSource = 256 << 10 // octets of one text that are taken apart; longer ones are shown as they are
	maxDepth  = 24        // nodes inside of each other
	maxNodes  = 20000
)

// builder counts what it makes.
type builder struct {
	nodes  int
	embeds []int
	last   *Node // the last text
}

// add puts a node into another one; it is nil when there are too many.
func (b *builder) add(to *Node, n Node) *Node {
	if b.nodes >= maxNodes {
		return nil
	}
	b.nodes++
	to.Children = append(to.Children, &n)
	return &n
}

// text adds text, to the text before it if there is one.
func (b *builder) text(to *Node, s string) {
	s = Visible(s)
	if s == "" {
		return
	}
	if last := len(to.Children) - 1; last >= 0 && to.Children[last].Kind == Text {
		to.Children[last].Text += s
		return
	}
	if added := b.add(to, Node{Kind: Text, Text: s}); added != nil {
		b.last = added
	} else if b.last != nil {
		b.last.Text += s // beyond the bounds words only
	}
}

// image adds the part that a reference points to, if it is among those that are shown in this text. What cannot be shown is
// named; a picture elsewhere is a link.
func (b *builder) image(to *Node, target, alt string) {
	alt = strings.TrimSpace(Visible(alt))
	if index := content.References(target); len(index) == 1 && strings.HasPrefix(target, "cid:") {
		for _, embed := range b.embeds {
			if embed == index[0] {
				b.add(to, Node{Kind: Image, Level: embed, Text: alt})
				return
			}
		}
	}
	if address, ok := safeTarget(target); ok {
		if alt == "" {
			alt = address
		}
		if link := b.add(to, Node{Kind: Link, Target: address}); link != nil {
			b.text(link, alt)
		}
		return
	}
	b.text(to, imageText(alt))
}

func imageText(alt string) string {
	if alt == "" {
		return "[image]"
	}
	return "[image: " + alt + "]"
}

// Plain is the tree of plain text: its lines.
func Plain(text string) *Node {
	doc := &Node{Kind: Document}
	b := &builder{}
	p := b.add(doc, Node{Kind: Paragraph})
	lines := strings.Split(strings.ReplaceAll(Visible(text), "\r", ""), "\n")
	for n, line := range lines {
		if n > 0 && b.add(p, Node{Kind: Break}) == nil {
			last := p.Children[len(p.Children)-1]
			last.Kind, last.Text = Text, last.Text+"\n"+strings.Join(lines[n:], "\n")
			break
		}
		b.text(p, line)
	}
	return doc
}

// Visible is text without what acts on a terminal or turns the order of characters around it, and with a replacement for what is no
// UTF-8. Tabs and new lines stay.
func Visible(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return r
		case unicode.Is(unicode.Cc, r), r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
			return -1
		case r == '\u2028' || r == '\u2029':
			return '\n'
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}

// View is the tree of what a receiver shows of a message: its texts, and its other parts as files or images.
func View(v content.View) *Node {
	doc := &Node{Kind: Document}
	for _, shown := range v.Parts {
		part := Part(shown)
		if part.Kind == Document {
			doc.Children = append(doc.Children, part.Children...)
		} else {
			doc.Children = append(doc.Children, part)
		}
	}
	return doc
}

// Part is the tree of one part: a Document if it is a text to show, otherwise a File, or an Image in a Paragraph.
func Part(s content.Shown) *Node {
	label := content.Text(content.Message{Body: s.Part})
	file := &Node{Kind: File, Level: s.Index, Text: strings.TrimSpace(Visible(label)), Action: s.Action}
	if s.Action != content.ActionShow && s.Action != content.ActionInline && s.Action != content.ActionReact && s.Action != content.ActionPreview {
		return file
	}
	contentType := ""
	switch body := s.Part.Body.(type) {
	case content.Single:
		contentType = body.ContentType
		if doc := textPart(body, s.Embeds); doc != nil {
			return doc
		}
	case content.External:
		contentType = body.ContentType
	}
	if name, _, _ := strings.Cut(strings.ToLower(contentType), "/"); strings.TrimSpace(name) == "image" {
		return &Node{Kind: Paragraph, Children: []*Node{{Kind: Image, Level: s.Index, Text: file.Text}}}
	}
	return file
}

// textPart is nil for what is no text that this package reads.
func textPart(body content.Single, embeds []int) *Node {
	text := string(body.Content)
	for _, kind := range []struct {
		pattern string
		read    func(string, ...int) *Node
	}{
		{content.TypePlain, func(s string, _ ...int) *Node { return Plain(s) }},
		{content.TypeMarkdown, Markdown},
		{content.TypeHTML, HTML},
	} {
		if content.MatchMedia(kind.pattern, body.ContentType) {
			return kind.read(text, embeds...)
		}
	}
	return nil
}
