package render_test

import (
	"strings"
	"testing"

	"parley/content/render"
)

func BenchmarkMarkdown(b *testing.B) {
	for name, source := range map[string]string{"line": "Hi everyone, we just shipped release 2.0. __Good  work__!",
		"page": strings.Repeat("# Title\n\nSome *text* with a [link](https://x.example/y) and `code`.\n\n- a\n- b\n\n", 40)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(source)))
			for b.Loop() {
				render.Markdown(source).HTML(render.Options{})
			}
		})
	}
}

func BenchmarkHTML(b *testing.B) {
	source := strings.Repeat("<h1>Title</h1><p>Some <em>text</em> with a <a href=\"https://x.example/y\">link</a> &amp; more.</p>", 40)
	b.ReportAllocs()
	b.SetBytes(int64(len(source)))
	for b.Loop() {
		render.HTML(source).HTML(render.Options{})
	}
}
