package irc

import (
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for line, want := range map[string]message{
		"PING :x":                                {"", "PING", []string{"x"}},
		":bob!b@h PRIVMSG #room :hi there":       {"bob", "PRIVMSG", []string{"#room", "hi there"}},
		"@time=1;x=y :bob privmsg  alice  hi":    {"bob", "PRIVMSG", []string{"alice", "hi"}},
		":s 401 alice nobody :No such nick":      {"s", "401", []string{"alice", "nobody", "No such nick"}},
		"NICK bob 1 ~bob 127.0.0.1 1 + :Bob : x": {"", "NICK", []string{"bob", "1", "~bob", "127.0.0.1", "1", "+", "Bob : x"}},
		"PRIVMSG x :":                            {"", "PRIVMSG", []string{"x", ""}},
		":bob PRIVMSG x :\xff":                   {"bob", "PRIVMSG", []string{"x", "\ufffd"}},
	} {
		got, err := parse(line)
		if err != nil || got.from != want.from || got.command != want.command || !slices.Equal(got.params, want.params) {
			t.Errorf("%q: %+v, %v", line, got, err)
		}
	}
	for _, line := range []string{"", " ", ":only", ": x", "@tags", "P\x00 x", "PRIVMSG x :a\rb", "É x", strings.Repeat("A", 21), "X" + strings.Repeat(" a", 16), strings.Repeat("x", 513)} {
		if got, err := parse(line); err == nil {
			t.Errorf("%q was taken as %+v", line, got)
		}
	}
}

func TestFormatSmugglesNothing(t *testing.T) {
	text := "a\r\nQUIT :x\x00"
	for _, got := range []string{
		format("bob", "PRIVMSG", []string{"alice\r\nKILL x", ":y z", ""}, &text),
		format("a b\r\n", "NICK", []string{"\n"}, nil),
		format("bob", "PRIVMSG", []string{"x"}, ptr(strings.Repeat("é", 400))),
	} {
		if strings.Count(got, "\n") != 1 || strings.Count(got, "\r") != 1 || !strings.HasSuffix(got, "\r\n") || len(got) > mostLine || strings.Contains(got, "\x00") {
			t.Errorf("%q", got)
		}
	}
	if got := format("bob", "PRIVMSG", []string{"alice\r\nKILL x"}, &text); got != ":bob PRIVMSG aliceKILLx :a  QUIT :x \r\n" {
		t.Errorf("%q", got)
	}
}

func ptr(s string) *string { return &s }

func FuzzParse(f *testing.F) {
	for _, s := range []string{"PING :x", ":bob!b@h PRIVMSG #room :hi", "@a=b :c D e", ":s 401 a b :c", "NJOIN #x :@a,+b", "\x01ACTION x\x01"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		m, err := parse(line)
		if err != nil {
			return
		}
		if len(m.params) > mostParams || strings.ContainsAny(m.from+strings.Join(m.params, ""), "\r\n\x00") {
			t.Fatalf("%q: %+v", line, m)
		}
		if len(m.params) == 0 {
			return
		}
		last := m.params[len(m.params)-1]
		again, err := parse(strings.TrimSuffix(format(m.from, m.command, m.params[:len(m.params)-1], &last), "\r\n"))
		if err != nil && len(line) < 400 {
			t.Fatalf("%q: written again it is no line: %v", line, err)
		}
		if err == nil && again.command != m.command {
			t.Fatalf("%q: another command after writing", line)
		}
	})
}
