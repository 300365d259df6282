package client

import (
	"context"
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

// Lane is what the hub's outbox says of one destination of a room: it comes from the hub, by way of the own provider.
type Lane struct {
	Provider string
	// Taken is the hub's acceptance time of the last item that the destination took, in milliseconds since 1970; everything up to it is
	// there. 0: not known.
	Taken uint64
	Since time.Time // the oldest item that was not taken waits since then; zero: nothing waits
	Tries int
	Next  time.Time
}

// SetLanes notes what the hub says of its outbox.
func (c *Client) SetLanes(at uri.Room, lanes []Lane) {
	if r, ok := c.rooms[at]; ok {
		r.talk.lanes = lanes
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
	if accepted == 0 {
		return
	}
	for _, l := range t.lanes {
		if l.Provider != d.User.Domain() {
			continue
		}
		switch {
		case l.Taken >= accepted:
			d.State = DeliveryProvider
		case !l.Since.IsZero() && l.Tries > 0:
			d.State, d.Since, d.Next = DeliveryHeld, l.Since, l.Next
		}
	}
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
