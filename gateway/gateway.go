package gateway

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"parley/client"
	"parley/mls"
	"parley/uri"
)

// Config is what a Gateway is made of.
type Config struct {
	Self    uri.Provider
	Journal *Journal
	Natives []Native
	Log     *slog.Logger // gets no names, addresses or content
	Now     func() time.Time
	PerUser rate.Limit // events of one native user, per second
	PerRoom rate.Limit // events of one group, per second
	Burst   int
	// Unit gives the client of a native user, which it enrols when there is none yet. A *client.RetryError: not now.
	Unit func(ctx context.Context, u NativeUser) (*Unit, error)
	// Working lists the clients that run.
	Working func() []*Unit
	// Woken tells that something waits for Inward. It must not block.
	Woken func(network string)
}

// NativeUser is a user of a network and the name that it has at the provider.
type NativeUser struct {
	Network string
	Address Address
	Name    string
}

// Unit is the client of one native user.
type Unit struct {
	NativeUser
	User uri.User
	// Do runs a function with the client, as device.Device does; what is given to With there is written with the next change.
	Do    func(ctx context.Context, f func(*client.Client) error) error
	Store *Store
}

// Store adds records to a client's next change, so that both are written or none. It is used within Do only.
type Store struct {
	client.Store
	extra mls.Delta
}

// With adds records to the next change.
func (s *Store) With(records ...mls.Record) { s.extra = append(s.extra, records...) }

// Without drops what With has added, when no change came.
func (s *Store) Without() { s.extra = nil }

// Commit implements client.Store.
func (s *Store) Commit(ctx context.Context, changes mls.Delta) error {
	all := append(append(mls.Delta(nil), changes...), s.extra...)
	if err := s.Store.Commit(ctx, all); err != nil {
		return err
	}
	s.extra = nil
	return nil
}

// Gateway joins networks to the provider's rooms. Its methods are safe for concurrent use, except that Inward is called by one
// goroutine per network and Outward by one per unit.
type Gateway struct {
	cfg     Config
	natives map[string]Native
	names   []string

	mu      sync.Mutex
	budgets map[string]*rate.Limiter
	lanes   map[string]*sync.Mutex // one delivery at a time per network and room
	counts  map[string]int
	shown   map[string]bool // places of which the network was told since the start
}

// Budgets of a native user and of a group, if the configuration names none.
const (
	perUser  = 5
	perRoom  = 50
	burst    = 50
	mostOpen = 10000 // budgets that are remembered
)

// New makes a gateway.
func New(cfg Config) (*Gateway, error) {
	if cfg.Journal == nil || cfg.Unit == nil || cfg.Self.IsZero() {
		return nil, errors.New("gateway: configuration lacks the provider, the journal or the clients")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.PerUser == 0 {
		cfg.PerUser = perUser
	}
	if cfg.PerRoom == 0 {
		cfg.PerRoom = perRoom
	}
	if cfg.Burst == 0 {
		cfg.Burst = burst
	}
	if cfg.Woken == nil {
		cfg.Woken = func(string) {}
	}
	g := &Gateway{cfg: cfg, natives: map[string]Native{}, budgets: map[string]*rate.Limiter{}, lanes: map[string]*sync.Mutex{},
		counts: map[string]int{}, shown: map[string]bool{}}
	for _, n := range cfg.Natives {
		name := n.Describe().Network
		g.natives[name] = n
		g.names = append(g.names, name)
	}
	return g, nil
}

// Host is what a network's connector is given.
func (g *Gateway) Host(network string) *Host {
	return &Host{
		Ingest:    func(ctx context.Context, e *Event) error { return g.ingest(ctx, network, e) },
		Ephemeral: func(context.Context, Signal) {}, // MIMI has no message for it that all clients understand; see the Typing cells
		Alias: func(ctx context.Context, user uri.User, most int, allowed func(byte) bool) (string, error) {
			return g.cfg.Journal.alias(ctx, network, user, most, allowed)
		},
		Aliased: func(ctx context.Context, name string) (uri.User, bool) {
			return g.cfg.Journal.aliased(ctx, network, name)
		},
	}
}

// Users are the native users that were seen.
func (g *Gateway) Users(ctx context.Context) ([]NativeUser, error) {
	saved, err := g.cfg.Journal.users(ctx)
	if err != nil {
		return nil, err
	}
	var out []NativeUser
	for _, u := range saved {
		out = append(out, NativeUser(u))
	}
	return out, nil
}

// Admit gives a native user a name and a client, as the first event of the user would.
func (g *Gateway) Admit(ctx context.Context, network string, a Address) (*Unit, error) {
	name, err := g.cfg.Journal.name(ctx, network, a)
	if err != nil {
		return nil, err
	}
	return g.cfg.Unit(ctx, NativeUser{network, a, name})
}

// ingest is Host.Ingest.
func (g *Gateway) ingest(ctx context.Context, network string, e *Event) error {
	if err := check(e); err != nil {
		return err
	}
	if !g.within("user/"+network+"/"+string(e.From), g.cfg.PerUser) || !g.within("room/"+network+"/"+e.Group+e.To, g.cfg.PerRoom) {
		g.count("flood")
		return ErrFlood
	}
	if err := g.cfg.Journal.ingest(ctx, network, e); err != nil {
		return err
	}
	g.cfg.Woken(network)
	return nil
}

// Bounds of an event.
const (
	mostText  = 48 << 10 // octets; MIMI content has 64 KiB
	mostID    = 1024
	mostEmoji = 64
)

func check(e *Event) error {
	switch {
	case e.ID == "" || len(e.ID) > mostID || len(e.Native) > mostID || len(e.Target) > mostID, e.From == "" || len(e.From) > mostID,
		(e.Group == "") == (e.To == ""), len(e.Group) > mostID, len(e.Text.Text) > mostText, len(e.Emoji) > mostEmoji:
		return ErrEvent
	}
	return nil
}

func (g *Gateway) within(key string, limit rate.Limit) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.budgets[key]
	if l == nil {
		if len(g.budgets) >= mostOpen {
			clear(g.budgets) // whoever fills the table gains one burst
		}
		l = rate.NewLimiter(limit, g.cfg.Burst)
		g.budgets[key] = l
	}
	return l.AllowN(g.cfg.Now(), 1)
}

func (g *Gateway) count(what string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.counts[what]++
}

// Counts tells how often things happened: losses by their form, refusals, floods.
func (g *Gateway) Counts() map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make(map[string]int, len(g.counts))
	for k, n := range g.counts {
		out[k] = n
	}
	return out
}

// lane makes deliveries to a place of a network one after another.
func (g *Gateway) lane(network, room string) *sync.Mutex {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := network + "/" + room
	if g.lanes[key] == nil {
		g.lanes[key] = new(sync.Mutex)
	}
	return g.lanes[key]
}

// salt is random to everybody else, and the same each time an event is worked off: so the message has the same id.
func (g *Gateway) salt(network, id string) (out [16]byte) {
	h := hmac.New(sha256.New, g.cfg.Journal.salt)
	h.Write([]byte(network + "\x00" + id))
	copy(out[:], h.Sum(nil))
	return out
}
