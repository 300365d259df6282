package storetest

import (
	"parley/consent"
	"parley/contact"
	"parley/hub"
	"parley/identity"
	"parley/mimi"
	"parley/uri"
)

func contactTests() []test {
	return []test{
		{"entries are kept by owner, side, other and room", entriesKept},
		{"what waits is counted by provider, and expires", requestsCounted},
		{"errands are kept in order, put off and done", errandsKept},
		{"users are known when there is an account", usersKnown},
	}
}

func caseTests() []test {
	return []test{
		{"hub keys come in the order of their times, and the replaced go", hubKeysKept},
		{"reports are listed, resolved once and swept", reportsKept},
	}
}

func (f *fixture) contact(do func(tx contact.Tx)) { f.Helper(); f.ok(run(f, f.Contact.Update, do)) }
func (f *fixture) cases(do func(tx hub.CaseTx))   { f.Helper(); f.ok(run(f, f.Cases.Update, do)) }

func asked(s int) consent.Record { return consent.Record{Standing: consent.Asked, At: at(s)} }

func entriesKept(f *fixture) {
	alice, bob := f.user("alice"), "mimi://b.example/u/bob"
	every := contact.Entry{Owner: alice, Side: contact.Incoming, Other: bob, Record: asked(1)}
	inRoom := contact.Entry{Owner: alice, Side: contact.Incoming, Other: bob, Room: f.room("x"), Record: asked(2)}
	out := contact.Entry{Owner: alice, Side: contact.Outgoing, Other: bob, Record: consent.Record{Standing: consent.Granted, At: at(3)},
		Packages: [][]byte{{1, 2}, {}, {3}}, Sum: [32]byte{7}}
	block := contact.Entry{Owner: alice, Side: contact.Block, Other: "mimi://b.example", Record: consent.Record{Standing: consent.Refused, At: at(4)}}
	other := contact.Entry{Owner: f.user("alicia"), Side: contact.Incoming, Other: bob, Record: asked(5)}
	f.contact(func(tx contact.Tx) {
		for _, e := range []contact.Entry{block, other, out, inRoom, every} {
			check(tx.Put(e))
		}
	})
	if f.Reopen != nil {
		f.Stores = f.Reopen(f.T)
	}
	f.contact(func(tx contact.Tx) {
		got := get(tx.Entries(alice, contact.Incoming, bob))
		same("entries", len(got), 2)
		same("every room comes first", got[0].Room.IsZero() && got[1].Room == f.room("x"), true)
		same("time", got[1].Record.At.Equal(at(2)), true)
		all := get(tx.List(alice))
		same("all", len(all), 4)
		same("packages", len(all[2].Packages), 3)
		same("package", string(all[2].Packages[0]), "\x01\x02")
		same("sum", all[2].Sum, out.Sum)
		same("block", all[3].Other, "mimi://b.example")
		out.Packages, out.Record.Standing = nil, consent.Refused
		check(tx.Put(out))
		every.Record = consent.Record{}
		check(tx.Put(every))
		all = get(tx.List(alice))
		same("after", len(all), 3)
		same("replaced", all[1].Record.Standing == consent.Refused && len(all[1].Packages) == 0, true)
	})
}

func requestsCounted(f *fixture) {
	alice := f.user("alice")
	b, c := must2(f, uri.ProviderFromDomain, "b.example"), must2(f, uri.ProviderFromDomain, "c.example")
	f.contact(func(tx contact.Tx) {
		check(tx.Put(contact.Entry{Owner: alice, Other: "mimi://b.example/u/bob", Record: asked(1)}))
		check(tx.Put(contact.Entry{Owner: alice, Other: "mimi://b.example/u/bea", Record: asked(20)}))
		check(tx.Put(contact.Entry{Owner: alice, Other: "mimi://b.example/u/ben", Record: consent.Record{Standing: consent.Granted, At: at(1)}}))
		check(tx.Put(contact.Entry{Owner: alice, Side: contact.Outgoing, Other: "mimi://b.example/u/bob", Record: asked(1)}))
		same("b", get(tx.Waiting(b)), 2)
		same("c", get(tx.Waiting(c)), 0)
		same("expired", get(tx.Expire(at(10))), 2)
		same("b after", get(tx.Waiting(b)), 1)
		same("the others stay", len(get(tx.List(alice))), 2)
	})
}

func errandsKept(f *fixture) {
	alice := f.user("alice")
	b := must2(f, uri.ProviderFromDomain, "b.example")
	f.contact(func(tx contact.Tx) {
		check(tx.PutErrand(contact.Errand{To: b, User: alice, Due: at(5), Body: []byte("one")}))
		check(tx.PutErrand(contact.Errand{User: alice, Silent: true, Due: at(1), Body: []byte("two")}))
	})
	f.contact(func(tx contact.Tx) {
		list := get(tx.Errands(9))
		same("errands", len(list), 2)
		same("first", string(list[0].Body)+list[0].To.Domain(), "oneb.example")
		same("second", list[1].Silent && list[1].To.IsZero() && list[1].User == alice, true)
		same("limit", len(get(tx.Errands(1))), 1)
		list[0].Due, list[0].Tries = at(50), 3
		check(tx.PutErrand(list[0]))
		gone := list[1]
		gone.Due = contact.Errand{}.Due
		check(tx.PutErrand(gone))
		list = get(tx.Errands(9))
		same("left", len(list), 1)
		same("put off", list[0].Due.Equal(at(50)) && list[0].Tries == 3, true)
	})
}

func usersKnown(f *fixture) {
	f.accounts(func(tx identity.Tx) { check(tx.PutUser(identity.User{URI: f.user("alice"), Created: at(1)})) })
	f.contact(func(tx contact.Tx) {
		same("alice", get(tx.Known(f.user("alice"))), true)
		same("nobody", get(tx.Known(f.user("nobody"))), false)
	})
}

func hubKeysKept(f *fixture) {
	f.cases(func(tx hub.CaseTx) {
		same("none", len(get(tx.HubKeys())), 0)
		check(tx.PutHubKey(hub.HubKey{From: ms(at(30)), Secret: []byte("c")}))
		check(tx.PutHubKey(hub.HubKey{From: ms(at(10)), Secret: []byte("a")}))
		check(tx.PutHubKey(hub.HubKey{From: ms(at(20)), Secret: []byte("b")}))
	})
	f.cases(func(tx hub.CaseTx) {
		same("order", secrets(get(tx.HubKeys())), "abc")
		same("nothing was replaced yet", get(tx.Expire(at(0), at(20))), 0)
		same("a was replaced by b", get(tx.Expire(at(0), at(21))), 1)
		same("b and c stay", secrets(get(tx.HubKeys())), "bc")
		get(tx.Expire(at(0), at(1000)))
		same("the newest stays", secrets(get(tx.HubKeys())), "c")
	})
}

func secrets(keys []hub.HubKey) (out string) {
	for _, k := range keys {
		out += string(k.Secret)
	}
	return out
}

func reportsKept(f *fixture) {
	b := must2(f, uri.ProviderFromDomain, "b.example")
	report := func(note string, mark byte) *hub.Report {
		return &hub.Report{At: at(1), Caller: b, Room: f.room("x"), Verdicts: []hub.Verdict{hub.Genuine, hub.Forged}, Marks: [][32]byte{{mark}},
			Content: mimi.AbuseReport{Abuser: "mimi://c.example/u/mallory", Note: note, Messages: make([]mimi.AbusiveMessage, 2)}}
	}
	f.cases(func(tx hub.CaseTx) {
		one, two := report("one", 1), report("two", 2)
		check(tx.AddReport(one))
		check(tx.AddReport(two))
		same("ids", one.ID > 0 && two.ID > one.ID, true)
		same("marked", get(tx.Marked([32]byte{2})), true)
		same("not marked", get(tx.Marked([32]byte{3})), false)
		same("waiting", get(tx.Waiting(b)), 2)
	})
	if f.Reopen != nil {
		f.Stores = f.Reopen(f.T)
	}
	f.cases(func(tx hub.CaseTx) {
		list := get(tx.Reports(0, 9, true))
		same("reports", len(list), 2)
		r := list[0]
		same("report", r.Content.Note+r.Caller.Domain()+r.Room.String(), "oneb.example"+f.room("x").String())
		sameList("verdicts", r.Verdicts, []hub.Verdict{hub.Genuine, hub.Forged})
		same("open", r.Resolved.IsZero() && r.At.Equal(at(1)), true)
		same("resolved", get(tx.Resolve(r.ID, at(5), "warned")), true)
		same("only once", get(tx.Resolve(r.ID, at(6), "again")), false)
		same("no such report", get(tx.Resolve(999, at(6), "again")), false)
		same("open ones", len(get(tx.Reports(0, 9, true))), 1)
		all := get(tx.Reports(0, 9, false))
		same("outcome", all[0].Outcome+string(rune('0'+len(all))), "warned2")
		same("behind the first", get(tx.Reports(r.ID, 9, false))[0].Content.Note, "two")
		same("limit", len(get(tx.Reports(0, 1, false))), 1)
		same("waiting", get(tx.Waiting(b)), 1)
		same("too early", get(tx.Expire(at(5), at(0))), 0)
		same("swept", get(tx.Expire(at(6), at(0))), 1)
		same("its mark is gone", get(tx.Marked([32]byte{1})), false)
		same("the other's is not", get(tx.Marked([32]byte{2})), true)
		again := report("three", 4)
		check(tx.AddReport(again))
		same("ids are not used again", again.ID > r.ID+1, true)
	})
}
