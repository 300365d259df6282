package contact_test

import (
	"fmt"
	"testing"
	"time"

	"parley/consent"
	"parley/contact"
	"parley/mimi"
	"parley/uri"
)

const (
	request = mimi.ConsentRequest
	cancel  = mimi.ConsentCancel
	grant   = mimi.ConsentGrant
	revoke  = mimi.ConsentRevoke

	yes     = mimi.KeyMaterialSuccess
	no      = mimi.KeyMaterialNoConsent
	notHere = mimi.KeyMaterialNoConsentInThisRoom
)

var everywhere uri.Room

func TestConsent(t *testing.T) {
	t.Run("P-CO-01 P-CO-13 asked, granted, used, revoked, between the two providers only", func(t *testing.T) {
		w := newWorld(t, nil)
		alice, bob := w.user("a.example alice"), w.user("b.example bob")
		if got := w.check(alice, bob, ""); got != no {
			t.Errorf("before: %d", got)
		}
		w.say(request, alice, alice, bob, everywhere)
		if got := w.check(alice, bob, ""); got != no {
			t.Errorf("asked: %d", got)
		}
		if told := w.sides["b.example"].told; len(told) != 1 || told[0].Operation != request || told[0].Requester != alice.String() {
			t.Errorf("Bob was told %+v", told)
		}
		w.say(grant, bob, alice, bob, everywhere)
		if got := w.check(alice, bob, "mimi://c.example/r/any"); got != yes {
			t.Errorf("granted: %d", got)
		}
		if got := w.standing(alice, contact.Outgoing, bob, everywhere); got != consent.Granted {
			t.Errorf("Alice's provider: %s", got)
		}
		w.say(revoke, bob, alice, bob, everywhere)
		if got := w.check(alice, bob, ""); got != no {
			t.Errorf("revoked: %d", got)
		}
		for _, m := range w.sent {
			if m.from == m.to || m.from == "c.example" || m.to == "c.example" {
				t.Errorf("%s to %s", m.from, m.to)
			}
		}
		if len(w.sent) != 2 || w.sent[0].endpoint != mimi.RequestConsent || w.sent[1].endpoint != mimi.UpdateConsent {
			t.Errorf("sent %+v", w.sent)
		}
	})
	t.Run("P-CO-09 consent for a room is for that room", func(t *testing.T) {
		w := newWorld(t, nil)
		alice, bob := w.user("a.example alice"), w.user("b.example bob")
		x, y := w.room("a.example", "x"), w.room("a.example", "y")
		w.say(request, alice, alice, bob, x)
		w.say(grant, bob, alice, bob, x)
		if got := w.check(alice, bob, x.String()); got != yes {
			t.Errorf("the room: %d", got)
		}
		if got := w.check(alice, bob, y.String()); got != no {
			t.Errorf("another: %d", got)
		}
		if got := w.check(alice, bob, ""); got != no {
			t.Errorf("no room: %d", got)
		}
		w.say(grant, bob, alice, bob, everywhere)
		w.say(revoke, bob, alice, bob, x)
		if got := w.check(alice, bob, x.String()); got != notHere {
			t.Errorf("refused there: %d", got)
		}
		if got := w.check(alice, bob, y.String()); got != yes {
			t.Errorf("elsewhere: %d", got)
		}
	})
	t.Run("P-CO-06 cancel has exactly the scope of a request", func(t *testing.T) {
		w := newWorld(t, nil)
		alice, bob := w.user("a.example alice"), w.user("b.example bob")
		x := w.room("a.example", "x")
		w.say(request, alice, alice, bob, x)
		a := w.sides["a.example"].contact
		for _, at := range []uri.Room{everywhere, w.room("a.example", "y")} {
			if err := a.Say(t.Context(), alice, entry(cancel, alice, bob, at), false); err == nil || w.code(err) != mimi.NotFound {
				t.Errorf("%v", err)
			}
		}
		w.say(cancel, alice, alice, bob, x)
		last := w.sent[len(w.sent)-1]
		if len(w.sent) != 2 || last.entry.Operation != cancel || *last.entry.Room != x.String() || last.entry.Target != bob.String() {
			t.Errorf("sent %+v", w.sent)
		}
		if w.standing(bob, contact.Incoming, alice, x) != consent.None {
			t.Error("it still waits")
		}
	})
	t.Run("P-CO-07 cancel without a request is taken and does nothing", func(t *testing.T) {
		w := newWorld(t, nil)
		alice, bob := w.user("a.example alice"), w.user("b.example bob")
		w.say(grant, bob, alice, bob, everywhere)
		told := len(w.sides["b.example"].told)
		b := w.sides["b.example"].contact
		for _, target := range []uri.User{bob, w.user("b.example bea")} {
			w.must(b.RequestConsent(t.Context(), alice.Provider(), entry(cancel, alice, target, everywhere)))
		}
		w.settle()
		if w.check(alice, bob, "") != yes || len(w.sides["b.example"].told) != told {
			t.Error("it did something")
		}
	})
	t.Run("P-CO-10 grants and revokes come unasked and with other scopes", func(t *testing.T) {
		w := newWorld(t, nil)
		alice, bob := w.user("a.example alice"), w.user("b.example bob")
		x := w.room("a.example", "x")
		w.say(grant, bob, alice, bob, everywhere)
		w.say(grant, bob, alice, bob, x)
		if w.standing(alice, contact.Outgoing, bob, everywhere) != consent.Granted || w.standing(alice, contact.Outgoing, bob, x) != consent.Granted {
			t.Error("not kept at the requester's provider")
		}
		a := w.sides["a.example"].contact
		w.must(a.UpdateConsent(t.Context(), bob.Provider(), entry(revoke, alice, bob, x)))
		w.settle()
		if w.standing(alice, contact.Outgoing, bob, x) != consent.Refused {
			t.Error("a revoke is not kept")
		}
		if told := w.sides["a.example"].told; len(told) != 3 || told[2].Operation != revoke {
			t.Errorf("told %+v", told)
		}
	})
	t.Run("P-CO-14 nothing tells the requester what became of a request, and a revoke is silent", func(t *testing.T) {
		w := newWorld(t, nil)
		alice, bob := w.user("a.example alice"), w.user("b.example bob")
		w.say(request, alice, alice, bob, everywhere)
		sentBefore := len(w.sent)
		if _, err := w.sides["b.example"].contact.List(t.Context(), bob); err != nil {
			t.Fatal(err)
		}
		w.say(revoke, bob, alice, bob, everywhere)
		if len(w.sent) != sentBefore || w.standing(alice, contact.Outgoing, bob, everywhere) != consent.Asked {
			t.Error("the requester's provider heard of it")
		}
		w.say(grant, bob, alice, bob, everywhere)
		w.must(w.sides["b.example"].contact.Say(t.Context(), bob, entry(revoke, alice, bob, everywhere), true))
		w.settle()
		if w.standing(alice, contact.Outgoing, bob, everywhere) != consent.Refused {
			t.Error("the user wanted it to be told")
		}
	})
	t.Run("P-CO-15 a revoke before any request refuses it unseen", func(t *testing.T) {
		w := newWorld(t, nil)
		alice, bob := w.user("a.example alice"), w.user("b.example bob")
		w.say(revoke, bob, alice, bob, everywhere)
		told := len(w.sides["b.example"].told)
		w.say(request, alice, alice, bob, everywhere)
		if len(w.sides["b.example"].told) != told || w.standing(bob, contact.Incoming, alice, everywhere) != consent.Refused {
			t.Error("Bob was bothered")
		}
	})
	t.Run("P-CO-16 a provider that is no peer ends the request with a clear error", func(t *testing.T) {
		w := newWorld(t, nil)
		alice, dora := w.user("a.example alice"), w.user("d.example dora")
		w.say(request, alice, alice, dora, everywhere)
		if w.standing(alice, contact.Outgoing, dora, everywhere) != consent.None {
			t.Error("it waits for ever")
		}
		told := w.sides["a.example"].told
		if len(told) != 2 || told[1].Operation != cancel || told[1].Target != dora.String() {
			t.Errorf("Alice was told %+v", told)
		}
	})
}

func TestWhoMaySayWhat(t *testing.T) {
	w := newWorld(t, nil)
	alice, bob, cathy := w.user("a.example alice"), w.user("b.example bob"), w.user("c.example cathy")
	b := w.sides["b.example"].contact
	for _, c := range []struct {
		name   string
		caller uri.Provider
		e      *mimi.ConsentEntry
		update bool
		want   mimi.Code
	}{
		{"P-CO-02 grant on requestConsent", alice.Provider(), entry(grant, alice, bob, everywhere), false, mimi.BadRequest},
		{"P-CO-02 revoke on requestConsent", alice.Provider(), entry(revoke, alice, bob, everywhere), false, mimi.BadRequest},
		{"P-CO-03 request on updateConsent", alice.Provider(), entry(request, bob, alice, everywhere), true, mimi.BadRequest},
		{"P-CO-03 cancel on updateConsent", alice.Provider(), entry(cancel, bob, alice, everywhere), true, mimi.BadRequest},
		{"P-CO-04 the requester is another provider's user", cathy.Provider(), entry(request, alice, bob, everywhere), false, mimi.Forbidden},
		{"P-CO-04 the target is another provider's user", alice.Provider(), entry(request, alice, cathy, everywhere), false, mimi.BadRequest},
		{"P-CO-05 the target is another provider's user", cathy.Provider(), entry(grant, bob, alice, everywhere), true, mimi.Forbidden},
		{"P-CO-05 the requester is another provider's user", alice.Provider(), entry(grant, cathy, alice, everywhere), true, mimi.BadRequest},
		{"the target is no user", alice.Provider(), &mimi.ConsentEntry{Operation: request, Requester: alice.String(), Target: "mimi://b.example/r/x"}, false, mimi.BadRequest},
		{"P-CO-08 an unknown target, where users are not hidden", alice.Provider(), entry(request, alice, w.user("b.example nobody"), everywhere), false, mimi.NotFound},
		{"an unknown requester", alice.Provider(), entry(grant, w.user("b.example nobody"), alice, everywhere), true, mimi.NotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			call := b.RequestConsent
			if c.update {
				call = b.UpdateConsent
			}
			if err := call(t.Context(), c.caller, c.e); err == nil || w.code(err) != c.want {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("a user speaks for itself only", func(t *testing.T) {
		for _, e := range []*mimi.ConsentEntry{entry(request, w.user("b.example bea"), alice, everywhere), entry(grant, alice, w.user("b.example bea"), everywhere)} {
			if err := b.Say(t.Context(), bob, e, false); err == nil || w.code(err) != mimi.Forbidden {
				t.Errorf("%v", err)
			}
		}
		if err := b.Say(t.Context(), bob, entry(request, bob, bob, everywhere), false); err == nil || w.code(err) != mimi.BadRequest {
			t.Errorf("to itself: %v", err)
		}
	})
}

// Nobody learns from an answer, nor from the work that it took, whether a user exists, blocks or refuses.
func TestNoOracle(t *testing.T) {
	hidden := func(c *contact.Config) { c.HideUsers = true }
	t.Run("P-CO-08 a request is answered alike for everybody, with the same reads and writes", func(t *testing.T) {
		w := newWorld(t, hidden)
		alice, bob, bea := w.user("a.example alice"), w.user("b.example bob"), w.user("b.example bea")
		b := w.sides["b.example"]
		w.say(revoke, bea, alice, bea, everywhere)
		w.must(b.contact.SetBlock(t.Context(), bea, "mimi://c.example", true))
		var first counts
		for i, c := range []struct {
			name      string
			op        mimi.ConsentOperation
			requester uri.User
			target    uri.User
		}{
			{"somebody", request, alice, bob}, {"asked before", request, alice, bob}, {"nobody", request, alice, w.user("b.example nobody")},
			{"nobody again", request, alice, w.user("b.example nobody")}, {"refuses", request, alice, bea},
			{"blocks", request, w.user("c.example cathy"), bea}, {"cancelled", cancel, alice, bob}, {"nothing to cancel", cancel, alice, bea},
			{"nothing to cancel of nobody", cancel, alice, w.user("b.example none")},
		} {
			b.counts = counts{}
			w.must(b.contact.RequestConsent(t.Context(), c.requester.Provider(), entry(c.op, c.requester, c.target, everywhere)))
			if i == 0 {
				first = b.counts
			}
			if b.counts != first || first.reads == 0 || first.writes == 0 {
				t.Errorf("%s: %+v, the first one %+v", c.name, b.counts, first)
			}
		}
	})
	t.Run("P-KM-20 noConsent takes the same reads as no such user", func(t *testing.T) {
		w := newWorld(t, hidden)
		alice, bob, bea := w.user("a.example alice"), w.user("b.example bob"), w.user("b.example bea")
		b := w.sides["b.example"]
		w.say(revoke, bea, alice, bea, everywhere)
		w.must(b.contact.SetBlock(t.Context(), bob, "mimi://a.example/u/adam", true))
		var first counts
		for i, c := range []struct{ requester, target uri.User }{
			{alice, bob}, {alice, bea}, {alice, w.user("b.example nobody")}, {w.user("a.example adam"), bob},
		} {
			b.counts = counts{}
			got := w.check(c.requester, c.target, "mimi://a.example/r/x")
			if i == 0 {
				first = b.counts
			}
			if got != no || b.counts != first {
				t.Errorf("%d: verdict %d, %+v, the first one %+v", i, got, b.counts, first)
			}
		}
	})
	t.Run("without hiding, an unknown user is said to be unknown", func(t *testing.T) {
		w := newWorld(t, nil)
		if got := w.check(w.user("a.example alice"), w.user("b.example nobody"), ""); got != mimi.KeyMaterialUserUnknown {
			t.Errorf("%d", got)
		}
	})
}

func TestCaps(t *testing.T) {
	t.Run("P-CO-18 what one provider's users ask for is bounded, and ends", func(t *testing.T) {
		w := newWorld(t, func(c *contact.Config) { c.HideUsers = true })
		alice, bob := w.user("a.example alice"), w.user("b.example bob")
		b := w.sides["b.example"].contact
		var err error
		taken := 0
		for ; err == nil && taken < 2*contact.MostWaiting; taken++ {
			e := entry(request, alice, w.user(fmt.Sprintf("b.example u%d", taken)), everywhere)
			err = b.RequestConsent(t.Context(), alice.Provider(), e)
		}
		if err == nil || w.code(err) != mimi.TooMany || taken-1 != contact.MostWaiting {
			t.Fatalf("%d taken, %v", taken, err)
		}
		w.must(b.RequestConsent(t.Context(), w.user("c.example cathy").Provider(), entry(request, w.user("c.example cathy"), bob, everywhere)))
		w.must(b.RequestConsent(t.Context(), alice.Provider(), entry(cancel, alice, bob, everywhere)))
		w.now = w.now.Add(consent.AskedFor + time.Hour)
		if n, err := b.Sweep(t.Context()); err != nil || n != contact.MostWaiting+1 {
			t.Errorf("%d swept, %v", n, err)
		}
		w.must(b.RequestConsent(t.Context(), alice.Provider(), entry(request, alice, bob, everywhere)))
	})
	t.Run("P-CO-18 one user asks another for few rooms at once", func(t *testing.T) {
		w := newWorld(t, nil)
		alice, bob := w.user("a.example alice"), w.user("b.example bob")
		for i := range 3 * contact.MostScopes {
			w.say(request, alice, alice, bob, w.room("a.example", fmt.Sprint("r", i)))
		}
		if n := len(w.sides["b.example"].told); n != contact.MostScopes {
			t.Errorf("Bob was told of %d", n)
		}
	})
}

func TestRulesAndBlocks(t *testing.T) {
	t.Run("the provider chooses the rule for users who say nothing", func(t *testing.T) {
		for rule, want := range map[consent.Rule][2]mimi.KeyMaterialUserCode{
			consent.Open: {yes, yes}, consent.Own: {no, yes}, consent.Ask: {no, no}, "": {yes, yes},
		} {
			w := newWorld(t, func(c *contact.Config) { c.Rule = rule })
			bob := w.user("b.example bob")
			got := [2]mimi.KeyMaterialUserCode{w.check(w.user("a.example alice"), bob, ""), w.check(w.user("b.example bea"), bob, "")}
			if got != want {
				t.Errorf("%q: %v, want %v", rule, got, want)
			}
		}
	})
	t.Run("a block overrides everything and nobody hears of it", func(t *testing.T) {
		w := newWorld(t, func(c *contact.Config) { c.Rule = consent.Open })
		alice, bob := w.user("a.example alice"), w.user("b.example bob")
		b := w.sides["b.example"]
		w.say(grant, bob, alice, bob, everywhere)
		sentBefore, told := len(w.sent), len(b.told)
		for _, subject := range []string{alice.String(), "mimi://a.example"} {
			w.must(b.contact.SetBlock(t.Context(), bob, subject, true))
			if got := w.check(alice, bob, ""); got != no {
				t.Errorf("%s blocked: %d", subject, got)
			}
			w.say(request, w.user("a.example adam"), w.user("a.example adam"), bob, everywhere)
			w.must(b.contact.SetBlock(t.Context(), bob, subject, false))
			if got := w.check(alice, bob, ""); got != yes {
				t.Errorf("%s not blocked: %d", subject, got)
			}
		}
		if n := len(w.sent) - sentBefore; n != 2 { // Adam's requests
			t.Errorf("%d messages", n)
		}
		if len(b.told) != told+1 { // the one while only Alice was blocked
			t.Errorf("Bob was told %d", len(b.told)-told)
		}
		for _, subject := range []string{"bob", bob.String(), "mimi://b.example", "mimi://a.example/r/x"} {
			if err := b.contact.SetBlock(t.Context(), bob, subject, true); err == nil || w.code(err) != mimi.BadRequest {
				t.Errorf("%s: %v", subject, err)
			}
		}
	})
	t.Run("requests of those who are blocked are not listed", func(t *testing.T) {
		w := newWorld(t, nil)
		alice, bob := w.user("a.example alice"), w.user("b.example bob")
		w.say(request, alice, alice, bob, everywhere)
		w.must(w.sides["b.example"].contact.SetBlock(t.Context(), bob, "mimi://a.example", true))
		if w.standing(bob, contact.Incoming, alice, everywhere) != consent.None {
			t.Error("listed")
		}
	})
}

func TestErrands(t *testing.T) {
	t.Run("what cannot be told now is told later, in order, and once", func(t *testing.T) {
		w := newWorld(t, nil)
		alice, bob := w.user("a.example alice"), w.user("b.example bob")
		w.fail = &mimi.Error{Code: mimi.Unavailable}
		w.say(request, alice, alice, bob, everywhere)
		w.say(cancel, alice, alice, bob, everywhere)
		w.say(request, alice, alice, bob, w.room("a.example", "x"))
		w.fail = nil
		w.settle()
		if len(w.sent) != 0 {
			t.Fatal("tried again at once")
		}
		w.now = w.now.Add(15 * time.Minute)
		w.settle()
		var got []mimi.ConsentOperation
		for _, m := range w.sent {
			got = append(got, m.entry.Operation)
		}
		if fmt.Sprint(got) != fmt.Sprint([]mimi.ConsentOperation{request, cancel, request}) {
			t.Errorf("sent %v", got)
		}
		w.now = w.now.Add(time.Hour)
		w.settle()
		if len(w.sent) != 3 {
			t.Error("told twice")
		}
	})
	t.Run("another provider that is away holds nobody else up", func(t *testing.T) {
		w := newWorld(t, nil)
		alice, bob, cathy := w.user("a.example alice"), w.user("b.example bob"), w.user("c.example cathy")
		w.fail = &mimi.Error{Code: mimi.Unavailable}
		w.say(request, alice, alice, bob, everywhere)
		w.fail = nil
		w.say(request, alice, alice, cathy, everywhere)
		if len(w.sent) != 1 || w.sent[0].to != "c.example" {
			t.Errorf("sent %+v", w.sent)
		}
	})
	t.Run("a definite refusal ends a request, and the user hears of it", func(t *testing.T) {
		w := newWorld(t, nil)
		alice := w.user("a.example alice")
		w.say(request, alice, alice, w.user("b.example nobody"), everywhere)
		told := w.sides["a.example"].told
		if len(told) != 2 || told[1].Operation != cancel {
			t.Errorf("told %+v", told)
		}
	})
}
