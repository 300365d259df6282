package gatewayd_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/gatewayd/nativelab"
	"parley/provider/lab"
)

// The tests of this file run everything as processes: two providers, the gateway of the second one, a chat client at the first, and the
// servers of the other networks.

const stepLimit = 30 * time.Second

var (
	buildOnce sync.Once
	built     string
	buildErr  error
)

// TestMain removes the binary that the tests have built.
func TestMain(m *testing.M) {
	code := m.Run()
	if built != "" {
		if err := os.RemoveAll(filepath.Dir(built)); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	os.Exit(code)
}

func binary(t *testing.T) string {
	t.Helper()
	buildOnce.Do(func() {
		dir, err := os.MkdirTemp("", "parley-gateway-test")
		if err != nil {
			buildErr = err
			return
		}
		built = filepath.Join(dir, "parley")
		cmd := exec.Command("go", "build", "-o", built, "parley/cmd/parley")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			buildErr = fmt.Errorf("%w: %s", err, out)
		}
	})
	if buildErr != nil {
		t.Fatal(buildErr)
	}
	return built
}

func need(t *testing.T, networks ...string) {
	t.Helper()
	missing := nativelab.Missing(networks...)
	switch {
	case len(missing) == 0:
	case os.Getenv("CI") == "true":
		t.Fatalf("missing: %v; scripts/deps installs them", missing)
	default:
		t.Skipf("missing Debian packages: %v", missing)
	}
}

// town is two providers and a person at the first.
type town struct {
	t      *testing.T
	dir    string
	a, b   *lab.Server
	alice  *chat
	config string
	gate   *exec.Cmd
}

func newTown(t *testing.T) *town {
	t.Helper()
	w := &town{t: t, dir: t.TempDir()}
	servers, err := lab.Build(t.Context(), lab.Plan{Binary: binary(t), Dir: w.dir, Domains: []string{"a.example", "b.example"}})
	if err != nil {
		t.Fatal(err)
	}
	w.a, w.b = servers[0], servers[1]
	for _, s := range servers {
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Kill(); err != nil {
				t.Error(err)
			}
		})
	}
	w.alice = w.person(w.a, "alice")
	return w
}

// gateway writes the configuration and starts the process.
func (w *town) gateway(sections string) {
	w.t.Helper()
	w.config = filepath.Join(w.dir, "gateway.toml")
	text := fmt.Sprintf("provider = \"b.example\"\nurl = %q\nca_file = %q\ndata = %q\nadmin_socket = %q\n%s", "https://"+w.b.Client, w.b.LabCA,
		filepath.Join(w.dir, "gateway"), w.b.Socket(), sections)
	if err := os.WriteFile(w.config, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.startGateway()
	w.t.Cleanup(w.killGateway)
}

func (w *town) startGateway() {
	w.t.Helper()
	log, err := os.OpenFile(filepath.Join(w.dir, "gateway.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		w.t.Fatal(err)
	}
	w.gate = exec.Command(binary(w.t), "gateway", "--config", w.config)
	w.gate.Stdout, w.gate.Stderr = log, log
	if err := w.gate.Start(); err != nil {
		w.t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		w.t.Fatal(err)
	}
}

// killGateway ends the process at once, as a crash would.
func (w *town) killGateway() {
	if w.gate == nil {
		return
	}
	if err := w.gate.Process.Kill(); err != nil {
		w.t.Errorf("the gateway had ended: %v: %s", err, w.gateLog())
	}
	if err := w.gate.Wait(); err == nil || w.gate.ProcessState.Exited() {
		w.t.Errorf("the gateway had ended by itself: %s", w.gateLog())
	}
	w.gate = nil
}

func (w *town) gateLog() string {
	text, err := os.ReadFile(filepath.Join(w.dir, "gateway.log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// event is a line of parley chat --json.
type event struct {
	Type    string `json:"type"`
	Room    string `json:"room"`
	User    string `json:"user"`
	Text    string `json:"text"`
	Fate    string `json:"fate"`
	Reason  string `json:"reason"`
	Gateway string `json:"gateway"`
	Own     bool   `json:"own"`
	Online  bool   `json:"online"`
	raw     string
}

// chat is a person with parley chat.
type chat struct {
	t     *testing.T
	user  string
	stdin io.Writer
	mu    sync.Mutex
	seen  []event
	at    int
	more  chan struct{}
}

func (w *town) person(home *lab.Server, name string) *chat {
	w.t.Helper()
	out, err := lab.Execute(w.t.Context(), home.Binary, "user", "add", name, "--config", home.Config, "--json")
	if err != nil {
		w.t.Fatal(err)
	}
	var invited struct{ User, Code string }
	if err := json.Unmarshal(out, &invited); err != nil {
		w.t.Fatal(err)
	}
	dir := filepath.Join(w.dir, name)
	if _, err := lab.Execute(w.t.Context(), home.Binary, "chat", "enrol", "--provider", "https://"+home.Client, "--ca", home.LabCA, "--code", invited.Code,
		"--dir", dir); err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command(home.Binary, "chat", "--dir", dir, "--json", "--follow")
	c := &chat{t: w.t, user: invited.User, more: make(chan struct{}, 1)}
	if c.stdin, err = cmd.StdinPipe(); err != nil {
		w.t.Fatal(err)
	}
	lines, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); c.read(lines) }()
	w.t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			w.t.Error(err)
		}
		<-done
		if err := cmd.Wait(); err == nil {
			w.t.Error("the chat had ended by itself")
		}
	})
	return c
}

func (c *chat) read(from io.Reader) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		e := event{raw: lines.Text()}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			e.Type = "unreadable"
		}
		c.mu.Lock()
		c.seen = append(c.seen, e)
		c.mu.Unlock()
		select {
		case c.more <- struct{}{}:
		default:
		}
	}
}

func (c *chat) say(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c.stdin, line+"\n"); err != nil {
		c.t.Fatal(err)
	}
}

// expect waits for an event behind those that were looked at.
func (c *chat) expect(what string, fits func(event) bool) event {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), stepLimit)
	defer cancel()
	for {
		c.mu.Lock()
		for c.at < len(c.seen) {
			e := c.seen[c.at]
			c.at++
			if fits(e) {
				c.mu.Unlock()
				return e
			}
		}
		seen := c.seen
		c.mu.Unlock()
		select {
		case <-c.more:
		case <-ctx.Done():
			var last []string
			for _, e := range seen[max(0, len(seen)-8):] {
				last = append(last, e.raw)
			}
			c.t.Fatalf("%s was not seen; the last: %s", what, strings.Join(last, "\n"))
		}
	}
}

// texts counts the messages with a text.
func (c *chat) texts(text string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.seen {
		if e.Type == "message" && e.Text == text {
			n++
		}
	}
	return n
}

func message(from, text string) func(event) bool {
	return func(e event) bool { return e.Type == "message" && e.User == from && e.Text == text }
}

const bobURI = "mimi://b.example/u/irc.bob"

// ircTown has ngIRCd, Bob on it, and a gateway.
func ircTown(t *testing.T) (*town, *nativelab.IRC, *nativelab.IRCUser) {
	t.Helper()
	need(t, "irc")
	w := newTown(t)
	server, err := nativelab.NewIRC(w.dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Kill(); err != nil {
			t.Error(err)
		}
	})
	bob := join(t, server, "bob")
	password := filepath.Join(w.dir, "link.password")
	if err := os.WriteFile(password, []byte(nativelab.IRCLinkPassword+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.gateway(fmt.Sprintf("[irc]\naddress = %q\nname = %q\npassword_file = \"link.password\"\nusers = [\"bob\"]\n", server.Address, nativelab.IRCLinkName))
	return w, server, bob
}

func join(t *testing.T, s *nativelab.IRC, nick string) *nativelab.IRCUser {
	t.Helper()
	u, err := s.Join(t.Context(), nick)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func sees(t *testing.T, u *nativelab.IRCUser, text string) string {
	t.Helper()
	line, err := u.Expect(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func says(t *testing.T, u *nativelab.IRCUser, line string) {
	t.Helper()
	if err := u.Say(line); err != nil {
		t.Fatal(err)
	}
}

// admit waits until the gateway has enrolled its users: before that they cannot be added.
func (w *town) admitted() {
	w.t.Helper()
	deadline := time.Now().Add(stepLimit)
	for !strings.Contains(w.gateLog(), "gateway runs") {
		if time.Now().After(deadline) {
			w.t.Fatalf("the gateway is not ready: %s", w.gateLog())
		}
		<-time.After(20 * time.Millisecond)
	}
}

func TestIRCBothWays(t *testing.T) {
	w, _, bob := ircTown(t)
	w.admitted()
	w.alice.expect("online", func(e event) bool { return e.Type == "online" && e.Online })
	w.alice.say("/new Clubhouse")
	w.alice.expect("a room", func(e event) bool { return e.Type == "created" })
	w.alice.say("/add " + bobURI)
	t.Run("the joining of a user of a gateway is marked", func(t *testing.T) {
		e := w.alice.expect("bob in the room", func(e event) bool { return e.Type == "joined" && e.User == bobURI })
		if e.Gateway != "b.example" {
			t.Errorf("%+v", e)
		}
	})
	w.alice.say("hello bob")
	t.Run("from MIMI in private", func(t *testing.T) {
		if line := sees(t, bob, "hello bob"); !strings.HasPrefix(line, ":alice!mimi@a.example PRIVMSG bob ") {
			t.Errorf("%q", line)
		}
	})
	t.Run("to MIMI, marked", func(t *testing.T) {
		says(t, bob, "PRIVMSG alice :hi \x02alice\x02")
		if e := w.alice.expect("bob's answer", message(bobURI, "hi **alice**")); e.Gateway != "b.example" {
			t.Errorf("%+v", e)
		}
	})
	t.Run("a third person makes it a channel", func(t *testing.T) {
		carl := w.person(w.a, "carl")
		w.alice.say("/add " + carl.user)
		carl.expect("the room", func(e event) bool { return e.Type == "joined" && e.User == carl.user })
		w.alice.say("all together")
		line := sees(t, bob, "] all together")
		_, channel, _ := strings.Cut(line, "[")
		channel, _, _ = strings.Cut(channel, "]")
		says(t, bob, "JOIN "+channel)
		if names := sees(t, bob, " 353 "); !strings.Contains(names, "alice") || !strings.Contains(names, "carl") {
			t.Errorf("%q", names)
		}
		says(t, bob, "PRIVMSG "+channel+" :in the channel")
		carl.expect("bob in the channel", message(bobURI, "in the channel"))
		w.alice.expect("bob in the channel", message(bobURI, "in the channel"))
		w.alice.say("I am here")
		sees(t, bob, "PRIVMSG "+channel+" :I am here")
	})
}

func TestIRCStrangerWritesFirst(t *testing.T) {
	w, server, bob := ircTown(t)
	w.admitted()
	w.alice.expect("online", func(e event) bool { return e.Type == "online" && e.Online })
	w.alice.say("/new Lounge")
	w.alice.say("/add " + bobURI)
	w.alice.say("hello")
	sees(t, bob, "hello")
	dora := join(t, server, "dora")
	says(t, dora, "PRIVMSG alice :may I?")
	e := w.alice.expect("dora", message("mimi://b.example/u/irc.dora", "may I?"))
	if e.Gateway != "b.example" {
		t.Errorf("%+v", e)
	}
}

func TestGatewayAndServerAreKilled(t *testing.T) {
	rounds := 4 // PARLEY_KILLS=34 kills the gateway 34 times and the server 17 times
	if text := os.Getenv("PARLEY_KILLS"); text != "" {
		var err error
		if rounds, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	w, server, bob := ircTown(t)
	w.admitted()
	w.alice.expect("online", func(e event) bool { return e.Type == "online" && e.Online })
	w.alice.say("/new Clubhouse")
	w.alice.say("/add " + bobURI)
	w.alice.say("start")
	sees(t, bob, "start")
	var lines []string
	for n := range rounds {
		out, in := fmt.Sprintf("out %d.", n), fmt.Sprintf("in %d.", n)
		if n%2 == 0 {
			w.killGateway()
			w.alice.say(out)
		} else {
			w.alice.say(out) // it is on its way when the gateway dies
			w.killGateway()
		}
		w.startGateway()
		sees(t, bob, out)
		says(t, bob, "PRIVMSG alice :"+in)
		w.alice.expect(in, message(bobURI, in))
		w.alice.say("again " + out)
		sees(t, bob, "again "+out)
		if n%2 == 1 {
			if err := server.Kill(); err != nil {
				t.Fatal(err)
			}
			w.alice.say("while down " + out)
			if err := server.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			before := bob
			bob = join(t, server, "bob")
			sees(t, bob, "while down "+out)
			lines = append(lines, before.Seen()...)
			if err := before.Close(); err != nil {
				t.Log(err)
			}
		}
	}
	t.Logf("%d kills of the gateway, %d of the server", rounds, rounds/2)
	for n := range rounds {
		if got := w.alice.texts(fmt.Sprintf("in %d.", n)); got != 1 {
			t.Errorf("in %d was read %d times", n, got)
		}
	}
	counts := map[string]int{}
	for _, line := range append(lines, bob.Seen()...) {
		if _, text, ok := strings.Cut(line, "PRIVMSG bob :"); ok {
			counts[text]++
		}
	}
	// The network's own log says what it has taken. A server that is killed loses its log: what it had passed on then may come again.
	doubled := 0
	for text, n := range counts {
		if n > 2 {
			t.Errorf("%q came %d times", text, n)
		}
		doubled += n - 1
	}
	if doubled > rounds/2 {
		t.Errorf("%d came again after %d kills of the server", doubled, rounds/2)
	}
	t.Logf("0 of %d lost, %d came again", len(counts), doubled)
}

const romeoURI = "mimi://b.example/u/xmpp.romeo-localhost"

// xmppTown has Prosody, Romeo on it, and a gateway with the other sections given.
func xmppTown(t *testing.T, w *town, sections string) (*nativelab.XMPP, *nativelab.XMPPUser) {
	t.Helper()
	server, err := nativelab.NewXMPP(w.dir, "romeo")
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Kill(); err != nil {
			t.Error(err)
		}
	})
	romeo, err := server.Join(t.Context(), "romeo")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.dir, "xmpp.secret"), []byte(nativelab.XMPPSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	w.gateway(sections + fmt.Sprintf("[xmpp]\naddress = %q\ndomain = %q\nsecret_file = \"xmpp.secret\"\nserver = %q\nrooms = %q\nusers = [\"romeo@localhost\"]\n",
		server.Component, nativelab.XMPPComponent, nativelab.XMPPHost, nativelab.XMPPRooms))
	return server, romeo
}

func reads(t *testing.T, u *nativelab.XMPPUser, text string) string {
	t.Helper()
	got, err := u.Expect(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func writes(t *testing.T, u *nativelab.XMPPUser, stanza string) {
	t.Helper()
	if err := u.Say(stanza); err != nil {
		t.Fatal(err)
	}
}

const aliceJID = `alice\40a.example@mimi.localhost`

func TestXMPPBothWays(t *testing.T) {
	need(t, "xmpp")
	w := newTown(t)
	_, romeo := xmppTown(t, w, "")
	w.admitted()
	w.alice.expect("online", func(e event) bool { return e.Type == "online" && e.Online })
	t.Run("a native user writes first to anybody", func(t *testing.T) {
		writes(t, romeo, "<message to='"+aliceJID+"' type='chat' id='r1'><body>wherefore?</body></message>")
		if e := w.alice.expect("romeo's message", message(romeoURI, "wherefore?")); e.Gateway != "b.example" {
			t.Errorf("%+v", e)
		}
	})
	t.Run("the same id twice is one message", func(t *testing.T) {
		writes(t, romeo, "<message to='"+aliceJID+"' type='chat' id='r1'><body>wherefore?</body></message>")
		writes(t, romeo, "<message to='"+aliceJID+"' type='chat' id='r2'><body>art thou</body></message>")
		w.alice.expect("the next", message(romeoURI, "art thou"))
		if n := w.alice.texts("wherefore?"); n != 1 {
			t.Errorf("%d times", n)
		}
	})
	t.Run("the answer comes back", func(t *testing.T) {
		w.alice.say("/room 1")
		w.alice.say("here")
		reads(t, romeo, "<body>here</body>")
	})
	t.Run("an edit by the sender, none by others", func(t *testing.T) {
		writes(t, romeo, "<message to='"+aliceJID+"' type='chat' id='r3'><replace xmlns='urn:xmpp:message-correct:0' id='r2'/><body>art thou, Alice</body></message>")
		w.alice.expect("the edit", func(e event) bool { return e.Type == "edited" && e.User == romeoURI && e.Text == "art thou, Alice" })
	})
	t.Run("to nobody is told as an error", func(t *testing.T) {
		writes(t, romeo, "<message to='nobody\\40a.example@mimi.localhost' type='chat' id='r9'><body>hello?</body></message>")
		reads(t, romeo, "Not delivered")
	})
}

func TestAllInOneRoom(t *testing.T) {
	need(t, "irc", "xmpp")
	w := newTown(t)
	server, err := nativelab.NewIRC(w.dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Kill(); err != nil {
			t.Error(err)
		}
	})
	bob := join(t, server, "bob")
	if err := os.WriteFile(filepath.Join(w.dir, "link.password"), []byte(nativelab.IRCLinkPassword), 0o600); err != nil {
		t.Fatal(err)
	}
	_, romeo := xmppTown(t, w, fmt.Sprintf("[irc]\naddress = %q\nname = %q\npassword_file = \"link.password\"\nusers = [\"bob\"]\n", server.Address, nativelab.IRCLinkName))
	w.admitted()
	w.alice.expect("online", func(e event) bool { return e.Type == "online" && e.Online })
	w.alice.say("/new Verona")
	for _, who := range []string{bobURI, romeoURI} {
		w.alice.say("/add " + who)
		w.alice.expect(who, func(e event) bool { return e.Type == "joined" && e.User == who })
	}
	w.alice.say("hello everybody")
	line := sees(t, bob, "] hello everybody")
	_, channel, _ := strings.Cut(line, "[")
	channel, _, _ = strings.Cut(channel, "]")
	says(t, bob, "JOIN "+channel)
	sees(t, bob, " 366 ")
	reads(t, romeo, "[Verona] hello everybody")
	room := strings.TrimPrefix(channel, "#") + "@" + nativelab.XMPPRooms
	writes(t, romeo, "<presence to='"+room+"/romeo'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
	reads(t, romeo, "<subject")
	says(t, bob, "PRIVMSG "+channel+" :from IRC")
	w.alice.expect("bob", message(bobURI, "from IRC"))
	reads(t, romeo, "<body>from IRC</body>")
	writes(t, romeo, "<message to='"+room+"' type='groupchat' id='x1'><body>from XMPP</body></message>")
	w.alice.expect("romeo", message(romeoURI, "from XMPP"))
	if got := sees(t, bob, ":from XMPP"); !strings.Contains(got, "PRIVMSG "+channel) {
		t.Errorf("%q", got)
	}
	w.alice.say("from MIMI")
	sees(t, bob, "PRIVMSG "+channel+" :from MIMI")
	reads(t, romeo, "<body>from MIMI</body>")
	for _, text := range []string{"from IRC", "from XMPP"} {
		if n := w.alice.texts(text); n != 1 {
			t.Errorf("%q came %d times", text, n)
		}
	}
}

func TestWebhookExample(t *testing.T) {
	w := newTown(t)
	program := filepath.Join(w.dir, "webhook")
	if out, err := exec.Command("go", "build", "-o", program, "parley/examples/webhook").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.WriteFile(filepath.Join(w.dir, "webhook.secret"), []byte("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	addresses, err := lab.Ports(2)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--listen", addresses[0], "--gateway", "http://"+addresses[1]+"/events", "--secret-file", filepath.Join(w.dir, "webhook.secret"))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		for scan := bufio.NewScanner(stdout); scan.Scan(); {
			lines <- scan.Text()
		}
	}()
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		for range lines {
			continue
		}
		if err := cmd.Wait(); err == nil {
			t.Error("the example had ended by itself")
		}
	})
	prints := func(want string) {
		t.Helper()
		deadline := time.After(stepLimit)
		for {
			select {
			case line := <-lines:
				if line == want {
					return
				}
			case <-deadline:
				t.Fatalf("%q was not printed; %s", want, w.gateLog())
			}
		}
	}
	w.gateway(fmt.Sprintf("[webhook]\nurl = \"http://%s/\"\nlisten = %q\nsecret_file = \"webhook.secret\"\nallow_private = true\nusers = [\"7\"]\n", addresses[0], addresses[1]))
	w.admitted()
	w.alice.expect("online", func(e event) bool { return e.Type == "online" && e.Online })
	const seven = "mimi://b.example/u/webhook.7"
	w.alice.say("/new Numbers")
	w.alice.say("/add " + seven)
	w.alice.expect("seven", func(e event) bool { return e.Type == "joined" && e.User == seven && e.Gateway == "b.example" })
	w.alice.say("are you there?")
	prints("7 mimi://a.example/u/alice: are you there?")
	t.Run("receipts come back", func(t *testing.T) {
		w.alice.expect("a reading report", func(e event) bool { return e.Type == "report" && e.User == seven && strings.Contains(e.raw, "read") })
	})
	t.Run("an answer comes back", func(t *testing.T) {
		if _, err := io.WriteString(stdin, "7 mimi://a.example/u/alice I am\n"); err != nil {
			t.Fatal(err)
		}
		if e := w.alice.expect("seven's answer", message(seven, "I am")); e.Gateway != "b.example" {
			t.Errorf("%+v", e)
		}
		prints("7 mimi://a.example/u/alice: delivered")
	})
}
