package provider_test

import (
	"strings"
	"testing"
	"time"

	"parley/client"
	"parley/clientapi/api"
	"parley/consent"
	"parley/mimi"
	"parley/provider"
	"parley/uri"
)

// ask says something about consent in the name of a device's user.
func (d *device) ask(op mimi.ConsentOperation, requester, target uri.User, at uri.Room) {
	d.t.Helper()
	e := &mimi.ConsentEntry{Operation: op, Requester: requester.String(), Target: target.String()}
	if !at.IsZero() {
		text := at.String()
		e.Room = &text
	}
	if err := d.api.Consent(d.t.Context(), e, false); err != nil {
		d.t.Fatal(err)
	}
}

// learns receives until there are news of a kind from somebody.
func (d *device) learns(op mimi.ConsentOperation, other uri.User) client.News {
	d.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		if _, err := d.Receive(d.t.Context(), time.Second); err != nil {
			d.t.Fatal(err)
		}
		for _, n := range d.TakeNews() {
			if n.Operation == op && n.Other == other {
				return n
			}
		}
	}
	d.t.Fatalf("no news of operation %d", op)
	return client.News{}
}

// adds wants somebody in a room and returns why not, "" when it was accepted.
func (d *device) adds(at uri.Room, user uri.User) string {
	d.t.Helper()
	id, err := d.Add(d.t.Context(), at, user)
	must(d.t, id, err)
	if _, err := d.Flush(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	for _, i := range d.Intents() {
		if i.ID == id && i.Fate == client.Failed {
			if err := d.Forget(d.t.Context(), id); err != nil {
				d.t.Fatal(err)
			}
			return i.Reason
		}
	}
	return ""
}

// claims counts the requests for KeyPackages that a provider has served, by who asked.
func (n *node) claims() map[string]int {
	n.world.t.Helper()
	out := make(map[string]int)
	for _, l := range traced(n.world.t, n) {
		if l.Side == "server" && l.Endpoint == "keyMaterial" {
			out[l.From]++
		}
	}
	return out
}

func TestConsentBetweenProviders(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "a.example", "b.example", "c.example")
	w.nodes["b.example"].onDisk()
	w.nodes["b.example"].cfg.Consent = provider.Consent{Rule: consent.Ask, HideUsers: true}
	w.startAll()
	a, b, c := w.nodes["a.example"], w.nodes["b.example"], w.nodes["c.example"]
	alice, bob, cathy := a.enrol("alice", "phone"), b.enrol("bob", "laptop"), c.enrol("cathy", "phone")
	bobUser, aliceUser := bob.Account().User, alice.Account().User
	at := newRoom(t, a, "clubhouse")
	if err := alice.Create(t.Context(), at, "Clubhouse"); err != nil {
		t.Fatal(err)
	}
	nobody, err := uri.NewUser(b.uri, "nobody")
	must(t, nobody, err)

	refused := alice.adds(at, bobUser)
	if refused == "" {
		t.Fatal("added without consent")
	}
	if got := alice.adds(at, nobody); got != refused {
		t.Errorf("nobody: %q, Bob: %q", got, refused)
	}
	alice.ask(mimi.ConsentRequest, aliceUser, bobUser, uri.Room{})
	if n := bob.learns(mimi.ConsentRequest, aliceUser); !n.Incoming {
		t.Errorf("%+v", n)
	}
	list, err := bob.api.Consents(t.Context())
	if must(t, list, err); len(list) != 1 || list[0].Side != api.ConsentIncoming || list[0].Other != aliceUser.String() || list[0].Standing != "asked" {
		t.Errorf("%+v", list)
	}
	if alice.adds(at, bobUser) != refused {
		t.Error("asking is enough")
	}
	alice.ask(mimi.ConsentRequest, aliceUser, nobody, uri.Room{})

	before := b.claims()
	stock, err := bob.api.PublishKeyPackages(t.Context(), nil)
	must(t, stock, err)
	bob.ask(mimi.ConsentGrant, aliceUser, bobUser, uri.Room{})
	alice.learns(mimi.ConsentGrant, bobUser)
	t.Run("P-CO-11 the KeyPackages of a grant count as handed out, and the Welcome for them finds its way", func(t *testing.T) {
		left, err := bob.api.PublishKeyPackages(t.Context(), nil)
		if must(t, left, err); left != stock-1 {
			t.Errorf("%d left of %d", left, stock)
		}
		if got := alice.adds(at, bobUser); got != "" {
			t.Fatal(got)
		}
		bob.sees(at, client.EntryJoined, bobUser)
		if got := b.claims()["a.example"]; got != before["a.example"] {
			t.Errorf("%d claims, before %d", got, before["a.example"])
		}
	})
	t.Run("P-CO-12 in a room of another hub the target's provider is asked all the same", func(t *testing.T) {
		bob.ask(mimi.ConsentGrant, aliceUser, bobUser, uri.Room{})
		elsewhere := newRoom(t, c, "elsewhere")
		if err := cathy.Create(t.Context(), elsewhere, "Elsewhere"); err != nil {
			t.Fatal(err)
		}
		if got := cathy.adds(elsewhere, aliceUser); got != "" {
			t.Fatal(got)
		}
		alice.sees(elsewhere, client.EntryJoined, aliceUser)
		if got := alice.adds(elsewhere, bobUser); got != "" {
			t.Fatal(got)
		}
		if got := b.claims()["c.example"]; got != 1 {
			t.Errorf("%d claims by the hub", got)
		}
		bob.sees(elsewhere, client.EntryJoined, bobUser)
	})
	t.Run("P-CO-13 after a revoke nothing is handed out", func(t *testing.T) {
		bob.ask(mimi.ConsentRevoke, aliceUser, bobUser, uri.Room{})
		third := newRoom(t, c, "third")
		if err := cathy.Create(t.Context(), third, "Third"); err != nil {
			t.Fatal(err)
		}
		if got := cathy.adds(third, bobUser); got == "" {
			t.Error("Cathy has no consent")
		}
		if got := cathy.adds(third, aliceUser); got != "" {
			t.Fatal(got)
		}
		alice.sees(third, client.EntryJoined, aliceUser)
		if got := alice.adds(third, bobUser); got != refused {
			t.Errorf("%q", got)
		}
	})
	t.Run("no room has the name under which news are kept", func(t *testing.T) {
		name := newRoom(t, a, ".consent")
		if err := alice.Create(t.Context(), name, "x"); err == nil {
			t.Error("created")
		}
	})
	for _, n := range w.order {
		for _, secret := range []string{"alice", "bob", "nobody"} {
			if strings.Contains(strings.ToLower(n.trace.String()+n.log.String()), secret) {
				t.Errorf("%s writes %q into its log or trace", n.domain, secret)
			}
		}
	}
}

func TestAbuseIsReported(t *testing.T) {
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
	if got := alice.adds(at, bob.Account().User); got != "" {
		t.Fatal(got)
	}
	bob.sees(at, client.EntryJoined, bob.Account().User)
	alice.sees(at, client.EntryJoined, bob.Account().User)
	alice.say(at, "buy my pills")
	alice.flush()
	bob.hears(at, "buy my pills")
	if err := a.end(); err != nil {
		t.Fatal(err)
	}
	a.again()
	a.start()
	message := func(d *device) client.Entry {
		entries, err := d.Timeline(t.Context(), at, 0, 100)
		must(t, entries, err)
		for _, e := range entries {
			if e.Text == "buy my pills" {
				return e
			}
		}
		t.Fatal("no message")
		return client.Entry{}
	}
	t.Run("P-FR-18 C-SEC-13 what a report needs is kept with the message, and the hub knows it again after a restart", func(t *testing.T) {
		e := message(bob)
		if e.Franked == nil || e.Franked.Problem != "" || e.Franked.Doubt != "" || e.Franked.Frank == nil {
			t.Fatalf("%+v", e.Franked)
		}
		report, err := bob.NewReport(at, []client.Entry{e}, "spam", false)
		must(t, report, err)
		if err := bob.api.Report(t.Context(), at, report); err != nil {
			t.Fatal(err)
		}
		list, err := a.operator().Reports(t.Context(), 0, 10, false)
		if must(t, list, err); len(list) != 1 || !list[0].Verified || list[0].Messages[0].Verdict != "genuine" ||
			list[0].Messages[0].Text != "buy my pills" || list[0].Abuser != alice.Account().User.String() ||
			list[0].Reporter != bob.Account().User.String() || list[0].From != "b.example" || list[0].Note != "spam" {
			t.Fatalf("%+v", list)
		}
		if err := a.operator().Resolve(t.Context(), list[0].ID, "warned"); err != nil {
			t.Fatal(err)
		}
		if err := a.operator().Resolve(t.Context(), list[0].ID, "again"); err == nil {
			t.Error("resolved twice")
		}
	})
	t.Run("P-AB-01 the report went to the hub and to nobody else", func(t *testing.T) {
		var to []string
		for _, l := range traced(t, b) {
			if l.Side == "client" && l.Endpoint == "reportAbuse" {
				to = append(to, l.To)
			}
		}
		if len(to) != 1 || to[0] != "a.example" {
			t.Errorf("%q", to)
		}
	})
	t.Run("P-AB-02 an anonymous report names nobody", func(t *testing.T) {
		report, err := bob.NewReport(at, []client.Entry{message(bob)}, "", true)
		must(t, report, err)
		if err := bob.api.Report(t.Context(), at, report); err != nil {
			t.Fatal(err)
		}
		list, err := a.operator().Reports(t.Context(), 0, 10, false)
		if must(t, list, err); len(list) != 1 || list[0].Reporter != "" || !list[0].Verified {
			t.Fatalf("%+v", list)
		}
	})
	t.Run("a report in somebody else's name is refused", func(t *testing.T) {
		report, err := bob.NewReport(at, []client.Entry{message(bob)}, "x", false)
		must(t, report, err)
		report.Reporter = alice.Account().User.String()
		if err := bob.api.Report(t.Context(), at, report); err == nil {
			t.Error("taken")
		}
	})
	if strings.Contains(a.log.String()+b.log.String(), "pills") {
		t.Error("the log holds what was reported")
	}
}
