package xmpp

import (
	"context"
	"crypto/rand"
	"crypto/sha1" // the handshake of XEP-0114 is defined with it
	"encoding/hex"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"parley/gateway"
	"parley/uri"
)

// Config is how to reach the server.
type Config struct {
	Domain  string // of the component: mimi.example
	Secret  string
	Address string // host:port of the server's component port
	Server  string // a domain of the server, which is pinged: example
	Rooms   string // domain of its multi-user chats: rooms.example
	// Dial connects; nil: TCP. XEP-0114 has no TLS: over another network than the machine's own the connection has to be protected.
	Dial  func(ctx context.Context, address string) (net.Conn, error)
	Pause time.Duration // first pause before connecting again, doubled up to a minute; 0: a second
}

// XMPP is a component. It implements gateway.Native.
type XMPP struct {
	cfg  Config
	host *gateway.Host

	mu      sync.Mutex
	conn    net.Conn // nil: not connected
	up      bool
	waiting map[string]*wait // by the id of a ping, or of a joining
	tokens  uint64
	rooms   map[string]*room  // by address
	full    map[string]string // bare address -> that of the client that wrote last: errors do not reach bare ones
}

// room is a multi-user chat of ours.
type room struct {
	jid     string
	title   string
	crowd   []gateway.Person
	joined  bool                // on this connection, the component's own occupant
	made    bool                // the server said that it is new
	ghosts  map[uri.User]string // nicks, of those who are in
	real    map[string]string   // nick -> bare address
	invited map[string]bool     // bare addresses, on this connection
	wait    *wait               // for the joining
}

// wait is something whose answer has not come.
type wait struct {
	id      string // of the stanza that an error would be about
	refused string
	done    chan error
}

// New makes a connector. It connects when it is run.
func New(cfg Config) *XMPP {
	if cfg.Pause == 0 {
		cfg.Pause = time.Second
	}
	if cfg.Dial == nil {
		cfg.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", address)
		}
	}
	return &XMPP{cfg: cfg, waiting: map[string]*wait{}, rooms: map[string]*room{}, full: map[string]string{}}
}

const (
	mostPause = time.Minute
	answerIn  = 20 * time.Second
)

// self is the component's own address: the owner of all rooms.
func (c *XMPP) self() string { return "gateway@" + c.cfg.Domain }

// selfNick is its name in rooms.
const selfNick = "MIMI gateway"

// Run implements gateway.Native.
func (c *XMPP) Run(ctx context.Context, h *gateway.Host) error {
	c.host = h
	return gateway.StayUp(ctx, c.cfg.Pause, mostPause, c.connect)
}

func (c *XMPP) connect(ctx context.Context) (up bool, err error) {
	dialing, cancel := context.WithTimeout(ctx, answerIn)
	conn, err := c.cfg.Dial(dialing, c.cfg.Address)
	cancel()
	if err != nil {
		return false, err
	}
	closed := make(chan error, 1) // of no use to anybody: whoever reads or writes gets the same
	stop := context.AfterFunc(ctx, func() { closed <- conn.Close() })
	defer stop()
	defer func() { up = c.end(conn) }()
	r, err := c.shake(conn)
	if err != nil {
		return false, err
	}
	if err := c.begin(conn); err != nil {
		return false, err
	}
	for {
		e, err := r.next()
		if err != nil {
			return false, err
		}
		if err := c.handle(ctx, e); err != nil {
			return false, err
		}
	}
}

var errHandshake = errors.New("xmpp: the server refuses the component")

// shake opens the stream and proves the secret (XEP-0114 §3).
func (c *XMPP) shake(conn net.Conn) (*reader, error) {
	if err := conn.SetDeadline(time.Now().Add(answerIn)); err != nil {
		return nil, err
	}
	header := "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='"
	var to strings.Builder
	escape(&to, c.cfg.Domain)
	if _, err := conn.Write([]byte(header + to.String() + "'>")); err != nil {
		return nil, err
	}
	r := newReader(conn)
	id, err := r.open()
	if err != nil {
		return nil, err
	}
	sum := sha1.Sum([]byte(id + c.cfg.Secret))
	if _, err := conn.Write([]byte(part{name: "handshake", text: hex.EncodeToString(sum[:])}.String())); err != nil {
		return nil, err
	}
	answer, err := r.next()
	if err != nil {
		return nil, err
	}
	if answer.name != "handshake" {
		return nil, errHandshake
	}
	return r, conn.SetDeadline(time.Time{})
}

// begin makes the stream the one that is used, and enters the rooms that are known.
func (c *XMPP) begin(conn net.Conn) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn, c.up = conn, true
	for _, r := range c.rooms {
		r.joined, r.made, r.ghosts, r.real, r.invited, r.wait = false, false, map[uri.User]string{}, map[string]string{}, map[string]bool{}, nil
		if err := c.enter(r); err != nil {
			return err
		}
	}
	return nil
}

// end forgets the stream; what waited for an answer will get none.
func (c *XMPP) end(conn net.Conn) (wasUp bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wasUp = c.up
	if err := conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		wasUp = false
	}
	c.conn, c.up = nil, false
	for token, w := range c.waiting {
		w.done <- errEnded
		delete(c.waiting, token)
	}
	for _, r := range c.rooms {
		if r.wait != nil {
			r.wait.done <- errEnded
			r.wait = nil
		}
		r.joined = false
	}
	return wasUp
}

// put writes stanzas. The lock is held.
func (c *XMPP) put(stanzas ...part) error {
	if !c.up {
		return gateway.ErrOffline
	}
	var b strings.Builder
	for _, s := range stanzas {
		s.write(&b)
	}
	if err := c.conn.SetWriteDeadline(time.Now().Add(answerIn)); err != nil {
		return err
	}
	_, err := c.conn.Write([]byte(b.String()))
	return err
}

func (c *XMPP) send(stanzas ...part) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.put(stanzas...)
}

// enqueue writes stanzas and the ping behind them. The lock is held.
func (c *XMPP) enqueue(w *wait, stanzas ...part) error {
	c.tokens++
	token := "ping-" + strconv.FormatUint(c.tokens, 10)
	c.waiting[token] = w
	ping := part{name: "iq", attrs: []string{"type", "get", "id", token, "from", c.self(), "to", c.cfg.Server},
		inside: []part{{name: "ping", attrs: []string{"xmlns", nsPing}}}}
	if err := c.put(append(stanzas, ping)...); errors.Is(err, gateway.ErrOffline) {
		delete(c.waiting, token)
		return err
	} else if err != nil {
		return errEnded
	}
	return nil
}

func (w *wait) wait(ctx context.Context) error {
	timer := time.NewTimer(answerIn)
	defer timer.Stop()
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return errEnded
	}
}

// Probe implements gateway.Native.
func (c *XMPP) Probe(ctx context.Context) error {
	w := &wait{done: make(chan error, 1)}
	c.mu.Lock()
	err := c.enqueue(w)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return w.wait(ctx)
}

// Peer implements gateway.Native. What a client can show is not asked for yet.
func (c *XMPP) Peer(context.Context, gateway.Address) (gateway.Capabilities, bool) {
	return gateway.Capabilities{}, false
}

// Ephemeral implements gateway.Native.
func (c *XMPP) Ephemeral(_ context.Context, s gateway.Signal) {
	state := "paused"
	if s.Typing {
		state = "composing"
	}
	from, ok := c.address(s.User)
	if !ok || s.Place.With == "" {
		return
	}
	if c.send(part{name: "message", attrs: []string{"type", "chat", "from", from, "to", string(s.Place.With)},
		inside: []part{{name: state, attrs: []string{"xmlns", nsChatStates}}}}) != nil {
		return // lost, as it may be
	}
}

// Resolve implements gateway.Native: anything that has the form of an address of a user.
func (c *XMPP) Resolve(_ context.Context, identifier string) (gateway.Address, error) {
	jid := bare(strings.TrimPrefix(strings.TrimSpace(identifier), "xmpp:"))
	local, domain, _ := split(jid)
	if local == "" || domain == "" || domain == c.cfg.Domain || strings.ContainsAny(jid, " <>&\"'") {
		return "", gateway.ErrNoAddress
	}
	return gateway.Address(jid), nil
}

// address is that of a user of MIMI on the network.
func (c *XMPP) address(u uri.User) (string, bool) {
	local, ok := ghost(u)
	return local + "@" + c.cfg.Domain, ok && !u.IsZero()
}

func random() string { return strings.ToLower(rand.Text()[:16]) }
