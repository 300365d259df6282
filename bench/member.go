package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"parley/client"
	"parley/clientapi/api"
	capi "parley/clientapi/client"
	"parley/content"
	"parley/device"
	"parley/mls/suite"
	"parley/provider"
	"parley/provider/lab"
	"parley/uri"
)

// member is one user's only device.
type member struct {
	home    *lab.Server
	account *client.Account
	device  *device.Device
	feed    *feed
	idle    func() // closes connections
	lane    *lane  // what it sends; nil: nothing
	sheet   *sheet // nil: nobody looks at what it reads
	room    uri.Room
	window  chan struct{} // one value per message that may still be sent

	mu      sync.Mutex
	changed chan struct{} // closed and replaced after news
}

// invite makes a user and returns the code for its device.
func invite(ctx context.Context, home *lab.Server, name string) (string, error) {
	o, err := provider.Dial(ctx, home.Socket())
	if err != nil {
		return "", err
	}
	made, err := o.Invite(ctx, name)
	if err != nil {
		return "", fmt.Errorf("user of %s: %w", home.Domain, err)
	}
	return made.Code, nil
}

// enrol makes a user with a device. Each device has connections of its own, as devices have.
func enrol(ctx context.Context, home *lab.Server, name string, l *ledger) (*member, error) {
	code, err := invite(ctx, home, name)
	if err != nil {
		return nil, err
	}
	roots, err := capi.ReadRoots(home.LabCA)
	if err != nil {
		return nil, err
	}
	transport, idle, err := capi.HTTP(capi.HTTPConfig{Origin: "https://" + home.Client, Roots: roots})
	if err != nil {
		return nil, err
	}
	enrolled, err := capi.Enrol(ctx, transport, capi.Enrolment{Code: code, Device: "d1", Suite: suite.X25519AES128})
	if err != nil {
		return nil, fmt.Errorf("enrol at %s: %w", home.Domain, err)
	}
	store := newRecords()
	if err := client.SaveAccount(ctx, store, enrolled.Account); err != nil {
		return nil, err
	}
	connection := capi.New(transport, enrolled.Provider, enrolled.Token)
	m := &member{
		home: home, account: enrolled.Account, feed: newFeed(connection), idle: idle, changed: make(chan struct{}),
		sheet: l.sheet(),
	}
	m.device, err = device.Open(ctx, device.Config{Store: store, Provider: m.feed, News: m.news,
		Authorities: func(ctx context.Context, p uri.Provider) ([]device.Authority, error) {
			return authorities(ctx, connection, p)
		}})
	return m, err
}

func authorities(ctx context.Context, c *capi.Client, p uri.Provider) ([]device.Authority, error) {
	list, err := c.Authorities(ctx, p)
	if err != nil {
		return nil, err
	}
	return authoritiesOf(list)
}

func authoritiesOf(list []api.Authority) ([]device.Authority, error) {
	var out []device.Authority
	for _, a := range list {
		p, err := uri.ParseProvider(a.Provider)
		if err != nil {
			return nil, err
		}
		out = append(out, device.Authority{Provider: p, Certificates: a.Certificates})
	}
	return out, nil
}

// run is the device's life.
func (m *member) run(ctx context.Context, g *errgroup.Group) {
	g.Go(func() error { return m.feed.run(ctx) })
	g.Go(func() error {
		defer m.idle()
		if err := m.device.Run(ctx); err != nil && ctx.Err() == nil {
			return fmt.Errorf("a device at %s: %w", m.home.Domain, err)
		}
		return nil
	})
}

// news is called by the device after each of its steps.
func (m *member) news(n device.News) {
	now := time.Now()
	for _, entries := range n.Entries {
		for i := range entries {
			if m.sheet != nil {
				m.sheet.read(&entries[i], now)
			}
		}
	}
	if len(n.Entries) == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	close(m.changed)
	m.changed = make(chan struct{})
}

// until waits until the device's client is as wanted.
func (m *member) until(ctx context.Context, wanted func(*client.Client) bool) error {
	for {
		m.mu.Lock()
		changed := m.changed
		m.mu.Unlock()
		done := false
		if err := m.device.Do(ctx, func(c *client.Client) error {
			done = wanted(c)
			return nil
		}); err != nil || done {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// stocked sees to it that the device has KeyPackages at its provider, which whoever is added needs. It tries again while the provider
// cannot be reached.
func (m *member) stocked(ctx context.Context) error {
	for {
		err := m.device.Do(ctx, func(c *client.Client) error { return c.Stock(ctx, 2) })
		var retry *client.RetryError
		if !errors.As(err, &retry) {
			return err
		}
		if err := pause(ctx, max(retry.After, 50*time.Millisecond)); err != nil {
			return err
		}
	}
}

// insideWithin is how long a member may take to be seen in a room.
const insideWithin = 30 * time.Second

// inside waits until the device is in its room together with n people, all of them with a device.
func (m *member) inside(ctx context.Context, n int) error {
	waiting, cancel := context.WithTimeout(ctx, insideWithin)
	defer cancel()
	err := m.until(waiting, func(c *client.Client) bool {
		r, ok := c.Room(m.room)
		if !ok || !r.Active() {
			return false
		}
		people, err := r.People()
		if err != nil || len(people) != n {
			return false
		}
		for _, p := range people {
			if len(p.Devices) == 0 {
				return false
			}
		}
		return true
	})
	if err != nil {
		return fmt.Errorf("bench: forming a room of %d: %w; %s", n, err, m.wishes(ctx))
	}
	return nil
}

// wishes says how far what the device was asked for has come.
func (m *member) wishes(ctx context.Context) (text string) {
	err := m.device.Do(ctx, func(c *client.Client) error {
		for _, i := range c.Intents() {
			text += fmt.Sprintf("%s is %s (%s) ", i.Kind, i.Fate, i.Reason)
		}
		return nil
	})
	if err != nil {
		return err.Error()
	}
	return text
}

// say sends n messages at once, that is, hands them to the device.
func (m *member) say(ctx context.Context, n int, at time.Time) error {
	return m.device.Do(ctx, func(c *client.Client) error {
		for range n {
			var salt [16]byte
			if _, err := rand.Read(salt[:]); err != nil {
				return err
			}
			text := m.sheet.ledger.send(m.lane, at)
			encoded, err := content.NewText(salt, m.account.User, m.room, text).Encode()
			if err != nil {
				return err
			}
			id := content.ID(m.account.User, m.room, encoded, salt)
			if _, err := c.Send(ctx, m.room, encoded, id[:]); err != nil {
				return err
			}
		}
		return nil
	})
}

// failed counts the messages that were refused for good.
func (m *member) failed(ctx context.Context) (n int, err error) {
	err = m.device.Do(ctx, func(c *client.Client) error {
		for _, i := range c.Intents() {
			if i.Fate == client.Failed {
				n++
			}
		}
		return nil
	})
	return n, err
}
