package provider_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/client"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/provider"
	"parley/uri"
)

func (n *node) keyFiles() provider.KeyFiles {
	return provider.KeyFiles{CACertificate: filepath.Join(n.dir, "ca.crt"), CAKey: filepath.Join(n.dir, "ca.key"), Hub: filepath.Join(n.dir, "hub.key")}
}

// meet makes a room of a suite with a device each of two people of other providers, and has them talk, leave and come back.
func (w *world) meet(id wire.CipherSuite, name string) (alice, bob *device, at uri.Room) {
	t := w.t
	t.Helper()
	a, b := w.nodes["a.example"], w.nodes["b.example"]
	alice, bob = a.enrolIn(id, "alice-"+name, "phone"), b.enrolIn(id, "bob-"+name, "phone")
	at = newRoom(t, a, name)
	if err := alice.Create(t.Context(), at, "Room"); err != nil {
		t.Fatal(err)
	}
	w.bring(alice, bob, at)
	return alice, bob, at
}

// bring adds somebody, talks, and has him leave again: the hub signs the proposals with which it does its part of that.
func (w *world) bring(alice, bob *device, at uri.Room) {
	t := w.t
	t.Helper()
	if _, err := alice.Add(t.Context(), at, bob.Account().User); err != nil {
		t.Fatal(err)
	}
	alice.flush()
	alice.sees(at, client.EntryJoined, bob.Account().User)
	bob.sees(at, client.EntryJoined, bob.Account().User)
	text := "hello " + time.Now().String()
	bob.say(at, text)
	bob.flush()
	alice.hears(at, text)
}

// Rooms of the further cipher suites that clients may choose have a hub. Those of P-384 and P-521 do nothing else and take long.
func TestRoomsOfOtherSuites(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "a.example", "b.example")
	w.startAll()
	a := w.nodes["a.example"]
	for _, id := range []wire.CipherSuite{suite.P256AES128, suite.X25519ChaCha20} {
		s, err := suite.Lookup(id)
		must(t, s, err)
		t.Run(s.String(), func(t *testing.T) {
			outer := w.t
			w.t = t
			defer func() { w.t = outer }()
			alice, bob, at := w.meet(id, "r"+string(rune('0'+id)))
			// Bob leaves: the hub keeps the proposals until somebody commits.
			if _, err := bob.Leave(t.Context(), at); err != nil {
				t.Fatal(err)
			}
			bob.flush()
			alice.sees(at, client.EntryLeaving, bob.Account().User)
			// Another device of Alice joins by itself, with the state that the hub seals for it. A commit of that kind takes no proposals
			// along, so that the hub signs them anew.
			tablet := a.enrolIn(id, alice.Account().User.Name(), "tablet")
			if _, err := tablet.Join(t.Context(), at); err != nil {
				t.Fatal(err)
			}
			tablet.flush()
			alice.sees(at, client.EntryDevice, alice.Account().User)
			tablet.sees(at, client.EntryDevice, alice.Account().User)
			alice.say(at, "for the tablet")
			alice.flush()
			alice.sees(at, client.EntryLeft, bob.Account().User) // with what the hub has signed
			alice.flush()
			tablet.hears(at, "for the tablet")
		})
	}
}

// A provider whose file had one key gets the others: rooms of before go on, rooms of other suites become possible.
func TestOldRoomsKeepTheirHub(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "a.example", "b.example")
	a := w.nodes["a.example"]
	a.onDisk()
	files := a.keyFiles()
	text, err := os.ReadFile(files.Hub)
	must(t, text, err)
	if err := os.WriteFile(files.Hub, []byte(strings.SplitAfter(string(text), "-----END CERTIFICATE-----\n")[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	load := func() {
		keys, err := provider.LoadKeys(files, a.uri)
		a.cfg.Keys = must(t, keys, err)
	}
	load()
	w.startAll()
	alice, bob, at := w.meet(suite.X25519AES128, "old")
	if err := a.end(); err != nil {
		t.Fatal(err)
	}
	made, err := provider.InitKeys(files, a.uri, time.Now())
	must(t, made, err)
	load()
	a.again()
	a.start()
	eventually(t, "the room goes on", func() bool {
		_, err := bob.Flush(t.Context())
		return err == nil
	})
	bob.say(at, "still here")
	bob.flush()
	alice.hears(at, "still here")
	if _, err := bob.Leave(t.Context(), at); err != nil {
		t.Fatal(err)
	}
	bob.flush()
	alice.sees(at, client.EntryLeaving, bob.Account().User)
	w.meet(suite.P256AES128, "new")
}
