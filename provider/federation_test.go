package provider_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/client"
	"parley/provider"
	"parley/uri"
)

func newRoom(t testing.TB, n *node, name string) uri.Room {
	t.Helper()
	r, err := uri.NewRoom(n.uri, name)
	return must(t, r, err)
}

// Two people of two providers enrol, meet in a room and talk, over HTTPS on both sides, with MLS end to end.
func TestPeopleOfTwoProvidersTalk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "a.example", "b.example")
	w.nodes["a.example"].onDisk()
	w.startAll()
	a, b := w.nodes["a.example"], w.nodes["b.example"]
	alice, bob := a.enrol("alice", "phone"), b.enrol("bob", "laptop")
	at := newRoom(t, a, "clubhouse")
	if err := alice.Create(t.Context(), at, "Clubhouse"); err != nil {
		t.Fatal(err)
	}
	if _, err := alice.Add(t.Context(), at, bob.Account().User); err != nil {
		t.Fatal(err)
	}
	alice.flush()
	bob.sees(at, client.EntryJoined, bob.Account().User)
	alice.sees(at, client.EntryJoined, bob.Account().User)
	alice.say(at, "hello from a")
	alice.flush()
	bob.hears(at, "hello from a")
	bob.say(at, "hello from b")
	bob.flush()
	alice.hears(at, "hello from b")

	// Many at once come in order, and a lane never has two batches on its way.
	var texts []string
	for i := range 40 {
		texts = append(texts, fmt.Sprintf("hello number %d", i))
		alice.say(at, texts[i])
	}
	alice.flush()
	bob.hears(at, texts[len(texts)-1])
	var heard []string
	entries, err := bob.Timeline(t.Context(), at, 0, 1000)
	for _, e := range must(t, entries, err) {
		if strings.HasPrefix(e.Text, "hello number") {
			heard = append(heard, e.Text)
		}
	}
	if !slices.Equal(heard, texts) {
		t.Errorf("heard %v", heard)
	}
	notAtOnce(t, traced(t, b))

	// What the sockets saw: the walk of ARCHITECTURE.md, in both providers' files, without a name of a user or a room.
	lines := traced(t, b)
	for _, want := range []struct{ side, from, to, endpoint string }{
		{"server", "a.example", "b.example", "keyMaterial"}, {"server", "a.example", "b.example", "notify"},
		{"client", "b.example", "a.example", "submitMessage"},
	} {
		found := false
		for _, l := range lines {
			found = found || l.Side == want.side && l.From == want.from && l.To == want.to && l.Endpoint == want.endpoint &&
				l.Status/100 == 2 && l.Request > 0 && l.Time.IsZero() == false
		}
		if !found {
			t.Errorf("no trace of %+v", want)
		}
	}
	for _, n := range w.order {
		for _, secret := range []string{"alice", "bob", "clubhouse", "hello", "phone"} {
			if strings.Contains(strings.ToLower(n.trace.String()), secret) || strings.Contains(strings.ToLower(n.log.String()), secret) {
				t.Errorf("%s writes %q into its log or trace", n.domain, secret)
			}
		}
		files, err := filepath.Glob(filepath.Join(n.dir, "parley.db*"))
		for _, file := range must(t, files, err) {
			text, err := os.ReadFile(file)
			if bytes.Contains(must(t, text, err), []byte("hello")) {
				t.Errorf("%s holds what was said", filepath.Base(file))
			}
		}
	}
}

// notAtOnce requires that the notifications that a provider took did not overlap; they are all of one room.
func notAtOnce(t testing.TB, lines []provider.TraceLine) {
	t.Helper()
	lines = slices.DeleteFunc(lines, func(l provider.TraceLine) bool { return l.Side != "server" || l.Endpoint != "notify" })
	slices.SortFunc(lines, func(x, y provider.TraceLine) int { return x.Time.Compare(y.Time) })
	for i, l := range lines[1:] {
		if ended := lines[i].Time.Add(time.Duration(lines[i].Micros) * time.Microsecond); l.Time.Before(ended) {
			t.Errorf("a batch began at %v, the one before ended at %v", l.Time, ended)
		}
	}
}

func traced(t testing.TB, n *node) (out []provider.TraceLine) {
	t.Helper()
	for s := bufio.NewScanner(strings.NewReader(n.trace.String())); s.Scan(); {
		var l provider.TraceLine
		if err := json.Unmarshal(s.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		out = append(out, l)
	}
	return out
}

// While the hub is down the sender's client keeps the message and knows whom it waits for; while the follower is down the hub takes
// messages and delivers them later.
func TestProvidersThatAreDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "a.example", "b.example")
	for _, n := range w.order {
		n.onDisk()
	}
	w.startAll()
	a, b := w.nodes["a.example"], w.nodes["b.example"]
	alice, bob := a.enrol("alice", "phone"), b.enrol("bob", "laptop")
	at := newRoom(t, a, "r")
	if err := alice.Create(t.Context(), at, "R"); err != nil {
		t.Fatal(err)
	}
	if _, err := alice.Add(t.Context(), at, bob.Account().User); err != nil {
		t.Fatal(err)
	}
	alice.flush()
	bob.sees(at, client.EntryJoined, bob.Account().User)
	alice.sees(at, client.EntryJoined, bob.Account().User)

	if err := a.end(); err != nil {
		t.Fatal(err)
	}
	bob.say(at, "into the void")
	_, err := bob.Flush(t.Context())
	var retry *client.RetryError
	if err != nil && !errors.As(err, &retry) {
		t.Fatal(err)
	}
	intents := bob.Intents()
	if len(intents) != 1 || intents[0].Fate != client.Waiting || intents[0].Reason != "waiting for provider a.example" {
		t.Fatalf("intents %+v", intents)
	}
	a.again()
	a.start()
	eventually(t, "the message goes out", func() bool {
		if _, err := bob.Flush(t.Context()); err != nil && !errors.As(err, &retry) {
			t.Fatal(err)
		}
		return bob.Intents()[0].Fate == client.Accepted
	})
	alice.hears(at, "into the void")

	if err := b.end(); err != nil {
		t.Fatal(err)
	}
	alice.say(at, "are you there")
	alice.flush()
	// Somebody of b is wanted who is not in the room yet: that cannot be had without b, and the client knows it.
	zoe, err := uri.NewUser(b.uri, "zoe")
	must(t, zoe, err)
	if _, err := alice.Add(t.Context(), at, zoe); err != nil {
		t.Fatal(err)
	}
	if _, err := alice.Flush(t.Context()); err != nil && !errors.As(err, &retry) {
		t.Fatal(err)
	}
	if i := alice.Intents(); i[len(i)-1].Reason != "waiting for provider b.example" {
		t.Errorf("intents %+v", i)
	}
	b.again()
	b.start()
	bob.hears(at, "are you there")
}
