package main

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// shows are the messages as /show has them.
func shows(events []chatEvent) (out []string) {
	for _, e := range events {
		if e.Type != eventShow {
			continue
		}
		line := shortUser(e.User) + ": " + *e.Text
		if e.Shown.Deleted != "" {
			line = shortUser(e.User) + " deleted"
		}
		if e.Shown.ReplyTo != "" {
			line += " > " + e.Shown.Quote
		}
		if e.Shown.Edited {
			line += " (edited)"
		}
		for _, r := range e.Shown.Reactions {
			line += fmt.Sprintf(" [%s %d]", r.Text, len(r.Users))
		}
		out = append(out, line)
	}
	return out
}

func deliveries(events []chatEvent) (out []string) {
	for _, e := range events {
		if e.Type != eventDelivery {
			continue
		}
		for _, d := range e.Shown.Delivery {
			out = append(out, strings.TrimSpace(shortUser(d.User)+" "+d.State+" "+d.Reason))
		}
	}
	return out
}

func TestTalk(t *testing.T) {
	t.Parallel()
	w := newTowns(t)
	w.enrol("a", "alice", "alice")
	w.enrol("b", "bob", "bob")
	_, r := w.script("alice", "/new Club\n/add bob@b.example\nfirst\n/wait\n/md hello @bob@b.example\n/expire 3600 brief\n")
	r.must(t)
	events, r := w.script("bob", "/unread\n/reply ^3 an answer\n/react ^3 \u2764\n/wait\n/read\n/unread\n/show\n")
	r.must(t)
	equal(t, "bob sees", shows(events), []string{"alice@a.example: first [\u2764 1]", "alice@a.example: hello [@bob](mimi://b.example/u/bob)",
		"alice@a.example: brief", "bob@b.example: an answer > first"})
	var unread []int
	for _, e := range events {
		if e.Type == eventUnread {
			unread = append(unread, *e.Unread, e.Mentions)
		}
	}
	if fmt.Sprint(unread) != "[3 1 0 0]" {
		t.Errorf("unread: %v", unread)
	}
	_, r = w.script("bob", "/delete ^2\n")
	r.fails(t, exitFailed, "1 lines")
	if !strings.Contains(r.out, "only its author may do that") {
		t.Error(r.out)
	}
	events, r = w.script("alice", "/edit ^4 FIRST\n/delete ^2\n/wait\n/show\n/delivery ^4\n")
	r.must(t)
	equal(t, "alice sees", shows(events), []string{"alice@a.example: FIRST (edited) [\u2764 1]", "alice@a.example: hello [@bob](mimi://b.example/u/bob)",
		"alice@a.example deleted", "bob@b.example: an answer > first"})
	if got := deliveries(events); len(got) != 1 || got[0] != "bob@b.example delivered" && got[0] != "bob@b.example read" {
		t.Errorf("%q", got)
	}
}

// ask repeats a command until the answer is as wanted.
func (l *live) ask(command string, wanted func(*chatEvent) bool) *chatEvent {
	l.t.Helper()
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for range 60 {
		if _, err := io.WriteString(l.in, command+"\n"); err != nil {
			l.t.Fatal(err)
		}
		for answered := false; !answered; {
			select {
			case e, ok := <-l.events:
				if !ok {
					l.t.Fatalf("ended before %s was answered", command)
				}
				if wanted(&e) {
					return &e
				}
			case <-tick.C:
				answered = true
			}
		}
	}
	l.t.Fatalf("%s was never answered as wanted", command)
	return nil
}

// While a provider is down, the sender learns for whom it waits, and when it is tried again.
func TestWaitingForAProvider(t *testing.T) {
	t.Parallel()
	w := newTowns(t)
	w.enrol("a", "alice", "alice")
	w.enrol("b", "bob", "bob")
	_, r := w.script("alice", "/new Club\n/add bob@b.example\nbefore\n/wait\n")
	r.must(t)
	w.stop["b"]()
	l := w.start("alice", "--follow", "--room", "club")
	if _, err := io.WriteString(l.in, "into the void\n"); err != nil {
		t.Fatal(err)
	}
	l.until("the message", func(e *chatEvent) bool { return e.Type == "message" && *e.Text == "into the void" })
	state := func(want string) func(*chatEvent) bool {
		return func(e *chatEvent) bool {
			return e.Type == eventDelivery && len(e.Shown.Delivery) == 1 && e.Shown.Delivery[0].State == want
		}
	}
	begin := time.Now()
	got := l.ask("/delivery ^1", state("waiting for provider")).Shown.Delivery[0]
	if took := time.Since(begin); got.Reason != "b.example" || got.Since == "" || got.Next == "" || took > 10*time.Second {
		t.Errorf("%+v after %v", got, took)
	}
	if text := (&textView{now: time.Now}).deliveryText(got); !strings.HasPrefix(text, "bob@b.example: waiting for provider b.example since ") ||
		!strings.Contains(text, ", next try ") {
		t.Errorf("%q", text)
	}
	w.serve("b")
	l.ask("/delivery ^1", state("accepted by provider"))
	l.kill()
}
