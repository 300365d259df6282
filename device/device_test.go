package device

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/client"
	"parley/credential"
	"parley/mimi"
	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
	"parley/uri"
)

// records is a client.Store in memory.
type records map[string][]byte

func (r records) Load(_ context.Context, prefix string) ([]mls.Record, error) {
	var out []mls.Record
	for key, value := range r {
		if strings.HasPrefix(key, prefix) {
			out = append(out, mls.Record{Key: key, Value: value})
		}
	}
	slices.SortFunc(out, func(a, b mls.Record) int { return strings.Compare(a.Key, b.Key) })
	return out, nil
}

func (r records) Commit(_ context.Context, changes mls.Delta) error {
	for _, c := range changes {
		if r[c.Key] = c.Value; c.Value == nil {
			delete(r, c.Key)
		}
	}
	return nil
}

// poll is one answer of the stub to Events.
type poll struct {
	events []client.Event
	err    error
}

// stub is a provider whose inbox is a list of answers; after them polls are held until the end.
type stub struct {
	answers []poll
	held    []time.Duration
	acked   []client.Cursor
}

var errUnused = errors.New("not used in this test")

func (p *stub) PublishKeyPackages(context.Context, []wire.KeyPackage) (int, error) {
	return client.StockWanted, nil
}

func (p *stub) CreateRoom(context.Context, uri.Room, *wire.GroupInfo, *wire.RatchetTree) error {
	return errUnused
}

func (p *stub) KeyMaterial(context.Context, uri.User, *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error) {
	return nil, errUnused
}

func (p *stub) Update(context.Context, uri.Room, *mimi.UpdateRequest) (*mimi.UpdateRoomResponse, error) {
	return nil, errUnused
}

func (p *stub) SubmitMessages(context.Context, uri.Room, []*mimi.SubmitMessageRequest) ([]*mimi.SubmitMessageResponse, error) {
	return nil, errUnused
}

func (p *stub) GroupInfo(context.Context, uri.Room, *mimi.GroupInfoRequest) (*mimi.GroupInfoResponse, error) {
	return nil, errUnused
}

func (p *stub) Events(ctx context.Context, _ client.Cursor, held time.Duration) ([]client.Event, error) {
	p.held = append(p.held, held)
	if len(p.answers) == 0 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	next := p.answers[0]
	p.answers = p.answers[1:]
	return next.events, next.err
}

func (p *stub) Ack(_ context.Context, c client.Cursor) error {
	p.acked = append(p.acked, c)
	return nil
}

// enrolled is a store with an account.
func enrolled(t *testing.T) records {
	t.Helper()
	p, err := uri.ProviderFromDomain("a.example")
	if err != nil {
		t.Fatal(err)
	}
	user, err := uri.NewUser(p, "alice")
	if err != nil {
		t.Fatal(err)
	}
	device, err := uri.NewClient(p, "alice", "phone")
	if err != nil {
		t.Fatal(err)
	}
	ca, err := credential.NewCA(p, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	s, err := suite.Lookup(1)
	if err != nil {
		t.Fatal(err)
	}
	key, err := s.GenerateSignatureKey()
	if err != nil {
		t.Fatal(err)
	}
	c, err := ca.IssueClient(user, device, key.Public(), time.Now(), time.Hour, false)
	if err != nil {
		t.Fatal(err)
	}
	store := records{}
	a := &client.Account{User: user, Client: device, Suite: 1, Signer: key, Credential: c}
	if err := client.SaveAccount(t.Context(), store, a); err != nil {
		t.Fatal(err)
	}
	return store
}

// run runs a device on the answers until its provider holds a poll, and returns what News was told.
func run(t *testing.T, p *stub) []News {
	t.Helper()
	var told []News
	d, err := Open(t.Context(), Config{
		Store: enrolled(t), Provider: p, News: func(n News) { told = append(told, n) },
		Authorities: func(context.Context, uri.Provider) ([]Authority, error) { return nil, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	waitUntil := time.NewTimer(45 * time.Second) // less than a poll is held
	<-waitUntil.C
	synctest.Wait()
	stop()
	if err := <-ended; err != nil {
		t.Fatalf("Run: %v", err)
	}
	return told
}

// states drops what says the same as before.
func states(told []News) (out []string) {
	for _, n := range told {
		s := "unknown"
		switch {
		case n.Err != nil:
			s = "offline"
		case n.CaughtUp:
			s = "caught up"
		case n.Online:
			s = "online"
		}
		if len(out) == 0 || out[len(out)-1] != s {
			out = append(out, s)
		}
	}
	return out
}

func garbage(cursor client.Cursor, room string) client.Event {
	at, err := uri.ParseRoom(room)
	if err != nil {
		return client.Event{Cursor: cursor}
	}
	body, err := syntax.Marshal(&mimi.FanoutMessage{})
	if err != nil {
		body = nil
	}
	return client.Event{Cursor: cursor, Room: at, Body: append(body, 0)}
}

func TestCaughtUp(t *testing.T) {
	events := []client.Event{garbage(1, "mimi://a.example/r/x"), garbage(2, "mimi://a.example/r/x")}
	away := &client.RetryError{Waiting: "a.example", Err: errors.New("connection refused")}
	t.Run("the first word comes at once, and an empty inbox is told after what was in it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := &stub{answers: []poll{{events: events}, {}}}
			told := run(t, p)
			if got := states(told); !slices.Equal(got, []string{"unknown", "online", "caught up"}) {
				t.Errorf("states %v", got)
			}
			if !slices.Equal(p.held, []time.Duration{0, 0, pollWait}) {
				t.Errorf("polls were held %v", p.held)
			}
			if !slices.Equal(p.acked, []client.Cursor{2}) {
				t.Errorf("acknowledged %v", p.acked)
			}
			for _, n := range told {
				if n.CaughtUp && n.Client.Cursor() != 2 {
					t.Errorf("caught up at cursor %d", n.Client.Cursor())
				}
			}
		})
	})
	t.Run("after an absence the inbox is looked through again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := &stub{answers: []poll{{}, {err: away}, {err: away}, {events: events}, {}}}
			told := run(t, p)
			if got := states(told); !slices.Equal(got, []string{"unknown", "caught up", "offline", "online", "caught up"}) {
				t.Errorf("states %v", got)
			}
			if !slices.Equal(p.held, []time.Duration{0, pollWait, 0, 0, 0, pollWait}) {
				t.Errorf("polls were held %v", p.held)
			}
		})
	})
}
