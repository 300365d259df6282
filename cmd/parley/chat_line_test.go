package main

import (
	"strings"
	"testing"
	"time"

	"parley/uri"
)

func mustUser(t testing.TB, s string) uri.User {
	t.Helper()
	u, err := uri.ParseUser(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func mustRoom(t testing.TB, s string) uri.Room {
	t.Helper()
	r, err := uri.ParseRoom(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestParseLine(t *testing.T) {
	home := mustUser(t, "mimi://a.example/u/alice").Provider()
	bob := mustUser(t, "mimi://b.example/u/bob")
	for line, want := range map[string]chatLine{
		"":                            {},
		"  \t":                        {},
		"hello":                       {verb: say, text: "hello"},
		" spaces stay ":               {verb: say, text: " spaces stay "},
		"hello\r\n":                   {verb: say, text: "hello"},
		"//etc/passwd":                {verb: say, text: "/etc/passwd"},
		"/help":                       {verb: "help"},
		"/rooms ":                     {verb: "rooms"},
		"/room 2":                     {verb: "room", text: "2"},
		"/room the club":              {verb: "room", text: "the club"},
		"/new Club House":             {verb: "new", text: "Club House"},
		"/join mimi://b.example/r/x":  {verb: "join", room: mustRoom(t, "mimi://b.example/r/x")},
		"/people":                     {verb: "people"},
		"/add mimi://b.example/u/bob": {verb: "add", user: bob},
		"/add bob@b.example":          {verb: "add", user: bob},
		"/add bob@B.EXAMPLE":          {verb: "add", user: bob},
		"/add   carol":                {verb: "add", user: mustUser(t, "mimi://a.example/u/carol")},
		"/add a@b@b.example":          {verb: "add", user: mustUser(t, "mimi://b.example/u/a%40b")},
		"/remove bob@b.example":       {verb: "remove", user: bob},
		"/leave":                      {verb: "leave"},
		"/history":                    {verb: "history", n: 20},
		"/history 3":                  {verb: "history", n: 3},
		"/wait":                       {verb: "wait"},
		"/wait 1.5":                   {verb: "wait", wait: 1500 * time.Millisecond},
		"/quit":                       {verb: "quit"},
	} {
		if got, err := parseLine(line, home); err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", line, got, err, want)
		}
	}
	for line, say := range map[string]string{
		"/":                            "/help lists them",
		"/nonsense":                    "/help lists them",
		"/Help":                        "/help lists them",
		"/help me":                     "/help",
		"/room":                        "/room N|URI|NAME",
		"/new  ":                       "/new NAME",
		"/join b.example":              "/join URI",
		"/join mimi://b.example/u/bob": "/join URI",
		"/add":                         "/add USER",
		"/add bob@":                    "/add USER",
		"/add @b.example":              "/add USER",
		"/add bob smith":               "/add USER",
		"/add u/bob":                   "/add USER",
		"/add mimi://b.example/r/room": "/add USER",
		"/remove bob@nö.example":       "/remove USER",
		"/leave now":                   "/leave",
		"/history 0":                   "/history [N]",
		"/history -1":                  "/history [N]",
		"/history many":                "/history [N]",
		"/wait 0":                      "/wait [SECONDS]",
		"/wait NaN":                    "/wait [SECONDS]",
		"/wait 1e300":                  "/wait [SECONDS]",
	} {
		if got, err := parseLine(line, home); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%q: %+v, %v; want an error with %q", line, got, err, say)
		}
	}
}

func TestHelpListsEveryCommand(t *testing.T) {
	help := chatHelp()
	for _, v := range chatVerbs() {
		if !strings.Contains(help, "/"+v.name) || v.what == "" {
			t.Errorf("/%s is not explained", v.name)
		}
	}
}

func TestSlug(t *testing.T) {
	for name, want := range map[string]string{
		"Clubhouse": "clubhouse", "Club  House!": "club-house", "--a--": "a", "Größe 5": "gr-e-5",
		strings.Repeat("x", 60): strings.Repeat("x", 40),
	} {
		if got := slug(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	if a, b := slug("日本"), slug("日本"); a == b || !strings.HasPrefix(a, "room-") {
		t.Errorf("names that no URI can have: %q and %q", a, b)
	}
}

func FuzzParseLine(f *testing.F) {
	for _, s := range []string{"", "hi", "/add bob@b.example", "/wait 1", "/history 5", "/join mimi://b.example/r/x", "//x"} {
		f.Add(s)
	}
	home := mustUser(f, "mimi://a.example/u/alice").Provider()
	f.Fuzz(func(t *testing.T, line string) {
		c, err := parseLine(line, home)
		if err == nil && strings.HasPrefix(line, "/") && !strings.HasPrefix(line, "//") && c.verb == say {
			t.Errorf("a command became a message: %q", line)
		}
	})
}
