package identity_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"parley/identity"
	"parley/mimi"
	"parley/store/memory"
	"parley/uri"
)

// town is a provider's people with everything that they were sent.
type town struct {
	*identity.People
	*clock
	t     *testing.T
	sent  map[string]string // codes by address
	calls int
	fail  error
	reads int // of the store's Find, Scan and Person
}

func newTown(t *testing.T) *town {
	t.Helper()
	store := new(memory.Identity)
	w := &town{t: t, clock: &clock{time.Unix(1_800_000_000, 0)}, sent: make(map[string]string)}
	w.People = &identity.People{
		Provider: provider(t, "a.example"), Update: store.UpdatePeople, Now: w.clock.now, Region: "DE",
		View: func(ctx context.Context, f func(identity.PeopleTx) error) error {
			return store.ViewPeople(ctx, func(tx identity.PeopleTx) error { return f(counted{tx, w}) })
		},
		Send: func(_ context.Context, _ mimi.SearchType, address, code string) error {
			w.calls++
			w.sent[address] = code
			return w.fail
		},
	}
	return w
}

// counted counts reads.
type counted struct {
	identity.PeopleTx
	w *town
}

func (c counted) Find(t mimi.SearchType, name, key string, limit int) ([]identity.Found, error) {
	c.w.reads++
	return c.PeopleTx.Find(t, name, key, limit)
}

func (c counted) Scan(part string, limit int) ([]identity.Found, error) {
	c.w.reads++
	return c.PeopleTx.Scan(part, limit)
}

func (c counted) Person(u uri.User) (identity.Person, bool, error) {
	c.w.reads++
	return c.PeopleTx.Person(u)
}

func (w *town) user(name string) uri.User {
	w.t.Helper()
	u, err := uri.NewUser(w.Provider, name)
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

func (w *town) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// settle makes a user with addresses and fields that everybody may see; a field is written "claim=value".
func (w *town) settle(name string, things ...string) uri.User {
	w.t.Helper()
	u, ctx := w.user(name), w.t.Context()
	w.ok(w.Introduce(ctx, u))
	for _, thing := range things {
		field, value, isField := strings.Cut(thing, "=")
		switch {
		case isField:
			kind := mimi.SearchOIDCClaim
			if field == strings.ToUpper(field) {
				kind = mimi.SearchVCardField
			}
			w.ok(w.Set(ctx, u, kind, field, value))
			w.ok(w.Show(ctx, u, kind, field, value, identity.Everybody))
		case strings.HasPrefix(thing, "+"):
			w.ok(w.Assert(ctx, u, mimi.SearchPhone, thing, identity.Everybody))
		case strings.Contains(thing, ":"):
			w.ok(w.Assert(ctx, u, mimi.SearchHandle, thing, identity.Everybody))
		default:
			w.ok(w.Assert(ctx, u, mimi.SearchEmail, thing, identity.Everybody))
		}
	}
	return u
}

func TestProof(t *testing.T) {
	ctx, phone := t.Context(), mimi.SearchPhone
	find := func(w *town, number string) mimi.QueryCode {
		return w.ask("b.example", el(phone, number)).Code
	}
	t.Run("P-DS-01 an address cannot be found before its proof and before it is shown", func(t *testing.T) {
		w := newTown(t)
		alice := w.settle("alice")
		w.ok(w.Claim(ctx, alice, phone, "030 1234567"))
		code := w.sent["+49301234567"]
		if len(code) != 8 {
			t.Fatalf("sent %v", w.sent)
		}
		if got := find(w, "+49301234567"); got != mimi.QueryNotFound {
			t.Fatalf("unproven: %v", got)
		}
		w.ok(w.Confirm(ctx, alice, phone, "+49 30 1234567", code))
		if got := find(w, "+49301234567"); got != mimi.QueryNotFound {
			t.Fatalf("proven but not shown: %v", got)
		}
		w.ok(w.Show(ctx, alice, phone, "", "+49301234567", identity.Everybody))
		if got := find(w, "+49301234567"); got != mimi.QuerySuccess {
			t.Fatalf("shown: %v", got)
		}
	})
	t.Run("a code ends after five wrong ones, in time, and with its use", func(t *testing.T) {
		w := newTown(t)
		alice := w.settle("alice")
		w.ok(w.Claim(ctx, alice, phone, "+491"+"2345678"))
		code := w.sent["+4912345678"]
		for range 5 {
			if err := w.Confirm(ctx, alice, phone, "+4912345678", "00000000x"); !errors.Is(err, identity.ErrProof) {
				t.Fatal(err)
			}
		}
		if err := w.Confirm(ctx, alice, phone, "+4912345678", code); !errors.Is(err, identity.ErrProof) {
			t.Fatalf("the right one after five wrong ones: %v", err)
		}
		w.ok(w.Claim(ctx, alice, phone, "+4912345678"))
		w.pass(identity.ProofLife)
		if err := w.Confirm(ctx, alice, phone, "+4912345678", w.sent["+4912345678"]); !errors.Is(err, identity.ErrProof) {
			t.Fatalf("too late: %v", err)
		}
		w.ok(w.Claim(ctx, alice, phone, "+4912345678"))
		w.ok(w.Confirm(ctx, alice, phone, "+4912345678", w.sent["+4912345678"]))
		if err := w.Confirm(ctx, alice, phone, "+4912345678", w.sent["+4912345678"]); !errors.Is(err, identity.ErrProof) {
			t.Fatalf("twice: %v", err)
		}
	})
	t.Run("a code is its user's and its address's", func(t *testing.T) {
		w := newTown(t)
		alice, bob := w.settle("alice"), w.settle("bob")
		w.ok(w.Claim(ctx, alice, phone, "+4912345678"))
		w.ok(w.Claim(ctx, alice, phone, "+4912345679"))
		if err := w.Confirm(ctx, bob, phone, "+4912345678", w.sent["+4912345678"]); !errors.Is(err, identity.ErrProof) {
			t.Fatalf("another user: %v", err)
		}
		if err := w.Confirm(ctx, alice, phone, "+4912345678", w.sent["+4912345679"]); !errors.Is(err, identity.ErrProof) {
			t.Fatalf("another address: %v", err)
		}
	})
	t.Run("a number moves to who proves it, and both histories say so", func(t *testing.T) {
		w := newTown(t)
		alice, bob := w.settle("alice", "+4912345678"), w.settle("bob")
		w.ok(w.Claim(ctx, bob, phone, "+4912345678"))
		if got := w.ask("b.example", el(phone, "+4912345678")).URIs; len(got) != 1 || got[0] != alice.String() {
			t.Fatalf("a claim alone moved it: %v", got)
		}
		w.ok(w.Confirm(ctx, bob, phone, "+4912345678", w.sent["+4912345678"]))
		w.ok(w.Show(ctx, bob, phone, "", "+4912345678", identity.Everybody))
		if got := w.ask("b.example", el(phone, "+4912345678")).URIs; len(got) != 1 || got[0] != bob.String() {
			t.Fatalf("found %v", got)
		}
		lost, err := w.History(ctx, alice, 9)
		w.ok(err)
		gained, err := w.History(ctx, bob, 9)
		w.ok(err)
		if len(lost) != 2 || lost[0].What != identity.Lost || len(gained) != 1 || gained[0].What != identity.Gained {
			t.Fatalf("%v, %v", lost, gained)
		}
	})
	t.Run("nobody is flooded with codes", func(t *testing.T) {
		w := newTown(t)
		alice, bob := w.settle("alice"), w.settle("bob")
		for range 3 {
			w.ok(w.Claim(ctx, alice, phone, "+4912345678"))
		}
		if err := w.Claim(ctx, bob, phone, "+4912345678"); !errors.Is(err, identity.ErrTooMany) {
			t.Fatalf("a fourth to one address: %v", err)
		}
		for i := range 7 {
			w.ok(w.Claim(ctx, alice, phone, "+491234567"+string(rune('0'+i))+"0"))
		}
		if err := w.Claim(ctx, alice, mimi.SearchEmail, "x@y.example"); !errors.Is(err, identity.ErrTooMany) {
			t.Fatalf("an eleventh of one user: %v", err)
		}
		if w.calls != 10 {
			t.Fatalf("%d codes", w.calls)
		}
		w.pass(time.Hour)
		w.ok(w.Claim(ctx, bob, phone, "+4912345678"))
	})
	t.Run("what cannot be proven by a code", func(t *testing.T) {
		w := newTown(t)
		alice := w.settle("alice")
		if err := w.Claim(ctx, alice, mimi.SearchHandle, "xmpp:alice@x.example"); !errors.Is(err, identity.ErrForeign) {
			t.Fatalf("a handle of another system: %v", err)
		}
		if err := w.Assert(ctx, alice, mimi.SearchHandle, "mimi://a.example/u/bob", identity.Everybody); !errors.Is(err, identity.ErrForeign) {
			t.Fatalf("the name of another user: %v", err)
		}
		if err := w.Set(ctx, alice, phone, "", "+4912345678"); !errors.Is(err, identity.ErrField) {
			t.Fatalf("a number without proof: %v", err)
		}
		w.fail = errors.New("no credit left")
		if err := w.Claim(ctx, alice, phone, "+4912345678"); !errors.Is(err, identity.ErrSending) {
			t.Fatalf("a failed message: %v", err)
		}
		w.Send = nil
		if err := w.Claim(ctx, alice, phone, "+4912345678"); !errors.Is(err, identity.ErrSending) {
			t.Fatalf("no way to send: %v", err)
		}
	})
	t.Run("P-DS-08 the user, and nobody else, takes an address away; a removed user leaves nothing", func(t *testing.T) {
		w := newTown(t)
		alice, bob := w.settle("alice", "+4912345678", "alice@x.example", "name=Alice"), w.settle("bob")
		if err := w.Withdraw(ctx, bob, phone, "", "+4912345678"); !errors.Is(err, identity.ErrNoEntry) {
			t.Fatalf("somebody else's: %v", err)
		}
		w.ok(w.Withdraw(ctx, alice, phone, "", "+4912345678"))
		if got := find(w, "+4912345678"); got != mimi.QueryNotFound {
			t.Fatalf("withdrawn: %v", got)
		}
		if err := w.Withdraw(ctx, alice, mimi.SearchHandle, "", alice.String()); !errors.Is(err, identity.ErrForeign) {
			t.Fatalf("the own name: %v", err)
		}
		w.ok(w.Forget(ctx, alice))
		for _, e := range []mimi.QueryElement{el(mimi.SearchEmail, "alice@x.example"), el(mimi.SearchHandle, alice.String()), claim("name", "Alice")} {
			if got := w.ask("b.example", e).Code; got != mimi.QueryNotFound {
				t.Errorf("%v of a removed user: %v", e, got)
			}
		}
		if _, _, err := w.Person(ctx, alice); !errors.Is(err, identity.ErrUser) {
			t.Fatal(err)
		}
	})
}

// pass lets time pass.
func (w *town) pass(d time.Duration) { w.clock.t = w.clock.t.Add(d) }

func TestIntroduceAll(t *testing.T) {
	ctx, store := t.Context(), new(memory.Identity)
	c := &clock{time.Unix(1_800_000_000, 0)}
	a := &identity.Accounts{Provider: provider(t, "a.example"), Update: store.Update, View: store.View, Now: c.now}
	for _, name := range []string{"alice", "bob", "cathy"} {
		if _, _, err := a.Invite(ctx, name); err != nil {
			t.Fatal(err)
		}
	}
	p := &identity.People{Provider: a.Provider, Update: store.UpdatePeople, View: store.ViewPeople, Now: c.now}
	for i, want := range []int{3, 0} {
		if n, err := p.IntroduceAll(ctx); err != nil || n != want {
			t.Fatalf("round %d: %d, %v", i, n, err)
		}
	}
}

func TestKeys(t *testing.T) {
	same := []struct {
		kind mimi.SearchType
		a, b string
	}{
		{mimi.SearchEmail, "Alice@X.example", "alice@x.EXAMPLE"},
		{mimi.SearchEmail, "a@bücher.example", "a@xn--bcher-kva.example"},
		{mimi.SearchNick, "  Foo  Bar ", "foo bar"},
		{mimi.SearchHandle, "XMPP:Alice@X.example", "xmpp:alice@x.example"},
		{mimi.SearchHandle, "sip:Al@X.example", "sip:Al@x.example"},
	}
	for _, s := range same {
		a, err := identity.Key(s.kind, "", s.a)
		b, err2 := identity.Key(s.kind, "", s.b)
		if err != nil || err2 != nil || a != b {
			t.Errorf("%q and %q: %q %q %v %v", s.a, s.b, a, b, err, err2)
		}
	}
	bad := map[mimi.SearchType][]string{
		mimi.SearchPhone:  {"12125551212", "+", "+1212555121a", "+0123456", "+1234567890123456", "tel:+12125551212", "＋12125551212", "+12125551212;ext=1"},
		mimi.SearchEmail:  {"a", "a@", "@b.example", "a@b", "A <a@b.example>", "a@b.example, c@d.example", "a@b.example\r\nBcc: x", "\"a b\"@c.example", "a@b..example"},
		mimi.SearchHandle: {"alice", "mimi://a.example", "mimi://a.example/u/", "xmpp:", "xmpp:а@x.example", "http://x.example/", "javascript:1", "sip:x", "sip:a@b;x=y", "xmpp:a@b.example/phone"},
		mimi.SearchNick:   {"", " ", "a\u202eb", "a\x00", "\xff"},
	}
	for kind, values := range bad {
		for _, v := range values {
			if k, err := identity.Key(kind, "", v); err == nil {
				t.Errorf("type %d: %q has the key %q", kind, v, k)
			}
		}
	}
	for in, want := range map[string]string{
		"030 1234567": "+49301234567", "+33 1 42 68 53 00": "+33142685300", "0049 (30) 123-4567": "+49301234567", "tel:+49-30-1234567": "+49301234567",
	} {
		if got, err := identity.Phone(in, "DE"); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "abc", "1", "030 1234567 ext. 5", strings.Repeat("1", 65), "+"} {
		if got, err := identity.Phone(in, "DE"); err == nil {
			t.Errorf("%q: %q", in, got)
		}
	}
	if got, err := identity.Phone("030 1234567", ""); err == nil {
		t.Errorf("a national number without a region: %q", got)
	}
}

func FuzzKey(f *testing.F) {
	f.Add(uint8(4), "", "+4912345678")
	f.Add(uint8(3), "", "a@b.example")
	f.Add(uint8(7), "name", "Alice")
	f.Fuzz(func(t *testing.T, kind uint8, name, value string) {
		key, err := identity.Key(mimi.SearchType(kind), name, value)
		if err != nil {
			return
		}
		if again, err := identity.Key(mimi.SearchType(kind), name, key); err != nil || again != key {
			t.Fatalf("the key of %q is %q, whose key is %q (%v)", value, key, again, err)
		}
		if len(identity.Fold(value)) > 18*len(value)+16 {
			t.Fatal("folding blows up")
		}
	})
}

func TestReach(t *testing.T) {
	for in, want := range map[string]identity.Reach{
		"own": "own", "Everybody": "everybody", "nobody": "nobody", "c.example,B.example  c.example": "b.example c.example",
	} {
		if got, err := identity.ParseReach(in); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", ",", "a.example/x", strings.Repeat("a.example ", 33)} {
		if got, err := identity.ParseReach(in); err == nil {
			t.Errorf("%q: %q", in, got)
		}
	}
}
