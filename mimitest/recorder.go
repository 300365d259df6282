package mimitest

import (
	"context"
	"sync"

	"parley/mimi"
	"parley/uri"
)

// Recorder is a mimi.Service that answers everything with success and remembers what it was asked. The zero value is ready.
type Recorder struct {
	mu    sync.Mutex
	calls []Call
	fail  error
}

// Call is one call of a Recorder.
type Call struct {
	Caller   uri.Provider
	Endpoint mimi.Endpoint
	Target   string
}

// As binds the recorder to a caller.
func (r *Recorder) As(caller uri.Provider) mimi.Service { return &bound{r, caller} }

// Calls lists the calls so far.
func (r *Recorder) Calls() []Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Call(nil), r.calls...)
}

// FailWith makes all further calls fail; nil ends that.
func (r *Recorder) FailWith(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = err
}

func (r *Recorder) record(c Call) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, c)
	return r.fail
}

type bound struct {
	recorder *Recorder
	caller   uri.Provider
}

// The answers of a Recorder.
const (
	AcceptedAt = 1767312000000
	Room       = "mimi://a.example/r/clubhouse"
)

func (b *bound) KeyMaterial(_ context.Context, target uri.User, _ *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error) {
	err := b.recorder.record(Call{b.caller, mimi.KeyMaterial, target.String()})
	return &mimi.KeyMaterialResponse{Protocol: mimi.MLS10, Status: mimi.KeyMaterialNoConsent, User: target.String()}, err
}

func (b *bound) Update(_ context.Context, room uri.Room, _ *mimi.UpdateRequest) (*mimi.UpdateRoomResponse, error) {
	err := b.recorder.record(Call{b.caller, mimi.Update, room.String()})
	return &mimi.UpdateRoomResponse{AcceptedAt: AcceptedAt}, err
}

func (b *bound) SubmitMessage(_ context.Context, room uri.Room, _ *mimi.SubmitMessageRequest) (*mimi.SubmitMessageResponse, error) {
	err := b.recorder.record(Call{b.caller, mimi.SubmitMessage, room.String()})
	return &mimi.SubmitMessageResponse{Protocol: mimi.MLS10, AcceptedAt: AcceptedAt}, err
}

func (b *bound) Notify(_ context.Context, room uri.Room, _ *mimi.NotifyBody) error {
	return b.recorder.record(Call{b.caller, mimi.Notify, room.String()})
}

func (b *bound) RequestConsent(_ context.Context, r *mimi.ConsentEntry) error {
	return b.recorder.record(Call{b.caller, mimi.RequestConsent, r.Target})
}

func (b *bound) UpdateConsent(_ context.Context, r *mimi.ConsentEntry) error {
	return b.recorder.record(Call{b.caller, mimi.UpdateConsent, r.Requester})
}

func (b *bound) IdentifierQuery(context.Context, *mimi.IdentifierRequest) (*mimi.IdentifierResponse, error) {
	err := b.recorder.record(Call{b.caller, mimi.IdentifierQuery, ""})
	return &mimi.IdentifierResponse{Code: mimi.QueryNotFound}, err
}

func (b *bound) ReportAbuse(_ context.Context, room uri.Room, _ *mimi.AbuseReport) error {
	return b.recorder.record(Call{b.caller, mimi.ReportAbuse, room.String()})
}

func (b *bound) GroupInfo(_ context.Context, room uri.Room, _ *mimi.GroupInfoRequest) (*mimi.GroupInfoResponse, error) {
	err := b.recorder.record(Call{b.caller, mimi.GroupInfo, room.String()})
	return &mimi.GroupInfoResponse{Protocol: mimi.MLS10, Room: room.String(), Status: mimi.GroupInfoNotAuthorized}, err
}
