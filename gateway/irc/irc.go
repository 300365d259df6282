package irc

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"parley/gateway"
	"parley/uri"
)

// Config is how to reach the network.
type Config struct {
	Name     string // of our server on the network: gw.example
	Password string // of the link, for both directions
	Info     string // of our server, for people
	Address  string // host:port of the server
	NickLen  int    // of the network; 0: 9
	// Dial connects; nil: TCP. Over another network than the machine's own it has to be TLS: the password is sent in clear.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Hold is how long a private message waits for somebody who is not online; 0: 10 minutes.
	Hold time.Duration
	// Pause is the first pause before connecting again, doubled up to a minute; 0: a second.
	Pause time.Duration
}

// IRC is a server on the network. It implements gateway.Native.
type IRC struct {
	cfg  Config
	host *gateway.Host

	mu      sync.Mutex
	conn    net.Conn // nil: not connected
	linked  bool     // the other server has introduced itself
	server  string   // its name
	native  map[string]*member
	rooms   map[string]*room    // by folded channel
	ghosts  map[uri.User]*ghost //
	byNick  map[string]*ghost   // folded
	waiting map[string]*wait    // by token
	tokens  uint64
	events  uint64
	session string   // of this process, for ids of events
	log     string   // nick of the ghost that keeps the log
	recent  []string // marks of what was delivered last, the oldest first
}

// member is somebody on the network.
type member struct {
	nick  string
	rooms map[string]bool // folded channels
}

// room is a channel that is a room of MIMI.
type room struct {
	channel string
	title   string
	ghosts  map[uri.User]bool
	invited map[string]bool // folded nicks, on this connection
}

// ghost is a user of MIMI on the network.
type ghost struct {
	user uri.User
	nick string
	here bool            // introduced on this connection
	in   map[string]bool // folded channels, on this connection
}

// wait is a delivery whose PONG has not come yet.
type wait struct {
	ghost, target string // folded
	refused       string
	done          chan error // nil: worked off; else the connection has ended
}

// New makes a connector. It connects when it is run.
func New(cfg Config) *IRC {
	if cfg.NickLen == 0 {
		cfg.NickLen = 9
	}
	if cfg.Hold == 0 {
		cfg.Hold = 10 * time.Minute
	}
	if cfg.Pause == 0 {
		cfg.Pause = time.Second
	}
	if cfg.Dial == nil {
		cfg.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", address)
		}
	}
	return &IRC{cfg: cfg, native: map[string]*member{}, rooms: map[string]*room{}, ghosts: map[uri.User]*ghost{}, byNick: map[string]*ghost{},
		waiting: map[string]*wait{}, session: rand.Text()[:12]}
}

const (
	mostPause = time.Minute
	silence   = 5 * time.Minute // the server pings more often
	answerIn  = 20 * time.Second
	mostRead  = mostTags + mostLine + 2
)

// Run implements gateway.Native.
func (c *IRC) Run(ctx context.Context, h *gateway.Host) error {
	c.host = h
	return gateway.StayUp(ctx, c.cfg.Pause, mostPause, c.connect)
}

// connect runs one connection; up tells that it was a link.
func (c *IRC) connect(ctx context.Context) (up bool, err error) {
	dialing, cancel := context.WithTimeout(ctx, answerIn)
	conn, err := c.cfg.Dial(dialing, c.cfg.Address)
	cancel()
	if err != nil {
		return false, err
	}
	closed := make(chan error, 1) // of no use to anybody: whoever reads or writes gets the same
	stop := context.AfterFunc(ctx, func() { closed <- conn.Close() })
	defer stop()
	c.begin(conn)
	defer func() { up = c.end() }()
	if err := c.write(format("", "PASS", []string{c.cfg.Password, "0210", "IRC|parley"}, nil),
		format("", "SERVER", []string{c.cfg.Name, "1"}, &c.cfg.Info)); err != nil {
		return false, err
	}
	lines := bufio.NewScanner(conn)
	lines.Buffer(make([]byte, 0, 4096), mostRead)
	for {
		if err := conn.SetReadDeadline(time.Now().Add(silence)); err != nil {
			return false, err
		}
		if !lines.Scan() {
			return false, errors.Join(errEnded, lines.Err())
		}
		m, err := parse(strings.TrimSuffix(lines.Text(), "\r"))
		if err != nil {
			continue // a line that is none means nothing to us
		}
		if err := c.handle(ctx, &m); err != nil {
			return false, err
		}
	}
}

var errEnded = errors.New("irc: the connection has ended")

func (c *IRC) begin(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn, c.linked, c.server, c.native, c.log, c.recent = conn, false, "", map[string]*member{}, logNick, nil
	for _, g := range c.ghosts {
		g.here, g.in = false, map[string]bool{}
	}
	for _, r := range c.rooms {
		r.invited = map[string]bool{}
	}
}

// end forgets the connection; what waited for an answer will get none.
func (c *IRC) end() (wasLinked bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wasLinked = c.linked
	if c.conn != nil {
		if err := c.conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			wasLinked = false // it was no use to anybody; wait longer
		}
	}
	c.conn, c.linked = nil, false
	for token, w := range c.waiting {
		w.done <- errEnded
		delete(c.waiting, token)
	}
	return wasLinked
}

// write sends lines at once.
func (c *IRC) write(lines ...string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.put(lines...)
}

// put is write under the lock.
func (c *IRC) put(lines ...string) error {
	if c.conn == nil {
		return gateway.ErrOffline
	}
	if err := c.conn.SetWriteDeadline(time.Now().Add(answerIn)); err != nil {
		return err
	}
	if _, err := c.conn.Write([]byte(strings.Join(lines, ""))); err != nil {
		return errors.Join(err, c.conn.Close()) // half a line may be out
	}
	return nil
}

// Peer implements gateway.Native. IRC tells nothing about the abilities of others.
func (c *IRC) Peer(context.Context, gateway.Address) (gateway.Capabilities, bool) {
	return gateway.Capabilities{}, false
}

// Ephemeral implements gateway.Native. Server links carry no tags.
func (c *IRC) Ephemeral(context.Context, gateway.Signal) {}

// Resolve implements gateway.Native: a nick that is online.
func (c *IRC) Resolve(_ context.Context, identifier string) (gateway.Address, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	nick := fold(strings.TrimSpace(identifier))
	if c.native[nick] == nil {
		return "", gateway.ErrNoAddress
	}
	return gateway.Address(nick), nil
}

// Probe implements gateway.Native.
func (c *IRC) Probe(ctx context.Context) error { return c.confirm(ctx) }
