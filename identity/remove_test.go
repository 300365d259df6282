package identity_test

import (
	"errors"
	"testing"
	"time"

	"parley/identity"
)

func TestRemovedUsers(t *testing.T) {
	ctx := t.Context()
	a, _ := accounts(t)
	enrol := func(name, device string) identity.Enrolled {
		t.Helper()
		_, code, err := a.Invite(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		e, err := a.Enrol(ctx, code, device)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	phone, laptop, other := enrol("alice", "phone"), enrol("alice", "laptop"), enrol("bob", "phone")
	_, open, err := a.Invite(ctx, "alice")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []identity.Enrolled{phone, laptop, other} { // remembered
		if _, err := a.Authenticate(ctx, e.Token); err != nil {
			t.Fatal(err)
		}
	}
	for _, time := range []string{"first", "second"} {
		devices, err := a.Remove(ctx, "alice")
		if err != nil || len(devices) != 2 {
			t.Fatalf("the %s removal: %v, %v", time, devices, err)
		}
	}
	for _, e := range []identity.Enrolled{phone, laptop} {
		if _, err := a.Authenticate(ctx, e.Token); !errors.Is(err, identity.ErrToken) {
			t.Errorf("%s: %v", e.Device.Client, err)
		}
	}
	if _, err := a.Authenticate(ctx, other.Token); err != nil {
		t.Errorf("another user's device: %v", err)
	}
	if _, err := a.Devices(ctx, phone.Device.User); !errors.Is(err, identity.ErrUser) {
		t.Errorf("devices: %v", err)
	}
	if _, err := a.Enrol(ctx, open, "tablet"); !errors.Is(err, identity.ErrCode) {
		t.Errorf("a code from before: %v", err)
	}
	if _, _, err := a.Invite(ctx, "alice"); !errors.Is(err, identity.ErrRemoved) {
		t.Errorf("somebody else under the name: %v", err)
	}
	_, code, err := a.Restore(ctx, "alice")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Enrol(ctx, code, "phone"); !errors.Is(err, identity.ErrDevice) {
		t.Errorf("a device name from before: %v", err)
	}
	if _, err := a.Enrol(ctx, code, "phone2"); err != nil {
		t.Errorf("the same person again: %v", err)
	}
	if _, err := a.Authenticate(ctx, phone.Token); !errors.Is(err, identity.ErrToken) {
		t.Errorf("the token from before: %v", err)
	}
	for _, nobody := range []string{"carol", "", "no such"} {
		if _, err := a.Remove(ctx, nobody); !errors.Is(err, identity.ErrUser) {
			t.Errorf("%q: %v", nobody, err)
		}
	}
	if _, _, err := a.Invite(ctx, "dave"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Remove(ctx, "dave"); err != nil { // had no device, so nobody ever spoke as dave
		t.Fatal(err)
	}
	if _, _, err := a.Invite(ctx, "dave"); err != nil {
		t.Errorf("a name that nobody used: %v", err)
	}
}

func TestCodesAreSwept(t *testing.T) {
	ctx := t.Context()
	a, c := accounts(t)
	sweep := func(want int) {
		t.Helper()
		if n, err := a.Sweep(ctx); err != nil || n != want {
			t.Errorf("%d deleted, %v", n, err)
		}
	}
	if _, _, err := a.Invite(ctx, "alice"); err != nil {
		t.Fatal(err)
	}
	c.t = c.t.Add(time.Hour)
	_, later, err := a.Invite(ctx, "alice")
	if err != nil {
		t.Fatal(err)
	}
	sweep(0)
	c.t = c.t.Add(identity.CodeLife - time.Hour)
	sweep(1)
	if _, err := a.Enrol(ctx, later, "phone"); err != nil {
		t.Errorf("the code that is good: %v", err)
	}
	sweep(0)
}
