package hub_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"parley/hub"
	"parley/mimi"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/storetest/roletest"
	"parley/syntax"
	"parley/uri"
)

// cast is the example of mimi-protocol §3 with some more people: Alice and Adam at A, which is the hub, Bob with two devices and Bea at
// B, Cathy at C.
type cast struct {
	*roletest.World
	hub                                  *roletest.Provider
	alice, adam, bob, laptop, bea, cathy *roletest.Device
	room                                 uri.Room
}

// newCast makes the world with a room that holds Alice only.
func newCast(t *testing.T) *cast {
	t.Helper()
	return castIn(t, nil)
}

// castIn is newCast with a room of another kind than the template's.
func castIn(t *testing.T, offer roletest.Offer) *cast {
	t.Helper()
	w := roletest.New(t, "a.example", "b.example", "c.example")
	c := &cast{
		World: w, hub: w.Provider("a.example"),
		alice: w.Device("a.example", "alice", "phone"), adam: w.Device("a.example", "adam", "phone"),
		bob: w.Device("b.example", "bob", "phone"), laptop: w.Device("b.example", "bob", "laptop"),
		bea: w.Device("b.example", "bea", "phone"), cathy: w.Device("c.example", "cathy", "phone"),
	}
	if offer != nil {
		c.hub.Hub.Offer(offer)
	}
	c.room = c.alice.CreateWith("clubhouse", offer)
	return c
}

// gather adds users to the room as members.
func (c *cast) gather(devices ...*roletest.Device) *cast {
	c.T.Helper()
	var users []uri.User
	for _, d := range devices {
		users = append(users, d.User)
	}
	c.alice.Do(c.room, c.alice.Add(c.room, users...))
	return c
}

// agree fails the test unless the devices are in one epoch with one secret.
func (c *cast) agree(devices ...*roletest.Device) {
	c.T.Helper()
	want := devices[0].Groups[c.room]
	for _, d := range devices[1:] {
		got := d.Groups[c.room]
		if got == nil || got.Public().Epoch() != want.Public().Epoch() ||
			!slices.Equal(got.EpochAuthenticator(), want.EpochAuthenticator()) {
			c.T.Errorf("%s is not where %s is", d.Client.Client, devices[0].Client.Client)
		}
	}
}

func (c *cast) head() hub.Head        { return c.hub.Store.Rooms()[c.room] }
func (c *cast) log() []hub.Item       { return c.hub.Store.Log(c.room) }
func (c *cast) epoch() uint64         { return c.head().Epoch }
func (c *cast) b() *roletest.Provider { return c.Provider("b.example") }
func (c *cast) c() *roletest.Provider { return c.Provider("c.example") }

// item is the latest entry of the room's log, or the one that many before it.
func (c *cast) item(back int) mimi.FanoutMessage {
	c.T.Helper()
	log := c.log()
	var m mimi.FanoutMessage
	body := log[len(log)-1-back].Body
	if err := mimi.Limits(len(body)).Unmarshal(body, &m); err != nil {
		c.T.Fatal(err)
	}
	return m
}

// unchanged fails the test when f changes the room or puts something on its way.
func (c *cast) unchanged(f func()) {
	c.T.Helper()
	state := func() string {
		h := c.head()
		return fmt.Sprint(h.Version, h.Epoch, h.Sequence, h.Destinations, len(c.log()))
	}
	before := state()
	f()
	if after := state(); after != before {
		c.T.Errorf("the room has changed: %s, before %s", after, before)
	}
}

// refuses sends an update that must be refused with the code, and a description that begins with reason, and change nothing.
func (c *cast) refuses(by *roletest.Device, r *mimi.UpdateRequest, code mimi.UpdateResponseCode, reason string) *mimi.UpdateRoomResponse {
	c.T.Helper()
	var answer *mimi.UpdateRoomResponse
	c.unchanged(func() {
		c.T.Helper()
		answer = by.Update(c.room, r)
		if answer.Code != code || !strings.HasPrefix(answer.Description, reason) {
			c.T.Errorf("got %d %q, want %d %q", answer.Code, answer.Description, code, reason)
		}
	})
	return answer
}

// denies is refuses with notAllowed.
func (c *cast) denies(by *roletest.Device, r *mimi.UpdateRequest, reason string) {
	c.T.Helper()
	c.refuses(by, r, mimi.UpdateNotAllowed, reason)
}

// silences submits a message that must be refused with the code and change nothing.
func (c *cast) silences(by *roletest.Device, r *mimi.SubmitMessageRequest, code mimi.SubmitResponseCode) *mimi.SubmitMessageResponse {
	c.T.Helper()
	var answer *mimi.SubmitMessageResponse
	c.unchanged(func() {
		c.T.Helper()
		if answer = by.Submit(c.room, r); answer.Code != code {
			c.T.Errorf("got %d, want %d", answer.Code, code)
		}
	})
	return answer
}

// failsWith fails the test unless err is an mimi.Error with the code.
func (c *cast) failsWith(err error, code mimi.Code) {
	c.T.Helper()
	var known *mimi.Error
	if !errors.As(err, &known) || known.Code != code {
		c.T.Errorf("got %v, want %v", err, code)
	}
}

// ref is the ProposalRef of a proposal message.
func (c *cast) ref(m *wire.Message) []byte {
	c.T.Helper()
	s, err := suite.Lookup(roletest.Suite)
	if err != nil {
		c.T.Fatal(err)
	}
	ref, err := s.ProposalRef(&wire.AuthenticatedContent{Format: m.Format, Content: m.Public.Content, Auth: m.Public.Auth})
	if err != nil {
		c.T.Fatal(err)
	}
	return ref
}

func octets(t *testing.T, v syntax.Value) []byte {
	t.Helper()
	out, err := syntax.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// copyOf is a deep copy through the encoding.
func copyOf[T any, P interface {
	*T
	syntax.Value
}](t *testing.T, v P) P {
	t.Helper()
	b := octets(t, v)
	out := P(new(T))
	if err := mimi.Limits(len(b)).Unmarshal(b, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// arrivals are the items of the room that came to a device, as octets.
func (c *cast) arrivals(d *roletest.Device) (out [][]byte) {
	c.T.Helper()
	for _, a := range d.Got {
		if a.Room == c.room {
			out = append(out, octets(c.T, &a.FanoutMessage))
		}
	}
	return out
}

// bodies are those of the room's log.
func (c *cast) bodies() (out [][]byte) {
	for _, item := range c.log() {
		out = append(out, item.Body)
	}
	return out
}

func same(a, b [][]byte) bool { return slices.EqualFunc(a, b, bytes.Equal) }
