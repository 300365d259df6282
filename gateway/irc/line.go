package irc

import (
	"errors"
	"strings"
	"unicode/utf8"
)

const (
	mostLine   = 512 // octets with the end of the line, RFC 2812 §2.3
	mostTags   = 8191
	mostParams = 15
)

var errLine = errors.New("irc: not a line of the protocol")

// message is one line.
type message struct {
	from    string // nick or server, without user and host
	command string // upper case
	params  []string
}

// param is the parameter with a number, "" if there is none.
func (m *message) param(n int) string {
	if n < len(m.params) {
		return m.params[n]
	}
	return ""
}

// last is the last parameter.
func (m *message) last() string { return m.param(len(m.params) - 1) }

// parse reads a line without its end.
func parse(line string) (m message, err error) {
	if strings.HasPrefix(line, "@") {
		tags, rest, found := strings.Cut(line, " ")
		if !found || len(tags) > mostTags {
			return m, errLine
		}
		line = strings.TrimLeft(rest, " ")
	}
	if len(line) > mostLine || strings.ContainsAny(line, "\x00\r\n") {
		return m, errLine
	}
	if rest, prefixed := strings.CutPrefix(line, ":"); prefixed {
		from, rest, found := strings.Cut(rest, " ")
		if !found || from == "" {
			return m, errLine
		}
		m.from, _, _ = strings.Cut(from, "!")
		line = rest
	}
	for line = strings.TrimLeft(line, " "); line != ""; line = strings.TrimLeft(line, " ") {
		if rest, trailing := strings.CutPrefix(line, ":"); trailing && m.command != "" {
			m.params = append(m.params, rest)
			break
		}
		var word string
		word, line, _ = strings.Cut(line, " ")
		if m.command == "" {
			m.command = strings.ToUpper(word)
			continue
		}
		if len(m.params) == mostParams {
			return m, errLine
		}
		m.params = append(m.params, word)
	}
	if !commandName(m.command) {
		return m, errLine
	}
	for n, p := range m.params {
		m.params[n] = strings.ToValidUTF8(p, "\ufffd")
	}
	return m, nil
}

func commandName(s string) bool {
	if s == "" || len(s) > 20 {
		return false
	}
	for n := range len(s) {
		if c := s[n]; (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// format writes a line. Words have no spaces; text, if it is not nil, is the last parameter.
func format(from, command string, words []string, text *string) string {
	var b strings.Builder
	if from != "" {
		b.WriteString(":" + word(from) + " ")
	}
	b.WriteString(command)
	for _, w := range words {
		b.WriteString(" " + word(w))
	}
	if text != nil {
		b.WriteString(" :" + harmless(*text))
	}
	out := b.String()
	if len(out) > mostLine-2 {
		out = out[:mostLine-2]
		for !utf8.ValidString(out) {
			out = out[:len(out)-1]
		}
	}
	return out + "\r\n"
}

// word is a parameter that is not the last: it has no spaces, does not begin with a colon, and is not empty.
func word(s string) string {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
	s = strings.TrimLeft(s, ":")
	if s == "" {
		return "*"
	}
	return s
}

// harmless is text without what would end a line.
func harmless(s string) string {
	return strings.Map(func(r rune) rune {
		if r == 0 || r == '\r' || r == '\n' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}

// fold is the form in which nicks and channels are compared (CASEMAPPING=ascii).
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// nickOctet are the characters of the nicks that we give.
func nickOctet(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}
