package simtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"parley/mimi"
	"parley/syntax"
	"parley/uri"
)

// Times of the network.
const (
	peerTimeout   = 2500 * time.Millisecond
	clientTimeout = 6 * time.Second // longer than the provider's own call to a hub
)

// failure is how a request fails as a whole: what its caller learns.
func failure(code mimi.Code, detail string, after time.Duration) *mimi.Error {
	return &mimi.Error{Code: code, Detail: detail, RetryAfter: after}
}

// errTimeout is what a caller learns when nothing came back in time.
func errTimeout() *mimi.Error {
	return &mimi.Error{Code: mimi.Unavailable, Detail: "no answer in time", Err: context.DeadlineExceeded}
}

// message is one request on its way.
type message struct {
	from, to *process
	what     string
	size     int
	serve    func() ([]byte, error) // at the receiver: takes the octets and returns the answer's
	timeout  time.Duration
	local    bool // between a device and its provider
}

// reply is what came back.
type reply struct {
	octets []byte
	err    error
}

// call carries a request and waits for its answer. It is the network: everything that can happen between two processes happens
// here. The caller's task waits; the receiver works in tasks of its own.
func (w *World) call(m *message) ([]byte, error) {
	if m.from == m.to {
		octets, err := m.serve() // in process: nothing can get lost
		return octets, told(err)
	}
	var got *reply
	wake := w.arm()
	answered := func(r *reply) func() {
		return func() {
			if got == nil {
				got = r
				wake()
			}
		}
	}
	w.after(m.timeout, wake)
	f := w.fateOf(m)
	if f.lost {
		w.say(m.from, m.to, "%s, %d octets: lost", m.what, m.size)
		w.count("requests lost")
	} else {
		w.after(w.delay(m), func() { w.arrive(m, f, answered) })
	}
	if f.twice {
		w.count("requests repeated")
		w.after(w.delay(m)+f.gap, func() {
			w.say(m.from, m.to, "%s: comes a second time", m.what)
			w.arrive(m, f, answered)
		})
	}
	w.park()
	if got == nil {
		return nil, errTimeout()
	}
	return got.octets, got.err
}

// fate is what becomes of one request.
type fate struct {
	lost       bool // it never arrives
	unanswered bool // its answer never arrives
	twice      bool // it arrives twice, gap apart
	gap        time.Duration
}

func (w *World) fateOf(m *message) fate {
	if w.meddle != nil {
		if f := w.meddle(m); f != nil {
			return *f
		}
	}
	if w.cut(m.from, m.to) || w.chance(w.faults.lose) {
		return fate{lost: true}
	}
	if w.chance(w.faults.repeat) {
		return fate{twice: true, gap: w.delay(m)}
	}
	return fate{}
}

// arrive hands a request to its receiver.
func (w *World) arrive(m *message, f fate, answered func(*reply) func()) {
	if !m.to.up {
		w.say(m.from, m.to, "%s: nobody there", m.what)
		w.after(w.delay(m), answered(&reply{err: failure(mimi.Unavailable, "cannot be reached", 0)}))
		return
	}
	if w.chance(w.faults.busy) {
		code := mimi.TooMany
		if w.chance(0.5) {
			code = mimi.Unavailable
		}
		w.say(m.from, m.to, "%s: %s", m.what, code)
		w.count("refused for a while")
		w.after(w.delay(m), answered(&reply{err: failure(code, "busy", w.between(0, 3*time.Second).Truncate(time.Second))}))
		return
	}
	w.say(m.from, m.to, "%s, %d octets", m.what, m.size)
	w.spawn(m.to, func() {
		octets, err := m.serve()
		r := &reply{octets, told(err)}
		switch {
		case f.unanswered || w.cut(m.to, m.from) || w.chance(w.faults.lose):
			w.say(m.to, m.from, "answer to %s: lost", m.what)
			w.count("answers lost")
			return
		case w.chance(w.faults.spoilt):
			r = &reply{err: failure(mimi.Internal, "internal error", 0)}
			w.count("spoilt answers")
		}
		w.say(m.to, m.from, "answer to %s: %s", m.what, verdict(r))
		w.after(w.delay(m), answered(r))
	})
}

func verdict(r *reply) string {
	var known *mimi.Error
	switch {
	case errors.As(r.err, &known):
		return known.Code.String()
	case r.err != nil:
		return "failure"
	}
	return fmt.Sprintf("%d octets", len(r.octets))
}

// told is what the other side learns of an error: never the cause.
func told(err error) error {
	if err == nil {
		return nil
	}
	var known *mimi.Error
	if !errors.As(err, &known) {
		return failure(mimi.Internal, "internal error", 0)
	}
	return failure(known.Code, known.Detail, known.RetryAfter)
}

func (w *World) delay(m *message) time.Duration {
	if w.convoy > w.now && strings.HasPrefix(m.what, "update") {
		return w.convoy - w.now + w.between(0, 5*time.Millisecond)
	}
	if w.chance(w.faults.late) {
		w.count("late")
		return w.between(500*time.Millisecond, 5*time.Second)
	}
	if m.local {
		return w.between(200*time.Microsecond, 10*time.Millisecond)
	}
	return w.between(2*time.Millisecond, 60*time.Millisecond)
}

type direction struct{ from, to *process }

// cut reports whether nothing passes from one process to another.
func (w *World) cut(from, to *process) bool { return w.cuts[direction{from, to}] > w.now }

// structure is a pointer to a wire type.
type structure[T any] interface {
	*T
	syntax.Value
}

// exchange sends a structure and returns the answer's, both through their encoded form.
func exchange[Q, A any, PQ structure[Q], PA structure[A]](w *World, m *message, request PQ, serve func(PQ) (PA, error)) (PA, error) {
	octets, err := syntax.Marshal(request)
	if err != nil {
		return nil, failure(mimi.BadRequest, "the request cannot be encoded", 0)
	}
	w.watch(octets)
	m.size = len(octets)
	m.serve = func() ([]byte, error) {
		arrived := PQ(new(Q))
		if err := mimi.Limits(len(octets)).Unmarshal(bytes.Clone(octets), arrived); err != nil {
			return nil, failure(mimi.BadRequest, "the body does not decode", 0)
		}
		answer, err := serve(arrived)
		if err != nil || answer == nil {
			return nil, err
		}
		out, err := syntax.Marshal(answer)
		w.watch(out)
		return out, err
	}
	back, err := w.call(m)
	if err != nil || back == nil {
		return nil, err
	}
	answer := PA(new(A))
	if err := mimi.Limits(len(back)).Unmarshal(back, answer); err != nil {
		return nil, failure(mimi.Internal, "the answer does not decode", 0)
	}
	return answer, nil
}

// link is a provider as another one reaches it. It implements mimi.Service.
type link struct {
	world    *World
	from, to *provider
}

func (l *link) message(e mimi.Endpoint) *message {
	return &message{from: &l.from.process, to: &l.to.process, what: e.String(), timeout: peerTimeout}
}

func (l *link) KeyMaterial(ctx context.Context, target uri.User, r *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error) {
	l.capture(mimi.KeyMaterial, func(ctx context.Context, s mimi.Service) bool {
		answer, err := s.KeyMaterial(ctx, target, r)
		return err == nil && len(answer.Clients) > 0
	})
	return exchange(l.world, l.message(mimi.KeyMaterial), r, func(r *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error) {
		return l.to.as(l.from).KeyMaterial(ctx, target, r)
	})
}

func (l *link) Update(ctx context.Context, at uri.Room, r *mimi.UpdateRequest) (*mimi.UpdateRoomResponse, error) {
	l.capture(mimi.Update, func(ctx context.Context, s mimi.Service) bool {
		answer, err := s.Update(ctx, at, r)
		return err == nil && answer.Code == mimi.UpdateSuccess
	})
	m := l.message(mimi.Update)
	m.what = about(m.what, r)
	return exchange(l.world, m, r, func(r *mimi.UpdateRequest) (*mimi.UpdateRoomResponse, error) {
		return l.to.as(l.from).Update(ctx, at, r)
	})
}

func (l *link) SubmitMessage(ctx context.Context, at uri.Room, r *mimi.SubmitMessageRequest) (*mimi.SubmitMessageResponse, error) {
	l.capture(mimi.SubmitMessage, func(ctx context.Context, s mimi.Service) bool {
		answer, err := s.SubmitMessage(ctx, at, r)
		return err == nil && answer.Code == mimi.SubmitAccepted
	})
	return exchange(l.world, l.message(mimi.SubmitMessage), r, func(r *mimi.SubmitMessageRequest) (*mimi.SubmitMessageResponse, error) {
		return l.to.as(l.from).SubmitMessage(ctx, at, r)
	})
}

// none stands for an answer without a body.
type none struct{}

func (*none) Syntax(*syntax.Codec) {}

func (l *link) Notify(ctx context.Context, at uri.Room, r *mimi.NotifyBody) error {
	octets, err := syntax.Marshal(r)
	if err != nil {
		return failure(mimi.BadRequest, "the request cannot be encoded", 0)
	}
	l.capture(mimi.Notify, func(ctx context.Context, s mimi.Service) bool { return s.Notify(ctx, at, r) == nil })
	m := l.message(mimi.Notify)
	m.what = fmt.Sprintf("notify %s %d items", l.world.short(at), len(r.Items))
	sent := l.world.lanes.begin(l, at, octets)
	_, err = exchange(l.world, m, r, func(r *mimi.NotifyBody) (*none, error) {
		return nil, l.to.as(l.from).Notify(ctx, at, r)
	})
	l.world.lanes.end(sent, err)
	return err
}

func (l *link) GroupInfo(ctx context.Context, at uri.Room, r *mimi.GroupInfoRequest) (*mimi.GroupInfoResponse, error) {
	l.capture(mimi.GroupInfo, func(ctx context.Context, s mimi.Service) bool {
		answer, err := s.GroupInfo(ctx, at, r)
		return err == nil && answer.Status == mimi.GroupInfoSuccess
	})
	return exchange(l.world, l.message(mimi.GroupInfo), r, func(r *mimi.GroupInfoRequest) (*mimi.GroupInfoResponse, error) {
		return l.to.as(l.from).GroupInfo(ctx, at, r)
	})
}

// Consent and reports take the same way as everything else.

func (l *link) RequestConsent(ctx context.Context, r *mimi.ConsentEntry) error {
	_, err := exchange(l.world, l.message(mimi.RequestConsent), r, func(r *mimi.ConsentEntry) (*none, error) {
		return nil, l.to.as(l.from).RequestConsent(ctx, r)
	})
	return err
}

func (l *link) UpdateConsent(ctx context.Context, r *mimi.ConsentEntry) error {
	_, err := exchange(l.world, l.message(mimi.UpdateConsent), r, func(r *mimi.ConsentEntry) (*none, error) {
		return nil, l.to.as(l.from).UpdateConsent(ctx, r)
	})
	return err
}

func (l *link) IdentifierQuery(ctx context.Context, r *mimi.IdentifierRequest) (*mimi.IdentifierResponse, error) {
	return exchange(l.world, l.message(mimi.IdentifierQuery), r, func(r *mimi.IdentifierRequest) (*mimi.IdentifierResponse, error) {
		return l.to.as(l.from).IdentifierQuery(ctx, r)
	})
}

func (l *link) ReportAbuse(ctx context.Context, at uri.Room, r *mimi.AbuseReport) error {
	_, err := exchange(l.world, l.message(mimi.ReportAbuse), r, func(r *mimi.AbuseReport) (*none, error) {
		return nil, l.to.as(l.from).ReportAbuse(ctx, at, r)
	})
	return err
}

// about names what kind of update it is.
func about(what string, r *mimi.UpdateRequest) string {
	if r.IsCommit() {
		return fmt.Sprintf("%s commit of epoch %d", what, r.Message.Public.Content.Epoch)
	}
	return fmt.Sprintf("%s %d proposals of epoch %d", what, 1+len(r.MoreProposals), r.Message.Public.Content.Epoch)
}
