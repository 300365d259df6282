package convert_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"parley/content"
	"parley/content/render"
	"parley/gateway/convert"
)

var hostile = []string{
	"**a** *b* ~~c~~ `d`", "\x02a\x1db\x0fc\x0304,99d\x04ff00ffe", "<p><b>x</b><br/>y</p>", "- [ ] a\n\n> b\n\n```\nc\n```", "<a href='javascript:x'>y</a>",
	"a\r\nPRIVMSG #x :y", "\u202e\u2066\x00\x1b[2J", "]]>&<!DOCTYPE x [<!ENTITY a 'b'>]>&a;", "|a|b|\n|-|-|\n|c|d|", "[x](mimi://a.example/u/b)", "\u2028\ufffe\uffff\ufeff",
	"***a** b*", "<pre>a\n\n`b`</pre>", "1. a\n2. b\n\n# c #",
}

// acts reports what no network may get from another one's text. IRC's own formatting codes are allowed where they were written.
func acts(s string, allowed string) bool {
	for _, r := range s {
		switch {
		case strings.ContainsRune(allowed, r):
		case r < ' ' && r != '\n' && r != '\t', r == 0x7f, r >= 0x80 && r < 0xa0, r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0xfffe, r == 0xffff:
			return true
		}
	}
	return !utf8.ValidString(s)
}

func FuzzOut(f *testing.F) {
	for _, s := range hostile {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, source string, html bool) {
		kind := content.TypeMarkdown
		if html {
			kind = content.TypeHTML
		}
		doc, _ := convert.Doc(content.Message{Body: content.Part{Body: content.Single{ContentType: kind, Content: []byte(source)}}})
		plain, _ := convert.Plain(doc, nil)
		styled, _ := convert.Styled(doc, nil)
		xhtml, _ := convert.XHTML(doc, nil)
		matrix, _ := convert.Matrix(doc, nil)
		irc, _ := convert.IRC(doc, nil)
		if acts(plain, "") || acts(styled, "") || acts(xhtml, "") || acts(matrix, "") || acts(irc, "\x02\x11\x1d\x1e") {
			t.Errorf("%q: something acts in %q %q %q %q %q", source, plain, styled, xhtml, matrix, irc)
		}
		wellFormed(t, source, xhtml)
		for line := range strings.SplitSeq(irc, "\n") {
			for _, code := range []string{"\x02", "\x11", "\x1d", "\x1e"} {
				if strings.Count(line, code)%2 != 0 {
					t.Errorf("%q: %q leaves a form open", source, line)
				}
			}
		}
		for _, piece := range convert.Split(plain, 40) {
			if len(piece) > 40 || !utf8.ValidString(piece) || strings.Contains(piece, "\n") {
				t.Errorf("%q: piece %q", source, piece)
			}
		}
	})
}

func wellFormed(t *testing.T, source, out string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader("<body>" + out + "</body>"))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%q: %v in %q", source, err, out)
		}
		switch token.(type) {
		case xml.ProcInst, xml.Directive, xml.Comment:
			t.Fatalf("%q: %T in %q", source, token, out)
		}
	}
}

func FuzzIn(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		for name, read := range map[string]func(string) (convert.Text, convert.Losses){
			"plain": convert.FromPlain, "xhtml": func(s string) (convert.Text, convert.Losses) { return convert.FromXHTML(s, nil) },
			"matrix": func(s string) (convert.Text, convert.Losses) { return convert.FromMatrix(s, nil) },
			"irc":    func(s string) (convert.Text, convert.Losses) { return convert.FromIRC(s, nil) },
		} {
			got, _ := read(source)
			if acts(got.Text, "") {
				t.Errorf("%s %q: something acts in %q", name, source, got.Text)
			}
			if got.Type == content.TypeMarkdown && !convert.HasForm(render.Markdown(got.Text)) {
				t.Errorf("%s %q: Markdown without form %q", name, source, got.Text)
			}
		}
	})
}
