package main

import (
	"strings"
	"testing"

	"parley/clientapi/api"
	"parley/mimi"
)

func TestWhatFindMeans(t *testing.T) {
	for text, want := range map[string]mimi.SearchType{
		"+49 30 123456": mimi.SearchPhone, "(030) 12-34": mimi.SearchPhone, "cathy@c.example": mimi.SearchEmail, "cathy": mimi.SearchNick,
		"mimi://c.example/u/cathy": mimi.SearchHandle, "xmpp:cathy@c.example": mimi.SearchHandle, "Cathy 2": mimi.SearchNick,
	} {
		if e, err := findQuery(text); err != nil || e.Type != want || e.Value != text {
			t.Errorf("%q: %+v, %v", text, e, err)
		}
	}
	if _, err := findQuery(""); err == nil {
		t.Error("nothing is something to search for")
	}
}

func TestWhatMeMeans(t *testing.T) {
	for text, want := range map[string]api.PersonChange{
		"prove +49 30 123456":            {Action: "prove", Type: "phone", Value: "+49 30 123456"},
		"confirm +49 30 123456 12345678": {Action: "confirm", Type: "phone", Value: "+49 30 123456", Code: "12345678"},
		"name Cathy C.":                  {Action: "set", Type: "claim", Name: "name", Value: "Cathy C."},
		"show name everybody":            {Action: "show", Type: "claim", Name: "name", Reach: "everybody"},
		"show a@b.example b.example c.x": {Action: "show", Type: "email", Value: "a@b.example", Reach: "b.example c.x"},
		"hide nobody":                    {Action: "hide", Reach: "nobody"},
		"forget a@b.example":             {Action: "withdraw", Type: "email", Value: "a@b.example"},
	} {
		if got, err := meChange(text); err != nil || *got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "prove", "confirm +49", "show name", "frobnicate x", "hide "} {
		if got, err := meChange(text); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

// What others say of themselves is shown without what could deceive a terminal.
func TestFoundTextIsClean(t *testing.T) {
	f := &api.Found{Matches: []api.Match{{User: "mimi://c.example/u/cathy", Fields: []api.MatchField{{Name: "name", Value: "C\x1b[2J\u202eathy\nx"}}}},
		Failed: []string{"b.example"}}
	got := foundText(f)
	if strings.ContainsAny(got, "\x1b\u202e\n") || !strings.Contains(got, "cathy@c.example") || !strings.Contains(got, "no answer from b.example") {
		t.Errorf("%q", got)
	}
	for code, want := range map[uint8]string{1: "nobody", 2: "too many", 3: "not allowed", 4: "nobody can be searched"} {
		if got := foundText(&api.Found{Code: code}); !strings.HasPrefix(got, want) && !strings.Contains(got, want) {
			t.Errorf("%d: %q", code, got)
		}
	}
}
