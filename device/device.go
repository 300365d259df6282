package device

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"parley/client"
	"parley/content"
	"parley/cores"
	"parley/credential"
	"parley/mls"
	"parley/mls/suite"
	"parley/room"
	"parley/uri"
)

// Config is what a device is made of.
type Config struct {
	Store    client.Store
	Provider client.Provider
	// Suites are the cipher suites that rooms may have; nil: those of RFC 9420.
	Suites *suite.Table
	// Authorities returns the CA sets that the own provider knows of one provider, or of all for the zero value.
	Authorities func(ctx context.Context, p uri.Provider) ([]Authority, error)
	// Receipts are the statuses that the person reports where the room's policy leaves it open.
	Receipts client.Receipts
	// HoldStrangers is client.Config.HoldStrangers.
	HoldStrangers bool
	// Receiver is what the app can show.
	Receiver content.Receiver
	// Lanes asks the own provider's hub what of a room waits for other providers; nil: it is not asked.
	Lanes func(ctx context.Context, at uri.Room) ([]client.Lane, error)
	// News gets what is new after each step, from the goroutine of Run. nil: nobody asks.
	News func(News)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// News is what changed, and how things stand.
type News struct {
	Entries map[uri.Room][]client.Entry
	// Client may be looked at and used until News returns.
	Client *client.Client
	// Online tells whether the last word from the provider was an answer. Before the first word it is false without an Err.
	Online bool
	Err    error  // why not
	Reason string // the same in words
	// CaughtUp tells that the inbox was found empty since the provider was reached last, and that what came before is worked off.
	CaughtUp bool
	// Alarm names a provider whose published authorities share nothing with those this device has pinned.
	Alarm string
}

// Times of the loop.
const (
	pollWait      = 50 * time.Second // how long an empty poll is held
	retryPoll     = time.Second      // first pause after a poll that failed; doubled up to retryPollMost
	retryPollMost = 30 * time.Second
	ackAfter      = 5 * time.Second        // acknowledgements are gathered for this long,
	ackMany       = 64                     // or for so many events
	learnPause    = 250 * time.Millisecond // between learning authorities and trying again what failed without them
	stockEvery    = time.Minute            // KeyPackages are counted this often
	patience      = time.Minute            // how long an event waits for authorities
	lanesEvery    = 4 * time.Second        // while own messages are not at all providers
)

// stockLow is the number of KeyPackages below which new ones are published.
const stockLow = 10

// Device is a running client. Its methods may be called from any goroutine.
type Device struct {
	cfg    Config
	client *client.Client // owned by Run
	roots  *roots
	words  chan word // from the reader
	calls  chan call

	acked   client.Cursor
	ackAt   time.Time // zero: nothing to acknowledge
	unacked int       // events since the last acknowledgement
	stockAt time.Time
	flushAt time.Time              // zero: nothing waits for the clock
	choreAt time.Time              // the same
	lanesAt time.Time              // when lanes may be asked for again
	laneIn  map[uri.Room]time.Time // a room's hub said no: not before then
	news    News
}

type call struct {
	do   func(*client.Client) error
	done chan error
}

// Open loads the device from its store. client.ErrNoAccount: it was never enrolled.
func Open(ctx context.Context, cfg Config) (*Device, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	known, err := loadRoots(ctx, cfg.Store)
	if err != nil {
		return nil, err
	}
	c, err := client.Open(ctx, client.Config{
		Store:    cfg.Store,
		Provider: cfg.Provider,
		Now:      cfg.Now,
		Receipts: cfg.Receipts,
		Receiver: cfg.Receiver, HoldStrangers: cfg.HoldStrangers,
		MLS: &mls.Config{
			Suites:         cfg.Suites,
			ValidateLeaf:   credential.Validator(known.of),
			ValidateSender: credential.SenderValidator(known.of),
			Components:     room.Components(),
			Parallel:       cores.All,
		},
	})
	if err != nil {
		return nil, err
	}
	return &Device{
		cfg: cfg, client: c, roots: known, acked: c.Cursor(),
		words: make(chan word, 1), calls: make(chan call), laneIn: make(map[uri.Room]time.Time), lanesAt: time.Unix(0, 1),
	}, nil
}

// Account tells who the device is.
func (d *Device) Account() *client.Account { return d.client.Account() }

// Do runs f with the client, between two steps of Run, and returns its error. What f asked for is sent right afterwards.
func (d *Device) Do(ctx context.Context, f func(*client.Client) error) error {
	c := call{f, make(chan error, 1)}
	select {
	case d.calls <- c:
		return <-c.done
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Run works until ctx ends or the store fails. It is called once.
func (d *Device) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return d.read(ctx) })
	g.Go(func() error {
		err := d.work(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	})
	if err := g.Wait(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// word is what the provider answered to one poll.
type word struct {
	batch []client.Event
	err   error
}

// read fetches events ahead of the work. The first polls, and those after a failure, are not held: so it is known at once whether the
// provider answers, and when the inbox is empty.
func (d *Device) read(ctx context.Context) error {
	after, pause, held := d.acked, retryPoll, time.Duration(0)
	for ctx.Err() == nil {
		batch, err := d.cfg.Provider.Events(ctx, after, held)
		if ctx.Err() != nil {
			return ctx.Err() // given up here; it says nothing about the provider
		}
		select {
		case d.words <- word{batch, err}:
		case <-ctx.Done():
			return ctx.Err()
		}
		switch {
		case err != nil:
			if !wait(ctx, retryAfter(err, pause)) {
				return ctx.Err()
			}
			pause, held = min(2*pause, retryPollMost), 0
			continue
		case len(batch) > 0:
			after = batch[len(batch)-1].Cursor
		default:
			held = pollWait
		}
		pause = retryPoll
	}
	return ctx.Err()
}

func retryAfter(err error, pause time.Duration) time.Duration {
	var retry *client.RetryError
	if errors.As(err, &retry) && retry.After > pause {
		return retry.After
	}
	return pause
}

func wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// work is the loop that owns the client.
func (d *Device) work(ctx context.Context) error {
	if err := d.refreshAuthorities(ctx, uri.Provider{}); err != nil {
		return err
	}
	for {
		if err := d.settle(ctx); err != nil {
			return err
		}
		timer := time.NewTimer(d.pause())
		var err error
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case w := <-d.words:
			err = d.hear(ctx, w)
		case c := <-d.calls:
			c.done <- c.do(d.client)
		case <-timer.C:
		}
		timer.Stop()
		if err != nil {
			return err
		}
	}
}

// pause is how long nothing has to be done by itself.
func (d *Device) pause() time.Duration {
	next := d.stockAt
	for _, t := range []time.Time{d.flushAt, d.choreAt, d.ackAt, d.laneDue()} {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	return max(next.Sub(d.cfg.Now()), 0)
}

// settle does what is due: outbox, acknowledgement, stock; and tells the news.
func (d *Device) settle(ctx context.Context) (err error) {
	if d.choreAt, err = d.client.Chores(ctx); err != nil {
		return err
	}
	if d.flushAt, err = d.client.Flush(ctx); err != nil {
		return err
	}
	if learned, err := d.learn(ctx); err != nil {
		return err
	} else if learned {
		d.flushAt = d.cfg.Now().Add(learnPause)
	}
	now := d.cfg.Now()
	if !d.ackAt.IsZero() && !now.Before(d.ackAt) {
		d.ack(ctx)
	}
	if !now.Before(d.stockAt) {
		d.stockAt = now.Add(stockEvery)
		if err := d.client.Stock(ctx, stockLow); errors.Is(err, client.ErrBroken) {
			return err
		} else if err != nil {
			d.stockAt = now.Add(retryPoll)
		}
	}
	if due := d.laneDue(); !due.IsZero() && !now.Before(due) {
		d.askLanes(ctx)
	}
	d.tell()
	return nil
}

// laneDue is when the hub is to be asked what waits for other providers, zero when nobody wants to know.
func (d *Device) laneDue() time.Time {
	if d.cfg.Lanes == nil || !d.news.Online || len(d.client.WantLanes()) == 0 {
		return time.Time{}
	}
	return d.lanesAt
}

// askLanes asks for the rooms in which own messages are not known to be everywhere. Without an answer their state is simply not known.
func (d *Device) askLanes(ctx context.Context) {
	now := d.cfg.Now()
	d.lanesAt = now.Add(lanesEvery)
	for _, at := range d.client.WantLanes() {
		if d.laneIn[at].After(now) {
			continue
		}
		lanes, err := d.cfg.Lanes(ctx, at)
		if err != nil {
			d.laneIn[at] = now.Add(retryPollMost)
			continue
		}
		d.client.SetLanes(at, lanes)
	}
}

// hear takes what the provider answered. After an absence the authorities may have changed.
func (d *Device) hear(ctx context.Context, w word) error {
	back := d.news.Err != nil && w.err == nil
	d.news.Online, d.news.Err, d.news.Reason = w.err == nil, w.err, ""
	if w.err != nil {
		d.news.CaughtUp, d.news.Reason = false, w.err.Error()
		return nil
	}
	if back {
		d.client.Hurry()
		if err := d.refreshAuthorities(ctx, uri.Provider{}); err != nil {
			return err
		}
	}
	if len(w.batch) == 0 {
		d.news.CaughtUp = true
		return nil
	}
	return d.handle(ctx, w.batch)
}

// handle works a batch of events off.
func (d *Device) handle(ctx context.Context, batch []client.Event) error {
	for _, e := range batch {
		if err := d.handleOne(ctx, e); err != nil {
			return err
		}
	}
	if d.ackAt.IsZero() {
		d.ackAt = d.cfg.Now().Add(ackAfter)
	}
	if d.unacked += len(batch); d.unacked >= ackMany {
		d.ackAt = d.cfg.Now()
	}
	return nil
}

// handleOne works one event off, after getting authorities that it needs. When they cannot be had for long, the event is worked off
// without: one silent provider must not stop all rooms.
func (d *Device) handleOne(ctx context.Context, e client.Event) error {
	until := d.cfg.Now().Add(patience)
	for {
		err := d.client.Handle(ctx, e)
		if !errors.Is(err, client.ErrAuthorities) {
			return err
		}
		learned, err := d.learn(ctx)
		if err != nil {
			return err
		}
		if learned {
			continue
		}
		if !d.cfg.Now().Before(until) {
			return d.client.HandleAnyway(ctx, e)
		}
		if !wait(ctx, retryPoll) {
			return ctx.Err()
		}
	}
}

// ack tells the provider what is stored here. A failure is not lost: the next one says the same and more.
func (d *Device) ack(ctx context.Context) {
	d.ackAt, d.unacked = time.Time{}, 0
	cursor := d.client.Cursor()
	if cursor == d.acked {
		return
	}
	if err := d.cfg.Provider.Ack(ctx, cursor); err != nil {
		d.ackAt = d.cfg.Now().Add(retryAfter(err, retryPoll))
		return
	}
	d.acked = cursor
}

// learn fetches the authorities that a validator missed; it reports whether anything was learned.
func (d *Device) learn(ctx context.Context) (learned bool, err error) {
	for _, p := range d.roots.takeMissing() {
		before := d.roots.count()
		if err := d.refreshAuthorities(ctx, p); err != nil {
			return learned, err
		}
		learned = learned || d.roots.count() > before
	}
	return learned, nil
}

func (r *roots) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.pins)
}

// refreshAuthorities asks the own provider. Only a failing store is an error: without an answer the device goes on with what it knows.
func (d *Device) refreshAuthorities(ctx context.Context, p uri.Provider) error {
	published, err := d.cfg.Authorities(ctx, p)
	if err != nil {
		return ctx.Err()
	}
	for _, a := range published {
		what, err := d.roots.observe(ctx, a)
		if err != nil {
			return fmt.Errorf("device: keep authorities: %w", err)
		}
		if what == alarm {
			d.news.Alarm = a.Provider.Domain()
		}
	}
	return nil
}

// tell hands the news over.
func (d *Device) tell() {
	if d.cfg.News == nil {
		d.client.TakeNew()
		return
	}
	n := d.news
	n.Client, n.Entries = d.client, d.client.TakeNew()
	d.news.Alarm = ""
	asked := d.client.Asked()
	d.cfg.News(n)
	if d.client.Asked() != asked { // somebody wants something sent
		d.flushAt = d.cfg.Now()
	}
}
