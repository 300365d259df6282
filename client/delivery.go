package client

import (
	"context"
	"slices"
	"time"

	"parley/content"
	"parley/uri"
)

// DeliveryState is how far a message has come on its way to one person, by the evidence that is named.
type DeliveryState string

const (
	DeliveryWaiting   DeliveryState = "waiting"              // in this device's outbox
	DeliveryFailed    DeliveryState = "failed"               // refused for good: by the own provider or the hub
	DeliveryHub       DeliveryState = "accepted by hub"      // the hub's answer, or the echo
	DeliveryHeld      DeliveryState = "waiting for provider" // the hub's word on its outbox
	DeliveryProvider  DeliveryState = "accepted by provider" // the hub's word that the person's provider took it
	DeliveryDelivered DeliveryState = "delivered"            // the person's own report, as the next ones
	DeliveryRead      DeliveryState = "read"
	DeliveryExpired   DeliveryState = "expired"
	DeliveryDeleted   DeliveryState = "deleted"
	DeliveryHidden    DeliveryState = "hidden"
	DeliveryError     DeliveryState = "cannot be shown there"
)

// Delivery is the state of one own message for one person.
type Delivery struct {
	User   uri.User
	State  DeliveryState
	Reason string    // of waiting, failed
	Since  time.Time // DeliveryHeld: since when
	Next   time.Time // DeliveryWaiting, DeliveryHeld: when it is tried again; zero: not known
}

// Lane is what the hub's outbox says of one destination of a room that has not taken everything.
type Lane struct {
	Provider string // domain
	// Oldest is the hub's acceptance time of the first item that was not taken, in milliseconds since 1970; 0: nothing waits.
	Oldest  uint64
	Tries   int
	Next    time.Time // zero: not known
	Refused []uint64  // acceptance times of items that the destination refused for good
}

// WantLanes lists the rooms of the own provider's hub in which own messages are, as far as known, not at all other providers. A device
// asks for their lanes every few seconds.
func (c *Client) WantLanes() []uri.Room {
	var out []uri.Room
	for _, r := range c.roomsWith(func(r *Room) bool {
		return r.talk.mine > r.talk.taken && r.Active() && r.URI.Provider() == c.self.User.Provider()
	}) {
		out = append(out, r.URI)
	}
	return out
}

// SetLanes notes what the hub said of its outbox when it was asked last. What stands in the room's log was accepted before that.
func (c *Client) SetLanes(at uri.Room, lanes []Lane) {
	r, ok := c.rooms[at]
	if !ok {
		return
	}
	t := &r.talk
	t.lanes, t.asOf, t.taken = lanes, t.mine, t.mine
	for _, l := range lanes {
		if l.Oldest > 0 {
			t.taken = min(t.taken, l.Oldest-1)
		}
	}
}

// Delivery tells how far an own message has come, for each participant of the room who did not write it. A state is told from its
// evidence only: nothing that was refused is ever shown as sent.
func (c *Client) Delivery(ctx context.Context, at uri.Room, id content.MessageID) ([]Delivery, error) {
	m, found, err := c.Message(ctx, at, id)
	if err != nil {
		return nil, err
	}
	r := c.rooms[at]
	people, err := r.People()
	if err != nil {
		return nil, err
	}
	base := Delivery{State: DeliveryHub}
	if !found {
		if base, found = c.unsent(at, id); !found {
			return nil, ErrNoMessage
		}
	}
	reported := make(map[uri.User]content.Status)
	for _, x := range r.talk.view.Receipts(id) {
		reported[x.User] = x.Status
	}
	var out []Delivery
	for _, p := range people {
		if p.User == c.self.User {
			continue
		}
		d := base
		d.User = p.User
		if base.State == DeliveryHub {
			r.talk.held(&d, m.Place.Accepted)
			if status, ok := reported[p.User]; ok {
				d = Delivery{User: p.User, State: stateOf(status)}
			}
		}
		out = append(out, d)
	}
	return out, nil
}

// unsent finds a message in the outbox.
func (c *Client) unsent(at uri.Room, id content.MessageID) (Delivery, bool) {
	for _, i := range c.intents {
		if i.Kind != SendMessage || i.Room != at.String() || string(i.MessageID) != string(id[:]) {
			continue
		}
		switch i.Fate {
		case Accepted, Done:
			return Delivery{State: DeliveryHub}, true
		case Failed:
			return Delivery{State: DeliveryFailed, Reason: i.Reason}, true
		}
		d := Delivery{State: DeliveryWaiting, Reason: i.Reason}
		if i.Tries > 0 {
			d.Next = i.Next
		}
		return d, true
	}
	return Delivery{}, false
}

// held refines a state by what the hub says of the person's provider.
func (t *talk) held(d *Delivery, accepted uint64) {
	if accepted == 0 || accepted > t.asOf {
		return
	}
	for _, l := range t.lanes {
		switch {
		case l.Provider != d.User.Domain():
		case slices.Contains(l.Refused, accepted):
			d.State, d.Reason = DeliveryFailed, "refused by provider "+l.Provider
			return
		case l.Oldest == 0 || accepted < l.Oldest:
		case l.Tries > 0:
			d.State, d.Since, d.Next = DeliveryHeld, time.UnixMilli(int64(l.Oldest)), l.Next
			return
		default:
			return // it is on its way
		}
	}
	d.State = DeliveryProvider
}

func stateOf(s content.Status) DeliveryState {
	switch s {
	case content.StatusRead:
		return DeliveryRead
	case content.StatusExpired:
		return DeliveryExpired
	case content.StatusDeleted:
		return DeliveryDeleted
	case content.StatusHidden:
		return DeliveryHidden
	case content.StatusError:
		return DeliveryError
	}
	return DeliveryDelivered
}
