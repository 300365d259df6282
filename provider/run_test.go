package provider_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"parley/clientapi/api"
	capi "parley/clientapi/client"
	"parley/identity"
	"parley/provider"
)

func TestReadinessFollowsTheStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "a.example")
	a := w.nodes["a.example"]
	var broken atomic.Bool
	a.cfg.Store.Err = func() error {
		if broken.Load() {
			return errors.New("no disk")
		}
		return nil
	}
	a.start()
	for _, path := range []string{"/livez", "/readyz"} {
		if status, body := a.get(path); status != 200 || body != "ok" {
			t.Errorf("%s: %d %q", path, status, body)
		}
	}
	if _, body := a.get("/metrics"); !strings.Contains(body, "\nparley_up 1\n") || !strings.Contains(body, "\nparley_store_up 1\n") {
		t.Error("metrics do not say that the provider is up")
	}
	if status, _ := a.get("/debug/pprof/"); status != 404 {
		t.Errorf("profiles that nobody asked for: %d", status)
	}
	broken.Store(true)
	if status, body := a.get("/readyz"); status != 503 || !strings.Contains(body, "store") {
		t.Errorf("%d %q", status, body)
	}
	if status, _ := a.get("/livez"); status != 200 {
		t.Errorf("livez %d", status)
	}
	if _, body := a.get("/metrics"); !strings.Contains(body, "\nparley_up 0\n") || !strings.Contains(body, "\nparley_store_up 0\n") {
		t.Error("metrics do not say that the store is down")
	}
}

// A store that stops ends the process with an error, and the listeners with it.
func TestTheEndOfTheStoreIsTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "a.example")
	a := w.nodes["a.example"]
	fail, disk := make(chan struct{}), errors.New("no disk")
	closed := 0
	a.cfg.Store.Run = append(a.cfg.Store.Run, func(ctx context.Context) error {
		select {
		case <-fail:
			return disk
		case <-ctx.Done():
			return nil
		}
	})
	a.cfg.Store.Close = func() error { closed++; return nil }
	a.start()
	a.get("/readyz")
	close(fail)
	err := <-a.ended
	a.ended, a.result = nil, err
	if !errors.Is(err, provider.ErrStore) || !errors.Is(err, disk) {
		t.Errorf("ended with %v", err)
	}
	if closed != 1 {
		t.Errorf("the store was closed %d times", closed)
	}
	for name := range a.listeners {
		if c, err := net.Dial("tcp", a.address(name)); err == nil {
			t.Errorf("%s still listens: %v", name, c.Close())
		}
	}
	if _, err := os.Stat(a.cfg.Socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
	a.logged("provider ended", "no disk")
}

// held is a store whose account look-ups wait until they are let go.
type held struct {
	entered chan struct{}
	release chan struct{}
}

func hold(a *node) *held {
	h := &held{make(chan struct{}, 16), make(chan struct{})}
	view := a.cfg.Store.ViewAccounts
	a.cfg.Store.ViewAccounts = func(ctx context.Context, f func(identity.Tx) error) error {
		h.entered <- struct{}{}
		select {
		case <-h.release:
		case <-ctx.Done():
			return ctx.Err()
		}
		return view(ctx, f)
	}
	return h
}

// ask makes a request of a device without a valid token in the background.
func (n *node) ask() <-chan error {
	c, answered := capi.New(n.transport(), n.uri, "x"), make(chan error, 1)
	go func() {
		_, err := c.Self(context.Background())
		answered <- err
	}()
	return answered
}

func TestShutdownDrains(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "a.example")
	a := w.nodes["a.example"]
	h := hold(a)
	a.start()
	answered := a.ask()
	<-h.entered
	a.stop()
	// Outside first: readiness goes, listeners close, what is under way goes on.
	eventually(t, "listeners close", func() bool {
		c, err := net.Dial("tcp", a.address("client"))
		return err != nil || c.Close() != nil
	})
	if status, body := a.get("/readyz"); status != 503 || !strings.Contains(body, "stopping") {
		t.Errorf("readyz while it drains: %d %q", status, body)
	}
	select {
	case err := <-a.ended:
		t.Fatalf("ended before the request: %v", err)
	case err := <-answered:
		t.Fatalf("the request was cut: %v", err)
	default:
	}
	close(h.release)
	var refused *api.Error
	if err := <-answered; !errors.As(err, &refused) || refused.Code != api.Unauthenticated {
		t.Errorf("the request that was under way: %v", err)
	}
	if err := a.end(); err != nil {
		t.Error(err)
	}
	if strings.Contains(a.log.String(), "requests were cut") {
		t.Error("requests were cut")
	}
}

// What does not end by itself is cut, and the provider ends in time.
func TestShutdownIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "a.example")
	a := w.nodes["a.example"]
	a.cfg.Drain = 50 * time.Millisecond
	h := hold(a)
	a.start()
	answered := a.ask()
	<-h.entered
	if err := a.end(); err != nil {
		t.Error(err)
	}
	if err := <-answered; err == nil {
		t.Error("the request succeeded")
	}
	a.logged("requests were cut", "listener=client")
}

// A device that waits for news does not hold the provider up.
func TestShutdownEndsStreams(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "a.example")
	a := w.nodes["a.example"]
	a.cfg.Drain = time.Minute
	a.start()
	d := a.enrol("alice", "phone")
	polled := make(chan error, 1)
	go func() {
		_, err := d.api.Events(context.Background(), 0, 50*time.Second)
		polled <- err
	}()
	eventually(t, "the poll is held", func() bool {
		_, body := a.get("/metrics")
		return strings.Contains(body, "\nparley_streams 1\n")
	})
	if err := a.end(); err != nil {
		t.Error(err)
	}
	if err := <-polled; err != nil {
		t.Errorf("the poll ended with %v", err)
	}
}

func TestOperatorsSocket(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "a.example", "b.example")
	a := w.nodes["a.example"]
	if _, err := provider.Dial(t.Context(), a.cfg.Socket); !errors.Is(err, provider.ErrNotRunning) {
		t.Errorf("nobody there: %v", err)
	}
	if err := os.WriteFile(a.cfg.Socket, nil, 0o644); err != nil { // what a crash may leave
		t.Fatal(err)
	}
	w.startAll()
	info, err := os.Stat(a.cfg.Socket)
	if must(t, info, err); info.Mode().Type() != fs.ModeSocket || info.Mode().Perm() != 0o600 {
		t.Errorf("socket has mode %v", info.Mode())
	}
	o := a.operator()
	for _, name := range []string{"", "Alice", "a b"} {
		if _, err := o.Invite(t.Context(), name); !errors.Is(err, identity.ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if err := o.Accept(t.Context(), w.nodes["b.example"].uri); !errors.Is(err, identity.ErrNoChange) {
		t.Errorf("nothing to accept: %v", err)
	}
	if _, err := o.Users(t.Context(), "", 0); err == nil {
		t.Error("a page of nothing")
	}
	a.enrol("alice", "phone")
	for i := range 201 { // more than a page
		if _, err := o.Invite(t.Context(), "user"+string(rune('a'+i%26))+strings.Repeat("x", i/26)); err != nil {
			t.Fatal(err)
		}
	}
	users, err := o.AllUsers(t.Context())
	if err != nil || len(users) != 202 {
		t.Fatalf("%d users, %v", len(users), err)
	}
	i := slices.IndexFunc(users, func(u provider.UserEntry) bool { return u.User == "mimi://a.example/u/alice" })
	if i < 0 || len(users[i].Devices) != 1 || users[i].Devices[0].Client != "mimi://a.example/d/alice/phone" {
		t.Errorf("alice: %+v", users)
	}
	eventually(t, "b is pinned", func() bool {
		peers, err := o.Peers(t.Context())
		return err == nil && len(peers) == 1 && peers[0].Domain == "b.example" && !peers[0].Changed && peers[0].Certificates == 1
	})
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "a.example", "b.example")
	a := w.nodes["a.example"]
	for name, spoil := range map[string]func(*provider.Config){
		"no store":       func(c *provider.Config) { c.Store = nil },
		"no keys":        func(c *provider.Config) { c.Keys = nil },
		"no certificate": func(c *provider.Config) { c.Client.Certificate = nil },
		"itself as peer": func(c *provider.Config) { c.Peers[0].Provider = c.Provider },
		"a listener is busy": func(c *provider.Config) {
			c.Listen = func(string) (net.Listener, error) { return nil, errors.New("busy") }
		},
		"no place for a socket": func(c *provider.Config) {
			c.Socket = a.dir + "/none/admin.sock"
			c.Listen = func(string) (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := a.cfg
			cfg.Peers = slices.Clone(cfg.Peers)
			spoil(&cfg)
			if p, err := provider.New(cfg); err == nil {
				t.Errorf("accepted: %v", p.Close())
			}
		})
	}
}
