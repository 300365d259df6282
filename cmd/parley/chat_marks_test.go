package main

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"parley/client"
	"parley/credential"
	"parley/device"
)

// asGateway gives a device a credential that says that a gateway of its provider holds the key.
func (w *towns) asGateway(letter, dir string) {
	w.t.Helper()
	certificate, err1 := os.ReadFile(w.path(letter + "/ca.crt"))
	key, err2 := os.ReadFile(w.path(letter + "/ca.key"))
	ca, err3 := credential.ParseCA(certificate, key)
	db, err4 := openDevice(w.t.Context(), w.path(dir+"/"+storeFile))
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		w.t.Fatal(err)
	}
	a, err := client.LoadAccount(w.t.Context(), db)
	if err != nil {
		w.t.Fatal(err)
	}
	a.Credential, err = ca.IssueClient(a.User, a.Client, a.Signer.Public(), time.Now(), time.Hour, true)
	if err := errors.Join(err, client.SaveAccount(w.t.Context(), db, a), db.Close()); err != nil {
		w.t.Fatal(err)
	}
}

func TestKeysHeldByAGatewayAreMarked(t *testing.T) {
	t.Parallel()
	w := newTowns(t)
	w.enrol("a", "alice", "alice")
	w.enrol("b", "bob", "bob")
	w.asGateway("a", "alice")
	_, r := w.script("alice", "/new Club\n/add bob@b.example\nhello\n")
	r.must(t)
	events, r := w.script("bob", "hi\n/people\n")
	r.must(t)
	marked := 0
	for _, e := range events {
		switch {
		case e.Type == "message" && (e.User == aliceURI) != (e.Gateway == "a.example"):
			t.Errorf("%+v", e)
		case e.Type == "message":
			marked++
		case e.Type == eventPeople && (e.People[0].Gateway != "a.example" || e.People[1].Gateway != ""):
			t.Errorf("people %+v", e.People)
		}
	}
	if marked != 2 {
		t.Errorf("%d messages: %s", marked, r.out)
	}
}

func TestPresenceAndAlarmsAreToldOnce(t *testing.T) {
	var told []string
	s := &chat{
		self: &client.Account{User: mustUser(t, aliceURI)}, now: time.Now, alarms: make(map[string]bool), changed: make(chan struct{}, 1),
		show: func(e *chatEvent) error {
			if told = append(told, e.Type+" "+e.Reason); e.Type == eventAlarm {
				told = append(told, e.Provider)
			}
			return nil
		},
	}
	hear := func(n device.News) {
		s.presence(n)
		s.note(func(sum *chatSum) {
			if sum.online, sum.offline = n.Online, ""; n.Err != nil {
				sum.offline = whyOffline(n.Err)
			}
		})
	}
	refused, silent := &client.RetryError{Err: errors.New("refused")}, &client.RetryError{Err: errors.New("silent")}
	for _, n := range []device.News{
		{}, {}, {Online: true}, {Online: true}, {Err: refused}, {Err: refused}, {Err: silent}, {Online: true, Alarm: "b.example"}, {Online: true, Alarm: "b.example"},
	} {
		hear(n)
	}
	want := "online |online refused|online silent|alarm other authorities than the pinned ones|b.example|online "
	if got := strings.Join(told, "|"); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
