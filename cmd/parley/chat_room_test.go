package main

import (
	"strings"
	"testing"
)

func TestRoomLines(t *testing.T) {
	home := mustUser(t, "mimi://a.example/u/alice").Provider()
	bob := mustUser(t, "mimi://b.example/u/bob")
	for line, want := range map[string]chatLine{
		"/make community The Club":               {verb: "make", id: "community", text: "The Club"},
		"/direct bob@b.example":                  {verb: "direct", user: bob},
		"/enter mimi://b.example/r/x":            {verb: "enter", room: mustRoom(t, "mimi://b.example/r/x")},
		"/enter mimi://b.example/r/x a code":     {verb: "enter", room: mustRoom(t, "mimi://b.example/r/x"), text: "a code"},
		"/role bob@b.example admin":              {verb: "role", user: bob, text: "admin"},
		"/ban bob@b.example":                     {verb: "ban", user: bob},
		"/topic":                                 {verb: "topic"},
		"/name Card Club":                        {verb: "name", text: "Card Club"},
		"/picture https://a.example/picture.png": {verb: "picture", text: "https://a.example/picture.png"},
	} {
		if got, err := parseLine(line, home); err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", line, got, err, want)
		}
	}
	for _, line := range []string{"/make", "/make club Name", "/make community", "/make direct Name", "/direct", "/enter b.example", "/role bob@b.example", "/name", "/unlink", "/link x"} {
		if _, err := parseLine(line, home); err == nil {
			t.Errorf("%q is taken", line)
		}
	}
}

func TestGovernedRooms(t *testing.T) {
	t.Parallel()
	w := newTowns(t)
	w.enrol("a", "alice", "alice")
	w.enrol("b", "bob", "bob")
	_, r := w.script("alice", "/make community Card Club\n/topic bridge\n/wait\n")
	r.must(t)
	events, r := w.script("bob", "/enter mimi://a.example/r/card-club\n/wait\nhello\n/rules\n/name Mine\n/wait\n")
	r.fails(t, exitFailed, "")
	equal(t, "bob reads", texts(events), []string{"bob@b.example: hello"})
	rules, refused := "", ""
	for _, e := range events {
		if e.Type == eventHelp && e.Text != nil {
			rules = *e.Text
		}
		if e.Fate == "failed" {
			refused = e.Reason
		}
	}
	for _, want := range []string{"name: Card Club", "topic: bridge", "everybody may come in", "member (you) may: "} {
		if !strings.Contains(rules, want) {
			t.Errorf("the rules lack %q:\n%s", want, rules)
		}
	}
	if want := "you may not change the room's name in this room"; !strings.Contains(refused, want) {
		t.Errorf("refused for %q", refused)
	}
	_, r = w.script("alice", "/role bob@b.example admin\n/wait\n", "--room", "Card Club")
	r.must(t)
	events, r = w.script("bob", "/name Bob's Club\n/wait\n/rules\n", "--room", "Card Club")
	r.must(t)
	for _, e := range events {
		if e.Type == eventHelp && e.Text != nil && !strings.Contains(*e.Text, "name: Bob's Club") {
			t.Errorf("%s", *e.Text)
		}
	}
}

func TestRoomKinds(t *testing.T) {
	r := parley(t, "room", "kinds").must(t)
	for _, want := range []string{"direct: ", "group: ", "moderated: ", "community: ", "announcement: ", "managed: ", "WHAT IS WRITTEN HERE IS LOGGED"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("%q is missing", want)
		}
	}
	parley(t, "room", "kinds", "club").fails(t, exitUsage, "no kind of room")
}
