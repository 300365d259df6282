package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pane is a program in a tmux of its own.
type pane struct {
	t      testing.TB
	socket string
}

func (p *pane) tmux(args ...string) string {
	p.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-S", p.socket, "-f", "/dev/null"}, args...)...).CombinedOutput()
	if err != nil {
		p.t.Fatalf("tmux %q: %v: %s", args, err, out)
	}
	return string(out)
}

// chatIn runs the full-screen chat of a device in tmux.
func (w *towns) chatIn(dir string, args ...string) *pane {
	w.t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		if os.Getenv("CI") == "true" {
			w.t.Fatal("no tmux here (Debian package tmux)")
		}
		w.t.Skip("no tmux here (Debian package tmux)")
	}
	binary, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	p := &pane{w.t, filepath.Join(w.t.TempDir(), "tmux")}
	command := asParley + "=1 NO_COLOR=1 '" + binary + "' chat --dir '" + w.path(dir) + "' " + strings.Join(args, " ") + "; echo ended with $?; read"
	p.tmux("new-session", "-d", "-x", "100", "-y", "24", command)
	w.t.Cleanup(func() {
		if err := exec.Command("tmux", "-S", p.socket, "kill-server").Run(); err != nil {
			w.t.Logf("tmux has ended before: %v", err)
		}
	})
	return p
}

func (p *pane) press(keys ...string) {
	p.t.Helper()
	p.tmux(append([]string{"send-keys"}, keys...)...)
}

func (p *pane) write(text string) {
	p.t.Helper()
	p.tmux("send-keys", "-l", text)
}

// until waits until the screen is as wanted.
func (p *pane) until(what ...string) string {
	p.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(30 * time.Second)
	screen := ""
	for time.Now().Before(deadline) {
		screen = p.tmux("capture-pane", "-p")
		missing := false
		for _, text := range what {
			if rest, not := strings.CutPrefix(text, "not "); not {
				missing = missing || strings.Contains(screen, rest)
			} else {
				missing = missing || !strings.Contains(screen, text)
			}
		}
		if !missing {
			return screen
		}
		<-tick.C
	}
	p.t.Fatalf("%q is not on the screen:\n%s", what, screen)
	return ""
}

// TestFullScreen uses the chat as people do: with keys, on a terminal.
func TestFullScreen(t *testing.T) {
	t.Parallel()
	w := newTowns(t)
	w.enrol("a", "alice", "alice")
	w.enrol("b", "bob", "bob")
	_, r := w.script("alice", "/new Club\n/add bob@b.example\n/wait\nhello from a script\n")
	r.must(t)
	alice, bob := w.chatIn("alice"), w.chatIn("bob")
	alice.until("Club · online", "you: hello from a script")
	bob.until("Club · online", "alice@a.example: hello from a script")
	alice.until("✓✓ read")

	bob.write("typed on a screen")
	bob.press("Enter")
	alice.until("bob@b.example: typed on a screen")
	bob.until("you: typed on a screen  ✓✓ read")

	alice.press("Up")
	alice.until("r reply  e edit")
	alice.write("r")
	alice.until("reply to: typed on a screen")
	alice.write("an answer")
	alice.press("Enter")
	bob.until("alice@a.example: [to: typed on a screen] an answer")

	bob.press("Up")
	bob.write("+")
	bob.until("react with one emoji to: an answer")
	bob.write("\u2764")
	bob.press("Enter")
	alice.until("an answer [\u2764 1]")

	alice.press("Up")
	alice.write("e")
	alice.until("change the message", "> an answer")
	alice.press("C-u")
	alice.write("a better answer")
	alice.press("Enter")
	bob.until("a better answer (edited) [\u2764 1]")

	bob.press("Up", "Up")
	bob.write("d")
	alice.until("bob@b.example: [deleted by bob@b.example]")

	bob.write("\x1b[31mnot red\x1b]0;owned\x07") // what steers terminals is not even typed
	bob.press("C-u")
	alice.write("/nonsense")
	alice.press("Enter")
	alice.until("! there is no such command")
	w.stop["b"]()
	alice.write("into the void")
	alice.press("Enter")
	alice.until("into the void  ✓ accepted; waiting for provider b.example since", "next try")
	w.stop["a"]()
	alice.until("offline")
	alice.write("unsent")
	alice.press("Enter")
	alice.until("you: unsent  … not sent yet")
	alice.press("C-c")
	alice.until("1 not sent yet; kept here", "ended with 0", "not Club ·")
}
