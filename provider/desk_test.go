package provider_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"parley/client"
	"parley/clientapi/api"
	"parley/follower"
	"parley/identity"
	"parley/inbox"
	"parley/outbox"
	"parley/provider"
	"parley/uri"
)

func unauthenticated(err error) bool {
	var refused *api.Error
	return errors.As(err, &refused) && refused.Code == api.Unauthenticated
}

// A device that is revoked is out at once: its requests and its streams end, nothing is kept for it, nobody can add it.
func TestRevokedDevices(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "a.example", "b.example")
	a, b := w.nodes["a.example"], w.nodes["b.example"]
	w.startAll()
	phone, laptop, bob := a.enrol("alice", "phone"), a.enrol("alice", "laptop"), b.enrol("bob", "phone")
	at := newRoom(t, a, "r")
	if err := phone.Create(t.Context(), at, "R"); err != nil {
		t.Fatal(err)
	}
	if _, err := phone.Add(t.Context(), at, bob.Account().User); err != nil {
		t.Fatal(err)
	}
	phone.flush()
	bob.sees(at, client.EntryJoined, bob.Account().User)
	bob.say(at, "one")
	bob.flush()
	depth := func(d *device) (n int) {
		err := a.cfg.Store.Inbox.View(t.Context(), func(tx inbox.Tx) (err error) {
			n, err = tx.Depth(d.Account().Client)
			return err
		})
		return must(t, n, err)
	}
	eventually(t, "news wait for the phone", func() bool { return depth(phone) > 0 })
	polled := make(chan error, 1)
	go func() {
		_, err := phone.api.Events(context.Background(), 1<<40, 50*time.Second)
		polled <- err
	}()
	eventually(t, "the poll is held", func() bool { return a.metric("parley_streams") == 1 })

	stock, err := phone.api.PublishKeyPackages(t.Context(), nil)
	if must(t, stock, err); stock == 0 {
		t.Fatal("there is nothing to delete")
	}
	o := a.operator()
	for _, wrong := range []string{"alice/toaster", "alice", "mimi://b.example/d/bob/phone", "", "/", "bob/phone"} {
		if _, err := o.Revoke(t.Context(), wrong); !errors.Is(err, identity.ErrUnknown) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	ended, err := o.Revoke(t.Context(), "alice/phone")
	if must(t, ended, err); ended.Client != "mimi://a.example/d/alice/phone" || ended.KeyPackages != stock {
		t.Errorf("%+v", ended)
	}
	if err := <-polled; !unauthenticated(err) {
		t.Errorf("the poll ended with %v", err)
	}
	if _, err := phone.api.Self(t.Context()); !unauthenticated(err) {
		t.Errorf("a request of it: %v", err)
	}
	if n := depth(phone); n != 0 {
		t.Errorf("%d entries are kept for it", n)
	}
	bob.say(at, "two")
	bob.flush()
	bob.hears(at, "two")
	var members []uri.Client
	err = a.cfg.Store.Follower.View(t.Context(), func(tx follower.Tx) (err error) {
		members, err = tx.Members(at)
		return err
	})
	if must(t, members, err); len(members) != 0 || depth(phone) != 0 {
		t.Errorf("%v get what comes, %d entries", members, depth(phone))
	}
	if again, err := o.Revoke(t.Context(), "mimi://a.example/d/alice/phone"); err != nil || again.KeyPackages != 0 {
		t.Errorf("again: %+v, %v", again, err)
	}
	if _, err := laptop.api.Self(t.Context()); err != nil {
		t.Errorf("the user's other device: %v", err)
	}
	users, err := o.AllUsers(t.Context())
	if must(t, users, err); len(users) != 1 || !users[0].Devices[1].Revoked || users[0].Devices[0].Revoked {
		t.Errorf("users %+v", users)
	}

	removed, err := o.Remove(t.Context(), "mimi://a.example/u/alice")
	if must(t, removed, err); len(removed) != 2 || removed[0].Client != "mimi://a.example/d/alice/laptop" || removed[0].KeyPackages != stock {
		t.Errorf("removed %+v", removed)
	}
	if _, err := laptop.api.Self(t.Context()); !unauthenticated(err) {
		t.Errorf("a device of a removed user: %v", err)
	}
	if _, err := o.Invite(t.Context(), "alice"); !errors.Is(err, identity.ErrRemoved) {
		t.Errorf("the name again: %v", err)
	}
	if i, err := o.Restore(t.Context(), "alice"); err != nil || i.User != "mimi://a.example/u/alice" {
		t.Errorf("the same person again: %+v, %v", i, err)
	}
	if _, err := o.Remove(t.Context(), "nobody"); !errors.Is(err, identity.ErrUser) {
		t.Errorf("nobody: %v", err)
	}
	if strings.Contains(a.log.String(), "alice") || !strings.Contains(a.log.String(), "revoked by an operator") {
		t.Error("the log does not tell what an operator did, or whom to")
	}
}

// park parks what waits in a room: its first item alone, or the room.
func (n *node) park(destination string, room uri.Room, whole bool) {
	t := n.world.t
	t.Helper()
	err := n.cfg.Store.Outbox.Update(t.Context(), func(tx outbox.Tx) error {
		lanes, err := tx.Due(time.Now().Add(time.Hour), nil, 1000)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(lanes, func(l outbox.Lane) bool { return l.Destination == destination && l.Room == room })
		if whole {
			lanes[i].Parked = true
			return tx.Save(lanes[i])
		}
		if err := tx.Drop(lanes[i], lanes[i].First, "refused", time.Now()); err != nil {
			return err
		}
		return tx.Advance(lanes[i], time.Now(), 1, 1)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What is parked can be seen, tried again and given up; the queue of a peer can be seen and tried at once.
func TestOperatorsSeeAndReleaseQueues(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "a.example")
	a := w.nodes["a.example"]
	var status atomic.Int64
	status.Store(http.StatusBadRequest)
	peer := a.stub("p.example", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(status.Load())) })
	down := a.stub("down.example", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	a.queue("p.example", 4)
	a.queue("down.example", 2)
	room := func(i string) uri.Room { return newRoom(t, a, "p.example-"+i) }
	a.park("p.example", room("0"), false)
	a.park("p.example", room("1"), false)
	a.park("p.example", room("2"), true)
	a.park("p.example", room("3"), true)
	a.start()
	o := a.operator()
	eventually(t, "the one that is down was asked", func() bool { _, _, arrivals := down.seen(); return len(arrivals) > 0 })

	id := func(i, more string) string { return "p.example/" + uri.Hash(room(i).String()) + more }
	ids := func() (out []string) {
		list, err := o.Parked(t.Context())
		for _, p := range must(t, list, err).Parked {
			if p.Destination != "p.example" || p.Sequence != 1 || p.Since.IsZero() || p.Kind == provider.ParkedMessage && (p.Reason != "refused" || p.Octets == 0) {
				t.Errorf("%+v", p)
			}
			out = append(out, p.ID)
		}
		slices.Sort(out)
		return out
	}
	sorted := func(list ...string) []string { slices.Sort(list); return list }
	if got, want := ids(), sorted(id("0", "/1"), id("1", "/1"), id("2", ""), id("3", "")); !slices.Equal(got, want) {
		t.Fatalf("parked %v, want %v", got, want)
	}
	queue := func(domain string) *provider.QueueEntry {
		peers, err := o.Peers(t.Context())
		must(t, peers, err)
		i := slices.IndexFunc(peers, func(p provider.PeerEntry) bool { return p.Domain == domain && p.Configured })
		if i < 0 || peers[i].Queue == nil {
			t.Fatalf("peers %+v", peers)
		}
		return peers[i].Queue
	}
	if q := queue("p.example"); q.ParkedItems != 2 || q.ParkedRooms != 2 || q.Rooms != 2 || q.Messages != 2 || q.Oldest == nil {
		t.Errorf("queue %+v", q)
	}
	if q := queue("down.example"); q.Failures < 1 || !strings.Contains(q.LastError, "503") || q.NextTry == nil || time.Until(*q.NextTry) < 50*time.Minute {
		t.Errorf("queue %+v", q)
	}

	// A message.
	if err := o.Retry(t.Context(), id("0", "/1")); err == nil || !strings.Contains(err.Error(), "400") {
		t.Errorf("a message that is refused again: %v", err)
	}
	status.Store(http.StatusCreated)
	for _, do := range []struct {
		name string
		f    func(context.Context, string) error
		id   string
	}{{"retry", o.Retry, id("0", "/1")}, {"drop", o.Drop, id("1", "/1")}, {"retry", o.Retry, id("2", "")}, {"drop", o.Drop, id("3", "")}} {
		if err := do.f(t.Context(), do.id); err != nil {
			t.Errorf("%s %s: %v", do.name, do.id, err)
		}
		if err := do.f(t.Context(), do.id); !errors.Is(err, outbox.ErrNotParked) {
			t.Errorf("%s %s again: %v", do.name, do.id, err)
		}
	}
	if left := ids(); len(left) != 0 {
		t.Errorf("left are %v", left)
	}
	// Refused once, then the message and the room that were tried again; what was given up never.
	eventually(t, "the room goes on", func() bool { _, _, arrivals := peer.seen(); return len(arrivals) == 3 })
	eventually(t, "nothing waits", func() bool { return a.metric(`parley_outbox_backlog_items{destination="p.example"}`) == 0 })

	// A destination.
	for _, wrong := range []string{"nobody.example", "", "x y", "nobody.example/12345678"} {
		if err := o.Retry(t.Context(), wrong); err == nil {
			t.Errorf("%q was tried again", wrong)
		}
	}
	before := a.metric(`parley_outbox_batches_total{destination="down.example",verdict="failed"}`)
	if err := o.Retry(t.Context(), "down.example"); err != nil {
		t.Error(err)
	}
	eventually(t, "it is tried", func() bool {
		return a.metric(`parley_outbox_batches_total{destination="down.example",verdict="failed"}`) > before
	})
}
