package keypkg_test

import (
	"testing"
	"time"

	"parley/keypkg"
	"parley/mimi"
	"parley/mls"
	"parley/mls/wire"
	"parley/storetest/roletest"
)

func TestPublish(t *testing.T) {
	s := newStock(t)
	publish := func(d *roletest.Device, list ...wire.KeyPackage) (int, error) {
		return s.c.Packages.Publish(t.Context(), d.User, d.Client.Client, list)
	}
	changed := func(change func(*mls.KeyPackageParams)) wire.KeyPackage { return s.phone.Package(change).KeyPackage }
	life := func(from, until time.Duration) wire.KeyPackage {
		return changed(func(p *mls.KeyPackageParams) {
			p.Lifetime = wire.Lifetime{NotBefore: uint64(s.Now().Add(from).Unix()), NotAfter: uint64(s.Now().Add(until).Unix())}
		})
	}
	refuses := func(t *testing.T, name string, kp wire.KeyPackage, code mimi.Code) {
		t.Helper()
		before := s.left(s.phone)
		_, err := publish(s.phone, changed(nil), kp) // beside one that is good: all or none
		s.failsWith(err, code)
		if s.left(s.phone) != before {
			t.Errorf("%s: something was stored", name)
		}
	}
	s.Run("P-KM-13 none that begins in the future, ended, or lives too long", func(t *testing.T) {
		refuses(t, "future", life(time.Hour, 2*time.Hour), mimi.BadRequest)
		refuses(t, "ended", life(-2*time.Hour, -time.Second), mimi.BadRequest)
		refuses(t, "long", life(-time.Hour, keypkg.DefaultMaxLife), mimi.BadRequest)
		refuses(t, "endless", changed(func(p *mls.KeyPackageParams) { p.Lifetime.NotAfter = 1<<64 - 1 }), mimi.BadRequest)
		if _, err := publish(s.phone, life(time.Minute, time.Hour)); err != nil {
			t.Errorf("of a clock that is a little ahead: %v", err)
		}
		s.with(func(c *keypkg.Config) { c.MaxLife = time.Hour }, func() {
			refuses(t, "longer than this provider's", life(-time.Minute, time.Hour), mimi.BadRequest)
		})
	})
	s.Run("P-KM-29 none of last resort is taken, so that none is handed out twice", func(t *testing.T) {
		for _, extensions := range []wire.Extensions{
			{{Type: wire.OldLastResortExtension}},
			{{Type: wire.AppDataDictionaryExtension, Data: octets(t, &wire.AppDataDictionary{
				Entries: []wire.ComponentData{{ID: wire.LastResortComponent}}})}},
		} {
			kp := changed(func(p *mls.KeyPackageParams) {
				p.Extensions = extensions
				p.Capabilities = mls.DefaultCapabilities(roletest.Suite)
				p.Capabilities.Extensions = append(p.Capabilities.Extensions, wire.OldLastResortExtension)
			})
			refuses(t, "last resort", kp, mimi.BadRequest)
		}
		s.empty(s.phone)
		s.empty(s.tablet)
		if answer := s.granted(s.request(1), mimi.KeyMaterialNothingCompatible); answer.Clients[0].Status != mimi.ClientExhausted {
			t.Errorf("%+v", answer.Clients[0])
		}
	})
	s.Run("P-KM-22 a client publishes its own only", func(t *testing.T) {
		refuses(t, "another device's", s.tablet.Package(nil).KeyPackage, mimi.Forbidden)
		refuses(t, "another user's", s.bob.Package(nil).KeyPackage, mimi.Forbidden)
	})
	s.Run("none that is not valid", func(t *testing.T) {
		kp := changed(nil)
		kp.Signature[3] ^= 1
		refuses(t, "signature", kp, mimi.BadRequest)
		kp = changed(nil)
		kp.Leaf.Signature[3] ^= 1
		refuses(t, "leaf signature", kp, mimi.BadRequest)
		kp = changed(func(p *mls.KeyPackageParams) { p.Capabilities = mls.DefaultCapabilities(2) })
		refuses(t, "capabilities", kp, mimi.BadRequest)
	})
	s.Run("P-KM-25 what has expired is swept away with its reference, when no Welcome can name it any more", func(t *testing.T) {
		s.phone.Publish(1)
		s.Pass(30*24*time.Hour + time.Minute)
		if n, err := s.c.Packages.Sweep(t.Context()); err != nil || n != 0 {
			t.Errorf("%d, %v", n, err)
		}
		s.Pass(keypkg.WelcomeLife)
		if n, err := s.c.Packages.Sweep(t.Context()); err != nil || n == 0 {
			t.Errorf("%d, %v", n, err)
		}
		if n, err := s.c.Packages.Sweep(t.Context()); err != nil || n != 0 {
			t.Errorf("the second time: %d, %v", n, err)
		}
	})
	s.Run("a stock is bounded", func(t *testing.T) {
		list := make([]wire.KeyPackage, keypkg.MaxStock+1)
		kp := changed(nil)
		for i := range list {
			list[i] = kp
		}
		if n, err := publish(s.phone, list...); err != nil || n != 1 {
			t.Errorf("one and the same: %d, %v", n, err)
		}
	})
}
