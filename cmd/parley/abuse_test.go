package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/clientapi/api"
	"parley/content"
	"parley/hub"
	"parley/mimi"
	"parley/provider"
	"parley/uri"
)

func TestAbuseOffline(t *testing.T) {
	l, config := ready(t)
	if r := parley(t, "abuse", "list", "--config", config).must(t); r.out != "no report waits\n" {
		t.Errorf("%q", r.out)
	}
	l.inStore(func(s *provider.Store) error {
		at, err := uri.ParseRoom("mimi://a.example/r/club")
		if err != nil {
			return err
		}
		alice := mustUser(t, aliceURI)
		encoded, err := content.NewText([16]byte{1}, alice, at, "buy\x1b[31m my pills").Encode()
		if err != nil {
			return err
		}
		caller, err := uri.ProviderFromDomain("b.example")
		if err != nil {
			return err
		}
		for i, verdict := range []hub.Verdict{hub.Genuine, hub.MovedFrank} {
			r := &hub.Report{At: time.Unix(1_800_000_000, 0), Caller: caller, Room: at, Verdicts: []hub.Verdict{verdict}, Marks: [][32]byte{{byte(i)}},
				Content: mimi.AbuseReport{Reporter: bobURI, Abuser: aliceURI, Note: "spam", Messages: []mimi.AbusiveMessage{{Content: encoded, AcceptedAt: 1_800_000_000_000}}}}
			if err := s.Cases.Update(t.Context(), func(tx hub.CaseTx) error { return tx.AddReport(r) }); err != nil {
				return err
			}
		}
		return nil
	})
	r := parley(t, "abuse", "list", "--json", "--config", config).must(t)
	var list []provider.ReportEntry
	if err := json.Unmarshal([]byte(r.out), &list); err != nil || len(list) != 2 || !list[0].Verified || list[1].Verified || list[1].Messages[0].Verdict != "moved-frank" {
		t.Fatalf("%v %s", err, r.out)
	}
	id := fmt.Sprint(list[0].ID)
	r = parley(t, "abuse", "list", "--config", config).must(t)
	if !strings.Contains(r.out, "verified, 1 messages") || !strings.Contains(r.out, "unverified, 1 messages") {
		t.Errorf("%q", r.out)
	}
	r = parley(t, "abuse", "show", id, "--config", config).must(t)
	if !strings.Contains(r.out, "genuine, sent") || !strings.Contains(r.out, "my pills") || strings.Contains(r.out, "\x1b") {
		t.Errorf("%q", r.out)
	}
	if r := parley(t, "abuse", "show", id, "--json", "--config", config).must(t); !strings.HasPrefix(r.out, `{"id":`) {
		t.Errorf("%q", r.out)
	}
	parley(t, "abuse", "resolve", id, "warned", "--config", config).must(t)
	for _, c := range []struct {
		args []string
		code int
		text string
	}{
		{[]string{"abuse", "resolve", id, "again", "--config", config}, exitFailed, "waits for a decision"},
		{[]string{"abuse", "resolve", "999", "x", "--config", config}, exitFailed, "waits for a decision"},
		{[]string{"abuse", "show", "999", "--config", config}, exitFailed, "no report of that number"},
		{[]string{"abuse", "show", "one", "--config", config}, exitUsage, "by its number"},
		{[]string{"abuse", "resolve", id, "--config", config}, exitUsage, "2"},
		{[]string{"abuse", "list", "--config", "nowhere.toml"}, exitConfig, "nowhere.toml"},
	} {
		if r := parley(t, c.args...); r.code != c.code || !strings.Contains(r.errs, c.text) {
			t.Errorf("%v: %d %q", c.args, r.code, r.errs)
		}
	}
	r = parley(t, "abuse", "list", "--all", "--config", config).must(t)
	if !strings.Contains(r.out, "decided: warned") || strings.Count(r.out, "\n") != 2 {
		t.Errorf("%q", r.out)
	}
	if r := parley(t, "abuse", "list", "--config", config).must(t); strings.Count(r.out, "\n") != 1 {
		t.Errorf("%q", r.out)
	}
}

func TestConsentLines(t *testing.T) {
	home, err := uri.ProviderFromDomain("a.example")
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"/ask bob@b.example":          "ask " + bobURI + " ",
		"/allow bob@b.example here":   "allow " + bobURI + " here",
		"/deny bob@b.example":         "deny " + bobURI + " ",
		"/block c.example":            "block  mimi://c.example",
		"/block bob@b.example":        "block " + bobURI + " " + bobURI,
		"/requests":                   "requests  ",
		"/report ^1 this is spam":     "report  ^1 this is spam",
		"/report anonymously ^1 spam": "report  anonymously ^1 spam",
	} {
		got, err := parseLine(line, home)
		user := ""
		if !got.user.IsZero() {
			user = got.user.String()
		}
		if err != nil || got.verb+" "+user+" "+got.text != want || !isConsent(got.verb) {
			t.Errorf("%s: %q %q %q, %v", line, got.verb, user, got.text, err)
		}
	}
	for _, line := range []string{"/ask", "/ask bob@b.example there", "/allow not/a/user", "/block", "/report", "/report anonymously ", "/requests all"} {
		if got, err := parseLine(line, home); err == nil {
			t.Errorf("%s is taken as %+v", line, got)
		}
	}
}

func TestTextOfConsent(t *testing.T) {
	view := newView()
	for _, c := range []struct {
		e    chatConsent
		room string
		want string
	}{
		{chatConsent{"asked", true}, "", "bob@b.example asks to add you to rooms: /allow bob@b.example lets them, /deny bob@b.example does not, and they are not told"},
		{chatConsent{"withdrawn", true}, "", "bob@b.example no longer asks to add you to rooms"},
		{chatConsent{"granted", true}, roomURI, "you let bob@b.example add you to the room Club"},
		{chatConsent{"refused", true}, "", "you do not let bob@b.example add you to rooms"},
		{chatConsent{"granted", false}, "", "bob@b.example lets you add them to rooms"},
		{chatConsent{"withdrawn", false}, "", "your request to bob@b.example is over: it was withdrawn, or could not be delivered"},
		{chatConsent{"refused", false}, "", "bob@b.example no longer lets you add them to rooms"},
	} {
		if got := strings.Join(view.lines(&chatEvent{Type: eventConsent, User: bobURI, Room: c.room, Consent: &c.e}), "\n"); got != c.want {
			t.Errorf("%+v: %q", c.e, got)
		}
	}
	got := strings.Join(view.lines(&chatEvent{Type: eventConsents, Consents: []api.ConsentEntry{
		{Side: api.ConsentIncoming, Other: bobURI, Standing: "asked"}, {Side: api.ConsentOutgoing, Other: bobURI, Room: roomURI, Standing: "granted"},
		{Side: api.ConsentBlocked, Other: "mimi://c.example", Standing: "refused"},
	}}), "\n")
	if want := "bob@b.example asks to add you\n      bob@b.example lets you add them (room Club)\n      everybody at c.example is blocked"; got != want {
		t.Errorf("%q", got)
	}
	if mimi.ConsentRevoke != 3 || saidWord(mimi.ConsentRevoke) != "refused" || saidWord(9) != "" {
		t.Error("words")
	}
}
