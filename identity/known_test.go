package identity_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"parley/identity"
	"parley/store/memory"
	"parley/uri"
)

func TestGoodTokensAreRememberedForSeconds(t *testing.T) {
	ctx := t.Context()
	p, err := uri.ProviderFromDomain("a.example")
	if err != nil {
		t.Fatal(err)
	}
	store, now, views := new(memory.Identity), time.Unix(1000, 0), 0
	accounts := func() *identity.Accounts {
		return &identity.Accounts{Provider: p, Update: store.Update, Now: func() time.Time { return now },
			View: func(ctx context.Context, f func(identity.Tx) error) error {
				views++
				return store.View(ctx, f)
			}}
	}
	a, other := accounts(), accounts() // another process on the same store
	enrolled := func(device string) identity.Enrolled {
		t.Helper()
		_, code, err := a.Invite(ctx, "alice")
		if err != nil {
			t.Fatal(err)
		}
		e, err := a.Enrol(ctx, code, device)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	one, two := enrolled("one"), enrolled("two")
	good := func(e identity.Enrolled, looks int) {
		t.Helper()
		before := views
		if d, err := a.Authenticate(ctx, e.Token); err != nil || d.Client != e.Device.Client {
			t.Fatalf("%v, %v", d, err)
		}
		if views-before != looks {
			t.Errorf("%d looks at the store, want %d", views-before, looks)
		}
	}
	good(one, 1)
	good(one, 0)
	good(two, 1)
	now = now.Add(time.Minute)
	good(one, 1)
	good(two, 1)
	if err := a.Revoke(ctx, one.Device.Client); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Authenticate(ctx, one.Token); !errors.Is(err, identity.ErrToken) {
		t.Errorf("a token that was revoked here: %v", err)
	}
	good(two, 1)
	if err := other.Revoke(ctx, two.Device.Client); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	if _, err := a.Authenticate(ctx, two.Token); !errors.Is(err, identity.ErrToken) {
		t.Errorf("a token that was revoked elsewhere a minute ago: %v", err)
	}
	if _, err := a.Authenticate(ctx, "wrong"); !errors.Is(err, identity.ErrToken) {
		t.Errorf("a wrong token: %v", err)
	}
}
