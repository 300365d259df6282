package uri_test

import (
	"strings"
	"testing"

	"parley/uri"
)

func TestTemplate(t *testing.T) {
	t.Run("P-DIR-04 any single variable, by position, fully escaped", func(t *testing.T) {
		for template, want := range map[string]string{
			"https://a.example/v1/submit/{x}":               "https://a.example/v1/submit/mimi%3A%2F%2Fa.example%2Fr%2Fc",
			"https://a.example/v1/submit/{roomId}":          "https://a.example/v1/submit/mimi%3A%2F%2Fa.example%2Fr%2Fc",
			"https://a.example/v1/update{roomId}":           "https://a.example/v1/updatemimi%3A%2F%2Fa.example%2Fr%2Fc",
			"https://mimi.example.com:8443/{a-b_c}/x?y=%20": "https://mimi.example.com:8443/mimi%3A%2F%2Fa.example%2Fr%2Fc/x?y=%20",
			"https://a.example?room={r}":                    "https://a.example?room=mimi%3A%2F%2Fa.example%2Fr%2Fc",
		} {
			parsed, err := uri.ParseTemplate(template)
			if err != nil {
				t.Errorf("%s: %v", template, err)
				continue
			}
			if got := parsed.Expand("mimi://a.example/r/c"); got != want {
				t.Errorf("%s expands to %s", template, got)
			}
		}
		for _, template := range []string{
			"https://a.example/x", "https://a.example/{a}/{b}", "https://a.example/{}", "https://a.example/{a", "https://a.example/a}",
			"https://a.example/{{a}}", "https://a.example/{a}}", "https://a.example/{+a}", "https://a.example/{a,b}", "",
		} {
			if _, err := uri.ParseTemplate(template); err == nil {
				t.Errorf("%q accepted", template)
			}
		}
	})
	t.Run("P-DIR-07 no other scheme, user information or fragment", func(t *testing.T) {
		for _, template := range []string{
			"http://a.example/{x}", "ftp://a.example/{x}", "//a.example/{x}", "/v1/{x}", "a.example/{x}",
			"https://u@a.example/{x}", "https://u:p@a.example/{x}", "https://@a.example/{x}",
			"https://a.example/{x}#f", "https://a.example/#{x}", "https://a.example/{x}#",
			"https://{x}/", "https://{x}.example/", "https://a.example{x}", "https://a.example:{x}/", "https:///{x}", "https://?{x}",
			"https://a.example\\@evil.example/{x}", "https://a.example:/{x}", "https://a.example:0/{x}", "https://a.example:99999/{x}",
			"https://a.example:44a/{x}", "https://[::1]/{x}", "https://a.example/\r\nX: {x}", "https://a.example/ {x}", "https://a.example/%2{x}",
			"https://a.example/{x}" + strings.Repeat("a", 2048),
		} {
			if _, err := uri.ParseTemplate(template); err == nil {
				t.Errorf("%q accepted", template)
			}
		}
	})
}

func TestTemplateParts(t *testing.T) {
	parsed, err := uri.ParseTemplate("HTTPS://A.example:8443/v1/{targetUser}")
	if err != nil {
		t.Fatal(err)
	}
	if parsed.Var() != "targetUser" || parsed.Authority() != "a.example:8443" || parsed.Host() != "a.example" {
		t.Errorf("var %q, authority %q, host %q", parsed.Var(), parsed.Authority(), parsed.Host())
	}
	var zero uri.Template
	if !zero.IsZero() || zero.Expand("x") != "" || zero.String() != "" || zero.Authority() != "" {
		t.Error("the zero template is not empty")
	}
}

func TestExpandParty(t *testing.T) {
	bob, err := uri.ParseUser("mimi://b.example/u/bob")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"targetUser": "mimi%3A%2F%2Fb.example%2Fu%2Fbob", "requesterUser": "mimi%3A%2F%2Fb.example%2Fu%2Fbob",
		"targetDomain": "b.example", "x": "b.example",
	} {
		parsed, err := uri.ParseTemplate("https://b.example/consent/{" + name + "}")
		if err != nil {
			t.Fatal(err)
		}
		if got := parsed.ExpandParty(bob); got != "https://b.example/consent/"+want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestAcceptPath(t *testing.T) {
	for escaped, want := range map[string]string{
		"mimi%3A%2F%2Fa.example%2Fr%2Fa%252Fb": "mimi://a.example/r/a%2Fb",
		"a.example%2Fr%2Fa":                    "mimi://a.example/r/a",
		"a.example/r/a%2Fb":                    "mimi://a.example/r/a%2Fb",
		"mimi://a.example/r/a%2Fb":             "mimi://a.example/r/a%2Fb",
		"b.example":                            "mimi://b.example",
	} {
		if u, err := uri.AcceptPath(escaped); err != nil || u.String() != want {
			t.Errorf("%q: %q, %v", escaped, u, err)
		}
	}
	for _, escaped := range []string{
		"", "%", "mimi%3A%2F%2F", "a.example/clubhouse", "https%3A%2F%2Fa.example%2Fr%2Fx", "mimi:/a.example/r/x",
		"a.example/r/../u/x", "a.example%2Fr%2Fa%20b", strings.Repeat("a", 4000),
	} {
		if u, err := uri.AcceptPath(escaped); err == nil {
			t.Errorf("%q accepted as %q", escaped, u)
		}
	}
}
