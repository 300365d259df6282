package content

import (
	"fmt"
	"html"
	"strings"
	"unicode"
)

const (
	textDeleted     = "[deleted]"
	textUnsupported = "[unsupported message]"
	textReaction    = "Reaction: " // §5.3
	textPreview     = "Preview: "
)

// Text renders any message as plain text, for terminals, logs of test runs and notifications; it follows the processing
// rules of draft-ietf-mimi-content-08 §4.4. Content is never fetched. Control characters of the text parts stay as they are.
//
// A deletion gives "[deleted]"; a null part that replaces nothing and a status report give "" (A-C12); whatever has nothing
// that can be shown gives "[unsupported message]".
func Text(m Message) string { return Receiver{}.Text(m) }

// Text is Text for a receiver that understands other media types or reads other languages. Of a media type that this package
// does not know it gives the name.
func (r Receiver) Text(m Message) string {
	if m.Body.Body == nil {
		if m.Replaces != nil {
			return textDeleted
		}
		return ""
	}
	return r.View(m.Body).Text()
}

// Text is what the view shows, as plain text.
func (v View) Text() string {
	if len(v.Parts) == 0 {
		return textUnsupported
	}
	var lines []string
	for _, s := range v.Parts {
		if line := s.Part.line(); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// line is what is shown of a leaf.
func (p Part) line() string {
	var text string
	switch body := p.Body.(type) {
	case Single:
		text = body.line(p.Disposition)
	case External:
		text = body.line(p.Disposition)
	}
	if text == "" {
		return ""
	}
	switch p.Disposition {
	case DispositionReaction:
		return textReaction + text
	case DispositionPreview:
		return textPreview + text
	}
	return text
}

func (s Single) line(d Disposition) string {
	name := mediaName(s.ContentType)
	switch d {
	case DispositionAttachment:
		return fmt.Sprintf("[attachment: %s, %d octets]", clean(name), len(s.Content))
	case DispositionSession:
		return fmt.Sprintf("[session: %s]", clean(name))
	case DispositionProfile:
		return "[profile]" // never a name or picture of anybody (C-DISP-13)
	case DispositionIcon:
		return "[icon]"
	}
	switch name {
	case "text/plain", "text/markdown":
		return strings.ToValidUTF8(string(s.Content), "\uFFFD")
	case "text/html":
		return textOfHTML(strings.ToValidUTF8(string(s.Content), "\uFFFD"))
	case StatusMediaType:
		return ""
	}
	return "[" + clean(name) + "]"
}

func (e External) line(d Disposition) string {
	label := clean(e.Description)
	if label == "" {
		label = clean(mediaName(e.ContentType))
	}
	switch d {
	case DispositionProfile:
		return "[profile]"
	case DispositionIcon:
		return "[icon]"
	case DispositionSession:
		return strings.TrimSpace(fmt.Sprintf("[session: %s] %s", label, clean(e.URL)))
	}
	if name := SafeFilename(e.Filename); name != "" {
		return fmt.Sprintf("[attachment: %s (%s)]", label, name)
	}
	return fmt.Sprintf("[attachment: %s]", label)
}

// SafeFilename is the sender's suggestion without path elements, control characters and characters that change the
// direction of text; it is empty when nothing harmless is left.
func SafeFilename(name string) string {
	name = clean(name)
	if at := strings.LastIndexAny(name, `/\`); at >= 0 {
		name = name[at+1:]
	}
	return strings.TrimLeft(name, ". ") // no hidden file, no parent folder
}

// clean drops control and format characters; direction marks are among the latter.
func clean(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' {
			return -1
		}
		return r
	}, s))
}

// textOfHTML drops the tags and what is not text. It is no sanitiser: its result is plain text and never markup again.
func textOfHTML(s string) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(s, "<")
		out.WriteString(before)
		if !found {
			break
		}
		tag, after, closed := strings.Cut(rest, ">")
		if !closed {
			break // an unfinished tag shows nothing
		}
		name := tagName(tag)
		switch name {
		case "script", "style":
			after = skipPast(after, "</"+name)
		case "br", "/p", "/div", "/li", "/h1", "/h2", "/h3", "/tr":
			out.WriteByte('\n')
		}
		s = after
	}
	return strings.TrimSpace(html.UnescapeString(out.String()))
}

func tagName(tag string) string {
	end := strings.IndexFunc(tag, func(r rune) bool { return r != '/' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if end > 0 {
		tag = tag[:end]
	}
	if len(tag) > 1 {
		tag = strings.TrimSuffix(tag, "/")
	}
	return strings.ToLower(tag)
}

// skipPast is what follows the closing tag, nothing if there is none.
func skipPast(s, closing string) string {
	for at := 0; at+len(closing) <= len(s); at++ {
		if strings.EqualFold(s[at:at+len(closing)], closing) {
			_, after, _ := strings.Cut(s[at:], ">")
			return after
		}
	}
	return ""
}
