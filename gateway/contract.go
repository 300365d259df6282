package gateway

import (
	"context"
	"errors"
	"time"

	"parley/content/render"
	"parley/gateway/convert"
	"parley/uri"
)

// Address names a user on the native network, in the network's own normal form: a nick, a JID.
type Address string

// Native speaks one network. Its methods are safe for concurrent use.
type Native interface {
	// Describe tells what the network can carry. It never changes.
	Describe() Capabilities
	// Peer tells what was learned about one address; known is false while nothing was.
	Peer(ctx context.Context, a Address) (c Capabilities, known bool)
	// Deliver gives the network a message, and returns when its fate is known or ctx ends. For one conversation it is called by one
	// goroutine at a time, in order.
	Deliver(ctx context.Context, e *Envelope) Outcome
	// Ephemeral passes on what is of no use later. It may be lost.
	Ephemeral(ctx context.Context, s Signal)
	// Resolve finds the address that people mean by an identifier. ErrNoAddress: there is none.
	Resolve(ctx context.Context, identifier string) (Address, error)
	// Probe sends something to the network that has to come back from it.
	Probe(ctx context.Context) error
	// Run keeps the connection up until ctx ends. It is called once, before everything else but Describe.
	Run(ctx context.Context, h *Host) error
}

// Host is what a Native is given.
type Host struct {
	// Ingest takes what a native user did. It returns nil only after the event is stored: then it will act, once. After an error
	// the connector tells the native user, or keeps the event and tries again.
	Ingest func(ctx context.Context, e *Event) error
	// Ephemeral takes what is of no use later.
	Ephemeral func(ctx context.Context, s Signal)
	// Alias gives a user of MIMI a name on the network that stays and that nobody else has: of the allowed octets, at most most long.
	Alias func(ctx context.Context, user uri.User, most int, allowed func(byte) bool) (string, error)
	// Aliased finds the user again.
	Aliased func(ctx context.Context, name string) (uri.User, bool)
}

// Verb is what somebody does.
type Verb string

// The verbs.
const (
	Say     Verb = "say"
	Edit    Verb = "edit"
	Delete  Verb = "delete"
	React   Verb = "react"   // with Reaction to Target
	Report  Verb = "report"  // the Status of Target
	Enter   Verb = "enter"   // is in the group from now on
	Leave   Verb = "leave"   // is not in it any more
	Rename  Verb = "rename"  // the group has another title
	Present Verb = "present" // these are the people of a place, as after a start; nothing new has happened
	Failure Verb = "failure" // what the receiver of the envelope has done came to nothing; Reason
)

// Status is what is reported.
type Status string

// The statuses.
const (
	IsDelivered Status = "delivered"
	IsRead      Status = "read"
	IsFailed    Status = "failed"
)

// Person is a participant of a room.
type Person struct {
	User   uri.User
	Native Address // "" : not a user of this network
}

// Place is where on the network something happens: in a group, or between two.
type Place struct {
	Group string  // the network's name of the group
	With  Address // the native user; set where Group is empty
}

// Envelope is what the gateway wants done on a network.
type Envelope struct {
	ID    string // the same for the same message, for ever: network and gateway know it again by this
	Again bool   // it may have been given to the network before; what became of that is not known
	Verb  Verb
	From  uri.User
	Place Place
	Title string   // of the group
	Crowd []Person // the participants of the room
	Time  time.Time

	Doc    *render.Node   // Say and Edit
	Losses convert.Losses // that the text had before the network's own
	Action bool           // Say: what the sender does, told in the third person
	Target Reference      // Edit, Delete, React, Failure, and Say if it is a reply
	Emoji  string         // React
	Report []Reported     // Report
	Reason string         // Failure
}

// Reference is the message that another one is about.
type Reference struct {
	Native string   // the network's id; empty: the network does not know the message
	From   uri.User // zero: not known
	Text   string   // its words, for a fallback; may be cut short
}

// Reported is what became of one message at the sender of the envelope.
type Reported struct {
	Target Reference
	Status Status
}

// Fate is what became of an envelope.
type Fate uint8

// The fates.
const (
	Unknown  Fate = iota // whether the network has it cannot be told; it is given again with Again set
	Accepted             // the network has it
	Refused              // it never will: Reason
	Retry                // it has not, but may later
)

// Outcome is what Deliver found out.
type Outcome struct {
	Fate   Fate
	Native string         // Accepted: the network's id of the message, if it has one
	Reason string         // Refused, Retry: for people, without names or content
	After  time.Duration  // Retry: not before
	Losses convert.Losses // what the network could not carry
	Missed []Address      // Accepted in a group: participants on this network whom it did not reach; the sender is told
	Level  Level          // how the envelope's feature was carried: Full unless it says less
}

// Said is the text of an event.
type Said = convert.Text

// AlsoKnown stands between the ids of a message that has several on its network: the sender's first, the group's behind it.
const AlsoKnown = "\x1f"

// Event is what a native user did. ID is the network's: two events with one id are one.
type Event struct {
	ID     string       `json:"id"`
	Verb   Verb         `json:"verb"`
	From   Address      `json:"from"`
	Group  string       `json:"group,omitempty"`  // of the network; empty: to one user
	To     string       `json:"to,omitempty"`     // URI of that user
	Native string       `json:"native,omitempty"` // the id by which the network names the message later; empty: ID
	Text   convert.Text `json:"text"`
	Target string       `json:"target,omitempty"` // the network's id of the message that it is about
	Emoji  string       `json:"emoji,omitempty"`
	Status Status       `json:"status,omitempty"`
	Reason string       `json:"reason,omitempty"`
}

// Signal is typing and the like.
type Signal struct {
	From   Address  // from the network
	User   uri.User // to the network
	Place  Place
	To     uri.User // from the network, to one user
	Typing bool
}

// Errors of the contract.
var (
	// ErrNoAddress means that the network has no such user.
	ErrNoAddress = errors.New("gateway: no such address")
	// ErrFlood means that a native user or a room is over its budget. The event was not taken.
	ErrFlood = errors.New("gateway: too much at once")
	// ErrEvent means that the event says too little, or too much.
	ErrEvent = errors.New("gateway: not an event")
	// ErrOffline means that there is no connection to the network.
	ErrOffline = errors.New("gateway: not connected")
)
