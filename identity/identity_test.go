package identity_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"parley/identity"
	"parley/store/memory"
	"parley/uri"
)

type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func accounts(t *testing.T) (*identity.Accounts, *clock) {
	t.Helper()
	store, c := new(memory.Identity), &clock{time.Unix(1_800_000_000, 0)}
	return &identity.Accounts{Provider: provider(t, "a.example"), Update: store.Update, View: store.View, Now: c.now}, c
}

func provider(t *testing.T, domain string) uri.Provider {
	t.Helper()
	p, err := uri.ProviderFromDomain(domain)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestEnrolment(t *testing.T) {
	ctx := t.Context()
	invite := func(t *testing.T, a *identity.Accounts) string {
		t.Helper()
		_, code, err := a.Invite(ctx, "alice")
		if err != nil {
			t.Fatal(err)
		}
		return code
	}

	t.Run("a code makes one device", func(t *testing.T) {
		a, _ := accounts(t)
		code := invite(t, a)
		e, err := a.Enrol(ctx, code, "phone")
		if err != nil {
			t.Fatal(err)
		}
		if e.Device.Client.String() != "mimi://a.example/d/alice/phone" || e.Device.User.String() != "mimi://a.example/u/alice" {
			t.Fatalf("enrolled %v of %v", e.Device.Client, e.Device.User)
		}
		if _, err := a.Enrol(ctx, code, "tablet"); !errors.Is(err, identity.ErrCode) {
			t.Fatalf("second use of a code: %v", err)
		}
	})
	t.Run("a code may be typed in any case and without dashes", func(t *testing.T) {
		a, _ := accounts(t)
		code := strings.ToLower(strings.ReplaceAll(invite(t, a), "-", ""))
		if _, err := a.Enrol(ctx, code, "phone"); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("a code expires", func(t *testing.T) {
		a, c := accounts(t)
		code := invite(t, a)
		c.t = c.t.Add(identity.CodeLife)
		if _, err := a.Enrol(ctx, code, "phone"); !errors.Is(err, identity.ErrCode) {
			t.Fatalf("expired code: %v", err)
		}
	})
	t.Run("a taken device name does not spend the code", func(t *testing.T) {
		a, _ := accounts(t)
		first, second := invite(t, a), invite(t, a)
		if _, err := a.Enrol(ctx, first, "phone"); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Enrol(ctx, second, "phone"); !errors.Is(err, identity.ErrDevice) {
			t.Fatalf("same device name: %v", err)
		}
		if _, err := a.Enrol(ctx, second, "tablet"); err != nil {
			t.Fatalf("the code was spent by a refusal: %v", err)
		}
	})
	t.Run("a revoked device's name is not given again", func(t *testing.T) {
		a, _ := accounts(t)
		e, err := a.Enrol(ctx, invite(t, a), "phone")
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Revoke(ctx, e.Device.Client); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Enrol(ctx, invite(t, a), "phone"); !errors.Is(err, identity.ErrDevice) {
			t.Fatalf("name of a revoked device: %v", err)
		}
	})
	t.Run("names", func(t *testing.T) {
		a, _ := accounts(t)
		for _, name := range []string{"", "Alice", "al ice", "аlice", ".alice", "a/b", strings.Repeat("a", 65)} {
			if _, _, err := a.Invite(ctx, name); !errors.Is(err, identity.ErrName) {
				t.Errorf("user name %q: %v", name, err)
			}
		}
		code := invite(t, a)
		for _, name := range []string{"", "Phone", "my.phone", "-x", strings.Repeat("a", 33)} {
			if _, err := a.Enrol(ctx, code, name); !errors.Is(err, identity.ErrName) {
				t.Errorf("device name %q: %v", name, err)
			}
		}
	})
}

func TestTokens(t *testing.T) {
	ctx := t.Context()
	a, _ := accounts(t)
	_, code, err := a.Invite(ctx, "alice")
	if err != nil {
		t.Fatal(err)
	}
	e, err := a.Enrol(ctx, code, "phone")
	if err != nil {
		t.Fatal(err)
	}
	if d, err := a.Authenticate(ctx, e.Token); err != nil || d.Client != e.Device.Client {
		t.Fatalf("valid token: %v", err)
	}
	for _, wrong := range []string{"", "x", strings.ToLower(e.Token), e.Token + "A"} {
		if _, err := a.Authenticate(ctx, wrong); !errors.Is(err, identity.ErrToken) {
			t.Errorf("token %q: %v", wrong, err)
		}
	}
	if err := a.Revoke(ctx, e.Device.Client); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Authenticate(ctx, e.Token); !errors.Is(err, identity.ErrToken) {
		t.Fatalf("token of a revoked device: %v", err)
	}
	if err := a.Revoke(ctx, e.Device.Client); err != nil {
		t.Fatalf("second revocation: %v", err)
	}
	if stranger, err := uri.NewClient(a.Provider, "alice", "toaster"); err != nil || !errors.Is(a.Revoke(ctx, stranger), identity.ErrUnknown) {
		t.Fatalf("revocation of a device that never was: %v", err)
	}
	left, err := a.Devices(ctx, e.Device.User)
	if err != nil || len(left) != 0 {
		t.Fatalf("%d devices left, %v", len(left), err)
	}
	stranger, err := uri.NewUser(a.Provider, "mallory")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Devices(ctx, stranger); !errors.Is(err, identity.ErrUser) {
		t.Fatalf("unknown user: %v", err)
	}
}

func TestPins(t *testing.T) {
	ctx := t.Context()
	store := new(memory.Identity)
	pins := &identity.Pins{Update: store.UpdatePins, View: store.ViewPins, Now: func() time.Time { return time.Unix(5, 0) }}
	b := provider(t, "b.example")
	one, two, three := []byte("one"), []byte("two"), []byte("three")
	for i, step := range []struct {
		set  [][]byte
		want identity.Verdict
		pin  string // in force afterwards
	}{
		{nil, identity.Unchanged, ""},
		{[][]byte{one}, identity.FirstUse, "one"},
		{[][]byte{one}, identity.Unchanged, "one"},
		{[][]byte{two, one}, identity.Overlapped, "one two"},
		{[][]byte{one, two, two}, identity.Unchanged, "one two"},
		{[][]byte{two}, identity.Overlapped, "two"},
		{[][]byte{three}, identity.Alarm, "two"},
		{[][]byte{three}, identity.Alarm, "two"},
	} {
		got, err := pins.Observe(ctx, b, step.set)
		if err != nil || got != step.want {
			t.Fatalf("step %d: verdict %d, %v", i, got, err)
		}
		all, err := pins.All(ctx)
		if err != nil {
			t.Fatal(err)
		}
		inForce := ""
		for _, p := range all {
			for _, c := range p.Set {
				inForce = strings.TrimSpace(inForce + " " + string(c))
			}
		}
		if inForce != step.pin {
			t.Fatalf("step %d: %q in force", i, inForce)
		}
	}
	if err := pins.Accept(ctx, b); err != nil {
		t.Fatal(err)
	}
	if v, err := pins.Observe(ctx, b, [][]byte{three}); err != nil || v != identity.Unchanged {
		t.Fatalf("after the operator accepted: %d, %v", v, err)
	}
	if err := pins.Accept(ctx, b); !errors.Is(err, identity.ErrNoChange) {
		t.Fatalf("nothing pending: %v", err)
	}
}
