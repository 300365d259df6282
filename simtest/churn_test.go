package simtest_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"parley/client"
	"parley/content"
	"parley/mimi"
	"parley/mls/wire"
	"parley/policy"
	"parley/storetest/roletest"
	"parley/uri"
)

// churn is how large a room is and how much happens in it. The long form is that of `make churn`.
type churn struct{ participants, live, visitors, seconds int }

const changesEachSecond = 10

// TestChurn adds and removes people in a large room over three providers, ten a second, by real clients that race each other, while
// messages go on and the hub is restarted from its store in the middle. Afterwards all live clients have one epoch secret and one
// history with every message in it.
//
// Time is the world's own, so that the pace in the room is exact; how long the machine took is logged.
func TestChurn(t *testing.T) {
	size := churn{participants: 60, live: 6, visitors: 4, seconds: 2}
	if text := os.Getenv("PARLEY_CHURN"); text != "" { // seconds
		seconds, err := strconv.Atoi(text)
		if err != nil || seconds < 1 {
			t.Fatalf("PARLEY_CHURN is not a number of seconds: %q", text)
		}
		size = churn{participants: 1000, live: 60, visitors: 12, seconds: seconds}
	}
	newRush(t, size).run()
}

// rush is a room while it churns.
type rush struct {
	*roletest.World
	size     churn
	boss     *roletest.Device
	live     []*roletest.Person
	visitors []*roletest.Person
	room     uri.Room
	sent     []string
}

var domains = []string{"a.example", "b.example", "c.example"}

func newRush(t *testing.T, size churn) *rush {
	t.Helper()
	r := &rush{World: roletest.New(t, domains...), size: size}
	r.boss = r.Device(domains[0], "boss", "desk")
	r.room = r.boss.Create("churn")
	var users []uri.User
	var list mimi.ParticipantListUpdate
	for i := range size.live {
		p := r.Person(domains[i%3], fmt.Sprintf("live%d", i), "phone")
		r.live = append(r.live, p)
		users = append(users, p.Device.User)
	}
	for i := range size.visitors {
		r.visitors = append(r.visitors, r.Person(domains[i%3], fmt.Sprintf("visitor%d", i), "phone"))
	}
	for i := len(users) + 1; i < size.participants-size.visitors/2; i++ { // without devices: inactive
		home := r.Provider(domains[i%3]).URI
		user, err := uri.NewUser(home, fmt.Sprintf("quiet%d", i))
		r.must(err)
		list.Added = append(list.Added, mimi.Participant{User: user.String(), Role: policy.RoleMember})
	}
	r.boss.Do(r.room, r.boss.Commit(r.room, r.List(list)))
	r.boss.Do(r.room, r.boss.Add(r.room, users...))
	var admins mimi.ParticipantListUpdate
	for _, p := range r.live[:len(r.live)/2] {
		admins.Changed = append(admins.Changed, mimi.RoleChange{User: r.boss.Index(r.room, p.Device.User), Role: policy.RoleAdmin})
	}
	r.boss.Do(r.room, r.boss.Commit(r.room, []wire.Proposal{r.List(admins)}...))
	r.Work()
	return r
}

func (r *rush) must(err error) {
	r.T.Helper()
	if err != nil {
		r.T.Fatal(err)
	}
}

func (r *rush) run() {
	begin, changes := time.Now(), 0
	for second := range r.size.seconds {
		if second == r.size.seconds/2 {
			r.Provider(domains[0]).Restart()
		}
		for k := 0; k < changesEachSecond; k += 2 {
			changes += r.step(second*changesEachSecond + k)
			r.Pass(2 * time.Second / changesEachSecond)
		}
		r.T.Logf("second %d, %s after the start", second+1, time.Since(begin).Round(time.Millisecond))
	}
	r.Work()
	r.T.Logf("%d changes of a room of %d participants with %d live clients took %s", changes, r.size.participants, len(r.live), time.Since(begin).Round(time.Millisecond))
	if want := r.size.seconds * changesEachSecond; changes < want {
		r.T.Errorf("%d changes were wanted, not %d", changes, want)
	}
	r.check()
}

// step lets two people race: one adds or removes a visitor, another one another visitor, and a third one writes.
func (r *rush) step(n int) (changes int) {
	ctx := r.T.Context()
	people := r.boss.State(r.room).Participants
	for k := range 2 {
		admin := r.live[(n/2+k*3)%(len(r.live)/2)]
		who := r.visitors[(n+k)%len(r.visitors)]
		r.must(who.Stock(ctx, 3))
		visitor := who.Device.User
		act := admin.Add
		if _, in := people.Find(visitor.String()); in {
			act = admin.Remove
		}
		_, err := act(ctx, r.room, visitor)
		r.must(err)
		changes++
	}
	writer, text := r.live[n%len(r.live)], fmt.Sprintf("message %d", n)
	message := content.NewText([16]byte{byte(n), byte(n >> 8), 1}, writer.Device.User, r.room, text)
	encoded, err := message.Encode()
	r.must(err)
	_, err = writer.Send(ctx, r.room, encoded, nil)
	r.must(err)
	r.sent = append(r.sent, text)
	r.Work()
	return changes
}

// check holds all live clients against each other and against what was sent.
func (r *rush) check() {
	r.T.Helper()
	var authenticator []byte
	var history []string
	for i, p := range r.live {
		at, ok := p.Room(r.room)
		if !ok || !at.Active() {
			r.T.Fatalf("client %d is out", i)
		}
		if intents := p.Intents(); len(intents) > 0 {
			r.T.Errorf("client %d still wants %s: %s %s", i, intents[0].Kind, intents[0].Fate, intents[0].Reason)
		}
		if i == 0 {
			authenticator = at.Authenticator()
			state, err := at.State()
			r.must(err)
			if n := len(state.Participants.Participants); n < r.size.participants-r.size.visitors {
				r.T.Errorf("%d participants", n)
			}
		}
		if !slices.Equal(at.Authenticator(), authenticator) {
			r.T.Errorf("client %d is in another fork", i)
		}
		read := r.read(i, p)
		if i == 0 {
			history = read
		}
		if !slices.Equal(read, history) {
			r.T.Errorf("client %d has another history", i)
		}
	}
	slices.Sort(history)
	slices.Sort(r.sent)
	if !slices.Equal(history, r.sent) {
		r.T.Errorf("%d messages were sent and %d came", len(r.sent), len(history))
	}
}

func (r *rush) read(i int, p *roletest.Person) (texts []string) {
	r.T.Helper()
	const all = 1 << 20
	entries, err := p.Timeline(r.T.Context(), r.room, 0, all)
	r.must(err)
	for _, e := range entries {
		switch e.Kind {
		case client.EntryMessage:
			texts = append(texts, e.Text)
		case client.EntryGap:
			r.T.Errorf("client %d has a gap: %s", i, e.Reason)
		}
	}
	return texts
}
