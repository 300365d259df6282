package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"parley/identity"
	"parley/keypkg"
	"parley/uri"
)

func accountTests() []test {
	return []test{
		{"users are listed by URI, in pages", usersInPages},
		{"a code is taken once, and stays when the transaction fails", codeOnce},
		{"codes are swept when they cannot be used any more", codesExpire},
		{"a user is deleted, its devices stay", userDeleted},
		{"a device is found by its token and its user", devicesFound},
		{"pins are replaced whole", pinsReplaced},
		{"reopen keeps accounts and pins", accountsReopen},
	}
}

func (f *fixture) accounts(do func(tx identity.Tx)) { f.Helper(); f.ok(run(f, f.Accounts, do)) }
func (f *fixture) pins(do func(tx identity.PinTx))  { f.Helper(); f.ok(run(f, f.Pins, do)) }

func (f *fixture) provider(domain string) uri.Provider {
	return must2(f, uri.ProviderFromDomain, domain)
}

func userNames(users []identity.User) []string {
	var out []string
	for _, u := range users {
		out = append(out, u.URI.Name())
	}
	return out
}

func usersInPages(f *fixture) {
	f.accounts(func(tx identity.Tx) {
		for i, name := range []string{"m", "a", "z", "b"} {
			check(tx.PutUser(identity.User{URI: f.user(name), Created: at(i)}))
		}
		check(tx.PutUser(identity.User{URI: f.user("m"), Created: at(9)}))
	})
	f.accounts(func(tx identity.Tx) {
		sameList("all", userNames(get(tx.Users("", 10))), []string{"a", "b", "m", "z"})
		sameList("first page", userNames(get(tx.Users("", 2))), []string{"a", "b"})
		sameList("second page", userNames(get(tx.Users(f.user("b").String(), 2))), []string{"m", "z"})
		same("behind the last", len(get(tx.Users(f.user("z").String(), 2))), 0)
		u, ok, err := tx.User(f.user("m"))
		check(err)
		same("the later one", ok && u.URI == f.user("m") && u.Created.Equal(at(9)), true)
		_, ok, err = tx.User(f.user("nobody"))
		check(err)
		same("nobody", ok, false)
	})
}

func codeOnce(f *fixture) {
	alice, hash := f.user("alice"), identity.Hash{7}
	take := func() (code identity.Code, ok bool) {
		f.accounts(func(tx identity.Tx) {
			var err error
			code, ok, err = tx.TakeCode(hash)
			check(err)
		})
		return code, ok
	}
	if _, ok := take(); ok {
		f.Error("took a code that never was")
	}
	f.accounts(func(tx identity.Tx) { check(tx.PutCode(identity.Code{Hash: hash, User: alice, Expires: at(50)})) })
	err := f.Accounts(f.Context(), func(tx identity.Tx) error {
		_, _, err := tx.TakeCode(hash)
		return errors.Join(err, errAbort)
	})
	if !errors.Is(err, errAbort) {
		f.Fatal(err)
	}
	code, ok := take()
	if !ok || code.User != alice || code.Hash != hash || !code.Expires.Equal(at(50)) {
		f.Errorf("code is %+v, %v", code, ok)
	}
	if _, ok := take(); ok {
		f.Error("took a code twice")
	}
}

func codesExpire(f *fixture) {
	code := func(n byte, expires int) identity.Code {
		return identity.Code{Hash: identity.Hash{n}, User: f.user("alice"), Expires: at(expires)}
	}
	f.accounts(func(tx identity.Tx) {
		for _, c := range []identity.Code{code(1, 10), code(2, 20), code(3, 30)} {
			check(tx.PutCode(c))
		}
		same("none", get(tx.ExpireCodes(at(9))), 0)
		same("at the time itself", get(tx.ExpireCodes(at(20))), 2)
		same("again", get(tx.ExpireCodes(at(20))), 0)
	})
	f.accounts(func(tx identity.Tx) {
		for n, want := range map[byte]bool{1: false, 2: false, 3: true} {
			_, ok, err := tx.TakeCode(identity.Hash{n})
			check(err)
			same(fmt.Sprint("code ", n), ok, want)
		}
	})
}

func userDeleted(f *fixture) {
	alice, bob := f.user("alice"), f.user("bob")
	f.accounts(func(tx identity.Tx) {
		for _, u := range []uri.User{alice, bob} {
			check(tx.PutUser(identity.User{URI: u, Created: at(1)}))
			check(tx.PutDevice(identity.Device{Client: f.client(u.Name(), "phone"), User: u, Token: identity.Hash{u.Name()[0]}, Created: at(1)}))
		}
		check(tx.DeleteUser(alice))
		check(tx.DeleteUser(f.user("nobody")))
	})
	f.accounts(func(tx identity.Tx) {
		_, ok, err := tx.User(alice)
		check(err)
		same("deleted", ok, false)
		sameList("users", userNames(get(tx.Users("", 10))), []string{"bob"})
		same("devices", len(get(tx.Devices(alice))), 1)
	})
	f.packages(func(tx keypkg.Tx) {
		_, known, err := tx.Clients(alice)
		check(err)
		same("known to who claims", known, false)
	})
}

func devicesFound(f *fixture) {
	alice, token := f.user("alice"), identity.Hash{1, 2}
	phone := identity.Device{Client: f.client("alice", "phone"), User: alice, Token: token, Created: at(1)}
	laptop := identity.Device{Client: f.client("alice", "laptop"), User: alice, Token: identity.Hash{3}, Created: at(2), Revoked: at(3)}
	f.accounts(func(tx identity.Tx) {
		check(tx.PutDevice(phone))
		check(tx.PutDevice(laptop))
		check(tx.PutDevice(identity.Device{Client: f.client("bob", "phone"), User: f.user("bob"), Token: identity.Hash{4}, Created: at(4)}))
	})
	f.accounts(func(tx identity.Tx) {
		list := get(tx.Devices(alice))
		same("devices of alice", len(list), 2)
		sameDevice("by client", list[0], laptop)
		sameDevice("by client", list[1], phone)
		same("devices of nobody", len(get(tx.Devices(f.user("nobody")))), 0)
		d, ok, err := tx.DeviceByToken(token)
		check(err)
		same("token is known", ok, true)
		sameDevice("by token", d, phone)
		d, ok, err = tx.DeviceByToken(laptop.Token)
		check(err)
		same("a revoked one is known", ok, true)
		sameDevice("revoked", d, laptop)
		_, ok, err = tx.DeviceByToken(identity.Hash{9})
		check(err)
		same("another token is known", ok, false)
		phone.Revoked = at(7)
		check(tx.PutDevice(phone))
		d, _, err = tx.DeviceByToken(token)
		check(err)
		sameDevice("after revocation", d, phone)
	})
}

func sameDevice(what string, got, want identity.Device) {
	same(what+": client", got.Client, want.Client)
	same(what+": user", got.User, want.User)
	same(what+": token", got.Token, want.Token)
	same(what+": created", got.Created.Equal(want.Created), true)
	same(what+": revoked", got.Revoked.Equal(want.Revoked) && got.Revoked.IsZero() == want.Revoked.IsZero(), true)
}

func (f *fixture) expectPin(tx identity.PinTx, want identity.Pin) {
	got, ok, err := tx.Pin(want.Provider)
	check(err)
	same("pin is known", ok, true)
	same("since", got.Since.Equal(want.Since), true)
	same("set", slices.EqualFunc(got.Set, want.Set, slices.Equal), true)
	same("pending", slices.EqualFunc(got.Pending, want.Pending, slices.Equal), true)
}

func pinsReplaced(f *fixture) {
	a, b := f.provider("a.example"), f.provider("b.example")
	long := make([]byte, 3000)
	first := identity.Pin{Provider: b, Set: [][]byte{{1}, {}, long}, Pending: [][]byte{{2}}, Since: at(1)}
	second := identity.Pin{Provider: b, Set: [][]byte{{2}}, Since: at(2)}
	f.pins(func(tx identity.PinTx) {
		_, ok, err := tx.Pin(b)
		check(err)
		same("at the start", ok, false)
		check(tx.PutPin(first))
		check(tx.PutPin(identity.Pin{Provider: a, Set: [][]byte{{3}}, Since: at(3)}))
	})
	f.pins(func(tx identity.PinTx) {
		f.expectPin(tx, first)
		check(tx.PutPin(second))
		f.expectPin(tx, second)
		list := get(tx.Pins())
		same("pins", len(list), 2)
		sameList("by URI", []uri.Provider{list[0].Provider, list[1].Provider}, []uri.Provider{a, b})
	})
	err := f.Pins(f.Context(), func(tx identity.PinTx) error { return errors.Join(tx.PutPin(first), errAbort) })
	if !errors.Is(err, errAbort) {
		f.Fatal(err)
	}
	f.pins(func(tx identity.PinTx) { f.expectPin(tx, second) })
}

func accountsReopen(f *fixture) {
	if f.Reopen == nil {
		f.Skip("the store forgets")
	}
	alice := f.user("alice")
	device := identity.Device{Client: f.client("alice", "phone"), User: alice, Token: identity.Hash{1}, Created: at(1)}
	pin := identity.Pin{Provider: f.provider("a.example"), Set: [][]byte{{1}, {2, 3}}, Since: at(3)}
	f.accounts(func(tx identity.Tx) {
		check(tx.PutUser(identity.User{URI: alice, Created: time.Time{}}))
		check(tx.PutCode(identity.Code{Hash: identity.Hash{5}, User: alice, Expires: at(9)}))
		check(tx.PutDevice(device))
	})
	f.pins(func(tx identity.PinTx) { check(tx.PutPin(pin)) })
	f.Stores = f.Stores.Reopen(f.T)
	f.accounts(func(tx identity.Tx) {
		u, ok, err := tx.User(alice)
		check(err)
		same("user", ok && u.Created.IsZero(), true)
		d, _, err := tx.DeviceByToken(device.Token)
		check(err)
		sameDevice("device", d, device)
		_, ok, err = tx.TakeCode(identity.Hash{5})
		check(err)
		same("code", ok, true)
	})
	f.pins(func(tx identity.PinTx) { f.expectPin(tx, pin) })
}
