package storetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"parley/follower"
	"parley/identity"
	"parley/keypkg"
	"parley/mls/wire"
	"parley/uri"
)

func packageTests() []test {
	return []test{
		{"clients of a user", clientsOfUser},
		{"available are those that can be used now, the oldest first", available},
		{"a reference is published once", publishOnce},
		{"P-KM-11 a package is handed out once, 50 takers at a time", takeOnce},
		{"a package handed out leads to its client", clientOf},
		{"a client's packages are withdrawn, also those handed out", withdraw},
		{"answers and expiry", packageExpiry},
		{"an aborted transaction takes nothing", packageAtomic},
		{"reopen keeps the stock and what was taken", packageReopen},
	}
}

// stock publishes n packages named after prefix, usable from at(0) up to at(100).
func (f *fixture) stock(client uri.Client, prefix string, suite wire.CipherSuite, n int) {
	f.Helper()
	f.packages(func(tx keypkg.Tx) {
		for i := range n {
			check(tx.Publish(client, []keypkg.Package{pack(fmt.Sprint(prefix, i), suite, at(0), at(100))}))
		}
	})
}

func pack(ref string, suite wire.CipherSuite, from, until time.Time) keypkg.Package {
	return keypkg.Package{Ref: []byte(ref), Suite: suite, NotBefore: from, NotAfter: until, Octets: []byte("octets of " + ref)}
}

func refs(packages []keypkg.Package) []string {
	var out []string
	for _, p := range packages {
		out = append(out, string(p.Ref))
	}
	return out
}

func withdraw(f *fixture) {
	a, b := f.client("alice", "phone"), f.client("bob", "phone")
	f.stock(a, "a", 1, 3)
	f.stock(b, "b", 1, 2)
	f.packages(func(tx keypkg.Tx) {
		same("taken", get(tx.Take([]byte("a0"))), true)
		same("nobody's", get(tx.Withdraw(f.client("nobody", "phone"))), 0)
		same("withdrawn", get(tx.Withdraw(a)), 3)
		same("again", get(tx.Withdraw(a)), 0)
	})
	f.packages(func(tx keypkg.Tx) {
		same("left", get(tx.Count(a, at(1))), 0)
		same("taken", get(tx.Take([]byte("a1"))), false)
		same("of another", get(tx.Count(b, at(1))), 2)
	})
	f.follower(func(tx follower.Tx) {
		_, ok, err := tx.ClientOf([]byte("a0"))
		check(err)
		same("a Welcome finds its way", ok, false)
	})
	err := f.KeyPackages.Update(f.Context(), func(tx keypkg.Tx) error {
		_, err := tx.Withdraw(b)
		return errors.Join(err, errAbort)
	})
	if !errors.Is(err, errAbort) {
		f.Fatal(err)
	}
	f.packages(func(tx keypkg.Tx) { same("after an abort", get(tx.Count(b, at(1))), 2) })
	f.stock(a, "c", 1, 1)
	f.packages(func(tx keypkg.Tx) { same("published anew", get(tx.Count(a, at(1))), 1) })
}

func clientsOfUser(f *fixture) {
	alice, bob := f.user("alice"), f.user("bob")
	f.ok(f.Accounts(f.Context(), func(tx identity.Tx) error {
		device := func(name string, revoked time.Time) error {
			return tx.PutDevice(identity.Device{Client: f.client("alice", name), User: alice, Token: identity.Hash{name[0]}, Created: at(0), Revoked: revoked})
		}
		return errors.Join(
			tx.PutUser(identity.User{URI: alice, Created: at(0)}), tx.PutUser(identity.User{URI: bob, Created: at(0)}),
			device("z", time.Time{}), device("a", time.Time{}), device("m", at(5)))
	}))
	f.packages(func(tx keypkg.Tx) {
		clients, known, err := tx.Clients(alice)
		check(err)
		same("alice is known", known, true)
		sameList("without the revoked one", clients, []uri.Client{f.client("alice", "a"), f.client("alice", "z")})
		clients, known, err = tx.Clients(bob)
		check(err)
		same("bob is known without a client", known && len(clients) == 0, true)
		_, known, err = tx.Clients(f.user("carol"))
		check(err)
		same("carol is known", known, false)
	})
}

func available(f *fixture) {
	alice, other := f.client("alice", "1"), f.client("alice", "2")
	f.packages(func(tx keypkg.Tx) {
		check(tx.Publish(alice, []keypkg.Package{pack("z", 1, at(0), at(100)), pack("later", 1, at(50), at(100)), pack("suite 2", 2, at(0), at(100))}))
		check(tx.Publish(alice, []keypkg.Package{pack("a", 1, at(0), at(100)), pack("short", 1, at(0), at(10))}))
		check(tx.Publish(other, []keypkg.Package{pack("other", 1, at(0), at(100))}))
	})
	tests := []struct {
		name  string
		suite wire.CipherSuite
		now   time.Time
		limit int
		want  []string
	}{
		{"in the order of publishing", 1, at(5), 10, []string{"z", "a", "short"}},
		{"limit", 1, at(5), 2, []string{"z", "a"}},
		{"an expired one is left out", 1, at(20), 10, []string{"z", "a"}},
		{"one of the future comes later", 1, at(60), 10, []string{"z", "later", "a"}},
		{"other suite", 2, at(5), 10, []string{"suite 2"}},
		{"unknown suite", 3, at(5), 10, nil},
		{"all expired", 1, at(101), 10, nil},
	}
	f.packages(func(tx keypkg.Tx) {
		for _, tt := range tests {
			sameList(tt.name, refs(get(tx.Available(alice, tt.suite, tt.now, tt.limit))), tt.want)
		}
		same("octets", string(get(tx.Available(alice, 2, at(5), 1))[0].Octets), "octets of suite 2")
		same("count over all suites", get(tx.Count(alice, at(5))), 4)
		same("count at the end", get(tx.Count(alice, at(101))), 0)
		same("count of a stranger", get(tx.Count(f.client("bob", "1"), at(5))), 0)
		same("taken", get(tx.Take([]byte("z"))), true)
		sameList("without the taken one", refs(get(tx.Available(alice, 1, at(5), 10))), []string{"a", "short"})
		same("count without the taken one", get(tx.Count(alice, at(5))), 3)
	})
}

func publishOnce(f *fixture) {
	alice, eve := f.client("alice", "1"), f.client("eve", "1")
	f.stock(alice, "k", 1, 1)
	f.packages(func(tx keypkg.Tx) { same("taken", get(tx.Take([]byte("k0"))), true) })
	f.stock(alice, "k", 1, 1)
	f.stock(eve, "k", 1, 1)
	f.packages(func(tx keypkg.Tx) {
		same("alice's stock", get(tx.Count(alice, at(1))), 0)
		same("eve's stock", get(tx.Count(eve, at(1))), 0)
		same("taken again", get(tx.Take([]byte("k0"))), false)
	})
}

func takeOnce(f *fixture) {
	const packages, takers = 20, 50
	alice := f.client("alice", "1")
	f.stock(alice, "k", 1, packages)
	taken := make(chan string, packages*takers)
	var done sync.WaitGroup
	for range takers {
		done.Go(func() {
			for range packages {
				var won string
				err := f.KeyPackages.Update(f.Context(), func(tx keypkg.Tx) error {
					won = ""
					found, err := tx.Available(alice, 1, at(1), 1)
					if err != nil || len(found) == 0 {
						return err
					}
					ok, err := tx.Take(found[0].Ref)
					if ok {
						won = string(found[0].Ref)
					}
					return err
				})
				if err != nil {
					f.Error(err)
				}
				if won != "" {
					taken <- won
				}
			}
		})
	}
	done.Wait()
	close(taken)
	count := make(map[string]int)
	for ref := range taken {
		if count[ref]++; count[ref] > 1 {
			f.Errorf("%s was taken %d times", ref, count[ref])
		}
	}
	if len(count) != packages {
		f.Errorf("%d packages were taken, want %d", len(count), packages)
	}
	f.packages(func(tx keypkg.Tx) { same("unknown reference", get(tx.Take([]byte("never"))), false) })
}

func clientOf(f *fixture) {
	alice := f.client("alice", "1")
	f.stock(alice, "k", 1, 2)
	f.packages(func(tx keypkg.Tx) { same("taken", get(tx.Take([]byte("k0"))), true) })
	f.follower(func(tx follower.Tx) {
		client, ok, err := tx.ClientOf([]byte("k0"))
		check(err)
		same("client", ok && client == alice, true)
		_, ok, err = tx.ClientOf([]byte("k1"))
		check(err)
		same("one that was not handed out", ok, false)
		_, ok, err = tx.ClientOf([]byte("never"))
		check(err)
		same("unknown", ok, false)
	})
}

func packageExpiry(f *fixture) {
	alice := f.client("alice", "1")
	f.stock(alice, "k", 1, 2)
	f.packages(func(tx keypkg.Tx) {
		check(tx.Publish(alice, []keypkg.Package{pack("long", 1, at(0), at(1000))}))
		same("taken", get(tx.Take([]byte("k0"))), true)
		check(tx.SaveAnswer([32]byte{1}, []byte("answer"), at(50)))
		check(tx.SaveAnswer([32]byte{2}, []byte("long"), at(1000)))
	})
	f.packages(func(tx keypkg.Tx) {
		octets, ok, err := tx.Answer([32]byte{1})
		check(err)
		same("answer", ok && string(octets) == "answer", true)
		same("nothing expired", get(tx.Expire(at(40))), 0)
		same("only the answer", get(tx.Expire(at(60))), 0)
		_, ok, err = tx.Answer([32]byte{1})
		check(err)
		same("expired answer", ok, false)
		same("two packages", get(tx.Expire(at(200))), 2)
		_, ok, err = tx.Answer([32]byte{2})
		check(err)
		same("answer that lasts", ok, true)
		sameList("package that lasts", refs(get(tx.Available(alice, 1, at(200), 10))), []string{"long"})
	})
	f.follower(func(tx follower.Tx) {
		_, ok, err := tx.ClientOf([]byte("k0"))
		check(err)
		same("client of an expired package", ok, false)
	})
	// The answers of the hub's table are others.
	f.hub(hubAnswerIsOther)
}

func packageAtomic(f *fixture) {
	alice := f.client("alice", "1")
	f.stock(alice, "k", 1, 1)
	err := f.KeyPackages.Update(f.Context(), func(tx keypkg.Tx) error {
		_, err := tx.Take([]byte("k0"))
		return errors.Join(err, tx.Publish(alice, []keypkg.Package{pack("new", 1, at(0), at(100))}),
			tx.SaveAnswer([32]byte{1}, []byte("answer"), at(50)), errAbort)
	})
	if !errors.Is(err, errAbort) {
		f.Fatal(err)
	}
	f.packages(func(tx keypkg.Tx) {
		sameList("stock", refs(get(tx.Available(alice, 1, at(1), 10))), []string{"k0"})
		_, ok, err := tx.Answer([32]byte{1})
		check(err)
		same("answer", ok, false)
		same("taken", get(tx.Take([]byte("k0"))), true)
	})
}

func packageReopen(f *fixture) {
	if f.Reopen == nil {
		f.Skip("the store forgets")
	}
	alice := f.client("alice", "1")
	f.stock(alice, "k", 1, 3)
	f.packages(func(tx keypkg.Tx) {
		same("taken", get(tx.Take([]byte("k1"))), true)
		check(tx.SaveAnswer([32]byte{1}, []byte("answer"), at(50)))
	})
	f.Stores = f.Reopen(f.T)
	f.packages(func(tx keypkg.Tx) {
		sameList("stock", refs(get(tx.Available(alice, 1, at(1), 10))), []string{"k0", "k2"})
		same("taken again", get(tx.Take([]byte("k1"))), false)
		octets, _, err := tx.Answer([32]byte{1})
		check(err)
		same("answer", string(octets), "answer")
	})
}
