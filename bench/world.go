package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"parley/client"
	"parley/provider/lab"
	"parley/uri"
)

// Setup is what measuring and killing have in common.
type Setup struct {
	Binary   string    // path of parley
	Dir      string    // everything is written below it; its file system is what is measured
	Size     int       // octets of a body; 0 means 256
	Window   int       // messages of one sender that are on their way at once; 0 means 64
	Seed     uint64    // of the bodies, and of what is killed when
	Progress io.Writer // gets lines for people; nil: nobody does
	Extra    string    // further lines of the servers' configurations, see lab.Plan
}

func (s *Setup) fill() {
	if s.Size == 0 {
		s.Size = 256
	}
	if s.Window == 0 {
		s.Window = 64
	}
	if s.Progress == nil {
		s.Progress = io.Discard
	}
}

// world is two providers with devices and rooms.
type world struct {
	setup   Setup
	servers []*lab.Server
	ledger  *ledger
	places  []*place
	lives   *errgroup.Group // of the devices
	ctx     context.Context // ends with the devices
	users   int
}

// place is a room with its members, the creator first.
type place struct {
	room    uri.Room
	members []*member
	guest   *member // comes and goes; nil: nobody does
}

// open starts the providers. close follows in any case.
func open(ctx context.Context, s Setup) (*world, error) {
	w := &world{setup: s, ledger: newLedger(s.Seed, s.Size)}
	w.lives, w.ctx = errgroup.WithContext(ctx)
	var err error
	plan := lab.Plan{Binary: s.Binary, Dir: s.Dir, Domains: []string{"a.example", "b.example"}, Extra: s.Extra}
	if w.servers, err = lab.Build(ctx, plan); err != nil {
		return w, err
	}
	for _, server := range w.servers {
		if err := server.Start(ctx); err != nil {
			return w, err
		}
	}
	return w, nil
}

// close stops the providers, which must end in order, after the devices have ended with their context.
func (w *world) close() error {
	err := w.lives.Wait()
	for _, s := range w.servers {
		err = errors.Join(err, s.Stop())
	}
	return err
}

// kill ends the providers at once; after close it does nothing.
func (w *world) kill() error {
	var errs []error
	for _, s := range w.servers {
		errs = append(errs, s.Kill())
	}
	return errors.Join(errs...)
}

func (w *world) say(format string, args ...any) {
	// Progress is for people; that nobody reads it is no failure of a measurement.
	if _, err := fmt.Fprintf(w.setup.Progress, format+"\n", args...); err != nil {
		w.setup.Progress = io.Discard
	}
}

// enrolled makes a device at a server and starts it.
func (w *world) enrolled(ctx context.Context, server int) (*member, error) {
	w.users++
	m, err := enrol(ctx, w.servers[server], fmt.Sprintf("user%d", w.users), w.ledger)
	if err != nil {
		return nil, err
	}
	m.run(w.ctx, w.lives)
	return m, nil
}

// form makes a room with a member at each of the servers named; the first one creates it and its provider is the hub.
func (w *world) form(ctx context.Context, servers ...int) (*place, error) {
	p := new(place)
	for _, server := range servers {
		m, err := w.enrolled(ctx, server)
		if err != nil {
			return nil, err
		}
		p.members = append(p.members, m)
	}
	creator := p.members[0]
	var err error
	if p.room, err = uri.NewRoom(creator.account.User.Provider(), fmt.Sprintf("room%d", len(w.places))); err != nil {
		return nil, err
	}
	for _, m := range p.members {
		m.room = p.room
	}
	if err := p.gather(ctx); err != nil {
		return nil, err
	}
	w.places = append(w.places, p)
	return p, nil
}

// gather creates the room and brings everybody in, one after the other.
func (p *place) gather(ctx context.Context) error {
	creator := p.members[0]
	if err := creator.device.Do(ctx, func(c *client.Client) error { return c.Create(ctx, p.room, "bench") }); err != nil {
		return fmt.Errorf("creating a room: %w", err)
	}
	for i, m := range p.members[1:] {
		if err := m.stocked(ctx); err != nil {
			return err
		}
		err := creator.device.Do(ctx, func(c *client.Client) error {
			_, err := c.Add(ctx, p.room, m.account.User)
			return err
		})
		if err != nil {
			return fmt.Errorf("adding a member: %w", err)
		}
		for _, who := range p.members[:i+2] {
			if err := who.inside(ctx, i+2); err != nil {
				return err
			}
		}
	}
	return nil
}

// sends makes a member send in its room. What it may have on its way is counted at one other member, at another provider if there is
// one.
func (w *world) sends(p *place, sender *member) {
	sender.lane = w.ledger.lane()
	sender.window = make(chan struct{}, w.setup.Window)
	for range w.setup.Window {
		sender.window <- struct{}{}
	}
	var reader *member
	for _, m := range p.members {
		v := w.ledger.view(sender.lane, m == sender)
		m.sheet.add(v)
		if m != sender && (reader == nil || m.home != sender.home) {
			reader = m
		}
	}
	reader.sheet.frees(sender.lane, sender.window)
}

// near counts the messages that were delivered in rooms whose hub is the sender's provider.
func (w *world) near() (n int) {
	for _, p := range w.places {
		for _, m := range p.members {
			if m.lane != nil && p.room.Provider() == m.account.User.Provider() {
				n += w.ledger.delivered(m.lane)
			}
		}
	}
	return n
}

// stream sends as fast as the window allows, until stop is closed.
func (m *member) stream(ctx context.Context, stop <-chan struct{}) error {
	for {
		select {
		case <-m.window:
		case <-stop:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
		n := 1
		for len(m.window) > 0 {
			<-m.window // nobody else takes from it
			n++
		}
		if err := m.say(ctx, n, time.Now()); err != nil {
			return err
		}
	}
}

// settle waits until everything that was sent has come to everybody.
func (w *world) settle(ctx context.Context) error {
	for {
		n, moved := w.ledger.missing()
		if n == 0 {
			return nil
		}
		select {
		case <-moved:
		case <-w.ctx.Done():
			return w.lives.Wait() // a device failed
		case <-ctx.Done():
			return fmt.Errorf("%d messages are missing at some device: %w", n, ctx.Err())
		}
	}
}

// verdict closes the ledger.
func (w *world) verdict(ctx context.Context) (Verdict, error) {
	v := w.ledger.close()
	for _, p := range w.places {
		agreed := true
		for _, m := range p.members {
			n, err := m.failed(ctx)
			if err != nil {
				return v, err
			}
			v.Refused += n
			agreed = agreed && m.sheet.digest() == p.members[0].sheet.digest()
		}
		if !agreed {
			v.Disagreed++
		}
	}
	return v, nil
}
