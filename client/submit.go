package client

import (
	"context"
	"errors"
	"time"

	"parley/mimi"
	"parley/mls"
	"parley/room"
	"parley/syntax"
)

// workMessages sends the messages of a room that wait from one on, as many as go in one request. It returns the last that it has
// worked on.
func (c *Client) workMessages(ctx context.Context, r *Room, from *Intent) (*Intent, error) {
	run := c.messages(r, from, c.cfg.Now())
	sealed, err := c.seal(ctx, r, run)
	if err != nil || sealed == 0 {
		return run[0], err
	}
	var requests []*mimi.SubmitMessageRequest
	var list []*Intent
	size := 0
	for _, i := range run[:sealed] {
		if i.Fate != Waiting {
			continue // it cannot be encrypted
		}
		request := new(mimi.SubmitMessageRequest)
		if err := syntax.Unmarshal(i.Body, request); err != nil {
			return i, err
		}
		if size += len(i.Body); len(list) > 0 && size > MostTogetherSize {
			break
		}
		requests, list = append(requests, request), append(list, i)
	}
	if len(list) == 0 {
		return run[sealed-1], nil
	}
	answers, err := c.cfg.Provider.SubmitMessages(ctx, r.URI, requests)
	if err == nil && len(answers) == 0 {
		err = &RetryError{Err: errNoAnswer}
	}
	if err != nil {
		return list[0], c.unanswered(ctx, list[0], err)
	}
	list = list[:min(len(answers), len(list))]
	for k, i := range list {
		i.answered(answers[k])
	}
	return list[len(list)-1], c.saveIntents(ctx, list, nil)
}

var errNoAnswer = errors.New("client: the provider said nothing about a message")

// messages lists what may go in one request: the messages that wait in a room from one on, up to the first that has to wait longer
// and up to anything that is no message.
func (c *Client) messages(r *Room, from *Intent, now time.Time) []*Intent {
	var run []*Intent
	for _, i := range c.intents {
		switch {
		case i.Room != from.Room || i.over() || len(run) == 0 && i != from:
			continue
		case i.Kind != SendMessage || i.Fate != Waiting || i.Next.After(now) || !r.ready(i) || len(run) == MostTogether:
			return run
		}
		run = append(run, i)
	}
	return run
}

// seal encrypts the contents that are not encrypted yet and stores the requests with the ratchet in one write. Valid proposals that
// wait are committed before (P-SM-14): then n, how many of the run may be sent, is smaller than the run.
func (c *Client) seal(ctx context.Context, r *Room, run []*Intent) (n int, err error) {
	for n < len(run) && run[n].Body != nil {
		n++
	}
	if n == len(run) {
		return n, nil
	}
	if c.mustCommitFirst(r) {
		return n, c.commitPending(ctx, r, 0)
	}
	aad, err := room.EmptyAAD(r.group.Public().Context())
	if err != nil {
		return 0, err
	}
	var d mls.Delta
	var changed []*Intent
	for _, i := range run[n:] {
		if i.Body != nil {
			continue // sealed by an earlier process, which had another order in front of it
		}
		if err := c.sealOne(r, i, aad, &d); err != nil {
			return 0, err
		}
		changed = append(changed, i)
	}
	return len(run), c.saveIntents(ctx, changed, d)
}

// sealOne makes the request of a message, or refuses it.
func (c *Client) sealOne(r *Room, i *Intent, aad []byte, d *mls.Delta) error {
	aad, err := c.tagged(r, i.Content, aad)
	if err != nil {
		return err
	}
	message, changes, err := r.group.Seal(r.ownLeaf(), aad, wrap(r.group.Public(), i.Content))
	if err != nil {
		i.refused("cannot be encrypted in this room")
		return nil
	}
	request := mimi.SubmitMessageRequest{Protocol: mimi.MLS10, Message: *message, SendingURI: c.self.User.String()}
	if err := c.freeze(i, &request, message); err != nil {
		return err
	}
	if !planted("sends before it stores") {
		r.mlsDelta(d, changes)
	}
	return nil
}

// answered takes the hub's verdict on a message.
func (i *Intent) answered(answer *mimi.SubmitMessageResponse) {
	switch answer.Code {
	case mimi.SubmitAccepted:
		i.Fate, i.Reason, i.Body = Accepted, "", nil
	case mimi.SubmitEpochTooOld:
		i.again("the room has moved on; encrypting again")
		i.MinEpoch = answer.CurrentEpoch
	default:
		i.refused("the room's hub does not allow it")
		if planted("shows refused as sent") {
			i.Fate = Accepted
		}
	}
}

// saveIntents writes intents together with other changes. None of them is done.
func (c *Client) saveIntents(ctx context.Context, list []*Intent, d mls.Delta) error {
	for _, i := range list {
		rec, err := i.record()
		if err != nil {
			return err
		}
		d = append(d, rec)
	}
	return c.commit(ctx, d)
}
