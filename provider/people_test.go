package provider_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/clientapi/api"
	"parley/mimi"
	"parley/provider"
)

// number is a phone number of the tests.
const number = "+4930123456"

// TestFindByNumber is what the Identity Management Function is for: from a number to a person of another provider.
func TestFindByNumber(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "a.example", "b.example", "c.example")
	a, b, c := w.nodes["a.example"], w.nodes["b.example"], w.nodes["c.example"]
	c.onDisk()
	codes := make(chan string, 9)
	c.cfg.People.Send = func(_ context.Context, _ mimi.SearchType, _, code string) error { codes <- code; return nil }
	c.cfg.People.Region = "DE"
	a.cfg.People.Region = "DE"
	w.startAll()
	alice, cathy := a.enrol("alice", "phone"), c.enrol("cathy", "phone")
	find := func(value string) *api.Found {
		t.Helper()
		found, err := alice.api.Find(t.Context(), mimi.QueryElement{Type: mimi.SearchPhone, Value: value})
		return must(t, found, err)
	}
	change := func(p api.PersonChange) *api.Person {
		t.Helper()
		person, err := cathy.api.ChangePerson(t.Context(), &p)
		return must(t, person, err)
	}
	t.Run("nobody has it: all were asked", func(t *testing.T) {
		f := find("030 123456")
		if f.Code != 1 || len(f.Matches) != 0 || !slices.Equal(f.Asked, []string{"a.example", "b.example", "c.example"}) || len(f.Failed) != 0 {
			t.Fatalf("%+v", f)
		}
	})
	t.Run("proven by a code and shown to one provider", func(t *testing.T) {
		if p := change(api.PersonChange{Action: api.PersonProve, Type: "phone", Value: "030 123456"}); len(p.Pending) != 1 || p.Pending[0].Value != number {
			t.Fatalf("%+v", p)
		}
		change(api.PersonChange{Action: api.PersonConfirm, Type: "phone", Value: number, Code: <-codes})
		if f := find(number); f.Code != 1 {
			t.Fatalf("found before it is shown: %+v", f)
		}
		change(api.PersonChange{Action: api.PersonShow, Type: "phone", Value: number, Reach: "a.example"})
		change(api.PersonChange{Action: api.PersonSet, Type: "claim", Name: "name", Value: "Cathy C."})
		change(api.PersonChange{Action: api.PersonShow, Type: "claim", Name: "name", Value: "Cathy C.", Reach: "everybody"})
		f := find("030 12 34 56")
		if f.Code != 0 || len(f.Matches) != 1 || f.Matches[0].User != cathy.Account().User.String() {
			t.Fatalf("%+v", f)
		}
		if fields := f.Matches[0].Fields; len(fields) != 1 || fields[0] != (api.MatchField{Type: "claim", Name: "name", Value: "Cathy C."}) {
			t.Fatalf("%+v", fields)
		}
	})
	t.Run("another provider does not find it", func(t *testing.T) {
		bob := b.enrol("bob", "phone")
		found, err := bob.api.Find(t.Context(), mimi.QueryElement{Type: mimi.SearchPhone, Value: number})
		if f := must(t, found, err); f.Code != 1 {
			t.Fatalf("%+v", f)
		}
	})
	t.Run("a handle is asked at its provider only", func(t *testing.T) {
		found, err := alice.api.Find(t.Context(), mimi.QueryElement{Type: mimi.SearchHandle, Value: cathy.Account().User.String()})
		if f := must(t, found, err); f.Code != 0 || !slices.Equal(f.Asked, []string{"c.example"}) {
			t.Fatalf("%+v", f)
		}
	})
	t.Run("what is wrong with a change is said", func(t *testing.T) {
		for name, p := range map[string]api.PersonChange{
			"no action":    {Type: "phone", Value: number},
			"no address":   {Action: api.PersonProve, Type: "phone", Value: "x"},
			"no kind":      {Action: api.PersonSet, Type: "shoe", Value: "43"},
			"no reach":     {Action: api.PersonShow, Type: "phone", Value: number, Reach: " "},
			"wrong code":   {Action: api.PersonConfirm, Type: "phone", Value: number, Code: "1"},
			"nothing":      {Action: api.PersonWithdraw, Type: "email", Value: "a@b.example"},
			"foreign name": {Action: api.PersonWithdraw, Type: "handle", Value: cathy.Account().User.String()},
		} {
			if _, err := cathy.api.ChangePerson(t.Context(), &p); err == nil || !strings.Contains(err.Error(), " ") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	t.Run("a removed user is found no more", func(t *testing.T) {
		if _, err := c.operator().Remove(t.Context(), "cathy"); err != nil {
			t.Fatal(err)
		}
		if f := find(number); f.Code != 1 {
			t.Fatalf("%+v", f)
		}
	})
	for _, n := range w.order {
		for _, secret := range []string{number, "30123456", "Cathy"} {
			if strings.Contains(n.log.String(), secret) || strings.Contains(n.trace.String(), secret) {
				t.Errorf("%s writes %q into its log or trace", n.domain, secret)
			}
		}
	}
}

// Which provider is asked first, and that one that is away does not spoil the search.
func TestWhomToAsk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "a.example", "b.example", "c.example")
	a := w.nodes["a.example"]
	lookups := 0
	a.cfg.People.Ranges = []provider.NumberRange{{Prefix: "+49", Provider: parse(t, "c.example")}, {Prefix: "+4930", Provider: parse(t, "b.example")}}
	a.cfg.People.ENUM = func(_ context.Context, n string) ([]string, error) {
		lookups++
		if n == "+33142685300" {
			return []string{"sip:x@elsewhere.example", "mimi://b.example/u/bob"}, nil
		}
		return nil, nil
	}
	a.cfg.People.Patience = 500 * time.Millisecond
	for _, d := range []string{"a.example", "b.example"} {
		w.nodes[d].start() // c.example is away
	}
	b := w.nodes["b.example"]
	b.enrol("bob", "phone")
	for _, n := range []string{number, "+33142685300"} {
		if _, err := b.operator().Address(t.Context(), provider.AddressChange{User: "bob", Type: "phone", Value: n, Reach: "everybody"}); err != nil {
			t.Fatal(err)
		}
	}
	alice := a.enrol("alice", "phone")
	for _, c := range []struct {
		value, asked, failed string
		code                 uint8
	}{
		{number, "b.example", "", 0},                                      // the longer prefix
		{"+33142685300", "b.example", "", 0},                              // ENUM
		{"+43123456789", "a.example b.example c.example", "c.example", 1}, // nothing points anywhere
	} {
		found, err := alice.api.Find(t.Context(), mimi.QueryElement{Type: mimi.SearchPhone, Value: c.value})
		f := must(t, found, err)
		if strings.Join(f.Asked, " ") != c.asked || strings.Join(f.Failed, " ") != c.failed || f.Code != c.code {
			t.Errorf("%s: %+v", c.value, f)
		}
	}
	if lookups != 2 {
		t.Errorf("ENUM was asked %d times", lookups)
	}
	if _, err := alice.api.Find(t.Context(), mimi.QueryElement{Type: mimi.SearchPhone, Value: "+49891234"}); err == nil {
		t.Error("the only provider that could know is away, and that was not said")
	}
}

// A provider that claims users of others is not believed.
func TestFindingBelievesNobodyAboutOthers(t *testing.T) {
	b, c := parse(t, "b.example"), parse(t, "c.example")
	f := new(provider.Finding)
	f.Code = mimi.QueryNotFound
	f.Add(b, &mimi.IdentifierResponse{Code: mimi.QuerySuccess, URIs: []string{"mimi://c.example/u/cathy", "nonsense"},
		Profiles: []mimi.UserProfile{{Stable: "mimi://b.example/u/notnamed"}}})
	if f.Code != mimi.QueryNotFound || len(f.Profiles) != 0 {
		t.Fatalf("%+v", f)
	}
	f.Add(c, &mimi.IdentifierResponse{Code: mimi.QuerySuccess, URIs: []string{"mimi://c.example/u/cathy"}})
	f.Add(b, &mimi.IdentifierResponse{Code: mimi.QueryAmbiguous})
	if f.Code != mimi.QuerySuccess || len(f.Profiles) != 1 {
		t.Fatalf("%+v", f)
	}
}
