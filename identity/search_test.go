package identity_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/identity"
	"parley/mimi"
	"parley/syntax"
	"parley/uri"
)

func el(t mimi.SearchType, value string) mimi.QueryElement {
	return mimi.QueryElement{Type: t, Value: value}
}

func claim(name, value string) mimi.QueryElement {
	return mimi.QueryElement{Type: mimi.SearchOIDCClaim, Name: name, Value: value}
}

func vcard(name, value string) mimi.QueryElement {
	return mimi.QueryElement{Type: mimi.SearchVCardField, Name: name, Value: value}
}

// try is a query of a provider.
func (w *town) try(from string, elements ...mimi.QueryElement) (*mimi.IdentifierResponse, error) {
	w.t.Helper()
	return w.Query(w.t.Context(), provider(w.t, from), uri.User{}, &mimi.IdentifierRequest{Elements: elements})
}

func (w *town) ask(from string, elements ...mimi.QueryElement) *mimi.IdentifierResponse {
	w.t.Helper()
	answer, err := w.try(from, elements...)
	w.ok(err)
	return answer
}

// finds checks whom a query finds, by user name.
func (w *town) finds(from, want string, elements ...mimi.QueryElement) {
	w.t.Helper()
	answer := w.ask(from, elements...)
	var got []string
	for _, u := range answer.URIs {
		got = append(got, u[strings.LastIndexByte(u, '/')+1:])
	}
	code := mimi.QuerySuccess
	if want == "" {
		code = mimi.QueryNotFound
	}
	if strings.Join(got, " ") != want || answer.Code != code {
		w.t.Errorf("%v: found %v with code %d, want %q", elements, got, answer.Code, want)
	}
}

func TestQuery(t *testing.T) {
	full := func(t *testing.T) *town {
		w := newTown(t)
		w.settle("matthew", "+12125551212", "matt@x.example", "xmpp:matt@x.example", "name=Matthew Weaver", "given_name=Matthew", "ORG=Example Corp")
		w.settle("mather", "name=Ann Mather", "given_name=Ann", "family_name=Mather", "NOTE=likes Matrix films")
		w.settle("star1")
		w.settle("star2")
		for _, name := range []string{"star1", "star2"} {
			w.ok(w.Set(t.Context(), w.user(name), mimi.SearchNick, "", "Star"))
			w.ok(w.Show(t.Context(), w.user(name), mimi.SearchNick, "", "star", identity.Everybody))
		}
		return w
	}
	const b, own = "b.example", "a.example"
	t.Run("P-IQ-01 the same query gets the same answer and changes nothing", func(t *testing.T) {
		w := full(t)
		first := octets(t, w.ask(b, el(mimi.SearchPhone, "+12125551212")))
		for range 3 {
			if !bytes.Equal(first, octets(t, w.ask(b, el(mimi.SearchPhone, "+12125551212")))) {
				t.Fatal("another answer")
			}
		}
	})
	t.Run("P-IQ-02 all elements must match one user", func(t *testing.T) {
		w := full(t)
		w.finds(b, "matthew", claim("given_name", "Matthew"), el(mimi.SearchPhone, "+12125551212"))
		w.finds(b, "", claim("given_name", "Matthew"), claim("family_name", "Mather"))
		w.finds(b, "mather", claim("given_name", "Ann"), claim("family_name", "Mather"))
	})
	t.Run("P-IQ-03 a handle is a whole URI", func(t *testing.T) {
		w := full(t)
		w.finds(b, "matthew", el(mimi.SearchHandle, "mimi://a.example/u/matthew"))
		w.finds(b, "matthew", el(mimi.SearchHandle, "xmpp:matt@x.example"))
		w.finds(b, "", el(mimi.SearchHandle, "mimi://a.example/u/matthe"))
		w.finds(b, "", el(mimi.SearchHandle, "mimi://a.example/u/matthewx"))
		w.finds(b, "", el(mimi.SearchHandle, "matthew"))
		w.finds(b, "", el(mimi.SearchHandle, "mimi://b.example/u/matthew"))
	})
	t.Run("P-IQ-04 a nick or the user part, and several may share one", func(t *testing.T) {
		w := full(t)
		w.finds(b, "matthew", el(mimi.SearchNick, "Matthew"))
		w.finds(b, "star1 star2", el(mimi.SearchNick, "STAR"))
		w.finds(b, "", el(mimi.SearchNick, "sta"))
	})
	t.Run("P-IQ-05 an e-mail address is an addr-spec, a phone number E.164 with plus", func(t *testing.T) {
		w := full(t)
		w.finds(b, "matthew", el(mimi.SearchEmail, "matt@x.example"))
		w.finds(b, "", el(mimi.SearchEmail, "Matt <matt@x.example>"))
		w.finds(b, "", el(mimi.SearchEmail, "att@x.example"))
		w.finds(b, "matthew", el(mimi.SearchPhone, "+12125551212"))
		w.finds(b, "", el(mimi.SearchPhone, "12125551212"))
		w.finds(b, "", el(mimi.SearchPhone, "+1 212 555 1212"))
	})
	t.Run("P-IQ-06 part of a name, without case", func(t *testing.T) {
		w := full(t)
		w.finds(own, "mather matthew", el(mimi.SearchPartialName, "mAt"))
		w.finds(own, "", el(mimi.SearchPartialName, "films"))
	})
	t.Run("P-IQ-07 part of any field", func(t *testing.T) {
		w := full(t)
		w.finds(own, "matthew", el(mimi.SearchWholeProfile, "example corp"))
		w.finds(own, "mather", el(mimi.SearchWholeProfile, "FILMS"))
		w.finds(own, "", el(mimi.SearchWholeProfile, "exampel corp"))
	})
	t.Run("P-IQ-08 claims and properties are equal; others are not supported", func(t *testing.T) {
		w := full(t)
		w.finds(b, "matthew", vcard("ORG", "Example Corp"))
		w.finds(b, "", vcard("ORG", "Example"))
		w.finds(b, "matthew", claim("phone_number", "+12125551212"))
		w.finds(b, "matthew", vcard("EMAIL", "matt@x.example"))
		for _, e := range []mimi.QueryElement{claim("shoe_size", "43"), vcard("X-SHOE", "43"), vcard("org", "Example Corp")} {
			if code := w.ask(b, e).Code; code != mimi.QueryUnsupportedField {
				t.Errorf("%v: %d", e, code)
			}
		}
	})
	t.Run("P-IQ-10 the five codes", func(t *testing.T) {
		w := full(t)
		w.Policy.Matches = 1
		for _, c := range []struct {
			want mimi.QueryCode
			e    mimi.QueryElement
		}{
			{mimi.QuerySuccess, el(mimi.SearchNick, "matthew")},
			{mimi.QueryNotFound, el(mimi.SearchNick, "nobody")},
			{mimi.QueryAmbiguous, el(mimi.SearchNick, "star")},
			{mimi.QueryForbidden, el(mimi.SearchPartialName, "mat")},
			{mimi.QueryUnsupportedField, claim("x", "y")},
		} {
			answer := w.ask(b, c.e)
			if answer.Code != c.want || (c.want != mimi.QuerySuccess && len(answer.URIs)+len(answer.Profiles) > 0) {
				t.Errorf("%v: %+v", c.e, answer)
			}
		}
	})
	t.Run("P-IQ-11 success names users of this provider, and profiles by them", func(t *testing.T) {
		w := full(t)
		answer := w.ask(b, el(mimi.SearchPhone, "+12125551212"))
		if !slices.Equal(answer.URIs, []string{"mimi://a.example/u/matthew"}) || len(answer.Profiles) != 1 || answer.Profiles[0].Stable != answer.URIs[0] {
			t.Fatalf("%+v", answer)
		}
		var fields []string
		for _, f := range answer.Profiles[0].Fields {
			fields = append(fields, fmt.Sprintf("%d %s=%s", f.Source, f.Name, f.Value))
		}
		if got := strings.Join(fields, ", "); got != "7 given_name=Matthew, 7 name=Matthew Weaver" {
			t.Fatalf("profile: %s", got)
		}
		if p := w.ask(b, vcard("ORG", "Example Corp")).Profiles[0]; !slices.ContainsFunc(p.Fields, func(f mimi.ProfileField) bool { return f.Name == "ORG" }) {
			t.Fatalf("what was asked by is not told: %v", p)
		}
	})
	t.Run("P-IQ-13 others search for whole values only, unless the operator allows more", func(t *testing.T) {
		w := full(t)
		for _, kind := range []mimi.SearchType{mimi.SearchPartialName, mimi.SearchWholeProfile} {
			if code := w.ask(b, el(kind, "matthew")).Code; code != mimi.QueryForbidden {
				t.Errorf("type %d: %d", kind, code)
			}
		}
		w.Policy.Types = func(asker uri.Provider) []mimi.SearchType {
			if asker.Domain() == "b.example" {
				return []mimi.SearchType{mimi.SearchPartialName}
			}
			return nil
		}
		w.finds(b, "matthew", el(mimi.SearchPartialName, "matthew"))
		if code := w.ask(b, el(mimi.SearchPartialName, "ma")).Code; code != mimi.QueryForbidden {
			t.Errorf("two letters: %d", code)
		}
		if code := w.ask("c.example", el(mimi.SearchHandle, "mimi://a.example/u/matthew")).Code; code != mimi.QueryForbidden {
			t.Errorf("a provider that may not search: %d", code)
		}
	})
	t.Run("P-IQ-14 there is no query for everybody", func(t *testing.T) {
		w := full(t)
		for _, elements := range [][]mimi.QueryElement{nil, {el(mimi.SearchNick, "")}, {el(mimi.SearchHandle, "x"), el(mimi.SearchNick, "")},
			slices.Repeat([]mimi.QueryElement{el(mimi.SearchNick, "star")}, 9)} {
			_, err := w.try(b, elements...)
			var refused *mimi.Error
			if !errors.As(err, &refused) || refused.Code != mimi.BadRequest {
				t.Errorf("%d elements: %v", len(elements), err)
			}
		}
	})
}

// TestHidden is P-IQ-09: who may not be found is not there, to the octet and to the read.
func TestHidden(t *testing.T) {
	ctx := t.Context()
	w := newTown(t)
	zach := w.settle("zach", "+12125550000", "zach@x.example", "name=Zach")
	shy := w.settle("shy", "+12125550001")
	w.ok(w.Hide(ctx, zach, identity.Nobody))
	w.ok(w.Show(ctx, shy, mimi.SearchPhone, "", "+12125550001", "c.example d.example"))
	query := func(from string, e ...mimi.QueryElement) (string, int) {
		w.reads = 0
		return string(octets(t, w.ask(from, e...))), w.reads
	}
	unknown, reads := query("b.example", el(mimi.SearchPhone, "+12125559999"))
	if reads != 1 {
		t.Fatalf("an unknown number costs %d reads", reads)
	}
	for name, e := range map[string]mimi.QueryElement{
		"a hidden user by handle":                 el(mimi.SearchHandle, zach.String()),
		"a hidden user by number":                 el(mimi.SearchPhone, "+12125550000"),
		"a hidden user by name":                   claim("name", "Zach"),
		"a number shown to others":                el(mimi.SearchPhone, "+12125550001"),
		"a user that is not there":                el(mimi.SearchHandle, "mimi://a.example/u/nobody"),
		"a number that is no number":              el(mimi.SearchPhone, "12125550000"),
		"a handle of somebody else's provider":    el(mimi.SearchHandle, "mimi://b.example/u/zach"),
		"an address that nobody has proven there": el(mimi.SearchEmail, "zach@y.example"),
	} {
		t.Run("P-IQ-09 "+name, func(t *testing.T) {
			if got, n := query("b.example", e); got != unknown || n != 1 {
				t.Errorf("octets %x after %d reads; unknown gives %x after 1", got, n, unknown)
			}
		})
	}
	t.Run("P-IQ-09 a hidden second element costs as much as an unknown one", func(t *testing.T) {
		visible := el(mimi.SearchHandle, shy.String())
		hidden, n := query("b.example", visible, el(mimi.SearchPhone, "+12125550001"))
		other, m := query("b.example", visible, el(mimi.SearchPhone, "+12125559999"))
		if hidden != other || n != m || hidden != unknown {
			t.Errorf("%x after %d, %x after %d", hidden, n, other, m)
		}
	})
	t.Run("P-IQ-09 an allowed provider finds it", func(t *testing.T) {
		w.finds("c.example", "shy", el(mimi.SearchPhone, "+12125550001"))
	})
	t.Run("what is for own users is not for others", func(t *testing.T) {
		w.ok(w.Show(ctx, shy, mimi.SearchPhone, "", "+12125550001", identity.OwnUsers))
		w.finds("b.example", "", el(mimi.SearchPhone, "+12125550001"))
		w.finds("a.example", "shy", el(mimi.SearchPhone, "+12125550001"))
	})
}

func TestBudgets(t *testing.T) {
	const b = "b.example"
	refusal := func(err error) *mimi.Error {
		var refused *mimi.Error
		errors.As(err, &refused)
		return refused
	}
	t.Run("P-IQ-13 a sweep of 10,000 numbers ends early and raises an alarm", func(t *testing.T) {
		w := newTown(t)
		known := w.settle("alice", "+12125550000")
		var alarms []string
		w.Alarm = func(by uri.Provider, reason string) { alarms = append(alarms, by.Domain()+": "+reason) }
		var at int
		for i := range 10_000 {
			_, err := w.try(b, el(mimi.SearchPhone, fmt.Sprintf("+1213555%04d", i)))
			if err != nil {
				if r := refusal(err); r == nil || r.Code != mimi.TooMany || r.RetryAfter != time.Hour {
					t.Fatal(err)
				}
				at = i
				break
			}
		}
		if at != 1000 || len(alarms) != 1 {
			t.Fatalf("ended at %d, alarms %v", at, alarms)
		}
		if _, err := w.try(b, el(mimi.SearchHandle, known.String())); refusal(err) == nil {
			t.Fatal("a known user was told in spite of the limit")
		}
		w.finds("c.example", "alice", el(mimi.SearchPhone, "+12125550000"))
		w.pass(time.Hour)
		w.finds(b, "alice", el(mimi.SearchPhone, "+12125550000"))
	})
	t.Run("P-IQ-13 different identifiers in a day", func(t *testing.T) {
		w := newTown(t)
		w.settle("alice", "+12125550000")
		w.settle("bob", "+12125550001")
		w.Policy.Daily = 1
		for range 5 {
			w.finds(b, "alice", el(mimi.SearchPhone, "+12125550000")) // the same one again is no new one
		}
		if _, err := w.try(b, el(mimi.SearchPhone, "+12125550001")); refusal(err) == nil || refusal(err).RetryAfter != 24*time.Hour {
			t.Fatal(err)
		}
		w.pass(24 * time.Hour)
		w.finds(b, "bob", el(mimi.SearchPhone, "+12125550001"))
	})
	t.Run("one user of our own does not use up what others have", func(t *testing.T) {
		w := newTown(t)
		alice, bob := w.settle("alice"), w.settle("bob")
		w.Policy.OwnMisses = 2
		own := func(by uri.User) error {
			_, err := w.Query(t.Context(), w.Provider, by, &mimi.IdentifierRequest{Elements: []mimi.QueryElement{el(mimi.SearchNick, "nobody")}})
			return err
		}
		w.ok(own(alice))
		w.ok(own(alice))
		if refusal(own(alice)) == nil {
			t.Fatal("a third miss")
		}
		w.ok(own(bob))
	})
}

func octets(t *testing.T, v syntax.Value) []byte {
	t.Helper()
	out, err := syntax.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
