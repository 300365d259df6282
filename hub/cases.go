package hub

import (
	"context"
	"time"

	"parley/mimi"
	"parley/uri"
)

// HubKey is a secret with which the hub makes server_frank. A message is franked with the newest key that is not younger than its
// acceptance, so that the acceptance time tells which one it was.
type HubKey struct {
	From   uint64 // ms
	Secret []byte
}

// Report is a report of misconduct that the hub has received (§5.9).
type Report struct {
	ID       uint64 // in the order of receipt; 0: not stored yet
	At       time.Time
	Caller   uri.Provider
	Room     uri.Room
	Content  mimi.AbuseReport
	Verdicts []Verdict // of its messages
	Resolved time.Time // zero: an operator has yet to decide
	Outcome  string    // in the operator's words
	// Marks are the hashes by which the request and its messages are known again, see CaseTx.Marked.
	Marks [][32]byte
}

// Verdict is what the hub can say of a reported message.
type Verdict uint8

// The verdicts. Only Genuine means that the alleged abuser sent these octets to this room: all others are kept as unverified.
const (
	Genuine      Verdict = iota
	Unreadable           // the octets are not a MIMI message with sender and room
	OtherSender          // by its content it is somebody else's (P-AB-07)
	OtherRoom            // by its content it was written for another room (P-AB-06)
	Forged               // the hub did not frank it: octets, time or frank were altered or invented
	MovedFrank           // the frank is the hub's, for that sender, room and time, but for another message
	TooOld               // the key that could tell is gone (HubKeyKept)
	AlreadyKnown         // the same reporter has reported the same message before
	verdicts
)

// String is the verdict's word.
func (v Verdict) String() string {
	words := [verdicts]string{"genuine", "unreadable", "other-sender", "other-room", "forged", "moved-frank", "too-old", "already-reported"}
	if v < verdicts {
		return words[v]
	}
	return "unknown"
}

// CaseTx is one transaction of what a hub keeps for abuse reports.
type CaseTx interface {
	// HubKeys lists the keys, ascending by From.
	HubKeys() ([]HubKey, error)
	// PutHubKey adds a key.
	PutHubKey(k HubKey) error
	// AddReport stores a new report with its marks and sets its ID.
	AddReport(r *Report) error
	// Reports lists up to limit reports with an ID above after, ascending; only those that wait for a decision if open is set. Their
	// Marks are not read.
	Reports(after uint64, limit int, open bool) ([]Report, error)
	// Resolve notes a decision; false means that there is no such report, or one that has a decision.
	Resolve(id uint64, at time.Time, outcome string) (bool, error)
	// Marked reports whether a report with this mark is stored.
	Marked(mark [32]byte) (bool, error)
	// Waiting counts the reports of a provider that wait for a decision.
	Waiting(caller uri.Provider) (int, error)
	// Expire deletes the reports that were resolved before a time, and the keys that were replaced before another; the newest key stays.
	Expire(resolved, replaced time.Time) (int, error)
}

// Cases runs transactions of CaseTx, see Store.
type Cases struct {
	Update func(ctx context.Context, f func(CaseTx) error) error
	View   func(ctx context.Context, f func(CaseTx) error) error
}
