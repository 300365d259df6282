package client

import (
	"encoding/json"
	"fmt"

	"parley/mls"
	"parley/uri"
)

// EntryKind is what a timeline entry tells.
type EntryKind string

const (
	EntryMessage EntryKind = "message"
	EntryJoined  EntryKind = "joined"  // a user became a participant
	EntryLeft    EntryKind = "left"    // a user is no longer one
	EntryDevice  EntryKind = "device"  // a user's device came in, or went (Gone)
	EntryLeaving EntryKind = "leaving" // a user asked to leave; the next commit makes it so
	EntryChanged EntryKind = "changed" // room name, policy or another part of the room's state
	EntryGap     EntryKind = "gap"     // something arrived that could not be read; Reason says why
)

// Entry is one line of a room's timeline, in the hub's order.
type Entry struct {
	Seq    uint64    `json:"seq"`
	Kind   EntryKind `json:"kind"`
	Time   uint64    `json:"time"`             // milliseconds since 1970, the hub's acceptance time
	Epoch  uint64    `json:"epoch"`            // MLS epoch
	User   string    `json:"user,omitempty"`   // whom it is about: a message's sender, who joined or left
	Actor  string    `json:"actor,omitempty"`  // who did it, where that is somebody else
	Client string    `json:"client,omitempty"` // the sender's or affected device
	Own    bool      `json:"own,omitempty"`    // by this device
	Gone   bool      `json:"gone,omitempty"`   // EntryDevice: it went

	MessageID []byte `json:"message_id,omitempty"`
	Content   []byte `json:"content,omitempty"` // encoded MIMI content
	Text      string `json:"text,omitempty"`    // its plain-text rendering

	// Franked is the hub's proof of the message, in rooms that frank.
	Franked *Franked `json:"franked,omitempty"`

	// Unverified says why User is a claim only: the content names another sender or room than the credential and the room do.
	Unverified string `json:"unverified,omitempty"`
	Reason     string `json:"reason,omitempty"`
}

// logBlock is how many entries have keys that begin alike: the last two of 16 hexadecimal digits differ.
const logBlock = 256

// add appends an entry to the room's timeline within a write set.
func (r *Room) add(d *mls.Delta, e Entry) error {
	e.Seq = r.entries
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("client: timeline entry: %w", err)
	}
	d.Put(r.key(fmt.Sprintf("log/%016x", e.Seq)), text)
	r.entries++
	r.fresh = append(r.fresh, e)
	return nil
}

// userText is the form in which users stand in stored records; the zero user is empty.
func userText(u uri.User) string {
	if u.IsZero() {
		return ""
	}
	return u.String()
}
