package render_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"parley/content/render"
)

func FuzzMarkdown(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) { checkDocument(t, source, render.Markdown(source, 5)) })
}

func FuzzHTML(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) { checkDocument(t, source, render.HTML(source, 5)) })
}

func checkDocument(t *testing.T, source string, doc *render.Node) {
	out := doc.HTML(render.Options{Image: pictures})
	checkSafe(t, source, out)
	text := doc.PlainText(render.Options{})
	if !utf8.ValidString(text) || !utf8.ValidString(out) || strings.ContainsAny(text, "\x00\x07\x1b\u202e\u2066") {
		t.Errorf("%q: %q", source, text)
	}
	for _, l := range doc.Links(render.Options{}) {
		if l.Target == "" {
			t.Errorf("%q: a link to nowhere", source)
		}
	}
}

// FuzzOutgoing requires that what is sent shows no tag, and stays as it is when it is sent again.
func FuzzOutgoing(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, source string) {
		out := render.Outgoing(source)
		if again := render.Outgoing(out); again != out {
			t.Errorf("%q became %q and then %q", source, out, again)
		}
		checkSafe(t, out, render.Markdown(out).HTML(render.Options{}))
	})
}

func FuzzJudge(f *testing.F) {
	f.Add("https://example.com", "https://example.com/")
	f.Add("a@b", "mailto:a@b")
	f.Fuzz(func(t *testing.T, text, target string) {
		if render.Judge(target, target) != render.LinkSame && strings.TrimSpace(target) == target {
			t.Errorf("%q differs from itself", target)
		}
		render.Judge(text, target)
	})
}
