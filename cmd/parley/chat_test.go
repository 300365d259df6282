package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"parley/provider/lab"
)

// asParley makes the test binary the parley command, for tests that kill it.
const asParley = "PARLEY_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asParley) != "" {
		main()
	}
	os.Exit(m.Run())
}

// towns are the providers a.example and b.example on loopback, each served by parley serve in this process.
type towns struct {
	*place
	client map[string]string // URL for clients, by letter
	stop   map[string]func()
}

func newTowns(t testing.TB) *towns {
	t.Helper()
	w := &towns{newPlace(t), make(map[string]string), make(map[string]func())}
	ports, err := lab.Ports(6)
	if err != nil {
		t.Fatal(err)
	}
	other := map[string]string{"a": "b", "b": "a"}
	federation := map[string]string{"a": ports[0], "b": ports[1]}
	for i, l := range []string{"a", "b"} {
		w.client[l] = "https://" + ports[2+i]
		config := w.write(l+".toml", fmt.Sprintf(`domain = "%[1]s.example"
data = "%[1]s"
[federation]
listen = "%[2]s"
authority = "%[1]s.example"
certificate_file = "tls/%[1]s.example.crt"
key_file = "tls/%[1]s.example.key"
[client]
listen = "%[3]s"
[admin]
listen = "%[4]s"
[[peer]]
domain = "%[5]s.example"
dial = "%[6]s"
trust = "private-ca"
ca_file = "tls/lab-ca.crt"
`, l, federation[l], ports[2+i], ports[4+i], other[l], federation[other[l]]))
		parley(t, "ca", "init", "--config", config).must(t)
	}
	w.serve("a")
	w.serve("b")
	return w
}

// serve starts a provider and waits until it listens.
func (w *towns) serve(letter string) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	log, code, ended := new(shared), 0, make(chan struct{})
	go func() {
		code = parleyWith(ctx, log, "serve", "--config", w.path(letter+".toml")).code
		close(ended)
	}()
	w.stop[letter] = func() {
		cancel()
		if <-ended; code != 0 {
			w.t.Errorf("%s.example ended with %d: %s", letter, code, log)
		}
		w.stop[letter] = func() {}
	}
	w.t.Cleanup(func() { w.stop[letter]() })
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 2000 {
		if strings.Contains(log.String(), "provider runs") {
			return
		}
		select {
		case <-tick.C:
		case <-ended:
			w.t.Fatalf("%s.example does not run: %s", letter, log)
		}
	}
	w.t.Fatalf("%s.example does not run: %s", letter, log)
}

func (w *towns) code(letter, user string) string {
	w.t.Helper()
	r := parley(w.t, "user", "add", user, "--json", "--config", w.path(letter+".toml")).must(w.t)
	return decode[struct{ Code string }](w.t, r.out).Code
}

func (w *towns) enrol(letter, user, dir string) {
	w.t.Helper()
	parley(w.t, "chat", "enrol", "--provider", w.client[letter], "--ca", w.path("tls/lab-ca.crt"), "--code", w.code(letter, user),
		"--dir", w.path(dir), "--device", dir).must(w.t)
}

// script runs a chat over lines to its end.
func (w *towns) script(dir, lines string, args ...string) (events []chatEvent, r result) {
	w.t.Helper()
	var out, errs bytes.Buffer
	args = append([]string{"chat", "--json", "--dir", w.path(dir)}, args...)
	r.code = run(w.t.Context(), args, strings.NewReader(lines), &out, &errs)
	r.out, r.errs = out.String(), errs.String()
	for line := range strings.Lines(r.out) {
		events = append(events, decode[chatEvent](w.t, line))
	}
	return events, r
}

// texts lists the messages among events, in order, as sender and text.
func texts(events []chatEvent) (out []string) {
	for _, e := range events {
		if e.Type == "message" {
			out = append(out, shortUser(e.User)+": "+*e.Text)
		}
	}
	return out
}

func kinds(events []chatEvent, of ...string) (out []string) {
	for _, e := range events {
		if slices.Contains(of, e.Type) {
			out = append(out, e.Type+" "+shortUser(e.User))
		}
	}
	return out
}

func fates(events []chatEvent, kind string) (out []string) {
	for _, e := range events {
		if e.Type == eventStatus && e.Kind == kind {
			out = append(out, e.Fate)
		}
	}
	return out
}

func equal(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestEnrolment(t *testing.T) {
	t.Parallel()
	w := newTowns(t)
	ca, code := w.path("tls/lab-ca.crt"), w.code("a", "alice")
	enrol := func(dir string, args ...string) result {
		return parley(t, append([]string{"chat", "enrol", "--dir", w.path(dir)}, args...)...)
	}
	enrol("d", "--code", code).fails(t, exitUsage, "--provider")
	enrol("d", "--provider", "http://a.example", "--code", code).fails(t, exitUsage, "https://")
	enrol("d", "--provider", w.client["a"], "--code", code, "--ca", w.path("none")).fails(t, exitFailed, "none")
	enrol("d", "--provider", w.client["a"], "--code", code, "--ca", w.path("a.toml")).fails(t, exitFailed, "no certificate")
	enrol("d", "--provider", w.client["a"], "--code", code).fails(t, exitFailed, "not from an authority that is trusted", "--ca")
	enrol("d", "--provider", "https://127.0.0.1:1", "--code", code, "--ca", ca).fails(t, exitFailed, "nothing listens there", "Try again")
	enrol("d", "--provider", w.client["a"], "--code", "WRONG", "--ca", ca).fails(t, exitFailed, "not valid", "parley user add")
	enrol("d", "--provider", w.client["a"], "--code", code, "--ca", ca, "--device", "No!").fails(t, exitFailed, "device name")
	parley(t, "chat", "--dir", w.path("d")).fails(t, exitFailed, "holds no enrolled device", "chat enrol")
	parley(t, "chat").fails(t, exitUsage, "--dir")

	r := enrol("d", "--provider", w.client["a"], "--code", code, "--ca", ca, "--device", "phone", "--json").must(t)
	if got := decode[enrolResult](t, r.out); got.User != aliceURI || got.Client != "mimi://a.example/d/alice/phone" || got.Provider != "a.example" {
		t.Errorf("%+v", got)
	}
	if info, err := os.Stat(w.path("d/" + storeFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the store: %v, %v", info, err)
	}
	enrol("e", "--provider", w.client["a"], "--code", code, "--ca", ca).fails(t, exitFailed, "used")
	enrol("d", "--provider", w.client["a"], "--code", w.code("a", "alice"), "--ca", ca).fails(t, exitFailed, "alice@a.example already")
	enrol("e", "--provider", w.client["a"], "--code", w.code("a", "alice"), "--ca", ca, "--device", "phone").fails(t, exitFailed, "--device")

	// A device can be added from the moment of its enrolment.
	w.enrol("b", "bob", "bob")
	events, r := w.script("d", "/new Club\n/add bob@b.example\n")
	r.must(t)
	equal(t, "joined", kinds(events, "joined"), []string{"joined alice@a.example", "joined bob@b.example"})
}

func TestConversation(t *testing.T) {
	t.Parallel()
	w := newTowns(t)
	w.enrol("a", "alice", "alice")
	w.enrol("b", "bob", "bob")
	w.enrol("b", "carol", "carol")

	events, r := w.script("alice", "/new Club House\n/add bob@b.example\n/wait\nhello bob\n/people\n")
	r.must(t)
	equal(t, "alice's message", fates(events, "message"), []string{"waiting", "accepted", "done"})
	equal(t, "alice reads", texts(events), []string{"alice@a.example: hello bob"})
	for _, e := range events {
		if e.Type == eventCreated && (e.Room != "mimi://a.example/r/club-house" || e.Name != "Club House" || e.Line != 1) {
			t.Errorf("created %+v", e)
		}
		if e.Type == eventPeople && (len(e.People) != 2 || e.People[1].User != bobURI || len(e.People[1].Devices) != 1 || !e.People[0].Self) {
			t.Errorf("people %+v", e.People)
		}
	}

	events, r = w.script("bob", "hi alice\n/add carol\nhi carol\n", "--room", "Club House")
	r.must(t)
	equal(t, "bob reads", texts(events), []string{"alice@a.example: hello bob", "bob@b.example: hi alice", "bob@b.example: hi carol"})

	events, r = w.script("alice", "")
	r.must(t)
	equal(t, "what alice missed", texts(events), []string{"bob@b.example: hi alice", "bob@b.example: hi carol"})
	events, r = w.script("alice", "/history 2\n")
	r.must(t)
	equal(t, "nothing is shown twice but what is asked for", texts(events), []string{"bob@b.example: hi carol"})
	for _, e := range events {
		if e.Type == "message" && !e.History {
			t.Errorf("shown again without being asked for: %+v", e)
		}
	}

	// Bob leaves; the hub waits for the next commit, which Carol's message brings.
	events, r = w.script("bob", "/leave\n")
	r.must(t)
	equal(t, "bob leaves", fates(events, "leave"), []string{"waiting", "accepted", "done"})
	_, r = w.script("carol", "without bob\n")
	r.must(t)
	events, r = w.script("alice", "/people\n")
	r.must(t)
	equal(t, "alice sees", kinds(events, "leaving", "left"), []string{"leaving bob@b.example", "left bob@b.example"})
	equal(t, "alice reads", texts(events), []string{"carol@b.example: without bob"})
	events, r = w.script("bob", "am I in?\n")
	r.fails(t, exitFailed, "1 lines could not be carried out")
	equal(t, "bob is out", kinds(events, "left"), []string{"left bob@b.example"})
	equal(t, "bob reads nothing any more", texts(events), nil)

	// Carol's second device comes in by external commit, and everybody sees it.
	w.enrol("b", "carol", "laptop")
	events, r = w.script("laptop", "/join mimi://a.example/r/club-house\n/wait\nfrom my laptop\n/people\n")
	r.must(t)
	equal(t, "the laptop", texts(events), []string{"carol@b.example: from my laptop"})
	events, r = w.script("alice", "/remove carol@b.example\n/wait\n/people\n")
	r.must(t)
	equal(t, "alice sees the laptop and reads it", append(kinds(events, "device"), texts(events)...),
		[]string{"device carol@b.example", "carol@b.example: from my laptop"})
	if last := events[len(events)-2]; last.Type != eventPeople || len(last.People) != 1 {
		t.Errorf("people after /remove: %+v", last)
	}
}

func TestScriptsFailLoudly(t *testing.T) {
	t.Parallel()
	w := newTowns(t)
	w.enrol("a", "alice", "alice")
	for _, c := range []struct {
		lines, say string
		args       []string
	}{
		{"hello\n", "", nil},
		{"/nonsense\n", "", nil},
		{"/room nowhere\nhello\n", "2 lines could not be carried out", nil},
		{"", "1 lines could not be carried out", []string{"--room", "nowhere", "--wait", "100ms"}},
		{"/join mimi://b.example/r/none\n", "failed", nil},
		{strings.Repeat("x", maxLine+1) + "\n", "", nil},
		{"/new Club\n" + strings.Repeat("x", 65<<10) + "\n", "", nil},
		{"/room club\n/add nobody@b.example\n", "failed", nil},
		{"/room club\n/add alice\n", "", nil},
		{"/room club\n/remove bob@b.example\n", "", nil},
		{"/room club\n/remove alice\n", "", nil},
		{"/room mimi://a.example/r/none\n", "", nil},
	} {
		if c.say == "" {
			c.say = "1 lines could not be carried out"
		}
		_, r := w.script("alice", c.lines, c.args...)
		r.fails(t, exitFailed, c.say)
	}
	_, r := w.script("alice", "/room club\n//slash\n/rooms\n/room 1\n/help\n/history\n\n/quit\nnot read any more\n")
	r.must(t)
	if strings.Contains(r.out, "not read any more") || !strings.Contains(r.out, `"text":"/slash"`) {
		t.Errorf("%s", r.out)
	}
	parley(t, "chat", "--dir", w.path("alice"), "--wait", "-1s").fails(t, exitUsage, "--wait")

	// The same without JSON: what is wrong goes to standard error.
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"chat", "--dir", w.path("alice"), "--room", "club"}, strings.NewReader("plain text\n/nonsense\n"), &out, &errs)
	if code != exitFailed || !strings.Contains(out.String(), "✓ you: plain text") || strings.Contains(out.String(), "no such command") ||
		!strings.Contains(errs.String(), "no such command") {
		t.Errorf("%d\n%s\n%s", code, &out, &errs)
	}
}

func TestWithoutTheProvider(t *testing.T) {
	t.Parallel()
	w := newTowns(t)
	w.enrol("a", "alice", "alice")
	w.enrol("b", "bob", "bob")
	_, r := w.script("alice", "/new Club\n/add bob@b.example\nbefore\n")
	r.must(t)
	_, r = w.script("bob", "")
	r.must(t)

	w.stop["a"]()
	events, r := w.script("alice", "written offline\n/history\n/people\n/new Other\n", "--wait", "300ms")
	r.fails(t, exitFailed, "1 lines could not be carried out") // /new
	equal(t, "alice offline", fates(events, "message"), []string{"waiting", "waiting"})
	if !strings.Contains(strings.Join(texts(events), " "), "before") || !strings.Contains(r.out, `"people":[{"user"`) || !strings.Contains(r.out, `"online":false`) {
		t.Errorf("offline: %s", r.out)
	}
	_, r = w.script("alice", "", "--wait", "300ms")
	r.fails(t, exitFailed, "1 not sent yet", "a.example cannot be reached", "kept here")
	// The room's hub is away for Bob: his own provider answers.
	events, r = w.script("bob", "the hub is away\n", "--wait", "1s")
	r.fails(t, exitFailed, "1 not sent yet (waiting for provider a.example)", "kept here")
	equal(t, "bob without the hub", fates(events, "message"), []string{"waiting", "waiting"})

	w.serve("a")
	events, r = w.script("alice", "")
	r.must(t)
	equal(t, "alice back", texts(events), []string{"alice@a.example: written offline"})
	_, r = w.script("bob", "")
	r.must(t)
	_, r = w.script("bob", "/wait\n")
	r.must(t)
	events, r = w.script("bob", "/history\n")
	r.must(t)
	got := texts(events)
	slices.Sort(got[1:]) // either may be first
	equal(t, "bob has everything once", got,
		[]string{"alice@a.example: before", "alice@a.example: written offline", "bob@b.example: the hub is away"})
}

// A connection that is accepted and never answered is the worst kind of away: nothing may hang on it.
func TestSilentProvider(t *testing.T) {
	t.Parallel()
	w := newTowns(t)
	w.enrol("a", "alice", "alice")
	_, r := w.script("alice", "/new Club\nbefore\n")
	r.must(t)
	w.stop["a"]()
	silent, err := net.Listen("tcp", strings.TrimPrefix(w.client["a"], "https://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := silent.Close(); err != nil {
			t.Error(err)
		}
	})
	begin := time.Now()
	events, r := w.script("alice", "into the void\n/history\n", "--room", "club", "--wait", "200ms")
	r.fails(t, exitFailed, "1 not sent yet")
	equal(t, "read and written offline", texts(events), []string{"alice@a.example: before"})
	if took := time.Since(begin); took > 8*time.Second {
		t.Errorf("it took %v", took)
	}
}

// live is a chat that goes on while a test talks to it.
type live struct {
	t      testing.TB
	in     io.WriteCloser
	events chan chatEvent
	ended  chan error
	kill   func()
	signal func(os.Signal) error
}

// start runs parley chat as a process of its own.
func (w *towns) start(dir string, args ...string) *live {
	w.t.Helper()
	binary, err := os.Executable()
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command(binary, append([]string{"chat", "--json", "--dir", w.path(dir)}, args...)...)
	cmd.Env = append(os.Environ(), asParley+"=1")
	cmd.Stderr = os.Stderr
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		w.t.Fatal(err)
	}
	l := &live{t: w.t, in: in, events: make(chan chatEvent, 4096), ended: make(chan error, 1)}
	l.signal = cmd.Process.Signal
	l.kill = func() {
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			w.t.Error(err)
		}
	}
	w.t.Cleanup(l.kill)
	go func() {
		defer close(l.events)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			var e chatEvent
			if json.Unmarshal(lines.Bytes(), &e) == nil { // the last line of a killed process may be half a line
				l.events <- e
			}
		}
		l.ended <- cmd.Wait()
	}()
	return l
}

// until reads events up to the first that is wanted, and returns all of them.
func (l *live) until(what string, wanted func(*chatEvent) bool) (seen []chatEvent) {
	l.t.Helper()
	timer := time.NewTimer(20 * time.Second)
	defer timer.Stop()
	for {
		select {
		case e, ok := <-l.events:
			if !ok {
				l.t.Fatalf("%s did not come before the end", what)
			}
			if seen = append(seen, e); wanted(&e) {
				return seen
			}
		case <-timer.C:
			l.t.Fatalf("%s did not come", what)
		}
	}
}

// rest kills the process and returns what it still said.
func (l *live) rest() (seen []chatEvent) {
	l.kill()
	for e := range l.events {
		seen = append(seen, e)
	}
	<-l.ended
	return seen
}

// once drops what a killed process showed and its successor showed again.
func once(events []chatEvent) (out []chatEvent) {
	seen := make(map[string]bool)
	for _, e := range events {
		if e.Seq == nil {
			continue
		}
		key := fmt.Sprint(e.Room, *e.Seq)
		if !seen[key] {
			out = append(out, e)
		}
		seen[key] = true
	}
	return out
}

func TestKillAndRestart(t *testing.T) {
	t.Parallel()
	w := newTowns(t)
	w.enrol("a", "alice", "alice")
	w.enrol("b", "bob", "bob")
	_, r := w.script("alice", "/new Club\n/add bob@b.example\n")
	r.must(t)

	const messages = 30
	var want []string
	var sent, received []chatEvent
	bob := w.start("bob", "--follow")
	for n := 0; n < messages; {
		alice := w.start("alice")
		for range 5 + n%3 {
			line := fmt.Sprintf("message %d", n)
			if _, err := io.WriteString(alice.in, line+"\n"); err != nil {
				t.Fatal(err)
			}
			want = append(want, "alice@a.example: "+line)
			n++
			// From its first status on the message is stored: what is killed after that loses nothing.
			sent = append(sent, alice.until("the status of "+line, func(e *chatEvent) bool { return e.Type == eventStatus && e.Text != nil && *e.Text == line })...)
		}
		sent = append(sent, alice.rest()...)
		if n%2 == 0 {
			received = append(received, bob.rest()...)
			bob = w.start("bob", "--follow")
		}
	}
	received = append(received, bob.rest()...)

	events, r := w.script("alice", "")
	r.must(t)
	equal(t, "alice's timeline", texts(once(append(sent, events...))), want)
	events, r = w.script("bob", "last words\n")
	r.must(t)
	equal(t, "bob's timeline", texts(once(append(received, events...))), append(slices.Clone(want), "bob@b.example: last words"))
	events, r = w.script("bob", "/history 100\n")
	r.must(t)
	equal(t, "what bob has stored", texts(events), append(want, "bob@b.example: last words"))

	// A second process is kept out while one runs.
	holder := w.start("alice")
	holder.until("the first event", func(e *chatEvent) bool { return e.Type == eventAccount })
	_, r = w.script("alice", "")
	r.fails(t, exitFailed, "in use", filepath.Base(w.path("alice")))
	holder.rest()
}

func TestLiveEventsAndSignals(t *testing.T) {
	t.Parallel()
	w := newTowns(t)
	w.enrol("a", "alice", "alice")
	w.enrol("b", "bob", "bob")
	bob := w.start("bob", "--follow", "--room", "club", "--wait", "20s")
	events, r := w.script("alice", "/new Club\n/add bob@b.example\n/wait\nare you there?\n")
	r.must(t)
	equal(t, "alice", texts(events), []string{"alice@a.example: are you there?"})
	bob.until("alice's message", func(e *chatEvent) bool { return e.Type == "message" && *e.Text == "are you there?" })
	if _, err := io.WriteString(bob.in, "yes\n"); err != nil {
		t.Fatal(err)
	}
	bob.until("bob's answer", func(e *chatEvent) bool { return e.Type == eventStatus && e.Fate == "done" })
	if err := bob.in.Close(); err != nil {
		t.Fatal(err)
	}
	_, r = w.script("alice", "still there?\n")
	r.must(t)
	bob.until("a message after the end of the input", func(e *chatEvent) bool { return e.Type == "message" && *e.Text == "still there?" })
	if err := bob.signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-bob.ended; err != nil {
		t.Errorf("ended by a signal: %v", err)
	}
}
