package convert

import (
	"strings"

	"golang.org/x/net/html"

	"parley/content"
	"parley/content/render"
	"parley/uri"
)

// Text is the text of a MIMI message: plain text, or Markdown if it has form.
type Text struct {
	Type string // content.TypePlain or content.TypeMarkdown
	Text string
}

// Part is the text as the part of a message.
func (t Text) Part() content.Part {
	return content.Part{Disposition: content.DispositionRender, Body: content.Single{ContentType: t.Type, Content: []byte(t.Text)}}
}

// Users finds the user whom a network calls by a name: a nick, or the address in a link.
type Users func(name string) (uri.User, bool)

// FromPlain takes text without form.
func FromPlain(source string) (Text, Losses) {
	text, lost := Clean(source)
	return Text{content.TypePlain, text}, controls(lost)
}

func controls(lost bool) Losses {
	if !lost {
		return nil
	}
	return Losses{{Controls, false}}
}

// FromXHTML takes the content of an XHTML-IM body. users turns links to addresses into mentions.
func FromXHTML(source string, users Users) (Text, Losses) { return fromHTML(source, users) }

// FromMatrix takes a formatted_body. What Matrix puts in front of a reply for old clients is left out.
func FromMatrix(source string, users Users) (Text, Losses) {
	if head, rest, found := strings.Cut(source, "</mx-reply>"); found && strings.HasPrefix(strings.TrimSpace(head), "<mx-reply>") {
		source = rest
	}
	return fromHTML(source, users)
}

func fromHTML(source string, users Users) (Text, Losses) {
	_, lost := Clean(source)
	doc := render.HTML(source)
	walk(doc, func(n *render.Node) {
		n.Text, _ = Clean(n.Text)
		if n.Kind == render.Link {
			n.Target = userTarget(n.Target, users)
		}
	})
	return settle(doc, controls(lost).With(unread(source)...))
}

// userTarget is the URI of the user whom an address names, else the address.
func userTarget(target string, users Users) string {
	if users == nil {
		return target
	}
	if user, ok := users(target); ok {
		return user.String()
	}
	return target
}

// unread are the losses by markup that has no place in the tree.
func unread(source string) (losses Losses) {
	z := html.NewTokenizer(strings.NewReader(source))
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			return losses
		}
		if kind != html.StartTagToken && kind != html.SelfClosingTagToken {
			continue
		}
		token := z.Token()
		switch token.Data {
		case "u", "ins":
			losses = losses.With(Loss{Underline, false})
		case "img":
			losses = losses.With(Loss{Image, true})
		case "font":
			losses = losses.With(Loss{Color, false})
		}
		for _, a := range token.Attr {
			if a.Key == "style" || a.Key == "data-mx-color" || a.Key == "data-mx-bg-color" || a.Key == "data-mx-spoiler" {
				losses = losses.With(Loss{Color, false})
			}
		}
	}
}

// settle writes a tree as Markdown if it has form. If that would not read back as the same words it is plain text.
func settle(doc *render.Node, losses Losses) (Text, Losses) {
	if !HasForm(doc) {
		plain, _ := Plain(doc, nil)
		return Text{content.TypePlain, plain}, losses
	}
	text := markdown(doc)
	again := render.Markdown(text)
	if letters(again) == letters(doc) && HasForm(again) {
		return Text{content.TypeMarkdown, text}, losses
	}
	plain, more := Plain(doc, nil)
	return Text{content.TypePlain, plain}, losses.With(more...)
}

// HasForm reports whether a text has anything besides its words and lines.
func HasForm(doc *render.Node) bool {
	form := false
	walk(doc, func(n *render.Node) {
		switch n.Kind {
		case render.Document, render.Paragraph, render.Text, render.Break, render.File, render.Image:
		default:
			form = true
		}
	})
	return form
}

// letters are the words of a tree without white space.
func letters(doc *render.Node) string { return strings.Join(strings.Fields(spaced(doc)), "") }

func spaced(doc *render.Node) string {
	var b strings.Builder
	walk(doc, func(n *render.Node) {
		switch n.Kind {
		case render.Text, render.Mono, render.Code, render.File:
			b.WriteString(n.Text)
		case render.Image:
			b.WriteString(imageText(n.Text))
		}
	})
	return b.String()
}

// FromIRC takes a line with IRC's formatting codes. nicks finds users by their nicks: a name in front of the line, with a colon or
// comma behind it, is a mention.
func FromIRC(source string, nicks Users) (Text, Losses) {
	doc := &render.Node{Kind: render.Document}
	p := &render.Node{Kind: render.Paragraph}
	doc.Children = append(doc.Children, p)
	source = addressed(p, source, nicks)
	r := &ircReader{to: p}
	r.read(source)
	return settle(doc, r.losses)
}

// addressed takes a name that the line begins with.
func addressed(to *render.Node, source string, nicks Users) (rest string) {
	at := strings.IndexAny(source, ":, ")
	if nicks == nil || at <= 0 || source[at] == ' ' {
		return source
	}
	name := strings.TrimPrefix(source[:at], "@")
	user, ok := nicks(name)
	if !ok {
		return source
	}
	to.Children = append(to.Children, &render.Node{Kind: render.Link, Target: user.String(),
		Children: []*render.Node{{Kind: render.Text, Text: "@" + Line(name)}}})
	return source[at:]
}

type ircReader struct {
	to     *render.Node
	on     map[byte]bool
	losses Losses
}

func (r *ircReader) read(source string) {
	r.on = map[byte]bool{}
	from := 0
	for n := 0; n < len(source); {
		c := source[n]
		size, known := r.code(source, n)
		if !known {
			n++
			continue
		}
		r.text(source[from:n])
		r.turn(c)
		n += size
		from = n
	}
	r.text(source[from:])
}

// code is the length of the code at a place.
func (r *ircReader) code(s string, at int) (size int, known bool) {
	switch s[at : at+1] {
	case ircBold, ircItalic, ircStrike, ircMono, ircReset:
		return 1, true
	case ircUnderline:
		r.losses = r.losses.With(Loss{Underline, false})
		return 1, true
	case ircReverse:
		r.losses = r.losses.With(Loss{Color, false})
		return 1, true
	case ircColor:
		r.losses = r.losses.With(Loss{Color, false})
		return colors(s[at:], 2, digit), true
	case ircHexColor:
		r.losses = r.losses.With(Loss{Color, false})
		return colors(s[at:], 6, hex), true
	}
	return 0, false
}

func hex(c byte) bool { return digit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }

// colors is the length of a color code: two numbers with a comma between, both may be missing.
func colors(s string, most int, is func(byte) bool) int {
	n := 1 + run(s[1:], most, is)
	if n == 1 {
		return n
	}
	if n < len(s) && s[n] == ',' {
		if second := run(s[n+1:], most, is); second > 0 {
			n += 1 + second
		}
	}
	return n
}

func run(s string, most int, is func(byte) bool) int {
	n := 0
	for n < len(s) && n < most && is(s[n]) {
		n++
	}
	return n
}

func (r *ircReader) turn(code byte) {
	if string(code) == ircReset {
		r.on = map[byte]bool{}
		return
	}
	r.on[code] = !r.on[code]
}

func (r *ircReader) text(s string) {
	s, lost := Clean(s)
	r.losses = r.losses.With(controls(lost)...)
	if s == "" {
		return
	}
	leaf := &render.Node{Kind: render.Text, Text: s}
	if r.on[ircMono[0]] {
		leaf.Kind = render.Mono
	}
	for _, form := range []struct {
		code string
		kind render.Kind
	}{{ircStrike, render.Strike}, {ircItalic, render.Emphasis}, {ircBold, render.Strong}} {
		if r.on[form.code[0]] {
			leaf = &render.Node{Kind: form.kind, Children: []*render.Node{leaf}}
		}
	}
	r.to.Children = append(r.to.Children, leaf)
}

// Doc is the tree of what a receiver sees of a message, and what is lost already on the way there: a part that nobody but the
// sender's own app understands is shown as a file.
func Doc(m content.Message) (*render.Node, Losses) {
	v := content.Receiver{}.View(m.Body)
	lost := false
	for _, shown := range v.Parts {
		if single, ok := shown.Part.Body.(content.Single); ok && strings.HasPrefix(single.ContentType, "text/") {
			_, l := Clean(string(single.Content))
			lost = lost || l
		}
	}
	doc := render.View(v)
	walk(doc, func(n *render.Node) { n.Text, _ = Clean(n.Text) })
	return doc, controls(lost)
}
