package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/hub"
	"parley/identity"
	"parley/outbox"
	"parley/provider"
	"parley/uri"
)

// inStore does something to the store of a provider that does not run.
func (l *place) inStore(do func(s *provider.Store) error) {
	l.t.Helper()
	s, err := provider.OpenSQLite(l.t.Context(), l.path("a/parley.db"))
	if err != nil {
		l.t.Fatal(err)
	}
	if err := s.Use(l.t.Context(), func() error { return do(s) }); err != nil {
		l.t.Fatal(err)
	}
}

// parked puts two rooms into the store: of the first one a message is parked and another waits, the second one stands still. It returns
// their labels.
func (l *place) parked(destination string) (first, second string) {
	l.t.Helper()
	var labels []string
	l.inStore(func(s *provider.Store) error {
		for _, name := range []string{"one", "two"} {
			room, err := uri.ParseRoom("mimi://a.example/r/" + name)
			if err != nil {
				return err
			}
			labels = append(labels, uri.Hash(room.String()))
			for n := range uint64(2) {
				item := hub.Item{Sequence: n + 1, Timestamp: 1, Handshake: name == "two", Body: fmt.Append(nil, "octets ", n), Destinations: []string{destination}}
				if err := s.Hub.Update(l.t.Context(), func(tx hub.Tx) error { return tx.Append(room, item) }); err != nil {
					return err
				}
			}
			err = s.Outbox.Update(l.t.Context(), func(tx outbox.Tx) error {
				lanes, err := tx.Due(time.Now(), nil, 10)
				if err != nil {
					return err
				}
				for _, lane := range lanes {
					switch {
					case lane.Room != room:
					case name == "two":
						lane.Parked = true
						return tx.Save(lane)
					default:
						return errors.Join(tx.Drop(lane, 1, "mimi: bad request", time.Now()), tx.Advance(lane, time.Now(), 1, 1))
					}
				}
				return errors.New("no lane")
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return labels[0], labels[1]
}

func TestOutboxOffline(t *testing.T) {
	l, config := ready(t)
	if r := parley(t, "outbox", "list", "--config", config).must(t); r.out != "nothing is parked\n" {
		t.Errorf("%q", r.out)
	}
	if r := parley(t, "outbox", "list", "--json", "--config", config).must(t); r.out != `{"parked":[],"more":false}`+"\n" {
		t.Errorf("%q", r.out)
	}
	first, second := l.parked("b.example")
	message, room := "b.example/"+first+"/1", "b.example/"+second
	list := decode[provider.ParkedList](t, parley(t, "outbox", "list", "--json", "--config", config).must(t).out)
	if len(list.Parked) != 2 || list.Parked[0].ID != room || list.Parked[0].Kind != provider.ParkedRoom || list.Parked[1].ID != message ||
		list.Parked[1].Kind != provider.ParkedMessage || list.Parked[1].Reason != "mimi: bad request" || list.Parked[1].Octets != 8 {
		t.Errorf("%+v", list)
	}
	text := parley(t, "outbox", "list", "--config", config).must(t).out
	if !strings.Contains(text, room+"  room stands still since ") || !strings.Contains(text, message+"  message since ") || strings.Contains(text, "mimi://") {
		t.Errorf("%q", text)
	}
	peers := parley(t, "peer", "list", "--config", config).must(t).out
	for _, want := range []string{"b.example  0 certificates\n", "waiting  3 messages in 2 rooms, the oldest for ", "PARKED   1 rooms, 1 messages: parley outbox list"} {
		if !strings.Contains(peers, want) {
			t.Errorf("%q is not in %q", want, peers)
		}
	}
	if p := decode[[]provider.PeerEntry](t, parley(t, "peer", "list", "--json", "--config", config).must(t).out)[0].Queue; p == nil || p.Messages != 3 || p.ParkedItems != 1 {
		t.Errorf("%+v", p)
	}

	parley(t, "outbox", "retry", message, "--config", config).fails(t, exitFailed, "parley serve")
	parley(t, "outbox", "retry", "c.example", "--config", config).fails(t, exitFailed, "no peer", "parley peer list")
	parley(t, "outbox", "drop", "b.example/00000000/1", "--config", config).fails(t, exitFailed, "parley outbox list")
	if r := parley(t, "outbox", "retry", "b.example", "--config", config).must(t); r.out != "b.example  tried again\n" {
		t.Errorf("%q", r.out)
	}
	// What fails does not keep the others from being done.
	r := parley(t, "outbox", "retry", "--json", "nowhere", room, "--config", config)
	r.fails(t, exitFailed, "no peer")
	if got := decode[[]outcome](t, r.out); len(got) != 2 || got[0].OK || got[0].Error == "" || !got[1].OK || got[1].ID != room {
		t.Errorf("%+v", got)
	}
	parley(t, "outbox", "retry", room, "--config", config).fails(t, exitFailed, "nothing is parked there")
	if r := parley(t, "outbox", "drop", message, "--config", config).must(t); r.out != message+"  given up\n" {
		t.Errorf("%q", r.out)
	}
	if r := parley(t, "outbox", "list", "--config", config).must(t); r.out != "nothing is parked\n" {
		t.Errorf("%q", r.out)
	}
}

func TestUsersAreEndedOffline(t *testing.T) {
	l, config := ready(t)
	enrol := func(name string, devices ...string) {
		t.Helper()
		l.inStore(func(s *provider.Store) error {
			a, err := uri.ProviderFromDomain("a.example")
			if err != nil {
				return err
			}
			accounts := &identity.Accounts{Provider: a, Update: s.UpdateAccounts, View: s.ViewAccounts, Now: time.Now}
			for _, device := range devices {
				_, code, err := accounts.Invite(t.Context(), name)
				if err != nil {
					return err
				}
				if _, err := accounts.Enrol(t.Context(), code, device); err != nil {
					return err
				}
			}
			return nil
		})
	}
	enrol("alice", "phone", "laptop")
	parley(t, "user", "revoke", "alice/toaster", "--config", config).fails(t, exitFailed, "parley user list")
	parley(t, "user", "remove", "bob", "--config", config).fails(t, exitFailed, "parley user list")
	if r := parley(t, "user", "revoke", "alice/phone", "--config", config).must(t); r.out != "mimi://a.example/d/alice/phone  revoked, 0 KeyPackages deleted\n" {
		t.Errorf("%q", r.out)
	}
	if v := decode[provider.Revocation](t, parley(t, "user", "revoke", "mimi://a.example/d/alice/phone", "--json", "--config", config).must(t).out); v.Client != "mimi://a.example/d/alice/phone" {
		t.Errorf("%+v", v)
	}
	if r := parley(t, "user", "list", "--config", config).must(t); strings.Count(r.out, "revoked") != 1 {
		t.Errorf("%q", r.out)
	}
	if v := decode[[]provider.Revocation](t, parley(t, "user", "remove", "alice", "--json", "--config", config).must(t).out); len(v) != 2 {
		t.Errorf("%+v", v)
	}
	if r := parley(t, "user", "list", "--config", config).must(t); r.out != "" {
		t.Errorf("%q", r.out)
	}
	parley(t, "user", "add", "alice", "--config", config).fails(t, exitFailed, "--again")
	parley(t, "user", "add", "alice", "--again", "--config", config).must(t)
	if r := parley(t, "user", "remove", "alice", "--config", config).must(t); strings.Count(r.out, "revoked") != 2 {
		t.Errorf("%q", r.out)
	}
	parley(t, "user", "add", "carol", "--config", config).must(t)
	if r := parley(t, "user", "remove", "carol", "--config", config).must(t); r.out != "removed; there was no device\n" {
		t.Errorf("%q", r.out)
	}
}
