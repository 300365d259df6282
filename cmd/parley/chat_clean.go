package main

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// What others wrote reaches the terminal through cleanText or cleanLine only.

const (
	zeroWidthNonJoiner = '\u200c' // Persian and others need it
	zeroWidthJoiner    = '\u200d' // emoji need it
	maxMarks           = 8        // combining marks on one character; more of them paint over other lines
)

// harmful reports whether a character could steer a terminal or make text look different from what it is: C0 and C1 controls,
// changes of direction and other invisible formatting, separators of lines.
func harmful(r rune) bool {
	if r == zeroWidthJoiner || r == zeroWidthNonJoiner {
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// cleanText keeps line breaks and turns tabs into spaces.
func cleanText(s string) string {
	var out strings.Builder
	marks := 0
	for _, r := range strings.ToValidUTF8(s, string(utf8.RuneError)) {
		switch {
		case r == '\n' || r == '\u2028' || r == '\u2029':
			out.WriteByte('\n')
			continue
		case r == '\t':
			out.WriteString("    ")
			continue
		case harmful(r):
			continue
		case unicode.In(r, unicode.Mn, unicode.Me):
			if marks++; marks > maxMarks {
				continue
			}
		default:
			marks = 0
		}
		out.WriteRune(r)
	}
	return out.String()
}

// cleanLine is cleanText on one line.
func cleanLine(s string) string { return strings.ReplaceAll(cleanText(s), "\n", " ") }

// escapeJSON writes harmful characters in an encoded JSON value as escapes. The value stays the same, and a terminal that shows it is
// safe: encoding/json leaves C1 controls and changes of direction as they are.
func escapeJSON(encoded []byte) []byte {
	const hex = "0123456789abcdef"
	out := make([]byte, 0, len(encoded))
	unit := func(u uint16) {
		out = append(out, '\\', 'u', hex[u>>12], hex[u>>8&15], hex[u>>4&15], hex[u&15])
	}
	for _, r := range string(encoded) {
		switch {
		case r == '\n' || !harmful(r): // the line's own end
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			r -= 0x10000
			unit(0xd800 | uint16(r>>10))
			unit(0xdc00 | uint16(r&0x3ff))
		default:
			unit(uint16(r))
		}
	}
	return out
}

// cells is how many columns a character takes on a terminal.
func cells(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Cc) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

func cellsOf(s string) int {
	n := 0
	for _, r := range s {
		n += cells(r)
	}
	return n
}

// cut shortens a text to so many columns.
func cut(s string, columns int) string {
	if cellsOf(s) <= columns {
		return s
	}
	n := 1 // the ellipsis
	for i, r := range s {
		if n += cells(r); n > columns {
			return s[:i] + "…"
		}
	}
	return s
}

// wrap breaks a text into lines of so many columns, the ones after the first behind indent: so nothing in a message can pass for
// the beginning of another one. columns 0 breaks at line breaks only.
func wrap(text string, columns int, indent string) []string {
	var out []string
	prefix := ""
	for _, paragraph := range strings.Split(text, "\n") {
		for {
			line, rest := paragraph, ""
			if columns > 0 {
				line, rest = split(paragraph, max(columns-cellsOf(prefix), 8))
			}
			out = append(out, strings.TrimRight(prefix+line, " "))
			prefix = indent
			if paragraph = rest; rest == "" {
				break
			}
		}
	}
	return out
}

// split takes a line of at most so many columns off, at a space where there is one.
func split(s string, columns int) (line, rest string) {
	n, space := 0, 0
	for i, r := range s {
		if r == ' ' {
			space = i
		}
		if n += cells(r); n <= columns {
			continue
		}
		if space > 0 && cellsOf(s[:space]) >= columns/2 { // scripts without spaces break anywhere
			return s[:space], strings.TrimLeft(s[space:], " ")
		}
		return s[:i], s[i:]
	}
	return s, ""
}
