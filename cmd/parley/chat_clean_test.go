package main

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
)

// joined needs joiners to be read: Hindi, Persian, a family.
const joined = "\u0915\u094d\u200d\u0937 \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \U0001f469\u200d\U0001f469\u200d\U0001f467"

// hostile are texts that must not do on a terminal what they say, with what may be left of them.
func hostile() map[string]string {
	return map[string]string{
		"\x1b[2J\x1b[Hgone":                "[2J[Hgone",
		"\x1b]0;title\x07x":                "]0;titlex",
		"\x9b31mred":                       "\uFFFD31mred", // a lone C1 octet is no UTF-8
		"\u009b31mred":                     "31mred",
		"a\rb\bc\x7fd\x00e":                "abcde",
		"photo\u202egnp.exe":               "photognp.exe",
		"\u2066a\u2069\u200e\u200f\u061c":  "a",
		"\ufeffzero\u00adwidth\u2060":      "zerowidth",
		"tag\U000e0041\U000e007f":          "tag",
		"tab\tend":                         "tab    end",
		joined:                             joined,
		"é" + strings.Repeat("\u0301", 50): "é" + strings.Repeat("\u0301", maxMarks),
		"one\ntwo\u2028three":              "one\ntwo\nthree",
	}
}

func TestCleanText(t *testing.T) {
	for text, want := range hostile() {
		if got := cleanText(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		if got := cleanLine(text); strings.ContainsAny(got, "\n\r") {
			t.Errorf("%q on one line: %q", text, got)
		}
	}
}

func FuzzCleanText(f *testing.F) {
	for text := range hostile() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range cleanText(text) {
			if r != '\n' && harmful(r) || unicode.IsControl(r) && r != '\n' {
				t.Fatalf("%q left %U", text, r)
			}
		}
	})
}

func FuzzEscapeJSON(f *testing.F) {
	for text := range hostile() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		plain, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		escaped := escapeJSON(plain)
		for _, r := range string(escaped) {
			if harmful(r) {
				t.Fatalf("%q left %U", text, r)
			}
		}
		var before, after string
		if json.Unmarshal(plain, &before) != nil || json.Unmarshal(escaped, &after) != nil || before != after {
			t.Errorf("%q became %q", before, after)
		}
	})
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text    string
		columns int
		want    string
	}{
		{"short", 20, "short"},
		{"", 20, ""},
		{"one two three four", 10, "one two|> three|> four"},
		{"one\ntwo", 0, "one|> two"},
		{"a\n\nb", 20, "a|>|> b"},
		{"abcdefghijklmnopqrst", 10, "abcdefghij|> klmnopqr|> st"},
		{"こんにちは世界", 10, "こんにちは|> 世界"},
		{"x こんにちは世界", 10, "x こんにち|> は世界"},
	} {
		if got := strings.Join(wrap(c.text, c.columns, "> "), "|"); got != c.want {
			t.Errorf("%q in %d: %q, want %q", c.text, c.columns, got, c.want)
		}
	}
}

func FuzzWrap(f *testing.F) {
	f.Add("one two three\nこんにちは世界 👩‍👩‍👧 é", 10)
	f.Fuzz(func(t *testing.T, text string, columns int) {
		if columns < 12 || columns > 200 {
			return
		}
		text = cleanText(text)
		lines := wrap(text, columns, "  │ ")
		for i, line := range lines {
			if cellsOf(line) > columns {
				t.Errorf("%q has %d columns, not %d", line, cellsOf(line), columns)
			}
			if i > 0 && !strings.HasPrefix(line, "  │") {
				t.Errorf("line %d of a message looks like another one: %q", i, line)
			}
		}
		squeeze := func(s string) string { return strings.Map(kept, s) }
		if got := squeeze(strings.Join(lines, "")); got != squeeze(text) {
			t.Errorf("%q became %q", squeeze(text), got)
		}
	})
}

// kept drops what wrapping may add or drop.
func kept(r rune) rune {
	if r == ' ' || r == '\n' || r == '│' {
		return -1
	}
	return r
}

func TestCells(t *testing.T) {
	for text, want := range map[string]int{"abc": 3, "日本": 4, "e\u0301": 1, "👩": 2, "ｆ": 2, "ｶ": 1, "": 0} {
		if got := cellsOf(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
	if got := cut("日本語テスト", 7); got != "日本語…" {
		t.Errorf("cut: %q", got)
	}
}
