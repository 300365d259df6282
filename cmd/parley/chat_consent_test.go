package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"parley/provider"
)

// Alice may add Bob only after he lets her, whose provider hides who exists; then he reports what she says there.
func TestChatConsentAndReport(t *testing.T) {
	t.Parallel()
	w := newTowns(t)
	w.stop["b"]()
	text, err := os.ReadFile(w.path("b.toml"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("b.toml", string(text)+"[consent]\nrule = \"ask\"\nhide_users = true\n")
	w.serve("b")
	w.enrol("a", "alice", "alice")
	w.enrol("b", "bob", "bob")

	events, r := w.script("alice", "/new Club\n/add bob@b.example\n/wait\n/add nobody@b.example\n/wait\n/ask bob@b.example\n/requests\n")
	r.fails(t, exitFailed)
	var reasons []string
	for _, e := range events {
		if e.Type == eventStatus && e.Fate == "failed" {
			reasons = append(reasons, e.Reason)
		}
		if e.Type == eventConsents && (len(e.Consents) != 1 || e.Consents[0].Side != "outgoing" || e.Consents[0].Standing != "asked") {
			t.Errorf("%+v", e.Consents)
		}
	}
	if len(reasons) != 2 || reasons[0] != reasons[1] {
		t.Errorf("refused for %q", reasons)
	}

	// The request is on its way to Bob: an errand of his provider.
	for deadline := time.Now().Add(10 * time.Second); ; {
		events, r = w.script("bob", "/requests\n")
		r.must(t)
		if last := lastOf(events, eventConsents); last != nil && len(last.Consents) == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("Bob is not asked")
		}
	}
	_, r = w.script("bob", "/allow alice@a.example\n")
	r.must(t)
	for deadline := time.Now().Add(10 * time.Second); ; {
		events, r = w.script("alice", "/requests\n")
		r.must(t)
		if last := lastOf(events, eventConsents); last != nil && len(last.Consents) == 1 && last.Consents[0].Standing == "granted" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("Alice is not told")
		}
	}
	_, r = w.script("alice", "/add bob@b.example\n/wait\nbuy my pills\n", "--room", "Club")
	r.must(t)
	events, r = w.script("bob", "/wait\n/report ^1 spam, \x1b[31mall of it\n/block alice@a.example\n", "--room", "Club")
	r.must(t)
	equal(t, "bob reads", texts(events), []string{"alice@a.example: buy my pills"})
	if e := lastOf(events, eventReported); e == nil || e.User != aliceURI || e.Name != "a.example" {
		t.Errorf("%+v", e)
	}
	list := decode[[]provider.ReportEntry](t, parley(t, "abuse", "list", "--json", "--config", w.path("a.toml")).must(t).out)
	if len(list) != 1 || !list[0].Verified || list[0].Messages[0].Text != "buy my pills" || !strings.HasPrefix(list[0].Note, "spam") || list[0].Reporter != bobURI {
		t.Fatalf("%+v", list)
	}
	_, r = w.script("alice", "/new Second\n/add bob@b.example\n")
	r.fails(t, exitFailed)
	_, r = w.script("alice", "/unask bob@b.example\n")
	r.fails(t, exitFailed)
	_, r = w.script("alice", "/report ^1 myself\n", "--room", "Club")
	r.fails(t, exitFailed)
}

func lastOf(events []chatEvent, kind string) *chatEvent {
	for i := len(events) - 1; i >= 0; i-- {
		if events[i].Type == kind {
			return &events[i]
		}
	}
	return nil
}
