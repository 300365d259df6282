package follower_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"parley/follower"
	"parley/mimi"
	"parley/mls/wire"
	"parley/uri"
)

func TestSubmitMessage(t *testing.T) {
	request := func(n int, sender string) *mimi.SubmitMessageRequest {
		return &mimi.SubmitMessageRequest{Protocol: mimi.MLS10, Message: *private(n), SendingURI: sender}
	}
	accepted := func() (*mimi.SubmitMessageResponse, error) {
		return &mimi.SubmitMessageResponse{Protocol: mimi.MLS10, AcceptedAt: text(1).Timestamp}, nil
	}
	t.Run("goes to the hub of the room", func(t *testing.T) {
		w := newWorld(t)
		w.join(w.alice)
		w.peer.submit = accepted
		answer, err := one(w.submit(w.alice, request(1, w.alice.User.String())))
		if err != nil || answer.AcceptedAt != text(1).Timestamp {
			t.Errorf("got %+v, %v", answer, err)
		}
		if !slices.Equal(w.asked, []uri.Provider{w.a}) {
			t.Errorf("asked %v", w.asked)
		}
		w.expect(w.alice) // the hub's echo brings it
	})
	t.Run("nobody speaks for another user", func(t *testing.T) {
		w := newWorld(t)
		for _, sender := range []string{w.bob.User.String(), w.alice.Client.String(), "mimi://a.example/u/alice", ""} {
			_, err := w.submit(w.alice, request(1, sender))
			w.refusedWith(err, mimi.Forbidden)
		}
		if len(w.asked) != 0 {
			t.Error("the hub was asked")
		}
	})
	t.Run("P-NT-24 the own message arrives once, from a hub that echoes and from one that does not", func(t *testing.T) {
		for _, silent := range []bool{false, true} {
			w := newWorld(t)
			w.silent, w.peer.submit = silent, accepted
			w.join(w.alice, w.laptop)
			if _, err := w.submit(w.alice, request(1, w.alice.User.String())); err != nil {
				t.Fatal(err)
			}
			if silent {
				w.expect(w.laptop, text(1))
			}
			w.accept(text(1)) // the echo: of a silent hub against what was believed of it
			w.accept(text(1))
			w.expect(w.alice, text(1))
			w.expect(w.laptop, text(1))
		}
	})
	t.Run("a refused message is not delivered by a follower of a silent hub", func(t *testing.T) {
		w := newWorld(t)
		w.silent = true
		w.join(w.alice)
		w.peer.submit = func() (*mimi.SubmitMessageResponse, error) {
			return &mimi.SubmitMessageResponse{Protocol: mimi.MLS10, Code: mimi.SubmitEpochTooOld}, nil
		}
		answer, err := one(w.submit(w.alice, request(1, w.alice.User.String())))
		if err != nil || answer.Code != mimi.SubmitEpochTooOld {
			t.Errorf("got %+v, %v", answer, err)
		}
		w.expect(w.alice)
	})
}

// A hub of another provider gets several messages one by one, and none behind one that it did not accept: nothing may overtake.
func TestSubmitSeveralMessages(t *testing.T) {
	accepted := &mimi.SubmitMessageResponse{Protocol: mimi.MLS10, AcceptedAt: text(1).Timestamp}
	tooOld := &mimi.SubmitMessageResponse{Protocol: mimi.MLS10, Code: mimi.SubmitEpochTooOld}
	down := mimi.Errorf(mimi.Unavailable, "down")
	type verdict struct {
		answer *mimi.SubmitMessageResponse
		err    error
	}
	for _, tt := range []struct {
		name          string
		hub           []verdict
		asked         int
		answers, here int // here: delivered by the follower of a silent hub
		err           bool
	}{
		{"all are accepted", []verdict{{accepted, nil}, {accepted, nil}, {accepted, nil}}, 3, 3, 3, false},
		{"the second is refused", []verdict{{accepted, nil}, {tooOld, nil}, {accepted, nil}}, 2, 2, 1, false},
		{"the first gets no answer", []verdict{{nil, down}, {accepted, nil}}, 1, 0, 0, true},
		{"the second gets no answer", []verdict{{accepted, nil}, {nil, down}, {accepted, nil}}, 2, 1, 1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.silent = true
			w.join(w.alice)
			asked := 0
			w.peer.submit = func() (*mimi.SubmitMessageResponse, error) {
				asked++
				return tt.hub[asked-1].answer, tt.hub[asked-1].err
			}
			var list []*mimi.SubmitMessageRequest
			var here []mimi.FanoutMessage
			for n := range 3 {
				list = append(list, &mimi.SubmitMessageRequest{Protocol: mimi.MLS10, Message: *private(n + 1), SendingURI: w.alice.User.String()})
				if n < tt.here {
					item := text(n + 1)
					item.Timestamp = accepted.AcceptedAt
					here = append(here, item)
				}
			}
			answers, err := w.submit(w.alice, list...)
			if asked != tt.asked || len(answers) != tt.answers || (err != nil) != tt.err {
				t.Errorf("asked %d times, %d answers, %v", asked, len(answers), err)
			}
			w.expect(w.alice, here...)
		})
	}
}

// joining is an external commit of the credential's owner.
func joining(c wire.Credential) *mimi.UpdateRequest {
	return &mimi.UpdateRequest{Message: wire.Message{Version: wire.MLS10, Format: wire.PublicMessageFormat, Public: &wire.PublicMessage{
		Content: wire.FramedContent{Type: wire.CommitContent, Sender: wire.Sender{Type: wire.NewMemberCommitSender},
			Commit: &wire.Commit{Path: &wire.UpdatePath{Leaf: wire.LeafNode{Credential: c}}}}}}}
}

func TestExternalJoin(t *testing.T) {
	verdict := func(code mimi.UpdateResponseCode) func() (*mimi.UpdateRoomResponse, error) {
		return func() (*mimi.UpdateRoomResponse, error) { return &mimi.UpdateRoomResponse{Code: code}, nil }
	}
	failure := func(err error) func() (*mimi.UpdateRoomResponse, error) {
		return func() (*mimi.UpdateRoomResponse, error) { return nil, err }
	}
	tests := []struct {
		name   string
		before bool // already a member
		answer func() (*mimi.UpdateRoomResponse, error)
		member bool
	}{
		{"accepted", false, verdict(mimi.UpdateSuccess), true},
		{"refused", false, verdict(mimi.UpdateWrongEpoch), false},
		{"refused as a whole", false, failure(mimi.Errorf(mimi.Forbidden, "no")), false},
		{"fate unknown: stays, the commit may have been accepted", false, failure(errors.New("connection lost")), true},
		{"fate unknown: overloaded", false, failure(mimi.Errorf(mimi.Unavailable, "later")), true},
		{"a member whose resynchronisation is refused stays one", true, verdict(mimi.UpdateNotAllowed), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			if tt.before {
				w.join(w.alice)
			}
			w.peer.update = func() (*mimi.UpdateRoomResponse, error) {
				if !slices.Contains(w.members(), w.alice.Client) {
					t.Error("the echo of the commit would not reach the client")
				}
				return tt.answer()
			}
			_, wantErr := tt.answer()
			_, err := w.follower.Update(t.Context(), w.alice, w.room, joining(w.credentialOf(w.alice)))
			if !errors.Is(err, wantErr) {
				t.Errorf("got %v, want %v", err, wantErr)
			}
			if got := slices.Contains(w.members(), w.alice.Client); got != tt.member {
				t.Errorf("member: %v, want %v", got, tt.member)
			}
		})
	}
	t.Run("nobody joins as another client", func(t *testing.T) {
		w := newWorld(t)
		w.peer.update = func() (*mimi.UpdateRoomResponse, error) {
			t.Error("the hub was asked")
			return &mimi.UpdateRoomResponse{}, nil
		}
		for _, other := range []follower.Client{w.laptop, w.bob} {
			_, err := w.follower.Update(t.Context(), w.alice, w.room, joining(w.credentialOf(other)))
			w.refusedWith(err, mimi.Forbidden)
		}
		_, err := w.follower.Update(t.Context(), w.alice, w.room, joining(wire.Credential{}))
		w.refusedWith(err, mimi.Forbidden)
		if len(w.members()) != 0 {
			t.Error("somebody became a member")
		}
	})
	t.Run("a commit of a member does not touch the delivery set", func(t *testing.T) {
		w := newWorld(t)
		w.peer.update = verdict(mimi.UpdateSuccess)
		r := joining(w.credentialOf(w.alice))
		r.Message.Public.Content.Sender.Type = wire.MemberSender
		if _, err := w.follower.Update(t.Context(), w.alice, w.room, r); err != nil {
			t.Fatal(err)
		}
		if len(w.members()) != 0 {
			t.Error("the committer became a member")
		}
	})
}

func TestKeyMaterial(t *testing.T) {
	w := newWorld(t)
	target := parsed(t, uri.ParseUser, "mimi://b.example/u/cathy")
	request := func(user, room string, cred wire.Credential) *mimi.KeyMaterialRequest {
		return &mimi.KeyMaterialRequest{Protocol: mimi.MLS10, RequestingUser: user, TargetUser: target.String(), Room: room,
			Suites: []wire.CipherSuite{1}, Credential: cred}
	}
	own := w.credentialOf(w.alice)
	w.peer.keyMaterial = func(got uri.User) (*mimi.KeyMaterialResponse, error) {
		if got != target {
			t.Error("another user was asked for")
		}
		return &mimi.KeyMaterialResponse{}, nil
	}
	accepted := []struct {
		name, room string
		asked      uri.Provider
	}{
		{"P-KM-03 for a room through its hub", w.room.String(), w.a},
		{"without a room at the user's provider", "", w.b},
	}
	for _, tt := range accepted {
		t.Run(tt.name, func(t *testing.T) {
			w.asked = nil
			if _, err := w.follower.KeyMaterial(t.Context(), w.alice, target, request(w.alice.User.String(), tt.room, own)); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(w.asked, []uri.Provider{tt.asked}) {
				t.Errorf("asked %v, want %v", w.asked, tt.asked)
			}
		})
	}
	refused := []struct {
		name string
		r    *mimi.KeyMaterialRequest
		code mimi.Code
	}{
		{"in the name of another user", request(w.bob.User.String(), "", own), mimi.Forbidden},
		{"with the credential of another device", request(w.alice.User.String(), "", w.credentialOf(w.laptop)), mimi.Forbidden},
		{"with the credential of another user", request(w.alice.User.String(), "", w.credentialOf(w.bob)), mimi.Forbidden},
		{"malformed", request("alice", "", own), mimi.BadRequest},
	}
	for _, tt := range refused {
		t.Run(tt.name, func(t *testing.T) {
			w.asked = nil
			_, err := w.follower.KeyMaterial(t.Context(), w.alice, target, tt.r)
			(&world{T: t}).refusedWith(err, tt.code)
			if len(w.asked) != 0 {
				t.Error("a provider was asked")
			}
		})
	}
}

func TestGroupInfo(t *testing.T) {
	w := newWorld(t)
	w.peer.groupInfo = func() (*mimi.GroupInfoResponse, error) {
		return &mimi.GroupInfoResponse{Status: mimi.GroupInfoNoSuchRoom}, nil
	}
	answer, err := w.follower.GroupInfo(t.Context(), w.alice, w.room, &mimi.GroupInfoRequest{Credential: w.credentialOf(w.alice)})
	if err != nil || answer.Status != mimi.GroupInfoNoSuchRoom || !slices.Equal(w.asked, []uri.Provider{w.a}) {
		t.Errorf("got %+v, %v from %v", answer, err, w.asked)
	}
	_, err = w.follower.GroupInfo(t.Context(), w.alice, w.room, &mimi.GroupInfoRequest{Credential: w.credentialOf(w.bob)})
	w.refusedWith(err, mimi.Forbidden)
}

func TestUnknownProvider(t *testing.T) {
	w := newWorld(t)
	lost := errors.New("no such provider")
	f := follower.New(follower.Config{Self: w.c, Store: w.store.Follower(), Peers: func(uri.Provider) (mimi.Service, error) { return nil, lost }})
	_, err := f.SubmitMessages(t.Context(), w.alice, w.room, []*mimi.SubmitMessageRequest{{SendingURI: w.alice.User.String()}})
	w.refusedWith(err, mimi.Unavailable)
	if !errors.Is(err, lost) {
		t.Error("the cause is lost")
	}
}

// What a follower keeps for a time it keeps from the arrival on. A hub that lies about its clock changes nothing: neither are items of the
// past taken in again, nor are those of the future remembered for ever.
func TestSweep(t *testing.T) {
	for name, lie := range map[string]time.Duration{"honest": 0, "from long ago": -3 * follower.SeenFor, "of the far future": 100 * follower.SeenFor} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.join(w.alice)
			item := func(n int) mimi.FanoutMessage {
				m := text(n)
				m.Timestamp = uint64(w.now.Add(lie).UnixMilli())
				return m
			}
			forgets := func(want int) {
				t.Helper()
				if forgotten, err := w.follower.Sweep(t.Context()); err != nil || forgotten != want {
					t.Errorf("forgot %d, %v; want %d", forgotten, err, want)
				}
			}
			old := item(1)
			w.accept(old)
			w.now = w.now.Add(time.Hour)
			young := item(2)
			w.accept(young)
			forgets(0)
			w.accept(old, young)
			w.expect(w.alice, old, young)
			w.now = w.now.Add(follower.SeenFor)
			forgets(1)
			w.accept(young)
			w.expect(w.alice, old, young)
			w.now = w.now.Add(time.Hour + time.Second)
			forgets(1)
		})
	}
}
