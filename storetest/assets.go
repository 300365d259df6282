package storetest

import (
	"time"

	"parley/asset"
	"parley/uri"
)

func assetTests() []test {
	return []test{
		{"assets are kept, counted by owner and found by their end", assetsKept},
		{"gateway keys are replaced together", gatewayKeysKept},
	}
}

func (f *fixture) files(do func(tx asset.Tx)) { f.Helper(); f.ok(run(f, f.Assets.Update, do)) }

func assetsKept(f *fixture) {
	alice, bob := f.user("alice"), f.user("bob")
	one := asset.Asset{ID: "one", Owner: alice, Size: 100, Have: 10, Created: at(1), Expires: at(20)}
	two := asset.Asset{ID: "two", Owner: alice, Size: 1 << 40, Have: 0, Created: at(2), Expires: at(10)}
	other := asset.Asset{ID: "three", Owner: bob, Size: 7, Have: 7, Created: at(3), Expires: at(30)}
	f.files(func(tx asset.Tx) {
		for _, a := range []asset.Asset{one, two, other} {
			check(tx.PutAsset(a))
		}
	})
	if f.Reopen != nil {
		f.Stores = f.Reopen(f.T)
	}
	used := func(tx asset.Tx, owner uri.User) (int, uint64) {
		count, octets, err := tx.Used(owner)
		check(err)
		return count, octets
	}
	expired := func(tx asset.Tx, before time.Time, limit int) string {
		all := ""
		for _, a := range get(tx.Expired(before, limit)) {
			all += a.ID + " "
		}
		return all
	}
	f.files(func(tx asset.Tx) {
		a, found, err := tx.Asset("one")
		check(err)
		same("found", found, true)
		same("owner", a.Owner, alice)
		same("sizes", [2]uint64{a.Size, a.Have}, [2]uint64{100, 10})
		same("times", a.Created.Equal(at(1)) && a.Expires.Equal(at(20)), true)
		count, octets := used(tx, alice)
		same("count", count, 2)
		same("octets", octets, 100+1<<40)
		count, octets = used(tx, f.user("carol"))
		same("nobody's", uint64(count)+octets, 0)
		same("expired", expired(tx, at(20), 9), "two one ")
		same("at most one", expired(tx, at(99), 1), "two ")
		same("none", expired(tx, at(9), 9), "")
		one.Have, one.Expires = 100, at(5)
		check(tx.PutAsset(one))
		same("sooner", expired(tx, at(5), 9), "one ")
		check(tx.DropAsset("one"))
		check(tx.DropAsset("one"))
		_, found, err = tx.Asset("one")
		check(err)
		same("gone", found, false)
		count, _ = used(tx, alice)
		same("one less", count, 1)
	})
}

func gatewayKeysKept(f *fixture) {
	first := asset.GatewayKey{ID: 0, Since: at(1), Secret: []byte{1}}
	second := asset.GatewayKey{ID: 255, Since: at(2), Secret: []byte{2, 3}}
	f.files(func(tx asset.Tx) {
		same("none yet", len(get(tx.GatewayKeys())), 0)
		check(tx.PutGatewayKeys([]asset.GatewayKey{first}))
		check(tx.PutGatewayKeys([]asset.GatewayKey{second, first}))
	})
	if f.Reopen != nil {
		f.Stores = f.Reopen(f.T)
	}
	f.files(func(tx asset.Tx) {
		keys := get(tx.GatewayKeys())
		same("keys", len(keys), 2)
		same("order", keys[0].ID, 255)
		same("time", keys[0].Since.Equal(at(2)), true)
		same("secret", string(keys[0].Secret), "\x02\x03")
		check(tx.PutGatewayKeys([]asset.GatewayKey{second}))
		same("fewer", len(get(tx.GatewayKeys())), 1)
	})
}
