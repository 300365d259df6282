package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"parley/content"
	"parley/mls"
	"parley/uri"
)

// EntryKind is what a timeline entry tells.
type EntryKind string

const (
	EntryMessage EntryKind = "message" // MIMI content; Act says what it does
	EntryReport  EntryKind = "report"  // a status report that came by itself (A-C9)
	EntryJoined  EntryKind = "joined"  // a user became a participant
	EntryLeft    EntryKind = "left"    // a user is no longer one
	EntryDevice  EntryKind = "device"  // a user's device came in, or went (Gone)
	EntryLeaving EntryKind = "leaving" // a user asked to leave; the next commit makes it so
	EntryChanged EntryKind = "changed" // room name, policy or another part of the room's state
	EntryGap     EntryKind = "gap"     // something arrived that could not be read or was discarded; Reason says why
)

// Act is what a message does.
type Act string

const (
	ActSay    Act = ""         // it is a message of its own
	ActEdit   Act = "edit"     // it gives the message About another body
	ActDelete Act = "delete"   // it takes the message or reaction About back
	ActReact  Act = "reaction" // it reacts to the message About
	ActReport Act = "report"   // it says what became of messages
)

// Entry is one line of a room's log, in the hub's order. What the conversation looks like is told by Messages.
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
	Content   []byte `json:"content,omitempty"` // encoded MIMI content, or report
	Text      string `json:"text,omitempty"`    // its plain-text rendering
	Act       Act    `json:"act,omitempty"`
	About     []byte `json:"about,omitempty"`   // first version of the message that it changes or reacts to
	Refused   string `json:"refused,omitempty"` // why it has no effect
	Rights    uint16 `json:"rights,omitempty"`  // of the sender at the time
	Leaf      uint32 `json:"leaf,omitempty"`    // of the sender
	Shared    bool   `json:"shared,omitempty"`  // it came from another device of the user, which vouches for it
	Stub      *Stub  `json:"stub,omitempty"`    // set when the content was erased

	// Franked is the hub's proof of the message, in rooms that frank.
	Franked *Franked `json:"franked,omitempty"`

	// Unverified says why User is a claim only. Such messages are discarded; it stands in old entries.
	Unverified string `json:"unverified,omitempty"`
	Reason     string `json:"reason,omitempty"`
}

// Stub is what stays of a message that was deleted or has expired.
type Stub struct {
	Replaces    []byte              `json:"replaces,omitempty"`
	InReplyTo   []byte              `json:"in_reply_to,omitempty"`
	Topic       []byte              `json:"topic,omitempty"`
	Expires     *content.Expires    `json:"expires,omitempty"`
	Disposition content.Disposition `json:"disposition,omitempty"`
}

// logBlock is how many entries have keys that begin alike: the last two of 16 hexadecimal digits differ.
const logBlock = 256

// under is a store key of the room outside of what is loaded at the start.
func (r *Room) under(kind, part string) string {
	sum := sha256.Sum256([]byte(r.URI.String()))
	return kind + "/" + hex.EncodeToString(sum[:8]) + "/" + part
}

func (r *Room) logKey(seq uint64) string { return r.under("log", fmt.Sprintf("%016x", seq)) }

// add appends an entry to the room's log within a write set.
func (r *Room) add(d *mls.Delta, e Entry) error {
	e.Seq = r.entries
	if err := r.write(d, &e); err != nil {
		return err
	}
	r.entries++
	r.fresh = append(r.fresh, e)
	return nil
}

// write puts an entry in its place.
func (r *Room) write(d *mls.Delta, e *Entry) error {
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("client: timeline entry: %w", err)
	}
	d.Put(r.logKey(e.Seq), text)
	return nil
}

// Timeline returns up to limit entries of a room's log from the one numbered from on.
func (c *Client) Timeline(ctx context.Context, room uri.Room, from uint64, limit int) ([]Entry, error) {
	r, ok := c.rooms[room]
	if !ok {
		return nil, ErrNoRoom
	}
	var out []Entry
	for block := from / logBlock; block*logBlock < r.entries && len(out) < limit; block++ {
		records, err := c.cfg.Store.Load(ctx, r.under("log", fmt.Sprintf("%014x", block)))
		if err != nil {
			return nil, err
		}
		for _, rec := range records {
			e, err := parseEntry(rec.Value)
			if err != nil {
				return nil, err
			}
			if e.Seq >= from && len(out) < limit {
				out = append(out, e)
			}
		}
	}
	return out, nil
}

func parseEntry(value []byte) (e Entry, err error) {
	if err := json.Unmarshal(value, &e); err != nil {
		return Entry{}, fmt.Errorf("client: stored timeline: %w", err)
	}
	return e, nil
}

// entry reads one entry; found is false when it is not there.
func (c *Client) entry(ctx context.Context, r *Room, seq uint64) (e Entry, found bool, err error) {
	records, err := c.cfg.Store.Load(ctx, r.logKey(seq))
	if err != nil || len(records) == 0 {
		return Entry{}, false, err
	}
	e, err = parseEntry(records[0].Value)
	return e, err == nil, err
}

// userText is the form in which users stand in stored records; the zero user is empty.
func userText(u uri.User) string {
	if u.IsZero() {
		return ""
	}
	return u.String()
}
