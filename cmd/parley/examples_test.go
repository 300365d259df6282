package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// builtExample builds a program of the examples directory.
func builtExample(t testing.TB, name string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), name)
	if text, err := exec.Command("go", "build", "-o", out, "parley/examples/"+name).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, text)
	}
	return out
}

// TestExamples runs the bots of the examples directory against two providers.
func TestExamples(t *testing.T) {
	t.Parallel()
	w := newTowns(t)
	w.enrol("a", "alice", "alice")
	w.enrol("b", "echo", "echo")
	w.enrol("b", "alarm", "alarm")
	_, r := w.script("alice", "/new Club\n/add echo@b.example\n/add alarm@b.example\n/wait\n")
	r.must(t)

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	echo := exec.CommandContext(ctx, builtExample(t, "echobot"), w.path("echo"))
	echo.Stderr = t.Output()
	if err := echo.Start(); err != nil {
		t.Fatal(err)
	}
	l := w.start("alice", "--follow", "--room", "club")
	if _, err := l.in.Write([]byte("is anybody there?\n")); err != nil {
		t.Fatal(err)
	}
	l.until("the echo", func(e *chatEvent) bool {
		return e.Type == "message" && shortUser(e.User) == "echo@b.example" && *e.Text == "is anybody there?"
	})

	notify := exec.CommandContext(ctx, builtExample(t, "notifybot"), w.path("alarm"), "mimi://a.example/r/club")
	notify.Stdin, notify.Stderr = strings.NewReader("disk is full\ndisk is empty\n"), t.Output()
	begin := time.Now()
	if err := notify.Run(); err != nil {
		t.Fatalf("notifybot: %v after %v", err, time.Since(begin))
	}
	for _, want := range []string{"disk is full", "disk is empty"} {
		l.until(want, func(e *chatEvent) bool {
			return e.Type == "message" && shortUser(e.User) == "alarm@b.example" && *e.Text == want
		})
	}
	l.kill()
	stop()
	if err := echo.Wait(); err == nil {
		t.Error("the echo bot ended by itself")
	}
}
