package client

import (
	"context"
	"crypto"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"

	"parley/content"
	"parley/mls"
	"parley/uri"
)

// Config is what a client is made of.
type Config struct {
	Store    Store
	Provider Provider
	MLS      *mls.Config // with the validators and components that the hub uses too
	Now      func() time.Time
	// Wanted is how many unclaimed KeyPackages the device keeps at its provider; 0 means StockWanted.
	Wanted int
	// Receiver says which media types and languages the app can show; the zero value is what every client has to show.
	Receiver content.Receiver
	// Receipts are the statuses that the person tells others, where the room's policy leaves that open; none by default.
	Receipts Receipts
	// HoldStrangers holds rooms apart to which somebody unknown has added the device, see Requested.
	HoldStrangers bool
}

// Client is one device. It is for one goroutine at a time.
type Client struct {
	franks   frankBook
	consents []News // that nobody has taken yet

	cfg      Config
	self     *Account
	rooms    map[uri.Room]*Room
	intents  []*Intent // in the order in which they are worked off
	nextID   uint64
	reserved uint64 // numbers of intents below it may be used
	cursor   Cursor
	stock    map[string]bool // references of own KeyPackages that were not used yet
	blocked  map[string]bool // users whose messages are not shown
	broken   error
	resumed  bool // the commits that a crash may have prevented were wished
}

const keyCursor = "cursor"

// Open loads the device from its store; ErrNoAccount when it was never enrolled.
func Open(ctx context.Context, cfg Config) (*Client, error) {
	if err := notMoved(ctx, cfg.Store); err != nil {
		return nil, err
	}
	if cfg.MLS == nil {
		return nil, errNoEngine
	}
	self, err := LoadAccount(ctx, cfg.Store)
	if err != nil {
		return nil, err
	}
	if cfg.Wanted == 0 {
		cfg.Wanted = StockWanted
	}
	c := &Client{cfg: cfg, self: self, rooms: make(map[uri.Room]*Room), stock: make(map[string]bool), nextID: 1}
	for _, load := range []func(context.Context) error{c.loadCursor, c.loadStock, c.loadIntents, c.loadRooms, c.loadTalks, c.loadBlocked} {
		if err := load(ctx); err != nil {
			return nil, err
		}
	}
	return c, nil
}

var errNoEngine = errors.New("client: Config.MLS is missing: it says whose credentials are believed")

func (c *Client) loadCursor(ctx context.Context) error {
	records, err := c.cfg.Store.Load(ctx, keyCursor)
	if err != nil || len(records) == 0 {
		return err
	}
	if len(records[0].Value) != 8 {
		return errors.New("client: stored cursor is damaged")
	}
	c.cursor = Cursor(binary.BigEndian.Uint64(records[0].Value))
	return nil
}

func (c *Client) loadIntents(ctx context.Context) error {
	records, err := c.cfg.Store.Load(ctx, keyIntents)
	if err != nil {
		return err
	}
	for _, rec := range records {
		if rec.Key == keyIntentsUpTo {
			if len(rec.Value) != 8 {
				return errors.New("client: stored outbox is damaged")
			}
			c.reserved = binary.BigEndian.Uint64(rec.Value)
			c.nextID = max(c.nextID, c.reserved)
			continue
		}
		i := new(Intent)
		if err := json.Unmarshal(rec.Value, i); err != nil {
			return fmt.Errorf("client: stored intent: %w", err)
		}
		c.intents = append(c.intents, i)
		c.nextID = max(c.nextID, i.ID+1)
	}
	// What was sent comes first: a second commit beside one whose fate is open, or that is on its way back, would take its place.
	sort.SliceStable(c.intents, func(a, b int) bool { return c.intents[a].started() && !c.intents[b].started() })
	return nil
}

func (c *Client) loadRooms(ctx context.Context) error {
	records, err := c.cfg.Store.Load(ctx, keyRooms)
	if err != nil {
		return err
	}
	rooms := make(map[string][]mls.Record)
	for _, rec := range records {
		id, _, _ := strings.Cut(strings.TrimPrefix(rec.Key, keyRooms), "/")
		rooms[id] = append(rooms[id], rec)
	}
	for _, of := range rooms {
		r, err := loadRoom(c.self, c.cfg.MLS, of)
		if err != nil {
			return err
		}
		c.rooms[r.URI] = r
	}
	return nil
}

// signerOf returns the key of one of the device's leaves.
func (a *Account) signerOf([]byte) crypto.Signer { return a.Signer }

// Account tells who the device is.
func (c *Client) Account() *Account { return c.self }

// Room returns a room that the device knows, also one that it has left.
func (c *Client) Room(room uri.Room) (*Room, bool) {
	r, ok := c.rooms[room]
	return r, ok
}

// Rooms lists the rooms that the device knows, by URI.
func (c *Client) Rooms() []*Room {
	out := make([]*Room, 0, len(c.rooms))
	for _, r := range c.rooms {
		out = append(out, r)
	}
	sort.Slice(out, func(a, b int) bool { return out[a].URI.String() < out[b].URI.String() })
	return out
}

// roomsWith lists the rooms of which something is true, by URI.
func (c *Client) roomsWith(so func(*Room) bool) []*Room {
	var out []*Room
	for _, r := range c.rooms {
		if so(r) {
			out = append(out, r)
		}
	}
	sort.Slice(out, func(a, b int) bool { return out[a].URI.String() < out[b].URI.String() })
	return out
}

// Intents lists what is on its way or was refused, in order, as copies.
func (c *Client) Intents() []Intent {
	out := make([]Intent, len(c.intents))
	for k, i := range c.intents {
		out[k] = *i
	}
	return out
}

// Forget removes a failed intent that the person has seen.
func (c *Client) Forget(ctx context.Context, id uint64) error {
	for k, i := range c.intents {
		if i.ID == id && i.Fate == Failed {
			if err := c.commit(ctx, mls.Delta{{Key: intentKey(id)}}); err != nil {
				return err
			}
			c.intents = append(c.intents[:k], c.intents[k+1:]...)
			return nil
		}
	}
	return nil
}

// TakeNew returns the timeline entries that came since the last call, by room, and forgets that they are new.
func (c *Client) TakeNew() map[uri.Room][]Entry {
	out := make(map[uri.Room][]Entry)
	for _, r := range c.rooms {
		if len(r.fresh) > 0 {
			out[r.URI], r.fresh = r.fresh, nil
		}
	}
	return out
}

// commit writes a change set. After a failure nobody knows what the store holds, so the client stops.
func (c *Client) commit(ctx context.Context, d mls.Delta) error {
	if c.broken != nil {
		return c.broken
	}
	if err := c.cfg.Store.Commit(ctx, d); err != nil {
		c.broken = fmt.Errorf("%w: %w", ErrBroken, err)
		return c.broken
	}
	return nil
}

// saveIntent writes an intent together with other changes.
func (c *Client) saveIntent(ctx context.Context, i *Intent, d mls.Delta) error {
	rec, err := i.record()
	if err != nil {
		return err
	}
	if err := c.commit(ctx, append(d, rec)); err != nil {
		return err
	}
	if i.Fate == Done {
		c.drop(i)
	}
	return nil
}

func (c *Client) drop(done *Intent) {
	for k, i := range c.intents {
		if i == done {
			c.intents = append(c.intents[:k], c.intents[k+1:]...)
			return
		}
	}
}

// keyIntentsUpTo is where it stands which numbers of intents may have been used; it is among the intents' keys.
const (
	keyIntentsUpTo = keyIntents + "upto"
	reserve        = 1000
)

// intend stores a new intent, and with it what belongs to it.
func (c *Client) intend(ctx context.Context, i *Intent, with ...mls.Record) (uint64, error) {
	i.ID, i.Fate = c.nextID, Waiting
	rec, err := i.record()
	if err != nil {
		return 0, err
	}
	d := append(with, rec)
	if i.ID >= c.reserved {
		// Numbers are set aside many at a time, so that none comes again after a restart with an empty outbox.
		d = append(d, mls.Record{Key: keyIntentsUpTo, Value: binary.BigEndian.AppendUint64(nil, i.ID+reserve)})
	}
	if err := c.commit(ctx, d); err != nil {
		return 0, err
	}
	if i.ID >= c.reserved {
		c.reserved = i.ID + reserve
	}
	c.nextID++
	c.intents = append(c.intents, i)
	return i.ID, nil
}

// Hurry lets Flush try everything again that a failed try has put off: whoever did not answer is there again.
func (c *Client) Hurry() {
	now := c.cfg.Now()
	for _, i := range c.intents {
		if i.Tries > 0 && i.Next.After(now) {
			i.Tries, i.Next = 0, now
		}
	}
}

// Asked counts what was asked for: it grows with each new intent.
func (c *Client) Asked() uint64 { return c.nextID }
