package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openPTY makes a pseudo-terminal.
func openPTY(t testing.TB) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() {
		if err := master.Close(); err != nil {
			t.Error(err)
		}
	})
	var number int
	err1 := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	number, err2 := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	slave, err3 := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	err4 := unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 60})
	if err4 != nil {
		t.Fatal(err4)
	}
	return master, slave
}

// watched keeps all that a terminal was told, and wakes whoever waits for it.
type watched struct {
	shared
	more chan struct{}
}

func (w *watched) Write(p []byte) (int, error) {
	n, err := w.shared.Write(p)
	select {
	case w.more <- struct{}{}:
	default:
	}
	return n, err
}

// until waits for a text on the terminal.
func (w *watched) until(t testing.TB, text string) {
	t.Helper()
	timer := time.NewTimer(20 * time.Second)
	defer timer.Stop()
	for !strings.Contains(w.String(), text) {
		select {
		case <-w.more:
		case <-timer.C:
			t.Fatalf("%q is not on the terminal: %q", text, w.String())
		}
	}
}

func TestTerminal(t *testing.T) {
	t.Parallel()
	w := newTowns(t)
	w.enrol("a", "alice", "alice")
	w.enrol("b", "bob", "bob")
	_, r := w.script("alice", "/new Club\n/add bob@b.example\n")
	r.must(t)

	master, slave := openPTY(t)
	before, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "chat", "--lines", "--dir", w.path("alice"))
	cmd.Env = append(os.Environ(), asParley+"=1", "TERM=xterm", "NO_COLOR=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	screen := &watched{more: make(chan struct{}, 1)}
	read := make(chan error, 1)
	go func() {
		_, err := io.Copy(screen, master)
		read <- err // EIO once the other side is closed
	}()
	press := func(keys string) {
		t.Helper()
		if _, err := io.WriteString(master, keys); err != nil {
			t.Fatal(err)
		}
	}

	screen.until(t, "Club> ")
	screen.until(t, "bob@b.example is in the room")
	press("half a li")
	screen.until(t, "Club> half a li")
	_, r = w.script("bob", "\x1b[31mhello\x1b]0;owned\x07\n")
	r.must(t)
	screen.until(t, "bob@b.example: [31mhello]0;owned\r\n"+eraseRow+"Club> half a li")
	press("ne\r")
	screen.until(t, "✓ you: half a line\r\n")
	press("/people\r")
	screen.until(t, "bob@b.example    member  1 device\r\n")
	press("/nonsense\r")
	screen.until(t, "! there is no such command")
	w.stop["a"]()
	screen.until(t, "offline: a.example cannot be reached")
	press("written offline\r/wait 3600\r")
	screen.until(t, "not sent yet, kept here: \"written offline\"")
	screen.until(t, "> /wait 3600")
	press("\x03") // ends the waiting, too
	if err := cmd.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
	screen.until(t, "1 not sent yet; kept here and sent by the next parley chat")
	after, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil || *after != *before {
		t.Errorf("the terminal was left in another state: %+v, %+v, %v", before, after, err)
	}
	if err := slave.Close(); err != nil {
		t.Error(err)
	}
	if err := <-read; err != nil && !errors.Is(err, syscall.EIO) {
		t.Error(err)
	}
	if all := screen.String(); strings.Contains(all, "\x1b[31m") || strings.Contains(all, "\x1b]0") || strings.Contains(all, "\x07") {
		t.Errorf("a message steered the terminal: %q", all)
	}
}
