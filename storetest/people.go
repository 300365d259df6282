package storetest

import (
	"fmt"
	"slices"

	"parley/identity"
	"parley/mimi"
	"parley/uri"
)

func peopleTests() []test {
	return []test{
		{"a person is replaced whole and keeps the order of its entries", personReplaced},
		{"entries are found by type, name and key, and only so", entriesFound},
		{"parts of values are found without case", partsFound},
		{"pending addresses are kept per user, type and key, and end", pendingKept},
		{"changes are listed from the latest and swept from the first", changesKept},
		{"users that are no persons are strangers", strangersListed},
	}
}

func (f *fixture) people(do func(tx identity.PeopleTx)) { f.Helper(); f.ok(run(f, f.People, do)) }

func entry(t mimi.SearchType, name, value string) identity.Entry {
	return identity.Entry{Type: t, Name: name, Value: value, Key: "key of " + value, Proof: identity.ByCode, Since: at(3), Reach: "b.example c.example"}
}

func hits(found []identity.Found) []string {
	var out []string
	for _, x := range found {
		out = append(out, x.User.Name()+" "+x.Entry.Value)
	}
	return out
}

func personReplaced(f *fixture) {
	alice := f.user("alice")
	want := []identity.Entry{entry(mimi.SearchPhone, "", "+491"), entry(mimi.SearchOIDCClaim, "name", "Alice"), entry(mimi.SearchEmail, "", "a@b.c")}
	f.people(func(tx identity.PeopleTx) {
		_, there, err := tx.Person(alice)
		check(err)
		same("before", there, false)
		check(tx.PutPerson(identity.Person{User: alice, Reach: identity.OwnUsers, Entries: []identity.Entry{entry(mimi.SearchNick, "", "x")}}))
		check(tx.PutPerson(identity.Person{User: alice, Reach: identity.Everybody, Entries: want}))
	})
	f.people(func(tx identity.PeopleTx) {
		p, there, err := tx.Person(alice)
		check(err)
		same("there", there, true)
		same("reach", p.Reach, identity.Everybody)
		same("entries", len(p.Entries), len(want))
		for i, e := range p.Entries {
			same("time", e.Since.Equal(want[i].Since), true)
			e.Since = want[i].Since
			same("entry", e, want[i])
		}
		check(tx.DeletePerson(alice))
		_, there, err = tx.Person(alice)
		check(err)
		same("after", there, false)
		same("entries are gone too", len(get(tx.Find(mimi.SearchPhone, "", "key of +491", 9))), 0)
	})
}

func entriesFound(f *fixture) {
	f.people(func(tx identity.PeopleTx) {
		for _, name := range []string{"zoe", "bob", "alice"} {
			check(tx.PutPerson(identity.Person{User: f.user(name), Reach: identity.OwnUsers, Entries: []identity.Entry{
				entry(mimi.SearchNick, "", "star"), entry(mimi.SearchOIDCClaim, "name", "star"), entry(mimi.SearchOIDCClaim, "nickname", "star"),
			}}))
		}
	})
	f.people(func(tx identity.PeopleTx) {
		found := get(tx.Find(mimi.SearchNick, "", "key of star", 9))
		sameList("nick", hits(found), []string{"alice star", "bob star", "zoe star"})
		same("reach of the person", found[0].Person, identity.OwnUsers)
		same("reach of the entry", found[0].Entry.Reach, "b.example c.example")
		sameList("limit", hits(get(tx.Find(mimi.SearchNick, "", "key of star", 2))), []string{"alice star", "bob star"})
		same("claim", len(get(tx.Find(mimi.SearchOIDCClaim, "name", "key of star", 9))), 3)
		same("other name", len(get(tx.Find(mimi.SearchOIDCClaim, "locale", "key of star", 9))), 0)
		same("other type", len(get(tx.Find(mimi.SearchEmail, "", "key of star", 9))), 0)
		same("other key", len(get(tx.Find(mimi.SearchNick, "", "key of Star", 9))), 0)
	})
}

func partsFound(f *fixture) {
	f.people(func(tx identity.PeopleTx) {
		check(tx.PutPerson(identity.Person{User: f.user("matt"), Entries: []identity.Entry{entry(mimi.SearchOIDCClaim, "name", "Matthew Ünal")}}))
		check(tx.PutPerson(identity.Person{User: f.user("ann"), Entries: []identity.Entry{entry(mimi.SearchOIDCClaim, "name", "Ann Mather")}}))
	})
	f.people(func(tx identity.PeopleTx) {
		sameList("mat", hits(get(tx.Scan("mat", 9))), []string{"ann Ann Mather", "matt Matthew Ünal"})
		sameList("ün", hits(get(tx.Scan(identity.Fold("Ün"), 9))), []string{"matt Matthew Ünal"})
		same("limit", len(get(tx.Scan("mat", 1))), 1)
		same("a pattern is a text", len(get(tx.Scan("%", 9))), 0)
	})
}

func pendingKept(f *fixture) {
	alice, bob := f.user("alice"), f.user("bob")
	put := func(u uri.User, key string, second int) identity.Pending {
		return identity.Pending{User: u, Type: mimi.SearchPhone, Key: key, Value: "value of " + key, Code: identity.Hash{byte(second)},
			Sent: at(1), Expires: at(second), Tries: 2}
	}
	f.people(func(tx identity.PeopleTx) {
		check(tx.PutPending(put(alice, "+2", 10)))
		check(tx.PutPending(put(alice, "+1", 20)))
		check(tx.PutPending(put(bob, "+1", 30)))
		check(tx.PutPending(put(alice, "+2", 40)))
	})
	f.people(func(tx identity.PeopleTx) {
		p, ok, err := tx.Pending(alice, mimi.SearchPhone, "+2")
		check(err)
		same("the later one", ok && p.Code == identity.Hash{40} && p.Tries == 2 && p.Expires.Equal(at(40)) && p.Value == "value of +2", true)
		of := get(tx.PendingOf(alice))
		same("in order", len(of) == 2 && of[0].Key == "+1" && of[1].Key == "+2", true)
		same("ended", get(tx.ExpirePending(at(20))), 1)
		check(tx.DeletePending(bob, mimi.SearchEmail, "+1"))
		check(tx.DeletePending(alice, mimi.SearchPhone, "+2"))
		same("alice", len(get(tx.PendingOf(alice))), 0)
		same("bob", len(get(tx.PendingOf(bob))), 1)
	})
}

func changesKept(f *fixture) {
	alice, bob := f.user("alice"), f.user("bob")
	f.people(func(tx identity.PeopleTx) {
		for i := range 5 {
			check(tx.AddChange(identity.Change{At: at(i), User: alice, Type: mimi.SearchEmail, Key: fmt.Sprint(i), What: identity.Gained}))
		}
		check(tx.AddChange(identity.Change{At: at(9), User: bob, Type: mimi.SearchEmail, Key: "b", What: identity.Lost}))
	})
	list := func(tx identity.PeopleTx, u uri.User, n int) (out []string) {
		for _, c := range get(tx.Changes(u, n)) {
			out = append(out, c.Key)
		}
		return out
	}
	f.people(func(tx identity.PeopleTx) {
		sameList("latest", list(tx, alice, 2), []string{"4", "3"})
		same("swept", get(tx.ExpireChanges(at(2))), 2)
		sameList("rest", list(tx, alice, 9), []string{"4", "3", "2"})
		check(tx.DeleteChanges(alice))
		same("deleted", len(list(tx, alice, 9)), 0)
		got := get(tx.Changes(bob, 9))
		same("of the other", len(got) == 1 && got[0].What == identity.Lost && got[0].At.Equal(at(9)) && got[0].User == bob, true)
	})
}

func strangersListed(f *fixture) {
	f.accounts(func(tx identity.Tx) {
		for _, name := range []string{"c", "a", "b"} {
			check(tx.PutUser(identity.User{URI: f.user(name), Created: at(1)}))
		}
	})
	f.people(func(tx identity.PeopleTx) {
		check(tx.PutPerson(identity.Person{User: f.user("b"), Reach: identity.Nobody}))
		list := get(tx.Strangers(9))
		same("all", slices.Equal(list, []uri.User{f.user("a"), f.user("c")}), true)
		same("limit", len(get(tx.Strangers(1))), 1)
	})
}
