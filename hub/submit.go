package hub

import (
	"bytes"
	"context"
	"errors"
	"time"

	"parley/mimi"
	"parley/uri"
)

// SubmitMessage takes an application message for a room (§5.4).
//
// One transaction: the answer of an earlier identical request, or the judgement of the sender from the room's head and one
// participant record, then log, lanes, head and answer. A crash before it leaves nothing, a crash after it is found by the repeated
// request. The error is an *mimi.Error.
func (h *Hub) SubmitMessage(ctx context.Context, caller uri.Provider, at uri.Room, r *mimi.SubmitMessageRequest) (*mimi.SubmitMessageResponse, error) {
	if err := r.Validate(); err != nil {
		return nil, mimi.Errorf(mimi.BadRequest, "%v", err)
	}
	key, err := requestHash("submit", caller, at, r)
	if err != nil {
		return nil, err
	}
	var answer *mimi.SubmitMessageResponse
	accepted := false
	err = h.cfg.Store.Update(ctx, func(tx Tx) error {
		var err error
		accepted = false
		if answer, err = storedIn[mimi.SubmitMessageResponse](tx, key); err != nil || answer != nil {
			return err
		}
		head, ok, err := tx.Head(at)
		if err != nil {
			return err
		}
		if !ok {
			return errNoRoom
		}
		now := h.cfg.Now()
		if answer, err = h.judgeMessage(tx, caller, at, &head, r, now); err != nil || answer.Code != mimi.SubmitAccepted {
			return err // a refusal is not kept: it may become an acceptance
		}
		answer.AcceptedAt = tick(&head, now)
		item := mimi.FanoutMessage{Timestamp: answer.AcceptedAt, Message: r.Message, Frank: answer.Frank}
		if err := appendItem(tx, at, &head, &item, head.Destinations); err != nil {
			return err
		}
		if err := tx.SaveHead(at, head.Version, head); err != nil {
			return err
		}
		accepted = true
		return saveAnswer(tx, key, answer, now)
	})
	if errors.Is(err, ErrConflict) {
		return nil, &mimi.Error{Code: mimi.Unavailable, RetryAfter: time.Second, Err: err}
	}
	if err != nil && !(accepted && planted("answers before the commit")) {
		return nil, storeError(err)
	}
	if accepted {
		h.wake()
	}
	return answer, nil
}

// judgeMessage decides on a message by the head and the sender's record.
func (h *Hub) judgeMessage(tx Tx, caller uri.Provider, at uri.Room, head *Head, r *mimi.SubmitMessageRequest, now time.Time) (*mimi.SubmitMessageResponse, error) {
	refuse := func(code mimi.SubmitResponseCode) (*mimi.SubmitMessageResponse, error) {
		return &mimi.SubmitMessageResponse{Protocol: mimi.MLS10, Code: code, CurrentEpoch: head.Epoch}, nil
	}
	message := r.Message.Private
	if !bytes.Equal(message.GroupID, head.GroupID) {
		return refuse(mimi.SubmitNotAllowed) // P-SM-10
	}
	user, err := uri.ParseUser(r.SendingURI)
	if err != nil || user.Provider() != caller {
		return refuse(mimi.SubmitNotAllowed) // P-SM-03
	}
	sender, err := readPerson(tx, at, user.String())
	if err != nil {
		return nil, err
	}
	if sender == nil || sender.Clients == 0 || sender.Gone || !sender.MaySend {
		return refuse(mimi.SubmitNotAllowed) // P-SM-02, P-SM-04, P-UP-12
	}
	switch {
	case message.Epoch == head.Epoch:
	case message.Epoch > head.Epoch:
		return refuse(mimi.SubmitNotAllowed) // P-SM-08
	case message.Epoch+epochTolerance < head.Epoch, now.UnixMilli()-int64(head.EpochAt) > epochToleranceTime.Milliseconds():
		return refuse(mimi.SubmitEpochTooOld) // P-SM-07
	}
	return &mimi.SubmitMessageResponse{Protocol: mimi.MLS10, Code: mimi.SubmitAccepted}, nil
}
