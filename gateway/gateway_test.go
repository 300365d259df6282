package gateway

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/client"
	"parley/gateway/convert"
	"parley/mls"
	"parley/uri"
)

// records is a client.Store in memory.
type records map[string][]byte

func (r records) Load(_ context.Context, prefix string) ([]mls.Record, error) {
	var out []mls.Record
	for key, value := range r {
		if strings.HasPrefix(key, prefix) {
			out = append(out, mls.Record{Key: key, Value: value})
		}
	}
	slices.SortFunc(out, func(a, b mls.Record) int { return strings.Compare(a.Key, b.Key) })
	return out, nil
}

func (r records) Commit(_ context.Context, changes mls.Delta) error {
	for _, c := range changes {
		if r[c.Key] = c.Value; c.Value == nil {
			delete(r, c.Key)
		}
	}
	return nil
}

func open(t *testing.T, store client.Store) *Journal {
	t.Helper()
	j, err := OpenJournal(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func TestIngest(t *testing.T) {
	provider, err := uri.ProviderFromDomain("b.example")
	if err != nil {
		t.Fatal(err)
	}
	store, now := records{}, time.Unix(1000, 0)
	var woken []string
	g, err := New(Config{Self: provider, Journal: open(t, store), Now: func() time.Time { return now }, Burst: 3, PerUser: 1, PerRoom: 100,
		Unit: func(context.Context, NativeUser) (*Unit, error) { return nil, nil }, Woken: func(n string) { woken = append(woken, n) }})
	if err != nil {
		t.Fatal(err)
	}
	h := g.Host("irc")
	say := func(id string) *Event {
		return &Event{ID: id, Verb: Say, From: "bob", To: "mimi://a.example/u/alice", Text: convert.Text{Text: id}}
	}
	t.Run("what was taken is stored, in order, and once", func(t *testing.T) {
		for _, id := range []string{"1", "2", "1"} {
			if err := h.Ingest(t.Context(), say(id)); err != nil {
				t.Fatal(err)
			}
		}
		queue, err := open(t, store).waiting(t.Context(), "irc") // as after a restart
		if err != nil || len(queue) != 2 || queue[0].Event.ID != "1" || queue[1].Event.ID != "2" {
			t.Errorf("%+v, %v", queue, err)
		}
		if len(woken) == 0 {
			t.Error("nobody was woken")
		}
	})
	t.Run("over its budget nothing is taken", func(t *testing.T) {
		if err := h.Ingest(t.Context(), say("4")); !errors.Is(err, ErrFlood) {
			t.Errorf("%v", err)
		}
		now = now.Add(time.Second)
		if err := h.Ingest(t.Context(), say("4")); err != nil {
			t.Errorf("a second later: %v", err)
		}
	})
	t.Run("what is no event", func(t *testing.T) {
		now = now.Add(time.Hour)
		for name, e := range map[string]*Event{
			"no id": {From: "bob", To: "x"}, "nobody": {ID: "a", To: "x"}, "nowhere": {ID: "a", From: "bob"}, "two places": {ID: "a", From: "bob", To: "x", Group: "y"},
			"too long": {ID: "a", From: "bob", To: "x", Text: convert.Text{Text: strings.Repeat("x", mostText+1)}}, "a long id": {ID: strings.Repeat("x", mostID+1), From: "bob", To: "x"},
		} {
			now = now.Add(time.Hour)
			if err := h.Ingest(t.Context(), e); !errors.Is(err, ErrEvent) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	t.Run("a store that fails is no success", func(t *testing.T) {
		g.cfg.Journal.store = broken{}
		if err := h.Ingest(t.Context(), say("9")); err == nil {
			t.Error("taken")
		}
	})
}

// broken is a store that fails.
type broken struct{}

func (broken) Load(context.Context, string) ([]mls.Record, error) { return nil, errDamaged }
func (broken) Commit(context.Context, mls.Delta) error            { return errDamaged }

func TestNamesStayAndAreNobodyElses(t *testing.T) {
	store := records{}
	j := open(t, store)
	seen := map[string]Address{}
	for _, a := range []Address{"romeo@x.example", "romeo-x.example", "ROMEO@x.example/1", "", "日本", Address(strings.Repeat("x", 200)), Address(strings.Repeat("x", 201))} {
		name, err := j.name(t.Context(), "xmpp", a)
		if err != nil || len(name) > 64 || !strings.HasPrefix(name, "xmpp.") {
			t.Errorf("%q: %q, %v", a, name, err)
		}
		if other, taken := seen[name]; taken {
			t.Errorf("%q and %q are both %q", a, other, name)
		}
		seen[name] = a
	}
	again := open(t, store)
	for name, a := range seen {
		if got, err := again.name(t.Context(), "xmpp", a); err != nil || got != name {
			t.Errorf("%q was %q and is %q, %v", a, name, got, err)
		}
		if network, back, err := again.address(t.Context(), name); err != nil || back != a || network != "xmpp" {
			t.Errorf("%q is %q, %v", name, back, err)
		}
	}
	lower := func(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' }
	aliases := map[string]bool{}
	for _, u := range []string{"mimi://a.example/u/alice", "mimi://b.example/u/alice", "mimi://c.example/u/alice-in-wonderland", "mimi://a.example/u/7"} {
		user, err := uri.ParseUser(u)
		if err != nil {
			t.Fatal(err)
		}
		alias, err := j.alias(t.Context(), "irc", user, 9, lower)
		if err != nil || len(alias) > 9 || aliases[alias] {
			t.Errorf("%s: %q, %v", u, alias, err)
		}
		aliases[alias] = true
		if back, ok := again.aliased(t.Context(), "irc", strings.ToUpper(alias)); !ok || back != user {
			t.Errorf("%q is %s", alias, back)
		}
	}
}

func TestIDsAreOfTheirRoom(t *testing.T) {
	j := open(t, records{})
	k := &known{Native: "1" + AlsoKnown + "sid", Message: "aa", Room: "r1", From: "u"}
	both, err := k.both("xmpp")
	if err != nil {
		t.Fatal(err)
	}
	if err := j.put(t.Context(), both...); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		network, room, native string
		found                 bool
	}{{"xmpp", "r1", "1", true}, {"xmpp", "r1", "sid", true}, {"xmpp", "r2", "1", false}, {"irc", "r1", "1", false}, {"xmpp", "r1", "2", false}, {"xmpp", "r1", "", false}} {
		got, err := j.byNative(t.Context(), c.network, c.room, c.native)
		if err != nil || (got != nil) != c.found {
			t.Errorf("%+v: %v, %v", c, got, err)
		}
	}
}

func TestMarkAndMessageAreOneWrite(t *testing.T) {
	inner := records{}
	s := &Store{Store: inner}
	s.With(mls.Record{Key: "mark", Value: []byte{1}})
	s.Without()
	if err := s.Commit(t.Context(), mls.Delta{{Key: "a", Value: []byte{1}}}); err != nil || inner["mark"] != nil {
		t.Errorf("a mark that was taken back is there: %v", err)
	}
	s.With(mls.Record{Key: "mark", Value: []byte{1}})
	if err := s.Commit(t.Context(), mls.Delta{{Key: "b", Value: []byte{1}}}); err != nil || inner["mark"] == nil || inner["b"] == nil {
		t.Errorf("not both: %v", err)
	}
}

func TestWhoBelongsToANetwork(t *testing.T) {
	self, err := uri.ProviderFromDomain("b.example")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{"mimi://b.example/u/irc.bob": true, "mimi://a.example/u/irc.bob": false, "mimi://b.example/u/ircbob": false,
		"mimi://b.example/u/xmpp.bob": false} {
		user, err := uri.ParseUser(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := NativeOf(self, user, "irc"); ok != want {
			t.Errorf("%s belongs to irc: %v", text, ok)
		}
	}
}
