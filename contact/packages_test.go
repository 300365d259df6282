package contact_test

import (
	"testing"

	"parley/consent"
	"parley/contact"
	"parley/mimi"
	"parley/mls/wire"
	"parley/storetest/roletest"
)

func TestKeyPackagesOfGrants(t *testing.T) {
	devices := roletest.New(t, "a.example", "b.example")
	phone, bea := devices.Device("b.example", "bob", "phone"), devices.Device("b.example", "bea", "phone")
	begin := func(t *testing.T) *world {
		w := newWorld(t, nil)
		w.now = roletest.Start
		w.sides["b.example"].stock = []wire.KeyPackage{phone.Package(nil).KeyPackage}
		return w
	}
	claim := func(w *world, at string) *mimi.KeyMaterialResponse {
		t.Helper()
		r := &mimi.KeyMaterialRequest{Protocol: mimi.MLS10, RequestingUser: w.user("a.example alice").String(),
			TargetUser: phone.User.String(), Room: at, Suites: []wire.CipherSuite{roletest.Suite}}
		answer, err := w.sides["a.example"].contact.Granted(w.Context(), phone.User, r)
		w.must(err)
		return answer
	}
	t.Run("P-CO-11 a grant brings KeyPackages of the target, or none", func(t *testing.T) {
		w := begin(t)
		alice, bob := w.user("a.example alice"), phone.User
		w.say(grant, bob, alice, bob, everywhere)
		if n := len(w.sent[0].entry.KeyPackages); n != 1 {
			t.Fatalf("%d KeyPackages", n)
		}
		w.say(grant, bob, alice, bob, w.room("c.example", "x")) // whose hub is neither
		if n := len(w.sent[1].entry.KeyPackages); n != 0 {
			t.Errorf("%d KeyPackages for a room elsewhere", n)
		}
		foreign := entry(grant, alice, bob, everywhere)
		foreign.KeyPackages = []wire.KeyPackage{bea.Package(nil).KeyPackage}
		if err := w.sides["a.example"].contact.UpdateConsent(t.Context(), bob.Provider(), foreign); err == nil || w.code(err) != mimi.BadRequest {
			t.Errorf("somebody else's: %v", err)
		}
		foreign.KeyPackages = make([]wire.KeyPackage, contact.MostPackages+1)
		if err := w.sides["a.example"].contact.UpdateConsent(t.Context(), bob.Provider(), foreign); err == nil || w.code(err) != mimi.BadRequest {
			t.Errorf("too many: %v", err)
		}
	})
	t.Run("P-CO-12 they are used once, in rooms of the own hub, in the grant's scope", func(t *testing.T) {
		w := begin(t)
		alice, bob := w.user("a.example alice"), phone.User
		x := w.room("a.example", "x")
		w.say(grant, bob, alice, bob, x)
		for _, at := range []string{"", "mimi://c.example/r/x", "mimi://a.example/r/y"} {
			if claim(w, at) != nil {
				t.Errorf("given out for %q", at)
			}
		}
		got := claim(w, x.String())
		if got == nil || got.Status != mimi.KeyMaterialSuccess || len(got.Clients) != 1 || got.Clients[0].Client != phone.Client.Client.String() {
			t.Fatalf("%+v", got)
		}
		if claim(w, x.String()) != nil {
			t.Error("twice")
		}
		again := w.sent[0].entry // the same grant comes once more: its answer was lost
		w.must(w.sides["a.example"].contact.UpdateConsent(t.Context(), bob.Provider(), &again))
		if claim(w, x.String()) != nil {
			t.Error("the same grant again brings them back")
		}
	})
	t.Run("P-CO-13 a revoke takes them along", func(t *testing.T) {
		w := begin(t)
		alice, bob := w.user("a.example alice"), phone.User
		w.say(grant, bob, alice, bob, everywhere)
		w.must(w.sides["a.example"].contact.UpdateConsent(t.Context(), bob.Provider(), entry(revoke, alice, bob, everywhere)))
		if claim(w, "mimi://a.example/r/x") != nil || w.standing(alice, contact.Outgoing, bob, everywhere) != consent.Refused {
			t.Error("still there")
		}
	})
	t.Run("those that have nearly ended are not used", func(t *testing.T) {
		w := begin(t)
		alice, bob := w.user("a.example alice"), phone.User
		w.say(grant, bob, alice, bob, everywhere)
		w.now = w.now.AddDate(0, 2, 0)
		if claim(w, "mimi://a.example/r/x") != nil {
			t.Error("given out")
		}
	})
}
