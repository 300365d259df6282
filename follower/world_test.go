package follower_test

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"parley/credential"
	"parley/follower"
	"parley/inbox"
	"parley/keypkg"
	"parley/mimi"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/store/memory"
	"parley/syntax"
	"parley/uri"
)

// world is one follower, provider C, with its store. The hub of the room is A.
type world struct {
	*testing.T
	store    *memory.Store
	follower *follower.Follower
	peer     peer // whoever is asked
	asked    []uri.Provider
	woken    [][]uri.Client
	dropped  int
	silent   bool
	now      time.Time

	a, b, c    uri.Provider
	room       uri.Room
	alice, bob follower.Client
	laptop     follower.Client // alice's other device
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, store: memory.New(), now: time.UnixMilli(1_800_000_000_000)}
	w.a, w.b, w.c = provider(t, "a.example"), provider(t, "b.example"), provider(t, "c.example")
	w.room = parsed(t, uri.ParseRoom, "mimi://a.example/r/clubhouse")
	w.alice, w.laptop, w.bob = w.client("alice", "phone"), w.client("alice", "laptop"), w.client("bob", "phone")
	w.follower = follower.New(follower.Config{
		Self:  w.c,
		Store: w.store.Follower(),
		Now:   func() time.Time { return w.now },
		Peers: func(p uri.Provider) (mimi.Service, error) {
			w.asked = append(w.asked, p)
			return &w.peer, nil
		},
		Wake:    func(clients []uri.Client) { w.woken = append(w.woken, clients) },
		Silent:  func(uri.Provider) bool { return w.silent },
		Dropped: func(n int) { w.dropped += n },
	})
	return w
}

func provider(t *testing.T, domain string) uri.Provider {
	t.Helper()
	return parsed(t, uri.ProviderFromDomain, domain)
}

func parsed[T any](t *testing.T, parse func(string) (T, error), s string) T {
	t.Helper()
	v, err := parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (w *world) client(user, device string) follower.Client {
	w.Helper()
	return follower.Client{
		User:   parsed(w.T, uri.ParseUser, "mimi://c.example/u/"+user),
		Client: parsed(w.T, uri.ParseClient, "mimi://c.example/d/"+user+"/"+device),
	}
}

func (w *world) join(clients ...follower.Client) {
	w.Helper()
	for _, c := range clients {
		if err := w.follower.Joined(w.Context(), w.room, c.Client); err != nil {
			w.Fatal(err)
		}
	}
}

func (w *world) members() []uri.Client {
	w.Helper()
	var members []uri.Client
	err := w.store.Follower().View(w.Context(), func(tx follower.Tx) (err error) {
		members, err = tx.Members(w.room)
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	return members
}

// notify sends items through their encoding, as they arrive.
func (w *world) notify(caller uri.Provider, items ...mimi.FanoutMessage) error {
	w.Helper()
	octets, err := syntax.Marshal(&mimi.NotifyBody{Items: items})
	if err != nil {
		w.Fatal(err)
	}
	return w.notifyOctets(caller, octets)
}

func (w *world) notifyOctets(caller uri.Provider, octets []byte) error {
	var body mimi.NotifyBody
	if err := syntax.Unmarshal(octets, &body); err != nil {
		return err
	}
	return w.follower.Notify(w.Context(), caller, w.room, &body)
}

func (w *world) accept(items ...mimi.FanoutMessage) {
	w.Helper()
	if err := w.notify(w.a, items...); err != nil {
		w.Fatal(err)
	}
}

// expect compares a client's inbox with the given items, in order.
func (w *world) expect(who follower.Client, want ...mimi.FanoutMessage) {
	w.Helper()
	var entries []inbox.Entry
	err := w.store.Inbox().View(w.Context(), func(tx inbox.Tx) (err error) {
		entries, err = tx.Read(who.Client, 0, 10000, 1<<30)
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	if len(entries) != len(want) {
		w.Errorf("%d entries, want %d", len(entries), len(want))
		return
	}
	for i := range want {
		octets, err := syntax.Marshal(&want[i])
		if err != nil {
			w.Fatal(err)
		}
		if !slices.Equal(entries[i].Body, octets) || entries[i].Timestamp != want[i].Timestamp || entries[i].Room != w.room {
			w.Errorf("entry %d is another item", i)
		}
	}
}

// handOut makes ref a KeyPackage of the client that was claimed.
func (w *world) handOut(ref string, to follower.Client) {
	w.Helper()
	err := w.store.KeyPackages().Update(w.Context(), func(tx keypkg.Tx) error {
		err := tx.Publish(to.Client, []keypkg.Package{{Ref: []byte(ref), Suite: 1, NotAfter: time.UnixMilli(1_900_000_000_000)}})
		_, taken := tx.Take([]byte(ref))
		return errors.Join(err, taken)
	})
	if err != nil {
		w.Fatal(err)
	}
}

// text is an application message; each n is another one.
func text(n int) mimi.FanoutMessage {
	return mimi.FanoutMessage{Timestamp: uint64(1_800_000_000_000 + n), Message: *private(n)}
}

func private(n int) *wire.Message {
	return &wire.Message{Version: wire.MLS10, Format: wire.PrivateMessageFormat, Private: &wire.PrivateMessage{
		GroupID: []byte("group"), Type: wire.ApplicationContent, Ciphertext: fmt.Append(nil, n)}}
}

func welcome(refs ...string) mimi.FanoutMessage {
	w := &wire.Welcome{Suite: 1}
	for _, ref := range refs {
		w.Secrets = append(w.Secrets, wire.EncryptedGroupSecrets{NewMember: []byte(ref)})
	}
	return mimi.FanoutMessage{
		Timestamp: 1_800_000_000_000,
		Message:   wire.Message{Version: wire.MLS10, Format: wire.WelcomeFormat, Welcome: w},
		Tree:      wire.RatchetTreeOption{Representation: wire.TreeAtURI, URL: "https://a.example/tree"},
	}
}

// credentialOf is a credential of C's authority.
func (w *world) credentialOf(c follower.Client) wire.Credential {
	w.Helper()
	now := time.UnixMilli(1_800_000_000_000)
	ca, err := credential.NewCA(w.c, now, time.Hour)
	if err != nil {
		w.Fatal(err)
	}
	s, err := suite.Lookup(1)
	if err != nil {
		w.Fatal(err)
	}
	var key crypto.Signer
	if key, err = s.GenerateSignatureKey(); err != nil {
		w.Fatal(err)
	}
	cred, err := ca.IssueClient(c.User, c.Client, key.Public(), now, time.Hour, false)
	if err != nil {
		w.Fatal(err)
	}
	return cred
}

// peer answers as it is told; what it is not told to answer panics.
type peer struct {
	mimi.Service
	keyMaterial func(target uri.User) (*mimi.KeyMaterialResponse, error)
	update      func() (*mimi.UpdateRoomResponse, error)
	submit      func() (*mimi.SubmitMessageResponse, error)
	groupInfo   func() (*mimi.GroupInfoResponse, error)
}

func (p *peer) KeyMaterial(_ context.Context, target uri.User, _ *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error) {
	return p.keyMaterial(target)
}

func (p *peer) Update(context.Context, uri.Room, *mimi.UpdateRequest) (*mimi.UpdateRoomResponse, error) {
	return p.update()
}

func (p *peer) SubmitMessage(context.Context, uri.Room, *mimi.SubmitMessageRequest) (*mimi.SubmitMessageResponse, error) {
	return p.submit()
}

func (p *peer) GroupInfo(context.Context, uri.Room, *mimi.GroupInfoRequest) (*mimi.GroupInfoResponse, error) {
	return p.groupInfo()
}

// submit sends messages of a client.
func (w *world) submit(by follower.Client, list ...*mimi.SubmitMessageRequest) ([]*mimi.SubmitMessageResponse, error) {
	w.Helper()
	return w.follower.SubmitMessages(w.Context(), by, w.room, list)
}

// one is the only answer.
func one(answers []*mimi.SubmitMessageResponse, err error) (*mimi.SubmitMessageResponse, error) {
	if err == nil && len(answers) != 1 {
		return nil, fmt.Errorf("%d answers", len(answers))
	}
	if err != nil {
		return nil, err
	}
	return answers[0], nil
}

// refusedWith fails the test unless err is a mimi.Error with the code.
func (w *world) refusedWith(err error, code mimi.Code) {
	w.Helper()
	var known *mimi.Error
	if !errors.As(err, &known) || known.Code != code {
		w.Errorf("got %v, want %v", err, code)
	}
}
