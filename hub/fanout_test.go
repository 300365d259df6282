package hub_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"parley/hub"
	"parley/mimi"
	"parley/mls/wire"
	"parley/policy"
	"parley/storetest/roletest"
	"parley/uri"
)

// noise is a message that no one can open; hubs and followers do not know.
func (c *cast) noise(by *roletest.Device, n uint64) *mimi.SubmitMessageRequest {
	return &mimi.SubmitMessageRequest{
		Protocol: mimi.MLS10, SendingURI: by.User.String(),
		Message: wire.Message{Version: wire.MLS10, Format: wire.PrivateMessageFormat, Private: &wire.PrivateMessage{
			GroupID: c.head().GroupID, Epoch: c.epoch(), Type: wire.ApplicationContent, AuthenticatedData: []byte{0}, Ciphertext: binary.BigEndian.AppendUint64(nil, n)}},
	}
}

// down makes a provider unreachable until the returned function is called.
func (c *cast) down(p *roletest.Provider) (up func()) {
	c.Before = func(call roletest.Call) error {
		if call.To == p.URI {
			return &mimi.Error{Code: mimi.Unavailable}
		}
		return nil
	}
	return func() { c.Before = nil }
}

func TestFanout(t *testing.T) {
	c := newCast(t)
	c.Run("P-NT-15 a Welcome goes where the KeyPackages in it came from, and nowhere else", func(t *testing.T) {
		c.alice.Do(c.room, c.alice.Add(c.room, c.adam.User))
		c.alice.Do(c.room, c.alice.Add(c.room, c.bob.User, c.cathy.User))
		for _, d := range []*roletest.Device{c.bob, c.laptop, c.cathy} {
			if n := len(c.welcomes(d)); n != 1 {
				t.Errorf("%s got %d", d.Client.Client, n)
			}
		}
		for _, d := range []*roletest.Device{c.alice, c.bea} {
			if n := len(c.welcomes(d)); n != 0 {
				t.Errorf("%s got %d", d.Client.Client, n)
			}
		}
		log := c.log()
		if got := log[len(log)-1].Destinations; !slices.Equal(got, []string{"b.example", "c.example"}) {
			t.Errorf("went to %v", got)
		}
		if c.c().Dropped == 0 { // the commit that only those could read who were in before
			t.Error("the commit did not come to c.example")
		}
	})
	c.Run("P-NT-16 the Welcome comes with the whole tree", func(t *testing.T) {
		w := c.welcomes(c.cathy)[0]
		if w.Tree.Representation != wire.FullTree || w.ValidateForNewcomer() != nil {
			t.Errorf("given as %d", w.Tree.Representation)
		}
		c.agree(c.alice, c.adam, c.bob, c.laptop, c.cathy) // who joined with nothing else
	})
	c.Run("P-NT-01 every kind of message goes to every provider with participants, the hub's own included", func(t *testing.T) {
		everybody := []*roletest.Device{c.alice, c.adam, c.bob, c.laptop, c.cathy}
		before := make([]int, len(everybody))
		for i, d := range everybody {
			before[i] = len(c.arrivals(d))
		}
		first := len(c.bodies())
		c.bob.Send(c.room, "a message")
		c.alice.Do(c.room, c.alice.Commit(c.room))
		tablet := c.Device("c.example", "cathy", "tablet")
		tablet.Do(c.room, tablet.Join(c.room, nil))
		c.bob.Do(c.room, c.bob.Leave(c.room))
		for i, d := range everybody {
			if !same(c.arrivals(d)[before[i]:], c.bodies()[first:]) {
				t.Errorf("%s got %d items", d.Client.Client, len(c.arrivals(d))-before[i])
			}
		}
		if n := len(c.bodies()) - first; n != 4 {
			t.Errorf("%d items", n)
		}
	})
	c.Run("P-NT-22 items have the times of the answers", func(t *testing.T) {
		for range 3 {
			c.Pass(1234 * time.Millisecond)
			answer := c.alice.Send(c.room, "now")
			c.Sync()
			if got := c.cathy.Got[len(c.cathy.Got)-1].Timestamp; got != answer.AcceptedAt {
				t.Errorf("item %d, answer %d", got, answer.AcceptedAt)
			}
		}
	})
	c.Run("P-NT-25 the sender's provider gets the item, for the sender's other devices", func(t *testing.T) {
		watch := c.Device("c.example", "cathy", "watch")
		watch.Do(c.room, watch.Join(c.room, nil))
		c.cathy.Send(c.room, "from my phone")
		c.Sync()
		if !slices.Contains(watch.Texts, "from my phone") {
			t.Errorf("the watch got %q", watch.Texts)
		}
		if got, want := len(c.arrivals(c.cathy)), len(c.arrivals(watch)); got < want {
			t.Error("the phone itself did not get it")
		}
	})
}

func (c *cast) welcomes(d *roletest.Device) (out []mimi.FanoutMessage) {
	for _, a := range d.Got {
		if a.Room == c.room && a.Message.Welcome != nil {
			out = append(out, a.FanoutMessage)
		}
	}
	return out
}

func TestOrder(t *testing.T) {
	c := newCast(t)
	c.gather(c.bob, c.cathy)
	for _, d := range []*roletest.Device{c.alice, c.bob, c.laptop, c.cathy} {
		d.Lax = true
	}
	c.Run("P-NT-02 a provider that fails often gets the hub's order all the same", func(t *testing.T) {
		const seed = 7
		rng := rand.New(rand.NewPCG(seed, seed))
		failing := func(call roletest.Call) error {
			if call.Endpoint == mimi.Notify && call.To == c.bob.Home.URI && rng.IntN(3) == 0 {
				return &mimi.Error{Code: mimi.Internal}
			}
			return nil
		}
		c.Before, c.After = failing, failing // before it is stored, or after
		first := len(c.bodies())
		start := len(c.arrivals(c.bob))
		for n := range uint64(600) {
			d := []*roletest.Device{c.alice, c.bob, c.cathy}[rng.IntN(3)]
			if d.Submit(c.room, c.noise(d, n)).Code != mimi.SubmitAccepted {
				t.Fatal("refused")
			}
			if rng.IntN(40) == 0 {
				c.alice.Update(c.room, c.alice.Commit(c.room))
			}
			if rng.IntN(3) == 0 {
				c.Pass(time.Duration(rng.IntN(2000)) * time.Millisecond)
				c.Settle()
				c.alice.Receive()
			}
		}
		for range 100 {
			c.Pass(5 * time.Minute)
			c.Settle()
		}
		c.Before, c.After = nil, nil
		c.Sync()
		if got := c.arrivals(c.bob)[start:]; !same(got, c.bodies()[first:]) {
			t.Errorf("%d items, of %d", len(got), len(c.bodies())-first)
		}
	})
	c.Run("P-NT-08 a provider that is down holds nobody up", func(t *testing.T) {
		up := c.down(c.b())
		for n := range uint64(20) {
			before := len(c.arrivals(c.cathy))
			c.alice.Submit(c.room, c.noise(c.alice, 1000+n))
			c.Sync()
			if len(c.arrivals(c.cathy)) != before+1 {
				t.Fatal("c.example waits")
			}
		}
		up()
		c.Pass(time.Hour)
		c.Sync()
		if all := c.arrivals(c.laptop); !same(all[len(all)-20:], c.bodies()[len(c.bodies())-20:]) {
			t.Error("the backlog came in another order, or not")
		}
	})
}

func TestWelcomeOrder(t *testing.T) {
	c := newCast(t)
	c.gather(c.bea)
	c.Run("P-NT-28 commit, Welcome, then what belongs to the new epoch", func(t *testing.T) {
		up := c.down(c.b()) // so that all of it goes in one batch
		start := len(c.arrivals(c.bea))
		add := c.addOffline(c.bob, policy.RoleMember)
		if answer := c.alice.Update(c.room, add); answer.Code != mimi.UpdateSuccess {
			t.Fatal(answer)
		}
		c.Sync()
		c.alice.Send(c.room, "welcome")
		up()
		c.Pass(time.Hour)
		before := len(c.Calls(mimi.Notify))
		c.Sync()
		batches := 0
		for _, call := range c.Calls(mimi.Notify)[before:] {
			if call.To == c.bob.Home.URI {
				batches++
			}
		}
		if batches != 2 { // the frozen commit, and the rest
			t.Errorf("%d requests", batches)
		}
		var kinds []string
		for _, a := range c.bea.Got[start:] {
			kinds = append(kinds, kindOf(&a.Message))
		}
		if !slices.Equal(kinds, []string{"commit", "message"}) {
			t.Errorf("Bea got %v", kinds)
		}
		kinds = nil
		for _, a := range c.bob.Got {
			kinds = append(kinds, kindOf(&a.Message))
		}
		if !slices.Equal(kinds, []string{"welcome", "message"}) || !slices.Equal(c.bob.Texts, []string{"welcome"}) {
			t.Errorf("Bob got %v, %q", kinds, c.bob.Texts)
		}
		kinds = nil
		for _, body := range c.bodies()[len(c.bodies())-3:] {
			var m mimi.FanoutMessage
			if err := mimi.Limits(len(body)).Unmarshal(body, &m); err != nil {
				t.Fatal(err)
			}
			kinds = append(kinds, kindOf(&m.Message))
		}
		if !slices.Equal(kinds, []string{"commit", "welcome", "message"}) {
			t.Errorf("the log has %v", kinds)
		}
	})
}

// addOffline is a commit that adds a user while its provider cannot be reached: with KeyPackages claimed before.
func (c *cast) addOffline(d *roletest.Device, role uint32) *mimi.UpdateRequest {
	before := c.Before
	c.Before = nil
	kps := c.alice.Claim(c.room, d.User)
	c.Before = before
	proposals := []wire.Proposal{c.Listed(d.User, role)}
	for i := range kps {
		proposals = append(proposals, roletest.AddOf(&kps[i]))
	}
	return c.alice.Commit(c.room, proposals...)
}

func kindOf(m *wire.Message) string {
	switch {
	case m.Welcome != nil:
		return "welcome"
	case m.Private != nil:
		return "message"
	case m.ContentType() == wire.CommitContent:
		return "commit"
	}
	return "proposal"
}

func TestClaims(t *testing.T) {
	c := newCast(t)
	claim := func(by uri.Provider, target uri.User, r *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error) {
		return c.hub.Hub.KeyMaterial(t.Context(), by, target, r)
	}
	c.Run("P-KM-03 a claim for a room goes to its hub, which asks the target's provider", func(t *testing.T) {
		c.gather(c.bob)
		c.bob.Do(c.room, c.bob.Add(c.room, c.cathy.User))
		var ways [][2]string
		for _, call := range c.Calls(mimi.KeyMaterial) {
			ways = append(ways, [2]string{call.From.Domain(), call.To.Domain()})
		}
		want := [][2]string{
			{"a.example", "b.example"}, {"a.example", "a.example"}, // for Alice: the hub is her own provider
			{"a.example", "c.example"}, {"b.example", "a.example"}, // for Bob
		}
		if !slices.Equal(ways, want) {
			t.Errorf("%v", ways)
		}
	})
	c.Run("P-KM-04 the hub passes request and answer on as they are", func(t *testing.T) {
		c.cathy.Publish(1)
		before := len(c.Calls(mimi.KeyMaterial))
		r := c.bob.ClaimRequest(c.room.String(), c.cathy.User, 0x1234)
		answer, err := claim(c.bob.Home.URI, c.cathy.User, r)
		if err != nil || answer.Status != mimi.KeyMaterialSuccess {
			t.Fatalf("%+v, %v", answer, err)
		}
		call := c.Calls(mimi.KeyMaterial)[before]
		if call.From != c.hub.URI || call.To != c.cathy.Home.URI || !bytes.Equal(call.Request, octets(t, r)) {
			t.Error("another request came to c.example")
		}
		again, err := c.c().Packages.Claim(t.Context(), c.hub.URI, c.cathy.User, r)
		if err != nil || !bytes.Equal(octets(t, again), octets(t, answer)) {
			t.Error("c.example gave another answer")
		}
	})
	c.Run("only participants who may add others claim, for rooms of this hub, in the name of a user of the caller", func(t *testing.T) {
		cases := []struct {
			name   string
			caller uri.Provider
			by     *roletest.Device
			room   string
			code   mimi.Code
		}{
			{"a stranger", c.bea.Home.URI, c.bea, c.room.String(), mimi.NotFound},
			{"of a room that is not", c.bob.Home.URI, c.bob, c.alice.RoomURI("none").String(), mimi.NotFound},
			{"of another hub", c.bob.Home.URI, c.bob, "mimi://c.example/r/x", mimi.BadRequest},
			{"of no room", c.bob.Home.URI, c.bob, "", mimi.BadRequest},
			{"through another provider", c.cathy.Home.URI, c.bob, c.room.String(), mimi.Forbidden},
		}
		for _, tt := range cases {
			before := len(c.Calls(mimi.KeyMaterial))
			_, err := claim(tt.caller, c.cathy.User, tt.by.ClaimRequest(tt.room, c.cathy.User, 0x2345))
			c.failsWith(err, tt.code)
			if len(c.Calls(mimi.KeyMaterial)) != before {
				t.Errorf("%s: c.example was asked", tt.name)
			}
		}
	})
	c.Run("P-KM-24 the hub knows the provider of a reference, the provider its client", func(t *testing.T) {
		c.bea.Publish(1)
		second := c.Device("b.example", "bea", "second")
		c.alice.Do(c.room, c.alice.Add(c.room, c.bea.User))
		c.agree(c.alice, c.bea, second)
		for _, d := range []*roletest.Device{c.bea, second, c.bob, c.laptop} {
			if n := len(c.welcomes(d)); n != 1 { // Bob and his laptop their own, of before
				t.Errorf("%s got %d", d.Client.Client, n)
			}
		}
	})
	c.Run("P-KM-25 references are forgotten with the Welcome, or when their KeyPackages have expired", func(t *testing.T) {
		if n := c.claimed(); n != 1 { // Bob's of Cathy's, which was not used
			t.Errorf("%d references", n)
		}
		c.Pass(40 * 24 * time.Hour)
		c.adam.Publish(1)
		c.alice.Do(c.room, c.alice.Add(c.room, c.adam.User))
		if n := c.claimed(); n != 0 {
			t.Errorf("%d references", n)
		}
	})
	c.Run("a target's provider that is away is told to the requester, who tries again", func(t *testing.T) {
		c.cathy.Publish(1)
		up := c.down(c.c())
		r := c.bob.ClaimRequest(c.room.String(), c.cathy.User, 0x3456)
		_, err := claim(c.bob.Home.URI, c.cathy.User, r)
		c.failsWith(err, mimi.Unavailable)
		up()
		if answer, err := claim(c.bob.Home.URI, c.cathy.User, r); err != nil || answer.Status != mimi.KeyMaterialSuccess {
			t.Errorf("%+v, %v", answer, err)
		}
	})
	c.Run("the rate of claims through a hub is bounded", func(t *testing.T) {
		c.hub.HubConfig.Limit = func(kind string, _ uri.Provider, user uri.User, _ uri.Room) bool {
			return kind == "keyMaterial" && user != c.bob.User
		}
		c.hub.Restart()
		_, err := claim(c.bob.Home.URI, c.cathy.User, c.bob.ClaimRequest(c.room.String(), c.cathy.User, 0x4567))
		c.failsWith(err, mimi.TooMany)
	})
}

// claimed is how many references of claimed KeyPackages the hub keeps for the room.
func (c *cast) claimed() (n int) {
	c.T.Helper()
	err := c.hub.Store.Hub().View(c.T.Context(), func(tx hub.Tx) error {
		records, err := tx.Records(c.room, "claim/")
		n = len(records)
		return err
	})
	if err != nil {
		c.T.Fatal(err)
	}
	return n
}
