package main

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestKeptHere(t *testing.T) {
	t.Parallel()
	w := newTowns(t)
	w.enrol("a", "alice", "alice")
	w.enrol("b", "bob", "bob")
	_, r := w.script("alice", "/new Club\n/add bob@b.example\nthe red house\na blue house\n/wait\n")
	r.must(t)
	events, r := w.script("bob", "/search house RED\n/mute\n", "--room", "club")
	r.must(t)
	var hits []string
	for _, e := range events {
		if e.Type == eventHit {
			hits = append(hits, *e.Text)
		}
	}
	if !slices.Equal(hits, []string{"the red house"}) {
		t.Errorf("%q", hits)
	}

	// Bob moves, and goes on with the same device.
	word := w.write("word", "correct horse battery\n")
	parley(t, "chat", "move-out", "--dir", w.path("bob"), "--file", w.path("bob.export"), "--passphrase-file", word).must(t)
	parley(t, "chat", "--dir", w.path("bob")).fails(t, exitFailed, "moved")
	if info, err := os.Stat(w.path("bob.export")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	wrong := w.write("wrong", "incorrect horse battery\n")
	parley(t, "chat", "move-in", "--dir", w.path("new"), "--file", w.path("bob.export"), "--passphrase-file", wrong).fails(t, exitFailed, "passphrase is wrong")
	parley(t, "chat", "move-in", "--dir", w.path("new"), "--file", w.path("bob.export"), "--passphrase-file", word).must(t)
	events, r = w.script("new", "from the new place\n/wait\n/show\n")
	r.must(t)
	if got := shows(events); !slices.Equal(got, []string{"alice@a.example: the red house", "alice@a.example: a blue house", "bob@b.example: from the new place"}) {
		t.Errorf("%q", got)
	}

	// A second device of Bob's gets the history.
	w.enrol("b", "bob", "tablet")
	_, r = w.script("tablet", "/join mimi://a.example/r/club\n/wait\n")
	r.must(t)
	parley(t, "chat", "share-history", "--dir", w.path("new"), "--file", w.path("history"), "--passphrase-file", word).must(t)
	parley(t, "chat", "take-history", "--dir", w.path("tablet"), "--file", w.path("history"), "--passphrase-file", word).must(t)
	events, r = w.script("tablet", "/show\n")
	r.must(t)
	if got := shows(events); !slices.Contains(got, "alice@a.example: the red house") || !slices.Contains(got, "bob@b.example: from the new place") {
		t.Errorf("%q", got)
	}
}

// A draft survives that the process is killed.
func TestDraft(t *testing.T) {
	t.Parallel()
	w := newTowns(t)
	w.enrol("a", "alice", "alice")
	_, r := w.script("alice", "/new Club\n")
	r.must(t)
	p := w.chatIn("alice")
	p.until("Club · online")
	p.write("half a thought")
	p.until("> half a thought")
	<-time.NewTimer(3 * draftPause).C
	p.tmux("kill-server")
	q := w.chatIn("alice")
	q.until("Club · online", "> half a thought")
	q.press("Enter")
	q.until("you: half a thought")
	q.press("C-c")
	q.until("ended with 0")
	if strings.Contains(q.until(""), "> half") {
		t.Error("the draft is still there")
	}
}

func TestStrangersAndBlocked(t *testing.T) {
	t.Parallel()
	w := newTowns(t)
	w.enrol("a", "alice", "alice")
	w.enrol("b", "bob", "bob")
	_, r := w.script("alice", "/new Club\n/add bob@b.example\nbuy now\n/wait\n")
	r.must(t)
	events, r := w.script("bob", "", "--hold-strangers")
	r.must(t)
	equal(t, "from strangers", texts(events), nil)
	events, r = w.script("bob", "/accept\n", "--hold-strangers", "--room", "club")
	r.must(t)
	equal(t, "once it is accepted", texts(events), []string{"alice@a.example: buy now"})

	_, r = w.script("bob", "/block alice@a.example\n", "--room", "club")
	r.must(t)
	_, r = w.script("alice", "do you hear me?\n/wait\n")
	r.must(t)
	events, r = w.script("bob", "/unread\n")
	r.must(t)
	equal(t, "from somebody blocked", texts(events), nil)
	for _, e := range events {
		if e.Type == eventUnread && *e.Unread != 0 {
			t.Errorf("%d unread", *e.Unread)
		}
	}
}
