package client

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"time"

	"parley/mls"
	"parley/mls/wire"
	"parley/syntax"
	"parley/uri"
)

// Flush works off what can be worked off now: of each room the first intent that is not over, so that what a person did stays in
// its order. It returns when the next intent may be tried, the zero time when none waits for the clock. What waits for the inbox
// goes on at the Flush after the next Receive.
//
// The error is that of the store; what a provider answered stands in the intents.
func (c *Client) Flush(ctx context.Context) (next time.Time, err error) {
	if c.broken != nil {
		return time.Time{}, c.broken
	}
	if err := c.resume(ctx); err != nil {
		return time.Time{}, err
	}
	now := c.cfg.Now()
	seen := make(map[string]bool)
	for _, i := range append([]*Intent(nil), c.intents...) {
		if i.over() || seen[i.Room] {
			continue
		}
		if i.Fate == Accepted {
			// A message on its way does not hold up the next one; a change of the epoch does.
			seen[i.Room] = i.Kind != SendMessage
			continue
		}
		if i.Next.After(now) {
			seen[i.Room] = true
			next = earlier(next, i.Next)
			continue
		}
		last, err := c.work(ctx, i)
		if err != nil {
			return time.Time{}, err
		}
		switch {
		case last.Fate == Waiting:
			seen[i.Room] = true
			if last.Next.After(now) {
				next = earlier(next, last.Next)
			}
		case last.Fate == Accepted && i.Kind != SendMessage:
			seen[i.Room] = true
		}
	}
	return next, nil
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// work advances one intent by one request; messages that wait behind a message go along. It returns the last of them that was
// looked at: when that waits, what is behind it in its room waits too.
func (c *Client) work(ctx context.Context, i *Intent) (*Intent, error) {
	at, err := i.room()
	if err != nil {
		i.refused("not a room")
		return i, c.saveIntent(ctx, i, nil)
	}
	r := c.rooms[at]
	if i.Kind == JoinRoom {
		return i, c.workJoin(ctx, i, at)
	}
	if r == nil || r.group == nil {
		i.refused("no longer in the room")
		return i, c.saveIntent(ctx, i, nil)
	}
	if !r.ready(i) {
		return i, nil
	}
	if i.Kind == SendMessage {
		return c.workMessages(ctx, r, i)
	}
	if i.Body == nil {
		built, err := c.build(ctx, r, i)
		if err != nil || !built {
			return i, err
		}
	}
	if i.Kind == SucceedRoom {
		return i, c.succeed(ctx, r, i)
	}
	return i, c.update(ctx, r, i)
}

// ready reports whether the inbox has brought the room to where an intent may be worked off.
func (r *Room) ready(i *Intent) bool {
	if r.frozen() && i.Kind != SucceedRoom && i.Body == nil {
		return false // its successor comes first
	}
	return !r.joining && r.Epoch() >= i.MinEpoch
}

// build makes the request of an intent and stores it; built is false when the intent has to wait or was refused, which is stored
// too.
func (c *Client) build(ctx context.Context, r *Room, i *Intent) (built bool, err error) {
	switch i.Kind {
	case AddUser:
		return c.buildAdd(ctx, r, i)
	case RemoveUser:
		return c.buildRemove(ctx, r, i)
	case LeaveRoom:
		return c.buildLeave(ctx, r, i)
	case RoleUser:
		return c.buildRole(ctx, r, i)
	case KickUser:
		return c.buildKick(ctx, r, i)
	case ChangeRoom:
		return c.buildChange(ctx, r, i)
	case CommitRoom:
		if len(r.group.Public().Pending()) == 0 {
			i.Fate = Done
			return false, c.saveIntent(ctx, i, nil)
		}
		return c.buildCommit(ctx, r, i, nil)
	case MoveRoom:
		return c.buildMove(ctx, r, i)
	case SucceedRoom:
		return c.buildSucceed(ctx, r, i)
	}
	i.refused("unknown kind of intent")
	return false, c.saveIntent(ctx, i, nil)
}

// freeze fixes the octets of a request, and the hash by which the message in it comes back.
func (c *Client) freeze(i *Intent, request syntax.Value, message *wire.Message) (err error) {
	if i.Body, err = syntax.Marshal(request); err != nil {
		return err
	}
	i.Sum, err = sumOf(message)
	return err
}

func sumOf(message *wire.Message) ([]byte, error) {
	octets, err := syntax.Marshal(message)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(octets)
	return sum[:], nil
}

// unanswered keeps the request for another try, or ends the intent when the refusal is definite.
func (c *Client) unanswered(ctx context.Context, i *Intent, err error) error {
	var retry *RetryError
	switch {
	case ctx.Err() != nil:
		return nil // stopped, not refused: the next start sends the same octets
	case errors.As(err, &retry):
		i.Reason = retry.Error()
		i.later(c.cfg.Now(), retry.After)
		if planted("seals again") {
			i.again(i.Reason)
		}
	default:
		i.refused(err.Error())
	}
	return c.saveIntent(ctx, i, nil)
}

// ownLeaf is the device's leaf in the room.
func (r *Room) ownLeaf() mls.LeafIndex { return r.group.OwnLeaves()[0] }

// mustCommitFirst reports whether proposals wait that this device may commit: all but its own leave.
func (c *Client) mustCommitFirst(r *Room) bool {
	return len(r.group.Public().Pending()) > 0 && !r.leaving()
}

// leaving reports whether this device's removal waits for a commit.
func (r *Room) leaving() bool { return r.removalWaits(r.ownLeaf()) }

// removalWaits reports whether the removal of one of the leaves waits for a commit.
func (r *Room) removalWaits(leaves ...mls.LeafIndex) bool {
	for _, p := range r.group.Public().Pending() {
		if p.Proposal.Type == wire.SelfRemoveProposal && slices.Contains(leaves, mls.LeafIndex(p.Sender.Index)) ||
			p.Proposal.Type == wire.RemoveProposal && slices.Contains(leaves, mls.LeafIndex(p.Proposal.Remove)) {
			return true
		}
	}
	return false
}

// resume finds, once after the start, the proposals whose commit a crash has prevented from being wished.
func (c *Client) resume(ctx context.Context) error {
	if c.resumed {
		return nil
	}
	for _, r := range c.Rooms() {
		if r.frozen() {
			if err := c.succeedPending(ctx, r, succeedTurn*time.Duration(1+c.turnOf(r))); err != nil {
				return err
			}
			continue
		}
		if !r.Active() || !c.mustCommitFirst(r) {
			continue
		}
		if err := c.commitPending(ctx, r, turn*time.Duration(c.turnOf(r))); err != nil {
			return err
		}
	}
	c.resumed = true
	return nil
}

// commitPending puts a commit of what waits in front of the room's intents, unless one is there.
func (c *Client) commitPending(ctx context.Context, r *Room, wait time.Duration) error {
	for _, i := range c.intents {
		if i.Kind == CommitRoom && i.Room == r.URI.String() && !i.over() {
			c.first(i) // it may stand behind what waits for it: after a restart, or when a message had to be sealed again
			return nil
		}
	}
	i := &Intent{Kind: CommitRoom, Room: r.URI.String(), Next: c.cfg.Now().Add(wait)}
	if _, err := c.intend(ctx, i); err != nil {
		return err
	}
	c.first(i)
	return nil
}

// first moves an intent in front of those of its room that were not sent yet. The order is that of this process only: after a
// restart the commit is moved again because the proposals still wait.
func (c *Client) first(moved *Intent) {
	out := make([]*Intent, 0, len(c.intents))
	placed := false
	for _, i := range c.intents {
		if i == moved {
			continue
		}
		if !placed && i.Room == moved.Room && i.Fate == Waiting && i.Body == nil {
			out, placed = append(out, moved), true
		}
		out = append(out, i)
	}
	if !placed {
		out = append(out, moved)
	}
	c.intents = out
}

// Send asks for a message to be sent. It is stored when Send returns, and sent by Flush.
func (c *Client) Send(ctx context.Context, at uri.Room, encoded []byte, messageID []byte) (intent uint64, err error) {
	r, ok := c.rooms[at]
	if !ok || r.group == nil {
		return 0, ErrNoRoom
	}
	return c.intend(ctx, &Intent{Kind: SendMessage, Room: at.String(), Content: encoded, MessageID: messageID})
}
