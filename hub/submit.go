package hub

import (
	"bytes"
	"context"
	"errors"
	"time"

	"parley/mimi"
	"parley/uri"
)

// SubmitMessage takes an application message for a room (§5.4). It is SubmitMessages of one.
func (h *Hub) SubmitMessage(ctx context.Context, caller uri.Provider, at uri.Room, r *mimi.SubmitMessageRequest) (*mimi.SubmitMessageResponse, error) {
	answers, err := h.SubmitMessages(ctx, caller, at, []*mimi.SubmitMessageRequest{r})
	if err != nil {
		return nil, err
	}
	return answers[0], nil
}

// submission is one message of a SubmitMessages with the hash by which a repetition is known.
type submission struct {
	request *mimi.SubmitMessageRequest
	key     [32]byte
	now     time.Time  // at which it is judged
	frank   *frankPlan // nil: there is nothing to frank
}

// SubmitMessages takes application messages for a room in their order. The answers are those of the first messages: it ends with the
// first that is not accepted, so that none overtakes another. There is an error, an *mimi.Error, only when there is no answer.
//
// One transaction for all: the answers of earlier identical requests, or the judgement of the sender from the room's head and one
// participant record, then log, lanes, head and answers. A crash before it leaves nothing, a crash after it is found by the repeated
// requests.
func (h *Hub) SubmitMessages(ctx context.Context, caller uri.Provider, at uri.Room, requests []*mimi.SubmitMessageRequest) ([]*mimi.SubmitMessageResponse, error) {
	list, err := submissions(caller, at, requests)
	if err != nil {
		return nil, err
	}
	for range conflictRetries {
		if err := h.planFranks(ctx, at, list); err != nil {
			return nil, err
		}
		answers, err := h.submitAll(ctx, caller, at, list)
		if !errors.Is(err, errStale) {
			return answers, err
		}
		h.forgetFranking(at) // a commit came between
	}
	return nil, &mimi.Error{Code: mimi.Unavailable, Detail: "the room is busy", RetryAfter: time.Second, Err: errStale}
}

// planFranks gives each message its time, and its frank as far as it can be made now.
func (h *Hub) planFranks(ctx context.Context, at uri.Room, list []submission) (err error) {
	for i := range list {
		m := &list[i]
		m.now = h.cfg.Now()
		if m.frank, err = h.planFrank(ctx, at, m.request, m.now); err != nil {
			return err
		}
	}
	return nil
}

// submitAll is the transaction of SubmitMessages.
func (h *Hub) submitAll(ctx context.Context, caller uri.Provider, at uri.Room, list []submission) ([]*mimi.SubmitMessageResponse, error) {
	var s *session
	err := h.cfg.Store.Update(ctx, func(tx Tx) error {
		s = &session{hub: h, tx: tx, caller: caller, at: at}
		if err := s.take(list); err != nil || s.accepted == 0 {
			return err
		}
		return tx.SaveHead(at, s.head.Version, *s.head)
	})
	if errors.Is(err, errStale) {
		return nil, err
	}
	if errors.Is(err, ErrConflict) {
		return nil, &mimi.Error{Code: mimi.Unavailable, RetryAfter: time.Second, Err: err}
	}
	if err != nil && !(s != nil && s.accepted > 0 && planted("answers before the commit")) {
		return nil, storeError(err)
	}
	if s.accepted > 0 {
		h.wake()
	}
	return s.answers, nil
}

// submissions makes requests ready up to the first that is malformed, which is an error only when it is the first of all.
func submissions(caller uri.Provider, at uri.Room, requests []*mimi.SubmitMessageRequest) ([]submission, error) {
	list := make([]submission, 0, len(requests))
	for _, r := range requests {
		err := r.Validate()
		if err != nil {
			err = mimi.Errorf(mimi.BadRequest, "%v", err)
		}
		var key [32]byte
		if err == nil {
			key, err = requestHash("submit", caller, at, r)
		}
		switch {
		case err != nil && len(list) == 0:
			return nil, err
		case err != nil:
			return list, nil
		}
		list = append(list, submission{request: r, key: key})
	}
	if len(list) == 0 {
		return nil, mimi.Errorf(mimi.BadRequest, "no message")
	}
	return list, nil
}

// session is one transaction that takes messages.
type session struct {
	hub    *Hub
	tx     Tx
	caller uri.Provider
	at     uri.Room

	head     *Head  // nil until it is needed
	sender   string // whose record person is
	person   *person
	answers  []*mimi.SubmitMessageResponse
	accepted int // of the answers, those that are new
}

// take answers messages until one is not accepted.
func (s *session) take(list []submission) error {
	for i := range list {
		answer, err := s.answer(&list[i])
		if err != nil {
			return err
		}
		s.answers = append(s.answers, answer)
		if answer.Code != mimi.SubmitAccepted {
			return nil
		}
	}
	return nil
}

func (s *session) answer(m *submission) (*mimi.SubmitMessageResponse, error) {
	answer, err := storedIn[mimi.SubmitMessageResponse](s.tx, m.key)
	if err != nil || answer != nil {
		return answer, err
	}
	if s.head == nil {
		head, ok, err := s.tx.Head(s.at)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, errNoRoom
		}
		s.head = &head
	}
	now := m.now
	answer, err = s.judge(m, now)
	if err != nil || answer.Code != mimi.SubmitAccepted {
		return answer, err // a refusal is not kept: it may become an acceptance
	}
	answer.AcceptedAt = tick(s.head, now)
	if answer.Frank, err = s.hub.frankAt(m.frank, s.head.Version, answer.AcceptedAt); err != nil {
		return nil, err
	}
	item := mimi.FanoutMessage{Timestamp: answer.AcceptedAt, Message: m.request.Message, Frank: answer.Frank}
	if err := appendItem(s.tx, s.at, s.head, &item, s.head.Destinations); err != nil {
		return nil, err
	}
	s.accepted++
	return answer, saveAnswer(s.tx, m.key, answer, now)
}

// judge decides on a message by the head and the sender's record.
func (s *session) judge(m *submission, now time.Time) (*mimi.SubmitMessageResponse, error) {
	r := m.request
	refuse := func(code mimi.SubmitResponseCode) (*mimi.SubmitMessageResponse, error) {
		return &mimi.SubmitMessageResponse{Protocol: mimi.MLS10, Code: code, CurrentEpoch: s.head.Epoch}, nil
	}
	message := r.Message.Private
	if !bytes.Equal(message.GroupID, s.head.GroupID) {
		old, err := readBefore(s.tx, s.at)
		if err != nil {
			return nil, err
		}
		if old == nil || !bytes.Equal(message.GroupID, old.GroupID) {
			return refuse(mimi.SubmitNotAllowed) // P-SM-10
		}
		return &mimi.SubmitMessageResponse{Protocol: mimi.MLS10, Code: mimi.SubmitEpochTooOld, CurrentEpoch: old.Epoch}, nil // P-RS-11
	}
	if m.frank != nil && m.frank.malformed {
		if m.frank.room.version != s.head.Version {
			return nil, errStale
		}
		return refuse(mimi.SubmitNotAllowed) // P-FR-05
	}
	user, err := uri.ParseUser(r.SendingURI)
	if err != nil || user.Provider() != s.caller {
		return refuse(mimi.SubmitNotAllowed) // P-SM-03
	}
	sender, err := s.record(user.String())
	if err != nil {
		return nil, err
	}
	if sender == nil || sender.Clients == 0 || sender.Gone || !sender.MaySend {
		return refuse(mimi.SubmitNotAllowed) // P-SM-02, P-SM-04, P-UP-12
	}
	switch {
	case message.Epoch == s.head.Epoch && sender.Closed:
		return refuse(mimi.SubmitEpochTooOld) // P-RS-11
	case message.Epoch == s.head.Epoch:
	case message.Epoch > s.head.Epoch:
		return refuse(mimi.SubmitNotAllowed) // P-SM-08
	case message.Epoch+epochTolerance < s.head.Epoch, now.UnixMilli()-int64(s.head.EpochAt) > epochToleranceTime.Milliseconds():
		return refuse(mimi.SubmitEpochTooOld) // P-SM-07
	}
	return &mimi.SubmitMessageResponse{Protocol: mimi.MLS10, Code: mimi.SubmitAccepted}, nil
}

// record reads a participant's record, once for all of one sender's messages.
func (s *session) record(user string) (*person, error) {
	if s.sender == user {
		return s.person, nil
	}
	p, err := readPerson(s.tx, s.at, user)
	if err == nil {
		s.sender, s.person = user, p
	}
	return p, err
}
