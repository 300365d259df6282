package hub_test

import (
	"strings"
	"testing"

	"parley/hub"
	"parley/mimi"
	"parley/mls/wire"
	"parley/policy"
	"parley/storetest/roletest"
	"parley/uri"
)

// said is a message of Bob's in a form in which it can be reported.
func (c *cast) said(by *roletest.Device, at uri.Room, claim roletest.Claim) mimi.AbusiveMessage {
	c.T.Helper()
	data := by.Content(at, claim)
	answer := by.Submit(at, by.Franked(at, data, nil))
	if answer.Frank == nil {
		c.T.Fatal("not franked")
	}
	return mimi.AbusiveMessage{Content: data, Frank: *answer.Frank, AcceptedAt: answer.AcceptedAt}
}

// report has a provider report of the room, and returns the verdicts of what was stored last, nil when nothing was.
func (c *cast) report(by *roletest.Provider, at uri.Room, r mimi.AbuseReport) ([]hub.Verdict, error) {
	c.T.Helper()
	before := len(c.reports(false))
	peer, err := c.Peer(by.URI, c.hub.URI)
	if err != nil {
		c.T.Fatal(err)
	}
	err = peer.ReportAbuse(c.T.Context(), at, &r)
	all := c.reports(false)
	if len(all) == before {
		return nil, err
	}
	if len(all) != before+1 || err != nil {
		c.T.Errorf("%d reports, before %d, %v", len(all), before, err)
	}
	return all[len(all)-1].Verdicts, err
}

func (c *cast) reports(open bool) []hub.Report {
	c.T.Helper()
	list, err := c.hub.Hub.Reports(c.T.Context(), 0, 1000, open)
	if err != nil {
		c.T.Fatal(err)
	}
	return list
}

func TestReportAbuse(t *testing.T) {
	c := newCast(t)
	c.gather(c.bob, c.cathy)
	abuser, reporter := c.bob.User.String(), c.cathy.User.String()
	salt := byte(0)
	fresh := func(text string) mimi.AbusiveMessage {
		salt++
		return c.said(c.bob, c.room, roletest.Claim{Salt: salt, Text: text})
	}
	verdict := func(t *testing.T, want hub.Verdict, messages ...mimi.AbusiveMessage) {
		t.Helper()
		got, err := c.report(c.c(), c.room, mimi.AbuseReport{Reporter: reporter, Abuser: abuser, Messages: messages})
		if err != nil || len(got) != len(messages) || got[len(got)-1] != want {
			t.Errorf("%v, %v, want %s", got, err, want)
		}
	}
	c.Run("P-AB-04 a genuine message is known as such, and any altered octet spoils it", func(t *testing.T) {
		m := fresh("spam")
		verdict(t, hub.Genuine, m)
		good := fresh("more spam")
		for name, change := range map[string]func(*mimi.AbusiveMessage){
			"text": func(m *mimi.AbusiveMessage) {
				m.Content = []byte(strings.Replace(string(m.Content), "spam", "Spam", 1))
			},
			"salt":      func(m *mimi.AbusiveMessage) { m.Content[salted(m.Content)] ^= 1 },
			"time":      func(m *mimi.AbusiveMessage) { m.AcceptedAt++ },
			"frank":     func(m *mimi.AbusiveMessage) { m.Frank.ServerFrank[7] ^= 1 },
			"signature": func(m *mimi.AbusiveMessage) { m.Frank.Signature[9] ^= 1 },
			"suite":     func(m *mimi.AbusiveMessage) { m.Frank.Suite = 2 },
		} {
			bad := good
			bad.Content = append([]byte(nil), good.Content...)
			bad.Frank.Signature = append([]byte(nil), good.Frank.Signature...)
			change(&bad)
			got, err := c.report(c.c(), c.room, mimi.AbuseReport{Reporter: reporter, Abuser: abuser, Messages: []mimi.AbusiveMessage{bad}})
			if err != nil || len(got) != 1 || got[0] == hub.Genuine {
				t.Errorf("%s: %v, %v", name, got, err)
			}
		}
		verdict(t, hub.Genuine, good)
	})
	c.Run("A-40 franks that were swapped between two messages are found out", func(t *testing.T) {
		one, two := fresh("one"), fresh("two")
		one.Frank, two.Frank = two.Frank, one.Frank
		one.AcceptedAt, two.AcceptedAt = two.AcceptedAt, one.AcceptedAt
		verdict(t, hub.MovedFrank, one)
		verdict(t, hub.MovedFrank, two)
	})
	c.Run("P-AB-06 a message of another room is not one of this room", func(t *testing.T) {
		other := c.alice.Create("other")
		c.alice.Do(other, c.alice.Add(other, c.bob.User))
		c.Sync()
		verdict(t, hub.OtherRoom, c.said(c.bob, other, roletest.Claim{Salt: 100, Text: "there"}))
		verdict(t, hub.OtherRoom, c.said(c.bob, c.room, roletest.Claim{Salt: 101, Text: "said to be there", Room: other}))
	})
	c.Run("P-AB-07 a message of somebody else is not the alleged abuser's", func(t *testing.T) {
		verdict(t, hub.OtherSender, c.said(c.alice, c.room, roletest.Claim{Salt: 102, Text: "by Alice"}))
		verdict(t, hub.Forged, c.said(c.alice, c.room, roletest.Claim{Salt: 103, Text: "as if by Bob", Sender: c.bob.User}))
	})
	c.Run("octets that are no message are kept as unreadable", func(t *testing.T) {
		m := fresh("x")
		m.Content = []byte("not CBOR")
		verdict(t, hub.Unreadable, m)
		m.Content = nil
		verdict(t, hub.Unreadable, m)
	})
	c.Run("a message that the same reporter reports again counts once", func(t *testing.T) {
		m := fresh("once")
		verdict(t, hub.Genuine, m)
		verdict(t, hub.AlreadyKnown, fresh("and more"), m)
		got, err := c.report(c.c(), c.room, mimi.AbuseReport{Abuser: abuser, Messages: []mimi.AbusiveMessage{m, m}})
		if err != nil || got[0] != hub.Genuine || got[1] != hub.AlreadyKnown {
			t.Errorf("anonymously, twice in one: %v, %v", got, err)
		}
	})
	c.Run("the same report again is stored once", func(t *testing.T) {
		r := mimi.AbuseReport{Reporter: reporter, Abuser: abuser, Note: "the same", Messages: []mimi.AbusiveMessage{fresh("y")}}
		if got, err := c.report(c.c(), c.room, r); err != nil || got == nil {
			t.Fatal(got, err)
		}
		if got, err := c.report(c.c(), c.room, r); err != nil || got != nil {
			t.Errorf("%v, %v", got, err)
		}
	})
	c.Run("P-AB-02 a report may be anonymous", func(t *testing.T) {
		got, err := c.report(c.c(), c.room, mimi.AbuseReport{Abuser: abuser, Note: "who says does not matter"})
		if err != nil || len(c.reports(true)) == 0 || len(got) != 0 {
			t.Errorf("%v, %v", got, err)
		}
		if last := c.reports(true)[len(c.reports(true))-1]; last.Content.Reporter != "" || last.Caller != c.c().URI {
			t.Errorf("%+v", last)
		}
	})
	c.Run("P-AB-08 P-AB-11 reasons and extensions are kept as they came", func(t *testing.T) {
		r := mimi.AbuseReport{Reporter: reporter, Abuser: abuser, Reason: 200, Note: "reason 200",
			Extensions: wire.AppDataDictionary{Entries: []wire.ComponentData{{ID: 0x8001, Data: []byte{1}}}}}
		if _, err := c.report(c.c(), c.room, r); err != nil {
			t.Fatal(err)
		}
		last := c.reports(true)[len(c.reports(true))-1]
		if last.Content.Reason != 200 || len(last.Content.Extensions.Entries) != 1 {
			t.Errorf("%+v", last.Content)
		}
	})
	c.Run("P-AB-10 only participants' providers report, and only for their users", func(t *testing.T) {
		alone := c.alice.Create("alone")
		for name, r := range map[string]struct {
			by *roletest.Provider
			at uri.Room
			r  mimi.AbuseReport
		}{
			"an outsider":               {c.c(), alone, mimi.AbuseReport{Abuser: abuser}},
			"an outsider, no such room": {c.c(), c.alice.RoomURI("nowhere"), mimi.AbuseReport{Abuser: abuser}},
			"another provider's user":   {c.b(), c.room, mimi.AbuseReport{Reporter: reporter, Abuser: abuser}},
			"a user who is not there":   {c.b(), c.room, mimi.AbuseReport{Reporter: c.bea.User.String(), Abuser: abuser}},
		} {
			got, err := c.report(r.by, r.at, r.r)
			if got != nil {
				t.Errorf("%s: stored", name)
			}
			c.failsWith(err, mimi.Forbidden)
		}
	})
	c.Run("what is too much is refused", func(t *testing.T) {
		m := fresh("z")
		for _, r := range []mimi.AbuseReport{
			{Reporter: reporter, Abuser: abuser, Messages: make([]mimi.AbusiveMessage, hub.MostReported+1)},
			{Reporter: reporter, Abuser: abuser, Note: strings.Repeat("x", 16<<10+1), Messages: []mimi.AbusiveMessage{m}},
			{Reporter: "cathy", Abuser: abuser}, {Reporter: reporter, Abuser: "bob"},
		} {
			got, err := c.report(c.c(), c.room, r)
			if got != nil {
				t.Error("stored")
			}
			c.failsWith(err, mimi.BadRequest)
		}
	})
	c.Run("P-AB-05 a message can be reported after the hub_key and the hub's keys have changed", func(t *testing.T) {
		m := fresh("old")
		c.Pass(hub.HubKeyLife)
		c.sweep()
		fresh("new")
		c.hub.HubConfig.Keys = append([]hub.Key{c.b().HubConfig.Keys[0]}, c.hub.HubConfig.Keys...)
		c.hub.Restart()
		verdict(t, hub.Genuine, m)
		c.Pass(hub.HubKeyKept + 2*hub.HubKeyLife)
		c.sweep()
		again := m
		got, err := c.report(c.hub, c.room, mimi.AbuseReport{Reporter: c.alice.User.String(), Abuser: abuser, Messages: []mimi.AbusiveMessage{again}})
		if err != nil || len(got) != 1 || got[0] != hub.TooOld {
			t.Errorf("after all: %v, %v", got, err)
		}
	})
	c.Run("an operator decides once", func(t *testing.T) {
		open := c.reports(true)
		id := open[0].ID
		if done, err := c.hub.Hub.Resolve(t.Context(), id, "warned"); err != nil || !done {
			t.Fatal(done, err)
		}
		if done, err := c.hub.Hub.Resolve(t.Context(), id, "again"); err != nil || done {
			t.Errorf("twice: %v, %v", done, err)
		}
		if len(c.reports(true)) != len(open)-1 || c.reports(false)[0].Outcome != "warned" {
			t.Error("not noted")
		}
	})
}

// salted is where the salt of a message lies: behind the frame, in an array of seven whose second element it is.
func salted(data []byte) int {
	return strings.Index(string(data), "\x87\x50") + 2
}

func TestWhoMayReport(t *testing.T) {
	offer := roletest.Policy(func(r *policy.RoleData, _ *policy.BaseRoomPolicy) {
		for i := range r.Roles {
			if r.Roles[i].Index == policy.RoleMember {
				r.Roles[i].Capabilities = dropped(r.Roles[i].Capabilities, policy.CanReportAbuse)
			}
		}
	})
	t.Run("P-AB-12 the reporter's role has to allow it", func(t *testing.T) {
		c := castIn(t, offer)
		c.gather(c.bob, c.cathy)
		for _, reporter := range []string{c.cathy.User.String(), ""} {
			got, err := c.report(c.c(), c.room, mimi.AbuseReport{Reporter: reporter, Abuser: c.bob.User.String()})
			if got != nil || err == nil {
				t.Errorf("%q: stored", reporter)
			}
			c.failsWith(err, mimi.Forbidden)
		}
		if _, err := c.report(c.hub, c.room, mimi.AbuseReport{Reporter: c.alice.User.String(), Abuser: c.bob.User.String()}); err != nil {
			t.Errorf("the owner: %v", err)
		}
	})
}

func dropped(list []policy.Capability, one policy.Capability) (out []policy.Capability) {
	for _, c := range list {
		if c != one {
			out = append(out, c)
		}
	}
	return out
}
