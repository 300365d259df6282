package convert

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"parley/content/render"
)

// Clean is text that is safe for every network: lines end in \n, and nothing in it acts on anything. lost tells whether more than
// line ends was changed.
func Clean(s string) (clean string, lost bool) {
	lines := strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	clean = strings.Map(func(r rune) rune {
		if r == 0xfffe || r == 0xffff || r == '\ufeff' {
			return -1 // no characters of XML; a byte order mark inside of a text
		}
		return r
	}, render.Visible(lines))
	return clean, clean != strings.ReplaceAll(lines, "\u2028", "\n")
}

// Line is text in one line, for names, topics and everything else that must not end a line of a protocol.
func Line(s string) string {
	clean, _ := Clean(s)
	return strings.Join(strings.FieldsFunc(clean, func(r rune) bool { return r == '\n' || r == '\t' }), " ")
}

// Split cuts a text into pieces of at most limit octets. It cuts at line ends, else between words, else between characters as users
// see them: a combining mark, a joined emoji or a flag is never cut apart unless it alone is longer than limit. Empty lines vanish.
func Split(text string, limit int) []string {
	limit = max(limit, utf8.UTFMax)
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		for len(line) > limit {
			n := cut(line, limit)
			if piece := strings.TrimRight(line[:n], " "); piece != "" {
				out = append(out, piece)
			}
			line = strings.TrimLeft(line[n:], " ")
		}
		if strings.TrimSpace(line) != "" {
			out = append(out, line)
		}
	}
	return out
}

// cut is where to cut a line that is longer than limit.
func cut(line string, limit int) int {
	if at := strings.LastIndexByte(line[:limit+1], ' '); at > limit/2 {
		return at
	}
	for at := limit; at > 0; at-- {
		if utf8.RuneStart(line[at]) && apart(line, at) {
			return at
		}
	}
	for at := limit; at > 0; at-- {
		if utf8.RuneStart(line[at]) {
			return at
		}
	}
	return limit
}

const joiner = '\u200d'

// apart reports whether the characters before and after a place are two for a user. It knows combining marks, joiners, modifiers of
// emoji and pairs of regional indicators, which is all that is common in chat.
func apart(s string, at int) bool {
	before, _ := utf8.DecodeLastRuneInString(s[:at])
	after, _ := utf8.DecodeRuneInString(s[at:])
	switch {
	case before == joiner, after == joiner, unicode.Is(unicode.M, after), after >= 0x1f3fb && after <= 0x1f3ff, after >= 0xe0020 && after <= 0xe007f:
		return false
	case regional(after) && regional(before):
		n := 0
		for rest := s[:at]; ; n++ {
			r, size := utf8.DecodeLastRuneInString(rest)
			if !regional(r) {
				break
			}
			rest = rest[:len(rest)-size]
		}
		return n%2 == 0
	}
	return true
}

func regional(r rune) bool { return r >= 0x1f1e6 && r <= 0x1f1ff }
