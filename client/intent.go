package client

import (
	"encoding/json"
	"fmt"
	"time"

	"parley/mls"
	"parley/uri"
)

// Kind is what a person, or the client itself, wants done in a room.
type Kind string

const (
	SendMessage Kind = "message"
	AddUser     Kind = "add"
	RemoveUser  Kind = "remove"
	LeaveRoom   Kind = "leave"
	JoinRoom    Kind = "join"   // with a new device, by external commit
	CommitRoom  Kind = "commit" // what others proposed
	RoleUser    Kind = "role"   // ban, unban and any other change of role
	KickUser    Kind = "kick"   // takes devices out; their user stays a participant
	ChangeRoom  Kind = "change" // name, topic, picture, join links
)

// Fate is how far an intent has come. Only Accepted is ever shown as sent.
type Fate string

const (
	Waiting  Fate = "waiting"  // stored here; Reason says for what
	Accepted Fate = "accepted" // the hub promised to deliver it to everybody
	Done     Fate = "done"     // came back through the inbox in its place of the room's order
	Failed   Fate = "failed"   // refused for good; Reason says why
)

// Intent is one entry of the durable outbox.
type Intent struct {
	ID   uint64 `json:"id"`
	Kind Kind   `json:"kind"`
	Room string `json:"room"`
	User string `json:"user,omitempty"` // AddUser, RemoveUser, RoleUser, KickUser
	Role uint32 `json:"role,omitempty"` // RoleUser
	Code string `json:"code,omitempty"` // JoinRoom: a join code

	Change *Change `json:"change,omitempty"` // ChangeRoom

	Content   []byte `json:"content,omitempty"`    // SendMessage: encoded MIMI content
	MessageID []byte `json:"message_id,omitempty"` // SendMessage

	Suite uint16 `json:"suite,omitempty"` // MoveRoom: the cipher suite

	Auto bool `json:"auto,omitempty"` // SendMessage: nobody wrote it, it is a report

	Fate   Fate      `json:"fate"`
	Reason string    `json:"reason,omitempty"`
	Tries  int       `json:"tries,omitempty"`
	Next   time.Time `json:"next"` // not to be tried before

	// Body is the request as it was first sent. While it is set the same octets are sent again: their fate is not known.
	Body []byte `json:"body,omitempty"`
	// Sum is the SHA-256 of the MLSMessage in Body, by which its echo is known.
	Sum []byte `json:"sum,omitempty"`
	// MinEpoch holds the intent back until the inbox has brought the room to this epoch.
	MinEpoch uint64 `json:"min_epoch,omitempty"`
	// Claimed are KeyPackages that were handed to this intent and not used yet.
	Claimed []byte `json:"claimed,omitempty"`
}

const (
	keyIntents = "intent/"
	firstRetry = 500 * time.Millisecond
	lastRetry  = 5 * time.Minute
)

func intentKey(id uint64) string { return fmt.Sprintf("%s%016x", keyIntents, id) }

// over reports whether nothing more will happen to the intent.
func (i *Intent) over() bool { return i.Fate == Done || i.Fate == Failed }

// started reports whether a request was made that may have taken effect, or has.
func (i *Intent) started() bool { return i.Body != nil || i.Fate == Accepted }

// record is the intent's stored form; an intent that is done leaves the store, a failed one stays until it was read.
func (i *Intent) record() (mls.Record, error) {
	if i.Fate == Done {
		return mls.Record{Key: intentKey(i.ID)}, nil
	}
	text, err := json.Marshal(i)
	if err != nil {
		return mls.Record{}, fmt.Errorf("client: intent: %w", err)
	}
	return mls.Record{Key: intentKey(i.ID), Value: text}, nil
}

// later puts the next try off: by what the other side asked for, else twice as long as before.
func (i *Intent) later(now time.Time, asked time.Duration) {
	i.Tries++
	wait := asked
	if wait <= 0 {
		wait = firstRetry << min(i.Tries-1, 16)
	}
	i.Next = now.Add(min(wait, lastRetry))
}

// refused ends the intent.
func (i *Intent) refused(reason string) {
	i.Fate, i.Reason, i.Body, i.Claimed = Failed, reason, nil, nil
}

// again forgets the request, so that the next try builds a new one.
func (i *Intent) again(reason string) {
	i.Fate, i.Reason, i.Body, i.Sum = Waiting, reason, nil, nil
}

func (i *Intent) room() (uri.Room, error) { return uri.ParseRoom(i.Room) }
