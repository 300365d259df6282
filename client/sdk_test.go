package client_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"parley/client"
	"parley/content"
)

// TestLibrary runs what doc/client.md shows.
func TestLibrary(t *testing.T) {
	c := newCircle(t)
	ctx, room, alice, bob := t.Context(), c.room, c.alice, c.bob
	bob.Receipts = client.Receipts{Delivered: true, Read: true}
	bob.Reopen()
	pass := func() { c.Work(); c.Pass(time.Second) }

	var first client.Sent
	{
		sent, err := alice.Say(ctx, room, "hello")
		c.must(err)
		first = sent
	}
	pass()
	{
		sent, err := alice.Post(ctx, room, client.Outgoing{
			Text:     "hello " + content.Mention(bob.Account().User, "bob"),
			Markdown: true, // render.Outgoing makes what people typed harmless
			Topic:    []byte("plans"),
			Expires:  &content.Expires{Relative: true, Time: 3600},
		})
		c.must(err)
		if sent.ID == first.ID {
			t.Error("one ID for two messages")
		}
	}
	pass()
	sent := first
	answer, err := bob.Reply(ctx, room, sent.ID, "hello yourself")
	c.must(err)
	pass()
	{
		_, err := alice.React(ctx, room, answer.ID, "\u2764")
		c.must(err)
	}
	pass()
	{
		_, err := bob.Edit(ctx, room, answer.ID, "hello, Alice")
		c.must(err)
	}
	pass()
	c.chores()

	var out strings.Builder
	messages, err := alice.Messages(ctx, room, 10)
	c.must(err)
	for _, m := range messages {
		fmt.Fprintf(&out, "%s: %s", m.Sender.Name(), m.Text)
		for _, r := range m.Reactions {
			fmt.Fprintf(&out, " [%s %d]", r.Text, r.Users())
		}
		fmt.Fprintln(&out)
	}
	delivery, err := alice.Delivery(ctx, room, first.ID)
	c.must(err)
	for _, d := range delivery {
		fmt.Fprintln(&out, d.User.Name(), d.State)
	}
	want := "alice: hello\nalice: hello [@bob](mimi://b.example/u/bob)\nbob: hello, Alice [\u2764 1]\nbob delivered\ncathy accepted by hub\n"
	if out.String() != want {
		t.Errorf("%s", &out)
	}
}

// Each piece of code in doc/client.md stands in this file, so that it compiles and runs.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile("../doc/client.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("sdk_test.go")
	if err != nil {
		t.Fatal(err)
	}
	plain := regexp.MustCompile(`(?m)^\t+`)
	pieces := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(pieces) < 6 {
		t.Errorf("%d pieces", len(pieces))
	}
	for _, p := range pieces {
		if !strings.Contains(plain.ReplaceAllString(string(source), ""), plain.ReplaceAllString(p[1], "")) {
			t.Errorf("not in the test:\n%s", p[1])
		}
	}
}
