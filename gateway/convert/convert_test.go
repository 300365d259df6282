package convert_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"parley/content"
	"parley/content/render"
	"parley/gateway/convert"
	"parley/uri"
)

// The golden files were written by hand from the formats' own rules; no conversion made them. A section begins with its name and,
// behind a bar, the losses. Characters that are not to be seen stand as \xNN there.

type section struct {
	name   string
	losses string
	text   string
}

var hidden = regexp.MustCompile(`\\x([0-9a-f]{2})`)

func readGolden(t *testing.T, path string) (out []section) {
	t.Helper()
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(string(source), "\n"), "\n") {
		if head, ok := strings.CutPrefix(line, "== "); ok {
			name, losses, _ := strings.Cut(head, " | ")
			out = append(out, section{name: name, losses: losses})
			continue
		}
		if head, ok := strings.CutPrefix(line, "-- "); ok {
			name, losses, _ := strings.Cut(head, " | ")
			out = append(out, section{name: "-- " + name, losses: losses})
			continue
		}
		at := &out[len(out)-1]
		at.text += unhide(line) + "\n"
	}
	for n := range out {
		out[n].text = strings.TrimSuffix(out[n].text, "\n")
	}
	return out
}

func unhide(line string) string {
	return hidden.ReplaceAllStringFunc(line, func(s string) string {
		n, err := strconv.ParseUint(s[2:], 16, 8)
		if err != nil {
			return s
		}
		return string([]byte{byte(n)})
	})
}

func lossText(l convert.Losses) string {
	var out []string
	for _, loss := range l {
		out = append(out, loss.String())
	}
	return strings.Join(out, ", ")
}

func user(t testing.TB, s string) uri.User {
	t.Helper()
	u, err := uri.ParseUser(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func goldens(t *testing.T, dir string, each func(t *testing.T, name string, sections []section)) {
	paths, err := filepath.Glob(filepath.Join("testdata", dir, "*.txt"))
	if err != nil || len(paths) < 10 {
		t.Fatalf("%d golden files, %v", len(paths), err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".txt")
		t.Run(name, func(t *testing.T) { each(t, name, readGolden(t, path)) })
	}
}

func TestOut(t *testing.T) {
	bob, cathy := user(t, "mimi://b.example/u/bob"), user(t, "mimi://c.example/u/cathy")
	names := func(u uri.User) (convert.Name, bool) {
		switch u {
		case bob:
			return convert.Name{Text: "bob", Link: "xmpp:bob@native.example"}, true
		case cathy:
			return convert.Name{Text: "cathy"}, true
		}
		return convert.Name{}, false
	}
	writers := map[string]func(*render.Node, convert.Names) (string, convert.Losses){
		"plain": convert.Plain, "styled": convert.Styled, "xhtml": convert.XHTML, "matrix": convert.Matrix, "irc": convert.IRC,
	}
	goldens(t, "out", func(t *testing.T, _ string, sections []section) {
		if sections[0].name != "markdown" || len(sections) != 1+len(writers) {
			t.Fatal("not one section for each direction")
		}
		m := content.Message{Body: content.Part{Body: content.Single{ContentType: content.TypeMarkdown, Content: []byte(sections[0].text)}}}
		for _, s := range sections[1:] {
			doc, before := convert.Doc(m)
			got, losses := writers[s.name](doc, names)
			if got != s.text {
				t.Errorf("%s:\n got %q\nwant %q", s.name, got, s.text)
			}
			if l := lossText(before.With(losses...)); l != s.losses {
				t.Errorf("%s: losses %q, want %q", s.name, l, s.losses)
			}
		}
	})
}

func TestIn(t *testing.T) {
	bob := user(t, "mimi://b.example/u/bob")
	users := func(name string) (uri.User, bool) { return bob, name == "bob" || name == "xmpp:bob@native.example" }
	readers := map[string]func(string) (convert.Text, convert.Losses){
		"plain":  convert.FromPlain,
		"xhtml":  func(s string) (convert.Text, convert.Losses) { return convert.FromXHTML(s, users) },
		"matrix": func(s string) (convert.Text, convert.Losses) { return convert.FromMatrix(s, users) },
		"irc":    func(s string) (convert.Text, convert.Losses) { return convert.FromIRC(s, users) },
	}
	types := map[string]string{"-- plain": content.TypePlain, "-- markdown": content.TypeMarkdown}
	goldens(t, "in", func(t *testing.T, _ string, sections []section) {
		for n := 0; n+1 < len(sections); n += 2 {
			from, to := sections[n], sections[n+1]
			got, losses := readers[from.name](from.text)
			if got.Text != to.text || got.Type != types[to.name] {
				t.Errorf("%s:\n got %s %q\nwant %s %q", from.name, got.Type, got.Text, to.name, to.text)
			}
			if l := lossText(losses); l != to.losses {
				t.Errorf("%s: losses %q, want %q", from.name, l, to.losses)
			}
		}
	})
}

func TestSplit(t *testing.T) {
	family, flag := "\U0001F468\u200d\U0001F469\u200d\U0001F467", "\U0001F1E9\U0001F1EA"
	for _, c := range []struct {
		text  string
		limit int
		want  []string
	}{
		{"", 10, nil},
		{"one\n\n two \n", 10, []string{"one", " two "}},
		{"the quick brown fox", 10, []string{"the quick", "brown fox"}},
		{"abcdefghijklmno", 5, []string{"abcde", "fghij", "klmno"}},
		{"ab" + family + "cd", 20, []string{"ab" + family, "cd"}},
		{"abc" + family, 20, []string{"abc", family}},
		{flag + flag + flag, 12, []string{flag, flag, flag}},
		{"e\u0301e\u0301e\u0301", 4, []string{"e\u0301", "e\u0301", "e\u0301"}},
		{"\u05e9\u05dc\u05d5\u05dd", 5, []string{"\u05e9\u05dc", "\u05d5\u05dd"}},
	} {
		if got := convert.Split(c.text, c.limit); !slices.Equal(got, c.want) {
			t.Errorf("%q at %d: %q, want %q", c.text, c.limit, got, c.want)
		}
	}
}

func TestLossesKeepTheWorst(t *testing.T) {
	l := convert.Losses{{Form: convert.Link, Shown: true}}.With(convert.Loss{Form: convert.Link}, convert.Loss{Form: convert.Code, Shown: true})
	if lossText(l) != "code shown as text, link dropped" || lossText(l.Dropped()) != "link dropped" {
		t.Errorf("%v", l)
	}
}

func TestLineHasNoLineEnds(t *testing.T) {
	for source, want := range map[string]string{"a\r\nQUIT :x": "a QUIT :x", "a\x00\x07b": "ab", "\u2028x": "x", "t\tt": "t t", "\u202eevil": "evil"} {
		if got := convert.Line(source); got != want {
			t.Errorf("%q: %q, want %q", source, got, want)
		}
	}
}
