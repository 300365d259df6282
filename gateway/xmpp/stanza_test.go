package xmpp

import (
	"strings"
	"testing"

	"parley/uri"
)

const head = "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' id='x1'>"

func read(t *testing.T, stanza string) (*element, error) {
	t.Helper()
	r := newReader(strings.NewReader(head + stanza))
	if id, err := r.open(); err != nil || id != "x1" {
		t.Fatalf("%q, %v", id, err)
	}
	return r.next()
}

func TestReadStanza(t *testing.T) {
	e, err := read(t, "<message from='a@b/c' id='1'><body>x &lt; y</body><html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'>a <b>c</b> d<br/></body></html></message>")
	if err != nil || e.attr("from") != "a@b/c" || e.child("", "body").content() != "x < y" {
		t.Fatalf("%+v, %v", e, err)
	}
	var b strings.Builder
	e.child(nsXHTMLIM, "html").child(nsXHTML, "body").html(&b)
	if b.String() != "a <b>c</b> d<br>" {
		t.Errorf("%q", b.String())
	}
}

func TestHostileXML(t *testing.T) {
	for name, stanza := range map[string]string{
		"DTD":         "<!DOCTYPE x [<!ENTITY a 'b'>]><message/>",
		"entity":      "<message><body>&a;</body></message>",
		"bomb":        "<!DOCTYPE lolz [<!ENTITY lol 'lol'><!ENTITY lol2 '&lol;&lol;'>]><message>&lol2;</message>",
		"comment":     "<message><!-- x --></message>",
		"instruction": "<message><?php x ?></message>",
		"depth":       "<message>" + strings.Repeat("<a>", 40) + strings.Repeat("</a>", 40) + "</message>",
		"elements":    "<message>" + strings.Repeat("<a/>", 3000) + "</message>",
		"size":        "<message><body>" + strings.Repeat("x", 2*mostOctets) + "</body></message>",
		"tags":        "<message><body></message>",
		"text":        "smuggled <message/>",
		"end":         "</stream:stream>",
	} {
		if e, err := read(t, stanza); err == nil {
			t.Errorf("%s was taken: %+v", name, e)
		}
	}
}

func TestWriteSmugglesNothing(t *testing.T) {
	out := part{name: "message", attrs: []string{"to", "a'/><x y='", "empty", ""}, inside: []part{{name: "body", text: "</body><evil/>&\x00\x1b\u202e"}}}.String()
	if out != "<message to='a&apos;/&gt;&lt;x y=&apos;'><body>&lt;/body&gt;&lt;evil/&gt;&amp;</body></message>" {
		t.Errorf("%q", out)
	}
}

func TestAddresses(t *testing.T) {
	for name, local := range map[string]string{"mimi://a.example/u/alice": `alice\40a.example`, "mimi://a.example/u/o'neil": `o\27neil\40a.example`,
		"mimi://a.example/u/a@b": `a\40b\40a.example`} {
		u, err := uri.ParseUser(name)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := ghost(u)
		if !ok || got != local {
			t.Errorf("%s: %q", name, got)
		}
		if back, ok := userOf(got); !ok || back != u {
			t.Errorf("%s: back it is %s", name, back)
		}
	}
	if u, err := uri.ParseUser("mimi://a.example/u/Alice"); err != nil {
		t.Fatal(err)
	} else if local, ok := ghost(u); ok {
		t.Errorf("%q: addresses do not tell capitals apart", local)
	}
	for _, local := range []string{"", "alice", `\40a.example`, `alice\40`, `alice\40not a domain`} {
		if u, ok := userOf(local); ok {
			t.Errorf("%q is %s", local, u)
		}
	}
}

func TestFallbackIsCutOut(t *testing.T) {
	span := func(from, to string) *element { return &element{attrs: map[string]string{"start": from, "end": to}} }
	for _, c := range []struct {
		body string
		span *element
		want string
	}{
		{"> é\nyes", span("0", "4"), "yes"}, {"abc", span("2", "9"), "abc"}, {"abc", span("-1", "1"), "abc"}, {"abc", span("2", "1"), "abc"},
		{"abc", nil, "abc"}, {"abc", span("x", "1"), "abc"},
	} {
		if got := without(c.body, c.span); got != c.want {
			t.Errorf("%q: %q", c.body, got)
		}
	}
}

func FuzzStanza(f *testing.F) {
	for _, s := range []string{"<message><body>x</body></message>", "<iq type='get'><query xmlns='x'/></iq>", "<message><html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'><a href='x'>y</a></body></html></message>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := newReader(strings.NewReader(head + s))
		if _, err := r.open(); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			e, err := r.next()
			if err != nil {
				return
			}
			var b strings.Builder
			e.html(&b)
			if again, err := read(t, part{name: "message", text: e.text, attrs: []string{"id", e.attr("id")}}.String()); err != nil {
				t.Fatalf("%q: what was written cannot be read: %v", s, err)
			} else if again.name != "message" {
				t.Fatalf("%q", s)
			}
		}
	})
}
