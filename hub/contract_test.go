package hub_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"parley/hub"
	"parley/mimi"
	"parley/mls"
	"parley/mls/wire"
	"parley/policy"
	"parley/store/memory"
	"parley/storetest/roletest"
	"parley/uri"
)

// failing makes the hub's next commits end as told; then all succeed.
func (c *cast) failing(outcomes ...memory.Outcome) {
	c.hub.Store.Fault = func() memory.Outcome {
		if len(outcomes) == 0 {
			return memory.Committed
		}
		next := outcomes[0]
		outcomes = outcomes[1:]
		return next
	}
}

func TestAcceptedIsStored(t *testing.T) {
	c := newCast(t)
	c.gather(c.bob, c.cathy)
	submit := func(r *mimi.SubmitMessageRequest) (*mimi.SubmitMessageResponse, error) {
		return c.hub.Hub.SubmitMessage(t.Context(), c.bob.Home.URI, c.room, r)
	}
	update := func(r *mimi.UpdateRequest) (*mimi.UpdateRoomResponse, error) {
		return c.hub.Hub.Update(t.Context(), c.hub.URI, c.room, r)
	}
	c.Run("P-SM-12 what was accepted is delivered by the process that comes after", func(t *testing.T) {
		c.bob.Send(c.room, "accepted")
		c.hub.Restart()
		c.Sync()
		for _, d := range []*roletest.Device{c.alice, c.laptop, c.cathy} {
			if n := len(d.Texts); n == 0 || d.Texts[n-1] != "accepted" {
				t.Errorf("%s got %q", d.Client.Client, d.Texts)
			}
		}
	})
	c.Run("P-SM-12 what is not stored is not accepted", func(t *testing.T) {
		r := c.bob.Message(c.room, "lost")
		c.failing(memory.Lost)
		c.unchanged(func() {
			_, err := submit(r)
			c.failsWith(err, mimi.Internal)
		})
		if answer, err := submit(r); err != nil || answer.Code != mimi.SubmitAccepted {
			t.Errorf("the repetition: %+v, %v", answer, err)
		}
	})
	c.Run("P-TR-17 a repetition after a lost answer gets the first one, with no second effect", func(t *testing.T) {
		r := c.bob.Message(c.room, "stored, and nobody was told")
		c.failing(memory.LostAndKnown)
		_, err := submit(r)
		c.failsWith(err, mimi.Internal)
		at := c.item(0).Timestamp
		c.Pass(time.Second)
		c.unchanged(func() {
			if answer, err := submit(r); err != nil || answer.AcceptedAt != at {
				t.Errorf("%+v, %v; stored at %d", answer, err, at)
			}
		})
		commit := c.alice.Commit(c.room)
		c.failing(memory.LostAndKnown)
		_, err = update(commit)
		c.failsWith(err, mimi.Internal)
		at = c.item(0).Timestamp
		c.Pass(time.Second)
		c.unchanged(func() {
			if answer, err := update(commit); err != nil || answer.Code != mimi.UpdateSuccess || answer.AcceptedAt != at {
				t.Errorf("%+v, %v; stored at %d", answer, err, at)
			}
		})
		c.Sync()
		c.agree(c.alice, c.bob, c.laptop, c.cathy)
	})
	c.Run("P-UP-33 the same holds for updates", func(t *testing.T) {
		commit := c.alice.Commit(c.room)
		c.failing(memory.Lost)
		c.unchanged(func() {
			_, err := update(commit)
			c.failsWith(err, mimi.Internal)
		})
		answer, err := update(commit)
		if err != nil || answer.Code != mimi.UpdateSuccess {
			t.Fatalf("the repetition: %+v, %v", answer, err)
		}
		c.hub.Restart()
		c.Sync()
		c.agree(c.alice, c.bob, c.laptop, c.cathy)
	})
	c.Run("P-TR-17 updates too are answered as at first, whatever the epoch is", func(t *testing.T) {
		commit := c.alice.Commit(c.room)
		leave := c.cathy
		first := c.alice.Do(c.room, commit)
		bundle := leave.Bundle(c.room, roletest.SelfRemove())
		second := leave.Do(c.room, bundle)
		for range 2 {
			c.alice.Do(c.room, c.alice.Commit(c.room))
			c.Pass(time.Hour)
		}
		c.hub.Restart()
		c.unchanged(func() {
			if again := c.alice.Update(c.room, commit); !bytes.Equal(octets(t, again), octets(t, first)) {
				t.Errorf("got %+v, before %+v", again, first)
			}
			if again := leave.Update(c.room, bundle); !bytes.Equal(octets(t, again), octets(t, second)) {
				t.Errorf("got %+v, before %+v", again, second)
			}
		})
	})
	c.Run("answers are kept for thirty days, refusals not at all", func(t *testing.T) {
		r := c.bob.Message(c.room, "old")
		c.bob.Submit(c.room, r)
		c.Pass(hub.AnswerLife - time.Second)
		if n := c.expire(); n == 0 {
			t.Error("those of before are still there")
		}
		for range 2 {
			c.alice.Do(c.room, c.alice.Commit(c.room))
		}
		c.unchanged(func() { c.bob.Submit(c.room, r) })
		c.Pass(2 * time.Second)
		c.expire()
		c.silences(c.bob, r, mimi.SubmitEpochTooOld)
	})
}

func (c *cast) expire() (n int) {
	c.T.Helper()
	n, err := c.hub.Hub.Sweep(c.T.Context())
	if err != nil {
		c.T.Fatal(err)
	}
	return n
}

// Every step works on what the store holds, not on what a process remembers.
func TestRestartBetweenAllSteps(t *testing.T) {
	c := newCast(t)
	var tablet *roletest.Device
	steps := []func(){
		func() { c.alice.Do(c.room, c.alice.Add(c.room, c.bob.User)) },
		func() { c.bob.Do(c.room, c.bob.Add(c.room, c.cathy.User, c.bea.User)) },
		func() { c.cathy.Send(c.room, "one") },
		func() { c.Sync() },
		func() { c.bob.Do(c.room, c.bob.Leave(c.room)) },
		func() { c.bea.Send(c.room, "two") },
		func() { tablet = c.Device("c.example", "cathy", "tablet") },
		func() { tablet.Do(c.room, tablet.Join(c.room, nil)) },
		func() { c.alice.Do(c.room, c.alice.Commit(c.room)) },
		func() { c.alice.Do(c.room, c.alice.Remove(c.room, c.bea.User)) },
		func() { tablet.Send(c.room, "three") },
		func() { c.Sync() },
	}
	for _, step := range steps {
		step()
		for _, domain := range []string{"a.example", "b.example", "c.example"} {
			c.Provider(domain).Restart()
		}
	}
	c.agree(c.alice, c.cathy, tablet)
	if got := strings.Join(c.alice.Texts, " "); got != "one two three" {
		t.Errorf("Alice got %q", got)
	}
	info := tablet.Info(c.room)
	if !bytes.Equal(info.GroupInfo.Context.TreeHash, c.alice.Groups[c.room].Public().TreeHash()) {
		t.Error("the hub has another tree")
	}
}

// tally counts the rows that one transaction reads and writes.
type tally struct {
	hub.Tx
	read, written int
}

func (t *tally) Head(at uri.Room) (hub.Head, bool, error) {
	t.read++
	return t.Tx.Head(at)
}

func (t *tally) SaveHead(at uri.Room, old uint64, h hub.Head) error {
	t.written++
	return t.Tx.SaveHead(at, old, h)
}

func (t *tally) Records(at uri.Room, prefix string) ([]mls.Record, error) {
	records, err := t.Tx.Records(at, prefix)
	t.read += len(records)
	return records, err
}

func (t *tally) PutRecords(at uri.Room, changes mls.Delta) error {
	t.written += len(changes)
	return t.Tx.PutRecords(at, changes)
}

func (t *tally) Append(at uri.Room, item hub.Item) error {
	t.written += 1 + len(item.Destinations)
	return t.Tx.Append(at, item)
}

func (t *tally) Answer(request [32]byte) ([]byte, bool, error) {
	t.read++
	return t.Tx.Answer(request)
}

func (t *tally) SaveAnswer(request [32]byte, answer []byte, expires time.Time) error {
	t.written++
	return t.Tx.SaveAnswer(request, answer, expires)
}

// cost is the number of rows that the write transactions of f touch.
func (c *cast) cost(f func()) string {
	store := c.hub.Store.Hub()
	cfg := c.hub.HubConfig
	var rows tally
	cfg.Store.Update = func(ctx context.Context, run func(hub.Tx) error) error {
		return store.Update(ctx, func(tx hub.Tx) error {
			counted := &tally{Tx: tx}
			err := run(counted)
			rows.read += counted.read
			rows.written += counted.written
			return err
		})
	}
	kept := c.hub.Hub
	c.hub.Hub = hub.New(cfg)
	f()
	c.hub.Hub = kept
	c.hub.Restart()
	return fmt.Sprintf("%d read, %d written", rows.read, rows.written)
}

func TestWritesAreSmall(t *testing.T) {
	small := newCast(t)
	small.gather(small.bob)
	big := newCast(t)
	big.gather(big.bob)
	var list mimi.ParticipantListUpdate
	for i := range 500 { // people without devices, whose names begin as Bob's does
		user, err := uri.NewUser(big.bob.Home.URI, fmt.Sprintf("bob%03d", i))
		if err != nil {
			t.Fatal(err)
		}
		list.Added = append(list.Added, mimi.Participant{User: user.String(), Role: policy.RoleMember})
	}
	big.alice.Do(big.room, big.alice.Commit(big.room, big.List(list)))
	for _, tt := range []struct {
		name string
		do   func(c *cast)
	}{
		{"a message", func(c *cast) { c.bob.Send(c.room, "hello") }},
		{"a commit", func(c *cast) { c.alice.Do(c.room, c.alice.Commit(c.room)) }},
		{"a leave", func(c *cast) { c.bob.Do(c.room, c.bob.Leave(c.room)) }},
		{"the commit of a leave", func(c *cast) { c.alice.Do(c.room, c.alice.Commit(c.room)) }},
	} {
		t.Run(tt.name+" touches as many rows in a large room as in a small one", func(t *testing.T) {
			few := small.cost(func() { tt.do(small) })
			many := big.cost(func() { tt.do(big) })
			if few != many {
				t.Errorf("%s with 2 participants, %s with 502", few, many)
			}
			t.Log(few)
		})
	}
}

// Lifetimes are judged at the timestamp that the item gets (design decision 7a).
func TestLifetimes(t *testing.T) {
	c := newCast(t)
	c.gather(c.bob)
	c.Pass(time.Second - time.Duration(c.Now().Nanosecond()))
	until := func(d *roletest.Device, at time.Time) *mls.KeyPackageBundle {
		return d.Package(func(p *mls.KeyPackageParams) { p.Lifetime.NotAfter = uint64(at.Unix()) })
	}
	add := func(d *roletest.Device, bundle *mls.KeyPackageBundle) *mimi.UpdateRequest {
		d.Keep(bundle)
		if _, err := d.Home.Packages.Publish(t.Context(), d.User, d.Client.Client, []wire.KeyPackage{bundle.KeyPackage}); err != nil {
			t.Fatal(err)
		}
		var last wire.KeyPackage
		for { // those that were published before come first
			kps := c.alice.Claim(c.room, d.User)
			last = kps[0]
			if last.Leaf.Lifetime == bundle.KeyPackage.Leaf.Lifetime {
				break
			}
		}
		return c.alice.Commit(c.room, c.Listed(d.User, policy.RoleMember), roletest.AddOf(&last))
	}
	t.Run("a KeyPackage that ends within the grace is refused", func(t *testing.T) {
		r := add(c.bea, until(c.bea, c.Now().Add(10*time.Second)))
		c.Pass(10 * time.Second)
		c.denies(c.alice, r, "a credential or KeyPackage ends now")
		c.Pass(time.Second)
		c.refuses(c.alice, r, mimi.UpdateInvalidProposal, "leaf lifetime")
	})
	t.Run("a room whose clock is ahead judges by it", func(t *testing.T) {
		r := add(c.cathy, until(c.cathy, c.Now().Add(time.Minute)))
		c.Pass(2 * time.Minute)
		c.bob.Send(c.room, "moves the room's clock on")
		c.Pass(-2 * time.Minute)
		c.refuses(c.alice, r, mimi.UpdateInvalidProposal, "leaf lifetime")
	})
	t.Run("a clock that moves on between judging and writing: judged anew", func(t *testing.T) {
		c.Pass(3 * time.Minute)
		commit := c.alice.Commit(c.room)
		cfg := c.hub.HubConfig
		store := c.hub.Store.Hub()
		between := 0
		cfg.Store.Update = func(ctx context.Context, f func(hub.Tx) error) error {
			if between++; between == 1 {
				c.Pass(2 * hub.Grace)
				c.bob.Send(c.room, "in between")
			}
			return store.Update(ctx, f)
		}
		answer, err := hub.New(cfg).Update(t.Context(), c.hub.URI, c.room, commit)
		if err != nil || answer.Code != mimi.UpdateSuccess || between != 2 {
			t.Errorf("%+v, %v after %d tries", answer, err, between)
		}
		if got, want := answer.AcceptedAt, uint64(c.Now().UnixMilli()); got != want {
			t.Errorf("stamped %d, want %d", got, want)
		}
		c.Sync()
		c.agree(c.alice, c.bob)
	})
}

func TestConflicts(t *testing.T) {
	c := newCast(t)
	c.gather(c.bob)
	for range 2 {
		c.bob.Home.Restart()
	}
	t.Run("a room that is busy for ever is told so, nothing is lost", func(t *testing.T) {
		cfg := c.hub.HubConfig
		cfg.Store.Update = func(context.Context, func(hub.Tx) error) error { return hub.ErrConflict }
		busy := hub.New(cfg)
		c.unchanged(func() {
			_, err := busy.Update(t.Context(), c.hub.URI, c.room, c.alice.Commit(c.room))
			c.failsWith(err, mimi.Unavailable)
			_, err = busy.SubmitMessage(t.Context(), c.bob.Home.URI, c.room, c.bob.Message(c.room, "hello"))
			c.failsWith(err, mimi.Unavailable)
		})
	})
	t.Run("proposals of two devices at once are both taken", func(t *testing.T) {
		cfg := c.hub.HubConfig
		store := c.hub.Store.Hub()
		first := true
		other := c.laptop.Bundle(c.room, roletest.SelfRemove())
		cfg.Store.Update = func(ctx context.Context, f func(hub.Tx) error) error {
			if first {
				first = false
				if answer := c.laptop.Update(c.room, other); answer.Code != mimi.UpdateSuccess {
					t.Error(answer)
				}
			}
			return store.Update(ctx, f)
		}
		answer, err := hub.New(cfg).Update(t.Context(), c.bob.Home.URI, c.room, c.bob.Bundle(c.room, roletest.SelfRemove()))
		if err != nil || answer.Code != mimi.UpdateSuccess {
			t.Fatalf("%+v, %v", answer, err)
		}
		c.Sync()
		c.alice.Do(c.room, c.alice.Commit(c.room))
		if !c.bob.Groups[c.room].Removed() || !c.laptop.Groups[c.room].Removed() {
			t.Error("still in")
		}
	})
	t.Run("the caller's end is not the hub's failure", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := c.hub.Hub.Update(ctx, c.hub.URI, c.room, c.alice.Commit(c.room))
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}
