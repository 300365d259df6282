package render_test

import (
	"fmt"
	"strings"
	"testing"

	"parley/content"
	"parley/content/render"
	"parley/uri"
)

func parse(t testing.TB, s string) uri.User {
	t.Helper()
	u, err := uri.ParseUser(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

const anchor = ` rel="noopener noreferrer nofollow" referrerpolicy="no-referrer"`

func TestMarkdown(t *testing.T) {
	check := func(t *testing.T, cases map[string]string) {
		t.Helper()
		for source, want := range cases {
			got := render.Markdown(source).HTML(render.Options{})
			if got != want {
				t.Errorf("%q\n gave %s\n want %s", source, got, want)
			}
		}
	}
	t.Run("C-MT-07 tables, task lists, strikethrough, and no other extension", func(t *testing.T) {
		check(t, map[string]string{
			"|a|b|\n|-|:-:|\n|1|*2*|":            "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td><em>2</em></td></tr></table>",
			"|a|\n|-|\n|`x\\|y`|":                "<table><tr><th>a</th></tr><tr><td><code>x|y</code></td></tr></table>",
			"- [ ] a\n- [x] b\n- c":              "<ul><li>\u2610 a</li><li>\u2611 b</li><li>c</li></ul>",
			"~~gone~~ ~also~ ~~~":                "<p><del>gone</del> <del>also</del> ~~~</p>",
			"www.x.example https://x.example":    "<p>www.x.example https://x.example</p>",
			"a@b.example http://x.example/y":     "<p>a@b.example http://x.example/y</p>",
			"<https://x.example>":                `<p><a href="https://x.example"` + anchor + `>https://x.example</a></p>`,
			"<a@b.example>":                      `<p><a href="mailto:a@b.example"` + anchor + `>a@b.example</a></p>`,
			"<mimi://example.com/u/alice-smith>": `<p><a href="mimi://example.com/u/alice-smith"` + anchor + `>mimi://example.com/u/alice-smith</a></p>`,
			"a[^1]":                              "<p>a[^1]</p>",
			"term\n: definition":                 "<p>term\n: definition</p>",
			"\"q\" -- (c) ... :smile: $x$ ==y==": "<p>&#34;q&#34; -- (c) ... :smile: $x$ ==y==</p>",
			"# a {#id .class}":                   "<h1>a {#id .class}</h1>",
		})
	})
	t.Run("the grammar of CommonMark", func(t *testing.T) {
		check(t, map[string]string{
			"# a\n## b #\nc\n===\nd\n---": "<h1>a</h1><h2>b</h2><h1>c</h1><h2>d</h2>",
			"a\nb\n\nc":                   "<p>a\nb</p><p>c</p>",
			"a  \nb\\\nc":                 "<p>a<br>b<br>c</p>",
			"*a* _b_ **c** __d__ ***e***": "<p><em>a</em> <em>b</em> <strong>c</strong> <strong>d</strong> <em><strong>e</strong></em></p>",
			"snake_case_word 2*3*4":       "<p>snake_case_word 2<em>3</em>4</p>",
			"> a\n> > b\nlazy":            "<blockquote><p>a</p><blockquote><p>b\nlazy</p></blockquote></blockquote>",
			"- a\n  - b\n- c":             "<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>",
			"3. a\n4. b":                  `<ol start="3"><li>a</li><li>b</li></ol>`,
			"1. a\n\n   b":                "<ol><li><p>a</p><p>b</p></li></ol>",
			"```go\nx < y\n```":           "<pre><code>x &lt; y\n</code></pre>",
			"    code *x*":                "<pre><code>code *x*\n</code></pre>",
			"`` a`b ``":                   "<p><code>a`b</code></p>",
			"***":                         "<hr>",
			"\\*a\\* &amp; &copy; &#35; \\&amp; &nosuch; &#0;": "<p>*a* &amp; \u00a9 # &amp;amp; &amp;nosuch; \ufffd</p>",
			"[a](https://x.example/(b)?c=d&amp;e \"t\")":       `<p><a href="https://x.example/(b)?c=d&amp;e"` + anchor + ` data-parley-link="differs">a</a></p>`,
			"[a][r]\n\n[r]: <https://x.example/y>":             `<p><a href="https://x.example/y"` + anchor + ` data-parley-link="differs">a</a></p>`,
			"[](https://x.example)":                            `<p><a href="https://x.example"` + anchor + `>https://x.example</a></p>`,
			"[![x](https://a.example)](https://b.example)":     `<p><a href="https://b.example"` + anchor + ` data-parley-link="differs">x</a></p>`,
			"[a](relative) [b](#c)":                            "<p>a b</p>",
			"![alt *x*](https://x.example/y.png)":              `<p><a href="https://x.example/y.png"` + anchor + ` data-parley-link="differs">alt x</a></p>`,
		})
	})
	t.Run("C-MT-06 tags are literal text", func(t *testing.T) {
		check(t, map[string]string{
			"<script>alert(1)</script>": "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>",
			"a <b>c</b> <br/>":          "<p>a &lt;b&gt;c&lt;/b&gt; &lt;br/&gt;</p>",
			"<!-- *x* -->":              "<p>&lt;!-- *x* --&gt;</p>",
			"<?php *x* ?>":              "<p>&lt;?php *x* ?&gt;</p>",
			"<!DOCTYPE *html*>":         "<p>&lt;!DOCTYPE *html*&gt;</p>",
			"<![CDATA[ *x* ]]>":         "<p>&lt;![CDATA[ *x* ]]&gt;</p>",
			"<div>\n*x*\n</div>":        "<p>&lt;div&gt;\n<em>x</em>\n&lt;/div&gt;</p>",
			"<a title=\"*x*\">y":        "<p>&lt;a title=&#34;*x*&#34;&gt;y</p>",
			"<style>p{}</style>\n\n# a": "<p>&lt;style&gt;p{}&lt;/style&gt;</p><h1>a</h1>",
			"&lt;b>":                    "<p>&lt;b&gt;</p>",
		})
	})
	t.Run("C-MT-05 tags are escaped before sending", func(t *testing.T) {
		for source, want := range map[string]string{
			"a <b>c</b>":                          "a &lt;b>c&lt;/b>",
			"<!-- x -->":                          "&lt;!-- x -->",
			"<?php x ?>":                          "&lt;?php x ?>",
			"<!DOCTYPE html>":                     "&lt;!DOCTYPE html>",
			"<![CDATA[ x ]]>":                     "&lt;![CDATA[ x ]]>",
			"<br/> <x-y a='1' b=2>":               "&lt;br/> &lt;x-y a='1' b=2>",
			"<div>\n<p\nclass=x>":                 "&lt;div>\n&lt;p\nclass=x>",
			"- <b>\n> <i>\n\n# <u>":               "- &lt;b>\n> &lt;i>\n\n# &lt;u>",
			"|<b>|\n|-|\n|<i>|":                   "|&lt;b>|\n|-|\n|&lt;i>|",
			"`<b>` and\n```\n<b>\n```\n\n    <b>": "`<b>` and\n```\n<b>\n```\n\n    <b>",
			"<https://x.example> <a@b.example> <mimi://a.example/u/b>": "<https://x.example> <a@b.example> <mimi://a.example/u/b>",
			"1 < 2 <3 < b>": "1 < 2 <3 < b>",
			strings.Repeat("<b> ", 20) + "<https://x.example>": strings.Repeat("&lt;b> ", 20) + "<https://x.example>",
			"&lt;b>":  "&lt;b>",
			"\\<b>":   "\\<b>",
			"\xff<b>": "\ufffd&lt;b>",
		} {
			got := render.Outgoing(source)
			if got != want {
				t.Errorf("%q\n gave %q\n want %q", source, got, want)
			}
			if again := render.Outgoing(got); again != got {
				t.Errorf("%q again: %q", source, again)
			}
		}
	})
}

func TestHTML(t *testing.T) {
	for source, want := range map[string]string{
		"<p>Kudos to <a href=\"mimi://example.com/u/alice-smith\">@Alice Smith</a></p>":                    `<p>Kudos to <a href="mimi://example.com/u/alice-smith"` + anchor + ` data-parley-link="differs">@Alice Smith</a></p>`,
		"<html><head><title>t</title><style>x</style></head><body><h1>a</h1>\n b <b>c</b>\n</body></html>": "<h1>a</h1>b <strong>c</strong> ",
		"<p>a<p>b<div>c":                         "<p>a</p><p>b</p><p>c</p>",
		"<ul><li>a<li>b<ol start=4><li>c</ul>d":  `<ul><li>a</li><li>b<ol start="4"><li>c</li></ol></li></ul>d`,
		"<table><tr><th>a<td>b<tr><td>c</table>": "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>",
		"<pre>  a\n <b>b</b></pre>":              "<pre><code>  a\n b</code></pre>",
		"<code>a <b>b</b></code> c":              "<code>a b</code> c",
		"<s>a</s><del>b</del><i>c</i><u>d</u>":   "<del>a</del><del>b</del><em>c</em>d",
		"a<br>b<hr>c &amp; &lt;d&gt;":            "a<br>b<hr>c &amp; &lt;d&gt;",
		"<blockquote><p>a</blockquote>b":         "<blockquote><p>a</p></blockquote>b",
		"a<svg><svg></svg>b</svg>c":              "ac",
		"<li>a</li><td>b</td>":                   "ab",
		"<b>a<p>b</b>c</p>":                      "<strong>a</strong><p>bc</p>",
	} {
		if got := render.HTML(source).HTML(render.Options{}); got != want {
			t.Errorf("%q\n gave %s\n want %s", source, got, want)
		}
	}
}

func TestPlainText(t *testing.T) {
	for source, want := range map[string]string{
		"# T\n\na *b* `c`\n\n- x\n- [x] y\n  1. z\n\n> q\n> r": "T\n\na b c\n\n- x\n- [x] y\n  1. z\n\n> q\n> r",
		"[a](https://x.example) <https://y.example>":           "a (https://x.example) https://y.example",
		"|a|b|\n|-|-|\n|1|2|":                                  "a | b\n1 | 2",
		"```\nx\n```\n***":                                     "x\n\n---",
		"\x1b[31mred\u202egnp":                                 "[31mredgnp",
		"a  \nb":                                               "a\nb",
	} {
		if got := render.Markdown(source).PlainText(render.Options{}); got != want {
			t.Errorf("%q\n gave %q\n want %q", source, got, want)
		}
	}
	if got := render.Plain("a\n<b>\r\n\x07 *c*").HTML(render.Options{}); got != "<p>a<br>&lt;b&gt;<br> *c*</p>" {
		t.Errorf("%s", got)
	}
}

func TestLinks(t *testing.T) {
	t.Run("C-SEC-11 a link that says something else than where it leads", func(t *testing.T) {
		for _, c := range []struct {
			text, target string
			want         render.Verdict
		}{
			{"example.com/foobar", "https://example.com/foobar", render.LinkSame},
			{"https://example.com/foobar", "https://example.com/foobar", render.LinkSame},
			{"https://example.com:443/foobar", "https://example.com/foobar", render.LinkSame},
			{"https://example.com/foobar", "https://spearphishers.example/foobar", render.LinkDiffers},
			{"https://example.com/foobar", "http://example.com/foobar", render.LinkDowngraded},
			{"example.com/foobar", "http://example.com/foobar", render.LinkDowngraded},
			{"http://example.com/", "https://example.com", render.LinkSame},
			{"HTTPS://Example.COM", "https://example.com/", render.LinkSame},
			{"https://example.com/a/../%66oo", "https://example.com/foo", render.LinkSame},
			{"https://example.com/a%2fb", "https://example.com/a%2Fb", render.LinkSame},
			{"https://example.com/a%2Fb", "https://example.com/a/b", render.LinkDiffers},
			{"https://b\u00fccher.example", "https://xn--bcher-kva.example", render.LinkSame},
			{"https://ex\u0430mple.com", "https://example.com", render.LinkDiffers},
			{"https://example.com", "https://example.com@evil.example", render.LinkDiffers},
			{"https://example.com", "https://bank@example.com/", render.LinkDiffers},
			{"https://example.com", "https://example.com:8443", render.LinkDiffers},
			{"https://example.com\u200b", "https://example.com", render.LinkDiffers},
			{"https://example.com/x", "https://example.com/X", render.LinkDiffers},
			{"https://example.com/?a=1", "https://example.com/?a=2", render.LinkDiffers},
			{"https://example.com/#a", "https://example.com/#b", render.LinkDiffers},
			{"click here", "https://example.com", render.LinkDiffers}, {"", "https://example.com", render.LinkDiffers},
			{"javascript:x", "https://example.com", render.LinkDiffers}, {"https://[::1]", "https://[::1]/", render.LinkSame},
			{"a@b.example", "mailto:a@b.example", render.LinkSame}, {"a@b.example", "mailto:c@b.example", render.LinkDiffers},
			{"+49 (30) 1-2", "tel:+493012", render.LinkSame}, {"110", "tel:+9001234", render.LinkDiffers},
			{"mimi://EXAMPLE.com/u/alice", "mimi://example.com/u/alice", render.LinkSame}, {"Bob", "mimi://example.com/u/alice", render.LinkDiffers},
		} {
			if got := render.Judge(c.text, c.target); got != c.want {
				t.Errorf("[%s](%s): %d, want %d", c.text, c.target, got, c.want)
			}
		}
	})
	t.Run("C-SEC-11 and the page is told", func(t *testing.T) {
		for source, want := range map[string]string{
			"[https://example.com/foobar](https://spearphishers.example/foobar)": ` data-parley-link="differs"`,
			"[https://example.com/foobar](http://example.com/foobar)":            ` data-parley-link="downgraded"`,
			"[example.com/foobar](https://example.com/foobar)":                   "",
		} {
			if got := render.Markdown(source).HTML(render.Options{}); !strings.Contains(got, anchor+want+">") {
				t.Errorf("%s: %s", source, got)
			}
		}
		links := render.Markdown("[a](https://x.example) <https://y.example>").Links(render.Options{})
		if fmt.Sprint(links) != "[{a https://x.example 1} {https://y.example https://y.example 0}]" {
			t.Errorf("%v", links)
		}
	})
}

func TestMentions(t *testing.T) {
	alice, bob := parse(t, "mimi://example.com/u/alice-smith"), parse(t, "mimi://b.example/u/bob")
	options := render.Options{Self: bob, Member: func(u uri.User) (string, bool) {
		name, ok := map[uri.User]string{alice: "Alice Smith", bob: "Bob"}[u]
		return name, ok
	}}
	t.Run("C-MEN-01 a link to a user of the room, no other", func(t *testing.T) {
		doc := render.Markdown("<mimi://example.com/u/alice-smith> [x](mimi://EXAMPLE.com/u/alice-smith) [y](mimi://example.com/u/carol) [r](mimi://example.com/r/room) [z](https://example.com/u/alice-smith)")
		if got := doc.Mentions(options); len(got) != 1 || got[0].User != alice {
			t.Errorf("%v", got)
		}
		html := render.HTML(`<p>Kudos to <a href="mimi://example.com/u/alice-smith">@Alice Smith</a>`)
		if got := html.Mentions(options); len(got) != 1 || got[0].Name != "Alice Smith" {
			t.Errorf("%v", got)
		}
		if got := render.Markdown("@Alice Smith `<mimi://example.com/u/alice-smith>`").Mentions(options); got != nil {
			t.Errorf("%v", got)
		}
	})
	t.Run("C-MEN-02 the text is a hint, and not taken if it names somebody else", func(t *testing.T) {
		for text, want := range map[string]string{"@Bob": "@Alice Smith", "Alice Smith": "@Alice Smith", "@alice-smith": "@alice-smith", "your bank": "@Alice Smith",
			"mimi://example.com/u/alice-smith": "@Alice Smith", "*Alice* Smith": "@Alice Smith", "": "@Alice Smith", "Alice\u202e": "@Alice Smith"} {
			doc := render.Markdown("[" + text + "](mimi://example.com/u/alice-smith)")
			if got := doc.PlainText(options); got != want {
				t.Errorf("%q: %q", text, got)
			}
			if got := doc.HTML(options); !strings.Contains(got, `data-parley-mention="">`+want+"</a>") {
				t.Errorf("%q: %s", text, got)
			}
		}
	})
	t.Run("C-MEN-03 without support a link like others", func(t *testing.T) {
		doc := render.Markdown("[@Bob](mimi://example.com/u/alice-smith)")
		if got := doc.PlainText(render.Options{}); got != "@Bob (mimi://example.com/u/alice-smith)" || doc.Mentions(render.Options{}) != nil {
			t.Errorf("%q", got)
		}
		if got := doc.HTML(render.Options{}); strings.Contains(got, "mention") || !strings.Contains(got, `data-parley-link="differs"`) {
			t.Errorf("%s", got)
		}
	})
	t.Run("C-MEN-04 a mention of this user is told", func(t *testing.T) {
		doc := render.Markdown("<mimi://b.example/u/bob> <mimi://example.com/u/alice-smith>")
		got := doc.Mentions(options)
		if len(got) != 2 || !got[0].Self || got[1].Self {
			t.Errorf("%v", got)
		}
		if html := doc.HTML(options); strings.Count(html, `data-parley-mention="self"`) != 1 {
			t.Errorf("%s", html)
		}
	})
	t.Run("C-MEN-05 what is sent is a mention", func(t *testing.T) {
		for _, name := range []string{"", "Alice Smith", "a](https://evil.example) *x*", "<b>", "`"} {
			if got := render.Markdown(render.Outgoing("hi " + content.Mention(alice, name) + "!")).Mentions(options); len(got) != 1 || got[0].User != alice {
				t.Errorf("%q: %v", name, got)
			}
			if got := render.HTML("hi " + content.MentionHTML(alice, name) + "!").Mentions(options); len(got) != 1 || got[0].User != alice {
				t.Errorf("%q: %v", name, got)
			}
			if doc := render.Markdown("hi " + content.Mention(alice, name)); name != "" && doc.PlainText(render.Options{}) != "hi @"+name+" (mimi://example.com/u/alice-smith)" {
				t.Errorf("%q: %q", name, doc.PlainText(render.Options{}))
			}
		}
	})
}

func TestView(t *testing.T) {
	part := func(d content.Disposition, contentType, text string) content.Part {
		return content.Part{Disposition: d, Body: content.Single{ContentType: contentType, Content: []byte(text)}}
	}
	body := content.Part{Disposition: content.DispositionRender, Body: content.Multi{Semantics: content.ProcessAll, Parts: []content.Part{
		part(0, content.TypeHTML, `<p>see <img src="cid:5@local.invalid" alt="cat"> and <img src="cid:6@local.invalid">`),
		part(0, content.TypePlain, "a\nb"), part(0, content.TypeMarkdown, "*c*"), part(content.DispositionInline, "image/png", "x"),
		part(content.DispositionInline, "image/png", "cat"), part(content.DispositionAttachment, "image/png", "hidden"),
		part(content.DispositionProfile, content.TypePlain, "I am the admin"),
		{Disposition: content.DispositionSession, Body: content.External{URL: "https://x.example/join", Description: "Join"}},
	}}}
	doc := render.View(content.Receiver{}.View(body))
	const want = `<p>see <img src="blob:5" alt="cat"> and [image]</p><p>a<br>b</p><p><em>c</em></p><p>[image: [image/png]]</p>` +
		`<p class="parley-file" data-parley-part="7">[profile]</p>` +
		`<p class="parley-file" data-parley-part="8">[session: Join] https://x.example/join</p>`
	if got := doc.HTML(render.Options{Image: pictures}); got != want {
		t.Errorf("%s", got)
	}
	checkSafe(t, "view", doc.HTML(render.Options{Image: pictures}))
	if got := doc.PlainText(render.Options{}); !strings.Contains(got, "[session: Join]") || strings.Contains(got, "admin") {
		t.Errorf("%q", got)
	}
}
