package render

import (
	"slices"
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"
)

// rounds is how often a text is read again: a tag that is none any more may have hidden another one.
const rounds = 8

// Outgoing makes GFM-MIMI of what a user wrote as Markdown: the opening bracket of each tag, comment, instruction, declaration and
// CDATA section of HTML becomes &lt; (draft-ietf-mimi-content-08 §7.1.1). Code and links in angle brackets stay as they are.
func Outgoing(markdown string) string {
	markdown = strings.ToValidUTF8(markdown, "\ufffd")
	for round := 0; round < rounds && !heavy(markdown); round++ {
		tags := tagsIn(markdown)
		if len(tags) == 0 {
			return markdown
		}
		var b strings.Builder
		from := 0
		for _, at := range tags {
			b.WriteString(markdown[from:at])
			b.WriteString("&lt;")
			from = at + 1
		}
		b.WriteString(markdown[from:])
		markdown = b.String()
	}
	return strings.ReplaceAll(markdown, "<", "&lt;")
}

// tagsIn are the places of the opening brackets of all tags, ascending.
func tagsIn(markdown string) []int {
	var tags []int
	source := []byte(markdown)
	root := grammar().Parse(text.NewReader(source))
	for at := ast.Node(root); at != nil; at = following(at, root) {
		if tag, ok := at.(*ast.RawHTML); ok && tag.Segments.Len() > 0 {
			if start := tag.Segments.At(0).Start; start < len(source) && source[start] == '<' {
				tags = append(tags, start)
			}
		}
	}
	slices.Sort(tags)
	return slices.Compact(tags)
}

// following is the next node in document order below root, nil after the last.
func following(n, root ast.Node) ast.Node {
	if n.FirstChild() != nil {
		return n.FirstChild()
	}
	for n != root && n.NextSibling() == nil {
		n = n.Parent()
	}
	if n == root {
		return nil
	}
	return n.NextSibling()
}
